//! How a deployment by ECS goes, in domain words. ECS rolls back within the same deployment, so that its rollback has the
//! same ARN; only a revert is one of its own. A word that ECS never used before is kept, and ends nothing (R13).

use super::find::described;
use crate::{CallError, aws::Aws};
use aws_sdk_ecs::types::{
    DeploymentLifecycleHookDetail, DeploymentLifecycleHookStatus as Hook, DeploymentLifecycleHookTargetType,
    ServiceDeployment, ServiceDeploymentLifecycleStage as Stage, ServiceDeploymentRollbackMonitorsStatus as Monitor,
    ServiceDeploymentStatus as Status,
};
use aws_smithy_types::DateTime;
use tidegate_domain::{
    deployment::{CloudStatus, Failure, LifecycleEvent, LifecycleStatus, Observation, Progress},
    time::Timestamp,
};

/// In the order in which ECS goes through them.
const STAGES: [Stage; 10] = [
    Stage::ReconcileService,
    Stage::PreScaleUp,
    Stage::ScaleUp,
    Stage::PostScaleUp,
    Stage::TestTrafficShift,
    Stage::PostTestTrafficShift,
    Stage::ProductionTrafficShift,
    Stage::PostProductionTrafficShift,
    Stage::BakeTime,
    Stage::CleanUp,
];

pub(super) async fn observe(
    aws: &Aws,
    deployment: &str,
    rollback: Option<&str>,
    now: Timestamp,
) -> Result<Observation, CallError> {
    let mut arns = vec![deployment.to_owned()];
    arns.extend(rollback.filter(|arn| *arn != deployment).map(str::to_owned));
    let found = described(aws, &arns).await?;
    let of = |arn: &str| found.iter().find(|each| each.service_deployment_arn() == Some(arn));
    let Some(seen) = of(deployment) else {
        let message = format!("ECS does not know {deployment}");
        return Err(CallError::refused("ServiceDeploymentNotFound", message, true));
    };
    Ok(Observation {
        deployment: there(seen, now),
        rollback: match rollback {
            Some(arn) if arn == deployment => Some(within(seen, now)),
            Some(arn) => of(arn).map(|revert| apart(revert, now)),
            None => None,
        },
    })
}

/// The hook that waits for an answer.
pub(super) fn awaiting(deployment: &ServiceDeployment) -> Option<&DeploymentLifecycleHookDetail> {
    let pause = |hook: &&DeploymentLifecycleHookDetail| {
        hook.status() == Some(&Hook::AwaitingAction)
            && hook.target_type() == Some(&DeploymentLifecycleHookTargetType::Pause)
    };
    deployment.lifecycle_hook_details().iter().find(pause)
}

fn there(deployment: &ServiceDeployment, now: Timestamp) -> Progress {
    let rolls_back = matches!(
        deployment.status(),
        Some(
            Status::RollbackRequested
                | Status::RollbackInProgress
                | Status::RollbackSuccessful
                | Status::RollbackFailed
        )
    );
    let failure = failure(deployment).filter(|_| rolls_back || deployment.status() == Some(&Status::Stopped));
    let status = match deployment.status() {
        None => CloudStatus::Unknown("none".to_owned()),
        Some(Status::Pending) => CloudStatus::Created,
        Some(Status::InProgress) if awaiting(deployment).is_some() => CloudStatus::Ready,
        Some(Status::InProgress) if deployment.lifecycle_stage() == Some(&Stage::BakeTime) => CloudStatus::Baking,
        Some(Status::InProgress | Status::StopRequested) => CloudStatus::InProgress,
        Some(Status::Successful) => CloudStatus::Succeeded,
        Some(Status::Stopped) => CloudStatus::Stopped,
        Some(_) if rolls_back && failure.is_some() => CloudStatus::Failed,
        Some(_) if rolls_back => CloudStatus::Stopped,
        Some(other) => CloudStatus::Unknown(other.as_str().to_owned()),
    };
    let reason = deployment.rollback().and_then(|rollback| rollback.reason());
    Progress {
        status,
        traffic: share(deployment),
        lifecycle: lifecycle(deployment),
        error: failure,
        rollback: deployment
            .service_deployment_arn()
            .filter(|_| rolls_back)
            .map(str::to_owned),
        rollback_message: reason
            .or(deployment.status_reason())
            .filter(|_| rolls_back)
            .map(str::to_owned),
        seen_at: now,
    }
}

