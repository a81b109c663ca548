//! `Idempotency-Key`: the same POST again gets the first answer, whatever became of the connection in between.
//!
//! A key belongs to its caller and its operation. What came of a request is noted in the transaction that did it, so it
//! is done once even if the process ends before it answers; the answer is made afterwards and kept. Refusals are kept,
//! too, unless the server itself failed or was too busy: then nothing was done, and the same key may try again.

use super::extract::Caller;
use crate::{
    http::{
        HttpState,
        problem::{PROBLEM_JSON, Problem},
    },
    service::{OnceKey, Services, once::Kept},
};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use std::fmt::Display;
use tidegate_domain::access::Actor;

const KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;

/// A POST that does something.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a HttpState,
    pub(crate) caller: &'a Caller,
    /// Method and path.
    pub(crate) operation: String,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// Of the answer to a request that was done before.
    pub(crate) status: StatusCode,
}

/// What was done: the id of what it made or changed.
pub(crate) struct Done {
    pub(crate) id: String,
    pub(crate) status: StatusCode,
}

/// The body of an answer.
pub(crate) fn json(body: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(body).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written")
    })
}

impl Call<'_> {
    /// Runs `work` once for the caller's key, if there is one, and answers with what `answer` reads of its result.
    pub(crate) async fn once<F, G>(self, work: impl FnOnce(Services) -> F, answer: impl FnOnce(String) -> G) -> Response
    where
        F: Future<Output = Result<Done, Problem>>,
        G: Future<Output = Result<String, Problem>>,
    {
        let key = match key(self.headers) {
            Ok(key) => key.map(|key| OnceKey {
                key: key.to_owned(),
                scope: format!("{} {}", scope(&self.caller.actor), self.operation),
            }),
            Err(problem) => return problem.into_response(),
        };
        let mut replayed = false;
        let known = match &key {
            None => None,
            Some(key) => match self.begun(key).await {
                Ok(known) => known,
                Err(response) => return *response,
            },
        };
        let done = match known {
            Some(id) => {
                replayed = true;
                Ok(Done {
                    id,
                    status: self.status,
                })
            }
            None => work(self.caller.services(self.state, key.clone())).await,
        };
        let done = match done {
            Ok(done) => done,
            Err(problem) => {
                self.keep_refusal(key.as_ref(), &problem).await;
                return problem.into_response();
            }
        };
        match answer(done.id.clone()).await {
            Ok(body) => {
                if let Some(key) = &key {
                    note(self.state.once.keep(key, done.status.as_u16(), &body).await);
                }
                let mut response = respond(done.status, body);
                if replayed {
                    mark_replayed(&mut response);
                }
                response
            }
            Err(problem) => not_shown(&done, &problem),
        }
    }

    /// What came of the first request under the key, `None` when this is the first; or the whole answer.
    async fn begun(&self, key: &OnceKey) -> Result<Option<String>, Box<Response>> {
        match self.state.once.begin(key, self.body).await {
            Ok(Kept::Fresh) => Ok(None),
            Ok(Kept::Done { result }) => Ok(Some(result)),
            Ok(Kept::Answer { status, body }) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                let mut response = respond(status, body);
                mark_replayed(&mut response);
                Err(Box::new(response))
            }
            Ok(Kept::OtherRequest) => Err(Box::new(
                Problem::invalid(
                    "Idempotency-Key",
                    "this key came with another body before: use a new one",
                )
                .into_response(),
            )),
            Ok(Kept::InProgress) => Err(Box::new(
                Problem::new(
                    StatusCode::CONFLICT,
                    "the first request with this key has not ended yet",
                )
                .into_response(),
            )),
            Err(error) => Err(Box::new(unavailable(&error))),
        }
    }

    async fn keep_refusal(&self, key: Option<&OnceKey>, problem: &Problem) {
        let Some(key) = key else { return };
        let once = &self.state.once;
        note(match serde_json::to_string(problem) {
            Ok(body) if is_final(problem.code()) => once.keep(key, problem.status, &body).await,
            _ => once.forget(key).await,
        });
    }
}

fn note(kept: Result<(), impl Display>) {
    if let Err(error) = kept {
        tracing::error!(%error, "an answer could not be kept under its idempotency key");
    }
}

fn respond(status: StatusCode, body: String) -> Response {
    let media_type = if status.is_success() {
        "application/json"
    } else {
        PROBLEM_JSON
    };
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))];
    (status, headers, body).into_response()
}

fn mark_replayed(response: &mut Response) {
    response
        .headers_mut()
        .insert("idempotent-replayed", HeaderValue::from_static("true"));
}

/// It was done, and must not be said not to have been.
fn not_shown(done: &Done, problem: &Problem) -> Response {
    tracing::error!(id = done.id, problem = problem.detail, "what was done cannot be shown");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!(
            "it was done ({}), but how it stands cannot be read now: look for it, or ask again with the same Idempotency-Key",
            done.id
        ),
    )
    .into_response()
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
