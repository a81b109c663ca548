//! What people decide over the API, with their session.

use crate::{
    given::{deploying, id_of, prepared, succeeded},
    world::{Base, World, report},
};
use rstest::rstest;
use serde_json::{Value, json};
use tidegate_domain::StateName;

/// A program of someone's, with the session of their browser.
async fn post(world: &World, session: &str, path: &str, body: Value) -> (u16, Value) {
    let answer = world
        .post(path)
        .header("cookie", session)
        .json(&body)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn state(world: &World, page: &str) -> StateName {
    world
        .db
        .deployment(id_of(page))
        .await
        .unwrap()
        .unwrap()
        .value
        .state
        .name()
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn someone_approves_over_the_api_what_they_have_read_there(#[case] base: Base) {
    let world = World::on(base).await;
    let (ada, ben) = (world.sign_in("ada-acme").await, world.sign_in("ben-acme").await);
    let page = world.deployment(&ada).await;
    prepared(&world, id_of(&page)).await;
    let path = format!("/api/v1{page}");
    let read = world.get(&path).header("cookie", &ben).send().await.unwrap();
    let read: Value = read.json().await.unwrap();
    assert_eq!(
        (&read["state"], &read["allowed"]["approve"]),
        (&json!("awaiting_approval"), &json!(true))
    );
    let given = json!({ "revision": read["revision"], "comment": "read it" });
    let (status, approved) = post(&world, &ben, &format!("{path}/approve"), given).await;
    assert_eq!(status, 200, "{approved}");
    assert_eq!(approved["approvals"][0]["person"]["login"], "ben-acme");
    assert_eq!(approved["approvals"][0]["comment"], "read it");
    assert_eq!(state(&world, &page).await, StateName::Queued);
    let events = world.events().await;
    assert!(events.contains(&"approval.given".to_owned()), "{events:?}");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn someone_rejects_and_cancels_over_the_api(#[case] base: Base) {
    let world = World::on(base).await;
    let (ada, ben) = (world.sign_in("ada-acme").await, world.sign_in("ben-acme").await);
    let page = world.deployment(&ada).await;
    prepared(&world, id_of(&page)).await;
    let reason = json!({ "reason": "not before the holiday" });
    let (status, rejected) = post(&world, &ben, &format!("/api/v1{page}/reject"), reason).await;
    assert_eq!((status, &rejected["state"]), (200, &json!("rejected")), "{rejected}");
    assert_eq!(rejected["note"], "ben-acme: not before the holiday");
    assert_eq!(state(&world, &page).await, StateName::Rejected);

    let release = world.db.deployment(id_of(&page)).await.unwrap().unwrap().value.release;
    let wanted = json!({ "release": release, "environment": "production" });
    let (status, other) = post(&world, &ada, "/api/v1/deployments", wanted).await;
    assert_eq!(status, 201, "{other}");
    let path = format!("/api/v1/deployments/{}/cancel", other["id"].as_str().unwrap());
    let (status, cancelled) = post(&world, &ada, &path, json!({ "reason": "wrong one" })).await;
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")), "{cancelled}");
    assert_eq!(world.db.waiting().await.unwrap().len(), 0);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn someone_rolls_back_over_the_api_what_runs_and_what_has_succeeded(#[case] base: Base) {
    let world = World::on(base).await;
    let ada = world.sign_in("ada-acme").await;
    let first = world.deployment(&ada).await;
    succeeded(&world, id_of(&first)).await;

    let mut next = report();
    next["commit"] = json!("b".repeat(40));
    next["image"] = json!(format!(
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag:next@sha256:{}",
        "b2".repeat(32)
    ));
    let token = world.ci_for(json!({ "sha": "b".repeat(40) })).await;
    let release = world
        .post("/api/v1/releases")
        .bearer_auth(token)
        .json(&next)
        .send()
        .await
        .unwrap();
    let release: Value = release.json().await.unwrap();
    let wanted = json!({ "release": release["id"], "environment": "production" });
    let (status, second) = post(&world, &ada, "/api/v1/deployments", wanted).await;
    assert_eq!(status, 201, "{second}");
    let second = format!("/deployments/{}", second["id"].as_str().unwrap());
    deploying(&world, id_of(&second)).await;

    let reason = json!({ "reason": "5xx" });
    let (status, stopping) = post(&world, &ada, &format!("/api/v1{second}/roll-back"), reason.clone()).await;
    assert_eq!((status, &stopping["id"]), (200, &json!(id_of(&second))), "{stopping}");
    assert_eq!(stopping["run"]["stop"]["reason"], "5xx");
    assert_eq!(stopping["run"]["calls"][0]["outcome"], "done");

    succeeded(&world, id_of(&second)).await;
    let (status, back) = post(&world, &ada, &format!("/api/v1{second}/roll-back"), reason).await;
    assert_eq!(status, 200, "{back}");
    assert_eq!(
        (&back["rollback"], &back["rollback_of"]["id"]),
        (&json!(true), &json!(id_of(&second)))
    );
    assert_eq!(back["digest"], crate::world::DIGEST, "to what ran before");
    assert_eq!(back["related"][0]["how"], "rolls back");
}
