//! Reading deployments: GetDeployment, BatchGetDeployments and ListDeployments.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    config::{Platform, invalid_token},
    find_application, find_group,
    model::{AutoRollback, Deployment, Group, Status},
};
use crate::aws::{
    model::{Account, At},
    protocol::{AwsError, epoch, input, page, seconds, without_nulls},
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
        let created = seconds(deployment.created.0);
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
    let ecs = deployment.platform() == Platform::Ecs;
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
        "instanceTerminationWaitTimeStarted": ecs && termination_started,
        "blueGreenDeploymentConfiguration": ecs.then(|| blue_green(
            deployment.ready_wait_minutes,
            deployment.termination_wait_minutes,
        )),
        "loadBalancerInfo": group.filter(|_| ecs).map(|group| balancer(account, group)),
        "fileExistsBehavior": "DISALLOW",
        "deploymentStatusMessages": [],
        "computePlatform": deployment.platform(),
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
