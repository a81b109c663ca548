//! What a deployment does to its service: the replacement task set is made, gets traffic, and
//! one of the two task sets is drained in the end.

use jiff::Timestamp;

use super::{
    life::after,
    model::{AppSpec, EcsSpec},
};
use crate::aws::model::{Account, At, EcsService, TaskSet, TaskSetStatus};

/// Makes the replacement task set, or says why ECS refuses to.
pub(super) fn create(account: &mut Account, index: usize, at: Timestamp) -> Result<(), String> {
    let AppSpec::Ecs(spec) = account.deployments[index].app_spec.clone() else {
        return Err("Service not found.".into());
    };
    let arn = definition_for(account, &spec)?;
    let deployment_id = account.deployments[index].id.clone();
    let new_id = account.task_set_id();
    let drain = account.timings.drain;
    let Some(service) = service_of(account, index) else {
        return Err("Service not found.".into());
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
        external_id: Some(deployment_id),
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
    Ok(())
}

/// The ARN of the task definition that the AppSpec names, or why ECS would not use it.
fn definition_for(account: &Account, spec: &EcsSpec) -> Result<String, String> {
    let definition = account
        .task_definition(&spec.task_definition)
        .ok_or("Unable to describe task definition.")?;
    let container = definition.body["containerDefinitions"]
        .as_array()
        .and_then(|containers| containers.iter().find(|each| each["name"] == spec.container.as_str()))
        .ok_or_else(|| {
            format!(
                "The container {} does not exist in the task definition.",
                spec.container
            )
        })?;
    let has_port = container["portMappings"]
        .as_array()
        .is_some_and(|ports| ports.iter().any(|each| each["containerPort"] == spec.port));
    if !has_port {
        return Err(format!(
            "The container {} did not have a container port {} defined.",
            spec.container, spec.port
        ));
    }
    Ok(definition.arn.clone())
}

/// The tasks of the replacement run.
pub(super) fn all_running(account: &mut Account, index: usize, at: Timestamp) {
    let replacement = account.deployments[index].replacement_task_set.clone();
    if let Some(service) = service_of(account, index) {
        let desired = service.desired;
        if let Some(set) = replacement.and_then(|id| service.task_set_mut(&id)) {
            set.running = desired;
            set.updated = At(at);
        }
    }
}

/// Gives the replacement `percent` of the traffic; with all of it, it becomes primary.
pub(super) fn set_traffic(account: &mut Account, index: usize, at: Timestamp, percent: f64) {
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

/// The original task set has done its work.
pub(super) fn drain_original(account: &mut Account, index: usize, at: Timestamp) {
    let original = account.deployments[index].original_task_set.clone();
    drain(account, index, at, original);
}

/// The traffic goes back to the original at once, and the replacement is given up.
pub(super) fn return_traffic(account: &mut Account, index: usize, at: Timestamp) {
    set_traffic(account, index, at, 0.0);
    let replacement = account.deployments[index].replacement_task_set.clone();
    drain(account, index, at, replacement);
}

fn drain(account: &mut Account, index: usize, at: Timestamp, id: Option<String>) {
    let seconds = account.timings.drain;
    if let Some(service) = service_of(account, index)
        && let Some(set) = id.and_then(|id| service.task_set_mut(&id))
    {
        drain_set(set, at, seconds);
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

fn service_of(account: &mut Account, index: usize) -> Option<&mut EcsService> {
    let deployment = &account.deployments[index];
    let (cluster, name) = (deployment.cluster.clone(), deployment.service.clone());
    account.service_mut(&cluster, &name)
}
