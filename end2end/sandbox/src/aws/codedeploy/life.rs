//! The life of a deployment: which step is due when, and what each step does to the service.
//!
//! Nothing here runs by itself. [`advance`] is called with the present time before every
//! request and takes the steps that have become due in their order, each at its own time, so
//! that the outcome does not depend on how often anyone looks.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    model::{
        ALLOW_TRAFFIC, AutoRollback, BEFORE_ALLOW_TRAFFIC, Creator, Deployment, EVENTS, ErrorInformation, Event,
        EventStatus, INSTALL, RollbackEvent, RollbackInfo, Stage, Status,
    },
    read,
};
use crate::aws::{
    codedeploy::config::Routing,
    model::{Account, At, EcsService, TaskSet, TaskSetStatus},
};

const ALARM_MESSAGE: &str = "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. Activated alarms:";
const HOOK_MESSAGE: &str =
    "The deployment failed because one or more of the lifecycle event validation functions failed.";
const INSTALL_MESSAGE: &str = "The deployment timed out while waiting for the replacement task set to become healthy. This time out period is 60 minutes.";

/// Takes every step that is due at `now`, the earliest first.
pub(crate) fn advance(account: &mut Account, now: Timestamp) {
    while let Some((at, index)) = account
        .deployments
        .iter()
        .enumerate()
        .filter_map(|(index, deployment)| Some((due(account, deployment)?, index)))
        .filter(|(at, _)| *at <= now)
        .min()
    {
        step(account, index, at);
    }
    for service in &mut account.services {
        service.task_sets.retain(|set| set.gone.is_none_or(|gone| gone.0 > now));
    }
}

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

/// When the deployment's next step is due, if time alone brings it about.
fn due(account: &Account, deployment: &Deployment) -> Option<Timestamp> {
    let next = next_step(account, deployment);
    match deployment.stopping {
        Some((stop, _)) if !deployment.status.is_final() => Some(next.map_or(stop.0, |next| next.min(stop.0))),
        _ => next,
    }
}

fn next_step(account: &Account, deployment: &Deployment) -> Option<Timestamp> {
    let timings = &account.timings;
    let seconds = match deployment.stage {
        Stage::Created => timings.created,
        Stage::Queued => timings.queued,
        Stage::Event { index, .. } if deployment.is_rollback() && index != ALLOW_TRAFFIC => timings.rollback_event,
        Stage::Event { index, steps } => match EVENTS[index] {
            "Install" => timings.install,
            "AllowTestTraffic" => timings.allow_test_traffic,
            "AllowTraffic" => deployment
                .routing
                .steps()
                .get(steps)
                .map_or(timings.shift, |(after, _)| *after),
            _ => timings.hook,
        },
        Stage::Ready => f64::from(deployment.ready_wait_minutes?) * 60.0,
        Stage::Termination => f64::from(deployment.termination_wait_minutes) * 60.0,
        Stage::Ended => return None,
    };
    Some(after(deployment.since.0, seconds))
}

fn after(time: Timestamp, seconds: f64) -> Timestamp {
    SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|wait| time.checked_add(wait).ok())
        .unwrap_or(Timestamp::MAX)
}

fn step(account: &mut Account, index: usize, at: Timestamp) {
    let deployment = &account.deployments[index];
    if let Some((stop, rollback)) = deployment.stopping
        && stop.0 <= at
    {
        let error = ErrorInformation {
            code: "MANUAL_STOP",
            message: "The deployment was stopped by a request to StopDeployment.".into(),
        };
        end_badly(account, index, at, Status::Stopped, error, None, rollback);
        return;
    }
    match deployment.stage {
        Stage::Created => enter(account, index, at, Stage::Queued, Status::Queued),
        Stage::Queued => {
            account.deployments[index].started = Some(At(at));
            enter_event(account, index, at, 0);
        }
        Stage::Event { index: event, .. } if fails_now(deployment) => {
            fail_event(account, index, at, event);
        }
        Stage::Event {
            index: ALLOW_TRAFFIC,
            steps,
        } => shift_traffic(account, index, at, steps),
        Stage::Event { index: event, .. } => {
            if event == INSTALL {
                finish_install(account, index, at);
            }
            leave_event(account, index, at, event);
        }
        Stage::Ready => {
            let error = ErrorInformation {
                code: "TIMEOUT",
                message: "The deployment was stopped because traffic was not rerouted before the wait time ended."
                    .into(),
            };
            end_badly(account, index, at, Status::Stopped, error, None, false);
        }
        Stage::Termination => finish(account, index, at),
        Stage::Ended => {}
    }
}

