//! Reading deployments: GetDeployment, BatchGetDeployments, ListDeployments and the targets.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    config::invalid_token,
    find_application, find_group,
    model::{AutoRollback, Deployment, EVENTS, EventStatus, Group, Status},
};
use crate::aws::{
    model::{Account, At},
    protocol::{AwsError, epoch, input, page, without_nulls},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetInput {
    deployment_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchGetInput {
    #[serde(default)]
    deployment_ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListInput {
    application_name: Option<String>,
    deployment_group_name: Option<String>,
    external_id: Option<String>,
    include_only_statuses: Option<Vec<String>>,
    create_time_range: Option<TimeRange>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct TimeRange {
    start: Option<f64>,
    end: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetsInput {
    deployment_id: Option<String>,
    #[serde(default)]
    target_ids: Vec<String>,
    target_id: Option<String>,
}

pub(crate) fn get(account: &Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let id = input::<GetInput>(body)?.deployment_id;
    let deployment = find(account, now, id.as_deref())?;
    Ok(json!({ "deploymentInfo": info(account, deployment) }))
}

pub(crate) fn batch_get(account: &Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let ids = input::<BatchGetInput>(body)?.deployment_ids;
    if ids.is_empty() {
        return Err(id_required());
    }
    if ids.len() > 25 {
        return Err(AwsError::new(
            "BatchLimitExceededException",
            "The maximum number of names or IDs allowed for this request (25) was exceeded.",
        ));
    }
    let mut found = Vec::new();
    for id in &ids {
        if !is_id(id) {
            return Err(invalid_id(id));
        }
        if let Some(deployment) = account.deployment(id).filter(|each| each.visible(At(now))) {
            found.push(info(account, deployment));
        }
    }
    Ok(json!({ "deploymentsInfo": found }))
}

pub(crate) fn list(account: &Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let wanted: ListInput = input(body)?;
    if let Some(application) = &wanted.application_name {
        find_application(account, Some(application))?;
        if let Some(group) = &wanted.deployment_group_name {
            find_group(account, application, Some(group))?;
        } else {
            return Err(AwsError::new(
                "DeploymentGroupNameRequiredException",
                "The deployment group name was not specified.",
            ));
        }
    } else if wanted.deployment_group_name.is_some() {
        return Err(AwsError::new(
            "ApplicationNameRequiredException",
            "The minimum number of required application names was not specified.",
        ));
    }
    if let Some(statuses) = &wanted.include_only_statuses
        && let Some(unknown) = statuses
            .iter()
            .find(|each| serde_json::from_value::<Status>(json!(each)).is_err())
    {
        return Err(AwsError::new(
            "InvalidDeploymentStatusException",
            format!("The deployment status {unknown} is invalid."),
        ));
    }
    if let Some(range) = &wanted.create_time_range
        && let (Some(start), Some(end)) = (range.start, range.end)
        && start > end
    {
        return Err(AwsError::new(
            "InvalidTimeRangeException",
            "The specified time range was specified in an invalid format.",
        ));
    }
    let ids: Vec<&String> = account
        .deployments
        .iter()
        .rev()
        .filter(|each| each.visible(At(now)) && wanted.takes(each))
        .map(|each| &each.id)
        .collect();
    let (ids, next) = page(&ids, wanted.next_token.as_deref(), 100).ok_or_else(invalid_token)?;
    Ok(json!({ "deployments": ids, "nextToken": next }))
}

impl ListInput {
    fn takes(&self, deployment: &Deployment) -> bool {
        let created = epoch(deployment.created.0).as_f64().unwrap_or_default();
        let same = |wanted: &Option<String>, have: &str| wanted.as_ref().is_none_or(|wanted| wanted == have);
        same(&self.application_name, &deployment.application)
            && same(&self.deployment_group_name, &deployment.group)
            && (self.external_id.is_none() || self.external_id == deployment.external_id)
            && self
                .include_only_statuses
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&shown_status(deployment)))
            && self.create_time_range.as_ref().is_none_or(|range| {
                range.start.is_none_or(|start| start <= created) && range.end.is_none_or(|end| created <= end)
            })
    }
}

pub(crate) fn list_targets(account: &Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let wanted: TargetsInput = input(body)?;
    let deployment = find_started(account, now, wanted.deployment_id.as_deref())?;
    Ok(json!({ "targetIds": [deployment.target_id()] }))
}

pub(crate) fn batch_get_targets(account: &Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
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

pub(crate) fn get_target(account: &Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let wanted: TargetsInput = input(body)?;
    let deployment = find_started(account, now, wanted.deployment_id.as_deref())?;
    let id = wanted.target_id.ok_or_else(target_required)?;
    Ok(json!({ "deploymentTarget": target(account, deployment, &id)? }))
}

/// A deployment that reads can see, or the error that says it is not there.
pub(crate) fn find<'a>(account: &'a Account, now: Timestamp, id: Option<&str>) -> Result<&'a Deployment, AwsError> {
    let id = id.ok_or_else(id_required)?;
    if !is_id(id) {
        return Err(invalid_id(id));
    }
    account
        .deployment(id)
        .filter(|each| each.visible(At(now)))
        .ok_or_else(|| {
            AwsError::new(
                "DeploymentDoesNotExistException",
                format!("The deployment {id} could not be found"),
            )
        })
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

fn is_id(id: &str) -> bool {
    id.strip_prefix("d-").is_some_and(|rest| {
        rest.len() == 9
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    })
}

fn id_required() -> AwsError {
    AwsError::new(
        "DeploymentIdRequiredException",
        "At least one deployment ID must be specified.",
    )
}

fn invalid_id(id: &str) -> AwsError {
    AwsError::new(
        "InvalidDeploymentIdException",
        format!("Specified DeploymentId {id} is not valid"),
    )
}

fn target_required() -> AwsError {
    AwsError::new(
        "DeploymentTargetIdRequiredException",
        "A deployment target ID was not provided.",
    )
}

pub(crate) fn time(at: Option<At>) -> Value {
    at.map_or(Value::Null, |at| epoch(at.0))
}

fn shown_status(deployment: &Deployment) -> String {
    deployment
        .shown_status
        .clone()
        .unwrap_or_else(|| format!("{:?}", deployment.status))
}

fn rollback_configuration(auto_rollback: &AutoRollback) -> Value {
    json!({ "enabled": auto_rollback.enabled, "events": auto_rollback.events })
}

/// DeploymentInfo.
fn info(account: &Account, deployment: &Deployment) -> Value {
    let group = account.group(&deployment.application, &deployment.group);
    let termination_started = deployment.stage == super::model::Stage::Termination
        || (deployment.status == Status::Succeeded && !deployment.is_rollback());
    without_nulls(json!({
        "applicationName": deployment.application,
        "deploymentGroupName": deployment.group,
        "deploymentConfigName": deployment.config,
        "deploymentId": deployment.id,
        "previousRevision": deployment.previous_revision,
        "revision": deployment.revision,
        "status": shown_status(deployment),
        "errorInformation": deployment.error,
        "createTime": time(Some(deployment.created)),
        "startTime": time(deployment.started),
        "completeTime": time(deployment.completed),
        "description": deployment.description,
        "creator": deployment.creator,
        "ignoreApplicationStopFailures": false,
        "autoRollbackConfiguration": rollback_configuration(&deployment.auto_rollback),
        "updateOutdatedInstancesOnly": false,
        "rollbackInfo": deployment.rollback,
        "deploymentStyle": style(),
        "instanceTerminationWaitTimeStarted": termination_started,
        "blueGreenDeploymentConfiguration": blue_green(
            deployment.ready_wait_minutes,
            deployment.termination_wait_minutes,
        ),
        "loadBalancerInfo": group.map(|group| balancer(account, group)),
        "fileExistsBehavior": "DISALLOW",
        "deploymentStatusMessages": [],
        "computePlatform": "ECS",
        "externalId": deployment.external_id,
        "overrideAlarmConfiguration": deployment.override_alarms,
    }))
}

pub(crate) fn style() -> Value {
    json!({ "deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL" })
}

pub(crate) fn blue_green(ready_wait: Option<u32>, termination_wait: u32) -> Value {
    json!({
        "terminateBlueInstancesOnDeploymentSuccess": {
            "action": "TERMINATE",
            "terminationWaitTimeInMinutes": termination_wait,
        },
        "deploymentReadyOption": {
            "actionOnTimeout":
                if ready_wait.is_some() { "STOP_DEPLOYMENT" } else { "CONTINUE_DEPLOYMENT" },
            "waitTimeInMinutes": ready_wait.unwrap_or(0),
        },
    })
}

pub(crate) fn balancer(account: &Account, group: &Group) -> Value {
    let names = account
        .service(&group.cluster, &group.service)
        .map(|service| service.target_groups.clone())
        .unwrap_or_default();
    let listener = |name: &str| {
        account.arn(
            "elasticloadbalancing",
            &format!("listener/app/{}/{name}", group.cluster),
        )
    };
    json!({ "targetGroupPairInfoList": [{
        "targetGroups": names.map(|name| json!({ "name": name })),
        "prodTrafficRoute": { "listenerArns": [listener("prod")] },
        "testTrafficRoute": { "listenerArns": [listener("test")] },
    }]})
}

/// DeploymentTarget: an ECS deployment has exactly one.
fn target(account: &Account, deployment: &Deployment, id: &str) -> Result<Value, AwsError> {
    if id != deployment.target_id() {
        return Err(AwsError::new(
            "DeploymentTargetDoesNotExistException",
            format!("The deployment target {id} does not exist."),
        ));
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

fn events(deployment: &Deployment) -> Vec<Value> {
    EVENTS
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
