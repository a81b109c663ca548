//! The register of break-glass. Whether one was used stands in its deployment, and is read from there.

use crate::{
    Db, Result, Tx,
    sql::{from_json, limit, on, to_json},
};
use tidegate_domain::{BreakGlassId, Deployment, breakglass::Entry};

type Row = (String, String);

const UNREVIEWED: &str = "SELECT b.body, d.body FROM break_glass b JOIN deployments d ON d.id = b.deployment_id \
    WHERE b.reviewed_at IS NULL ORDER BY b.opened_at, b.id";
const REGISTER: &str = "SELECT b.body, d.body FROM break_glass b JOIN deployments d ON d.id = b.deployment_id \
    ORDER BY b.opened_at DESC, b.id DESC LIMIT $1";
const ONE: &str =
    "SELECT b.body, d.body FROM break_glass b JOIN deployments d ON d.id = b.deployment_id WHERE b.id = $1";

fn read((entry, deployment): Row) -> Result<Entry> {
    let mut entry: Entry = from_json("a break-glass", &entry)?;
    let deployment: Deployment = from_json("a deployment", &deployment)?;
    let glass = deployment.waivers.glass.filter(|glass| glass.id == entry.glass.id);
    entry.glass.used = glass.and_then(|glass| glass.used);
    Ok(entry)
}

impl Tx {
    /// Those that nobody has reviewed yet, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unreviewed_break_glass(&mut self) -> Result<Vec<Entry>> {
        let rows = on!(self.conn(), c => sqlx::query_as::<_, Row>(UNREVIEWED).fetch_all(c).await)?;
        rows.into_iter().map(read).collect()
    }

    /// Enters one; its deployment must be saved before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enter_break_glass(&mut self, entry: &Entry) -> Result<()> {
        let body = to_json("a break-glass", entry)?;
        on!(self.conn(), c => {
            sqlx::query("INSERT INTO break_glass (id, deployment_id, opened_at, body) VALUES ($1, $2, $3, $4)")
                .bind(entry.glass.id.to_string())
                .bind(entry.deployment.to_string())
                .bind(entry.glass.opened_at.millis())
                .bind(&body)
                .execute(c)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// Saves its review. False when someone has reviewed it before; nothing was saved then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn review_break_glass(&mut self, entry: &Entry) -> Result<bool> {
        let body = to_json("a break-glass", entry)?;
        let at = entry.review.as_ref().map(|review| review.at.millis());
        let saved = on!(self.conn(), c => {
            sqlx::query("UPDATE break_glass SET reviewed_at = $2, body = $3 WHERE id = $1 AND reviewed_at IS NULL")
                .bind(entry.glass.id.to_string())
                .bind(at)
                .bind(&body)
                .execute(c)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(saved == 1)
    }
}

impl Db {
    /// # Errors
    /// When the database fails.
    pub async fn break_glass(&self, id: BreakGlassId) -> Result<Option<Entry>> {
        on!(self.read(), c => sqlx::query_as::<_, Row>(ONE).bind(id.to_string()).fetch_optional(c).await)?
            .map(read)
            .transpose()
    }

    /// Those that nobody has reviewed yet, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unreviewed_break_glass(&self) -> Result<Vec<Entry>> {
        let rows = on!(self.read(), c => sqlx::query_as::<_, Row>(UNREVIEWED).fetch_all(c).await)?;
        rows.into_iter().map(read).collect()
    }

    /// The register, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn break_glass_register(&self, max: usize) -> Result<Vec<Entry>> {
        let rows = on!(self.read(), c => sqlx::query_as::<_, Row>(REGISTER).bind(limit(max)).fetch_all(c).await)?;
        rows.into_iter().map(read).collect()
    }
}
