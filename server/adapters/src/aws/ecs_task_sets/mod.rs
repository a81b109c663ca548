//! The engine `ecs_task_sets`: an ECS service with the EXTERNAL deployment controller. Each version is a task set in one of
//! two target groups, and Tidegate itself sets the weights of the listener's default action.
//!
//! Nothing here doubles: a task set is recognised by its client token, everything else sets what it sets. Each call reads
//! first what it is about, and is then one HTTP attempt (R10). AWS rolls nothing back by itself; while nobody drives,
//! traffic stays where it is.
//!
//! The old task set is deleted when three things were read just before: the new one is the primary one, it has all of the
//! weights, and the old one has none. From then on ECS drains it: its targets are deregistered, requests under way have
//! the target group's deregistration delay, and only then its tasks are stopped. The deployment has succeeded when none
//! of them is left.

mod listener;
mod observe;
mod prepare;
mod sides;

use super::{
    Aws,
    call::{self, Sent},
    ecs::{self, Place},
    task_definition::OPERATION_TAG,
};
use crate::{CallError, Engine, Order, engine::no_such_call};
use async_trait::async_trait;
use aws_sdk_ecs::types::{LoadBalancer, Scale, ScaleUnit, Tag, TaskSet};
use sides::Sides;
use std::time::Instant;
use tidegate_domain::{
    catalog,
    deployment::{Blocker, CallKind, Observation, Preparation, Run},
    plan::Found,
    time::Timestamp,
};

#[derive(Debug, Clone)]
pub struct EcsTaskSets {
    aws: Aws,
}

/// The worker hands each engine its own orders only.
fn target(order: &Order) -> Result<&catalog::EcsTaskSets, CallError> {
    match &order.engine {
        catalog::Engine::EcsTaskSets(target) => Ok(target),
        other => {
            let message = format!("an order for {} came to ecs_task_sets", other.name());
            Err(CallError::refused("WrongEngine", message, false))
        }
    }
}

fn place(target: &catalog::EcsTaskSets) -> Place<'_> {
    Place {
        cluster: &target.cluster,
        service: &target.service,
        container: &target.container,
        port: target.port,
    }
}

impl EcsTaskSets {
    pub fn new(aws: Aws) -> Self {
        Self { aws }
    }

    async fn register(&self, order: &Order, run: &Run, sent: Sent) -> Result<String, CallError> {
        let planned = prepare::planned(&self.aws, order)
            .await
            .map_err(CallError::before_anything_happened)?
            .map_err(|blocker| CallError::refused("TargetChanged", blocker.why, false))?;
        ecs::register(&self.aws, order, &planned, &run.revision.task_definition, sent).await
    }

    /// The new version on what the primary task set runs on, in the free target group.
    async fn create(&self, order: &Order, run: &Run, sent: Sent) -> Result<String, CallError> {
        let target = target(order)?;
        let Some(definition) = &run.task_definition else {
            return Err(CallError::refused(
                "NothingToRun",
                "no task definition was registered",
                false,
            ));
        };
        let service = ecs::active(&self.aws, place(target))
            .await
            .map_err(CallError::before_anything_happened)?
            .map_err(|blocker| CallError::refused("TargetChanged", blocker.why, false))?;
        let primary = prepare::primary(&service).map_err(|why| CallError::refused("TargetChanged", why, false))?;
        let runs = primary.task_definition().unwrap_or_default();
        if runs != run.revision.rollback_target {
            let message = format!(
                "{runs} runs by now, but what was approved replaces {}; approve again",
                run.revision.rollback_target
            );
            return Err(CallError::refused("TargetChanged", message, false));
        }
        let Some(group) = sides::group_of(primary, target).map(|group| sides::other(target, group)) else {
            let message = "its primary task set is in neither of the two target groups";
            return Err(CallError::refused("TargetChanged", message, false));
        };
        let platform = target.platform_version.as_deref().or(primary.platform_version());
        let operation = order.operation.to_string();
        let balancer = LoadBalancer::builder()
            .target_group_arn(group)
            .container_name(&target.container)
            .container_port(i32::from(target.port))
            .build();
        // A capacity provider and a launch type exclude each other.
        let capacity = primary
            .capacity_provider_strategy
            .clone()
            .filter(|items| !items.is_empty());
        let launch = primary.launch_type.clone().filter(|_| capacity.is_none());
        let registries = primary
            .service_registries
            .clone()
            .filter(|registries| !registries.is_empty());
        let answer = self
            .aws
            .ecs
            .create_task_set()
            .cluster(&target.cluster)
            .service(&target.service)
            .client_token(&operation)
            .external_id(&operation)
            .task_definition(definition)
            .load_balancers(balancer)
            .set_service_registries(registries)
            .set_network_configuration(primary.network_configuration.clone())
            .set_launch_type(launch)
            .set_capacity_provider_strategy(capacity)
            .set_platform_version(platform.map(str::to_owned))
            .scale(Scale::builder().value(100.0).unit(ScaleUnit::Percent).build())
            .tags(Tag::builder().key(OPERATION_TAG).value(&operation).build())
            .customize()
            .interceptor(sent.clone())
            .send()
            .await
            .map_err(|error| call::failed(&error, &sent))?;
        match answer.task_set() {
            Some(set) => sides::arn(set),
            None => Err(CallError::Unknown(
                "CreateTaskSet answered without a task set".to_owned(),
            )),
        }
    }

