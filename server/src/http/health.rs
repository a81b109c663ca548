//! For load balancers: whether the process lives, and whether it can do its work.

use super::{HttpState, problem::Problem};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde_json::json;

pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// 200 when the database answers, its schema is current and the audit log can be written; else 503 with what is wrong.
pub(crate) async fn ready(State(state): State<HttpState>) -> Response {
    match state.health.check().await {
        Ok(None) => Json(json!({ "ready": true })).into_response(),
        Ok(Some(warning)) => Json(json!({ "ready": true, "warning": warning })).into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.words()).into_response()
        }
    }
}
