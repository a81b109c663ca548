//! The catalogue: what the configuration file says, once it was found valid. Services, environments, targets, roles.

mod engine;

pub use engine::{
    ApiKind, ApigatewayStage, EcsCodedeploy, EcsNative, EcsTaskSets, Engine, EngineKind, Hooks, LambdaAlias,
    LambdaCodedeploy, LambdaHooks,
};

use crate::{
    access::Role,
    freeze::Freeze,
    health::{HealthDefinition, Values},
    name::{EnvironmentName, ServiceName, TeamSlug},
    policy::Policy,
    smoke::{Monitor, Verification},
    traffic::TrafficPlan,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    pub name: EnvironmentName,
    /// Production is what the audit and the managers' figures are about.
    pub production: bool,
}

/// Members of `team` have `role`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleGrant {
    pub role: Role,
    pub team: TeamSlug,
}

/// Which workflow runs may report for a service (R30).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiTrust {
    /// Numeric id of the repository: a name can be taken over, an id cannot.
    pub repository_id: i64,
    /// Git refs whose runs are believed, such as `refs/heads/main`; `*` at the end matches any rest.
    pub refs: Vec<String>,
    /// Workflow files whose runs are believed, such as `.github/workflows/release.yml`. Empty: any.
    pub workflows: Vec<String>,
    /// GitHub environments whose runs are believed. Empty: any, or none.
    pub environments: Vec<String>,
    /// A run may report another commit and ref than those that GitHub says it is about. For workflows that build what
    /// another run was about, such as those started by `workflow_run`.
    pub other_commits: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub name: ServiceName,
    pub description: String,
    /// `owner/name` on GitHub.
    pub repository: String,
    pub ci: CiTrust,
    /// IANA name; what its calendar days are told by.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// In the order in which a release passes through them.
    pub targets: Vec<Target>,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Service {
    pub fn target(&self, environment: &EnvironmentName) -> Option<&Target> {
        self.targets.iter().find(|target| target.environment == *environment)
    }
}

/// A service in an environment: where it computes, how traffic moves, what it takes to get there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub environment: EnvironmentName,
    pub engine: Engine,
    pub traffic: TrafficPlan,
    pub policy: Policy,
    /// Seconds after which a running deployment is stopped and rolled back.
    pub deadline_seconds: i64,
    /// How its health is judged while it is deployed to. `None`: by AWS alone.
    pub health: Option<HealthDefinition>,
    /// What placeholders in the definition's queries stand for here, besides what the engine knows.
    pub placeholders: Values,
    /// How a deployment is verified; `None`: by the engine's own word alone.
    pub verify: Option<Verification>,
    /// What watches it between deployments.
    pub monitor: Option<Monitor>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Catalog {
    /// GitHub organisation whose teams are meant.
    pub organisation: String,
    /// In the order of promotion.
    pub environments: Vec<Environment>,
    pub services: Vec<Service>,
    pub roles: Vec<RoleGrant>,
    /// Hosts and networks that suites may reach although they are not public, such as `10.0.0.0/8`.
    pub smoke_allow: Vec<String>,
    /// When nothing goes forward.
    #[serde(default)]
    pub freezes: Vec<Freeze>,
    /// Who may break the glass. Empty: nobody.
    #[serde(default)]
    pub break_glass: Vec<Role>,
}

impl Catalog {
    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.iter().find(|service| service.name == *name)
    }

    pub fn target(&self, service: &ServiceName, environment: &EnvironmentName) -> Option<&Target> {
        self.service(service)?.target(environment)
    }

    pub fn environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.name == *name)
    }

    pub fn is_production(&self, name: &EnvironmentName) -> bool {
        self.environment(name).is_some_and(|environment| environment.production)
    }

    /// The freezes that cover a service in an environment.
    pub fn freezes_of(&self, service: &ServiceName, environment: &EnvironmentName) -> Vec<Freeze> {
        self.freezes
            .iter()
            .filter(|freeze| freeze.covers(service, environment))
            .cloned()
            .collect()
    }

    /// Roles that membership of these teams gives.
    pub fn roles_of(&self, teams: &[TeamSlug]) -> Vec<Role> {
        let mut roles: Vec<Role> = self
            .roles
            .iter()
            .filter(|grant| teams.contains(&grant.team))
            .map(|grant| grant.role)
            .collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// Every team that a role or a quorum names: those whose membership matters.
    pub fn teams(&self) -> Vec<TeamSlug> {
        let mut teams: Vec<TeamSlug> = self.roles.iter().map(|grant| grant.team.clone()).collect();
        for target in self.services.iter().flat_map(|service| &service.targets) {
            teams.extend(
                target
                    .policy
                    .approvals
                    .iter()
                    .flat_map(|rule| rule.teams.iter().cloned()),
            );
        }
        teams.sort_unstable();
        teams.dedup();
        teams
    }
}
