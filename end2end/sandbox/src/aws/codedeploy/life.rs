//! The life of a deployment: which step is due when, and what each step does to the service.
//!
//! Nothing here runs by itself. [`advance`] is called with the present time before every
//! request and takes the steps that have become due in their order, each at its own time, so
//! that the outcome does not depend on how often anyone looks.

use jiff::{SignedDuration, Timestamp};

use super::{
    ending,
    model::{
        ALLOW_TRAFFIC, AppSpec, BEFORE_ALLOW_TRAFFIC, Deployment, ErrorInformation, Event, EventStatus, INSTALL, Stage,
        Status,
    },
    targets, task_sets, weights,
};
use crate::aws::model::{Account, At};

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
        Stage::Event { .. } if deployment.is_rollback() && deployment.current_event() != Some(ALLOW_TRAFFIC) => {
            timings.rollback_event
        }
        Stage::Event { index, steps } => match deployment.event_names()[index] {
            INSTALL => timings.install,
            "AllowTestTraffic" => timings.allow_test_traffic,
            ALLOW_TRAFFIC => deployment
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

pub(in crate::aws) fn after(time: Timestamp, seconds: f64) -> Timestamp {
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
        ending::end_badly(account, index, at, Status::Stopped, error, None, rollback);
        return;
    }
    match deployment.stage {
        Stage::Created => enter(account, index, at, Stage::Queued, Status::Queued),
        Stage::Queued => {
            account.deployments[index].started = Some(At(at));
            match weights::check(account, &account.deployments[index]) {
                Ok(()) => enter_event(account, index, at, 0),
                Err(error) => ending::refuse_start(account, index, at, error),
            }
        }
        Stage::Event { index: event, .. } if fails_now(deployment) => {
            ending::fail_event(account, index, at, event);
        }
        Stage::Event { index: event, steps } if deployment.current_event() == Some(ALLOW_TRAFFIC) => {
            shift_traffic(account, index, at, event, steps);
        }
        Stage::Event { index: event, .. } => {
            if deployment.current_event() == Some(INSTALL) {
                task_sets::all_running(account, index, at);
            }
            leave_event(account, index, at, event);
        }
        Stage::Ready => {
            let error = ErrorInformation {
                code: "TIMEOUT",
                message: "The deployment was stopped because traffic was not rerouted before the wait time ended."
                    .into(),
            };
            ending::end_badly(account, index, at, Status::Stopped, error, None, false);
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
        ending::stop_on_alarm(account, index, at);
        return;
    }
    if account.deployments[index].current_event() == Some(INSTALL)
        && !account.deployments[index].is_rollback()
        && let Err(reason) = task_sets::create(account, index, at)
    {
        ending::refuse_update(account, index, at, &reason);
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
    let names = deployment.event_names();
    let lambda = matches!(deployment.app_spec, AppSpec::Lambda(_));
    if names.get(event + 1) == Some(&BEFORE_ALLOW_TRAFFIC) && waits {
        enter(account, index, at, Stage::Ready, Status::Ready);
    } else if event + 1 < names.len() {
        enter_event(account, index, at, event + 1);
    } else if lambda || account.deployments[index].is_rollback() {
        finish(account, index, at);
    } else {
        enter(account, index, at, Stage::Termination, Status::InProgress);
    }
}

/// ContinueDeployment while Ready: traffic starts to move.
pub(crate) fn reroute(account: &mut Account, index: usize, at: Timestamp) {
    let names = account.deployments[index].event_names();
    let event = names.iter().position(|name| *name == BEFORE_ALLOW_TRAFFIC);
    enter_event(account, index, at, event.unwrap_or_default());
}

/// ContinueDeployment while the original waits to be terminated.
pub(crate) fn terminate_original(account: &mut Account, index: usize, at: Timestamp) {
    finish(account, index, at);
}

fn shift_traffic(account: &mut Account, index: usize, at: Timestamp, event: usize, steps: usize) {
    let deployment = &account.deployments[index];
    let plan = deployment.routing.steps();
    let Some((_, percent)) = plan.get(steps).copied() else {
        leave_event(account, index, at, event);
        return;
    };
    if matches!(deployment.app_spec, AppSpec::Lambda(_)) {
        weights::set(account, index, percent);
    } else if !deployment.is_rollback() {
        task_sets::set_traffic(account, index, at, percent);
    }
    let deployment = &mut account.deployments[index];
    deployment.updated = At(at);
    deployment.stage = Stage::Event {
        index: event,
        steps: steps + 1,
    };
    if steps + 1 == plan.len() {
        // What remains is counted from the last increment.
        deployment.since = At(at);
    }
}

fn finish(account: &mut Account, index: usize, at: Timestamp) {
    if !account.deployments[index].is_rollback() {
        task_sets::drain_original(account, index, at);
    }
    end(account, index, at, Status::Succeeded);
}

pub(super) fn end(account: &mut Account, index: usize, at: Timestamp, status: Status) {
    enter(account, index, at, Stage::Ended, status);
    let sets = targets::task_sets(account, &account.deployments[index]);
    let deployment = &mut account.deployments[index];
    deployment.completed = Some(At(at));
    deployment.task_sets_at_end = Some(sets);
}

/// Whether the event has come to the point where its planned failure shows: its end, or for
/// AllowTraffic the point after its first increment.
fn fails_now(deployment: &Deployment) -> bool {
    let (Stage::Event { steps, .. }, Some(event)) = (deployment.stage, deployment.current_event()) else {
        return false;
    };
    deployment
        .planned_failure
        .as_ref()
        .is_some_and(|planned| planned.event == event)
        && (event != ALLOW_TRAFFIC || steps > 0)
}

pub(crate) fn pending_events(names: &[&str]) -> Vec<Event> {
    let pending = Event {
        status: EventStatus::Pending,
        started: None,
        ended: None,
        message: None,
    };
    vec![pending; names.len()]
}
