//! The loop: claim what is due, attend each in a task of its own, sleep until the next is due.

use super::{
    Engines, Options,
    budget::{Budget, backoff},
    enrich::Enricher,
    lease::Lease,
    millis,
    seen::Seen,
};
use crate::service::CatalogHandle;
use std::{sync::Arc, time::Duration};
use tidegate_adapters::{Github, Metrics};
use tidegate_store::{Change, Claim, Db, StoreError};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The shortest pause between two looks for work, so that rows held by others do not keep the loop spinning.
const BREATH: Duration = Duration::from_millis(50);
/// As long as that, where something is due that someone else holds.
const HELD_ELSEWHERE: Duration = Duration::from_millis(500);

/// Attends deployments until it is told to stop. Cheap to clone; several may run on one database.
#[derive(Clone)]
pub struct Reconciler {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) db: Db,
    pub(super) catalog: CatalogHandle,
    pub(super) engines: Engines,
    pub(super) github: Arc<dyn Github>,
    pub(super) metrics: Arc<dyn Metrics>,
    pub(super) enricher: Enricher,
    pub(super) budget: Budget,
    pub(super) seen: Seen,
    pub(super) options: Options,
    pub(super) shutdown: CancellationToken,
    finished: Notify,
}

impl Reconciler {
    pub fn new(
        db: Db,
        catalog: CatalogHandle,
        engines: Engines,
        github: Arc<dyn Github>,
        metrics: Arc<dyn Metrics>,
        options: Options,
    ) -> Self {
        let budget = Budget::new(options.reads_per_second);
        Self {
            inner: Arc::new(Inner {
                enricher: Enricher::new(db.clone(), github.clone()),
                db,
                catalog,
                engines,
                github,
                metrics,
                budget,
                seen: Seen::new(options.longest_pause),
                options,
                shutdown: CancellationToken::new(),
                finished: Notify::new(),
            }),
        }
    }

    /// Runs until `shutdown`: then claims nothing more, lets every task finish the step it is at, hands its claims back
    /// and returns, within [`Options::farewell`] (R16).
    pub async fn run(&self, shutdown: CancellationToken) {
        let inner = &self.inner;
        let tasks = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(inner.options.concurrency));
        let rounds = tokio::spawn(self.clone().rounds(shutdown.clone()));
        let mut changes = inner.db.changes();
        let mut pauses = backoff();
        while !shutdown.is_cancelled() {
            let pause = match self.claim_due(&slots, &tasks).await {
                Ok(pause) => {
                    pauses = backoff();
                    pause
                }
                Err(error) => {
                    let pause = pauses.next().unwrap_or(inner.options.idle);
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "no work could be claimed");
                    pause
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                () = inner.finished.notified() => {}
                () = something_changed(&mut changes) => {}
            }
        }
        inner.shutdown.cancel();
        tasks.close();
        if tokio::time::timeout(inner.options.farewell, tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                left = tasks.len(),
                "stopped with tasks unfinished; their leases run out by themselves"
            );
        }
        rounds.abort();
    }

    /// Claims as much as there are free slots for. Returns how long there is nothing more to claim.
    async fn claim_due(&self, slots: &Arc<Semaphore>, tasks: &TaskTracker) -> Result<Duration, StoreError> {
        let inner = &self.inner;
        let free = slots.available_permits();
        if free == 0 {
            return Ok(inner.options.idle);
        }
        let asked_at = Instant::now();
        let lease = inner.options.lease;
        let claims = inner.db.claim(&inner.options.owner, millis(lease), free).await?;
        let claimed = claims.len();
        for claim in claims {
            let slot = slots.clone().try_acquire_owned().ok();
            tasks.spawn(self.clone().attend_claim(claim, asked_at, slot));
        }
        if claimed == free {
            return Ok(BREATH);
        }
        self.until_next_due().await
    }

    async fn until_next_due(&self) -> Result<Duration, StoreError> {
        let inner = &self.inner;
        let Some(due) = inner.db.next_due().await? else {
            return Ok(inner.options.idle);
        };
        let wait = due.since(inner.db.now().await?);
        Ok(match u64::try_from(wait) {
            Ok(wait) if wait > 0 => Duration::from_millis(wait).clamp(BREATH, inner.options.idle),
            _ => HELD_ELSEWHERE.min(inner.options.idle),
        })
    }

    async fn attend_claim(self, claim: Claim, asked_at: Instant, slot: Option<OwnedSemaphorePermit>) {
        let inner = &self.inner;
        let lease = Lease::hold(inner.db.clone(), claim, asked_at, inner.options.lease);
        inner.attend(&lease).await;
        drop(lease);
        drop(slot);
        inner.finished.notify_one();
    }

    /// What is done now and then, beside the loop.
    async fn rounds(self, shutdown: CancellationToken) {
        let inner = &self.inner;
        loop {
            inner.enrich_new_releases().await;
            inner.stop_strays().await;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(inner.options.rounds) => {}
            }
        }
    }
}

/// Returns after the next change; many at once count as one.
async fn something_changed(changes: &mut broadcast::Receiver<Change>) {
    match changes.recv().await {
        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => while changes.try_recv().is_ok() {},
        // No one will ever tell: the timer alone goes on.
        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
    }
}
