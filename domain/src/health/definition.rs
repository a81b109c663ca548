//! Health definitions: versioned documents that say what "production is healthy" means for a target.
//!
//! A definition is data: it judges nothing by itself. The invariant: two definitions of one version are the same
//! definition, names, words and all.

use super::{Number, Query, Which};
use serde::{Deserialize, Serialize};

/// Seconds between two evaluations when nothing else is said (requirements §4).
pub const INTERVAL_SECONDS: u32 = 30;
/// How long a hold waits for people when nothing else is said.
pub const HOLD_SECONDS: u32 = 30 * 60;
/// How long after its end a datapoint may still grow: CloudWatch adds up what services send a few seconds late.
pub const SETTLE_SECONDS: u32 = 10;
/// How long after its end a datapoint may fail to appear before it counts as missing.
pub const LATE_SECONDS: u32 = 90;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthDefinition {
    pub name: String,
    /// Seconds between two evaluations, 5 to 60.
    pub interval_seconds: u32,
    /// In the order of evaluation: of rules that ask for the same, the first is the cause.
    pub rules: Vec<Rule>,
    pub hold: Hold,
}

impl HealthDefinition {
    /// SHA-256 over the canonical definition, in hexadecimal. What an approval is bound to (requirements §5).
    pub fn version(&self) -> String {
        crate::revision::canonical_hash(self)
    }

    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}

/// What a hold does when nobody comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Seconds that people have to answer.
    pub deadline_seconds: u32,
    /// What follows then.
    pub answer: Answer,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            deadline_seconds: HOLD_SECONDS,
            answer: Answer::RollBack,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    RollBack,
    Continue,
}

/// One thing that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Unique in its definition, such as `http-5xx`.
    pub name: String,
    /// What is measured, in a person's words: `5xx rate`. Sentences begin with it.
    pub words: String,
    /// Of the measured values, such as `%`, `s`, `ms`; empty for plain counts.
    pub unit: String,
    /// Of the new version, or of the service as a whole. Its period is the length of the rule's datapoints.
    pub query: Query,
    /// The same of the stable version, for conditions that compare with it.
    pub stable: Option<Query>,
    /// The same before the deployment, for conditions that compare with that.
    pub baseline: Option<Baseline>,
    /// On which side of its limits a value is a breach.
    pub direction: Direction,
    pub condition: Condition,
    pub missing: Missing,
    pub action: Action,
    /// Seconds after the start in which nothing is judged. A datapoint that reaches beyond them is.
    pub grace_seconds: u32,
    /// Seconds after its end in which a datapoint is not judged yet.
    pub settle_seconds: u32,
    /// Seconds after its end after which a datapoint that is not there counts as missing; not less than the settling.
    pub late_seconds: u32,
}

impl Rule {
    /// A rule with the defaults: above, one of one, hold when data is missing.
    pub fn new(name: &str, words: &str, query: Query, condition: Condition, action: Action) -> Self {
        Self {
            name: name.to_owned(),
            words: words.to_owned(),
            unit: String::new(),
            query,
            stable: None,
            baseline: None,
            direction: Direction::Above,
            condition,
            missing: Missing::Hold,
            action,
            grace_seconds: 0,
            settle_seconds: SETTLE_SECONDS,
            late_seconds: LATE_SECONDS,
        }
    }

    /// Seconds that one datapoint stands for.
    pub fn span_seconds(&self) -> u32 {
        self.query.span_seconds()
    }

    /// Datapoints that are looked at together.
    pub fn window(&self) -> u32 {
        match &self.condition {
            Condition::Limits { during, .. } => during.of(self.span_seconds()).1,
            Condition::MannWhitney(test) => test.window_seconds.div_ceil(self.span_seconds()).max(1),
        }
    }

    pub fn compares_with_stable(&self) -> bool {
        match &self.condition {
            Condition::Limits { limits, .. } => limits.iter().any(|limit| matches!(limit, Limit::Stable(_))),
            Condition::MannWhitney(test) => test.against == Against::Stable,
        }
    }