fn enter(account: &mut Account, index: usize, at: Timestamp, stage: Stage, status: Status) {
    let deployment = &mut account.deployments[index];
    deployment.stage = stage;
    deployment.since = At(at);
    deployment.updated = At(at);
    deployment.status = status;
}

fn enter_event(account: &mut Account, index: usize, at: Timestamp, event: usize) {
    let stage = Stage::Event { index: event, steps: 0 };
    enter(account, index, at, stage, Status::InProgress);
    let deployment = &mut account.deployments[index];
    deployment.events[event].status = EventStatus::InProgress;
    deployment.events[event].started = Some(At(at));
    if !deployment.is_rollback() && alarm_is_active(account, index) {
        stop_on_alarm(account, index, at);
        return;
    }
    if event == INSTALL && !account.deployments[index].is_rollback() {
        start_install(account, index, at);
    }
}

fn alarm_is_active(account: &Account, index: usize) -> bool {
    let alarms = &account.deployments[index].alarms;
    alarms.enabled && alarms.alarms.iter().any(|alarm| account.alarms.contains(&alarm.name))
}

fn leave_event(account: &mut Account, index: usize, at: Timestamp, event: usize) {
    let deployment = &mut account.deployments[index];
    deployment.events[event].status = EventStatus::Succeeded;
    deployment.events[event].ended = Some(At(at));
    let waits = deployment.ready_wait_minutes.is_some() && !deployment.is_rollback();
    if event + 1 == BEFORE_ALLOW_TRAFFIC && waits {
        enter(account, index, at, Stage::Ready, Status::Ready);
    } else if event + 1 < EVENTS.len() {
        enter_event(account, index, at, event + 1);
    } else if account.deployments[index].is_rollback() {
        finish(account, index, at);
    } else {
        enter(account, index, at, Stage::Termination, Status::InProgress);
    }
}

/// ContinueDeployment while Ready: traffic starts to move.
pub(crate) fn reroute(account: &mut Account, index: usize, at: Timestamp) {
    enter_event(account, index, at, BEFORE_ALLOW_TRAFFIC);
}

/// ContinueDeployment while the original waits to be terminated.
pub(crate) fn terminate_original(account: &mut Account, index: usize, at: Timestamp) {
    finish(account, index, at);
}

fn service_of(account: &mut Account, index: usize) -> Option<&mut EcsService> {
    let deployment = &account.deployments[index];
    let (cluster, name) = (deployment.cluster.clone(), deployment.service.clone());
    account.service_mut(&cluster, &name)
}

/// Makes the replacement task set, or fails as ECS refuses to.
fn start_install(account: &mut Account, index: usize, at: Timestamp) {
    let deployment = &account.deployments[index];
    let (id, spec) = (deployment.id.clone(), deployment.app_spec.clone());
    if let Some(reason) = refused_by_ecs(account, index) {
        let request = account.uuid();
        let error = ErrorInformation {
            code: "ECS_UPDATE_ERROR",
            message: format!(
                "The ECS service cannot be updated due to an unexpected error: {reason} (Service: AmazonECS; Status Code: 400; Error Code: InvalidParameterException; Request ID: {request}; Proxy: null). Check your ECS service status."
            ),
        };
        fail(account, index, at, INSTALL, error);
        return;
    }
    let Some(arn) = account
        .task_definition(&spec.task_definition)
        .map(|found| found.arn.clone())
    else {
        return;
    };
    let new_id = account.task_set_id();
    let drain = account.timings.drain;
    let Some(service) = service_of(account, index) else {
        return;
    };
    let primary_group = service.primary().map_or(1, |set| set.target_group);
    let original = service.primary().map(|set| set.id.clone());
    for set in &mut service.task_sets {
        // What a stopped deployment left behind makes room.
        if set.status == TaskSetStatus::Active {
            drain_set(set, at, drain);
        }
    }
    service.task_sets.push(TaskSet {
        id: new_id.clone(),
        task_definition: arn,
        external_id: Some(id),
        status: TaskSetStatus::Active,
        scale: 100.0,
        running: 0,
        created: At(at),
        updated: At(at),
        gone: None,
        target_group: 1 - primary_group,
        traffic: 0.0,
    });
    let deployment = &mut account.deployments[index];
    deployment.replacement_task_set = Some(new_id);
    deployment.original_task_set = original;
}

