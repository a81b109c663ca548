//! Functions of a seed: what Terraform and earlier deployments made.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    aliases, code,
    model::{Alias, Function, LATEST, Update, Version},
};
use crate::aws::{
    model::{Account, At},
    seed::ago,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedFunction {
    name: String,
    /// The image of `$LATEST`, by tag or digest; left out: that of the last version.
    image: Option<String>,
    /// What was published, oldest first: versions 1, 2, …
    #[serde(default)]
    versions: Vec<SeedVersion>,
    #[serde(default)]
    aliases: Vec<SeedAlias>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Megabytes.
    #[serde(default = "memory")]
    memory: u32,
    /// Seconds.
    #[serde(default = "timeout")]
    timeout: u32,
    #[serde(default)]
    minutes_ago: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedVersion {
    image: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    minutes_ago: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedAlias {
    name: String,
    version: String,
    #[serde(default)]
    description: String,
    /// Another version and its share, from 0 to 1.
    additional: Option<(String, f64)>,
}

fn memory() -> u32 {
    512
}

fn timeout() -> u32 {
    30
}

/// Adds a function unless there is one of its name.
pub(crate) fn add(account: &mut Account, now: Timestamp, seed: SeedFunction) -> Result<(), String> {
    if account.functions.contains_key(&seed.name) {
        return Ok(());
    }
    let said = |reason: &str| format!("function `{}`: {reason}", seed.name);
    let latest_image = seed
        .image
        .clone()
        .or_else(|| seed.versions.last().map(|version| version.image.clone()))
        .ok_or_else(|| said("needs `image` or `versions`"))?;
    let make = |account: &mut Account, number: String, image: &str, description: String, minutes: u32| {
        let code = code::resolve(account, image).map_err(|error| said(&error.message.unwrap_or_default()))?;
        Ok::<_, String>(Version {
            number,
            description,
            image: code.image,
            resolved_image: code.resolved_image,
            code_sha256: code.code_sha256,
            memory: seed.memory,
            timeout: seed.timeout,
            environment: seed.environment.clone(),
            revision_id: account.uuid(),
            modified: At(ago(now, minutes)),
            pending_until: None,
            update: Update::Successful,
        })
    };
    let mut versions = Vec::new();
    for (index, version) in seed.versions.iter().enumerate() {
        let number = (index + 1).to_string();
        versions.push(make(
            account,
            number,
            &version.image,
            version.description.clone(),
            version.minutes_ago,
        )?);
    }
    let latest = make(account, LATEST.into(), &latest_image, String::new(), seed.minutes_ago)?;
    let mut function = Function {
        role: format!("arn:aws:iam::{}:role/{}", account.id, seed.name),
        name: seed.name.clone(),
        tags: seed.tags,
        latest,
        versions,
        aliases: BTreeMap::new(),
        planned: Vec::new(),
    };
    for alias in seed.aliases {
        let alias = Alias {
            name: alias.name,
            description: alias.description,
            version: alias.version,
            additional: alias.additional,
            revision_id: account.uuid(),
        };
        aliases::check(account, &function, &alias).map_err(|error| {
            format!(
                "function `{}`, alias `{}`: {}",
                seed.name,
                alias.name,
                error.message.unwrap_or_default()
            )
        })?;
        function.aliases.insert(alias.name.clone(), alias);
    }
    account.functions.insert(function.name.clone(), function);
    Ok(())
}
