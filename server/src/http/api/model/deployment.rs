//! Deployments, and what is said to them.

use super::{Gate, Person, ReleaseShape};
use serde::{Deserialize, Serialize};
use tidegate_app::model::{DeploymentPage, DeploymentSummary, Permission};
use tidegate_domain::{StateName, approval::QuorumStatus};
use utoipa::ToSchema;

macro_rules! states {
    ($($name:ident),+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum DeploymentState { $($name),+ }

        impl From<StateName> for DeploymentState {
            fn from(name: StateName) -> Self {
                match name { $(StateName::$name => Self::$name),+ }
            }
        }

        impl From<DeploymentState> for StateName {
            fn from(name: DeploymentState) -> Self {
                match name { $(DeploymentState::$name => Self::$name),+ }
            }
        }
    };
}

states!(
    Requested,
    AwaitingApproval,
    Queued,
    Starting,
    Deploying,
    RollingBack,
    Succeeded,
    RolledBack,
    Failed,
    Rejected,
    Cancelled,
    Expired,
    Superseded
);

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DeploymentShape {
    #[schema(format = "uuid")]
    id: String,
    service: String,
    environment: String,
    production: bool,
    /// The release's label.
    label: String,
    state: DeploymentState,
    /// Goes back to an earlier release.
    rollback: bool,
    requested_by: String,
    #[schema(format = "date-time")]
    requested_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    finished_at: Option<String>,
    /// Share of traffic on the new version in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100)]
    traffic: Option<u8>,
    approved_by: Vec<String>,
    /// Why it stands where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl From<&DeploymentSummary> for DeploymentShape {
    fn from(summary: &DeploymentSummary) -> Self {
        Self {
            id: summary.id.to_string(),
            service: summary.service.to_string(),
            environment: summary.environment.to_string(),
            production: summary.production,
            label: summary.label.clone(),
            state: summary.state.into(),
            rollback: summary.rollback,
            requested_by: summary.requested_by.clone(),
            requested_at: summary.requested_at.to_string(),
            finished_at: summary.finished_at.map(|at| at.to_string()),
            traffic: summary.traffic,
            approved_by: summary.approved_by.clone(),
            note: summary.note.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeploymentList {
    /// Newest first.
    pub(crate) items: Vec<DeploymentShape>,
    /// Give as `after` for the next page.
    pub(crate) next: Option<String>,
}

/// One rule of the quorum: `count` people out of `teams`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuorumRule {
    teams: Vec<String>,
    count: u8,
    filled_by: Vec<Person>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Approval {
    person: Person,
    #[schema(format = "date-time")]
    at: String,
    /// The revision it was given to.
    revision: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    /// Why it does not count any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    void: Option<String>,
}

/// What the caller may do, and if not, why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Allowed {
    approve: bool,
    reject: bool,
    cancel: bool,
    roll_back: bool,
    /// Sentences for what is not allowed, by name.
    why_not: std::collections::BTreeMap<String, String>,
}

/// One deployment with everything a person decides by.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeploymentDetail {
    #[schema(format = "uuid")]
    id: String,
    service: String,
    environment: String,
    production: bool,
    label: String,
    state: DeploymentState,
    rollback: bool,
    requested_by: String,
    #[schema(format = "date-time")]
    requested_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100)]
    traffic: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    digest: String,
    /// Grows with every change.
    version: i64,
    /// What an approval is bound to; send it back when approving.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    release: ReleaseShape,
    gates: Vec<Gate>,
    quorum: Vec<QuorumRule>,
    approvals: Vec<Approval>,
    /// What ran before, as far as Tidegate knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<DeploymentShape>,
    /// In front of it in its lane.
    behind: Vec<DeploymentShape>,
    allowed: Allowed,
}

impl From<&DeploymentPage> for DeploymentDetail {
    fn from(page: &DeploymentPage) -> Self {
        let deployment = &page.deployment;
        Self {
            id: deployment.id.to_string(),
            service: deployment.service.to_string(),
            environment: deployment.environment.to_string(),
            production: page.production,
            label: deployment.label.clone(),
            state: deployment.state.name().into(),
            rollback: deployment.is_rollback(),
            requested_by: deployment.requested_by.label(),
            requested_at: deployment.requested_at.to_string(),
            finished_at: deployment.finished_at().map(|at| at.to_string()),
            traffic: deployment.traffic(),
            reason: deployment.reason.clone(),
            digest: deployment.digest.to_string(),
            version: page.version,
            revision: deployment.revision().map(|revision| revision.hash().0),
            release: (&page.release).into(),
            gates: page.gates.iter().map(Gate::from).collect(),
            quorum: page.quorum.as_ref().map(rules).unwrap_or_default(),
            approvals: deployment.approvals.iter().map(Approval::from).collect(),
            previous: page.previous.as_ref().map(DeploymentShape::from),
            behind: page.behind.iter().map(DeploymentShape::from).collect(),
            allowed: Allowed::from(&page.allowed),
        }
    }
}

fn rules(quorum: &QuorumStatus) -> Vec<QuorumRule> {
    quorum
        .rules
        .iter()
        .map(|rule| QuorumRule {
            teams: rule.teams.iter().map(ToString::to_string).collect(),
            count: rule.count,
            filled_by: rule.filled_by.iter().map(Person::from).collect(),
        })
        .collect()
}

impl From<&tidegate_domain::Approval> for Approval {
    fn from(approval: &tidegate_domain::Approval) -> Self {
        Self {
            person: (&approval.person).into(),
            at: approval.at.to_string(),
            revision: approval.revision.0.clone(),
            comment: approval.comment.clone(),
            void: approval.voided.as_ref().map(|voided| voided.why.clone()),
        }
    }
}

impl From<&tidegate_app::model::Allowed> for Allowed {
    fn from(allowed: &tidegate_app::model::Allowed) -> Self {
        let named = [
            ("approve", &allowed.approve),
            ("reject", &allowed.reject),
            ("cancel", &allowed.cancel),
            ("roll_back", &allowed.roll_back),
        ];
        Self {
            approve: allowed.approve.is_yes(),
            reject: allowed.reject.is_yes(),
            cancel: allowed.cancel.is_yes(),
            roll_back: allowed.roll_back.is_yes(),
            why_not: named
                .into_iter()
                .filter_map(|(name, permission)| match permission {
                    Permission::Yes => None,
                    Permission::No(why) => Some((name.to_owned(), why.clone())),
                })
                .collect(),
        }
    }
}

/// A request to bring a release to an environment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeploymentRequest {
    /// Id of a release.
    #[schema(format = "uuid")]
    pub(crate) release: String,
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "production")]
    pub(crate) environment: String,
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub(crate) reason: Option<String>,
}

/// A yes to exactly what was seen.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalGiven {
    /// `revision` of the deployment as it was read; another one by now is a conflict.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub(crate) revision: String,
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub(crate) comment: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// For those who read the history.
    #[schema(min_length = 1, max_length = 1000)]
    pub(crate) reason: String,
}
