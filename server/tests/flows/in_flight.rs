//! What is in flight goes on as it was approved, whatever the configuration says by then and however little can be seen.

use crate::{
    acme::{BEN, CLEO, staging},
    world::{Base, World, ci, gate, person},
};
use rstest::rstest;
use serde_json::json;
use std::time::Duration;
use tidegate_app::portal::Portal;
use tidegate_domain::{
    EventKind, State, StateName, Verdict,
    catalog::Engine,
    deployment::{CallKind, Concern, Outcome, RollbackCause, Run},
    time::MINUTE,
};

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r01_a_configuration_reloaded_while_it_starts_does_not_lead_it_elsewhere(#[case] base: Base) {
    let world = World::new(base).await;
    let fault = world
        .stage
        .fault(json!({ "operation": "RegisterTaskDefinition", "kind": "hold", "when": "after" }))
        .await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    world.stage.holds(&fault).await;
    world.configure(|catalog| {
        let Engine::EcsCodedeploy(ecs) = &mut catalog.services[0].targets[0].engine else {
            panic!("the target of another engine");
        };
        ecs.application = "acme-rag-production".to_owned();
        ecs.deployment_group = "rag-production".to_owned();
    });
    world.stage.release(&fault).await;
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    let created = world.stage.calls("CreateDeployment").await;
    assert_eq!(created.len(), 1);
    assert_eq!(created[0]["request"]["deploymentGroupName"], "rag-staging");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r09_a_deployment_whose_target_is_taken_out_is_followed_stopped_and_rolled_back(#[case] base: Base) {
    let world = World::new(base).await;
    world.stage.freeze(true).await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    world
        .until(id, "progress", |d| d.run().is_some_and(|run| run.progress.is_some()))
        .await;
    world.configure(|catalog| drop(catalog.services[0].targets.remove(0)));
    world
        .services
        .roll_back(&person(BEN), id, "it is wrong".to_owned())
        .await
        .unwrap();
    world
        .until(id, "the stop", |d| d.run().is_some_and(|run| run.calls.len() > 2))
        .await;
    world.stage.freeze(false).await;
    assert_eq!(world.rests(id).await.state.name(), StateName::RolledBack);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r09_past_its_deadline_it_is_stopped_though_the_cloud_cannot_be_read_and_people_are_told(#[case] base: Base) {
    let world = World::new(base).await;
    world.stage.freeze(true).await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    world
        .until(id, "progress", |d| d.run().is_some_and(|run| run.progress.is_some()))
        .await;
    let fault = world
        .stage
        .fault(json!({ "operation": "BatchGetDeployments", "kind": "throttle", "count": 0 }))
        .await;
    world.later(33 * MINUTE);
    let told = world
        .until(id, "a stop and a warning", |d| {
            let stopped = |run: &Run| {
                run.last(CallKind::StopDeployment)
                    .is_some_and(|call| matches!(call.outcome, Outcome::Done { .. }))
            };
            d.run()
                .is_some_and(|run| stopped(run) && run.concerns == [Concern::Unseen])
        })
        .await;
    assert_eq!(told.state.name(), StateName::Deploying);
    assert!(!world.stage.calls("StopDeployment").await.is_empty());
    let warnings = world.kinds(id).await;
    assert_eq!(
        warnings
            .iter()
            .filter(|kind| **kind == EventKind::WorkerWarning)
            .count(),
        1
    );
    world
        .stage
        .send(reqwest::Method::DELETE, &format!("/faults/{fault}"), None)
        .await;
    world.stage.freeze(false).await;
    let done = world.rests(id).await;
    assert!(
        matches!(
            done.state,
            State::RolledBack {
                cause: RollbackCause::Deadline,
                ..
            }
        ),
        "{:#?}",
        done.state
    );
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r06_a_gate_that_fails_while_aws_throttles_the_start_ends_it(#[case] base: Base) {
    let world = World::new(base).await;
    let fault = world
        .stage
        .fault(json!({ "operation": "CreateDeployment", "kind": "throttle", "count": 0 }))
        .await;
    let id = world.ready("sha-aaaaaaa").await;
    world.approve(CLEO, id).await.unwrap();
    world.stage.struck(&fault).await;
    let release = world.get(id).await.release;
    world
        .services
        .report_gates(&ci(), release, vec![gate("lint", Verdict::Fail)])
        .await
        .unwrap();
    let done = world.rests(id).await;
    let State::Failed { failure, .. } = &done.state else {
        panic!("{:#?}", done.state)
    };
    assert_eq!(failure.message, "lint: failed, before anything was deployed");
    assert_eq!(world.stage.cloud_deployments().await, []);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_queued_rollback_does_not_take_away_what_has_succeeded_since(#[case] base: Base) {
    let world = World::new(base).await;
    for tag in ["sha-1111111", "sha-2222222"] {
        let id = world.request(world.release(tag).await, staging()).await;
        world.rests(id).await;
    }
    let second = world
        .db
        .latest_succeeded(&crate::acme::rag(), &staging())
        .await
        .unwrap();
    world.stage.freeze(true).await;
    let third = world.request(world.release("sha-3333333").await, staging()).await;
    world.reaches(third, StateName::Deploying).await;
    let back = world
        .services
        .roll_back(&person(BEN), second.unwrap().id, "it is slow".to_owned())
        .await
        .unwrap();
    world.reaches(back, StateName::Queued).await;
    world.stage.freeze(false).await;
    assert_eq!(world.rests(third).await.state.name(), StateName::Succeeded);
    let done = world.rests(back).await;
    let State::Cancelled { reason, .. } = &done.state else {
        panic!("{:#?}", done.state)
    };
    assert!(reason.contains("is not what runs here any more"), "{reason}");
    assert_eq!(world.creates().await, 3);
}

/// The promise holds for a group, whatever waits and runs there.
#[tokio::test(flavor = "multi_thread")]
async fn r15_a_group_is_read_at_most_twice_a_second() {
    let mut world = World::idle(Base::Sqlite).await;
    world.options.reads_per_second = 2.0;
    world.stage.freeze(true).await;
    for n in 1..=4 {
        let release = world.release(&format!("sha-000000{n}")).await;
        world.request(release, staging()).await;
    }
    world.start_worker().await;
    let mut counts = Vec::new();
    for _ in 0..24 {
        let calls = world.stage.get("/aws/calls").await;
        let read = |call: &&serde_json::Value| {
            let operation = call["operation"].as_str().unwrap_or_default();
            ["Describe", "Get", "List", "BatchGet"]
                .iter()
                .any(|start| operation.starts_with(start))
        };
        counts.push(calls.as_array().unwrap().iter().filter(read).count());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let most = counts.windows(11).map(|span| span[10] - span[0]).max().unwrap();
    assert!(counts[23] > 20, "it looks: {counts:?}");
    assert!(most <= 21, "{most} reads in ten seconds: {counts:?}");
}
