//! Databases and clouds that do not do as they should.

use crate::{
    acme::{BEN, CLEO, production, staging},
    world::{Base, World, ci, gate, person},
};
use rstest::rstest;
use serde_json::json;
use std::time::Duration;
use tidegate_app::portal::{Portal, PortalError};
use tidegate_domain::{EventKind, StateName, Verdict, deployment::CloudStatus};

/// No row can be added to the audit log any more.
async fn break_the_log(world: &World) {
    let statement = if world.db.is_postgres() {
        "ALTER TABLE audit ADD CONSTRAINT broken CHECK (false) NOT VALID"
    } else {
        "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'broken'); END"
    };
    world.scratch.tamper(statement).await.unwrap();
}

async fn mend_the_log(world: &World) {
    let statement = if world.db.is_postgres() {
        "ALTER TABLE audit DROP CONSTRAINT broken"
    } else {
        "DROP TRIGGER broken"
    };
    world.scratch.tamper(statement).await.unwrap();
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r20_without_an_audit_log_nothing_changes_and_nothing_starts_but_reading_goes_on(#[case] base: Base) {
    let world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    let seen = world.revision(id).await;
    let release = world.get(id).await.release;
    break_the_log(&world).await;
    let before = world.get(id).await;
    let services = &world.services;
    let tries = [
        services.approve(&person(CLEO), id, seen, None).await.map(drop),
        services.reject(&person(CLEO), id, "no".to_owned()).await,
        services.cancel(&person(BEN), id, "no".to_owned()).await,
        world.try_request(release, staging()).await.map(drop),
        services
            .report_gates(&ci(), release, vec![gate("lint", Verdict::Fail)])
            .await
            .map(drop),
    ];
    for outcome in tries {
        assert!(
            matches!(&outcome, Err(PortalError::Unavailable(why)) if why.contains("audit log")),
            "{outcome:?}"
        );
    }
    assert_eq!(world.get(id).await, before);
    services.home(&person(CLEO)).await.unwrap();
    services.deployment(&person(CLEO), id).await.unwrap();
    mend_the_log(&world).await;
    assert_eq!(world.db.gates(release).await.unwrap().len(), 1);
    world.log_has_no_gap().await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r20_a_queued_deployment_does_not_start_while_the_log_is_broken(#[case] base: Base) {
    let mut world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stop_workers().await;
    world.approve(CLEO, id).await.unwrap();
    break_the_log(&world).await;
    world.start_worker().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.get(id).await.state.name(), StateName::Queued);
    assert_eq!(
        world.stage.calls("RegisterTaskDefinition").await.len() + world.creates().await,
        0
    );
    mend_the_log(&world).await;
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r13_a_status_that_aws_never_used_before_ends_nothing_and_is_warned_of(#[case] base: Base) {
    let world = World::new(base).await;
    world.stage.freeze(true).await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    let running = world.reaches(id, StateName::Deploying).await;
    let cloud = running.run().unwrap().cloud_deployment.clone().unwrap();
    let path = format!("/aws/deployments/{cloud}/status");
    world.stage.post(&path, json!({ "status": "Reticulating" })).await;
    world
        .until(id, "the unknown word", |d| {
            let progress = d.run().and_then(|run| run.progress.as_ref());
            progress.is_some_and(|seen| seen.status == CloudStatus::Unknown("Reticulating".to_owned()))
        })
        .await;
    assert_eq!(world.get(id).await.state.name(), StateName::Deploying);
    assert!(world.kinds(id).await.contains(&EventKind::WorkerWarning));
    world.stage.post(&path, json!({ "status": null })).await;
    world.stage.freeze(false).await;
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r16_a_worker_that_is_asked_to_end_hands_over_what_it_holds(#[case] base: Base) {
    let mut world = World::new(base).await;
    world.stage.freeze(true).await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    world.reaches(id, StateName::Deploying).await;
    let begin = std::time::Instant::now();
    world.stop_workers().await;
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    // Nobody waits for a lease to run out: the next one may claim at once.
    let claims = world.db.claim("someone-else", 1_000, 10).await.unwrap();
    assert_eq!(claims.len(), 1);
    world
        .db
        .release_claim(&claims[0], world.db.now().await.unwrap())
        .await
        .unwrap();
    world.stage.freeze(false).await;
    world.start_worker().await;
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r03_nobody_is_asked_before_github_has_said_who_wrote_it(#[case] base: Base) {
    let world = World::new(base).await;
    world.stage.github_down(true).await;
    let commit = world.stage.commit("dara-acme", "Unknown for now").await;
    let image = world.stage.push_image("sha-aaaaaaa").await;
    let release = world.report(&commit, &image).await;
    world
        .services
        .report_gates(&ci(), release, vec![gate("lint", Verdict::Pass)])
        .await
        .unwrap();
    let id = world.request(release, production()).await;
    let held = world
        .until(
            id,
            "a blocker",
            |d| matches!(&d.state, tidegate_domain::State::Requested { blocked } if !blocked.is_empty()),
        )
        .await;
    let tidegate_domain::State::Requested { blocked } = &held.state else {
        panic!("{:?}", held.state)
    };
    assert!(
        blocked[0]
            .why
            .contains("who wrote the commits of sha-aaaaaaa is not known"),
        "{}",
        blocked[0].why
    );
    world.stage.github_down(false).await;
    world.reaches(id, StateName::AwaitingApproval).await;
    let error = world.approve(crate::acme::DARA, id).await.unwrap_err();
    assert!(error.to_string().contains("you wrote a commit"), "{error}");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r20_a_stray_is_stopped_by_one_replica_and_by_none_while_the_log_is_broken(#[case] base: Base) {
    let mut world = World::new(base).await;
    world.start_worker().await;
    world.configure(|catalog| catalog.services[0].targets[0].deadline_seconds = 4);
    // Seen after 8 s, and running for long.
    for fault in [
        json!({ "operation": "CreateDeployment", "kind": "invisible", "seconds": 2_400 }),
        json!({ "operation": "CreateDeployment", "kind": "reset", "when": "after" }),
    ] {
        world.stage.fault(fault).await;
    }
    world.stage.post("/aws/timings", json!({ "install": 30_000 })).await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    assert_eq!(world.rests(id).await.state.name(), StateName::Failed);
    break_the_log(&world).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(
        world.stage.calls("StopDeployment").await,
        Vec::<serde_json::Value>::new()
    );
    mend_the_log(&world).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.stage.calls("StopDeployment").await.len(), 1);
    let told: Vec<_> = world
        .events(id)
        .await
        .into_iter()
        .filter(|recorded| recorded.event.kind == EventKind::WorkerWarning)
        .map(|recorded| recorded.event.data["stop"].clone())
        .collect();
    assert_eq!(told, [serde_json::Value::Null, json!("stopped")]);
}
