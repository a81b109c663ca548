//! Freezes and break-glass: what lets a deployment past a check, and the register of it.

use super::{
    deployments::shown,
    extract::{Caller, Confirmed, JsonBody, id},
    model::{BreakGlassList, BreakGlassRequest, BreakGlassShape, DeploymentDetail, FreezeOverrideGiven, ReviewGiven},
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
use tidegate_app::portal::Portal as _;
use tidegate_domain::{BreakGlassId, DeploymentId};

fn done(id: impl ToString) -> Done {
    Done {
        id: id.to_string(),
        status: StatusCode::OK,
    }
}

/// Lets one deployment through a freeze that holds now, this time.
#[utoipa::path(
    post,
    path = "/api/v1/deployments/{id}/override-freeze",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "Id of a deployment", format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = FreezeOverrideGiven,
    responses(
        (status = 200, description = "Overridden", body = DeploymentDetail),
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
pub(crate) async fn override_freeze(
    State(state): State<HttpState>,
    Confirmed(caller): Confirmed,
    Path(subject): Path<String>,
    headers: HeaderMap,
    body: JsonBody<FreezeOverrideGiven>,
) -> Response {
    let given = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: format!("POST deployments/{subject}/override-freeze"),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::OK,
    };
    let work = async |services: Services| {
        let id: DeploymentId = id(&subject, "deployment")?;
        services
            .override_freeze(&caller.actor, id, given.freeze, given.reason)
            .await?;
        Ok(done(id))
    };
    call.once(work, async |id| shown(&state, &caller.actor, &id).await)
        .await
}

/// Breaks the glass: named checks are skipped for one deployment, once, for an hour. Of one that succeeded, goes back
/// past a contract by a new deployment, which is returned.
#[utoipa::path(
    post,
    path = "/api/v1/deployments/{id}/break-glass",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "Id of a deployment", format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = BreakGlassRequest,
    responses(
        (status = 200, description = "The deployment that may go", body = DeploymentDetail),
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
pub(crate) async fn break_glass(
    State(state): State<HttpState>,
    Confirmed(caller): Confirmed,
    Path(subject): Path<String>,
    headers: HeaderMap,
    body: JsonBody<BreakGlassRequest>,
) -> Response {
    let given = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: format!("POST deployments/{subject}/break-glass"),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::OK,
    };
    let work = async |services: Services| {
        let id: DeploymentId = id(&subject, "deployment")?;
        let going = services.break_glass(&caller.actor, id, given.read()?).await?;
        Ok(done(going))
    };
    call.once(work, async |id| shown(&state, &caller.actor, &id).await)
        .await
}

/// Reviews a break-glass that someone else opened.
#[utoipa::path(
    post,
    path = "/api/v1/break-glass/{id}/review",
    tag = "break-glass",
    params(
        ("id" = String, Path, description = "Id of a break-glass", format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = ReviewGiven,
    responses(
        (status = 200, description = "Reviewed", body = BreakGlassShape),
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
pub(crate) async fn review(
    State(state): State<HttpState>,
    caller: Caller,
    Path(subject): Path<String>,
    headers: HeaderMap,
    body: JsonBody<ReviewGiven>,
) -> Response {
    let given = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: format!("POST break-glass/{subject}/review"),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::OK,
    };
    let work = async |services: Services| {
        let id: BreakGlassId = id(&subject, "break-glass")?;
        services.review_break_glass(&caller.actor, id, given.into()).await?;
        Ok(done(id))
    };
    let answer = async |glass: String| {
        let register = state.portal.break_glass_register(&caller.actor).await?;
        let row = register.rows.iter().find(|row| row.entry.glass.id.to_string() == glass);
        let row = row.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such break-glass any more"))?;
        json(&BreakGlassShape::from(row))
    };
    call.once(work, answer).await
}

/// The register: every time that someone broke the glass, those without a review first, then the newest.
#[utoipa::path(
    get,
    path = "/api/v1/break-glass",
    tag = "break-glass",
    responses(
        (status = 200, description = "The newest 200", body = BreakGlassList),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn register(State(state): State<HttpState>, caller: Caller) -> Result<Json<BreakGlassList>, Problem> {
    let register = state.portal.break_glass_register(&caller.actor).await?;
    Ok(Json(BreakGlassList {
        items: register.rows.iter().map(BreakGlassShape::from).collect(),
    }))
}
