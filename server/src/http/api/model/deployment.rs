//! Deployments, and what is said to them.

use serde::{Deserialize, Serialize};
use tidegate_app::model::DeploymentSummary;
use tidegate_domain::StateName;
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
    /// Of the release's newest commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    state: DeploymentState,
    /// Goes back to an earlier release.
    rollback: bool,
    requested_by: String,
    #[schema(format = "date-time")]
    requested_at: String,
    /// When the cloud was first asked for something.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    started_at: Option<String>,
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
            title: summary.title.clone(),
            state: summary.state.into(),
            rollback: summary.rollback,
            requested_by: summary.requested_by.clone(),
            requested_at: summary.requested_at.to_string(),
            started_at: summary.started_at.map(|at| at.to_string()),
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
pub(crate) struct GoBack {
    /// For those who read the history.
    #[schema(min_length = 1, max_length = 1000)]
    pub(crate) reason: String,
    /// A release that succeeded there before; the one before this when left out. Only of a deployment that succeeded.
    #[schema(format = "uuid")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// For those who read the history.
    #[schema(min_length = 1, max_length = 1000)]
    pub(crate) reason: String,
}
