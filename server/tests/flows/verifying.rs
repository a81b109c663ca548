//! A deployment that has to pass a smoke suite, against a real listener: before traffic, after it, and the way back.

use crate::{
    acme::{BEN, CLEO, production, staging},
    world::{Base, World, person},
};
use axum::{Router, extract::State as Shared, http::StatusCode, routing::get};
use rstest::rstest;
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tidegate_app::portal::Portal;
use tidegate_domain::{
    Deployment, EventKind, State, StateName,
    catalog::Engine,
    deployment::{CallKind, Outcome, RollbackCause},
    smoke::{Attempt, HeaderValue, Suite, Test, Verification},
};

/// A service on this machine, and its test listener.
#[derive(Clone, Default)]
struct Site {
    /// Requests that fail before one passes; `usize::MAX`: all.
    fails: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    /// Requests wait for this to end.
    held: Arc<AtomicBool>,
}

impl Site {
    async fn listen(&self) -> String {
        async fn health(Shared(site): Shared<Site>) -> (StatusCode, &'static str) {
            site.asked.fetch_add(1, Ordering::SeqCst);
            while site.held.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let left = site.fails.load(Ordering::SeqCst);
            if left == 0 {
                return (StatusCode::OK, r#"{"status":"up"}"#);
            }
            if left != usize::MAX {
                site.fails.fetch_sub(1, Ordering::SeqCst);
            }
            let body = r#"{"status":"down","token":"canary-token","echo":"canary-secret"}"#;
            (StatusCode::SERVICE_UNAVAILABLE, body)
        }
        let app = Router::new().route("/health", get(health)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }

    fn failing() -> Self {
        let site = Self::default();
        site.fails.store(usize::MAX, Ordering::SeqCst);
        site
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn is_asked(&self) {
        while self.asked() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// One test of up to three attempts, a second apart.
fn verification(base_url: String) -> Verification {
    let secret = HeaderValue::Secret {
        prefix: "Bearer ".to_owned(),
        name: "TIDEGATE_SMOKE_TOKEN".to_owned(),
    };
    Verification {
        suite: Suite {
            name: "reference".to_owned(),
            tests: vec![Test {
                attempts: 3,
                pause_seconds: 1,
                timeout_ms: 30_000,
                headers: [("authorization".to_owned(), secret)].into(),
                ..Test::get("health", "/health")
            }],
        },
        base_url,
        test_base_url: None,
        stability_wait_seconds: 0,
    }
}

/// Production and staging are verified by this, and run in groups with waits: production for a yes before traffic, staging
/// not even before the old tasks go.
async fn verified(base: Base, edit: impl FnOnce(&mut Verification), site: &Site) -> World {
    let world = World::idle(base).await;
    let image = format!("{}@sha256:{}", crate::acme::REGISTRY, "0d".repeat(32));
    let seed = json!({
        "services": [{ "name": "waits", "cluster": "acme-production", "family": "acme-waits", "image": image,
                       "container": "app", "port": 8080 }],
        "applications": [{ "name": "acme-waits", "groups": [{
            "name": "waits", "cluster": "acme-production", "service": "waits",
            "ready_wait_minutes": 60, "termination_wait_minutes": 60 }] }],
    });
    world.stage.post("/aws/seed", seed).await;
    let mut verify = verification(site.listen().await);
    edit(&mut verify);
    world.configure(|catalog| {
        catalog.smoke_allow = vec!["127.0.0.1".to_owned()];
        for target in &mut catalog.services[0].targets {
            target.verify = Some(verify.clone());
        }
        let Engine::EcsCodedeploy(ecs) = &mut catalog.services[0].targets[1].engine else {
            unreachable!("it is one")
        };
        ecs.service = "waits".to_owned();
        ecs.application = "acme-waits".to_owned();
        ecs.deployment_group = "waits".to_owned();
    });
    world
}

fn after(deployment: &Deployment) -> Vec<(u32, bool)> {
    let told = |attempt: &Attempt| (attempt.number, attempt.passed());
    let made = deployment.run().map(|run| run.checks.after.iter().map(told).collect());
    made.unwrap_or_default()
}

fn calls(deployment: &Deployment) -> Vec<CallKind> {
    let made = |call: &&tidegate_domain::deployment::Call| matches!(call.outcome, Outcome::Done { .. });
    let run = deployment.run().unwrap();
    run.calls.iter().filter(made).map(|call| call.kind).collect()
}

fn smoke_failed(deployment: &Deployment) -> (&str, &str) {
    match &deployment.state {
        State::RolledBack {
            cause: RollbackCause::Smoke { test, why },
            ..
        } => (test, why),
        other => panic!("{other:#?}"),
    }
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn it_succeeds_when_its_suite_has_passed_before_traffic_and_after(#[case] base: Base) {
    let (site, listener) = (Site::default(), Site::default());
    site.fails.store(1, Ordering::SeqCst);
    let test_url = listener.listen().await;
    let mut world = verified(base, |verify| verify.test_base_url = Some(test_url), &site).await;
    world.start_worker().await;
    let id = world.ready("sha-aaaaaaa").await;
    world.approve(CLEO, id).await.unwrap();
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    assert_eq!(after(&done), [(1, false), (2, true)]);
    assert_eq!((listener.asked(), site.asked()), (1, 2));
    assert!(calls(&done).contains(&CallKind::ContinueDeployment));

    let events = world.events(id).await;
    let told: Vec<_> = events
        .iter()
        .filter(|recorded| recorded.event.kind == EventKind::SmokePassed)
        .map(|recorded| {
            (
                recorded.event.data["when"].clone(),
                recorded.event.data["attempts"].clone(),
            )
        })
        .collect();
    assert_eq!(told, [(json!("before"), json!(1)), (json!("after"), json!(2))]);
    let kept = serde_json::to_string(&done).unwrap();
    assert!(kept.contains("status is 503") && !kept.contains("canary"), "{kept}");
    world.log_has_no_gap().await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_the_test_listener_never_gets_traffic(#[case] base: Base) {
    let (site, listener) = (Site::default(), Site::failing());
    let test_url = listener.listen().await;
    let mut world = verified(base, |verify| verify.test_base_url = Some(test_url), &site).await;
    world.start_worker().await;
    let id = world.ready("sha-aaaaaaa").await;
    world.approve(CLEO, id).await.unwrap();
    let done = world.rests(id).await;
    assert_eq!(smoke_failed(&done), ("health", "status is 503, expected 200"));
    assert_eq!((listener.asked(), site.asked()), (3, 0));
    assert!(!calls(&done).contains(&CallKind::ContinueDeployment));
    assert_eq!(world.stage.calls("ContinueDeployment").await.len(), 0);
    let moved = |event: &tidegate_domain::audit::RecordedEvent| {
        event.event.kind == EventKind::CloudProgressed
            && event.event.data["of_rollback"].is_null()
            && event.event.data["traffic"].as_u64().is_some_and(|share| share > 0)
    };
    assert!(!world.events(id).await.iter().any(moved));
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_after_the_shift_is_stopped_while_the_old_tasks_are_there(#[case] base: Base) {
    let site = Site::failing();
    let mut world = verified(base, |_| (), &site).await;
    world.start_worker().await;
    let id = world.ready("sha-aaaaaaa").await;
    world.approve(CLEO, id).await.unwrap();
    let done = world.rests(id).await;
    smoke_failed(&done);
    assert_eq!(after(&done), [(1, false), (2, false), (3, false)]);
    assert_eq!(calls(&done).last(), Some(&CallKind::StopDeployment));
    let kinds = world.kinds(id).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == EventKind::SmokeFailed).count(), 1);
    world.log_has_no_gap().await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_when_the_cloud_calls_it_done_is_reverted(#[case] base: Base) {
    let site = Site::failing();
    let mut world = verified(base, |_| (), &site).await;
    site.held.store(true, Ordering::SeqCst);
    world.start_worker().await;
    let id = world.request(world.release("sha-aaaaaaa").await, staging()).await;
    world
        .until(id, "the cloud's success", |deployment| {
            let seen = deployment.run().and_then(|run| run.progress.as_ref());
            seen.is_some_and(|seen| seen.status == tidegate_domain::deployment::CloudStatus::Succeeded)
        })
        .await;
    assert_eq!(world.get(id).await.state.name(), StateName::Deploying);
    site.held.store(false, Ordering::SeqCst);
    let done = world.rests(id).await;
    smoke_failed(&done);
    assert_eq!(calls(&done).last(), Some(&CallKind::Revert));
    assert_eq!(
        world.creates().await,
        2,
        "the deployment, and the one of what ran before"
    );
    let digest = &done.digest;
    assert!(!world.db.succeeded(&done.service, &staging(), digest).await.unwrap());
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r19_a_service_that_hangs_does_not_delay_a_persons_rollback(#[case] base: Base) {
    let site = Site::default();
    site.held.store(true, Ordering::SeqCst);
    let mut world = verified(base, |_| (), &site).await;
    world.start_worker().await;
    let id = world.ready("sha-aaaaaaa").await;
    world.approve(CLEO, id).await.unwrap();
    site.is_asked().await;
    world.stage.freeze(true).await;
    let asked = Instant::now();
    world
        .services
        .roll_back(&person(BEN), id, "it hangs".to_owned())
        .await
        .unwrap();
    while world.stage.calls("StopDeployment").await.is_empty() {
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "the rollback waits for the probe"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.stage.freeze(false).await;
    let done = world.rests(id).await;
    assert!(
        matches!(
            &done.state,
            State::RolledBack {
                cause: RollbackCause::Person { .. },
                ..
            }
        ),
        "{:#?}",
        done.state
    );
    assert!(after(&done).is_empty(), "what was given up is no attempt");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r16_a_worker_that_ends_during_an_attempt_leaves_it_to_the_next(#[case] base: Base) {
    let site = Site::failing();
    let mut world = verified(base, |_| (), &site).await;
    world.start_worker().await;
    let id = world.ready("sha-aaaaaaa").await;
    world.approve(CLEO, id).await.unwrap();
    world
        .until(id, "the first attempt", |deployment| !after(deployment).is_empty())
        .await;
    site.held.store(true, Ordering::SeqCst);
    while site.asked() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.stage.freeze(true).await;
    world.stop_workers().await;
    assert_eq!(after(&world.get(id).await), [(1, false)]);
    site.fails.store(0, Ordering::SeqCst);
    site.held.store(false, Ordering::SeqCst);
    world.start_worker().await;
    world
        .until(id, "the second attempt", |deployment| after(deployment).len() > 1)
        .await;
    world.stage.freeze(false).await;
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    assert_eq!(after(&done), [(1, false), (2, true)]);
    assert_eq!(site.asked(), 3, "the attempt that was cut off was made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_what_is_verified_is_what_was_approved() {
    let site = Site::default();
    let mut world = verified(Base::Sqlite, |_| (), &site).await;
    world.start_worker().await;
    let id = world.ready("sha-aaaaaaa").await;
    let seen = world.revision(id).await;
    world.configure(|catalog| catalog.services[0].targets[1].verify = None);
    world
        .until(id, "another revision", |deployment| {
            deployment.revision().is_some_and(|revision| revision.hash() != seen)
        })
        .await;
    let stale = world.services.approve(&person(CLEO), id, seen, None).await;
    assert!(stale.is_err(), "{stale:?}");
    assert_eq!(world.get(id).await.environment, production());
}
