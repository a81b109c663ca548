//! Marks: what people said of a deployment afterwards. One each; the last one counts.

use crate::{
    Db, Result, Tx,
    health::recordings,
    sql::{from_json, on, to_json},
};
use serde::{Deserialize, Serialize};
use tidegate_domain::{DeploymentId, PersonRef, Timestamp, health::Mark};

/// A mark, and who set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    pub mark: Mark,
    pub comment: Option<String>,
    pub by: PersonRef,
    pub at: Timestamp,
}

impl Tx {
    /// Sets or replaces a deployment's mark; what was measured during it is kept for good from then on. Comes after the
    /// deployment's row.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_deployment(&mut self, deployment: DeploymentId, marked: &Marked) -> Result<()> {
        let body = to_json("a deployment's mark", marked)?;
        let id = deployment.to_string();
        on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO health_marks (deployment, mark, body) VALUES ($1, $2, $3) \
                 ON CONFLICT (deployment) DO UPDATE SET mark = excluded.mark, body = excluded.body",
            )
            .bind(&id)
            .bind(recordings::mark_name(marked.mark))
            .bind(&body)
            .execute(c)
            .await
            .map(drop)
        })?;
        on!(self.conn(), c => {
            sqlx::query("UPDATE health_recordings SET spared = 1 WHERE scope = $1")
                .bind(&id)
                .execute(c)
                .await
                .map(drop)
        })?;
        Ok(())
    }
}

impl Db {
    /// What people said of a deployment, last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_of(&self, deployment: DeploymentId) -> Result<Option<Marked>> {
        on!(self.read(), c => {
            sqlx::query_as::<_, (String,)>("SELECT body FROM health_marks WHERE deployment = $1")
                .bind(deployment.to_string())
                .fetch_optional(c)
                .await
        })?
        .map(|(body,)| from_json("a deployment's mark", &body))
        .transpose()
    }
}
