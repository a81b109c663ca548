//! The service as ECS describes it.

use super::Place;
use crate::{
    CallError,
    aws::{Aws, call},
};
use aws_sdk_ecs::types::{DeploymentControllerType, Service};
use tidegate_domain::deployment::Blocker;

/// The service, if it is there and active.
pub(in crate::aws) async fn active(aws: &Aws, place: Place<'_>) -> Result<Result<Service, Blocker>, CallError> {
    let answer = aws
        .ecs
        .describe_services()
        .cluster(place.cluster)
        .services(place.service)
        .send()
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if call::code(&error) == Some("ClusterNotFoundException") => {
            return Ok(Err(place.blocked(format!("there is no ECS cluster {}", place.cluster))));
        }
        Err(error) => return Err(call::unread(&error)),
    };
    let service = answer.services.unwrap_or_default().into_iter().next();
    Ok(service
        .filter(|service| service.status() == Some("ACTIVE"))
        .ok_or_else(|| {
            place.blocked(format!(
                "cluster {} has no active service {}",
                place.cluster, place.service
            ))
        }))
}

/// Who deploys the service; ECS itself where it says nothing.
pub(in crate::aws) fn controller(service: &Service) -> DeploymentControllerType {
    service
        .deployment_controller()
        .map_or(DeploymentControllerType::Ecs, |controller| controller.r#type().clone())
}
