//! Rolling deployments by ECS, read. Three reads for the newest twenty; those that shift traffic are left out, because they
//! are deployments of the engine `ecs_native`.

use super::{Aws, call};
use crate::{CallError, Rolling};
use async_trait::async_trait;
use aws_sdk_ecs::types::{
    DeploymentStrategy, ServiceDeployment, ServiceDeploymentCircuitBreaker,
    ServiceDeploymentRollbackMonitorsStatus as Monitor, ServiceDeploymentStatus as Status, ServiceRevision,
};
use aws_smithy_types::DateTime;
use tidegate_domain::{
    rolling::{Breaker, BreakerState, RollingDeployment, RollingService, RollingStatus},
    time::Timestamp,
};

/// DescribeServiceDeployments and DescribeServiceRevisions take so many ARNs at most.
const NEWEST: i32 = 20;

#[async_trait]
impl Rolling for Aws {
    async fn rolling(&self, watched: &RollingService) -> Result<Vec<RollingDeployment>, CallError> {
        let listed = self
            .ecs
            .list_service_deployments()
            .cluster(&watched.cluster)
            .service(&watched.ecs_service)
            .max_results(NEWEST)
            .send()
            .await
            .map_err(|error| call::unread(&error))?;
        let arns: Vec<String> = listed
            .service_deployments()
            .iter()
            .filter_map(|each| each.service_deployment_arn().map(str::to_owned))
            .collect();
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        let described = self
            .ecs
            .describe_service_deployments()
            .set_service_deployment_arns(Some(arns))
            .send()
            .await
            .map_err(|error| call::unread(&error))?;
        let mut rolling = described.service_deployments.unwrap_or_default();
        rolling.retain(is_rolling);
        let revisions = self.revisions(&rolling).await?;
        let mut found: Vec<RollingDeployment> = rolling.iter().filter_map(|each| imported(each, &revisions)).collect();
        found.sort_by_key(|each| std::cmp::Reverse(each.created_at));
        Ok(found)
    }
}

impl Aws {
    async fn revisions(&self, deployments: &[ServiceDeployment]) -> Result<Vec<ServiceRevision>, CallError> {
        let mut arns: Vec<String> = deployments
            .iter()
            .filter_map(|each| each.target_service_revision()?.arn().map(str::to_owned))
            .collect();
        arns.sort_unstable();
        arns.dedup();
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self
            .ecs
            .describe_service_revisions()
            .set_service_revision_arns(Some(arns))
            .send()
            .await
            .map_err(|error| call::unread(&error))?;
        Ok(answer.service_revisions.unwrap_or_default())
    }
}

fn is_rolling(deployment: &ServiceDeployment) -> bool {
    let configuration = deployment.deployment_configuration();
    configuration
        .and_then(|configuration| configuration.strategy())
        .is_none_or(|strategy| *strategy == DeploymentStrategy::Rolling)
}

fn imported(deployment: &ServiceDeployment, revisions: &[ServiceRevision]) -> Option<RollingDeployment> {
    let configuration = deployment.deployment_configuration();
    let target = deployment.target_service_revision();
    let revision = target.and_then(|target| {
        revisions
            .iter()
            .find(|revision| revision.service_revision_arn() == target.arn())
    });
    let images = revision.map(|revision| {
        let containers = revision.container_images().iter();
        containers
            .filter_map(|each| Some((each.container_name()?.to_owned(), each.image()?.to_owned())))
            .collect()
    });
    Some(RollingDeployment {
        arn: deployment.service_deployment_arn()?.to_owned(),
        status: status(deployment.status()),
        reason: deployment.status_reason().map(str::to_owned),
        created_at: deployment.created_at().and_then(moment)?,
        finished_at: deployment.finished_at().and_then(moment),
        task_definition: revision.and_then(|revision| revision.task_definition().map(str::to_owned)),
        images: images.unwrap_or_default(),
        maximum_percent: configuration.and_then(|configuration| configuration.maximum_percent()),
        minimum_healthy_percent: configuration.and_then(|configuration| configuration.minimum_healthy_percent()),
        running: target.map_or(0, |target| target.running_task_count()),
        wanted: target.map_or(0, |target| target.requested_task_count()),
        breaker: deployment.deployment_circuit_breaker().map(breaker),
    })
}

fn status(status: Option<&Status>) -> RollingStatus {
    match status {
        Some(Status::Pending | Status::InProgress) => RollingStatus::Running,
        Some(Status::Successful) => RollingStatus::Succeeded,
        Some(Status::RollbackRequested | Status::RollbackInProgress) => RollingStatus::RollingBack,
        Some(Status::RollbackSuccessful) => RollingStatus::RolledBack,
        Some(Status::StopRequested | Status::Stopped) => RollingStatus::Stopped,
        Some(Status::RollbackFailed) => RollingStatus::Failed,
        Some(other) => RollingStatus::Unknown(other.as_str().to_owned()),
        None => RollingStatus::Unknown("none".to_owned()),
    }
}

fn breaker(breaker: &ServiceDeploymentCircuitBreaker) -> Breaker {
    Breaker {
        state: match breaker.status() {
            Some(Monitor::Triggered) => BreakerState::Opened,
            Some(Monitor::Monitoring) => BreakerState::Watching,
            Some(Monitor::MonitoringComplete) => BreakerState::Done,
            Some(Monitor::Disabled) | None => BreakerState::Off,
            Some(other) => BreakerState::Unknown(other.as_str().to_owned()),
        },
        failures: breaker.failure_count(),
        threshold: breaker.threshold(),
    }
}

fn moment(time: &DateTime) -> Option<Timestamp> {
    time.to_millis().ok().map(Timestamp::from_millis)
}
