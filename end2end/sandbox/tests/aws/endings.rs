//! How deployments end before their time, at each point of their life.

use crate::account::Account;
use serde_json::json;
use tidegate_sandbox::Options;

async fn account() -> Account {
    Account::start(Options::recorded()).await
}

/// Longer than a canary and the rollback that may follow.
const WHOLE: u32 = 500;
/// From its creation to the point where all traffic is moved, and the original is kept for five minutes.
const UNTIL_BAKING: u32 = 400;
const UNTIL_READY: u32 = 70;

/// The events in order, with the error that each ends in when it fails.
const EVENTS: [(&str, &str); 8] = [
    ("BeforeInstall", "HOOK_EXECUTION_FAILURE"),
    ("Install", "TIMEOUT"),
    ("AfterInstall", "HOOK_EXECUTION_FAILURE"),
    ("AllowTestTraffic", "ELASTIC_LOAD_BALANCING_INVALID"),
    ("AfterAllowTestTraffic", "HOOK_EXECUTION_FAILURE"),
    ("BeforeAllowTraffic", "HOOK_EXECUTION_FAILURE"),
    ("AllowTraffic", "ELASTIC_LOAD_BALANCING_INVALID"),
    ("AfterAllowTraffic", "HOOK_EXECUTION_FAILURE"),
];

#[tokio::test]
async fn failing_at_any_event_skips_the_rest_and_brings_all_traffic_back() {
    let account = account().await;
    for (position, (event, code)) in EVENTS.into_iter().enumerate() {
        account
            .control("aws/groups/web/fail-next", json!({ "event": event }))
            .await;
        let id = account.created().await;
        account.step(WHOLE).await;
        let info = account.deployment(&id).await;
        assert_eq!(info["status"], "Failed", "{event}");
        assert_eq!(info["errorInformation"]["code"], code, "{event}");
        let mut expected = vec!["Succeeded"; position];
        expected.push("Failed");
        expected.resize(EVENTS.len(), "Skipped");
        assert_eq!(account.events(&id).await, expected, "{event}");
        if position > 0 {
            assert_eq!(account.traffic(&id).await, (100.0, 0.0), "{event}");
        }
        assert_eq!(account.running().await, "web:1", "{event}");
        let rollback = info["rollbackInfo"]["rollbackDeploymentId"].as_str().unwrap();
        assert_eq!(account.deployment(rollback).await["status"], "Succeeded", "{event}");
    }
}

/// Asks to stop, and waits until it has.
async fn stop(account: &Account, id: &str, rollback: bool) -> serde_json::Value {
    let body = json!({ "deploymentId": id, "autoRollbackEnabled": rollback });
    account.call("codedeploy.StopDeployment", body).await.ok();
    account.step(2).await;
    account.deployment(id).await
}

#[tokio::test]
async fn a_deployment_stopped_before_it_began_has_done_nothing() {
    let account = account().await;
    account.control("aws/timings", json!({ "created": 30 })).await;
    let id = account.created().await;
    assert_eq!(account.deployment(&id).await["status"], "Created");
    let info = stop(&account, &id, false).await;
    assert_eq!(info["status"], "Stopped");
    assert!(info["rollbackInfo"].is_null());
    assert_eq!(account.running().await, "web:1");
    account.created().await;
}

#[tokio::test]
async fn a_deployment_stopped_while_it_waits_to_be_continued_moves_no_traffic() {
    let account = account().await;
    let by_hand = json!({ "deploymentGroupName": "web-by-hand" });
    let answer = account.create_with(by_hand).await.ok();
    let id = answer["deploymentId"].as_str().unwrap();
    account.step(UNTIL_READY).await;
    assert_eq!(account.deployment(id).await["status"], "Ready");
    assert_eq!(stop(&account, id, true).await["status"], "Stopped");
    assert_eq!(account.traffic(id).await, (100.0, 0.0));
    let skipped = account.events(id).await[5..].iter().all(|event| event == "Skipped");
    assert!(skipped, "{:?}", account.events(id).await);
    assert_eq!(account.running().await, "web:1");
}

#[tokio::test]
async fn a_deployment_stopped_while_the_original_is_still_kept_goes_back_to_it() {
    let account = account().await;
    let id = account.created().await;
    account.step(UNTIL_BAKING).await;
    assert_eq!(account.traffic(&id).await, (0.0, 100.0));
    assert_eq!(account.running().await, "web:2");
    let info = stop(&account, &id, true).await;
    assert_eq!(info["status"], "Stopped");
    assert_eq!(account.traffic(&id).await, (100.0, 0.0));
    assert_eq!(account.running().await, "web:1");
    let rollback = info["rollbackInfo"]["rollbackDeploymentId"].as_str().unwrap();
    account.step(60).await;
    assert_eq!(account.deployment(rollback).await["status"], "Succeeded");
}

#[tokio::test]
async fn a_rollback_can_fail_too_and_is_not_rolled_back_itself() {
    let account = account().await;
    let failure = json!({ "event": "AllowTraffic", "rollback": true });
    account.control("aws/groups/web/fail-next", failure).await;
    let id = account.created().await;
    account.step(UNTIL_READY).await;
    let info = stop(&account, &id, true).await;
    let rollback = info["rollbackInfo"]["rollbackDeploymentId"].as_str().unwrap();
    account.step(60).await;
    let failed = account.deployment(rollback).await;
    assert_eq!(failed["status"], "Failed");
    assert_eq!(failed["errorInformation"]["code"], "ELASTIC_LOAD_BALANCING_INVALID");
    assert!(failed["rollbackInfo"]["rollbackDeploymentId"].is_null());
    let next = account.created().await;
    account.step(1000).await;
    assert_eq!(account.deployment(&next).await["status"], "Succeeded");
}

#[tokio::test]
async fn alarms_that_a_deployment_brought_are_cleared_with_those_of_its_group() {
    let account = account().await;
    let own = json!({ "overrideAlarmConfiguration": { "enabled": true, "alarms": [{ "name": "web-slow" }] } });
    let answer = account.create_with(own.clone()).await.ok();
    let id = answer["deploymentId"].as_str().unwrap();
    account.step(UNTIL_READY).await;
    let triggered = account.control("aws/alarms/web/trigger", json!({})).await;
    assert_eq!(triggered["stopped"], id);
    let info = account.deployment(id).await;
    let message = info["errorInformation"]["message"].as_str().unwrap();
    assert!(message.ends_with("Activated alarms: <web-slow>"), "{message}");
    account.step(60).await;
    let cleared = account.control("aws/alarms/web/clear", json!({})).await;
    assert_eq!(cleared["alarms"], triggered["alarms"]);
    let answer = account.create_with(own).await.ok();
    let next = answer["deploymentId"].as_str().unwrap();
    account.step(1000).await;
    assert_eq!(account.deployment(next).await["status"], "Succeeded");
}