    pub fn compares_with_baseline(&self) -> bool {
        match &self.condition {
            Condition::Limits { limits, .. } => limits.iter().any(|limit| matches!(limit, Limit::Baseline(_))),
            Condition::MannWhitney(test) => test.against == Against::Baseline,
        }
    }

    /// What is read before the deployment: the baseline's own query, else the stable version's, else the rule's.
    pub fn query_of(&self, which: Which) -> &Query {
        match which {
            Which::New => &self.query,
            Which::Stable => self.stable.as_ref().unwrap_or(&self.query),
            Which::Baseline => self.baseline_query(),
        }
    }

    pub fn baseline_query(&self) -> &Query {
        self.baseline
            .as_ref()
            .and_then(|baseline| baseline.query.as_ref())
            .or(self.stable.as_ref())
            .unwrap_or(&self.query)
    }
}

/// The window before the deployment that values are compared with. It ends when the deployment starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    pub seconds: u32,
    /// `None`: the stable version's query where the rule has one, else its own.
    pub query: Option<Query>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// A value above the limit is a breach. The limit itself is none.
    Above,
    /// A value below the limit is a breach. The limit itself is none.
    Below,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Condition {
    /// Datapoints beyond any of the limits.
    Limits { limits: Vec<Limit>, during: During },
    /// The new version's values as a whole differ from the others'.
    MannWhitney(MannWhitney),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum Limit {
    Absolute {
        value: Number,
    },
    /// The mean of the baseline window, changed by the margin.
    Baseline(Margin),
    /// The stable version's datapoint of the same moment, changed by the margin.
    Stable(Margin),
}

/// `factor` × the other value + `difference`, and not less than `at_least`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Margin {
    pub factor: Number,
    pub difference: Number,
    /// Keeps a limit off zero where the other value is (nearly) nothing.
    pub at_least: Option<Number>,
}

impl Margin {
    pub const fn factor(factor: Number) -> Self {
        Self {
            factor,
            difference: Number::literal(0.0),
            at_least: None,
        }
    }

    pub const fn difference(difference: Number) -> Self {
        Self {
            factor: Number::literal(1.0),
            difference,
            at_least: None,
        }
    }

    /// `None`: too large for a number.
    pub fn of(&self, other: f64) -> Option<Number> {
        let limit = Number::new(self.factor.get().mul_add(other, self.difference.get()))?;
        Some(self.at_least.map_or(limit, |least| limit.max(least)))
    }
}

/// How long it must last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum During {
    /// `m` of the last `n` datapoints.
    Datapoints { m: u32, n: u32 },
    /// Every datapoint of that many seconds.
    For { seconds: u32 },
}

impl During {
    /// How many of how many datapoints of `span` seconds each.
    pub fn of(self, span: u32) -> (u32, u32) {
        match self {
            Self::Datapoints { m, n } => (m, n),
            Self::For { seconds } => {
                let all = seconds.div_ceil(span.max(1)).max(1);
                (all, all)
            }
        }
    }
}

/// Mann–Whitney U, one-sided in the rule's direction. The confidence is that of one evaluation; the effect keeps many
/// evaluations from finding what does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MannWhitney {
    pub against: Against,
    /// Such as 0.95: a difference that chance makes in more than one case of twenty is none.
    pub confidence: Number,
    /// Share of all pairs (new, other) in which the new value lies on the bad side, 0.5 to 1; 0.5 is no difference.
    pub effect: Number,
    /// How far back values are taken, in seconds.
    pub window_seconds: u32,
    /// Values that each side must have.
    pub at_least: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    Stable,
    Baseline,
}

/// What a datapoint that is not there says. A datapoint that is there and has nothing to be compared with is never well:
/// then people must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Nothing happened, which is well. For metrics that are sent only when something does.
    Ok,
    /// It is as bad as a breach.
    Breach,
    /// It is not known, and people must look.
    Hold,
}

/// What a breach leads to, from the mildest to the severest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// People are told.
    Alert,
    /// People are told, and decide.
    Hold,
    RollBack,
}
