//! Who is signed in, for administrators, and ending it (R25).

use super::{
    extract::{Someone, id},
    model::{Ended, SessionList},
};
use crate::http::{HttpState, problem::Problem, session};
use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;

/// Everyone's sessions that are on.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    tag = "sessions",
    security(("session" = [])),
    responses(
        (status = 200, description = "Sessions", body = SessionList),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "For administrators", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(state): State<HttpState>, Someone(by): Someone) -> Result<Json<SessionList>, Problem> {
    let services = session::services(&state, &by);
    let items = state
        .sessions
        .all(&services, &by)
        .await?
        .iter()
        .map(Into::into)
        .collect();
    Ok(Json(SessionList { items }))
}

/// Ends a session. It is over at its next request, on every replica.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/{id}",
    tag = "sessions",
    security(("session" = [])),
    params(("id" = String, Path, description = "Id of a session", pattern = "^[0-9a-f]{64}$")),
    responses(
        (status = 204, description = "Ended"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "For administrators", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such session", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was changed; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn end(
    State(state): State<HttpState>,
    Someone(by): Someone,
    Path(session): Path<String>,
) -> Result<StatusCode, Problem> {
    let services = session::services(&state, &by);
    state.sessions.revoke(&services, &by, &session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of someone, by GitHub's numeric id.
#[utoipa::path(
    delete,
    path = "/api/v1/people/{id}/sessions",
    tag = "sessions",
    security(("session" = [])),
    params(("id" = i64, Path, description = "GitHub's numeric id of someone", minimum = 1)),
    responses(
        (status = 200, description = "How many there were", body = Ended),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "For administrators", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "That is no person's id", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was changed; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn end_all(
    State(state): State<HttpState>,
    Someone(by): Someone,
    Path(person): Path<String>,
) -> Result<Json<Ended>, Problem> {
    let services = session::services(&state, &by);
    let ended = state.sessions.end_all(&services, &by, id(&person, "person")?).await?;
    Ok(Json(Ended { ended }))
}
