//! A target that is watched: its suite runs on schedule against a real listener, by one replica, and people hear of
//! changes only.

use crate::{
    acme::{BEN, production, rag},
    world::{Base, World, person},
};
use axum::{Router, extract::State, http::StatusCode, routing::get};
use rstest::rstest;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tidegate_app::portal::Portal;
use tidegate_domain::{
    EventKind,
    audit::RecordedEvent,
    smoke::{HeaderValue, Health, Monitor, MonitorStatus, Suite, Test},
};
use tidegate_server::worker::{MonitorOptions, Monitors};
use tidegate_store::AuditQuery;
use tokio_util::sync::CancellationToken;

const EVERY_SECONDS: i64 = 60;

#[derive(Clone, Default)]
struct Site {
    broken: Arc<AtomicBool>,
    /// Requests that came.
    asked: Arc<AtomicUsize>,
    /// Requests that wait for this.
    held: Arc<AtomicBool>,
}

impl Site {
    /// Listens on this machine and returns its address.
    async fn listen(&self) -> String {
        async fn classify(State(site): State<Site>) -> (StatusCode, String) {
            site.asked.fetch_add(1, Ordering::SeqCst);
            while site.held.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let intent = if site.broken.load(Ordering::SeqCst) {
                "refund"
            } else {
                "order_return"
            };
            let body = format!(r#"{{"intent":"{intent}","token":"canary-token","echo":"canary-secret"}}"#);
            (StatusCode::OK, body)
        }
        let app = Router::new().route("/classify", get(classify)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }
}

fn monitor(base_url: String) -> Monitor {
    let secret = HeaderValue::Secret {
        prefix: "Bearer ".to_owned(),
        name: "TIDEGATE_SMOKE_TOKEN".to_owned(),
    };
    Monitor {
        suite: Suite {
            name: "reference".to_owned(),
            tests: vec![Test {
                expected_json: [("/intent".to_owned(), "order_return".into())].into(),
                headers: [("authorization".to_owned(), secret)].into(),
                ..Test::get("intent_classification", "/classify")
            }],
        },
        base_url,
        every_seconds: EVERY_SECONDS,
    }
}

async fn watched(base: Base, site: &Site) -> World {
    let world = World::idle(base).await;
    let url = site.listen().await;
    world.configure(|catalog| {
        catalog.services[0].targets[1].monitor = Some(monitor(url));
        catalog.smoke_allow = vec!["127.0.0.1".to_owned()];
    });
    world
}

/// So many replicas; they stop when the guard is dropped.
fn start(world: &World, replicas: usize) -> tokio_util::sync::DropGuard {
    let stop = CancellationToken::new();
    for number in 0..replicas {
        let options = MonitorOptions {
            idle: Duration::from_millis(50),
            ..MonitorOptions::new(format!("replica-{number}"))
        };
        let monitors = Monitors::new(world.db.clone(), world.catalog.clone(), world.prober.clone(), options);
        let stop = stop.clone();
        tokio::spawn(async move { monitors.run(stop).await });
    }
    stop.drop_guard()
}

async fn status(world: &World) -> MonitorStatus {
    let page = world.services.service(&person(BEN), rag()).await.unwrap();
    assert_eq!(page.monitors.len(), 1);
    page.monitors.into_iter().next().unwrap()
}

/// Waits until so many runs were kept.
async fn runs(world: &World, count: usize) -> MonitorStatus {
    for _ in 0..600 {
        let status = status(world).await;
        if status.runs.len() >= count {
            assert_eq!(status.runs.len(), count);
            return status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited for run {count}: {:?}", status(world).await);
}

async fn told(world: &World) -> Vec<RecordedEvent> {
    let query = AuditQuery {
        kind: Some(EventKind::MonitorChanged.name().to_owned()),
        limit: 10,
        ..AuditQuery::default()
    };
    world.db.audit(&query).await.unwrap()
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_runs_on_schedule_by_one_replica_and_tells_of_changes_only(#[case] base: Base) {
    let site = Site::default();
    let world = watched(base, &site).await;
    assert_eq!(status(&world).await.health, None);
    let _running = start(&world, 3);
    let first = runs(&world, 1).await;
    let (health, since) = first.health.unwrap();
    assert_eq!((health, since), (Health::Passing, first.runs[0].began_at));
    assert_eq!(
        first.next_at.unwrap().since(first.runs[0].began_at),
        EVERY_SECONDS * 1_000
    );

    // Twice it fails, then it passes again: two events for three runs.
    for (number, broken) in [(2, true), (3, true), (4, false)] {
        site.broken.store(broken, Ordering::SeqCst);
        world.later(EVERY_SECONDS * 1_000);
        let status = runs(&world, number).await;
        let expected = if broken { Health::Failing } else { Health::Passing };
        assert_eq!(status.health.unwrap().0, expected);
        if number == 3 {
            assert_eq!(
                status.health.unwrap().1,
                status.runs[1].began_at,
                "failing since the run before"
            );
        }
    }
    assert_eq!(
        site.asked.load(Ordering::SeqCst),
        4,
        "one request for each run, by one replica"
    );
    let told = told(&world).await;
    assert_eq!(told.len(), 2, "{told:?}");
    let failing = &told[1].event;
    assert_eq!(failing.subject.service, Some(rag()));
    assert_eq!(failing.subject.environment, Some(production()));
    assert_eq!(failing.data["health"], "failing");
    assert_eq!(failing.data["test"], "intent_classification");
    assert_eq!(failing.data["why"], r#"`/intent` is "refund", expected "order_return""#);
    assert_eq!(told[0].event.data["health"], "passing");
    assert!(told[0].event.data["seconds"].as_i64().unwrap() >= 2 * EVERY_SECONDS);

    // What the site said is kept without its secret and without ours.
    let kept = format!("{:?} {told:?}", status(&world).await);
    assert!(kept.contains("refund") && !kept.contains("canary"), "{kept}");
    world.log_has_no_gap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_a_run_that_was_cut_off_is_made_anew_by_the_next_replica() {
    let site = Site::default();
    site.held.store(true, Ordering::SeqCst);
    let world = watched(Base::Postgres, &site).await;
    let running = start(&world, 1);
    while site.asked.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(running);
    site.held.store(false, Ordering::SeqCst);
    let _next = start(&world, 1);
    let status = runs(&world, 1).await;
    assert_eq!(status.health.unwrap().0, Health::Passing);
    assert_eq!(told(&world).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_monitor_reaches_nothing_inside_that_is_not_allowed() {
    let site = Site::default();
    let world = watched(Base::Sqlite, &site).await;
    world.configure(|catalog| catalog.smoke_allow.clear());
    let _running = start(&world, 1);
    let status = runs(&world, 1).await;
    let (_, why) = status.runs[0].failed.clone().unwrap();
    assert_eq!(why, "no answer: 127.0.0.1 is this machine itself (loopback)");
    assert_eq!(site.asked.load(Ordering::SeqCst), 0);
    let told = told(&world).await;
    assert_eq!(told[0].event.data["why"], why, "a first run that fails is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_that_the_configuration_drops_is_not_run() {
    let site = Site::default();
    let world = watched(Base::Sqlite, &site).await;
    let _running = start(&world, 1);
    runs(&world, 1).await;
    world.configure(|catalog| catalog.services[0].targets[1].monitor = None);
    world.later(10 * EVERY_SECONDS * 1_000);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(site.asked.load(Ordering::SeqCst), 1);
    let page = world.services.service(&person(BEN), rag()).await.unwrap();
    assert!(page.monitors.is_empty());
}
