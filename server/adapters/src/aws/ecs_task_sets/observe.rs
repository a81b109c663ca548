//! How a deployment goes: the new task set, its targets, and the weights.
//!
//! What does not come to be healthy within [`HEALTH_MILLIS`], or has no healthy task for as long later on, has failed, and
//! the observation names the old task set as what the traffic goes back to: so the planner goes back, and does not wait
//! for the deadline. By Tidegate's clock, from when it made the task set or first saw it unwell. One that has some healthy
//! tasks, while others are replaced or added, gets no more traffic until all are, and the deadline decides. Once the old
//! task set is being taken away there is nothing to go back to, and the observation says no such thing.

use super::{
    listener,
    sides::{self, Sides},
};
use crate::{
    CallError,
    aws::{Aws, call},
};
use aws_sdk_elasticloadbalancingv2::types::TargetHealthStateEnum;
use tidegate_domain::{
    catalog::EcsTaskSets,
    deployment::{CallKind, CloudStatus, Failure, LifecycleEvent, LifecycleStatus, Observation, Progress, Run},
    time::{MINUTE, Timestamp},
};

/// Health time-out (requirements §4).
const HEALTH_MILLIS: i64 = 3 * MINUTE;
const INSTALL: &str = "Install";
const SHIFT: &str = "AllowTraffic";
const CLEAN_UP: &str = "CleanUp";

/// What was read.
struct Seen {
    sides: Sides,
    /// Of the traffic, on the new version; `None` where the weights say nothing.
    share: Option<u8>,
    /// Targets of the new version that are healthy.
    healthy: usize,
}

pub(super) async fn observe(
    aws: &Aws,
    target: &EcsTaskSets,
    run: &Run,
    now: Timestamp,
) -> Result<Observation, CallError> {
    let (sides, forward) = tokio::try_join!(
        Sides::read(aws, target, run.operation),
        listener::read(aws, &target.listener)
    )?;
    let forward = forward.map_err(CallError::Unknown)?;
    let seen = Seen {
        share: forward.share(&sides.new_group),
        healthy: healthy(aws, &sides.new_group).await?,
        sides,
    };
    Ok(Observation {
        deployment: deployment(&seen, run, now),
        rollback: Some(rollback(&seen, now)),
    })
}

async fn healthy(aws: &Aws, group: &str) -> Result<usize, CallError> {
    let answer = aws
        .elb
        .describe_target_health()
        .target_group_arn(group)
        .send()
        .await
        .map_err(|error| call::unread(&error))?;
    let states = answer
        .target_health_descriptions()
        .iter()
        .filter_map(|each| each.target_health()?.state());
    Ok(states.filter(|state| **state == TargetHealthStateEnum::Healthy).count())
}

impl Seen {
    fn new_is_ready(&self) -> bool {
        self.sides.lives().is_some_and(|set| {
            let wanted = usize::try_from(set.computed_desired_count()).unwrap_or_default();
            sides::is_steady(set) && self.healthy >= wanted
        })
    }

    /// A set that drains is still listed, with its tasks no longer counted; it goes when the last of them has ended.
    fn is_finished(&self) -> bool {
        let new = self.sides.lives();
        new.is_some_and(|set| set.status() == Some(sides::PRIMARY))
            && self.share == Some(100)
            && self.sides.old.is_none()
    }

    fn words(&self) -> String {
        match &self.sides.new {
            None => "its task set is not to be seen".to_owned(),
            Some(set) => format!(
                "{} of {} tasks run, {} healthy in the target group",
                set.running_count(),
                set.computed_desired_count(),
                self.healthy
            ),
        }
    }
}

fn deployment(seen: &Seen, run: &Run, now: Timestamp) -> Progress {
    let install = install(seen, run, now);
    let unwell_since = install
        .started_at
        .filter(|_| install.status == LifecycleStatus::InProgress);
    let failure = failure(seen, unwell_since, now);
    let back_to = seen.sides.stands().and_then(|set| set.task_set_arn());
    let failed = failure.is_some();
    Progress {
        status: if seen.is_finished() {
            CloudStatus::Succeeded
        } else if failed {
            CloudStatus::Failed
        } else if seen.new_is_ready() {
            CloudStatus::Ready
        } else {
            CloudStatus::InProgress
        },
        traffic: seen.share,
        lifecycle: vec![install, shift(seen, run), clean_up(seen, run)],
        rollback: back_to.filter(|_| failed).map(str::to_owned),
        rollback_message: failure.as_ref().map(|failure| failure.message.clone()),
        error: failure,
        seen_at: now,
    }
}

