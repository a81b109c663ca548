//! What runs now and what would replace it. Reads only.

use super::target;
use crate::{
    CallError, Order, RegistryFinding,
    aws::{
        Aws,
        appspec::{NOT_REGISTERED, appspec},
        call::{self, Answer},
        codedeploy::{self, runs_plan},
        ecr::in_registry,
        task_definition::TaskDefinition,
    },
};
use aws_sdk_codedeploy::types::ComputePlatform;
use aws_sdk_ecs::types::{DeploymentControllerType, Service, TaskDefinitionField};
use serde_json::json;
use tidegate_domain::{
    catalog::EcsCodedeploy,
    deployment::{Blocker, BlockerKind, Preparation},
    name::Digest,
    revision::canonical_hash,
    time::Timestamp,
};

/// The task definition of the task set that serves the traffic.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) arn: String,
    pub(super) definition: TaskDefinition,
}

/// What would be registered, and the hash that an approval is bound to.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) running: Running,
    pub(super) new: TaskDefinition,
    pub(super) hash: String,
}

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
    let Planned { running, new, hash } = planned?;
    codedeploy?;
    let registry = registry?;
    let image = running.definition.image_of(&target.container).map(str::to_owned);
    let digest = image.as_deref().and_then(|image| image.split_once('@'));
    Ok(Preparation {
        at: now,
        running_digest: digest.and_then(|(_, digest)| Digest::new(digest).ok()),
        running_image: image,
        changes: running.definition.changes(&new),
        running_task_definition: Some(running.arn),
        hash,
        immutable_tags: registry.immutable_tags,
        tag_moved_to: registry.tag_points_to.filter(|now| *now != order.image.digest),
    })
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
    let Some(new) = running.definition.with_image(&target.container, &order.image.pinned()) else {
        let why = format!(
            "its task definition has no container {}; it has {}",
            target.container,
            running.definition.containers().join(", ")
        );
        return Err(blocked(target, why));
    };
    let ports = new.ports_of(&target.container);
    if !ports.contains(&u64::from(target.port)) {
        let ports: Vec<String> = ports.iter().map(u64::to_string).collect();
        let why = format!(
            "its container {} is not reached at port {}, but at {}",
            target.container,
            target.port,
            if ports.is_empty() {
                "none".to_owned()
            } else {
                ports.join(", ")
            }
        );
        return Err(blocked(target, why));
    }
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
    let answer = aws
        .ecs
        .describe_services()
        .cluster(&target.cluster)
        .services(&target.service)
        .send()
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if call::code(&error) == Some("ClusterNotFoundException") => {
            let why = format!("there is no ECS cluster {}", target.cluster);
            return Ok(Err(blocked(target, why)));
        }
        Err(error) => return Err(call::unread(&error)),
    };
    let arn = match primary(target, answer.services().first()) {
        Ok(arn) => arn,
        Err(why) => return Ok(Err(blocked(target, why))),
    };
    let definition = describe(aws, &arn).await?;
    Ok(Ok(Running { arn, definition }))
}

fn primary(target: &EcsCodedeploy, service: Option<&Service>) -> Result<String, String> {
    let service = service
        .filter(|service| service.status() == Some("ACTIVE"))
        .ok_or_else(|| format!("cluster {} has no active service {}", target.cluster, target.service))?;
    let controller = service.deployment_controller().map(|controller| controller.r#type());
    if controller != Some(&DeploymentControllerType::CodeDeploy) {
        let has = controller.map_or("ECS", DeploymentControllerType::as_str);
        return Err(format!(
            "its deployment controller is {has}: a service is made for CODE_DEPLOY, it cannot be changed to it"
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

pub(super) async fn describe(aws: &Aws, arn: &str) -> Result<TaskDefinition, CallError> {
    let body = Answer::default();
    aws.ecs
        .describe_task_definition()
        .task_definition(arn)
        .include(TaskDefinitionField::Tags)
        .customize()
        .interceptor(body.clone())
        .send()
        .await
        .map_err(|error| call::unread(&error))?;
    TaskDefinition::described(&body.take().unwrap_or_default())
        .map_err(|error| CallError::Unknown(format!("{arn}: {error}")))
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

fn blocked(target: &EcsCodedeploy, why: String) -> Blocker {
    Blocker {
        kind: BlockerKind::Target,
        subject: format!("ECS service {} in {}", short(&target.service), short(&target.cluster)),
        why,
        since: None,
        url: None,
    }
}

/// The name in an ARN, or the name itself.
pub(super) fn short(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, name)| name)
}
