//! Read models of the gates of time and shape: freezes, migrations, break-glass, the time budget.

use crate::model::Permission;
use serde::{Deserialize, Serialize};
use tidegate_domain::{
    Timestamp,
    breakglass::{Check, Entry, Judgement},
    budget::Budget,
    freeze::{FreezeOverride, Occurrence},
    name::EnvironmentName,
};

/// One freeze as a page shows it: that which holds now, or the next to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeRow {
    pub name: String,
    /// `weekend freeze`.
    pub label: String,
    pub occurrence: Occurrence,
    /// Holds now.
    pub active: bool,
    /// `Mon 30 Nov, 08:00 Europe/Vienna`: its end when it holds, else its beginning.
    pub moment: String,
}

/// A freeze that covers a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentFreeze {
    pub freeze: FreezeRow,
    pub overridden: Option<FreezeOverride>,
    pub may_override: Permission,
}

/// A check that a broken glass can skip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRow {
    pub check: Check,
    /// It stands in the way now.
    pub stands: bool,
}

/// What the time and the shape of a deployment say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Those that hold now, or the next one.
    pub freezes: Vec<DeploymentFreeze>,
    /// What keeps it from starting now and goes by itself, in words; empty: nothing.
    pub closed: Vec<String>,
    /// When nothing of that holds any more.
    pub opens: Option<Timestamp>,
    /// Why what ran before cannot simply come back.
    pub no_way_back: Option<String>,
    pub may_break_glass: Permission,
    /// What can be skipped for it; empty: nothing.
    pub checks: Vec<CheckRow>,
    /// The glass that was broken for it.
    pub glass: Option<Entry>,
    pub budget: Budget,
}

/// What a person asks for who breaks the glass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBreakGlass {
    pub reason: String,
    /// Link to the incident.
    pub incident: String,
    pub skips: Vec<Check>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReview {
    pub judgement: Judgement,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterRow {
    pub entry: Entry,
    pub may_review: Permission,
}

/// The register of break-glass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// Those without a review first, then newest first.
    pub rows: Vec<RegisterRow>,
    pub now: Timestamp,
}

/// The freezes of an environment for a service page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentFreezes {
    pub environment: EnvironmentName,
    /// Those that hold now, and the next one.
    pub freezes: Vec<FreezeRow>,
}
