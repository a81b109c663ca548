//! What runs now, what would replace it, and whether the load balancer is as a deployment needs it. Reads only.

use super::{
    listener::{self, Forward},
    place, sides, target,
};
use crate::{
    CallError, Order,
    aws::{
        Aws,
        ecr::in_registry,
        ecs::{self, Planned, Running, describe, short},
    },
};
use aws_sdk_ecs::types::{AwsVpcConfiguration, DeploymentControllerType, Service, TaskSet};
use serde_json::{Value, json};
use tidegate_domain::{
    catalog::EcsTaskSets,
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

/// The running task definition with only the image changed; nothing stands in the way of a second task set.
pub(super) async fn planned(aws: &Aws, order: &Order) -> Result<Result<Planned, Blocker>, CallError> {
    let target = target(order)?;
    let (service, forward) = tokio::try_join!(ecs::active(aws, place(target)), listener::read(aws, &target.listener))?;
    let found = service.and_then(|service| {
        let primary = free(target, &service).map_err(|why| place(target).blocked(why))?;
        let forward = forward.map_err(|why| place(target).blocked(why))?;
        weights(target, &primary, &forward).map_err(|why| place(target).blocked(why))?;
        Ok(primary)
    });
    let primary = match found {
        Ok(primary) => primary,
        Err(blocker) => return Ok(Err(blocker)),
    };
    let arn = primary.task_definition().unwrap_or_default().to_owned();
    let definition = describe(aws, &arn).await?;
    let running = Running { arn, definition };
    Ok(ecs::change_image(order, place(target), &running.definition).map(|new| {
        // Where it goes, and on what it runs, belong to what was approved, too.
        let hash = canonical_hash(&json!({
            "task_definition": new.bound(),
            "target": target,
            "launch": launch(&primary),
        }));
        Planned { running, new, hash }
    }))
}

/// What the service runs, its tag of an operation aside. For looking for what an operation registered.
pub(super) async fn running(aws: &Aws, target: &EcsTaskSets) -> Result<Result<Running, Blocker>, CallError> {
    let service = match ecs::active(aws, place(target)).await? {
        Ok(service) => service,
        Err(blocker) => return Ok(Err(blocker)),
    };
    let arn = match primary(&service) {
        Ok(set) => set.task_definition().unwrap_or_default().to_owned(),
        Err(why) => return Ok(Err(place(target).blocked(why))),
    };
    let definition = describe(aws, &arn).await?;
    Ok(Ok(Running { arn, definition }))
}

pub(super) fn primary(service: &Service) -> Result<&TaskSet, String> {
    let controller = ecs::controller(service);
    if controller != DeploymentControllerType::External {
        return Err(format!(
            "its deployment controller is {controller}: a service is made for EXTERNAL, it cannot be changed to it"
        ));
    }
    service
        .task_sets()
        .iter()
        .find(|set| set.status() == Some(sides::PRIMARY) && set.task_definition().is_some())
        .ok_or_else(|| "it has no primary task set, so nothing says what runs".to_owned())
}

/// The primary task set, if the other target group is free for a new one.
fn free(target: &EcsTaskSets, service: &Service) -> Result<TaskSet, String> {
    let primary = primary(service)?;
    if sides::group_of(primary, target).is_none() {
        return Err(format!(
            "its primary task set is in neither of the target groups {} and {}",
            named(&target.target_groups[0]),
            named(&target.target_groups[1])
        ));
    }
    let left = service
        .task_sets()
        .iter()
        .find(|set| set.status() != Some(sides::PRIMARY) && !sides::is_draining(set));
    if let Some(left) = left {
        return Err(format!(
            "task set {} of {} is still there beside the primary one: delete it, and nothing of it gets traffic",
            left.id().unwrap_or("?"),
            left.task_definition().map_or("?", short),
        ));
    }
    Ok(primary.clone())
}

/// All traffic on what runs, and nothing but the weights to say where it goes.
fn weights(target: &EcsTaskSets, primary: &TaskSet, forward: &Forward) -> Result<(), String> {
    let Some(current) = sides::group_of(primary, target) else {
        return Ok(());
    };
    let next = sides::other(target, current);
    if let Some(other) = forward.others(&target.target_groups).next() {
        return Err(format!(
            "its listener forwards to a third target group, {}: take it out of the default action",
            named(other)
        ));
    }
    if !forward.names(current) || !forward.names(next) {
        let missing = if forward.names(current) { next } else { current };
        return Err(format!(
            "its listener does not name target group {}: add it to the default action, with weight 0 if it is not the one \
             in use, so that its targets are checked before they get traffic",
            named(missing)
        ));
    }
    if forward.sticky {
        return Err(
            "its listener keeps clients with a target group (stickiness), so that weights do not decide: switch that off"
                .to_owned(),
        );
    }
    match forward.share(next) {
        Some(0) => Ok(()),
        share => Err(format!(
            "its listener has {} % of the traffic on target group {}, where the next version would go: put all of it on \
             {}, where the primary task set is",
            share.map_or("an unknown part".to_owned(), |share| share.to_string()),
            named(next),
            named(current)
        )),
    }
}

/// `NAME` of `arn:…:targetgroup/NAME/ID`.
fn named(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}

/// On what the primary task set runs, and the new one will.
fn launch(set: &TaskSet) -> Value {
    let network = set
        .network_configuration()
        .and_then(|network| network.awsvpc_configuration());
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list
    };
    let network = network.map(|vpc: &AwsVpcConfiguration| {
        json!({
            "subnets": sorted(vpc.subnets()),
            "security_groups": sorted(vpc.security_groups()),
            "public_ip": vpc.assign_public_ip().map(|assigned| assigned.as_str()),
        })
    });
    let capacity: Vec<Value> = set
        .capacity_provider_strategy()
        .iter()
        .map(|item| json!([item.capacity_provider(), item.base(), item.weight()]))
        .collect();
    json!({
        "type": set.launch_type().map(|kind| kind.as_str()),
        "platform": set.platform_version(),
        "capacity": capacity,
        "network": network,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_group_is_called_by_its_name() {
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/rag-blue/73e2d6bc24d8a067";
        assert_eq!((named(arn), named("rag-blue")), ("rag-blue", "rag-blue"));
    }
}
