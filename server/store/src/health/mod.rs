//! Health: what evaluations found and what they measured, the definitions that judged, and what people said afterwards.
//!
//! Evaluations and points belong to a scope: a deployment, or a service in an environment for the time between
//! deployments. A series is known by its query with placeholders unfilled, a point by its moment: windows that overlap
//! are kept once, and of two values for a moment the later read counts. How long all this is kept: [`HealthRetention`].

mod marks;
mod recordings;
mod thin;
mod watches;

pub use marks::Marked;
pub use recordings::{EvaluationsQuery, KeptDefinition, RecordedQuery, RecordedRow};
pub use thin::HealthRetention;
#[cfg(test)]
pub(crate) use watches::DUE;
pub use watches::{HealthRow, HealthWatch};

use crate::{
    Result, StoreError, Tx,
    sql::{Sql, on, run_built, to_json},
    tx::locking,
};
use std::collections::BTreeMap;
use tidegate_domain::{
    DeploymentId, EnvironmentName, ServiceName, Timestamp,
    health::{Evaluation, HealthDefinition, Outcome, Recorded, Which},
    revision::canonical_hash,
};

/// Points in one statement: four values each, and PostgreSQL takes 65 535, SQLite 32 766.
const POINTS_AT_ONCE: usize = 1_000;

/// An evaluation to save, with what was read for it.
#[derive(Debug, Clone, Copy)]
pub struct NewEvaluation<'a> {
    /// `None`: it belongs to the time between deployments.
    pub deployment: Option<DeploymentId>,
    pub service: &'a ServiceName,
    pub environment: &'a EnvironmentName,
    pub evaluation: &'a Evaluation,
    /// Queries with their placeholders unfilled. Windows may overlap those of earlier evaluations.
    pub series: &'a [Recorded],
}

/// What an evaluation belongs to, as rows have it. Names hold no slash.
pub(crate) fn scope(deployment: Option<DeploymentId>, service: &ServiceName, environment: &EnvironmentName) -> String {
    deployment.map_or_else(|| format!("{service}/{environment}"), |id| id.to_string())
}

/// The key of a series within its scope.
fn series_key(recorded: &Recorded) -> String {
    let mut key = canonical_hash(&(recorded.which, &recorded.query));
    key.truncate(16);
    key
}

pub(crate) const fn which_name(which: Which) -> &'static str {
    match which {
        Which::New => "new",
        Which::Stable => "stable",
        Which::Baseline => "baseline",
    }
}

pub(crate) const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Healthy => "healthy",
        Outcome::Pending => "pending",
        Outcome::Alert => "alert",
        Outcome::Hold => "hold",
        Outcome::RollBack => "roll_back",
    }
}

pub(crate) fn outcome_of(text: &str) -> Result<Outcome> {
    [
        Outcome::Healthy,
        Outcome::Pending,
        Outcome::Alert,
        Outcome::Hold,
        Outcome::RollBack,
    ]
    .into_iter()
    .find(|outcome| outcome_name(*outcome) == text)
    .ok_or_else(|| StoreError::corrupt("an evaluation's outcome", text))
}

