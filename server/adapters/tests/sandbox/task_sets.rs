//! The engine `ecs_task_sets`: a task set for each version, and weights that Tidegate sets.

use crate::{
    fleet::{Drive, arn, blocked, order, reference, task_sets, weights, world},
    world::{World, soon},
};
use serde_json::json;
use tidegate_adapters::{CallError, EcsTaskSets, Engine as _};
use tidegate_domain::{
    catalog::{self, Engine},
    deployment::{CallKind, CloudStatus, LifecycleStatus},
    plan::Found,
};

async fn drive() -> Drive<EcsTaskSets> {
    let world = world().await;
    let order = order(&world, Engine::EcsTaskSets(task_sets(&world).await), reference());
    let engine = EcsTaskSets::new(world.aws.clone());
    Drive::begin(world, engine, order).await
}

/// With a new task set whose tasks are healthy.
async fn ready() -> Drive<EcsTaskSets> {
    let drive = drive().await.made().await;
    drive.world.step(61).await;
    drive
}

const fn shift(percent: u8) -> CallKind {
    CallKind::ShiftTraffic { percent }
}

async fn sets(world: &World) -> Vec<(String, String)> {
    let service = world.look("aws/services/acme/by-hand").await;
    let workloads = service["managed"]["workloads"].as_array().unwrap().clone();
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    workloads
        .iter()
        .map(|set| {
            let definition = word(&set["task_definition"]);
            let revision = definition.rsplit_once('/').unwrap().1.to_owned();
            (revision, word(&set["status"]))
        })
        .collect()
}

fn known(revision: &str, status: &str) -> (String, String) {
    (revision.to_owned(), status.to_owned())
}

#[tokio::test]
async fn a_new_task_set_runs_on_what_the_primary_one_runs_on_in_the_free_target_group() {
    let drive = drive().await.made().await;
    let request = drive.world.calls("CreateTaskSet").await[0]["request"].clone();
    let operation = drive.order.operation.to_string();
    assert_eq!(request["clientToken"], operation);
    assert_eq!(request["externalId"], operation);
    assert_eq!(
        request["tags"],
        json!([{ "key": "tidegate:operation", "value": operation }])
    );
    assert_eq!(request["scale"], json!({ "value": 100.0, "unit": "PERCENT" }));
    assert!(request["taskDefinition"].as_str().unwrap().ends_with("by-hand:2"));
    let group = arn(&drive.world, "by-hand-b").await;
    let balancer = json!([{ "targetGroupArn": group, "containerName": "app", "containerPort": 8080 }]);
    assert_eq!(request["loadBalancers"], balancer);
    let service = drive.world.look("aws/services/acme/by-hand").await;
    let primary = &service["managed"]["workloads"][0];
    assert_eq!(request["networkConfiguration"], primary["network"]);
    assert_eq!(request["launchType"], primary["launch_type"]);
    assert_eq!(request["platformVersion"], primary["platform_version"]);
}

#[tokio::test]
async fn ten_fifty_hundred_sets_the_weights_in_per_cent_and_ends_with_the_new_one_alone() {
    let mut drive = drive().await.made().await;
    let seen = drive.look(None).await;
    assert_eq!(seen.deployment.status, CloudStatus::InProgress);
    assert_eq!(seen.deployment.lifecycle[0].status, LifecycleStatus::InProgress);
    drive.world.step(61).await;
    let seen = drive.look(None).await;
    assert_eq!(
        (seen.deployment.status, seen.deployment.traffic),
        (CloudStatus::Ready, Some(0))
    );
    for percent in [10, 50, 100] {
        drive.make(shift(percent)).await;
        let new = i64::from(percent);
        assert_eq!(
            drive.world.weights(443).await,
            weights(("by-hand-a", 100 - new), ("by-hand-b", new))
        );
        let seen = drive.look(None).await;
        assert_eq!(
            (seen.deployment.status, seen.deployment.traffic),
            (CloudStatus::Ready, Some(percent))
        );
        let back = seen.rollback.unwrap();
        assert_eq!(
            (back.status, back.traffic),
            (CloudStatus::InProgress, Some(100 - percent))
        );
    }
    drive.make(CallKind::PromoteTaskSet).await;
    assert_eq!(
        sets(&drive.world).await,
        [known("by-hand:1", "ACTIVE"), known("by-hand:2", "PRIMARY")]
    );
    drive.make(CallKind::DeleteOldTaskSet).await;
    assert_eq!(
        drive.look(None).await.deployment.status,
        CloudStatus::Ready,
        "the old one drains"
    );
    drive.world.step(31).await;
    assert_eq!(drive.look(None).await.deployment.status, CloudStatus::Succeeded);
    assert_eq!(sets(&drive.world).await, [known("by-hand:2", "PRIMARY")]);
    let prepared = drive
        .engine
        .prepare(&drive.order, drive.world.now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (prepared.changes, prepared.running_digest),
        (vec![], Some(drive.world.digest.clone()))
    );
}

