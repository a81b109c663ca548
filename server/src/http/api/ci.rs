//! A workflow run signs in (R30).

use super::{
    extract::{JsonBody, bearer, ci_problem, member},
    model::{CiRequest, CiToken},
};
use crate::http::{HttpState, limits::caller, problem::Problem};
use axum::{
    Json,
    extract::{FromRequest as _, Request, State},
};
use http::StatusCode;
use tidegate_domain::name::ServiceName;

/// Exchanges a GitHub Actions OIDC token for one of ours.
///
/// Send the Actions token as bearer. It must be of the audience and issuer that the server is configured with, and of a
/// repository, ref, workflow and environment that the service trusts. Each is exchanged once; the token returned holds for
/// 15 minutes and acts for that service only.
#[utoipa::path(
    post,
    path = "/api/v1/ci/session",
    tag = "ci",
    security(("actions" = [])),
    request_body = CiRequest,
    responses(
        (status = 201, description = "A token for further calls", body = CiToken),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The Actions token is not genuine, not trusted, or was used before", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A member is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Keys or database are away", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn exchange(
    State(state): State<HttpState>,
    request: Request,
) -> Result<(StatusCode, Json<CiToken>), Problem> {
    state
        .limits
        .ci_exchange
        .check(&caller(&state, request.headers(), request.extensions()))
        .map_err(|many| Problem::too_many(many.retry_after))?;
    let token = bearer(request.headers())?.to_owned();
    let body = JsonBody::<CiRequest>::from_request(request, &state).await?.value;
    let service: ServiceName = member("service", &body.service)?;
    let exchanged = state.ci.exchange(&token, &service).await.map_err(ci_problem)?;
    let answer = CiToken {
        token: exchanged.token,
        token_type: "bearer".to_owned(),
        service: exchanged.service.to_string(),
        expires_at: exchanged.expires_at.to_string(),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}
