//! Deployments that ECS makes itself and that shift traffic: blue/green, linear, canary.

use crate::fleet::Fleet;
use serde_json::{Value, json};

async fn update(fleet: &Fleet, configuration: Value) {
    let body = json!({ "taskDefinition": "app:3", "deploymentConfiguration": configuration });
    fleet.ecs("UpdateService", "native", body).await;
}

fn canary(hooks: Value) -> Value {
    json!({
        "strategy": "CANARY",
        "canaryConfiguration": { "canaryPercent": 10.0, "canaryBakeTimeInMinutes": 5 },
        "bakeTimeInMinutes": 2,
        "lifecycleHooks": hooks,
    })
}

fn pause(stage: &str) -> Value {
    json!([{ "targetType": "PAUSE", "lifecycleStages": [stage] }])
}

#[tokio::test]
async fn a_canary_goes_through_its_stages_and_moves_the_weights_of_the_listener() {
    let fleet = Fleet::start().await;
    update(&fleet, canary(json!([]))).await;
    let deployment = fleet.deployment("native").await;
    assert_eq!(deployment["status"], "PENDING");
    fleet.account.step(3).await;
    let deployment = fleet.deployment("native").await;
    assert_eq!(
        (&deployment["status"], &deployment["lifecycleStage"]),
        (&json!("IN_PROGRESS"), &json!("SCALE_UP"))
    );
    assert_eq!(fleet.weights(8443).await, [100, 0]);
    // 60 until the tasks are healthy, a second for each of three stages.
    fleet.account.step(67).await;
    let deployment = fleet.deployment("native").await;
    assert_eq!(deployment["lifecycleStage"], "PRODUCTION_TRAFFIC_SHIFT");
    assert_eq!(
        deployment["targetServiceRevision"]["requestedProductionTrafficWeight"],
        10.0
    );
    assert_eq!(
        deployment["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"],
        90.0
    );
    assert_eq!(fleet.weights(8443).await, [90, 10]);
    assert_eq!(fleet.weights(9443).await, [0, 100]);
    assert_eq!(fleet.health("native-b").await, ["healthy", "healthy"]);
    fleet.account.step(300).await;
    let deployment = fleet.deployment("native").await;
    assert_eq!(deployment["lifecycleStage"], "BAKE_TIME");
    assert_eq!(fleet.weights(8443).await, [0, 100]);
    fleet.account.step(125).await;
    let deployment = fleet.deployment("native").await;
    assert_eq!(
        (&deployment["status"], &deployment["lifecycleStage"]),
        (&json!("SUCCESSFUL"), &json!("CLEAN_UP"))
    );
    let service = fleet.service("native").await;
    assert!(service["taskDefinition"].as_str().unwrap().ends_with("app:3"));
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    let body = json!({ "serviceRevisionArns": [deployment["targetServiceRevision"]["arn"]] });
    let answer = fleet.account.call("ecs.DescribeServiceRevisions", body).await.ok();
    assert_eq!(
        answer["serviceRevisions"][0]["taskDefinition"],
        service["taskDefinition"]
    );
}

#[tokio::test]
async fn stepped_by_the_second_it_ends_as_when_stepped_at_once() {
    let ends = |fleet: Fleet, steps: Vec<u32>| async move {
        update(&fleet, canary(json!([]))).await;
        for seconds in steps {
            fleet.account.step(seconds).await;
        }
        let deployment = fleet.deployment("native").await;
        let taken = deployment["finishedAt"].as_f64().unwrap() - deployment["createdAt"].as_f64().unwrap();
        (deployment["status"].clone(), taken.round())
    };
    let at_once = ends(Fleet::start().await, vec![600]).await;
    let slowly = ends(Fleet::start().await, vec![1; 600]).await;
    assert_eq!(at_once, slowly);
    assert_eq!(at_once.0, "SUCCESSFUL");
}

