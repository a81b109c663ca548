//! Deployments of Lambda functions and of API Gateway stages, through the worker: there, back, and with every answer lost.

use crate::{
    acme::{BEN, lambda_seed, staging},
    world::{Base, World, person},
};
use rstest::rstest;
use serde_json::{Value, json};
use tidegate_app::portal::Portal;
use tidegate_domain::{
    Deployment, DeploymentId, State, StateName, TrafficPlan,
    catalog::{ApiKind, ApigatewayStage, Engine, LambdaAlias, LambdaCodedeploy, LambdaHooks},
    deployment::{CallKind, Outcome, RollbackCause},
    time::MINUTE,
    traffic::TrafficStep,
};

/// 10 % (5 min) → 50 % (3 min) → 100 %.
fn steps() -> TrafficPlan {
    TrafficPlan::of_steps(&[
        TrafficStep {
            percent: 10,
            minutes: 5,
        },
        TrafficStep {
            percent: 50,
            minutes: 3,
        },
    ])
}

fn alias() -> LambdaAlias {
    LambdaAlias {
        function: "burst".to_owned(),
        alias: "live".to_owned(),
    }
}

fn driven() -> Engine {
    Engine::LambdaAlias(alias())
}

fn by_codedeploy() -> Engine {
    Engine::LambdaCodedeploy(LambdaCodedeploy {
        function: "burst".to_owned(),
        alias: "live".to_owned(),
        application: "burst".to_owned(),
        deployment_group: "live".to_owned(),
        deployment_config: None,
        hooks: LambdaHooks::default(),
    })
}

fn stage(api_kind: ApiKind) -> Engine {
    let api = match api_kind {
        ApiKind::Rest => "rest000001",
        ApiKind::Websocket => "ws00000001",
    };
    Engine::ApigatewayStage(ApigatewayStage {
        api: api.to_owned(),
        api_kind,
        stage: "live".to_owned(),
        compute: alias(),
    })
}

/// Staging is the function `burst`, version 1 behind its alias `live`; nobody is asked.
async fn world(base: Base, engine: Engine, traffic: TrafficPlan) -> World {
    let world = World::new(base).await;
    world.stage.post("/aws/seed", lambda_seed()).await;
    world.configure(|catalog| {
        let target = &mut catalog.services[0].targets[0];
        target.engine = engine;
        target.traffic = traffic;
    });
    world
}

async fn requested(world: &World) -> DeploymentId {
    world.request(world.release("sha-aaaaaaa").await, staging()).await
}

/// Which version has which share.
async fn shares(world: &World) -> Value {
    world.stage.get("/aws/functions/burst").await["aliases"]["live"].clone()
}

