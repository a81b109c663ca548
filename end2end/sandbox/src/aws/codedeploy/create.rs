//! CreateDeployment: what is refused, and what a new deployment takes from its group.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    appspec,
    config::{self, Platform},
    ending, find_application, find_group, life,
    model::{Alarms, AutoRollback, Creator, Deployment, Stage, Status, events_of},
};
use crate::aws::{
    model::{Account, At},
    protocol::{AwsError, input},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateInput {
    application_name: Option<String>,
    deployment_group_name: Option<String>,
    revision: Option<Value>,
    deployment_config_name: Option<String>,
    description: Option<String>,
    auto_rollback_configuration: Option<Value>,
    override_alarm_configuration: Option<Alarms>,
    file_exists_behavior: Option<String>,
}

pub(crate) fn create(account: &mut Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let wanted: CreateInput = input(body)?;
    let application = find_application(account, wanted.application_name.as_deref())?
        .name
        .clone();
    let group = find_group(account, &application, wanted.deployment_group_name.as_deref())?.clone();
    if wanted.description.as_ref().is_some_and(|text| text.len() > 256) {
        return Err(AwsError::new(
            "DescriptionTooLongException",
            "The description is too long.",
        ));
    }
    if let Some(behavior) = &wanted.file_exists_behavior
        && !["DISALLOW", "OVERWRITE", "RETAIN"].contains(&behavior.as_str())
    {
        return Err(AwsError::new(
            "InvalidFileExistsBehaviorException",
            "An invalid fileExistsBehavior option was specified.",
        ));
    }
    let app_spec = appspec::parse(group.platform, wanted.revision.as_ref())?;
    let config_name = wanted.deployment_config_name.unwrap_or_else(|| group.config.clone());
    let config = config::find(account, &config_name)?;
    if config.platform != group.platform {
        return Err(AwsError::new(
            "InvalidDeploymentConfigNameException",
            format!(
                "Deployment configuration {config_name} is not for the {} compute platform",
                group.platform.name()
            ),
        ));
    }
    let auto_rollback = match wanted.auto_rollback_configuration {
        None => group.auto_rollback.clone(),
        Some(configuration) => parse_auto_rollback(configuration)?,
    };
    if group.platform == Platform::Ecs && account.service(&group.cluster, &group.service).is_none() {
        return Err(AwsError::new(
            "InvalidECSServiceException",
            "The Amazon ECS service identifier is invalid.",
        ));
    }
    if let Some(active) = account
        .deployments
        .iter()
        .find(|each| each.application == application && each.group == group.name && !each.status.is_final())
    {
        return Err(AwsError::new(
            "DeploymentLimitExceededException",
            format!(
                "The Deployment Group '{}' already has an active Deployment '{}'",
                group.name, active.id
            ),
        ));
    }

    let id = account.deployment_id();
    let previous_revision = account
        .deployments
        .iter()
        .rev()
        .find(|each| each.application == application && each.group == group.name && each.status == Status::Succeeded)
        .map(|each| each.revision.clone());
    let planned_failure = ending::take_planned(account, &application, &group.name, false);
    account.deployments.push(Deployment {
        id: id.clone(),
        application,
        group: group.name,
        cluster: group.cluster,
        service: group.service,
        config: config_name,
        routing: config.routing,
        description: wanted.description,
        creator: Creator::User,
        external_id: None,
        revision: wanted.revision.unwrap_or_default(),
        previous_revision,
        events: life::pending_events(events_of(group.platform)),
        target_weight: 0.0,
        app_spec,
        auto_rollback,
        alarms: wanted.override_alarm_configuration.clone().unwrap_or(group.alarms),
        override_alarms: wanted.override_alarm_configuration,
        ready_wait_minutes: group.ready_wait_minutes,
        termination_wait_minutes: group.termination_wait_minutes,
        created: At(now),
        started: None,
        completed: None,
        status: Status::Created,
        stage: Stage::Created,
        since: At(now),
        error: None,
        rollback: None,
        original_task_set: None,
        replacement_task_set: None,
        task_sets_at_end: None,
        stopping: None,
        planned_failure,
        visible_from: None,
        shown_status: None,
        updated: At(now),
    });
    Ok(json!({ "deploymentId": id }))
}

fn parse_auto_rollback(configuration: Value) -> Result<AutoRollback, AwsError> {
    let invalid = |reason: &str| AwsError::new("InvalidAutoRollbackConfigException", reason);
    let configuration: AutoRollback = serde_json::from_value(configuration).map_err(|error| {
        invalid(&format!(
            "The automatic rollback configuration was specified in an invalid format: {error}"
        ))
    })?;
    if configuration.enabled && configuration.events.is_empty() {
        return Err(invalid(
            "Automatic rollback is enabled, but no events that trigger it are specified.",
        ));
    }
    Ok(configuration)
}
