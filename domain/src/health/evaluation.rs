//! What an evaluation found, as it is stored: with the samples it judged, so that a page can show why.

use super::{Action, Number, mann_whitney::Found};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    pub at: Timestamp,
    /// Name and version of the definition that judged.
    pub definition: String,
    pub version: String,
    pub outcome: Outcome,
    /// The rule that the outcome comes from: the first of the severest. `None`: all of them.
    pub cause: Option<String>,
    /// In the order of the definition.
    pub rules: Vec<RuleEvaluation>,
}

impl Evaluation {
    pub fn rule(&self, name: &str) -> Option<&RuleEvaluation> {
        self.rules.iter().find(|rule| rule.rule == name)
    }

    /// Whether every rule had enough to judge by. An alert with rules that are still pending is no reason to go on.
    pub fn is_complete(&self) -> bool {
        self.rules.iter().all(|rule| rule.verdict != Verdict::Pending)
    }

    /// What the cause says, for people.
    pub fn why(&self) -> Option<&str> {
        Some(self.rule(self.cause.as_deref()?)?.words.as_str())
    }
}

/// What follows from all rules together, from the mildest to the severest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything was measured, and all is well.
    Healthy,
    /// Not everything has been measured yet: no reason to act, and none to go on.
    Pending,
    /// People are told; the deployment goes on.
    Alert,
    Hold,
    RollBack,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleEvaluation {
    pub rule: String,
    pub verdict: Verdict,
    /// What follows from it.
    pub outcome: Outcome,
    /// For people: `5xx rate 2.4 % > 1 % in 2 of 3 minutes`.
    pub words: String,
    pub unit: String,
    /// What was judged, oldest first.
    pub samples: Vec<Judged>,
    /// Seconds that one of them stands for.
    pub span_seconds: u32,
    /// The mean before the deployment, where the rule compares with it.
    pub baseline: Option<Number>,
    pub comparison: Option<Comparison>,
    /// Since when its source could not be read.
    pub unread_since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    Breach,
    /// Too little has been measured so far.
    Pending,
    /// What should have been measured was not.
    Missing,
    /// There is no stable version to compare with: all traffic went to the new one before enough was measured.
    DoesNotApply,
}

/// One datapoint and how it was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Where its span begins.
    pub at: Timestamp,
    /// `None`: it is missing.
    pub value: Option<Number>,
    /// The stable version's, where the rule compares with it.
    pub stable: Option<Number>,
    /// The strictest of the limits in force that are known.
    pub threshold: Option<Number>,
    pub breach: bool,
}

/// What a Mann–Whitney test compared and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The values that those of the new version were compared with.
    pub others: Vec<Number>,
    pub found: Found,
}

impl From<Action> for Outcome {
    fn from(action: Action) -> Self {
        match action {
            Action::Alert => Self::Alert,
            Action::Hold => Self::Hold,
            Action::RollBack => Self::RollBack,
        }
    }
}