#[tokio::test]
async fn another_strategy_leaves_what_belonged_to_the_one_before() {
    let fleet = Fleet::start().await;
    update(&fleet, canary(json!([]))).await;
    fleet.account.step(600).await;
    let body = json!({ "taskDefinition": "app:4", "deploymentConfiguration": { "strategy": "BLUE_GREEN" } });
    fleet.ecs("UpdateService", "native", body).await;
    let configuration = fleet.deployment("native").await["deploymentConfiguration"].clone();
    assert_eq!(configuration["canaryConfiguration"], Value::Null);
    assert_eq!(configuration["bakeTimeInMinutes"], 2, "what belongs to all stays");
}

#[tokio::test]
async fn linear_steps_are_taken_one_after_the_other() {
    let fleet = Fleet::start().await;
    let configuration = json!({
        "strategy": "LINEAR",
        "linearConfiguration": { "stepPercent": 40.0, "stepBakeTimeInMinutes": 1 },
    });
    update(&fleet, configuration).await;
    fleet.account.step(75).await;
    let mut seen = vec![fleet.shifted("native").await];
    for _ in 0..2 {
        fleet.account.step(60).await;
        seen.push(fleet.shifted("native").await);
    }
    assert_eq!(seen, [40.0, 80.0, 100.0]);
}

/// A deployment that waits at a PAUSE hook, and the id of the hook.
async fn paused(fleet: &Fleet, stage: &str) -> (Value, String) {
    update(fleet, canary(pause(stage))).await;
    fleet.account.step(400).await;
    let deployment = fleet.deployment("native").await;
    let hook = &deployment["lifecycleHookDetails"][0];
    assert_eq!(
        (&hook["status"], &hook["targetType"]),
        (&json!("AWAITING_ACTION"), &json!("PAUSE"))
    );
    assert_eq!(hook["timeoutAction"], "ROLLBACK");
    let id = hook["hookId"].as_str().unwrap().to_owned();
    (deployment["serviceDeploymentArn"].clone(), id)
}

async fn go_on(fleet: &Fleet, arn: &Value, hook: &str, action: &str) -> crate::account::Answer {
    let body = json!({ "serviceDeploymentArn": arn, "hookId": hook, "action": action });
    fleet.account.call("ecs.ContinueServiceDeployment", body).await
}

#[tokio::test]
async fn a_pause_waits_until_it_is_continued() {
    let fleet = Fleet::start().await;
    let (arn, hook) = paused(&fleet, "POST_TEST_TRAFFIC_SHIFT").await;
    fleet.account.step(3600).await;
    let deployment = fleet.deployment("native").await;
    assert_eq!(deployment["lifecycleStage"], "POST_TEST_TRAFFIC_SHIFT");
    assert_eq!(
        go_on(&fleet, &arn, "none", "CONTINUE").await.error(),
        "InvalidParameterException"
    );
    let answer = go_on(&fleet, &arn, &hook, "CONTINUE").await.ok();
    assert_eq!(answer["serviceDeploymentArn"], arn);
    assert_eq!(
        go_on(&fleet, &arn, &hook, "CONTINUE").await.error(),
        "InvalidParameterException"
    );
    fleet.account.step(2).await;
    assert_eq!(fleet.weights(8443).await, [90, 10]);
    assert_eq!(
        fleet.deployment("native").await["lifecycleHookDetails"][0]["status"],
        "SUCCEEDED"
    );
    let none = json!(arn.as_str().unwrap().replace("native", "other"));
    assert_eq!(
        go_on(&fleet, &none, &hook, "CONTINUE").await.error(),
        "ServiceDeploymentNotFoundException"
    );
}

