//! What runs now, what would replace it, and whether ECS can shift this service's traffic. Reads only.

use super::{configuration, place, target};
use crate::{
    CallError, Order,
    aws::{
        Aws,
        ecr::in_registry,
        ecs::{self, Planned, Running, describe},
    },
};
use aws_sdk_ecs::types::{DeploymentControllerType, DeploymentRolloutState, Service};
use serde_json::json;
use tidegate_domain::{
    catalog::EcsNative,
    deployment::{Blocker, Preparation},
    revision::canonical_hash,
    time::Timestamp,
};

pub(super) async fn prepare(
    aws: &Aws,
    order: &Order,
    now: Timestamp,
) -> Result<Result<Preparation, Blocker>, CallError> {
    let (planned, registry) = tokio::try_join!(planned(aws, order), in_registry(aws, order))?;
    let container = &target(order)?.container;
    Ok(planned.and_then(|planned| Ok(ecs::preparation(order, container, planned, registry?, now))))
}

/// The running task definition with only the image changed.
pub(super) async fn planned(aws: &Aws, order: &Order) -> Result<Result<Planned, Blocker>, CallError> {
    let target = target(order)?;
    let service = match ecs::active(aws, place(target)).await? {
        Ok(service) => service,
        Err(blocker) => return Ok(Err(blocker)),
    };
    let found = runs(&service).and_then(|arn| shifts(&service).map(|()| arn.to_owned()));
    let arn = match found {
        Ok(arn) => arn,
        Err(why) => return Ok(Err(place(target).blocked(why))),
    };
    let Some(configuration) =
        configuration::forward(service.deployment_configuration(), &order.traffic, target.bake_minutes)
    else {
        let why = format!("ECS has no deployment strategy for {}", order.traffic);
        return Ok(Err(place(target).blocked(why)));
    };
    let definition = describe(aws, &arn).await?;
    let running = Running { arn, definition };
    Ok(ecs::change_image(order, place(target), &running.definition).map(|new| {
        let hash = canonical_hash(&json!({
            "task_definition": new.bound(),
            "target": target,
            "configuration": configuration::bound(&configuration),
        }));
        Planned { running, new, hash }
    }))
}

/// What the service runs, for looking for what an operation registered.
pub(super) async fn running(aws: &Aws, target: &EcsNative) -> Result<Result<Running, Blocker>, CallError> {
    let service = match ecs::active(aws, place(target)).await? {
        Ok(service) => service,
        Err(blocker) => return Ok(Err(blocker)),
    };
    let Some(arn) = service.task_definition else {
        return Ok(Err(place(target).blocked("it has no task definition")));
    };
    let definition = describe(aws, &arn).await?;
    Ok(Ok(Running { arn, definition }))
}

/// The task definition that runs, if nothing is under way.
pub(super) fn runs(service: &Service) -> Result<&str, String> {
    let controller = ecs::controller(service);
    if controller != DeploymentControllerType::Ecs {
        return Err(format!(
            "its deployment controller is {controller}: this engine is for services that ECS itself deploys"
        ));
    }
    let primary = service
        .deployments()
        .iter()
        .find(|each| each.status() == Some("PRIMARY"));
    if primary.is_some_and(|each| each.rollout_state() == Some(&DeploymentRolloutState::InProgress)) {
        return Err("ECS is deploying it right now: wait until that has ended, or stop it at ECS".to_owned());
    }
    service
        .task_definition()
        .ok_or_else(|| "it has no task definition, so nothing says what runs".to_owned())
}

/// Whether ECS has a second target group to shift to.
fn shifts(service: &Service) -> Result<(), String> {
    let can = |balancer: &aws_sdk_ecs::types::LoadBalancer| {
        let advanced = balancer.advanced_configuration();
        advanced.is_some_and(|advanced| {
            advanced.alternate_target_group_arn().is_some() && advanced.production_listener_rule().is_some()
        })
    };
    let balancers = service.load_balancers();
    if !balancers.is_empty() && balancers.iter().all(can) {
        return Ok(());
    }
    Err(
        "its load balancer has no alternate target group and production listener rule, between which ECS could shift \
         traffic: set advancedConfiguration at the service's load balancer"
            .to_owned(),
    )
}
