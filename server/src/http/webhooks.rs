//! Webhooks from GitHub: believed by their signature, taken once, answered at once (R29).
//!
//! Payloads are read leniently: GitHub adds members at will, and its own examples break its own schemas. What lacks a
//! member we need is acknowledged and left alone.

use super::{HttpState, problem::Problem};
use crate::service::{Delivery, Hook, Push, WorkflowRun};
use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Response},
};
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sha2::Sha256;
use tidegate_domain::{
    name::{CommitSha, PersonRef},
    release::Commit,
};

pub(crate) async fn receive(State(state): State<HttpState>, headers: HeaderMap, body: Bytes) -> Response {
    let secret = state.config.webhook_secret.expose_secret().as_bytes();
    if !is_genuine(secret, header(&headers, "x-hub-signature-256"), &body) {
        tracing::warn!("a webhook without a valid signature was refused");
        return Problem::new(StatusCode::UNAUTHORIZED, "the signature is missing or wrong").into_response();
    }
    let Ok(payload) = serde_json::from_slice::<Value>(&body) else {
        return Problem::new(
            StatusCode::BAD_REQUEST,
            "the payload is no JSON: set the content type to application/json",
        )
        .into_response();
    };
    let Some(id) = header(&headers, "x-github-delivery").filter(|id| !id.is_empty()) else {
        return Problem::new(
            StatusCode::BAD_REQUEST,
            "the header X-GitHub-Delivery is missing: without it a delivery cannot be told from the one before",
        )
        .into_response();
    };
    let event = header(&headers, "x-github-event").unwrap_or_default();
    let delivery = Delivery {
        id,
        event,
        repository: text(&payload, "/repository/full_name"),
        body: &body,
    };
    match state.services.webhook_received(&delivery, &hook(event, &payload)).await {
        Ok(true) => (StatusCode::ACCEPTED, "taken\n").into_response(),
        Ok(false) => (StatusCode::OK, "seen before\n").into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `sha256=` and the HMAC of the body in hexadecimal, compared in constant time.
fn is_genuine(secret: &[u8], signature: Option<&str>, body: &[u8]) -> bool {
    let Some(given) = signature
        .and_then(|signature| signature.strip_prefix("sha256="))
        .and_then(|digits| hex::decode(digits).ok())
    else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return false;
    };
    mac.update(body);
    !secret.is_empty() && mac.verify_slice(&given).is_ok()
}

/// What an event tells. A ping says only that the address is right.
fn hook(event: &str, payload: &Value) -> Hook {
    let told = match event {
        "push" => push(payload).map(Hook::Push),
        "workflow_run" => workflow_run(payload).map(Hook::WorkflowRun),
        _ => None,
    };
    told.unwrap_or(Hook::Other)
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn person(value: &Value) -> Option<PersonRef> {
    Some(PersonRef::new(
        value.get("id")?.as_i64()?,
        value.get("login")?.as_str()?,
    ))
}

/// A push to a branch or tag; `None` for the deletion of one.
fn push(payload: &Value) -> Option<Push> {
    let head = CommitSha::new(text(payload, "/after")?).ok()?;
    if head.as_str().bytes().all(|digit| digit == b'0') {
        return None;
    }
    let commits = payload.get("commits").and_then(Value::as_array);
    Some(Push {
        repository: text(payload, "/repository/full_name")?.to_owned(),
        git_ref: text(payload, "/ref")?.to_owned(),
        head,
        pusher: payload.get("sender").and_then(person),
        commits: commits.into_iter().flatten().filter_map(commit).collect(),
    })
}

/// A push names authors without their numeric id: 0 until GitHub's comparison says more.
fn commit(value: &Value) -> Option<Commit> {
    let author = text(value, "/author/username")
        .or_else(|| text(value, "/author/name"))
        .unwrap_or("unknown");
    let title = text(value, "/message")
        .and_then(|message| message.lines().next())
        .unwrap_or_default();
    Some(Commit {
        sha: CommitSha::new(text(value, "/id")?).ok()?,
        title: title.to_owned(),
        author: PersonRef::new(0, author),
        at: text(value, "/timestamp").and_then(|at| at.parse().ok()),
        url: text(value, "/url")
            .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
            .map(str::to_owned),
    })
}

fn workflow_run(payload: &Value) -> Option<WorkflowRun> {
    let run = payload.get("workflow_run")?;
    Some(WorkflowRun {
        repository: text(payload, "/repository/full_name")?.to_owned(),
        head: CommitSha::new(text(run, "/head_sha")?).ok()?,
        run_id: run.get("id")?.as_i64()?,
        url: text(run, "/html_url")
            .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
            .map(str::to_owned),
        // Whoever pressed "re-run" set it off this time.
        actor: ["triggering_actor", "actor"]
            .iter()
            .find_map(|member| run.get(member).and_then(person)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn r29_only_the_hmac_of_this_body_is_a_signature() {
        // GitHub's documented example: "Validating webhook deliveries", testing the webhook payload validation.
        let (secret, body) = (b"It's a Secret to Everybody", b"Hello, World!");
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(is_genuine(secret, Some(good), body));
        assert!(!is_genuine(secret, Some(good), b"Hello, World?"));
        assert!(!is_genuine(b"other", Some(good), body));
        assert!(!is_genuine(b"", Some(good), body));
        for bad in ["", "sha256=", "sha1=757107", &good[7..], &good[..69]] {
            assert!(!is_genuine(secret, Some(bad), body), "{bad:?}");
        }
        assert!(!is_genuine(secret, None, body));
    }

    #[test]
    fn a_push_that_deletes_a_branch_or_lacks_members_is_left_alone() {
        assert!(push(&json!({})).is_none());
        let deleted =
            json!({ "ref": "refs/heads/x", "after": "0".repeat(40), "repository": { "full_name": "acme/rag" } });
        assert!(push(&deleted).is_none());
        let bare = json!({ "ref": "refs/heads/x", "after": "a".repeat(40), "repository": { "full_name": "acme/rag" }, "commits": [7] });
        let push = push(&bare).unwrap();
        assert_eq!((push.commits.len(), push.pusher.is_none()), (0, true));
    }
}
