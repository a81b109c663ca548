//! The control API: what tests and demonstrations use to set time, seed the accounts and
//! cause trouble. It is not part of any service the sandbox stands in for.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Aws, Clock, Error, GitHub, Messages};

/// Whether everything that the sandbox was started with is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seeded(Arc<AtomicBool>);

impl Seeded {
    pub(crate) fn done(&self) {
        self.0.store(true, Ordering::Release);
    }
}

pub(crate) fn router(clock: &Clock, aws: &Aws, github: &GitHub, messages: &Messages, seeded: Seeded) -> Router {
    Router::new()
        .route("/healthz", get(move || health(seeded.clone())))
        .route("/clock", get(show_clock).post(change_clock))
        .with_state(clock.clone())
        .merge(aws.control_router())
        .nest("/github", github.control_router())
        .nest("/messages", messages.control_router())
}

async fn health(seeded: Seeded) -> (StatusCode, &'static str) {
    if seeded.0.load(Ordering::Acquire) {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the seed is not in yet")
    }
}

/// Posts each part of a seed file to the control API that owns it.
pub(crate) async fn load_seed(path: &Path, control_url: &str) -> Result<(), Error> {
    let refused = |reason: String| Error::Seed {
        path: path.to_owned(),
        reason,
    };
    let text = tokio::fs::read_to_string(path).await.map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    let parts: serde_json::Map<String, Value> =
        serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .map_err(|error| refused(error.to_string()))?;
    for (part, seed) in parts {
        if part != "aws" && part != "github" {
            return Err(refused(format!("unknown part `{part}`, expected `aws` or `github`")));
        }
        let answer = client
            .post(format!("{control_url}/{part}/seed"))
            .json(&seed)
            .send()
            .await
            .map_err(|error| refused(format!("{part}: {error}")))?;
        let status = answer.status();
        if !status.is_success() {
            let reason = answer.text().await.unwrap_or_default();
            return Err(refused(format!("{part}: {status} {reason}")));
        }
    }
    Ok(())
}

/// An answer of the control API that says what was wrong with the request.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) StatusCode, pub(crate) String);

impl Refused {
    pub(crate) fn bad(reason: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, reason.into())
    }

    pub(crate) fn unknown(what: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, what.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

#[derive(Debug, Serialize)]
struct ClockFace {
    /// RFC 3339, in UTC.
    now: String,
    speed: f64,
    frozen: bool,
}

/// Each member that is present is applied, in this order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    speed: Option<f64>,
    freeze: Option<bool>,
    /// RFC 3339.
    set: Option<String>,
    step_seconds: Option<f64>,
}

async fn show_clock(State(clock): State<Clock>) -> Json<ClockFace> {
    Json(ClockFace {
        now: clock.now().to_string(),
        speed: clock.speed(),
        frozen: clock.is_frozen(),
    })
}

async fn change_clock(State(clock): State<Clock>, Json(change): Json<ClockChange>) -> Result<Json<ClockFace>, Refused> {
    let step = change
        .step_seconds
        .map(SignedDuration::try_from_secs_f64)
        .transpose()
        .map_err(|error| Refused::bad(format!("step_seconds: {error}")))?;
    let set = change
        .set
        .map(|time| time.parse::<Timestamp>())
        .transpose()
        .map_err(|error| Refused::bad(format!("set: {error}")))?;
    if let Some(speed) = change.speed {
        if speed <= 0.0 {
            return Err(Refused::bad("speed must be positive"));
        }
        clock.set_speed(speed);
    }
    if let Some(frozen) = change.freeze {
        clock.freeze(frozen);
    }
    if let Some(to) = set {
        clock.set(to);
    }
    if let Some(by) = step {
        if by.is_negative() {
            return Err(Refused::bad("step_seconds must not be negative; use set"));
        }
        clock.step(by);
    }
    Ok(show_clock(State(clock)).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_healthy_only_once_its_seed_is_in() {
        let seeded = Seeded::default();
        assert_eq!(health(seeded.clone()).await.0, StatusCode::SERVICE_UNAVAILABLE);
        seeded.done();
        assert_eq!(health(seeded).await.0, StatusCode::OK);
    }
}
