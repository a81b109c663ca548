//! The engine `ecs_codedeploy`: an ECS service whose blue/green deployments CodeDeploy carries out.
//!
//! CodeDeploy takes no client token, so each of the three mutating calls is one HTTP attempt (R10), and what it made
//! bears the operation id: the task definition in a tag, the deployment in its description. AWS rolls back by itself on
//! failure, alarm and stop (R18), also when nobody is left to ask it.

mod find;
mod observe;
mod prepare;

use super::{
    Aws,
    appspec::appspec,
    call::Sent,
    codedeploy::{self, Group},
    description::{Purpose, described},
    ecs,
};
use crate::{CallError, Engine, Order, Stray, engine::no_such_call};
use async_trait::async_trait;
use std::time::Instant;
use tidegate_domain::{
    catalog,
    deployment::{Blocker, CallKind, CloudStatus, Observation, Preparation, Run},
    plan::Found,
    time::Timestamp,
};

/// Going back is as fast as it can be.
const ALL_AT_ONCE: &str = "CodeDeployDefault.ECSAllAtOnce";

#[derive(Debug, Clone)]
pub struct EcsCodedeploy {
    aws: Aws,
}

impl EcsCodedeploy {
    pub fn new(aws: Aws) -> Self {
        Self { aws }
    }
}

/// The worker hands each engine its own orders only.
fn target(order: &Order) -> Result<&catalog::EcsCodedeploy, CallError> {
    match &order.engine {
        catalog::Engine::EcsCodedeploy(target) => Ok(target),
        other => {
            let message = format!("an order for {} came to ecs_codedeploy", other.name());
            Err(CallError::refused("WrongEngine", message, false))
        }
    }
}

fn group(target: &catalog::EcsCodedeploy) -> Group<'_> {
    Group {
        application: &target.application,
        name: &target.deployment_group,
    }
}

/// AWS's predefined configuration for the plan, else the target's own that runs it.
fn deployment_config<'a>(order: &'a Order, target: &'a catalog::EcsCodedeploy) -> Option<&'a str> {
    order.traffic.ecs_predefined().or(target.deployment_config.as_deref())
}

impl EcsCodedeploy {
    /// Registers the task definition: the running one with only the image changed. `expected`: [`Preparation::hash`];
    /// anything else by now is refused. Returns its ARN.
    pub async fn register(&self, order: &Order, expected: &str, by: Instant) -> Result<String, CallError> {
        let sent = Sent::before(by);
        let planned = prepare::planned(&self.aws, order)
            .await
            .map_err(CallError::before_anything_happened)?
            .map_err(|blocker| CallError::refused("TargetChanged", blocker.why, false))?;
        ecs::register(&self.aws, order, &planned, expected, sent).await
    }

    /// Creates the cloud deployment, with the operation id in its description and its own auto-rollback (R18).
    pub async fn create(&self, order: &Order, task_definition: &str, by: Instant) -> Result<String, CallError> {
        let target = target(order)?;
        let Some(config) = deployment_config(order, target) else {
            let message = format!("CodeDeploy has no configuration for the traffic plan {}", order.traffic);
            return Err(CallError::refused("NoDeploymentConfig", message, false));
        };
        let description = described(&order.title, order.operation, Purpose::Forward);
        self.create_with(target, config, task_definition, description, by).await
    }

    /// Once it has succeeded: what ran before, all at once, as a deployment of its own.
    async fn revert(&self, order: &Order, run: &Run, by: Instant) -> Result<String, CallError> {
        let description = described(&format!("back from {}", order.title), run.operation, Purpose::Back);
        let before = &run.revision.rollback_target;
        self.create_with(target(order)?, ALL_AT_ONCE, before, description, by)
            .await
    }

    async fn create_with(
        &self,
        target: &catalog::EcsCodedeploy,
        config: &str,
        task_definition: &str,
        description: String,
        by: Instant,
    ) -> Result<String, CallError> {
        codedeploy::create(
            &self.aws,
            group(target),
            config,
            &appspec(target, task_definition),
            description,
            by,
        )
        .await
    }

