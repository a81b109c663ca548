//! What the account holds: clusters, services, task definitions, images, applications,
//! deployment groups and deployments, and how they are named.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    api_gateway::model::Api,
    codedeploy::{
        config::{DeploymentConfig, Platform},
        model::{Deployment, Group},
    },
    ecs::model::{Controller, Managed, Sick},
    elbv2::model::LoadBalancing,
    lambda::model::Function,
};

/// Everything the account holds. Deployments are kept in the order of their creation.
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    pub id: String,
    pub region: String,
    /// Makes identifiers differ between two runs, as they do between two accounts.
    #[serde(skip)]
    pub salt: String,
    #[serde(skip)]
    pub counter: u64,
    pub clusters: BTreeSet<String>,
    pub services: Vec<EcsService>,
    /// By family; revision n is at index n - 1.
    pub task_definitions: BTreeMap<String, Vec<TaskDefinition>>,
    pub repositories: BTreeMap<String, Repository>,
    pub functions: BTreeMap<String, Function>,
    /// APIs of both versions of API Gateway, by their ids.
    pub apis: BTreeMap<String, Api>,
    pub applications: BTreeMap<String, Application>,
    pub groups: Vec<Group>,
    pub configs: BTreeMap<String, DeploymentConfig>,
    pub deployments: Vec<Deployment>,
    /// Names of the CloudWatch alarms that are in the state ALARM.
    pub alarms: BTreeSet<String>,
    pub load_balancing: LoadBalancing,
    /// What is wrong with the tasks of a task definition, by its ARN.
    pub sick: BTreeMap<String, Sick>,
    pub cloudwatch: super::cloudwatch::CloudWatch,
    /// Times between two steps of a deployment, in virtual seconds.
    pub timings: Timings,
}

