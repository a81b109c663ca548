//! Lanes: one service in one environment. Who is in flight, who is next, what runs there.

use crate::{
    Db, Result, Tx, Versioned,
    deployments::DeploymentRow,
    sql::{on, parse},
};
use std::collections::BTreeMap;
use tidegate_domain::{Deployment, DeploymentId, Digest, EnvironmentName, ServiceName, StateName, plan::Lane};

/// One service in one environment, as a matrix shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneSummary {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    /// The last to have succeeded: what runs there as far as Tidegate knows.
    pub succeeded: Option<Versioned<Deployment>>,
    pub in_flight: Option<Versioned<Deployment>>,
    /// Requested, awaiting approval or queued; oldest first.
    pub waiting: Vec<Versioned<Deployment>>,
    /// The last to have ended in any other way, unless one succeeded since.
    pub ended: Option<Versioned<Deployment>>,
}

pub(crate) const IN_FLIGHT: &str = "SELECT id FROM deployments \
    WHERE service = $1 AND environment = $2 AND in_flight = 1 AND id <> $3";
const FIRST_QUEUED: &str = "SELECT id FROM deployments \
    WHERE service = $1 AND environment = $2 AND terminal = 0 AND state = 'queued' \
    ORDER BY is_rollback DESC, queued_at, id LIMIT 1";
/// The newest promotion requested after this one that still waits or has gone on; a rollback replaces no request.
pub(crate) const NEWER: &str = "SELECT d.id FROM deployments d, deployments self \
    WHERE self.id = $3 AND d.service = $1 AND d.environment = $2 AND d.is_rollback = 0 \
    AND (d.requested_at, d.id) > (self.requested_at, self.id) \
    AND d.state NOT IN ('rejected', 'cancelled', 'expired', 'superseded') \
    ORDER BY d.requested_at DESC, d.id DESC LIMIT 1";
const AHEAD: &str = "SELECT d.body, d.version FROM deployments d, deployments self \
    WHERE self.id = $3 AND d.service = $1 AND d.environment = $2 AND d.terminal = 0 AND d.id <> self.id \
    AND (d.in_flight = 1 OR (d.state = 'queued' AND (self.state <> 'queued' \
    OR (-d.is_rollback, d.queued_at, d.id) < (-self.is_rollback, self.queued_at, self.id)))) \
    ORDER BY d.in_flight DESC, d.is_rollback DESC, d.queued_at, d.id";
pub(crate) const LATEST_SUCCEEDED: &str = "SELECT body, version FROM deployments \
    WHERE service = $1 AND environment = $2 AND state = 'succeeded' ORDER BY finished_at DESC, id DESC LIMIT 1";
pub(crate) const SUCCEEDED_BEFORE: &str = "SELECT body, version FROM deployments \
    WHERE service = $1 AND environment = $2 AND state = 'succeeded' AND (finished_at, id) < ($3, $4) \
    ORDER BY finished_at DESC, id DESC LIMIT 1";
pub(crate) const DIGEST_SUCCEEDED: &str = "SELECT finished_at FROM deployments \
    WHERE service = $1 AND environment = $2 AND digest = $3 AND state = 'succeeded' LIMIT 1";
pub(crate) const OPEN: &str = "SELECT body, version FROM deployments \
    WHERE terminal = 0 ORDER BY service, environment, requested_at, id";

macro_rules! first_id {
    ($db:expr, $sql:expr, $service:expr, $environment:expr, $own:expr) => {
        on!($db.read(), c => {
            sqlx::query_as::<_, (String,)>($sql)
                .bind($service.as_str())
                .bind($environment.as_str())
                .bind($own)
                .fetch_optional(c)
                .await
        })?
        .map(|(id,)| parse::<DeploymentId>("deployment id", &id))
        .transpose()
    };
}

