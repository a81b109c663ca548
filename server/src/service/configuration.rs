//! Which configuration is in force is part of the record: each version that is loaded is kept and leaves an event.

use super::{Services, errors};
use tidegate_app::portal::PortalError;
use tidegate_domain::{Actor, AuditEvent, EventKind, Subject};

impl Services {
    /// Keeps a configuration that is about to be put in force, by its hash. The event says whether it is a new one.
    ///
    /// # Errors
    /// When it could not be written; it must not be put in force then.
    pub async fn configuration_loaded(&self, hash: &str, text: &str) -> Result<(), PortalError> {
        let mut tx = self.db().begin().await.map_err(errors::portal)?;
        let new = tx.put_configuration(hash, text).await.map_err(errors::portal)?;
        let event = AuditEvent {
            kind: EventKind::ConfigurationLoaded,
            actor: Actor::system("configuration"),
            subject: Subject::default(),
            data: serde_json::json!({ "version": hash, "new": new }),
            text: None,
        };
        tx.append_audit(std::slice::from_ref(&event))
            .await
            .map_err(errors::portal)?;
        tx.commit().await.map_err(errors::portal)
    }
}
