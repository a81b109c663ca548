//! UpdateFunctionCode: which image is taken, and the update that goes on after the answer.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    arn, check_revision, error, find, invalid,
    model::{Code, LATEST, Update, Version},
    versions,
};
use crate::aws::{
    codedeploy::life::after,
    ecr,
    model::{Account, At},
    protocol::{AwsError, input},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateInput {
    function_name: String,
    image_uri: Option<String>,
    zip_file: Option<String>,
    s3_bucket: Option<String>,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    dry_run: bool,
    revision_id: Option<String>,
}

/// The image behind a URI by tag or digest, or Lambda's refusal of it.
pub(super) fn resolve(account: &Account, uri: &str) -> Result<Code, AwsError> {
    let invalid_source = || {
        invalid(format!(
            "Source image {uri} is not valid. Provide a valid source image."
        ))
    };
    let registry = ecr::uri(account, "");
    let rest = uri.strip_prefix(&registry).ok_or_else(invalid_source)?;
    let (repository, by_digest, reference) = match (rest.split_once('@'), rest.split_once(':')) {
        (Some((repository, digest)), _) => (repository, true, digest),
        (None, Some((repository, tag))) => (repository, false, tag),
        (None, None) => (rest, false, "latest"),
    };
    let image = account
        .repositories
        .get(repository)
        .and_then(|repository| {
            repository.images.iter().find(|image| {
                if by_digest {
                    image.digest == reference
                } else {
                    image.tags.iter().any(|tag| tag == reference)
                }
            })
        })
        .ok_or_else(|| {
            invalid(format!(
                "Source image {uri} does not exist. Provide a valid source image."
            ))
        })?;
    Ok(Code {
        image: uri.to_owned(),
        resolved_image: format!("{registry}{repository}@{}", image.digest),
        code_sha256: image.digest.trim_start_matches("sha256:").to_owned(),
    })
}

/// While an update goes on, code and configuration stay as they are.
pub(super) fn check_idle(account: &Account, name: &str, latest: &Version) -> Result<(), AwsError> {
    if !matches!(latest.update, Update::InProgress { .. }) {
        return Ok(());
    }
    Err(error(
        axum::http::StatusCode::CONFLICT,
        "ResourceConflictException",
        format!(
            "The operation cannot be performed at this time. An update is in progress for resource: {}",
            arn(account, name, None)
        ),
    ))
}

pub(super) fn update(account: &mut Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let wanted: UpdateInput = input(body)?;
    let function = find(account, &wanted.function_name)?;
    let name = function.name.clone();
    if wanted.zip_file.is_some() || wanted.s3_bucket.is_some() {
        return Err(invalid(
            "Please provide ImageUri when updating a function with packageType Image.",
        ));
    }
    let uri = wanted
        .image_uri
        .as_deref()
        .ok_or_else(|| invalid("Please provide a source for function code."))?;
    check_idle(account, &name, &function.latest)?;
    check_revision(
        wanted.revision_id.as_deref(),
        &function.latest.revision_id,
        "GetFunction/GetAlias",
    )?;
    let code = resolve(account, uri)?;
    let mut latest = function.latest.clone();
    let before = latest.code();
    latest.set_code(code);
    if wanted.dry_run {
        return Ok(versions::configuration(account, function, &latest, false));
    }
    latest.revision_id = account.uuid();
    latest.modified = At(now);
    let until = At(after(now, account.timings.function_update));
    let number = {
        let Some(function) = account.functions.get_mut(&name) else {
            return Err(AwsError::internal());
        };
        let failure = (!function.planned.is_empty()).then(|| function.planned.remove(0));
        latest.update = Update::InProgress { until, before, failure };
        function.latest = latest;
        LATEST.to_owned()
    };
    let number = if wanted.publish {
        versions::add(account, now, &name, None)
    } else {
        number
    };
    let function = find(account, &name)?;
    let shown = function.version(&number).unwrap_or(&function.latest);
    Ok(versions::configuration(account, function, shown, wanted.publish))
}

/// Ends the updates whose time has come, and the waits of new versions. An update that fails leaves the code as it was before.
pub(super) fn settle(account: &mut Account, now: Timestamp) {
    let due: Vec<String> = account
        .functions
        .values()
        .filter(|function| is_due(&function.latest, now))
        .map(|function| function.name.clone())
        .collect();
    for function in account.functions.values_mut() {
        for version in &mut function.versions {
            version.pending_until = version.pending_until.filter(|until| until.0 > now);
        }
    }
    for name in due {
        let revision_id = account.uuid();
        if let Some(function) = account.functions.get_mut(&name) {
            end(&mut function.latest, true);
            function.latest.revision_id = revision_id;
            for version in &mut function.versions {
                end(version, false);
            }
        }
    }
}

fn is_due(version: &Version, now: Timestamp) -> bool {
    matches!(&version.update, Update::InProgress { until, .. } if until.0 <= now)
}

fn end(version: &mut Version, goes_back: bool) {
    let Update::InProgress { before, failure, .. } = &version.update else {
        return;
    };
    let (before, failure) = (before.clone(), failure.clone());
    version.update = match failure {
        None => Update::Successful,
        Some(failure) => {
            if goes_back {
                version.set_code(before);
            }
            Update::Failed(failure)
        }
    };
}
