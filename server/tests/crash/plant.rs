//! A stage, a database, and the binary that runs on them. People act through the use cases, from this process.

use crate::acme::{self, BEN, CLEO, FAY, SERVICE_TOKEN, Stage, rag};
use std::{
    collections::HashSet,
    future::Future,
    path::PathBuf,
    pin::Pin,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};
use tidegate_app::{model::NewDeployment, portal::Portal};
use tidegate_domain::{
    Actor, Deployment, DeploymentId, EnvironmentName, EventKind, ReleaseId, Role, StateName, TeamSlug, Timestamp,
    Verdict,
    name::{CommitSha, PersonRef},
};
use tidegate_server::service::{
    CatalogHandle, NewGate, NewRelease, Services,
    ports::{Identity, Unavailable},
};
use tidegate_store::{AuditQuery, Db, Versioned, testing::Scratch};
use tokio::process::{Child, Command};

/// How long a scenario waits for what must come.
const PATIENCE: Duration = Duration::from_secs(150);
/// Scenarios at the same time. They mostly wait.
const AT_ONCE: usize = 6;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Base {
    Sqlite,
    Postgres,
}

type Scenario = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The same scenario on each database.
pub(crate) fn on_both<F: Future<Output = ()> + Send + 'static>(scenario: impl Fn(Base) -> F) -> Vec<Scenario> {
    [Base::Sqlite, Base::Postgres]
        .into_iter()
        .map(|base| Box::pin(scenario(base)) as Scenario)
        .collect()
}

