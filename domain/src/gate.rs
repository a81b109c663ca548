//! Gates: binary checks that CI reports for a release. A gate is pass or fail; what was never reported is missing.

use crate::{id::ReleaseId, name::GateName, time::Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Fail,
}

/// One report of one gate. The newest report of a gate is the one that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    pub release: ReleaseId,
    pub gate: GateName,
    pub verdict: Verdict,
    /// In a person's words: `coverage 83 % (threshold 80 %)`, `2 HIGH findings`.
    pub detail: Option<String>,
    pub url: Option<String>,
    /// How long it took, where CI said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
    pub reported_at: Timestamp,
}

/// Where a required gate stands for a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateStatus {
    pub gate: GateName,
    /// `None`: never reported.
    pub result: Option<GateResult>,
}

impl GateStatus {
    pub fn passed(&self) -> bool {
        self.result
            .as_ref()
            .is_some_and(|result| result.verdict == Verdict::Pass)
    }
}

/// The required gates in the policy's order, each with its newest report.
pub fn statuses(required: &[GateName], reports: &[GateResult]) -> Vec<GateStatus> {
    required
        .iter()
        .map(|gate| GateStatus {
            gate: gate.clone(),
            result: reports
                .iter()
                .filter(|report| report.gate == *gate)
                .max_by_key(|report| report.reported_at)
                .cloned(),
        })
        .collect()
}

/// The gates that stop a promotion: failed or missing.
pub fn blocking(statuses: &[GateStatus]) -> Vec<&GateStatus> {
    statuses.iter().filter(|status| !status.passed()).collect()
}

/// The default gates, in order (requirements §2).
pub const DEFAULT_GATES: [&str; 7] = [
    "lint",
    "unit-tests",
    "integration-tests",
    "build",
    "vulnerability-scan",
    "staging-deployment",
    "staging-smoke",
];

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn report(gate: &str, verdict: Verdict, at: i64) -> GateResult {
        GateResult {
            release: ReleaseId::from_uuid(Uuid::nil()),
            gate: GateName::new(gate).unwrap(),
            verdict,
            detail: None,
            url: None,
            seconds: None,
            reported_at: Timestamp::from_millis(at),
        }
    }

    #[test]
    fn a_gate_that_was_never_reported_blocks() {
        let required = [GateName::new("lint").unwrap(), GateName::new("build").unwrap()];
        let statuses = statuses(&required, &[report("lint", Verdict::Pass, 1)]);
        let blocking: Vec<_> = blocking(&statuses)
            .into_iter()
            .map(|status| status.gate.as_str())
            .collect();
        assert_eq!(blocking, ["build"]);
    }

    #[test]
    fn the_newest_report_of_a_gate_counts() {
        let required = [GateName::new("lint").unwrap()];
        let reports = [report("lint", Verdict::Pass, 2), report("lint", Verdict::Fail, 1)];
        assert!(blocking(&statuses(&required, &reports)).is_empty());
        let reports = [report("lint", Verdict::Pass, 1), report("lint", Verdict::Fail, 2)];
        assert_eq!(blocking(&statuses(&required, &reports)).len(), 1);
    }
}
