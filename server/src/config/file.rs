//! The shape of the file, as it is written. Every member is documented here once: the JSON Schema is made from it.

use super::smoke::{Monitor, Smoke};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use std::{borrow::Cow, collections::BTreeMap, ops::Range};
use tidegate_domain::catalog::{ApiKind, EngineKind};

/// A value that knows where in the file it stands.
#[derive(Debug, Clone)]
pub struct At<T>(toml::Spanned<T>);

impl<T> At<T> {
    /// What the file leaves out.
    fn absent(value: T) -> Self {
        Self(toml::Spanned::new(0..0, value))
    }

    pub fn get(&self) -> &T {
        self.0.get_ref()
    }

    pub fn span(&self) -> Range<usize> {
        self.0.span()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        toml::Spanned::deserialize(deserializer).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Tidegate's configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default)]
    pub server: Server,
    #[serde(default)]
    pub database: Database,
    pub github: Github,
    #[serde(default)]
    pub aws: Aws,
    #[serde(default = "worker")]
    pub worker: At<Worker>,
    pub prometheus: Option<super::metrics::Prometheus>,
    /// Which GitHub teams have which role.
    pub roles: Roles,
    /// In the order in which a release passes through them.
    pub environments: Vec<Environment>,
    /// Named policies; a target names the one it is under.
    pub policies: BTreeMap<String, Policy>,
    /// Named health definitions; a target names the one it is judged by.
    #[serde(default)]
    pub health: BTreeMap<String, At<super::file_health::Health>>,
    /// By name: when nothing goes forward.
    #[serde(default)]
    pub freezes: BTreeMap<String, At<super::freeze::Written>>,
    #[serde(default)]
    pub break_glass: super::freeze::BreakGlass,
    #[serde(default)]
    pub services: Vec<Service>,
    #[serde(default)]
    pub smoke: Smoke,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port to listen on.
    pub listen: At<String>,
    /// The address people use, such as `https://tidegate.example.org`. HTTPS unless the host is this machine.
    pub public_url: At<String>,
    /// Believe `X-Forwarded-For`: only behind a load balancer that sets it.
    pub behind_proxy: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: At::absent("127.0.0.1:8080".to_owned()),
            public_url: At::absent("http://127.0.0.1:8080".to_owned()),
            behind_proxy: false,
        }
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `sqlite://PATH` or `postgres://…`, without a password: this file is kept in the database and in version control. The
    /// environment's `TIDEGATE_DATABASE_URL` wins, and may hold one.
    pub url: At<String>,
    /// PostgreSQL: the role that `tidegate serve` runs as. `tidegate migrate`, run as the owner of the tables, gives it what
    /// it needs; it can append to the audit log and not rewrite it.
    pub app_role: Option<String>,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: At(toml::Spanned::new(0..0, "sqlite://tidegate.db".to_owned())),
            app_role: None,
        }
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Github {
    /// The organisation whose teams are meant.
    pub organisation: String,
    /// Of the OAuth app. Its secret comes from `TIDEGATE_GITHUB_CLIENT_SECRET`.
    pub client_id: String,
    #[serde(default = "web_url")]
    pub web_url: At<String>,
    #[serde(default = "api_url")]
    pub api_url: At<String>,
    /// Issuer of the Actions OIDC tokens.
    #[serde(default = "oidc_issuer")]
    pub oidc_issuer: At<String>,
    /// What workflows ask their tokens for.
    #[serde(default = "oidc_audience")]
    pub oidc_audience: String,
}

fn web_url() -> At<String> {
    At::absent("https://github.com".to_owned())
}

fn api_url() -> At<String> {
    At::absent("https://api.github.com".to_owned())
}

fn oidc_issuer() -> At<String> {
    At::absent("https://token.actions.githubusercontent.com".to_owned())
}

fn oidc_audience() -> String {
    "tidegate".to_owned()
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Aws {
    pub region: String,
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            region: "eu-west-1".to_owned(),
        }
    }
}

/// How the worker paces itself.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Worker {
    /// Deployments worked on at the same time.
    pub concurrency: usize,
    /// Seconds a claim lasts without being renewed.
    pub lease_seconds: i64,
    /// Seconds after which a call that left no trace at the cloud is taken as never made.
    pub settle_seconds: i64,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            concurrency: 16,
            lease_seconds: 30,
            settle_seconds: 60,
        }
    }
}

