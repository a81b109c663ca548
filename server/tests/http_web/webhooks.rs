//! Webhooks (R29).

use crate::world::{WEBHOOK_SECRET, World};
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn send(world: &World, changes: Value) -> Value {
    let mut spec = json!({
        "url": format!("{}/webhooks/github", world.base),
        "secret": WEBHOOK_SECRET,
        "event": "push",
        "repository": "acme/rag",
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        spec[name] = value.clone();
    }
    world.control("/webhooks", spec).await
}

#[tokio::test]
async fn r29_a_push_and_a_run_complete_the_release_of_their_commit() {
    let world = World::new().await;
    let release = world.release().await;
    for event in ["ping", "push", "workflow_run"] {
        let delivery = send(&world, json!({ "event": event, "pusher": "ben-acme" })).await;
        assert_eq!(delivery["status"], 202, "{delivery}");
        assert!(delivery["duration_ms"].as_u64().unwrap() < 2_000);
    }
    let token = world.ci().await;
    let seen: Value = world
        .get(&format!("/api/v1/releases/{release}"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(seen["commits"][0]["title"], "Ask twice", "{seen}");
    let events = world.events().await;
    assert_eq!(events.iter().filter(|kind| *kind == "webhook.received").count(), 3);
    assert!(events.contains(&"release.enriched".to_owned()), "{events:?}");
}

#[tokio::test]
async fn r29_without_a_valid_signature_nothing_is_taken() {
    let world = World::new().await;
    for signature in ["wrong", "missing"] {
        let delivery = send(&world, json!({ "signature": signature })).await;
        assert_eq!(delivery["status"], 401, "{signature}");
    }
    let plain = world.post("/webhooks/github").body("{}").send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.events().await.len(), 0);
}

#[tokio::test]
async fn r29_a_delivery_that_comes_again_has_no_second_effect() {
    let world = World::new().await;
    world.release().await;
    let first = send(&world, json!({})).await;
    assert_eq!(first["status"], 202);
    let events = world.events().await;
    let path = format!("/webhooks/{}/redeliver", first["delivery"].as_str().unwrap());
    let again = world.control(&path, Value::Null).await;
    assert_eq!(again["status"], 200, "{again}");
    // The same body under another id, as a replay would have it.
    let replayed = send(&world, json!({ "payload": first["payload"] })).await;
    assert_eq!(replayed["status"], 200, "{replayed}");
    assert_eq!(world.events().await, events);
}

#[tokio::test]
async fn payloads_that_lack_what_we_need_are_acknowledged_and_left_alone() {
    let world = World::new().await;
    for (event, payload) in [
        ("push", json!({})),
        ("push", json!({ "after": 7, "repository": [] })),
        ("workflow_run", json!({ "workflow_run": { "id": "x" } })),
        ("star", json!({ "action": "created" })),
    ] {
        let delivery = send(&world, json!({ "event": event, "payload": payload })).await;
        assert_eq!(delivery["status"], 202, "{event} {payload}");
    }
}
