//! Approved is not for ever: what voids an approval between the yes and the start.

use crate::{
    acme::{CLEO, DARA, staging},
    world::{Base, World, ci, gate, person},
};
use rstest::rstest;
use serde_json::json;
use std::time::Duration;
use tidegate_adapters::{Engine as _, Order};
use tidegate_app::portal::Portal;
use tidegate_domain::{
    Deployment, EventKind, OperationId, State, StateName, TrafficPlan, Verdict,
    deployment::Expiry,
    time::{HOUR, MINUTE},
};
use uuid::Uuid;

/// What the event says of an approval that is void.
async fn void_because(world: &World, deployment: &Deployment) -> String {
    let events = world.events(deployment.id).await;
    let event = events
        .iter()
        .rev()
        .find(|recorded| recorded.event.kind == EventKind::ApprovalInvalidated)
        .expect("approval.invalidated");
    event.event.data["why"].as_str().unwrap().to_owned()
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r02_a_changed_policy_voids_the_approval(#[case] base: Base) {
    let mut world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stop_workers().await;
    world.approve(CLEO, id).await.unwrap();
    world.configure(|catalog| catalog.services[0].targets[1].policy.approvals[0].count = 2);
    world.start_worker().await;
    let again = world.reaches(id, StateName::AwaitingApproval).await;
    assert!(again.approvals[0].voided.is_some());
    assert!(void_because(&world, &again).await.contains("policy changed from"));
    assert_eq!(world.creates().await, 0);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r02_a_task_definition_changed_from_outside_voids_the_approval(#[case] base: Base) {
    let mut world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stop_workers().await;
    world.approve(CLEO, id).await.unwrap();
    // Someone deploys by hand, with the same means.
    let image = world.stage.push_image("sha-fffffff").await;
    let catalog = world.catalog.get();
    let order = Order {
        operation: OperationId::from_uuid(Uuid::from_u128(1)),
        title: "by hand".to_owned(),
        image: image.parse().unwrap(),
        traffic: TrafficPlan::AllAtOnce,
        engine: catalog.services[0].targets[1].engine.clone(),
    };
    let engine = world.engine().await;
    let now = world.db.now().await.unwrap();
    let hash = engine.prepare(&order, now).await.unwrap().unwrap().hash;
    let by = std::time::Instant::now() + Duration::from_secs(60);
    let arn = engine.register(&order, &hash, by).await.unwrap();
    let by_hand = engine.create(&order, &arn, by).await.unwrap();
    world.stage.step(600.0).await;
    let seen = engine.look_at(&order, &by_hand, None, now).await.unwrap();
    assert!(seen.deployment.status.is_over());
    world.start_worker().await;
    let again = world.reaches(id, StateName::AwaitingApproval).await;
    let why = void_because(&world, &again).await;
    assert!(why.contains("rollback target changed from"), "{why}");
    assert_eq!(world.creates().await, 1, "only the one by hand");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r02_a_gate_that_fails_after_the_approval_voids_it(#[case] base: Base) {
    let mut world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stop_workers().await;
    world.approve(CLEO, id).await.unwrap();
    let release = world.get(id).await.release;
    world
        .services
        .report_gates(&ci(), release, vec![gate("lint", Verdict::Fail)])
        .await
        .unwrap();
    world.start_worker().await;
    let held = world.reaches(id, StateName::Requested).await;
    assert!(held.approvals[0].voided.is_some());
    assert_eq!(void_because(&world, &held).await, "lint: failed");
    assert_eq!(world.creates().await, 0);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r04_what_is_not_approved_within_a_day_expires(#[case] base: Base) {
    let world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.later(24 * HOUR - MINUTE);
    world.approve(CLEO, world.ready("sha-bbbbbbb").await).await.unwrap();
    assert_eq!(world.get(id).await.state.name(), StateName::AwaitingApproval);
    world.later(2 * MINUTE);
    let expired = world.rests(id).await;
    assert!(
        matches!(
            expired.state,
            State::Expired {
                what: Expiry::Approval,
                ..
            }
        ),
        "{:?}",
        expired.state
    );
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r04_an_approval_that_is_not_used_within_an_hour_starts_nothing(#[case] base: Base) {
    let mut world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stop_workers().await;
    world.approve(CLEO, id).await.unwrap();
    world.later(HOUR);
    world.start_worker().await;
    let expired = world.rests(id).await;
    assert!(
        matches!(
            expired.state,
            State::Expired {
                what: Expiry::Execution,
                ..
            }
        ),
        "{:?}",
        expired.state
    );
    assert_eq!(world.creates().await, 0);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r04_an_approval_after_its_time_is_refused_even_before_the_worker_says_so(#[case] base: Base) {
    let mut world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stop_workers().await;
    world.later(24 * HOUR + MINUTE);
    let error = world.approve(CLEO, id).await.unwrap_err();
    assert!(error.to_string().contains("run out"), "{error}");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r05_an_approver_who_left_the_team_counts_no_more_at_dispatch(#[case] base: Base) {
    let mut world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stop_workers().await;
    world.approve(CLEO, id).await.unwrap();
    world.stage.leave_team("release-approvers", CLEO.1).await;
    world.start_worker().await;
    let again = world.reaches(id, StateName::AwaitingApproval).await;
    assert!(again.approvals[0].voided.is_some());
    assert_eq!(
        void_because(&world, &again).await,
        "cleo-acme is in no team that may approve any more"
    );
    assert_eq!(world.creates().await, 0);
    world.approve(DARA, id).await.unwrap();
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r05_while_github_is_down_what_runs_can_be_rolled_back(#[case] base: Base) {
    let world = World::new(base).await;
    world.stage.freeze(true).await;
    let running = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    world
        .until(running, "progress", |d| {
            d.run().is_some_and(|run| run.progress.is_some())
        })
        .await;
    world.stage.github_down(true).await;
    world
        .services
        .roll_back(&person(CLEO), running, "it is wrong".to_owned())
        .await
        .unwrap();
    world
        .until(running, "the stop", |d| d.run().is_some_and(|run| run.calls.len() > 2))
        .await;
    world.stage.freeze(false).await;
    assert_eq!(world.rests(running).await.state.name(), StateName::RolledBack);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r05_a_deployment_waits_for_github_before_it_starts(#[case] base: Base) {
    let mut world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stop_workers().await;
    world.approve(CLEO, id).await.unwrap();
    world.stage.github_down(true).await;
    world.start_worker().await;
    // It is looked at several times in this second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.get(id).await.state.name(), StateName::Queued);
    assert_eq!(world.creates().await, 0);
    world.stage.github_down(false).await;
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r06_what_cannot_be_evaluated_is_a_no(#[case] base: Base) {
    let mut world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stop_workers().await;
    world.approve(CLEO, id).await.unwrap();
    let fault = json!({
        "operation": "GetDeploymentGroup", "kind": "error", "when": "before", "count": 0,
        "status": 400, "code": "AccessDeniedException", "message": "not you",
    });
    let fault = world.stage.fault(fault).await;
    world.start_worker().await;
    world.stage.struck(&fault).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.get(id).await.state.name(), StateName::Queued);
    assert_eq!(world.stage.calls("RegisterTaskDefinition").await.len(), 0);
    world
        .stage
        .send(reqwest::Method::DELETE, &format!("/faults/{fault}"), None)
        .await;
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r01_an_approval_that_races_with_a_change_of_what_it_approves_starts_nothing(#[case] base: Base) {
    let world = World::new(base).await;
    for n in 1..=5 {
        let id = world.ready(&format!("sha-000000{n}")).await;
        let seen = world.revision(id).await;
        let release = world.get(id).await.release;
        let (cleo, ci) = (person(CLEO), ci());
        let (approved, reported) = tokio::join!(
            world.services.approve(&cleo, id, seen, None),
            world
                .services
                .report_gates(&ci, release, vec![gate("lint", Verdict::Fail)])
        );
        reported.unwrap();
        // Held up while it waits, or ended where the approval was so much faster that it had begun.
        let held = world
            .until(id, "the end of it", |d| {
                matches!(d.state, State::Failed { .. })
                    || matches!(&d.state, State::Requested { blocked } if !blocked.is_empty())
            })
            .await;
        assert!(approved.is_ok() == (held.approvals.len() == 1));
    }
    assert_eq!(world.creates().await, 0);
}
