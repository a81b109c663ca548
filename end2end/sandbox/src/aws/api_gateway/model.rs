//! APIs as they are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aws::model::{Account, At};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum ApiProtocol {
    Rest,
    Http,
    WebSocket,
}

impl ApiProtocol {
    /// Whether the first version of API Gateway has it, rather than the second.
    pub(crate) fn is_rest(self) -> bool {
        self == Self::Rest
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Api {
    pub id: String,
    pub name: String,
    pub protocol: ApiProtocol,
    pub description: Option<String>,
    pub created: At,
    /// By their ids.
    pub deployments: BTreeMap<String, ApiDeployment>,
    /// By their names.
    pub stages: BTreeMap<String, Stage>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ApiDeployment {
    pub id: String,
    pub description: Option<String>,
    pub created: At,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stage {
    pub name: String,
    pub description: Option<String>,
    pub deployment: Option<String>,
    pub variables: BTreeMap<String, String>,
    /// Of HTTP APIs: each change is deployed at once, and the deployment cannot be chosen.
    pub auto_deploy: bool,
    pub created: At,
    pub updated: At,
}

impl Account {
    /// Small letters and digits, as API Gateway names what it makes.
    pub(crate) fn api_id(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        self.fresh()[..length]
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
            .collect()
    }

    /// Keeps a new deployment of an API and returns its id: six characters in the first version, as in the second.
    pub(crate) fn deploy_api(&mut self, api: &str, description: Option<String>, created: At) -> String {
        let id = self.api_id(6);
        if let Some(api) = self.apis.get_mut(api) {
            let deployment = ApiDeployment {
                id: id.clone(),
                description,
                created,
            };
            api.deployments.insert(id.clone(), deployment);
        }
        id
    }
}
