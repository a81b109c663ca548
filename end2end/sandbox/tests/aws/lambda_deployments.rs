//! The life of a Lambda deployment: the weights of an alias, moved by the clock.

use serde_json::{Value, json};
use tidegate_sandbox::Options;

use crate::{account::Account, rest::start};

async fn account() -> Account {
    start(Options::recorded()).await
}

fn revision(function: &str, alias: &str, current: &str, target: &str) -> Value {
    let content = json!({
        "version": 0.0,
        "Resources": [{ "pricing": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Name": function, "Alias": alias, "CurrentVersion": current, "TargetVersion": target,
            },
        }}],
        "Hooks": [{ "BeforeAllowTraffic": "check-pricing" }],
    });
    json!({ "revisionType": "AppSpecContent", "appSpecContent": { "content": content.to_string() } })
}

async fn deploy(account: &Account, members: Value) -> crate::account::Answer {
    let mut body = json!({
        "applicationName": "pricing",
        "deploymentGroupName": "live",
        "revision": revision("pricing", "live", "1", "2"),
    });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    account.call("codedeploy.CreateDeployment", body).await
}

async fn deployed(account: &Account, members: Value) -> String {
    let answer = deploy(account, members).await.ok();
    answer["deploymentId"].as_str().unwrap().to_owned()
}

/// The share of each version behind the alias.
async fn shares(account: &Account) -> Value {
    account.look("aws/functions/pricing").await["aliases"]["live"].clone()
}

async fn target(account: &Account, id: &str) -> Value {
    let listed = account
        .call("codedeploy.ListDeploymentTargets", json!({ "deploymentId": id }))
        .await
        .ok();
    let body = json!({ "deploymentId": id, "targetId": listed["targetIds"][0] });
    let answer = account.call("codedeploy.GetDeploymentTarget", body).await.ok();
    assert_eq!(answer["deploymentTarget"]["deploymentTargetType"], "LambdaTarget");
    answer["deploymentTarget"]["lambdaTarget"].clone()
}

/// Name and status of each lifecycle event.
fn statuses(target: &Value) -> Vec<(&str, &str)> {
    let events = target["lifecycleEvents"].as_array().unwrap();
    events
        .iter()
        .map(|event| {
            (
                event["lifecycleEventName"].as_str().unwrap(),
                event["status"].as_str().unwrap(),
            )
        })
        .collect()
}

/// Seconds until the first increment: created, queued, the hook.
const UNTIL_SHIFT: u32 = 4;

#[tokio::test]
async fn a_canary_gives_the_target_version_ten_percent_for_five_minutes_and_then_all() {
    let account = account().await;
    let id = deployed(&account, json!({})).await;
    assert_eq!(account.deployment(&id).await["computePlatform"], "Lambda");
    assert_eq!(shares(&account).await, json!({ "1": 1.0 }));
    account.step(UNTIL_SHIFT).await;
    assert_eq!(shares(&account).await, json!({ "1": 0.9, "2": 0.1 }));
    let shifting = target(&account, &id).await;
    assert_eq!(
        statuses(&shifting),
        [
            ("BeforeAllowTraffic", "Succeeded"),
            ("AllowTraffic", "InProgress"),
            ("AfterAllowTraffic", "Pending"),
        ]
    );
    assert_eq!(
        shifting["lambdaFunctionInfo"],
        json!({
            "functionName": "pricing",
            "functionAlias": "live",
            "currentVersion": "1",
            "targetVersion": "2",
            "targetVersionWeight": 0.1,
        })
    );
    account.step(295).await;
    assert_eq!(shares(&account).await, json!({ "1": 0.9, "2": 0.1 }));
    account.step(10).await;
    assert_eq!(shares(&account).await, json!({ "2": 1.0 }));
    let done = account.deployment(&id).await;
    assert_eq!(
        (&done["status"], &done["rollbackInfo"]),
        (&json!("Succeeded"), &Value::Null)
    );
    let alias = account.get("/2015-03-31/functions/pricing/aliases/live").await;
    assert_eq!(
        (&alias["FunctionVersion"], &alias["RoutingConfig"]),
        (&json!("2"), &Value::Null)
    );
}

#[tokio::test]
async fn a_linear_deployment_moves_ten_percent_every_two_minutes() {
    let account = account().await;
    let config = "CodeDeployDefault.LambdaLinear10PercentEvery2Minutes";
    deployed(&account, json!({ "deploymentConfigName": config })).await;
    account.step(UNTIL_SHIFT + 240).await;
    assert_eq!(shares(&account).await, json!({ "1": 0.7, "2": 0.3 }));
    account.step(15 * 60).await;
    assert_eq!(shares(&account).await, json!({ "2": 1.0 }));
}

#[tokio::test]
async fn stopping_with_rollback_makes_a_new_deployment_that_sets_the_alias_back() {
    let account = account().await;
    let id = deployed(&account, json!({})).await;
    account.step(UNTIL_SHIFT).await;
    let body = json!({ "deploymentId": id, "autoRollbackEnabled": true });
    account.call("codedeploy.StopDeployment", body).await.ok();
    account.step(2).await;
    let stopped = account.deployment(&id).await;
    assert_eq!(stopped["status"], "Stopped");
    let rollback = stopped["rollbackInfo"]["rollbackDeploymentId"].as_str().unwrap();
    account.step(10).await;
    assert_eq!(shares(&account).await, json!({ "1": 1.0 }));
    let info = account.deployment(rollback).await;
    assert_eq!(
        (&info["status"], &info["creator"]),
        (&json!("Succeeded"), &json!("codeDeployRollback"))
    );
    assert_eq!(info["deploymentConfigName"], "CodeDeployDefault.LambdaAllAtOnce");
    assert_eq!(info["rollbackInfo"]["rollbackTriggeringDeploymentId"], id);
    let target = target(&account, rollback).await;
    assert_eq!(target["lambdaFunctionInfo"]["targetVersion"], "1");
    assert_eq!(target["lambdaFunctionInfo"]["targetVersionWeight"], 1.0);
}

