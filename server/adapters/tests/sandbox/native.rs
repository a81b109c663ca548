//! The engine `ecs_native`: deployments that ECS itself makes, with pauses that Tidegate ends.

use crate::{
    fleet::{Drive, blocked, native, order, weights, world},
    world::{CANARY, World},
};
use serde_json::json;
use tidegate_adapters::{CallError, EcsNative, Engine as _};
use tidegate_domain::{
    catalog::Engine,
    deployment::{CallKind, CloudStatus, LifecycleStatus},
    plan::Found,
    traffic::TrafficPlan,
};

async fn drive_with(traffic: TrafficPlan) -> Drive<EcsNative> {
    let world = world().await;
    let order = order(&world, Engine::EcsNative(native()), traffic);
    let engine = EcsNative::new(world.aws.clone());
    Drive::begin(world, engine, order).await
}

async fn drive() -> Drive<EcsNative> {
    drive_with(CANARY).await
}

async fn deployments(world: &World) -> usize {
    let service = world.look("aws/services/acme/native").await;
    service["managed"]["deployments"].as_array().unwrap().len()
}

/// At the first pause: the new tasks run, and have no traffic.
async fn paused() -> Drive<EcsNative> {
    let drive = drive().await.made().await;
    drive.world.step(75).await;
    drive
}

#[tokio::test]
async fn a_canary_pauses_before_each_share_and_goes_on_when_it_is_told() {
    let mut drive = paused().await;
    let seen = drive.look(None).await.deployment;
    assert_eq!((seen.status, seen.traffic), (CloudStatus::Ready, Some(0)));
    let at = seen
        .lifecycle
        .iter()
        .find(|event| event.status == LifecycleStatus::InProgress);
    let at = at.unwrap();
    assert_eq!(at.name, "PRODUCTION_TRAFFIC_SHIFT");
    assert!(
        at.message.as_ref().unwrap().starts_with("waits for a yes"),
        "{:?}",
        at.message
    );
    drive.world.step(600).await;
    assert_eq!(
        drive.look(None).await.deployment.traffic,
        Some(0),
        "a hold takes effect"
    );

    drive.make(CallKind::ContinueDeployment).await;
    drive.world.step(1).await;
    let seen = drive.look(None).await.deployment;
    assert_eq!((seen.status, seen.traffic), (CloudStatus::InProgress, Some(10)));
    assert_eq!(
        drive.world.weights(8443).await,
        weights(("native-a", 90), ("native-b", 10))
    );
    drive.world.step(300).await;
    assert_eq!(
        drive.look(None).await.deployment.status,
        CloudStatus::Ready,
        "before all traffic"
    );
    drive.make(CallKind::ContinueDeployment).await;
    drive.world.step(2).await;
    let seen = drive.look(None).await.deployment;
    assert_eq!(
        (seen.status, seen.traffic),
        (CloudStatus::Ready, Some(100)),
        "before it bakes"
    );
    drive.make(CallKind::ContinueDeployment).await;
    drive.world.step(2).await;
    assert_eq!(drive.look(None).await.deployment.status, CloudStatus::Baking);
    drive.world.step(130).await;
    let seen = drive.look(None).await.deployment;
    assert_eq!((seen.status, seen.traffic), (CloudStatus::Succeeded, Some(100)));
    assert!(
        seen.lifecycle
            .iter()
            .all(|event| event.status == LifecycleStatus::Succeeded)
    );
}

#[tokio::test]
async fn r18_ecs_is_asked_for_the_plan_with_its_own_rollback() {
    let drive = drive().await.made().await;
    let request = drive.world.calls("UpdateService").await[0]["request"].clone();
    let configuration = &request["deploymentConfiguration"];
    assert_eq!(configuration["strategy"], "CANARY");
    assert_eq!(
        configuration["canaryConfiguration"],
        json!({ "canaryPercent": 10.0, "canaryBakeTimeInMinutes": 5 })
    );
    assert_eq!(configuration["bakeTimeInMinutes"], 2);
    assert_eq!(
        configuration["deploymentCircuitBreaker"],
        json!({ "enable": true, "rollback": true })
    );
    assert_eq!(
        configuration["lifecycleHooks"],
        json!([{
            "targetType": "PAUSE",
            "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"],
            "timeoutConfiguration": { "timeoutInMinutes": 120, "action": "ROLLBACK" },
        }])
    );
    assert!(request["taskDefinition"].as_str().unwrap().ends_with("native:2"));
    assert_eq!(request["forceNewDeployment"], json!(null), "twice does what once does");
}

