//! AWS CodeDeploy, for ECS and Lambda: applications, deployment groups and deployments that live.

pub(crate) mod appspec;
pub(crate) mod config;
mod create;
pub(crate) mod ending;
pub(crate) mod life;
pub(crate) mod model;
mod read;
mod targets;
mod task_sets;
mod weights;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use self::model::{Deployment, Group, RollbackEvent, Stage, Status};
use super::{
    faults::About,
    model::{Account, Application, At},
    protocol::{AwsError, input, page, without_nulls},
};

/// Performs one operation.
pub(crate) fn call(account: &mut Account, now: Timestamp, operation: &str, body: Value) -> Result<Value, AwsError> {
    match operation {
        "CreateDeployment" => create::create(account, now, body),
        "GetDeployment" => read::get(account, now, body),
        "BatchGetDeployments" => read::batch_get(account, now, body),
        "ListDeployments" => read::list(account, now, body),
        "ListDeploymentTargets" => targets::list(account, now, body),
        "BatchGetDeploymentTargets" => targets::batch_get(account, now, body),
        "GetDeploymentTarget" => targets::get(account, now, body),
        "StopDeployment" => stop(account, now, body),
        "ContinueDeployment" => continue_deployment(account, now, body),
        "GetApplication" => get_application(account, body),
        "ListApplications" => list_applications(account, body),
        "GetDeploymentGroup" => get_group(account, body),
        "ListDeploymentGroups" => list_groups(account, body),
        "GetDeploymentConfig" => config::get(account, body),
        "ListDeploymentConfigs" => config::list(account, body),
        _ => Err(AwsError::unknown_operation()),
    }
}

