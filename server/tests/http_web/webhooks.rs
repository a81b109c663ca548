//! Webhooks (R29).

use crate::world::{Base, WEBHOOK_SECRET, World};
use hmac::{Hmac, Mac as _};
use reqwest::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};
use sha2::Sha256;

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

async fn read(world: &World, release: &str) -> Value {
    let token = world.ci().await;
    let path = format!("/api/v1/releases/{release}");
    world
        .get(&path)
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r29_a_delivery_whose_effect_fails_leaves_no_trace_and_is_taken_when_it_comes_again(#[case] base: Base) {
    let world = World::on(base).await;
    let release = world.release().await;
    let (breaks, mends) = match base {
        Base::Sqlite => (
            "CREATE TRIGGER broken BEFORE INSERT ON audit WHEN NEW.kind = 'release.enriched' \
             BEGIN SELECT RAISE(ABORT, 'broken'); END",
            "DROP TRIGGER broken",
        ),
        Base::Postgres => (
            "ALTER TABLE audit ADD CONSTRAINT broken CHECK (kind <> 'release.enriched') NOT VALID",
            "ALTER TABLE audit DROP CONSTRAINT broken",
        ),
    };
    let before = world.events().await;
    world.scratch.tamper(breaks).await.unwrap();
    let delivery = send(&world, json!({ "pusher": "ben-acme" })).await;
    assert_eq!(delivery["status"], 503, "{delivery}");
    assert_eq!(world.events().await, before, "not even that it came");
    world.scratch.tamper(mends).await.unwrap();
    let path = format!("/webhooks/{}/redeliver", delivery["delivery"].as_str().unwrap());
    let again = world.control(&path, Value::Null).await;
    assert_eq!(again["status"], 202, "{again}");
    assert_eq!(read(&world, &release).await["pusher"]["login"], "ben-acme");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_release_knows_its_run_and_its_push_even_when_github_was_faster_than_ci(#[case] base: Base) {
    let world = World::on(base).await;
    for event in ["push", "workflow_run"] {
        let delivery = send(&world, json!({ "event": event, "pusher": "ben-acme", "run_id": 8801 })).await;
        assert_eq!(delivery["status"], 202, "{delivery}");
    }
    let release = world.release().await;
    let seen = read(&world, &release).await;
    assert_eq!(
        (&seen["run_id"], &seen["actor"]["login"]),
        (&json!(8801), &json!("ada-acme")),
        "{seen}"
    );
    assert!(seen["run_url"].as_str().unwrap().ends_with("/8801"), "{seen}");
    assert_eq!(seen["pusher"]["login"], "ben-acme");
}

#[tokio::test]
async fn r29_a_delivery_without_an_id_is_refused_and_swallows_no_other() {
    let world = World::new().await;
    let body = br#"{"zen":"Keep it logically awesome."}"#;
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
    mac.update(body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    for id in [None, Some("")] {
        let post = world
            .post("/webhooks/github")
            .header("x-hub-signature-256", &signature)
            .header("x-github-event", "ping")
            .body(body.to_vec());
        let post = match id {
            Some(id) => post.header("x-github-delivery", id),
            None => post,
        };
        assert_eq!(post.send().await.unwrap().status(), StatusCode::BAD_REQUEST, "{id:?}");
    }
    assert_eq!(world.events().await.len(), 0);
    let taken = send(&world, json!({ "event": "ping" })).await;
    assert_eq!(taken["status"], 202, "{taken}");
}
