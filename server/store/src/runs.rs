//! Workflow runs that GitHub's webhook told of: kept by their id, because a run may be told of before it reports.

use crate::{
    Result, Tx,
    sql::{from_json, on, parse, to_json},
};
use tidegate_domain::name::{CommitSha, PersonRef};

/// A run, and who set it off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub run_id: i64,
    pub head: CommitSha,
    pub url: Option<String>,
    pub actor: Option<PersonRef>,
}

impl Tx {
    /// Keeps a run; what is said of it later replaces what was said before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remember_run(&mut self, repository: &str, run: &Run) -> Result<()> {
        let actor = to_json("who set a run off", &run.actor)?;
        let now = self.now().millis();
        on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO runs (repository, run_id, head, url, actor, received_at) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (repository, run_id) DO UPDATE SET head = excluded.head, url = excluded.url, \
                 actor = excluded.actor, received_at = excluded.received_at",
            )
            .bind(repository)
            .bind(run.run_id)
            .bind(run.head.as_str())
            .bind(&run.url)
            .bind(&actor)
            .bind(now)
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    /// What was said of a run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run(&mut self, repository: &str, run_id: i64) -> Result<Option<Run>> {
        let row = on!(self.conn(), c => {
            sqlx::query_as::<_, (String, Option<String>, String)>(
                "SELECT head, url, actor FROM runs WHERE repository = $1 AND run_id = $2",
            )
            .bind(repository)
            .bind(run_id)
            .fetch_optional(c)
            .await
        })?;
        row.map(|(head, url, actor)| {
            Ok(Run {
                run_id,
                head: parse("a commit", &head)?,
                url,
                actor: from_json("who set a run off", &actor)?,
            })
        })
        .transpose()
    }
}
