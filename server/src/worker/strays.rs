//! Cloud deployments that surface after their operation was closed: stopped, and reported (design: side effects, 4).
//!
//! It takes a call whose answer was lost, whose effect was not found for the whole settling time, and a deployment that
//! then came to rest without one. Whatever shows up under its operation id afterwards was asked for by nobody any more.

use super::{observe::budget_group, reconcile::Inner, record::worker_warning};
use serde_json::json;
use tidegate_adapters::{CallError, Order};
use tidegate_domain::{
    Deployment, EventKind, OperationId, Timestamp, audit::RecordedEvent, deployment::CallKind, plan::Found, time::HOUR,
};
use tidegate_store::{AuditQuery, StoreError};

/// How long after its end a deployment is watched for strays.
const WATCHED_MILLIS: i64 = HOUR;
/// Ended deployments looked at in a round.
const ROUND: usize = 50;

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
                let Some((operation, intended_at)) = given_up(&self.db.audit_of(id).await?) else {
                    continue;
                };
                if let Some(found) = self.db.deployment(id).await?
                    && let Some(order) = self.order(&found.value).await?
                {
                    self.look_for_stray(&found.value, &Order { operation, ..order }, intended_at)
                        .await?;
                }
            }
        }
        Ok(())
    }

    async fn look_for_stray(
        &self,
        deployment: &Deployment,
        order: &Order,
        intended_at: Timestamp,
    ) -> Result<(), StoreError> {
        if !self.budget.take(&budget_group(&order.engine), 3.0).await {
            return Ok(());
        }
        let engine = self.engines.of(&order.engine);
        let now = self.db.now().await?;
        let Ok(Found::Effect(stray)) = engine.find_created(order, intended_at).await else {
            return Ok(());
        };
        let Ok(observation) = engine.observe(order, &stray, None, now).await else {
            return Ok(());
        };
        if observation.deployment.status.is_over() {
            return Ok(());
        }
        let stopped = engine.stop(order, &stray).await;
        let result = match &stopped {
            Ok(()) => "stopped".to_owned(),
            Err(CallError::Refused { code, message, .. }) => format!("{code}: {message}"),
            Err(CallError::Unknown(why)) => format!("no clear answer: {why}"),
        };
        tracing::error!(deployment = %deployment.id, stray, result, "a cloud deployment surfaced after its operation was closed");
        let data = json!({
            "what": "a cloud deployment surfaced after its operation was closed",
            "cloud_deployment": stray, "operation": order.operation, "stop": result,
        });
        let mut tx = self.db.begin().await?;
        tx.append_audit(&[worker_warning(deployment, data)]).await?;
        tx.commit().await
    }
}

/// The operation of a create call that was given up as never made, and when it was intended. Read from the log, because
/// a deployment that was cancelled keeps no run.
fn given_up(events: &[RecordedEvent]) -> Option<(OperationId, Timestamp)> {
    let create = CallKind::CreateDeployment.name();
    let mut intended = None;
    for recorded in events {
        let data = &recorded.event.data;
        match recorded.event.kind {
            EventKind::CloudIntended if data["call"] == create => {
                let operation = data["operation"].as_str().and_then(|id| id.parse().ok());
                intended = operation.map(|operation| (operation, recorded.at));
            }
            EventKind::CloudConcluded if data["call"] == create && data["result"]["outcome"] == "nothing_happened" => {
                return intended;
            }
            _ => {}
        }
    }
    None
}
