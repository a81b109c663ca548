//! The target of a deployment: for ECS the one service, with its lifecycle events and task sets.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    model::{AppSpec, Deployment, EventStatus, LambdaSpec, Status},
    read::{find, time},
};
use crate::aws::{
    model::Account,
    protocol::{AwsError, input, without_nulls},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetsInput {
    deployment_id: Option<String>,
    #[serde(default)]
    target_ids: Vec<String>,
    target_id: Option<String>,
}

pub(crate) fn list(account: &Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let wanted: TargetsInput = input(body)?;
    let deployment = find_started(account, now, wanted.deployment_id.as_deref())?;
    Ok(json!({ "targetIds": [deployment.target_id()] }))
}

pub(crate) fn batch_get(account: &Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let wanted: TargetsInput = input(body)?;
    let deployment = find_started(account, now, wanted.deployment_id.as_deref())?;
    if wanted.target_ids.is_empty() {
        return Err(target_required());
    }
    let targets = wanted
        .target_ids
        .iter()
        .map(|id| target(account, deployment, id))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "deploymentTargets": targets }))
}

pub(crate) fn get(account: &Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let wanted: TargetsInput = input(body)?;
    let deployment = find_started(account, now, wanted.deployment_id.as_deref())?;
    let id = wanted.target_id.ok_or_else(target_required)?;
    Ok(json!({ "deploymentTarget": target(account, deployment, &id)? }))
}

fn find_started<'a>(account: &'a Account, now: Timestamp, id: Option<&str>) -> Result<&'a Deployment, AwsError> {
    let deployment = find(account, now, id)?;
    if matches!(deployment.status, Status::Created | Status::Queued) {
        return Err(AwsError::new(
            "DeploymentNotStartedException",
            "The specified deployment has not started.",
        ));
    }
    Ok(deployment)
}

fn target_required() -> AwsError {
    AwsError::new(
        "DeploymentTargetIdRequiredException",
        "A deployment target ID was not provided.",
    )
}

/// DeploymentTarget: every deployment has exactly one.
fn target(account: &Account, deployment: &Deployment, id: &str) -> Result<Value, AwsError> {
    if id != deployment.target_id() {
        return Err(AwsError::new(
            "DeploymentTargetDoesNotExistException",
            format!("The deployment target {id} does not exist."),
        ));
    }
    if let AppSpec::Lambda(spec) = &deployment.app_spec {
        return Ok(lambda_target(account, deployment, spec));
    }
    let sets = deployment
        .task_sets_at_end
        .clone()
        .unwrap_or_else(|| task_sets(account, deployment));
    Ok(without_nulls(json!({
        "deploymentTargetType": "ECSTarget",
        "ecsTarget": {
            "deploymentId": deployment.id,
            "targetId": id,
            "targetArn": account.arn(
                "ecs",
                &format!("service/{}/{}", deployment.cluster, deployment.service),
            ),
            "lastUpdatedAt": time(Some(deployment.updated)),
            "lifecycleEvents": events(deployment),
            "status": target_status(deployment.status),
            "taskSetsInfo": sets,
        },
    })))
}

fn lambda_target(account: &Account, deployment: &Deployment, spec: &LambdaSpec) -> Value {
    without_nulls(json!({
        "deploymentTargetType": "LambdaTarget",
        "lambdaTarget": {
            "deploymentId": deployment.id,
            "targetId": deployment.target_id(),
            "targetArn": account.arn("lambda", &format!("function:{}:{}", spec.function, spec.alias)),
            "status": target_status(deployment.status),
            "lastUpdatedAt": time(Some(deployment.updated)),
            "lifecycleEvents": events(deployment),
            "lambdaFunctionInfo": {
                "functionName": spec.function,
                "functionAlias": spec.alias,
                "currentVersion": spec.current_version,
                "targetVersion": spec.target_version,
                "targetVersionWeight": deployment.target_weight,
            },
        },
    }))
}

fn events(deployment: &Deployment) -> Vec<Value> {
    deployment
        .event_names()
        .iter()
        .zip(&deployment.events)
        .map(|(name, event)| {
            json!({
                "lifecycleEventName": name,
                "status": event.status,
                "startTime": time(event.started),
                "endTime": time(event.ended),
                "diagnostics": (event.status == EventStatus::Failed).then(|| json!({
                    "errorCode": "ScriptFailed",
                    "scriptName": "",
                    "message": event.message,
                    "logTail": "",
                })),
            })
        })
        .collect()
}

/// The status of the target follows that of its deployment; it has no Stopped.
fn target_status(status: Status) -> &'static str {
    match status {
        Status::Created | Status::Queued => "Pending",
        Status::InProgress | Status::Baking => "InProgress",
        Status::Ready => "Ready",
        Status::Succeeded => "Succeeded",
        Status::Failed | Status::Stopped => "Failed",
    }
}

/// The task sets a deployment is about: the original (Blue) and its replacement (Green).
pub(crate) fn task_sets(account: &Account, deployment: &Deployment) -> Value {
    let Some(service) = account.service(&deployment.cluster, &deployment.service) else {
        return json!([]);
    };
    let label = |id: &str| {
        if deployment.replacement_task_set.as_deref() == Some(id) {
            Some("Green")
        } else if deployment.original_task_set.as_deref() == Some(id) {
            Some("Blue")
        } else {
            None
        }
    };
    service
        .task_sets
        .iter()
        .filter_map(|set| {
            let label = label(&set.id)?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "a count of tasks"
            )]
            let desired = (service.desired as f64 * set.scale / 100.0) as i64;
            Some(json!({
                // The name of this member is misspelt in the service itself.
                "identifer": set.id,
                "desiredCount": desired,
                "pendingCount": desired - set.running,
                "runningCount": set.running,
                "status": set.status.as_str(),
                "trafficWeight": set.traffic,
                "targetGroup": { "name": service.target_groups[set.target_group] },
                "taskSetLabel": label,
            }))
        })
        .collect()
}
