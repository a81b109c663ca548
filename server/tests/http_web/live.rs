//! The live stream (U3).

use crate::world::{Base, World};
use reqwest::{Response, StatusCode};
use rstest::rstest;
use std::time::Duration;

/// Reads on until `wanted` came; everything that came so far.
async fn until(stream: &mut Response, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let chunk = tokio::time::timeout(Duration::from_secs(5), stream.chunk()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("{wanted} did not come, only {text}"));
        text.push_str(&String::from_utf8_lossy(&chunk.unwrap().unwrap()));
    }
    text
}

async fn has_ended(mut stream: Response) -> bool {
    let rest = async {
        loop {
            if let Ok(None) | Err(_) = stream.chunk().await {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), rest).await.is_ok()
}

#[tokio::test]
async fn u03_a_change_is_told_to_whoever_watches() {
    let world = World::new().await;
    assert_eq!(
        world.get("/events").send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    let session = world.sign_in("ada-acme").await;
    let mut stream = world
        .get("/events")
        .header("cookie", &session)
        .header("last-event-id", "whatever")
        .send()
        .await
        .unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    until(&mut stream, "event: hello").await;
    let page = world.deployment(&session).await;
    let id = page.trim_start_matches("/deployments/").to_owned();
    let text = until(&mut stream, &format!("data: {id} 1")).await;
    assert!(text.contains("event: deployment"), "{text}");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn u03_a_reported_release_its_gates_and_the_log_are_told_too(#[case] base: Base) {
    let world = World::on(base).await;
    let session = world.sign_in("ada-acme").await;
    let mut stream = world.get("/events").header("cookie", &session).send().await.unwrap();
    until(&mut stream, "event: hello").await;
    let release = world.release().await;
    let text = until(&mut stream, "event: audit").await;
    assert!(text.contains(&format!("event: release\ndata: {release}\n")), "{text}");
    let head = world.db.audit_head().await.unwrap();
    let text = if text.contains(&format!("data: {head}\n")) {
        text
    } else {
        until(&mut stream, &format!("data: {head}\n")).await
    };
    assert!(text.contains("event: audit"), "{text}");
    let gates = serde_json::json!({ "gates": [{ "gate": "unit-tests", "verdict": "pass" }] });
    let report = world
        .post(&format!("/api/v1/releases/{release}/gates"))
        .bearer_auth(world.ci().await);
    assert_eq!(report.json(&gates).send().await.unwrap().status(), StatusCode::OK);
    until(&mut stream, &format!("event: release\ndata: {release}\n")).await;
}

#[tokio::test]
async fn r25_the_stream_ends_with_the_session_and_with_the_server() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    let ben = world.sign_in("ben-acme").await;
    let open = async |session: &str| {
        let mut stream = world.get("/events").header("cookie", session).send().await.unwrap();
        until(&mut stream, "event: hello").await;
        stream
    };
    let (one, other) = (open(&session).await, open(&ben).await);
    world
        .post("/auth/sign-out")
        .header("cookie", &session)
        .send()
        .await
        .unwrap();
    let mut one = one;
    until(&mut one, "event: signed-out").await;
    assert!(has_ended(one).await);
    world.finish().await;
    assert!(has_ended(other).await);
}
