//! What becomes of evaluations and points with age.
//!
//! A replay needs every point: a gap is missing data. So recordings of deployments stay whole as long as they may be
//! replayed, and one that was thinned says so ([`crate::RecordedRow::whole`]).

use crate::{Db, Result, sql::on};
use tidegate_domain::time::{DAY, HOUR, MINUTE};

/// How long what was measured is kept, in milliseconds. Deployments that held or rolled back, and those that people
/// marked, are kept whole for good: "why" has an answer as long as the deployment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthRetention {
    /// After this, evaluations are thinned: of a deployment one per 5 minutes stays, of the time between deployments one
    /// per hour; and each that changed the outcome, and the last.
    pub evaluations_dense_millis: i64,
    /// After this, points of the time between deployments are thinned: the lowest and the highest per 5 minutes stay, at
    /// their own moments.
    pub points_dense_millis: i64,
    /// After this, points of deployments are thinned in the same way.
    pub deployments_dense_millis: i64,
    /// After this, nothing of the time between deployments is left.
    pub history_millis: i64,
    /// After this, nothing of a deployment that was neither held, rolled back nor marked is left.
    pub deployments_millis: i64,
}

impl Default for HealthRetention {
    fn default() -> Self {
        Self {
            evaluations_dense_millis: 2 * DAY,
            points_dense_millis: 2 * DAY,
            deployments_dense_millis: 30 * DAY,
            history_millis: 90 * DAY,
            deployments_millis: 180 * DAY,
        }
    }
}

const POINTS_PER: i64 = 5 * MINUTE;
const EVALUATIONS_PER: i64 = 5 * MINUTE;
const HISTORY_EVALUATIONS_PER: i64 = HOUR;
/// Scopes in one transaction, so that other writers get their turn.
const SCOPES_AT_ONCE: i64 = 20;

const THIN_EVALUATIONS: &str = "DELETE FROM health_evaluations WHERE scope = $1 AND at >= $2 AND at < $3 AND turned = 0 \
    AND EXISTS (SELECT 1 FROM health_evaluations earlier WHERE earlier.scope = health_evaluations.scope \
    AND earlier.at < health_evaluations.at AND earlier.at >= health_evaluations.at - health_evaluations.at % $4)";
/// What is neither the lowest nor the highest of its span, the earlier where two are the same.
const THIN_POINTS: &str = "DELETE FROM health_points WHERE scope = $1 AND at >= $2 AND at < $3 \
    AND EXISTS (SELECT 1 FROM health_points low WHERE low.scope = health_points.scope \
    AND low.series = health_points.series AND low.at >= health_points.at - health_points.at % $4 \
    AND low.at < health_points.at - health_points.at % $4 + $4 AND (low.value < health_points.value \
    OR (low.value = health_points.value AND low.at < health_points.at))) \
    AND EXISTS (SELECT 1 FROM health_points high WHERE high.scope = health_points.scope \
    AND high.series = health_points.series AND high.at >= health_points.at - health_points.at % $4 \
    AND high.at < health_points.at - health_points.at % $4 + $4 AND (high.value > health_points.value \
    OR (high.value = health_points.value AND high.at < health_points.at)))";

/// One kind of thinning: which scopes, and what of them.
struct Thinning {
    /// Scopes that are due, with where the last thinning ended and where this one ends.
    due: &'static str,
    delete: &'static str,
    per: i64,
    done: &'static str,
    /// The cut.
    before: i64,
}

#[derive(sqlx::FromRow)]
struct Due {
    scope: String,
    since: i64,
    until: i64,
}

