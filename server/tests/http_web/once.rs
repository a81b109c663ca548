//! A request under an `Idempotency-Key` is done once, whatever becomes of its answer.

use crate::{
    given::{id_of, prepared},
    world::{Base, World},
};
use reqwest::Response;
use rstest::rstest;
use serde_json::{Value, json};

async fn cancel(world: &World, session: &str, page: &str) -> Response {
    let post = world
        .post(&format!("/api/v1{page}/cancel"))
        .header("cookie", session)
        .header("idempotency-key", "one")
        .json(&json!({ "reason": "wrong one" }));
    post.send().await.unwrap()
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_done_before_its_answer_was_kept_is_not_done_again(#[case] base: Base) {
    let world = World::on(base).await;
    let ada = world.sign_in("ada-acme").await;
    let page = world.deployment(&ada).await;
    let first = cancel(&world, &ada, &page).await;
    assert_eq!(first.status(), 200);
    // As if the process had ended before it kept the answer.
    world
        .scratch
        .tamper("UPDATE idempotency SET status = NULL, body = NULL")
        .await
        .unwrap();
    let events = world.events().await;
    let again = cancel(&world, &ada, &page).await;
    assert_eq!(
        (
            again.status().as_u16(),
            again.headers().contains_key("idempotent-replayed")
        ),
        (200, true)
    );
    let again: Value = again.json().await.unwrap();
    assert_eq!(
        (&again["id"], &again["state"]),
        (&json!(id_of(&page)), &json!("cancelled")),
        "no conflict with itself"
    );
    assert_eq!(world.events().await, events, "nothing was done");
}

#[tokio::test]
async fn what_was_done_and_cannot_be_shown_is_not_said_to_have_failed() {
    let world = World::new().await;
    let ada = world.sign_in("ada-acme").await;
    let page = world.deployment(&ada).await;
    prepared(&world, id_of(&page)).await;
    // The deployment can be read and saved, but not what else its page shows.
    world
        .scratch
        .tamper("ALTER TABLE gates RENAME TO hidden")
        .await
        .unwrap();
    let first = cancel(&world, &ada, &page).await;
    assert_eq!(first.status(), 503);
    let said: Value = first.json().await.unwrap();
    assert!(said["detail"].as_str().unwrap().starts_with("it was done"), "{said}");
    world
        .scratch
        .tamper("ALTER TABLE hidden RENAME TO gates")
        .await
        .unwrap();
    let events = world.events().await;
    let again = cancel(&world, &ada, &page).await;
    assert_eq!(again.status(), 200);
    assert_eq!(again.json::<Value>().await.unwrap()["state"], "cancelled");
    assert_eq!(world.events().await, events);
}
