//! A claim that is kept alive while its deployment is attended.

use super::millis;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tidegate_store::{Claim, Db};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

/// Between two tries to renew while the database is away.
const RETRY: Duration = Duration::from_secs(1);

/// Held from the claim to the drop; a task renews it in between.
pub(super) struct Lease {
    pub(super) claim: Claim,
    shared: Arc<Shared>,
    heartbeat: JoinHandle<()>,
}

struct Shared {
    /// On the monotonic clock, counted from before the database was asked: never later than the database thinks.
    held_until: Mutex<Instant>,
    lost: CancellationToken,
}

impl Lease {
    /// `asked_at`: the moment before the claim was made.
    pub(super) fn hold(db: Db, claim: Claim, asked_at: Instant, length: Duration) -> Self {
        let shared = Arc::new(Shared {
            held_until: Mutex::new(asked_at + length),
            lost: CancellationToken::new(),
        });
        let heartbeat = tokio::spawn(beat(db, claim.clone(), shared.clone(), length));
        Self {
            claim,
            shared,
            heartbeat,
        }
    }

    /// What is left of it for certain. Zero once it is lost.
    pub(super) fn left(&self) -> Duration {
        if self.shared.lost.is_cancelled() {
            return Duration::ZERO;
        }
        self.shared.until().saturating_duration_since(Instant::now())
    }

    /// Returns once it is lost, or has run out.
    pub(super) async fn lost(&self) {
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = self.shared.lost.cancelled() => return,
                // It may have been renewed meanwhile.
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    pub(super) fn is_held(&self) -> bool {
        !self.left().is_zero()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

impl Shared {
    fn until(&self) -> Instant {
        *self.held_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn beat(db: Db, claim: Claim, shared: Arc<Shared>, length: Duration) {
    let mut pause = length / 3;
    loop {
        tokio::time::sleep(pause).await;
        let asked_at = Instant::now();
        match db.renew(&claim, millis(length)).await {
            Ok(true) => {
                *shared.held_until.lock().unwrap_or_else(PoisonError::into_inner) = asked_at + length;
                pause = length / 3;
            }
            Ok(false) => {
                tracing::warn!(deployment = %claim.deployment, epoch = claim.epoch, "the lease was lost to another replica");
                shared.lost.cancel();
                return;
            }
            Err(error) => {
                tracing::warn!(%error, deployment = %claim.deployment, "the lease could not be renewed");
                if Instant::now() >= shared.until() {
                    shared.lost.cancel();
                    return;
                }
                pause = RETRY.min(length / 3);
            }
        }
    }
}
