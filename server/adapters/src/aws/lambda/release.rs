//! The new image into `$LATEST`, and a version of that. Both calls are guarded by the RevisionId of what was looked at.

use super::{
    compute, old,
    prepare::{Planned, planned},
    version::{self, Health, Version},
};
use crate::{
    CallError, Order,
    aws::{
        Aws,
        call::{self, Sent},
        description::{Purpose, described, is_of},
    },
};
use serde_json::Value;
use std::time::Instant;
use tidegate_domain::{deployment::Run, plan::Found};

/// Puts the image into `$LATEST`. Returns the SHA-256 of the code, which for an image is its digest.
pub(in crate::aws) async fn update_code(
    aws: &Aws,
    order: &Order,
    run: &Run,
    beside: &Value,
    by: Instant,
) -> Result<String, CallError> {
    let target = compute(order)?;
    let Planned { latest, .. } = approved(aws, order, run, beside).await?;
    if latest.update() == Health::Pending {
        return Err(updating(&target.function));
    }
    let sent = Sent::before(by);
    let answer = aws
        .lambda
        .update_function_code()
        .function_name(&target.function)
        .image_uri(order.image.pinned())
        .revision_id(latest.revision())
        .customize()
        .interceptor(sent.clone())
        .send()
        .await
        .map_err(|error| call::failed(&error, &sent))?;
    answer
        .code_sha256
        .ok_or_else(|| CallError::Unknown("UpdateFunctionCode answered without the code's SHA-256".to_owned()))
}

/// Publishes `$LATEST`, once the update has ended. Returns the version's number.
pub(in crate::aws) async fn publish(
    aws: &Aws,
    order: &Order,
    run: &Run,
    beside: &Value,
    by: Instant,
) -> Result<String, CallError> {
    let target = compute(order)?;
    let Planned { latest, .. } = approved(aws, order, run, beside).await?;
    match latest.update() {
        Health::Good => {}
        Health::Pending => return Err(updating(&target.function)),
        Health::Failed(failure) => {
            let code = failure.code.unwrap_or_else(|| "UpdateFailed".to_owned());
            return Err(CallError::refused(code, failure.message, false));
        }
    }
    if latest.digest().as_ref() != Some(&order.image.digest) {
        let message = format!(
            "$LATEST of {} has the image {} and not {}: somebody else has changed it",
            target.function,
            latest.image().unwrap_or("none"),
            order.image.pinned()
        );
        return Err(CallError::refused("CodeChanged", message, false));
    }
    let sent = Sent::before(by);
    let answer = aws
        .lambda
        .publish_version()
        .function_name(&target.function)
        .description(described(&order.title, order.operation, Purpose::Forward))
        .code_sha256(latest.code_sha256())
        .revision_id(latest.revision())
        .customize()
        .interceptor(sent.clone())
        .send()
        .await
        .map_err(|error| call::failed(&error, &sent))?;
    let number = answer
        .version
        .ok_or_else(|| CallError::Unknown("PublishVersion answered without a version".to_owned()))?;
    if answer.code_sha256.as_deref() != Some(latest.code_sha256()) {
        let message = format!("version {number} is not of the image that was approved");
        return Err(CallError::refused("CodeChanged", message, false));
    }
    if number == old(run)? {
        let message = format!("Lambda made no new version: {number}, which runs, is the same");
        return Err(CallError::refused("NothingToDeploy", message, false));
    }
    Ok(number)
}

/// What would be published, if it is what was approved.
pub(in crate::aws) async fn approved(
    aws: &Aws,
    order: &Order,
    run: &Run,
    beside: &Value,
) -> Result<Planned, CallError> {
    let planned = planned(aws, order, beside)
        .await
        .map_err(CallError::before_anything_happened)?
        .map_err(|blocker| CallError::refused("TargetChanged", blocker.why, false))?;
    let expected = &run.revision.task_definition;
    if planned.hash != *expected || planned.running.number() != old(run)? {
        let message = format!(
            "what would be deployed (hash {}) is not what was approved ({expected}): {} runs now; approve again",
            planned.hash,
            planned.running.arn()
        );
        return Err(CallError::refused("TargetChanged", message, false));
    }
    Ok(planned)
}

/// As Lambda itself refuses it.
fn updating(function: &str) -> CallError {
    let message = format!("an update of {function} is in progress");
    CallError::refused("ResourceConflictException", message, true)
}

/// Whether the image is in `$LATEST`.
pub(in crate::aws) async fn find_code(aws: &Aws, order: &Order) -> Result<Found, CallError> {
    let latest = latest(aws, order).await?;
    Ok(if latest.digest().as_ref() == Some(&order.image.digest) {
        Found::Effect(latest.code_sha256().to_owned())
    } else {
        Found::Nothing
    })
}

/// The version that bears the operation id; else the last one, where Lambda would answer with that because `$LATEST` is the
/// same: an earlier deployment of this image, that went back, has made it.
pub(in crate::aws) async fn find_version(aws: &Aws, order: &Order, run: &Run) -> Result<Found, CallError> {
    let target = compute(order)?;
    let mut marker = None;
    let mut last: Option<u64> = None;
    loop {
        let page = aws
            .lambda
            .list_versions_by_function()
            .function_name(&target.function)
            .set_marker(marker)
            .send()
            .await
            .map_err(|error| call::unread(&error))?;
        for each in page.versions() {
            let Some(number) = each.version() else { continue };
            if each
                .description()
                .is_some_and(|text| is_of(text, order.operation, Purpose::Forward))
            {
                return Ok(Found::Effect(number.to_owned()));
            }
            last = last.max(number.parse().ok());
        }
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    let Some(last) = last.map(|number| number.to_string()) else {
        return Ok(Found::Nothing);
    };
    let (latest, version) = tokio::try_join!(latest(aws, order), version::read(aws, &target.function, Some(&last)))?;
    let same = version.is_some_and(|version| {
        version.digest().as_ref() == Some(&order.image.digest)
            && latest.digest() == version.digest()
            && version.bound() == latest.bound()
    });
    Ok(if same && last != old(run)? {
        Found::Effect(last)
    } else {
        Found::Nothing
    })
}

async fn latest(aws: &Aws, order: &Order) -> Result<Version, CallError> {
    let function = compute(order)?.function;
    version::read(aws, &function, None)
        .await?
        .ok_or_else(|| CallError::Unknown(format!("there is no Lambda function {function}")))
}