/// The way back that ECS takes within the deployment: its traffic is the old revision's.
fn within(deployment: &ServiceDeployment, now: Timestamp) -> Progress {
    let status = match deployment.status() {
        Some(Status::RollbackSuccessful) => CloudStatus::Succeeded,
        Some(Status::RollbackFailed | Status::Stopped | Status::Successful) => CloudStatus::Failed,
        Some(Status::RollbackRequested | Status::RollbackInProgress) => CloudStatus::InProgress,
        Some(other) => CloudStatus::Unknown(other.as_str().to_owned()),
        None => CloudStatus::Unknown("none".to_owned()),
    };
    back(deployment, status, share(deployment).map(|share| 100 - share), now)
}

/// A revert is a deployment of its own, towards what ran before.
fn apart(deployment: &ServiceDeployment, now: Timestamp) -> Progress {
    let status = match there(deployment, now) {
        // It went back to what it was to replace.
        Progress { rollback: Some(_), .. } => CloudStatus::Failed,
        Progress { status, .. } => status,
    };
    back(deployment, status, share(deployment), now)
}

fn back(deployment: &ServiceDeployment, status: CloudStatus, traffic: Option<u8>, now: Timestamp) -> Progress {
    let failed = matches!(status, CloudStatus::Failed | CloudStatus::Stopped);
    Progress {
        error: deployment.status_reason().filter(|_| failed).map(|reason| Failure {
            code: None,
            message: reason.to_owned(),
        }),
        status,
        traffic,
        lifecycle: Vec::new(),
        rollback: None,
        rollback_message: None,
        seen_at: now,
    }
}

/// What went wrong, where ECS says that something did: a wish to stop it is none.
fn failure(deployment: &ServiceDeployment) -> Option<Failure> {
    let triggered = |status: Option<&Monitor>| status == Some(&Monitor::Triggered);
    let reason = deployment.status_reason().unwrap_or("ECS gives no reason").to_owned();
    let alarms = deployment.alarms().filter(|alarms| triggered(alarms.status()));
    let hook = |status: Hook| {
        let mut hooks = deployment.lifecycle_hook_details().iter();
        hooks.any(|hook| hook.status() == Some(&status))
    };
    let breaker = deployment.deployment_circuit_breaker();
    let (code, message) = if let Some(alarms) = alarms {
        let names = alarms.triggered_alarm_names().join(", ");
        ("ALARM_ACTIVE", format!("{reason} ({names})"))
    } else if triggered(breaker.and_then(|breaker| breaker.status())) {
        ("CIRCUIT_BREAKER", reason)
    } else if hook(Hook::TimedOut) {
        ("LIFECYCLE_HOOK_TIMED_OUT", reason)
    } else if hook(Hook::Failed) {
        ("LIFECYCLE_HOOK_FAILED", reason)
    } else {
        return None;
    };
    Some(Failure {
        code: Some(code.to_owned()),
        message,
    })
}

/// Share of production traffic on the revision that the deployment brings.
fn share(deployment: &ServiceDeployment) -> Option<u8> {
    let weight = deployment
        .target_service_revision()?
        .requested_production_traffic_weight()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=100 before"
    )]
    let percent = weight.clamp(0.0, 100.0).round() as u8;
    Some(percent)
}

/// ECS names the stage that it is at, and no times of the others.
fn lifecycle(deployment: &ServiceDeployment) -> Vec<LifecycleEvent> {
    let Some(current) = deployment.lifecycle_stage() else {
        return Vec::new();
    };
    let at = STAGES.iter().position(|stage| stage == current);
    let ended = match deployment.status() {
        Some(Status::Successful) => Some(LifecycleStatus::Succeeded),
        Some(Status::Pending | Status::InProgress | Status::StopRequested) | None => None,
        Some(_) => Some(LifecycleStatus::Failed),
    };
    let event = |(index, stage): (usize, &Stage)| {
        let status = match at {
            Some(at) if index < at => LifecycleStatus::Succeeded,
            Some(at) if index == at => ended.clone().unwrap_or(LifecycleStatus::InProgress),
            _ if ended == Some(LifecycleStatus::Failed) => LifecycleStatus::Skipped,
            _ => LifecycleStatus::Pending,
        };
        LifecycleEvent {
            name: stage.as_str().to_owned(),
            message: (at == Some(index)).then(|| message(deployment)).flatten(),
            status,
            started_at: None,
            ended_at: None,
        }
    };
    let reconciles = current == &Stage::ReconcileService;
    let mut events: Vec<LifecycleEvent> = STAGES
        .iter()
        .enumerate()
        .filter(|(_, stage)| reconciles || **stage != Stage::ReconcileService)
        .map(event)
        .collect();
    if at.is_none() {
        events.push(LifecycleEvent {
            name: current.as_str().to_owned(),
            status: ended.unwrap_or(LifecycleStatus::InProgress),
            started_at: None,
            ended_at: None,
            message: None,
        });
    }
    events
}

