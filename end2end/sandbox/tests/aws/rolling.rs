//! Services that ECS rolls: task by task, with the circuit breaker.

use crate::fleet::Fleet;
use serde_json::{Value, json};

fn breaker(rollback: bool) -> Value {
    json!({ "deploymentCircuitBreaker": { "enable": true, "rollback": rollback } })
}

#[tokio::test]
async fn new_tasks_take_the_place_of_old_ones_without_a_healthy_one_missing() {
    let fleet = Fleet::start().await;
    let body = json!({ "taskDefinition": "app:4" });
    let answer = fleet.ecs("UpdateService", "rolling", body).await;
    let deployments = &answer["service"]["deployments"];
    assert_eq!(
        (&deployments[0]["status"], &deployments[1]["status"]),
        (&json!("PRIMARY"), &json!("ACTIVE"))
    );
    assert_eq!(deployments[0]["rolloutState"], "IN_PROGRESS");
    fleet.account.step(35).await;
    let service = fleet.service("rolling").await;
    assert_eq!(
        (&service["desiredCount"], &service["runningCount"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(
        fleet.health("rolling").await,
        ["healthy", "healthy", "initial", "initial"]
    );
    fleet.account.step(30).await;
    let service = fleet.service("rolling").await;
    assert_eq!(service["deployments"].as_array().unwrap().len(), 1, "{service}");
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    assert!(service["taskDefinition"].as_str().unwrap().ends_with("app:4"));
    assert_eq!(
        fleet.health("rolling").await,
        ["draining", "draining", "healthy", "healthy"]
    );
    let listed = fleet.ecs("ListServiceDeployments", "rolling", json!({})).await;
    assert_eq!(listed["serviceDeployments"][0]["status"], "SUCCESSFUL");
    assert_eq!(listed["serviceDeployments"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn it_keeps_within_its_limits() {
    let fleet = Fleet::start().await;
    let limits = json!({ "maximumPercent": 150, "minimumHealthyPercent": 50 });
    let body = json!({ "taskDefinition": "app:4", "deploymentConfiguration": limits });
    fleet.ecs("UpdateService", "rolling", body).await;
    for _ in 0..60 {
        fleet.account.step(5).await;
        let service = fleet.service("rolling").await;
        let all = service["runningCount"].as_i64().unwrap() + service["pendingCount"].as_i64().unwrap();
        let states = fleet.health("rolling").await;
        let healthy = states.iter().filter(|state| *state == "healthy").count();
        assert!(all <= 3 && healthy >= 1, "{all} tasks, {healthy} healthy");
    }
    assert_eq!(fleet.deployment("rolling").await["status"], "SUCCESSFUL");
}

#[tokio::test]
async fn the_circuit_breaker_rolls_back_what_does_not_start() {
    let fleet = Fleet::start().await;
    fleet.sick("app:4", json!("never_runs")).await;
    let body = json!({ "taskDefinition": "app:4", "deploymentConfiguration": breaker(true) });
    fleet.ecs("UpdateService", "rolling", body).await;
    fleet.account.step(32).await;
    let deployment = fleet.deployment("rolling").await;
    assert_eq!(
        deployment["deploymentCircuitBreaker"],
        json!({
            "status": "MONITORING", "failureCount": 2, "threshold": 3,
        })
    );
    fleet.account.step(30).await;
    let deployment = fleet.deployment("rolling").await;
    assert_eq!(deployment["status"], "ROLLBACK_SUCCESSFUL");
    assert_eq!(deployment["deploymentCircuitBreaker"]["status"], "TRIGGERED");
    let service = fleet.service("rolling").await;
    assert!(
        service["taskDefinition"].as_str().unwrap().ends_with("app:3"),
        "{service}"
    );
    let failed = &service["deployments"][1];
    assert_eq!(failed["rolloutState"], "FAILED");
    assert_eq!(
        failed["rolloutStateReason"],
        "ECS deployment circuit breaker: tasks failed to start."
    );
    assert_eq!(fleet.health("rolling").await, ["healthy", "healthy"]);
}

#[tokio::test]
async fn without_a_rollback_it_stops_where_it_is() {
    let fleet = Fleet::start().await;
    fleet.sick("app:4", json!("never_healthy")).await;
    let body = json!({ "taskDefinition": "app:4", "deploymentConfiguration": breaker(false) });
    fleet.ecs("UpdateService", "rolling", body).await;
    fleet.account.step(600).await;
    let deployment = fleet.deployment("rolling").await;
    assert_eq!(
        (&deployment["status"], &deployment["rollback"]),
        (&json!("STOPPED"), &Value::Null)
    );
    let service = fleet.service("rolling").await;
    let running = service["runningCount"].clone();
    assert_eq!(running, 2, "the old ones");
    let failed = &service["deployments"][0];
    assert_eq!(
        (&failed["status"], &failed["rolloutState"]),
        (&json!("PRIMARY"), &json!("FAILED"))
    );
    assert!(service["taskDefinition"].as_str().unwrap().ends_with("app:4"));
}

#[tokio::test]
async fn without_the_circuit_breaker_it_tries_for_ever() {
    let fleet = Fleet::start().await;
    fleet.sick("app:4", json!("never_runs")).await;
    fleet
        .ecs("UpdateService", "rolling", json!({ "taskDefinition": "app:4" }))
        .await;
    fleet.account.step(7200).await;
    let service = fleet.service("rolling").await;
    assert_eq!(service["deployments"][0]["rolloutState"], "IN_PROGRESS");
    assert!(service["deployments"][0]["failedTasks"].as_i64().unwrap() > 100);
    fleet.sick("app:4", Value::Null).await;
    fleet.account.step(120).await;
    assert_eq!(fleet.deployment("rolling").await["status"], "SUCCESSFUL");
}

#[tokio::test]
async fn the_same_task_definition_is_deployed_again_only_by_force() {
    let fleet = Fleet::start().await;
    let count = async || {
        let listed = fleet.ecs("ListServiceDeployments", "rolling", json!({})).await;
        listed["serviceDeployments"].as_array().unwrap().len()
    };
    fleet
        .ecs(
            "UpdateService",
            "rolling",
            json!({ "taskDefinition": "app:3", "desiredCount": 3 }),
        )
        .await;
    assert_eq!(count().await, 1);
    fleet.account.step(60).await;
    assert_eq!(fleet.service("rolling").await["runningCount"], 3);
    fleet
        .ecs("UpdateService", "rolling", json!({ "forceNewDeployment": true }))
        .await;
    assert_eq!(count().await, 2);
}

#[tokio::test]
async fn its_tasks_are_listed_by_the_deployment_that_started_them() {
    let fleet = Fleet::start().await;
    let service = fleet.service("rolling").await;
    let body = json!({ "cluster": "fleet", "startedBy": service["deployments"][0]["id"] });
    let tasks = fleet.account.call("ecs.ListTasks", body).await.ok();
    assert_eq!(tasks["taskArns"].as_array().unwrap().len(), 2);
    let body = json!({ "cluster": "fleet", "tasks": tasks["taskArns"] });
    let answer = fleet.account.call("ecs.DescribeTasks", body).await.ok();
    assert_eq!(answer["tasks"][0]["healthStatus"], "HEALTHY");
}
