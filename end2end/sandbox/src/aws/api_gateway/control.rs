//! `/aws/apis/…` of the control API: what a test reads of APIs, and what somebody changes about them.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde_json::{Map, Value, json};

use super::model::Definition;
use crate::{aws::Aws, control::Refused};

pub(crate) fn router() -> Router<Aws> {
    Router::new()
        .route("/aws/apis/{id}", get(show))
        .route("/aws/apis/{id}/edit", post(edit))
}

/// Which deployment and variables each stage has, and the descriptions of all deployments.
async fn show(State(aws): State<Aws>, Path(id): Path<String>) -> Result<Json<Value>, Refused> {
    let account = aws.account();
    let api = account.apis.get(&id).ok_or_else(|| unknown(&id))?;
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

/// Somebody changes what the API is made of; what was deployed stays as it is.
async fn edit(
    State(aws): State<Aws>,
    Path(id): Path<String>,
    Json(wanted): Json<Definition>,
) -> Result<Json<Value>, Refused> {
    let mut account = aws.account();
    let definition = &mut account.apis.get_mut(&id).ok_or_else(|| unknown(&id))?.definition;
    let before = std::mem::take(definition);
    *definition = Definition {
        resources: wanted.resources.or(before.resources),
        routes: wanted.routes.or(before.routes),
        integrations: wanted.integrations.or(before.integrations),
    };
    Ok(Json(json!({})))
}

fn unknown(id: &str) -> Refused {
    Refused::unknown(format!("no api `{id}`"))
}
