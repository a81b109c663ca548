//! The part of the control API that shows what arrived, and makes trouble.
//!
//! | below `/messages` | |
//! |---|---|
//! | `GET /` | every request, oldest first; `?service=slack`, `pagerduty` or `hooks`, `&arrived=true` |
//! | `DELETE /` | forgets them |
//! | `PUT /faults` | a list of `service`, `kind` (`down`, `lost`, `reset`, `slow`, `rate_limit`), `times`, … |
//! | `DELETE /faults` | ends them |

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, put},
};
use serde::Deserialize;

use super::{Message, Messages, faults::Fault};

pub(super) fn router() -> Router<Messages> {
    Router::new()
        .route("/", get(list).delete(forget))
        .route("/faults", put(set).delete(clear))
}

#[derive(Debug, Deserialize)]
struct Filter {
    service: Option<String>,
    arrived: Option<bool>,
}

async fn list(State(messages): State<Messages>, Query(filter): Query<Filter>) -> Json<Vec<Message>> {
    let wanted = |message: &&Message| {
        filter
            .service
            .as_ref()
            .is_none_or(|service| *service == message.service)
            && filter.arrived.is_none_or(|arrived| arrived == message.arrived)
    };
    Json(messages.kept().iter().filter(wanted).cloned().collect())
}

async fn forget(State(messages): State<Messages>) -> StatusCode {
    messages.kept().clear();
    StatusCode::NO_CONTENT
}

async fn set(State(messages): State<Messages>, Json(faults): Json<Vec<Fault>>) -> StatusCode {
    *messages.faults() = faults;
    StatusCode::NO_CONTENT
}

async fn clear(State(messages): State<Messages>) -> StatusCode {
    messages.faults().clear();
    StatusCode::NO_CONTENT
}
