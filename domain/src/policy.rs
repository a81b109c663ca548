//! The policy of one service in one environment: which gates, whose approval, for how long it holds.

use crate::name::{EnvironmentName, GateName, TeamSlug};
use serde::{Deserialize, Serialize};

/// `count` different people out of any of `teams`. Several rules are joined by AND, and one person fills one place only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumRule {
    pub teams: Vec<TeamSlug>,
    pub count: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub gates: Vec<GateName>,
    /// Empty: automatic, no approval asked for.
    pub approvals: Vec<QuorumRule>,
    /// One-person teams: the requester and the authors may approve. Labelled wherever it shows.
    pub solo: bool,
    /// Seconds in which the quorum must be reached (R4: 24 h).
    pub approve_within_seconds: i64,
    /// Seconds after the quorum in which the deployment must start (R4: 1 h).
    pub start_within_seconds: i64,
    /// A newer request replaces one that still waits.
    pub supersede: bool,
    /// The same digest must have succeeded there before.
    pub promote_from: Option<EnvironmentName>,
}

impl Policy {
    /// People who must say yes, over all rules. 0: automatic.
    pub fn places(&self) -> usize {
        self.approvals.iter().map(|rule| usize::from(rule.count)).sum()
    }

    pub fn is_automatic(&self) -> bool {
        self.places() == 0
    }

    /// SHA-256 over the canonical policy, in hexadecimal: its version. Two policies of one version are the same policy.
    pub fn version(&self) -> String {
        crate::revision::canonical_hash(self)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            gates: Vec::new(),
            approvals: Vec::new(),
            solo: false,
            approve_within_seconds: 24 * 3600,
            start_within_seconds: 3600,
            supersede: false,
            promote_from: None,
        }
    }
}
