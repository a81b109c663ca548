//! Synthetic monitoring: the suites that targets are watched with, on a schedule, between deployments and during them.
//!
//! A loop of its own beside the reconciler's: claim a monitor that is due (a lease on the database's time, renewed before
//! each request), ask [`next`] for the one thing to do, do it, and again; save the run with what it changed. Of several
//! replicas exactly one runs a monitor; one that was paused beyond its lease sends nothing more and saves nothing. A run
//! that a crash cut off is made anew by whoever claims next: requests of a suite are made to be repeated.
//!
//! A change from passing to failing or back makes one audit event, and nothing in between does.

use super::{budget::backoff, millis};
use crate::service::CatalogHandle;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tidegate_adapters::probe::{Prober, url_safety::Allow};
use tidegate_domain::{
    Actor, AuditEvent, Catalog, EnvironmentName, EventKind, ServiceName, Subject, Timestamp,
    smoke::{Attempt, Health, Monitor, MonitorRun, Next, next},
    time::{HOUR, SECOND},
};
use tidegate_store::{Conflict, Db, MonitorClaim, StoreError};
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Between two looks, whatever is due.
const BREATH: Duration = Duration::from_millis(100);
/// Due monitors looked at in a round.
const ROUND: usize = 1_000;
/// How often the rows are brought in line with the configuration, besides when it changes.
const ENSURE_EVERY: Duration = Duration::from_secs(60);
/// How long a monitor that this configuration does not know is left alone.
const UNKNOWN_MILLIS: i64 = HOUR;
/// Characters of a reason that the audit log keeps.
const WHY_MAX: usize = 500;

/// How the loop goes about it. The default is what production wants; only `owner` must be given.
#[derive(Debug, Clone)]
pub struct MonitorOptions {
    /// Names this process among replicas; a new one at each start.
    pub owner: String,
    /// How much longer a lease holds than what comes next may take.
    pub margin: Duration,
    /// Monitors that run at once.
    pub concurrency: usize,
    /// The longest pause of the loop.
    pub idle: Duration,
}

impl MonitorOptions {
    pub fn new(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            margin: Duration::from_secs(30),
            concurrency: 8,
            idle: Duration::from_secs(5),
        }
    }
}

/// Runs monitors until it is told to stop. Cheap to clone; several may run on one database.
#[derive(Clone)]
pub struct Monitors {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    catalog: CatalogHandle,
    prober: Arc<dyn Prober>,
    options: MonitorOptions,
    slots: Arc<Semaphore>,
    finished: Notify,
}

/// Why a run came to nothing.
enum Stopped {
    /// The process is asked to end: whoever comes next may begin at once.
    Asked,
    /// The lease was lost: someone else runs it.
    Lost,
    Failed(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(Conflict::Lease) => Self::Lost,
            error => Self::Failed(error),
        }
    }
}

impl Monitors {
    pub fn new(db: Db, catalog: CatalogHandle, prober: Arc<dyn Prober>, options: MonitorOptions) -> Self {
        Self {
            inner: Arc::new(Inner {
                slots: Arc::new(Semaphore::new(options.concurrency)),
                db,
                catalog,
                prober,
                options,
                finished: Notify::new(),
            }),
        }
    }

