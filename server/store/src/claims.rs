//! Claims: which worker looks after which deployment, for how long, and when it is due again.
//!
//! A claim is a lease on the database's time with an epoch that grows with every claim. Whoever's lease has run out
//! saves nothing ([`Tx::save_claimed`]), however long it was asleep.

use crate::{
    Conflict, Db, Result, StoreError, Tx,
    sql::{Sql, fetch_built, limit, on, parse},
    tx::locking,
};
use tidegate_domain::{Deployment, DeploymentId, EnvironmentName, ReleaseId, ServiceName, Timestamp};

/// A deployment held by a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub deployment: DeploymentId,
    pub owner: String,
    /// Grows with every claim of this deployment.
    pub epoch: i64,
    /// On the database's clock, as of the claim; [`Db::renew`] moves it.
    pub lease_until: Timestamp,
    /// How often it had been woken when it was claimed: one more by the end, and it is due again at once.
    wakes: i64,
}

#[derive(sqlx::FromRow)]
struct ClaimRow {
    deployment_id: String,
    epoch: i64,
    wakes: i64,
}

#[derive(sqlx::FromRow)]
struct HolderRow {
    owner: Option<String>,
    epoch: i64,
    lease_until: Option<i64>,
}

macro_rules! due_sql {
    () => {
        "SELECT deployment_id FROM work WHERE next_at <= $3 AND (lease_until IS NULL OR lease_until <= $3) \
         ORDER BY next_at LIMIT $4"
    };
}

macro_rules! claim_sql {
    ($lock:literal) => {
        concat!(
            "UPDATE work SET owner = $1, epoch = epoch + 1, lease_until = $2 WHERE deployment_id IN (",
            due_sql!(),
            $lock,
            ") RETURNING deployment_id, epoch, wakes",
        )
    };
}

/// Wakes the deployments that a SELECT names. On PostgreSQL their rows are locked in the order of their ids, so that two
/// who wake the same rows never hold what the other wants.
macro_rules! wake_sql {
    ($which:literal, $lock:literal) => {
        concat!(
            "UPDATE work SET wakes = wakes + 1, next_at = CASE WHEN next_at > $1 THEN $1 ELSE next_at END \
             WHERE deployment_id IN (SELECT deployment_id FROM work WHERE deployment_id IN (",
            $which,
            ") ORDER BY deployment_id",
            $lock,
            ")",
        )
    };
}

macro_rules! waking {
    ($tx:expr, $which:literal) => {
        $tx.pick(wake_sql!($which, ""), wake_sql!($which, " FOR NO KEY UPDATE"))
    };
}

#[cfg(test)]
pub(crate) const DUE: &str = due_sql!();

