//! CodeDeploy, whatever it deploys to: the calls, how they are found again, and how a deployment goes.
//!
//! It takes no client token, so each mutating call is one HTTP attempt (R10), and a deployment bears the operation id in its
//! description. AWS rolls back by itself on failure, alarm and stop (R18), also when nobody is left to ask it.

mod config;
mod find;
mod observe;

pub(super) use config::runs_plan;
pub(super) use find::created;
pub(super) use observe::{has_targets, percent, progress, read, says_no_targets};

use super::{
    Aws,
    call::{self, Sent},
};
use crate::CallError;
use aws_sdk_codedeploy::types::{
    AppSpecContent, AutoRollbackConfiguration, AutoRollbackEvent, DeploymentGroupInfo, DeploymentWaitType,
    RevisionLocation, RevisionLocationType,
};
use serde_json::Value;
use std::time::Instant;
use tidegate_domain::time::MINUTE;

/// Clocks differ: ours by which a call was intended, AWS's by which it took effect.
pub(super) const CLOCK_MARGIN_MILLIS: i64 = 10 * MINUTE;

/// A deployment group, by its application and its own name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) application: &'a str,
    pub(super) name: &'a str,
}

/// The group as it is set up. The inner error says that there is none.
pub(super) async fn group(aws: &Aws, group: Group<'_>) -> Result<Result<DeploymentGroupInfo, String>, CallError> {
    let missing = || {
        format!(
            "CodeDeploy has no application {} with a deployment group {}",
            group.application, group.name
        )
    };
    let answer = aws
        .codedeploy
        .get_deployment_group()
        .application_name(group.application)
        .deployment_group_name(group.name)
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(answer.deployment_group_info.ok_or_else(missing)),
        Err(error) => match call::code(&error) {
            Some("ApplicationDoesNotExistException" | "DeploymentGroupDoesNotExistException") => Ok(Err(missing())),
            _ => Err(call::unread(&error)),
        },
    }
}

/// Creates a deployment with its own auto-rollback (R18). Returns its id.
pub(super) async fn create(
    aws: &Aws,
    group: Group<'_>,
    config: &str,
    appspec: &Value,
    description: String,
    by: Instant,
) -> Result<String, CallError> {
    let sent = Sent::before(by);
    let revision = RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(AppSpecContent::builder().content(appspec.to_string()).build())
        .build();
    let rollback = AutoRollbackConfiguration::builder()
        .enabled(true)
        .events(AutoRollbackEvent::DeploymentFailure)
        .events(AutoRollbackEvent::DeploymentStopOnAlarm)
        .events(AutoRollbackEvent::DeploymentStopOnRequest)
        .build();
    let answer = aws
        .codedeploy
        .create_deployment()
        .application_name(group.application)
        .deployment_group_name(group.name)
        .deployment_config_name(config)
        .description(description)
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

/// Where the deployment group waits for a yes before traffic moves.
pub(super) async fn go_on(aws: &Aws, cloud_deployment: &str, by: Instant) -> Result<(), CallError> {
    let sent = Sent::before(by);
    aws.codedeploy
        .continue_deployment()
        .deployment_id(cloud_deployment)
        .deployment_wait_type(DeploymentWaitType::ReadyWait)
        .customize()
        .interceptor(sent.clone())
        .send()
        .await
        .map(drop)
        .map_err(|error| call::failed(&error, &sent))
}

/// Stops it and lets the cloud roll back. Refused where it is over already.
pub(super) async fn stop(aws: &Aws, cloud_deployment: &str, by: Instant) -> Result<(), CallError> {
    let sent = Sent::before(by);
    aws.codedeploy
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