fn worker() -> At<Worker> {
    At::absent(Worker::default())
}

/// For each role the slugs of the teams that have it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Roles {
    pub viewer: Vec<At<String>>,
    pub deployer: Vec<At<String>>,
    pub approver: Vec<At<String>>,
    pub auditor: Vec<At<String>>,
    pub admin: Vec<At<String>>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    pub name: At<String>,
    #[serde(default)]
    pub production: bool,
}

/// What it takes to deploy.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Gates that must have passed, in order.
    #[serde(default)]
    pub gates: Vec<At<String>>,
    /// Joined by AND; one person fills one place. Empty: automatic.
    pub approvals: Vec<QuorumRule>,
    /// For one-person teams: the requester and the authors may approve, and it is labelled.
    #[serde(default)]
    pub solo: bool,
    /// How long the approvals may take, such as `24h`.
    #[serde(default)]
    pub approve_within: Option<At<String>>,
    /// How long after the last approval it must start, such as `1h`.
    #[serde(default)]
    pub start_within: Option<At<String>>,
    /// A newer request replaces one that still waits.
    #[serde(default)]
    pub supersede: bool,
    /// The same digest must have succeeded in this environment before.
    #[serde(default)]
    pub promote_from: Option<At<String>>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuorumRule {
    /// Members of any of these teams count.
    pub teams: Vec<At<String>>,
    pub count: At<u8>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub name: At<String>,
    #[serde(default)]
    pub description: String,
    /// `owner/name` on GitHub.
    pub repository: At<String>,
    /// Numeric id of the repository (`gh api repos/OWNER/NAME --jq .id`).
    pub repository_id: i64,
    /// IANA name; what its calendar days are told by. UTC when left out.
    #[serde(default)]
    pub time_zone: Option<At<String>>,
    #[serde(default)]
    pub ci: Ci,
    /// By environment.
    pub targets: BTreeMap<String, At<Target>>,
}

/// Which workflow runs may report.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ci {
    /// `*` at the end matches any rest.
    pub refs: Vec<String>,
    /// Paths of workflow files; empty: any.
    pub workflows: Vec<String>,
    /// GitHub environments; empty: any or none.
    pub environments: Vec<String>,
    /// A run may report another commit and ref than GitHub says it is about. Needed where a workflow builds what another
    /// run was about: one started by `workflow_run` or by hand runs on the default branch's head. Such a workflow is
    /// believed whatever it says of the commit, so name it in `workflows`.
    pub other_commits: bool,
}

impl Default for Ci {
    fn default() -> Self {
        Self {
            refs: vec!["refs/heads/main".to_owned()],
            workflows: Vec::new(),
            environments: Vec::new(),
            other_commits: false,
        }
    }
}