/// The application and group that a request is about, by their names or by those of its deployment.
pub(crate) fn about(account: &Account, body: &Value) -> About {
    let named = |member: &str| body[member].as_str().map(str::to_owned);
    let deployment = body["deploymentId"]
        .as_str()
        .or_else(|| body["deploymentIds"][0].as_str())
        .and_then(|id| account.deployment(id));
    About {
        service: None,
        application: named("applicationName").or_else(|| deployment.map(|each| each.application.clone())),
        group: named("deploymentGroupName").or_else(|| deployment.map(|each| each.group.clone())),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StopInput {
    deployment_id: Option<String>,
    auto_rollback_enabled: Option<bool>,
}

fn stop(account: &mut Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let wanted: StopInput = input(body)?;
    let deployment = read::find(account, now, wanted.deployment_id.as_deref())?;
    if deployment.status.is_final() {
        return Err(AwsError::new(
            "DeploymentAlreadyCompletedException",
            format!("The deployment {} is already completed", deployment.id),
        ));
    }
    let id = deployment.id.clone();
    let rollback = wanted
        .auto_rollback_enabled
        .unwrap_or_else(|| deployment.auto_rollback.on(RollbackEvent::StopOnRequest));
    let wait = SignedDuration::try_from_secs_f64(account.timings.stop).unwrap_or_default();
    if let Some(deployment) = account.deployment_mut(&id)
        && deployment.stopping.is_none()
    {
        deployment.stopping = Some((At(now.saturating_add(wait).unwrap_or(now)), rollback));
    }
    Ok(json!({
        "status": "Pending",
        "statusMessage": "The stop operation is pending.",
    }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContinueInput {
    deployment_id: Option<String>,
    deployment_wait_type: Option<String>,
}

fn continue_deployment(account: &mut Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let wanted: ContinueInput = input(body)?;
    let deployment = read::find(account, now, wanted.deployment_id.as_deref())?;
    if deployment.status.is_final() {
        return Err(AwsError::new(
            "DeploymentAlreadyCompletedException",
            format!("The deployment {} is already completed", deployment.id),
        ));
    }
    let (id, stage) = (deployment.id.clone(), deployment.stage);
    let index = account
        .deployments
        .iter()
        .position(|each| each.id == id)
        .unwrap_or_default();
    match wanted.deployment_wait_type.as_deref().unwrap_or("READY_WAIT") {
        "READY_WAIT" if stage == Stage::Ready => life::reroute(account, index, now),
        "READY_WAIT" => {
            return Err(AwsError::new(
                "DeploymentIsNotInReadyStateException",
                "The deployment does not have a status of Ready and can't continue yet.",
            ));
        }
        "TERMINATION_WAIT" if stage == Stage::Termination => {
            life::terminate_original(account, index, now);
        }
        "TERMINATION_WAIT" => {
            return Err(AwsError::new(
                "InvalidDeploymentStatusException",
                "The deployment is not waiting to terminate the original task set.",
            ));
        }
        other => {
            return Err(AwsError::new(
                "InvalidDeploymentWaitTypeException",
                format!("The wait type {other} is invalid."),
            ));
        }
    }
    Ok(json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamesInput {
    application_name: Option<String>,
    deployment_group_name: Option<String>,
    next_token: Option<String>,
}

fn find_application<'a>(account: &'a Account, name: Option<&str>) -> Result<&'a Application, AwsError> {
    let name = name.ok_or_else(|| {
        AwsError::new(
            "ApplicationNameRequiredException",
            "The minimum number of required application names was not specified.",
        )
    })?;
    account.applications.get(name).ok_or_else(|| {
        AwsError::new(
            "ApplicationDoesNotExistException",
            format!("No application found for name: {name}"),
        )
    })
}

fn find_group<'a>(account: &'a Account, application: &str, name: Option<&str>) -> Result<&'a Group, AwsError> {
    let name = name.ok_or_else(|| {
        AwsError::new(
            "DeploymentGroupNameRequiredException",
            "The deployment group name was not specified.",
        )
    })?;
    account.group(application, name).ok_or_else(|| {
        AwsError::new(
            "DeploymentGroupDoesNotExistException",
            format!("No Deployment Group found for name: {name}"),
        )
    })
}

fn get_application(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: NamesInput = input(body)?;
    let application = find_application(account, wanted.application_name.as_deref())?;
    Ok(json!({ "application": {
        "applicationId": application.id,
        "applicationName": application.name,
        "createTime": read::time(Some(application.created)),
        "linkedToGitHub": false,
        "computePlatform": application.platform,
    }}))
}

fn list_applications(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: NamesInput = input(body)?;
    let names: Vec<&String> = account.applications.keys().collect();
    let (names, next) = page(&names, wanted.next_token.as_deref(), 100).ok_or_else(config::invalid_token)?;
    Ok(json!({ "applications": names, "nextToken": next }))
}

fn list_groups(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: NamesInput = input(body)?;
    let application = find_application(account, wanted.application_name.as_deref())?;
    let names: Vec<&String> = account
        .groups
        .iter()
        .filter(|group| group.application == application.name)
        .map(|group| &group.name)
        .collect();
    let (names, next) = page(&names, wanted.next_token.as_deref(), 100).ok_or_else(config::invalid_token)?;
    Ok(json!({
        "applicationName": application.name,
        "deploymentGroups": names,
        "nextToken": next,
    }))
}

fn get_group(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: NamesInput = input(body)?;
    let application = find_application(account, wanted.application_name.as_deref())?;
    let group = find_group(account, &application.name, wanted.deployment_group_name.as_deref())?;
    let of_group = || {
        account
            .deployments
            .iter()
            .rev()
            .filter(|each| each.application == group.application && each.group == group.name)
    };
    let ecs = group.platform == config::Platform::Ecs;
    let succeeded = of_group().find(|each| each.status == Status::Succeeded);
    let attempted = of_group().next();
    Ok(without_nulls(json!({ "deploymentGroupInfo": {
        "applicationName": group.application,
        "deploymentGroupId": group.id,
        "deploymentGroupName": group.name,
        "deploymentConfigName": group.config,
        "ec2TagFilters": [],
        "onPremisesInstanceTagFilters": [],
        "autoScalingGroups": [],
        "serviceRoleArn": format!("arn:aws:iam::{}:role/codedeploy", account.id),
        "targetRevision": succeeded.map(|each| &each.revision),
        "triggerConfigurations": [],
        "alarmConfiguration": group.alarms,
        "autoRollbackConfiguration": group.auto_rollback,
        "deploymentStyle": read::style(),
        "outdatedInstancesStrategy": "UPDATE",
        "blueGreenDeploymentConfiguration":
            ecs.then(|| read::blue_green(group.ready_wait_minutes, group.termination_wait_minutes)),
        "loadBalancerInfo": ecs.then(|| read::balancer(account, group)),
        "lastSuccessfulDeployment": succeeded.map(last_deployment),
        "lastAttemptedDeployment": attempted.map(last_deployment),
        "computePlatform": group.platform,
        "ecsServices": if ecs {
            json!([{ "serviceName": group.service, "clusterName": group.cluster }])
        } else {
            json!([])
        },
        "terminationHookEnabled": false,
    }})))
}

/// What GetDeploymentGroup says of a deployment it mentions.
fn last_deployment(deployment: &Deployment) -> Value {
    json!({
        "deploymentId": deployment.id,
        "status": deployment.status,
        "createTime": read::time(Some(deployment.created)),
        "endTime": read::time(deployment.completed),
    })
}
