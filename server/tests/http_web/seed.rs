//! Who works at acme, and what is configured for them.

use crate::world::{CLIENT_SECRET, SERVICE_TOKEN};
use serde_json::{Value, json};
use tidegate_domain::{
    Policy,
    access::Role,
    catalog::{Catalog, CiTrust, EcsCodedeploy, Engine, Environment, Hooks, RoleGrant, Service, Target},
    name::{EnvironmentName, GateName, ServiceName, TeamSlug},
    policy::QuorumRule,
    traffic::TrafficPlan,
};
use url::Url;

fn team(slug: &str) -> TeamSlug {
    TeamSlug::new(slug).unwrap()
}

pub(crate) fn catalog() -> Catalog {
    let target = |environment: &str, approvals: Vec<QuorumRule>| Target {
        environment: EnvironmentName::new(environment).unwrap(),
        engine: Engine::EcsCodedeploy(EcsCodedeploy {
            cluster: "acme".to_owned(),
            service: "rag".to_owned(),
            container: "app".to_owned(),
            port: 8080,
            application: "rag".to_owned(),
            deployment_group: "rag".to_owned(),
            deployment_config: None,
            platform_version: None,
            hooks: Hooks::default(),
        }),
        traffic: TrafficPlan::AllAtOnce,
        policy: Policy {
            gates: vec![GateName::new("lint").unwrap()],
            approvals,
            ..Policy::default()
        },
        deadline_seconds: 3600,
        health: None,
        placeholders: std::collections::BTreeMap::new(),
        verify: None,
        monitor: None,
    };
    let grant = |role, slug| RoleGrant { role, team: team(slug) };
    Catalog {
        organisation: "acme".to_owned(),
        environments: vec![
            Environment {
                name: EnvironmentName::new("staging").unwrap(),
                production: false,
            },
            Environment {
                name: EnvironmentName::new("production").unwrap(),
                production: true,
            },
        ],
        services: vec![Service {
            name: ServiceName::new("rag").unwrap(),
            description: "Answers from documents".to_owned(),
            repository: "acme/rag".to_owned(),
            time_zone: "UTC".to_owned(),
            ci: CiTrust {
                repository_id: 501,
                refs: vec!["refs/heads/main".to_owned()],
                workflows: vec![".github/workflows/release.yml".to_owned()],
                environments: Vec::new(),
                other_commits: false,
            },
            targets: vec![
                target("staging", Vec::new()),
                target(
                    "production",
                    vec![QuorumRule {
                        teams: vec![team("approvers")],
                        count: 1,
                    }],
                ),
            ],
        }],
        roles: vec![
            grant(Role::Deployer, "developers"),
            grant(Role::Approver, "approvers"),
            grant(Role::Auditor, "developers"),
            grant(Role::Admin, "admins"),
        ],
        smoke_allow: Vec::new(),
        freezes: Vec::new(),
        break_glass: vec![Role::Deployer, Role::Admin],
    }
}

/// Ada develops, Ben approves, Cleo is in no team, Dora administers.
pub(crate) fn seed(public_url: &Url) -> Value {
    json!({
        "users": [
            { "id": 11, "login": "ada-acme", "name": "Ada" },
            { "id": 12, "login": "ben-acme", "name": "Ben" },
            { "id": 13, "login": "cleo-acme" },
            { "id": 14, "login": "dora-acme" },
        ],
        "orgs": [{
            "id": 90,
            "login": "acme",
            "members": { "ada-acme": "admin", "ben-acme": "member", "cleo-acme": "member", "dora-acme": "member" },
            "teams": [
                { "slug": "developers", "members": ["ada-acme"] },
                { "slug": "approvers", "members": ["ben-acme"] },
                { "slug": "admins", "members": ["dora-acme"] },
            ],
        }],
        "oauth_apps": [{
            "client_id": "portal",
            "client_secret": CLIENT_SECRET,
            "name": "Tidegate",
            "callback_urls": [public_url.join("/auth/callback").unwrap()],
        }],
        "tokens": [{ "token": SERVICE_TOKEN, "user": "ada-acme", "scopes": ["repo", "read:org"] }],
        "repos": [
            {
                "id": 501,
                "owner": "acme",
                "name": "rag",
                "commits": [
                    { "message": "Begin", "author": "ada-acme", "sha": "b".repeat(40) },
                    { "message": "Ask twice", "author": "ada-acme", "sha": "c".repeat(40) },
                ],
                "runs": [{ "id": 8801, "actor": "ada-acme" }],
            },
            {
                "id": 502,
                "owner": "acme",
                "name": "other",
                "commits": [{ "message": "Begin", "author": "ada-acme" }],
                "runs": [{ "id": 8802, "actor": "ada-acme" }],
            },
        ],
    })
}