/// Why ECS would not make a task set of what the AppSpec names.
fn refused_by_ecs(account: &Account, index: usize) -> Option<String> {
    let spec = &account.deployments[index].app_spec;
    let Some(definition) = account.task_definition(&spec.task_definition) else {
        return Some("Unable to describe task definition.".into());
    };
    let containers = definition.body["containerDefinitions"].as_array()?;
    let Some(container) = containers.iter().find(|each| each["name"] == spec.container.as_str()) else {
        return Some(format!(
            "The container {} does not exist in the task definition.",
            spec.container
        ));
    };
    let has_port = container["portMappings"]
        .as_array()
        .is_some_and(|ports| ports.iter().any(|each| each["containerPort"] == spec.port));
    (!has_port).then(|| {
        format!(
            "The container {} did not have a container port {} defined.",
            spec.container, spec.port
        )
    })
}

fn finish_install(account: &mut Account, index: usize, at: Timestamp) {
    let replacement = account.deployments[index].replacement_task_set.clone();
    if let Some(service) = service_of(account, index) {
        let desired = service.desired;
        if let Some(set) = replacement.and_then(|id| service.task_set_mut(&id)) {
            set.running = desired;
            set.updated = At(at);
        }
    }
}

fn shift_traffic(account: &mut Account, index: usize, at: Timestamp, steps: usize) {
    let deployment = &account.deployments[index];
    let plan = deployment.routing.steps();
    let Some((_, percent)) = plan.get(steps).copied() else {
        leave_event(account, index, at, ALLOW_TRAFFIC);
        return;
    };
    if !deployment.is_rollback() {
        set_traffic(account, index, at, percent);
    }
    let deployment = &mut account.deployments[index];
    deployment.updated = At(at);
    deployment.stage = Stage::Event {
        index: ALLOW_TRAFFIC,
        steps: steps + 1,
    };
    if steps + 1 == plan.len() {
        // What remains is counted from the last increment.
        deployment.since = At(at);
    }
}

/// Gives the replacement `percent` of the traffic; with all of it, it becomes primary.
fn set_traffic(account: &mut Account, index: usize, at: Timestamp, percent: f64) {
    let deployment = &account.deployments[index];
    let replacement = deployment.replacement_task_set.clone();
    let original = deployment.original_task_set.clone();
    let Some(service) = service_of(account, index) else {
        return;
    };
    for set in &mut service.task_sets {
        let is_replacement = Some(&set.id) == replacement.as_ref();
        if !is_replacement && Some(&set.id) != original.as_ref() {
            continue;
        }
        set.traffic = if is_replacement { percent } else { 100.0 - percent };
        set.updated = At(at);
        if set.status != TaskSetStatus::Draining {
            let holds_all = set.traffic >= 100.0;
            let holds_none = set.traffic <= 0.0;
            if holds_all {
                set.status = TaskSetStatus::Primary;
            } else if holds_none {
                set.status = TaskSetStatus::Active;
            }
        }
    }
}

fn drain_set(set: &mut TaskSet, at: Timestamp, seconds: f64) {
    set.status = TaskSetStatus::Draining;
    set.scale = 0.0;
    set.running = 0;
    set.traffic = 0.0;
    set.updated = At(at);
    set.gone = Some(At(after(at, seconds)));
}

