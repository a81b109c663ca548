//! The control API of services that CodeDeploy does not deploy, of their load balancing, and of
//! alarms by name.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Aws,
    ecs::{deployments::configuration::STAGES, model::Sick},
    protocol::plain,
    seed_services,
};
use crate::control::Refused;

pub(crate) fn router(aws: Aws) -> Router {
    Router::new()
        .route("/aws/load-balancing", get(load_balancing))
        .route("/aws/services/{cluster}/{service}", get(show_service))
        .route("/aws/services/{cluster}/{service}/fail-hook", post(fail_hook))
        .route("/aws/task-definitions/{definition}/sick", post(fall_sick))
        .with_state(aws)
}

/// Load balancers, listeners with their rules and weights, and target groups.
async fn load_balancing(State(aws): State<Aws>) -> Json<Value> {
    Json(plain(json!(aws.account().load_balancing)))
}

/// A service with its task sets or revisions and deployments, each task with its state.
async fn show_service(
    State(aws): State<Aws>,
    Path((cluster, service)): Path<(String, String)>,
) -> Result<Json<Value>, Refused> {
    let account = aws.account();
    let found = account.service(&cluster, &service);
    let found = found.ok_or_else(|| no_service(&cluster, &service))?;
    Ok(Json(plain(json!(found))))
}

fn no_service(cluster: &str, service: &str) -> Refused {
    Refused::unknown(format!("no service `{service}` in cluster `{cluster}`"))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailHook {
    /// A lifecycle stage; `null`: none fails any more.
    stage: Option<String>,
}

async fn fail_hook(
    State(aws): State<Aws>,
    Path((cluster, service)): Path<(String, String)>,
    Json(asked): Json<FailHook>,
) -> Result<Json<Value>, Refused> {
    if let Some(stage) = asked.stage.as_deref().filter(|stage| !STAGES.contains(stage)) {
        return Err(Refused::bad(format!(
            "no lifecycle stage `{stage}`; there are {}",
            STAGES.join(", ")
        )));
    }
    let mut account = aws.account();
    account
        .service_mut(&cluster, &service)
        .ok_or_else(|| no_service(&cluster, &service))?
        .managed
        .failing_stage = asked.stage;
    Ok(Json(json!({})))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Illness {
    /// `null`: they start well again.
    how: Option<Sick>,
}

async fn fall_sick(
    State(aws): State<Aws>,
    Path(definition): Path<String>,
    Json(illness): Json<Illness>,
) -> Result<Json<Value>, Refused> {
    seed_services::fall_sick(&mut aws.account(), &definition, illness.how).map_err(Refused::unknown)?;
    Ok(Json(json!({})))
}