impl Db {
    /// Takes up to `max` deployments that are due and that nobody holds, the most overdue first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(&self, owner: &str, lease_millis: i64, max: usize) -> Result<Vec<Claim>> {
        let mut tx = self.begin().await?;
        let now = tx.now();
        let lease_until = now.plus_millis(lease_millis);
        let update = tx.pick(
            claim_sql!(""),
            // Rows that another worker is claiming, or someone is waking, are left to the next round.
            claim_sql!(" FOR NO KEY UPDATE SKIP LOCKED"),
        );
        let rows = on!(tx.conn(), c => {
            sqlx::query_as::<_, ClaimRow>(update)
                .bind(owner)
                .bind(lease_until.millis())
                .bind(now.millis())
                .bind(limit(max))
                .fetch_all(c)
                .await
        })?;
        tx.commit().await?;
        rows.into_iter()
            .map(|row| {
                Ok(Claim {
                    deployment: parse("deployment id", &row.deployment_id)?,
                    owner: owner.to_owned(),
                    epoch: row.epoch,
                    lease_until,
                    wakes: row.wakes,
                })
            })
            .collect()
    }

    /// Extends a lease that is still held, counted from now. `false`: it is not held any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew(&self, claim: &Claim, lease_millis: i64) -> Result<bool> {
        let mut tx = self.begin().await?;
        match tx.hold(claim).await {
            Ok(now) => {
                on!(tx.conn(), c => {
                    sqlx::query("UPDATE work SET lease_until = $2 WHERE deployment_id = $1")
                        .bind(claim.deployment.to_string())
                        .bind(now.plus_millis(lease_millis).millis())
                        .execute(c)
                        .await
                        .map(drop)
                })?;
                tx.commit().await?;
                Ok(true)
            }
            Err(StoreError::Conflict(Conflict::Lease)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a claim back; the deployment is due again at `next_at`, or at once if it was woken since the claim.
    /// A claim that is not held any more changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_claim(&self, claim: &Claim, next_at: Timestamp) -> Result<()> {
        on!(self.write(), c => {
            sqlx::query(
                "UPDATE work SET owner = NULL, lease_until = NULL, \
                 next_at = CASE WHEN wakes = $4 THEN $5 ELSE next_at END \
                 WHERE deployment_id = $1 AND owner = $2 AND epoch = $3",
            )
            .bind(claim.deployment.to_string())
            .bind(&claim.owner)
            .bind(claim.epoch)
            .bind(claim.wakes)
            .bind(next_at.millis())
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    /// Makes every deployment that waits due now: the configuration changed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wake_waiting(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        let now = tx.now().millis();
        let update = waking!(tx, "SELECT id FROM deployments WHERE terminal = 0 AND in_flight = 0");
        on!(tx.conn(), c => sqlx::query(update).bind(now).execute(c).await.map(drop))?;
        tx.commit().await
    }

    /// When the next deployment becomes due that nobody holds then; `None` when all are at rest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_due(&self) -> Result<Option<Timestamp>> {
        let (due,) = on!(self.read(), c => {
            sqlx::query_as::<_, (Option<i64>,)>(
                "SELECT min(CASE WHEN lease_until > next_at THEN lease_until ELSE next_at END) FROM work",
            )
            .fetch_one(c)
            .await
        })?;
        Ok(due.map(Timestamp::from_millis))
    }
}

impl Tx {
    /// Makes a deployment due now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wake(&mut self, deployment: DeploymentId) -> Result<()> {
        let now = self.now().millis();
        let update = waking!(self, "$2");
        on!(self.conn(), c => {
            sqlx::query(update).bind(now).bind(deployment.to_string()).execute(c).await.map(drop)
        })?;
        Ok(())
    }

    /// Makes every deployment of a lane due now: its turn may have come.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wake_lane(&mut self, service: &ServiceName, environment: &EnvironmentName) -> Result<()> {
        let now = self.now().millis();
        let update = waking!(
            self,
            "SELECT id FROM deployments WHERE service = $2 AND environment = $3 AND terminal = 0"
        );
        on!(self.conn(), c => {
            sqlx::query(update)
                .bind(now)
                .bind(service.as_str())
                .bind(environment.as_str())
                .execute(c)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// Makes every deployment of a release due now: something about it became known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wake_release(&mut self, release: ReleaseId) -> Result<()> {
        self.wake_releases(&[release]).await
    }

    /// As [`Tx::wake_release`], for several at once: one call, so that their rows are locked in one order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wake_releases(&mut self, releases: &[ReleaseId]) -> Result<()> {
        if releases.is_empty() {
            return Ok(());
        }
        let mut sql = Sql::new("UPDATE work SET wakes = wakes + 1, next_at = CASE WHEN next_at > ");
        sql.bind(self.now().millis())
            .push(
                " THEN $1 ELSE next_at END WHERE deployment_id IN \
                 (SELECT deployment_id FROM work WHERE deployment_id IN (",
            )
            .push("SELECT id FROM deployments WHERE terminal = 0 AND release_id IN ")
            .bind_list(releases.iter().map(ToString::to_string))
            .push(self.pick(
                ") ORDER BY deployment_id)",
                ") ORDER BY deployment_id FOR NO KEY UPDATE)",
            ))
            .push(" RETURNING deployment_id");
        fetch_built!(self.conn(), sql, (String,))?;
        Ok(())
    }

    /// Locks what saving a deployment that comes to rest will wake: its lane, and the other deployments of its release. In order and before anything else, so that two that rest at once do not wait for each other.
    pub(crate) async fn lock_wakes(&mut self, deployment: &Deployment) -> Result<()> {
        if !self.is_postgres() {
            return Ok(());
        }
        on!(self.conn(), c => {
            sqlx::query(
                "SELECT deployment_id FROM work WHERE deployment_id IN (SELECT id FROM deployments \
                 WHERE terminal = 0 AND (service = $1 AND environment = $2 OR release_id = $3)) \
                 ORDER BY deployment_id FOR NO KEY UPDATE",
            )
            .bind(deployment.service.as_str())
            .bind(deployment.environment.as_str())
            .bind(deployment.release.to_string())
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    /// Makes sure that a claim is held, and that nobody takes it over before the commit; returns the database's time.
    pub(crate) async fn hold(&mut self, claim: &Claim) -> Result<Timestamp> {
        let select = locking!(
            self,
            "SELECT owner, epoch, lease_until FROM work WHERE deployment_id = $1"
        );
        let holder = on!(self.conn(), c => {
            sqlx::query_as::<_, HolderRow>(select)
                .bind(claim.deployment.to_string())
                .fetch_optional(c)
                .await
        })?;
        // The clock is read after the row is locked: waiting for the lock took time too.
        let now = self.clock().await?;
        let held = holder.is_some_and(|holder| {
            holder.owner.as_deref() == Some(claim.owner.as_str())
                && holder.epoch == claim.epoch
                && holder.lease_until.is_some_and(|until| until > now.millis())
        });
        if held { Ok(now) } else { Err(Conflict::Lease.into()) }
    }
}
