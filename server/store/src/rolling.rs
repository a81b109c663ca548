//! Services that are only watched: whose turn it is to read one, and what ECS said of its rolling deployments.
//!
//! A claim is a lease on the database's time, as for deployments: whoever lost it saves nothing, so that what was read
//! earlier never replaces what was read later.

use crate::{
    Conflict, Db, Result, Tx,
    sql::{from_json, limit, on, parse, to_json},
    tx::locking,
};
use tidegate_domain::{
    ServiceName, Timestamp,
    rolling::{RollingDeployment, RollingService, RollingView},
    time::DAY,
};

/// How long a deployment is kept. ECS itself forgets them after about as long.
const KEPT_MILLIS: i64 = 90 * DAY;

/// A watched service that a replica holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollingClaim {
    pub service: ServiceName,
    pub watched: RollingService,
    pub owner: String,
    /// Grows with every claim of it.
    pub epoch: i64,
}

#[derive(sqlx::FromRow)]
struct HolderRow {
    owner: Option<String>,
    epoch: i64,
    lease_until: Option<i64>,
}

impl Db {
    /// Sees to it that each of these is there. What the configuration does not name any more is left alone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ensure_rolling(&self, watched: &[(ServiceName, RollingService)]) -> Result<()> {
        let mut tx = self.begin().await?;
        let now = tx.now().millis();
        // In one order, so that two replicas do not wait for each other.
        let mut sorted: Vec<_> = watched.iter().collect();
        sorted.sort_unstable();
        for (service, watched) in sorted {
            on!(tx.conn(), c => {
                sqlx::query(
                    "INSERT INTO rolling_services (service, cluster, ecs_service, next_at) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (service, cluster, ecs_service) DO NOTHING",
                )
                .bind(service.as_str())
                .bind(&watched.cluster)
                .bind(&watched.ecs_service)
                .bind(now)
                .execute(c)
                .await
                .map(drop)
            })?;
        }
        tx.commit().await
    }

    /// Services that are due and that nobody holds, the most overdue first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due_rolling(&self, max: usize) -> Result<Vec<(ServiceName, RollingService)>> {
        let now = self.now().await?.millis();
        let rows = on!(self.read(), c => {
            sqlx::query_as::<_, (String, String, String)>(
                "SELECT service, cluster, ecs_service FROM rolling_services \
                 WHERE next_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) ORDER BY next_at LIMIT $2",
            )
            .bind(now)
            .bind(limit(max))
            .fetch_all(c)
            .await
        })?;
        rows.into_iter()
            .map(|(service, cluster, ecs_service)| {
                Ok((parse("a service", &service)?, RollingService { cluster, ecs_service }))
            })
            .collect()
    }

    /// Takes a service that is due and that nobody holds. `None`: someone else was faster.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_rolling(
        &self,
        service: &ServiceName,
        watched: &RollingService,
        owner: &str,
        lease_millis: i64,
    ) -> Result<Option<RollingClaim>> {
        let mut tx = self.begin().await?;
        let now = tx.now();
        let row = on!(tx.conn(), c => {
            sqlx::query_as::<_, (i64,)>(
                "UPDATE rolling_services SET owner = $4, epoch = epoch + 1, lease_until = $5 \
                 WHERE service = $1 AND cluster = $2 AND ecs_service = $3 AND next_at <= $6 \
                 AND (lease_until IS NULL OR lease_until <= $6) RETURNING epoch",
            )
            .bind(service.as_str())
            .bind(&watched.cluster)
            .bind(&watched.ecs_service)
            .bind(owner)
            .bind(now.plus_millis(lease_millis).millis())
            .bind(now.millis())
            .fetch_optional(c)
            .await
        })?;
        tx.commit().await?;
        Ok(row.map(|(epoch,)| RollingClaim {
            service: service.clone(),
            watched: watched.clone(),
            owner: owner.to_owned(),
            epoch,
        }))
    }

    /// What is known of these, in their order, with up to `max` deployments of each.
    ///
    /// # Errors
    /// When the database fails, or holds what it should not.
    pub async fn rolling_of(
        &self,
        service: &ServiceName,
        watched: &[RollingService],
        max: usize,
    ) -> Result<Vec<RollingView>> {
        let mut views = Vec::new();
        for one in watched {
            let row = on!(self.read(), c => {
                sqlx::query_as::<_, (Option<i64>, Option<String>)>(
                    "SELECT read_at, trouble FROM rolling_services \
                     WHERE service = $1 AND cluster = $2 AND ecs_service = $3",
                )
                .bind(service.as_str())
                .bind(&one.cluster)
                .bind(&one.ecs_service)
                .fetch_optional(c)
                .await
            })?;
            let bodies = on!(self.read(), c => {
                sqlx::query_as::<_, (String,)>(
                    "SELECT body FROM rolling_deployments WHERE service = $1 AND cluster = $2 AND ecs_service = $3 \
                     ORDER BY created_at DESC, arn LIMIT $4",
                )
                .bind(service.as_str())
                .bind(&one.cluster)
                .bind(&one.ecs_service)
                .bind(limit(max))
                .fetch_all(c)
                .await
            })?;
            let deployments: Result<Vec<RollingDeployment>> = bodies
                .iter()
                .map(|(body,)| from_json("a rolling deployment", body))
                .collect();
            let (read_at, trouble) = row.unwrap_or_default();
            views.push(RollingView {
                watched: one.clone(),
                deployments: deployments?,
                read_at: read_at.map(Timestamp::from_millis),
                trouble,
            });
        }
        Ok(views)
    }
}

