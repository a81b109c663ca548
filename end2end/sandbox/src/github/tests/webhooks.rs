use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{super::webhooks::signature, World};

type Inbox = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver that keeps what it gets.
async fn receiver() -> (String, Inbox) {
    let inbox = Inbox::default();
    let router = Router::new()
        .route(
            "/hook",
            post(
                |State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes| async move {
                    inbox.lock().unwrap().push((headers, body));
                    StatusCode::ACCEPTED
                },
            ),
        )
        .with_state(inbox.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, inbox)
}

#[test]
fn the_signature_is_the_one_in_githubs_own_documentation() {
    // docs.github.com, "Validating webhook deliveries", testing the webhook payload validation
    assert_eq!(
        signature("It's a Secret to Everybody", b"Hello, World!").unwrap(),
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    );
}

#[tokio::test]
async fn r29_a_push_is_signed_and_names_its_commits() {
    let world = World::new().await;
    let (url, inbox) = receiver().await;
    let spec = json!({
        "url": url,
        "secret": "hush",
        "event": "push",
        "repository": "acme/rag",
        "before": world.get("/repos/acme/rag/commits").await[2]["sha"],
        "pusher": "ada-acme",
    });
    let sent = world.control(Method::POST, "/webhooks", spec).await;
    assert_eq!(sent["status"], 202);
    let (headers, body) = inbox.lock().unwrap()[0].clone();
    let expected = signature("hush", &body).unwrap();
    assert_eq!(headers["x-hub-signature-256"], expected.as_str());
    assert_eq!(headers["x-github-event"], "push");
    let payload: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(payload["ref"], "refs/heads/main");
    assert_eq!(payload["repository"]["id"], 501);
    assert_eq!(payload["commits"].as_array().unwrap().len(), 2);
    assert_eq!(payload["commits"][0]["author"]["username"], "ben-acme");
    assert_eq!(payload["head_commit"]["message"], "Guess");
    assert_eq!(payload["sender"]["id"], 11);
}

#[tokio::test]
async fn r29_a_redelivery_repeats_the_delivery_id_and_the_body() {
    let world = World::new().await;
    let (url, inbox) = receiver().await;
    let spec = json!({ "url": url, "secret": "hush", "event": "workflow_run", "repository": "acme/rag" });
    let sent = world.control(Method::POST, "/webhooks", spec).await;
    let id = sent["delivery"].as_str().unwrap();
    let path = format!("/webhooks/{id}/redeliver");
    let again = world.control(Method::POST, &path, json!(null)).await;
    assert_eq!(again["redelivery"], true);
    let inbox = inbox.lock().unwrap();
    assert_eq!(inbox[0].1, inbox[1].1);
    assert_eq!(inbox[0].0["x-github-delivery"], inbox[1].0["x-github-delivery"]);
    let payload: Value = serde_json::from_slice(&inbox[0].1).unwrap();
    assert_eq!(payload["action"], "completed");
    assert_eq!(payload["workflow_run"]["id"], 8801);
}

#[tokio::test]
async fn r29_wrong_and_missing_signatures_can_be_sent() {
    let world = World::new().await;
    let (url, inbox) = receiver().await;
    for signature in ["wrong", "missing"] {
        let spec = json!({
            "url": url,
            "secret": "hush",
            "event": "ping",
            "repository": "acme/rag",
            "signature": signature,
        });
        world.control(Method::POST, "/webhooks", spec).await;
    }
    let inbox = inbox.lock().unwrap();
    let right = signature("hush", &inbox[0].1).unwrap();
    assert_ne!(inbox[0].0["x-hub-signature-256"], right.as_str());
    assert!(!inbox[1].0.contains_key("x-hub-signature-256"));
}