async fn has_share(world: &World, id: DeploymentId, percent: u8) -> Deployment {
    world
        .until(id, "a share", |deployment| deployment.traffic() == Some(percent))
        .await
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn ten_fifty_hundred_goes_through_step_by_step(#[case] base: Base) {
    let world = world(base, driven(), steps()).await;
    let id = requested(&world).await;
    for (percent, minutes, expected) in [
        (10, 5, json!({ "1": 0.9, "2": 0.1 })),
        (50, 3, json!({ "1": 0.5, "2": 0.5 })),
    ] {
        has_share(&world, id, percent).await;
        assert_eq!(shares(&world).await, expected);
        world.later(minutes * MINUTE);
    }
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    assert_eq!(shares(&world).await, json!({ "2": 1.0 }));
    assert_eq!(world.stage.calls("UpdateAlias").await.len(), 3);
    let run = done.run().unwrap();
    assert_eq!(
        run.revision.rollback_target,
        "arn:aws:lambda:eu-west-1:123456789012:function:burst:1"
    );
    world.log_has_no_gap().await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_person_at_a_step_brings_all_traffic_back(#[case] base: Base) {
    let world = world(base, driven(), steps()).await;
    let id = requested(&world).await;
    has_share(&world, id, 10).await;
    world
        .services
        .roll_back(&person(BEN), id, "the answers are wrong".to_owned())
        .await
        .unwrap();
    let done = world.rests(id).await;
    let State::RolledBack { cause, .. } = &done.state else {
        panic!("{:#?}", done.state)
    };
    assert!(matches!(cause, RollbackCause::Person { .. }), "{cause:?}");
    assert_eq!(shares(&world).await, json!({ "1": 1.0 }));
}

/// One HTTP attempt for each attempt that is recorded, and one version of the function.
async fn each_call_was_one(world: &World, done: &Deployment) {
    let run = done.run().unwrap();
    let operations = [
        "UpdateFunctionCode",
        "PublishVersion",
        "UpdateAlias",
        "UpdateStage",
        "CreateDeployment",
    ];
    let mut sent = 0;
    for operation in operations {
        let calls = world.stage.calls(operation).await;
        assert!(calls.iter().all(|call| call["attempt"] == 1), "{operation}");
        sent += calls.len();
    }
    let recorded = run
        .calls
        .iter()
        .filter(|call| !matches!(&call.outcome, Outcome::Refused { code, .. } if code == "NotSent" || code == "ResourceConflictException"))
        .count();
    assert_eq!(sent, recorded, "{:#?}", run.calls);
    let versions = world.stage.get("/aws/functions/burst").await["versions"].clone();
    assert_eq!(versions.as_object().unwrap().len(), 3, "$LATEST, 1 and 2: {versions}");
}

#[rstest]
#[case::alias_on_sqlite(Base::Sqlite, driven(), "UpdateAlias")]
#[case::alias_on_postgres(Base::Postgres, driven(), "UpdateAlias")]
#[case::codedeploy_on_sqlite(Base::Sqlite, by_codedeploy(), "CreateDeployment")]
#[case::codedeploy_on_postgres(Base::Postgres, by_codedeploy(), "CreateDeployment")]
#[tokio::test(flavor = "multi_thread")]
async fn r09_every_answer_lost_and_each_effect_there_once(
    #[case] base: Base,
    #[case] engine: Engine,
    #[case] moves: &str,
) {
    let world = world(base, engine, TrafficPlan::AllAtOnce).await;
    for operation in ["UpdateFunctionCode", "PublishVersion", moves] {
        let fault = json!({ "operation": operation, "kind": "reset", "when": "after" });
        world.stage.fault(fault).await;
    }
    let id = requested(&world).await;
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    assert_eq!(shares(&world).await, json!({ "2": 1.0 }));
    each_call_was_one(&world, &done).await;
    assert_eq!(world.stage.calls(moves).await.len(), 1, "it was found");
}

#[rstest]
#[case::rest_on_sqlite(Base::Sqlite, ApiKind::Rest)]
#[case::websocket_on_postgres(Base::Postgres, ApiKind::Websocket)]
#[tokio::test(flavor = "multi_thread")]
async fn r09_a_stage_and_its_function_are_swapped_once_though_every_answer_is_lost(
    #[case] base: Base,
    #[case] kind: ApiKind,
) {
    let world = world(base, stage(kind), TrafficPlan::AllAtOnce).await;
    for operation in [
        "UpdateFunctionCode",
        "PublishVersion",
        "CreateDeployment",
        "UpdateAlias",
        "UpdateStage",
    ] {
        let fault = json!({ "operation": operation, "kind": "reset", "when": "after" });
        world.stage.fault(fault).await;
    }
    let id = requested(&world).await;
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    each_call_was_one(&world, &done).await;
    assert_eq!(shares(&world).await, json!({ "2": 1.0 }));
    let run = done.run().unwrap();
    let stages = stage_of(&world, &run.engine).await;
    assert_eq!(stages.0, run.cloud_deployment.clone().unwrap());
    assert_eq!(stages.1, 2, "one deployment of the API was made");
}

/// What the stage points to, and how many deployments the API has.
async fn stage_of(world: &World, engine: &Engine) -> (String, usize) {
    let Engine::ApigatewayStage(target) = engine else {
        panic!("another engine")
    };
    let api = world.stage.get(&format!("/aws/apis/{}", target.api)).await;
    let deployment = api["stages"]["live"]["deployment"].as_str().unwrap().to_owned();
    (deployment, api["deployments"].as_object().unwrap().len())
}

#[rstest]
#[case::rest_on_sqlite(Base::Sqlite, ApiKind::Rest)]
#[case::websocket_on_postgres(Base::Postgres, ApiKind::Websocket)]
#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_cannot_be_swapped_takes_the_function_back_with_it(#[case] base: Base, #[case] kind: ApiKind) {
    let world = world(base, stage(kind), TrafficPlan::AllAtOnce).await;
    let refused = json!({ "operation": "UpdateStage", "kind": "error", "when": "before", "status": 400,
                          "code": "BadRequestException", "message": "no" });
    world.stage.fault(refused).await;
    let id = requested(&world).await;
    let done = world.rests(id).await;
    assert!(matches!(done.state, State::RolledBack { .. }), "{:#?}", done.state);
    assert_eq!(shares(&world).await, json!({ "1": 1.0 }), "both or neither");
    let run = done.run().unwrap();
    assert_eq!(
        stage_of(&world, &run.engine).await.0,
        "dep001",
        "what it pointed to is kept"
    );
    assert!(run.made(CallKind::ShiftBack).is_some());
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_swap_that_is_to_end_goes_back_as_a_whole(#[case] base: Base) {
    let world = world(base, stage(ApiKind::Rest), TrafficPlan::AllAtOnce).await;
    let held = json!({ "operation": "UpdateStage", "kind": "hold", "when": "after" });
    let fault = world.stage.fault(held).await;
    let id = requested(&world).await;
    world.stage.holds(&fault).await;
    world
        .services
        .roll_back(&person(BEN), id, "the answers are wrong".to_owned())
        .await
        .unwrap();
    world
        .stage
        .send(reqwest::Method::DELETE, &format!("/faults/{fault}"), None)
        .await;
    let done = world.rests(id).await;
    assert!(matches!(done.state, State::RolledBack { .. }), "{:#?}", done.state);
    assert_eq!(shares(&world).await, json!({ "1": 1.0 }));
    assert_eq!(stage_of(&world, &done.run().unwrap().engine).await.0, "dep001");
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_of_codedeploy_goes_through_by_its_own_clock(#[case] base: Base) {
    let canary = TrafficPlan::Canary {
        percent: 10,
        minutes: 5,
    };
    let world = world(base, by_codedeploy(), canary).await;
    let id = requested(&world).await;
    has_share(&world, id, 10).await;
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    assert_eq!(done.traffic(), Some(100));
    assert_eq!(shares(&world).await, json!({ "2": 1.0 }));
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_person_stops_codedeploy_and_it_rolls_the_alias_back(#[case] base: Base) {
    let canary = TrafficPlan::Canary {
        percent: 10,
        minutes: 30,
    };
    let world = world(base, by_codedeploy(), canary).await;
    let id = requested(&world).await;
    has_share(&world, id, 10).await;
    world
        .services
        .roll_back(&person(BEN), id, "the answers are wrong".to_owned())
        .await
        .unwrap();
    let done = world.rests(id).await;
    let State::RolledBack { rollback, .. } = &done.state else {
        panic!("{:#?}", done.state)
    };
    assert!(rollback.is_some(), "CodeDeploy's own");
    assert_eq!(shares(&world).await, json!({ "1": 1.0 }));
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_lambda_cannot_pull_fails_with_its_words_and_the_old_version_serves(#[case] base: Base) {
    let world = world(base, driven(), TrafficPlan::AllAtOnce).await;
    let failure = json!({ "code": "ImageAccessDenied", "message": "Lambda may not pull the image" });
    world.stage.post("/aws/functions/burst/fail-next", failure).await;
    let id = requested(&world).await;
    let done = world.rests(id).await;
    let State::Failed { failure, .. } = &done.state else {
        panic!("{:#?}", done.state)
    };
    assert_eq!(failure.code.as_deref(), Some("ImageAccessDenied"));
    assert_eq!(shares(&world).await, json!({ "1": 1.0 }));
}
