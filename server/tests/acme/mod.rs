//! A stage for tests: a sandbox with one service `rag` of the fictional organisation `acme`, in two environments.
//!
//! Production asks for one of `release-approvers` and the gate `lint`; staging asks for nobody.

use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};
use tidegate_domain::{
    Catalog, EnvironmentName, GateName, Policy, Role, Service, ServiceName, Target, TeamSlug, TrafficPlan,
    catalog::{CiTrust, EcsCodedeploy, Engine, Environment, Hooks, RoleGrant},
    policy::QuorumRule,
};
use tidegate_sandbox::Sandbox;

pub(crate) const ADA: (i64, &str) = (9_001, "ada-acme");
pub(crate) const BEN: (i64, &str) = (9_002, "ben-acme");
pub(crate) const CLEO: (i64, &str) = (9_003, "cleo-acme");
pub(crate) const DARA: (i64, &str) = (9_004, "dara-acme");
pub(crate) const FAY: (i64, &str) = (9_006, "fay-acme");
pub(crate) const SERVICE_TOKEN: &str = "ghp_sandbox_service";
pub(crate) const REPOSITORY_ID: i64 = 77_001;
const REGISTRY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag";

/// A running sandbox and its control.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    http: reqwest::Client,
    folder: tempfile::TempDir,
}

#[expect(dead_code, reason = "the flows and the crash tests use a part each")]
impl Stage {
    /// `speed`: virtual seconds per second. An ordinary deployment takes about 70 of them.
    pub(crate) async fn set(speed: f64) -> Self {
        let sandbox = Sandbox::start(tidegate_sandbox::Options {
            speed,
            ..tidegate_sandbox::Options::recorded()
        })
        .await
        .expect("a sandbox");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(
            folder.path().join("aws"),
            "[default]\nregion = eu-west-1\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = example\n",
        )
        .expect("a profile");
        let stage = Self {
            sandbox,
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            folder,
        };
        stage.post("/aws/seed", aws_seed()).await;
        stage.post("/github/seed", github_seed()).await;
        stage
    }

