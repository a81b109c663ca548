//! Slack, PagerDuty and a receiver of signed webhooks, on one port: what is sent there is judged as the real ones judge
//! it, and kept for whoever wants to see what people would have been told.
//!
//! Slack's Web API is below `/slack/api`, PagerDuty's Events API below `/pagerduty`, and `/hooks/{name}` takes anything.

mod control;
mod faults;
mod pagerduty;
mod slack;

#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::Write as _,
    path::Path as FilePath,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Path, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Clock, net::ResetSwitch};
use faults::{Befalls, Fault};

/// Messages kept; older ones are forgotten.
const KEPT: usize = 2_000;
const BODY_LIMIT: usize = 1 << 20;
const SHOWN_HEADERS: [&str; 6] = [
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "accept",
];

/// A request that came, and its answer.
#[derive(Debug, Clone, Serialize)]
struct Message {
    /// `slack`, `pagerduty` or `hooks`.
    service: String,
    path: String,
    /// Real time, RFC 3339.
    at: String,
    headers: serde_json::Map<String, Value>,
    /// As JSON where it is JSON.
    body: Value,
    /// Exactly as it came, for signatures.
    text: String,
    status: u16,
    /// Whether the one it was meant for would have seen it.
    arrived: bool,
}

/// What came. Clones share it.
#[derive(Debug, Clone)]
pub struct Messages {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    wall: Clock,
    kept: Mutex<Vec<Message>>,
    faults: Mutex<Vec<Fault>>,
    slack: slack::Workspace,
    record: Mutex<Option<File>>,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                wall: Clock::new(1.0),
                kept: Mutex::default(),
                faults: Mutex::default(),
                slack: slack::Workspace::default(),
                record: Mutex::default(),
            }),
        }
    }
}

impl Messages {
    pub fn router(&self) -> Router {
        Router::new()
            .route("/slack/api/{method}", post(slack::call))
            .route("/pagerduty/v2/enqueue", post(pagerduty::enqueue))
            .route("/pagerduty/v2/change/enqueue", post(pagerduty::change))
            .route("/hooks/{name}", post(hook))
            .layer(middleware::from_fn_with_state(self.clone(), note))
            .with_state(self.clone())
    }

    /// Appends every message to Slack to a file, one JSON object a line.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn record_to(&self, path: &FilePath) -> std::io::Result<()> {
        let file = File::options().create(true).append(true).open(path)?;
        *lock(&self.shared.record) = Some(file);
        Ok(())
    }

    /// One write for a line, so that lines of several writers do not mix.
    fn record(&self, message: &Message) {
        if message.service != "slack" {
            return;
        }
        let line = json!({ "protocol": "slack", "path": message.path, "request_body": message.body });
        if let Some(file) = lock(&self.shared.record).as_mut()
            && let Err(error) = file.write_all(format!("{line}\n").as_bytes())
        {
            tracing::warn!(%error, "a message was not recorded");
        }
    }

    /// The part of the control API at `/messages`.
    pub fn control_router(&self) -> Router {
        control::router().with_state(self.clone())
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Message>> {
        lock(&self.shared.kept)
    }

    fn faults(&self) -> MutexGuard<'_, Vec<Fault>> {
        lock(&self.shared.faults)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes whatever a webhook says.
async fn hook(Path(_name): Path<String>, _body: Bytes) -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Keeps what comes, and lets faults befall it.
async fn note(
    State(messages): State<Messages>,
    ConnectInfo(reset): ConnectInfo<ResetSwitch>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let path = parts.uri.path().to_owned();
    let service = path.split('/').nth(1).unwrap_or_default().to_owned();
    let text = String::from_utf8_lossy(&body).into_owned();
    let mut message = Message {
        at: messages.shared.wall.now().to_string(),
        headers: shown(&parts.headers),
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
        text,
        status: 0,
        arrived: false,
        path,
        service,
    };
    let befalls = faults::strike(&mut messages.faults(), &message.service);
    let request = Request::from_parts(parts, Body::from(body));
    let answer = match befalls {
        None => {
            let answer = next.run(request).await;
            message.arrived = accepted(&answer);
            answer
        }
        Some(Befalls::Late(by)) => {
            tokio::time::sleep(by).await;
            let answer = next.run(request).await;
            message.arrived = accepted(&answer);
            answer
        }
        Some(Befalls::Lost) => {
            message.arrived = accepted(&next.run(request).await);
            (StatusCode::BAD_GATEWAY, "bad gateway").into_response()
        }
        Some(Befalls::Reset) => {
            reset.arm();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Some(Befalls::Down) => (StatusCode::SERVICE_UNAVAILABLE, "upstream connect error").into_response(),
        Some(Befalls::Limited(seconds)) => match message.service.as_str() {
            "pagerduty" => pagerduty::throttled(),
            _ => slack::limited(seconds),
        },
    };
    message.status = answer.status().as_u16();
    messages.record(&message);
    let mut kept = messages.kept();
    if kept.len() == KEPT {
        kept.remove(0);
    }
    kept.push(message);
    answer
}

/// Whether a handler took it: Slack refuses with status 200, and says so in this extension.
fn accepted(answer: &Response) -> bool {
    answer.status().is_success() && answer.extensions().get::<slack::Refused>().is_none()
}

fn shown(headers: &HeaderMap) -> serde_json::Map<String, Value> {
    SHOWN_HEADERS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), headers.get(*name)?.to_str().ok()?.into())))
        .collect()
}
