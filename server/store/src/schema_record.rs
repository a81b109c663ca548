//! What happened to the database schema of a service in an environment, as its deployments tell.

use crate::{
    Db, Result, StoreError,
    sql::{on, parse},
};
use tidegate_domain::{
    EnvironmentName, ReleaseId, ServiceName, Timestamp,
    migration::{Migration, Phase, PhaseDone, Record, WentBack},
};

const DONE: &str = "SELECT d.id, d.release_id, r.migration_id, r.migration_phase, d.finished_at \
    FROM releases r JOIN deployments d ON d.release_id = r.id \
    WHERE r.service = $1 AND r.migration_id IS NOT NULL AND d.environment = $2 AND d.state = 'succeeded' \
    AND d.is_rollback = 0 ORDER BY d.finished_at, d.id";
/// Rollbacks that succeeded, and when what they brought back had succeeded before.
const BACK: &str = "SELECT d.finished_at, (SELECT max(e.finished_at) FROM deployments e \
    WHERE e.service = d.service AND e.environment = d.environment AND e.state = 'succeeded' \
    AND e.release_id = d.release_id AND e.finished_at < d.finished_at) AS before \
    FROM deployments d WHERE d.service = $1 AND d.environment = $2 AND d.state = 'succeeded' AND d.is_rollback = 1 \
    ORDER BY d.finished_at, d.id";
const LAST_SUCCESS: &str = "SELECT max(finished_at) FROM deployments \
    WHERE service = $1 AND environment = $2 AND release_id = $3 AND state = 'succeeded'";

impl Db {
    /// # Errors
    /// When the database fails.
    pub async fn schema_record(&self, service: &ServiceName, environment: &EnvironmentName) -> Result<Record> {
        let rows = on!(self.read(), c => {
            sqlx::query_as::<_, (String, String, String, String, i64)>(DONE)
                .bind(service.as_str())
                .bind(environment.as_str())
                .fetch_all(c)
                .await
        })?;
        if rows.is_empty() {
            return Ok(Record::default());
        }
        let done = rows
            .into_iter()
            .map(|(deployment, release, id, phase, at)| {
                Ok(PhaseDone {
                    deployment: parse("deployment id", &deployment)?,
                    release: parse("release id", &release)?,
                    migration: Migration {
                        id,
                        phase: Phase::parse(&phase)
                            .ok_or_else(|| StoreError::corrupt("a migration", format!("its phase is {phase:?}")))?,
                    },
                    at: Timestamp::from_millis(at),
                })
            })
            .collect::<Result<_>>()?;
        let back = on!(self.read(), c => {
            sqlx::query_as::<_, (i64, Option<i64>)>(BACK)
                .bind(service.as_str())
                .bind(environment.as_str())
                .fetch_all(c)
                .await
        })?;
        let back = back.into_iter().filter_map(|(at, to)| {
            Some(WentBack {
                at: Timestamp::from_millis(at),
                to: Timestamp::from_millis(to?),
            })
        });
        Ok(Record {
            done,
            back: back.collect(),
        })
    }

    /// When this release last succeeded there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_success(
        &self,
        service: &ServiceName,
        environment: &EnvironmentName,
        release: ReleaseId,
    ) -> Result<Option<Timestamp>> {
        let (at,) = on!(self.read(), c => {
            sqlx::query_as::<_, (Option<i64>,)>(LAST_SUCCESS)
                .bind(service.as_str())
                .bind(environment.as_str())
                .bind(release.to_string())
                .fetch_one(c)
                .await
        })?;
        Ok(at.map(Timestamp::from_millis))
    }
}