    /// Credentials that are none, for the SDK.
    pub(crate) fn aws_profile(&self) -> PathBuf {
        self.folder.path().join("aws")
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.send(reqwest::Method::POST, path, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.send(reqwest::Method::GET, path, None).await
    }

    pub(crate) async fn send(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.sandbox.control_url()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request
            .timeout(Duration::from_secs(60))
            .send()
            .await
            .expect("the control API answers");
        let status = answer.status();
        let text = answer.text().await.expect("its answer is read");
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Pushes an image and returns `REPOSITORY:TAG@DIGEST`.
    pub(crate) async fn push_image(&self, tag: &str) -> String {
        let pushed = self
            .post(
                "/aws/images",
                json!({ "repository": "acme/rag", "tags": [tag], "content": tag }),
            )
            .await;
        format!("{REGISTRY}:{tag}@{}", pushed["digest"].as_str().expect("a digest"))
    }

    pub(crate) async fn commit(&self, author: &str, message: &str) -> String {
        let made = self
            .post(
                "/github/repos/acme/rag/commits",
                json!({ "message": message, "author": author }),
            )
            .await;
        made["sha"].as_str().expect("a commit").to_owned()
    }

    /// Every request of an operation that AWS received.
    pub(crate) async fn calls(&self, operation: &str) -> Vec<Value> {
        let calls = self.get(&format!("/aws/calls?operation={operation}")).await;
        calls.as_array().cloned().unwrap_or_default()
    }

    /// Deployments at the cloud that somebody asked for, rollbacks of AWS's own left out: id and description.
    pub(crate) async fn cloud_deployments(&self) -> Vec<(String, String)> {
        let state = self.get("/aws/state").await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        state["deployments"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|deployment| deployment["creator"] != "codeDeployRollback")
            .map(|deployment| (text(&deployment["id"]), text(&deployment["description"])))
            .collect()
    }

    /// Puts a fault in place and returns its id.
    pub(crate) async fn fault(&self, fault: Value) -> String {
        self.post("/faults", fault).await["id"]
            .as_str()
            .expect("a fault")
            .to_owned()
    }

    /// Waits until a fault has struck.
    pub(crate) async fn struck(&self, fault: &str) {
        self.get(&format!("/faults/{fault}/wait?hits=1&timeout=60")).await;
    }

    /// Waits until a fault holds a request.
    pub(crate) async fn holds(&self, fault: &str) {
        self.get(&format!("/faults/{fault}/wait?hits=1&held=1&timeout=60"))
            .await;
    }

    pub(crate) async fn release(&self, fault: &str) {
        self.post(&format!("/faults/{fault}/release"), json!({})).await;
    }

    pub(crate) async fn freeze(&self, frozen: bool) {
        self.post("/clock", json!({ "freeze": frozen })).await;
    }

    pub(crate) async fn step(&self, seconds: f64) {
        self.post("/clock", json!({ "step_seconds": seconds })).await;
    }

    pub(crate) async fn leave_team(&self, team: &str, login: &str) {
        let path = format!("/github/orgs/acme/teams/{team}/members/{login}");
        self.send(reqwest::Method::DELETE, &path, None).await;
    }

    pub(crate) async fn github_down(&self, down: bool) {
        let faults = if down { json!({ "api_down": true }) } else { json!({}) };
        self.send(reqwest::Method::PUT, "/github/faults", Some(faults)).await;
    }
}

fn aws_seed() -> Value {
    let old = format!("sha256:{}", "0d".repeat(32));
    let service = |environment: &str| {
        json!({ "name": "rag", "cluster": format!("acme-{environment}"), "family": format!("acme-rag-{environment}"),
                "image": format!("{REGISTRY}@{old}"), "container": "app", "port": 8080 })
    };
    let application = |environment: &str| {
        json!({ "name": format!("acme-rag-{environment}"), "groups": [{
            "name": format!("rag-{environment}"), "cluster": format!("acme-{environment}"), "service": "rag" }] })
    };
    json!({
        "clusters": ["acme-staging", "acme-production"],
        "repositories": [{ "name": "acme/rag", "immutable": true }],
        "images": [{ "repository": "acme/rag", "tags": ["sha-0000000"], "digest": old }],
        "services": [service("staging"), service("production")],
        "applications": [application("staging"), application("production")],
    })
}

fn github_seed() -> Value {
    let people = [ADA, BEN, CLEO, DARA, FAY];
    let users: Vec<Value> = people
        .iter()
        .map(|(id, login)| json!({ "id": id, "login": login }))
        .collect();
    let members: serde_json::Map<String, Value> = people
        .iter()
        .map(|(_, login)| ((*login).to_owned(), json!("member")))
        .collect();
    let logins: Vec<&str> = people.iter().map(|(_, login)| *login).collect();
    json!({
        "users": users,
        "orgs": [{ "login": "acme", "members": members, "teams": [
            { "slug": "release-approvers", "members": logins },
            { "slug": "platform", "members": logins },
        ] }],
        "tokens": [{ "token": SERVICE_TOKEN, "user": "fay-acme", "scopes": ["repo", "read:org"] }],
        "repos": [{ "id": REPOSITORY_ID, "owner": "acme", "name": "rag", "private": true, "commits": [
            { "message": "Begin", "author": "fay-acme" },
        ] }],
    })
}

pub(crate) fn rag() -> ServiceName {
    ServiceName::new("rag").expect("a name")
}

pub(crate) fn staging() -> EnvironmentName {
    EnvironmentName::new("staging").expect("a name")
}

pub(crate) fn production() -> EnvironmentName {
    EnvironmentName::new("production").expect("a name")
}

pub(crate) fn team(slug: &str) -> TeamSlug {
    TeamSlug::new(slug).expect("a team")
}

/// What the configuration of this stage says.
pub(crate) fn catalog() -> Catalog {
    let environment = |name: EnvironmentName, production| Environment { name, production };
    let grant = |role, slug| RoleGrant { role, team: team(slug) };
    Catalog {
        organisation: "acme".to_owned(),
        environments: vec![environment(staging(), false), environment(production(), true)],
        services: vec![Service {
            name: rag(),
            description: "Finds passages for an answer".to_owned(),
            repository: "acme/rag".to_owned(),
            time_zone: "UTC".to_owned(),
            ci: CiTrust {
                repository_id: REPOSITORY_ID,
                refs: vec!["refs/heads/main".to_owned()],
                workflows: Vec::new(),
                environments: Vec::new(),
                other_commits: false,
            },
            targets: vec![
                target(staging(), Policy::default()),
                target(
                    production(),
                    Policy {
                        gates: vec![GateName::new("lint").expect("a gate")],
                        approvals: vec![QuorumRule {
                            teams: vec![team("release-approvers")],
                            count: 1,
                        }],
                        ..Policy::default()
                    },
                ),
            ],
        }],
        roles: vec![
            grant(Role::Deployer, "platform"),
            grant(Role::Approver, "release-approvers"),
        ],
        smoke_allow: Vec::new(),
        freezes: Vec::new(),
        break_glass: vec![Role::Deployer, Role::Admin],
    }
}

fn target(environment: EnvironmentName, policy: Policy) -> Target {
    Target {
        engine: Engine::EcsCodedeploy(EcsCodedeploy {
            cluster: format!("acme-{environment}"),
            service: "rag".to_owned(),
            container: "app".to_owned(),
            port: 8080,
            application: format!("acme-rag-{environment}"),
            deployment_group: format!("rag-{environment}"),
            deployment_config: None,
            platform_version: None,
            hooks: Hooks::default(),
        }),
        environment,
        traffic: TrafficPlan::AllAtOnce,
        policy,
        deadline_seconds: 1_800,
        health: None,
        placeholders: std::collections::BTreeMap::new(),
        verify: None,
        monitor: None,
    }
}
