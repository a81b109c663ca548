//! Makes the moves of a deployment, and turns it round when it fails.

use jiff::Timestamp;

use super::{
    model::{Hook, Move, Rollback, Status, threshold},
    rolling, traffic,
};
use crate::aws::{
    ecs::life::{after, replenish},
    model::{Account, At, EcsService, TaskSetStatus},
};

/// When the present move of the service's deployment is over, as far as that is known.
pub(crate) fn due(account: &Account, service: &EcsService) -> Option<Timestamp> {
    let deployment = service.managed.current()?;
    let since = deployment.since.0;
    let touched = service.managed.touched.map_or(since, |at| at.0.max(since));
    match deployment.plan.get(deployment.position)? {
        Move::Start | Move::Enter(_) => Some(after(since, account.timings.stage)),
        Move::Wait(seconds) => Some(after(since, *seconds)),
        Move::Hooks(_) => {
            let open = deployment.hooks.iter().filter(|hook| hook.is_open());
            Some(open.map(|hook| hook_due(account, hook)).min().unwrap_or(since))
        }
        Move::ScaleUp => {
            let target = service.managed.revision(&deployment.target)?;
            service.managed.workload(&target.workload)?.stable.then_some(touched)
        }
        Move::Roll | Move::Restore => rolling::is_over(service).then_some(touched),
        _ => Some(since),
    }
}

fn hook_due(account: &Account, hook: &Hook) -> Timestamp {
    if hook.pause {
        hook.expires.0
    } else {
        after(hook.since.0, account.timings.hook).min(hook.expires.0)
    }
}

/// The present move is over.
pub(crate) fn step(account: &mut Account, service: usize, at: At) {
    let open = account.services[service]
        .managed
        .current()
        .and_then(|deployment| deployment.hooks.iter().position(Hook::is_open));
    match open {
        Some(hook) => end_hook(account, service, hook, at),
        None => next(account, service, at),
    }
}

fn next(account: &mut Account, service: usize, at: At) {
    let Some(deployment) = account.services[service].managed.current_mut() else {
        return;
    };
    deployment.position += 1;
    deployment.since = at;
    deployment.updated = at;
    begin(account, service, at);
}

/// Replaces what was planned by other moves, and begins the first of them.
pub(crate) fn turn(account: &mut Account, service: usize, at: At, plan: Vec<Move>) {
    let Some(deployment) = account.services[service].managed.current_mut() else {
        return;
    };
    for hook in &mut deployment.hooks {
        if hook.is_open() {
            hook.status = "FAILED";
        }
    }
    deployment.plan = plan;
    deployment.position = 0;
    deployment.since = at;
    deployment.updated = at;
    begin(account, service, at);
}

/// What the move at the present position does when it begins.
pub(crate) fn begin(account: &mut Account, service: usize, at: At) {
    let Some(deployment) = account.services[service].managed.current_mut() else {
        return;
    };
    let Some(step) = deployment.plan.get(deployment.position).cloned() else {
        return;
    };
    if deployment.status == Status::Pending && step != Move::Start {
        deployment.status = Status::InProgress;
        deployment.started = Some(at);
    }
    match step {
        Move::Enter(stage) => deployment.stage = Some(stage),
        Move::Hooks(stage) => open_hooks(account, service, stage, at),
        Move::ScaleUp => {
            let target = deployment.target.clone();
            let desired = account.services[service].desired;
            let managed = &mut account.services[service].managed;
            if let Some(id) = managed.revision(&target).map(|revision| revision.workload.clone())
                && let Some(workload) = managed.workload_mut(&id)
            {
                workload.desired = desired;
            }
            replenish(account, service, at);
        }
        Move::Roll => replenish(account, service, at),
        Move::Test(percent) => {
            deployment.test = percent;
            traffic::apply(account, service);
        }
        Move::Production(percent) => {
            deployment.production = percent;
            traffic::apply(account, service);
        }
        Move::DrainSources => drain_sources(account, service, at),
        Move::Succeed => {
            let target = deployment.target.clone();
            deployment.status = Status::Successful;
            deployment.finished = Some(at);
            settle(account, service, &target, at);
            drain_others(account, service, &target, at);
        }
        Move::BeginRollback(reason) => {
            deployment.status = Status::RollbackInProgress;
            deployment.rollback = deployment.sources.last().map(|source| Rollback {
                reason,
                started: at,
                revision: source.clone(),
            });
        }
        Move::Return => {
            deployment.production = 0.0;
            deployment.test = 0.0;
            let (target, source) = (deployment.target.clone(), deployment.sources.last().cloned());
            traffic::apply(account, service);
            give_up(account, service, &target, source.as_deref(), at);
            replenish(account, service, at);
        }
        Move::RolledBack => {
            deployment.status = Status::RollbackSuccessful;
            deployment.finished = Some(at);
            if let Some(source) = deployment.sources.last().cloned() {
                settle(account, service, &source, at);
                drain_others(account, service, &source, at);
            }
        }
        Move::Stop(reason) => {
            deployment.status = Status::Stopped;
            deployment.stopped = Some(at);
            deployment.finished = Some(at);
            deployment.reason = Some(reason);
        }
        Move::Start | Move::Wait(_) | Move::Restore => {}
    }
}