fn finish(account: &mut Account, index: usize, at: Timestamp) {
    let drain = account.timings.drain;
    let deployment = &account.deployments[index];
    if !deployment.is_rollback() {
        let original = deployment.original_task_set.clone();
        if let Some(service) = service_of(account, index)
            && let Some(set) = original.and_then(|id| service.task_set_mut(&id))
        {
            drain_set(set, at, drain);
        }
    }
    end(account, index, at, Status::Succeeded);
}

fn end(account: &mut Account, index: usize, at: Timestamp, status: Status) {
    enter(account, index, at, Stage::Ended, status);
    let sets = read::task_sets(account, &account.deployments[index]);
    let deployment = &mut account.deployments[index];
    deployment.completed = Some(At(at));
    deployment.task_sets_at_end = Some(sets);
}

/// Whether the event has come to the point where its planned failure shows: its end, or for
/// AllowTraffic the point after its first increment.
fn fails_now(deployment: &Deployment) -> bool {
    let Stage::Event { index, steps } = deployment.stage else {
        return false;
    };
    deployment
        .planned_failure
        .as_ref()
        .is_some_and(|planned| planned.event == EVENTS[index])
        && (index != ALLOW_TRAFFIC || steps > 0)
}

fn fail_event(account: &mut Account, index: usize, at: Timestamp, event: usize) {
    let said = account.deployments[index]
        .planned_failure
        .take()
        .and_then(|planned| planned.message);
    let (code, message) = match EVENTS[event] {
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

fn fail(account: &mut Account, index: usize, at: Timestamp, event: usize, error: ErrorInformation) {
    let rollback = account.deployments[index].auto_rollback.on(RollbackEvent::Failure);
    end_badly(account, index, at, Status::Failed, error, Some(event), rollback);
}

/// Ends a deployment before its time: its current event fails, the rest are skipped, and if it
/// is to be rolled back the traffic returns at once and a new deployment records that.
fn end_badly(
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
        return_traffic(account, index, at);
        end(account, index, at, status);
        create_rollback(account, index, at);
    } else {
        end(account, index, at, status);
    }
}

fn return_traffic(account: &mut Account, index: usize, at: Timestamp) {
    set_traffic(account, index, at, 0.0);
    let drain = account.timings.drain;
    let replacement = account.deployments[index].replacement_task_set.clone();
    if let Some(service) = service_of(account, index)
        && let Some(set) = replacement.and_then(|id| service.task_set_mut(&id))
    {
        drain_set(set, at, drain);
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
    if let Some(set) = &running {
        app_spec.task_definition.clone_from(&set.task_definition);
    }
    let rollback = Deployment {
        config: "CodeDeployDefault.ECSAllAtOnce".into(),
        routing: Routing::AllAtOnce,
        description: None,
        creator: Creator::CodeDeployRollback,
        external_id: None,
        revision: broken
            .previous_revision
            .clone()
            .unwrap_or_else(|| super::appspec::revision(&app_spec)),
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
        events: pending_events(),
        error: None,
        rollback: Some(RollbackInfo {
            rollback_deployment_id: None,
            rollback_triggering_deployment_id: Some(broken.id.clone()),
            rollback_message: format!("Deployment {id} is triggered to roll back deployment {}.", broken.id),
        }),
        original_task_set: running.map(|set| set.id),
        replacement_task_set: broken.replacement_task_set.clone(),
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
) -> Option<super::model::PlannedFailure> {
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

pub(crate) fn pending_events() -> [Event; 8] {
    std::array::from_fn(|_| Event {
        status: EventStatus::Pending,
        started: None,
        ended: None,
        message: None,
    })
}

/// What GetDeploymentGroup says of a deployment it mentions.
pub(crate) fn last_deployment(deployment: &Deployment) -> serde_json::Value {
    json!({
        "deploymentId": deployment.id,
        "status": deployment.status,
        "createTime": read::time(Some(deployment.created)),
        "endTime": read::time(deployment.completed),
    })
}
