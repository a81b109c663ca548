//! Deployments and revisions as ECS describes them.

use serde_json::{Value, json};

use super::model::{Hook, ServiceDeployment, threshold};
use crate::aws::{
    ecs::{cluster_arn, model::Revision, network, service_arn},
    model::{Account, At, EcsService},
    protocol::{epoch, without_nulls},
};

fn time(at: Option<At>) -> Value {
    at.map_or(Value::Null, |at| epoch(at.0))
}

/// A `ServiceDeploymentBrief`.
pub(super) fn brief(account: &Account, service: &EcsService, deployment: &ServiceDeployment) -> Value {
    without_nulls(json!({
        "serviceDeploymentArn": deployment.arn,
        "serviceArn": service_arn(account, &service.cluster, &service.name),
        "clusterArn": cluster_arn(account, &service.cluster),
        "startedAt": time(deployment.started),
        "createdAt": epoch(deployment.created.0),
        "finishedAt": time(deployment.finished),
        "targetServiceRevisionArn": deployment.target,
        "status": deployment.status.as_str(),
        "statusReason": deployment.reason,
    }))
}

/// A `ServiceDeployment`.
pub(super) fn whole(account: &Account, service: &EcsService, deployment: &ServiceDeployment) -> Value {
    let shifts = deployment.stage.is_some();
    let weights = |production: f64, test: f64| shifts.then_some((production, test));
    let last = deployment.sources.last();
    let sources: Vec<Value> = deployment
        .sources
        .iter()
        .map(|arn| {
            let whole = weights(100.0 - deployment.production, 100.0 - deployment.test);
            let shown = if Some(arn) == last { whole } else { weights(0.0, 0.0) };
            summary(service, arn, shown)
        })
        .collect();
    let rollback = deployment.rollback.as_ref().map(|rollback| {
        json!({
            "reason": rollback.reason,
            "startedAt": epoch(rollback.started.0),
            "serviceRevisionArn": rollback.revision,
        })
    });
    without_nulls(json!({
        "serviceDeploymentArn": deployment.arn,
        "serviceArn": service_arn(account, &service.cluster, &service.name),
        "clusterArn": cluster_arn(account, &service.cluster),
        "createdAt": epoch(deployment.created.0),
        "startedAt": time(deployment.started),
        "finishedAt": time(deployment.finished),
        "stoppedAt": time(deployment.stopped),
        "updatedAt": epoch(deployment.updated.0),
        "sourceServiceRevisions": sources,
        "targetServiceRevision": summary(service, &deployment.target, weights(deployment.production, deployment.test)),
        "status": deployment.status.as_str(),
        "statusReason": deployment.reason,
        "lifecycleStage": deployment.stage,
        "lifecycleHookDetails": deployment.hooks.iter().map(hook).collect::<Vec<_>>(),
        "deploymentConfiguration": deployment.configuration,
        "rollback": rollback,
        "deploymentCircuitBreaker": {
            "status": monitor(
                deployment,
                &deployment.configuration["deploymentCircuitBreaker"],
                deployment.breaker_triggered,
            ),
            "failureCount": deployment.failures,
            "threshold": threshold(&deployment.configuration, service.desired),
        },
        "alarms": alarms(deployment),
    }))
}

fn alarms(deployment: &ServiceDeployment) -> Value {
    let set = &deployment.configuration["alarms"];
    if set.is_null() {
        return Value::Null;
    }
    json!({
        "status": monitor(deployment, set, !deployment.triggered_alarms.is_empty()),
        "alarmNames": set["alarmNames"],
        "triggeredAlarmNames": deployment.triggered_alarms,
    })
}

/// `ServiceDeploymentRollbackMonitorsStatus`.
fn monitor(deployment: &ServiceDeployment, set: &Value, triggered: bool) -> &'static str {
    if triggered {
        "TRIGGERED"
    } else if set["enable"] != true {
        "DISABLED"
    } else if deployment.status.is_final() {
        "MONITORING_COMPLETE"
    } else {
        "MONITORING"
    }
}

