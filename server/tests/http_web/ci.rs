//! What a workflow run may report (R3, R30).

use crate::{
    api::problem,
    world::{World, report},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn r30_a_run_reports_the_commit_and_ref_that_it_is_of_and_no_other() {
    let world = World::new().await;
    let token = world.ci().await;
    let send = async |body: &Value| {
        let post = world.post("/api/v1/releases").bearer_auth(&token).json(body);
        post.send().await.unwrap()
    };
    let mut other_commit = report();
    other_commit["commit"] = json!("b".repeat(40));
    let refused = problem(send(&other_commit).await, 403).await;
    assert!(refused["detail"].as_str().unwrap().contains("$GITHUB_SHA"), "{refused}");
    let mut other_ref = report();
    other_ref["ref"] = json!("refs/heads/release");
    let refused = problem(send(&other_ref).await, 403).await;
    assert!(
        refused["detail"].as_str().unwrap().contains("refs/heads/main"),
        "{refused}"
    );
    assert_eq!(world.events().await, ["access.denied", "access.denied"]);
    assert_eq!(send(&report()).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn r30_a_service_may_let_its_runs_report_other_commits() {
    let world = World::new().await;
    let mut catalog = crate::seed::catalog();
    catalog.services[0].ci.other_commits = true;
    world.catalog.set(catalog);
    let mut other = report();
    other["commit"] = json!("b".repeat(40));
    let post = world
        .post("/api/v1/releases")
        .bearer_auth(world.ci().await)
        .json(&other);
    assert_eq!(post.send().await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn r03_whoever_runs_the_workflow_again_does_not_approve_what_it_built() {
    let world = World::new().await;
    let ada = world.sign_in("ada-acme").await;
    let page = world.deployment(&ada).await;
    let revision = crate::given::prepared(&world, crate::given::id_of(&page)).await;
    // Ben pressed "re-run"; the run reports the same image again.
    let token = world.ci_for(json!({ "actor": "ben-acme" })).await;
    let again = world
        .post("/api/v1/releases")
        .bearer_auth(token)
        .json(&report())
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::OK);
    let again: Value = again.json().await.unwrap();
    assert_eq!(
        (&again["actor"]["login"], &again["reruns"][0]["login"]),
        (&json!("ada-acme"), &json!("ben-acme"))
    );
    let ben = world.sign_in("ben-acme").await;
    let approve = world
        .post(&format!("/api/v1{page}/approve"))
        .header("cookie", &ben)
        .json(&json!({ "revision": revision }));
    let refused = problem(approve.send().await.unwrap(), 403).await;
    assert!(
        refused["detail"].as_str().unwrap().contains("set off the workflow"),
        "{refused}"
    );
}

/// The body that README's example sends, with what a run has in its variables.
fn readme_body() -> String {
    let readme = include_str!("../../../README.md");
    let line = readme.lines().find(|line| line.contains("/api/v1/releases\"")).unwrap();
    let json = line
        .split("--json \"")
        .nth(1)
        .unwrap()
        .split("\" \"$TIDEGATE")
        .next()
        .unwrap();
    let wanted = report();
    json.replace("\\\"", "\"")
        .replace("$GITHUB_SHA", wanted["commit"].as_str().unwrap())
        .replace("$GITHUB_REF", wanted["ref"].as_str().unwrap())
        .replace("$IMAGE", wanted["image"].as_str().unwrap())
}

#[tokio::test]
async fn what_the_readme_tells_ci_to_send_is_taken() {
    let world = World::new().await;
    let body: Value = serde_json::from_str(&readme_body()).unwrap();
    let post = world.post("/api/v1/releases").bearer_auth(world.ci().await).json(&body);
    let answer = post.send().await.unwrap();
    assert_eq!(
        answer.status(),
        StatusCode::CREATED,
        "{body}: {}",
        answer.text().await.unwrap()
    );
}