impl Tx {
    /// Saves an evaluation and what was read for it. A second one of the same moment replaces the first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_evaluation(&mut self, new: &NewEvaluation<'_>) -> Result<()> {
        let scope = scope(new.deployment, new.service, new.environment);
        self.note_recording(&scope, new).await?;
        let before = self.outcome_before(&scope, new.evaluation.at).await?;
        let outcome = new.evaluation.outcome;
        let body = to_json("an evaluation", new.evaluation)?;
        on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO health_evaluations (scope, at, version, outcome, turned, body) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (scope, at) DO UPDATE SET version = excluded.version, \
                 outcome = excluded.outcome, turned = excluded.turned, body = excluded.body",
            )
            .bind(&scope)
            .bind(new.evaluation.at.millis())
            .bind(&new.evaluation.version)
            .bind(outcome_name(outcome))
            .bind(i64::from(before != Some(outcome)))
            .bind(&body)
            .execute(c)
            .await
            .map(drop)
        })?;
        self.keep_series(&scope, new.series).await
    }

    /// Keeps a definition under its version; one that is known is left as it is. Comes before rows of releases and
    /// deployments: two replicas may keep the same one, and the second waits for the first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_definition(&mut self, definition: &HealthDefinition) -> Result<()> {
        let body = to_json("a health definition", definition)?;
        let now = self.now().millis();
        on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO health_definitions (version, name, kept_at, body) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(definition.version())
            .bind(&definition.name)
            .bind(now)
            .bind(&body)
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    async fn note_recording(&mut self, scope: &str, new: &NewEvaluation<'_>) -> Result<()> {
        let at = new.evaluation.at.millis();
        let spared = i64::from(new.deployment.is_some() && new.evaluation.outcome >= Outcome::Hold);
        on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO health_recordings (scope, deployment, service, environment, began_at, last_at, spared, \
                 evaluations_until, points_until) VALUES ($1, $2, $3, $4, $5, $5, $6, 0, 0) \
                 ON CONFLICT (scope) DO UPDATE SET \
                 last_at = CASE WHEN health_recordings.last_at < $5 THEN $5 ELSE health_recordings.last_at END, \
                 spared = CASE WHEN $6 = 1 THEN 1 ELSE health_recordings.spared END",
            )
            .bind(scope)
            .bind(new.deployment.map(|id| id.to_string()))
            .bind(new.service.as_str())
            .bind(new.environment.as_str())
            .bind(at)
            .bind(spared)
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    async fn outcome_before(&mut self, scope: &str, at: Timestamp) -> Result<Option<Outcome>> {
        let select = locking!(
            self,
            "SELECT outcome FROM health_evaluations WHERE scope = $1 AND at < $2 ORDER BY at DESC LIMIT 1"
        );
        on!(self.conn(), c => {
            sqlx::query_as::<_, (String,)>(select).bind(scope).bind(at.millis()).fetch_optional(c).await
        })?
        .map(|(outcome,)| outcome_of(&outcome))
        .transpose()
    }

    async fn keep_series(&mut self, scope: &str, series: &[Recorded]) -> Result<()> {
        // In one order, and each point once: a statement may not change a row twice.
        let mut points: BTreeMap<(String, Timestamp), f64> = BTreeMap::new();
        let mut known: BTreeMap<String, &Recorded> = BTreeMap::new();
        for recorded in series {
            let key = series_key(recorded);
            for point in recorded.series.points() {
                points.insert((key.clone(), point.at), point.value);
            }
            known.insert(key, recorded);
        }
        for (key, recorded) in known {
            let query = to_json("a health query", &recorded.query)?;
            on!(self.conn(), c => {
                sqlx::query(
                    "INSERT INTO health_series (scope, series, which, query) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT DO NOTHING",
                )
                .bind(scope)
                .bind(key)
                .bind(which_name(recorded.which))
                .bind(&query)
                .execute(c)
                .await
                .map(drop)
            })?;
        }
        let points: Vec<_> = points.into_iter().collect();
        for points in points.chunks(POINTS_AT_ONCE) {
            let mut sql = Sql::new("INSERT INTO health_points (scope, series, at, value) VALUES ");
            for (number, ((key, at), value)) in points.iter().enumerate() {
                sql.push(if number == 0 { "(" } else { ", (" });
                sql.bind(scope).push(", ").bind(key.as_str()).push(", ");
                sql.bind(at.millis()).push(", ").bind(*value).push(")");
            }
            sql.push(
                " ON CONFLICT (scope, series, at) DO UPDATE SET value = excluded.value \
                 WHERE health_points.value <> excluded.value",
            );
            run_built!(self.conn(), sql)?;
        }
        Ok(())
    }
}
