//! What happens next to a deployment that starts: the calls that make what is to run, in order, each settled before the
//! next. It goes by what it started with: the configuration may have lost its target meanwhile.

use super::{
    BACKOFF_MAX_MILLIS, Facts, Found, GIVE_UP_MILLIS, POLL_MILLIS, Step, act,
    clearance::{closed, closed_words},
    wait, wait_for_github,
    waiting::{blockers, said},
};
use crate::{
    deployment::{
        Authority, Ballot, Call, CallKind, Concern, Deployment, Failure, Outcome, Run, Transition, may_abort,
    },
    time::{SECOND, Timestamp},
};

pub(super) fn starting(deployment: &Deployment, run: &Run, facts: &Facts, now: Timestamp) -> Step {
    let unsettled = settle(run, facts, now);
    let undecided = matches!(unsettled, None | Some(Step::Wait { .. }));
    if undecided && run.stop.is_some() && may_abort(run) {
        return act(Transition::Abort);
    }
    if let Some(step) = unsettled {
        return step;
    }
    let Some(kind) = run.next_of(run.engine.script().make) else {
        return fail(None, "everything was made, and nothing of it runs");
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

pub(super) fn fail(code: Option<String>, message: impl Into<String>) -> Step {
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
    if !call.kind.exposes() {
        // What nobody uses does no harm.
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
pub(super) fn warned(run: &Run, concern: Concern, why: &str) -> Option<Step> {
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
pub(super) fn backoff(tries: usize) -> i64 {
    let doublings = u32::try_from(tries.saturating_sub(1).min(10)).unwrap_or(10);
    (SECOND << doublings).min(BACKOFF_MAX_MILLIS)
}