impl Tx {
    /// Saves what was read, or why nothing could be, gives the claim back, and says when it is due again.
    ///
    /// # Errors
    /// [`Conflict::Lease`] when the claim is not held any more; or when the database fails.
    pub async fn record_rolling(
        &mut self,
        claim: &RollingClaim,
        read: std::result::Result<&[RollingDeployment], &str>,
        next_millis: i64,
    ) -> Result<()> {
        let now = self.hold_rolling(claim).await?;
        for deployment in read.unwrap_or_default() {
            let body = to_json("a rolling deployment", deployment)?;
            on!(self.conn(), c => {
                sqlx::query(
                    "INSERT INTO rolling_deployments (service, cluster, ecs_service, arn, created_at, body) \
                     VALUES ($1, $2, $3, $4, $5, $6) \
                     ON CONFLICT (service, cluster, ecs_service, arn) DO UPDATE SET body = excluded.body",
                )
                .bind(claim.service.as_str())
                .bind(&claim.watched.cluster)
                .bind(&claim.watched.ecs_service)
                .bind(&deployment.arn)
                .bind(deployment.created_at.millis())
                .bind(&body)
                .execute(c)
                .await
                .map(drop)
            })?;
        }
        on!(self.conn(), c => {
            sqlx::query("DELETE FROM rolling_deployments WHERE service = $1 AND created_at <= $2")
                .bind(claim.service.as_str())
                .bind(now.plus_millis(-KEPT_MILLIS).millis())
                .execute(c)
                .await
                .map(drop)
        })?;
        let read_at = read.is_ok().then(|| now.millis());
        on!(self.conn(), c => {
            sqlx::query(
                "UPDATE rolling_services SET owner = NULL, lease_until = NULL, next_at = $4, trouble = $5, \
                 read_at = COALESCE($6, read_at) WHERE service = $1 AND cluster = $2 AND ecs_service = $3",
            )
            .bind(claim.service.as_str())
            .bind(&claim.watched.cluster)
            .bind(&claim.watched.ecs_service)
            .bind(now.plus_millis(next_millis).millis())
            .bind(read.err())
            .bind(read_at)
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    async fn hold_rolling(&mut self, claim: &RollingClaim) -> Result<Timestamp> {
        let select = locking!(
            self,
            "SELECT owner, epoch, lease_until FROM rolling_services \
             WHERE service = $1 AND cluster = $2 AND ecs_service = $3"
        );
        let holder = on!(self.conn(), c => {
            sqlx::query_as::<_, HolderRow>(select)
                .bind(claim.service.as_str())
                .bind(&claim.watched.cluster)
                .bind(&claim.watched.ecs_service)
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
