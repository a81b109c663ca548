//! The life of an ECS deployment, seen through the API and stepped by the clock.

use crate::account::{Account, revision};
use serde_json::{Value, json};
use tidegate_sandbox::Options;

async fn account() -> Account {
    Account::start(Options::recorded()).await
}

/// Seconds until the canary's first increment: created, queued, install, test traffic, hooks.
const UNTIL_SHIFT: u32 = 70;

#[tokio::test]
async fn a_deployment_walks_its_lifecycle_to_succeeded() {
    let account = account().await;
    let id = account.created().await;
    assert_eq!(account.deployment(&id).await["status"], "Created");
    account.step(1).await;
    assert_eq!(account.deployment(&id).await["status"], "Queued");
    account.step(2).await;
    assert_eq!(account.deployment(&id).await["status"], "InProgress");
    assert_eq!(account.events(&id).await[..3], ["Succeeded", "InProgress", "Pending"]);
    assert_eq!(account.running().await, "web:1");
    account.step(UNTIL_SHIFT).await;
    assert_eq!(account.traffic(&id).await, (90.0, 10.0));
    account.step(300).await;
    assert_eq!(account.traffic(&id).await, (0.0, 100.0));
    assert_eq!(account.events(&id).await, ["Succeeded"; 8]);
    assert_eq!(account.running().await, "web:2");
    let waiting = account.deployment(&id).await;
    assert_eq!(waiting["status"], "InProgress", "the original is still kept");
    assert_eq!(waiting["instanceTerminationWaitTimeStarted"], true);
    account.step(300).await;
    let done = account.deployment(&id).await;
    assert_eq!(done["status"], "Succeeded");
    assert!(done["completeTime"].as_f64() > done["startTime"].as_f64());
}

#[tokio::test]
async fn a_canary_holds_at_ten_percent_for_its_five_minutes() {
    let account = account().await;
    let id = account.created().await;
    account.step(UNTIL_SHIFT).await;
    assert_eq!(account.traffic(&id).await, (90.0, 10.0));
    account.step(290).await;
    assert_eq!(account.traffic(&id).await, (90.0, 10.0));
    assert_eq!(account.events(&id).await[6], "InProgress");
    account.step(10).await;
    assert_eq!(account.traffic(&id).await, (0.0, 100.0));
}

#[tokio::test]
async fn one_big_step_ends_where_many_small_ones_do() {
    let (one, many) = (account().await, account().await);
    let (a, b) = (one.created().await, many.created().await);
    one.step(1000).await;
    for _ in 0..100 {
        many.step(10).await;
        many.deployment(&b).await;
    }
    let lasted = |info: Value| info["completeTime"].as_f64().unwrap() - info["createTime"].as_f64().unwrap();
    let (a, b) = (lasted(one.deployment(&a).await), lasted(many.deployment(&b).await));
    assert!((a - b).abs() < 0.01, "{a} {b}");
}

#[tokio::test]
async fn a_linear_shift_moves_ten_percent_a_minute() {
    let account = account().await;
    let answer = account
        .create_with(json!({
            "deploymentConfigName": "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
        }))
        .await
        .ok();
    let id = answer["deploymentId"].as_str().unwrap();
    account.step(UNTIL_SHIFT).await;
    assert_eq!(account.traffic(id).await.1, 10.0);
    account.step(240).await;
    assert_eq!(account.traffic(id).await.1, 50.0);
    account.step(300).await;
    assert_eq!(account.traffic(id).await.1, 100.0);
}

#[tokio::test]
async fn a_group_has_one_active_deployment_and_the_refusal_names_it() {
    let account = account().await;
    let id = account.created().await;
    let refused = account.create().await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.error(), "DeploymentLimitExceededException");
    assert_eq!(
        refused.body["message"],
        format!("The Deployment Group 'web' already has an active Deployment '{id}'")
    );
    account.step(1000).await;
    assert_eq!(account.create().await.status, 200);
}

