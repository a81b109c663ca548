//! Whether a call whose outcome is unknown took effect: what it would have made bears the operation id.

use super::{
    description::{self, Purpose},
    prepare::{self, describe},
    target,
};
use crate::{
    CallError, Order,
    aws::{Aws, call},
};
use aws_sdk_codedeploy::types::{DeploymentCreator, DeploymentInfo, TimeRange};
use aws_sdk_ecs::types::{SortOrder, TaskDefinitionStatus};
use aws_smithy_types::DateTime;
use tidegate_domain::{
    id::OperationId,
    plan::Found,
    time::{MINUTE, Timestamp},
};

/// Clocks differ: ours by which the call was intended, AWS's by which it took effect.
const CLOCK_MARGIN_MILLIS: i64 = 10 * MINUTE;
/// Revisions of a family that are looked at, newest first, before the operation is taken as not among them.
const REVISIONS: usize = 50;
/// BatchGetDeployments takes so many ids at most.
const BATCH: usize = 25;

/// The newest task definition of the running one's family that this operation registered.
pub(super) async fn registered(aws: &Aws, order: &Order) -> Result<Found, CallError> {
    let running = match prepare::running(aws, target(order)?).await? {
        Ok(running) => running,
        Err(blocker) => return Err(CallError::Unknown(blocker.why)),
    };
    let Some(family) = running.definition.family() else {
        return Err(CallError::Unknown(format!("{} names no family", running.arn)));
    };
    let listed = aws
        .ecs
        .list_task_definitions()
        .family_prefix(family)
        .status(TaskDefinitionStatus::Active)
        .sort(SortOrder::Desc)
        .max_results(i32::try_from(REVISIONS).unwrap_or(50))
        .send()
        .await
        .map_err(|error| call::unread(&error))?;
    let start = made_at(order.operation).map(|made| made.plus_millis(-CLOCK_MARGIN_MILLIS));
    for arn in listed.task_definition_arns() {
        let definition = describe(aws, arn).await?;
        if definition.is_of(order.operation) {
            return Ok(Found::Effect(arn.clone()));
        }
        if start.is_some_and(|start| definition.registered_before(start)) {
            break;
        }
    }
    Ok(Found::Nothing)
}

/// The deployment of this operation in the group, made since about then.
pub(super) async fn created(aws: &Aws, order: &Order, since: Timestamp, purpose: Purpose) -> Result<Found, CallError> {
    let target = target(order)?;
    let start = DateTime::from_millis(since.plus_millis(-CLOCK_MARGIN_MILLIS).millis());
    let mut token = None;
    let mut found: Vec<DeploymentInfo> = Vec::new();
    loop {
        let page = aws
            .codedeploy
            .list_deployments()
            .application_name(&target.application)
            .deployment_group_name(&target.deployment_group)
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
            found.extend(infos.into_iter().filter(|info| is_ours(info, order.operation, purpose)));
        }
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    if found.len() > 1 {
        tracing::error!(operation = %order.operation, count = found.len(), "more than one cloud deployment of one operation");
    }
    let first = found
        .into_iter()
        .min_by_key(|info| info.create_time().map(DateTime::as_nanos));
    Ok(match first.and_then(|info| info.deployment_id) {
        Some(id) => Found::Effect(id),
        None => Found::Nothing,
    })
}

/// When the operation was thought of, which its id tells (UUIDv7).
fn made_at(operation: OperationId) -> Option<Timestamp> {
    let (seconds, nanos) = operation.uuid().get_timestamp()?.to_unix();
    let millis = i64::try_from(seconds).ok()?.checked_mul(1_000)?;
    Some(Timestamp::from_millis(millis + i64::from(nanos / 1_000_000)))
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

    #[test]
    fn an_operation_id_tells_when_it_was_made() {
        // RFC 9562, appendix A.6: 2022-02-22T19:22:22Z.
        let operation = "017F22E2-79B0-7CC3-98C4-DC0C0C07398F".parse().unwrap();
        assert_eq!(made_at(operation), "2022-02-22T19:22:22Z".parse().ok());
        assert_eq!(made_at(OperationId::from_uuid(Uuid::from_u128(7))), None);
    }
}
