//! What happens next to a deployment that runs at the cloud, while nothing speaks against it; and when it does, that it is
//! to go back, which [`super::back`] does.
//!
//! # When the cloud cannot be seen
//! Until the deadline a running deployment is left alone: AWS carries it out, and rolls it back by itself when it fails
//! (R18); one that is driven from here stays where it is. What is to end is brought back without being looked at, again and
//! again: that may be asked for twice. People are warned once. What has not been seen to end [`GIVE_UP_MILLIS`] after its
//! deadline, or after its rollback began, has failed, and the failure says what to check. That frees the lane without harm:
//! AWS itself runs one deployment of a group at a time, and refuses the next while this one is active.

use super::{
    CONCERN_MILLIS, Facts, Found, GIVE_UP_MILLIS, POLL_MILLIS, ROLLBACK_GRACE_MILLIS, Step, UNSEEN_MILLIS, act,
    back::{back, back_unseen, rollback_cause},
    running::{backoff, warned},
    wait,
    watch::{in_doubt, watch},
};
use crate::{
    access::Actor,
    deployment::{
        CallKind, CloudStatus, Concern, Failure, Hold, Outcome, Progress, RollbackCause, Run, Transition, Unanswered,
    },
    time::{MINUTE, Timestamp, span_words},
};

pub(super) fn deploying(run: &Run, facts: &Facts, now: Timestamp) -> Step {
    let Some(observation) = &facts.observation else {
        return unseen(run, now);
    };
    let progress = &observation.deployment;
    if run.progress.as_ref().is_none_or(|old| old.differs(progress)) {
        return act(Transition::Observe {
            progress: progress.clone(),
        });
    }
    if let Some(step) = settle_stop(run, progress, now).or_else(|| settle(run, facts, now)) {
        return step;
    }
    if let Some(rollback) = &progress.rollback {
        return act(Transition::SeeRollback {
            rollback: Some(rollback.clone()),
            cause: rollback_cause(run, progress),
        });
    }
    if matches!(progress.status, CloudStatus::Failed | CloudStatus::Stopped) {
        return ended_badly(run, progress, now);
    }
    // Done is done, however late it was seen.
    let over = progress.status == CloudStatus::Succeeded && run.stop.is_none() && run.hold.is_none();
    if over && (now < run.deadline || doubt_at_the_end(run).is_none()) {
        return watch(run, facts, now).unwrap_or_else(|| forward(run, progress, now));
    }
    if now >= run.deadline.plus_millis(GIVE_UP_MILLIS) {
        return give_up(run, &format!("is still {}", progress.status));
    }
    if to_end_since(run, now).is_some() {
        return back(run, progress, now);
    }
    if let Some(step) = watch(run, facts, now) {
        return step;
    }
    match &run.hold {
        Some(hold) => held(hold, now),
        None => forward(run, progress, now),
    }
}

fn ended_badly(run: &Run, progress: &Progress, now: Timestamp) -> Step {
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
    act(Transition::Fail { failure })
}

/// Nobody says anything until the hold's own deadline; then its answer is taken.
fn held(hold: &Hold, now: Timestamp) -> Step {
    if now < hold.until {
        return Step::Wait {
            until: hold.until.min(now.plus_millis(POLL_MILLIS)),
            why: format!("held by {}: {}", hold.rule, hold.why),
        };
    }
    act(match hold.unanswered {
        Unanswered::RollBack => Transition::RequestStop {
            actor: Actor::system("worker"),
            cause: RollbackCause::Hold {
                rule: hold.rule.clone(),
                why: hold.why.clone(),
            },
        },
        Unanswered::Continue => Transition::Resume {
            actor: Actor::system("worker"),
            reason: None,
        },
    })
}

/// Nothing speaks against it: on to the next share, to the checks, to the end.
fn forward(run: &Run, progress: &Progress, now: Timestamp) -> Step {
    if progress.status == CloudStatus::Succeeded {
        return match doubt_at_the_end(run) {
            Some(why) => wait(now, POLL_MILLIS, why),
            None => act(Transition::Succeed),
        };
    }
    if run.engine.script().driven {
        return drive(run, progress, now);
    }
    match progress.status {
        CloudStatus::Ready => call(run, CallKind::ContinueDeployment, now),
        _ => wait(now, POLL_MILLIS, "in progress at the cloud"),
    }
}

/// All traffic there is must have been found healthy since.
fn doubt_at_the_end(run: &Run) -> Option<String> {
    in_doubt(run, run.course.and_then(|course| course.all_traffic_at))
}

/// Sets the next share when the last one has been held for its time.
fn drive(run: &Run, progress: &Progress, now: Timestamp) -> Step {
    if progress.status != CloudStatus::Ready {
        return wait(now, POLL_MILLIS, "the new version is not ready for traffic yet");
    }
    let (mut due, mut last) = (now, None);
    for (percent, minutes) in run.revision.traffic.steps() {
        let shift = CallKind::ShiftTraffic { percent };
        let Some(at) = run.done_at(shift) else {
            if now < due {
                return Step::Wait {
                    until: due.min(now.plus_millis(POLL_MILLIS)),
                    why: format!("{percent} % in {}", span_words(due.since(now))),
                };
            }
            // Doubt moves no traffic. Before the first share there is nothing to judge.
            if let Some(why) = last.and_then(|last| in_doubt(run, Some(last))) {
                return wait(now, POLL_MILLIS, why);
            }
            return call(run, shift, now);
        };
        last = Some(at);
        due = at.plus_millis(i64::from(minutes) * MINUTE);
    }
    let script = run.engine.script();
    if let Some(kind) = run.next_of(script.with_all) {
        return call(run, kind, now);
    }
    if let Some(kind) = run.next_of(script.finish) {
        return match in_doubt(run, last).filter(|_| !run.is_finishing()) {
            Some(why) => wait(now, POLL_MILLIS, why),
            None => call(run, kind, now),
        };
    }
    wait(now, POLL_MILLIS, "waits until the old version is gone")
}

