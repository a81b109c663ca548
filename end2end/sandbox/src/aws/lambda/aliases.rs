//! Aliases: names for a version, or for two that share the traffic.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    arn, check_revision, find, invalid, listed,
    model::{Alias, Function, LATEST},
    not_found,
};
use crate::aws::{
    model::Account,
    protocol::{AwsError, input},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AliasInput {
    function_name: String,
    name: String,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<Routing>,
    revision_id: Option<String>,
}

/// AliasRoutingConfiguration; without members it takes the second version away.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Routing {
    additional_version_weights: BTreeMap<String, f64>,
}

fn find_alias<'a>(account: &Account, function: &'a Function, name: &str) -> Result<&'a Alias, AwsError> {
    function.aliases.get(name).ok_or_else(|| {
        not_found(format!(
            "Cannot find alias arn: {}",
            arn(account, &function.name, Some(name))
        ))
    })
}

pub(super) fn get(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: AliasInput = input(body)?;
    let function = find(account, &wanted.function_name)?;
    Ok(shown(account, function, find_alias(account, function, &wanted.name)?))
}

pub(super) fn update(account: &mut Account, body: Value) -> Result<Value, AwsError> {
    let wanted: AliasInput = input(body)?;
    let function = find(account, &wanted.function_name)?;
    let mut alias = find_alias(account, function, &wanted.name)?.clone();
    check_revision(
        wanted.revision_id.as_deref(),
        &alias.revision_id,
        "GetFunction/GetAlias",
    )?;
    if let Some(version) = wanted.function_version {
        alias.version = version;
    }
    if let Some(description) = wanted.description {
        alias.description = description;
    }
    if let Some(routing) = wanted.routing_config {
        alias.additional = additional(routing)?;
    }
    check(account, function, &alias)?;
    let name = function.name.clone();
    alias.revision_id = account.uuid();
    if let Some(function) = account.functions.get_mut(&name) {
        function.aliases.insert(alias.name.clone(), alias.clone());
    }
    Ok(shown(account, find(account, &name)?, &alias))
}

/// The one version beside the alias's own, and its share.
fn additional(routing: Routing) -> Result<Option<(String, f64)>, AwsError> {
    let weights = routing.additional_version_weights;
    if weights.len() > 1 {
        return Err(invalid(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ));
    }
    let Some((version, weight)) = weights.into_iter().next() else {
        return Ok(None);
    };
    if !(0.0..=1.0).contains(&weight) {
        return Err(AwsError::new(
            "ValidationException",
            format!(
                "1 validation error detected: Value '{{{version}={weight}}}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0]"
            ),
        ));
    }
    Ok(Some((version, weight)))
}

/// What Lambda asks of an alias: <https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html>.
pub(super) fn check(account: &Account, function: &Function, alias: &Alias) -> Result<(), AwsError> {
    let exists = |version: &str| match function.version(version) {
        Some(_) => Ok(()),
        None => Err(not_found(format!(
            "Function not found: {}",
            arn(account, &function.name, Some(version))
        ))),
    };
    exists(&alias.version)?;
    let Some((version, _)) = &alias.additional else {
        return Ok(());
    };
    if alias.version == LATEST || version == LATEST {
        return Err(invalid(
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ));
    }
    if *version == alias.version {
        return Err(invalid(format!(
            "Invalid function version {version}. Function version {version} is already included in routing configuration."
        )));
    }
    exists(version)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    function_name: String,
    function_version: Option<String>,
    marker: Option<String>,
    max_items: Option<String>,
}

pub(super) fn list(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ListInput = input(body)?;
    let function = find(account, &wanted.function_name)?;
    let invoked = |alias: &&Alias| {
        wanted
            .function_version
            .as_ref()
            .is_none_or(|version| alias.shares().contains_key(version))
    };
    let all: Vec<&Alias> = function.aliases.values().filter(invoked).collect();
    let (aliases, next) = listed(&all, wanted.marker.as_deref(), wanted.max_items.as_deref())?;
    let aliases: Vec<Value> = aliases
        .into_iter()
        .map(|alias| shown(account, function, alias))
        .collect();
    Ok(json!({ "Aliases": aliases, "NextMarker": next }))
}

/// AliasConfiguration.
fn shown(account: &Account, function: &Function, alias: &Alias) -> Value {
    json!({
        "AliasArn": arn(account, &function.name, Some(&alias.name)),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RoutingConfig": alias.additional.as_ref().map(|(version, weight)| {
            json!({ "AdditionalVersionWeights": { version: weight } })
        }),
        "RevisionId": alias.revision_id,
    })
}
