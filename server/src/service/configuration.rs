//! Which configuration is in force is part of the record: each version that is loaded is kept and leaves an event.

use super::{
    Services,
    transaction::{Stopped, again},
};
use tidegate_app::portal::PortalError;
use tidegate_domain::{Actor, AuditEvent, EventKind, Subject};

impl Services {
    /// Keeps a configuration that is about to be put in force, by its hash. The event says whether it is a new one.
    ///
    /// # Errors
    /// When it could not be written; it must not be put in force then.
    pub async fn configuration_loaded(&self, hash: &str, text: &str) -> Result<(), PortalError> {
        Ok(again(|| self.configuration_loaded_once(hash, text)).await?)
    }

    async fn configuration_loaded_once(&self, hash: &str, text: &str) -> Result<(), Stopped> {
        let mut tx = self.db().begin().await?;
        let new = tx.put_configuration(hash, text).await?;
        let event = AuditEvent {
            kind: EventKind::ConfigurationLoaded,
            actor: Actor::system("configuration"),
            subject: Subject::default(),
            data: serde_json::json!({ "version": hash, "new": new }),
            text: None,
        };
        self.append(&mut tx, vec![event]).await?;
        Ok(tx.commit().await?)
    }
}
