//! A write transaction: everything saved in it becomes visible together, at [`Tx::commit`], or not at all.

use crate::{
    Db, Result,
    changes::{Change, Changed, announcements},
    sql::{Either, on},
};
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};
use tidegate_domain::{ReleaseId, Timestamp};

/// On SQLite the one writer; on PostgreSQL READ COMMITTED with rows locked as they are read.
///
/// # The order of locks
/// Whoever takes rows in another order than others may wait for someone who waits for them, and PostgreSQL then ends one
/// of the two ([`crate::Conflict::Busy`]). All transactions take them in this order, leaving out what they do not need:
///
/// 1. what happens once only, sessions, people, pushes and runs, health definitions;
/// 2. the release, then its gates;
/// 3. rows of `work`, all that are needed in one call and so in the order of their ids ([`Tx::wake_lane`],
///    [`Tx::wake_releases`], a claim): wake first, decide then;
/// 4. the deployment, then its lane, what was measured during it, and the outbox;
/// 5. the audit log. From there on every other writer waits for this commit, so it comes last. Only a new deployment is
///    inserted after it, and waits for nobody.
pub struct Tx {
    inner: Either<Transaction<'static, Sqlite>, Transaction<'static, Postgres>>,
    db: Db,
    now: Timestamp,
    changed: Changed,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Tx {
    pub(crate) async fn begin(db: Db) -> Result<Self> {
        let inner = match db.write() {
            Either::Sqlite(pool) => Either::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Either::Postgres(pool) => Either::Postgres(pool.begin().await?),
        };
        let mut tx = Self {
            inner,
            db,
            now: Timestamp::default(),
            changed: Changed::default(),
        };
        tx.now = tx.clock().await?;
        Ok(tx)
    }

    /// The database's time when the transaction began.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Makes everything visible, then tells [`Db::changes`] and [`Db::news`].
    ///
    /// # Errors
    /// When the database went away; whether the transaction was kept is then not known.
    pub async fn commit(mut self) -> Result<()> {
        let changed = std::mem::take(&mut self.changed);
        if self.db.is_postgres() {
            for payload in announcements(&changed, self.now) {
                on!(self.conn(), c => {
                    sqlx::query("SELECT pg_notify('tidegate_changes', $1)").bind(payload).execute(c).await.map(drop)
                })?;
            }
        }
        match self.inner {
            Either::Sqlite(transaction) => transaction.commit().await?,
            Either::Postgres(transaction) => transaction.commit().await?,
        }
        self.db.hub().committed(changed);
        Ok(())
    }

    /// The database's time now, as opposed to when the transaction began.
    pub(crate) async fn clock(&mut self) -> Result<Timestamp> {
        let clock = self.db.clock_sql();
        let (millis,) = on!(self.conn(), c => sqlx::query_as::<_, (i64,)>(clock).fetch_one(c).await)?;
        Ok(self.db.clock().at(millis))
    }

    pub(crate) fn conn(&mut self) -> Either<&mut SqliteConnection, &mut PgConnection> {
        match &mut self.inner {
            Either::Sqlite(transaction) => Either::Sqlite(transaction),
            Either::Postgres(transaction) => Either::Postgres(transaction),
        }
    }

    /// The second text on PostgreSQL, where rows are locked as they are read; the first on SQLite, which has one writer.
    pub(crate) fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        if self.db.is_postgres() { postgres } else { sqlite }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.db.is_postgres()
    }

    pub(crate) fn changed(&mut self, change: Change) {
        self.changed.deployments.push(change);
    }

    pub(crate) fn released(&mut self, release: ReleaseId) {
        self.changed.release(release);
    }

    pub(crate) fn logged(&mut self, seq: i64) {
        self.changed.audit = Some(seq);
    }
}

/// The same SELECT with and without its row lock.
macro_rules! locking {
    ($tx:expr, $sql:literal) => {
        $tx.pick($sql, concat!($sql, " FOR NO KEY UPDATE"))
    };
}
pub(crate) use locking;
