//! `Idempotency-Key`: the same POST again gets the first answer, whatever became of the connection in between.
//!
//! A key belongs to its caller and its operation. Answers are kept unless the server itself failed: then nothing was
//! done, and the same key may try again.

use crate::{
    http::{
        HttpState,
        problem::{PROBLEM_JSON, Problem},
    },
    service::once::Kept,
};
use axum::response::{IntoResponse as _, Response};
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use std::fmt::Display;
use tidegate_domain::access::Actor;

const KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;

/// What a POST answers with.
pub(crate) struct Reply {
    status: StatusCode,
    body: String,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|error| {
            tracing::error!(%error, "an answer could not be written");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written")
        })?;
        Ok(Self { status, body })
    }

    fn respond(self) -> Response {
        let media_type = if self.status.is_success() {
            "application/json"
        } else {
            PROBLEM_JSON
        };
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))];
        (self.status, headers, self.body).into_response()
    }
}

/// Runs `work` once for the caller's key, if there is one. `operation`: method and path.
pub(crate) async fn once(
    state: &HttpState,
    caller: &Actor,
    operation: &str,
    headers: &HeaderMap,
    body: &[u8],
    work: BoxFuture<'_, Result<Reply, Problem>>,
) -> Response {
    let key = match key(headers) {
        Ok(Some(key)) => key,
        Ok(None) => return work.await.map_or_else(Problem::into_response, Reply::respond),
        Err(problem) => return problem.into_response(),
    };
    let scope = format!("{} {operation}", scope(caller));
    match state.once.begin(key, &scope, body).await {
        Ok(Kept::Fresh) => {}
        Ok(Kept::Answer { status, body }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let mut response = Reply { status, body }.respond();
            response
                .headers_mut()
                .insert("idempotent-replayed", HeaderValue::from_static("true"));
            return response;
        }
        Ok(Kept::OtherRequest) => {
            return Problem::invalid(
                "Idempotency-Key",
                "this key came with another body before: use a new one",
            )
            .into_response();
        }
        Ok(Kept::InProgress) => {
            return Problem::new(
                StatusCode::CONFLICT,
                "the first request with this key has not ended yet",
            )
            .into_response();
        }
        Err(error) => return unavailable(&error),
    }
    let done = work.await;
    let kept = match &done {
        Ok(reply) => state.once.keep(key, &scope, reply.status.as_u16(), &reply.body).await,
        Err(problem) if is_final(problem.code()) => {
            let body = serde_json::to_string(problem).unwrap_or_default();
            state.once.keep(key, &scope, problem.status, &body).await
        }
        Err(_) => state.once.forget(key, &scope).await,
    };
    if let Err(error) = kept {
        tracing::error!(%error, "an answer could not be kept under its idempotency key");
    }
    done.map_or_else(Problem::into_response, Reply::respond)
}

/// Whether asking again would be answered the same.
fn is_final(status: StatusCode) -> bool {
    !status.is_server_error() && !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS)
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(KEY) else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .filter(|key| (1..=LONGEST_KEY).contains(&key.len()))
        .map(Some)
        .ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "Idempotency-Key: use 1 to 255 printable ASCII characters",
            )
        })
}

fn scope(caller: &Actor) -> String {
    match caller {
        Actor::Person { person, .. } => format!("person {}", person.id),
        Actor::Ci {
            repository, service, ..
        } => format!("ci {repository} {service}"),
        Actor::System { part } => format!("system {part}"),
    }
}

fn unavailable(error: &impl Display) -> Response {
    tracing::error!(%error, "an idempotency key could not be noted");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the database does not answer. Nothing was changed; try again in a minute",
    )
    .into_response()
}