/// Why the new version is not to be waited for any longer.
fn failure(seen: &Seen, unwell_since: Option<Timestamp>, now: Timestamp) -> Option<Failure> {
    seen.sides.stands()?;
    let code = |code: &str, message: String| {
        Some(Failure {
            code: Some(code.to_owned()),
            message,
        })
    };
    if seen.sides.new.as_ref().is_some_and(sides::is_draining) {
        return code("TASK_SET_DELETED", "its task set was deleted at ECS".to_owned());
    }
    if now.since(unwell_since?) < HEALTH_MILLIS {
        return None;
    }
    let minutes = HEALTH_MILLIS / MINUTE;
    code(
        "HEALTH_TIMEOUT",
        format!("its tasks were not healthy for {minutes} min: {}", seen.words()),
    )
}

/// Since when it has been unwell is kept in what was seen before.
fn install(seen: &Seen, run: &Run, now: Timestamp) -> LifecycleEvent {
    let before = run
        .progress
        .as_ref()
        .and_then(|progress| progress.lifecycle.iter().find(|event| event.name == INSTALL));
    let made = run.done_at(CallKind::CreateTaskSet).unwrap_or(run.started_at);
    let event = LifecycleEvent {
        name: INSTALL.to_owned(),
        status: LifecycleStatus::Succeeded,
        started_at: Some(made),
        ended_at: None,
        message: None,
    };
    let was_well = before.is_some_and(|event| event.status == LifecycleStatus::Succeeded);
    let serves = was_well && seen.healthy > 0 && seen.sides.lives().is_some();
    if serves || seen.new_is_ready() {
        return LifecycleEvent {
            message: (!seen.new_is_ready()).then(|| seen.words()),
            started_at: before.map_or(Some(made), |event| event.started_at),
            ended_at: before.filter(|_| was_well).map_or(Some(now), |event| event.ended_at),
            ..event
        };
    }
    LifecycleEvent {
        status: LifecycleStatus::InProgress,
        started_at: match before {
            Some(_) if was_well => Some(now),
            Some(event) => event.started_at,
            None => Some(made),
        },
        message: Some(seen.words()),
        ..event
    }
}

fn shift(seen: &Seen, run: &Run) -> LifecycleEvent {
    let first = run
        .revision
        .traffic
        .steps()
        .first()
        .map_or(100, |(percent, _)| *percent);
    let all = run.done_at(CallKind::ShiftTraffic { percent: 100 });
    LifecycleEvent {
        name: SHIFT.to_owned(),
        status: match seen.share {
            Some(100) => LifecycleStatus::Succeeded,
            Some(1..) => LifecycleStatus::InProgress,
            _ => LifecycleStatus::Pending,
        },
        started_at: run.done_at(CallKind::ShiftTraffic { percent: first }),
        ended_at: all.filter(|_| seen.share == Some(100)),
        message: None,
    }
}

fn clean_up(seen: &Seen, run: &Run) -> LifecycleEvent {
    let begun = run.done_at(CallKind::PromoteTaskSet);
    LifecycleEvent {
        name: CLEAN_UP.to_owned(),
        status: match begun {
            _ if seen.is_finished() => LifecycleStatus::Succeeded,
            Some(_) => LifecycleStatus::InProgress,
            None => LifecycleStatus::Pending,
        },
        started_at: begun,
        ended_at: None,
        message: None,
    }
}

/// The way back: its traffic is the old version's. A set that drains is taken away: it has no targets any more, and its
/// last requests need nobody.
fn rollback(seen: &Seen, now: Timestamp) -> Progress {
    Progress {
        status: match (seen.share, seen.sides.lives()) {
            (Some(0), None) => CloudStatus::Succeeded,
            (Some(0), Some(_)) => CloudStatus::Ready,
            _ => CloudStatus::InProgress,
        },
        traffic: seen.share.map(|share| 100 - share),
        lifecycle: Vec::new(),
        error: None,
        rollback: None,
        rollback_message: None,
        seen_at: now,
    }
}