#[tokio::test]
async fn all_at_once_and_linear_are_strategies_of_ecs_too_one_after_the_other() {
    for (traffic, strategy) in [
        (TrafficPlan::AllAtOnce, "BLUE_GREEN"),
        (
            TrafficPlan::Linear {
                percent: 25,
                minutes: 1,
            },
            "LINEAR",
        ),
    ] {
        let mut drive = paused().await;
        drive.make(CallKind::StopDeployment).await;
        drive.world.step(120).await;
        let order = order(&drive.world, Engine::EcsNative(native()), traffic);
        let engine = EcsNative::new(drive.world.aws.clone());
        let drive = Drive::begin(drive.world, engine, order).await.made().await;
        let calls = drive.world.calls("UpdateService").await;
        assert_eq!(calls[1]["request"]["deploymentConfiguration"]["strategy"], strategy);
    }
}

#[tokio::test]
async fn a_stop_at_a_pause_rolls_the_same_deployment_back() {
    let mut drive = paused().await;
    drive.make(CallKind::StopDeployment).await;
    let calls = drive.world.calls("ContinueServiceDeployment").await;
    assert_eq!(calls[0]["request"]["action"], "ROLLBACK");
    assert_eq!(drive.world.calls("StopServiceDeployment").await.len(), 0);
    let seen = drive.look(None).await.deployment;
    assert_eq!(seen.status, CloudStatus::Stopped);
    let own = drive.run.cloud_deployment.clone();
    assert_eq!((seen.rollback.clone(), seen.error), (own.clone(), None));
    drive.world.step(60).await;
    let back = drive.look(own.as_deref()).await.rollback.unwrap();
    assert_eq!((back.status, back.traffic), (CloudStatus::Succeeded, Some(100)));
}

#[tokio::test]
async fn a_stop_between_pauses_stops_the_deployment_and_all_traffic_is_back() {
    let mut drive = paused().await;
    drive.make(CallKind::ContinueDeployment).await;
    drive.world.step(10).await;
    assert_eq!(drive.look(None).await.deployment.traffic, Some(10));
    drive.make(CallKind::StopDeployment).await;
    assert_eq!(
        drive.world.calls("StopServiceDeployment").await[0]["request"]["stopType"],
        "ROLLBACK"
    );
    drive.world.step(60).await;
    let own = drive.run.cloud_deployment.clone();
    let back = drive.look(own.as_deref()).await.rollback.unwrap();
    assert_eq!((back.status, back.traffic), (CloudStatus::Succeeded, Some(100)));
    assert_eq!(
        drive.world.weights(8443).await,
        weights(("native-a", 100), ("native-b", 0))
    );
    let again = drive.try_make(CallKind::StopDeployment).await;
    assert!(matches!(again, Err(CallError::Refused { .. })), "{again:?}");
}

#[tokio::test]
async fn r19_a_stop_is_sent_although_the_deployment_cannot_be_looked_at() {
    let drive = paused().await;
    drive
        .world
        .fault(json!({ "operation": "DescribeServiceDeployments", "kind": "error", "when": "before", "count": 0 }))
        .await;
    drive.try_make(CallKind::StopDeployment).await.unwrap();
    assert_eq!(drive.world.calls("StopServiceDeployment").await.len(), 1);
}

#[tokio::test]
async fn tasks_that_do_not_start_are_rolled_back_by_ecs_and_that_is_told() {
    let mut drive = drive().await;
    drive.make(CallKind::RegisterTaskDefinition).await;
    let sick = json!({ "how": "never_runs" });
    drive.world.control("aws/task-definitions/native:2/sick", sick).await;
    drive.make(CallKind::UpdateService).await;
    drive.world.step(600).await;
    let seen = drive.look(None).await.deployment;
    assert_eq!(seen.status, CloudStatus::Failed);
    assert_eq!(seen.error.unwrap().code.as_deref(), Some("CIRCUIT_BREAKER"));
    assert_eq!(seen.rollback, drive.run.cloud_deployment);
}

