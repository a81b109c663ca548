//! Side effects exactly once: one attempt per call, and what it did is found again.

use crate::world::{World, soon};
use serde_json::json;
use std::time::{Duration, Instant};
use tidegate_adapters::{CallError, Order};
use tidegate_domain::{id::OperationId, plan::Found};
use uuid::Uuid;

fn unknown<T: std::fmt::Debug>(answer: Result<T, CallError>) {
    assert!(matches!(answer, Err(CallError::Unknown(_))), "{answer:?}");
}

fn refused<T: std::fmt::Debug>(answer: Result<T, CallError>) -> (String, bool) {
    match answer {
        Err(CallError::Refused { code, retry, .. }) => (code, retry),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn r10_every_mutating_call_is_one_http_attempt_whatever_goes_wrong() {
    let faults = [
        json!({ "kind": "throttle" }),
        json!({ "kind": "error", "when": "before" }),
        json!({ "kind": "error", "when": "before", "status": 503, "code": "ServiceUnavailable", "message": "later" }),
        json!({ "kind": "reset", "when": "before" }),
        json!({ "kind": "delay", "milliseconds": 2500 }),
    ];
    for mut fault in faults {
        let world = World::with(tidegate_sandbox::Options::default()).await;
        fault["count"] = json!(0);
        let order = world.order();
        let definition = world.registered(&order).await;
        let id = world.engine.create(&order, &definition, soon()).await.unwrap();
        let hash = world.approved(&order).await;
        for operation in ["RegisterTaskDefinition", "CreateDeployment", "StopDeployment"] {
            let mut fault = fault.clone();
            fault["operation"] = json!(operation);
            world.fault(fault.clone()).await;
            let before = world.calls(operation).await.len();
            let answer = match operation {
                "RegisterTaskDefinition" => world.engine.register(&order, &hash, soon()).await.map(drop),
                "CreateDeployment" => world.engine.create(&order, &definition, soon()).await.map(drop),
                _ => world.engine.stop(&order, &id, soon()).await,
            };
            assert!(answer.is_err(), "{operation} {fault}");
            let calls = world.calls(operation).await;
            assert_eq!(calls.len() - before, 1, "{operation} {fault}");
            assert_eq!(calls[before]["attempt"], 1, "{operation} {fault}");
        }
    }
}

#[tokio::test]
async fn r10_a_time_out_after_the_effect_is_unknown_and_the_deployment_is_found() {
    let world = World::new().await;
    let order = world.order();
    let since = world.now();
    let definition = world.registered(&order).await;
    world
        .fault(json!({ "kind": "hold", "when": "after", "operation": "CreateDeployment" }))
        .await;
    unknown(world.engine.create(&order, &definition, soon()).await);
    let Found::Effect(id) = world.engine.find_created(&order, since).await.unwrap() else {
        panic!("it took effect");
    };
    assert_eq!(world.in_account(&id).await["id"], id.as_str());
    assert_eq!(world.calls("CreateDeployment").await.len(), 1);
}

#[tokio::test]
async fn r10_a_call_that_never_took_effect_is_not_found() {
    let world = World::new().await;
    let order = world.order();
    let since = world.now();
    let definition = world.registered(&order).await;
    world
        .fault(json!({ "kind": "reset", "when": "before", "operation": "CreateDeployment" }))
        .await;
    unknown(world.engine.create(&order, &definition, soon()).await);
    assert_eq!(world.engine.find_created(&order, since).await.unwrap(), Found::Nothing);
}

#[tokio::test]
async fn a_reset_connection_and_a_5xx_leave_the_outcome_unknown() {
    for kind in [json!({ "kind": "reset" }), json!({ "kind": "error" })] {
        let world = World::new().await;
        let order = world.order();
        let definition = world.registered(&order).await;
        let since = world.now();
        let mut fault = kind;
        fault["when"] = json!("after");
        fault["operation"] = json!("CreateDeployment");
        world.fault(fault).await;
        unknown(world.engine.create(&order, &definition, soon()).await);
        let found = world.engine.find_created(&order, since).await.unwrap();
        assert!(matches!(found, Found::Effect(_)));
    }
}

#[tokio::test]
async fn a_task_definition_registered_by_an_unanswered_call_is_found_by_its_tag() {
    let world = World::new().await;
    let (order, earlier) = (world.order(), world.order());
    world.registered(&earlier).await;
    let hash = world.approved(&order).await;
    assert_eq!(world.engine.find_registered(&order).await.unwrap(), Found::Nothing);
    world
        .fault(json!({ "kind": "hold", "when": "after", "operation": "RegisterTaskDefinition" }))
        .await;
    unknown(world.engine.register(&order, &hash, soon()).await);
    world.registered(&world.order()).await;
    let Found::Effect(arn) = world.engine.find_registered(&order).await.unwrap() else {
        panic!("it took effect");
    };
    assert!(arn.ends_with("task-definition/rag:3"), "{arn}");
}

#[tokio::test]
async fn a_deployment_not_to_be_seen_yet_is_not_found_until_it_is() {
    let world = World::new().await;
    let order = world.order();
    let definition = world.registered(&order).await;
    let since = world.now();
    world
        .fault(json!({ "kind": "invisible", "seconds": 20.0, "operation": "CreateDeployment" }))
        .await;
    let id = world.engine.create(&order, &definition, soon()).await.unwrap();
    assert_eq!(world.engine.find_created(&order, since).await.unwrap(), Found::Nothing);
    let (code, retry) = refused(world.engine.look_at(&order, &id, None, world.now()).await);
    assert_eq!((code.as_str(), retry), ("DeploymentDoesNotExistException", true));
    world.step(21).await;
    assert_eq!(
        world.engine.find_created(&order, since).await.unwrap(),
        Found::Effect(id)
    );
}

#[tokio::test]
async fn a_look_alike_is_not_taken_for_the_deployment() {
    let world = World::new().await;
    let order = world.order();
    let definition = world.registered(&order).await;
    let since = world.now();
    let quoting = Order {
        operation: OperationId::from_uuid(Uuid::now_v7()),
        title: format!("again [tidegate:{}]", order.operation),
        ..order.clone()
    };
    let other = world.engine.create(&quoting, &definition, soon()).await.unwrap();
    assert_eq!(world.engine.find_created(&order, since).await.unwrap(), Found::Nothing);
    assert_eq!(
        world.engine.find_created(&quoting, since).await.unwrap(),
        Found::Effect(other)
    );
}

#[tokio::test]
async fn the_deployment_is_found_among_more_than_one_page() {
    let world = World::new().await;
    let order = world.order();
    let id = world.started(&order).await;
    let since = world.now();
    world.engine.stop(&order, &id, soon()).await.unwrap();
    world.step(60).await;
    for _ in 0..52 {
        let other = world.order();
        let definition = world.in_account(&id).await["app_spec"]["task_definition"].clone();
        let made = world
            .engine
            .create(&other, definition.as_str().unwrap(), soon())
            .await
            .unwrap();
        world.engine.stop(&other, &made, soon()).await.unwrap();
        world.step(60).await;
    }
    assert_eq!(
        world.engine.find_created(&order, since).await.unwrap(),
        Found::Effect(id)
    );
    assert!(
        world.calls("ListDeployments").await.len() > 1,
        "106 deployments are two pages"
    );
}

#[tokio::test]
async fn a_throttled_call_may_be_made_again() {
    let world = World::new().await;
    let order = world.order();
    let definition = world.registered(&order).await;
    world
        .fault(json!({ "kind": "throttle", "operation": "CreateDeployment" }))
        .await;
    let answer = world.engine.create(&order, &definition, soon()).await;
    assert_eq!(refused(answer), ("ThrottlingException".to_owned(), true));
    assert!(world.engine.create(&order, &definition, soon()).await.is_ok());
}

#[tokio::test]
async fn a_group_with_an_active_deployment_refuses_for_now_and_names_it() {
    let world = World::new().await;
    let order = world.order();
    let definition = world.registered(&order).await;
    let active = world.engine.create(&order, &definition, soon()).await.unwrap();
    let answer = world.engine.create(&world.order(), &definition, soon()).await;
    let Err(CallError::Refused { code, message, retry }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!((code.as_str(), retry), ("DeploymentLimitExceededException", true));
    assert!(message.contains(&active), "{message}");
}

#[tokio::test]
async fn reads_that_fail_before_registering_leave_nothing_unknown() {
    let world = World::new().await;
    let order = world.order();
    let hash = world.approved(&order).await;
    world
        .fault(json!({ "kind": "reset", "when": "before", "operation": "DescribeServices" }))
        .await;
    let (code, retry) = refused(world.engine.register(&order, &hash, soon()).await);
    assert_eq!((code.as_str(), retry), ("NotSent", true));
    assert_eq!(world.calls("RegisterTaskDefinition").await.len(), 0);
}

#[tokio::test]
async fn when_nobody_listens_the_call_was_surely_not_made() {
    let world = World::new().await;
    let order = world.order();
    let World { sandbox, engine, .. } = world;
    let url = sandbox.aws_url();
    drop(sandbox);
    // The listener goes with its task, soon after the drop.
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(url.trim_start_matches("http://"))
            .await
            .is_err()
        {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(
        refused(engine.create(&order, "arn", soon()).await),
        ("NotSent".to_owned(), true)
    );
}

#[tokio::test]
async fn r12_nothing_is_sent_once_the_time_for_the_call_is_over() {
    let world = World::new().await;
    let order = world.order();
    let hash = world.approved(&order).await;
    for read in ["DescribeServices", "DescribeTaskDefinition"] {
        world
            .fault(json!({ "kind": "delay", "milliseconds": 1000, "operation": read }))
            .await;
    }
    let by = Instant::now() + Duration::from_millis(1_500);
    let (code, retry) = refused(world.engine.register(&order, &hash, by).await);
    assert_eq!((code.as_str(), retry), ("NotSent", true));
    assert_eq!(world.calls("RegisterTaskDefinition").await.len(), 0);
}

#[tokio::test]
async fn r12_a_process_that_wakes_after_its_time_sends_nothing() {
    let world = World::new().await;
    let order = world.order();
    let definition = world.registered(&order).await;
    // Paused in between, for longer than it was given.
    let by = Instant::now();
    assert_eq!(
        refused(world.engine.create(&order, &definition, by).await),
        ("NotSent".to_owned(), true)
    );
    let id = world.engine.create(&order, &definition, soon()).await.unwrap();
    assert_eq!(
        refused(world.engine.stop(&order, &id, by).await),
        ("NotSent".to_owned(), true)
    );
    assert_eq!(world.calls("CreateDeployment").await.len(), 1);
    assert_eq!(world.calls("StopDeployment").await.len(), 0);
}
