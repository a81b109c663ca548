//! The engine `apigateway_stage`: a stage of an API, in one unit with the Lambda function behind it.
//!
//! Both are swapped, or neither: the alias first, then the stage, and back the other way round. What the stage pointed to
//! before is never deleted, so that it is there to go back to.
//!
//! A deployment of the API is a snapshot of what it is made of then. That is bound to the approval like the image: resources
//! with their methods of a REST API, routes and integrations of a WebSocket API. What else belongs to it (models, authorizers)
//! is not looked at.
//!
//! API Gateway has no guard for a change of a stage: it is looked at right before, and what somebody else has put there is
//! left alone.

mod api;
mod definition;

use super::{
    Aws,
    description::{Purpose, described},
    ecr::in_registry,
    lambda,
};
use crate::{CallError, Engine, Order, engine::no_such_call};
use api::{Snapshot, Stage};
use async_trait::async_trait;
use serde_json::Value;
use std::time::Instant;
use tidegate_domain::{
    catalog,
    deployment::{Blocker, CallKind, CloudStatus, Failure, Observation, Preparation, Run},
    plan::Found,
    revision::Change,
    time::Timestamp,
    traffic::fits,
};

/// Between the function's version and the stage's deployment, in what a rollback goes back to.
const WITH: &str = " with API deployment ";

#[derive(Debug, Clone)]
pub struct ApigatewayStage {
    aws: Aws,
}

/// The deployments of the API: what the stage pointed to when it was approved, and what was made since.
struct Deployments<'a> {
    old: &'a str,
    new: &'a str,
}

impl<'a> Deployments<'a> {
    fn of(run: &'a Run) -> Result<Self, CallError> {
        let new = run
            .cloud_deployment
            .as_deref()
            .ok_or_else(|| CallError::refused("NothingToCallFor", "no deployment of the API was created yet", false))?;
        let (_, old) = run.revision.rollback_target.split_once(WITH).ok_or_else(|| {
            let message = format!("{} names no API deployment to go back to", run.revision.rollback_target);
            CallError::refused("NoRollbackTarget", message, false)
        })?;
        Ok(Self { old, new })
    }
}

/// The worker hands each engine its own orders only.
fn target(order: &Order) -> Result<&catalog::ApigatewayStage, CallError> {
    match &order.engine {
        catalog::Engine::ApigatewayStage(target) => Ok(target),
        other => {
            let message = format!("an order for {} came to apigateway_stage", other.name());
            Err(CallError::refused("WrongEngine", message, false))
        }
    }
}

impl ApigatewayStage {
    pub fn new(aws: Aws) -> Self {
        Self { aws }
    }

    /// The deployment that the stage points to now.
    async fn serving(&self, order: &Order) -> Result<Result<String, Blocker>, CallError> {
        let target = target(order)?;
        if let Err(cannot) = fits(order.engine.kind(), &order.traffic) {
            return Ok(Err(lambda::blocked(order, cannot.to_string())));
        }
        let stage = api::stage(&self.aws, target).await?;
        Ok(serving(target, stage).map_err(|why| lambda::blocked(order, why)))
    }

    async fn stage(&self, target: &catalog::ApigatewayStage) -> Result<Option<String>, CallError> {
        let stage = api::stage(&self.aws, target).await?;
        let stage = stage.ok_or_else(|| {
            let message = format!("API {} has no stage {} any more", target.api, target.stage);
            CallError::refused("NotFoundException", message, false)
        })?;
        Ok(stage.deployment)
    }

    async fn swap(&self, order: &Order, run: &Run, by: Instant) -> Result<String, CallError> {
        let (target, deployments) = (target(order)?, Deployments::of(run)?);
        let now = self.stage(target).await.map_err(CallError::before_anything_happened)?;
        if now.as_deref() == Some(deployments.old) {
            api::point(&self.aws, target, deployments.new, by).await?;
        } else if now.as_deref() != Some(deployments.new) {
            let message = format!(
                "stage {} points to deployment {}, and not to {}, as when this was approved: somebody else has changed it",
                target.stage,
                now.as_deref().unwrap_or("none"),
                deployments.old
            );
            return Err(CallError::refused("StageChanged", message, false));
        }
        Ok(deployments.new.to_owned())
    }

    /// What somebody else has put there meanwhile stays.
    async fn swap_back(&self, order: &Order, run: &Run, by: Instant) -> Result<String, CallError> {
        let (target, deployments) = (target(order)?, Deployments::of(run)?);
        let now = self.stage(target).await.map_err(CallError::before_anything_happened)?;
        if now.as_deref() == Some(deployments.new) {
            api::point(&self.aws, target, deployments.old, by).await?;
        }
        Ok(deployments.old.to_owned())
    }

