//! How a CodeDeploy deployment goes, in domain words. A word that AWS never used before is kept, and ends nothing (R13).

use crate::{
    CallError,
    aws::{Aws, call},
};
use aws_sdk_codedeploy::types::{self as cd, DeploymentInfo};
use aws_smithy_types::DateTime;
use tidegate_domain::{
    deployment::{CloudStatus, Failure, LifecycleEvent, LifecycleStatus, Progress},
    time::Timestamp,
};

/// A deployment and its rollback, as one answer tells them.
pub(in crate::aws) struct Read {
    pub(in crate::aws) deployment: DeploymentInfo,
    pub(in crate::aws) rollback: Option<DeploymentInfo>,
}

/// What is to be seen of a deployment and, once known, of its rollback.
pub(in crate::aws) async fn read(aws: &Aws, deployment: &str, rollback: Option<&str>) -> Result<Read, CallError> {
    let mut infos = infos(aws, deployment, rollback).await?;
    let mut take = |id: &str| {
        let at = infos.iter().position(|info| info.deployment_id() == Some(id));
        at.map(|at| infos.swap_remove(at))
    };
    let Some(found) = take(deployment) else {
        let message = format!("CodeDeploy does not know {deployment}");
        return Err(CallError::refused("DeploymentDoesNotExistException", message, true));
    };
    Ok(Read {
        deployment: found,
        rollback: rollback.and_then(take),
    })
}

async fn infos(aws: &Aws, deployment: &str, rollback: Option<&str>) -> Result<Vec<DeploymentInfo>, CallError> {
    let answer = aws
        .codedeploy
        .batch_get_deployments()
        .set_deployment_ids(Some(
            [Some(deployment), rollback]
                .into_iter()
                .flatten()
                .map(str::to_owned)
                .collect(),
        ))
        .send()
        .await
        .map_err(|error| call::unread(&error))?;
    Ok(answer.deployments_info.unwrap_or_default())
}

/// Before it starts it has no targets, and asking for them is an error.
pub(in crate::aws) fn has_targets(info: &DeploymentInfo) -> bool {
    !matches!(
        info.status(),
        Some(cd::DeploymentStatus::Created | cd::DeploymentStatus::Queued)
    )
}

/// The same told by an error's code.
pub(in crate::aws) fn says_no_targets(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("DeploymentNotStartedException" | "DeploymentTargetDoesNotExistException")
    )
}

/// `traffic`: share on the deployment's new version, in percent.
pub(in crate::aws) fn progress(
    info: &DeploymentInfo,
    events: &[cd::LifecycleEvent],
    traffic: Option<u8>,
    now: Timestamp,
) -> Progress {
    let rollback = info.rollback_info();
    Progress {
        status: info
            .status()
            .map_or_else(|| CloudStatus::Unknown("none".to_owned()), status),
        traffic,
        lifecycle: events.iter().map(lifecycle_event).collect(),
        error: info.error_information().map(|error| Failure {
            code: error.code().map(|code| code.as_str().to_owned()),
            message: error.message().unwrap_or("AWS gives no reason").to_owned(),
        }),
        rollback: rollback
            .and_then(|rollback| rollback.rollback_deployment_id())
            .map(str::to_owned),
        rollback_message: rollback
            .and_then(|rollback| rollback.rollback_message())
            .map(str::to_owned),
        seen_at: now,
    }
}

fn status(status: &cd::DeploymentStatus) -> CloudStatus {
    match status {
        cd::DeploymentStatus::Created => CloudStatus::Created,
        cd::DeploymentStatus::Queued => CloudStatus::Queued,
        cd::DeploymentStatus::InProgress => CloudStatus::InProgress,
        cd::DeploymentStatus::Baking => CloudStatus::Baking,
        cd::DeploymentStatus::Ready => CloudStatus::Ready,
        cd::DeploymentStatus::Succeeded => CloudStatus::Succeeded,
        cd::DeploymentStatus::Failed => CloudStatus::Failed,
        cd::DeploymentStatus::Stopped => CloudStatus::Stopped,
        other => CloudStatus::Unknown(other.as_str().to_owned()),
    }
}

/// A share in whole percent.
pub(in crate::aws) fn percent(weight: f64) -> u8 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=100 before"
    )]
    let percent = weight.clamp(0.0, 100.0).round() as u8;
    percent
}

