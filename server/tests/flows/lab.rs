//! The lab, marks and the page that says why, over recordings made through the store; and health between deployments.

use crate::{
    acme::{ADA, BEN, production, rag},
    world::{Base, World, person},
};
use async_trait::async_trait;
use rstest::rstest;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};
use tidegate_adapters::{Alarm, Metrics, Read};
use tidegate_app::{
    health::{DRAFT, LabAnswer, LabAsk, LabFound},
    model::Permission,
    portal::{Portal, PortalError},
};
use tidegate_domain::{
    Actor, DeploymentId, EventKind, OperationId, Revision, State, Timestamp, TrafficPlan,
    access::Role,
    deployment::{Authority, Run},
    health::{
        Course, Ending, Evaluation, HealthDefinition, Mark, Outcome, Point, Query, Recorded, Samples, Series, Unread,
        Which, standard,
    },
    name::PersonRef,
    time::MINUTE,
};
use tidegate_server::{
    config,
    service::lab::{Asked, Chosen, chosen, replayed},
    worker::{HealthHistory, HistoryOptions},
};
use tidegate_store::{AuditQuery, NewEvaluation};
use tokio_util::sync::CancellationToken;

const DRAFT_TEXT: &str = r#"
[health.strict]
interval = "30s"
[[health.strict.rules]]
name = "errors"
words = "5xx rate"
unit = "%"
prometheus = { query = "errors", step = "60s" }
above = LIMIT
datapoints = "2 of 3"
settle = "1s"
action = "roll_back"
"#;

fn draft(limit: &str) -> String {
    DRAFT_TEXT.replace("LIMIT", limit)
}

fn definition(limit: &str) -> HealthDefinition {
    config::definitions("draft", &draft(limit)).unwrap()["strict"].clone()
}

fn query() -> Query {
    Query::Prometheus {
        query: "errors".to_owned(),
        step_seconds: 60,
    }
}