#[tokio::test]
async fn what_has_succeeded_is_reverted_by_a_deployment_of_what_ran_before() {
    let mut drive = paused().await;
    for seconds in [310, 5, 200] {
        drive.make(CallKind::ContinueDeployment).await;
        drive.world.step(seconds).await;
    }
    assert_eq!(drive.look(None).await.deployment.status, CloudStatus::Succeeded);
    assert_eq!(
        drive.find(CallKind::Revert).await,
        Found::Nothing,
        "the seed's own is older"
    );
    let revert = drive.lose(CallKind::Revert, "UpdateService").await;
    assert_ne!(Some(&revert), drive.run.cloud_deployment.as_ref());
    let request = drive.world.calls("UpdateService").await[1]["request"].clone();
    assert!(request["taskDefinition"].as_str().unwrap().ends_with("native:1"));
    drive.world.step(120).await;
    let back = drive.look(Some(&revert)).await.rollback.unwrap();
    assert_eq!((back.status, back.traffic), (CloudStatus::Succeeded, Some(100)));
    assert_eq!(deployments(&drive.world).await, 3);
}

#[tokio::test]
async fn r10_every_call_of_the_script_is_one_http_attempt_in_its_time() {
    let mut drive = drive().await;
    drive
        .fails_once(CallKind::RegisterTaskDefinition, "RegisterTaskDefinition")
        .await;
    drive.make(CallKind::RegisterTaskDefinition).await;
    drive.fails_once(CallKind::UpdateService, "UpdateService").await;
    drive.make(CallKind::UpdateService).await;
    drive.world.step(75).await;
    drive
        .fails_once(CallKind::ContinueDeployment, "ContinueServiceDeployment")
        .await;
    drive.make(CallKind::ContinueDeployment).await;
    drive.world.step(10).await;
    drive
        .fails_once(CallKind::StopDeployment, "StopServiceDeployment")
        .await;
}

#[tokio::test]
async fn r09_what_a_call_did_whose_answer_was_lost_is_found_and_twice_is_once() {
    let mut drive = drive().await;
    drive
        .lose(CallKind::RegisterTaskDefinition, "RegisterTaskDefinition")
        .await;
    drive.lose(CallKind::UpdateService, "UpdateService").await;
    assert_eq!(deployments(&drive.world).await, 2);
    drive.world.step(75).await;
    drive
        .lose(CallKind::ContinueDeployment, "ContinueServiceDeployment")
        .await;
    drive.world.step(2).await;
    assert_eq!(drive.look(None).await.deployment.traffic, Some(10));
}

#[tokio::test]
async fn an_update_that_took_effect_unseen_is_not_made_a_second_time() {
    let drive = paused().await;
    let again = drive.try_make(CallKind::UpdateService).await;
    assert_eq!(again.ok(), drive.run.cloud_deployment);
    assert_eq!(drive.world.calls("UpdateService").await.len(), 1);
}

#[tokio::test]
async fn one_that_surfaces_late_is_found_by_its_operation_and_stopped() {
    let drive = paused().await;
    let stray = drive
        .engine
        .find_stray(&drive.order, drive.began)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (Some(&stray.id), stray.over),
        (drive.run.cloud_deployment.as_ref(), false)
    );
    let soon = crate::world::soon();
    drive.engine.stop_stray(&drive.order, &stray.id, soon).await.unwrap();
    let again = drive
        .engine
        .find_stray(&drive.order, drive.began)
        .await
        .unwrap()
        .unwrap();
    assert!(again.over);
}

#[tokio::test]
async fn a_service_that_ecs_cannot_shift_blocks_and_says_why() {
    let world = world().await;
    let engine = EcsNative::new(world.aws.clone());
    let with = |service: &str| {
        let mut target = native();
        target.service = service.to_owned();
        order(&world, Engine::EcsNative(target), CANARY)
    };
    let why = blocked(&engine, &with("by-hand"), world.now()).await;
    assert_eq!(
        why,
        "its deployment controller is EXTERNAL: this engine is for services that ECS itself deploys"
    );
    let why = blocked(&engine, &with("by-ecs"), world.now()).await;
    assert!(
        why.starts_with("its load balancer has no alternate target group"),
        "{why}"
    );
    let drive = paused().await;
    let why = blocked(&drive.engine, &drive.order, drive.world.now()).await;
    assert_eq!(
        why,
        "ECS is deploying it right now: wait until that has ended, or stop it at ECS"
    );
}
