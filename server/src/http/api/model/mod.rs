//! What the API takes and answers with: plain shapes of their own, so that the domain may change without the API.

mod catalogue;
mod deployment;
mod detail;
mod gates;
mod release;
mod run;

pub(crate) use catalogue::{
    Ended, EnvironmentList, EventList, EventShape, InboxShape, ServiceDetail, ServiceList, ServiceShape, SessionList,
    Story,
};
pub(crate) use deployment::{
    ApprovalGiven, DeploymentList, DeploymentRequest, DeploymentShape, DeploymentState, Reason,
};
pub(crate) use detail::{DeploymentDetail, QuorumRule};
pub(crate) use gates::{
    BreakGlassList, BreakGlassRequest, BreakGlassShape, FreezeOverrideGiven, ReviewGiven, ShapeShape,
};
pub(crate) use release::{
    CommitShape, Gate, GateReport, GateReports, MigrationShape, ReleaseList, ReleaseReport, ReleaseShape,
    ReleaseWithGates,
};

use serde::{Deserialize, Serialize};
use tidegate_domain::name::PersonRef;
use utoipa::ToSchema;

/// Someone on GitHub.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Person {
    /// GitHub's numeric id; 0 when it knows no account.
    #[schema(minimum = 0)]
    pub(crate) id: i64,
    #[schema(max_length = 200)]
    pub(crate) login: String,
}

impl From<&PersonRef> for Person {
    fn from(person: &PersonRef) -> Self {
        Self {
            id: person.id,
            login: person.login.clone(),
        }
    }
}

/// Which service the workflow run wants to report for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CiRequest {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "rag")]
    pub(crate) service: String,
}

/// A token for one service. Send it as `Authorization: Bearer`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CiToken {
    pub(crate) token: String,
    #[schema(example = "bearer")]
    pub(crate) token_type: String,
    pub(crate) service: String,
    #[schema(format = "date-time")]
    pub(crate) expires_at: String,
}
