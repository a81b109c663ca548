//! Who changed: small messages after a commit, one for each deployment saved ([`Change`], by which the worker wakes), and
//! all that may be shown somewhere ([`News`]).
//!
//! On SQLite the process tells itself. On PostgreSQL everyone, this process too, hears it through LISTEN/NOTIFY, so that
//! each change arrives exactly once. What was missed while the listening connection was down is told when it is back.

use crate::{
    Result,
    sql::{POSTGRES_CLOCK, parse},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{PgPool, postgres::PgListener};
use std::time::Duration;
use tidegate_domain::{DeploymentId, EnvironmentName, ReleaseId, ServiceName, Timestamp};
use tokio::{sync::broadcast, task::JoinHandle};

const CHANNEL: &str = "tidegate_changes";
/// Messages kept for a slow reader; one that falls behind further learns so from its channel and reads afresh.
const KEPT: usize = 1_024;
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);
/// How far before the last message to look again after a lost connection, for transactions that began before it and
/// ended after.
const LOOK_BACK_MILLIS: i64 = 60_000;

/// A deployment now has this version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub deployment: DeploymentId,
    pub version: i64,
    pub service: ServiceName,
    pub environment: EnvironmentName,
}

/// What a reader may want to look at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Deployment(Change),
    /// A release was reported, or learned something: gates, commits, its run.
    Release(ReleaseId),
    /// The audit log reaches this number.
    Audit(i64),
    /// The connection that listens was lost for a while: releases and events may have been missed.
    Missed,
}

/// What one transaction changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changed {
    pub(crate) deployments: Vec<Change>,
    pub(crate) releases: Vec<ReleaseId>,
    pub(crate) audit: Option<i64>,
}

impl Changed {
    pub(crate) fn release(&mut self, id: ReleaseId) {
        if !self.releases.contains(&id) {
            self.releases.push(id);
        }
    }
}

pub(crate) struct Hub {
    senders: Senders,
    /// Set on PostgreSQL.
    listener: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Senders {
    deployments: broadcast::Sender<Change>,
    news: broadcast::Sender<News>,
}

impl Senders {
    fn new() -> Self {
        Self {
            deployments: broadcast::channel(KEPT).0,
            news: broadcast::channel(KEPT).0,
        }
    }

    /// Nobody listening is no error.
    fn tell(&self, news: News) {
        if let News::Deployment(change) = &news {
            let _ = self.deployments.send(change.clone());
        }
        let _ = self.news.send(news);
    }
}

impl Hub {
    pub(crate) fn in_process() -> Self {
        Self {
            senders: Senders::new(),
            listener: None,
        }
    }

    pub(crate) async fn listening(pool: &PgPool) -> Result<Self> {
        let listener = listen(pool).await?;
        let senders = Senders::new();
        let (millis,): (i64,) = sqlx::query_as(POSTGRES_CLOCK).fetch_one(pool).await?;
        let began = Timestamp::from_millis(millis);
        let task = tokio::spawn(relay(listener, pool.clone(), senders.clone(), began));
        Ok(Self {
            senders,
            listener: Some(task),
        })
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.senders.deployments.subscribe()
    }

    pub(crate) fn news(&self) -> broadcast::Receiver<News> {
        self.senders.news.subscribe()
    }

    /// Called after a commit.
    pub(crate) fn committed(&self, changed: Changed) {
        if self.listener.is_none() {
            for news in news_of(changed) {
                self.senders.tell(news);
            }
        }
    }
}

fn news_of(changed: Changed) -> impl Iterator<Item = News> {
    let deployments = changed.deployments.into_iter().map(News::Deployment);
    let releases = changed.releases.into_iter().map(News::Release);
    deployments.chain(releases).chain(changed.audit.map(News::Audit))
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

/// What goes through NOTIFY, one at a time: a message is short.
#[derive(Serialize, Deserialize)]
struct Announcement {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    change: Option<Change>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    release: Option<ReleaseId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    audit: Option<i64>,
    at: Timestamp,
}

pub(crate) fn announcements(changed: &Changed, at: Timestamp) -> Vec<String> {
    let changes = changed
        .deployments
        .iter()
        .map(|change| json!({ "change": change, "at": at }));
    let releases = changed.releases.iter().map(|id| json!({ "release": id, "at": at }));
    let audit = changed.audit.map(|seq| json!({ "audit": seq, "at": at }));
    changes
        .chain(releases)
        .chain(audit)
        .map(|message| message.to_string())
        .collect()
}

async fn listen(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    // A lost connection is told to us first, so that we can ask for what was missed.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

async fn relay(mut listener: PgListener, pool: PgPool, senders: Senders, mut heard: Timestamp) {
    loop {
        heard = hear(&mut listener, &senders, heard).await;
        drop(listener);
        listener = loop {
            match listen(&pool).await {
                Ok(listener) => break listener,
                Err(sqlx::Error::PoolClosed) => return,
                Err(error) => {
                    tracing::warn!(%error, "not listening for changes; trying again");
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
            }
        };
        match missed(&pool, heard).await {
            Ok(changes) => {
                for change in changes {
                    senders.tell(News::Deployment(change));
                }
                senders.tell(News::Missed);
            }
            Err(error) => tracing::warn!(%error, "changes that were missed could not be read"),
        }
    }
}

/// Passes on what is announced until the connection is lost; returns the time of the newest announcement.
async fn hear(listener: &mut PgListener, senders: &Senders, mut heard: Timestamp) -> Timestamp {
    loop {
        match listener.try_recv().await {
            Ok(Some(message)) => match serde_json::from_str::<Announcement>(message.payload()) {
                Ok(Announcement {
                    change,
                    release,
                    audit,
                    at,
                }) => {
                    heard = heard.max(at);
                    let changed = Changed {
                        deployments: change.into_iter().collect(),
                        releases: release.into_iter().collect(),
                        audit,
                    };
                    for news in news_of(changed) {
                        senders.tell(news);
                    }
                }
                Err(error) => tracing::warn!(%error, "a change was announced in a form that cannot be read"),
            },
            Ok(None) => return heard,
            Err(error) => {
                tracing::warn!(%error, "the connection that listens for changes was lost");
                return heard;
            }
        }
    }
}

#[derive(sqlx::FromRow)]
struct ChangeRow {
    id: String,
    version: i64,
    service: String,
    environment: String,
}

async fn missed(pool: &PgPool, heard: Timestamp) -> Result<Vec<Change>> {
    let rows: Vec<ChangeRow> = sqlx::query_as(
        "SELECT id, version, service, environment FROM deployments WHERE updated_at >= $1 ORDER BY updated_at, id",
    )
    .bind(heard.plus_millis(-LOOK_BACK_MILLIS).millis())
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Change {
                deployment: parse("deployment id", &row.id)?,
                version: row.version,
                service: parse("service", &row.service)?,
                environment: parse("environment", &row.environment)?,
            })
        })
        .collect()
}
