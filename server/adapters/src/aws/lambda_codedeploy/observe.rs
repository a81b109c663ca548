//! How a deployment of a Lambda alias goes: CodeDeploy's words, and the weight of the version that it brings.

use crate::{
    CallError,
    aws::{
        Aws, call,
        codedeploy::{has_targets, percent, progress, read, says_no_targets},
    },
};
use aws_sdk_codedeploy::types::{DeploymentInfo, LambdaTarget};
use tidegate_domain::{deployment::Observation, time::Timestamp};

/// `before`: the version that ran, which a rollback brings traffic to.
pub(super) async fn observe(
    aws: &Aws,
    before: &str,
    cloud_deployment: &str,
    rollback: Option<&str>,
    now: Timestamp,
) -> Result<Observation, CallError> {
    let seen = read(aws, cloud_deployment, rollback).await?;
    let target_of_rollback = async {
        match &seen.rollback {
            Some(info) => lambda_target(aws, info).await,
            None => Ok(None),
        }
    };
    let (target, back) = tokio::try_join!(lambda_target(aws, &seen.deployment), target_of_rollback)?;
    let progress_of = |info: &DeploymentInfo, target: &Option<LambdaTarget>, traffic| {
        let events = target.as_ref().map(LambdaTarget::lifecycle_events).unwrap_or_default();
        progress(info, events, traffic, now)
    };
    Ok(Observation {
        rollback: seen.rollback.map(|info| {
            let traffic = back.as_ref().and_then(|target| share_of(target, before));
            progress_of(&info, &back, traffic)
        }),
        deployment: progress_of(&seen.deployment, &target, target.as_ref().and_then(weight).map(percent)),
    })
}

async fn lambda_target(aws: &Aws, info: &DeploymentInfo) -> Result<Option<LambdaTarget>, CallError> {
    if !has_targets(info) {
        return Ok(None);
    }
    // What the target of a Lambda deployment is called is CodeDeploy's own affair.
    let listed = aws
        .codedeploy
        .list_deployment_targets()
        .set_deployment_id(info.deployment_id().map(str::to_owned))
        .send()
        .await;
    let ids = match listed {
        Ok(answer) => answer.target_ids.unwrap_or_default(),
        Err(error) if says_no_targets(call::code(&error)) => return Ok(None),
        Err(error) => return Err(call::unread(&error)),
    };
    if ids.is_empty() {
        return Ok(None);
    }
    let answer = aws
        .codedeploy
        .batch_get_deployment_targets()
        .set_deployment_id(info.deployment_id().map(str::to_owned))
        .set_target_ids(Some(ids))
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(answer
            .deployment_targets
            .unwrap_or_default()
            .into_iter()
            .find_map(|target| target.lambda_target)),
        Err(error) if says_no_targets(call::code(&error)) => Ok(None),
        Err(error) => Err(call::unread(&error)),
    }
}

/// Share of the target version in percent; CodeDeploy tells it as the alias has it, from 0 to 1.
fn weight(target: &LambdaTarget) -> Option<f64> {
    Some(target.lambda_function_info()?.target_version_weight() * 100.0)
}

/// The same of any version: of two, the other one has the rest.
fn share_of(target: &LambdaTarget, version: &str) -> Option<u8> {
    let weight = weight(target)?;
    let info = target.lambda_function_info()?;
    if info.target_version() == Some(version) {
        Some(percent(weight))
    } else if info.current_version() == Some(version) {
        Some(percent(100.0 - weight))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_codedeploy::types::LambdaFunctionInfo;

    fn target(current: &str, wanted: &str, weight: f64) -> LambdaTarget {
        let info = LambdaFunctionInfo::builder()
            .current_version(current)
            .target_version(wanted)
            .target_version_weight(weight)
            .build();
        LambdaTarget::builder().lambda_function_info(info).build()
    }

    #[test]
    fn the_share_of_each_version_is_told_whichever_way_the_deployment_goes() {
        assert_eq!(share_of(&target("7", "8", 0.1), "8"), Some(10));
        assert_eq!(share_of(&target("7", "8", 0.1), "7"), Some(90));
        assert_eq!(share_of(&target("8", "7", 1.0), "7"), Some(100));
        assert_eq!(share_of(&target("8", "7", 1.0), "9"), None);
        assert_eq!(share_of(&LambdaTarget::builder().build(), "7"), None);
    }
}
