//! Monitors: whose turn it is to run one, what it says, and what its runs found.
//!
//! A claim is a lease on the database's time, as for deployments: whoever lost it saves nothing. A run is saved with what
//! it changes in one transaction.

use crate::{
    Conflict, Db, Result, StoreError, Tx,
    sql::{from_json, limit, on, parse, to_json},
    tx::locking,
};
use tidegate_domain::{
    EnvironmentName, ServiceName, Timestamp,
    smoke::{Health, MonitorRun, turned},
};

/// A monitor held by a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorClaim {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub owner: String,
    /// Grows with every claim of this monitor.
    pub epoch: i64,
}

/// What is known of a monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorRow {
    pub environment: EnvironmentName,
    /// And since when. `None`: it has not run yet.
    pub health: Option<(Health, Timestamp)>,
    pub next_at: Timestamp,
    /// Newest first.
    pub runs: Vec<MonitorRun>,
}

#[derive(sqlx::FromRow)]
struct HolderRow {
    owner: Option<String>,
    epoch: i64,
    lease_until: Option<i64>,
    health: Option<String>,
    since: Option<i64>,
}

/// One passing and one failing run an hour are enough, and those that changed something.
pub(crate) const THIN: &str = "DELETE FROM monitor_runs WHERE began_at <= $1 AND turned = 0 AND EXISTS (\
    SELECT 1 FROM monitor_runs earlier WHERE earlier.service = monitor_runs.service \
    AND earlier.environment = monitor_runs.environment AND earlier.passed = monitor_runs.passed \
    AND earlier.began_at < monitor_runs.began_at \
    AND earlier.began_at >= monitor_runs.began_at - monitor_runs.began_at % 3600000)";

pub(crate) const DUE: &str = "SELECT service, environment FROM monitors \
    WHERE next_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) ORDER BY next_at LIMIT $2";

fn health(text: &str) -> Result<Health> {
    [Health::Passing, Health::Failing]
        .into_iter()
        .find(|health| health.as_str() == text)
        .ok_or_else(|| StoreError::corrupt("a monitor's health", text))
}

fn known(text: Option<&str>, since: Option<i64>) -> Result<Option<(Health, Timestamp)>> {
    let Some((text, since)) = text.zip(since) else {
        return Ok(None);
    };
    Ok(Some((health(text)?, Timestamp::from_millis(since))))
}

