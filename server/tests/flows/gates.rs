//! Gates of time and shape: freezes and their overrides, migrations, break-glass with its register.

use crate::{
    acme::{ADA, BEN, CLEO, production, rag},
    world::{Base, World, ci, person},
};
use rstest::rstest;
use std::time::Duration;
use tidegate_app::{
    portal::{Portal, PortalError},
    shape::{NewBreakGlass, NewReview},
};
use tidegate_domain::{
    Actor, DeploymentId, EventKind, Freeze, ReleaseId, Role, State, StateName,
    breakglass::{Check, Judgement},
    deployment::Authority,
    freeze::Window,
    migration::{Migration, Phase},
    name::CommitSha,
    time::{DAY, HOUR},
};
use tidegate_server::service::NewRelease;

/// How long something that must not happen is waited for.
const QUIET: Duration = Duration::from_millis(1_500);

fn admin() -> Actor {
    let Actor::Person { person, teams, .. } = person(ADA) else {
        panic!("a person")
    };
    Actor::Person {
        person,
        teams,
        roles: vec![Role::Viewer, Role::Admin],
    }
}

async fn freeze(world: &World, millis: i64) {
    let now = world.db.now().await.unwrap();
    world.configure(|catalog| {
        catalog.freezes = vec![Freeze {
            name: "weekend".to_owned(),
            time_zone: "Europe/Vienna".to_owned(),
            window: Window::Dated {
                from: now.plus_millis(-HOUR),
                until: now.plus_millis(millis),
            },
            services: Vec::new(),
            environments: vec![production()],
            override_by: vec![Role::Admin],
        }];
    });
    world.services.configuration_changed().await.unwrap();
}

async fn stays(world: &World, id: DeploymentId, state: StateName) {
    tokio::time::sleep(QUIET).await;
    assert_eq!(world.get(id).await.state.name(), state);
}