fn open_hooks(account: &mut Account, service: usize, stage: &'static str, at: At) {
    let Some(deployment) = account.services[service].managed.current() else {
        return;
    };
    let configured = deployment.configuration["lifecycleHooks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let of_stage = configured.iter().filter(|hook| {
        let stages = hook["lifecycleStages"].as_array();
        stages.is_some_and(|stages| stages.iter().any(|each| each == stage))
    });
    for hook in of_stage {
        let timeout = &hook["timeoutConfiguration"];
        let minutes = timeout["timeoutInMinutes"].as_f64().unwrap_or(1440.0);
        let pause = hook["targetType"] == "PAUSE";
        let opened = Hook {
            id: account.uuid(),
            pause,
            target: hook["hookTargetArn"].as_str().map(str::to_owned),
            status: if pause { "AWAITING_ACTION" } else { "IN_PROGRESS" },
            since: at,
            expires: At(after(at.0, minutes * 60.0)),
            timeout_action: timeout["action"].as_str().unwrap_or("ROLLBACK").to_owned(),
            stage,
        };
        if let Some(deployment) = account.services[service].managed.current_mut() {
            deployment.hooks.push(opened);
        }
    }
}

/// The time of a hook has come: a function has answered, or a pause has lasted too long.
fn end_hook(account: &mut Account, service: usize, index: usize, at: At) {
    let managed = &mut account.services[service].managed;
    let failing = managed.failing_stage.clone();
    let Some(deployment) = managed.current_mut() else {
        return;
    };
    let hook = &mut deployment.hooks[index];
    deployment.updated = at;
    deployment.since = at;
    let stage = hook.stage;
    if hook.expires <= at {
        hook.status = "TIMED_OUT";
        if hook.timeout_action == "ROLLBACK" {
            let reason = format!("Service deployment rolled back because a lifecycle hook timed out at {stage}.");
            fail(account, service, at, &reason, true);
        }
    } else if failing.as_deref() == Some(stage) {
        hook.status = "FAILED";
        managed.failing_stage = None;
        let reason = format!("Service deployment rolled back because a lifecycle hook failed at {stage}.");
        fail(account, service, at, &reason, true);
    } else {
        hook.status = "SUCCEEDED";
    }
}

/// The deployment has failed. It rolls back if it may, and stops where it is otherwise.
pub(crate) fn fail(account: &mut Account, service: usize, at: At, reason: &str, rollback: bool) {
    let desired = account.services[service].desired;
    let stage = account.timings.stage;
    let managed = &mut account.services[service].managed;
    let Some(deployment) = managed.current_mut() else {
        return;
    };
    deployment.reason = Some(reason.to_owned());
    let (target, sources) = (deployment.target.clone(), deployment.sources.clone());
    let Some(workload) = managed.revision(&target).map(|revision| revision.workload.clone()) else {
        return;
    };
    if let Some(workload) = managed.workload_mut(&workload) {
        workload.rollout = ("FAILED", reason.to_owned());
        // No more tasks are launched.
        workload.desired = workload.healthy().min(desired);
    }
    if rollback && !sources.is_empty() {
        turn(account, service, at, rollback_moves(reason, stage));
    } else {
        turn(account, service, at, vec![Move::Stop(reason.to_owned())]);
        replenish(account, service, at);
    }
}

/// `stage`: virtual seconds that it takes besides what the tasks take.
pub(crate) fn rollback_moves(reason: &str, stage: f64) -> Vec<Move> {
    vec![
        Move::BeginRollback(reason.to_owned()),
        Move::Return,
        Move::Restore,
        Move::Wait(stage),
        Move::RolledBack,
    ]
}

