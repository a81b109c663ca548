//! `/aws/functions/…` of the control API: what a test reads of functions, and what it lets go wrong.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde_json::{Map, Value, json};

use super::model::UpdateFailure;
use crate::{aws::Aws, control::Refused};

pub(crate) fn router() -> Router<Aws> {
    Router::new()
        .route("/aws/functions/{name}", get(show))
        .route("/aws/functions/{name}/fail-next", post(fail_next))
}

/// Which version has which share of each alias, from 0 to 1.
async fn show(State(aws): State<Aws>, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    let account = aws.account();
    let function = account.functions.get(&name).ok_or_else(|| unknown(&name))?;
    let aliases: Map<String, Value> = function
        .aliases
        .values()
        .map(|alias| (alias.name.clone(), json!(alias.shares())))
        .collect();
    let versions: Map<String, Value> = std::iter::once(&function.latest)
        .chain(&function.versions)
        .map(|version| (version.number.clone(), version.resolved_image.clone().into()))
        .collect();
    Ok(Json(json!({ "aliases": aliases, "versions": versions })))
}

/// The next update of the function's code fails once it has been accepted.
async fn fail_next(
    State(aws): State<Aws>,
    Path(name): Path<String>,
    Json(failure): Json<UpdateFailure>,
) -> Result<Json<Value>, Refused> {
    aws.account()
        .functions
        .get_mut(&name)
        .ok_or_else(|| unknown(&name))?
        .planned
        .push(failure);
    Ok(Json(json!({})))
}

fn unknown(name: &str) -> Refused {
    Refused::unknown(format!("no function `{name}`"))
}