/// Runs them, a few at a time.
pub(crate) async fn together(scenarios: Vec<Scenario>) {
    let slots = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut tasks = tokio::task::JoinSet::new();
    for scenario in scenarios {
        let slots = slots.clone();
        tasks.spawn(async move {
            let _slot = slots.acquire_owned().await.expect("open");
            scenario.await;
        });
    }
    while let Some(done) = tasks.join_next().await {
        if let Err(error) = done {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

pub(crate) struct Plant {
    pub(crate) stage: Stage,
    pub(crate) db: Db,
    services: Services,
    running: Mutex<Option<Child>>,
    url: String,
    config: PathBuf,
    _scratch: Scratch,
}

/// Everybody is in every team: these tests are not about that.
struct Everybody;

#[async_trait::async_trait]
impl Identity for Everybody {
    async fn teams_of(&self, _: i64) -> Result<Vec<TeamSlug>, Unavailable> {
        Ok(vec![acme::team("release-approvers")])
    }
}

impl Plant {
    pub(crate) async fn new(base: Base) -> Self {
        let stage = Stage::set(300.0).await;
        let scratch = match base {
            Base::Sqlite => Scratch::sqlite().await,
            Base::Postgres => Scratch::postgres().await,
        };
        let config = stage.folder().join("tidegate.toml");
        std::fs::write(&config, configuration(&stage)).expect("a configuration");
        let site = stage.folder().join("site");
        std::fs::create_dir(&site).expect("a folder");
        std::fs::write(site.join("manifest.json"), "{}").expect("a site without assets");
        Self {
            services: Services::new(
                scratch.db.clone(),
                CatalogHandle::new(acme::catalog()),
                Arc::new(Everybody),
            ),
            db: scratch.db.clone(),
            running: Mutex::new(None),
            url: scratch.url.clone(),
            config,
            stage,
            _scratch: scratch,
        }
    }

    /// The binary as an operator starts it. Dies with this value.
    pub(crate) fn spawn(&self) -> Child {
        self.spawn_with(&[])
    }

    /// The same on a machine whose clock shows something else, as [`Plant::set_clock`] says. Its timers run as ever.
    pub(crate) fn spawn_with_clock(&self) -> Child {
        let library = std::fs::read_dir("/usr/lib")
            .expect("libraries")
            .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")))
            .find(|path| path.exists())
            .expect("libfaketime: install it with scripts/apt.sh faketime");
        self.spawn_with(&[
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.clock_file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ])
    }

    /// How far that machine's clock is ahead, such as `+600`; it jumps at once.
    pub(crate) fn set_clock(&self, ahead: &str) {
        std::fs::write(self.clock_file(), ahead).expect("a clock");
    }

    fn clock_file(&self) -> PathBuf {
        self.stage.folder().join("clock")
    }

    fn spawn_with(&self, more: &[(&str, String)]) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.stage.folder().join("log"))
            .expect("a log");
        Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("serve")
            .arg("--config")
            .arg(&self.config)
            .arg("--site")
            .arg(self.stage.folder().join("site"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RUST_LOG", "info")
            .env("TIDEGATE_DATABASE_URL", &self.url)
            .env("TIDEGATE_SECRET_KEY", "ab".repeat(32))
            .env("TIDEGATE_GITHUB_CLIENT_SECRET", "example")
            .env("TIDEGATE_GITHUB_WEBHOOK_SECRET", "example")
            .env("TIDEGATE_GITHUB_TOKEN", SERVICE_TOKEN)
            .env("AWS_ENDPOINT_URL", self.stage.sandbox.aws_url())
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "example")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(more.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts")
    }

    pub(crate) fn keep(&self, child: Child) {
        *self.running.lock().expect("a lock") = Some(child);
    }

    pub(crate) async fn start(&mut self) {
        self.keep(self.spawn());
    }

    fn take(&self) -> Child {
        self.running.lock().expect("a lock").take().expect("it runs")
    }

    /// As `kill -9` does.
    pub(crate) async fn kill(&mut self) {
        self.take().kill().await.expect("it is killed");
    }

    /// As an orchestrator ends it.
    pub(crate) async fn stop(&mut self) {
        self.signal("TERM").await;
        let status = self.take().wait().await.expect("it ends");
        assert!(status.success(), "{status}\n{}", self.log());
    }

    pub(crate) async fn signal(&self, name: &str) {
        let id = self
            .running
            .lock()
            .expect("a lock")
            .as_ref()
            .and_then(Child::id)
            .expect("it runs");
        signal(id, name).await;
    }

    /// Lets it be, neither running nor ended as far as this plant is concerned.
    pub(crate) fn put_aside(&self) -> Child {
        self.take()
    }

    pub(crate) async fn wake(&self, paused: &Child) {
        signal(paused.id().expect("it is paused"), "CONT").await;
    }

    pub(crate) async fn release(&self, tag: &str) -> ReleaseId {
        let commit = self.stage.commit("ada-acme", tag).await;
        let image = self.stage.push_image(tag).await;
        let ci = Actor::Ci {
            service: rag(),
            repository: "acme/rag".to_owned(),
            run_id: 1,
            actor: PersonRef::new(FAY.0, FAY.1),
        };
        let new = NewRelease {
            service: rag(),
            commit: CommitSha::new(commit).expect("a commit"),
            git_ref: "refs/heads/main".to_owned(),
            image,
            run_url: None,
            run_id: None,
            authors: Vec::new(),
            commits: Vec::new(),
            gates: Vec::new(),
            migration: None,
        };
        let release = self.services.register_release(&ci, new).await.expect("a release").0.id;
        let lint = NewGate {
            gate: "lint".to_owned(),
            verdict: Verdict::Pass,
            detail: None,
            url: None,
            seconds: None,
        };
        self.services
            .report_gates(&ci, release, vec![lint])
            .await
            .expect("a gate");
        release
    }

    pub(crate) async fn request_for(&self, release: ReleaseId, environment: EnvironmentName) -> DeploymentId {
        let new = NewDeployment {
            release,
            environment,
            reason: None,
        };
        self.services.request(&ben(), new).await.expect("a deployment")
    }

    /// The deployment that goes back: the same one, where it still runs.
    pub(crate) async fn roll_back(&self, id: DeploymentId) -> DeploymentId {
        self.services
            .roll_back(&ben(), id, "it is wrong".to_owned())
            .await
            .expect("a rollback")
    }

    /// The gate passes, and Cleo approves what was prepared.
    pub(crate) async fn approve(&self, id: DeploymentId) {
        let waiting = self.until(id, |d| d.state.name() == StateName::AwaitingApproval).await;
        let seen = waiting.revision().expect("a revision").hash();
        let cleo = Actor::Person {
            person: PersonRef::new(CLEO.0, CLEO.1),
            roles: vec![Role::Viewer, Role::Approver],
            teams: vec![acme::team("release-approvers")],
        };
        self.services.approve(&cleo, id, seen, None).await.expect("an approval");
    }

    pub(crate) async fn found(&self, id: DeploymentId) -> Versioned<Deployment> {
        self.db
            .deployment(id)
            .await
            .expect("the database")
            .expect("a deployment")
    }

    pub(crate) async fn rests(&self, id: DeploymentId) -> Deployment {
        self.until(id, |deployment| deployment.state.name().is_terminal()).await
    }

    /// Until it was saved that many times, or has come to rest.
    pub(crate) async fn saved(&self, id: DeploymentId, times: i64) {
        self.wait(
            id,
            |found| found.version > times || found.value.state.name().is_terminal(),
            1,
        )
        .await;
    }

    pub(crate) async fn until(&self, id: DeploymentId, condition: impl Fn(&Deployment) -> bool) -> Deployment {
        self.wait(id, |found| condition(&found.value), 50).await.value
    }

    async fn wait(
        &self,
        id: DeploymentId,
        condition: impl Fn(&Versioned<Deployment>) -> bool,
        pause_millis: u64,
    ) -> Versioned<Deployment> {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let found = self.found(id).await;
                if condition(&found) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(pause_millis)).await;
            }
        });
        match waited.await {
            Ok(found) => found,
            Err(_) => panic!(
                "it stays as it is: {:#?}\n{}",
                self.found(id).await.value.state,
                self.log()
            ),
        }
    }

    /// What the clock of the process shows that logged last.
    pub(crate) fn clock_shown(&self) -> Timestamp {
        self.log()
            .lines()
            .rev()
            .find_map(|line| {
                let (begin, end) = (line.find("20")?, line.find('Z')?);
                line.get(begin..=end)?.parse().ok()
            })
            .expect("a line with its moment")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.stage.folder().join("log")).unwrap_or_default()
    }

    /// At most one cloud deployment for each operation, and a log that says what the state says.
    pub(crate) async fn happened_once(&self, id: DeploymentId) {
        let made = self.stage.cloud_deployments().await;
        let operations: HashSet<&String> = made.iter().map(|(_, description)| description).collect();
        assert_eq!(operations.len(), made.len(), "{made:?}\n{}", self.log());
        let done = self.found(id).await.value;
        let run = done.run().expect("it ran");
        let mut ours = made
            .iter()
            .filter(|(_, description)| description.contains(&run.operation.to_string()));
        assert_eq!(run.cloud_deployment.as_ref(), ours.next().map(|(id, _)| id));

        let query = AuditQuery {
            limit: 1_000,
            ..AuditQuery::default()
        };
        // A process that has just been started may add to the log between two looks.
        let head = self.db.audit_head().await.expect("the log");
        let mut numbers: Vec<i64> = self
            .db
            .audit(&query)
            .await
            .expect("the log")
            .iter()
            .map(|event| event.seq)
            .collect();
        numbers.reverse();
        numbers.retain(|number| *number <= head);
        assert_eq!(numbers, (1..=head).collect::<Vec<_>>());
        let kinds: Vec<EventKind> = self
            .db
            .audit_of(id)
            .await
            .expect("the log")
            .iter()
            .map(|recorded| recorded.event.kind)
            .collect();
        let count = |kind| kinds.iter().filter(|each| **each == kind).count();
        let ending = match done.state.name() {
            StateName::Succeeded => EventKind::DeploymentSucceeded,
            StateName::RolledBack => EventKind::DeploymentRolledBack,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            (count(EventKind::DeploymentStarted), count(ending)),
            (1, 1),
            "{kinds:?}"
        );
        assert_eq!(count(EventKind::CloudIntended), run.calls.len());
        assert_eq!(count(EventKind::CloudConcluded), run.calls.len(), "{:#?}", run.calls);
    }
}