    /// Runs until `shutdown`: then begins nothing more and gives back what it holds.
    pub async fn run(&self, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        let mut ensured: Option<(Arc<Catalog>, Instant)> = None;
        let mut pauses = backoff();
        while !shutdown.is_cancelled() {
            let pause = match self.round(&mut ensured, &tasks, &shutdown).await {
                Ok(pause) => {
                    pauses = backoff();
                    pause
                }
                Err(error) => {
                    let pause = pauses.next().unwrap_or(self.inner.options.idle);
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "no monitor could be claimed");
                    pause
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.inner.finished.notified() => {}
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Begins what is due; returns how long nothing more is.
    async fn round(
        &self,
        ensured: &mut Option<(Arc<Catalog>, Instant)>,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Result<Duration, StoreError> {
        let inner = &self.inner;
        let catalog = inner.catalog.get();
        let fresh = ensured
            .as_ref()
            .is_some_and(|(known, at)| Arc::ptr_eq(known, &catalog) && at.elapsed() < ENSURE_EVERY);
        if !fresh {
            inner.db.ensure_monitors(&configured(&catalog)).await?;
            *ensured = Some((catalog.clone(), Instant::now()));
        }
        for (service, environment) in inner.db.due_monitors(ROUND).await? {
            let target = catalog.target(&service, &environment);
            let Some(monitor) = target.and_then(|target| target.monitor.as_ref()) else {
                inner
                    .db
                    .postpone_monitor(&service, &environment, UNKNOWN_MILLIS)
                    .await?;
                continue;
            };
            let Ok(slot) = inner.slots.clone().try_acquire_owned() else {
                return Ok(inner.options.idle);
            };
            let (owner, margin) = (&inner.options.owner, millis(inner.options.margin));
            let Some(claim) = inner.db.claim_monitor(&service, &environment, owner, margin).await? else {
                continue;
            };
            let (inner, monitor, shutdown) = (inner.clone(), monitor.clone(), shutdown.clone());
            // What the configuration allows was found valid; if it were not, nothing would be allowed.
            let allow = Allow::parse(&catalog.smoke_allow).unwrap_or_default();
            tasks.spawn(async move {
                inner.attend(&claim, &monitor, &allow, &shutdown).await;
                drop(slot);
                inner.finished.notify_one();
            });
        }
        let Some(due) = inner.db.next_monitor_due().await? else {
            return Ok(inner.options.idle);
        };
        let wait = u64::try_from(due.since(inner.db.now().await?)).unwrap_or_default();
        Ok(Duration::from_millis(wait).clamp(BREATH.min(inner.options.idle), inner.options.idle))
    }
}

fn configured(catalog: &Catalog) -> Vec<(ServiceName, EnvironmentName, i64)> {
    let mut monitors = Vec::new();
    for service in &catalog.services {
        for target in &service.targets {
            if let Some(monitor) = &target.monitor {
                let every = monitor.every_seconds.saturating_mul(SECOND);
                monitors.push((service.name.clone(), target.environment.clone(), every));
            }
        }
    }
    monitors
}

impl Inner {
    async fn attend(&self, claim: &MonitorClaim, monitor: &Monitor, allow: &Allow, shutdown: &CancellationToken) {
        let (service, environment) = (&claim.service, &claim.environment);
        match self.run_suite(claim, monitor, allow, shutdown).await {
            Ok(()) => return,
            Err(Stopped::Asked) => {}
            Err(Stopped::Lost) => {
                tracing::warn!(%service, %environment, "the lease of a monitor was lost to another replica");
                return;
            }
            Err(Stopped::Failed(error)) => {
                tracing::warn!(%error, %service, %environment, "a monitor's run could not be kept");
            }
        }
        if let Err(error) = self.db.release_monitor(claim).await {
            tracing::debug!(%error, %service, %environment, "a monitor could not be given back; its lease runs out");
        }
    }

    async fn run_suite(
        &self,
        claim: &MonitorClaim,
        monitor: &Monitor,
        allow: &Allow,
        shutdown: &CancellationToken,
    ) -> Result<(), Stopped> {
        let suite = &monitor.suite;
        let began_at = self.db.now().await?;
        let mut attempts: Vec<Attempt> = Vec::new();
        let (ended_at, failed) = loop {
            let now = self.db.now().await?;
            match next(suite, &attempts, now) {
                Next::Attempt { test, number } => {
                    let test = &suite.tests[test];
                    self.keep(claim, test.timeout_ms).await?;
                    let answer = tokio::select! {
                        answer = self.prober.probe(&monitor.base_url, test, allow) => answer,
                        () = shutdown.cancelled() => return Err(Stopped::Asked),
                    };
                    attempts.push(Attempt::new(test, number, now, &answer));
                }
                Next::Wait { until } => {
                    let wait = until.since(now);
                    self.keep(claim, wait).await?;
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())) => {}
                        () = shutdown.cancelled() => return Err(Stopped::Asked),
                    }
                }
                Next::Passed => break (now, None),
                Next::Failed { test, why } => break (now, Some((test, why))),
            }
        };
        let run = MonitorRun {
            suite: suite.name.clone(),
            version: suite.version(),
            began_at,
            ended_at,
            health: match failed {
                None => Health::Passing,
                Some(_) => Health::Failing,
            },
            failed,
            attempts,
        };
        let next_at = began_at.plus_seconds(monitor.every_seconds).max(ended_at);
        self.record(claim, &run, next_at).await
    }

    /// Keeps the claim for what takes so long, or finds that it is lost.
    async fn keep(&self, claim: &MonitorClaim, for_millis: i64) -> Result<(), Stopped> {
        let lease = for_millis.saturating_add(millis(self.options.margin));
        if self.db.renew_monitor(claim, lease).await? {
            Ok(())
        } else {
            Err(Stopped::Lost)
        }
    }

    async fn record(&self, claim: &MonitorClaim, run: &MonitorRun, next_at: Timestamp) -> Result<(), Stopped> {
        let mut tx = self.db.begin().await?;
        let Some(before) = tx.record_monitor_run(claim, run, next_at).await? else {
            return Ok(tx.commit().await?);
        };
        let lasted = before.map(|(_, since)| run.began_at.since(since) / SECOND);
        tx.append_audit(&[changed(claim, run, lasted)]).await?;
        tx.commit().await?;
        let (service, environment, health) = (&claim.service, &claim.environment, run.health.as_str());
        tracing::info!(%service, %environment, health, "a monitor changed");
        Ok(())
    }
}

/// `lasted`: seconds for which it was otherwise.
fn changed(claim: &MonitorClaim, run: &MonitorRun, lasted: Option<i64>) -> AuditEvent {
    let mut data = json!({ "suite": run.suite, "health": run.health });
    if let Some((test, why)) = &run.failed {
        data["test"] = json!(test);
        data["why"] = json!(why.chars().take(WHY_MAX).collect::<String>());
    }
    if let Some(seconds) = lasted {
        data["seconds"] = json!(seconds);
    }
    AuditEvent {
        kind: EventKind::MonitorChanged,
        actor: Actor::system("monitor"),
        subject: Subject {
            service: Some(claim.service.clone()),
            environment: Some(claim.environment.clone()),
            ..Subject::default()
        },
        data,
        text: None,
    }
}