impl Db {
    /// Sees to it that each of these is there, and due within its time (the milliseconds) at the latest. What the
    /// configuration does not name any more keeps its past and is not touched.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ensure_monitors(&self, monitors: &[(ServiceName, EnvironmentName, i64)]) -> Result<()> {
        let mut tx = self.begin().await?;
        let now = tx.now();
        // In one order, so that two replicas do not wait for each other.
        let mut sorted: Vec<_> = monitors.iter().collect();
        sorted.sort_unstable();
        for (service, environment, every_millis) in sorted {
            on!(tx.conn(), c => {
                sqlx::query(
                    "INSERT INTO monitors (service, environment, next_at) VALUES ($1, $2, $3) \
                     ON CONFLICT (service, environment) DO UPDATE SET next_at = $4 WHERE monitors.next_at > $4",
                )
                .bind(service.as_str())
                .bind(environment.as_str())
                .bind(now.millis())
                .bind(now.plus_millis(*every_millis).millis())
                .execute(c)
                .await
                .map(drop)
            })?;
        }
        tx.commit().await
    }

    /// Monitors that are due and that nobody holds, the most overdue first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due_monitors(&self, max: usize) -> Result<Vec<(ServiceName, EnvironmentName)>> {
        let now = self.now().await?.millis();
        let rows = on!(self.read(), c => {
            sqlx::query_as::<_, (String, String)>(DUE).bind(now).bind(limit(max)).fetch_all(c).await
        })?;
        rows.into_iter()
            .map(|(service, environment)| Ok((parse("a service", &service)?, parse("an environment", &environment)?)))
            .collect()
    }

    /// When the next monitor becomes due that nobody holds then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_monitor_due(&self) -> Result<Option<Timestamp>> {
        let (due,) = on!(self.read(), c => {
            sqlx::query_as::<_, (Option<i64>,)>(
                "SELECT min(CASE WHEN lease_until > next_at THEN lease_until ELSE next_at END) FROM monitors",
            )
            .fetch_one(c)
            .await
        })?;
        Ok(due.map(Timestamp::from_millis))
    }

    /// Takes a monitor that is due and that nobody holds. `None`: someone else was faster.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_monitor(
        &self,
        service: &ServiceName,
        environment: &EnvironmentName,
        owner: &str,
        lease_millis: i64,
    ) -> Result<Option<MonitorClaim>> {
        let mut tx = self.begin().await?;
        let now = tx.now();
        let row = on!(tx.conn(), c => {
            sqlx::query_as::<_, (i64,)>(
                "UPDATE monitors SET owner = $3, epoch = epoch + 1, lease_until = $4 \
                 WHERE service = $1 AND environment = $2 AND next_at <= $5 \
                 AND (lease_until IS NULL OR lease_until <= $5) RETURNING epoch",
            )
            .bind(service.as_str())
            .bind(environment.as_str())
            .bind(owner)
            .bind(now.plus_millis(lease_millis).millis())
            .bind(now.millis())
            .fetch_optional(c)
            .await
        })?;
        tx.commit().await?;
        Ok(row.map(|(epoch,)| MonitorClaim {
            service: service.clone(),
            environment: environment.clone(),
            owner: owner.to_owned(),
            epoch,
        }))
    }

    /// Extends a lease that is still held, counted from now. `false`: it is not held any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_monitor(&self, claim: &MonitorClaim, lease_millis: i64) -> Result<bool> {
        let mut tx = self.begin().await?;
        let now = match tx.hold_monitor(claim).await {
            Ok((now, _)) => now,
            Err(StoreError::Conflict(Conflict::Lease)) => return Ok(false),
            Err(error) => return Err(error),
        };
        on!(tx.conn(), c => {
            sqlx::query("UPDATE monitors SET lease_until = $3 WHERE service = $1 AND environment = $2")
                .bind(claim.service.as_str())
                .bind(claim.environment.as_str())
                .bind(now.plus_millis(lease_millis).millis())
                .execute(c)
                .await
                .map(drop)
        })?;
        tx.commit().await?;
        Ok(true)
    }

    /// Gives a claim back unused: the monitor stays due. One that is not held any more changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_monitor(&self, claim: &MonitorClaim) -> Result<()> {
        on!(self.write(), c => {
            sqlx::query(
                "UPDATE monitors SET owner = NULL, lease_until = NULL \
                 WHERE service = $1 AND environment = $2 AND owner = $3 AND epoch = $4",
            )
            .bind(claim.service.as_str())
            .bind(claim.environment.as_str())
            .bind(&claim.owner)
            .bind(claim.epoch)
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    /// Sets a monitor that nobody holds aside for a while.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn postpone_monitor(
        &self,
        service: &ServiceName,
        environment: &EnvironmentName,
        millis: i64,
    ) -> Result<()> {
        let now = self.now().await?;
        on!(self.write(), c => {
            sqlx::query(
                "UPDATE monitors SET next_at = $3 WHERE service = $1 AND environment = $2 \
                 AND (lease_until IS NULL OR lease_until <= $4)",
            )
            .bind(service.as_str())
            .bind(environment.as_str())
            .bind(now.plus_millis(millis).millis())
            .bind(now.millis())
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    /// What is known of a service's monitors, with up to `runs` of each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn monitors_of(&self, service: &ServiceName, runs: usize) -> Result<Vec<MonitorRow>> {
        let rows = on!(self.read(), c => {
            sqlx::query_as::<_, (String, i64, Option<String>, Option<i64>)>(
                "SELECT environment, next_at, health, since FROM monitors WHERE service = $1 ORDER BY environment",
            )
            .bind(service.as_str())
            .fetch_all(c)
            .await
        })?;
        let mut found = Vec::new();
        for (environment, next_at, health, since) in rows {
            let bodies = on!(self.read(), c => {
                sqlx::query_as::<_, (String,)>(
                    "SELECT body FROM monitor_runs WHERE service = $1 AND environment = $2 \
                     ORDER BY began_at DESC LIMIT $3",
                )
                .bind(service.as_str())
                .bind(&environment)
                .bind(limit(runs))
                .fetch_all(c)
                .await
            })?;
            found.push(MonitorRow {
                environment: parse("an environment", &environment)?,
                health: known(health.as_deref(), since)?,
                next_at: Timestamp::from_millis(next_at),
                runs: bodies
                    .into_iter()
                    .map(|(body,)| from_json("a monitor's run", &body))
                    .collect::<Result<_>>()?,
            });
        }
        Ok(found)
    }
}

impl Tx {
    /// Makes sure that a claim is held, and that nobody takes it over before the commit; returns the database's time and
    /// what the monitor said so far.
    async fn hold_monitor(&mut self, claim: &MonitorClaim) -> Result<(Timestamp, Option<(Health, Timestamp)>)> {
        let select = locking!(
            self,
            "SELECT owner, epoch, lease_until, health, since FROM monitors WHERE service = $1 AND environment = $2"
        );
        let holder = on!(self.conn(), c => {
            sqlx::query_as::<_, HolderRow>(select)
                .bind(claim.service.as_str())
                .bind(claim.environment.as_str())
                .fetch_optional(c)
                .await
        })?;
        // The clock is read after the row is locked: waiting for the lock took time too.
        let now = self.clock().await?;
        let holder = holder.filter(|holder| {
            holder.owner.as_deref() == Some(claim.owner.as_str())
                && holder.epoch == claim.epoch
                && holder.lease_until.is_some_and(|until| until > now.millis())
        });
        let holder = holder.ok_or(Conflict::Lease)?;
        Ok((now, known(holder.health.as_deref(), holder.since)?))
    }

    /// Saves a run, gives the claim back, and says when the monitor is due again. Returns what it said before if this run
    /// changed that; the first run that passes changes nothing.
    ///
    /// # Errors
    /// [`Conflict::Lease`] when the claim is not held any more; or when the database fails.
    pub async fn record_monitor_run(
        &mut self,
        claim: &MonitorClaim,
        run: &MonitorRun,
        next_at: Timestamp,
    ) -> Result<Option<Option<(Health, Timestamp)>>> {
        let (_, before) = self.hold_monitor(claim).await?;
        let has_turned = turned(before.map(|(health, _)| health), run.health);
        let since = before
            .filter(|(health, _)| *health == run.health)
            .map_or(run.began_at, |(_, since)| since);
        let body = to_json("a monitor's run", run)?;
        on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO monitor_runs (service, environment, began_at, passed, turned, body) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(claim.service.as_str())
            .bind(claim.environment.as_str())
            .bind(run.began_at.millis())
            .bind(i64::from(run.health == Health::Passing))
            .bind(i64::from(has_turned))
            .bind(&body)
            .execute(c)
            .await
            .map(drop)
        })?;
        on!(self.conn(), c => {
            sqlx::query(
                "UPDATE monitors SET health = $3, since = $4, next_at = $5, owner = NULL, lease_until = NULL \
                 WHERE service = $1 AND environment = $2",
            )
            .bind(claim.service.as_str())
            .bind(claim.environment.as_str())
            .bind(run.health.as_str())
            .bind(since.millis())
            .bind(next_at.millis())
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(has_turned.then_some(before))
    }
}