#[tokio::test]
async fn stopping_without_rollback_leaves_the_shares_where_they_are() {
    let account = account().await;
    let id = deployed(&account, json!({})).await;
    account.step(UNTIL_SHIFT).await;
    let body = json!({ "deploymentId": id, "autoRollbackEnabled": false });
    account.call("codedeploy.StopDeployment", body).await.ok();
    account.step(400).await;
    assert_eq!(account.deployment(&id).await["status"], "Stopped");
    assert_eq!(shares(&account).await, json!({ "1": 0.9, "2": 0.1 }));
}

#[tokio::test]
async fn a_failing_hook_and_an_alarm_each_set_the_alias_back() {
    let account = account().await;
    let failure = json!({ "event": "AfterAllowTraffic" });
    account
        .control("aws/groups/live/fail-next?application=pricing", failure)
        .await;
    let id = deployed(&account, json!({})).await;
    account.step(320).await;
    let failed = account.deployment(&id).await;
    assert_eq!(failed["status"], "Failed");
    assert_eq!(failed["errorInformation"]["code"], "HOOK_EXECUTION_FAILURE");
    assert_eq!(shares(&account).await, json!({ "1": 1.0 }));

    let id = deployed(&account, json!({})).await;
    account.step(UNTIL_SHIFT).await;
    let answer = account.control("aws/alarms/live/trigger", json!({})).await;
    assert_eq!(answer["stopped"], id);
    account.step(10).await;
    assert_eq!(
        account.deployment(&id).await["errorInformation"]["code"],
        "ALARM_ACTIVE"
    );
    assert_eq!(shares(&account).await, json!({ "1": 1.0 }));
}

#[tokio::test]
async fn what_lambda_lacks_makes_a_deployment_fail_before_any_traffic_moves() {
    let account = account().await;
    for (revision, code, words) in [
        (
            revision("none", "live", "1", "2"),
            "INVALID_LAMBDA_FUNCTION",
            "function none could not be found",
        ),
        (
            revision("pricing", "none", "1", "2"),
            "INVALID_LAMBDA_CONFIGURATION",
            "alias does not exist",
        ),
        (
            revision("pricing", "live", "1", "9"),
            "INVALID_LAMBDA_CONFIGURATION",
            "version 9 does not exist",
        ),
        (
            revision("pricing", "live", "2", "1"),
            "INVALID_LAMBDA_CONFIGURATION",
            "alias version does not match the current version in AppSpec file.",
        ),
        (
            revision("pricing", "live", "1", "1"),
            "INVALID_LAMBDA_CONFIGURATION",
            "missing or has an invalid configuration.",
        ),
    ] {
        let id = deployed(&account, json!({ "revision": revision })).await;
        account.step(UNTIL_SHIFT).await;
        let info = account.deployment(&id).await;
        assert_eq!(info["status"], "Failed");
        assert_eq!(info["errorInformation"]["code"], code);
        let message = info["errorInformation"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        assert!(info["rollbackInfo"].is_null());
        assert_eq!(shares(&account).await, json!({ "1": 1.0 }));
    }
    let same = json!({ "deploymentGroupName": "at-once", "revision": revision("pricing", "live", "1", "1") });
    let id = deployed(&account, same).await;
    account.step(10).await;
    assert_eq!(
        account.deployment(&id).await["status"],
        "Succeeded",
        "nothing is shared all at once"
    );
}

#[tokio::test]
async fn what_the_app_spec_lacks_is_refused() {
    let account = account().await;
    let refused = async |members: Value| deploy(&account, members).await.error().to_owned();
    let unnamed = json!({ "revision": revision("", "live", "1", "2") });
    assert_eq!(refused(unnamed).await, "InvalidRevisionException");
    let of_ecs = json!({ "revision": crate::account::revision("web:2", "app", 8080) });
    assert_eq!(refused(of_ecs).await, "InvalidRevisionException");
    let config = json!({ "deploymentConfigName": "CodeDeployDefault.ECSAllAtOnce" });
    assert_eq!(refused(config).await, "InvalidDeploymentConfigNameException");
    let config = json!({ "deploymentConfigName": "CodeDeployDefault.LambdaLinear10PercentEvery1Minutes" });
    assert_eq!(refused(config).await, "DeploymentConfigDoesNotExistException");
    deployed(&account, json!({})).await;
    assert_eq!(refused(json!({})).await, "DeploymentLimitExceededException");
}

#[tokio::test]
async fn application_and_group_are_of_the_lambda_platform() {
    let account = account().await;
    let body = json!({ "applicationName": "pricing", "deploymentGroupName": "live" });
    let application = account
        .call("codedeploy.GetApplication", json!({ "applicationName": "pricing" }))
        .await;
    assert_eq!(application.ok()["application"]["computePlatform"], "Lambda");
    let group = account.call("codedeploy.GetDeploymentGroup", body).await.ok();
    let info = &group["deploymentGroupInfo"];
    assert_eq!(info["computePlatform"], "Lambda");
    assert_eq!(
        info["deploymentConfigName"],
        "CodeDeployDefault.LambdaCanary10Percent5Minutes"
    );
    assert_eq!(
        (&info["ecsServices"], &info["loadBalancerInfo"]),
        (&json!([]), &Value::Null)
    );
}
