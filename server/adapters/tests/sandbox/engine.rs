//! A deployment through the engine, from what would change to all traffic on the new version, or back.

use crate::world::{CANARY, REPOSITORY, World, running, soon, target, with_target};
use serde_json::{Value, json};
use tidegate_adapters::{CallError, Engine as _, Order, Registry as _};
use tidegate_domain::{
    deployment::{Blocker, BlockerKind, CloudStatus, LifecycleStatus},
    name::Digest,
    plan::Found,
    release::Image,
    revision::Change,
    traffic::TrafficPlan,
};

#[tokio::test]
async fn only_the_image_would_change_and_it_is_shown_field_by_field() {
    let world = World::new().await;
    let order = world.order();
    let preparation = world.engine.prepare(&order, world.now()).await.unwrap().unwrap();
    assert_eq!(
        preparation.changes,
        [Change {
            what: "containerDefinitions[app].image".to_owned(),
            from: format!("{REPOSITORY}:sha-1111111"),
            to: format!("{REPOSITORY}@{}", world.digest),
        }]
    );
    assert_eq!(
        preparation.running_task_definition.as_deref(),
        Some("arn:aws:ecs:eu-west-1:123456789012:task-definition/rag:1")
    );
    assert_eq!(preparation.running_digest, None, "a tag names no digest");
    assert!(preparation.immutable_tags);
    assert_eq!(preparation.at, world.now());
    assert_eq!(
        world.approved(&order).await,
        preparation.hash,
        "reading twice says the same"
    );
}

#[tokio::test]
async fn every_field_of_the_running_task_definition_is_carried_over() {
    let world = World::new().await;
    let order = world.order();
    let arn = world.registered(&order).await;
    assert!(arn.ends_with("task-definition/rag:2"), "{arn}");
    let state = world.look("aws/state").await;
    let revisions = &state["task_definitions"]["rag"];
    let mut expected = revisions[0]["body"].clone();
    expected["containerDefinitions"][0]["image"] = json!(format!("{REPOSITORY}@{}", world.digest));
    assert_eq!(revisions[1]["body"], expected);
    let tags = json!([
        { "key": "team", "value": "search" },
        { "key": "tidegate:operation", "value": order.operation.to_string() },
    ]);
    assert_eq!(revisions[1]["tags"], tags);
}

#[tokio::test]
async fn a_deployment_walks_to_all_traffic_on_the_new_version() {
    let world = World::new().await;
    let order = world.order();
    let id = world.started(&order).await;
    let fresh = world.observed(&order, &id, None).await.deployment;
    assert_eq!(
        (fresh.status, fresh.traffic, fresh.lifecycle.len()),
        (CloudStatus::Created, None, 0)
    );

    world.step(80).await;
    let shifting = world.observed(&order, &id, None).await.deployment;
    assert!(running(&shifting.status));
    assert_eq!(shifting.traffic, Some(10));
    let install = &shifting.lifecycle[1];
    assert_eq!(
        (install.name.as_str(), &install.status),
        ("Install", &LifecycleStatus::Succeeded)
    );
    assert!(install.started_at < install.ended_at);

    let seen = world.ended(&order, &id).await;
    assert_eq!(seen.deployment.status, CloudStatus::Succeeded);
    assert_eq!(seen.deployment.traffic, Some(100));
    assert!(
        seen.deployment
            .lifecycle
            .iter()
            .all(|event| event.status == LifecycleStatus::Succeeded)
    );
    assert_eq!((seen.rollback, seen.deployment.rollback), (None, None));

    let after = world.engine.prepare(&order, world.now()).await.unwrap().unwrap();
    assert_eq!(after.running_digest, Some(world.digest.clone()));
    assert_eq!(after.changes, []);
}

