//! What was tried of a deployment's smoke suite, and since when all traffic is on the new version.

use super::{CallKind, CloudStatus, Deployment, Outcome, Progress, Run};
use crate::{
    access::Actor,
    audit::{AuditEvent, EventKind},
    smoke::{Attempt, Test, Verification},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Characters of a reason that the audit log keeps.
const WHY_MAX: usize = 500;

/// Against which version a suite runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The new one on the test listener, before it has traffic.
    Before,
    /// Production, with all traffic on the new version.
    After,
}

/// The checks of one run, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Checks {
    #[serde(default)]
    pub before: Vec<Attempt>,
    #[serde(default)]
    pub after: Vec<Attempt>,
    /// When all traffic was first known to be on the new version.
    #[serde(default)]
    pub all_traffic_at: Option<Timestamp>,
}

impl When {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }

    /// Where the suite runs; `None`: not at this moment.
    pub fn url(self, verify: &Verification) -> Option<&str> {
        match self {
            Self::Before => verify.test_base_url.as_deref(),
            Self::After => Some(&verify.base_url),
        }
    }
}

impl Checks {
    pub fn of(&self, when: When) -> &[Attempt] {
        match when {
            When::Before => &self.before,
            When::After => &self.after,
        }
    }

    fn add(&mut self, when: When, attempt: Attempt) {
        match when {
            When::Before => self.before.push(attempt),
            When::After => self.after.push(attempt),
        }
    }
}

impl Run {
    /// Whether all traffic is on the new version, with everything that belongs to it.
    fn has_all_traffic(&self) -> bool {
        let script = self.engine.script();
        if !script.driven {
            return self
                .progress
                .as_ref()
                .is_some_and(|seen| seen.traffic == Some(100) || seen.status == CloudStatus::Succeeded);
        }
        let shifted = |(percent, _)| self.made(CallKind::ShiftTraffic { percent }).is_some();
        self.revision.traffic.steps().into_iter().all(shifted) && self.next_of(script.with_all).is_none()
    }

    /// Whether the new version may have been let to the traffic, or was told that it may go on, after it had waited.
    pub fn made_way(&self) -> bool {
        let gave = |progress: &Progress| progress.traffic.is_some_and(|share| share > 0);
        self.progress.as_ref().is_some_and(gave)
            || self.calls.iter().any(|call| {
                let gives = matches!(
                    call.kind,
                    CallKind::ShiftTraffic { .. } | CallKind::SwapStage | CallKind::ContinueDeployment
                );
                gives && !matches!(call.outcome, Outcome::Refused { .. } | Outcome::NothingHappened { .. })
            })
    }

    /// Remembers the first moment of that.
    pub(super) fn note_all_traffic(&mut self, now: Timestamp) {
        if self.checks.all_traffic_at.is_none() && self.has_all_traffic() {
            self.checks.all_traffic_at = Some(now);
        }
    }

    /// The test that this attempt is the next one of.
    fn is_next(&self, when: When, attempt: &Attempt) -> Option<&Test> {
        let suite = &self.verify.as_ref()?.suite;
        let test = suite.tests.iter().find(|test| test.name == attempt.test)?;
        let own = || self.checks.of(when).iter().filter(|other| other.test == test.name);
        let last = own().map(|other| other.number).max().unwrap_or_default();
        let due = self.stop.is_none() && attempt.number == last + 1 && attempt.number <= test.attempts;
        (due && !own().any(Attempt::passed)).then_some(test)
    }
}

impl Deployment {
    /// Adds an attempt. `None`: it is not the next one of its test, or is of no use any more. An event tells how a test
    /// ended; the attempts before are seen on the deployment itself.
    pub(super) fn attempted(&mut self, when: When, attempt: Attempt) -> Option<Option<AuditEvent>> {
        let run = self.run()?;
        let test = run.is_next(when, &attempt)?;
        let ended = match attempt.passed() {
            true => Some(EventKind::SmokePassed),
            false if attempt.number >= test.attempts => Some(EventKind::SmokeFailed),
            false => None,
        };
        let event = ended.map(|kind| {
            let mut data = json!({
                "test": attempt.test, "when": when, "attempts": attempt.number, "latency_ms": attempt.latency_ms,
                "suite": run.verify.as_ref().map(|verify| &verify.suite.name),
            });
            if !attempt.passed() {
                data["why"] = json!(attempt.why().chars().take(WHY_MAX).collect::<String>());
            }
            self.event(kind, Actor::system("worker"), data, None)
        });
        self.edit_run(|run| run.checks.add(when, attempt));
        Some(event)
    }
}
