//! APIs of a seed: what Terraform and earlier deployments made.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::model::{Api, ApiDeployment, ApiProtocol, Stage};
use crate::aws::{
    model::{Account, At},
    seed::ago,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedApi {
    id: String,
    name: String,
    /// `REST`, `HTTP` or `WEBSOCKET`.
    protocol: ApiProtocol,
    description: Option<String>,
    #[serde(default)]
    deployments: Vec<SeedDeployment>,
    #[serde(default)]
    stages: Vec<SeedStage>,
    #[serde(default)]
    minutes_ago: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedDeployment {
    id: String,
    description: Option<String>,
    #[serde(default)]
    minutes_ago: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedStage {
    name: String,
    /// The id of one of the deployments.
    deployment: Option<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    /// Of HTTP and WebSocket APIs.
    #[serde(default)]
    auto_deploy: bool,
}

/// Adds an API unless there is one of its id.
pub(crate) fn add(account: &mut Account, now: Timestamp, seed: SeedApi) -> Result<(), String> {
    if account.apis.contains_key(&seed.id) {
        return Ok(());
    }
    let created = At(ago(now, seed.minutes_ago));
    let deployments: BTreeMap<String, ApiDeployment> = seed
        .deployments
        .into_iter()
        .map(|deployment| {
            let made = ApiDeployment {
                id: deployment.id,
                description: deployment.description,
                created: At(ago(now, deployment.minutes_ago)),
            };
            (made.id.clone(), made)
        })
        .collect();
    let mut stages = BTreeMap::new();
    for stage in seed.stages {
        if let Some(id) = &stage.deployment
            && !deployments.contains_key(id)
        {
            return Err(format!(
                "api `{}`, stage `{}`: no deployment `{id}`",
                seed.id, stage.name
            ));
        }
        if stage.auto_deploy && seed.protocol.is_rest() {
            return Err(format!(
                "api `{}`, stage `{}`: leave out `auto_deploy`, a REST API has none",
                seed.id, stage.name
            ));
        }
        let kept = Stage {
            name: stage.name,
            description: None,
            deployment: stage.deployment,
            variables: stage.variables,
            auto_deploy: stage.auto_deploy,
            created,
            updated: created,
        };
        stages.insert(kept.name.clone(), kept);
    }
    let api = Api {
        id: seed.id,
        name: seed.name,
        protocol: seed.protocol,
        description: seed.description,
        created,
        deployments,
        stages,
    };
    account.apis.insert(api.id.clone(), api);
    Ok(())
}
