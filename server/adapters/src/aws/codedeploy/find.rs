//! Whether a CreateDeployment whose outcome is unknown took effect: the deployment bears the operation id.

use super::{CLOCK_MARGIN_MILLIS, Group};
use crate::{
    CallError,
    aws::{
        Aws, call,
        description::{self, Purpose},
    },
};
use aws_sdk_codedeploy::types::{DeploymentCreator, DeploymentInfo, TimeRange};
use aws_smithy_types::DateTime;
use tidegate_domain::{id::OperationId, plan::Found, time::Timestamp};

/// BatchGetDeployments takes so many ids at most.
const BATCH: usize = 25;

/// The deployment of this operation in the group, made since about then.
pub(in crate::aws) async fn created(
    aws: &Aws,
    group: Group<'_>,
    operation: OperationId,
    since: Timestamp,
    purpose: Purpose,
) -> Result<Found, CallError> {
    let start = DateTime::from_millis(since.plus_millis(-CLOCK_MARGIN_MILLIS).millis());
    let mut token = None;
    let mut found: Vec<DeploymentInfo> = Vec::new();
    loop {
        let page = aws
            .codedeploy
            .list_deployments()
            .application_name(group.application)
            .deployment_group_name(group.name)
            .create_time_range(TimeRange::builder().start(start).build())
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| call::unread(&error))?;
        for ids in page.deployments().chunks(BATCH) {
            let answer = aws
                .codedeploy
                .batch_get_deployments()
                .set_deployment_ids(Some(ids.to_vec()))
                .send()
                .await
                .map_err(|error| call::unread(&error))?;
            let infos = answer.deployments_info.unwrap_or_default();
            found.extend(infos.into_iter().filter(|info| is_ours(info, operation, purpose)));
        }
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    if found.len() > 1 {
        tracing::error!(%operation, count = found.len(), "more than one cloud deployment of one operation");
    }
    let first = found
        .into_iter()
        .min_by_key(|info| info.create_time().map(DateTime::as_nanos));
    Ok(match first.and_then(|info| info.deployment_id) {
        Some(id) => Found::Effect(id),
        None => Found::Nothing,
    })
}

/// AWS's own rollback deployments may repeat a description; they were not made by us.
fn is_ours(info: &DeploymentInfo, operation: OperationId, purpose: Purpose) -> bool {
    info.creator() != Some(&DeploymentCreator::CodeDeployRollback)
        && info
            .description()
            .is_some_and(|text| description::is_of(text, operation, purpose))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_rollback_that_repeats_the_description_is_not_the_deployment() {
        let operation = OperationId::from_uuid(Uuid::from_u128(7));
        let by = |creator| {
            let text = description::described("rag to production", operation, Purpose::Forward);
            DeploymentInfo::builder().description(text).creator(creator).build()
        };
        assert!(is_ours(&by(DeploymentCreator::User), operation, Purpose::Forward));
        assert!(!is_ours(
            &by(DeploymentCreator::CodeDeployRollback),
            operation,
            Purpose::Forward
        ));
    }
}
