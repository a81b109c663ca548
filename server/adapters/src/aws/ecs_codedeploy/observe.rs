//! How a cloud deployment of an ECS service goes: CodeDeploy's words, and the traffic of its task sets.

use super::target;
use crate::{
    CallError, Order,
    aws::{
        Aws, call,
        codedeploy::{has_targets, percent, progress, read, says_no_targets},
        ecs::short,
    },
};
use aws_sdk_codedeploy::types::{self as cd, DeploymentInfo, EcsTarget, TargetLabel};
use tidegate_domain::{deployment::Observation, time::Timestamp};

pub(super) async fn observe(
    aws: &Aws,
    order: &Order,
    cloud_deployment: &str,
    rollback: Option<&str>,
    now: Timestamp,
) -> Result<Observation, CallError> {
    let seen = read(aws, cloud_deployment, rollback).await?;
    let target_of_rollback = async {
        match &seen.rollback {
            Some(info) => ecs_target(aws, order, info).await,
            None => Ok(None),
        }
    };
    let (target, back) = tokio::try_join!(ecs_target(aws, order, &seen.deployment), target_of_rollback)?;
    let new = target.as_ref().and_then(new_task_set);
    let events = |target: &Option<EcsTarget>| target.as_ref().map(|target| target.lifecycle_events().to_vec());
    Ok(Observation {
        rollback: seen.rollback.map(|info| {
            let failed = new.and_then(|set| set.identifer());
            let traffic = back.as_ref().and_then(|target| returned(target, failed));
            progress(&info, &events(&back).unwrap_or_default(), traffic, now)
        }),
        deployment: progress(
            &seen.deployment,
            &events(&target).unwrap_or_default(),
            new.map(|set| percent(set.traffic_weight())),
            now,
        ),
    })
}

async fn ecs_target(aws: &Aws, order: &Order, info: &DeploymentInfo) -> Result<Option<EcsTarget>, CallError> {
    if !has_targets(info) {
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
        Err(error) if says_no_targets(call::code(&error)) => Ok(None),
        Err(error) => Err(call::unread(&error)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_codedeploy::types::EcsTaskSet;

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
}
