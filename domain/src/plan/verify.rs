//! The smoke suite of a deployment: on the test listener before the new version has traffic, and against production once
//! it has all of it and has stood for the stability wait. Until the suite has passed, nothing leads on; the first test
//! that fails as often as it may leads back.
//!
//! One attempt is one step, and what was tried is all that decides: after a crash the same attempts lead to the same one.

use super::{POLL_MILLIS, Step, act};
use crate::{
    access::Actor,
    deployment::{CloudStatus, Progress, RollbackCause, Run, Transition, When},
    smoke::{Next, Verification, next},
    time::{Timestamp, span_words},
};

/// What the test listener has to show, where the new version runs and waits for traffic. `None`: nothing (more).
pub(super) fn before_traffic(run: &Run, progress: &Progress, now: Timestamp) -> Option<Step> {
    let verify = run.verify.as_ref()?;
    if progress.status != CloudStatus::Ready || run.made_way() {
        return None;
    }
    suite(run, verify, When::Before, now)
}

/// What production has to show before the deployment counts as a success. `None`: it has, or traffic is not there yet.
pub(super) fn with_all_traffic(run: &Run, now: Timestamp) -> Option<Step> {
    let verify = run.verify.as_ref()?;
    let since = run.checks.all_traffic_at?;
    if run.is_finishing() {
        return None;
    }
    let begins = since.plus_seconds(verify.stability_wait_seconds);
    if now < begins {
        let why = format!(
            "stability wait, suite {} starts in {}",
            verify.suite.name,
            span_words(begins.since(now))
        );
        return Some(until(begins, now, why));
    }
    suite(run, verify, When::After, now)
}

fn suite(run: &Run, verify: &Verification, when: When, now: Timestamp) -> Option<Step> {
    when.url(verify)?;
    match next(&verify.suite, run.checks.of(when), now) {
        Next::Attempt { test, number } => Some(Step::Probe { when, test, number }),
        Next::Wait { until: at } => {
            let why = format!(
                "the next attempt of suite {} in {}",
                verify.suite.name,
                span_words(at.since(now))
            );
            Some(until(at, now, why))
        }
        Next::Passed => None,
        Next::Failed { test, why } => Some(act(Transition::RequestStop {
            actor: Actor::system("worker"),
            cause: RollbackCause::Smoke { test, why },
        })),
    }
}

/// Looked at in between, too: what goes wrong meanwhile is not waited out.
fn until(at: Timestamp, now: Timestamp, why: String) -> Step {
    Step::Wait {
        until: at.min(now.plus_millis(POLL_MILLIS)),
        why,
    }
}
