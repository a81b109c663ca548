//! Reading what was measured: evaluations, definitions, and whole recordings for a replay.

use super::{outcome_of, scope, which_name};
use crate::{
    Db, Result, StoreError,
    sql::{Sql, fetch_built, from_json, limit, on, parse},
};
use std::collections::BTreeMap;
use tidegate_domain::{
    Deployment, DeploymentId, EnvironmentName, ServiceName, State, Timestamp,
    health::{
        Course, Ending, Evaluation, Happened, HealthDefinition, Mark, Outcome, Point, Query, Recorded, Recording,
        Series, Which,
    },
};

/// A definition that judged something, as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDefinition {
    pub version: String,
    pub kept_at: Timestamp,
    pub definition: HealthDefinition,
}

/// Which recorded deployments. Every filter that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordedQuery {
    pub service: Option<ServiceName>,
    pub environment: Option<EnvironmentName>,
    /// First evaluated at or after this.
    pub from: Option<Timestamp>,
    /// First evaluated before this.
    pub to: Option<Timestamp>,
    /// [`RecordedRow::key`] of the last row of the page before.
    pub after: Option<(Timestamp, DeploymentId)>,
    pub limit: usize,
}

/// A deployment that was evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRow {
    pub deployment: DeploymentId,
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub began_at: Timestamp,
    pub last_at: Timestamp,
    /// Every point is there. One that was thinned cannot be replayed: gaps would count as missing data.
    pub whole: bool,
    pub mark: Option<Mark>,
}

impl RecordedRow {
    /// Where it stands in the list.
    pub const fn key(&self) -> (Timestamp, DeploymentId) {
        (self.began_at, self.deployment)
    }
}

/// Evaluations of a service in an environment between deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationsQuery {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    /// Moment of the last one of the page before.
    pub before: Option<Timestamp>,
    pub limit: usize,
}

#[derive(sqlx::FromRow)]
struct RecordedSql {
    deployment: String,
    service: String,
    environment: String,
    began_at: i64,
    last_at: i64,
    points_until: i64,
    mark: Option<String>,
}

#[derive(sqlx::FromRow)]
struct DefinitionSql {
    version: String,
    kept_at: i64,
    body: String,
}

impl DefinitionSql {
    fn read(self) -> Result<KeptDefinition> {
        Ok(KeptDefinition {
            definition: from_json("a health definition", &self.body)?,
            version: self.version,
            kept_at: Timestamp::from_millis(self.kept_at),
        })
    }
}

pub(super) const fn mark_name(mark: Mark) -> &'static str {
    match mark {
        Mark::Incident => "incident",
        Mark::Fine => "fine",
    }
}

fn mark(text: &str) -> Result<Mark> {
    [Mark::Incident, Mark::Fine]
        .into_iter()
        .find(|mark| mark_name(*mark) == text)
        .ok_or_else(|| StoreError::corrupt("a deployment's mark", text))
}

fn which(text: &str) -> Result<Which> {
    [Which::New, Which::Stable, Which::Baseline]
        .into_iter()
        .find(|which| which_name(*which) == text)
        .ok_or_else(|| StoreError::corrupt("whose series it is", text))
}

fn evaluations(rows: Vec<(String,)>) -> Result<Vec<Evaluation>> {
    rows.iter().map(|(body,)| from_json("an evaluation", body)).collect()
}