    async fn sides(&self, order: &Order) -> Result<Sides, CallError> {
        Sides::read(&self.aws, target(order)?, order.operation).await
    }

    /// `percent` on the new version, the rest on the old one.
    async fn shift(&self, order: &Order, percent: u8, sent: Sent) -> Result<String, CallError> {
        let target = target(order)?;
        let (sides, forward) = tokio::try_join!(self.sides(order), listener::read(&self.aws, &target.listener))
            .map_err(CallError::before_anything_happened)?;
        let forward = forward.map_err(|why| CallError::refused("ListenerChanged", why, false))?;
        if percent > 0 && sides.lives().is_none() {
            return Err(CallError::refused(
                "NoTaskSet",
                "the new task set is not there any more",
                false,
            ));
        }
        if percent > 0 && forward.others(&target.target_groups).next().is_some() {
            let why = "the listener forwards to a third target group by now";
            return Err(CallError::refused("ListenerChanged", why, false));
        }
        let weights = [
            (sides.old_group.as_str(), 100_u8.saturating_sub(percent)),
            (sides.new_group.as_str(), percent),
        ];
        listener::set(&self.aws, &target.listener, &forward, weights, sent).await?;
        Ok(target.listener.clone())
    }

    async fn promote(&self, order: &Order, sent: Sent) -> Result<String, CallError> {
        let target = target(order)?;
        let sides = self.sides(order).await.map_err(CallError::before_anything_happened)?;
        let Some(new) = sides.lives() else {
            return Err(CallError::refused(
                "NoTaskSet",
                "the new task set is not there any more",
                true,
            ));
        };
        let arn = sides::arn(new)?;
        self.aws
            .ecs
            .update_service_primary_task_set()
            .cluster(&target.cluster)
            .service(&target.service)
            .primary_task_set(&arn)
            .customize()
            .interceptor(sent.clone())
            .send()
            .await
            .map_err(|error| call::failed(&error, &sent))?;
        Ok(arn)
    }

    async fn delete_old(&self, order: &Order, run: &Run, sent: Sent) -> Result<String, CallError> {
        let target = target(order)?;
        let (sides, share) = self.share(order).await.map_err(CallError::before_anything_happened)?;
        let Some(old) = sides.stands() else {
            return Ok(run.revision.rollback_target.clone());
        };
        let promoted = sides.lives().is_some_and(|set| set.status() == Some(sides::PRIMARY));
        if !promoted || share != Some(100) {
            let why = "the old task set is kept: the new one is not the primary one with all of the traffic";
            return Err(CallError::refused("StillInUse", why, true));
        }
        self.delete(target, old, sent).await
    }

    async fn delete_new(&self, order: &Order, run: &Run, sent: Sent) -> Result<String, CallError> {
        let target = target(order)?;
        let (sides, share) = self.share(order).await.map_err(CallError::before_anything_happened)?;
        let Some(new) = sides.lives() else {
            return Ok(run.cloud_deployment.clone().unwrap_or_default());
        };
        if share != Some(0) || new.status() == Some(sides::PRIMARY) {
            let why = "the new task set still has traffic, or is the primary one";
            return Err(CallError::refused("StillInUse", why, true));
        }
        self.delete(target, new, sent).await
    }