impl Db {
    /// The other deployments of a lane, as the planner needs them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lane(&self, service: &ServiceName, environment: &EnvironmentName, own: DeploymentId) -> Result<Lane> {
        let own = own.to_string();
        let first_queued = on!(self.read(), c => {
            sqlx::query_as::<_, (String,)>(FIRST_QUEUED)
                .bind(service.as_str())
                .bind(environment.as_str())
                .fetch_optional(c)
                .await
        })?;
        Ok(Lane {
            in_flight: first_id!(self, IN_FLIGHT, service, environment, &own)?,
            first_queued: first_queued.map(|(id,)| parse("deployment id", &id)).transpose()?,
            newer: first_id!(self, NEWER, service, environment, &own)?,
            // Last: who was in flight above and has succeeded by now is seen here.
            running: self
                .latest_succeeded(service, environment)
                .await?
                .map(|deployment| deployment.id),
        })
    }

    /// Who goes before this deployment: the one in flight, then those queued before it, in their order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ahead(
        &self,
        service: &ServiceName,
        environment: &EnvironmentName,
        own: DeploymentId,
    ) -> Result<Vec<Deployment>> {
        let rows = on!(self.read(), c => {
            sqlx::query_as::<_, DeploymentRow>(AHEAD)
                .bind(service.as_str())
                .bind(environment.as_str())
                .bind(own.to_string())
                .fetch_all(c)
                .await
        })?;
        rows.into_iter()
            .map(|row| row.read().map(Versioned::into_value))
            .collect()
    }

    /// What runs in a lane: the last deployment to have succeeded.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn latest_succeeded(
        &self,
        service: &ServiceName,
        environment: &EnvironmentName,
    ) -> Result<Option<Deployment>> {
        on!(self.read(), c => {
            sqlx::query_as::<_, DeploymentRow>(LATEST_SUCCEEDED)
            .bind(service.as_str())
            .bind(environment.as_str())
            .fetch_optional(c)
            .await
        })?
        .map(|row| row.read().map(Versioned::into_value))
        .transpose()
    }

    /// What ran in a lane before this deployment: the last to have succeeded before it came to rest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn succeeded_before(
        &self,
        service: &ServiceName,
        environment: &EnvironmentName,
        deployment: DeploymentId,
    ) -> Result<Option<Deployment>> {
        let finished = on!(self.read(), c => {
            sqlx::query_as::<_, (Option<i64>,)>("SELECT finished_at FROM deployments WHERE id = $1")
                .bind(deployment.to_string())
                .fetch_optional(c)
                .await
        })?
        .and_then(|(finished_at,)| finished_at)
        .unwrap_or(i64::MAX);
        on!(self.read(), c => {
            sqlx::query_as::<_, DeploymentRow>(SUCCEEDED_BEFORE)
            .bind(service.as_str())
            .bind(environment.as_str())
            .bind(finished)
            .bind(deployment.to_string())
            .fetch_optional(c)
            .await
        })?
        .map(|row| row.read().map(Versioned::into_value))
        .transpose()
    }

    /// Whether this digest has succeeded in a lane.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn succeeded(
        &self,
        service: &ServiceName,
        environment: &EnvironmentName,
        digest: &Digest,
    ) -> Result<bool> {
        let found = on!(self.read(), c => {
            sqlx::query_as::<_, (i64,)>(DIGEST_SUCCEEDED)
            .bind(service.as_str())
            .bind(environment.as_str())
            .bind(digest.as_str())
            .fetch_optional(c)
            .await
        })?;
        Ok(found.is_some())
    }

    /// Every lane that ever had a deployment, in three queries however many there are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn matrix(&self) -> Result<Vec<LaneSummary>> {
        let open = on!(self.read(), c => {
            sqlx::query_as::<_, DeploymentRow>(OPEN).fetch_all(c).await
        })?;
        let succeeded = on!(self.read(), c => {
            sqlx::query_as::<_, DeploymentRow>(
                "SELECT d.body, d.version FROM lanes l JOIN deployments d ON d.id = l.succeeded",
            )
            .fetch_all(c)
            .await
        })?;
        let ended = on!(self.read(), c => {
            sqlx::query_as::<_, DeploymentRow>(
                "SELECT d.body, d.version FROM lanes l JOIN deployments d ON d.id = l.ended \
                 WHERE l.ended_at > coalesce(l.succeeded_at, 0)",
            )
            .fetch_all(c)
            .await
        })?;
        let mut lanes = Lanes::default();
        for found in DeploymentRow::read_all(succeeded)? {
            let lane = lanes.of(&found.value);
            lane.succeeded = Some(found);
        }
        for found in DeploymentRow::read_all(ended)? {
            let lane = lanes.of(&found.value);
            lane.ended = Some(found);
        }
        for found in DeploymentRow::read_all(open)? {
            let lane = lanes.of(&found.value);
            if found.value.state.name().is_in_flight() {
                lane.in_flight = Some(found);
            } else {
                lane.waiting.push(found);
            }
        }
        Ok(lanes.0.into_values().collect())
    }
}

#[derive(Default)]
struct Lanes(BTreeMap<(ServiceName, EnvironmentName), LaneSummary>);

impl Lanes {
    fn of(&mut self, deployment: &Deployment) -> &mut LaneSummary {
        let (service, environment) = (deployment.service.clone(), deployment.environment.clone());
        self.0
            .entry((service.clone(), environment.clone()))
            .or_insert_with(|| LaneSummary {
                service,
                environment,
                succeeded: None,
                in_flight: None,
                waiting: Vec::new(),
                ended: None,
            })
    }
}

impl Tx {
    /// Everything of a lane that has not come to rest, oldest first, as this transaction sees it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unfinished_in(
        &mut self,
        service: &ServiceName,
        environment: &EnvironmentName,
    ) -> Result<Vec<Deployment>> {
        let rows = on!(self.conn(), c => {
            sqlx::query_as::<_, DeploymentRow>(
                "SELECT body, version FROM deployments WHERE service = $1 AND environment = $2 AND terminal = 0 \
                 ORDER BY requested_at, id",
            )
            .bind(service.as_str())
            .bind(environment.as_str())
            .fetch_all(c)
            .await
        })?;
        rows.into_iter()
            .map(|row| row.read().map(Versioned::into_value))
            .collect()
    }

    /// Notes in its lane how a deployment came to rest.
    pub(crate) async fn note_lane(&mut self, deployment: &Deployment) -> Result<()> {
        let Some(at) = deployment.finished_at() else {
            return Ok(());
        };
        let upsert = if deployment.state.name() == StateName::Succeeded {
            "INSERT INTO lanes (service, environment, succeeded, succeeded_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (service, environment) DO UPDATE SET succeeded = excluded.succeeded, \
             succeeded_at = excluded.succeeded_at WHERE excluded.succeeded_at >= coalesce(lanes.succeeded_at, 0)"
        } else {
            "INSERT INTO lanes (service, environment, ended, ended_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (service, environment) DO UPDATE SET ended = excluded.ended, \
             ended_at = excluded.ended_at WHERE excluded.ended_at >= coalesce(lanes.ended_at, 0)"
        };
        on!(self.conn(), c => {
            sqlx::query(upsert)
                .bind(deployment.service.as_str())
                .bind(deployment.environment.as_str())
                .bind(deployment.id.to_string())
                .bind(at.millis())
                .execute(c)
                .await
                .map(drop)
        })?;
        Ok(())
    }
}
