//! The engine `lambda_codedeploy`: a Lambda function's alias that CodeDeploy shifts.
//!
//! The version is made as by the other engines on Lambda; CodeDeploy then moves the alias by its own timetable, and back by
//! itself on failure, alarm and stop (R18). There is nothing to continue: a Lambda deployment never waits for a yes.

mod appspec;
mod observe;

use super::{
    Aws,
    codedeploy::{self, Group, runs_plan},
    description::{Purpose, described},
    ecr::in_registry,
    lambda::{self, Versions},
};
use crate::{CallError, Engine, Order, Stray, engine::no_such_call};
use appspec::appspec;
use async_trait::async_trait;
use aws_sdk_codedeploy::types::ComputePlatform;
use serde_json::Value;
use std::time::Instant;
use tidegate_domain::{
    catalog,
    deployment::{Blocker, CallKind, Observation, Preparation, Run},
    plan::Found,
    time::Timestamp,
};

/// Going back is as fast as it can be.
const ALL_AT_ONCE: &str = "CodeDeployDefault.LambdaAllAtOnce";

#[derive(Debug, Clone)]
pub struct LambdaCodedeploy {
    aws: Aws,
}

impl LambdaCodedeploy {
    pub fn new(aws: Aws) -> Self {
        Self { aws }
    }
}

/// The worker hands each engine its own orders only.
fn target(order: &Order) -> Result<&catalog::LambdaCodedeploy, CallError> {
    match &order.engine {
        catalog::Engine::LambdaCodedeploy(target) => Ok(target),
        other => {
            let message = format!("an order for {} came to lambda_codedeploy", other.name());
            Err(CallError::refused("WrongEngine", message, false))
        }
    }
}

fn group(target: &catalog::LambdaCodedeploy) -> Group<'_> {
    Group {
        application: &target.application,
        name: &target.deployment_group,
    }
}

impl LambdaCodedeploy {
    /// From the version that runs to the one that was published.
    async fn create(&self, order: &Order, run: &Run, by: Instant) -> Result<String, CallError> {
        let (target, versions) = (target(order)?, Versions::of(run)?);
        let predefined = order.traffic.lambda_predefined();
        let Some(config) = predefined.or(target.deployment_config.as_deref()) else {
            let message = format!("CodeDeploy has no configuration for the traffic plan {}", order.traffic);
            return Err(CallError::refused("NoDeploymentConfig", message, false));
        };
        let appspec = appspec(target, &versions.old, &versions.new);
        let description = described(&order.title, order.operation, Purpose::Forward);
        codedeploy::create(&self.aws, group(target), config, &appspec, description, by).await
    }

    /// Once it has succeeded: back to what ran before, all at once, as a deployment of its own.
    async fn revert(&self, order: &Order, run: &Run, by: Instant) -> Result<String, CallError> {
        let (target, versions) = (target(order)?, Versions::of(run)?);
        let appspec = appspec(target, &versions.new, &versions.old);
        let description = described(&format!("back from {}", order.title), order.operation, Purpose::Back);
        codedeploy::create(&self.aws, group(target), ALL_AT_ONCE, &appspec, description, by).await
    }

    async fn created(&self, order: &Order, since: Timestamp, purpose: Purpose) -> Result<Found, CallError> {
        codedeploy::created(&self.aws, group(target(order)?), order.operation, since, purpose).await
    }

    /// A group of another compute platform would refuse the AppSpec.
    async fn group_is_for_lambda(&self, order: &Order) -> Result<Result<(), Blocker>, CallError> {
        let target = target(order)?;
        let found = codedeploy::group(&self.aws, group(target)).await?.and_then(|group| {
            let platform = group.compute_platform();
            if platform == Some(&ComputePlatform::Lambda) {
                return Ok(());
            }
            Err(format!(
                "deployment group {} deploys to {}, and not to Lambda",
                target.deployment_group,
                platform.map_or("servers", ComputePlatform::as_str)
            ))
        });
        Ok(found.map_err(|why| lambda::blocked(order, why)))
    }

    async fn config_runs_plan(&self, order: &Order) -> Result<Result<(), Blocker>, CallError> {
        let runs = runs_plan(
            &self.aws,
            &ComputePlatform::Lambda,
            &order.traffic,
            order.traffic.lambda_predefined(),
            target(order)?.deployment_config.as_deref(),
        );
        Ok(runs.await?.map_err(|why| lambda::blocked(order, why)))
    }
}

#[async_trait]
impl Engine for LambdaCodedeploy {
    async fn prepare(&self, order: &Order, now: Timestamp) -> Result<Result<Preparation, Blocker>, CallError> {
        let (planned, group, config, registry) = tokio::try_join!(
            lambda::planned(&self.aws, order, &Value::Null),
            self.group_is_for_lambda(order),
            self.config_runs_plan(order),
            in_registry(&self.aws, order)
        )?;
        Ok(planned.and_then(|planned| {
            group.and(config)?;
            Ok(lambda::assemble(order, now, &planned, registry?))
        }))
    }

    async fn make(&self, order: &Order, run: &Run, kind: CallKind, by: Instant) -> Result<String, CallError> {
        match kind {
            CallKind::UpdateFunctionCode => lambda::update_code(&self.aws, order, run, &Value::Null, by).await,
            CallKind::PublishVersion => lambda::publish(&self.aws, order, run, &Value::Null, by).await,
            CallKind::CreateDeployment => self.create(order, run, by).await,
            CallKind::StopDeployment => {
                let id = created(run)?;
                codedeploy::stop(&self.aws, id, by).await.map(|()| id.to_owned())
            }
            CallKind::Revert => self.revert(order, run, by).await,
            other => Err(no_such_call(order, other)),
        }
    }

    async fn find(&self, order: &Order, run: &Run, kind: CallKind, since: Timestamp) -> Result<Found, CallError> {
        match kind {
            CallKind::UpdateFunctionCode => lambda::find_code(&self.aws, order).await,
            CallKind::PublishVersion => lambda::find_version(&self.aws, order, run).await,
            CallKind::CreateDeployment => self.created(order, since, Purpose::Forward).await,
            CallKind::Revert => self.created(order, since, Purpose::Back).await,
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
        let before = Versions::of(run)?.old;
        observe::observe(&self.aws, &before, created(run)?, rollback, now).await
    }

    async fn find_stray(&self, order: &Order, since: Timestamp) -> Result<Option<Stray>, CallError> {
        let Found::Effect(id) = self.created(order, since, Purpose::Forward).await? else {
            return Ok(None);
        };
        let over = observe::observe(&self.aws, "", &id, None, since)
            .await?
            .deployment
            .status
            .is_over();
        Ok(Some(Stray { id, over }))
    }

    async fn stop_stray(&self, _: &Order, id: &str, by: Instant) -> Result<(), CallError> {
        codedeploy::stop(&self.aws, id, by).await
    }
}

/// The domain intends no call before what it needs was made.
fn created(run: &Run) -> Result<&str, CallError> {
    let id = run.cloud_deployment.as_deref();
    id.ok_or_else(|| CallError::refused("NothingToCallFor", "no deployment was created yet", false))
}
