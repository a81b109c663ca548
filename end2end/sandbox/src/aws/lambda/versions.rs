//! PublishVersion, ListVersionsByFunction, and how a version is shown.

use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    arn, check_revision, code, find, invalid, listed,
    model::{Function, LATEST, Update, Version},
};
use crate::aws::{
    codedeploy::life::after,
    model::{Account, At},
    protocol::{AwsError, input},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublishInput {
    function_name: String,
    description: Option<String>,
    code_sha256: Option<String>,
    revision_id: Option<String>,
}

pub(super) fn publish(account: &mut Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let wanted: PublishInput = input(body)?;
    let function = find(account, &wanted.function_name)?;
    let name = function.name.clone();
    code::check_idle(account, &name, &function.latest)?;
    check_revision(
        wanted.revision_id.as_deref(),
        &function.latest.revision_id,
        "GetFunction/GetAlias",
    )?;
    if let Some(sha256) = &wanted.code_sha256
        && *sha256 != function.latest.code_sha256
    {
        return Err(invalid(format!(
            "CodeSHA256 ({sha256}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the CodeSHA256 in $LATEST.",
            function.latest.code_sha256
        )));
    }
    let number = add(account, now, &name, wanted.description);
    let function = find(account, &name)?;
    let version = function.published(&number).unwrap_or(&function.latest);
    Ok(configuration(account, function, version, true))
}

/// Publishes `$LATEST` and returns the number: of the last version, if that is the same.
pub(super) fn add(account: &mut Account, now: Timestamp, name: &str, description: Option<String>) -> String {
    let revision_id = account.uuid();
    let pending_until = At(after(now, account.timings.function_publish));
    let Some(function) = account.functions.get_mut(name) else {
        return LATEST.into();
    };
    if let Some(last) = function.versions.last()
        && last.same_content(&function.latest)
    {
        return last.number.clone();
    }
    let number = (function.versions.len() + 1).to_string();
    let version = Version {
        number: number.clone(),
        description: description.unwrap_or_else(|| function.latest.description.clone()),
        revision_id,
        modified: At(now),
        pending_until: Some(pending_until),
        ..function.latest.clone()
    };
    function.versions.push(version);
    number
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    function_name: String,
    marker: Option<String>,
    max_items: Option<String>,
}

pub(super) fn list(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ListInput = input(body)?;
    let function = find(account, &wanted.function_name)?;
    let all: Vec<&Version> = std::iter::once(&function.latest).chain(&function.versions).collect();
    let (versions, next) = listed(&all, wanted.marker.as_deref(), wanted.max_items.as_deref())?;
    let versions: Vec<Value> = versions
        .into_iter()
        .map(|version| configuration(account, function, version, true))
        .collect();
    Ok(json!({ "Versions": versions, "NextMarker": next }))
}

/// FunctionConfiguration of a version; with its number in the ARN where it was asked for by a qualifier.
pub(super) fn configuration(account: &Account, function: &Function, version: &Version, qualified: bool) -> Value {
    let (status, failure) = match &version.update {
        Update::Successful => ("Successful", None),
        Update::InProgress { .. } => ("InProgress", None),
        Update::Failed(failure) => ("Failed", Some(failure)),
    };
    let reason = match &version.update {
        Update::InProgress { .. } => Some("The function is being updated."),
        _ => failure.map(|failure| failure.message.as_str()),
    };
    let published = version.number != LATEST;
    let pending = published && (version.pending_until.is_some() || status == "InProgress");
    let state = match status {
        "Failed" if published => "Failed",
        _ if pending => "Pending",
        _ => "Active",
    };
    let qualifier = (qualified || published).then_some(version.number.as_str());
    json!({
        "FunctionName": function.name,
        "FunctionArn": arn(account, &function.name, qualifier),
        "Role": function.role,
        "CodeSize": 0,
        "Description": version.description,
        "Timeout": version.timeout,
        "MemorySize": version.memory,
        "LastModified": last_modified(version.modified),
        "CodeSha256": version.code_sha256,
        "Version": version.number,
        "Environment": (!version.environment.is_empty()).then(|| json!({ "Variables": version.environment })),
        "TracingConfig": { "Mode": "PassThrough" },
        "RevisionId": version.revision_id,
        "State": state,
        "StateReason": match state {
            "Pending" => Some("The function is being created."),
            "Failed" => reason,
            _ => None,
        },
        "StateReasonCode": match state {
            "Pending" => Some("Creating"),
            "Failed" => failure.map(|failure| failure.code.as_str()),
            _ => None,
        },
        "LastUpdateStatus": status,
        "LastUpdateStatusReason": reason,
        "LastUpdateStatusReasonCode": failure.map(|failure| failure.code.as_str()),
        "PackageType": "Image",
        "Architectures": ["x86_64"],
        "EphemeralStorage": { "Size": 512 },
        "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
        "LoggingConfig": { "LogFormat": "Text", "LogGroup": format!("/aws/lambda/{}", function.name) },
    })
}

/// A string, unlike any other time of AWS: `2026-03-02T09:00:00.000+0000`.
fn last_modified(at: At) -> String {
    at.0.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S.%3f%z")
        .to_string()
}
