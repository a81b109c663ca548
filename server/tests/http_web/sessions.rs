//! Who is signed in, and ending it (R25).

use crate::world::{Base, World};
use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tidegate_domain::time::HOUR;
use tidegate_server::service::housekeeping::keep_house;
use tidegate_store::Session;

async fn listed(world: &World, session: &str) -> Vec<Value> {
    let answer = world
        .get("/api/v1/sessions")
        .header("cookie", session)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body: Value = answer.json().await.unwrap();
    body["items"].as_array().unwrap().clone()
}

async fn is_on(world: &World, session: &str) -> bool {
    let page = world.get("/").header("cookie", session).send().await.unwrap();
    page.status() == StatusCode::OK
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r25_an_administrator_ends_sessions_with_the_next_request(#[case] base: Base) {
    let world = World::on(base).await;
    let (one, two) = (world.sign_in("ada-acme").await, world.sign_in("ada-acme").await);
    let ben = world.sign_in("ben-acme").await;
    let dora = world.sign_in("dora-acme").await;
    let all = listed(&world, &dora).await;
    assert_eq!(all.len(), 4, "{all:?}");
    let of_ben = all
        .iter()
        .find(|session| session["person"]["login"] == "ben-acme")
        .unwrap();
    assert!(!ben.contains(of_ben["id"].as_str().unwrap()), "the id opens nothing");

    let path = format!("/api/v1/sessions/{}", of_ben["id"].as_str().unwrap());
    let end = |path: &str, by: &str| world.ask(Method::DELETE, path).header("cookie", by).send();
    assert_eq!(end(&path, &one).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert!(is_on(&world, &ben).await);
    assert_eq!(end(&path, &dora).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert!(!is_on(&world, &ben).await);
    assert_eq!(end(&path, &dora).await.unwrap().status(), StatusCode::NOT_FOUND);

    let ended = end("/api/v1/people/11/sessions", &dora).await.unwrap();
    assert_eq!(ended.json::<Value>().await.unwrap(), json!({ "ended": 2 }));
    assert!(!is_on(&world, &one).await && !is_on(&world, &two).await && is_on(&world, &dora).await);
    let ended: Vec<Value> = world
        .recorded()
        .await
        .into_iter()
        .filter(|event| event.event.kind.name() == "session.ended")
        .map(|event| event.event.data)
        .collect();
    assert_eq!(
        (&ended[0]["person"], &ended[1]["person"]),
        (&json!(11), &json!(12)),
        "{ended:?}"
    );
    assert!(world.events().await.contains(&"access.denied".to_owned()));
}

#[tokio::test]
async fn r25_who_is_signed_in_is_for_administrators() {
    let world = World::new().await;
    for login in ["ada-acme", "ben-acme"] {
        let session = world.sign_in(login).await;
        let answer = world
            .get("/api/v1/sessions")
            .header("cookie", session)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    let answer = world
        .get("/api/v1/sessions")
        .bearer_auth(world.ci().await)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_has_expired_is_forgotten_by_and_by() {
    let world = World::new().await;
    world.sign_in("ada-acme").await;
    let now = world.db.now().await.unwrap();
    let key: [u8; 32] = Sha256::digest("old").into();
    let mut tx = world.db.begin().await.unwrap();
    tx.insert_session(&Session {
        key_hash: key,
        person: 11,
        created_at: now.plus_millis(-13 * HOUR),
        seen_at: now.plus_millis(-13 * HOUR),
        data: json!({}),
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let keeping = tokio::spawn(keep_house(
        world.sessions.clone(),
        Duration::from_millis(20),
        world.stop.clone(),
    ));
    let gone = async {
        while world.db.begin().await.unwrap().delete_session(&key).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
    world.stop.cancel();
    keeping.await.unwrap();
}
