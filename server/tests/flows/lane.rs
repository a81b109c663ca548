//! One in flight per service and environment: who waits behind whom, and who wins a race.

use crate::{
    acme::{BEN, CLEO, production, staging},
    world::{Base, World, person},
};
use rstest::rstest;
use std::collections::HashSet;
use tidegate_app::portal::{Portal, PortalError};
use tidegate_domain::{DeploymentId, State, StateName};

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn the_next_one_waits_behind_the_one_in_flight_and_says_so(#[case] base: Base) {
    let world = World::new(base).await;
    world.stage.freeze(true).await;
    let first = world.request(world.release("sha-1111111").await, staging()).await;
    world.reaches(first, StateName::Deploying).await;
    let second = world.request(world.release("sha-2222222").await, staging()).await;
    world.reaches(second, StateName::Queued).await;
    let third = world.request(world.release("sha-3333333").await, staging()).await;
    world.reaches(third, StateName::Queued).await;
    let page = world.services.deployment(&person(BEN), third).await.unwrap();
    let behind: Vec<DeploymentId> = page.behind.iter().map(|other| other.id).collect();
    assert_eq!(behind, [first, second]);
    assert_eq!(world.creates().await, 1);
    world.stage.freeze(false).await;
    for id in [first, second, third] {
        assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
    }
    assert_eq!(world.creates().await, 3);
    assert!(finished_at(&world, first).await <= started_at(&world, second).await);
    assert!(finished_at(&world, second).await <= started_at(&world, third).await);
}

async fn finished_at(world: &World, id: DeploymentId) -> tidegate_domain::Timestamp {
    world.get(id).await.finished_at().unwrap()
}

async fn started_at(world: &World, id: DeploymentId) -> tidegate_domain::Timestamp {
    world.get(id).await.run().unwrap().started_at
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_request_replaces_a_waiting_one_where_the_policy_says_so_and_both_say_it(#[case] base: Base) {
    let world = World::new(base).await;
    world.configure(|catalog| catalog.services[0].targets[1].policy.supersede = true);
    let older = world.ready("sha-1111111").await;
    let newer = world.ready("sha-2222222").await;
    let replaced = world.rests(older).await;
    assert!(
        matches!(replaced.state, State::Superseded { by, .. } if by == newer),
        "{:?}",
        replaced.state
    );
    let page = world.services.deployment(&person(BEN), older).await.unwrap();
    assert_eq!(
        (page.related[0].0.as_str(), page.related[0].1.id),
        ("replaced by", newer)
    );
    let page = world.services.deployment(&person(BEN), newer).await.unwrap();
    assert_eq!((page.related[0].0.as_str(), page.related[0].1.id), ("replaces", older));
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn without_such_a_policy_both_wait_and_neither_blocks_the_other(#[case] base: Base) {
    let world = World::new(base).await;
    let older = world.ready("sha-1111111").await;
    let newer = world.ready("sha-2222222").await;
    world.approve(CLEO, newer).await.unwrap();
    assert_eq!(world.rests(newer).await.state.name(), StateName::Succeeded);
    assert_eq!(world.get(older).await.state.name(), StateName::AwaitingApproval);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r12_of_fifty_starts_at_once_one_wins(#[case] base: Base) {
    let world = World::idle(base).await;
    let release = world.release("sha-aaaaaaa").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let services = world.services.clone();
        tasks.spawn(async move {
            let new = tidegate_app::model::NewDeployment {
                release,
                environment: production(),
                reason: None,
            };
            services.request(&person(BEN), new).await
        });
    }
    let (mut won, mut lost) = (0, 0);
    while let Some(done) = tasks.join_next().await {
        match done.unwrap() {
            Ok(_) => won += 1,
            Err(PortalError::Conflict(_)) => lost += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((won, lost), (1, 49));
    world.log_has_no_gap().await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r12_fifty_rollbacks_at_once_are_one(#[case] base: Base) {
    let world = World::new(base).await;
    let first = world.request(world.release("sha-1111111").await, staging()).await;
    world.rests(first).await;
    let second = world.request(world.release("sha-2222222").await, staging()).await;
    world.rests(second).await;
    world.stage.freeze(true).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let services = world.services.clone();
        tasks.spawn(async move { services.roll_back(&person(BEN), second, "it is slow".to_owned()).await });
    }
    let mut won = HashSet::new();
    let mut lost = 0;
    while let Some(done) = tasks.join_next().await {
        match done.unwrap() {
            Ok(id) => drop(won.insert(id)),
            Err(PortalError::Conflict(_)) => lost += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((won.len(), lost), (1, 49));
    world.stage.freeze(false).await;
    let id = won.into_iter().next().unwrap();
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
    assert_eq!(world.creates().await, 3);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r12_two_workers_on_one_database_make_each_call_once(#[case] base: Base) {
    let mut world = World::new(base).await;
    world.start_worker().await;
    let mut ids = Vec::new();
    for n in 1..=4 {
        let release = world.release(&format!("sha-000000{n}")).await;
        ids.push(world.request(release, staging()).await);
        ids.push(world.request(release, production()).await);
    }
    for id in &ids {
        let deployment = world
            .until(*id, "its turn to be approved", |d| {
                !matches!(d.state, State::Requested { .. })
            })
            .await;
        if deployment.environment == production() {
            // What runs changes with each success, so the revision that is looked at may be gone: look again.
            loop {
                world
                    .until(*id, "a revision", |d| matches!(d.state, State::AwaitingApproval { .. }))
                    .await;
                match world.approve(CLEO, *id).await {
                    Ok(()) => {}
                    Err(PortalError::Conflict(_)) => continue,
                    Err(other) => panic!("{other:?}"),
                }
                let after = world
                    .until(*id, "an end, or another revision", |d| {
                        d.state.name().is_terminal() || matches!(d.state, State::AwaitingApproval { .. })
                    })
                    .await;
                if after.state.name().is_terminal() {
                    break;
                }
            }
        }
    }
    for id in &ids {
        let done = world.rests(*id).await;
        assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    }
    let made = world.stage.cloud_deployments().await;
    let operations: HashSet<&String> = made.iter().map(|(_, description)| description).collect();
    assert_eq!((made.len(), operations.len()), (8, 8));
    assert_eq!(world.creates().await, 8);
    world.log_has_no_gap().await;
}