impl Db {
    /// Thins and forgets what was measured; returns how many rows went.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn thin_health(&self, keep: HealthRetention) -> Result<u64> {
        let now = self.now().await?;
        let cut = |millis: i64, per: i64| {
            let at = now.plus_millis(-millis).millis();
            at - at.rem_euclid(per)
        };
        let mut gone = 0;
        for thinning in [
            Thinning {
                due: "SELECT scope, evaluations_until AS since, $1 AS until FROM health_recordings \
                    WHERE deployment IS NULL AND evaluations_until < $1 ORDER BY scope LIMIT $2",
                delete: THIN_EVALUATIONS,
                per: HISTORY_EVALUATIONS_PER,
                done: DONE_EVALUATIONS,
                before: cut(keep.evaluations_dense_millis, HISTORY_EVALUATIONS_PER),
            },
            Thinning {
                due: "SELECT scope, evaluations_until AS since, last_at AS until FROM health_recordings \
                    WHERE deployment IS NOT NULL AND last_at < $1 AND spared = 0 AND evaluations_until < last_at ORDER BY scope LIMIT $2",
                delete: THIN_EVALUATIONS,
                per: EVALUATIONS_PER,
                done: DONE_EVALUATIONS,
                before: cut(keep.evaluations_dense_millis, EVALUATIONS_PER),
            },
            Thinning {
                due: "SELECT scope, points_until AS since, $1 AS until FROM health_recordings \
                    WHERE deployment IS NULL AND points_until < $1 ORDER BY scope LIMIT $2",
                delete: THIN_POINTS,
                per: POINTS_PER,
                done: DONE_POINTS,
                before: cut(keep.points_dense_millis, POINTS_PER),
            },
            Thinning {
                due: "SELECT scope, points_until AS since, last_at AS until FROM health_recordings \
                    WHERE deployment IS NOT NULL AND last_at < $1 AND spared = 0 AND points_until < last_at ORDER BY scope LIMIT $2",
                delete: THIN_POINTS,
                per: POINTS_PER,
                done: DONE_POINTS,
                before: cut(keep.deployments_dense_millis, POINTS_PER),
            },
        ] {
            gone += self.thin(&thinning).await?;
        }
        let mut tx = self.begin().await?;
        let history = now.plus_millis(-keep.history_millis).millis();
        let deployments = now.plus_millis(-keep.deployments_millis).millis();
        for (delete, before) in [
            (
                "DELETE FROM health_evaluations WHERE at < $1 \
                 AND scope IN (SELECT scope FROM health_recordings WHERE deployment IS NULL)",
                history,
            ),
            (
                "DELETE FROM health_points WHERE at < $1 AND (scope, series) IN (SELECT s.scope, s.series \
                 FROM health_recordings r, health_series s WHERE r.deployment IS NULL AND s.scope = r.scope)",
                history,
            ),
            (
                "DELETE FROM health_evaluations WHERE scope IN (SELECT scope FROM health_recordings \
                 WHERE deployment IS NOT NULL AND last_at < $1 AND spared = 0)",
                deployments,
            ),
            (
                "DELETE FROM health_points WHERE scope IN (SELECT scope FROM health_recordings \
                 WHERE deployment IS NOT NULL AND last_at < $1 AND spared = 0)",
                deployments,
            ),
            (
                "DELETE FROM health_series WHERE scope IN (SELECT scope FROM health_recordings \
                 WHERE deployment IS NOT NULL AND last_at < $1 AND spared = 0)",
                deployments,
            ),
            (
                "DELETE FROM health_recordings WHERE deployment IS NOT NULL AND last_at < $1 AND spared = 0",
                deployments,
            ),
        ] {
            gone += on!(tx.conn(), c => {
                sqlx::query(delete).bind(before).execute(c).await.map(|done| done.rows_affected())
            })?;
        }
        tx.commit().await?;
        Ok(gone)
    }

    async fn thin(&self, thinning: &Thinning) -> Result<u64> {
        let mut gone = 0;
        loop {
            let mut tx = self.begin().await?;
            let due = on!(tx.conn(), c => {
                sqlx::query_as::<_, Due>(thinning.due)
                    .bind(thinning.before)
                    .bind(SCOPES_AT_ONCE)
                    .fetch_all(c)
                    .await
            })?;
            if due.is_empty() {
                return Ok(gone);
            }
            for due in &due {
                gone += on!(tx.conn(), c => {
                    sqlx::query(thinning.delete)
                        .bind(&due.scope)
                        .bind(due.since)
                        .bind(due.until)
                        .bind(thinning.per)
                        .execute(c)
                        .await
                        .map(|done| done.rows_affected())
                })?;
                on!(tx.conn(), c => {
                    sqlx::query(thinning.done).bind(&due.scope).bind(due.until).execute(c).await.map(drop)
                })?;
            }
            tx.commit().await?;
        }
    }
}

const DONE_EVALUATIONS: &str = "UPDATE health_recordings SET evaluations_until = $2 WHERE scope = $1";
const DONE_POINTS: &str = "UPDATE health_recordings SET points_until = $2 WHERE scope = $1";
