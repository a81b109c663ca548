//! Health between deployments: targets judged on a schedule by the definition that judges their deployments.
//!
//! A loop of its own beside the reconciler's: claim a target that is due (a lease on the database's time), read, judge as if
//! all traffic had moved long ago, and save the evaluation with what it changed. Rules that need a new or a stable version are
//! left out ([`HealthDefinition::between`]). Of several replicas one judges a target; one that was paused beyond its lease
//! saves nothing. While a deployment is in flight in its lane nothing is judged: that is the deployment's own health.
//!
//! A change makes one audit event, and nothing in between does. What cannot be known yet changes nothing.

use super::{budget::backoff, millis};
use crate::service::CatalogHandle;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tidegate_adapters::{Metrics, Read as Ask};
use tidegate_domain::{
    Actor, AuditEvent, Catalog, EnvironmentName, EventKind, ServiceName, Subject, Target, Timestamp,
    health::{
        Evaluation, HealthDefinition, Outcome, Readings, Recorded, SLOWER, Unread, evaluate, reads, turned,
        values_between,
    },
    time::{HOUR, SECOND},
};
use tidegate_store::{Conflict, Db, EvaluationsQuery, HealthRow, HealthWatch, NewEvaluation, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long the sources are given to answer.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// Due targets looked at in a round.
const ROUND: usize = 1_000;
/// How often the rows are brought in line with the configuration, besides when it changes.
const ENSURE_EVERY: Duration = Duration::from_secs(60);
/// How long a target that this configuration does not judge is left alone.
const UNKNOWN_MILLIS: i64 = HOUR;
/// Characters of a reason that the audit log keeps.
const WHY_MAX: usize = 500;

/// How the loop goes about it. The default is what production wants; only `owner` must be given.
#[derive(Debug, Clone)]
pub struct HistoryOptions {
    /// Names this process among replicas; a new one at each start.
    pub owner: String,
    /// How long a claim holds.
    pub lease: Duration,
    /// The longest pause of the loop.
    pub idle: Duration,
}

impl HistoryOptions {
    pub fn new(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            lease: Duration::from_secs(60),
            idle: Duration::from_secs(5),
        }
    }
}

/// Judges targets between deployments until it is told to stop. Several may run on one database.
pub struct HealthHistory {
    db: Db,
    catalog: CatalogHandle,
    metrics: Arc<dyn Metrics>,
    options: HistoryOptions,
}

impl HealthHistory {
    pub fn new(db: Db, catalog: CatalogHandle, metrics: Arc<dyn Metrics>, options: HistoryOptions) -> Self {
        Self {
            db,
            catalog,
            metrics,
            options,
        }
    }

