//! AWS Lambda: functions made of container images, their versions and aliases.
//!
//! The code of a version never changes; only `$LATEST` does, and only once an update, which takes virtual
//! time, has ended well.

mod aliases;
mod code;
pub(crate) mod control;
pub(crate) mod model;
pub(crate) mod seed;
mod versions;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use self::model::{Function, LATEST, Version};
use super::{
    model::Account,
    protocol::{AwsError, input},
};

/// Performs one operation.
pub(crate) fn call(account: &mut Account, now: Timestamp, operation: &str, body: Value) -> Result<Value, AwsError> {
    match operation {
        "GetFunction" => get_function(account, body),
        "GetFunctionConfiguration" => {
            let (function, version) = find_version(account, body)?;
            Ok(versions::configuration(account, function, version, true))
        }
        "UpdateFunctionCode" => code::update(account, now, body),
        "PublishVersion" => versions::publish(account, now, body),
        "ListVersionsByFunction" => versions::list(account, body),
        "GetAlias" => aliases::get(account, body),
        "UpdateAlias" => aliases::update(account, body),
        "ListAliases" => aliases::list(account, body),
        "ListTags" => list_tags(account, body),
        "TagResource" => tag(account, body),
        _ => Err(AwsError::unknown_operation()),
    }
}

/// Ends every update whose time has come.
pub(crate) fn settle(account: &mut Account, now: Timestamp) {
    code::settle(account, now);
}

pub(super) fn error(status: StatusCode, code: &str, message: impl Into<String>) -> AwsError {
    AwsError {
        status,
        ..AwsError::new(code, message)
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValueException", message)
}

fn not_found(message: impl Into<String>) -> AwsError {
    error(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
}

/// A guard that names another revision than the present one.
fn check_revision(wanted: Option<&str>, present: &str, get: &str) -> Result<(), AwsError> {
    if wanted.is_none_or(|wanted| wanted == present) {
        return Ok(());
    }
    Err(error(
        StatusCode::PRECONDITION_FAILED,
        "PreconditionFailedException",
        format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {get} API to retrieve the latest Revision Id"
        ),
    ))
}

/// The name and qualifier in `name`, `name:qualifier`, `account:function:name` or an ARN.
fn split(name: &str) -> (&str, Option<&str>) {
    let rest = match name.find("function:") {
        Some(at) => &name[at + "function:".len()..],
        None => name,
    };
    match rest.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (rest, None),
    }
}

fn find<'a>(account: &'a Account, name: &str) -> Result<&'a Function, AwsError> {
    let (short, _) = split(name);
    account
        .functions
        .get(short)
        .ok_or_else(|| not_found(format!("Function not found: {}", arn(account, short, None))))
}

fn arn(account: &Account, function: &str, qualifier: Option<&str>) -> String {
    let plain = account.arn("lambda", &format!("function:{function}"));
    qualifier.map_or(plain.clone(), |qualifier| format!("{plain}:{qualifier}"))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionInput {
    function_name: String,
    qualifier: Option<String>,
}

/// The version that a name and a qualifier mean: `$LATEST`, a number or an alias.
fn find_version(account: &Account, body: Value) -> Result<(&Function, &Version), AwsError> {
    let wanted: FunctionInput = input(body)?;
    let function = find(account, &wanted.function_name)?;
    let qualifier = wanted
        .qualifier
        .as_deref()
        .or(split(&wanted.function_name).1)
        .unwrap_or(LATEST);
    let number = function
        .aliases
        .get(qualifier)
        .map_or(qualifier, |alias| alias.version.as_str());
    function
        .version(number)
        .map(|version| (function, version))
        .ok_or_else(|| {
            not_found(format!(
                "Function not found: {}",
                arn(account, &function.name, Some(qualifier))
            ))
        })
}

fn get_function(account: &Account, body: Value) -> Result<Value, AwsError> {
    let qualified = !body["Qualifier"].is_null();
    let (function, version) = find_version(account, body)?;
    Ok(json!({
        "Configuration": versions::configuration(account, function, version, qualified),
        "Code": {
            "RepositoryType": "ECR",
            "ImageUri": version.image,
            "ResolvedImageUri": version.resolved_image,
        },
        "Tags": (!function.tags.is_empty()).then_some(&function.tags),
    }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagsInput {
    resource: String,
    tags: Option<std::collections::BTreeMap<String, String>>,
}

fn list_tags(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: TagsInput = input(body)?;
    Ok(json!({ "Tags": find(account, &wanted.resource)?.tags }))
}

fn tag(account: &mut Account, body: Value) -> Result<Value, AwsError> {
    let wanted: TagsInput = input(body)?;
    let name = find(account, &wanted.resource)?.name.clone();
    let tags = wanted.tags.ok_or_else(|| invalid("Tags must not be null."))?;
    if let Some(function) = account.functions.get_mut(&name) {
        function.tags.extend(tags);
    }
    Ok(json!({}))
}

/// A page of a list. A marker is opaque; the service itself returns at most 50 items, whatever is asked for.
fn listed<T: Clone>(
    items: &[T],
    marker: Option<&str>,
    max_items: Option<&str>,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let size = super::rest_json::number(max_items, "MaxItems")
        .map_err(invalid)?
        .unwrap_or(50);
    if !(1..=10_000).contains(&size) {
        return Err(AwsError::new(
            "ValidationException",
            format!(
                "1 validation error detected: Value '{size}' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 10000"
            ),
        ));
    }
    super::protocol::page(items, marker, size.min(50)).ok_or_else(|| invalid("Invalid marker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_several_names() {
        for (name, expected) in [
            ("web", ("web", None)),
            ("web:live", ("web", Some("live"))),
            ("123456789012:function:web", ("web", None)),
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:web:3",
                ("web", Some("3")),
            ),
        ] {
            assert_eq!(split(name), expected);
        }
    }
}
