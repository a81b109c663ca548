//! How a cloud deployment goes, in domain words. A word that AWS never used before is kept, and ends nothing (R13).

use super::target;
use crate::{
    CallError, Order,
    aws::{Aws, call, ecs::short},
};
use aws_sdk_codedeploy::types::{self as cd, DeploymentInfo, EcsTarget, TargetLabel};
use aws_smithy_types::DateTime;
use tidegate_domain::{
    deployment::{CloudStatus, Failure, LifecycleEvent, LifecycleStatus, Observation, Progress},
    time::Timestamp,
};

pub(super) async fn observe(
    aws: &Aws,
    order: &Order,
    cloud_deployment: &str,
    rollback: Option<&str>,
    now: Timestamp,
) -> Result<Observation, CallError> {
    let mut infos = read(aws, cloud_deployment, rollback).await?;
    let mut take = |id: &str| {
        let at = infos.iter().position(|info| info.deployment_id() == Some(id));
        at.map(|at| infos.swap_remove(at))
    };
    let Some(deployment) = take(cloud_deployment) else {
        let message = format!("CodeDeploy does not know {cloud_deployment}");
        return Err(CallError::refused("DeploymentDoesNotExistException", message, true));
    };
    let rollback = rollback.and_then(&mut take);
    let target_of_rollback = async {
        match &rollback {
            Some(info) => ecs_target(aws, order, info).await,
            None => Ok(None),
        }
    };
    let (target, back) = tokio::try_join!(ecs_target(aws, order, &deployment), target_of_rollback)?;
    let new = target.as_ref().and_then(new_task_set);
    Ok(Observation {
        rollback: rollback.map(|info| {
            let failed = new.and_then(|set| set.identifer());
            let traffic = back.as_ref().and_then(|target| returned(target, failed));
            progress(&info, back.as_ref(), traffic, now)
        }),
        deployment: progress(
            &deployment,
            target.as_ref(),
            new.map(|set| percent(set.traffic_weight())),
            now,
        ),
    })
}

async fn read(aws: &Aws, deployment: &str, rollback: Option<&str>) -> Result<Vec<DeploymentInfo>, CallError> {
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

async fn ecs_target(aws: &Aws, order: &Order, info: &DeploymentInfo) -> Result<Option<EcsTarget>, CallError> {
    // Before it starts it has no targets, and asking for them is an error.
    let waiting = matches!(
        info.status(),
        Some(cd::DeploymentStatus::Created | cd::DeploymentStatus::Queued)
    );
    if waiting {
        return Ok(None);
    }
    let target = target(order)?;
    let answer = aws
        .codedeploy
        .batch_get_deployment_targets()
        .set_deployment_id(info.deployment_id().map(str::to_owned))
        .target_ids(format!("{}:{}", short(&target.cluster), short(&target.service)))
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(answer
            .deployment_targets
            .unwrap_or_default()
            .into_iter()
            .find_map(|target| target.ecs_target)),
        Err(error) => match call::code(&error) {
            Some("DeploymentNotStartedException" | "DeploymentTargetDoesNotExistException") => Ok(None),
            _ => Err(call::unread(&error)),
        },
    }
}

fn progress(info: &DeploymentInfo, target: Option<&EcsTarget>, traffic: Option<u8>, now: Timestamp) -> Progress {
    let rollback = info.rollback_info();
    Progress {
        status: info
            .status()
            .map_or_else(|| CloudStatus::Unknown("none".to_owned()), status),
        traffic,
        lifecycle: target
            .map(|target| target.lifecycle_events().iter().map(lifecycle_event).collect())
            .unwrap_or_default(),
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

/// The green one, where the deployment has made it already.
fn new_task_set(target: &EcsTarget) -> Option<&cd::EcsTaskSet> {
    target
        .task_sets_info()
        .iter()
        .find(|set| set.task_set_label() == Some(&TargetLabel::Green))
}

/// Share that a rollback has brought back: all but what is on the task set that failed. By that one's id, because the
/// labels of a rollback's task sets are those of the deployment it undoes.
fn returned(target: &EcsTarget, failed: Option<&str>) -> Option<u8> {
    let sets = target.task_sets_info();
    let green = new_task_set(target).and_then(|set| set.identifer());
    let failed = failed.or(green)?;
    let back = sets.iter().filter(|set| set.identifer() != Some(failed));
    (!sets.is_empty()).then(|| percent(back.map(|set| set.traffic_weight()).sum()))
}

fn percent(weight: f64) -> u8 {
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
    use aws_sdk_codedeploy::types::{
        Diagnostics, EcsTaskSet, ErrorCode, ErrorInformation, LifecycleErrorCode, RollbackInfo,
    };

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

    fn task_sets(sets: &[(&str, TargetLabel, f64)]) -> EcsTarget {
        let set = |(id, label, weight): &(&str, TargetLabel, f64)| {
            EcsTaskSet::builder()
                .identifer(*id)
                .task_set_label(label.clone())
                .traffic_weight(*weight)
                .build()
        };
        EcsTarget::builder()
            .set_task_sets_info(Some(sets.iter().map(set).collect()))
            .build()
    }

    #[test]
    fn the_new_task_set_is_the_green_one() {
        let shifting = task_sets(&[("old", TargetLabel::Blue, 90.0), ("new", TargetLabel::Green, 10.0)]);
        assert_eq!(new_task_set(&shifting).and_then(|set| set.identifer()), Some("new"));
        assert_eq!(new_task_set(&task_sets(&[("old", TargetLabel::Blue, 100.0)])), None);
        assert_eq!((percent(9.6), percent(-1.0), percent(101.0)), (10, 0, 100));
    }

    #[test]
    fn a_rollback_has_returned_what_is_not_on_the_failed_task_set_whatever_its_labels() {
        let as_before = task_sets(&[("old", TargetLabel::Blue, 60.0), ("new", TargetLabel::Green, 40.0)]);
        let swapped = task_sets(&[("old", TargetLabel::Green, 60.0), ("new", TargetLabel::Blue, 40.0)]);
        let drained = task_sets(&[("old", TargetLabel::Blue, 100.0)]);
        assert_eq!(returned(&as_before, Some("new")), Some(60));
        assert_eq!(returned(&swapped, Some("new")), Some(60));
        assert_eq!(returned(&drained, Some("new")), Some(100));
        assert_eq!(returned(&as_before, None), Some(60));
        assert_eq!(returned(&task_sets(&[]), Some("new")), None);
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
        let progress = progress(&info, None, None, NOW);
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
