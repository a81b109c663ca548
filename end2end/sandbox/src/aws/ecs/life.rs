//! The life of tasks and of ECS's own deployments, on virtual time.
//!
//! Nothing here runs by itself: [`advance`] takes every step that has become due, the earliest
//! first and each at its own time, so that it does not matter how often anyone looks.

use jiff::{SignedDuration, Timestamp};

use super::{
    deployments,
    model::{Controller, Sick, Task, TaskState},
};
use crate::aws::model::{Account, At, Timings};

/// What happens next in a service. At the same time, tasks come before deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Task { workload: usize, task: usize },
    Deployment,
}

pub(crate) fn advance(account: &mut Account, now: Timestamp) {
    while let Some((at, service, event)) = next(account).filter(|(at, ..)| *at <= now) {
        match event {
            Event::Task { workload, task } => task_step(account, service, workload, task, At(at)),
            Event::Deployment => deployments::run::step(account, service, At(at)),
        }
    }
    for service in &mut account.services {
        service
            .managed
            .workloads
            .retain(|each| each.gone.is_none_or(|gone| gone.0 > now));
    }
}

fn next(account: &Account) -> Option<(Timestamp, usize, Event)> {
    let mut first = None;
    for (index, service) in account.services.iter().enumerate() {
        let tasks = service
            .managed
            .workloads
            .iter()
            .enumerate()
            .flat_map(|(workload, each)| {
                each.tasks.iter().enumerate().filter_map(move |(task, it)| {
                    Some((due(&account.timings, it)?, index, Event::Task { workload, task }))
                })
            });
        let deployment = deployments::run::due(account, service).map(|at| (at, index, Event::Deployment));
        first = tasks.chain(deployment).chain(first).min();
    }
    first
}

pub(super) fn after(time: Timestamp, seconds: f64) -> Timestamp {
    SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|wait| time.checked_add(wait).ok())
        .unwrap_or(Timestamp::MAX)
}

fn due(timings: &Timings, task: &Task) -> Option<Timestamp> {
    let seconds = match task.state {
        TaskState::Pending => timings.task_start,
        TaskState::Starting | TaskState::Unhealthy => timings.task_health,
        TaskState::Stopping => timings.drain,
        TaskState::Healthy => return None,
    };
    Some(after(task.since.0, seconds))
}

fn task_step(account: &mut Account, service: usize, workload: usize, task: usize, at: At) {
    let managed = &mut account.services[service].managed;
    managed.touched = Some(at);
    let each = &mut managed.workloads[workload];
    let it = &mut each.tasks[task];
    let sick = it.sick;
    let (next, failed) = match it.state {
        TaskState::Stopping => {
            each.tasks.remove(task);
            each.note_stability(at);
            return;
        }
        TaskState::Pending if sick == Some(Sick::NeverRuns) => (TaskState::Stopping, true),
        TaskState::Pending => {
            it.running_since = Some(at);
            (TaskState::Starting, false)
        }
        TaskState::Starting if sick == Some(Sick::NeverHealthy) => (TaskState::Unhealthy, false),
        TaskState::Starting | TaskState::Healthy => (TaskState::Healthy, false),
        TaskState::Unhealthy => (TaskState::Stopping, true),
    };
    it.state = next;
    it.since = at;
    if failed {
        each.failed += 1;
    }
    each.note_stability(at);
    let own = account.services[service].controller == Controller::Ecs;
    if own && failed {
        deployments::run::count_failure(account, service, workload, at);
    }
    replenish(account, service, at);
}

/// Starts what is missing and stops what is too much.
pub(super) fn replenish(account: &mut Account, service: usize, at: At) {
    if deployments::rolling::schedule(account, service, at) {
        return;
    }
    let sick = &account.sick;
    for each in &mut account.services[service].managed.workloads {
        each.fill(at, sick.get(&each.task_definition).copied());
    }
}

/// What share of a desired count is, rounded up.
pub(super) fn share(desired: i64, percent: f64) -> i64 {
    #[expect(clippy::cast_precision_loss, reason = "a desired count is small")]
    let exact = desired as f64 * percent / 100.0;
    #[expect(clippy::cast_possible_truncation, reason = "at most the desired count")]
    // What floating point adds to a whole number is no task.
    let count = (exact - 1e-9).ceil() as i64;
    count
}
