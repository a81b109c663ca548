//! The engine `ecs_native`: an ECS service whose blue/green, canary and linear deployments ECS itself carries out.
//!
//! UpdateService takes neither a client token nor words: what it made is known by the task definition that it brings, which
//! bears the operation id in a tag. Made twice it does once what it does: ECS deploys a task definition that it is deploying
//! already no second time. Each call is one HTTP attempt (R10); what leads to it is read first. ECS rolls back by itself
//! on failing tasks, alarms and pauses that nobody ends (R18), also when nobody is left to ask it.

mod configuration;
mod find;
mod observe;
mod prepare;

use super::{
    Aws,
    call::{self, Sent},
    ecs::{self, Place},
};
use crate::{CallError, Engine, Order, Stray, engine::no_such_call};
use async_trait::async_trait;
use aws_sdk_ecs::types::{
    DeploymentConfiguration, DeploymentLifecycleHookAction, Service, ServiceDeployment, StopServiceDeploymentStopType,
};
use std::time::{Duration, Instant};
use tidegate_domain::{
    catalog,
    deployment::{Blocker, CallKind, Observation, Preparation, Run},
    plan::Found,
    time::Timestamp,
};

/// A stop does not wait longer than this to know whether a pause waits (R19).
const LOOK_BEFORE_STOP: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub struct EcsNative {
    aws: Aws,
}

/// The worker hands each engine its own orders only.
fn target(order: &Order) -> Result<&catalog::EcsNative, CallError> {
    match &order.engine {
        catalog::Engine::EcsNative(target) => Ok(target),
        other => {
            let message = format!("an order for {} came to ecs_native", other.name());
            Err(CallError::refused("WrongEngine", message, false))
        }
    }
}

fn place(target: &catalog::EcsNative) -> Place<'_> {
    Place {
        cluster: &target.cluster,
        service: &target.service,
        container: &target.container,
        port: target.port,
    }
}

/// The domain intends no call before what it needs was made.
fn made(id: Option<&str>) -> Result<&str, CallError> {
    id.ok_or_else(|| CallError::refused("NothingToCallFor", "what the call is about was not made yet", false))
}

fn arn(deployment: &ServiceDeployment) -> Result<String, CallError> {
    deployment
        .service_deployment_arn()
        .map(str::to_owned)
        .ok_or_else(|| CallError::Unknown("ECS describes a deployment without an ARN".to_owned()))
}

impl EcsNative {
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

    async fn service(&self, target: &catalog::EcsNative) -> Result<Service, CallError> {
        ecs::active(&self.aws, place(target))
            .await
            .map_err(CallError::before_anything_happened)?
            .map_err(|blocker| CallError::refused("TargetChanged", blocker.why, false))
    }

    async fn update(&self, order: &Order, run: &Run, sent: Sent) -> Result<String, CallError> {
        let target = target(order)?;
        let definition = made(run.task_definition.as_deref())?;
        let service = self.service(target).await?;
        if service.task_definition() == Some(definition) {
            // An earlier call took effect after all.
            return self.id_of(target, definition, run.started_at).await;
        }
        let runs = prepare::runs(&service).map_err(|why| CallError::refused("TargetChanged", why, true))?;
        if runs != run.revision.rollback_target {
            let message = format!(
                "{runs} runs by now, but what was approved replaces {}; approve again",
                run.revision.rollback_target
            );
            return Err(CallError::refused("TargetChanged", message, false));
        }
        let present = service.deployment_configuration();
        let Some(configuration) = configuration::forward(present, &order.traffic, target.bake_minutes) else {
            let message = format!("ECS has no deployment strategy for {}", order.traffic);
            return Err(CallError::refused("NoStrategy", message, false));
        };
        self.deploy(target, definition, configuration, sent).await?;
        self.id_of(target, definition, run.started_at).await
    }