    /// Stops it and lets the cloud roll back. Refused where it is over already.
    pub async fn stop(&self, _: &Order, cloud_deployment: &str, by: Instant) -> Result<(), CallError> {
        codedeploy::stop(&self.aws, cloud_deployment, by).await
    }

    /// Whether a register call of this operation took effect.
    pub async fn find_registered(&self, order: &Order) -> Result<Found, CallError> {
        find::registered(&self.aws, order).await
    }

    /// Whether a create call of this operation, made at or after `since`, took effect.
    pub async fn find_created(&self, order: &Order, since: Timestamp) -> Result<Found, CallError> {
        self.found(order, since, Purpose::Forward).await
    }

    async fn found(&self, order: &Order, since: Timestamp, purpose: Purpose) -> Result<Found, CallError> {
        codedeploy::created(&self.aws, group(target(order)?), order.operation, since, purpose).await
    }

    /// The cloud deployment and, once known, its rollback.
    pub async fn look_at(
        &self,
        order: &Order,
        cloud_deployment: &str,
        rollback: Option<&str>,
        now: Timestamp,
    ) -> Result<Observation, CallError> {
        observe::observe(&self.aws, order, cloud_deployment, rollback, now).await
    }
}

#[async_trait]
impl Engine for EcsCodedeploy {
    async fn prepare(&self, order: &Order, now: Timestamp) -> Result<Result<Preparation, Blocker>, CallError> {
        prepare::prepare(&self.aws, order, now).await
    }

    async fn make(&self, order: &Order, run: &Run, kind: CallKind, by: Instant) -> Result<String, CallError> {
        match kind {
            CallKind::RegisterTaskDefinition => self.register(order, &run.revision.task_definition, by).await,
            CallKind::CreateDeployment => self.create(order, made(run.task_definition.as_deref())?, by).await,
            CallKind::ContinueDeployment => {
                let id = made(run.cloud_deployment.as_deref())?;
                codedeploy::go_on(&self.aws, id, by).await.map(|()| id.to_owned())
            }
            CallKind::StopDeployment => {
                let id = made(run.cloud_deployment.as_deref())?;
                self.stop(order, id, by).await.map(|()| id.to_owned())
            }
            CallKind::Revert => self.revert(order, run, by).await,
            other => Err(no_such_call(order, other)),
        }
    }

    async fn find(&self, order: &Order, run: &Run, kind: CallKind, since: Timestamp) -> Result<Found, CallError> {
        match kind {
            CallKind::RegisterTaskDefinition => self.find_registered(order).await,
            CallKind::CreateDeployment => self.find_created(order, since).await,
            CallKind::Revert => self.found(order, since, Purpose::Back).await,
            CallKind::ContinueDeployment => {
                let id = made(run.cloud_deployment.as_deref())?;
                let seen = self.look_at(order, id, None, since).await?.deployment;
                Ok(match seen.status {
                    CloudStatus::Ready => Found::Nothing,
                    _ => Found::Effect(id.to_owned()),
                })
            }
            other => Err(no_such_call(order, other)),
        }
    }

    async fn observe(
        &self,
        order: &Order,
        run: &Run,
        rollback: Option<&str>,
        now: Timestamp,
    ) -> Result<Observation, CallError> {
        self.look_at(order, made(run.cloud_deployment.as_deref())?, rollback, now)
            .await
    }

    async fn find_stray(&self, order: &Order, since: Timestamp) -> Result<Option<Stray>, CallError> {
        let Found::Effect(id) = self.find_created(order, since).await? else {
            return Ok(None);
        };
        let over = self.look_at(order, &id, None, since).await?.deployment.status.is_over();
        Ok(Some(Stray { id, over }))
    }

    async fn stop_stray(&self, order: &Order, id: &str, by: Instant) -> Result<(), CallError> {
        self.stop(order, id, by).await
    }
}

/// The domain intends no call before what it needs was made.
fn made(id: Option<&str>) -> Result<&str, CallError> {
    id.ok_or_else(|| CallError::refused("NothingToCallFor", "what the call is about was not made yet", false))
}
