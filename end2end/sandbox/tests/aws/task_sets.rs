//! Task sets of a service under the EXTERNAL deployment controller.

use crate::fleet::{Fleet, network, task_set};
use serde_json::{Value, json};

async fn create(fleet: &Fleet, members: Value) -> Value {
    let body = task_set(fleet, members).await;
    let mut answer = fleet.ecs("CreateTaskSet", "by-hand", body).await;
    answer["taskSet"].take()
}

async fn described(fleet: &Fleet, set: &Value) -> Value {
    let body = json!({ "taskSets": [set["taskSetArn"]] });
    let mut answer = fleet.ecs("DescribeTaskSets", "by-hand", body).await;
    answer["taskSets"][0].take()
}

#[tokio::test]
async fn a_task_set_is_steady_when_its_tasks_are_healthy_in_its_target_group() {
    let fleet = Fleet::start().await;
    let set = create(&fleet, json!({})).await;
    assert_eq!(
        (&set["status"], &set["computedDesiredCount"]),
        (&json!("ACTIVE"), &json!(2))
    );
    assert_eq!((&set["pendingCount"], &set["runningCount"]), (&json!(2), &json!(0)));
    assert_eq!(fleet.health("by-hand-b").await, Vec::<String>::new());
    fleet.account.step(30).await;
    let set = described(&fleet, &set).await;
    assert_eq!((&set["pendingCount"], &set["runningCount"]), (&json!(0), &json!(2)));
    assert_eq!(set["stabilityStatus"], "STABILIZING");
    assert_eq!(fleet.health("by-hand-b").await, ["initial", "initial"]);
    fleet.account.step(30).await;
    let set = described(&fleet, &set).await;
    assert_eq!(set["stabilityStatus"], "STEADY_STATE");
    assert_eq!(set["externalId"], "release-2");
    assert_eq!(fleet.health("by-hand-b").await, ["healthy", "healthy"]);
}