fn ben() -> Actor {
    Actor::Person {
        person: PersonRef::new(BEN.0, BEN.1),
        roles: vec![Role::Viewer, Role::Deployer],
        teams: vec![acme::team("platform")],
    }
}

async fn signal(process: u32, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.to_string())
        .status()
        .await;
    assert!(status.expect("kill runs").success());
}

/// What [`acme::catalog`] says, as an operator writes it.
fn configuration(stage: &Stage) -> String {
    let github = stage.sandbox.github_url();
    let target = |environment: &str, policy: &str| {
        format!(
            "[services.targets.{environment}]\nengine = \"ecs_codedeploy\"\npolicy = \"{policy}\"\ntraffic = \"all-at-once\"\n\
             deadline = \"30m\"\ncluster = \"acme-{environment}\"\ncontainer = \"app\"\nport = 8080\n\
             application = \"acme-rag-{environment}\"\ndeployment_group = \"rag-{environment}\"\n"
        )
    };
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
public_url = "http://127.0.0.1:8080"

[github]
organisation = "acme"
client_id = "example"
web_url = "{github}"
api_url = "{github}/api/v3"
oidc_issuer = "{github}"

[aws]
region = "eu-west-1"

[worker]
lease_seconds = 10
settle_seconds = 4

[roles]
deployer = ["platform"]
approver = ["release-approvers"]

[[environments]]
name = "staging"

[[environments]]
name = "production"
production = true

[policies.automatic]
approvals = []

[policies.quorum]
gates = ["lint"]
approvals = [{{ teams = ["release-approvers"], count = 1 }}]

[[services]]
name = "rag"
description = "Finds passages for an answer"
repository = "acme/rag"
repository_id = {}

{}
{}
"#,
        acme::REPOSITORY_ID,
        target("staging", "automatic"),
        target("production", "quorum"),
    )
}
