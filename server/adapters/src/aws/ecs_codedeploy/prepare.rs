//! What runs now and what would replace it. Reads only.

use super::target;
use crate::{
    CallError, Order, RegistryFinding,
    aws::{
        Aws,
        appspec::{NOT_REGISTERED, appspec},
        codedeploy::{self, runs_plan},
        ecr::in_registry,
        ecs::{self, Place, Planned, Running, describe, short},
    },
};
use aws_sdk_codedeploy::types::ComputePlatform;
use aws_sdk_ecs::types::{DeploymentControllerType, Service};
use serde_json::json;
use tidegate_domain::{
    catalog::EcsCodedeploy,
    deployment::{Blocker, Preparation},
    revision::canonical_hash,
    time::Timestamp,
};

pub(super) async fn prepare(
    aws: &Aws,
    order: &Order,
    now: Timestamp,
) -> Result<Result<Preparation, Blocker>, CallError> {
    let (planned, group, config, registry) = tokio::try_join!(
        planned(aws, order),
        group_shifts_service(aws, order),
        config_runs_plan(aws, order),
        in_registry(aws, order)
    )?;
    Ok(assemble(
        order,
        target(order)?,
        now,
        planned,
        group.and(config),
        registry,
    ))
}

fn assemble(
    order: &Order,
    target: &EcsCodedeploy,
    now: Timestamp,
    planned: Result<Planned, Blocker>,
    codedeploy: Result<(), Blocker>,
    registry: Result<RegistryFinding, Blocker>,
) -> Result<Preparation, Blocker> {
    let planned = planned?;
    codedeploy?;
    Ok(ecs::preparation(order, &target.container, planned, registry?, now))
}

/// The running task definition with only the image changed.
pub(super) async fn planned(aws: &Aws, order: &Order) -> Result<Result<Planned, Blocker>, CallError> {
    let target = target(order)?;
    Ok(match running(aws, target).await? {
        Ok(running) => change_image(order, target, running),
        Err(blocker) => Err(blocker),
    })
}

fn change_image(order: &Order, target: &EcsCodedeploy, running: Running) -> Result<Planned, Blocker> {
    let new = ecs::change_image(order, place(target), &running.definition)?;
    // Where it goes belongs to what was approved, too.
    let hash = canonical_hash(&json!({
        "task_definition": new.bound(),
        "appspec": appspec(target, NOT_REGISTERED),
        "target": target,
    }));
    Ok(Planned { running, new, hash })
}

/// What the service runs: the task definition of its primary task set.
pub(super) async fn running(aws: &Aws, target: &EcsCodedeploy) -> Result<Result<Running, Blocker>, CallError> {
    let service = match ecs::active(aws, place(target)).await? {
        Ok(service) => service,
        Err(blocker) => return Ok(Err(blocker)),
    };
    let arn = match primary(&service) {
        Ok(arn) => arn,
        Err(why) => return Ok(Err(blocked(target, why))),
    };
    let definition = describe(aws, &arn).await?;
    Ok(Ok(Running { arn, definition }))
}

fn primary(service: &Service) -> Result<String, String> {
    let controller = ecs::controller(service);
    if controller != DeploymentControllerType::CodeDeploy {
        return Err(format!(
            "its deployment controller is {controller}: a service is made for CODE_DEPLOY, it cannot be changed to it"
        ));
    }
    service
        .task_sets()
        .iter()
        .find(|set| set.status() == Some("PRIMARY"))
        .and_then(|set| set.task_definition())
        .map(str::to_owned)
        .ok_or_else(|| "it has no primary task set, so nothing says what runs".to_owned())
}

/// A deployment group of another service would deploy there, whatever the AppSpec was approved for.
async fn group_shifts_service(aws: &Aws, order: &Order) -> Result<Result<(), Blocker>, CallError> {
    let target = target(order)?;
    let group = match codedeploy::group(aws, super::group(target)).await? {
        Ok(group) => group,
        Err(why) => return Ok(Err(blocked(target, why))),
    };
    let services = group.ecs_services();
    let ours = services.iter().any(|each| {
        each.service_name().map(short) == Some(short(&target.service))
            && each.cluster_name().map(short) == Some(short(&target.cluster))
    });
    Ok(if ours {
        Ok(())
    } else {
        let has: Vec<String> = services
            .iter()
            .map(|each| {
                let part = |name: Option<&str>| name.unwrap_or("?").to_owned();
                format!("{} in {}", part(each.service_name()), part(each.cluster_name()))
            })
            .collect();
        let has = if has.is_empty() {
            "no ECS service".to_owned()
        } else {
            has.join(", ")
        };
        let why = format!("deployment group {} deploys to {has}", target.deployment_group);
        Err(blocked(target, why))
    })
}

async fn config_runs_plan(aws: &Aws, order: &Order) -> Result<Result<(), Blocker>, CallError> {
    let target = target(order)?;
    let runs = runs_plan(
        aws,
        &ComputePlatform::Ecs,
        &order.traffic,
        order.traffic.ecs_predefined(),
        target.deployment_config.as_deref(),
    );
    Ok(runs.await?.map_err(|why| blocked(target, why)))
}

fn place(target: &EcsCodedeploy) -> Place<'_> {
    Place {
        cluster: &target.cluster,
        service: &target.service,
        container: &target.container,
        port: target.port,
    }
}

fn blocked(target: &EcsCodedeploy, why: String) -> Blocker {
    place(target).blocked(why)
}
