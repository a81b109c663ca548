//! The frame of every use case that changes something: what ends a transaction, and trying again after a collision.
//!
//! Two transactions that want the same rows may get in each other's way; the database then ends one of them, of which
//! nothing was kept. That is nobody's fault and no answer: it is done anew, and only when it collides time and again does
//! the caller hear that nothing was changed.

use super::{Services, errors};
use serde_json::json;
use std::{fmt::Display, future::Future};
use tidegate_app::portal::PortalError;
use tidegate_domain::{AuditEvent, Refusal, Timestamp};
use tidegate_store::{Conflict, StoreError, Tx};

/// Tries of a transaction that collides with others.
const TRIES: usize = 5;

/// What is particular about the request that a use case is for.
#[derive(Debug, Clone, Default)]
pub struct Acting {
    /// Set when GitHub could not be asked: the person's roles are those of this moment. Every event of what they do says so.
    pub roles_as_of: Option<Timestamp>,
    /// The key under which the request came.
    pub once: Option<OnceKey>,
}

/// An idempotency key, and whose and what for it is.
#[derive(Debug, Clone)]
pub struct OnceKey {
    pub key: String,
    pub scope: String,
}

/// Why nothing changed.
pub(crate) enum Stopped {
    /// It got in the way of another transaction: the same again may do.
    Collided,
    /// The domain does not allow it.
    Refused(Refusal),
    Portal(PortalError),
}

impl From<PortalError> for Stopped {
    fn from(error: PortalError) -> Self {
        Self::Portal(error)
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        if error.is_collision() {
            Self::Collided
        } else {
            Self::Portal(errors::portal(error))
        }
    }
}

impl From<Stopped> for PortalError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Collided => errors::collided(),
            Stopped::Refused(refusal) => errors::refusal(refusal),
            Stopped::Portal(error) => error,
        }
    }
}

/// Whether doing the same again may go better.
pub(crate) trait Collision {
    fn is_collision(&self) -> bool;
}

impl Collision for StoreError {
    fn is_collision(&self) -> bool {
        matches!(self, Self::Conflict(Conflict::Busy | Conflict::Version))
    }
}

impl Collision for Stopped {
    fn is_collision(&self) -> bool {
        matches!(self, Self::Collided)
    }
}

/// Runs a transaction, and again when it collided with another one.
pub(crate) async fn again<T, E, F>(attempt: impl Fn() -> F) -> Result<T, E>
where
    E: Collision,
    F: Future<Output = Result<T, E>>,
{
    let mut tries = 1;
    loop {
        match attempt().await {
            Err(error) if error.is_collision() && tries < TRIES => tries += 1,
            ended => return ended,
        }
    }
}

impl Services {
    /// The same use cases for one request.
    #[must_use]
    pub fn acting(&self, acting: Acting) -> Self {
        Self {
            inner: self.inner.clone(),
            acting,
        }
    }

    /// Appends the events; without them nothing may be kept (R20).
    pub(crate) async fn append(&self, tx: &mut Tx, mut events: Vec<AuditEvent>) -> Result<(), Stopped> {
        for event in &mut events {
            self.sign(event);
        }
        match tx.append_audit(&events).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_collision() => Err(Stopped::Collided),
            Err(error) => Err(Stopped::Portal(errors::audit(error))),
        }
    }

    /// Says in an event how old the roles were that allowed it, where they could not be confirmed.
    pub(crate) fn sign(&self, event: &mut AuditEvent) {
        if let Some(at) = self.acting.roles_as_of {
            if !event.data.is_object() {
                event.data = json!({});
            }
            event.data["roles_confirmed_at"] = json!(at.to_string());
            event.data["github"] = json!("did not answer");
        }
    }

    /// Notes under the request's key what comes of it: from the commit on it is not done again.
    pub(crate) async fn note_result(&self, tx: &mut Tx, result: &(impl Display + Sync)) -> Result<(), Stopped> {
        if let Some(OnceKey { key, scope }) = &self.acting.once {
            tx.idempotency_done(key, scope, &result.to_string()).await?;
        }
        Ok(())
    }

    /// The end of a transaction: its result under the request's key, its events, the commit.
    pub(crate) async fn finish(
        &self,
        mut tx: Tx,
        events: Vec<AuditEvent>,
        result: &(impl Display + Sync),
    ) -> Result<(), Stopped> {
        self.note_result(&mut tx, result).await?;
        self.append(&mut tx, events).await?;
        Ok(tx.commit().await?)
    }
}
