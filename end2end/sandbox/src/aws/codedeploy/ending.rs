//! How deployments end before their time: by a failing event, an alarm or a request; and the
//! rollback, which is a deployment of its own.

use jiff::Timestamp;

use super::{
    appspec,
    config::{Platform, Routing},
    life::{end, pending_events},
    model::{
        AppSpec, AutoRollback, Creator, Deployment, ErrorInformation, EventStatus, INSTALL, PlannedFailure,
        RollbackEvent, RollbackInfo, Stage, Status,
    },
    task_sets,
};
use crate::aws::model::{Account, At, EcsService};

const ALARM_MESSAGE: &str = "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. Activated alarms:";
const HOOK_MESSAGE: &str =
    "The deployment failed because one or more of the lifecycle event validation functions failed.";
const INSTALL_MESSAGE: &str = "The deployment timed out while waiting for the replacement task set to become healthy. This time out period is 60 minutes.";
const WEIGHTS_MESSAGE: &str =
    "The deployment failed because the routing configuration of the Lambda function alias could not be updated.";

/// Stops a deployment because of its alarms, at once.
pub(crate) fn stop_on_alarm(account: &mut Account, index: usize, at: Timestamp) {
    let deployment = &account.deployments[index];
    let names: Vec<String> = deployment
        .alarms
        .alarms
        .iter()
        .filter(|alarm| account.alarms.contains(&alarm.name))
        .map(|alarm| format!("<{}>", alarm.name))
        .collect();
    let rollback = deployment.auto_rollback.on(RollbackEvent::StopOnAlarm);
    let error = ErrorInformation {
        code: "ALARM_ACTIVE",
        message: format!("{ALARM_MESSAGE} {}", names.join(" ")),
    };
    end_badly(account, index, at, Status::Stopped, error, None, rollback);
}

pub(super) fn fail_event(account: &mut Account, index: usize, at: Timestamp, event: usize) {
    let said = account.deployments[index]
        .planned_failure
        .take()
        .and_then(|planned| planned.message);
    let names = account.deployments[index].event_names();
    let lambda = account.deployments[index].platform() == Platform::Lambda;
    let (code, message) = match names[event] {
        "AllowTraffic" if lambda => ("INVALID_LAMBDA_FUNCTION", WEIGHTS_MESSAGE),
        "Install" => ("TIMEOUT", INSTALL_MESSAGE),
        "AllowTestTraffic" | "AllowTraffic" => (
            "ELASTIC_LOAD_BALANCING_INVALID",
            "The ELB could not be updated due to the following error: Primary taskset target group must be behind listener",
        ),
        _ => ("HOOK_EXECUTION_FAILURE", HOOK_MESSAGE),
    };
    let message = said.unwrap_or_else(|| message.to_owned());
    fail(account, index, at, event, ErrorInformation { code, message });
}

/// The deployment cannot begin: none of its events takes place.
pub(super) fn refuse_start(account: &mut Account, index: usize, at: Timestamp, error: ErrorInformation) {
    // Nothing was shifted: there is nothing to roll back.
    end_badly(account, index, at, Status::Failed, error, None, false);
}

/// ECS did not take the update.
pub(super) fn refuse_update(account: &mut Account, index: usize, at: Timestamp, reason: &str) {
    let request = account.uuid();
    let error = ErrorInformation {
        code: "ECS_UPDATE_ERROR",
        message: format!(
            "The ECS service cannot be updated due to an unexpected error: {reason} (Service: AmazonECS; Status Code: 400; Error Code: InvalidParameterException; Request ID: {request}; Proxy: null). Check your ECS service status."
        ),
    };
    let names = account.deployments[index].event_names();
    let install = names.iter().position(|name| *name == INSTALL).unwrap_or_default();
    fail(account, index, at, install, error);
}

fn fail(account: &mut Account, index: usize, at: Timestamp, event: usize, error: ErrorInformation) {
    let rollback = account.deployments[index].auto_rollback.on(RollbackEvent::Failure);
    end_badly(account, index, at, Status::Failed, error, Some(event), rollback);
}

