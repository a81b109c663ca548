//! `apigateway_stage`: the stage and the function behind it are swapped, or neither is.

use super::{Story, all, another, refused, stage_target};
use rstest::rstest;
use serde_json::{Value, json};
use tidegate_domain::{
    catalog::{ApiKind, Engine},
    deployment::{CallKind, CloudStatus},
    plan::Found,
    revision::Change,
    traffic::TrafficPlan,
};

const ALL: CallKind = CallKind::ShiftTraffic { percent: 100 };

async fn story(kind: ApiKind) -> Story {
    Story::of(Engine::ApigatewayStage(stage_target(kind))).await
}

async fn api(story: &Story) -> Value {
    let Engine::ApigatewayStage(target) = &story.order.engine else {
        panic!("another engine");
    };
    story.world.look(&format!("aws/apis/{}", target.api)).await
}

async fn stage(story: &Story) -> String {
    api(story).await["stages"]["live"]["deployment"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[rstest]
#[case::rest(ApiKind::Rest)]
#[case::websocket(ApiKind::Websocket)]
#[tokio::test]
async fn what_runs_and_what_would_change_is_said_of_both(#[case] kind: ApiKind) {
    let story = story(kind).await;
    let preparation = story.prepared().await.unwrap();
    assert_eq!(
        preparation.running_task_definition.as_deref(),
        Some("arn:aws:lambda:eu-west-1:123456789012:function:burst:1 with API deployment dep001")
    );
    assert_eq!(preparation.changes.len(), 2);
    assert_eq!(preparation.changes[0].what, "Code.ImageUri");
    assert_eq!(
        preparation.changes[1],
        Change {
            what: "stage live: deployment".to_owned(),
            from: "dep001".to_owned(),
            to: "a new one, of the API as it is now".to_owned(),
        }
    );
}

#[rstest]
#[case::rest(ApiKind::Rest)]
#[case::websocket(ApiKind::Websocket)]
#[tokio::test]
async fn both_are_swapped_and_both_go_back(#[case] kind: ApiKind) {
    let mut story = story(kind).await;
    story.ready().await;
    let made = story.run.cloud_deployment.clone().unwrap();
    let described = api(&story).await["deployments"][&made].as_str().unwrap().to_owned();
    assert!(
        described.ends_with(&format!("[tidegate:{}]", story.order.operation)),
        "{described}"
    );
    let seen = story.seen().await;
    assert_eq!(
        (seen.deployment.status, seen.deployment.traffic),
        (CloudStatus::Ready, Some(0))
    );
    assert_eq!(seen.rollback.unwrap().status, CloudStatus::Succeeded);
    assert_eq!(stage(&story).await, "dep001", "nothing was pointed to it yet");

    story.go(ALL).await;
    let seen = story.seen().await;
    assert_eq!(seen.deployment.status, CloudStatus::Ready, "the stage is still to come");
    assert_eq!(seen.rollback.unwrap().status, CloudStatus::InProgress);
    assert_eq!(story.go(CallKind::SwapStage).await, made);
    assert_eq!(
        (story.alias().await, stage(&story).await),
        (json!({ "2": 1.0 }), made.clone())
    );
    let seen = story.seen().await;
    assert_eq!(
        (seen.deployment.status, seen.deployment.traffic),
        (CloudStatus::Succeeded, Some(100))
    );
    assert_eq!(seen.rollback.unwrap().traffic, Some(0));

    story.go(CallKind::SwapStageBack).await;
    let back = story.seen().await.rollback.unwrap();
    assert_eq!(
        (back.status, back.traffic),
        (CloudStatus::InProgress, Some(0)),
        "half is not back"
    );
    story.go(CallKind::ShiftBack).await;
    let back = story.seen().await.rollback.unwrap();
    assert_eq!((back.status, back.traffic), (CloudStatus::Succeeded, Some(100)));
    assert_eq!(
        (story.alias().await, stage(&story).await),
        (json!({ "1": 1.0 }), "dep001".to_owned())
    );
    assert!(
        api(&story).await["deployments"][&made].is_string(),
        "nothing is deleted"
    );
}

#[tokio::test]
async fn a_snapshot_that_is_pending_takes_no_traffic() {
    let mut story = story(ApiKind::Websocket).await;
    story
        .world
        .control("aws/timings", json!({ "api_deployment": 30 }))
        .await;
    story.ready().await;
    assert_eq!(story.seen().await.deployment.status, CloudStatus::InProgress);
    story.world.step(30).await;
    assert_eq!(story.seen().await.deployment.status, CloudStatus::Ready);
}

#[rstest]
#[case::rest(ApiKind::Rest)]
#[case::websocket(ApiKind::Websocket)]
#[tokio::test]
async fn a_stage_that_somebody_else_moved_is_neither_swapped_nor_taken_back(#[case] kind: ApiKind) {
    let mut story = story(kind).await;
    story.ready().await;
    let (order, run) = (story.order.clone(), story.run.clone());
    // Another operation makes a deployment of the API and points the stage to it.
    story.order = another(&order);
    story.run.operation = story.order.operation;
    let theirs = story.go(CallKind::CreateApiDeployment).await;
    story.go(CallKind::SwapStage).await;
    assert_eq!(stage(&story).await, theirs);

    (story.order, story.run) = (order, run);
    assert_eq!(
        refused(story.make(CallKind::SwapStage).await),
        ("StageChanged".to_owned(), false)
    );
    story.go(CallKind::SwapStageBack).await;
    assert_eq!(stage(&story).await, theirs, "it is left as it is");
    let back = story.seen().await.rollback.unwrap();
    assert_eq!(back.status, CloudStatus::Failed);
    assert_eq!(back.error.unwrap().code.as_deref(), Some("ChangedElsewhere"));
}

#[tokio::test]
async fn the_deployment_is_found_among_more_than_one_page() {
    for target in all()
        .into_iter()
        .filter(|target| matches!(target, Engine::ApigatewayStage(_)))
    {
        let mut story = Story::of(target).await;
        story.ready().await;
        let made = story.run.cloud_deployment.clone().unwrap();
        let order = story.order.clone();
        for _ in 0..30 {
            story.order = another(&order);
            story.make(CallKind::CreateApiDeployment).await.unwrap();
        }
        story.order = order;
        assert_eq!(story.find(CallKind::CreateApiDeployment).await, Found::Effect(made));
    }
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_in_words() {
    let mut story = story(ApiKind::Websocket).await;
    story
        .world
        .control(
            "aws/seed",
            json!({ "apis": [{ "id": "auto000001", "name": "auto", "protocol": "WEBSOCKET",
                "deployments": [{ "id": "dep001" }],
                "stages": [
                    { "name": "live", "deployment": "dep001", "auto_deploy": true },
                    { "name": "empty" },
                ] }] }),
        )
        .await;
    let target = |api: &str, stage: &str| {
        let mut target = stage_target(ApiKind::Websocket);
        target.api = api.to_owned();
        target.stage = stage.to_owned();
        Engine::ApigatewayStage(target)
    };
    for (api, stage, why) in [
        ("nothing", "live", "there is no API nothing with a stage live"),
        ("ws00000001", "beta", "there is no API ws00000001 with a stage beta"),
        ("rest000001", "live", "there is no API rest000001 with a stage live"),
        (
            "auto000001",
            "live",
            "stage live deploys every change of the API by itself: turn autoDeploy off, so that it can be swapped",
        ),
        (
            "auto000001",
            "empty",
            "stage empty points to no deployment yet, so that there is nothing to go back to: deploy it once",
        ),
    ] {
        story.order.engine = target(api, stage);
        assert_eq!(story.blocked().await, why);
    }
    story.order.engine = Engine::ApigatewayStage(stage_target(ApiKind::Rest));
    story.order.traffic = TrafficPlan::Canary { percent: 5, minutes: 5 };
    let why = story.blocked().await;
    assert!(why.ends_with("a stage is swapped as a whole"), "{why}");
    story.order.traffic = TrafficPlan::AllAtOnce;
    let answer = story.make(CallKind::ShiftTraffic { percent: 5 }).await;
    assert_eq!(refused(answer), ("NoSuchCall".to_owned(), false));
}

#[rstest]
#[case::rest(ApiKind::Rest, json!({ "resources": [{ "id": "r1", "path": "/", "resourceMethods": { "GET": { "httpMethod": "GET" } } }] }))]
#[case::routes(ApiKind::Websocket, json!({ "routes": [{ "routeId": "abc", "routeKey": "$default" }] }))]
#[case::integrations(ApiKind::Websocket, json!({ "integrations": [{ "integrationId": "xyz", "integrationUri": "elsewhere" }] }))]
#[tokio::test]
async fn r02_an_api_that_changed_since_it_was_approved_is_not_deployed(#[case] kind: ApiKind, #[case] edit: Value) {
    let mut story = story(kind).await;
    story.go(CallKind::UpdateFunctionCode).await;
    story.go(CallKind::PublishVersion).await;
    let approved = story.prepared().await.unwrap().hash;
    let Engine::ApigatewayStage(target) = story.order.engine.clone() else {
        panic!("another engine");
    };
    story
        .world
        .control(&format!("aws/apis/{}/edit", target.api), edit)
        .await;
    let made = story.make(CallKind::CreateApiDeployment).await;
    assert_eq!(refused(made), ("TargetChanged".to_owned(), false));
    assert_eq!(story.world.calls("CreateDeployment").await.len(), 0);
    assert_ne!(story.prepared().await.unwrap().hash, approved, "people are asked again");
}