#[tokio::test]
async fn r18_a_deployment_carries_its_own_rollback_configuration_and_its_operation() {
    let world = World::new().await;
    let order = world.order();
    world.started(&order).await;
    let request = world.calls("CreateDeployment").await[0]["request"].clone();
    assert_eq!(
        request["autoRollbackConfiguration"],
        json!({
            "enabled": true,
            "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
        })
    );
    assert_eq!(
        request["deploymentConfigName"],
        "CodeDeployDefault.ECSCanary10Percent5Minutes"
    );
    assert_eq!(
        request["description"],
        format!("rag sha-2222222 to production [tidegate:{}]", order.operation)
    );
}

#[tokio::test]
async fn a_stop_with_rollback_is_followed_into_the_deployment_that_rolls_back() {
    let world = World::new().await;
    let order = world.order();
    let id = world.started(&order).await;
    world.step(80).await;
    world.engine.stop(&order, &id, soon()).await.unwrap();
    let seen = world.ended(&order, &id).await;
    assert_eq!(seen.deployment.status, CloudStatus::Stopped);
    let rollback = seen.deployment.rollback.unwrap();
    assert!(seen.deployment.rollback_message.unwrap().contains(&rollback));

    world.step(60).await;
    let seen = world.observed(&order, &id, Some(&rollback)).await;
    let progress = seen.rollback.unwrap();
    assert_eq!(progress.status, CloudStatus::Succeeded);
    assert_eq!(progress.traffic, Some(100));
    assert_eq!(
        world.engine.find_created(&order, world.now()).await.unwrap(),
        Found::Effect(id.clone()),
        "the rollback is not taken for the deployment"
    );
    assert_eq!(
        world.engine.stop(&order, &id, soon()).await,
        Err(CallError::Refused {
            code: "DeploymentAlreadyCompletedException".to_owned(),
            message: format!("The deployment {id} is already completed"),
            retry: false
        }),
        "what is over was stopped by somebody else"
    );
}

#[tokio::test]
async fn r18_aws_rolls_back_a_failing_deployment_by_itself_and_says_why() {
    let world = World::new().await;
    let failure = json!({ "event": "AfterAllowTraffic", "message": "smoke test failed" });
    world.control("aws/groups/production/fail-next", failure).await;
    let order = world.order();
    let id = world.started(&order).await;
    let seen = world.ended(&order, &id).await.deployment;
    assert_eq!(seen.status, CloudStatus::Failed);
    assert!(seen.rollback.is_some());
    let error = seen.error.unwrap();
    assert!(error.code.is_some_and(|code| !code.is_empty()));
    let failed = seen
        .lifecycle
        .iter()
        .find(|event| event.status == LifecycleStatus::Failed);
    assert_eq!(failed.unwrap().name, "AfterAllowTraffic");
}

#[tokio::test]
async fn r18_an_alarm_stops_and_rolls_back() {
    let world = World::new().await;
    let order = world.order();
    let id = world.started(&order).await;
    world.step(80).await;
    world.control("aws/alarms/production/trigger", json!({})).await;
    let seen = world.ended(&order, &id).await.deployment;
    assert_eq!(seen.status, CloudStatus::Stopped);
    assert_eq!(seen.error.unwrap().code.as_deref(), Some("ALARM_ACTIVE"));
    assert!(seen.rollback.is_some());
}

#[tokio::test]
async fn r13_a_status_never_seen_before_is_kept_and_ends_nothing() {
    let world = World::with(tidegate_sandbox::Options::default()).await;
    let order = world.order();
    let id = world.started(&order).await;
    world.step(80).await;
    world
        .control(
            &format!("aws/deployments/{id}/status"),
            json!({ "status": "Reticulating" }),
        )
        .await;
    let seen = world.observed(&order, &id, None).await.deployment;
    assert_eq!(seen.status, CloudStatus::Unknown("Reticulating".to_owned()));
    assert_eq!(seen.traffic, Some(10));
}