    /// Runs until `shutdown`; what is being judged then is finished first.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut ensured: Option<(Arc<Catalog>, Instant)> = None;
        let mut pauses = backoff();
        while !shutdown.is_cancelled() {
            let pause = match self.round(&mut ensured, &shutdown).await {
                Ok(pause) => {
                    pauses = backoff();
                    pause
                }
                Err(error) => {
                    let pause = pauses.next().unwrap_or(self.options.idle);
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "health between deployments is not judged");
                    pause
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Judges what is due; returns how long nothing more is.
    async fn round(
        &self,
        ensured: &mut Option<(Arc<Catalog>, Instant)>,
        shutdown: &CancellationToken,
    ) -> Result<Duration, StoreError> {
        let catalog = self.catalog.get();
        let fresh = ensured
            .as_ref()
            .is_some_and(|(known, at)| Arc::ptr_eq(known, &catalog) && at.elapsed() < ENSURE_EVERY);
        if !fresh {
            self.db.ensure_watches(&configured(&catalog)).await?;
            *ensured = Some((catalog.clone(), Instant::now()));
        }
        for (service, environment) in self.db.due_watches(ROUND).await? {
            if shutdown.is_cancelled() {
                break;
            }
            let target = catalog.target(&service, &environment);
            let Some((target, definition)) = target.and_then(|target| Some((target, judged_by(&service, target)?)))
            else {
                self.db.postpone_watch(&service, &environment, UNKNOWN_MILLIS).await?;
                continue;
            };
            let lease = millis(self.options.lease);
            let claim = self
                .db
                .claim_watch(&service, &environment, &self.options.owner, lease)
                .await?;
            let Some(claim) = claim else { continue };
            match self.judge(&claim, target, &definition).await {
                Ok(()) => {}
                Err(StoreError::Conflict(Conflict::Lease)) => {
                    tracing::warn!(%service, %environment, "the lease of a health watch was lost to another replica");
                }
                Err(error) => return Err(error),
            }
        }
        let Some(due) = self.db.next_watch_due().await? else {
            return Ok(self.options.idle);
        };
        let wait = u64::try_from(due.since(self.db.now().await?)).unwrap_or_default();
        Ok(Duration::from_millis(wait).min(self.options.idle))
    }

    async fn judge(
        &self,
        claim: &HealthWatch,
        target: &Target,
        definition: &HealthDefinition,
    ) -> Result<(), StoreError> {
        let now = self.db.now().await?;
        let next_at = now.plus_millis(every_millis(definition));
        let in_flight = self.db.has_in_flight(&claim.service, &claim.environment).await?;
        if in_flight {
            let mut tx = self.db.begin().await?;
            tx.hold_watch(claim).await?;
            tx.save_watch(claim, None, next_at).await?;
            return tx.commit().await;
        }
        let previous = self
            .db
            .evaluations_between(&EvaluationsQuery {
                service: claim.service.clone(),
                environment: claim.environment.clone(),
                before: None,
                limit: 1,
            })
            .await?
            .pop();
        let (readings, series) = self.read(&claim.service, target, definition, now).await;
        let course = definition.course_between(now);
        let mut evaluation = evaluate(definition, &readings, &course, previous.as_ref(), now);
        // The definition is the target's, although not all of it can judge now.
        let whole = target.health.as_ref().unwrap_or(definition);
        evaluation.version = whole.version();
        self.save(claim, whole, &evaluation, &series, next_at).await
    }

    async fn read(
        &self,
        service: &ServiceName,
        target: &Target,
        definition: &HealthDefinition,
        now: Timestamp,
    ) -> (Readings, Vec<Recorded>) {
        let values = values_between(service, target);
        let asked = reads(definition, &definition.course_between(now), &values, now);
        let questions: Vec<Ask> = asked
            .iter()
            .filter_map(|read| {
                Some(Ask {
                    query: read.query.as_ref().ok()?.clone(),
                    from: read.from,
                    until: read.until,
                })
            })
            .collect();
        let before = Instant::now() + READ_WITHIN;
        let mut answers = self.metrics.read(&questions, before.into_std()).await.into_iter();
        let (mut readings, mut series) = (Readings::new(), Vec::new());
        for read in &asked {
            let samples = match &read.query {
                Ok(_) => answers
                    .next()
                    .unwrap_or_else(|| Err(Unread("it was not answered".to_owned()))),
                Err(why) => Err(why.clone()),
            };
            if let (Some(rule), Ok(found)) = (definition.rule(&read.rule), &samples) {
                series.push(Recorded {
                    which: read.which,
                    query: rule.query_of(read.which).clone(),
                    series: found.clone(),
                });
            }
            readings.entry(read.rule.clone()).or_default().put(read.which, samples);
        }
        (readings, series)
    }

    async fn save(
        &self,
        claim: &HealthWatch,
        definition: &HealthDefinition,
        evaluation: &Evaluation,
        series: &[Recorded],
        next_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.keep_definition(definition).await?;
        let (_, before) = tx.hold_watch(claim).await?;
        tx.record_evaluation(&NewEvaluation {
            deployment: None,
            service: &claim.service,
            environment: &claim.environment,
            evaluation,
            series,
        })
        .await?;
        let outcome = evaluation.outcome;
        let changes = turned(before.map(|before| before.outcome), outcome);
        let row = (outcome != Outcome::Pending).then(|| HealthRow {
            outcome,
            since: before
                .filter(|before| before.outcome == outcome)
                .map_or(evaluation.at, |before| before.since),
            breached_at: (outcome != Outcome::Healthy).then_some(evaluation.at),
        });
        tx.save_watch(claim, row.as_ref(), next_at).await?;
        if changes {
            let lasted = before.map(|before| evaluation.at.since(before.since) / SECOND);
            tx.append_audit(&[changed(claim, evaluation, lasted)]).await?;
        }
        tx.commit().await?;
        if changes {
            let (service, environment) = (&claim.service, &claim.environment);
            tracing::info!(%service, %environment, ?outcome, "health between deployments changed");
        }
        Ok(())
    }
}

/// What of its definition can judge a target between deployments; `None`: nothing.
fn judged_by(service: &ServiceName, target: &Target) -> Option<HealthDefinition> {
    let definition = target.health.as_ref()?;
    let between = definition.between(&values_between(service, target)).definition;
    (!between.rules.is_empty()).then_some(between)
}

fn every_millis(definition: &HealthDefinition) -> i64 {
    i64::from(definition.interval_seconds.saturating_mul(SLOWER)) * SECOND
}

fn configured(catalog: &Catalog) -> Vec<(ServiceName, EnvironmentName, i64)> {
    let mut watches = Vec::new();
    for service in &catalog.services {
        for target in &service.targets {
            if let Some(definition) = judged_by(&service.name, target) {
                watches.push((
                    service.name.clone(),
                    target.environment.clone(),
                    every_millis(&definition),
                ));
            }
        }
    }
    watches
}

/// `lasted`: seconds for which it was otherwise.
fn changed(claim: &HealthWatch, evaluation: &Evaluation, lasted: Option<i64>) -> AuditEvent {
    let mut data = json!({ "definition": evaluation.definition, "outcome": evaluation.outcome });
    if let Some(rule) = &evaluation.cause {
        data["rule"] = json!(rule);
    }
    if let Some(why) = evaluation.why() {
        data["why"] = json!(why.chars().take(WHY_MAX).collect::<String>());
    }
    if let Some(seconds) = lasted {
        data["seconds"] = json!(seconds);
    }
    AuditEvent {
        kind: EventKind::HealthChanged,
        actor: Actor::system("health"),
        subject: Subject {
            service: Some(claim.service.clone()),
            environment: Some(claim.environment.clone()),
            ..Subject::default()
        },
        data,
        text: None,
    }
}