    /// Once it has succeeded: what ran before, all at once, as a deployment of its own.
    async fn revert(&self, order: &Order, run: &Run, sent: Sent) -> Result<String, CallError> {
        let target = target(order)?;
        let service = self.service(target).await?;
        let configuration = configuration::back(service.deployment_configuration());
        let before = &run.revision.rollback_target;
        self.deploy(target, before, configuration, sent).await?;
        match self.find_revert(order, run).await {
            Ok(Found::Effect(id)) => Ok(id),
            Ok(Found::Nothing) | Err(_) => Err(not_listed()),
        }
    }

    async fn deploy(
        &self,
        target: &catalog::EcsNative,
        definition: &str,
        configuration: DeploymentConfiguration,
        sent: Sent,
    ) -> Result<(), CallError> {
        self.aws
            .ecs
            .update_service()
            .cluster(&target.cluster)
            .service(&target.service)
            .task_definition(definition)
            .deployment_configuration(configuration)
            .customize()
            .interceptor(sent.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| call::failed(&error, &sent))
    }

    /// UpdateService does not answer with the deployment that it made. Where that is not listed yet, it is looked for later.
    async fn id_of(
        &self,
        target: &catalog::EcsNative,
        definition: &str,
        since: Timestamp,
    ) -> Result<String, CallError> {
        match self.made_of(target, definition, since).await {
            Ok(Some(deployment)) => arn(&deployment),
            Ok(None) | Err(_) => Err(not_listed()),
        }
    }

    async fn made_of(
        &self,
        target: &catalog::EcsNative,
        definition: &str,
        since: Timestamp,
    ) -> Result<Option<ServiceDeployment>, CallError> {
        let deployments = find::since(&self.aws, target, since).await?;
        find::bringing(&self.aws, &deployments, definition).await
    }

    async fn find_registered(&self, order: &Order) -> Result<Found, CallError> {
        match prepare::running(&self.aws, target(order)?).await? {
            Ok(running) => ecs::registered(&self.aws, order.operation, &running).await,
            Err(blocker) => Err(CallError::Unknown(blocker.why)),
        }
    }

    /// A deployment of what ran before that is newer than this one.
    async fn find_revert(&self, order: &Order, run: &Run) -> Result<Found, CallError> {
        let deployments = find::since(&self.aws, target(order)?, run.started_at).await?;
        let newer: Vec<ServiceDeployment> = deployments
            .into_iter()
            .take_while(|each| each.service_deployment_arn() != run.cloud_deployment.as_deref())
            .collect();
        match find::bringing(&self.aws, &newer, &run.revision.rollback_target).await? {
            Some(revert) => arn(&revert).map(Found::Effect),
            None => Ok(Found::Nothing),
        }
    }

    async fn seen(&self, id: &str) -> Result<ServiceDeployment, CallError> {
        let mut found = find::described(&self.aws, &[id.to_owned()]).await?;
        found.pop().ok_or_else(|| {
            let message = format!("ECS does not know {id}");
            CallError::refused("ServiceDeploymentNotFound", message, true)
        })
    }

    async fn answer(
        &self,
        id: &str,
        hook: &str,
        action: DeploymentLifecycleHookAction,
        sent: Sent,
    ) -> Result<(), CallError> {
        self.aws
            .ecs
            .continue_service_deployment()
            .service_deployment_arn(id)
            .hook_id(hook)
            .action(action)
            .customize()
            .interceptor(sent.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| call::failed(&error, &sent))
    }

    /// Ends the pause. Where none waits there is nothing to do; a refusal means that somebody was faster, or the next pause
    /// has come: what is seen next says so.
    async fn go_on(&self, id: &str, sent: Sent) -> Result<String, CallError> {
        let seen = self.seen(id).await.map_err(CallError::before_anything_happened)?;
        let Some(hook) = observe::awaiting(&seen).and_then(|hook| hook.hook_id()) else {
            return Ok(id.to_owned());
        };
        match self
            .answer(id, hook, DeploymentLifecycleHookAction::Continue, sent)
            .await
        {
            Err(CallError::Refused { code, message, .. }) => Err(CallError::refused(code, message, true)),
            Err(unknown) => Err(unknown),
            Ok(()) => Ok(id.to_owned()),
        }
    }

