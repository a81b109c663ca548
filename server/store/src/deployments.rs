//! Deployments: the whole aggregate as JSON, with columns beside it to find it, sort it and guard its lane.
//!
//! Every save names the version it was decided on; a version that moved is a conflict, never an overwrite.

use crate::{
    Change, Claim, Conflict, Db, Result, StoreError, Tx,
    sql::{Sql, fetch_built, from_json, on, to_json},
    tx::locking,
};
use tidegate_domain::{Deployment, DeploymentId, ReleaseId, State, StateName, deployment::Kind};

/// Something with the version it had when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    pub value: T,
    pub version: i64,
}

#[derive(sqlx::FromRow)]
pub(crate) struct DeploymentRow {
    body: String,
    version: i64,
}

impl DeploymentRow {
    pub(crate) fn read(self) -> Result<Versioned<Deployment>> {
        Ok(Versioned {
            value: from_json("a deployment", &self.body)?,
            version: self.version,
        })
    }

    pub(crate) fn read_all(rows: Vec<Self>) -> Result<Vec<Versioned<Deployment>>> {
        rows.into_iter().map(Self::read).collect()
    }
}

impl<T> Versioned<T> {
    pub fn into_value(self) -> T {
        self.value
    }
}

/// What is found by [`crate::HistoryQuery::text`], in lower case; the commit is appended by the statement that saves it.
fn search_text(deployment: &Deployment) -> String {
    let mut parts = vec![
        deployment.label.as_str(),
        deployment.digest.as_str(),
        deployment.service.as_str(),
    ];
    parts.extend(deployment.reason.as_deref());
    match &deployment.kind {
        Kind::Rollback { reason, .. } => parts.push(reason),
        Kind::Promotion => {}
    }
    match &deployment.state {
        State::Rejected { reason, .. } | State::Cancelled { reason, .. } => parts.push(reason),
        _ => {}
    }
    let mut text = parts.join("\n").to_lowercase();
    text.push('\n');
    text
}

/// Logins of whoever requested, approved, rejected, cancelled or stopped, in lower case.
fn people(deployment: &Deployment) -> Vec<String> {
    let mut logins: Vec<String> = deployment
        .requested_by
        .human()
        .into_iter()
        .map(|p| p.login.to_lowercase())
        .collect();
    logins.extend(
        deployment
            .approvals
            .iter()
            .map(|approval| approval.person.login.to_lowercase()),
    );
    match &deployment.state {
        State::Rejected { by, .. } => logins.push(by.login.to_lowercase()),
        State::Cancelled { by, .. } => logins.extend(by.human().map(|by| by.login.to_lowercase())),
        _ => {}
    }
    let stop = deployment.run().and_then(|run| run.stop.as_ref());
    logins.extend(stop.and_then(|stop| Some(stop.cause.person()?.login.to_lowercase())));
    logins.sort_unstable();
    logins.dedup();
    logins
}

