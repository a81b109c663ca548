//! Whether a task definition was registered: it bears the operation id in a tag.

use super::{Running, describe};
use crate::{
    CallError,
    aws::{Aws, call, codedeploy::CLOCK_MARGIN_MILLIS},
};
use aws_sdk_ecs::types::{SortOrder, TaskDefinitionStatus};
use tidegate_domain::{id::OperationId, plan::Found, time::Timestamp};

/// Revisions of a family that are looked at, newest first, before the operation is taken as not among them.
const REVISIONS: usize = 50;

/// The newest task definition of the running one's family that this operation registered.
pub(in crate::aws) async fn registered(
    aws: &Aws,
    operation: OperationId,
    running: &Running,
) -> Result<Found, CallError> {
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
    let start = made_at(operation).map(|made| made.plus_millis(-CLOCK_MARGIN_MILLIS));
    for arn in listed.task_definition_arns() {
        let definition = describe(aws, arn).await?;
        if definition.is_of(operation) {
            return Ok(Found::Effect(arn.clone()));
        }
        if start.is_some_and(|start| definition.registered_before(start)) {
            break;
        }
    }
    Ok(Found::Nothing)
}

/// When the operation was thought of, which its id tells (UUIDv7).
fn made_at(operation: OperationId) -> Option<Timestamp> {
    let (seconds, nanos) = operation.uuid().get_timestamp()?.to_unix();
    let millis = i64::try_from(seconds).ok()?.checked_mul(1_000)?;
    Some(Timestamp::from_millis(millis + i64::from(nanos / 1_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn an_operation_id_tells_when_it_was_made() {
        // RFC 9562, appendix A.6: 2022-02-22T19:22:22Z.
        let operation = "017F22E2-79B0-7CC3-98C4-DC0C0C07398F".parse().unwrap();
        assert_eq!(made_at(operation), "2022-02-22T19:22:22Z".parse().ok());
        assert_eq!(made_at(OperationId::from_uuid(Uuid::from_u128(7))), None);
    }
}