    /// Stops it and lets ECS roll back, at the pause where one waits. One that cannot be looked at is stopped all the same.
    async fn stop(&self, id: &str, sent: Sent) -> Result<String, CallError> {
        let seen = tokio::time::timeout(LOOK_BEFORE_STOP, self.seen(id)).await;
        let seen = seen.ok().and_then(Result::ok);
        let hook = seen
            .as_ref()
            .and_then(observe::awaiting)
            .and_then(|hook| hook.hook_id());
        if let Some(hook) = hook {
            self.answer(id, hook, DeploymentLifecycleHookAction::Rollback, sent)
                .await?;
            return Ok(id.to_owned());
        }
        self.aws
            .ecs
            .stop_service_deployment()
            .service_deployment_arn(id)
            .stop_type(StopServiceDeploymentStopType::Rollback)
            .customize()
            .interceptor(sent.clone())
            .send()
            .await
            .map_err(|error| call::failed(&error, &sent))?;
        Ok(id.to_owned())
    }
}

fn not_listed() -> CallError {
    CallError::Unknown("UpdateService was accepted, and its deployment is not listed yet".to_owned())
}

#[async_trait]
impl Engine for EcsNative {
    async fn prepare(&self, order: &Order, now: Timestamp) -> Result<Result<Preparation, Blocker>, CallError> {
        prepare::prepare(&self.aws, order, now).await
    }

    async fn make(&self, order: &Order, run: &Run, kind: CallKind, by: Instant) -> Result<String, CallError> {
        let sent = Sent::before(by);
        match kind {
            CallKind::RegisterTaskDefinition => self.register(order, run, sent).await,
            CallKind::UpdateService => self.update(order, run, sent).await,
            CallKind::ContinueDeployment => self.go_on(made(run.cloud_deployment.as_deref())?, sent).await,
            CallKind::StopDeployment => self.stop(made(run.cloud_deployment.as_deref())?, sent).await,
            CallKind::Revert => self.revert(order, run, sent).await,
            other => Err(no_such_call(order, other)),
        }
    }

    async fn find(&self, order: &Order, run: &Run, kind: CallKind, since: Timestamp) -> Result<Found, CallError> {
        match kind {
            CallKind::RegisterTaskDefinition => self.find_registered(order).await,
            CallKind::UpdateService => {
                let definition = made(run.task_definition.as_deref())?;
                match self.made_of(target(order)?, definition, since).await? {
                    Some(deployment) => arn(&deployment).map(Found::Effect),
                    None => Ok(Found::Nothing),
                }
            }
            CallKind::ContinueDeployment => {
                let id = made(run.cloud_deployment.as_deref())?;
                let seen = self.seen(id).await?;
                Ok(match observe::awaiting(&seen) {
                    Some(_) => Found::Nothing,
                    None => Found::Effect(id.to_owned()),
                })
            }
            CallKind::Revert => self.find_revert(order, run).await,
            other => Err(no_such_call(order, other)),
        }
    }

    async fn observe(
        &self,
        _: &Order,
        run: &Run,
        rollback: Option<&str>,
        now: Timestamp,
    ) -> Result<Observation, CallError> {
        observe::observe(&self.aws, made(run.cloud_deployment.as_deref())?, rollback, now).await
    }

    /// A deployment of the task definition that this operation registered.
    async fn find_stray(&self, order: &Order, since: Timestamp) -> Result<Option<Stray>, CallError> {
        let Found::Effect(definition) = self.find_registered(order).await? else {
            return Ok(None);
        };
        let Some(deployment) = self.made_of(target(order)?, &definition, since).await? else {
            return Ok(None);
        };
        let id = arn(&deployment)?;
        let seen = observe::observe(&self.aws, &id, None, since).await?.deployment;
        let over = seen.status.is_over();
        Ok(Some(Stray { id, over }))
    }

    async fn stop_stray(&self, _: &Order, id: &str, by: Instant) -> Result<(), CallError> {
        self.stop(id, Sent::before(by)).await.map(drop)
    }
}
