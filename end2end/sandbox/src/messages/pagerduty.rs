//! PagerDuty's Events API v2: alerts and change events.
//!
//! Source: PagerDuty, "Send an Event to PagerDuty": required members, severities, limits and answers.

use axum::{
    Json,
    body::Bytes,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// The integration key that is valid: 32 characters.
const ROUTING_KEY: &str = "5a4d3b0c5a4d3b0c5a4d3b0c5a4d3b0c";

pub(super) fn throttled() -> Response {
    (
        StatusCode::TOO_MANY_REQUESTS,
        Json(json!({
            "status": "throttle exceeded",
            "message": "Requests for this service are arriving too quickly. Please retry later.",
        })),
    )
        .into_response()
}

fn invalid(errors: &[&str]) -> Response {
    (
        StatusCode::BAD_REQUEST,
        Json(json!({ "status": "invalid event", "message": "Event object is invalid", "errors": errors })),
    )
        .into_response()
}

pub(super) async fn enqueue(body: Bytes) -> Response {
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        return invalid(&["Invalid JSON"]);
    };
    let mut errors = key(&event);
    let action = event["event_action"].as_str().unwrap_or_default();
    match action {
        "trigger" => {
            let payload = &event["payload"];
            if payload["summary"]
                .as_str()
                .is_none_or(|text| text.is_empty() || text.len() > 1_024)
            {
                errors.push("'payload.summary' is missing, blank or too long");
            }
            if payload["source"].as_str().is_none_or(str::is_empty) {
                errors.push("'payload.source' is missing or blank");
            }
            if !["critical", "warning", "error", "info"].contains(&payload["severity"].as_str().unwrap_or_default()) {
                errors.push("'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')");
            }
        }
        "acknowledge" | "resolve" => {
            if event["dedup_key"].as_str().is_none_or(str::is_empty) {
                errors.push("'dedup_key' is missing or blank");
            }
        }
        _ => errors.push("'event_action' is invalid"),
    }
    if event["dedup_key"].as_str().is_some_and(|key| key.len() > 255) {
        errors.push("Length of 'dedup_key' is too long (max length is 255)");
    }
    errors.extend(links(&event));
    if !errors.is_empty() {
        return invalid(&errors);
    }
    (
        StatusCode::ACCEPTED,
        Json(json!({ "status": "success", "message": "Event processed", "dedup_key": event["dedup_key"] })),
    )
        .into_response()
}

pub(super) async fn change(body: Bytes) -> Response {
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        return invalid(&["Invalid JSON"]);
    };
    let mut errors = key(&event);
    if event["payload"]["summary"].as_str().is_none_or(str::is_empty) {
        errors.push("'payload.summary' is missing or blank");
    }
    errors.extend(links(&event));
    if !errors.is_empty() {
        return invalid(&errors);
    }
    (
        StatusCode::ACCEPTED,
        Json(json!({ "status": "success", "message": "Change event processed" })),
    )
        .into_response()
}

fn key(event: &Value) -> Vec<&'static str> {
    match event["routing_key"].as_str() {
        Some(ROUTING_KEY) => Vec::new(),
        _ => vec!["Invalid routing key"],
    }
}

fn links(event: &Value) -> Option<&'static str> {
    let links = event["links"].as_array()?;
    let bad = links
        .iter()
        .any(|link| link["href"].as_str().is_none_or(|href| !href.starts_with("http")));
    bad.then_some("'links' must have an 'href' each")
}