fn glass(skips: &[Check]) -> NewBreakGlass {
    NewBreakGlass {
        reason: "checkout is down".to_owned(),
        incident: "https://incidents.example/7".to_owned(),
        skips: skips.to_vec(),
    }
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_holds_up_an_approved_release_until_someone_with_the_role_overrides_it(#[case] base: Base) {
    let world = World::new(base).await;
    let id = world.ready("sha-1111111").await;
    freeze(&world, 3 * DAY).await;
    world.approve(CLEO, id).await.unwrap();
    stays(&world, id, StateName::Queued).await;
    assert_eq!(world.creates().await, 0);
    let page = world.services.deployment(&person(BEN), id).await.unwrap();
    assert!(
        page.shape.closed[0].starts_with("Frozen until "),
        "{:?}",
        page.shape.closed
    );
    assert!(page.shape.closed[0].ends_with(" Europe/Vienna (weekend freeze)"));
    // The time to start is put off by the freeze, and the log says so.
    let State::Queued {
        since, start_before, ..
    } = world.get(id).await.state
    else {
        panic!("queued")
    };
    assert!(start_before.unwrap().since(since) > 3 * DAY);
    assert!(world.kinds(id).await.contains(&EventKind::DeploymentPostponed));

    let name = || "weekend".to_owned();
    let refused = world
        .services
        .override_freeze(&person(BEN), id, name(), "please".to_owned())
        .await;
    assert!(
        matches!(&refused, Err(PortalError::Forbidden(why)) if why.contains("you need the role admin")),
        "{refused:?}"
    );
    assert_eq!(world.denials().await[0]["what"], "override a freeze");
    let empty = world
        .services
        .override_freeze(&admin(), id, name(), " ".to_owned())
        .await;
    assert!(matches!(empty, Err(PortalError::Invalid { .. })));
    let other = world
        .services
        .override_freeze(&admin(), id, "year-end".to_owned(), "now".to_owned())
        .await;
    assert!(
        matches!(&other, Err(PortalError::Invalid { message, .. }) if message.contains("weekend")),
        "{other:?}"
    );

    world
        .services
        .override_freeze(&admin(), id, name(), "customers cannot pay".to_owned())
        .await
        .unwrap();
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
    let events = world.events(id).await;
    let given = events
        .iter()
        .find(|it| it.event.kind == EventKind::FreezeOverridden)
        .unwrap();
    assert_eq!(given.event.text.as_deref(), Some("customers cannot pay"));
    assert_eq!(given.event.data["freeze"], "weekend");
    // The freeze holds on for everybody else, and never for a rollback.
    let next = world.ready("sha-2222222").await;
    world.approve(CLEO, next).await.unwrap();
    stays(&world, next, StateName::Queued).await;
    world.later(DAY);
    stays(&world, next, StateName::Queued).await;
    freeze(&world, -1).await;
    assert_eq!(world.rests(next).await.state.name(), StateName::Succeeded);
    freeze(&world, DAY).await;
    let back = world
        .services
        .roll_back(&person(BEN), next, "errors".to_owned())
        .await
        .unwrap();
    assert_eq!(world.rests(back).await.state.name(), StateName::Succeeded);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_freeze_holds_up_nobody_behind_it(#[case] base: Base) {
    let world = World::new(base).await;
    freeze(&world, DAY).await;
    let (first, second) = (world.ready("sha-1111111").await, world.ready("sha-2222222").await);
    world.approve(CLEO, first).await.unwrap();
    world.approve(CLEO, second).await.unwrap();
    world
        .services
        .override_freeze(&admin(), second, "weekend".to_owned(), "this one".to_owned())
        .await
        .unwrap();
    assert_eq!(world.rests(second).await.state.name(), StateName::Succeeded);
    // What runs has changed: those who had approved the first one are asked again.
    world.reaches(first, StateName::AwaitingApproval).await;
    assert_eq!(world.creates().await, 1);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r07_break_glass_goes_once_is_reviewed_by_another_and_an_overdue_review_blocks_the_next(#[case] base: Base) {
    let world = World::new(base).await;
    freeze(&world, 3 * DAY).await;
    let release = world.ungated_release("sha-1111111").await;
    let id = world.request(release, production()).await;
    let blocked = |deployment: &tidegate_domain::Deployment| matches!(&deployment.state, State::Requested { blocked } if !blocked.is_empty());
    world.until(id, "its gate to hold it up", blocked).await;
    let lint = Check::Gate("lint".parse().unwrap());

    for wrong in [
        NewBreakGlass {
            incident: "incident 7".to_owned(),
            ..glass(&[Check::Quorum])
        },
        glass(&[]),
    ] {
        let refused = world.services.break_glass(&person(BEN), id, wrong).await;
        assert!(matches!(refused, Err(PortalError::Invalid { .. })), "{refused:?}");
    }
    let auditor = Actor::Person {
        person: tidegate_domain::PersonRef::new(CLEO.0, CLEO.1),
        roles: vec![Role::Auditor],
        teams: Vec::new(),
    };
    let refused = world.services.break_glass(&auditor, id, glass(&[Check::Quorum])).await;
    assert!(matches!(refused, Err(PortalError::Forbidden(_))), "{refused:?}");
    assert_eq!(world.denials().await[0]["what"], "break the glass");

    // It skips what it names: the freeze is not among that.
    world
        .services
        .break_glass(&person(BEN), id, glass(&[lint.clone(), Check::Quorum]))
        .await
        .unwrap();
    world.reaches(id, StateName::Queued).await;
    stays(&world, id, StateName::Queued).await;
    assert_eq!(world.creates().await, 0);
    let again = world
        .services
        .break_glass(&person(BEN), id, glass(&[Check::Freeze]))
        .await;
    assert!(matches!(again, Err(PortalError::Conflict(_))), "{again:?}");
    world
        .services
        .override_freeze(&admin(), id, "weekend".to_owned(), "the incident".to_owned())
        .await
        .unwrap();
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded);
    assert!(matches!(done.run().unwrap().authority, Authority::BreakGlass { .. }));
    let used = done.waivers.glass.as_ref().unwrap().used.clone().unwrap();
    assert_eq!(used.skipped, [lint, Check::Quorum]);
    let kinds = world.kinds(id).await;
    let place = |kind| kinds.iter().position(|known| *known == kind).unwrap();
    assert!(place(EventKind::BreakGlassOpened) < place(EventKind::BreakGlassUsed));
    assert!(place(EventKind::BreakGlassUsed) < place(EventKind::DeploymentStarted));

    let register = world.services.break_glass_register(&person(BEN)).await.unwrap();
    let row = &register.rows[0];
    assert_eq!((row.entry.deployment, row.may_review.is_yes()), (id, false));
    assert_eq!(row.entry.glass.used.as_ref().unwrap().skipped.len(), 2);
    let review = || NewReview {
        judgement: Judgement::NotJustified,
        text: "the gate was right".to_owned(),
    };
    let glass_id = row.entry.glass.id;
    let own = world
        .services
        .review_break_glass(&person(BEN), glass_id, review())
        .await;
    assert!(
        matches!(&own, Err(PortalError::Forbidden(why)) if why.contains("nobody reviews")),
        "{own:?}"
    );
    let inbox = world.services.inbox(&person(CLEO)).await.unwrap();
    assert_eq!(inbox.reviews.len(), 1);
    assert_eq!(world.services.inbox(&person(BEN)).await.unwrap().reviews.len(), 0);
    assert_eq!(world.services.waiting_on(&person(CLEO)).await.unwrap(), 1);

    // A used one opens nothing again, and nobody opens another while the review is overdue.
    let next = world.ready("sha-2222222").await;
    world.later(25 * HOUR);
    let next = match world.get(next).await.state.name() {
        StateName::AwaitingApproval => next,
        _ => world.ready("sha-3333333").await,
    };
    let overdue = world
        .services
        .break_glass(&person(BEN), next, glass(&[Check::Quorum]))
        .await;
    assert!(
        matches!(&overdue, Err(PortalError::Forbidden(why)) if why.contains("is overdue by")),
        "{overdue:?}"
    );
    world
        .services
        .review_break_glass(&person(CLEO), glass_id, review())
        .await
        .unwrap();
    let twice = world
        .services
        .review_break_glass(&person(ADA), glass_id, review())
        .await;
    assert!(matches!(twice, Err(PortalError::Conflict(_))), "{twice:?}");
    let register = world.services.break_glass_register(&person(BEN)).await.unwrap();
    let found = register.rows[0].entry.review.clone().unwrap();
    assert_eq!((found.by.id, found.judgement), (CLEO.0, Judgement::NotJustified));
    assert!(world.kinds(id).await.contains(&EventKind::BreakGlassReviewed));
    world.log_has_no_gap().await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r07_a_glass_that_runs_out_brings_nothing_to_production(#[case] base: Base) {
    let world = World::new(base).await;
    freeze(&world, 3 * DAY).await;
    let id = world.ready("sha-1111111").await;
    world
        .services
        .break_glass(&person(BEN), id, glass(&[Check::Quorum]))
        .await
        .unwrap();
    stays(&world, id, StateName::Queued).await;
    world.later(HOUR + 1);
    let ended = world.rests(id).await;
    assert_eq!(ended.state.name(), StateName::Expired);
    assert_eq!(world.creates().await, 0);
}

async fn migrating(world: &World, tag: &str, phase: Phase) -> ReleaseId {
    let commit = world.stage.commit("ada-acme", &format!("Work on {tag}")).await;
    let image = world.stage.push_image(tag).await;
    let new = NewRelease {
        service: rag(),
        commit: CommitSha::new(commit).unwrap(),
        git_ref: "refs/heads/main".to_owned(),
        image,
        run_url: None,
        run_id: None,
        authors: Vec::new(),
        commits: Vec::new(),
        gates: vec![crate::world::gate("lint", tidegate_domain::Verdict::Pass)],
        migration: Migration::new("orders", phase),
    };
    world.services.register_release(&ci(), new).await.unwrap().0.id
}

async fn deployed(world: &World, release: ReleaseId) -> DeploymentId {
    let id = world.request(release, production()).await;
    world.reaches(id, StateName::AwaitingApproval).await;
    world.approve(CLEO, id).await.unwrap();
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
    id
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_goes_phase_by_phase_and_back_past_its_contract_only_by_break_glass(#[case] base: Base) {
    let world = World::new(base).await;
    let early = migrating(&world, "sha-0000001", Phase::Migrate).await;
    let early = world.request(early, production()).await;
    let held = world
        .until(
            early,
            "the order of phases to hold it up",
            |deployment| matches!(&deployment.state, State::Requested { blocked } if !blocked.is_empty()),
        )
        .await;
    assert!(
        matches!(&held.state, State::Requested { blocked } if blocked[0].why.contains("its expand phase has not succeeded")),
        "{:?}",
        held.state
    );
    deployed(&world, migrating(&world, "sha-0000002", Phase::Expand).await).await;
    // What was held up goes on by itself.
    world.reaches(early, StateName::AwaitingApproval).await;
    world.approve(CLEO, early).await.unwrap();
    assert_eq!(world.rests(early).await.state.name(), StateName::Succeeded);

    let contract = migrating(&world, "sha-0000003", Phase::Contract).await;
    let id = world.request(contract, production()).await;
    world.reaches(id, StateName::AwaitingApproval).await;
    world.approve(CLEO, id).await.unwrap();
    stays(&world, id, StateName::Queued).await;
    let page = world.services.deployment(&person(BEN), id).await.unwrap();
    assert!(
        page.shape.closed[0].contains("calendar week in which migrate succeeded"),
        "{:?}",
        page.shape.closed
    );
    let opens = page.shape.opens.unwrap();
    world.later(opens.since(page.now) + 1_000);
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:?}", done.state);

    let plain = world.services.roll_back(&person(BEN), id, "errors".to_owned()).await;
    assert!(
        matches!(&plain, Err(PortalError::Conflict(why)) if why.contains("before the contract phase of migration orders")
            && why.contains("break the glass")),
        "{plain:?}"
    );
    let page = world.services.deployment(&person(BEN), id).await.unwrap();
    assert!(page.shape.no_way_back.is_some() && !page.allowed.roll_back.is_yes());
    let more = world
        .services
        .break_glass(&person(BEN), id, glass(&[Check::SchemaGone, Check::Quorum]))
        .await;
    assert!(matches!(more, Err(PortalError::Invalid { .. })), "{more:?}");
    let back = world
        .services
        .break_glass(&person(BEN), id, glass(&[Check::SchemaGone]))
        .await
        .unwrap();
    let done = world.rests(back).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:?}", done.state);
    assert_eq!(done.waivers.glass.unwrap().used.unwrap().skipped, [Check::SchemaGone]);
}
