//! One Tidegate of a test's own: database, use cases, worker, and a stage to act on.

use crate::acme::{self, BEN, FAY, Stage, production, rag};
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tidegate_adapters::{
    ApigatewayStage, Aws, AwsOptions, CloudWatch, EcsCodedeploy, EcsNative, EcsTaskSets, Github, GithubClient,
    GithubOptions, LambdaAlias, LambdaCodedeploy, Sources,
    probe::{HttpProber, Prober, SecretSource, SystemResolver},
};
use tidegate_app::{
    model::NewDeployment,
    portal::{Portal, PortalError},
};
use tidegate_domain::{
    Actor, Catalog, Deployment, DeploymentId, EnvironmentName, EventKind, ReleaseId, RevisionHash, Role, StateName,
    TeamSlug, Verdict,
    audit::RecordedEvent,
    catalog::EngineKind,
    name::{CommitSha, PersonRef},
};
use tidegate_server::{
    service::{
        CatalogHandle, NewGate, NewRelease, Services,
        ports::{Identity, Unavailable},
    },
    worker::{Engines, Options, Reconciler},
};
use tidegate_store::{AuditQuery, Clock, Db, PoolOptions, testing::Scratch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Base {
    Sqlite,
    Postgres,
}

pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) db: Db,
    pub(crate) services: Services,
    pub(crate) catalog: CatalogHandle,
    pub(crate) github: Arc<GithubClient>,
    pub(crate) options: Options,
    pub(crate) prober: Arc<dyn Prober>,
    shift: Arc<AtomicI64>,
    workers: Vec<(CancellationToken, JoinHandle<()>)>,
    pub(crate) scratch: Scratch,
}

/// The one secret of the tests.
pub(crate) struct Canary;

impl SecretSource for Canary {
    fn secret(&self, _: &str) -> Result<secrecy::SecretString, String> {
        Ok("canary-secret".to_owned().into())
    }
}

/// Asks GitHub each time, as it is.
struct Asking {
    github: Arc<GithubClient>,
    catalog: CatalogHandle,
}

#[async_trait::async_trait]
impl Identity for Asking {
    async fn teams_of(&self, person: i64) -> Result<Vec<TeamSlug>, Unavailable> {
        let catalog = self.catalog.get();
        let teams: Vec<String> = catalog.teams().iter().map(ToString::to_string).collect();
        let found = self.github.teams_of(&catalog.organisation, person, &teams).await;
        let found = found.map_err(|error| Unavailable(error.to_string()))?;
        Ok(found.into_iter().map(|slug| TeamSlug::new(slug).unwrap()).collect())
    }
}

impl World {
    /// With a worker that runs.
    pub(crate) async fn new(base: Base) -> Self {
        let mut world = Self::idle(base).await;
        world.start_worker().await;
        world
    }

    /// Without a worker.
    pub(crate) async fn idle(base: Base) -> Self {
        let stage = Stage::set(300.0).await;
        let scratch = match base {
            Base::Sqlite => Scratch::sqlite().await,
            Base::Postgres => Scratch::postgres().await,
        };
        let shift = Arc::new(AtomicI64::new(0));
        let db = open(&scratch.url, &shift).await;
        let catalog = CatalogHandle::new(acme::catalog());
        let github = Arc::new(
            GithubClient::new(GithubOptions {
                api: format!("{}/api/v3", stage.sandbox.github_url()).parse().unwrap(),
                token: acme::SERVICE_TOKEN.to_owned().into(),
                timeout: Duration::from_secs(5),
            })
            .unwrap(),
        );
        let identity = Asking {
            github: github.clone(),
            catalog: catalog.clone(),
        };
        let services = Services::new(db.clone(), catalog.clone(), Arc::new(identity));
        Self {
            services,
            prober: Arc::new(HttpProber::new(Arc::new(SystemResolver), Arc::new(Canary))),
            db,
            catalog,
            github,
            options: Options {
                settle: Duration::from_secs(2),
                longest_pause: Duration::from_millis(300),
                idle: Duration::from_millis(500),
                rounds: Duration::from_millis(500),
                reads_per_second: 1_000.0,
                ..Options::new("worker-0")
            },
            shift,
            workers: Vec::new(),
            scratch,
            stage,
        }
    }

