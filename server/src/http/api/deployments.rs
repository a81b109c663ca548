//! Deployments, and what people decide about them.

use super::{
    extract::{Caller, Confirmed, Filters, JsonBody, given, id, member},
    model::{ApprovalGiven, DeploymentDetail, DeploymentList, DeploymentRequest, DeploymentState, Reason, Story},
    once::{Call, Done, json},
};
use crate::{
    http::{HttpState, problem::Problem},
    service::Services,
};
use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tidegate_app::{
    model::{HistoryFilter, NewDeployment},
    portal::Portal as _,
};
use tidegate_domain::{StateName, access::Actor, id::DeploymentId, revision::RevisionHash};
use utoipa::IntoParams;

/// The deployment as it is now, for an answer.
pub(super) async fn shown(state: &HttpState, actor: &Actor, deployment: &str) -> Result<String, Problem> {
    json(&detail(state, actor, id(deployment, "deployment")?).await?)
}

async fn detail(state: &HttpState, actor: &Actor, id: DeploymentId) -> Result<DeploymentDetail, Problem> {
    let page = state.portal.deployment(actor, id).await?;
    Ok(DeploymentDetail::from(&page))
}

fn done(id: DeploymentId, status: StatusCode) -> Done {
    Done {
        id: id.to_string(),
        status,
    }
}

/// Brings a release to an environment: asks for its approvals, and goes when they are there.
#[utoipa::path(
    post,
    path = "/api/v1/deployments",
    tag = "deployments",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = DeploymentRequest,
    responses(
        (status = 201, description = "Requested", body = DeploymentDetail),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Its state does not allow it, or someone was faster", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A member is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was changed; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn request(
    State(state): State<HttpState>,
    Confirmed(caller): Confirmed,
    headers: HeaderMap,
    body: JsonBody<DeploymentRequest>,
) -> Response {
    let asked = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: "POST deployments".to_owned(),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::CREATED,
    };
    let work = async |services: Services| {
        let new = NewDeployment {
            release: member("release", &asked.release)?,
            environment: member("environment", &asked.environment)?,
            reason: asked.reason.filter(|reason| !reason.trim().is_empty()),
        };
        let id = services.request(&caller.actor, new).await?;
        Ok(done(id, StatusCode::CREATED))
    };
    call.once(work, async |id| shown(&state, &caller.actor, &id).await)
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeploymentFilter {
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    service: Option<String>,
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    environment: Option<String>,
    #[param(inline)]
    state: Option<DeploymentState>,
    /// Login of whoever requested, approved or rejected.
    person: Option<String>,
    /// From this day on, UTC.
    #[param(format = "date")]
    from: Option<String>,
    /// Up to and with this day.
    #[param(format = "date")]
    to: Option<String>,
    /// In label, digest, commit, reason or service.
    text: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
}

/// Deployments, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/deployments",
    tag = "deployments",
    params(DeploymentFilter),
    responses(
        (status = 200, description = "A page of deployments", body = DeploymentList),
        (status = 400, description = "A filter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such service or environment", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A filter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(state): State<HttpState>,
    caller: Caller,
    Filters(filter): Filters<DeploymentFilter>,
) -> Result<Json<DeploymentList>, Problem> {
    let filter = HistoryFilter {
        service: given("service", filter.service)?,
        environment: given("environment", filter.environment)?,
        state: filter.state.map(|state| StateName::from(state).as_str().to_owned()),
        person: filter.person,
        from: given("from", filter.from)?,
        to: given("to", filter.to)?,
        text: filter.text,
        after: given("after", filter.after)?,
    };
    let history = state.portal.history(&caller.actor, filter).await?;
    let items = history.items.iter().map(Into::into).collect();
    Ok(Json(DeploymentList {
        items,
        next: history.next,
    }))
}

/// One deployment, with everything one decides by.
#[utoipa::path(
    get,
    path = "/api/v1/deployments/{id}",
    tag = "deployments",
    params(("id" = String, Path, description = "Id of a deployment", format = "uuid")),
    responses(
        (status = 200, description = "The deployment", body = DeploymentDetail),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such deployment", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn one(
    State(state): State<HttpState>,
    caller: Caller,
    Path(deployment): Path<String>,
) -> Result<Json<DeploymentDetail>, Problem> {
    Ok(Json(
        detail(&state, &caller.actor, id(&deployment, "deployment")?).await?,
    ))
}

/// Everything that happened to one deployment.
#[utoipa::path(
    get,
    path = "/api/v1/deployments/{id}/events",
    tag = "deployments",
    params(("id" = String, Path, description = "Id of a deployment", format = "uuid")),
    responses(
        (status = 200, description = "Its events of the audit log", body = Story),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such deployment", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn events(
    State(state): State<HttpState>,
    caller: Caller,
    Path(deployment): Path<String>,
) -> Result<Json<Story>, Problem> {
    let page = state
        .portal
        .deployment(&caller.actor, id(&deployment, "deployment")?)
        .await?;
    let items = page.events.iter().map(Into::into).collect();
    Ok(Json(Story { items }))
}

/// Approves the revision that was seen. Only people approve.
#[utoipa::path(
    post,
    path = "/api/v1/deployments/{id}/approve",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "Id of a deployment", format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = ApprovalGiven,
    responses(
        (status = 200, description = "Approved; others may still be needed", body = DeploymentDetail),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Its state does not allow it, or someone was faster", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A member is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "More than 30 a minute", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was changed; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn approve(
    State(state): State<HttpState>,
    Confirmed(caller): Confirmed,
    Path(deployment): Path<String>,
    headers: HeaderMap,
    body: JsonBody<ApprovalGiven>,
) -> Response {
    let given = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: format!("POST deployments/{deployment}/approve"),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::OK,
    };
    let work = async |services: Services| {
        let id: DeploymentId = id(&deployment, "deployment")?;
        if let Some(person) = caller.actor.person() {
            let checked = state.limits.approve.check(&person.id);
            checked.map_err(|many| Problem::too_many(many.retry_after))?;
        }
        let comment = given.comment.filter(|comment| !comment.trim().is_empty());
        let seen = RevisionHash(given.revision);
        services.approve(&caller.actor, id, seen, comment).await?;
        Ok(done(id, StatusCode::OK))
    };
    call.once(work, async |id| shown(&state, &caller.actor, &id).await)
        .await
}