/// A deployment that succeeded, with this share of errors in each of its minutes.
async fn recorded(world: &World, tag: &str, minutes: &[f64]) -> DeploymentId {
    let release = world.ungated_release(tag).await;
    let id = world.request(release, crate::acme::staging()).await;
    let now = world.db.now().await.unwrap().millis();
    let began = Timestamp::from_millis(now - now.rem_euclid(MINUTE) - 60 * MINUTE);
    let length = i64::try_from(minutes.len()).unwrap();
    let ended = began.plus_millis(length * MINUTE);
    let mut tx = world.db.begin().await.unwrap();
    let found = tx.deployment(id).await.unwrap().unwrap();
    let mut deployment = found.value;
    let target = world
        .catalog
        .get()
        .target(&rag(), &crate::acme::staging())
        .unwrap()
        .clone();
    deployment.state = State::Succeeded {
        run: Run {
            revision: Revision {
                service: rag(),
                environment: deployment.environment.clone(),
                digest: deployment.digest.clone(),
                task_definition: "t".to_owned(),
                traffic: TrafficPlan::AllAtOnce,
                health_definition: "strict".to_owned(),
                policy: "p".to_owned(),
                gates: Vec::new(),
                rollback_target: "none".to_owned(),
                verification: "none".to_owned(),
            },
            authority: Authority::Automatic,
            engine: target.engine,
            operation: OperationId::from_uuid(id.uuid()),
            started_at: began,
            start_before: None,
            deadline: ended,
            calls: Vec::new(),
            task_definition: None,
            cloud_deployment: None,
            progress: None,
            stop: None,
            hold: None,
            waived: Vec::new(),
            course: Some(Course {
                started_at: began,
                all_traffic_at: None,
            }),
            watch: None,
            verify: None,
            checks: tidegate_domain::deployment::Checks::default(),
            concerns: Vec::new(),
        },
        at: ended,
    };
    tx.save_deployment(&deployment, found.version).await.unwrap();
    let judge = definition("5.0");
    tx.keep_definition(&judge).await.unwrap();
    let points = (0_i64..).zip(minutes).map(|(minute, value)| Point {
        at: began.plus_millis(minute * MINUTE),
        value: *value,
    });
    let series = [Recorded {
        which: Which::New,
        query: query(),
        series: Series::new(points),
    }];
    for at in [began, ended] {
        let evaluation = Evaluation {
            at,
            definition: "strict".to_owned(),
            version: judge.version(),
            outcome: Outcome::Healthy,
            cause: None,
            rules: Vec::new(),
        };
        tx.record_evaluation(&NewEvaluation {
            deployment: Some(id),
            service: &rag(),
            environment: &deployment.environment,
            evaluation: &evaluation,
            series: &series,
        })
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    id
}

async fn found(world: &World, ask: LabAsk) -> LabFound {
    match world.services.lab(&person(ADA), ask).await.unwrap().answer {
        LabAnswer::Found(found) => found,
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stricter_draft_catches_what_was_missed_and_rolls_back_what_was_fine(#[case] base: Base) {
    let world = World::idle(base).await;
    // The incident: 3 % from the fourth minute on. The fine one had 1 % at times.
    let incident = recorded(&world, "a", &[0.1, 0.2, 0.1, 3.0, 3.0, 3.0, 3.0, 3.0]).await;
    let fine = recorded(&world, "b", &[0.1, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1]).await;
    let quiet = recorded(&world, "c", &[0.1; 8]).await;
    let ada = person(ADA);
    let mark = |id, mark| world.services.mark(&ada, id, mark, Some("seen by all".to_owned()));
    mark(incident, Mark::Incident).await.unwrap();
    mark(fine, Mark::Fine).await.unwrap();

    let version = definition("5.0").version();
    let ask = LabAsk {
        old: Some(version[..8].to_owned()),
        new: Some(DRAFT.to_owned()),
        draft: Some(draft("2.0")),
        ..LabAsk::default()
    };
    let better = found(&world, ask.clone()).await;
    assert_eq!(
        (better.old.passed, better.old.misses, better.old.rolled_back),
        (3, 1, 0)
    );
    assert_eq!(
        (
            better.new.passed,
            better.new.misses,
            better.new.caught,
            better.new.false_rollbacks
        ),
        (2, 0, 1, 0)
    );
    let differing: Vec<DeploymentId> = better
        .rows
        .iter()
        .filter(|row| row.differs())
        .map(|row| row.deployment)
        .collect();
    assert_eq!(differing, [incident]);
    // The second minute of 3 % was over five minutes after the start, and had settled at the look after that.
    let row = better.rows.iter().find(|row| row.deployment == incident).unwrap();
    let act = row.side.new.rolled_back.as_ref().unwrap();
    assert_eq!(act.at.since(row.began_at), 5 * MINUTE + 30_000, "{act:?}");

    let stricter = LabAsk {
        draft: Some(draft("0.5")),
        ..ask
    };
    let worse = found(&world, stricter).await;
    assert_eq!((worse.new.rolled_back, worse.new.false_rollbacks), (2, 1));
    let endings: Vec<(DeploymentId, Ending)> = worse
        .rows
        .iter()
        .map(|row| (row.deployment, row.side.new.ending))
        .collect();
    assert!(endings.contains(&(fine, Ending::RolledBack)) && endings.contains(&(quiet, Ending::Passed)));

    // The same from the command line's side.
    let named = std::collections::BTreeMap::from([("standard".to_owned(), standard())]);
    let old = chosen(&world.db, &named, &version).await.unwrap().unwrap();
    assert_eq!(old, definition("5.0"));
    let only = Asked {
        deployments: vec![incident],
        ..Asked::default()
    };
    let new = Chosen::One(Box::new(definition("2.0")));
    let outcome = replayed(
        &world.db,
        &world.catalog.get(),
        &only,
        &Chosen::One(Box::new(old)),
        &new,
    )
    .await
    .unwrap();
    assert_eq!((outcome.deployments.len(), outcome.new.caught), (1, 1));
    let nothing = chosen(&world.db, &named, "abcdef99").await.unwrap().unwrap_err();
    assert!(nothing.contains("standard"), "{nothing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_that_is_wrong_is_told_by_line_and_comes_back_as_it_was_typed() {
    let world = World::idle(Base::Sqlite).await;
    let typed = draft("2.0").replace("above", "abov");
    let ask = LabAsk {
        new: Some(DRAFT.to_owned()),
        draft: Some(typed.clone()),
        ..LabAsk::default()
    };
    let page = world.services.lab(&person(ADA), ask).await.unwrap();
    let LabAnswer::Wrong { problems } = &page.answer else {
        panic!("{:?}", page.answer)
    };
    assert!(problems[0].starts_with("Line 9, column 1: "), "{problems:?}");
    assert_eq!(page.draft, typed);
    let ask = LabAsk {
        new: Some("nonsense".to_owned()),
        ..LabAsk::default()
    };
    let page = world.services.lab(&person(ADA), ask).await.unwrap();
    assert!(matches!(&page.answer, LabAnswer::Wrong { problems } if problems[0].contains("standard")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_mark_what_is_over_and_the_log_keeps_what_they_said() {
    let world = World::idle(Base::Sqlite).await;
    let id = recorded(&world, "a", &[0.1; 4]).await;
    let viewer = Actor::Person {
        person: PersonRef::new(9, "vic"),
        roles: vec![Role::Viewer],
        teams: Vec::new(),
    };
    let refused = world.services.mark(&viewer, id, Mark::Fine, None).await.unwrap_err();
    assert!(matches!(refused, PortalError::Forbidden(_)), "{refused:?}");
    let page = world.services.health(&viewer, id).await.unwrap();
    assert!(matches!(page.brief.may_mark, Permission::No(_)));

    let comment = Some("carts were lost".to_owned());
    world
        .services
        .mark(&person(BEN), id, Mark::Incident, comment.clone())
        .await
        .unwrap();
    let page = world.services.health(&person(BEN), id).await.unwrap();
    let marked = page.brief.marked.unwrap();
    assert_eq!(
        (marked.mark, marked.by.login.as_str(), &marked.comment),
        (Mark::Incident, BEN.1, &comment)
    );
    let events = world.events(id).await;
    let event = &events
        .iter()
        .find(|event| event.event.kind == EventKind::DeploymentMarked)
        .unwrap()
        .event;
    assert_eq!(event.data["mark"], "incident");
    assert_eq!(event.text, comment, "words of a person can be taken out of the log");

    let release = world.ungated_release("b").await;
    let waiting = world.request(release, crate::acme::staging()).await;
    let refused = world
        .services
        .mark(&person(BEN), waiting, Mark::Fine, None)
        .await
        .unwrap_err();
    assert!(matches!(refused, PortalError::Conflict(_)), "{refused:?}");
}

/// A Prometheus that measures the same value in every minute.
struct Steady(Arc<AtomicI64>);

#[async_trait]
impl Metrics for Steady {
    async fn read(&self, reads: &[Read], _: Instant) -> Vec<Samples> {
        let value = f64::from(i32::try_from(self.0.load(Ordering::Relaxed)).unwrap());
        let one = |read: &Read| {
            let minutes = read.until.since(read.from) / MINUTE;
            let points = (0..minutes).map(|minute| Point {
                at: read.from.plus_millis(minute * MINUTE),
                value,
            });
            Ok(Series::new(points))
        };
        reads.iter().map(one).collect()
    }

    async fn alarms(&self, _: &[String], _: Instant) -> Result<Vec<Alarm>, Unread> {
        Ok(Vec::new())
    }
}

async fn between(world: &World) -> Option<(Outcome, Timestamp)> {
    let page = world.services.service(&person(BEN), rag()).await.unwrap();
    page.health.into_iter().next().and_then(|line| line.outcome)
}

async fn becomes(world: &World, wanted: Outcome) {
    for _ in 0..600 {
        if between(world).await.is_some_and(|(outcome, _)| outcome == wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it is not {wanted:?}: {:?}", between(world).await);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_deployments_health_is_judged_and_only_changes_are_told(#[case] base: Base) {
    let world = World::idle(base).await;
    world.configure(|catalog| catalog.services[0].targets[1].health = Some(definition("2.0")));
    assert_eq!(
        catalog_line(&world).await,
        (production().to_string(), "strict".to_owned())
    );
    let value = Arc::new(AtomicI64::new(0));
    let stop = CancellationToken::new();
    for number in 0..2 {
        let options = HistoryOptions {
            idle: Duration::from_millis(30),
            ..HistoryOptions::new(format!("replica-{number}"))
        };
        let history = HealthHistory::new(
            world.db.clone(),
            world.catalog.clone(),
            Arc::new(Steady(value.clone())),
            options,
        );
        let stop = stop.clone();
        tokio::spawn(async move { history.run(stop).await });
    }
    let _guard = stop.drop_guard();
    becomes(&world, Outcome::Healthy).await;
    // Not again before ten intervals are over.
    value.store(9, Ordering::Relaxed);
    world.later(11 * 30 * 1_000);
    becomes(&world, Outcome::RollBack).await;
    world.later(22 * 30 * 1_000);
    value.store(1, Ordering::Relaxed);
    becomes(&world, Outcome::Healthy).await;
    let query = AuditQuery {
        kind: Some(EventKind::HealthChanged.name().to_owned()),
        limit: 50,
        ..AuditQuery::default()
    };
    let events = world.db.audit(&query).await.unwrap();
    let told: Vec<String> = events
        .iter()
        .rev()
        .map(|event| event.event.data["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["roll_back", "healthy"]);
    assert_eq!(events[1].event.data["rule"], "errors");
}

async fn catalog_line(world: &World) -> (String, String) {
    let page = world.services.service(&person(BEN), rag()).await.unwrap();
    let line = &page.health[0];
    assert_eq!(line.outcome, None, "not judged yet");
    (line.environment.to_string(), line.definition.clone())
}
