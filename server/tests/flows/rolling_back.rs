//! Going back: by AWS, by a person out of a running deployment, by a person to what ran before.

use crate::{
    acme::{BEN, CLEO, staging},
    world::{Base, World, person},
};
use rstest::rstest;
use serde_json::json;
use tidegate_app::{model::Permission, portal::Portal};
use tidegate_domain::{
    EventKind, State, StateName,
    deployment::{Authority, Kind, RollbackCause},
};

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_deployment_is_rolled_back_by_aws_and_the_two_are_linked(#[case] base: Base) {
    let world = World::new(base).await;
    let failure = json!({ "event": "AfterAllowTestTraffic", "message": "the smoke test failed" });
    world.stage.post("/aws/groups/rag-production/fail-next", failure).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.approve(CLEO, id).await.unwrap();
    let done = world.rests(id).await;
    let State::RolledBack { cause, rollback, .. } = &done.state else {
        panic!("{:#?}", done.state)
    };
    assert!(matches!(cause, RollbackCause::Cloud { .. }), "{cause:?}");
    let rollback = rollback.as_ref().expect("the deployment that rolled it back");
    assert_ne!(Some(rollback), done.run().unwrap().cloud_deployment.as_ref());
    assert_eq!(world.creates().await, 1, "AWS did it by itself");
    let kinds = world.kinds(id).await;
    for kind in [EventKind::RollbackStarted, EventKind::DeploymentRolledBack] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let page = world.services.deployment(&person(BEN), id).await.unwrap();
    assert!(matches!(&page.allowed.roll_back, Permission::No(why) if why.contains("rolled back")));
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_person_stops_a_running_deployment_and_says_why(#[case] base: Base) {
    let world = World::new(base).await;
    world.stage.freeze(true).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.approve(CLEO, id).await.unwrap();
    world
        .until(id, "progress", |d| d.run().is_some_and(|run| run.progress.is_some()))
        .await;
    let same = world
        .services
        .roll_back(&person(BEN), id, "the answers are wrong".to_owned())
        .await
        .unwrap();
    assert_eq!(same, id);
    let again = world
        .services
        .roll_back(&person(CLEO), id, "me too".to_owned())
        .await
        .unwrap_err();
    assert!(
        again.to_string().contains("ben-acme has already asked") || again.to_string().contains("already"),
        "{again}"
    );
    world
        .until(id, "the stop", |d| d.run().is_some_and(|run| run.calls.len() > 2))
        .await;
    world.stage.freeze(false).await;
    let done = world.rests(id).await;
    let State::RolledBack {
        cause: RollbackCause::Person { by, reason },
        ..
    } = &done.state
    else {
        panic!("{:#?}", done.state)
    };
    assert_eq!((by.id, reason.as_str()), (BEN.0, "the answers are wrong"));
    assert_eq!(world.stage.calls("StopDeployment").await.len(), 1);
    world.log_has_no_gap().await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_fails_itself_says_what_should_serve(#[case] base: Base) {
    let world = World::new(base).await;
    let fails = |rollback| json!({ "event": "Install", "message": "no capacity", "rollback": rollback });
    world
        .stage
        .post("/aws/groups/rag-staging/fail-next", fails(false))
        .await;
    world.stage.post("/aws/groups/rag-staging/fail-next", fails(true)).await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    let done = world.rests(id).await;
    let State::Failed { failure, .. } = &done.state else {
        panic!("{:#?}", done.state)
    };
    assert!(
        failure.message.contains("it should be arn:aws:ecs"),
        "{}",
        failure.message
    );
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_back_to_the_release_before(#[case] base: Base) {
    let world = World::new(base).await;
    let first = world.ready("sha-1111111").await;
    world.approve(CLEO, first).await.unwrap();
    world.rests(first).await;
    let nothing = world
        .services
        .roll_back(&person(BEN), first, "just so".to_owned())
        .await
        .unwrap_err();
    assert!(
        nothing.to_string().contains("there is nothing to go back to"),
        "{nothing}"
    );
    let second = world.ready("sha-2222222").await;
    world.approve(CLEO, second).await.unwrap();
    world.rests(second).await;
    let old = world
        .services
        .roll_back(&person(BEN), first, "just so".to_owned())
        .await
        .unwrap_err();
    assert!(old.to_string().contains("roll back that one"), "{old}");

    let back = world
        .services
        .roll_back(&person(BEN), second, "answers are slow".to_owned())
        .await
        .unwrap();
    let done = world.rests(back).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    assert!(matches!(&done.kind, Kind::Rollback { of, .. } if *of == second));
    assert!(
        matches!(done.run().unwrap().authority, Authority::Rollback { .. }),
        "it needs no new quorum"
    );
    assert_eq!(done.label, "sha-1111111");
    let page = world.services.deployment(&person(BEN), second).await.unwrap();
    assert!(
        page.related
            .iter()
            .any(|(how, other)| how == "rolled back by" && other.id == back)
    );
    let home = world.services.home(&person(BEN)).await.unwrap();
    let cell = home.rows[0].cells[1].as_ref().unwrap();
    assert_eq!(cell.current.as_ref().unwrap().label, "sha-1111111");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_back_to_any_release_that_succeeded_before_and_to_no_other(#[case] base: Base) {
    let world = World::new(base).await;
    let mut done = Vec::new();
    for tag in ["sha-1111111", "sha-2222222", "sha-3333333"] {
        let id = world.request(world.release(tag).await, staging()).await;
        done.push(world.rests(id).await);
    }
    let newest = done[2].id;
    let page = world.services.deployment(&person(BEN), newest).await.unwrap();
    let offered: Vec<&str> = page.earlier.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(offered, ["sha-2222222", "sha-1111111"]);
    let never = world.release("sha-4444444").await;
    let refused = world
        .services
        .roll_back_to(&person(BEN), newest, never, "why not".to_owned())
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("did not succeed in staging before"),
        "{refused}"
    );
    let back = world
        .services
        .roll_back_to(&person(BEN), newest, done[0].release, "both are wrong".to_owned())
        .await
        .unwrap();
    let back = world.rests(back).await;
    assert_eq!(
        (back.state.name(), back.label.as_str(), &back.digest),
        (StateName::Succeeded, "sha-1111111", &done[0].digest)
    );
}