/// What people want to know of the stage that it is at.
fn message(deployment: &ServiceDeployment) -> Option<String> {
    if let Some(hook) = awaiting(deployment) {
        let until = hook.expires_at().and_then(moment);
        let until = until.map_or_else(String::new, |until| format!("; ECS rolls back by itself at {until}"));
        return Some(format!("waits for a yes{until}"));
    }
    let breaker = deployment.deployment_circuit_breaker()?;
    (breaker.failure_count() > 0).then(|| {
        format!(
            "{} tasks failed; the circuit breaker opens at {}",
            breaker.failure_count(),
            breaker.threshold()
        )
    })
}

fn moment(time: &DateTime) -> Option<Timestamp> {
    time.to_millis().ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn deployment(status: Status) -> aws_sdk_ecs::types::builders::ServiceDeploymentBuilder {
        ServiceDeployment::builder()
            .service_deployment_arn("arn")
            .status(status)
            .lifecycle_stage(Stage::ProductionTrafficShift)
    }

    fn pause(status: Hook) -> DeploymentLifecycleHookDetail {
        DeploymentLifecycleHookDetail::builder()
            .hook_id("hook")
            .target_type(DeploymentLifecycleHookTargetType::Pause)
            .status(status)
            .build()
    }

    #[test]
    fn it_is_ready_exactly_while_a_pause_waits() {
        let waiting = deployment(Status::InProgress).lifecycle_hook_details(pause(Hook::AwaitingAction));
        assert_eq!(there(&waiting.build(), NOW).status, CloudStatus::Ready);
        let gone_on = deployment(Status::InProgress).lifecycle_hook_details(pause(Hook::Succeeded));
        assert_eq!(there(&gone_on.build(), NOW).status, CloudStatus::InProgress);
        let going_back = deployment(Status::RollbackInProgress).lifecycle_hook_details(pause(Hook::AwaitingAction));
        assert_eq!(there(&going_back.build(), NOW).status, CloudStatus::Stopped);
    }

    #[test]
    fn r13_a_status_ecs_never_used_before_ends_nothing() {
        let seen = there(&deployment(Status::from("SIMMERING")).build(), NOW);
        assert_eq!(seen.status, CloudStatus::Unknown("SIMMERING".to_owned()));
        assert!(!seen.status.is_over());
        let odd = deployment(Status::InProgress).lifecycle_stage(Stage::from("DREAMING"));
        let events = lifecycle(&odd.build());
        let last = events.last().map(|event| (event.name.as_str(), &event.status));
        assert_eq!(last, Some(("DREAMING", &LifecycleStatus::InProgress)));
    }

    #[test]
    fn its_rollback_has_its_own_arn_and_is_told_from_a_failure() {
        let asked = there(&deployment(Status::RollbackRequested).build(), NOW);
        assert_eq!(
            (asked.status, asked.rollback.as_deref()),
            (CloudStatus::Stopped, Some("arn"))
        );
        assert_eq!(asked.error, None);
        let timed_out = deployment(Status::RollbackInProgress)
            .status_reason("a hook timed out")
            .lifecycle_hook_details(pause(Hook::TimedOut));
        let failed = there(&timed_out.build(), NOW);
        assert_eq!(failed.status, CloudStatus::Failed);
        assert_eq!(failed.error.unwrap().code.as_deref(), Some("LIFECYCLE_HOOK_TIMED_OUT"));
    }

    #[test]
    fn a_revert_that_ecs_rolled_back_has_failed() {
        let revert = apart(&deployment(Status::RollbackSuccessful).build(), NOW);
        assert_eq!(revert.status, CloudStatus::Failed);
        let within = within(&deployment(Status::RollbackSuccessful).build(), NOW);
        assert_eq!(within.status, CloudStatus::Succeeded);
    }
}
