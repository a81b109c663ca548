//! The way back: which call brings the traffic to the old version, who brought it about, and when it is there.

use super::{
    Facts, GIVE_UP_MILLIS, POLL_MILLIS, ROLLBACK_GRACE_MILLIS, ROLLBACK_OVERDUE_MILLIS, Step, UNSEEN_MILLIS, act,
    running::{backoff, fail, warned},
    wait,
};
use crate::{
    deployment::{
        CallKind, CloudStatus, Concern, Deployment, Outcome, Progress, RollbackCause, Run, State, Transition,
    },
    time::{Timestamp, span_words},
};

/// CodeDeploy's code of a deployment that an alarm stopped.
const ALARM: &str = "ALARM_ACTIVE";

/// What is to end goes back, by the way that its engine has.
pub(super) fn back(run: &Run, progress: &Progress, now: Timestamp) -> Step {
    if run.engine.script().driven {
        return drive_back(run, now);
    }
    if progress.status == CloudStatus::Succeeded {
        return revert(run, now);
    }
    stop(run, now)
}

/// The same without a look at it.
pub(super) fn back_unseen(run: &Run, now: Timestamp) -> Step {
    if run.engine.script().driven {
        return drive_back(run, now);
    }
    stop(run, now)
}

/// Led by the cloud: it rolls back by itself once it is stopped.
fn stop(run: &Run, now: Timestamp) -> Step {
    ask(
        run,
        CallKind::StopDeployment,
        now,
        "asked to stop; waiting for the cloud to roll back",
        "the cloud has not stopped it; asking again",
    )
}

/// Asks the cloud, again and again: a refusal is no reason to give up.
fn ask(run: &Run, kind: CallKind, now: Timestamp, asked: &str, refused: &str) -> Step {
    match run.last(kind).map(|call| &call.outcome) {
        Some(Outcome::Done { at, .. }) if now.since(*at) < ROLLBACK_GRACE_MILLIS => wait(now, POLL_MILLIS, asked),
        Some(Outcome::Refused { at, .. } | Outcome::Unclear { at })
            if now.since(*at) < backoff(run.attempts(kind)).max(POLL_MILLIS) =>
        {
            wait(now, POLL_MILLIS, refused)
        }
        _ => Step::Call(kind),
    }
}

/// Every call that may have moved something is undone; then it is on its way back.
fn drive_back(run: &Run, now: Timestamp) -> Step {
    let back = run.engine.script().back;
    let undone = |kind: &CallKind| !moved(run, *kind) || done_since_moved(run, *kind);
    match back.iter().find(|kind| !undone(kind)) {
        Some(kind) => ask(
            run,
            *kind,
            now,
            "asked for all traffic back",
            "the cloud refuses to take the traffic back; asking again",
        ),
        None => act(Transition::SeeRollback {
            rollback: None,
            cause: cause(run),
        }),
    }
}

/// Whether anything may have happened that this call undoes.
fn moved(run: &Run, back: CallKind) -> bool {
    run.calls.iter().any(|call| {
        let undone = match back {
            CallKind::ShiftBack => matches!(call.kind, CallKind::ShiftTraffic { .. }),
            CallKind::SwapStageBack => call.kind == CallKind::SwapStage,
            _ => false,
        };
        undone && !matches!(call.outcome, Outcome::Refused { .. } | Outcome::NothingHappened { .. })
    })
}

/// Calls are in order of time, and nothing moves forward any more once it is to end.
fn done_since_moved(run: &Run, back: CallKind) -> bool {
    run.made(back).is_some()
}

/// The cloud has finished: what ran before is deployed once more.
fn revert(run: &Run, now: Timestamp) -> Step {
    if run.revision.rollback_target == "none" {
        return fail(
            None,
            format!(
                "{}, and nothing ran here before that it could go back to",
                cause(run).words()
            ),
        );
    }
    match run.made(CallKind::Revert) {
        Some(id) => act(Transition::SeeRollback {
            rollback: Some(id.to_owned()),
            cause: cause(run),
        }),
        None => ask(
            run,
            CallKind::Revert,
            now,
            "asked to deploy what ran before",
            "the cloud refuses to deploy what ran before; asking again",
        ),
    }
}

fn cause(run: &Run) -> RollbackCause {
    run.stop
        .as_ref()
        .map_or(RollbackCause::Deadline, |stop| stop.cause.clone())
}

/// Who brought the rollback about. A stop that AWS refused, because its own rollback had begun, was not it.
pub(super) fn rollback_cause(run: &Run, progress: &Progress) -> RollbackCause {
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
    match accepted || perhaps {
        true => cause(run),
        false => RollbackCause::Cloud {
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
            CloudStatus::Ready => {
                if let Some(step) = clear(run, now) {
                    return step;
                }
            }
            _ => {}
        }
    }
    if let Some(step) = settle(run, now).or_else(|| still_away(run, progress, now)) {
        return step;
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

/// All traffic is back: what was made for the new version is taken away.
fn clear(run: &Run, now: Timestamp) -> Option<Step> {
    if run.open_call().is_some() {
        return None;
    }
    let kind = run.next_of(run.engine.script().clear)?;
    Some(ask(
        run,
        kind,
        now,
        "",
        "what was made for the new version cannot be taken away yet",
    ))
}

/// A call on the way back whose answer was lost: making it again does no harm.
fn settle(run: &Run, now: Timestamp) -> Option<Step> {
    let call = run.open_call()?;
    Some(if now.since(call.intended_at) < UNSEEN_MILLIS {
        wait(
            now,
            POLL_MILLIS,
            format!("whether {} took effect is not known yet", call.kind.name()),
        )
    } else {
        act(Transition::Conclude {
            outcome: Outcome::Unclear { at: now },
        })
    })
}

/// Something moved traffic forward after all: a call that arrived late.
fn still_away(run: &Run, progress: Option<&Progress>, now: Timestamp) -> Option<Step> {
    let script = run.engine.script();
    let away = script.driven
        && progress
            .and_then(|progress| progress.traffic)
            .is_some_and(|back| back < 100);
    let kind = script
        .back
        .iter()
        .copied()
        .find(|kind| moved(run, *kind))
        .filter(|_| away)?;
    Some(ask(
        run,
        kind,
        now,
        "asked for all traffic back",
        "the cloud refuses to take the traffic back; asking again",
    ))
}
