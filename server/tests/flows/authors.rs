//! Who wrote it is known, or nobody is asked (R3).

use crate::{
    acme::{ADA, CLEO, SERVICE_TOKEN, production, rag},
    world::{Base, World, ci, gate, person},
};
use rstest::rstest;
use tidegate_app::portal::Portal;
use tidegate_domain::{
    DeploymentId, ReleaseId, State, StateName, Verdict,
    name::{CommitSha, PersonRef},
    release::Commit,
};
use tidegate_server::service::{NewRelease, Push, lineage::LOOK_BACK};

/// A commit as a push names it: without the author's numeric id.
fn pushed(sha: &CommitSha) -> Commit {
    Commit {
        sha: sha.clone(),
        title: "From a push".to_owned(),
        author: PersonRef::new(0, "dara-acme"),
        at: None,
        url: None,
    }
}

async fn push(world: &World, head: &str) {
    let head: CommitSha = head.parse().unwrap();
    let push = Push {
        repository: "acme/rag".to_owned(),
        git_ref: "refs/heads/main".to_owned(),
        commits: vec![pushed(&head)],
        head,
        pusher: None,
    };
    world.services.push_received(push).await.unwrap();
}

async fn wanted(world: &World, release: ReleaseId) -> DeploymentId {
    world
        .services
        .report_gates(&ci(), release, vec![gate("lint", Verdict::Pass)])
        .await
        .unwrap();
    world.request(release, production()).await
}

/// Why it is held up.
async fn held(world: &World, id: DeploymentId) -> String {
    let held = world
        .until(
            id,
            "a blocker",
            |d| matches!(&d.state, State::Requested { blocked } if !blocked.is_empty()),
        )
        .await;
    match &held.state {
        State::Requested { blocked } => blocked[0].why.clone(),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r03_a_token_that_github_refuses_says_nothing_about_who_wrote_it(#[case] base: Base) {
    let world = World::new(base).await;
    let commit = world.stage.commit("dara-acme", "Dara's part").await;
    let token = format!("/github/tokens/{SERVICE_TOKEN}");
    world.stage.send(reqwest::Method::DELETE, &token, None).await;
    push(&world, &commit).await;
    let image = world.stage.push_image("sha-aaaaaaa").await;
    let release = world.report(&commit, &image).await;
    let id = wanted(&world, release).await;
    let why = held(&world, id).await;
    assert!(why.contains("GitHub refused to say"), "{why}");
    assert!(world.get(id).await.approvals.is_empty());
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r03_a_repository_that_the_token_may_not_see_is_not_one_without_the_commit(#[case] base: Base) {
    let world = World::new(base).await;
    let commit = world.stage.commit("dara-acme", "Dara's part").await;
    // GitHub hides by 404 what the token's owner may not read.
    world
        .stage
        .send(reqwest::Method::DELETE, "/github/orgs/acme/members/fay-acme", None)
        .await;
    push(&world, &commit).await;
    let image = world.stage.push_image("sha-aaaaaaa").await;
    let release = world.report(&commit, &image).await;
    let id = wanted(&world, release).await;
    let why = held(&world, id).await;
    assert!(why.contains("cannot read acme/rag"), "{why}");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r03_a_commit_that_github_does_not_have_needs_authors_by_number(#[case] base: Base) {
    let world = World::new(base).await;
    let gone = "c".repeat(40);
    push(&world, &gone).await;
    let image = world.stage.push_image("sha-aaaaaaa").await;
    let release = world.report(&gone, &image).await;
    let id = wanted(&world, release).await;
    let why = held(&world, id).await;
    assert!(why.contains("GitHub has no commit ccccccc"), "{why}");

    let new = NewRelease {
        service: rag(),
        commit: "d".repeat(40).parse().unwrap(),
        git_ref: "refs/heads/main".to_owned(),
        image: world.stage.push_image("sha-ddddddd").await,
        run_url: None,
        run_id: None,
        authors: vec![PersonRef::new(ADA.0, ADA.1)],
        commits: Vec::new(),
        gates: Vec::new(),
        migration: None,
    };
    let release = world.services.register_release(&ci(), new).await.unwrap().0.id;
    let id = wanted(&world, release).await;
    world.reaches(id, StateName::AwaitingApproval).await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r03_an_author_without_an_account_is_one_only_if_github_says_so(#[case] base: Base) {
    let world = World::new(base).await;
    let commit = world.stage.commit("Nobody <nobody@acme.test>", "A guess").await;
    push(&world, &commit).await;
    let image = world.stage.push_image("sha-aaaaaaa").await;
    let release = world.report(&commit, &image).await;
    let id = wanted(&world, release).await;
    world.reaches(id, StateName::AwaitingApproval).await;
    world.approve(CLEO, id).await.unwrap();
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r03_more_releases_at_once_than_can_be_looked_at_are_held_up(#[case] base: Base) {
    let world = World::new(base).await;
    let first = world.ready("sha-1111111").await;
    world.approve(CLEO, first).await.unwrap();
    world.rests(first).await;
    let commit = world.stage.commit("ada-acme", "One of many").await;
    for n in 0..=LOOK_BACK {
        let image = format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag@sha256:{n:064x}");
        world.report(&commit, &image).await;
    }
    let release = world.release("sha-2222222").await;
    let id = world.request(release, production()).await;
    let why = held(&world, id).await;
    assert!(why.contains("too many to tell who wrote them"), "{why}");
    let page = world.services.deployment(&person(CLEO), id).await.unwrap();
    assert!(page.deployment.approvals.is_empty());
}