impl RecordedQuery {
    pub(crate) fn to_sql(&self, postgres: bool) -> Sql {
        let mut sql = Sql::new(
            "SELECT r.deployment, r.service, r.environment, r.began_at, r.last_at, r.points_until, m.mark \
             FROM health_recordings r",
        );
        let index = if self.service.is_some() && self.environment.is_some() {
            "health_recordings_lane"
        } else {
            "health_recordings_all"
        };
        sql.indexed_by(index, postgres);
        sql.push(" LEFT JOIN health_marks m ON m.deployment = r.deployment");
        sql.and("r.deployment IS NOT NULL");
        if let Some(service) = &self.service {
            sql.and("r.service = ").bind(service.as_str());
        }
        if let Some(environment) = &self.environment {
            sql.and("r.environment = ").bind(environment.as_str());
        }
        if let Some(at) = self.from {
            sql.and("r.began_at >= ").bind(at.millis());
        }
        if let Some(at) = self.to {
            sql.and("r.began_at < ").bind(at.millis());
        }
        if let Some((at, id)) = self.after {
            sql.and("(r.began_at, r.deployment) < (").bind(at.millis());
            sql.push(", ").bind(id.to_string()).push(")");
        }
        sql.push(" ORDER BY r.began_at DESC, r.deployment DESC LIMIT ")
            .bind(limit(self.limit));
        sql
    }
}

