//! Watches: whose turn it is to judge a service in an environment between deployments, and how it was last.
//!
//! A claim is a lease on the database's time, as for monitors: whoever lost it saves nothing.

use super::{outcome_name, outcome_of};
use crate::{
    Conflict, Db, Result, StoreError, Tx,
    lanes::IN_FLIGHT,
    sql::{limit, on, parse},
    tx::locking,
};
use tidegate_domain::{EnvironmentName, ServiceName, Timestamp, health::Outcome};

/// A watch held by a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthWatch {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub owner: String,
    /// Grows with every claim of this watch.
    pub epoch: i64,
}

/// How a service in an environment is between deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthRow {
    pub outcome: Outcome,
    /// Since when it is so.
    pub since: Timestamp,
    /// When it was last anything but healthy.
    pub breached_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct HolderRow {
    owner: Option<String>,
    epoch: i64,
    lease_until: Option<i64>,
    health: Option<String>,
    since: Option<i64>,
    breached_at: Option<i64>,
}

pub(crate) const DUE: &str = "SELECT service, environment FROM health_watches \
    WHERE next_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) ORDER BY next_at LIMIT $2";

fn known(health: Option<&str>, since: Option<i64>, breached_at: Option<i64>) -> Result<Option<HealthRow>> {
    let Some((health, since)) = health.zip(since) else {
        return Ok(None);
    };
    Ok(Some(HealthRow {
        outcome: outcome_of(health)?,
        since: Timestamp::from_millis(since),
        breached_at: breached_at.map(Timestamp::from_millis),
    }))
}

impl Db {
    /// Sees to it that each of these is watched, and due within its time (the milliseconds) at the latest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ensure_watches(&self, watches: &[(ServiceName, EnvironmentName, i64)]) -> Result<()> {
        let mut tx = self.begin().await?;
        let now = tx.now();
        // In one order, so that two replicas do not wait for each other.
        let mut sorted: Vec<_> = watches.iter().collect();
        sorted.sort_unstable();
        for (service, environment, every_millis) in sorted {
            on!(tx.conn(), c => {
                sqlx::query(
                    "INSERT INTO health_watches (service, environment, next_at) VALUES ($1, $2, $3) \
                     ON CONFLICT (service, environment) DO UPDATE SET next_at = $4 WHERE health_watches.next_at > $4",
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

    /// Watches that are due and that nobody holds, the most overdue first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due_watches(&self, max: usize) -> Result<Vec<(ServiceName, EnvironmentName)>> {
        let now = self.now().await?.millis();
        let rows = on!(self.read(), c => {
            sqlx::query_as::<_, (String, String)>(DUE).bind(now).bind(limit(max)).fetch_all(c).await
        })?;
        rows.into_iter()
            .map(|(service, environment)| Ok((parse("a service", &service)?, parse("an environment", &environment)?)))
            .collect()
    }

    /// When the next watch becomes due that nobody holds then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_watch_due(&self) -> Result<Option<Timestamp>> {
        let (due,) = on!(self.read(), c => {
            sqlx::query_as::<_, (Option<i64>,)>(
                "SELECT min(CASE WHEN lease_until > next_at THEN lease_until ELSE next_at END) FROM health_watches",
            )
            .fetch_one(c)
            .await
        })?;
        Ok(due.map(Timestamp::from_millis))
    }

    /// Takes a watch that is due and that nobody holds. `None`: someone else was faster.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_watch(
        &self,
        service: &ServiceName,
        environment: &EnvironmentName,
        owner: &str,
        lease_millis: i64,
    ) -> Result<Option<HealthWatch>> {
        let mut tx = self.begin().await?;
        let now = tx.now();
        let row = on!(tx.conn(), c => {
            sqlx::query_as::<_, (i64,)>(
                "UPDATE health_watches SET owner = $3, epoch = epoch + 1, lease_until = $4 \
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
        Ok(row.map(|(epoch,)| HealthWatch {
            service: service.clone(),
            environment: environment.clone(),
            owner: owner.to_owned(),
            epoch,
        }))
    }

    /// Sets a watch that nobody holds aside for a while.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn postpone_watch(
        &self,
        service: &ServiceName,
        environment: &EnvironmentName,
        millis: i64,
    ) -> Result<()> {
        let now = self.now().await?;
        on!(self.write(), c => {
            sqlx::query(
                "UPDATE health_watches SET next_at = $3 WHERE service = $1 AND environment = $2 \
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

    /// Whether a deployment is in flight there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_in_flight(&self, service: &ServiceName, environment: &EnvironmentName) -> Result<bool> {
        let found = on!(self.read(), c => {
            sqlx::query_as::<_, (String,)>(IN_FLIGHT)
                .bind(service.as_str())
                .bind(environment.as_str())
                .bind("")
                .fetch_optional(c)
                .await
        })?;
        Ok(found.is_some())
    }

    /// How a service is in each environment that was judged between deployments.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn watches_of(&self, service: &ServiceName) -> Result<Vec<(EnvironmentName, HealthRow)>> {
        let rows = on!(self.read(), c => {
            sqlx::query_as::<_, (String, Option<String>, Option<i64>, Option<i64>)>(
                "SELECT environment, health, since, breached_at FROM health_watches WHERE service = $1 \
                 ORDER BY environment",
            )
            .bind(service.as_str())
            .fetch_all(c)
            .await
        })?;
        let mut found = Vec::new();
        for (environment, health, since, breached_at) in rows {
            if let Some(row) = known(health.as_deref(), since, breached_at)? {
                found.push((parse("an environment", &environment)?, row));
            }
        }
        Ok(found)
    }
}

impl Tx {
    /// Makes sure that a claim is held, and that nobody takes it over before the commit; returns the database's time and
    /// how it was last.
    ///
    /// # Errors
    /// [`Conflict::Lease`] when the claim is not held any more; or when the database fails.
    pub async fn hold_watch(&mut self, claim: &HealthWatch) -> Result<(Timestamp, Option<HealthRow>)> {
        let select = locking!(
            self,
            "SELECT owner, epoch, lease_until, health, since, breached_at FROM health_watches \
             WHERE service = $1 AND environment = $2"
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
        let holder = holder.ok_or(StoreError::Conflict(Conflict::Lease))?;
        Ok((now, known(holder.health.as_deref(), holder.since, holder.breached_at)?))
    }

    /// Says how it is now (`None`: as before), when it is due again, and gives the claim back. After [`Tx::hold_watch`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save_watch(
        &mut self,
        claim: &HealthWatch,
        health: Option<&HealthRow>,
        next_at: Timestamp,
    ) -> Result<()> {
        on!(self.conn(), c => {
            sqlx::query(
                "UPDATE health_watches SET health = coalesce($3, health), since = coalesce($4, since), \
                 breached_at = coalesce($5, breached_at), next_at = $6, owner = NULL, lease_until = NULL \
                 WHERE service = $1 AND environment = $2",
            )
            .bind(claim.service.as_str())
            .bind(claim.environment.as_str())
            .bind(health.map(|health| outcome_name(health.outcome)))
            .bind(health.map(|health| health.since.millis()))
            .bind(health.and_then(|health| health.breached_at).map(Timestamp::millis))
            .bind(next_at.millis())
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }
}
