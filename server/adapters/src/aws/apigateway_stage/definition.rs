//! What an API is made of, which a deployment would be a snapshot of. Reads only.
//!
//! JSON and not the SDK's types, because those drop every field that is newer than the SDK: a change in one of them would not
//! be seen.

use super::api::PAGE;
use crate::{
    CallError,
    aws::{
        Aws,
        call::{self, Answer},
    },
};
use serde_json::{Value, json};
use tidegate_domain::catalog::{ApiKind, ApigatewayStage};

/// Resources with their methods, or routes and integrations, each by their ids. Empty where there is no such API.
pub(super) async fn definition(aws: &Aws, target: &ApigatewayStage) -> Result<Value, CallError> {
    Ok(match target.api_kind {
        ApiKind::Rest => json!({ "resources": resources(aws, target).await? }),
        ApiKind::Websocket => {
            let (routes, integrations) = tokio::try_join!(routes(aws, target), integrations(aws, target))?;
            json!({ "routes": routes, "integrations": integrations })
        }
    })
}

async fn resources(aws: &Aws, target: &ApigatewayStage) -> Result<Vec<Value>, CallError> {
    let (mut token, mut all) = (None, Vec::new());
    loop {
        let body = Answer::default();
        let answer = aws
            .apigateway
            .get_resources()
            .rest_api_id(&target.api)
            .embed("methods")
            .limit(PAGE)
            .set_position(token)
            .customize()
            .interceptor(body.clone())
            .send()
            .await;
        token = match answer {
            Ok(page) => page.position,
            Err(error) if call::code(&error) == Some("NotFoundException") => return Ok(Vec::new()),
            Err(error) => return Err(call::unread(&error)),
        };
        all.extend(listed(&body, "item")?);
        if token.is_none() {
            return Ok(sorted(all, "id"));
        }
    }
}

async fn routes(aws: &Aws, target: &ApigatewayStage) -> Result<Vec<Value>, CallError> {
    let (mut token, mut all) = (None, Vec::new());
    loop {
        let body = Answer::default();
        let answer = aws
            .apigatewayv2
            .get_routes()
            .api_id(&target.api)
            .set_next_token(token)
            .customize()
            .interceptor(body.clone())
            .send()
            .await;
        token = match answer {
            Ok(page) => page.next_token,
            Err(error) if call::code(&error) == Some("NotFoundException") => return Ok(Vec::new()),
            Err(error) => return Err(call::unread(&error)),
        };
        all.extend(listed(&body, "items")?);
        if token.is_none() {
            return Ok(sorted(all, "routeId"));
        }
    }
}

async fn integrations(aws: &Aws, target: &ApigatewayStage) -> Result<Vec<Value>, CallError> {
    let (mut token, mut all) = (None, Vec::new());
    loop {
        let body = Answer::default();
        let answer = aws
            .apigatewayv2
            .get_integrations()
            .api_id(&target.api)
            .set_next_token(token)
            .customize()
            .interceptor(body.clone())
            .send()
            .await;
        token = match answer {
            Ok(page) => page.next_token,
            Err(error) if call::code(&error) == Some("NotFoundException") => return Ok(Vec::new()),
            Err(error) => return Err(call::unread(&error)),
        };
        all.extend(listed(&body, "items")?);
        if token.is_none() {
            return Ok(sorted(all, "integrationId"));
        }
    }
}

fn listed(body: &Answer, member: &str) -> Result<Vec<Value>, CallError> {
    let mut answer: Value = serde_json::from_slice(&body.take().unwrap_or_default())
        .map_err(|error| CallError::Unknown(format!("API Gateway answered without JSON: {error}")))?;
    match answer[member].take() {
        Value::Array(items) => Ok(items),
        // An empty list is left out at times.
        Value::Null => Ok(Vec::new()),
        other => Err(CallError::Unknown(format!(
            "API Gateway answered with {other} for {member}"
        ))),
    }
}

fn sorted(mut items: Vec<Value>, id: &str) -> Vec<Value> {
    items.sort_by(|one, other| one[id].as_str().cmp(&other[id].as_str()));
    items
}
