//! Gates: the newest report of each gate of a release. Older reports are in the audit log.

use crate::{
    Db, Result, StoreError, Tx,
    sql::{Sql, fetch_built, on, parse},
};
use tidegate_domain::{GateResult, ReleaseId, Timestamp, Verdict};

#[derive(sqlx::FromRow)]
struct GateRow {
    release_id: String,
    gate: String,
    verdict: String,
    detail: Option<String>,
    url: Option<String>,
    seconds: Option<i64>,
    reported_at: i64,
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
    }
}

fn read(row: GateRow) -> Result<GateResult> {
    Ok(GateResult {
        release: parse("release id", &row.release_id)?,
        gate: parse("gate", &row.gate)?,
        verdict: match row.verdict.as_str() {
            "pass" => Verdict::Pass,
            "fail" => Verdict::Fail,
            other => return Err(StoreError::corrupt("a gate", format!("its verdict is {other:?}"))),
        },
        detail: row.detail,
        url: row.url,
        seconds: row.seconds,
        reported_at: Timestamp::from_millis(row.reported_at),
    })
}

fn select(releases: &[ReleaseId]) -> Sql {
    let mut sql =
        Sql::new("SELECT release_id, gate, verdict, detail, url, seconds, reported_at FROM gates WHERE release_id IN ");
    sql.bind_list(releases.iter().map(ToString::to_string));
    sql.push(" ORDER BY release_id, gate");
    sql
}

impl Tx {
    /// Saves a report. One that is older than what is known changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_gate(&mut self, gate: &GateResult) -> Result<()> {
        on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO gates (release_id, gate, verdict, detail, url, reported_at, seconds) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (release_id, gate) DO UPDATE SET \
                 verdict = excluded.verdict, detail = excluded.detail, url = excluded.url, seconds = excluded.seconds, \
                 reported_at = excluded.reported_at WHERE excluded.reported_at >= gates.reported_at",
            )
            .bind(gate.release.to_string())
            .bind(gate.gate.as_str())
            .bind(word(gate.verdict))
            .bind(&gate.detail)
            .bind(&gate.url)
            .bind(gate.reported_at.millis())
            .bind(gate.seconds)
            .execute(c)
            .await
            .map(drop)
        })?;
        self.released(gate.release);
        Ok(())
    }

    /// # Errors
    /// When the database fails.
    pub async fn gates(&mut self, release: ReleaseId) -> Result<Vec<GateResult>> {
        let sql = select(&[release]);
        fetch_built!(self.conn(), sql, GateRow)?.into_iter().map(read).collect()
    }
}

impl Db {
    /// # Errors
    /// When the database fails.
    pub async fn gates(&self, release: ReleaseId) -> Result<Vec<GateResult>> {
        self.gates_of(&[release]).await
    }

    /// The gates of several releases, those of one release together.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gates_of(&self, releases: &[ReleaseId]) -> Result<Vec<GateResult>> {
        let mut gates = Vec::new();
        for releases in releases.chunks(500) {
            let sql = select(releases);
            for row in fetch_built!(self.read(), sql, GateRow)? {
                gates.push(read(row)?);
            }
        }
        Ok(gates)
    }
}
