//! Opening a database, and reading from it.
//!
//! SQLite: one connection writes (`BEGIN IMMEDIATE`), the others only read; WAL with `synchronous = FULL`, so that what
//! was acknowledged is on the disk. PostgreSQL: one pool, and one connection more that listens for changes.

use crate::{
    Clock, Power, Result, StoreError, Tx,
    changes::{Change, Hub, News},
    sql::{Either, POSTGRES_CLOCK, SQLITE_CLOCK, on},
};
use sqlx::{
    Connection, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{str::FromStr, sync::Arc, time::Duration};
use tidegate_domain::Timestamp;
use tokio::sync::broadcast;

static SQLITE_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/sqlite");
static POSTGRES_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/postgres");

/// How many connections to keep, and how long to wait for one.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    pub max_connections: u32,
    /// Also how long a write waits for its turn on SQLite.
    pub acquire_timeout: Duration,
    pub clock: Clock,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_connections: 8,
            acquire_timeout: Duration::from_secs(10),
            clock: Clock::Database,
        }
    }
}

/// An open database. Cloning is cheap; the last clone closes it.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Pools,
    hub: Hub,
    clock: Clock,
}

enum Pools {
    Sqlite { reads: SqlitePool, writes: SqlitePool },
    Postgres(PgPool),
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_postgres() {
            "Db(postgres)"
        } else {
            "Db(sqlite)"
        })
    }
}

impl Db {
    /// Opens `sqlite://PATH` (made if missing) or `postgres://…`. Changes nothing in it: see [`Db::migrate`].
    ///
    /// # Errors
    /// When the address is of neither kind, or the database cannot be reached.
    pub async fn connect(url: &str, options: PoolOptions) -> Result<Self> {
        if url.starts_with("sqlite:") {
            Self::connect_sqlite(url, options).await
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::connect_postgres(url, options).await
        } else {
            Err(StoreError::Setup(
                "the database's address must begin with sqlite:// or postgres://".to_owned(),
            ))
        }
    }

    async fn connect_sqlite(url: &str, options: PoolOptions) -> Result<Self> {
        let file = SqliteConnectOptions::from_str(url)
            .map_err(|error| StoreError::Setup(error.to_string()))?
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let writes = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(options.acquire_timeout)
            .after_release(|writer, _| {
                Box::pin(async move {
                    // SQLite itself rolls back when the disk is full or fails, behind the driver's back. The driver then
                    // believes in a transaction that is no more and refuses the next: such a connection is not kept.
                    // The ping comes after a rollback that is still under way.
                    writer.ping().await?;
                    Ok(!writer.is_in_transaction())
                })
            })
            .connect_with(file.clone())
            .await?;
        let reads = SqlitePoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            .connect_with(file.pragma("query_only", "1"))
            .await?;
        Ok(Self::over(
            Pools::Sqlite { reads, writes },
            Hub::in_process(),
            options.clock,
        ))
    }

    async fn connect_postgres(url: &str, options: PoolOptions) -> Result<Self> {
        let server = PgConnectOptions::from_str(url)
            .map_err(|error| StoreError::Setup(error.to_string()))?
            .application_name("tidegate");
        let pool = PgPoolOptions::new()
            // One of them listens for changes all the time.
            .max_connections(options.max_connections.saturating_add(1))
            .acquire_timeout(options.acquire_timeout)
            .connect_with(server)
            .await?;
        let hub = Hub::listening(&pool).await?;
        Ok(Self::over(Pools::Postgres(pool), hub, options.clock))
    }

    fn over(pools: Pools, hub: Hub, clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner { pools, hub, clock }),
        }
    }

    /// Brings the tables up to this version of Tidegate. Safe to call by several replicas at once. A role that does not
    /// own the tables only looks whether they are.
    ///
    /// # Errors
    /// When a migration fails, when the database was migrated by a newer version, or when it needs to be migrated and
    /// this role may not.
    pub async fn migrate(&self) -> Result<()> {
        if self.has_tables().await? && self.power().await? == Power::Application {
            return self.ping().await;
        }
        let done = match &self.inner.pools {
            Pools::Sqlite { writes, .. } => SQLITE_MIGRATIONS.run(writes).await,
            Pools::Postgres(pool) => POSTGRES_MIGRATIONS.run(pool).await,
        };
        done.map_err(|error| StoreError::Setup(error.to_string()))
    }

    /// Whether it was ever migrated. On SQLite the answer is not needed.
    async fn has_tables(&self) -> Result<bool> {
        let Pools::Postgres(pool) = &self.inner.pools else {
            return Ok(false);
        };
        let (found,) = sqlx::query_as::<_, (bool,)>("SELECT to_regclass('audit') IS NOT NULL")
            .fetch_one(pool)
            .await?;
        Ok(found)
    }

    /// Whether the database answers and its tables are those of this version.
    ///
    /// # Errors
    /// When it does not answer, or is not migrated.
    pub async fn ping(&self) -> Result<()> {
        let (version,) = on!(self.read(), c => {
            sqlx::query_as::<_, (Option<i64>,)>("SELECT max(version) FROM _sqlx_migrations WHERE success")
                .fetch_one(c)
                .await
        })?;
        let newest = SQLITE_MIGRATIONS.iter().map(|migration| migration.version).max();
        if version < newest {
            return Err(StoreError::Setup(
                "its tables are of an older version: run `tidegate migrate` as the role that owns them".to_owned(),
            ));
        }
        Ok(())
    }

    /// The database's clock.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&self) -> Result<Timestamp> {
        let clock = self.clock_sql();
        let (millis,) = on!(self.read(), c => sqlx::query_as::<_, (i64,)>(clock).fetch_one(c).await)?;
        Ok(self.inner.clock.at(millis))
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.inner.pools, Pools::Postgres(_))
    }

    /// Begins a write transaction. Dropping it rolls back.
    ///
    /// # Errors
    /// When the database does not answer, or the turn to write does not come in time.
    pub async fn begin(&self) -> Result<Tx> {
        Tx::begin(self.clone()).await
    }

    /// What was saved from now on, by this process and, on PostgreSQL, by every other.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.hub.subscribe()
    }

    /// Everything that was saved from now on and may be shown somewhere, likewise.
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.inner.hub.news()
    }

    /// Ends all connections, once they are idle.
    pub async fn close(&self) {
        match &self.inner.pools {
            Pools::Sqlite { reads, writes } => {
                reads.close().await;
                writes.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    pub(crate) fn read(&self) -> Either<&SqlitePool, &PgPool> {
        match &self.inner.pools {
            Pools::Sqlite { reads, .. } => Either::Sqlite(reads),
            Pools::Postgres(pool) => Either::Postgres(pool),
        }
    }

    /// For single statements that change something and leave no audit event.
    pub(crate) fn write(&self) -> Either<&SqlitePool, &PgPool> {
        match &self.inner.pools {
            Pools::Sqlite { writes, .. } => Either::Sqlite(writes),
            Pools::Postgres(pool) => Either::Postgres(pool),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(crate) fn clock_sql(&self) -> &'static str {
        if self.is_postgres() {
            POSTGRES_CLOCK
        } else {
            SQLITE_CLOCK
        }
    }
}
