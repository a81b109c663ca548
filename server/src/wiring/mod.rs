//! Builds everything from the configuration and runs it. The only place that knows all parts.

mod bridge;
mod telling;

use crate::{
    config::{self, Loaded, Secrets, Settings, SmokeSecrets},
    http::{self, HttpState, Parts, Rates, Site, Timeouts},
    service::{
        CatalogHandle, Services,
        ci::CiSessions,
        health::Health,
        housekeeping::{self, keep_house},
        live::Live,
        once::Once,
        people::People,
        seal::SealKey,
        sessions::Sessions,
    },
    worker::{
        Engines, HealthHistory, HistoryOptions, MonitorOptions, Monitors, Options, Reconciler, RollingImport,
        RollingOptions,
    },
};
use bridge::{ActionsTokens, GithubIdentity, GithubSignIn};
use secrecy::ExposeSecret as _;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tidegate_adapters::{
    ActionsOidc, ApigatewayStage, Aws, AwsOptions, CloudWatch, EcsCodedeploy, EcsNative, EcsTaskSets, Github,
    GithubClient, GithubOauth, GithubOptions, LambdaAlias, LambdaCodedeploy, Metrics, OauthOptions, Prometheus,
    PrometheusOptions, Sources,
    probe::{HttpProber, Prober, SystemResolver},
};
use tidegate_domain::catalog::EngineKind;
use tidegate_store::{Db, PoolOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use url::Url;

type Failure = Box<dyn std::error::Error>;

const GITHUB_PATIENCE: Duration = Duration::from_secs(8);
const METRICS_WITHIN: Duration = Duration::from_secs(5);

/// Runs the server until SIGTERM or SIGINT. SIGHUP reloads the configuration.
///
/// # Errors
/// What is wrong with the configuration, a secret, the database or the built site; or an address already taken.
pub fn serve(config: &Path, site: &Path) -> Result<(), Failure> {
    let loaded = config::load(config)?;
    let secrets = Secrets::from_environment()?;
    let site = Site::read(site)?;
    log();
    runtime()?.block_on(run(config.to_owned(), loaded, secrets, site))
}

/// Brings the database to this version's schema, and gives the application's role what it needs, if there is one: the
/// argument, or `database.app_role`.
///
/// # Errors
/// What is wrong with the configuration, the database or the role.
pub fn migrate(config: &Path, app_role: Option<String>) -> Result<(), Failure> {
    let settings = config::load(config)?.settings;
    let url = config::database_url(&settings)?;
    runtime()?.block_on(async {
        let db = Db::connect(url.expose_secret(), PoolOptions::default()).await?;
        db.migrate().await?;
        println!("the database is up to date");
        if let Some(role) = app_role.or(settings.app_role) {
            db.grant_to_application(&role).await?;
            println!("{role} may do what the server does, and append to the audit log only");
        }
        Ok(())
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TIDEGATE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

async fn run(path: PathBuf, loaded: Loaded, secrets: Secrets, site: Site) -> Result<(), Failure> {
    let Settings { listen, .. } = loaded.settings;
    let settings = loaded.settings.clone();
    let url = config::database_url(&settings)?;
    let db = Db::connect(url.expose_secret(), PoolOptions::default()).await?;
    db.migrate().await?;
    if let Some(warning) = db.power().await?.warning() {
        tracing::warn!("{warning}");
    }

    let catalog = CatalogHandle::new(loaded.catalog.clone());
    let stop = CancellationToken::new();
    let client = GithubClient::new(GithubOptions {
        api: Url::parse(settings.github.api_url.get())?,
        token: secrets.github_token.clone(),
        timeout: GITHUB_PATIENCE,
    })?;
    let github: Arc<dyn Github> = Arc::new(client.clone());
    let client_for_issues = client.clone();
    let identity = Arc::new(GithubIdentity::new(github.clone(), catalog.clone()));
    let services =
        Services::new(db.clone(), catalog.clone(), identity.clone()).with_github_web(settings.github.web_url.get());
    services.configuration_loaded(&loaded.hash, &loaded.text).await?;

    let parts = parts(
        &db,
        &catalog,
        &services,
        identity,
        client,
        &settings,
        &secrets,
        site,
        stop.clone(),
    )?;
    let sessions = parts.sessions.clone();
    let state = HttpState::new(parts)?;
    let prober: Arc<dyn Prober> = Arc::new(HttpProber::new(Arc::new(SystemResolver), Arc::new(SmokeSecrets)));
    let (aws, metrics) = sources(&settings, &secrets).await?;
    let rolling = RollingOptions::new(uuid::Uuid::now_v7().to_string());
    let rolling = RollingImport::new(db.clone(), catalog.clone(), Arc::new(aws.clone()), rolling);
    let worker = worker(&db, &catalog, github, prober.clone(), aws, metrics.clone(), &settings);
    let history = HealthHistory::new(
        db.clone(),
        catalog.clone(),
        metrics,
        HistoryOptions::new(uuid::Uuid::now_v7().to_string()),
    );
    let outbox = telling::outbox(&db, client_for_issues, &settings, &secrets)?;
    let monitors = monitors(&db, &catalog, prober);
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .map_err(|error| format!("{listen}: cannot listen: {error}. Choose another server.listen"))?;
    tracing::info!(%listen, public_url = %settings.public_url, version = %&loaded.hash[..12], "ready");

    let signals = tokio::spawn(signals(path, services, catalog, stop.clone()));
    let working = tokio::spawn({
        let stop = stop.clone();
        async move { worker.run(stop).await }
    });
    let importing = tokio::spawn({
        let stop = stop.clone();
        async move { rolling.run(stop).await }
    });
    let telling = tokio::spawn({
        let stop = stop.clone();
        async move { outbox.run(stop).await }
    });
    let monitoring = tokio::spawn({
        let stop = stop.clone();
        async move { monitors.run(stop).await }
    });
    let judging = tokio::spawn({
        let stop = stop.clone();
        async move { history.run(stop).await }
    });
    let keeping = tokio::spawn(keep_house(sessions, housekeeping::EVERY, stop.clone()));
    let served = http::serve(listener, state, Timeouts::default()).await;
    stop.cancel();
    working.await?;
    importing.await?;
    telling.await?;
    monitoring.await?;
    judging.await?;
    keeping.await?;
    signals.abort();
    db.close().await;
    served?;
    tracing::info!("stopped");
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "called once, from the function above")]
fn parts(
    db: &Db,
    catalog: &CatalogHandle,
    services: &Services,
    identity: Arc<GithubIdentity>,
    github: GithubClient,
    settings: &Settings,
    secrets: &Secrets,
    site: Site,
    stop: CancellationToken,
) -> Result<Parts, Failure> {
    let key = SealKey::new(secrets.key.expose_secret())?;
    let oauth = GithubOauth::new(
        OauthOptions {
            web: Url::parse(settings.github.web_url.get())?,
            client_id: settings.github.client_id.clone(),
            client_secret: secrets.github_client_secret.clone(),
            // Who someone is needs no scope; teams are read with the server's own token.
            scopes: Vec::new(),
            timeout: GITHUB_PATIENCE,
        },
        github,
    )?;
    let sign_in = GithubSignIn {
        oauth,
        redirect: settings.public_url.join("/auth/callback")?,
    };
    let tokens = ActionsTokens {
        oidc: ActionsOidc::new(settings.github.oidc_issuer.get(), &settings.github.oidc_audience)?,
        db: db.clone(),
    };
    let people = People::new(db.clone(), catalog.clone(), identity, key.clone());
    Ok(Parts {
        services: services.clone(),
        portal: Arc::new(services.clone()),
        catalog: catalog.clone(),
        sessions: Sessions::new(db.clone(), people, Arc::new(sign_in), key.clone()),
        ci: CiSessions::new(db.clone(), catalog.clone(), services.clone(), Arc::new(tokens), key),
        once: Once::new(db.clone()),
        live: Live::new(db.clone()),
        health: Health::new(db.clone()),
        site,
        public_url: settings.public_url.clone(),
        github_web: Url::parse(settings.github.web_url.get())?,
        webhook_secret: secrets.github_webhook_secret.clone(),
        behind_proxy: settings.behind_proxy,
        rates: Rates::default(),
        stop,
    })
}

/// The cloud, and where numbers are read.
async fn sources(settings: &Settings, secrets: &Secrets) -> Result<(Aws, Arc<dyn Metrics>), Failure> {
    let aws = Aws::connect(AwsOptions {
        region: Some(settings.region.clone()),
        ..AwsOptions::default()
    })
    .await;
    let prometheus = settings.prometheus.clone().map(|url| {
        Prometheus::new(PrometheusOptions {
            url,
            token: secrets.prometheus_token.clone(),
            timeout: METRICS_WITHIN,
        })
    });
    let metrics = Sources {
        cloudwatch: CloudWatch::new(aws.clone()),
        prometheus: prometheus.transpose()?,
    };
    Ok((aws, Arc::new(metrics)))
}

fn worker(
    db: &Db,
    catalog: &CatalogHandle,
    github: Arc<dyn Github>,
    prober: Arc<dyn Prober>,
    aws: Aws,
    metrics: Arc<dyn Metrics>,
    settings: &Settings,
) -> Reconciler {
    let engines = Engines::default()
        .with(EngineKind::EcsCodedeploy, EcsCodedeploy::new(aws.clone()))
        .with(EngineKind::EcsTaskSets, EcsTaskSets::new(aws.clone()))
        .with(EngineKind::EcsNative, EcsNative::new(aws.clone()))
        .with(EngineKind::LambdaCodedeploy, LambdaCodedeploy::new(aws.clone()))
        .with(EngineKind::LambdaAlias, LambdaAlias::new(aws.clone()))
        .with(EngineKind::ApigatewayStage, ApigatewayStage::new(aws));
    let seconds = |count: i64| Duration::from_secs(u64::try_from(count).unwrap_or_default());
    let options = Options {
        lease: seconds(settings.worker.lease_seconds),
        settle: seconds(settings.worker.settle_seconds),
        concurrency: settings.worker.concurrency,
        ..Options::new(uuid::Uuid::now_v7().to_string())
    };
    Reconciler::new(db.clone(), catalog.clone(), engines, github, metrics, prober, options)
}

fn monitors(db: &Db, catalog: &CatalogHandle, prober: Arc<dyn Prober>) -> Monitors {
    let options = MonitorOptions::new(uuid::Uuid::now_v7().to_string());
    Monitors::new(db.clone(), catalog.clone(), prober, options)
}

/// SIGTERM and SIGINT stop; SIGHUP reads the configuration again, and keeps the old one if the new one is wrong.
async fn signals(path: PathBuf, services: Services, catalog: CatalogHandle, stop: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    ) else {
        tracing::error!("signals cannot be listened to; end the process with SIGKILL");
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&path, &services, &catalog).await,
        }
    }
    stop.cancel();
}

async fn reload(path: &Path, services: &Services, catalog: &CatalogHandle) {
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(problems) => {
            tracing::error!("the configuration stays as it was:\n{problems}");
            return;
        }
    };
    // The event first: a configuration that could not be recorded is not put in force.
    if let Err(error) = services.configuration_loaded(&loaded.hash, &loaded.text).await {
        tracing::error!(%error, "the configuration stays as it was: its audit event could not be written");
        return;
    }
    catalog.set(loaded.catalog);
    tracing::info!(version = %&loaded.hash[..12], "configuration reloaded");
    if let Err(error) = services.configuration_changed().await {
        tracing::warn!(%error, "waiting deployments will be judged by the new configuration within half a minute");
    }
}