fn hook(hook: &Hook) -> Value {
    json!({
        "hookId": hook.id,
        "targetType": if hook.pause { "PAUSE" } else { "AWS_LAMBDA" },
        "targetArn": hook.target,
        "status": hook.status,
        "expiresAt": epoch(hook.expires.0),
        "timeoutAction": hook.timeout_action,
    })
}

/// A `ServiceRevisionSummary`, with weights where traffic is shifted between revisions.
fn summary(service: &EcsService, arn: &str, weights: Option<(f64, f64)>) -> Value {
    let workload = service
        .managed
        .revision(arn)
        .and_then(|revision| service.managed.workload(&revision.workload));
    json!({
        "arn": arn,
        "requestedTaskCount": workload.map_or(0, |each| each.desired),
        "runningTaskCount": workload.map_or(0, |each| each.running()),
        "pendingTaskCount": workload.map_or(0, |each| each.pending()),
        "requestedProductionTrafficWeight": weights.map(|(production, _)| production),
        "requestedTestTrafficWeight": weights.map(|(_, test)| test),
    })
}

/// A `ServiceRevision`.
pub(super) fn revision(account: &Account, service: &EcsService, revision: &Revision) -> Value {
    let images: Vec<Value> = account
        .task_definition(&revision.task_definition)
        .and_then(|definition| definition.body["containerDefinitions"].as_array())
        .into_iter()
        .flatten()
        .map(|container| json!({ "containerName": container["name"], "image": container["image"] }))
        .collect();
    let resolved = revision.target_group.as_ref().map(|group| {
        let setting = service
            .managed
            .balancers
            .first()
            .map(|each| &each["advancedConfiguration"]);
        json!({ "loadBalancers": [{
            "targetGroupArn": group,
            "productionListenerRule": setting.map(|setting| &setting["productionListenerRule"]),
        }]})
    });
    without_nulls(json!({
        "serviceRevisionArn": revision.arn,
        "serviceArn": service_arn(account, &service.cluster, &service.name),
        "clusterArn": cluster_arn(account, &service.cluster),
        "taskDefinition": revision.task_definition,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "loadBalancers": service.managed.balancers,
        "networkConfiguration": network(),
        "containerImages": images,
        "guardDutyEnabled": false,
        "createdAt": epoch(revision.created.0),
        "resolvedConfiguration": resolved,
    }))
}

/// The members of a `Service` that tell of its deployments.
pub(crate) fn shown_by_service(service: &EcsService) -> (Vec<Value>, Vec<Value>, Option<String>) {
    let managed = &service.managed;
    let primary = super::present(service);
    let (mut deployments, mut revisions) = (Vec::new(), Vec::new());
    // The newest first; what has no task left is history.
    for revision in managed.revisions.iter().rev() {
        let Some(workload) = managed.workload(&revision.workload) else {
            continue;
        };
        let is_primary = Some(&revision.arn) == primary;
        if !is_primary && workload.live() == 0 && workload.rollout.0 != "FAILED" {
            continue;
        }
        deployments.push(without_nulls(json!({
            "id": workload.id,
            "status": if is_primary { "PRIMARY" } else { "ACTIVE" },
            "taskDefinition": workload.task_definition,
            "desiredCount": workload.desired,
            "pendingCount": workload.pending(),
            "runningCount": workload.running(),
            "failedTasks": workload.failed,
            "createdAt": epoch(workload.created.0),
            "updatedAt": epoch(workload.updated.0),
            "launchType": "FARGATE",
            "platformVersion": "1.4.0",
            "platformFamily": "Linux",
            "networkConfiguration": network(),
            "rolloutState": workload.rollout.0,
            "rolloutStateReason": workload.rollout.1,
        })));
        revisions.push(json!({
            "arn": revision.arn,
            "requestedTaskCount": workload.desired,
            "runningTaskCount": workload.running(),
            "pendingTaskCount": workload.pending(),
        }));
    }
    // AWS puts the primary first.
    deployments.sort_by_key(|each| each["status"] != "PRIMARY");
    let last = managed.deployments.last().map(|each| each.arn.clone());
    (deployments, revisions, last)
}
