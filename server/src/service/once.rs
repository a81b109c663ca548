//! Doing things once: answers kept under an idempotency key, and webhook deliveries that were seen before.

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tidegate_domain::{
    access::Actor,
    audit::{AuditEvent, EventKind, Subject},
};
use tidegate_store::{Db, Idempotency, StoreError};

/// What is known of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: go on, and call [`Once::keep`] or [`Once::forget`] afterwards.
    Fresh,
    Answer {
        status: u16,
        body: String,
    },
    /// The key came with another request before.
    OtherRequest,
    /// The first request under it has not ended yet.
    InProgress,
}

#[derive(Clone)]
pub struct Once(Db);

impl Once {
    pub const fn new(db: Db) -> Self {
        Self(db)
    }

    /// Claims a key. `scope`: whose key it is, and of which operation; keys of others never meet.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn begin(&self, key: &str, scope: &str, request: &[u8]) -> Result<Kept, StoreError> {
        let hash: [u8; 32] = Sha256::digest(request).into();
        let mut tx = self.0.begin().await?;
        let found = tx.idempotency_begin(key, scope, &hash).await?;
        tx.commit().await?;
        Ok(match found {
            Idempotency::Fresh => Kept::Fresh,
            Idempotency::Replay { status, body } => Kept::Answer { status, body },
            Idempotency::Mismatch => Kept::OtherRequest,
            Idempotency::InProgress => Kept::InProgress,
        })
    }

    /// # Errors
    /// The database cannot be written.
    pub async fn keep(&self, key: &str, scope: &str, status: u16, body: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        tx.idempotency_finish(key, scope, status, body).await?;
        tx.commit().await
    }

    /// Gives a key back: nothing was done under it.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn forget(&self, key: &str, scope: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        tx.idempotency_forget(key, scope).await?;
        tx.commit().await
    }
}

/// A webhook's delivery.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// GitHub's own id of it; the same when it is sent again.
    pub id: &'a str,
    pub event: &'a str,
    pub repository: Option<&'a str>,
    pub body: &'a [u8],
}

impl Delivery<'_> {
    fn body_hash(&self) -> [u8; 32] {
        Sha256::digest(self.body).into()
    }
}

impl Once {
    /// Notes a delivery; false when its id or its body was seen before.
    ///
    /// # Errors
    /// The database or the audit log cannot be written; nothing is noted then.
    pub async fn first_delivery(&self, delivery: &Delivery<'_>) -> Result<bool, StoreError> {
        let mut tx = self.0.begin().await?;
        if !tx.webhook_seen(delivery.id, &delivery.body_hash()).await? {
            return Ok(false);
        }
        let event = AuditEvent {
            kind: EventKind::WebhookReceived,
            actor: Actor::system("webhook"),
            subject: Subject::default(),
            data: json!({ "delivery": delivery.id, "event": delivery.event, "repository": delivery.repository }),
            text: None,
        };
        tx.append_audit(&[event]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Forgets a delivery that could not be taken, so that it is taken when it comes again.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn forget_delivery(&self, delivery: &Delivery<'_>) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        tx.webhook_forget(delivery.id).await?;
        tx.commit().await
    }
}
