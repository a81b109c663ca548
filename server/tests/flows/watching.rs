//! Health as it is really read: CloudWatch over the SDK, judged while the deployment runs, acted upon, and kept.

use crate::{
    acme::{BEN, staging},
    world::{Base, World, person},
};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidegate_app::portal::Portal;
use tidegate_domain::{
    Deployment, DeploymentId, EventKind, State, StateName, TrafficPlan,
    deployment::{CALL_WITHIN_MILLIS, RollbackCause},
    health::{Action, Condition, During, HealthDefinition, Hold, Limit, Number, Outcome, Query, Rule, Stat},
};

/// One rule over one metric, judged on datapoints of five seconds as soon as they are over.
fn definition(action: Action) -> HealthDefinition {
    let query = Query::Cloudwatch {
        expression: None,
        metrics: vec![Stat {
            id: "errors".to_owned(),
            namespace: "Acme".to_owned(),
            name: "Errors".to_owned(),
            dimensions: BTreeMap::from([("Service".to_owned(), "${service}".to_owned())]),
            stat: "Sum".to_owned(),
        }],
        period_seconds: 5,
    };
    let condition = Condition::Limits {
        limits: vec![Limit::Absolute {
            value: Number::literal(5.0),
        }],
        during: During::Datapoints { m: 1, n: 1 },
    };
    HealthDefinition {
        name: "errors".to_owned(),
        interval_seconds: 5,
        rules: vec![Rule {
            settle_seconds: 0,
            late_seconds: 2,
            ..Rule::new("errors", "errors", query, condition, action)
        }],
        hold: Hold::default(),
    }
}

async fn errors(world: &World, count: f64) {
    let metric: Value = json!({
        "namespace": "Acme", "name": "Errors", "dimensions": { "Service": "rag" },
        "shape": { "constant": count }, "every_seconds": 5,
    });
    world.stage.post("/aws/metrics", metric).await;
}

/// At 10 %, with the cloud standing still.
async fn watched(base: Base, action: Action) -> (World, DeploymentId) {
    let world = World::new(base).await;
    world.configure(|catalog| {
        let target = &mut catalog.services[0].targets[0];
        target.traffic = TrafficPlan::Canary {
            percent: 10,
            minutes: 15,
        };
        target.health = Some(definition(action));
    });
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    world.until(id, "10 %", |d| d.traffic() == Some(10)).await;
    world.stage.freeze(true).await;
    (world, id)
}

fn judged(deployment: &Deployment, outcome: Outcome) -> bool {
    let watch = deployment.run().and_then(|run| run.watch.as_ref());
    watch.is_some_and(|watch| watch.last.as_ref().is_some_and(|last| last.outcome == outcome))
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r19_a_breach_goes_back_within_seconds_and_why_is_kept(#[case] base: Base) {
    let (world, id) = watched(base, Action::RollBack).await;
    errors(&world, 0.0).await;
    world.until(id, "health", |d| judged(d, Outcome::Healthy)).await;
    errors(&world, 9.0).await;
    world
        .until(id, "the stop", |d| d.run().is_some_and(|run| run.stop.is_some()))
        .await;
    world.stage.freeze(false).await;
    let done = world.rests(id).await;
    let State::RolledBack { cause, .. } = &done.state else {
        panic!("{:#?}", done.state)
    };
    assert!(
        matches!(cause, RollbackCause::Rule { rule, .. } if rule == "errors"),
        "{cause:?}"
    );
    let to_call = done.rollback_timing().unwrap().to_call().unwrap();
    assert!((0..=CALL_WITHIN_MILLIS).contains(&to_call), "{to_call} ms");
    let evaluations = world.db.evaluations_of(id).await.unwrap();
    let last = evaluations.iter().max_by_key(|evaluation| evaluation.at).unwrap();
    assert_eq!(last.outcome, Outcome::RollBack);
    assert!(last.why().unwrap().contains('9'), "{last:?}");
    let recording = world.db.recording(id).await.unwrap().unwrap();
    assert!(recording.series.iter().any(|recorded| !recorded.series.is_empty()));
    let kinds = world.kinds(id).await;
    assert!(kinds.contains(&EventKind::HealthJudged) && kinds.contains(&EventKind::RollbackRequested));
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_spike_holds_and_a_person_lets_it_go_on(#[case] base: Base) {
    let (world, id) = watched(base, Action::Hold).await;
    errors(&world, 9.0).await;
    let held = world
        .until(id, "a hold", |d| d.run().is_some_and(|run| run.hold.is_some()))
        .await;
    assert_eq!(held.run().unwrap().hold.as_ref().unwrap().rule, "errors");
    let nothing = world.services.resume(&person(BEN), id, " ".to_owned()).await;
    assert!(nothing.is_err(), "without a reason");
    world
        .services
        .resume(&person(BEN), id, "the load test of today".to_owned())
        .await
        .unwrap();
    world.stage.freeze(false).await;
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
    let kinds = world.kinds(id).await;
    let times = kinds.iter().filter(|kind| **kind == EventKind::DeploymentHeld).count();
    assert_eq!(times, 1, "a person has answered: {kinds:?}");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_measured_is_doubt_and_nobody_answering_goes_back(#[case] base: Base) {
    let (world, id) = watched(base, Action::RollBack).await;
    let held = world
        .until(id, "a hold", |d| d.run().is_some_and(|run| run.hold.is_some()))
        .await;
    let hold = held.run().unwrap().hold.clone().unwrap();
    world.later(hold.until.since(hold.since));
    world
        .until(id, "the stop", |d| d.run().is_some_and(|run| run.stop.is_some()))
        .await;
    world.stage.freeze(false).await;
    let done = world.rests(id).await;
    assert!(
        matches!(
            &done.state,
            State::RolledBack {
                cause: RollbackCause::Hold { .. },
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
async fn r19_a_source_that_does_not_answer_delays_no_rollback(#[case] base: Base) {
    let (world, id) = watched(base, Action::RollBack).await;
    errors(&world, 0.0).await;
    let fault = world
        .stage
        .fault(json!({ "operation": "GetMetricData", "kind": "hold", "when": "before" }))
        .await;
    world.stage.holds(&fault).await;
    world
        .services
        .roll_back(&person(BEN), id, "it is wrong".to_owned())
        .await
        .unwrap();
    world
        .until(id, "the call", |d| d.run().is_some_and(|run| run.calls.len() > 2))
        .await;
    let called = world.get(id).await;
    let run = called.run().unwrap();
    let waited = run.calls[2].intended_at.since(run.stop.as_ref().unwrap().at);
    assert!(waited < 2_000, "{waited} ms");
    world.stage.release(&fault).await;
    world.stage.freeze(false).await;
    assert_eq!(world.rests(id).await.state.name(), StateName::RolledBack);
}
