//! What happens next to a deployment in flight. It goes by what it started with: the configuration may have lost its
//! target meanwhile, and the cloud may be out of sight.
//!
//! # When the cloud cannot be seen
//! Until the deadline a running deployment is left alone: AWS carries it out, and rolls it back by itself when it fails
//! (R18). What is to end is stopped without being looked at, again and again: a stop may be asked for twice. People are
//! warned once. What has not been seen to end [`GIVE_UP_MILLIS`] after its deadline, or after its rollback began, has
//! failed, and the failure says what to check. That frees the lane without harm: AWS itself runs one deployment of a group
//! at a time, and refuses the next while this one is active.

use super::{
    BACKOFF_MAX_MILLIS, CONCERN_MILLIS, Facts, Found, GIVE_UP_MILLIS, POLL_MILLIS, ROLLBACK_GRACE_MILLIS,
    ROLLBACK_OVERDUE_MILLIS, Step, UNSEEN_MILLIS, act,
    clearance::{closed, closed_words},
    wait, wait_for_github,
    waiting::{blockers, said},
};
use crate::{
    deployment::{
        Authority, Ballot, Call, CallKind, CloudStatus, Concern, Deployment, Failure, Outcome, Progress, RollbackCause,
        Run, State, Transition, may_abort,
    },
    time::{SECOND, Timestamp, span_words},
};

/// CodeDeploy's code of a deployment that an alarm stopped.
const ALARM: &str = "ALARM_ACTIVE";

pub(super) fn starting(deployment: &Deployment, run: &Run, facts: &Facts, now: Timestamp) -> Step {
    let unsettled = settle(run, facts, now);
    let undecided = matches!(unsettled, None | Some(Step::Wait { .. }));
    if undecided && run.stop.is_some() && may_abort(run) {
        return act(Transition::Abort);
    }
    if let Some(step) = unsettled {
        return step;
    }
    let kind = if run.task_definition.is_none() {
        CallKind::RegisterTaskDefinition
    } else {
        CallKind::CreateDeployment
    };
    if now >= run.deadline {
        return fail(None, "the deadline passed before the cloud had accepted the deployment");
    }
    if let Some(step) = after_refusal(run, kind, now) {
        return step;
    }
    match still_allowed(deployment, run, facts, now) {
        Ok(()) => Step::Call(kind),
        Err(step) => step,
    }
}

fn fail(code: Option<String>, message: impl Into<String>) -> Step {
    act(Transition::Fail {
        failure: Failure {
            code,
            message: message.into(),
        },
    })
}

/// What allowed it to start must hold until the cloud is asked: throttling, a lane that AWS holds or a GitHub that is
/// away may have put hours in between (R1, R2, R4, R5, R6).
fn still_allowed(deployment: &Deployment, run: &Run, facts: &Facts, now: Timestamp) -> Result<(), Step> {
    let refuse = |why: &str| Err(fail(None, format!("{why}, before anything was deployed")));
    let Some(target) = &facts.target else {
        return refuse("its target was taken out of the configuration");
    };
    if run.start_before.is_some_and(|limit| now >= limit) {
        return refuse("the time in which it had to start ran out");
    }
    let blockers = blockers(deployment, target, facts, now);
    if !blockers.is_empty() {
        return refuse(&said(&blockers));
    }
    let closures = closed(deployment, &facts.clearance, now);
    if !closures.is_empty() {
        return refuse(&closed_words(closures));
    }
    if matches!(run.authority, Authority::Rollback { .. } | Authority::BreakGlass { .. }) {
        return Ok(());
    }
    if matches!(run.authority, Authority::Automatic) {
        return match target.policy.is_automatic() {
            true => Ok(()),
            false => refuse("the policy asks for approvals since"),
        };
    }
    if target.policy.version() != run.revision.policy {
        return refuse("the policy that it was approved under changed");
    }
    let Some(memberships) = &facts.memberships else {
        return Err(wait_for_github(now));
    };
    let ballot = Ballot {
        policy: target.policy.clone(),
        involved: facts.involved.clone(),
    };
    if deployment.quorum_stands(&run.revision, &ballot, memberships, now) {
        Ok(())
    } else if deployment.memberships_known(&run.revision, memberships, now) {
        refuse("its approvals stopped making a quorum")
    } else {
        Err(wait_for_github(now))
    }
}

/// Finds out how an open call of a starting deployment ended, before anything else is done.
fn settle(run: &Run, facts: &Facts, now: Timestamp) -> Option<Step> {
    let call = run.open_call()?;
    Some(match &facts.found {
        Some(Found::Effect(id)) => act(Transition::Conclude {
            outcome: Outcome::Done {
                id: id.clone(),
                at: now,
            },
        }),
        Some(Found::Nothing) if now.since(call.intended_at) >= facts.settle_millis => act(Transition::Conclude {
            outcome: Outcome::NothingHappened { at: now },
        }),
        None if now >= run.deadline => unsettled(run, call, now),
        _ => wait(
            now,
            POLL_MILLIS,
            format!("whether {} took effect is not known yet", call.kind.name()),
        ),
    })
}

