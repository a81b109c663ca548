//! Cloud deployments that surface after their operation was closed: stopped, and reported (design: side effects, 4).
//!
//! It takes a call whose answer was lost, whose effect was not found for the whole settling time, and a deployment that
//! then came to rest without one. Whatever shows up under its operation id afterwards was asked for by nobody any more.
//!
//! As with every call, the intent comes first, in the audit log: a log that takes no event stops nothing (R20), and of
//! several replicas the one that wrote it makes the call. Appending makes them wait for each other. What still runs
//! [`TAKE_OVER_MILLIS`] later is stopped again, by whoever looks first.

use super::{budget::Hurry, observe::title, reconcile::Inner, record::worker_warning};
use serde_json::{Value, json};
use tidegate_adapters::{CallError, Order};
use tidegate_domain::{
    Deployment, EventKind, OperationId, Timestamp, TrafficPlan,
    audit::RecordedEvent,
    catalog::Engine,
    time::{HOUR, MINUTE},
};
use tidegate_store::{AuditQuery, StoreError};
use tokio::time::Instant;

/// How long after its end a deployment is watched for strays.
const WATCHED_MILLIS: i64 = 2 * HOUR;
/// Ended deployments looked at in a round.
const ROUND: usize = 50;
/// How long another replica's intent to stop a stray is believed.
const TAKE_OVER_MILLIS: i64 = MINUTE;
const READS: f64 = 4.0;

/// A create call that was given up, as the log has it.
struct GivenUp {
    operation: OperationId,
    engine: Engine,
    intended_at: Timestamp,
}

impl Inner {
    pub(super) async fn stop_strays(&self) {
        if let Err(error) = self.try_stop_strays().await {
            tracing::warn!(%error, "strays could not be looked for");
        }
    }

    async fn try_stop_strays(&self) -> Result<(), StoreError> {
        let since = self.db.now().await?.plus_millis(-WATCHED_MILLIS);
        for kind in [EventKind::DeploymentFailed, EventKind::DeploymentCancelled] {
            let query = AuditQuery {
                kind: Some(kind.name().to_owned()),
                from: Some(since),
                limit: ROUND,
                ..AuditQuery::default()
            };
            for recorded in self.db.audit(&query).await? {
                let Some(id) = recorded.event.subject.deployment else {
                    continue;
                };
                if let Some(given_up) = given_up(&self.db.audit_of(id).await?)
                    && let Some(found) = self.db.deployment(id).await?
                {
                    self.look_for_stray(&found.value, given_up).await?;
                }
            }
        }
        Ok(())
    }

    async fn look_for_stray(&self, deployment: &Deployment, given_up: GivenUp) -> Result<(), StoreError> {
        let Some(release) = self.db.release(deployment.release).await? else {
            return Ok(());
        };
        let order = Order {
            operation: given_up.operation,
            title: title(deployment),
            image: release.image,
            traffic: TrafficPlan::AllAtOnce,
            engine: given_up.engine,
        };
        if !self.budget.take(&order.engine.group(), READS, Hurry::Patient).await {
            return Ok(());
        }
        let Ok(engine) = self.engines.of(&order.engine) else {
            return Ok(());
        };
        let Ok(Some(found)) = engine.find_stray(&order, given_up.intended_at).await else {
            return Ok(());
        };
        let stray = found.id;
        if found.over || !self.intend_to_stop(deployment, &order, &stray).await? {
            return Ok(());
        }
        let by = Instant::now() + self.options.call_deadline;
        let stopping = engine.stop_stray(&order, &stray, by.into_std());
        let stopped = match tokio::time::timeout_at(by, stopping).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unknown("no answer in time".to_owned())),
        };
        let result = match &stopped {
            Ok(()) => "stopped".to_owned(),
            Err(CallError::Refused { code, message, .. }) => format!("{code}: {message}"),
            Err(CallError::Unknown(why)) => format!("no clear answer: {why}"),
        };
        tracing::error!(deployment = %deployment.id, stray, result, "a cloud deployment surfaced after its operation was closed");
        let mut tx = self.db.begin().await?;
        let data = told(&order, &stray, json!(result));
        tx.append_audit(&[worker_warning(deployment, data)]).await?;
        tx.commit().await
    }

    /// Commits the intent, unless another replica is at it. The event comes before the look at the log: whoever else
    /// writes one waits for this transaction, and then sees it.
    async fn intend_to_stop(&self, deployment: &Deployment, order: &Order, stray: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let now = tx.now();
        let data = told(order, stray, Value::Null);
        tx.append_audit(&[worker_warning(deployment, data)]).await?;
        let taken = self.db.audit_of(deployment.id).await?.into_iter().any(|recorded| {
            recorded.event.kind == EventKind::WorkerWarning
                && recorded.event.data["cloud_deployment"] == stray
                && now.since(recorded.at) < TAKE_OVER_MILLIS
        });
        if taken {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// `stop`: null before the call, then what became of it.
fn told(order: &Order, stray: &str, stop: Value) -> Value {
    json!({
        "what": "a cloud deployment surfaced after its operation was closed: it is stopped",
        "cloud_deployment": stray, "operation": order.operation, "stop": stop,
    })
}

/// The create call that was given up: concluded as never made, or never concluded at all. Read from the log, because a
/// deployment that was cancelled keeps no run.
fn given_up(events: &[RecordedEvent]) -> Option<GivenUp> {
    let (mut engine, mut intended, mut given_up) = (None, None, None);
    for recorded in events {
        let data = &recorded.event.data;
        match recorded.event.kind {
            EventKind::DeploymentStarted => {
                engine = serde_json::from_value::<Engine>(data["engine"].clone()).ok();
            }
            EventKind::CloudIntended if creates(engine.as_ref(), data) => {
                let operation = data["operation"].as_str().and_then(|id| id.parse().ok());
                intended = operation.map(|operation| (operation, recorded.at));
            }
            EventKind::CloudConcluded if creates(engine.as_ref(), data) => {
                let never = data["result"]["outcome"] == "nothing_happened";
                let last = intended.take();
                given_up = given_up.or(last.filter(|_| never));
            }
            _ => {}
        }
    }
    let (operation, intended_at) = given_up.or(intended)?;
    Some(GivenUp {
        operation,
        engine: engine?,
        intended_at,
    })
}

/// Whether an event is about the call after which the cloud shifts traffic by itself. What is driven from here gets none.
fn creates(engine: Option<&Engine>, data: &Value) -> bool {
    let last = engine.and_then(|engine| engine.script().make.last());
    last.is_some_and(|kind| kind.exposes() && data["call"] == kind.name())
}
