//! `lambda_codedeploy`: the version is made from here, CodeDeploy shifts the alias.

use super::{Story, another, at, codedeploy_target, refused};
use crate::world::soon;
use serde_json::{Value, json};
use tidegate_adapters::Stray;
use tidegate_domain::{
    catalog::{Engine, LambdaCodedeploy, LambdaHooks},
    deployment::{CallKind, CloudStatus, Observation},
    plan::Found,
    traffic::TrafficPlan,
};

async fn story() -> Story {
    Story::of(Engine::LambdaCodedeploy(codedeploy_target())).await
}

fn target(edit: impl FnOnce(&mut LambdaCodedeploy)) -> Engine {
    let mut target = codedeploy_target();
    edit(&mut target);
    Engine::LambdaCodedeploy(target)
}

/// Steps the clock until the cloud deployment is over.
async fn ended(story: &Story) -> Observation {
    for _ in 0..100 {
        let seen = story.seen().await;
        if seen.deployment.status.is_over() {
            return seen;
        }
        story.world.step(10).await;
    }
    panic!("it does not end");
}

#[tokio::test]
async fn a_canary_walks_to_all_traffic_on_the_new_version() {
    let mut story = story().await;
    story.ready().await;
    let seen = story.seen().await.deployment;
    assert_eq!((seen.status, seen.traffic), (CloudStatus::InProgress, Some(10)));
    assert_eq!(story.alias().await, json!({ "1": 0.9, "2": 0.1 }));
    let seen = ended(&story).await;
    assert_eq!(
        (seen.deployment.status, seen.deployment.traffic),
        (CloudStatus::Succeeded, Some(100))
    );
    let names: Vec<&str> = seen
        .deployment
        .lifecycle
        .iter()
        .map(|event| event.name.as_str())
        .collect();
    assert!(names.contains(&"AllowTraffic"), "{names:?}");
    assert_eq!(story.alias().await, json!({ "2": 1.0 }));
    assert_eq!(seen.rollback, None);
}

#[tokio::test]
async fn r18_a_deployment_carries_its_own_rollback_configuration_its_operation_and_both_versions() {
    let mut story = story().await;
    story.order.engine = target(|target| {
        target.hooks = LambdaHooks {
            before_allow_traffic: Some("smoke".to_owned()),
            after_allow_traffic: None,
        }
    });
    story.approve().await;
    story.ready().await;
    let request = story.world.calls("CreateDeployment").await[0]["request"].clone();
    assert_eq!(
        request["autoRollbackConfiguration"],
        json!({
            "enabled": true,
            "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
        })
    );
    assert_eq!(
        request["deploymentConfigName"],
        "CodeDeployDefault.LambdaCanary10Percent5Minutes"
    );
    let description = request["description"].as_str().unwrap();
    assert!(
        description.ends_with(&format!("[tidegate:{}]", story.order.operation)),
        "{description}"
    );
    let content = request["revision"]["appSpecContent"]["content"].as_str().unwrap();
    let appspec: Value = serde_json::from_str(content).unwrap();
    assert_eq!(
        appspec,
        json!({
            "version": 0.0,
            "Resources": [{ "burst": { "Type": "AWS::Lambda::Function", "Properties": {
                "Name": "burst", "Alias": "live", "CurrentVersion": "1", "TargetVersion": "2" } } }],
            "Hooks": [{ "BeforeAllowTraffic": "smoke" }],
        })
    );
}

#[tokio::test]
async fn a_stop_is_followed_into_the_deployment_that_rolls_back() {
    let mut story = story().await;
    story.ready().await;
    story.go(CallKind::StopDeployment).await;
    let seen = ended(&story).await.deployment;
    assert_eq!(seen.status, CloudStatus::Stopped);
    let rollback = seen.rollback.unwrap();
    story.world.step(60).await;
    let back = story.seen_with(Some(&rollback)).await.rollback.unwrap();
    assert_eq!((back.status, back.traffic), (CloudStatus::Succeeded, Some(100)));
    assert_eq!(story.alias().await, json!({ "1": 1.0 }));
    let id = story.run.cloud_deployment.clone().unwrap();
    assert_eq!(
        story.find(CallKind::CreateDeployment).await,
        Found::Effect(id),
        "not the rollback"
    );
}

