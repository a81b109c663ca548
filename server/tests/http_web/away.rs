//! While GitHub is away (R5).

use crate::{
    given::{deploying, id_of, prepared},
    world::{Base, World, cookie},
};
use reqwest::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};
use tidegate_domain::{
    deployment::RollbackCause,
    time::{HOUR, MINUTE},
};

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r05_while_github_is_away_the_on_call_reads_rolls_back_and_cancels(#[case] base: Base) {
    let world = World::on(base).await;
    let session = world.sign_in("ada-acme").await;
    let page = world.deployment(&session).await;
    let id = id_of(&page);
    world.roles_of(11, 3 * HOUR).await;
    world.github(json!({ "api_down": true })).await;

    let read = world.get(&page).header("cookie", &session).send().await.unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    deploying(&world, id).await;
    let api = world
        .post(&format!("/api/v1{page}/roll-back"))
        .header("cookie", &session)
        .json(&json!({ "reason": "5xx went up" }))
        .send()
        .await
        .unwrap();
    assert_eq!(api.status(), StatusCode::OK, "{}", api.text().await.unwrap());
    let asked = world.db.deployment(id).await.unwrap().unwrap().value;
    let stop = asked.run().unwrap().stop.clone().unwrap();
    assert!(matches!(stop.cause, RollbackCause::Person { reason, .. } if reason == "5xx went up"));

    let events = world.db.audit_of(id).await.unwrap();
    let asked = events
        .iter()
        .find(|event| event.event.kind.name() == "rollback.requested")
        .unwrap();
    let data = &asked.event.data;
    assert_eq!(data["github"], "did not answer", "{data}");
    assert!(data["roles_confirmed_at"].as_str().unwrap().starts_with("20"), "{data}");
}

#[tokio::test]
async fn r05_while_github_is_away_forms_that_make_production_safer_work() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    let page = world.deployment(&session).await;
    world.roles_of(11, 2 * MINUTE).await;
    world.github(json!({ "api_down": true })).await;
    let send = async |action: &str, session: &str| {
        let form = world
            .post(&format!("{page}/{action}"))
            .header("cookie", session)
            .form(&[
                ("reason", "wrong release"),
                ("revision", "0"),
                ("comment", "fine by me"),
            ]);
        form.send().await.unwrap()
    };
    let cancelled = send("cancel", &session).await;
    assert_eq!(cancelled.status(), StatusCode::SEE_OTHER);
    let after = world.get(&page).header("cookie", &session).send().await.unwrap();
    assert!(after.text().await.unwrap().contains("wrong release"));

    // What goes to production waits for GitHub.
    let approved = send("approve", &session).await;
    assert_eq!(approved.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = approved.text().await.unwrap();
    assert!(page.contains("teams cannot be confirmed"), "{page}");
    let kept = world.session_data(&session).await;
    assert_eq!(kept["flash"]["kept"]["comment"], "fine by me", "no typed text is lost");
    let again = [("release", "0"), ("environment", "staging"), ("reason", "for the fair")];
    let requested = world
        .post("/deployments")
        .header("cookie", &session)
        .form(&again)
        .send()
        .await
        .unwrap();
    assert_eq!(requested.status(), StatusCode::SERVICE_UNAVAILABLE);
    let kept = world.session_data(&session).await;
    assert_eq!(kept["flash"]["kept"]["reason"], "for the fair", "no typed text is lost");
}

#[tokio::test]
async fn r05_while_github_is_away_nobody_approves_or_requests() {
    let world = World::new().await;
    let (ada, ben) = (world.sign_in("ada-acme").await, world.sign_in("ben-acme").await);
    let page = world.deployment(&ada).await;
    let revision = prepared(&world, id_of(&page)).await;
    world.github(json!({ "api_down": true })).await;
    for (age, status) in [(0, 503), (2 * MINUTE, 503)] {
        world.roles_of(12, age).await;
        let answer = world
            .post(&format!("/api/v1{page}/approve"))
            .header("cookie", &ben)
            .json(&json!({ "revision": revision }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "roles {age} ms old");
    }
    let release = world.db.deployment(id_of(&page)).await.unwrap().unwrap().value.release;
    world.roles_of(11, 2 * MINUTE).await;
    let again = world
        .post("/api/v1/deployments")
        .header("cookie", &ada)
        .json(&json!({ "release": release, "environment": "staging" }))
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::SERVICE_UNAVAILABLE);
    world.github(json!({})).await;
    let approved = world
        .post(&format!("/api/v1{page}/approve"))
        .header("cookie", &ben)
        .json(&json!({ "revision": revision }))
        .send()
        .await
        .unwrap();
    assert_eq!(approved.status(), StatusCode::OK);
}

#[tokio::test]
async fn r05_while_github_is_away_people_sign_out_and_are_told_that_they_cannot_sign_in() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    world.roles_of(11, 2 * HOUR).await;
    for faults in [json!({ "api_down": true }), json!({ "web_down": true })] {
        world.github(json!({})).await;
        let (authorize, browser) = world.begin("").await;
        let back = world.press(&authorize, "ada-acme").await;
        world.github(faults.clone()).await;
        let answer = world.call_back(&back, &browser).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{faults}");
        assert!(cookie(&answer, "tidegate").is_none());
        let page = answer.text().await.unwrap();
        assert!(
            page.contains("GitHub does not answer") && !page.contains("already used"),
            "{page}"
        );
    }
    let out = world
        .post("/auth/sign-out")
        .header("cookie", &session)
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), StatusCode::SEE_OTHER);
    let after = world
        .get("/api/v1/services")
        .header("cookie", &session)
        .send()
        .await
        .unwrap();
    assert_eq!(after.status(), StatusCode::UNAUTHORIZED);
    world.github(Value::Object(serde_json::Map::new())).await;
}
