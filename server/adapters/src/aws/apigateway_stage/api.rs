//! API Gateway in its two versions: REST APIs, and WebSocket APIs. A deployment is a snapshot of the API that never changes;
//! a stage points to one.
//!
//! Neither version has a client token or a guard: a deployment bears the operation id in its description, and a stage is
//! looked at before each change.
//!
//! Source: API Gateway REST API reference, "CreateDeployment" and "UpdateStage"; API Gateway V2 API reference, the same.

use crate::{
    CallError,
    aws::{
        Aws,
        call::{self, Sent},
        description::{Purpose, is_of},
    },
};
use aws_sdk_apigateway::types::{Op, PatchOperation};
use aws_sdk_apigatewayv2::types::DeploymentStatus;
use std::time::Instant;
use tidegate_domain::{
    catalog::{ApiKind, ApigatewayStage},
    deployment::Failure,
    id::OperationId,
};

/// REST APIs tell deployments in pages of at most so many; 25 unless asked.
pub(super) const PAGE: i32 = 500;

/// A stage, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stage {
    /// Id of the deployment that it points to.
    pub(super) deployment: Option<String>,
    /// It deploys every change by itself, and takes no deployment from outside.
    pub(super) auto_deploy: bool,
}

/// Whether a deployment may be pointed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Snapshot {
    Deployed,
    Pending,
    Failed(Failure),
}

/// The stage of a target. `None`: there is no such API, or no such stage.
pub(super) async fn stage(aws: &Aws, target: &ApigatewayStage) -> Result<Option<Stage>, CallError> {
    match target.api_kind {
        ApiKind::Rest => {
            let answer = aws
                .apigateway
                .get_stage()
                .rest_api_id(&target.api)
                .stage_name(&target.stage)
                .send()
                .await;
            match answer {
                Ok(stage) => Ok(Some(Stage {
                    deployment: stage.deployment_id,
                    auto_deploy: false,
                })),
                Err(error) if call::code(&error) == Some("NotFoundException") => Ok(None),
                Err(error) => Err(call::unread(&error)),
            }
        }
        ApiKind::Websocket => {
            let answer = aws
                .apigatewayv2
                .get_stage()
                .api_id(&target.api)
                .stage_name(&target.stage)
                .send()
                .await;
            match answer {
                Ok(stage) => Ok(Some(Stage {
                    deployment: stage.deployment_id,
                    auto_deploy: stage.auto_deploy.unwrap_or_default(),
                })),
                Err(error) if call::code(&error) == Some("NotFoundException") => Ok(None),
                Err(error) => Err(call::unread(&error)),
            }
        }
    }
}

/// A snapshot of the API as it is now. Returns its id; no stage points to it yet.
pub(super) async fn create(
    aws: &Aws,
    target: &ApigatewayStage,
    description: String,
    by: Instant,
) -> Result<String, CallError> {
    let sent = Sent::before(by);
    let id = match target.api_kind {
        ApiKind::Rest => {
            let answer = aws
                .apigateway
                .create_deployment()
                .rest_api_id(&target.api)
                .description(description)
                .customize()
                .interceptor(sent.clone())
                .send()
                .await;
            answer.map_err(|error| call::failed(&error, &sent))?.id
        }
        ApiKind::Websocket => {
            let answer = aws
                .apigatewayv2
                .create_deployment()
                .api_id(&target.api)
                .description(description)
                .customize()
                .interceptor(sent.clone())
                .send()
                .await;
            answer.map_err(|error| call::failed(&error, &sent))?.deployment_id
        }
    };
    id.ok_or_else(|| CallError::Unknown("CreateDeployment answered without an id".to_owned()))
}

/// The deployment that bears the operation id. API Gateway lists them in no order that means anything.
pub(super) async fn created(
    aws: &Aws,
    target: &ApigatewayStage,
    operation: OperationId,
) -> Result<Option<String>, CallError> {
    let mut token = None;
    let mut found = Vec::new();
    let mut ours = |id: Option<String>, description: Option<&str>| {
        if description.is_some_and(|text| is_of(text, operation, Purpose::Forward)) {
            found.extend(id);
        }
    };
    loop {
        token = match target.api_kind {
            ApiKind::Rest => {
                let page = aws
                    .apigateway
                    .get_deployments()
                    .rest_api_id(&target.api)
                    .limit(PAGE)
                    .set_position(token)
                    .send()
                    .await
                    .map_err(|error| call::unread(&error))?;
                for each in page.items.unwrap_or_default() {
                    ours(each.id.clone(), each.description());
                }
                page.position
            }
            ApiKind::Websocket => {
                let page = aws
                    .apigatewayv2
                    .get_deployments()
                    .api_id(&target.api)
                    .set_next_token(token)
                    .send()
                    .await
                    .map_err(|error| call::unread(&error))?;
                for each in page.items.unwrap_or_default() {
                    ours(each.deployment_id.clone(), each.description());
                }
                page.next_token
            }
        };
        if token.is_none() {
            break;
        }
    }
    if found.len() > 1 {
        tracing::error!(%operation, count = found.len(), "more than one API deployment of one operation");
    }
    Ok(found.into_iter().min())
}

/// Whether a deployment of the API is there and may be pointed to. Those of REST APIs are at once.
pub(super) async fn snapshot(aws: &Aws, target: &ApigatewayStage, id: &str) -> Result<Snapshot, CallError> {
    if target.api_kind == ApiKind::Rest {
        return Ok(Snapshot::Deployed);
    }
    let answer = aws
        .apigatewayv2
        .get_deployment()
        .api_id(&target.api)
        .deployment_id(id)
        .send()
        .await;
    let deployment = match answer {
        Ok(deployment) => deployment,
        Err(error) if call::code(&error) == Some("NotFoundException") => {
            return Ok(Snapshot::Failed(Failure {
                code: Some("NotFoundException".to_owned()),
                message: format!("deployment {id} of API {} does not exist any more", target.api),
            }));
        }
        Err(error) => return Err(call::unread(&error)),
    };
    Ok(match deployment.deployment_status() {
        Some(DeploymentStatus::Deployed) => Snapshot::Deployed,
        Some(DeploymentStatus::Failed) => Snapshot::Failed(Failure {
            code: Some("ApiDeploymentFailed".to_owned()),
            message: deployment
                .deployment_status_message
                .unwrap_or_else(|| "API Gateway gives no reason".to_owned()),
        }),
        _ => Snapshot::Pending,
    })
}

/// Points the stage to a deployment.
pub(super) async fn point(aws: &Aws, target: &ApigatewayStage, deployment: &str, by: Instant) -> Result<(), CallError> {
    let sent = Sent::before(by);
    match target.api_kind {
        ApiKind::Rest => {
            let patch = PatchOperation::builder()
                .op(Op::Replace)
                .path("/deploymentId")
                .value(deployment)
                .build();
            aws.apigateway
                .update_stage()
                .rest_api_id(&target.api)
                .stage_name(&target.stage)
                .patch_operations(patch)
                .customize()
                .interceptor(sent.clone())
                .send()
                .await
                .map(drop)
                .map_err(|error| call::failed(&error, &sent))
        }
        ApiKind::Websocket => aws
            .apigatewayv2
            .update_stage()
            .api_id(&target.api)
            .stage_name(&target.stage)
            .deployment_id(deployment)
            .customize()
            .interceptor(sent.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| call::failed(&error, &sent)),
    }
}
