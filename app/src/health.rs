//! Read models of the pages about health: why a deployment was held or rolled back, and the lab.

use crate::model::Permission;
use serde::{Deserialize, Serialize};
use tidegate_domain::{
    Deployment, EnvironmentName, PersonRef, ServiceName, Timestamp,
    health::{Course, Evaluation, Happened, HealthDefinition, Mark, Outcome, Side, Tally},
    id::DeploymentId,
};

/// What people said of a deployment afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    pub mark: Mark,
    pub comment: Option<String>,
    pub by: PersonRef,
    pub at: Timestamp,
}

/// The health of a deployment in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthBrief {
    /// Name of the definition that the target is judged by today; `None`: AWS alone watches.
    pub definition: Option<String>,
    /// Each evaluation that is kept, oldest first.
    pub outcomes: Vec<(Timestamp, Outcome)>,
    pub last: Option<Evaluation>,
    pub marked: Option<Marked>,
    pub may_mark: Permission,
}

/// Why it was held or rolled back, or why not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HealthPage {
    pub deployment: Deployment,
    pub version: i64,
    pub brief: HealthBrief,
    /// Oldest first; thinned with age where nothing happened.
    pub evaluations: Vec<Evaluation>,
    /// The one that judged last.
    pub definition: Option<HealthDefinition>,
    pub course: Option<Course>,
    pub now: Timestamp,
}

/// A definition, as it was when it judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionPage {
    pub name: String,
    pub version: String,
    /// As it would be written in the configuration.
    pub text: String,
    pub now: Timestamp,
}

/// How a service in an environment is between deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthLine {
    pub environment: EnvironmentName,
    pub definition: String,
    /// `None`: it was not judged yet.
    pub outcome: Option<(Outcome, Timestamp)>,
    /// When it was last anything but healthy.
    pub breached_at: Option<Timestamp>,
    /// Names of rules that need a new or a stable version, and so are not judged between deployments.
    pub not_judged: Vec<String>,
}

/// The new definition of a comparison is what stands in the form.
pub const DRAFT: &str = "draft";

/// What to compare in the lab; all but the draft is in the page's address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LabAsk {
    pub service: Option<String>,
    pub environment: Option<String>,
    /// From this day on, `2026-03-01`, UTC.
    pub from: Option<String>,
    /// Up to and with this day.
    pub to: Option<String>,
    /// Name or version; `None`: what each target is judged by today.
    pub old: Option<String>,
    /// Name, version or [`DRAFT`]. `None`: nothing is compared.
    pub new: Option<String>,
    /// Text of a configuration with one health definition.
    pub draft: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LabPage {
    pub services: Vec<ServiceName>,
    pub environments: Vec<EnvironmentName>,
    /// Value and words of each definition that can be chosen.
    pub definitions: Vec<(String, String)>,
    /// What stands in the draft's field: what was typed, else the definition that is in force.
    pub draft: String,
    pub answer: LabAnswer,
    pub now: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum LabAnswer {
    /// No second definition was chosen.
    NotAsked,
    /// What was given cannot be used: each problem in words, with its line where it has one.
    Wrong {
        problems: Vec<String>,
    },
    Found(LabFound),
}

/// Both definitions over the same deployments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LabFound {
    /// Names with the beginning of the version.
    pub old_name: String,
    pub new_name: String,
    pub old: Tally,
    pub new: Tally,
    /// Newest first.
    pub rows: Vec<LabRow>,
    /// Recordings that were thinned with age, or whose target has no definition to compare with.
    pub left_out: usize,
    /// There are older ones in the period than are compared at once.
    pub more: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LabRow {
    pub deployment: DeploymentId,
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub began_at: Timestamp,
    pub happened: Option<Happened>,
    pub side: Side,
}

impl LabRow {
    /// Whether the two definitions would have done something else, or at another moment.
    pub fn differs(&self) -> bool {
        self.side.old.ending != self.side.new.ending || self.side.earlier_seconds.is_some_and(|seconds| seconds != 0)
    }
}
