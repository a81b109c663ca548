//! Slack's Web API: `chat.postMessage`, with its refusals, which come with status 200.
//!
//! Source: Slack, "chat.postMessage" and "Block Kit reference": limits and error codes.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::Messages;

/// The one token that is valid, and the channels that its bot is in.
#[derive(Debug)]
pub(super) struct Workspace {
    token: &'static str,
    channels: BTreeSet<&'static str>,
    posted: AtomicU64,
}

impl Default for Workspace {
    fn default() -> Self {
        Self {
            token: "xoxb-sandbox-token",
            channels: BTreeSet::from(["#deploys", "#staging", "#incidents"]),
            posted: AtomicU64::new(0),
        }
    }
}

/// Marks an answer of status 200 that refuses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused;

fn refuse(error: &str) -> Response {
    let mut answer = Json(json!({ "ok": false, "error": error })).into_response();
    answer.extensions_mut().insert(Refused);
    answer
}

pub(super) fn limited(seconds: u64) -> Response {
    (
        StatusCode::TOO_MANY_REQUESTS,
        [(header::RETRY_AFTER, seconds.to_string())],
        Json(json!({ "ok": false, "error": "ratelimited" })),
    )
        .into_response()
}

pub(super) async fn call(
    State(messages): State<Messages>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if method != "chat.postMessage" {
        return refuse("unknown_method");
    }
    let workspace = &messages.shared.slack;
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match token.and_then(|value| value.strip_prefix("Bearer ")) {
        None => return refuse("not_authed"),
        Some(token) if token != workspace.token => return refuse("invalid_auth"),
        Some(_) => {}
    }
    let json_sent = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    if !json_sent {
        return refuse("invalid_post_type");
    }
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return refuse("invalid_json");
    };
    let Some(channel) = message["channel"].as_str() else {
        return refuse("invalid_arguments");
    };
    if !workspace.channels.contains(channel) {
        return refuse("channel_not_found");
    }
    let text = message["text"].as_str().unwrap_or_default();
    let blocks = message["blocks"].as_array();
    if text.is_empty() && blocks.is_none_or(Vec::is_empty) {
        return refuse("no_text");
    }
    if text.chars().count() > 40_000 {
        return refuse("msg_too_long");
    }
    if !blocks.is_none_or(|blocks| valid(blocks)) {
        return refuse("invalid_blocks");
    }
    let number = workspace.posted.fetch_add(1, Ordering::Relaxed) + 1;
    let ts = format!("{}.{number:06}", messages.shared.wall.now().as_second());
    Json(json!({
        "ok": true, "channel": "C0SANDBOX1", "ts": ts,
        "message": { "type": "message", "bot_id": "B0SANDBOX1", "text": text, "ts": ts, "blocks": message["blocks"] },
    }))
    .into_response()
}

/// The limits of the blocks that there are.
fn valid(blocks: &[Value]) -> bool {
    blocks.len() <= 50
        && blocks.iter().all(|block| match block["type"].as_str() {
            Some("header") => block["text"]["type"] == "plain_text" && within(&block["text"], 150),
            Some("section") => {
                let fields = block["fields"].as_array();
                let texts = fields.is_none_or(|fields| {
                    !fields.is_empty() && fields.len() <= 10 && fields.iter().all(|field| worded(field, 2_000))
                });
                texts && (block["text"].is_null() && fields.is_some() || worded(&block["text"], 3_000))
            }
            Some("context") => block["elements"].as_array().is_some_and(|elements| {
                !elements.is_empty() && elements.len() <= 10 && elements.iter().all(|element| worded(element, 3_000))
            }),
            Some("actions") => block["elements"].as_array().is_some_and(|elements| {
                (1..=25).contains(&elements.len())
                    && elements.iter().all(|element| {
                        element["type"] == "button"
                            && element["text"]["type"] == "plain_text"
                            && within(&element["text"], 75)
                            && element["url"].as_str().is_some_and(|url| url.len() <= 3_000)
                    })
            }),
            Some("divider") => true,
            _ => false,
        })
}

fn worded(text: &Value, most: usize) -> bool {
    (text["type"] == "mrkdwn" || text["type"] == "plain_text") && within(text, most)
}

fn within(text: &Value, most: usize) -> bool {
    text["text"]
        .as_str()
        .is_some_and(|text| (1..=most).contains(&text.chars().count()))
}