#[tokio::test]
async fn a_repeated_request_makes_no_second_task_set() {
    let fleet = Fleet::start().await;
    let first = create(&fleet, json!({})).await;
    let again = create(&fleet, json!({})).await;
    assert_eq!(first["id"], again["id"]);
    let other = task_set(&fleet, json!({ "externalId": "release-3" })).await;
    fleet
        .refused("CreateTaskSet", "by-hand", other, "InvalidParameterException")
        .await;
    let all = fleet.ecs("DescribeTaskSets", "by-hand", json!({})).await;
    assert_eq!(all["taskSets"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_time_out_after_the_effect_is_healed_by_the_client_token() {
    let fleet = Fleet::start().await;
    let fault = json!({ "operation": "CreateTaskSet", "kind": "reset", "when": "after" });
    fleet.account.control("faults", fault).await;
    let mut body = task_set(&fleet, json!({})).await;
    body["cluster"] = json!("fleet");
    body["service"] = json!("by-hand");
    let lost = fleet.account.request("ecs.CreateTaskSet", &body).send().await;
    assert!(lost.is_err() || lost.unwrap().bytes().await.is_err());
    let made = create(&fleet, json!({})).await;
    assert_eq!(described(&fleet, &made).await["id"], made["id"]);
    let all = fleet.ecs("DescribeTaskSets", "by-hand", json!({})).await;
    assert_eq!(all["taskSets"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn tasks_that_are_never_healthy_are_replaced_for_ever() {
    let fleet = Fleet::start().await;
    fleet.sick("app:2", json!("never_healthy")).await;
    let set = create(&fleet, json!({})).await;
    fleet.account.step(60).await;
    assert_eq!(fleet.health("by-hand-b").await, ["unhealthy", "unhealthy"]);
    fleet.account.step(3600).await;
    assert_eq!(described(&fleet, &set).await["stabilityStatus"], "STABILIZING");
    fleet.sick("app:2", Value::Null).await;
    fleet.account.step(200).await;
    assert_eq!(described(&fleet, &set).await["stabilityStatus"], "STEADY_STATE");
}

#[tokio::test]
async fn the_primary_is_declared_and_the_other_drains_when_deleted() {
    let fleet = Fleet::start().await;
    let set = create(&fleet, json!({})).await;
    fleet.account.step(60).await;
    let before = fleet.service("by-hand").await;
    let old = before["taskSets"][0].clone();
    assert_eq!(
        (&old["status"], &old["stabilityStatus"]),
        (&json!("PRIMARY"), &json!("STEADY_STATE"))
    );
    let body = json!({ "primaryTaskSet": set["id"] });
    let answer = fleet.ecs("UpdateServicePrimaryTaskSet", "by-hand", body).await;
    assert_eq!(answer["taskSet"]["status"], "PRIMARY");
    let after = fleet.service("by-hand").await;
    assert_eq!(after["taskDefinition"], set["taskDefinition"]);
    assert_eq!(after["taskSets"][0]["status"], "ACTIVE");

    let body = json!({ "taskSet": old["id"] });
    fleet
        .refused("DeleteTaskSet", "by-hand", body, "InvalidParameterException")
        .await;
    let body = json!({ "taskSet": old["id"], "force": true });
    let answer = fleet.ecs("DeleteTaskSet", "by-hand", body).await;
    assert_eq!(answer["taskSet"]["status"], "DRAINING");
    assert_eq!(fleet.health("by-hand-a").await, ["draining", "draining"]);
    fleet.account.step(31).await;
    assert_eq!(fleet.health("by-hand-a").await, Vec::<String>::new());
    let body = json!({ "taskSets": [old["id"]] });
    let answer = fleet.ecs("DescribeTaskSets", "by-hand", body).await;
    assert_eq!(answer["failures"][0]["reason"], "MISSING");
}

#[tokio::test]
async fn a_task_set_is_scaled_and_rounds_up() {
    let fleet = Fleet::start().await;
    let scale = |value: f64| json!({ "scale": { "value": value, "unit": "PERCENT" } });
    let set = create(&fleet, scale(1.0)).await;
    assert_eq!(set["computedDesiredCount"], 1);
    let mut body = scale(100.0);
    body["taskSet"] = set["id"].clone();
    let answer = fleet.ecs("UpdateTaskSet", "by-hand", body).await;
    assert_eq!(answer["taskSet"]["computedDesiredCount"], 2);
    fleet.account.step(60).await;
    let mut body = scale(0.0);
    body["taskSet"] = set["id"].clone();
    fleet.ecs("UpdateTaskSet", "by-hand", body.clone()).await;
    fleet.account.step(31).await;
    assert_eq!(fleet.health("by-hand-b").await, Vec::<String>::new());
    fleet
        .ecs("DeleteTaskSet", "by-hand", json!({ "taskSet": set["id"] }))
        .await;
    fleet.account.step(31).await;
    fleet
        .refused("UpdateTaskSet", "by-hand", body, "TaskSetNotFoundException")
        .await;
}

#[tokio::test]
async fn a_task_set_that_ecs_would_not_make_is_refused() {
    let fleet = Fleet::start().await;
    let alone = fleet.group("alone").await;
    let balancer = |group: &str, container: &str| {
        json!({ "loadBalancers": [
            { "targetGroupArn": group, "containerName": container, "containerPort": 8080 },
        ]})
    };
    let group = fleet.group("by-hand-b").await;
    for (members, error) in [
        (balancer(&alone, "app"), "InvalidParameterException"),
        (balancer(&group, "side"), "InvalidParameterException"),
        (json!({ "taskDefinition": "none:1" }), "ClientException"),
        (
            json!({ "scale": { "value": 101.0, "unit": "PERCENT" } }),
            "InvalidParameterException",
        ),
        (json!({ "clientToken": "x".repeat(37) }), "InvalidParameterException"),
    ] {
        let body = task_set(&fleet, members).await;
        fleet.refused("CreateTaskSet", "by-hand", body, error).await;
    }
    let body = task_set(&fleet, json!({})).await;
    fleet
        .refused("CreateTaskSet", "rolling", body.clone(), "InvalidParameterException")
        .await;
    fleet
        .refused("CreateTaskSet", "none", body, "ServiceNotFoundException")
        .await;
    let body = json!({ "taskDefinition": "app:2" });
    fleet
        .refused("UpdateService", "by-hand", body, "InvalidParameterException")
        .await;
    for number in 2..6 {
        let token = format!("token-{number}");
        let body = json!({ "clientToken": token, "taskDefinition": "app:2", "networkConfiguration": network() });
        fleet.ecs("CreateTaskSet", "by-hand", body).await;
    }
    let body = json!({ "taskDefinition": "app:2", "networkConfiguration": network() });
    fleet
        .refused("CreateTaskSet", "by-hand", body, "LimitExceededException")
        .await;
}
