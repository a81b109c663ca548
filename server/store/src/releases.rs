//! Releases: what CI reported, and what GitHub said of it later.

use crate::{
    Db, Result, StoreError, Tx,
    sql::{Sql, fetch_built, from_json, limit, on, parse, to_json},
    tx::locking,
};
use tidegate_domain::{Release, ReleaseId, ServiceName, Timestamp, name::CommitSha};

type Body = (String,);

fn read((body,): Body) -> Result<Release> {
    from_json("a release", &body)
}

impl Tx {
    /// Saves a new release. `Some`: the id under which this service, commit and digest are known already; nothing was saved.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_release(&mut self, release: &Release) -> Result<Option<ReleaseId>> {
        let body = to_json("a release", release)?;
        let (id, service) = (release.id.to_string(), release.service.as_str());
        let (commit, digest) = (release.commit.as_str(), release.image.digest.as_str());
        let inserted = on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO releases (id, service, repository, commit_sha, digest, reported_at, body, migration_id, \
                 migration_phase) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (service, commit_sha, digest) DO NOTHING",
            )
            .bind(&id)
            .bind(service)
            .bind(&release.repository)
            .bind(commit)
            .bind(digest)
            .bind(release.reported_at.millis())
            .bind(&body)
            .bind(release.migration.as_ref().map(|migration| &migration.id))
            .bind(release.migration.as_ref().map(|migration| migration.phase.name()))
            .execute(c)
            .await
            .map(|done| done.rows_affected())
        })?;
        if inserted == 1 {
            self.released(release.id);
            return Ok(None);
        }
        let (known,) = on!(self.conn(), c => {
            sqlx::query_as::<_, (String,)>(
                "SELECT id FROM releases WHERE service = $1 AND commit_sha = $2 AND digest = $3",
            )
            .bind(service)
            .bind(commit)
            .bind(digest)
            .fetch_one(c)
            .await
        })?;
        Ok(Some(parse("release id", &known)?))
    }

    /// Saves what was added to a release. Service, commit and digest stay as they were.
    ///
    /// # Errors
    /// When there is no such release, or the database fails.
    pub async fn update_release(&mut self, release: &Release) -> Result<()> {
        let body = to_json("a release", release)?;
        let updated = on!(self.conn(), c => {
            sqlx::query("UPDATE releases SET body = $2 WHERE id = $1")
                .bind(release.id.to_string())
                .bind(&body)
                .execute(c)
                .await
                .map(|done| done.rows_affected())
        })?;
        if updated == 0 {
            return Err(StoreError::NotFound {
                what: format!("release {}", release.id),
            });
        }
        self.released(release.id);
        Ok(())
    }

    /// What was built from a commit of a repository (`owner/name`).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn releases_by_commit(&mut self, repository: &str, commit: &CommitSha) -> Result<Vec<Release>> {
        on!(self.conn(), c => {
            sqlx::query_as::<_, Body>(
                "SELECT body FROM releases WHERE repository = $1 AND commit_sha = $2 ORDER BY id",
            )
            .bind(repository)
            .bind(commit.as_str())
            .fetch_all(c)
            .await
        })?
        .into_iter()
        .map(read)
        .collect()
    }

    /// Makes this and every other transaction about the same repository wait for each other: what GitHub says of a commit
    /// and what CI says of it must not pass each other by.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_repository(&mut self, repository: &str) -> Result<()> {
        if !self.is_postgres() {
            return Ok(());
        }
        on!(self.conn(), c => {
            sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('repository ' || $1, 0))")
                .bind(repository)
                .execute(c)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// A release, held until the end of the transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release(&mut self, id: ReleaseId) -> Result<Option<Release>> {
        let select = locking!(self, "SELECT body FROM releases WHERE id = $1");
        on!(self.conn(), c => {
            sqlx::query_as::<_, Body>(select).bind(id.to_string()).fetch_optional(c).await
        })?
        .map(read)
        .transpose()
    }
}

impl Db {
    /// # Errors
    /// When the database fails.
    pub async fn release(&self, id: ReleaseId) -> Result<Option<Release>> {
        Ok(self.releases(&[id]).await?.pop())
    }

    /// Those of the releases that exist, in no particular order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn releases(&self, ids: &[ReleaseId]) -> Result<Vec<Release>> {
        let mut releases = Vec::with_capacity(ids.len());
        for ids in ids.chunks(500) {
            let mut sql = Sql::new("SELECT body FROM releases WHERE id IN ");
            sql.bind_list(ids.iter().map(ToString::to_string));
            for row in fetch_built!(self.read(), sql, Body)? {
                releases.push(read(row)?);
            }
        }
        Ok(releases)
    }

    /// The releases of a service, newest first; `before` is the key of the last one seen.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn releases_of(
        &self,
        service: &ServiceName,
        before: Option<(Timestamp, ReleaseId)>,
        max: usize,
    ) -> Result<Vec<Release>> {
        let mut sql = Sql::new("SELECT body FROM releases");
        sql.and("service = ").bind(service.as_str());
        if let Some((at, id)) = before {
            sql.and("(reported_at, id) < (").bind(at.millis());
            sql.push(", ").bind(id.to_string()).push(")");
        }
        sql.push(" ORDER BY reported_at DESC, id DESC LIMIT ").bind(limit(max));
        fetch_built!(self.read(), sql, Body)?.into_iter().map(read).collect()
    }
}