#[tokio::test]
async fn stopping_with_rollback_makes_a_new_deployment_that_says_why() {
    let account = account().await;
    let id = account.created().await;
    account.step(UNTIL_SHIFT).await;
    let body = json!({ "deploymentId": id, "autoRollbackEnabled": true });
    let stopped = account.call("codedeploy.StopDeployment", body.clone()).await;
    assert_eq!(stopped.ok()["status"], "Pending");
    account.step(5).await;
    let info = account.deployment(&id).await;
    assert_eq!(info["status"], "Stopped");
    let rollback_id = info["rollbackInfo"]["rollbackDeploymentId"].as_str().unwrap();
    assert_ne!(rollback_id, id);
    assert_eq!(
        info["rollbackInfo"]["rollbackMessage"],
        format!("Deployment {id} terminated. Automatic rollback is triggered with a DeploymentId {rollback_id}.")
    );
    assert_eq!(account.events(&id).await[6..], ["Failed", "Skipped"]);
    assert_eq!(account.running().await, "web:1");
    assert_eq!(account.create().await.error(), "DeploymentLimitExceededException");

    account.step(30).await;
    let rollback = account.deployment(rollback_id).await;
    assert_eq!(rollback["status"], "Succeeded");
    assert_eq!(rollback["creator"], "codeDeployRollback");
    assert_eq!(rollback["deploymentConfigName"], "CodeDeployDefault.ECSAllAtOnce");
    assert_eq!(rollback["rollbackInfo"]["rollbackTriggeringDeploymentId"], id);
    let again = account.call("codedeploy.StopDeployment", body).await;
    assert_eq!(again.error(), "DeploymentAlreadyCompletedException");
}

#[tokio::test]
async fn stopping_without_rollback_leaves_the_traffic_where_it_is() {
    let account = account().await;
    let id = account.created().await;
    account.step(UNTIL_SHIFT).await;
    let body = json!({ "deploymentId": id, "autoRollbackEnabled": false });
    account.call("codedeploy.StopDeployment", body).await.ok();
    account.step(5).await;
    let info = account.deployment(&id).await;
    assert_eq!(info["status"], "Stopped");
    assert!(info["rollbackInfo"].is_null());
    assert_eq!(account.traffic(&id).await, (90.0, 10.0));
}

#[tokio::test]
async fn failing_at_an_event_rolls_back_by_itself_when_the_group_says_so() {
    let account = account().await;
    let failure = json!({ "event": "AfterAllowTraffic" });
    account.control("aws/groups/web/fail-next", failure).await;
    let id = account.created().await;
    account.step(UNTIL_SHIFT + 320).await;
    let info = account.deployment(&id).await;
    assert_eq!(info["status"], "Failed");
    assert_eq!(info["errorInformation"]["code"], "HOOK_EXECUTION_FAILURE");
    assert_eq!(account.events(&id).await[7], "Failed");
    assert_eq!(account.running().await, "web:1");
    let rollback = info["rollbackInfo"]["rollbackDeploymentId"].as_str().unwrap();
    account.step(60).await;
    assert_eq!(account.deployment(rollback).await["status"], "Succeeded");
    account.created().await;
}

#[tokio::test]
async fn the_requests_own_rollback_configuration_takes_the_place_of_the_groups() {
    let account = account().await;
    let answer = account
        .create_with(json!({ "autoRollbackConfiguration": { "enabled": false } }))
        .await
        .ok();
    let id = answer["deploymentId"].as_str().unwrap();
    let failure = json!({ "event": "Install", "message": "the task set never got well" });
    account.control(&format!("aws/deployments/{id}/fail"), failure).await;
    account.step(UNTIL_SHIFT).await;
    let info = account.deployment(id).await;
    assert_eq!(info["status"], "Failed");
    assert_eq!(info["errorInformation"]["message"], "the task set never got well");
    assert!(info["rollbackInfo"].is_null());
}

#[tokio::test]
async fn an_alarm_stops_the_deployment_and_rolls_it_back() {
    let account = account().await;
    let id = account.created().await;
    account.step(UNTIL_SHIFT).await;
    let answer = account.control("aws/alarms/web/trigger", json!({})).await;
    assert_eq!(answer["stopped"], id);
    let info = account.deployment(&id).await;
    assert_eq!(info["status"], "Stopped");
    assert_eq!(info["errorInformation"]["code"], "ALARM_ACTIVE");
    let message = info["errorInformation"]["message"].as_str().unwrap();
    assert!(message.ends_with("Activated alarms: <web-5xx>"), "{message}");
    let rollback = info["rollbackInfo"]["rollbackDeploymentId"].as_str().unwrap();
    account.step(60).await;
    assert_eq!(account.deployment(rollback).await["status"], "Succeeded");

    let next = account.created().await;
    account.step(3).await;
    assert_eq!(account.deployment(&next).await["status"], "Stopped", "still in alarm");
    account.step(60).await;
    account.control("aws/alarms/web/clear", json!({})).await;
    let last = account.created().await;
    account.step(1000).await;
    assert_eq!(account.deployment(&last).await["status"], "Succeeded");
}