/// Makes a call that leads on. One that is refused for good is reason to go back, unless the old version is being taken
/// away already: then people are told, and it is tried again.
fn call(run: &Run, kind: CallKind, now: Timestamp) -> Step {
    let Some(last) = run.last(kind) else {
        return Step::Call(kind);
    };
    let Outcome::Refused {
        code,
        message,
        retry,
        at,
    } = &last.outcome
    else {
        return Step::Call(kind);
    };
    let why = format!("{} was refused: {code}: {message}", kind.name());
    if !retry {
        if !run.engine.script().finish.contains(&kind) {
            return act(Transition::RequestStop {
                actor: Actor::system("worker"),
                cause: RollbackCause::Cloud { message: why },
            });
        }
        if let Some(step) = warned(run, Concern::Stuck, &why) {
            return step;
        }
    }
    let pause = backoff(run.attempts(kind));
    if now.since(*at) < pause {
        return Step::Wait {
            until: at.plus_millis(pause),
            why,
        };
    }
    Step::Call(kind)
}

fn unseen(run: &Run, now: Timestamp) -> Step {
    let Some(since) = to_end_since(run, now) else {
        return wait(now, POLL_MILLIS * 2, "the cloud cannot be asked how it goes");
    };
    if now >= run.deadline.plus_millis(GIVE_UP_MILLIS) {
        return give_up(run, "cannot be read from the cloud");
    }
    let why = "the cloud cannot be read: it is asked to go back without being looked at";
    if now.since(since) >= CONCERN_MILLIS
        && let Some(step) = warned(run, Concern::Unseen, why)
    {
        return step;
    }
    match run.open_call() {
        Some(call) if now.since(call.intended_at) < UNSEEN_MILLIS => {
            wait(now, POLL_MILLIS, "whether the last call took effect is not known yet")
        }
        // A second cloud deployment would do what the first is doing.
        Some(call) if call.kind.doubles() => {
            wait(now, POLL_MILLIS, "whether the last call took effect is not known yet")
        }
        // Asking twice does no harm, not asking may.
        Some(_) => act(Transition::Conclude {
            outcome: Outcome::Unclear { at: now },
        }),
        None => back_unseen(run, now),
    }
}

/// Since when it should end: a wish, or the deadline. A hold has a deadline of its own.
fn to_end_since(run: &Run, now: Timestamp) -> Option<Timestamp> {
    let overdue = now >= run.deadline && run.hold.is_none() && !run.is_finishing();
    let deadline = overdue.then_some(run.deadline);
    run.stop.as_ref().map(|stop| stop.at).into_iter().chain(deadline).min()
}

fn give_up(run: &Run, how: &str) -> Step {
    let id = run.cloud_deployment.as_deref().unwrap_or("the cloud deployment");
    let asked: usize = run.engine.script().back.iter().map(|kind| run.attempts(*kind)).sum();
    super::running::fail(
        None,
        format!(
            "{id} {how}, {} after its deadline and {asked} requests to stop it: check at AWS what serves traffic; before it \
             was {}",
            span_words(GIVE_UP_MILLIS),
            run.revision.rollback_target
        ),
    )
}

/// A stop whose answer was lost is concluded by what the deployment came to, before that is acted upon: the cause of a
/// rollback depends on it. Where it goes on, the stop is asked for again at once (R17).
fn settle_stop(run: &Run, progress: &Progress, now: Timestamp) -> Option<Step> {
    run.open_call().filter(|call| call.kind.settled_by_sight())?;
    let outcome = match progress.status {
        CloudStatus::Stopped => Outcome::Done {
            id: run.cloud_deployment.clone().unwrap_or_default(),
            at: now,
        },
        _ => Outcome::NothingHappened { at: now },
    };
    Some(act(Transition::Conclude { outcome }))
}

/// Finds out how any other open call ended. What is to end does not wait for that (R19).
fn settle(run: &Run, facts: &Facts, now: Timestamp) -> Option<Step> {
    let call = run.open_call()?;
    let outcome = match &facts.found {
        Some(Found::Effect(id)) => Outcome::Done {
            id: id.clone(),
            at: now,
        },
        _ if to_end_since(run, now).is_some() && !call.kind.doubles() => Outcome::Unclear { at: now },
        Some(Found::Nothing) if now.since(call.intended_at) >= facts.settle_millis => {
            Outcome::NothingHappened { at: now }
        }
        _ => {
            return Some(wait(
                now,
                POLL_MILLIS,
                format!("whether {} took effect is not known yet", call.kind.name()),
            ));
        }
    };
    Some(act(Transition::Conclude { outcome }))
}