impl Tx {
    /// Saves a new deployment, due at once. Its version is 1.
    ///
    /// # Errors
    /// [`Conflict::Lane`] when it is in flight and another one is too; [`StoreError::NotFound`] without its release.
    pub async fn insert_deployment(&mut self, deployment: &Deployment) -> Result<()> {
        let body = to_json("a deployment", deployment)?;
        let state = deployment.state.name();
        let now = self.now().millis();
        let inserted = on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO deployments (id, version, service, environment, release_id, digest, commit_sha, state, \
                 is_rollback, in_flight, terminal, requested_at, queued_at, finished_at, updated_at, search, body, \
                 rollback_of, superseded_by) \
                 SELECT $1, 1, $2, $3, r.id, $5, r.commit_sha, $6, $7, $8, $9, $10, $11, $12, $13, \
                 $14 || r.commit_sha, $15, $16, $17 FROM releases r WHERE r.id = $4",
            )
            .bind(deployment.id.to_string())
            .bind(deployment.service.as_str())
            .bind(deployment.environment.as_str())
            .bind(deployment.release.to_string())
            .bind(deployment.digest.as_str())
            .bind(state.as_str())
            .bind(i64::from(deployment.is_rollback()))
            .bind(i64::from(state.is_in_flight()))
            .bind(i64::from(state.is_terminal()))
            .bind(deployment.requested_at.millis())
            .bind(queued_at(deployment))
            .bind(deployment.finished_at().map(|at| at.millis()))
            .bind(now)
            .bind(search_text(deployment))
            .bind(&body)
            .bind(rollback_of(deployment))
            .bind(superseded_by(deployment))
            .execute(c)
            .await
            .map(|done| done.rows_affected())
        })
        .map_err(|error| {
            unique(
                error,
                if state.is_in_flight() {
                    Conflict::Lane
                } else {
                    Conflict::Exists
                },
            )
        })?;
        if inserted == 0 {
            return Err(StoreError::NotFound {
                what: format!("release {}", deployment.release),
            });
        }
        if !state.is_terminal() {
            on!(self.conn(), c => {
                sqlx::query("INSERT INTO work (deployment_id, next_at) VALUES ($1, $2)")
                    .bind(deployment.id.to_string())
                    .bind(now)
                    .execute(c)
                    .await
                    .map(drop)
            })?;
        }
        self.saved(deployment, 1).await
    }

    /// A deployment, held until the end of the transaction: nobody else saves it in between.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deployment(&mut self, id: DeploymentId) -> Result<Option<Versioned<Deployment>>> {
        let select = locking!(self, "SELECT body, version FROM deployments WHERE id = $1");
        on!(self.conn(), c => {
            sqlx::query_as::<_, DeploymentRow>(select).bind(id.to_string()).fetch_optional(c).await
        })?
        .map(DeploymentRow::read)
        .transpose()
    }

    /// Saves a deployment that was decided on `expected_version`; returns its new version.
    ///
    /// # Errors
    /// [`Conflict::Version`] when it was saved by someone else since, [`Conflict::Lane`] when it would be the second in
    /// flight in its lane.
    pub async fn save_deployment(&mut self, deployment: &Deployment, expected_version: i64) -> Result<i64> {
        let body = to_json("a deployment", deployment)?;
        let state = deployment.state.name();
        let now = self.now().millis();
        let updated = on!(self.conn(), c => {
            sqlx::query(
                "UPDATE deployments SET version = version + 1, state = $3, in_flight = $4, terminal = $5, \
                 queued_at = coalesce($6, queued_at), finished_at = $7, updated_at = $8, search = $9 || commit_sha, \
                 body = $10, superseded_by = $11 WHERE id = $1 AND version = $2",
            )
            .bind(deployment.id.to_string())
            .bind(expected_version)
            .bind(state.as_str())
            .bind(i64::from(state.is_in_flight()))
            .bind(i64::from(state.is_terminal()))
            .bind(queued_at(deployment))
            .bind(deployment.finished_at().map(|at| at.millis()))
            .bind(now)
            .bind(search_text(deployment))
            .bind(&body)
            .bind(superseded_by(deployment))
            .execute(c)
            .await
            .map(|done| done.rows_affected())
        })
        .map_err(|error| unique(error, Conflict::Lane))?;
        if updated == 0 {
            return Err(Conflict::Version.into());
        }
        if state.is_terminal() {
            on!(self.conn(), c => {
                sqlx::query("DELETE FROM work WHERE deployment_id = $1")
                    .bind(deployment.id.to_string())
                    .execute(c)
                    .await
                    .map(drop)
            })?;
        }
        self.saved(deployment, expected_version + 1).await?;
        Ok(expected_version + 1)
    }

    /// [`Tx::save_deployment`] by the holder of a claim. The claim stays held, on the database's time, until the commit.
    ///
    /// # Errors
    /// [`Conflict::Lease`] when the lease ran out or was taken over; otherwise as [`Tx::save_deployment`].
    pub async fn save_claimed(&mut self, deployment: &Deployment, expected_version: i64, claim: &Claim) -> Result<i64> {
        if claim.deployment != deployment.id {
            return Err(Conflict::Lease.into());
        }
        if deployment.state.name().is_terminal() {
            self.lock_wakes(deployment).await?;
        }
        self.hold(claim).await?;
        self.save_deployment(deployment, expected_version).await
    }

    async fn saved(&mut self, deployment: &Deployment, version: i64) -> Result<()> {
        for login in people(deployment) {
            on!(self.conn(), c => {
                sqlx::query(
                    "INSERT INTO deployment_people (login, requested_at, deployment_id) VALUES ($1, $2, $3) \
                     ON CONFLICT DO NOTHING",
                )
                .bind(login)
                .bind(deployment.requested_at.millis())
                .bind(deployment.id.to_string())
                .execute(c)
                .await
                .map(drop)
            })?;
        }
        self.note_lane(deployment).await?;
        self.changed(Change {
            deployment: deployment.id,
            version,
            service: deployment.service.clone(),
            environment: deployment.environment.clone(),
        });
        Ok(())
    }
}