fn lifecycle_event(event: &cd::LifecycleEvent) -> LifecycleEvent {
    let message = event.diagnostics().and_then(|diagnostics| {
        let code = diagnostics
            .error_code()
            .filter(|code| **code != cd::LifecycleErrorCode::Success)
            .map(|code| code.as_str());
        let message = diagnostics.message().filter(|message| !message.is_empty());
        match (code, message) {
            (Some(code), Some(message)) => Some(format!("{code}: {message}")),
            (code, message) => code.or(message).map(str::to_owned),
        }
    });
    LifecycleEvent {
        name: event.lifecycle_event_name().unwrap_or("?").to_owned(),
        status: match event.status() {
            Some(cd::LifecycleEventStatus::Pending) | None => LifecycleStatus::Pending,
            Some(cd::LifecycleEventStatus::InProgress) => LifecycleStatus::InProgress,
            Some(cd::LifecycleEventStatus::Succeeded) => LifecycleStatus::Succeeded,
            Some(cd::LifecycleEventStatus::Failed) => LifecycleStatus::Failed,
            Some(cd::LifecycleEventStatus::Skipped) => LifecycleStatus::Skipped,
            Some(other) => LifecycleStatus::Unknown(other.as_str().to_owned()),
        },
        started_at: event.start_time().and_then(moment),
        ended_at: event.end_time().and_then(moment),
        message,
    }
}

fn moment(time: &DateTime) -> Option<Timestamp> {
    time.to_millis().ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_codedeploy::types::{Diagnostics, ErrorCode, ErrorInformation, LifecycleErrorCode, RollbackInfo};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn r13_a_status_aws_never_used_before_ends_nothing() {
        let seen = status(&cd::DeploymentStatus::from("Simmering"));
        assert_eq!(seen, CloudStatus::Unknown("Simmering".to_owned()));
        assert!(!seen.is_over());
        let event = cd::LifecycleEvent::builder()
            .lifecycle_event_name("AllowTraffic")
            .status(cd::LifecycleEventStatus::from("Dreaming"))
            .build();
        assert_eq!(
            lifecycle_event(&event).status,
            LifecycleStatus::Unknown("Dreaming".to_owned())
        );
    }

    #[test]
    fn a_failed_deployment_keeps_awss_code_and_words_and_names_its_rollback() {
        let info = DeploymentInfo::builder()
            .deployment_id("d-AAAAAAAAA")
            .status(cd::DeploymentStatus::Failed)
            .error_information(
                ErrorInformation::builder()
                    .code(ErrorCode::HealthConstraints)
                    .message("too few healthy")
                    .build(),
            )
            .rollback_info(
                RollbackInfo::builder()
                    .rollback_deployment_id("d-BBBBBBBBB")
                    .rollback_message("rolled back")
                    .build(),
            )
            .build();
        let progress = progress(&info, &[], None, NOW);
        assert_eq!(
            progress,
            Progress {
                status: CloudStatus::Failed,
                traffic: None,
                lifecycle: Vec::new(),
                error: Some(Failure {
                    code: Some("HEALTH_CONSTRAINTS".to_owned()),
                    message: "too few healthy".to_owned(),
                }),
                rollback: Some("d-BBBBBBBBB".to_owned()),
                rollback_message: Some("rolled back".to_owned()),
                seen_at: NOW,
            }
        );
    }

    #[test]
    fn a_failed_lifecycle_event_says_why() {
        let event = cd::LifecycleEvent::builder()
            .lifecycle_event_name("Install")
            .status(cd::LifecycleEventStatus::Failed)
            .start_time(DateTime::from_millis(1_000))
            .end_time(DateTime::from_millis(2_500))
            .diagnostics(
                Diagnostics::builder()
                    .error_code(LifecycleErrorCode::ScriptFailed)
                    .message("no capacity")
                    .build(),
            )
            .build();
        assert_eq!(
            lifecycle_event(&event),
            LifecycleEvent {
                name: "Install".to_owned(),
                status: LifecycleStatus::Failed,
                started_at: Some(Timestamp::from_millis(1_000)),
                ended_at: Some(Timestamp::from_millis(2_500)),
                message: Some("ScriptFailed: no capacity".to_owned()),
            }
        );
    }
}
