//! The same for what runs on Lambda: killed in each call of a script, each effect is there once after a restart.

use super::{
    FATES, Fate,
    acme::lambda_seed,
    plant::{Base, Plant, on_both, together},
};
use serde_json::json;
use tidegate_domain::StateName;

const COMMON: &str =
    "policy = \"automatic\"\ntraffic = \"all-at-once\"\ndeadline = \"30m\"\nfunction = \"burst\"\nalias = \"live\"";
const ALIAS: &str = "engine = \"lambda_alias\"";
const CODEDEPLOY: &str = "engine = \"lambda_codedeploy\"\napplication = \"burst\"\ndeployment_group = \"live\"";
const STAGE: &str = "engine = \"apigateway_stage\"\napi = \"rest000001\"\napi_kind = \"rest\"\nstage = \"live\"";

async fn killed(base: Base, section: &'static str, operation: &'static str, fate: Fate) {
    let plant = Plant::new(base).await;
    plant.stage.post("/aws/seed", lambda_seed()).await;
    plant.staging_by(&format!("{section}\n{COMMON}"));
    let id = plant.request("sha-aaaaaaa").await;
    plant.killed_in_call(operation, fate).await;
    let done = plant.rests(id).await;
    let what = format!("{section} {operation} {fate:?}");
    assert_eq!(done.state.name(), StateName::Succeeded, "{what}: {:#?}", done.state);
    let function = plant.stage.get("/aws/functions/burst").await;
    assert_eq!(function["aliases"]["live"], json!({ "2": 1.0 }), "{what}");
    let versions = function["versions"].as_object().unwrap().len();
    assert_eq!(versions, 3, "{what}: $LATEST, 1 and 2");
    let api = plant.stage.get("/aws/apis/rest000001").await;
    let made = api["deployments"].as_object().unwrap().len();
    if section == STAGE {
        let run = done.run().unwrap();
        assert_eq!(
            api["stages"]["live"]["deployment"].as_str(),
            run.cloud_deployment.as_deref(),
            "{what}"
        );
        assert_eq!(made, 2, "{what}");
    } else {
        assert_eq!(made, 1, "{what}");
    }
    let deployments = plant.stage.cloud_deployments().await.len();
    assert_eq!(deployments, usize::from(section == CODEDEPLOY), "{what}");
    plant.log_agrees(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r09_killed_before_during_and_after_each_call_on_lambda() {
    let calls = [
        (ALIAS, "UpdateFunctionCode"),
        (ALIAS, "PublishVersion"),
        (ALIAS, "UpdateAlias"),
        (CODEDEPLOY, "CreateDeployment"),
        (STAGE, "CreateDeployment"),
        (STAGE, "UpdateAlias"),
        (STAGE, "UpdateStage"),
    ];
    let mut scenarios = Vec::new();
    for (section, operation) in calls {
        for fate in FATES {
            scenarios.extend(on_both(move |base| killed(base, section, operation, fate)));
        }
    }
    together(scenarios).await;
}