#[tokio::test]
async fn a_group_that_waits_is_ready_until_continued_or_stopped() {
    let account = account().await;
    let by_hand = json!({ "deploymentGroupName": "web-by-hand" });
    let answer = account.create_with(by_hand.clone()).await.ok();
    let id = answer["deploymentId"].as_str().unwrap();
    let body = json!({ "deploymentId": id, "deploymentWaitType": "READY_WAIT" });
    let early = account.call("codedeploy.ContinueDeployment", body.clone()).await;
    assert_eq!(early.error(), "DeploymentIsNotInReadyStateException");
    account.step(UNTIL_SHIFT).await;
    assert_eq!(account.deployment(id).await["status"], "Ready");
    account.call("codedeploy.ContinueDeployment", body).await.ok();
    account.step(60).await;
    assert_eq!(account.deployment(id).await["status"], "Succeeded");

    let answer = account.create_with(by_hand).await.ok();
    let id = answer["deploymentId"].as_str().unwrap();
    account.step(UNTIL_SHIFT + 30 * 60).await;
    assert_eq!(account.deployment(id).await["status"], "Stopped");
}

#[tokio::test]
async fn what_the_app_spec_lacks_is_refused_and_what_ecs_lacks_fails_in_install() {
    let account = account().await;
    let with = |revision: Value| account.create_with(json!({ "revision": revision }));
    let mut wrong_sum = revision("web:2", "app", 8080);
    wrong_sum["appSpecContent"]["sha256"] = "0".repeat(64).into();
    assert_eq!(with(wrong_sum).await.error(), "InvalidRevisionException");
    assert_eq!(with(Value::Null).await.error(), "RevisionRequiredException");
    let no_container = revision("web:2", "", 8080);
    assert_eq!(with(no_container).await.error(), "InvalidRevisionException");

    for (missing, reason) in [
        (revision("web:9", "app", 8080), "Unable to describe task definition."),
        (
            revision("web:2", "sidecar", 8080),
            "The container sidecar does not exist in the task definition.",
        ),
        (
            revision("web:2", "app", 443),
            "The container app did not have a container port 443 defined.",
        ),
    ] {
        let answer = with(missing).await.ok();
        let id = answer["deploymentId"].as_str().unwrap();
        account.step(60).await;
        let info = account.deployment(id).await;
        assert_eq!(info["status"], "Failed");
        assert_eq!(info["errorInformation"]["code"], "ECS_UPDATE_ERROR");
        let message = info["errorInformation"]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{message}");
        account.step(60).await;
    }
}

#[tokio::test]
async fn deployments_are_listed_by_group_status_and_time_of_creation() {
    let account = account().await;
    let first = account.created().await;
    account.step(1000).await;
    let second = account.created().await;
    let of = |members: Value| {
        let mut body = json!({ "applicationName": "shop", "deploymentGroupName": "web" });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        account.call("codedeploy.ListDeployments", body)
    };
    assert_eq!(of(json!({})).await.ok()["deployments"], json!([second, first]));
    let running = json!({ "includeOnlyStatuses": ["Created", "Queued", "InProgress"] });
    assert_eq!(of(running).await.ok()["deployments"], json!([second]));
    let created = account.deployment(&first).await["createTime"].clone();
    let range = json!({ "createTimeRange": { "start": created, "end": created } });
    assert_eq!(of(range).await.ok()["deployments"], json!([first]));
    let answer = account
        .call("codedeploy.ListDeployments", json!({ "applicationName": "none" }))
        .await;
    assert_eq!(answer.error(), "ApplicationDoesNotExistException");
}

#[tokio::test]
async fn more_than_a_hundred_deployments_come_in_pages() {
    let account = account().await;
    account
        .control(
            "aws/timings",
            json!({ "created": 0, "queued": 0, "install": 0, "hook": 0, "shift": 0 }),
        )
        .await;
    for _ in 0..101 {
        account.created().await;
        account.step(1000).await;
    }
    let body = json!({ "applicationName": "shop", "deploymentGroupName": "web" });
    let page = account.call("codedeploy.ListDeployments", body).await.ok();
    assert_eq!(page["deployments"].as_array().unwrap().len(), 100);
    let body = json!({ "nextToken": page["nextToken"] });
    let rest = account.call("codedeploy.ListDeployments", body).await.ok();
    assert_eq!(rest["deployments"].as_array().unwrap().len(), 1);
    assert!(rest["nextToken"].is_null());
    let body = json!({ "nextToken": "elsewhere" });
    let answer = account.call("codedeploy.ListDeployments", body).await;
    assert_eq!(answer.error(), "InvalidNextTokenException");
}
