//! What was asked of this GitHub and what it answered, for tests to look at and for checks against
//! the published API description.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io::Write as _,
    path::Path,
    sync::Mutex,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{GitHub, lock};

/// Calls kept in memory; older ones are forgotten.
const KEPT: usize = 5000;
/// GitHub refuses bodies far smaller than this.
const BODY_LIMIT: usize = 10 << 20;
const SHOWN_HEADERS: [&str; 8] = [
    "accept",
    "authorization",
    "content-type",
    "etag",
    "if-none-match",
    "link",
    "user-agent",
    "x-github-api-version",
];

/// One request and its answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    /// Counts from 1 and is never reused.
    pub(crate) number: u64,
    /// RFC 3339, real time.
    pub(crate) at: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) request_body: Value,
    pub(crate) status: u16,
    pub(crate) response_headers: BTreeMap<String, String>,
    pub(crate) response_body: Value,
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    last: u64,
    calls: VecDeque<Call>,
    file: Option<File>,
}

impl Pages {
    /// One write for a line, so that lines of several writers do not mix.
    fn record(&mut self, line: &Value) {
        if let Some(file) = self.file.as_mut()
            && let Err(error) = file.write_all(format!("{line}\n").as_bytes())
        {
            tracing::warn!(%error, "a call was not recorded");
        }
    }
}

impl Journal {
    /// Records a webhook that was sent, if anything is recorded.
    pub(crate) fn record_webhook(&self, event: &str, payload: &Value) {
        lock(&self.pages).record(&json!({
            "protocol": "github",
            "webhook": event,
            "request_body": payload,
        }));
    }

    pub(crate) fn record_to(&self, path: &Path) -> std::io::Result<()> {
        let file = File::options().create(true).append(true).open(path)?;
        lock(&self.pages).file = Some(file);
        Ok(())
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.pages).calls.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        lock(&self.pages).calls.clear();
    }

    fn add(&self, mut call: Call) {
        let mut pages = lock(&self.pages);
        pages.last += 1;
        call.number = pages.last;
        if call.path.starts_with("/api/v3") {
            pages.record(&json!({
                "protocol": "github",
                "method": call.method,
                "path": call.path,
                "query": call.query,
                "headers": call.headers,
                "request_body": call.request_body,
                "status": call.status,
                "response_headers": call.response_headers,
                "response_body": call.response_body,
            }));
        }
        if pages.calls.len() == KEPT {
            pages.calls.pop_front();
        }
        pages.calls.push_back(call);
    }
}

/// Notes each request together with its answer.
pub(crate) async fn note(State(github): State<GitHub>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut call = Call {
        number: 0,
        at: github.now().to_string(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: shown(&parts.headers),
        request_body: readable(&body),
        status: 0,
        response_headers: BTreeMap::new(),
        response_body: Value::Null,
    };
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = answer.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    call.status = parts.status.as_u16();
    call.response_headers = shown(&parts.headers);
    call.response_body = readable(&body);
    github.shared.journal.add(call);
    Response::from_parts(parts, Body::from(body))
}

fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    SHOWN_HEADERS
        .iter()
        .filter_map(|name| {
            let value = headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.to_owned()))
        })
        .collect()
}

/// JSON as JSON, other text as a string, nothing as null.
fn readable(body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}
