//! The shape of health definitions in the file. What is left out of a rule that extends another is as it was there.

use super::file::At;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What "healthy" means for the targets that name it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Begin with the rules of this definition: `standard`, which ships with Tidegate, or another one of this file.
    #[serde(default)]
    pub extend: Option<At<String>>,
    /// How often it is evaluated while a deployment runs, `5s` to `60s`; `30s` when left out.
    #[serde(default)]
    pub interval: Option<At<String>>,
    /// How long a hold waits for people; `30m` when left out.
    #[serde(default)]
    pub hold: Option<At<String>>,
    /// What a hold does when nobody came; `roll_back` when left out.
    #[serde(default)]
    pub when_nobody_comes: Option<Answer>,
    /// Rules that are not taken over.
    #[serde(default)]
    pub remove: Vec<At<String>>,
    /// In the order of evaluation. A rule with the name of one that is taken over changes what it says; others come after.
    #[serde(default)]
    pub rules: Vec<At<Rule>>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    RollBack,
    Continue,
}

/// One thing that is watched.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub name: At<String>,
    /// What is measured, as a sentence begins: `5xx rate`.
    #[serde(default)]
    pub words: Option<At<String>>,
    /// Of the values, such as `%`, `s` or `ms`.
    #[serde(default)]
    pub unit: Option<String>,
    /// What is measured, at CloudWatch. May hold placeholders such as `${service}`.
    #[serde(default)]
    pub cloudwatch: Option<At<Cloudwatch>>,
    /// What is measured, at Prometheus. May hold placeholders such as `${new}`.
    #[serde(default)]
    pub prometheus: Option<At<Prometheus>>,
    /// A value above it is a breach.
    #[serde(default)]
    pub above: Option<At<f64>>,
    /// A value below it is a breach.
    #[serde(default)]
    pub below: Option<At<f64>>,
    /// On which side of its limits a value is a breach, for rules that only compare; `above` when left out.
    #[serde(default)]
    pub direction: Option<At<Direction>>,
    /// Compare with the time before the deployment.
    #[serde(default)]
    pub baseline: Option<At<Baseline>>,
    /// Compare with the stable version at the same moment.
    #[serde(default)]
    pub stable: Option<At<Stable>>,
    /// Compare all values instead of each.
    #[serde(default)]
    pub mann_whitney: Option<At<MannWhitney>>,
    /// How many of the last datapoints must be a breach, such as `2 of 3`; `1 of 1` when left out.
    #[serde(default)]
    pub datapoints: Option<At<String>>,
    /// Instead of `datapoints`: for how long every one must be a breach, such as `2m`.
    #[serde(default, rename = "for")]
    pub lasting: Option<At<String>>,
    /// What a datapoint that is not there says; `hold` when left out.
    #[serde(default)]
    pub missing: Option<Missing>,
    /// What a breach leads to.
    #[serde(default)]
    pub action: Option<Action>,
    /// How long after the start nothing is judged; nothing when left out.
    #[serde(default)]
    pub grace: Option<At<String>>,
    /// How long after its end a datapoint may still change; `10s` when left out.
    #[serde(default)]
    pub settle: Option<At<String>>,
    /// How long after its end a datapoint that is not there is missing; `90s` when left out.
    #[serde(default)]
    pub late: Option<At<String>>,
}

/// A query to CloudWatch (GetMetricData).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cloudwatch {
    /// Metric math over the ids, such as `100 * errors / requests`. Left out: the one metric itself.
    #[serde(default)]
    pub expression: Option<String>,
    /// What one datapoint stands for; `60s` when left out.
    #[serde(default)]
    pub period: Option<At<String>>,
    pub metrics: Vec<Stat>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stat {
    /// As the expression names it.
    pub id: String,
    pub namespace: String,
    pub name: String,
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// `Sum`, `Average`, `Maximum`, `p95` and so on.
    pub stat: String,
}

/// A range query to Prometheus.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prometheus {
    /// PromQL that yields one series.
    pub query: String,
    /// Between two datapoints; `15s` when left out.
    #[serde(default)]
    pub step: Option<At<String>>,
}

/// The time before the deployment. The limit is `factor` × its mean + `difference`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// How long before, such as `60m`.
    #[serde(default)]
    pub window: Option<At<String>>,
    #[serde(default)]
    pub factor: Option<f64>,
    #[serde(default)]
    pub difference: Option<f64>,
    /// The limit is never less than this.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// Where it is another query than the stable version's, or else the rule's.
    #[serde(default)]
    pub cloudwatch: Option<At<Cloudwatch>>,
    #[serde(default)]
    pub prometheus: Option<At<Prometheus>>,
}

/// The stable version. The limit is `factor` × its value + `difference`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stable {
    #[serde(default)]
    pub factor: Option<f64>,
    #[serde(default)]
    pub difference: Option<f64>,
    /// The limit is never less than this.
    #[serde(default)]
    pub at_least: Option<f64>,
    #[serde(default)]
    pub cloudwatch: Option<At<Cloudwatch>>,
    #[serde(default)]
    pub prometheus: Option<At<Prometheus>>,
}

/// Mann–Whitney U: do the new version's values tend to be worse?
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MannWhitney {
    pub against: Against,
    /// How sure it must be, 0.5 to less than 1.
    pub confidence: f64,
    /// Share of all pairs (new, other) with the worse value on the new side, 0.5 to 1.
    pub effect: f64,
    /// How far back values are taken; `10m` when left out.
    pub window: Option<At<String>>,
    /// Values that each side must have.
    pub at_least: u32,
}

impl Default for MannWhitney {
    fn default() -> Self {
        Self {
            against: Against::Stable,
            confidence: 0.95,
            effect: 0.7,
            window: None,
            at_least: 5,
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    Stable,
    Baseline,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Above,
    Below,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Nothing happened: for metrics that are only sent when something does.
    Ok,
    Breach,
    Hold,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Tell people.
    Alert,
    /// Tell people and let them decide.
    Hold,
    RollBack,
}