#[tokio::test]
async fn r02_a_task_definition_that_is_not_the_approved_one_is_not_registered() {
    let world = World::new().await;
    let order = world.order();
    let approved = world.approved(&order).await;
    let other = Order {
        operation: world.order().operation,
        ..order.clone()
    };
    let id = world.started(&other).await;
    world.ended(&other, &id).await;
    let register_calls = world.calls("RegisterTaskDefinition").await.len();
    let smaller = with_target(order, |target| target.port = 9090);
    let refused = world.engine.register(&smaller, &approved, soon()).await;
    assert!(
        matches!(&refused, Err(CallError::Refused { retry: false, .. })),
        "{refused:?}"
    );
    let refused = world.engine.register(&world.order(), &"0".repeat(64), soon()).await;
    let Err(CallError::Refused { code, retry, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((code.as_str(), retry), ("TaskDefinitionChanged", false));
    assert_eq!(world.calls("RegisterTaskDefinition").await.len(), register_calls);
}

#[tokio::test]
async fn r02_the_hash_binds_image_and_destination() {
    let world = World::new().await;
    let order = world.order();
    let hash = world.approved(&order).await;
    let elsewhere = with_target(order.clone(), |target| {
        target.deployment_config = Some("other".to_owned())
    });
    assert_ne!(world.approved(&elsewhere).await, hash);
    let pushed = json!({ "repository": "acme/rag", "tags": ["sha-3333333"] });
    let digest = world.control("aws/images", pushed).await["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let newer = Order {
        image: Image {
            digest: Digest::new(digest).unwrap(),
            ..order.image.clone()
        },
        ..order
    };
    assert_ne!(world.approved(&newer).await, hash);
}

async fn blocked(world: &World, order: &Order) -> Blocker {
    world.engine.prepare(order, world.now()).await.unwrap().unwrap_err()
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_in_words() {
    let world = World::new().await;
    type Edit = fn(&mut tidegate_domain::catalog::EcsCodedeploy);
    let cases: [(Edit, &str); 8] = [
        (|t| t.cluster = "nowhere".to_owned(), "there is no ECS cluster nowhere"),
        (
            |t| t.service = "nobody".to_owned(),
            "cluster acme has no active service nobody",
        ),
        (
            |t| t.service = "by-ecs".to_owned(),
            "its deployment controller is ECS: a service is made for CODE_DEPLOY, it cannot be changed to it",
        ),
        (
            |t| t.container = "web".to_owned(),
            "its task definition has no container web; it has app, sidecar",
        ),
        (
            |t| t.port = 9090,
            "its container app is not reached at port 9090, but at 8080",
        ),
        (
            |t| t.container = "sidecar".to_owned(),
            "its container sidecar is not reached at port 8080, but at none",
        ),
        (
            |t| t.deployment_group = "other".to_owned(),
            "CodeDeploy has no application rag with a deployment group other",
        ),
        (
            |t| t.application = "other".to_owned(),
            "CodeDeploy has no application other with a deployment group production",
        ),
    ];
    for (edit, why) in cases {
        let blocker = blocked(&world, &with_target(world.order(), edit)).await;
        assert_eq!((blocker.kind, blocker.why.as_str()), (BlockerKind::Target, why));
    }
    assert_eq!(world.calls("RegisterTaskDefinition").await.len(), 0);
}

#[tokio::test]
async fn a_group_of_another_service_does_not_deploy_this_one() {
    let world = World::new().await;
    let more: Value = json!({
        "services": [{ "name": "other", "cluster": "acme", "family": "other", "container": "app",
                       "image": format!("{REPOSITORY}:sha-1111111") }],
        "applications": [{ "name": "mixed-up", "groups": [
            { "name": "production", "cluster": "acme", "service": "other" },
        ]}],
    });
    world.control("aws/seed", more).await;
    let order = with_target(world.order(), |target| target.application = "mixed-up".to_owned());
    assert_eq!(
        blocked(&world, &order).await.why,
        "deployment group production deploys to other in acme"
    );
}

#[tokio::test]
async fn r36_a_digest_that_is_not_in_the_registry_blocks() {
    let world = World::new().await;
    let mut order = world.order();
    order.image.digest = Digest::new(format!("sha256:{}", "ee".repeat(32))).unwrap();
    let blocker = blocked(&world, &order).await;
    assert_eq!(blocker.kind, BlockerKind::Registry);
    assert_eq!(blocker.subject, order.image.pinned());
    order.image.repository = "ghcr.io/acme/rag".to_owned();
    assert_eq!(blocked(&world, &order).await.kind, BlockerKind::Registry);
    order.image.repository = REPOSITORY.replace("rag", "nothing");
    assert_eq!(blocked(&world, &order).await.kind, BlockerKind::Registry);
}

#[tokio::test]
async fn r36_a_moved_tag_changes_nothing_but_is_told() {
    let world = World::new().await;
    let push = |tag: &str| json!({ "repository": "acme/loose", "tags": [tag] });
    let digest_of = |pushed: Value| Digest::new(pushed["digest"].as_str().unwrap()).unwrap();
    let first = digest_of(world.control("aws/images", push("v1")).await);
    let second = digest_of(world.control("aws/images", push("v2")).await);
    let image = Image {
        repository: REPOSITORY.replace("rag", "loose"),
        digest: first.clone(),
        tag: Some("v1".to_owned()),
    };
    let before = world.aws.look_up(&image).await.unwrap();
    assert_eq!(
        (before.present, before.tag_points_to, before.immutable_tags),
        (true, Some(first), false)
    );
    let moved = json!({ "repository": "acme/loose", "tag": "v1", "digest": second.as_str() });
    world.control("aws/images/move-tag", moved).await;
    let after = world.aws.look_up(&image).await.unwrap();
    assert_eq!((after.present, after.tag_points_to.clone()), (true, Some(second)));
    let order = Order {
        image: image.clone(),
        ..world.order()
    };
    let preparation = world.engine.prepare(&order, world.now()).await.unwrap().unwrap();
    assert_eq!(preparation.changes[0].to, image.pinned());
    assert!(!preparation.immutable_tags);
    assert_eq!(preparation.tag_moved_to, after.tag_points_to);
    let untagged = Order {
        image: Image { tag: None, ..image },
        ..order
    };
    let same = world.engine.prepare(&untagged, world.now()).await.unwrap().unwrap();
    assert_eq!((same.tag_moved_to, &same.hash), (None, &preparation.hash), "no effect");
}

#[tokio::test]
async fn a_traffic_plan_is_run_exactly_or_not_at_all() {
    let world = World::new().await;
    let plan = |percent| TrafficPlan::Canary { percent, minutes: 5 };
    let order = |traffic, config: Option<&str>| {
        let order = Order {
            traffic,
            ..world.order()
        };
        with_target(order, |target| target.deployment_config = config.map(str::to_owned))
    };
    let why = blocked(&world, &order(plan(20), None)).await.why;
    assert!(
        why.starts_with("CodeDeploy predefines nothing for 20 % for 5 min, then 100 %"),
        "{why}"
    );
    let why = blocked(&world, &order(plan(20), Some("missing"))).await.why;
    assert_eq!(why, "CodeDeploy has no deployment configuration missing");
    let why = blocked(&world, &order(plan(30), Some("acme-canary-20-for-5")))
        .await
        .why;
    assert_eq!(
        why,
        "the traffic plan is 30 % for 5 min, then 100 %, but deployment configuration acme-canary-20-for-5 runs 20 % for 5 min, then 100 %"
    );
    let exact = order(plan(20), Some("acme-canary-20-for-5"));
    let id = world.started(&exact).await;
    assert_eq!(world.in_account(&id).await["config"], "acme-canary-20-for-5");
    let predefined = Order {
        traffic: CANARY,
        ..world.order()
    };
    assert!(world.engine.prepare(&predefined, world.now()).await.unwrap().is_ok());
    assert_eq!(target().deployment_config, None);
}
