//! The first version of API Gateway: REST APIs. A stage is changed by patch operations.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    bad_request, check_variable, find, find_mut, find_stage,
    model::{Api, ApiDeployment, Stage},
    paged, unknown_deployment,
};
use crate::aws::{
    model::{Account, At},
    protocol::{AwsError, epoch, input},
};

/// Performs one operation.
pub(crate) fn call(account: &mut Account, now: Timestamp, operation: &str, body: Value) -> Result<Value, AwsError> {
    let wanted: Input = input(body)?;
    match operation {
        "GetRestApi" => find(account, &wanted.rest_api_id, true).map(shown_api),
        "GetStage" => {
            let api = find(account, &wanted.rest_api_id, true)?;
            find_stage(api, &wanted.stage()?).map(shown_stage)
        }
        "GetDeployments" => get_deployments(account, &wanted),
        "GetDeployment" => get_deployment(account, &wanted),
        "CreateDeployment" => create_deployment(account, now, wanted),
        "UpdateStage" => update_stage(account, now, &wanted),
        "DeleteDeployment" => {
            let api = find_mut(account, &wanted.rest_api_id, true)?;
            delete_deployment(api, &wanted.deployment_id)?;
            Ok(json!({}))
        }
        _ => Err(AwsError::unknown_operation()),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    rest_api_id: String,
    #[serde(default)]
    deployment_id: String,
    stage_name: Option<String>,
    stage_description: Option<String>,
    description: Option<String>,
    variables: Option<BTreeMap<String, String>>,
    #[serde(default)]
    patch_operations: Vec<Patch>,
    position: Option<String>,
    limit: Option<String>,
}

impl Input {
    fn stage(&self) -> Result<String, AwsError> {
        self.stage_name
            .clone()
            .filter(|name| !name.is_empty())
            .ok_or_else(|| bad_request("Stage name not specified"))
    }
}

#[derive(Debug, Deserialize)]
struct Patch {
    op: Option<String>,
    path: Option<String>,
    value: Option<String>,
}

fn get_deployments(account: &Account, wanted: &Input) -> Result<Value, AwsError> {
    let api = find(account, &wanted.rest_api_id, true)?;
    let all: Vec<&ApiDeployment> = api.deployments.values().collect();
    let (deployments, position) = paged(&all, wanted.position.as_deref(), wanted.limit.as_deref())?;
    let item: Vec<Value> = deployments.into_iter().map(shown_deployment).collect();
    Ok(json!({ "position": position, "item": item }))
}

fn get_deployment(account: &Account, wanted: &Input) -> Result<Value, AwsError> {
    find(account, &wanted.rest_api_id, true)?
        .deployments
        .get(&wanted.deployment_id)
        .map(shown_deployment)
        .ok_or_else(unknown_deployment)
}

fn create_deployment(account: &mut Account, now: Timestamp, wanted: Input) -> Result<Value, AwsError> {
    let id = find(account, &wanted.rest_api_id, true)?.id.clone();
    for (name, value) in wanted.variables.iter().flatten() {
        check_variable(name, value)?;
    }
    let deployment = account.deploy_api(&id, wanted.description, At(now));
    let api = find_mut(account, &id, true)?;
    if let Some(name) = wanted.stage_name {
        let stage = api.stages.entry(name.clone()).or_insert_with(|| Stage {
            name,
            description: wanted.stage_description,
            deployment: None,
            variables: BTreeMap::new(),
            auto_deploy: false,
            created: At(now),
            updated: At(now),
        });
        stage.deployment = Some(deployment.clone());
        stage.variables.extend(wanted.variables.unwrap_or_default());
        stage.updated = At(now);
    }
    api.deployments
        .get(&deployment)
        .map(shown_deployment)
        .ok_or_else(unknown_deployment)
}

/// Takes a deployment away that no stage points to.
fn delete_deployment(api: &mut Api, id: &str) -> Result<(), AwsError> {
    if !api.deployments.contains_key(id) {
        return Err(unknown_deployment());
    }
    if api.stages.values().any(|stage| stage.deployment.as_deref() == Some(id)) {
        return Err(bad_request(
            "Active stages pointing to this deployment must be moved or deleted",
        ));
    }
    api.deployments.remove(id);
    Ok(())
}

/// All of the patch or nothing of it.
fn update_stage(account: &mut Account, now: Timestamp, wanted: &Input) -> Result<Value, AwsError> {
    let name = wanted.stage()?;
    let api = find_mut(account, &wanted.rest_api_id, true)?;
    let mut stage = find_stage(api, &name)?.clone();
    for patch in &wanted.patch_operations {
        apply(api, &mut stage, patch)?;
    }
    stage.updated = At(now);
    api.stages.insert(name, stage.clone());
    Ok(shown_stage(&stage))
}

/// <https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateStage-Patch>
fn apply(api: &Api, stage: &mut Stage, patch: &Patch) -> Result<(), AwsError> {
    let (op, path) = (
        patch.op.as_deref().unwrap_or_default(),
        patch.path.as_deref().unwrap_or_default(),
    );
    let value = || {
        patch
            .value
            .clone()
            .ok_or_else(|| bad_request(format!("Invalid null or empty value in path {path}")))
    };
    match (op, path, path.strip_prefix("/variables/")) {
        ("replace", "/deploymentId", _) => {
            let id = value()?;
            if !api.deployments.contains_key(&id) {
                return Err(bad_request("Deployment id does not exist"));
            }
            stage.deployment = Some(id);
        }
        ("replace", "/description", _) => stage.description = Some(value()?),
        ("replace", _, Some(name)) => {
            // As JSON Pointer writes a slash and a tilde.
            let name = name.replace("~1", "/").replace("~0", "~");
            let value = value()?;
            check_variable(&name, &value)?;
            stage.variables.insert(name, value);
        }
        ("remove", _, Some(name)) => {
            stage.variables.remove(name);
        }
        _ => {
            return Err(bad_request(format!(
                "Invalid patch path '{path}' specified for op '{op}'. Must be one of: [/deploymentId, /description, /variables/{{variable_name}}]"
            )));
        }
    }
    Ok(())
}

fn shown_api(api: &Api) -> Value {
    json!({
        "id": api.id,
        "name": api.name,
        "description": api.description,
        "createdDate": epoch(api.created.0),
        "apiKeySource": "HEADER",
        "endpointConfiguration": { "types": ["REGIONAL"] },
        "tags": {},
        "disableExecuteApiEndpoint": false,
    })
}

fn shown_deployment(deployment: &ApiDeployment) -> Value {
    json!({
        "id": deployment.id,
        "description": deployment.description,
        "createdDate": epoch(deployment.created.0),
    })
}

fn shown_stage(stage: &Stage) -> Value {
    json!({
        "deploymentId": stage.deployment,
        "stageName": stage.name,
        "description": stage.description,
        "cacheClusterEnabled": false,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "methodSettings": {},
        "variables": (!stage.variables.is_empty()).then_some(&stage.variables),
        "tracingEnabled": false,
        "createdDate": epoch(stage.created.0),
        "lastUpdatedDate": epoch(stage.updated.0),
    })
}