/// Rejects a deployment that waits for approval.
#[utoipa::path(
    post,
    path = "/api/v1/deployments/{id}/reject",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "Id of a deployment", format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = Reason,
    responses(
        (status = 200, description = "Rejected", body = DeploymentDetail),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Its state does not allow it, or someone was faster", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A member is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was changed; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reject(
    State(state): State<HttpState>,
    caller: Caller,
    Path(deployment): Path<String>,
    headers: HeaderMap,
    body: JsonBody<Reason>,
) -> Response {
    let given = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: format!("POST deployments/{deployment}/reject"),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::OK,
    };
    let work = async |services: Services| {
        let id: DeploymentId = id(&deployment, "deployment")?;
        services.reject(&caller.actor, id, given.reason).await?;
        Ok(done(id, StatusCode::OK))
    };
    call.once(work, async |id| shown(&state, &caller.actor, &id).await)
        .await
}

/// Cancels a deployment that has not started.
#[utoipa::path(
    post,
    path = "/api/v1/deployments/{id}/cancel",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "Id of a deployment", format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = Reason,
    responses(
        (status = 200, description = "Cancelled", body = DeploymentDetail),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Its state does not allow it, or someone was faster", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A member is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was changed; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn cancel(
    State(state): State<HttpState>,
    caller: Caller,
    Path(deployment): Path<String>,
    headers: HeaderMap,
    body: JsonBody<Reason>,
) -> Response {
    let given = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: format!("POST deployments/{deployment}/cancel"),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::OK,
    };
    let work = async |services: Services| {
        let id: DeploymentId = id(&deployment, "deployment")?;
        services.cancel(&caller.actor, id, given.reason).await?;
        Ok(done(id, StatusCode::OK))
    };
    call.once(work, async |id| shown(&state, &caller.actor, &id).await)
        .await
}

/// Answers a hold: the deployment goes on. The rule that held it does not hold it again.
#[utoipa::path(
    post,
    path = "/api/v1/deployments/{id}/continue",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "Id of a deployment", format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = Reason,
    responses(
        (status = 200, description = "The deployment that goes on", body = DeploymentDetail),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Its state does not allow it, or someone was faster", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A member is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was changed; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn resume(
    State(state): State<HttpState>,
    caller: Caller,
    Path(deployment): Path<String>,
    headers: HeaderMap,
    body: JsonBody<Reason>,
) -> Response {
    let given = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: format!("POST deployments/{deployment}/continue"),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::OK,
    };
    let work = async |services: Services| {
        let id: DeploymentId = id(&deployment, "deployment")?;
        services.resume(&caller.actor, id, given.reason).await?;
        Ok(done(id, StatusCode::OK))
    };
    call.once(work, async |id| shown(&state, &caller.actor, &id).await)
        .await
}

/// Rolls back. One in flight is stopped; for one that succeeded, a new deployment of the release before it is returned.
#[utoipa::path(
    post,
    path = "/api/v1/deployments/{id}/roll-back",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "Id of a deployment", format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = Reason,
    responses(
        (status = 200, description = "The deployment that goes back", body = DeploymentDetail),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Its state does not allow it, or someone was faster", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A member is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was changed; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn roll_back(
    State(state): State<HttpState>,
    caller: Caller,
    Path(deployment): Path<String>,
    headers: HeaderMap,
    body: JsonBody<Reason>,
) -> Response {
    let given = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: format!("POST deployments/{deployment}/roll-back"),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::OK,
    };
    let work = async |services: Services| {
        let id: DeploymentId = id(&deployment, "deployment")?;
        let going = services.roll_back(&caller.actor, id, given.reason).await?;
        Ok(done(going, StatusCode::OK))
    };
    call.once(work, async |id| shown(&state, &caller.actor, &id).await)
        .await
}
