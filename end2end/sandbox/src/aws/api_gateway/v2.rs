//! The second version of API Gateway: HTTP and WebSocket APIs. A deployment is pending for a moment, and a
//! stage is changed by the members that a request carries.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    bad_request, check_variable, conflict, find, find_mut, find_stage,
    model::{Api, ApiDeployment, ApiProtocol, Stage},
    paged, unknown_deployment,
};
use crate::aws::{
    codedeploy::life::after,
    model::{Account, At},
    protocol::{AwsError, epoch, input},
};

/// Performs one operation.
pub(crate) fn call(account: &mut Account, now: Timestamp, operation: &str, body: Value) -> Result<Value, AwsError> {
    let wanted: Input = input(body)?;
    match operation {
        "GetApi" => find(account, &wanted.api_id, false).map(|api| shown_api(account, api)),
        "GetStage" => {
            let api = find(account, &wanted.api_id, false)?;
            find_stage(api, &wanted.stage_name.unwrap_or_default()).map(shown_stage)
        }
        "GetDeployments" => get_deployments(account, now, &wanted),
        "GetDeployment" => {
            let api = find(account, &wanted.api_id, false)?;
            get_deployment(account, now, api, &wanted.deployment_id.unwrap_or_default())
        }
        "CreateDeployment" => create_deployment(account, now, wanted),
        "UpdateStage" => update_stage(account, now, wanted),
        _ => Err(AwsError::unknown_operation()),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    api_id: String,
    deployment_id: Option<String>,
    stage_name: Option<String>,
    description: Option<String>,
    stage_variables: Option<BTreeMap<String, String>>,
    auto_deploy: Option<bool>,
    max_results: Option<String>,
    next_token: Option<String>,
}

fn get_deployments(account: &Account, now: Timestamp, wanted: &Input) -> Result<Value, AwsError> {
    let api = find(account, &wanted.api_id, false)?;
    let all: Vec<&ApiDeployment> = api.deployments.values().collect();
    let (deployments, next) = paged(&all, wanted.next_token.as_deref(), wanted.max_results.as_deref())?;
    let items: Vec<Value> = deployments
        .into_iter()
        .map(|deployment| shown_deployment(account, now, api, deployment))
        .collect();
    Ok(json!({ "items": items, "nextToken": next }))
}

fn get_deployment(account: &Account, now: Timestamp, api: &Api, id: &str) -> Result<Value, AwsError> {
    api.deployments
        .get(id)
        .map(|deployment| shown_deployment(account, now, api, deployment))
        .ok_or_else(unknown_deployment)
}

fn create_deployment(account: &mut Account, now: Timestamp, wanted: Input) -> Result<Value, AwsError> {
    let api = find(account, &wanted.api_id, false)?;
    let id = api.id.clone();
    if let Some(name) = &wanted.stage_name {
        check_chosen(find_stage(api, name)?)?;
    }
    let deployment = account.deploy_api(&id, wanted.description, At(now));
    if let Some(name) = &wanted.stage_name
        && let Some(stage) = find_mut(account, &id, false)?.stages.get_mut(name)
    {
        stage.deployment = Some(deployment.clone());
        stage.updated = At(now);
    }
    get_deployment(account, now, find(account, &id, false)?, &deployment)
}

/// A stage that deploys by itself takes no deployment from outside.
fn check_chosen(stage: &Stage) -> Result<(), AwsError> {
    if stage.auto_deploy {
        return Err(conflict(format!(
            "Deployment ID cannot be set on stage '{}' because AutoDeploy is enabled",
            stage.name
        )));
    }
    Ok(())
}

fn update_stage(account: &mut Account, now: Timestamp, wanted: Input) -> Result<Value, AwsError> {
    let api = find_mut(account, &wanted.api_id, false)?;
    let mut stage = find_stage(api, &wanted.stage_name.unwrap_or_default())?.clone();
    if let Some(auto_deploy) = wanted.auto_deploy {
        stage.auto_deploy = auto_deploy;
    }
    if let Some(id) = wanted.deployment_id {
        check_chosen(&stage)?;
        if !api.deployments.contains_key(&id) {
            return Err(bad_request("Deployment id does not exist"));
        }
        stage.deployment = Some(id);
    }
    if let Some(description) = wanted.description {
        stage.description = Some(description);
    }
    for (name, value) in wanted.stage_variables.into_iter().flatten() {
        check_variable(&name, &value)?;
        // What the request leaves out stays; an empty value takes a variable away.
        if value.is_empty() {
            stage.variables.remove(&name);
        } else {
            stage.variables.insert(name, value);
        }
    }
    stage.updated = At(now);
    api.stages.insert(stage.name.clone(), stage.clone());
    Ok(shown_stage(&stage))
}

fn shown_api(account: &Account, api: &Api) -> Value {
    let (scheme, selection) = match api.protocol {
        ApiProtocol::WebSocket => ("wss", "$request.body.action"),
        _ => ("https", "$request.method $request.path"),
    };
    json!({
        "apiId": api.id,
        "name": api.name,
        "description": api.description,
        "protocolType": api.protocol,
        "apiEndpoint": format!("{scheme}://{}.execute-api.{}.amazonaws.com", api.id, account.region),
        "apiKeySelectionExpression": "$request.header.x-api-key",
        "routeSelectionExpression": selection,
        "createdDate": epoch(api.created.0),
        "disableExecuteApiEndpoint": false,
        "tags": {},
    })
}

fn shown_deployment(account: &Account, now: Timestamp, api: &Api, deployment: &ApiDeployment) -> Value {
    let ready = after(deployment.created.0, account.timings.api_deployment);
    let automatic = api
        .stages
        .values()
        .any(|stage| stage.auto_deploy && stage.deployment.as_ref() == Some(&deployment.id));
    json!({
        "deploymentId": deployment.id,
        "description": deployment.description,
        "createdDate": epoch(deployment.created.0),
        "deploymentStatus": if ready <= now { "DEPLOYED" } else { "PENDING" },
        "autoDeployed": automatic,
    })
}

fn shown_stage(stage: &Stage) -> Value {
    json!({
        "stageName": stage.name,
        "description": stage.description,
        "deploymentId": stage.deployment,
        "stageVariables": stage.variables,
        "autoDeploy": stage.auto_deploy,
        "defaultRouteSettings": { "detailedMetricsEnabled": false },
        "routeSettings": {},
        "createdDate": epoch(stage.created.0),
        "lastUpdatedDate": epoch(stage.updated.0),
        "tags": {},
    })
}
