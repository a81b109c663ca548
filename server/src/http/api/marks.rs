//! Marks: what people say of a deployment when it is over.

use super::{
    extract::{Caller, JsonBody, id},
    model::DeploymentDetail,
    once::{Call, Done, json},
};
use crate::{
    http::{HttpState, problem::Problem},
    service::Services,
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tidegate_app::portal::Portal as _;
use tidegate_domain::{health::Mark, id::DeploymentId};
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MarkName {
    /// It hurt users, or would have.
    Incident,
    Fine,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarkGiven {
    pub(crate) mark: MarkName,
    #[schema(max_length = 1000)]
    pub(crate) comment: Option<String>,
}

/// Says of a deployment that is over whether it was an incident. Said again, the last counts; the audit log keeps all.
#[utoipa::path(
    post,
    path = "/api/v1/deployments/{id}/mark",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "Id of a deployment", format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = MarkGiven,
    responses(
        (status = 200, description = "Marked", body = DeploymentDetail),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not over, or never ran", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A member is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was changed; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn mark(
    State(state): State<HttpState>,
    caller: Caller,
    Path(deployment): Path<String>,
    headers: HeaderMap,
    body: JsonBody<MarkGiven>,
) -> Response {
    let given = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: format!("POST deployments/{deployment}/mark"),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::OK,
    };
    let work = async |services: Services| {
        let id: DeploymentId = id(&deployment, "deployment")?;
        let mark = match given.mark {
            MarkName::Incident => Mark::Incident,
            MarkName::Fine => Mark::Fine,
        };
        services.mark(&caller.actor, id, mark, given.comment).await?;
        Ok(Done {
            id: id.to_string(),
            status: StatusCode::OK,
        })
    };
    let answer = async |deployment: String| {
        let page = state
            .portal
            .deployment(&caller.actor, id(&deployment, "deployment")?)
            .await?;
        json(&DeploymentDetail::from(&page))
    };
    call.once(work, answer).await
}