fn queued_at(deployment: &Deployment) -> Option<i64> {
    match &deployment.state {
        State::Queued { since, .. } => Some(since.millis()),
        _ => None,
    }
}

fn rollback_of(deployment: &Deployment) -> Option<String> {
    match &deployment.kind {
        Kind::Rollback { of, .. } => Some(of.to_string()),
        Kind::Promotion => None,
    }
}

fn superseded_by(deployment: &Deployment) -> Option<String> {
    match &deployment.state {
        State::Superseded { by, .. } => Some(by.to_string()),
        _ => None,
    }
}

pub(crate) fn unique(error: sqlx::Error, conflict: Conflict) -> StoreError {
    if error
        .as_database_error()
        .is_some_and(|refusal| refusal.is_unique_violation())
    {
        conflict.into()
    } else {
        error.into()
    }
}

impl Db {
    /// # Errors
    /// When the database fails.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Option<Versioned<Deployment>>> {
        on!(self.read(), c => {
            sqlx::query_as::<_, DeploymentRow>("SELECT body, version FROM deployments WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(c)
                .await
        })?
        .map(DeploymentRow::read)
        .transpose()
    }

    /// All deployments in these states, oldest request first. Meant for states that few are in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn in_state(&self, states: &[StateName]) -> Result<Vec<Versioned<Deployment>>> {
        if states.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new("SELECT body, version FROM deployments WHERE state IN ");
        sql.bind_list(states.iter().map(|state| state.as_str()));
        sql.push(" ORDER BY requested_at, id");
        DeploymentRow::read_all(fetch_built!(self.read(), sql, DeploymentRow)?)
    }

    /// All deployments that wait for something: their gates, people, their turn. Oldest request first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn waiting(&self) -> Result<Vec<Versioned<Deployment>>> {
        self.in_state(&[StateName::Requested, StateName::AwaitingApproval, StateName::Queued])
            .await
    }

    /// The deployments that go back from this one, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rollbacks_of(&self, id: DeploymentId) -> Result<Vec<Versioned<Deployment>>> {
        let mut sql = Sql::new("SELECT body, version FROM deployments");
        sql.and("rollback_of = ").bind(id.to_string());
        sql.push(" ORDER BY requested_at DESC, id DESC");
        DeploymentRow::read_all(fetch_built!(self.read(), sql, DeploymentRow)?)
    }

    /// The deployments that this one replaced, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn superseded_by(&self, id: DeploymentId) -> Result<Vec<Versioned<Deployment>>> {
        let mut sql = Sql::new("SELECT body, version FROM deployments");
        sql.and("superseded_by = ").bind(id.to_string());
        sql.push(" ORDER BY requested_at DESC, id DESC");
        DeploymentRow::read_all(fetch_built!(self.read(), sql, DeploymentRow)?)
    }

    /// Every deployment of these releases, newest first within each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deployments_of_release(&self, releases: &[ReleaseId]) -> Result<Vec<Versioned<Deployment>>> {
        let mut found = Vec::new();
        for releases in releases.chunks(500) {
            let mut sql = Sql::new("SELECT body, version FROM deployments WHERE release_id IN ");
            sql.bind_list(releases.iter().map(ToString::to_string));
            sql.push(" ORDER BY release_id, requested_at DESC, id DESC");
            found.extend(DeploymentRow::read_all(fetch_built!(self.read(), sql, DeploymentRow)?)?);
        }
        Ok(found)
    }
}
