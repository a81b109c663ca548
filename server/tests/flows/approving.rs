//! Who may approve what, and what they are told.

use crate::{
    acme::{ADA, BEN, CLEO, DARA, FAY, production},
    world::{Base, World, ci, gate, person},
};
use rstest::rstest;
use tidegate_app::portal::{Portal, PortalError};
use tidegate_domain::{Actor, RevisionHash, Role, StateName, Verdict, name::PersonRef};
use tidegate_server::service::{Push, WorkflowRun};

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r03_requester_author_pusher_and_workflow_actor_are_refused_and_the_attempt_is_noted(#[case] base: Base) {
    let world = World::new(base).await;
    let release = world.release("sha-aaaaaaa").await;
    let found = world.services.release(&person(CLEO), release).await.unwrap().0;
    world
        .services
        .push_received(Push {
            repository: "acme/rag".to_owned(),
            git_ref: "refs/heads/main".to_owned(),
            head: found.commit.clone(),
            pusher: Some(PersonRef::new(DARA.0, DARA.1)),
            commits: Vec::new(),
        })
        .await
        .unwrap();
    let id = world.request(release, production()).await;
    world.reaches(id, StateName::AwaitingApproval).await;
    let expected = [
        (BEN, "you requested this deployment"),
        (ADA, "you wrote a commit that it brings"),
        (DARA, "you pushed the commits that it brings"),
        (FAY, "you set off the workflow that built it"),
    ];
    for (who, why) in expected {
        let renamed = (who.0, "someone-renamed");
        let Err(PortalError::Forbidden(said)) = world.approve(renamed, id).await else {
            panic!("{} was not refused", who.1);
        };
        assert!(said.contains(why), "{said}");
        let denials = world.denials().await;
        assert!(denials[0]["why"].as_str().unwrap().contains(why), "{denials:?}");
    }
    assert_eq!(world.denials().await.len(), 4);
    assert!(world.get(id).await.approvals.is_empty());
    world.approve(CLEO, id).await.unwrap();
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r03_the_authors_of_skipped_releases_do_not_count_either(#[case] base: Base) {
    let world = World::new(base).await;
    let first = world.ready("sha-1111111").await;
    world.approve(CLEO, first).await.unwrap();
    world.rests(first).await;
    // A release that nobody deploys, by someone who is asked for the next one.
    let commit = world.stage.commit("dara-acme", "Dara's part").await;
    let image = world.stage.push_image("sha-2222222").await;
    world.report(&commit, &image).await;
    let id = world.ready("sha-3333333").await;
    let page = world.services.deployment(&person(CLEO), id).await.unwrap();
    let titles: Vec<&str> = page.commits.iter().map(|commit| commit.title.as_str()).collect();
    assert_eq!(titles, ["Work on sha-3333333", "Dara's part"]);
    let error = world.approve(DARA, id).await.unwrap_err();
    assert!(
        error.to_string().contains("you wrote a commit that it brings"),
        "{error}"
    );
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r03_an_author_who_becomes_known_later_counts_no_more(#[case] base: Base) {
    let mut world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stop_workers().await;
    world.approve(CLEO, id).await.unwrap();
    let deployment = world.get(id).await;
    let release = world
        .services
        .release(&person(CLEO), deployment.release)
        .await
        .unwrap()
        .0;
    let mut commit = release.commits[0].clone();
    commit.sha = "c".repeat(40).parse().unwrap();
    commit.author = PersonRef::new(CLEO.0, CLEO.1);
    world
        .services
        .push_received(Push {
            repository: "acme/rag".to_owned(),
            git_ref: "refs/heads/main".to_owned(),
            head: release.commit.clone(),
            pusher: None,
            commits: vec![commit],
        })
        .await
        .unwrap();
    world.start_worker().await;
    let again = world.reaches(id, StateName::AwaitingApproval).await;
    let voided = again.approvals[0].voided.as_ref().expect("it is void");
    assert_eq!(
        voided.why,
        "cleo-acme does not count: they wrote a commit that it brings"
    );
    assert_eq!(world.creates().await, 0);
    world.approve(DARA, id).await.unwrap();
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r05_without_github_nobody_approves_but_everyone_may_watch(#[case] base: Base) {
    let world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stage.github_down(true).await;
    let error = world.approve(CLEO, id).await.unwrap_err();
    assert!(
        matches!(&error, PortalError::Unavailable(why) if why.contains("GitHub")),
        "{error}"
    );
    assert!(world.get(id).await.approvals.is_empty());
    world.services.deployment(&person(CLEO), id).await.unwrap();
    world.stage.github_down(false).await;
    world.approve(CLEO, id).await.unwrap();
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r05_someone_who_left_the_team_since_signing_in_is_refused(#[case] base: Base) {
    let world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.stage.leave_team("release-approvers", CLEO.1).await;
    let error = world.approve(CLEO, id).await.unwrap_err();
    assert!(
        matches!(&error, PortalError::Forbidden(why) if why.contains("not in a team")),
        "{error}"
    );
    assert_eq!(world.denials().await.len(), 1);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r02_who_looked_at_an_older_revision_is_told_what_changed(#[case] base: Base) {
    let world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    let seen = world.revision(id).await;
    let release = world.get(id).await.release;
    let mut again = gate("lint", Verdict::Pass);
    again.detail = Some("2 warnings".to_owned());
    world.services.report_gates(&ci(), release, vec![again]).await.unwrap();
    world
        .until(id, "a new revision", |d| {
            d.revision().is_some_and(|now| now.hash() != seen)
        })
        .await;
    let error = world.services.approve(&person(CLEO), id, seen, None).await.unwrap_err();
    let PortalError::Conflict(why) = &error else {
        panic!("{error:?}")
    };
    assert!(
        why.contains("gate lint changed from pass to pass · 2 warnings"),
        "{why}"
    );
    assert!(world.get(id).await.approvals.is_empty());
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r01_no_way_round_the_quorum_reaches_the_cloud(#[case] base: Base) {
    let world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    let seen = world.revision(id).await;
    let stranger = Actor::Person {
        person: PersonRef::new(666, "stranger"),
        roles: vec![Role::Approver, Role::Admin],
        teams: vec![crate::acme::team("release-approvers")],
    };
    let viewer = Actor::Person {
        person: PersonRef::new(CLEO.0, CLEO.1),
        roles: vec![Role::Viewer],
        teams: Vec::new(),
    };
    for actor in [stranger, viewer, ci(), Actor::system("worker")] {
        let error = world
            .services
            .approve(&actor, id, seen.clone(), None)
            .await
            .unwrap_err();
        assert!(matches!(error, PortalError::Forbidden(_)), "{error}");
    }
    let made_up = RevisionHash("0".repeat(64));
    let error = world
        .services
        .approve(&person(CLEO), id, made_up, None)
        .await
        .unwrap_err();
    assert!(matches!(error, PortalError::Conflict(_)), "{error}");
    assert_eq!(world.denials().await.len(), 4);
    // Two people in one rule of two: one of them twice is not enough.
    world.configure(|catalog| catalog.services[0].targets[1].policy.approvals[0].count = 2);
    world.services.configuration_changed().await.unwrap();
    world
        .until(id, "the new policy", |d| {
            d.revision().is_some_and(|now| now.hash() != seen)
        })
        .await;
    world.approve(CLEO, id).await.unwrap();
    let error = world.approve(CLEO, id).await.unwrap_err();
    assert_eq!(
        error,
        PortalError::Conflict("you have already approved this revision".to_owned())
    );
    assert_eq!(world.get(id).await.state.name(), StateName::AwaitingApproval);
    assert_eq!(world.stage.calls("RegisterTaskDefinition").await.len(), 0);
    assert_eq!(world.creates().await, 0);
    world.approve(DARA, id).await.unwrap();
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
    assert_eq!(world.creates().await, 1);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r13_what_has_ended_stays_as_it_is(#[case] base: Base) {
    let world = World::new(base).await;
    let id = world.ready("sha-aaaaaaa").await;
    let seen = world.revision(id).await;
    world
        .services
        .cancel(&person(BEN), id, "not today".to_owned())
        .await
        .unwrap();
    let before = world.get(id).await;
    assert_eq!(before.state.name(), StateName::Cancelled);
    let services = &world.services;
    let tries = [
        services.approve(&person(CLEO), id, seen, None).await.unwrap_err(),
        services.reject(&person(CLEO), id, "no".to_owned()).await.unwrap_err(),
        services.cancel(&person(BEN), id, "no".to_owned()).await.unwrap_err(),
        services.roll_back(&person(BEN), id, "no".to_owned()).await.unwrap_err(),
    ];
    for error in tries {
        assert!(
            matches!(&error, PortalError::Conflict(why) if why.contains("cancelled")),
            "{error}"
        );
    }
    assert_eq!(world.get(id).await, before);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_before_the_report_is_not_forgotten(#[case] base: Base) {
    let world = World::idle(base).await;
    let commit = world.stage.commit("ada-acme", "Pushed first").await;
    let push = Push {
        repository: "acme/rag".to_owned(),
        git_ref: "refs/heads/main".to_owned(),
        head: commit.parse().unwrap(),
        pusher: Some(PersonRef::new(DARA.0, DARA.1)),
        commits: Vec::new(),
    };
    world.services.push_received(push).await.unwrap();
    let image = world.stage.push_image("sha-aaaaaaa").await;
    let release = world.report(&commit, &image).await;
    let run = WorkflowRun {
        repository: "acme/rag".to_owned(),
        head: commit.parse().unwrap(),
        run_id: 1,
        url: None,
        actor: Some(PersonRef::new(CLEO.0, CLEO.1)),
    };
    world.services.workflow_run_received(run).await.unwrap();
    let found = world.services.release(&person(CLEO), release).await.unwrap().0;
    assert_eq!(found.pusher.map(|pusher| pusher.id), Some(DARA.0));
    assert_eq!(
        found.actor.map(|actor| actor.id),
        Some(FAY.0),
        "the token's word stands"
    );
}