impl Db {
    /// The newest evaluation of a deployment.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_evaluation(&self, deployment: DeploymentId) -> Result<Option<Evaluation>> {
        on!(self.read(), c => {
            sqlx::query_as::<_, (String,)>(
                "SELECT body FROM health_evaluations WHERE scope = $1 ORDER BY at DESC LIMIT 1",
            )
            .bind(deployment.to_string())
            .fetch_optional(c)
            .await
        })?
        .map(|(body,)| from_json("an evaluation", &body))
        .transpose()
    }

    /// All evaluations of a deployment that are kept, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn evaluations_of(&self, deployment: DeploymentId) -> Result<Vec<Evaluation>> {
        evaluations(on!(self.read(), c => {
            sqlx::query_as::<_, (String,)>("SELECT body FROM health_evaluations WHERE scope = $1 ORDER BY at")
                .bind(deployment.to_string())
                .fetch_all(c)
                .await
        })?)
    }

    /// When each kept evaluation of a deployment was made and what followed, oldest first: for a list that needs no more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outcomes_of(&self, deployment: DeploymentId) -> Result<Vec<(Timestamp, Outcome)>> {
        on!(self.read(), c => {
            sqlx::query_as::<_, (i64, String)>("SELECT at, outcome FROM health_evaluations WHERE scope = $1 ORDER BY at")
                .bind(deployment.to_string())
                .fetch_all(c)
                .await
        })?
        .iter()
        .map(|(at, outcome)| Ok((Timestamp::from_millis(*at), outcome_of(outcome)?)))
        .collect()
    }

    /// One page of the evaluations of a service in an environment between deployments, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn evaluations_between(&self, query: &EvaluationsQuery) -> Result<Vec<Evaluation>> {
        let mut sql = Sql::new("SELECT body FROM health_evaluations");
        sql.and("scope = ")
            .bind(scope(None, &query.service, &query.environment));
        if let Some(at) = query.before {
            sql.and("at < ").bind(at.millis());
        }
        sql.push(" ORDER BY at DESC LIMIT ").bind(limit(query.limit));
        evaluations(fetch_built!(self.read(), sql, (String,))?)
    }

    /// A definition by its version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn definition(&self, version: &str) -> Result<Option<HealthDefinition>> {
        on!(self.read(), c => {
            sqlx::query_as::<_, (String,)>("SELECT body FROM health_definitions WHERE version = $1")
                .bind(version)
                .fetch_optional(c)
                .await
        })?
        .map(|(body,)| from_json("a health definition", &body))
        .transpose()
    }

    /// Kept definitions, the newest first; those of one name, or all. `before`: when the last of the page before was
    /// kept, and its version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn definitions(
        &self,
        name: Option<&str>,
        before: Option<(Timestamp, &str)>,
        max: usize,
    ) -> Result<Vec<KeptDefinition>> {
        let mut sql = Sql::new("SELECT version, kept_at, body FROM health_definitions");
        if let Some(name) = name {
            sql.and("name = ").bind(name);
        }
        if let Some((at, version)) = before {
            sql.and("(kept_at, version) < (").bind(at.millis());
            sql.push(", ").bind(version).push(")");
        }
        sql.push(" ORDER BY kept_at DESC, version DESC LIMIT ").bind(limit(max));
        fetch_built!(self.read(), sql, DefinitionSql)?
            .into_iter()
            .map(DefinitionSql::read)
            .collect()
    }

    /// One page of the deployments that were evaluated, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recorded(&self, query: &RecordedQuery) -> Result<Vec<RecordedRow>> {
        let sql = query.to_sql(self.is_postgres());
        fetch_built!(self.read(), sql, RecordedSql)?
            .into_iter()
            .map(|row| {
                Ok(RecordedRow {
                    deployment: parse("a deployment", &row.deployment)?,
                    service: parse("a service", &row.service)?,
                    environment: parse("an environment", &row.environment)?,
                    began_at: Timestamp::from_millis(row.began_at),
                    last_at: Timestamp::from_millis(row.last_at),
                    whole: row.points_until == 0,
                    mark: row.mark.as_deref().map(mark).transpose()?,
                })
            })
            .collect()
    }

    /// What was measured during a deployment, for a replay. It ends with the last evaluation: nothing was read after it.
    /// `None`: the deployment was not evaluated.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recording(&self, id: DeploymentId) -> Result<Option<Recording>> {
        let Some(deployment) = self.deployment(id).await?.map(|found| found.value) else {
            return Ok(None);
        };
        let outcomes = self.outcomes_of(id).await?;
        let (Some((first, _)), Some((last, _))) = (outcomes.first(), outcomes.last()) else {
            return Ok(None);
        };
        // Before traffic was seen to move there is nothing earlier to judge than the first look.
        let course = deployment.run().and_then(|run| run.course).unwrap_or(Course {
            started_at: *first,
            all_traffic_at: None,
        });
        Ok(Some(Recording {
            deployment: id.to_string(),
            course,
            ended_at: *last,
            series: self.series_of(&id.to_string()).await?,
            happened: happened(&deployment, &outcomes),
            mark: self.mark_of(id).await?.map(|marked| marked.mark),
        }))
    }

    async fn series_of(&self, scope: &str) -> Result<Vec<Recorded>> {
        let series = on!(self.read(), c => {
            sqlx::query_as::<_, (String, String, String)>(
                "SELECT series, which, query FROM health_series WHERE scope = $1 ORDER BY series",
            )
            .bind(scope)
            .fetch_all(c)
            .await
        })?;
        let rows = on!(self.read(), c => {
            sqlx::query_as::<_, (String, i64, f64)>(
                "SELECT series, at, value FROM health_points WHERE scope = $1 ORDER BY series, at",
            )
            .bind(scope)
            .fetch_all(c)
            .await
        })?;
        let mut points: BTreeMap<String, Vec<Point>> = BTreeMap::new();
        for (series, at, value) in rows {
            let at = Timestamp::from_millis(at);
            points.entry(series).or_default().push(Point { at, value });
        }
        series
            .into_iter()
            .map(|(key, whose, query)| {
                Ok(Recorded {
                    which: which(&whose)?,
                    query: from_json::<Query>("a health query", &query)?,
                    series: Series::new(points.remove(&key).unwrap_or_default()),
                })
            })
            .collect()
    }
}

/// What became of a deployment, and when that was decided. `None`: it still runs.
fn happened(deployment: &Deployment, outcomes: &[(Timestamp, Outcome)]) -> Option<Happened> {
    let stopped = deployment.run().and_then(|run| run.stop.as_ref()).map(|stop| stop.at);
    let held = outcomes
        .iter()
        .find(|(_, outcome)| *outcome == Outcome::Hold)
        .map(|(at, _)| *at);
    let (ending, at) = match &deployment.state {
        State::RolledBack { at, .. } => (Ending::RolledBack, stopped.unwrap_or(*at)),
        State::RollingBack { since, .. } => (Ending::RolledBack, stopped.unwrap_or(*since)),
        State::Succeeded { at, .. } => held.map_or((Ending::Passed, *at), |held| (Ending::Held, held)),
        State::Failed { at, .. } => (Ending::Undecided, *at),
        _ => return None,
    };
    Some(Happened { ending, at })
}