#[tokio::test]
async fn r18_aws_rolls_back_by_itself_on_failure_and_alarm_and_says_why() {
    let mut failing = story().await;
    let failure = json!({ "event": "BeforeAllowTraffic", "message": "smoke test failed" });
    failing
        .world
        .control("aws/groups/production/fail-next?application=burst", failure)
        .await;
    failing.ready().await;
    let seen = ended(&failing).await.deployment;
    assert_eq!(seen.status, CloudStatus::Failed);
    assert!(seen.rollback.is_some() && seen.error.is_some());

    let mut alarmed = story().await;
    alarmed.ready().await;
    alarmed
        .world
        .control("aws/alarms/production/trigger?application=burst", json!({}))
        .await;
    let seen = ended(&alarmed).await.deployment;
    assert_eq!(seen.status, CloudStatus::Stopped);
    assert_eq!(seen.error.unwrap().code.as_deref(), Some("ALARM_ACTIVE"));
}

#[tokio::test]
async fn what_has_succeeded_is_reverted_by_a_deployment_of_what_ran_before() {
    let mut story = story().await;
    story.ready().await;
    ended(&story).await;
    let id = story.go(CallKind::Revert).await;
    assert_eq!(story.find(CallKind::Revert).await, Found::Effect(id.clone()));
    assert_ne!(Some(&id), story.run.cloud_deployment.as_ref());
    story.world.step(60).await;
    let back = story.seen_with(Some(&id)).await.rollback.unwrap();
    assert_eq!((back.status, back.traffic), (CloudStatus::Succeeded, Some(100)));
    assert_eq!(story.alias().await, json!({ "1": 1.0 }));
}

#[tokio::test]
async fn a_stray_is_found_by_its_description_and_stopped() {
    let mut story = story().await;
    story.ready().await;
    let since = at(story.world.now(), -5);
    let id = story.run.cloud_deployment.clone().unwrap();
    let stray = story.engine.find_stray(&story.order, since).await.unwrap();
    assert_eq!(
        stray,
        Some(Stray {
            id: id.clone(),
            over: false
        })
    );
    story.engine.stop_stray(&story.order, &id, soon()).await.unwrap();
    ended(&story).await;
    let stray = story.engine.find_stray(&story.order, since).await.unwrap();
    assert_eq!(stray, Some(Stray { id, over: true }));
    let other = another(&story.order);
    assert_eq!(story.engine.find_stray(&other, since).await.unwrap(), None);
}

#[tokio::test]
async fn a_group_with_an_active_deployment_refuses_for_now() {
    let mut story = story().await;
    story.ready().await;
    let answer = story.make(CallKind::CreateDeployment).await;
    assert_eq!(refused(answer), ("DeploymentLimitExceededException".to_owned(), true));
}

#[tokio::test]
async fn a_traffic_plan_is_run_exactly_or_not_at_all() {
    let mut story = story().await;
    let plan = |percent| TrafficPlan::Canary { percent, minutes: 5 };
    story.order.traffic = plan(20);
    let why = story.blocked().await;
    assert!(
        why.starts_with("CodeDeploy predefines nothing for 20 % for 5 min, then 100 %"),
        "{why}"
    );
    let named = |name: &str| target(|target| target.deployment_config = Some(name.to_owned()));
    story.order.engine = named("missing");
    assert_eq!(
        story.blocked().await,
        "CodeDeploy has no deployment configuration missing"
    );
    story.order.engine = named("acme-canary-20-for-5");
    let why = story.blocked().await;
    assert!(
        why.ends_with("runs something else"),
        "one for ECS is none for Lambda: {why}"
    );
    story.order.engine = named("acme-lambda-20-for-5");
    story.order.traffic = plan(30);
    let why = story.blocked().await;
    assert!(
        why.ends_with("acme-lambda-20-for-5 runs 20 % for 5 min, then 100 %"),
        "{why}"
    );
    story.order.traffic = plan(20);
    story.approve().await;
    story.ready().await;
    let created = &story.world.calls("CreateDeployment").await[0]["request"];
    assert_eq!(created["deploymentConfigName"], "acme-lambda-20-for-5");
}

#[tokio::test]
async fn a_group_of_another_platform_does_not_deploy_a_function() {
    let mut story = story().await;
    story.order.engine = target(|target| target.application = "rag".to_owned());
    assert_eq!(
        story.blocked().await,
        "deployment group production deploys to ECS, and not to Lambda"
    );
    story.order.engine = target(|target| target.deployment_group = "other".to_owned());
    assert_eq!(
        story.blocked().await,
        "CodeDeploy has no application burst with a deployment group other"
    );
}