/// A service in an environment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    #[schemars(with = "Engine")]
    pub engine: At<EngineKind>,
    /// Name of a policy.
    pub policy: At<String>,
    /// Name of a health definition: `standard`, or one of this file. Left out: AWS alone watches. Part of what is approved.
    #[serde(default)]
    pub health: Option<At<String>>,
    /// What placeholders in its queries stand for, besides what the engine knows: `load_balancer = "app/acme/50dc6c495c0c9188"`.
    #[serde(default)]
    pub placeholders: BTreeMap<String, At<String>>,
    /// `all-at-once`, `canary 10% 5m`, `linear 10% 1m`, `steps 10% 5m, 50% 3m`. An engine refuses what it cannot run
    /// exactly.
    #[serde(default)]
    pub traffic: Option<At<String>>,
    /// A deployment that still runs then is stopped and rolled back; `60m` when left out.
    #[serde(default)]
    pub deadline: Option<At<String>>,
    /// ECS cluster. For the engines `ecs_…`.
    #[serde(default)]
    pub cluster: Option<At<String>>,
    /// Name of the ECS service; the service's own name when left out.
    #[serde(default)]
    pub ecs_service: Option<At<String>>,
    /// Container whose image is replaced. For the engines `ecs_…`.
    #[serde(default)]
    pub container: Option<At<String>>,
    /// Port the load balancer sends to; 8080 when left out.
    #[serde(default)]
    pub port: Option<At<u16>>,
    /// CodeDeploy application. For the engines `…_codedeploy`.
    #[serde(default)]
    pub application: Option<At<String>>,
    /// CodeDeploy deployment group.
    #[serde(default)]
    pub deployment_group: Option<At<String>>,
    /// A deployment configuration of your own that runs the traffic plan.
    #[serde(default)]
    pub deployment_config: Option<At<String>>,
    /// Fargate platform version, such as `1.4.0`; the one that runs when left out. Part of what is approved.
    #[serde(default)]
    pub platform_version: Option<At<String>>,
    /// Lambda function, by name or ARN. For the engines `lambda_…` and `apigateway_stage`.
    #[serde(default)]
    pub function: Option<At<String>>,
    /// Alias of the function that callers use; `live` when left out.
    #[serde(default)]
    pub alias: Option<At<String>>,
    /// ARN of the load balancer's listener whose default action has the weights. For `ecs_task_sets`.
    #[serde(default)]
    pub listener: Option<At<String>>,
    /// ARNs of the two target groups that take turns. For `ecs_task_sets`.
    #[serde(default)]
    pub target_groups: Option<At<Vec<String>>>,
    /// Minutes for which ECS keeps both versions once all traffic has moved. For `ecs_native`.
    #[serde(default)]
    pub bake_minutes: Option<At<u16>>,
    /// Id of the API. For `apigateway_stage`.
    #[serde(default)]
    pub api: Option<At<String>>,
    /// `rest` or `websocket`; `rest` when left out.
    #[serde(default)]
    #[schemars(with = "Option<Api>")]
    pub api_kind: Option<At<ApiKind>>,
    /// Name of the API's stage. For `apigateway_stage`.
    #[serde(default)]
    pub stage: Option<At<String>>,
    /// Part of what is approved.
    #[serde(default)]
    pub hooks: Hooks,
    /// Name of the smoke suite that verifies a deployment. Part of what is approved, with its addresses and the wait.
    #[serde(default)]
    pub smoke: Option<At<String>>,
    /// Where the target answers, such as `https://chat.acme.example`: what suites run against.
    #[serde(default)]
    pub base_url: Option<At<String>>,
    /// Where the new version answers before it has traffic: the test listener.
    #[serde(default)]
    pub test_base_url: Option<At<String>>,
    /// Between the end of the shift and the suite, such as `2m`; `10m` at most.
    #[serde(default)]
    pub stability_wait: Option<At<String>>,
    /// A suite that runs between deployments too.
    #[serde(default)]
    pub monitor: Option<At<Monitor>>,
}

/// Lambda functions, by name or ARN, that CodeDeploy calls between the steps of a deployment. Each answers with
/// PutLifecycleEventHookExecutionStatus within an hour; one that fails rolls back.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    pub before_install: Option<At<String>>,
    pub after_install: Option<At<String>>,
    /// The new version runs and takes test traffic only: the place for a smoke test.
    pub after_allow_test_traffic: Option<At<String>>,
    pub before_allow_traffic: Option<At<String>>,
    pub after_allow_traffic: Option<At<String>>,
}

impl Hooks {
    /// Where the first of them stands.
    pub(super) fn first(&self) -> Option<Range<usize>> {
        let all = [
            &self.before_install,
            &self.after_install,
            &self.after_allow_test_traffic,
            &self.before_allow_traffic,
            &self.after_allow_traffic,
        ];
        all.into_iter().flatten().map(At::span).min_by_key(|span| span.start)
    }
}

/// What carries a target's deployments out, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used: the domain's own type is read")]
enum Engine {
    /// ECS blue/green through CodeDeploy: all at once, a canary of two increments, or equal linear steps.
    EcsCodedeploy,
    /// A Lambda alias through CodeDeploy; the same plans.
    LambdaCodedeploy,
    /// A Lambda alias whose weights are set from here: any steps, and a hold at each.
    LambdaAlias,
    /// ECS task sets behind weighted target groups, set from here: any steps, and a hold at each.
    EcsTaskSets,
    /// ECS's own blue/green, canary and linear deployments.
    EcsNative,
    /// A stage of API Gateway, swapped in one unit with the Lambda function behind it.
    ApigatewayStage,
}

/// Which API Gateway, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used: the domain's own type is read")]
enum Api {
    Rest,
    Websocket,
}
