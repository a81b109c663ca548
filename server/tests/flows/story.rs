//! The main path, and what people read on the way.

use crate::{
    acme::{BEN, CLEO, production, rag, staging},
    world::{Base, World, ci, gate, person},
};
use rstest::rstest;
use tidegate_app::{
    model::{AuditFilter, HistoryFilter, NewDeployment, Permission},
    portal::{Portal, PortalError},
};
use tidegate_domain::{EventKind, State, StateName, Verdict, deployment::Authority};

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_requested_gated_approved_and_deployed(#[case] base: Base) {
    let world = World::new(base).await;
    let release = world.ungated_release("sha-aaaaaaa").await;
    let id = world.request(release, production()).await;
    let blocked = world
        .until(
            id,
            "a blocker",
            |d| matches!(&d.state, State::Requested { blocked } if !blocked.is_empty()),
        )
        .await;
    let State::Requested { blocked } = &blocked.state else {
        panic!("{:?}", blocked.state)
    };
    assert_eq!(
        (blocked[0].subject.as_str(), blocked[0].why.as_str()),
        ("lint", "not reported yet")
    );
    assert_eq!(world.creates().await, 0);

    world
        .services
        .report_gates(&ci(), release, vec![gate("lint", Verdict::Pass)])
        .await
        .unwrap();
    world.reaches(id, StateName::AwaitingApproval).await;
    let inbox = world.services.inbox(&person(CLEO)).await.unwrap();
    assert_eq!(inbox.waiting_on_me.len(), 1);
    assert_eq!(world.services.waiting_on(&person(CLEO)).await.unwrap(), 1);
    assert_eq!(
        world.services.waiting_on(&person(BEN)).await.unwrap(),
        0,
        "who requested it is not asked"
    );
    let page = world.services.deployment(&person(CLEO), id).await.unwrap();
    assert_eq!(page.allowed.approve, Permission::Yes);
    assert_eq!(page.commits[0].title, "Work on sha-aaaaaaa");
    let preparation = page.deployment.preparation.as_ref().unwrap();
    assert!(preparation.immutable_tags);
    assert_eq!(
        preparation.changes.len(),
        1,
        "only the image changes: {:?}",
        preparation.changes
    );

    world.approve(CLEO, id).await.unwrap();
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    let run = done.run().unwrap();
    assert!(matches!(run.authority, Authority::Quorum { .. }));

    let created = world.stage.calls("CreateDeployment").await;
    assert_eq!(created.len(), 1);
    let request = &created[0]["request"];
    let description = request["description"].as_str().unwrap();
    assert!(description.contains(&run.operation.to_string()), "{description}");
    assert_eq!(request["autoRollbackConfiguration"]["enabled"], true, "R18");

    let home = world.services.home(&person(CLEO)).await.unwrap();
    let cell = home.rows[0].cells[1].as_ref().unwrap();
    assert_eq!(cell.current.as_ref().unwrap().id, id);
    let filter = HistoryFilter {
        person: Some("cleo-acme".to_owned()),
        ..HistoryFilter::default()
    };
    assert_eq!(
        world.services.history(&person(CLEO), filter).await.unwrap().items[0].id,
        id
    );
    let page = world.services.service(&person(CLEO), rag()).await.unwrap();
    assert_eq!(page.releases[0].deployments[0].id, id);
    let filter = AuditFilter {
        deployment: Some(id.to_string()),
        ..AuditFilter::default()
    };
    let log = world.services.audit(&person(CLEO), filter).await.unwrap();
    for kind in [
        EventKind::DeploymentRequested,
        EventKind::ApprovalGiven,
        EventKind::CloudIntended,
        EventKind::DeploymentSucceeded,
    ] {
        assert!(log.events.iter().any(|recorded| recorded.event.kind == kind), "{kind}");
    }
    world.log_has_no_gap().await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn staging_goes_by_itself_and_opens_the_way_to_production(#[case] base: Base) {
    let world = World::new(base).await;
    world.configure(|catalog| catalog.services[0].targets[1].policy.promote_from = Some(staging()));
    let release = world.release("sha-bbbbbbb").await;
    let to_production = world.request(release, production()).await;
    let blocked = world
        .until(
            to_production,
            "a blocker",
            |d| matches!(&d.state, State::Requested { blocked } if !blocked.is_empty()),
        )
        .await;
    let State::Requested { blocked } = &blocked.state else {
        panic!("{:?}", blocked.state)
    };
    assert_eq!(blocked[0].subject, "staging");
    let wanted = NewDeployment {
        release,
        environment: staging(),
        reason: None,
    };
    let to_staging = world.services.request(&ci(), wanted).await.unwrap();
    let done = world.rests(to_staging).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    assert_eq!(done.run().unwrap().authority, Authority::Automatic);
    world.reaches(to_production, StateName::AwaitingApproval).await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said_in_words(#[case] base: Base) {
    let world = World::idle(base).await;
    let release = world.release("sha-ccccccc").await;
    let nowhere = "nowhere".parse().unwrap();
    let error = world.try_request(release, nowhere).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment: rag has no target in nowhere; its environments: staging, production"
    );
    let first = world.request(release, production()).await;
    let Err(PortalError::Conflict(why)) = world.try_request(release, production()).await else {
        panic!("a second request was taken");
    };
    assert!(why.contains(&first.to_string()), "{why}");
    let error = world
        .services
        .reject(&person(CLEO), first, "  ".to_owned())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, PortalError::Invalid { field, .. } if field == "reason"),
        "{error}"
    );
    let error = world
        .services
        .roll_back(&person(BEN), first, "no good".to_owned())
        .await
        .unwrap_err();
    assert_eq!(
        error,
        PortalError::Conflict("nothing of it runs yet: cancel it instead".to_owned())
    );
    world
        .services
        .reject(&person(CLEO), first, "not on a Friday".to_owned())
        .await
        .unwrap();
    world.request(release, production()).await;
}
