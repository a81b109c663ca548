//! What runs now and what would replace it. Reads only.

use super::{deployment_config, target};
use crate::{
    CallError, Order, RegistryFinding,
    aws::{
        Aws,
        appspec::{NOT_REGISTERED, appspec},
        call,
        ecs::{self, Place, Planned, Running, describe, registry, short},
    },
};
use aws_sdk_codedeploy::types::{ComputePlatform, DeploymentConfigInfo, TrafficRoutingType};
use aws_sdk_ecs::types::{DeploymentControllerType, Service};
use serde_json::json;
use tidegate_domain::{
    catalog::EcsCodedeploy,
    deployment::{Blocker, Preparation},
    revision::canonical_hash,
    time::Timestamp,
    traffic::TrafficPlan,
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
        registry(aws, order)
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
    let answer = aws
        .codedeploy
        .get_deployment_group()
        .application_name(&target.application)
        .deployment_group_name(&target.deployment_group)
        .send()
        .await;
    let group = match answer {
        Ok(answer) => answer.deployment_group_info,
        Err(error) => {
            return match call::code(&error) {
                Some("ApplicationDoesNotExistException" | "DeploymentGroupDoesNotExistException") => {
                    let why = format!(
                        "CodeDeploy has no application {} with a deployment group {}",
                        target.application, target.deployment_group
                    );
                    Ok(Err(blocked(target, why)))
                }
                _ => Err(call::unread(&error)),
            };
        }
    };
    let services = group.as_ref().map(|group| group.ecs_services()).unwrap_or_default();
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

/// AWS's own configurations are known by their names; the target's own is read, so that nothing is approximated.
async fn config_runs_plan(aws: &Aws, order: &Order) -> Result<Result<(), Blocker>, CallError> {
    let target = target(order)?;
    let Some(name) = deployment_config(order, target) else {
        let why = format!(
            "CodeDeploy predefines nothing for {}: make a deployment configuration and name it as deployment_config",
            order.traffic
        );
        return Ok(Err(blocked(target, why)));
    };
    if order.traffic.ecs_predefined().is_some() {
        return Ok(Ok(()));
    }
    let answer = aws
        .codedeploy
        .get_deployment_config()
        .deployment_config_name(name)
        .send()
        .await;
    let found = match answer {
        Ok(answer) => answer.deployment_config_info.as_ref().and_then(plan_of),
        Err(error) if call::code(&error) == Some("DeploymentConfigDoesNotExistException") => {
            let why = format!("CodeDeploy has no deployment configuration {name}");
            return Ok(Err(blocked(target, why)));
        }
        Err(error) => return Err(call::unread(&error)),
    };
    if found.as_ref() == Some(&order.traffic) {
        return Ok(Ok(()));
    }
    let runs = found.map_or_else(|| "something else".to_owned(), |plan| plan.to_string());
    let why = format!(
        "the traffic plan is {}, but deployment configuration {name} runs {runs}",
        order.traffic
    );
    Ok(Err(blocked(target, why)))
}

/// The plan that a configuration for ECS runs.
fn plan_of(config: &DeploymentConfigInfo) -> Option<TrafficPlan> {
    if config.compute_platform() != Some(&ComputePlatform::Ecs) {
        return None;
    }
    let routing = config.traffic_routing_config()?;
    let plan = |percent: i32, minutes: i32| Some((u8::try_from(percent).ok()?, u16::try_from(minutes).ok()?));
    match routing.r#type()? {
        TrafficRoutingType::AllAtOnce => Some(TrafficPlan::AllAtOnce),
        TrafficRoutingType::TimeBasedCanary => {
            let canary = routing.time_based_canary()?;
            let (percent, minutes) = plan(canary.canary_percentage(), canary.canary_interval())?;
            Some(TrafficPlan::Canary { percent, minutes })
        }
        TrafficRoutingType::TimeBasedLinear => {
            let linear = routing.time_based_linear()?;
            let (percent, minutes) = plan(linear.linear_percentage(), linear.linear_interval())?;
            Some(TrafficPlan::Linear { percent, minutes })
        }
        _ => None,
    }
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
