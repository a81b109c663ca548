//! Pushes that GitHub's webhook told of: kept by the pushed head, because the push comes before CI reports the release.

use crate::{
    Result, Tx,
    sql::{from_json, on, parse, to_json},
};
use tidegate_domain::{
    name::{CommitSha, PersonRef},
    release::Commit,
};

/// Who pushed, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    pub head: CommitSha,
    pub pusher: Option<PersonRef>,
    /// Newest first.
    pub commits: Vec<Commit>,
}

impl Tx {
    /// Keeps a push; a later one of the same head replaces it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remember_push(&mut self, repository: &str, push: &Push) -> Result<()> {
        let pusher = to_json("a pusher", &push.pusher)?;
        let commits = to_json("pushed commits", &push.commits)?;
        let now = self.now().millis();
        on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO pushes (repository, head, pusher, commits, received_at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (repository, head) DO UPDATE SET pusher = excluded.pusher, \
                 commits = excluded.commits, received_at = excluded.received_at",
            )
            .bind(repository)
            .bind(push.head.as_str())
            .bind(&pusher)
            .bind(&commits)
            .bind(now)
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    /// The push whose head is this commit.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn push_of(&mut self, repository: &str, head: &CommitSha) -> Result<Option<Push>> {
        let row = on!(self.conn(), c => {
            sqlx::query_as::<_, (String, String, String)>(
                "SELECT head, pusher, commits FROM pushes WHERE repository = $1 AND head = $2",
            )
            .bind(repository)
            .bind(head.as_str())
            .fetch_optional(c)
            .await
        })?;
        row.map(|(head, pusher, commits)| {
            Ok(Push {
                head: parse("a commit", &head)?,
                pusher: from_json("a pusher", &pusher)?,
                commits: from_json("pushed commits", &commits)?,
            })
        })
        .transpose()
    }
}
