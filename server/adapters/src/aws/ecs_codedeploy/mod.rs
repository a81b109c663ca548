//! The engine `ecs_codedeploy`: an ECS service whose blue/green deployments CodeDeploy carries out.
//!
//! CodeDeploy takes no client token, so each of the three mutating calls is one HTTP attempt (R10), and what it made
//! bears the operation id: the task definition in a tag, the deployment in its description. AWS rolls back by itself on
//! failure, alarm and stop (R18), also when nobody is left to ask it.

mod description;
mod find;
mod observe;
mod prepare;

use super::{
    Aws,
    appspec::appspec,
    call::{self, Sent},
};
use crate::{CallError, Engine, Order};
use async_trait::async_trait;
use aws_sdk_codedeploy::types::{
    AppSpecContent, AutoRollbackConfiguration, AutoRollbackEvent, RevisionLocation, RevisionLocationType,
};
use aws_smithy_types::body::SdkBody;
use description::described;
use std::time::Instant;
use tidegate_domain::{
    catalog,
    deployment::{Blocker, Observation, Preparation},
    plan::Found,
    time::Timestamp,
};

#[derive(Debug, Clone)]
pub struct EcsCodedeploy {
    aws: Aws,
}

impl EcsCodedeploy {
    pub fn new(aws: Aws) -> Self {
        Self { aws }
    }
}

fn target(order: &Order) -> &catalog::EcsCodedeploy {
    let catalog::Engine::EcsCodedeploy(target) = &order.engine;
    target
}

/// AWS's predefined configuration for the plan, else the target's own that runs it.
fn deployment_config(order: &Order) -> Option<&str> {
    order
        .traffic
        .ecs_predefined()
        .or(target(order).deployment_config.as_deref())
}

#[async_trait]
impl Engine for EcsCodedeploy {
    async fn prepare(&self, order: &Order, now: Timestamp) -> Result<Result<Preparation, Blocker>, CallError> {
        prepare::prepare(&self.aws, order, now).await
    }

    async fn register(&self, order: &Order, expected: &str, by: Instant) -> Result<String, CallError> {
        let sent = Sent::before(by);
        let planned = prepare::planned(&self.aws, order)
            .await
            .map_err(CallError::before_anything_happened)?
            .map_err(|blocker| CallError::refused("TargetChanged", blocker.why, false))?;
        if planned.hash != expected {
            let message = format!(
                "what would be registered (hash {}) is not what was approved ({expected}): {} runs now; approve again",
                planned.hash, planned.running.arn
            );
            return Err(CallError::refused("TaskDefinitionChanged", message, false));
        }
        let body = planned.new.registration(order.operation).to_string();
        let answer = self
            .aws
            .ecs
            .register_task_definition()
            .customize()
            .interceptor(sent.clone())
            .mutate_request(move |request| {
                request.headers_mut().insert("content-length", body.len().to_string());
                *request.body_mut() = SdkBody::from(body.as_str());
            })
            .send()
            .await
            .map_err(|error| call::failed(&error, &sent))?;
        answer
            .task_definition()
            .and_then(|definition| definition.task_definition_arn())
            .map(str::to_owned)
            .ok_or_else(|| CallError::Unknown("RegisterTaskDefinition answered without an ARN".to_owned()))
    }

    async fn create(&self, order: &Order, task_definition: &str, by: Instant) -> Result<String, CallError> {
        let sent = Sent::before(by);
        let target = target(order);
        let Some(config) = deployment_config(order) else {
            let message = format!("CodeDeploy has no configuration for the traffic plan {}", order.traffic);
            return Err(CallError::refused("NoDeploymentConfig", message, false));
        };
        let content = appspec(target, task_definition).to_string();
        let revision = RevisionLocation::builder()
            .revision_type(RevisionLocationType::AppSpecContent)
            .app_spec_content(AppSpecContent::builder().content(content).build())
            .build();
        let rollback = AutoRollbackConfiguration::builder()
            .enabled(true)
            .events(AutoRollbackEvent::DeploymentFailure)
            .events(AutoRollbackEvent::DeploymentStopOnAlarm)
            .events(AutoRollbackEvent::DeploymentStopOnRequest)
            .build();
        let answer = self
            .aws
            .codedeploy
            .create_deployment()
            .application_name(&target.application)
            .deployment_group_name(&target.deployment_group)
            .deployment_config_name(config)
            .description(described(&order.title, order.operation))
            .revision(revision)
            .auto_rollback_configuration(rollback)
            .customize()
            .interceptor(sent.clone())
            .send()
            .await
            .map_err(|error| call::failed(&error, &sent))?;
        answer
            .deployment_id()
            .map(str::to_owned)
            .ok_or_else(|| CallError::Unknown("CreateDeployment answered without a deployment id".to_owned()))
    }

    async fn stop(&self, _: &Order, cloud_deployment: &str, by: Instant) -> Result<(), CallError> {
        let sent = Sent::before(by);
        self.aws
            .codedeploy
            .stop_deployment()
            .deployment_id(cloud_deployment)
            .auto_rollback_enabled(true)
            .customize()
            .interceptor(sent.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| call::failed(&error, &sent))
    }

    async fn find_registered(&self, order: &Order) -> Result<Found, CallError> {
        find::registered(&self.aws, order).await
    }

    async fn find_created(&self, order: &Order, since: Timestamp) -> Result<Found, CallError> {
        find::created(&self.aws, order, since).await
    }

    async fn observe(
        &self,
        order: &Order,
        cloud_deployment: &str,
        rollback: Option<&str>,
        now: Timestamp,
    ) -> Result<Observation, CallError> {
        observe::observe(&self.aws, order, cloud_deployment, rollback, now).await
    }
}