#[tokio::test]
async fn at_fifty_all_traffic_comes_back_and_the_new_task_set_is_taken_away() {
    let mut drive = ready().await;
    drive.make(shift(10)).await;
    drive.make(shift(50)).await;
    let (code, retry) = refused(drive.try_make(CallKind::DeleteNewTaskSet).await);
    assert_eq!((code.as_str(), retry), ("StillInUse", true), "it still has traffic");
    drive.make(CallKind::ShiftBack).await;
    assert_eq!(
        drive.world.weights(443).await,
        weights(("by-hand-a", 100), ("by-hand-b", 0))
    );
    let back = drive.look(None).await.rollback.unwrap();
    assert_eq!((back.status, back.traffic), (CloudStatus::Ready, Some(100)));
    drive.make(CallKind::DeleteNewTaskSet).await;
    assert_eq!(drive.look(None).await.rollback.unwrap().status, CloudStatus::Succeeded);
    drive.world.step(31).await;
    assert_eq!(drive.look(None).await.rollback.unwrap().status, CloudStatus::Succeeded);
    assert_eq!(sets(&drive.world).await, [known("by-hand:1", "PRIMARY")]);
}

#[tokio::test]
async fn the_old_task_set_stays_until_the_new_one_is_primary_with_all_traffic() {
    let mut drive = ready().await;
    drive.make(shift(50)).await;
    assert_eq!(
        refused(drive.try_make(CallKind::DeleteOldTaskSet).await).0,
        "StillInUse"
    );
    drive.make(shift(100)).await;
    assert_eq!(
        refused(drive.try_make(CallKind::DeleteOldTaskSet).await).0,
        "StillInUse"
    );
    drive.make(CallKind::PromoteTaskSet).await;
    drive.make(CallKind::DeleteOldTaskSet).await;
    assert_eq!(drive.world.calls("DeleteTaskSet").await.len(), 1);
}

