//! How a rolling deployment replaces tasks: never more of them than `maximumPercent` of the desired
//! count, never fewer healthy ones than `minimumHealthyPercent`.

use serde_json::Value;

use super::model::{Move, ServiceDeployment};
use crate::aws::model::{Account, At, EcsService, TaskSetStatus};

/// The ID of the workload that a rolling deployment now works towards, if one is under way.
fn goal(service: &EcsService) -> Option<String> {
    let deployment = service.managed.current()?;
    if deployment.configuration["strategy"] != "ROLLING" {
        return None;
    }
    let revision = match deployment.plan.get(deployment.position)? {
        Move::Roll => &deployment.target,
        Move::BeginRollback(_) | Move::Return | Move::Restore => deployment.sources.last()?,
        _ => return None,
    };
    Some(service.managed.revision(revision)?.workload.clone())
}

/// Starts and stops what may be started and stopped now. False: nothing is rolling.
pub(crate) fn schedule(account: &mut Account, index: usize, at: At) -> bool {
    let Some(goal) = goal(&account.services[index]) else {
        return false;
    };
    let sick = &account.sick;
    let service = &mut account.services[index];
    let desired = service.desired;
    let limits = service.managed.current().map(|each| limits(each, desired));
    let (most, fewest) = limits.unwrap_or((desired, desired));
    let workloads = &mut service.managed.workloads;
    let healthy: i64 = workloads.iter().map(|each| each.healthy()).sum();
    let mut spare = (healthy - fewest).max(0);
    for each in workloads.iter_mut().filter(|each| each.id != goal) {
        let sound = each.healthy();
        let stopped = sound.min(spare);
        spare -= stopped;
        each.desired = sound - stopped;
        each.fill(at, None);
    }
    let others: i64 = workloads
        .iter()
        .filter(|each| each.id != goal)
        .map(|each| each.live())
        .sum();
    if let Some(workload) = workloads.iter_mut().find(|each| each.id == goal) {
        let room = (most - others).max(0);
        workload.desired = desired.min(room.max(workload.live()));
        workload.fill(at, sick.get(&workload.task_definition).copied());
    }
    true
}

/// Tasks that there may be at most, and healthy ones that there must be at least.
fn limits(deployment: &ServiceDeployment, desired: i64) -> (i64, i64) {
    let percent = |member: &str, usual: i64| match &deployment.configuration[member] {
        Value::Null => usual,
        given => given.as_i64().unwrap_or(usual),
    };
    let most = desired * percent("maximumPercent", 200) / 100;
    let fewest = (desired * percent("minimumHealthyPercent", 100) + 99) / 100;
    (most, fewest)
}

/// Whether the tasks are where the present move wants them.
pub(crate) fn is_over(service: &EcsService) -> bool {
    let managed = &service.managed;
    let Some(deployment) = managed.current() else {
        return false;
    };
    let going_back = deployment.plan.get(deployment.position) == Some(&Move::Restore);
    let revision = if going_back {
        deployment.sources.last()
    } else {
        Some(&deployment.target)
    };
    let Some(revision) = revision.and_then(|arn| managed.revision(arn)) else {
        return true;
    };
    let others_gone = managed
        .workloads
        .iter()
        .all(|each| each.id == revision.workload || each.live() == 0 || each.status == TaskSetStatus::Draining);
    let there = managed
        .workload(&revision.workload)
        .is_some_and(|each| each.stable && each.live() == service.desired);
    others_gone && there
}
