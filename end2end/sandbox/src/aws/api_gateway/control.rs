//! `/aws/apis/…` of the control API: what a test reads of APIs.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde_json::{Map, Value, json};

use crate::{aws::Aws, control::Refused};

pub(crate) fn router() -> Router<Aws> {
    Router::new().route("/aws/apis/{id}", get(show))
}

/// Which deployment and variables each stage has, and the descriptions of all deployments.
async fn show(State(aws): State<Aws>, Path(id): Path<String>) -> Result<Json<Value>, Refused> {
    let account = aws.account();
    let api = account
        .apis
        .get(&id)
        .ok_or_else(|| Refused::unknown(format!("no api `{id}`")))?;
    let stages: Map<String, Value> = api
        .stages
        .values()
        .map(|stage| {
            let shown = json!({ "deployment": stage.deployment, "variables": stage.variables });
            (stage.name.clone(), shown)
        })
        .collect();
    let deployments: Map<String, Value> = api
        .deployments
        .values()
        .map(|deployment| (deployment.id.clone(), json!(deployment.description)))
        .collect();
    Ok(Json(json!({ "stages": stages, "deployments": deployments })))
}