    /// What a deployment of the API would be a snapshot of, before a call.
    async fn definition(&self, order: &Order) -> Result<Value, CallError> {
        let definition = definition::definition(&self.aws, target(order)?).await;
        definition.map_err(CallError::before_anything_happened)
    }

    async fn planned(&self, order: &Order) -> Result<Result<lambda::Planned, Blocker>, CallError> {
        let api = definition::definition(&self.aws, target(order)?).await?;
        lambda::planned(&self.aws, order, &api).await
    }

    /// A snapshot of the API, if that is still what was approved.
    async fn create(&self, order: &Order, run: &Run, by: Instant) -> Result<String, CallError> {
        let api = self.definition(order).await?;
        lambda::approved(&self.aws, order, run, &api).await?;
        let description = described(&order.title, order.operation, Purpose::Forward);
        api::create(&self.aws, target(order)?, description, by).await
    }

    async fn find_created(&self, order: &Order) -> Result<Found, CallError> {
        let found = api::created(&self.aws, target(order)?, order.operation).await?;
        Ok(found.map_or(Found::Nothing, Found::Effect))
    }

    /// Whether the stage points to the new deployment.
    async fn find_swapped(&self, order: &Order, run: &Run, wanted: bool) -> Result<Found, CallError> {
        let (target, deployments) = (target(order)?, Deployments::of(run)?);
        let now = self.stage(target).await?;
        let swapped = now.as_deref() == Some(deployments.new);
        Ok(if swapped == wanted {
            Found::Effect(now.unwrap_or_default())
        } else {
            Found::Nothing
        })
    }
}

fn serving(target: &catalog::ApigatewayStage, stage: Option<Stage>) -> Result<String, String> {
    let Some(stage) = stage else {
        return Err(format!("there is no API {} with a stage {}", target.api, target.stage));
    };
    if stage.auto_deploy {
        return Err(format!(
            "stage {} deploys every change of the API by itself: turn autoDeploy off, so that it can be swapped",
            target.stage
        ));
    }
    stage.deployment.ok_or_else(|| {
        format!(
            "stage {} points to no deployment yet, so that there is nothing to go back to: deploy it once",
            target.stage
        )
    })
}

/// Forward: the alias, the stage, and whether both can take the new release.
fn forward(
    function: (CloudStatus, Option<Failure>),
    snapshot: Snapshot,
    moved: bool,
) -> (CloudStatus, Option<Failure>) {
    match (function, snapshot) {
        ((CloudStatus::Ready, _), Snapshot::Deployed) => (CloudStatus::Ready, None),
        ((CloudStatus::Ready, _), Snapshot::Pending) => (CloudStatus::InProgress, None),
        ((CloudStatus::Ready, _), Snapshot::Failed(failure)) if moved => (CloudStatus::InProgress, Some(failure)),
        ((CloudStatus::Ready, _), Snapshot::Failed(failure)) => (CloudStatus::Failed, Some(failure)),
        (other, _) => other,
    }
}

#[async_trait]
impl Engine for ApigatewayStage {
    async fn prepare(&self, order: &Order, now: Timestamp) -> Result<Result<Preparation, Blocker>, CallError> {
        let (planned, serving, registry) =
            tokio::try_join!(self.planned(order), self.serving(order), in_registry(&self.aws, order))?;
        let stage = &target(order)?.stage;
        Ok(planned.and_then(|planned| {
            let deployment = serving?;
            let mut preparation = lambda::assemble(order, now, &planned, registry?);
            preparation.changes.push(Change {
                what: format!("stage {stage}: deployment"),
                from: deployment.clone(),
                to: "a new one, of the API as it is now".to_owned(),
            });
            preparation.running_task_definition = Some(format!("{}{WITH}{deployment}", planned.running_arn()));
            Ok(preparation)
        }))
    }

    async fn make(&self, order: &Order, run: &Run, kind: CallKind, by: Instant) -> Result<String, CallError> {
        match kind {
            CallKind::UpdateFunctionCode => {
                let api = self.definition(order).await?;
                lambda::update_code(&self.aws, order, run, &api, by).await
            }
            CallKind::PublishVersion => {
                let api = self.definition(order).await?;
                lambda::publish(&self.aws, order, run, &api, by).await
            }
            CallKind::CreateApiDeployment => self.create(order, run, by).await,
            CallKind::ShiftTraffic { percent: 100 } => lambda::shift(&self.aws, order, run, 100, by).await,
            CallKind::SwapStage => self.swap(order, run, by).await,
            CallKind::SwapStageBack => self.swap_back(order, run, by).await,
            CallKind::ShiftBack => lambda::shift_back(&self.aws, order, run, by).await,
            other => Err(no_such_call(order, other)),
        }
    }