/// Past the deadline, and the cloud does not say whether the call took effect.
fn unsettled(run: &Run, call: &Call, now: Timestamp) -> Step {
    if call.kind == CallKind::RegisterTaskDefinition {
        // A task definition that nobody uses does no harm.
        return fail(None, "the deadline passed before the cloud had accepted the deployment");
    }
    let given_up = now >= run.deadline.plus_millis(GIVE_UP_MILLIS);
    let why = format!(
        "the cloud cannot be read: whether {} took effect is not known, and the deadline has passed",
        call.kind.name()
    );
    if given_up {
        let what = format!(
            "{why}. If a deployment of operation {} shows up, it is stopped",
            run.operation
        );
        return fail(None, what);
    }
    warned(run, Concern::Unseen, &why).unwrap_or_else(|| wait(now, POLL_MILLIS * 5, why))
}

/// Tells people, unless they were told.
fn warned(run: &Run, concern: Concern, why: &str) -> Option<Step> {
    (!run.concerns.contains(&concern)).then(|| {
        act(Transition::Warn {
            concern,
            why: why.to_owned(),
        })
    })
}

/// After a refusal: give up, or wait longer each time.
fn after_refusal(run: &Run, kind: CallKind, now: Timestamp) -> Option<Step> {
    let Outcome::Refused {
        code,
        message,
        retry,
        at,
    } = &run.last(kind)?.outcome
    else {
        return None;
    };
    if !retry {
        return Some(fail(Some(code.clone()), message.clone()));
    }
    let pause = backoff(run.attempts(kind));
    (now.since(*at) < pause).then(|| Step::Wait {
        until: at.plus_millis(pause),
        why: format!("{} was refused: {code}: {message}", kind.name()),
    })
}

/// The pause after so many tries.
fn backoff(tries: usize) -> i64 {
    let doublings = u32::try_from(tries.saturating_sub(1).min(10)).unwrap_or(10);
    (SECOND << doublings).min(BACKOFF_MAX_MILLIS)
}

pub(super) fn deploying(run: &Run, facts: &Facts, now: Timestamp) -> Step {
    let Some(observation) = &facts.observation else {
        return deploying_unseen(run, now);
    };
    let progress = &observation.deployment;
    if run.progress.as_ref().is_none_or(|old| old.differs(progress)) {
        return act(Transition::Observe {
            progress: progress.clone(),
        });
    }
    if let Some(step) = settle_stop(run, progress, now) {
        return step;
    }
    if let Some(rollback) = &progress.rollback {
        return act(Transition::SeeRollback {
            rollback: Some(rollback.clone()),
            cause: rollback_cause(run, progress),
        });
    }
    match progress.status {
        CloudStatus::Succeeded => return act(Transition::Succeed),
        CloudStatus::Failed | CloudStatus::Stopped => {
            let seen = run.progress.as_ref().map_or(now, |progress| progress.seen_at);
            if now.since(seen) < ROLLBACK_GRACE_MILLIS {
                return wait(
                    now,
                    POLL_MILLIS,
                    "the cloud has stopped; waiting for it to name the rollback",
                );
            }
            let failure = progress.error.clone().unwrap_or_else(|| Failure {
                code: None,
                message: format!("the cloud deployment is {} and named no rollback", progress.status),
            });
            return act(Transition::Fail { failure });
        }
        _ => {}
    }
    if now >= run.deadline.plus_millis(GIVE_UP_MILLIS) {
        return give_up(run, &format!("is still {}", progress.status));
    }
    if run.stop.is_some() || now >= run.deadline {
        return stop(run, now);
    }
    wait(now, POLL_MILLIS, "in progress at the cloud")
}

fn deploying_unseen(run: &Run, now: Timestamp) -> Step {
    let Some(since) = to_end_since(run, now) else {
        return wait(now, POLL_MILLIS * 2, "the cloud cannot be asked how it goes");
    };
    if now >= run.deadline.plus_millis(GIVE_UP_MILLIS) {
        return give_up(run, "cannot be read from the cloud");
    }
    let why = "the cloud cannot be read: it is asked to stop the deployment without being looked at";
    if now.since(since) >= CONCERN_MILLIS
        && let Some(step) = warned(run, Concern::Unseen, why)
    {
        return step;
    }
    match run.open_call() {
        Some(call) if now.since(call.intended_at) < UNSEEN_MILLIS => {
            wait(now, POLL_MILLIS, "whether it was stopped is not known yet")
        }
        // Asking twice does no harm, not asking may.
        Some(_) => act(Transition::Conclude {
            outcome: Outcome::Unclear { at: now },
        }),
        None => stop(run, now),
    }
}

/// Since when it should end: a person's wish, or the deadline.
fn to_end_since(run: &Run, now: Timestamp) -> Option<Timestamp> {
    let deadline = (now >= run.deadline).then_some(run.deadline);
    run.stop.as_ref().map(|stop| stop.at).into_iter().chain(deadline).min()
}