/// How long each part of a deployment takes, in virtual seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Timings {
    pub created: f64,
    pub queued: f64,
    /// Until the replacement task set is healthy.
    pub install: f64,
    pub allow_test_traffic: f64,
    /// Each of the Before… and After… events.
    pub hook: f64,
    /// A shift of all traffic at once, and the end of a gradual one.
    pub shift: f64,
    /// From a stop being asked for to the deployment being stopped.
    pub stop: f64,
    /// Each event of a rollback deployment, which needs no new task set.
    pub rollback_event: f64,
    /// How long a drained task set stays visible.
    pub drain: f64,
    /// From a task being started to it running, where CodeDeploy does not deploy.
    pub task_start: f64,
    /// From a task running to it being healthy, or known not to be.
    pub task_health: f64,
    /// Each lifecycle stage of a deployment by ECS, besides what happens in it.
    pub stage: f64,
    /// From UpdateFunctionCode to the end of the update.
    pub function_update: f64,
    /// For which a new version of a function is pending.
    pub function_publish: f64,
    /// For which a new deployment of an HTTP or WebSocket API is pending.
    pub api_deployment: f64,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            created: 1.0,
            queued: 1.0,
            install: 60.0,
            allow_test_traffic: 2.0,
            hook: 0.5,
            shift: 1.0,
            stop: 2.0,
            rollback_event: 1.0,
            drain: 30.0,
            task_start: 30.0,
            task_health: 30.0,
            stage: 1.0,
            function_update: 5.0,
            function_publish: 1.0,
            api_deployment: 1.0,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct EcsService {
    pub name: String,
    pub cluster: String,
    pub created: At,
    pub desired: i64,
    pub container: String,
    pub port: i64,
    pub controller: Controller,
    pub target_groups: [String; 2],
    /// Those that CodeDeploy makes.
    pub task_sets: Vec<TaskSet>,
    pub managed: Managed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum TaskSetStatus {
    Primary,
    Active,
    Draining,
}

impl TaskSetStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct TaskSet {
    pub id: String,
    pub task_definition: String,
    /// The CodeDeploy deployment that made it.
    pub external_id: Option<String>,
    pub status: TaskSetStatus,
    pub scale: f64,
    pub running: i64,
    pub created: At,
    pub updated: At,
    /// When a draining task set disappears.
    pub gone: Option<At>,
    /// Index into the service's target groups.
    pub target_group: usize,
    /// Share of the production traffic, in percent.
    pub traffic: f64,
}

/// A point in time that serialises as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At(pub Timestamp);

impl Serialize for At {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct TaskDefinition {
    pub family: String,
    pub revision: i64,
    pub arn: String,
    pub registered: At,
    /// As registered, in the members of RegisterTaskDefinition's input.
    pub body: Value,
    pub tags: Value,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Application {
    pub id: String,
    pub name: String,
    pub created: At,
    pub platform: Platform,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Repository {
    pub name: String,
    pub created: At,
    pub immutable: bool,
    pub scan_on_push: bool,
    pub images: Vec<Image>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Image {
    pub digest: String,
    pub tags: Vec<String>,
    pub pushed: At,
    pub size: i64,
    /// Findings of the scan, if the image was scanned.
    pub scan: Option<Vec<Finding>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finding {
    pub name: String,
    pub severity: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub uri: String,
}

impl Account {
    pub(crate) fn new(salt: String) -> Self {
        Self {
            id: "123456789012".into(),
            region: "eu-west-1".into(),
            salt,
            counter: 0,
            clusters: BTreeSet::new(),
            services: Vec::new(),
            task_definitions: BTreeMap::new(),
            repositories: BTreeMap::new(),
            functions: BTreeMap::new(),
            apis: BTreeMap::new(),
            applications: BTreeMap::new(),
            groups: Vec::new(),
            configs: DeploymentConfig::predefined(),
            deployments: Vec::new(),
            alarms: BTreeSet::new(),
            load_balancing: LoadBalancing::default(),
            sick: BTreeMap::new(),
            cloudwatch: super::cloudwatch::CloudWatch::default(),
            timings: Timings::default(),
        }
    }

    /// Bytes that no other identifier of this run shares.
    pub(crate) fn fresh(&mut self) -> [u8; 32] {
        self.counter += 1;
        Sha256::digest(format!("{}/{}", self.salt, self.counter)).into()
    }

    /// `d-` and nine capitals or digits, as CodeDeploy names deployments.
    pub(crate) fn deployment_id(&mut self) -> String {
        const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let name: String = self.fresh()[..9]
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
            .collect();
        format!("d-{name}")
    }

    /// `ecs-svc/` and nineteen digits, as ECS names the task sets of CodeDeploy.
    pub(crate) fn task_set_id(&mut self) -> String {
        let digits: String = self.fresh()[..19]
            .iter()
            .map(|byte| char::from(b'0' + byte % 10))
            .collect();
        format!("ecs-svc/{digits}")
    }

    pub(crate) fn uuid(&mut self) -> String {
        let bytes = self.fresh();
        let mut head = [0; 16];
        head.copy_from_slice(&bytes[..16]);
        uuid::Builder::from_random_bytes(head).into_uuid().to_string()
    }

    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.id)
    }

    /// A task definition by ARN, `family:revision` or `family` (its latest revision).
    pub(crate) fn task_definition(&self, name: &str) -> Option<&TaskDefinition> {
        let short = match name.strip_prefix("arn:") {
            None => name,
            Some(_) => {
                let prefix = self.arn("ecs", "task-definition/");
                name.strip_prefix(prefix.as_str())?
            }
        };
        match short.split_once(':') {
            None => self.task_definitions.get(short)?.last(),
            Some((family, revision)) => {
                let revision: usize = revision.parse().ok()?;
                self.task_definitions.get(family)?.get(revision.checked_sub(1)?)
            }
        }
    }

    pub(crate) fn service(&self, cluster: &str, name: &str) -> Option<&EcsService> {
        self.services
            .iter()
            .find(|service| service.cluster == cluster && service.name == name)
    }

    pub(crate) fn service_mut(&mut self, cluster: &str, name: &str) -> Option<&mut EcsService> {
        self.services
            .iter_mut()
            .find(|service| service.cluster == cluster && service.name == name)
    }

    pub(crate) fn group(&self, application: &str, name: &str) -> Option<&Group> {
        self.groups
            .iter()
            .find(|group| group.application == application && group.name == name)
    }

    pub(crate) fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.deployments.iter().find(|each| each.id == id)
    }

    pub(crate) fn deployment_mut(&mut self, id: &str) -> Option<&mut Deployment> {
        self.deployments.iter_mut().find(|each| each.id == id)
    }
}

impl EcsService {
    pub(crate) fn primary(&self) -> Option<&TaskSet> {
        self.task_sets.iter().find(|set| set.status == TaskSetStatus::Primary)
    }

    pub(crate) fn task_set_mut(&mut self, id: &str) -> Option<&mut TaskSet> {
        self.task_sets.iter_mut().find(|set| set.id == id)
    }
}

/// The digest of an image's content, as a registry writes it.
pub(crate) fn digest(content: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}