fn refused(answer: Result<String, CallError>) -> (String, bool) {
    match answer {
        Err(CallError::Refused { code, retry, .. }) => (code, retry),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tasks_that_are_not_healthy_within_three_minutes_are_given_up_and_what_ran_is_named() {
    let mut drive = drive().await;
    drive.make(CallKind::RegisterTaskDefinition).await;
    let sick = json!({ "how": "never_healthy" });
    drive.world.control("aws/task-definitions/by-hand:2/sick", sick).await;
    drive.make(CallKind::CreateTaskSet).await;
    drive.world.step(179).await;
    assert_eq!(drive.look(None).await.deployment.status, CloudStatus::InProgress);
    drive.world.step(1).await;
    let seen = drive.look(None).await;
    assert_eq!(seen.deployment.status, CloudStatus::Failed);
    let error = seen.deployment.error.unwrap();
    assert_eq!(error.code.as_deref(), Some("HEALTH_TIMEOUT"));
    assert!(
        error.message.starts_with("its tasks were not healthy for 3 min: "),
        "{}",
        error.message
    );
    let old = seen.deployment.rollback.unwrap();
    assert!(old.contains("task-set/acme/by-hand/"), "{old}");
    assert_eq!(
        seen.rollback.unwrap().status,
        CloudStatus::Ready,
        "the new one is to be taken away"
    );
}

#[tokio::test]
async fn one_whose_tasks_all_fall_ill_later_has_three_minutes_from_then() {
    let mut drive = ready().await;
    drive.look(None).await;
    drive.make(shift(10)).await;
    drive.world.step(1_000).await;
    assert_eq!(drive.look(None).await.deployment.status, CloudStatus::Ready);
    let new = drive.run.cloud_deployment.clone().unwrap();
    let sick = json!({ "how": "never_healthy" });
    drive.world.control("aws/task-definitions/by-hand:2/sick", sick).await;
    scale(&drive.world, &new, 50.0).await;
    scale(&drive.world, &new, 100.0).await;
    drive.world.step(1_000).await;
    let seen = drive.look(None).await.deployment;
    assert_eq!(
        seen.status,
        CloudStatus::InProgress,
        "one of two serves: no more traffic, and no way back"
    );
    scale(&drive.world, &new, 0.0).await;
    scale(&drive.world, &new, 100.0).await;
    assert_eq!(drive.look(None).await.deployment.status, CloudStatus::InProgress);
    drive.world.step(179).await;
    assert_eq!(drive.look(None).await.deployment.status, CloudStatus::InProgress);
    drive.world.step(1).await;
    assert_eq!(drive.look(None).await.deployment.status, CloudStatus::Failed);
}

/// Somebody changes a task set's scale at ECS.
async fn scale(world: &World, set: &str, percent: f64) {
    let body = json!({
        "cluster": "acme", "service": "by-hand", "taskSet": set,
        "scale": { "value": percent, "unit": "PERCENT" },
    });
    let answer = world
        .http
        .post(world.sandbox.aws_url())
        .header("authorization", "AWS4-HMAC-SHA256 Credential=test")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AmazonEC2ContainerServiceV20141113.UpdateTaskSet")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

#[tokio::test]
async fn r10_every_call_of_the_script_is_one_http_attempt_in_its_time() {
    let mut drive = drive().await;
    for (kind, operation) in [
        (CallKind::RegisterTaskDefinition, "RegisterTaskDefinition"),
        (CallKind::CreateTaskSet, "CreateTaskSet"),
        (shift(10), "ModifyListener"),
        (CallKind::ShiftBack, "ModifyListener"),
        (shift(100), "ModifyListener"),
        (CallKind::PromoteTaskSet, "UpdateServicePrimaryTaskSet"),
        (CallKind::DeleteOldTaskSet, "DeleteTaskSet"),
    ] {
        drive.fails_once(kind, operation).await;
        drive.make(kind).await;
        assert!(matches!(drive.find(kind).await, Found::Effect(_)), "{operation}");
        if kind == CallKind::CreateTaskSet {
            drive.world.step(61).await;
        }
    }
    let mut drive = ready().await;
    drive.fails_once(CallKind::DeleteNewTaskSet, "DeleteTaskSet").await;
    drive.make(CallKind::DeleteNewTaskSet).await;
    assert!(matches!(drive.find(CallKind::DeleteNewTaskSet).await, Found::Effect(_)));
}

#[tokio::test]
async fn r09_what_a_call_did_whose_answer_was_lost_is_found() {
    let mut drive = drive().await;
    let definition = drive
        .lose(CallKind::RegisterTaskDefinition, "RegisterTaskDefinition")
        .await;
    assert!(definition.ends_with("task-definition/by-hand:2"), "{definition}");
    let set = drive.lose(CallKind::CreateTaskSet, "CreateTaskSet").await;
    assert_eq!(
        drive.try_make(CallKind::CreateTaskSet).await.as_deref(),
        Ok(set.as_str()),
        "the token makes the same one again"
    );
    assert_eq!(sets(&drive.world).await.len(), 2);
    drive.world.step(61).await;
    drive.lose(shift(10), "ModifyListener").await;
    assert_eq!(drive.find(shift(50)).await, Found::Nothing);
    drive.lose(CallKind::ShiftBack, "ModifyListener").await;
    drive.lose(shift(100), "ModifyListener").await;
    drive
        .lose(CallKind::PromoteTaskSet, "UpdateServicePrimaryTaskSet")
        .await;
    drive.lose(CallKind::DeleteOldTaskSet, "DeleteTaskSet").await;
    drive.world.step(31).await;
    assert_eq!(drive.look(None).await.deployment.status, CloudStatus::Succeeded);
}

#[tokio::test]
async fn what_is_not_as_it_was_approved_is_refused() {
    let mut drive = drive().await;
    let other = order(&drive.world, drive.order.engine.clone(), reference());
    let mut theirs = drive.run.clone();
    theirs.operation = other.operation;
    let definition = drive
        .engine
        .make(&other, &theirs, CallKind::RegisterTaskDefinition, soon())
        .await
        .unwrap();
    theirs.task_definition = Some(definition);
    let set = drive
        .engine
        .make(&other, &theirs, CallKind::CreateTaskSet, soon())
        .await
        .unwrap();
    let (code, retry) = refused(drive.try_make(CallKind::RegisterTaskDefinition).await);
    assert_eq!((code.as_str(), retry), ("TargetChanged", false), "two task sets");
    theirs.cloud_deployment = Some(set);
    drive
        .engine
        .make(&other, &theirs, CallKind::PromoteTaskSet, soon())
        .await
        .unwrap();
    drive.run.task_definition = theirs.task_definition;
    let (code, retry) = refused(drive.try_make(CallKind::CreateTaskSet).await);
    assert_eq!((code.as_str(), retry), ("TargetChanged", false), "another version runs");
    let (code, _) = refused(drive.try_make(CallKind::CreateDeployment).await);
    assert_eq!(code, "NoSuchCall");
}

#[tokio::test]
async fn a_listener_by_which_weights_do_not_decide_is_named_with_what_to_do() {
    let world = world().await;
    let engine = EcsTaskSets::new(world.aws.clone());
    let at = |port: &'static str| {
        let world = &world;
        let engine = &engine;
        async move {
            let target = catalog::EcsTaskSets {
                listener: arn(world, port).await,
                ..task_sets(world).await
            };
            blocked(
                engine,
                &order(world, Engine::EcsTaskSets(target), reference()),
                world.now(),
            )
            .await
        }
    };
    assert_eq!(
        at("444").await,
        "its listener keeps clients with a target group (stickiness), so that weights do not decide: switch that off"
    );
    assert_eq!(
        at("445").await,
        "its listener has 100 % of the traffic on target group by-hand-b, where the next version would go: put all of it \
         on by-hand-a, where the primary task set is"
    );
    assert_eq!(
        at("446").await,
        "its listener does not name target group by-hand-b: add it to the default action, with weight 0 if it is not the \
         one in use, so that its targets are checked before they get traffic"
    );
    assert_eq!(
        at("447").await,
        "its listener forwards to a third target group, third: take it out of the default action"
    );
}

#[tokio::test]
async fn a_service_of_another_kind_blocks_and_says_which() {
    let world = world().await;
    let engine = EcsTaskSets::new(world.aws.clone());
    let base = task_sets(&world).await;
    let with = |service: &str| {
        let target = catalog::EcsTaskSets {
            service: service.to_owned(),
            ..base.clone()
        };
        order(&world, Engine::EcsTaskSets(target), reference())
    };
    let why = blocked(&engine, &with("native"), world.now()).await;
    assert_eq!(
        why,
        "its deployment controller is ECS: a service is made for EXTERNAL, it cannot be changed to it"
    );
    let why = blocked(&engine, &with("nothing"), world.now()).await;
    assert_eq!(why, "cluster acme has no active service nothing");
}
