//! The time from a commit to production traffic, phase by phase, against its budget of 15 minutes (requirements §1).
//!
//! Counts only what was reported or seen. A phase that nobody timed is not zero: it is said to be missing.

use crate::{
    deployment::{Deployment, State},
    gate::GateResult,
    time::{MINUTE, SECOND, Timestamp, span_words},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Lint,
    Unit,
    Integration,
    BuildAndScan,
    Rollout,
    Smoke,
}

impl Phase {
    pub const ALL: [Self; 6] = [
        Self::Lint,
        Self::Unit,
        Self::Integration,
        Self::BuildAndScan,
        Self::Rollout,
        Self::Smoke,
    ];

    /// Its share of the budget, in milliseconds.
    pub const fn limit(self) -> i64 {
        MINUTE
            * match self {
                Self::Lint => 1,
                Self::Unit | Self::Integration | Self::Smoke => 2,
                Self::BuildAndScan => 3,
                Self::Rollout => 5,
            }
    }

    pub const fn words(self) -> &'static str {
        match self {
            Self::Lint => "lint",
            Self::Unit => "unit tests",
            Self::Integration => "integration tests",
            Self::BuildAndScan => "build and scan",
            Self::Rollout => "rollout",
            Self::Smoke => "smoke test",
        }
    }

    /// Gates whose times make it up, each by the names that it goes by.
    const fn gates(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Lint => &[&["lint"]],
            Self::Unit => &[&["unit-tests", "unit"]],
            Self::Integration => &[&["integration-tests", "integration"]],
            Self::BuildAndScan => &[&["build"], &["vulnerability-scan", "scan"]],
            Self::Rollout => &[],
            Self::Smoke => &[&["smoke", "staging-smoke"]],
        }
    }
}

/// The budget of all phases together, in milliseconds.
pub const LIMIT_MILLIS: i64 = 15 * MINUTE;

/// What is known of one phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub phase: Phase,
    /// Milliseconds; `None`: nothing was reported.
    pub millis: Option<i64>,
    /// A part of it was not reported, or goes on.
    pub partly: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    pub phases: Vec<Spent>,
}

impl Budget {
    /// From the reports of the release's gates and the deployment's own times.
    pub fn of(deployment: &Deployment, reports: &[GateResult], now: Timestamp) -> Self {
        let phases = Phase::ALL.into_iter().map(|phase| match phase {
            Phase::Rollout => rollout(deployment, now),
            phase => reported(phase, reports),
        });
        Self {
            phases: phases.collect(),
        }
    }

    /// Milliseconds of everything that is known.
    pub fn total(&self) -> i64 {
        self.phases.iter().filter_map(|spent| spent.millis).sum()
    }

    pub fn over(&self) -> bool {
        self.total() > LIMIT_MILLIS
    }

    /// Phases of which nothing or only a part is known.
    pub fn missing(&self) -> Vec<Phase> {
        self.phases
            .iter()
            .filter(|spent| spent.millis.is_none() || spent.partly)
            .map(|spent| spent.phase)
            .collect()
    }

    /// `4 min 10 s of 15 min`.
    pub fn words(&self) -> String {
        format!("{} of {}", span_words(self.total()), span_words(LIMIT_MILLIS))
    }
}

fn reported(phase: Phase, reports: &[GateResult]) -> Spent {
    let seconds: Vec<Option<i64>> = phase
        .gates()
        .iter()
        .map(|names| {
            reports
                .iter()
                .find(|report| names.contains(&report.gate.as_str()) && report.seconds.is_some())
                .and_then(|report| report.seconds)
        })
        .collect();
    let known = seconds.iter().any(Option::is_some);
    Spent {
        phase,
        millis: known.then(|| seconds.iter().flatten().sum::<i64>().saturating_mul(SECOND)),
        partly: known && seconds.iter().any(Option::is_none),
    }
}

fn rollout(deployment: &Deployment, now: Timestamp) -> Spent {
    let millis = deployment
        .run()
        .map(|run| deployment.finished_at().unwrap_or(now).since(run.started_at).max(0));
    Spent {
        phase: Phase::Rollout,
        millis,
        partly: millis.is_some() && !matches!(deployment.state, State::Succeeded { .. }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{deployment::tests::moment, gate::Verdict, id::ReleaseId, name::GateName};
    use uuid::Uuid;

    fn took(gate: &str, seconds: Option<i64>) -> GateResult {
        GateResult {
            release: ReleaseId::from_uuid(Uuid::nil()),
            gate: GateName::new(gate).unwrap(),
            verdict: Verdict::Pass,
            detail: None,
            url: None,
            seconds,
            reported_at: moment(0),
        }
    }

    #[test]
    fn the_phases_make_up_the_whole() {
        assert_eq!(Phase::ALL.into_iter().map(Phase::limit).sum::<i64>(), LIMIT_MILLIS);
    }

    #[test]
    fn what_nobody_timed_is_missing_and_not_nothing() {
        let deployment = crate::deployment::tests::requested();
        let reports = [
            took("lint", Some(40)),
            took("unit-tests", Some(70)),
            took("integration-tests", None),
            took("build", Some(100)),
            took("vulnerability-scan", None),
            took("staging-smoke", Some(40)),
        ];
        let budget = Budget::of(&deployment, &reports, moment(0));
        assert_eq!(budget.words(), "4 min 10 s of 15 min");
        let missing: Vec<&str> = budget.missing().into_iter().map(Phase::words).collect();
        assert_eq!(missing, ["integration tests", "build and scan", "rollout"]);
        assert!(!budget.over());
        let nothing = Budget::of(&deployment, &[], moment(0));
        assert_eq!(
            (nothing.words().as_str(), nothing.missing().len()),
            ("0 s of 15 min", 6)
        );
        assert!(Budget::of(&deployment, &[took("lint", Some(901))], moment(0)).over());
    }
}