/// Ends a deployment before its time: its current event fails, the rest are skipped, and if it
/// is to be rolled back the traffic returns at once and a new deployment records that.
pub(super) fn end_badly(
    account: &mut Account,
    index: usize,
    at: Timestamp,
    status: Status,
    error: ErrorInformation,
    event: Option<usize>,
    rollback: bool,
) {
    let deployment = &mut account.deployments[index];
    let current = match deployment.stage {
        Stage::Event { index, .. } => Some(index),
        _ => event,
    };
    for (position, each) in deployment.events.iter_mut().enumerate() {
        if Some(position) == current {
            each.status = EventStatus::Failed;
            each.ended = Some(At(at));
            each.message = Some(error.message.clone());
        } else if each.status == EventStatus::Pending {
            each.status = EventStatus::Skipped;
        }
    }
    deployment.error = Some(error);
    if rollback && !deployment.is_rollback() {
        if account.deployments[index].platform() == Platform::Ecs {
            task_sets::return_traffic(account, index, at);
        }
        end(account, index, at, status);
        create_rollback(account, index, at);
    } else {
        end(account, index, at, status);
    }
}

fn create_rollback(account: &mut Account, index: usize, at: Timestamp) {
    let id = account.deployment_id();
    let broken = &mut account.deployments[index];
    broken.rollback = Some(RollbackInfo {
        rollback_deployment_id: Some(id.clone()),
        rollback_triggering_deployment_id: None,
        rollback_message: format!(
            "Deployment {} terminated. Automatic rollback is triggered with a DeploymentId {id}.",
            broken.id
        ),
    });
    let broken = broken.clone();
    let running = account
        .service(&broken.cluster, &broken.service)
        .and_then(EcsService::primary)
        .cloned();
    let mut app_spec = broken.app_spec.clone();
    let config = match &mut app_spec {
        AppSpec::Ecs(spec) => {
            if let Some(set) = &running {
                spec.task_definition.clone_from(&set.task_definition);
            }
            "CodeDeployDefault.ECSAllAtOnce"
        }
        AppSpec::Lambda(spec) => {
            std::mem::swap(&mut spec.current_version, &mut spec.target_version);
            "CodeDeployDefault.LambdaAllAtOnce"
        }
    };
    let rollback = Deployment {
        config: config.into(),
        routing: Routing::AllAtOnce,
        description: None,
        creator: Creator::CodeDeployRollback,
        external_id: None,
        revision: broken
            .previous_revision
            .clone()
            .unwrap_or_else(|| appspec::revision(&app_spec)),
        previous_revision: Some(broken.revision.clone()),
        app_spec,
        auto_rollback: AutoRollback::default(),
        override_alarms: None,
        created: At(at),
        started: None,
        completed: None,
        status: Status::Created,
        stage: Stage::Created,
        since: At(at),
        updated: At(at),
        events: pending_events(broken.event_names()),
        error: None,
        rollback: Some(RollbackInfo {
            rollback_deployment_id: None,
            rollback_triggering_deployment_id: Some(broken.id.clone()),
            rollback_message: format!("Deployment {id} is triggered to roll back deployment {}.", broken.id),
        }),
        original_task_set: running.map(|set| set.id),
        replacement_task_set: broken.replacement_task_set.clone(),
        target_weight: 1.0 - broken.target_weight,
        task_sets_at_end: None,
        stopping: None,
        planned_failure: take_planned(account, &broken.application, &broken.group, true),
        visible_from: None,
        shown_status: None,
        id,
        ..broken
    };
    account.deployments.push(rollback);
}

/// The first failure planned for a deployment of this kind of the group.
pub(crate) fn take_planned(
    account: &mut Account,
    application: &str,
    group: &str,
    of_rollback: bool,
) -> Option<PlannedFailure> {
    let group = account
        .groups
        .iter_mut()
        .find(|each| each.application == application && each.name == group)?;
    let position = group
        .planned
        .iter()
        .position(|planned| planned.of_rollback == of_rollback)?;
    Some(group.planned.remove(position))
}