    /// One more worker, with connections of its own, as another replica has them.
    pub(crate) async fn start_worker(&mut self) {
        let options = Options {
            owner: format!("worker-{}", self.workers.len()),
            ..self.options.clone()
        };
        let db = open(&self.scratch.url, &self.shift).await;
        // On SQLite only one process writes; a change is told within it alone.
        let db = if self.db.is_postgres() { db } else { self.db.clone() };
        let reconciler = Reconciler::new(
            db,
            self.catalog.clone(),
            self.engines().await,
            self.github.clone(),
            Arc::new(self.metrics().await),
            self.prober.clone(),
            options,
        );
        let shutdown = CancellationToken::new();
        let task = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { reconciler.run(shutdown).await }
        });
        self.workers.push((shutdown, task));
    }

    pub(crate) async fn stop_workers(&mut self) {
        for (shutdown, task) in self.workers.drain(..) {
            shutdown.cancel();
            task.await.unwrap();
        }
    }

    pub(crate) async fn engines(&self) -> Engines {
        let aws = self.aws().await;
        Engines::default()
            .with(EngineKind::EcsCodedeploy, EcsCodedeploy::new(aws.clone()))
            .with(EngineKind::EcsTaskSets, EcsTaskSets::new(aws.clone()))
            .with(EngineKind::EcsNative, EcsNative::new(aws.clone()))
            .with(EngineKind::LambdaCodedeploy, LambdaCodedeploy::new(aws.clone()))
            .with(EngineKind::LambdaAlias, LambdaAlias::new(aws.clone()))
            .with(EngineKind::ApigatewayStage, ApigatewayStage::new(aws))
    }

    /// CloudWatch of the sandbox.
    pub(crate) async fn metrics(&self) -> Sources {
        Sources {
            cloudwatch: CloudWatch::new(self.aws().await),
            prometheus: None,
        }
    }

    pub(crate) async fn aws(&self) -> Aws {
        Aws::connect(AwsOptions {
            endpoint: Some(self.stage.sandbox.aws_url()),
            profile_file: Some(self.stage.aws_profile()),
            ..AwsOptions::default()
        })
        .await
    }

    pub(crate) async fn engine(&self) -> EcsCodedeploy {
        EcsCodedeploy::new(self.aws().await)
    }

    /// The database's clock goes on from so much later.
    pub(crate) fn later(&self, millis: i64) {
        self.shift.fetch_add(millis, Ordering::Relaxed);
    }

    /// A release that CI reports with its gate passed; Ada wrote it, Fay set the workflow off.
    pub(crate) async fn release(&self, tag: &str) -> ReleaseId {
        let release = self.ungated_release(tag).await;
        self.services
            .report_gates(&ci(), release, vec![gate("lint", Verdict::Pass)])
            .await
            .unwrap();
        release
    }

    pub(crate) async fn ungated_release(&self, tag: &str) -> ReleaseId {
        let commit = self.stage.commit("ada-acme", &format!("Work on {tag}")).await;
        let image = self.stage.push_image(tag).await;
        self.report(&commit, &image).await
    }

    pub(crate) async fn report(&self, commit: &str, image: &str) -> ReleaseId {
        let new = NewRelease {
            service: rag(),
            commit: CommitSha::new(commit).unwrap(),
            git_ref: "refs/heads/main".to_owned(),
            image: image.to_owned(),
            run_url: Some("https://github.com/acme/rag/actions/runs/1".to_owned()),
            run_id: None,
            authors: Vec::new(),
            commits: Vec::new(),
            gates: Vec::new(),
            migration: None,
        };
        self.services.register_release(&ci(), new).await.unwrap().0.id
    }

    pub(crate) async fn request(&self, release: ReleaseId, environment: EnvironmentName) -> DeploymentId {
        self.try_request(release, environment).await.unwrap()
    }

    pub(crate) async fn try_request(
        &self,
        release: ReleaseId,
        environment: EnvironmentName,
    ) -> Result<DeploymentId, PortalError> {
        self.services
            .request(
                &person(BEN),
                NewDeployment {
                    release,
                    environment,
                    reason: None,
                },
            )
            .await
    }

    /// A release, requested for production and ready to be approved.
    pub(crate) async fn ready(&self, tag: &str) -> DeploymentId {
        let release = self.release(tag).await;
        let id = self.request(release, production()).await;
        self.reaches(id, StateName::AwaitingApproval).await;
        id
    }

    pub(crate) async fn approve(&self, by: (i64, &str), id: DeploymentId) -> Result<(), PortalError> {
        let seen = self.revision(id).await;
        self.services.approve(&person(by), id, seen, None).await
    }

    pub(crate) async fn revision(&self, id: DeploymentId) -> RevisionHash {
        self.get(id).await.revision().expect("a revision").hash()
    }

    pub(crate) async fn get(&self, id: DeploymentId) -> Deployment {
        self.db.deployment(id).await.unwrap().expect("a deployment").value
    }

    pub(crate) async fn reaches(&self, id: DeploymentId, state: StateName) -> Deployment {
        self.until(id, state.words(), |deployment| deployment.state.name() == state)
            .await
    }

    pub(crate) async fn rests(&self, id: DeploymentId) -> Deployment {
        self.until(id, "a terminal state", |deployment| {
            deployment.state.name().is_terminal()
        })
        .await
    }

    /// Looks at each change until it is as asked.
    pub(crate) async fn until(
        &self,
        id: DeploymentId,
        what: &str,
        condition: impl Fn(&Deployment) -> bool,
    ) -> Deployment {
        let mut changes = self.db.changes();
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let deployment = self.get(id).await;
                if condition(&deployment) {
                    return deployment;
                }
                // The timer is for a worker with connections of its own.
                let _ = tokio::time::timeout(Duration::from_millis(100), changes.recv()).await;
            }
        });
        match waited.await {
            Ok(deployment) => deployment,
            Err(_) => panic!("waited for {what}, but it is {:#?}", self.get(id).await.state),
        }
    }

    pub(crate) async fn events(&self, id: DeploymentId) -> Vec<RecordedEvent> {
        self.db.audit_of(id).await.unwrap()
    }

    pub(crate) async fn kinds(&self, id: DeploymentId) -> Vec<EventKind> {
        self.events(id)
            .await
            .iter()
            .map(|recorded| recorded.event.kind)
            .collect()
    }

    /// Refusals in the log: what was tried and why not, newest first.
    pub(crate) async fn denials(&self) -> Vec<Value> {
        let query = AuditQuery {
            kind: Some("access.denied".to_owned()),
            limit: 100,
            ..AuditQuery::default()
        };
        self.db
            .audit(&query)
            .await
            .unwrap()
            .into_iter()
            .map(|recorded| recorded.event.data)
            .collect()
    }

    /// The log has every number from 1 on, once.
    pub(crate) async fn log_has_no_gap(&self) {
        // Others may still write while this reads: what was there before must be there, and what came after follows on.
        let before = self.db.audit_head().await.unwrap();
        let query = AuditQuery {
            limit: 1_000,
            ..AuditQuery::default()
        };
        let mut numbers: Vec<i64> = self
            .db
            .audit(&query)
            .await
            .unwrap()
            .iter()
            .map(|event| event.seq)
            .collect();
        numbers.reverse();
        let last = numbers.last().copied().unwrap_or_default();
        assert!(last >= before, "{before} is not in the log");
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
    }

    pub(crate) async fn creates(&self) -> usize {
        self.stage.calls("CreateDeployment").await.len()
    }

    pub(crate) fn configure(&self, edit: impl FnOnce(&mut Catalog)) {
        let mut catalog = (*self.catalog.get()).clone();
        edit(&mut catalog);
        self.catalog.set(catalog);
    }
}

async fn open(url: &str, shift: &Arc<AtomicI64>) -> Db {
    let options = PoolOptions {
        clock: Clock::Shifted(shift.clone()),
        ..PoolOptions::default()
    };
    Db::connect(url, options).await.unwrap()
}

pub(crate) fn person((id, login): (i64, &str)) -> Actor {
    Actor::Person {
        person: PersonRef::new(id, login),
        roles: vec![Role::Viewer, Role::Deployer, Role::Approver],
        teams: vec![acme::team("platform"), acme::team("release-approvers")],
    }
}

pub(crate) fn ci() -> Actor {
    Actor::Ci {
        service: rag(),
        repository: "acme/rag".to_owned(),
        run_id: 1,
        actor: PersonRef::new(FAY.0, FAY.1),
    }
}

pub(crate) fn gate(name: &str, verdict: Verdict) -> NewGate {
    NewGate {
        gate: name.to_owned(),
        verdict,
        detail: None,
        url: None,
        seconds: None,
    }
}