    /// Without scaling it down first: what has no weight has no requests but those under way, and ECS waits for them.
    async fn delete(&self, target: &catalog::EcsTaskSets, set: &TaskSet, sent: Sent) -> Result<String, CallError> {
        let arn = sides::arn(set)?;
        let answer = self
            .aws
            .ecs
            .delete_task_set()
            .cluster(&target.cluster)
            .service(&target.service)
            .task_set(&arn)
            .force(true)
            .customize()
            .interceptor(sent.clone())
            .send()
            .await;
        match answer {
            Err(error) if call::code(&error) != Some("TaskSetNotFoundException") => Err(call::failed(&error, &sent)),
            _ => Ok(arn),
        }
    }

    async fn share(&self, order: &Order) -> Result<(Sides, Option<u8>), CallError> {
        let (sides, forward) =
            tokio::try_join!(self.sides(order), listener::read(&self.aws, &target(order)?.listener))?;
        let share = forward.map_err(CallError::Unknown)?.share(&sides.new_group);
        Ok((sides, share))
    }

    async fn find_registered(&self, order: &Order) -> Result<Found, CallError> {
        match prepare::running(&self.aws, target(order)?).await? {
            Ok(running) => ecs::registered(&self.aws, order.operation, &running).await,
            Err(blocker) => Err(CallError::Unknown(blocker.why)),
        }
    }
}

#[async_trait]
impl Engine for EcsTaskSets {
    async fn prepare(&self, order: &Order, now: Timestamp) -> Result<Result<Preparation, Blocker>, CallError> {
        prepare::prepare(&self.aws, order, now).await
    }

    async fn make(&self, order: &Order, run: &Run, kind: CallKind, by: Instant) -> Result<String, CallError> {
        let sent = Sent::before(by);
        match kind {
            CallKind::RegisterTaskDefinition => self.register(order, run, sent).await,
            CallKind::CreateTaskSet => self.create(order, run, sent).await,
            CallKind::ShiftTraffic { percent } => self.shift(order, percent, sent).await,
            CallKind::PromoteTaskSet => self.promote(order, sent).await,
            CallKind::DeleteOldTaskSet => self.delete_old(order, run, sent).await,
            CallKind::ShiftBack => self.shift(order, 0, sent).await,
            CallKind::DeleteNewTaskSet => self.delete_new(order, run, sent).await,
            other => Err(no_such_call(order, other)),
        }
    }

    async fn find(&self, order: &Order, run: &Run, kind: CallKind, _: Timestamp) -> Result<Found, CallError> {
        let found = |effect: bool, id: &str| {
            Ok(match effect {
                true => Found::Effect(id.to_owned()),
                false => Found::Nothing,
            })
        };
        let new = run.cloud_deployment.as_deref().unwrap_or_default();
        match kind {
            CallKind::RegisterTaskDefinition => self.find_registered(order).await,
            CallKind::CreateTaskSet => match self.sides(order).await?.new {
                Some(set) => sides::arn(&set).map(Found::Effect),
                None => Ok(Found::Nothing),
            },
            CallKind::ShiftTraffic { percent } => {
                let (_, share) = self.share(order).await?;
                found(share == Some(percent), &target(order)?.listener)
            }
            CallKind::ShiftBack => {
                let (_, share) = self.share(order).await?;
                found(share == Some(0), &target(order)?.listener)
            }
            CallKind::PromoteTaskSet => {
                let sides = self.sides(order).await?;
                let promoted = sides.lives().is_some_and(|set| set.status() == Some(sides::PRIMARY));
                found(promoted, new)
            }
            CallKind::DeleteOldTaskSet => {
                let gone = self.sides(order).await?.stands().is_none();
                found(gone, &run.revision.rollback_target)
            }
            CallKind::DeleteNewTaskSet => {
                let gone = self.sides(order).await?.lives().is_none();
                found(gone, new)
            }
            other => Err(no_such_call(order, other)),
        }
    }

    async fn observe(
        &self,
        order: &Order,
        run: &Run,
        _: Option<&str>,
        now: Timestamp,
    ) -> Result<Observation, CallError> {
        observe::observe(&self.aws, target(order)?, run, now).await
    }
}
