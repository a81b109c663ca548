//! Doing things once: what came of a request is kept under its idempotency key.
//!
//! The use case itself notes its result, in its own transaction ([`super::Acting`]); the answer is kept afterwards. So a
//! request that was done is never done again, even if the process ended before its answer was kept.

use super::{OnceKey, transaction::again};
use sha2::{Digest as _, Sha256};
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
    /// It was done, but its answer was not kept; this is what came of it.
    Done {
        result: String,
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

    /// Claims a key.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn begin(&self, key: &OnceKey, request: &[u8]) -> Result<Kept, StoreError> {
        let hash: [u8; 32] = Sha256::digest(request).into();
        let found = again(|| async {
            let mut tx = self.0.begin().await?;
            let found = tx.idempotency_begin(&key.key, &key.scope, &hash).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(found)
        });
        Ok(match found.await? {
            Idempotency::Done { result } => Kept::Done { result },
            Idempotency::Fresh => Kept::Fresh,
            Idempotency::Replay { status, body } => Kept::Answer { status, body },
            Idempotency::Mismatch => Kept::OtherRequest,
            Idempotency::InProgress => Kept::InProgress,
        })
    }

    /// # Errors
    /// The database cannot be written.
    pub async fn keep(&self, key: &OnceKey, status: u16, body: &str) -> Result<(), StoreError> {
        let kept = again(|| async {
            let mut tx = self.0.begin().await?;
            tx.idempotency_finish(&key.key, &key.scope, status, body).await?;
            tx.commit().await
        });
        kept.await
    }

    /// Gives a key back: nothing was done under it.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn forget(&self, key: &OnceKey) -> Result<(), StoreError> {
        let forgotten = again(|| async {
            let mut tx = self.0.begin().await?;
            tx.idempotency_forget(&key.key, &key.scope).await?;
            tx.commit().await
        });
        forgotten.await
    }
}
