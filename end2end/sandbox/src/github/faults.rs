//! What can be made to go wrong: outages, limits and slowness, for all of GitHub or a part.

use std::time::Duration;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{GitHub, lock};

/// The faults in force. The default is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Faults {
    /// `/api/v3` answers 503.
    pub(crate) api_down: bool,
    /// The sign-in pages and the token exchange answer 503.
    pub(crate) web_down: bool,
    /// The Actions issuer answers 503.
    pub(crate) oidc_down: bool,
    /// `/api/v3` does as it was asked, and then answers 502.
    pub(crate) api_loses_answers: bool,
    /// `/api/v3` answers 403 with `Retry-After: 60`.
    pub(crate) secondary_rate_limit: bool,
    /// `/api/v3` answers 403 because the hour's calls are used up.
    pub(crate) primary_rate_limit: bool,
    /// Every answer is held back this long, in real milliseconds.
    pub(crate) slow_ms: u64,
    /// Only paths that start with this are affected.
    pub(crate) path_prefix: Option<String>,
    /// How many requests are affected before the faults clear themselves.
    pub(crate) times: Option<u32>,
}

impl Faults {
    /// Whether a request for this path is answered otherwise, or later, than it would be.
    fn affect(&self, path: &str) -> bool {
        let here = match Part::of(path) {
            Part::Api => {
                self.api_down || self.api_loses_answers || self.secondary_rate_limit || self.primary_rate_limit
            }
            Part::Oidc => self.oidc_down,
            Part::Web => self.web_down,
        };
        let meant = self
            .path_prefix
            .as_deref()
            .is_none_or(|prefix| path.starts_with(prefix));
        meant && (here || self.slow_ms > 0)
    }

    /// The faults that befall a request for this path. One that they affect uses up one of `times`.
    fn take(&mut self, path: &str) -> Self {
        if self.times == Some(0) {
            *self = Self::default();
        }
        if !self.affect(path) {
            return Self::default();
        }
        let now = self.clone();
        match self.times {
            Some(1) => *self = Self::default(),
            Some(times) => self.times = Some(times - 1),
            None => {}
        }
        now
    }
}

/// The parts that go down on their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Api,
    Oidc,
    Web,
}

impl Part {
    fn of(path: &str) -> Self {
        if path.starts_with("/api/v3") {
            Self::Api
        } else if path.starts_with("/oidc") {
            Self::Oidc
        } else {
            Self::Web
        }
    }
}

/// Answers for the services that are down, late or tired.
pub(crate) async fn apply(State(github): State<GitHub>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let faults = lock(&github.shared.faults).take(&path);
    if faults.slow_ms > 0 {
        tokio::time::sleep(Duration::from_millis(faults.slow_ms)).await;
    }
    let part = Part::of(&path);
    let api = part == Part::Api;
    if (api && faults.api_down) || (part == Part::Oidc && faults.oidc_down) {
        return unavailable_json();
    }
    if part == Part::Web && faults.web_down {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [("content-type", "text/html; charset=utf-8")],
            "<!doctype html><html lang=en><title>Unicorn!</title><h1>No server is currently available to service your request.</h1></html>",
        )
            .into_response();
    }
    if api && faults.secondary_rate_limit {
        return (
            StatusCode::FORBIDDEN,
            [("retry-after", "60")],
            Json(json!({
                "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
                "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            })),
        )
            .into_response();
    }
    if api && faults.primary_rate_limit {
        let reset = github.now().as_second() + 3600;
        return (
            StatusCode::FORBIDDEN,
            [
                ("x-ratelimit-limit", "5000".to_owned()),
                ("x-ratelimit-remaining", "0".to_owned()),
                ("x-ratelimit-used", "5000".to_owned()),
                ("x-ratelimit-reset", reset.to_string()),
                ("x-ratelimit-resource", "core".to_owned()),
            ],
            Json(json!({
                "message": "API rate limit exceeded for user.",
                "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api",
                "status": "403",
            })),
        )
            .into_response();
    }
    let answer = next.run(request).await;
    if api && faults.api_loses_answers {
        return (StatusCode::BAD_GATEWAY, Json(json!({ "message": "Server Error" }))).into_response();
    }
    answer
}

fn unavailable_json() -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        Json(json!({
            "message": "No server is currently available to service your request. Sorry about that. Please try resubmitting your request.",
        })),
    )
        .into_response()
}
