//! Calls whose answer is lost: each effect happens once, and is found again.

use crate::{
    acme::staging,
    world::{Base, World},
};
use rstest::rstest;
use serde_json::{Value, json};
use std::time::Duration;
use tidegate_domain::{
    EventKind, State, StateName,
    deployment::{CallKind, Outcome},
};

/// What is asserted of every one: one cloud deployment, and one HTTP attempt for each attempt that is recorded.
async fn happened_once(world: &World, id: tidegate_domain::DeploymentId) {
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    let run = done.run().unwrap();
    let made = world.stage.cloud_deployments().await;
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(made[0].1.contains(&run.operation.to_string()));
    assert_eq!(run.cloud_deployment.as_ref(), Some(&made[0].0));
    for kind in [CallKind::RegisterTaskDefinition, CallKind::CreateDeployment] {
        let calls = world.stage.calls(kind.name()).await;
        assert!(
            calls.iter().all(|call| call["attempt"] == 1),
            "the SDK never tries again by itself"
        );
        let answered = run
            .calls
            .iter()
            .filter(|call| call.kind == kind && asked_the_cloud(&call.outcome))
            .count();
        assert_eq!(calls.len(), answered, "{kind:?}: {:#?}", run.calls);
    }
}

fn asked_the_cloud(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Refused { code, .. } if code == "NotSent")
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r09_a_deployment_whose_answer_was_lost_is_adopted(#[case] base: Base) {
    let world = World::new(base).await;
    for operation in ["RegisterTaskDefinition", "CreateDeployment"] {
        world
            .stage
            .fault(json!({ "operation": operation, "kind": "reset", "when": "after" }))
            .await;
    }
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    happened_once(&world, id).await;
    assert_eq!(world.creates().await, 1);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r10_a_call_that_never_arrived_is_made_again_with_the_same_operation(#[case] base: Base) {
    let world = World::new(base).await;
    for operation in ["RegisterTaskDefinition", "CreateDeployment"] {
        let fault = json!({ "operation": operation, "kind": "error", "when": "before", "status": 500 });
        world.stage.fault(fault).await;
    }
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    happened_once(&world, id).await;
    let creates = world.stage.calls("CreateDeployment").await;
    assert_eq!(creates.len(), 2);
    assert_eq!(
        creates[0]["request"]["description"],
        creates[1]["request"]["description"]
    );
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r15_a_throttled_call_is_made_again_later(#[case] base: Base) {
    let world = World::new(base).await;
    world
        .stage
        .fault(json!({ "operation": "CreateDeployment", "kind": "throttle", "count": 2 }))
        .await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    happened_once(&world, id).await;
    assert_eq!(world.creates().await, 3);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r15_while_reads_are_throttled_nothing_is_lost(#[case] base: Base) {
    let world = World::new(base).await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    world.reaches(id, StateName::Deploying).await;
    let fault = world
        .stage
        .fault(json!({ "operation": "BatchGetDeployments", "kind": "throttle", "count": 0 }))
        .await;
    world.stage.struck(&fault).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.get(id).await.state.name(), StateName::Deploying);
    let before: Value = world.stage.get(&format!("/faults/{fault}")).await;
    assert!(before["hits"].as_u64().unwrap() <= 4, "it backs off: {before}");
    world
        .stage
        .send(reqwest::Method::DELETE, &format!("/faults/{fault}"), None)
        .await;
    happened_once(&world, id).await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r09_one_that_aws_shows_only_after_the_settling_time_is_adopted_too(#[case] base: Base) {
    let world = World::new(base).await;
    // Seen after 5 s; the settling time is 2 s.
    world
        .stage
        .fault(json!({ "operation": "CreateDeployment", "kind": "invisible", "seconds": 1_500 }))
        .await;
    world
        .stage
        .fault(json!({ "operation": "CreateDeployment", "kind": "reset", "when": "after" }))
        .await;
    world.stage.post("/aws/timings", json!({ "install": 3_000 })).await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    let made = world.stage.cloud_deployments().await;
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(done.run().unwrap().cloud_deployment.as_ref(), Some(&made[0].0));
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_deployment_that_surfaces_after_its_operation_was_closed_is_stopped_and_reported(#[case] base: Base) {
    let world = World::new(base).await;
    world.configure(|catalog| catalog.services[0].targets[0].deadline_seconds = 4);
    world
        .stage
        .fault(json!({ "operation": "CreateDeployment", "kind": "invisible", "seconds": 3_000 }))
        .await;
    world
        .stage
        .fault(json!({ "operation": "CreateDeployment", "kind": "reset", "when": "after" }))
        .await;
    world.stage.post("/aws/timings", json!({ "install": 30_000 })).await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    let done = world.rests(id).await;
    assert!(matches!(done.state, State::Failed { .. }), "{:#?}", done.state);
    let mut stray = None;
    for _ in 0..300 {
        let events = world.events(id).await;
        stray = events
            .into_iter()
            .find(|recorded| recorded.event.kind == EventKind::WorkerWarning && !recorded.event.data["stop"].is_null());
        if stray.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let data = stray.expect("a warning").event.data;
    assert_eq!(data["stop"], "stopped", "{data}");
    assert_eq!(world.stage.calls("StopDeployment").await.len(), 1);
}
