//! Who changed: one small message for each deployment saved, after its commit.
//!
//! On SQLite the process tells itself. On PostgreSQL everyone, this process too, hears it through LISTEN/NOTIFY, so that
//! each change arrives exactly once. What was missed while the listening connection was down is told when it is back.

use crate::{
    Result,
    sql::{POSTGRES_CLOCK, parse},
};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgListener};
use std::time::Duration;
use tidegate_domain::{DeploymentId, EnvironmentName, ServiceName, Timestamp};
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

pub(crate) struct Hub {
    sender: broadcast::Sender<Change>,
    /// Set on PostgreSQL.
    listener: Option<JoinHandle<()>>,
}

impl Hub {
    pub(crate) fn in_process() -> Self {
        Self {
            sender: broadcast::channel(KEPT).0,
            listener: None,
        }
    }

    pub(crate) async fn listening(pool: &PgPool) -> Result<Self> {
        let listener = listen(pool).await?;
        let sender = broadcast::channel(KEPT).0;
        let (millis,): (i64,) = sqlx::query_as(POSTGRES_CLOCK).fetch_one(pool).await?;
        let began = Timestamp::from_millis(millis);
        let task = tokio::spawn(relay(listener, pool.clone(), sender.clone(), began));
        Ok(Self {
            sender,
            listener: Some(task),
        })
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }

    /// Called after a commit.
    pub(crate) fn committed(&self, changes: Vec<Change>) {
        if self.listener.is_none() {
            for change in changes {
                // Nobody listening is no error.
                let _ = self.sender.send(change);
            }
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

/// What goes through NOTIFY.
#[derive(Serialize, Deserialize)]
struct Announcement {
    change: Change,
    at: Timestamp,
}

pub(crate) fn announcement(change: &Change, at: Timestamp) -> String {
    serde_json::json!({ "change": change, "at": at }).to_string()
}

async fn listen(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    // A lost connection is told to us first, so that we can ask for what was missed.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

async fn relay(mut listener: PgListener, pool: PgPool, sender: broadcast::Sender<Change>, mut heard: Timestamp) {
    loop {
        heard = hear(&mut listener, &sender, heard).await;
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
            Ok(changes) => changes.into_iter().for_each(|change| drop(sender.send(change))),
            Err(error) => tracing::warn!(%error, "changes that were missed could not be read"),
        }
    }
}

/// Passes on what is announced until the connection is lost; returns the time of the newest announcement.
async fn hear(listener: &mut PgListener, sender: &broadcast::Sender<Change>, mut heard: Timestamp) -> Timestamp {
    loop {
        match listener.try_recv().await {
            Ok(Some(message)) => match serde_json::from_str::<Announcement>(message.payload()) {
                Ok(Announcement { change, at }) => {
                    heard = heard.max(at);
                    // Nobody listening is no error.
                    let _ = sender.send(change);
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