/// A task of the service ended before it was healthy.
pub(crate) fn count_failure(account: &mut Account, service: usize, workload: usize, at: At) {
    let desired = account.services[service].desired;
    let managed = &mut account.services[service].managed;
    let id = managed.workloads[workload].id.clone();
    let Some(deployment) = managed.current() else {
        return;
    };
    let of_target = managed
        .revision(&deployment.target)
        .is_some_and(|revision| revision.workload == id);
    let Some(deployment) = managed
        .current_mut()
        .filter(|each| of_target && each.status.goes_forward())
    else {
        return;
    };
    deployment.failures += 1;
    let breaker = &deployment.configuration["deploymentCircuitBreaker"];
    if breaker["enable"] != true || deployment.failures < threshold(&deployment.configuration, desired) {
        return;
    }
    let rollback = breaker["rollback"] == true;
    deployment.breaker_triggered = true;
    let reason = "ECS deployment circuit breaker: tasks failed to start.";
    fail(account, service, at, reason, rollback);
}

/// Fails the deployments whose alarms are in the state ALARM.
pub(crate) fn heed_alarms(account: &mut Account, at: At) {
    for service in 0..account.services.len() {
        let raised = account.alarms.clone();
        let Some(deployment) = account.services[service].managed.current_mut() else {
            continue;
        };
        let alarms = &deployment.configuration["alarms"];
        let names = alarms["alarmNames"].as_array().cloned().unwrap_or_default();
        let names = names.iter().filter_map(|name| name.as_str());
        let triggered: Vec<String> = names.filter(|name| raised.contains(*name)).map(str::to_owned).collect();
        if alarms["enable"] != true || triggered.is_empty() || !deployment.status.goes_forward() {
            continue;
        }
        let rollback = alarms["rollback"] == true;
        deployment.triggered_alarms = triggered;
        fail(account, service, at, "ECS deployment alarm detected.", rollback);
    }
}

/// The workload of a revision is the one that the service now is.
fn settle(account: &mut Account, service: usize, revision: &str, at: At) {
    let managed = &mut account.services[service].managed;
    let Some(id) = managed.revision(revision).map(|revision| revision.workload.clone()) else {
        return;
    };
    if let Some(workload) = managed.workload_mut(&id) {
        workload.status = TaskSetStatus::Primary;
        workload.updated = at;
        workload.rollout = ("COMPLETED", format!("ECS deployment {id} completed."));
    }
}

fn drain_sources(account: &mut Account, service: usize, at: At) {
    let deployment = account.services[service].managed.current();
    if let Some(target) = deployment.map(|each| each.target.clone()) {
        drain_others(account, service, &target, at);
    }
}

fn drain_others(account: &mut Account, service: usize, revision: &str, at: At) {
    let gone = At(after(at.0, account.timings.drain));
    let managed = &mut account.services[service].managed;
    let kept = managed.revision(revision).map(|revision| revision.workload.clone());
    for workload in &mut managed.workloads {
        if Some(&workload.id) != kept.as_ref() && workload.status != TaskSetStatus::Draining {
            workload.drain(at, gone);
        }
    }
}

/// The source takes the place of the target again.
fn give_up(account: &mut Account, service: usize, target: &str, source: Option<&str>, at: At) {
    let desired = account.services[service].desired;
    let managed = &mut account.services[service].managed;
    let workload_of = |revision: &str| managed.revision(revision).map(|each| each.workload.clone());
    let (target, source) = (workload_of(target), source.and_then(workload_of));
    let blue_green = managed
        .current()
        .is_some_and(|each| each.configuration["strategy"] != "ROLLING");
    for workload in &mut managed.workloads {
        if Some(&workload.id) == target.as_ref() {
            workload.status = TaskSetStatus::Active;
            if blue_green {
                workload.desired = 0;
            }
        } else if Some(&workload.id) == source.as_ref() {
            workload.status = TaskSetStatus::Primary;
            workload.rollout.0 = "IN_PROGRESS";
            workload.rollout.1 = format!(
                "ECS deployment circuit breaker: rolling back to deploymentId {}.",
                workload.id
            );
            if blue_green {
                workload.desired = desired;
            }
        }
        workload.updated = at;
    }
}
