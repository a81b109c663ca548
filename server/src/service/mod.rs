//! The use cases: one function each, behind the pages, the API and the webhooks.
//!
//! Each loads, asks the domain, and saves the new state with its audit events in one transaction; a use case that
//! cannot write its event changes nothing (R20). Nothing here calls the cloud: a use case wakes the worker, which acts
//! on what it finds in the database. The one outside question is asked through [`ports::Identity`].

mod audit_page;
mod change;
pub mod ci;
pub(crate) mod clearance;
mod configuration;
mod decide;
mod deployment_page;
mod earlier;
mod errors;
mod gates;
pub mod health;
mod health_page;
mod history;
mod home;
pub mod housekeeping;
mod ids;
mod inbox;
pub mod lab;
pub mod lineage;
pub mod live;
mod monitors;
pub mod once;
pub mod people;
mod portal;
pub mod ports;
mod releases;
mod request;
mod roll_back;
pub mod seal;
mod service_page;
pub mod sessions;
mod shape;
mod summary;
mod telling;
mod transaction;
mod webhooks;

pub use ids::fresh_id;
pub use releases::{NewGate, NewRelease};
pub(crate) use summary::note;
pub(crate) use telling::tell;
pub use transaction::{Acting, OnceKey};
pub use webhooks::{Delivery, Hook, Push, WorkflowRun, enriched};

use crate::service::{
    ports::Identity,
    transaction::{Stopped, again},
};
use std::sync::{Arc, PoisonError, RwLock};
use tidegate_app::portal::PortalError;
use tidegate_domain::{Action, Actor, AuditEvent, Catalog, EventKind, ServiceName, Subject, access, name::PersonRef};
use tidegate_store::Db;

/// The configuration in force. Everyone who holds a handle sees a new one at once.
#[derive(Clone)]
pub struct CatalogHandle(Arc<RwLock<Arc<Catalog>>>);

impl CatalogHandle {
    pub fn new(catalog: Catalog) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(catalog))))
    }

    pub fn get(&self) -> Arc<Catalog> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes effect with the next `get`. The caller wakes what waits ([`Services::configuration_changed`]).
    pub fn set(&self, catalog: Catalog) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }
}

/// All use cases. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    inner: Arc<Inner>,
    acting: Acting,
}

struct Inner {
    db: Db,
    catalog: CatalogHandle,
    identity: Arc<dyn Identity>,
    github_web: String,
}

impl Services {
    pub fn new(db: Db, catalog: CatalogHandle, identity: Arc<dyn Identity>) -> Self {
        Self {
            inner: Arc::new(Inner {
                db,
                catalog,
                identity,
                github_web: "https://github.com".to_owned(),
            }),
            acting: Acting::default(),
        }
    }

    /// Where GitHub's pages are, for links to a comparison. Default: `https://github.com`.
    #[must_use]
    pub fn with_github_web(self, base: &str) -> Self {
        Self {
            inner: Arc::new(Inner {
                db: self.inner.db.clone(),
                catalog: self.inner.catalog.clone(),
                identity: self.inner.identity.clone(),
                github_web: base.trim_end_matches('/').to_owned(),
            }),
            acting: self.acting.clone(),
        }
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner.catalog.get()
    }

    pub(crate) fn identity(&self) -> &dyn Identity {
        &*self.inner.identity
    }

    pub(crate) fn github_web(&self) -> &str {
        &self.inner.github_web
    }

    /// Leaves an `access.denied` event: `what` was tried, `why` it was refused. The refusal stands even if the event
    /// cannot be written, because nothing was done.
    pub async fn denied(&self, actor: &Actor, what: &str, why: &str) {
        self.denied_about(actor, what, why, Subject::default()).await;
    }

    pub(crate) async fn denied_about(&self, actor: &Actor, what: &str, why: &str, subject: Subject) {
        let event = AuditEvent {
            kind: EventKind::AccessDenied,
            actor: actor.clone(),
            subject,
            data: serde_json::json!({ "what": what, "why": why }),
            text: None,
        };
        if let Err(stopped) = again(|| self.note_once(&event)).await {
            let error = PortalError::from(stopped);
            tracing::warn!(%error, actor = actor.label(), what, "a refusal could not be written into the audit log");
        }
    }

    async fn note_once(&self, event: &AuditEvent) -> Result<(), Stopped> {
        let mut tx = self.db().begin().await?;
        self.append(&mut tx, vec![event.clone()]).await?;
        Ok(tx.commit().await?)
    }

    /// Every waiting deployment is judged again: for after a configuration change (R6).
    ///
    /// # Errors
    /// When the database does not answer; the worker looks again by itself within half a minute.
    pub async fn configuration_changed(&self) -> Result<(), PortalError> {
        self.db().wake_waiting().await.map_err(errors::portal)?;
        Ok(())
    }

    /// Lets `actor` through or says why not, and notes the attempt.
    pub(crate) async fn allow(
        &self,
        actor: &Actor,
        action: Action,
        service: Option<&ServiceName>,
    ) -> Result<(), PortalError> {
        self.allow_about(
            actor,
            action,
            Subject {
                service: service.cloned(),
                ..Subject::default()
            },
        )
        .await
    }

    pub(crate) async fn allow_about(&self, actor: &Actor, action: Action, subject: Subject) -> Result<(), PortalError> {
        match access::can(actor, action, subject.service.as_ref()) {
            Ok(()) => Ok(()),
            Err(denial) => {
                self.denied_about(actor, action.words(), &denial.0, subject).await;
                Err(PortalError::Forbidden(denial.0))
            }
        }
    }
}

/// The person behind the request, for what only people do.
pub(crate) fn person(actor: &Actor, action: Action) -> Result<&PersonRef, PortalError> {
    actor
        .person()
        .ok_or_else(|| PortalError::Forbidden(format!("only a person may {}", action.words())))
}
