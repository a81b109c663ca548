//! Rolling deployments that ECS makes by itself are imported and shown, by one replica at a time, and never touched.

use crate::{
    acme::{BEN, rag},
    world::{Base, World, person},
};
use rstest::rstest;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tidegate_app::portal::Portal;
use tidegate_domain::rolling::{BreakerState, RollingService, RollingStatus, RollingView};
use tidegate_server::worker::{RollingImport, RollingOptions};
use tokio_util::sync::CancellationToken;

const CLUSTER: &str = "acme-production";

async fn watching(base: Base) -> World {
    let world = World::idle(base).await;
    let old = format!("sha256:{}", "0d".repeat(32));
    let image = format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag@{old}");
    let seed = json!({ "services": [{
        "name": "batch", "cluster": CLUSTER, "family": "batch", "image": image, "container": "app", "desired": 2,
        "controller": "ECS",
        "deployment_configuration": { "deploymentCircuitBreaker": { "enable": true, "rollback": true } },
    }] });
    world.stage.post("/aws/seed", seed).await;
    world.configure(|catalog| catalog.services[0].rolling = vec![watched("batch")]);
    world
}

fn watched(ecs_service: &str) -> RollingService {
    RollingService {
        cluster: CLUSTER.to_owned(),
        ecs_service: ecs_service.to_owned(),
    }
}

async fn replica(world: &World, owner: &str, every: Duration) -> CancellationToken {
    let options = RollingOptions {
        every,
        idle: Duration::from_millis(50),
        ..RollingOptions::new(owner)
    };
    let import = RollingImport::new(
        world.db.clone(),
        world.catalog.clone(),
        Arc::new(world.aws().await),
        options,
    );
    let stop = CancellationToken::new();
    tokio::spawn({
        let stop = stop.clone();
        async move { import.run(stop).await }
    });
    stop
}

/// Somebody deploys at ECS.
async fn deploy(world: &World, members: Value) {
    let mut body = json!({ "cluster": CLUSTER, "service": "batch" });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .post(world.stage.sandbox.aws_url())
        .header("authorization", "AWS4-HMAC-SHA256 Credential=test")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AmazonEC2ContainerServiceV20141113.UpdateService")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

async fn page(world: &World) -> RollingView {
    let page = world.services.service(&person(BEN), rag()).await.unwrap();
    page.rolling.into_iter().next().expect("a watched service")
}

async fn until(world: &World, what: &str, condition: impl Fn(&RollingView) -> bool) -> RollingView {
    for _ in 0..300 {
        let view = page(world).await;
        if condition(&view) {
            return view;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("waited for {what}, but it is {:#?}", page(world).await);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_deployment_is_shown_with_its_limits_and_its_circuit_breaker(#[case] base: Base) {
    let world = watching(base).await;
    let never = page(&world).await;
    assert_eq!((never.read_at, never.deployments.len()), (None, 0));
    let stop = replica(&world, "one", Duration::from_millis(200)).await;
    world.stage.freeze(true).await;
    deploy(&world, json!({ "forceNewDeployment": true })).await;
    world.stage.step(40.0).await;
    let view = until(&world, "one that runs", |view| view.deployments.len() == 2).await;
    let running = &view.deployments[0];
    assert_eq!(running.status, RollingStatus::Running);
    assert_eq!(
        (running.maximum_percent, running.minimum_healthy_percent),
        (Some(200), Some(100))
    );
    let breaker = running.breaker.as_ref().unwrap();
    assert_eq!((&breaker.state, breaker.threshold), (&BreakerState::Watching, 3));
    assert_eq!(running.images[0].0, "app");
    world.stage.step(120.0).await;
    until(&world, "its end", |view| {
        view.deployments[0].status == RollingStatus::Succeeded && view.deployments[0].finished_at.is_some()
    })
    .await;
    world
        .stage
        .post("/aws/task-definitions/batch:1/sick", json!({ "how": "never_runs" }))
        .await;
    deploy(&world, json!({ "forceNewDeployment": true })).await;
    world.stage.step(600.0).await;
    let opened = |view: &RollingView| {
        let breaker = view.deployments[0].breaker.as_ref();
        view.deployments.len() == 3 && breaker.is_some_and(|breaker| breaker.state == BreakerState::Opened)
    };
    let view = until(&world, "the circuit breaker", opened).await;
    assert!(
        view.deployments[0].reason.as_ref().unwrap().contains("circuit breaker"),
        "{view:?}"
    );
    stop.cancel();
    for operation in [
        "ContinueServiceDeployment",
        "StopServiceDeployment",
        "RegisterTaskDefinition",
    ] {
        assert_eq!(world.stage.calls(operation).await.len(), 0, "{operation}");
    }
    assert_eq!(world.stage.calls("UpdateService").await.len(), 2, "the test's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_read_a_service_once_in_its_time() {
    let world = watching(Base::Sqlite).await;
    let day = Duration::from_secs(86_400);
    let stops = [replica(&world, "one", day).await, replica(&world, "two", day).await];
    until(&world, "a look", |view| view.read_at.is_some()).await;
    // Both look for what is due every 50 ms.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.stage.calls("ListServiceDeployments").await.len(), 1);
    let first = page(&world).await.read_at;
    world.later(86_400_000);
    until(&world, "another look", |view| view.read_at > first).await;
    assert_eq!(world.stage.calls("ListServiceDeployments").await.len(), 2);
    stops.iter().for_each(CancellationToken::cancel);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_comes_to_nothing_is_said_and_what_was_known_stays() {
    let world = watching(Base::Sqlite).await;
    let stop = replica(&world, "one", Duration::from_millis(200)).await;
    until(&world, "a look", |view| view.deployments.len() == 1).await;
    let fault = json!({ "operation": "ListServiceDeployments", "kind": "throttle", "count": 0 });
    world.stage.fault(fault).await;
    let view = until(&world, "trouble", |view| view.trouble.is_some()).await;
    assert!(view.trouble.unwrap().contains("ThrottlingException"));
    assert_eq!(view.deployments.len(), 1);
    stop.cancel();
}