fn give_up(run: &Run, how: &str) -> Step {
    let id = run.cloud_deployment.as_deref().unwrap_or("the cloud deployment");
    fail(
        None,
        format!(
            "{id} {how}, {} after its deadline and {} requests to stop it: check at AWS what serves traffic; before it \
             was {}",
            span_words(GIVE_UP_MILLIS),
            run.attempts(CallKind::StopDeployment),
            run.revision.rollback_target
        ),
    )
}

/// Asks the cloud to stop, again and again: a refusal is no reason to give up.
fn stop(run: &Run, now: Timestamp) -> Step {
    let stop = CallKind::StopDeployment;
    match run.last(stop).map(|call| &call.outcome) {
        Some(Outcome::Done { at, .. }) if now.since(*at) < ROLLBACK_GRACE_MILLIS => {
            wait(now, POLL_MILLIS, "asked to stop; waiting for the cloud to roll back")
        }
        Some(Outcome::Refused { at, .. } | Outcome::Unclear { at })
            if now.since(*at) < backoff(run.attempts(stop)).max(POLL_MILLIS) =>
        {
            wait(now, POLL_MILLIS, "the cloud has not stopped it; asking again")
        }
        _ => Step::Call(stop),
    }
}

/// A stop whose answer was lost is concluded by what the deployment came to, before that is acted upon: the cause of a
/// rollback depends on it. Where it goes on, the stop is asked for again at once (R17).
fn settle_stop(run: &Run, progress: &Progress, now: Timestamp) -> Option<Step> {
    run.open_call().filter(|call| call.kind == CallKind::StopDeployment)?;
    let outcome = match progress.status {
        CloudStatus::Stopped => Outcome::Done {
            id: run.cloud_deployment.clone().unwrap_or_default(),
            at: now,
        },
        _ => Outcome::NothingHappened { at: now },
    };
    Some(act(Transition::Conclude { outcome }))
}

/// Who brought the rollback about. A stop that AWS refused, because its own rollback had begun, was not it.
fn rollback_cause(run: &Run, progress: &Progress) -> RollbackCause {
    let stops = || run.calls.iter().filter(|call| call.kind == CallKind::StopDeployment);
    let accepted = stops().any(|call| matches!(call.outcome, Outcome::Done { .. }));
    // Nobody saw what became of it, and the deployment is stopped, by no alarm.
    let by_alarm = progress
        .error
        .as_ref()
        .is_some_and(|error| error.code.as_deref() == Some(ALARM));
    let perhaps = progress.status == CloudStatus::Stopped
        && !by_alarm
        && stops().any(|call| !matches!(call.outcome, Outcome::Refused { .. }));
    match &run.stop {
        Some(stop) if accepted || perhaps => RollbackCause::Person {
            by: stop.by.clone(),
            reason: stop.reason.clone(),
        },
        None if accepted || perhaps => RollbackCause::Deadline,
        _ => RollbackCause::Cloud {
            message: progress
                .rollback_message
                .clone()
                .or_else(|| Some(progress.error.as_ref()?.message.clone()))
                .unwrap_or_default(),
        },
    }
}

pub(super) fn rolling_back(deployment: &Deployment, run: &Run, facts: &Facts, now: Timestamp) -> Step {
    let State::RollingBack {
        progress: seen, since, ..
    } = &deployment.state
    else {
        return Step::Rest;
    };
    let should_run = run.revision.rollback_target.as_str();
    let progress = facts
        .observation
        .as_ref()
        .and_then(|observation| observation.rollback.as_ref());
    if let Some(progress) = progress {
        if seen.as_ref().is_none_or(|old| old.differs(progress)) {
            return act(Transition::ObserveRollback {
                progress: progress.clone(),
            });
        }
        match progress.status {
            CloudStatus::Succeeded => return act(Transition::FinishRollback),
            CloudStatus::Failed | CloudStatus::Stopped => {
                let error = progress.error.as_ref();
                let said = error.map_or("no reason given", |error| error.message.as_str());
                let message = format!(
                    "the rollback itself did not succeed ({said}): check what serves traffic; it should be {should_run}"
                );
                return fail(error.and_then(|error| error.code.clone()), message);
            }
            _ => {}
        }
    }
    let how = match progress {
        Some(progress) => format!("the rollback is still {}", progress.status),
        None => "how the rollback goes cannot be read from the cloud".to_owned(),
    };
    if now.since(*since) >= GIVE_UP_MILLIS {
        return fail(
            None,
            format!(
                "{how}, {} after it began: check at AWS what serves traffic; it should be {should_run}",
                span_words(GIVE_UP_MILLIS)
            ),
        );
    }
    if now.since(*since) >= ROLLBACK_OVERDUE_MILLIS {
        let why = format!(
            "{how}, {} after it began: look at AWS",
            span_words(ROLLBACK_OVERDUE_MILLIS)
        );
        if let Some(step) = warned(run, Concern::RollbackOverdue, &why) {
            return step;
        }
    }
    wait(now, POLL_MILLIS, how)
}