#[tokio::test]
async fn a_pause_before_each_shift_waits_at_each_shift() {
    let fleet = Fleet::start().await;
    let (arn, first) = paused(&fleet, "PRE_PRODUCTION_TRAFFIC_SHIFT").await;
    assert_eq!(fleet.weights(8443).await, [100, 0]);
    go_on(&fleet, &arn, &first, "CONTINUE").await.ok();
    fleet.account.step(301).await;
    assert_eq!(fleet.weights(8443).await, [90, 10]);
    let deployment = fleet.deployment("native").await;
    let second = deployment["lifecycleHookDetails"][1]["hookId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(first, second);
    go_on(&fleet, &arn, &second, "CONTINUE").await.ok();
    fleet.account.step(1).await;
    assert_eq!(fleet.weights(8443).await, [0, 100]);
}

async fn assert_rolled_back(fleet: &Fleet) {
    let deployment = fleet.deployment("native").await;
    assert_eq!(deployment["status"], "ROLLBACK_SUCCESSFUL", "{deployment}");
    let source = &deployment["sourceServiceRevisions"][0]["arn"];
    assert_eq!(deployment["rollback"]["serviceRevisionArn"], *source);
    assert_eq!(fleet.weights(8443).await, [100, 0]);
    assert_eq!(fleet.health("native-a").await, ["healthy", "healthy"]);
    let service = fleet.service("native").await;
    assert!(
        service["taskDefinition"].as_str().unwrap().ends_with("app:2"),
        "{service}"
    );
}

#[tokio::test]
async fn a_pause_is_answered_with_a_rollback() {
    let fleet = Fleet::start().await;
    let (arn, hook) = paused(&fleet, "POST_PRODUCTION_TRAFFIC_SHIFT").await;
    assert_eq!(fleet.shifted("native").await, 100.0);
    go_on(&fleet, &arn, &hook, "ROLLBACK").await.ok();
    assert_eq!(fleet.deployment("native").await["status"], "ROLLBACK_REQUESTED");
    fleet.account.step(40).await;
    assert_rolled_back(&fleet).await;
}

#[tokio::test]
async fn a_pause_that_nobody_answers_rolls_back_after_a_day_or_goes_on() {
    let fleet = Fleet::start().await;
    paused(&fleet, "POST_SCALE_UP").await;
    fleet.account.step(86_400).await;
    assert_rolled_back(&fleet).await;
    assert_eq!(
        fleet.deployment("native").await["lifecycleHookDetails"][0]["status"],
        "TIMED_OUT"
    );

    let fleet = Fleet::start().await;
    let mut hooks = pause("POST_SCALE_UP");
    hooks[0]["timeoutConfiguration"] = json!({ "timeoutInMinutes": 10, "action": "CONTINUE" });
    update(&fleet, canary(hooks)).await;
    fleet.account.step(3600).await;
    assert_eq!(fleet.deployment("native").await["status"], "SUCCESSFUL");
}

#[tokio::test]
async fn a_deployment_is_stopped_with_a_rollback_once() {
    let fleet = Fleet::start().await;
    update(&fleet, canary(json!([]))).await;
    fleet.account.step(75).await;
    assert_eq!(fleet.shifted("native").await, 10.0);
    let arn = fleet.deployment("native").await["serviceDeploymentArn"].clone();
    let body = json!({ "serviceDeploymentArn": arn, "stopType": "ROLLBACK" });
    let stop = || fleet.account.call("ecs.StopServiceDeployment", body.clone());
    stop().await.ok();
    assert_eq!(stop().await.error(), "ConflictException");
    fleet.account.step(3).await;
    assert_rolled_back(&fleet).await;
    let list = |status: &str| fleet.ecs("ListServiceDeployments", "native", json!({ "status": [status] }));
    assert_eq!(
        list("ROLLBACK_SUCCESSFUL").await["serviceDeployments"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        list("SUCCESSFUL").await["serviceDeployments"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn an_abort_leaves_the_traffic_where_it_is() {
    let fleet = Fleet::start().await;
    update(&fleet, canary(json!([]))).await;
    fleet.account.step(75).await;
    let arn = fleet.deployment("native").await["serviceDeploymentArn"].clone();
    let body = json!({ "serviceDeploymentArn": arn, "stopType": "ABORT" });
    fleet.account.call("ecs.StopServiceDeployment", body).await.ok();
    assert_eq!(fleet.deployment("native").await["status"], "STOP_REQUESTED");
    fleet.account.step(600).await;
    assert_eq!(fleet.deployment("native").await["status"], "STOPPED");
    assert_eq!(fleet.weights(8443).await, [90, 10]);
}

#[tokio::test]
async fn a_function_that_fails_and_an_alarm_roll_back() {
    let fleet = Fleet::start().await;
    let hook = json!([{
        "hookTargetArn": "arn:aws:lambda:eu-west-1:123456789012:function:check",
        "roleArn": "arn:aws:iam::123456789012:role/hooks",
        "lifecycleStages": ["POST_PRODUCTION_TRAFFIC_SHIFT"],
    }]);
    let failing = json!({ "stage": "POST_PRODUCTION_TRAFFIC_SHIFT" });
    fleet
        .account
        .control("aws/services/fleet/native/fail-hook", failing)
        .await;
    update(&fleet, canary(hook)).await;
    fleet.account.step(600).await;
    assert_rolled_back(&fleet).await;
    let deployment = fleet.deployment("native").await;
    assert_eq!(deployment["lifecycleHookDetails"][0]["status"], "FAILED");

    let fleet = Fleet::start().await;
    let mut configuration = canary(json!([]));
    configuration["alarms"] = json!({ "alarmNames": ["web-5xx"], "enable": true, "rollback": true });
    update(&fleet, configuration).await;
    fleet.account.step(75).await;
    let raise = |state: &str| json!({ "name": "web-5xx", "state": state });
    fleet.account.control("aws/alarms", raise("ALARM")).await;
    assert_eq!(fleet.deployment("native").await["status"], "ROLLBACK_IN_PROGRESS");
    fleet.account.step(1).await;
    assert_rolled_back(&fleet).await;
    let deployment = fleet.deployment("native").await;
    assert_eq!(
        deployment["alarms"],
        json!({
            "status": "TRIGGERED", "alarmNames": ["web-5xx"], "triggeredAlarmNames": ["web-5xx"],
        })
    );
}

#[tokio::test]
async fn a_configuration_that_ecs_would_not_take_is_refused() {
    let fleet = Fleet::start().await;
    let lambda = json!([{ "lifecycleStages": ["POST_SCALE_UP"] }]);
    for configuration in [
        json!({ "strategy": "CANARY", "canaryConfiguration": { "canaryPercent": 0.0 } }),
        json!({ "strategy": "LINEAR", "linearConfiguration": { "stepPercent": 2.0 } }),
        json!({ "strategy": "BLUE_GREEN", "canaryConfiguration": { "canaryPercent": 5.0 } }),
        canary(pause("PRODUCTION_TRAFFIC_SHIFT")),
        canary(lambda),
        json!({ "strategy": "CANARY", "bakeTimeInMinutes": 1441 }),
    ] {
        let body = json!({ "taskDefinition": "app:3", "deploymentConfiguration": configuration });
        fleet
            .refused("UpdateService", "native", body, "InvalidParameterException")
            .await;
    }
    let listed = fleet.ecs("ListServiceDeployments", "native", json!({})).await;
    assert_eq!(
        listed["serviceDeployments"].as_array().unwrap().len(),
        1,
        "the seeded one"
    );
}

#[tokio::test]
async fn a_newer_deployment_takes_the_place_of_one_under_way() {
    let fleet = Fleet::start().await;
    update(&fleet, canary(json!([]))).await;
    fleet.account.step(75).await;
    fleet
        .ecs("UpdateService", "native", json!({ "taskDefinition": "app:4" }))
        .await;
    assert_eq!(fleet.weights(8443).await, [100, 0]);
    let listed = fleet.ecs("ListServiceDeployments", "native", json!({})).await;
    assert_eq!(listed["serviceDeployments"][1]["status"], "STOPPED");
    fleet.account.step(600).await;
    assert_eq!(fleet.deployment("native").await["status"], "SUCCESSFUL");
    let service = fleet.service("native").await;
    assert!(service["taskDefinition"].as_str().unwrap().ends_with("app:4"));
}