    async fn find(&self, order: &Order, run: &Run, kind: CallKind, _: Timestamp) -> Result<Found, CallError> {
        match kind {
            CallKind::UpdateFunctionCode => lambda::find_code(&self.aws, order).await,
            CallKind::PublishVersion => lambda::find_version(&self.aws, order, run).await,
            CallKind::CreateApiDeployment => self.find_created(order).await,
            CallKind::ShiftTraffic { percent: 100 } => lambda::found_shift(&self.aws, order, run, 100).await,
            CallKind::SwapStage => self.find_swapped(order, run, true).await,
            CallKind::SwapStageBack => self.find_swapped(order, run, false).await,
            CallKind::ShiftBack => lambda::found_back(&self.aws, order, run).await,
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
        let (target, deployments) = (target(order)?, Deployments::of(run)?);
        let (alias, stage, snapshot) = tokio::try_join!(
            lambda::look(&self.aws, order, run),
            self.stage(target),
            api::snapshot(&self.aws, target, deployments.new)
        )?;
        let swapped = stage.as_deref() == Some(deployments.new);
        let ahead = match (alias.new_share(), swapped) {
            (100, true) => (CloudStatus::Succeeded, None),
            (share, swapped) => forward(alias.new_version(&order.image), snapshot, share > 0 || swapped),
        };
        let back = match (alias.way_back(), swapped) {
            ((CloudStatus::Succeeded | CloudStatus::Failed, _), true) => (CloudStatus::InProgress, None),
            ((CloudStatus::Succeeded, _), false) if stage.as_deref() != Some(deployments.old) => {
                let points = stage.as_deref().unwrap_or("none");
                let what = format!("stage {} points to deployment {points}", target.stage);
                (CloudStatus::Failed, Some(lambda::changed_elsewhere(&what)))
            }
            (alone, _) => alone,
        };
        // Neither is back before both are.
        let returned = if swapped { 0 } else { alias.old_share() };
        Ok(Observation {
            deployment: lambda::progress(ahead, alias.new_share(), now),
            rollback: Some(lambda::progress(back, returned, now)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_domain::catalog::{ApiKind, LambdaAlias};

    fn target() -> catalog::ApigatewayStage {
        catalog::ApigatewayStage {
            api: "a1b2c3".to_owned(),
            api_kind: ApiKind::Websocket,
            stage: "live".to_owned(),
            compute: LambdaAlias {
                function: "ws".to_owned(),
                alias: "live".to_owned(),
            },
        }
    }

    #[test]
    fn a_stage_that_cannot_be_swapped_says_what_to_do() {
        let stage = |deployment: Option<&str>, auto_deploy| Stage {
            deployment: deployment.map(str::to_owned),
            auto_deploy,
        };
        assert_eq!(serving(&target(), Some(stage(Some("d1"), false))), Ok("d1".to_owned()));
        for (stage, why) in [
            (None, "there is no API a1b2c3 with a stage live"),
            (
                Some(stage(Some("d1"), true)),
                "stage live deploys every change of the API by itself",
            ),
            (Some(stage(None, false)), "stage live points to no deployment yet"),
        ] {
            let refused = serving(&target(), stage).unwrap_err();
            assert!(refused.starts_with(why), "{refused}");
        }
    }

    #[test]
    fn neither_half_takes_traffic_before_both_can() {
        let ready = || (CloudStatus::Ready, None);
        let failure = Failure {
            code: None,
            message: "no route".to_owned(),
        };
        assert_eq!(forward(ready(), Snapshot::Deployed, false).0, CloudStatus::Ready);
        assert_eq!(forward(ready(), Snapshot::Pending, false).0, CloudStatus::InProgress);
        let failed = Snapshot::Failed(failure);
        assert_eq!(forward(ready(), failed.clone(), false).0, CloudStatus::Failed);
        assert_eq!(forward(ready(), failed, true).0, CloudStatus::InProgress);
        let pending = (CloudStatus::InProgress, None);
        assert_eq!(forward(pending, Snapshot::Deployed, false).0, CloudStatus::InProgress);
    }
}
