//! Everything can be read over the API.

use crate::{
    given::{deploying, id_of, prepared},
    world::World,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn read(world: &World, session: &str, path: &str) -> Value {
    let answer = world.get(path).header("cookie", session).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.json().await.unwrap()
}

#[tokio::test]
async fn what_runs_where_and_what_waits_is_read_over_the_api() {
    let world = World::new().await;
    let (ada, ben) = (world.sign_in("ada-acme").await, world.sign_in("ben-acme").await);
    let page = world.deployment(&ada).await;
    let id = id_of(&page);
    prepared(&world, id).await;

    let services = read(&world, &ada, "/api/v1/services").await;
    let production = &services["items"][0]["targets"][1];
    assert_eq!(production["waiting"][0]["id"], json!(id), "{production}");
    assert_eq!(production["quorum"], json!([{ "teams": ["approvers"], "count": 1 }]));
    assert_eq!(
        (&production["approve_within"], &production["deadline"]),
        (&json!(86_400), &json!(3_600))
    );
    let service = read(&world, &ada, "/api/v1/services/rag").await;
    assert_eq!(service["releases"][0]["gates"][0]["verdict"], "pass");
    assert_eq!(service["deployments"][0]["state"], "awaiting_approval");
    let inbox = read(&world, &ben, "/api/v1/inbox").await;
    assert_eq!(inbox["waiting_on_me"][0]["deployment"]["id"], json!(id), "{inbox}");
    let inbox = read(&world, &ada, "/api/v1/inbox").await;
    assert_eq!(
        (
            &inbox["mine"][0]["id"],
            inbox["waiting_on_me"].as_array().unwrap().len()
        ),
        (&json!(id), 0)
    );

    let detail = read(&world, &ada, &format!("/api/v1{page}")).await;
    assert!(detail["expires_at"].as_str().is_some(), "{detail}");
    assert_eq!(detail["preparation"]["changes"][0]["to"], "new");
    assert_eq!(
        detail["revision_content"]["traffic"],
        detail["revision_content"]["traffic"].as_str().unwrap()
    );
    assert_eq!(detail["involved"]["requester"]["login"], "ada-acme");
    let events = read(&world, &ada, &format!("/api/v1{page}/events")).await;
    assert_eq!(events["items"][0]["kind"], "deployment.requested", "{events}");
    let seq = events["items"][0]["seq"].as_i64().unwrap();
    assert_eq!(
        read(&world, &ada, &format!("/api/v1/audit/{seq}")).await,
        events["items"][0]
    );

    deploying(&world, id).await;
    let detail = read(&world, &ada, &format!("/api/v1{page}")).await;
    assert_eq!(detail["run"]["cloud_deployment"], "d-ABCDEFGHI", "{detail}");
    assert_eq!(
        detail["run"]["lifecycle"][0],
        json!({
            "name": "Install", "status": "succeeded", "started_at": "2026-03-01T10:00:02.000Z",
        })
    );
    assert_eq!(
        detail["run"]["calls"][0],
        json!({
            "call": "CreateDeployment", "intended_at": "2026-03-01T10:00:01.000Z", "epoch": 3,
            "outcome": "done", "id": "d-ABCDEFGHI", "at": "2026-03-01T10:00:02.000Z",
        })
    );
}

#[tokio::test]
async fn what_there_is_not_is_not_found() {
    let world = World::new().await;
    let ada = world.sign_in("ada-acme").await;
    for path in [
        "/api/v1/services/none",
        "/api/v1/services/No%20Name",
        "/api/v1/audit/9999",
        "/api/v1/audit/x",
        "/api/v1/deployments/01890a5d-ac96-774b-bcce-b302099a8057/events",
    ] {
        let answer = world.get(path).header("cookie", &ada).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    // CI sees its own service, and no person's inbox.
    let token = world.ci().await;
    let inbox = world.get("/api/v1/inbox").bearer_auth(&token).send().await.unwrap();
    assert_eq!(inbox.status(), StatusCode::FORBIDDEN);
    let own = world
        .get("/api/v1/services/rag")
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(own.status(), StatusCode::OK);
}
