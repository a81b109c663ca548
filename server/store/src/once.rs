//! What may happen once only: sign-in states, workflow tokens, webhook deliveries, requests with an idempotency key,
//! configurations. Each is a row whose key decides who was first.

use crate::{Db, Result, SessionLife, StoreError, Tx, sql::on, tx::locking};
use tidegate_domain::{Timestamp, time::MINUTE};

/// A sign-in that was begun and not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthState {
    pub state_hash: [u8; 32],
    /// Hash of a secret that only the browser that began it has.
    pub browser_hash: [u8; 32],
    /// PKCE verifier, encrypted by the caller.
    pub verifier: Vec<u8>,
    pub return_to: String,
    pub expires_at: Timestamp,
}

/// What is known of a request with this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotency {
    /// The first of its kind: do it, then [`Tx::idempotency_finish`].
    Fresh,
    /// It was done; this was the answer.
    Replay { status: u16, body: String },
    /// It was done, and its answer was not kept: the process ended in between. `result` says what came of it.
    Done { result: String },
    /// The key was used for a different request.
    Mismatch,
    /// The same request is being worked on.
    InProgress,
}

/// A request that was begun so long ago and never finished is taken as abandoned.
pub const IDEMPOTENCY_STUCK_MILLIS: i64 = MINUTE;

/// How long what happened once is remembered, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub webhooks_millis: i64,
    pub idempotency_millis: i64,
    /// Pushes and runs that no release was reported of.
    pub news_millis: i64,
    /// Past their expiry, because others' clocks differ.
    pub tokens_millis: i64,
    /// Runs of monitors.
    pub monitors_millis: i64,
    /// After this, one passing and one failing run an hour are enough, and those that changed something.
    pub monitors_dense_millis: i64,
}

impl Default for Retention {
    fn default() -> Self {
        use tidegate_domain::time::{DAY, HOUR};
        Self {
            webhooks_millis: 30 * DAY,
            idempotency_millis: DAY,
            news_millis: 30 * DAY,
            tokens_millis: HOUR,
            monitors_millis: 90 * DAY,
            monitors_dense_millis: 2 * DAY,
        }
    }
}

#[derive(sqlx::FromRow)]
struct OauthRow {
    browser_hash: String,
    verifier: Vec<u8>,
    return_to: String,
    expires_at: i64,
}

#[derive(sqlx::FromRow)]
struct IdempotencyRow {
    request_hash: String,
    status: Option<i64>,
    body: Option<String>,
    result: Option<String>,
    begun_at: i64,
}

fn hash_of(what: &str, text: &str) -> Result<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).map_err(|error| StoreError::corrupt(what, error))?;
    Ok(hash)
}

impl Tx {
    /// # Errors
    /// When the database fails.
    pub async fn put_oauth_state(&mut self, state: &OauthState) -> Result<()> {
        on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO oauth_states (state_hash, browser_hash, verifier, return_to, expires_at) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(hex::encode(state.state_hash))
            .bind(hex::encode(state.browser_hash))
            .bind(&state.verifier)
            .bind(&state.return_to)
            .bind(state.expires_at.millis())
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    /// Takes a state out, so that it serves once. `None`: never given, taken already, or expired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_oauth_state(&mut self, state_hash: &[u8; 32]) -> Result<Option<OauthState>> {
        let row = on!(self.conn(), c => {
            sqlx::query_as::<_, OauthRow>(
                "DELETE FROM oauth_states WHERE state_hash = $1 \
                 RETURNING browser_hash, verifier, return_to, expires_at",
            )
            .bind(hex::encode(state_hash))
            .fetch_optional(c)
            .await
        })?;
        let now = self.now();
        row.filter(|row| row.expires_at > now.millis())
            .map(|row| {
                Ok(OauthState {
                    state_hash: *state_hash,
                    browser_hash: hash_of("a sign-in's browser", &row.browser_hash)?,
                    verifier: row.verifier,
                    return_to: row.return_to,
                    expires_at: Timestamp::from_millis(row.expires_at),
                })
            })
            .transpose()
    }

    /// `true` the first time a token id is seen.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn use_token_once(&mut self, jti: &str, expires_at: Timestamp) -> Result<bool> {
        let inserted = on!(self.conn(), c => {
            sqlx::query("INSERT INTO used_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(jti)
                .bind(expires_at.millis())
                .execute(c)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(inserted == 1)
    }

    /// `true` the first time: neither this delivery nor this body was received before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn webhook_seen(&mut self, delivery_id: &str, body_hash: &[u8; 32]) -> Result<bool> {
        let now = self.now().millis();
        let inserted = on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO webhook_deliveries (delivery_id, body_hash, received_at) VALUES ($1, $2, $3) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(delivery_id)
            .bind(hex::encode(body_hash))
            .bind(now)
            .execute(c)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(inserted == 1)
    }

    /// Begins a request with an idempotency key; `scope` is who asks and what for. Begun, done and finished in one
    /// transaction, a second one waits for the first and replays it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn idempotency_begin(&mut self, key: &str, scope: &str, request_hash: &[u8; 32]) -> Result<Idempotency> {
        let now = self.now().millis();
        let request_hash = hex::encode(request_hash);
        let inserted = on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO idempotency (scope, key, request_hash, begun_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(scope)
            .bind(key)
            .bind(&request_hash)
            .bind(now)
            .execute(c)
            .await
            .map(|done| done.rows_affected())
        })?;
        if inserted == 1 {
            return Ok(Idempotency::Fresh);
        }
        let select = locking!(
            self,
            "SELECT request_hash, status, body, result, begun_at FROM idempotency WHERE scope = $1 AND key = $2"
        );
        let row = on!(self.conn(), c => {
            sqlx::query_as::<_, IdempotencyRow>(select).bind(scope).bind(key).fetch_one(c).await
        })?;
        if row.request_hash != request_hash {
            return Ok(Idempotency::Mismatch);
        }
        if let (Some(status), Some(body)) = (row.status, row.body) {
            let status = u16::try_from(status).map_err(|error| StoreError::corrupt("an answer's status", error))?;
            return Ok(Idempotency::Replay { status, body });
        }
        if let Some(result) = row.result {
            return Ok(Idempotency::Done { result });
        }
        if row.begun_at > now - IDEMPOTENCY_STUCK_MILLIS {
            return Ok(Idempotency::InProgress);
        }
        on!(self.conn(), c => {
            sqlx::query("UPDATE idempotency SET begun_at = $3 WHERE scope = $1 AND key = $2")
                .bind(scope)
                .bind(key)
                .bind(now)
                .execute(c)
                .await
                .map(drop)
        })?;
        Ok(Idempotency::Fresh)
    }

    /// Notes what came of a request, in the transaction that does it: whatever happens to its answer afterwards, it is not
    /// done again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn idempotency_done(&mut self, key: &str, scope: &str, result: &str) -> Result<()> {
        on!(self.conn(), c => {
            sqlx::query("UPDATE idempotency SET result = $3 WHERE scope = $1 AND key = $2")
                .bind(scope)
                .bind(key)
                .bind(result)
                .execute(c)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// Keeps the answer for whoever asks the same again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn idempotency_finish(&mut self, key: &str, scope: &str, status: u16, body: &str) -> Result<()> {
        on!(self.conn(), c => {
            sqlx::query("UPDATE idempotency SET status = $3, body = $4 WHERE scope = $1 AND key = $2")
                .bind(scope)
                .bind(key)
                .bind(i64::from(status))
                .bind(body)
                .execute(c)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// Gives a key back under which nothing was done.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn idempotency_forget(&mut self, key: &str, scope: &str) -> Result<()> {
        on!(self.conn(), c => {
            sqlx::query("DELETE FROM idempotency WHERE scope = $1 AND key = $2 AND status IS NULL AND result IS NULL")
                .bind(scope)
                .bind(key)
                .execute(c)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// Keeps a configuration under its hash. `true`: it was not known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_configuration(&mut self, hash: &str, text: &str) -> Result<bool> {
        let now = self.now().millis();
        let inserted = on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO configurations (hash, text, loaded_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(hash)
            .bind(text)
            .bind(now)
            .execute(c)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(inserted == 1)
    }

    async fn forget(&mut self, delete: &'static str, before: Timestamp) -> Result<u64> {
        let deleted = on!(self.conn(), c => {
            sqlx::query(delete).bind(before.millis()).execute(c).await.map(|done| done.rows_affected())
        })?;
        Ok(deleted)
    }
}

impl Db {
    /// Forgets what has expired; returns how many rows that were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prune(&self, life: SessionLife, keep: Retention) -> Result<u64> {
        let mut tx = self.begin().await?;
        let now = tx.now();
        let mut gone = tx.prune_sessions(life).await?;
        for (delete, before) in [
            ("DELETE FROM oauth_states WHERE expires_at <= $1", now),
            (
                "DELETE FROM used_tokens WHERE expires_at <= $1",
                now.plus_millis(-keep.tokens_millis),
            ),
            (
                "DELETE FROM webhook_deliveries WHERE received_at <= $1",
                now.plus_millis(-keep.webhooks_millis),
            ),
            (
                "DELETE FROM idempotency WHERE begun_at <= $1",
                now.plus_millis(-keep.idempotency_millis),
            ),
            (
                "DELETE FROM pushes WHERE received_at <= $1",
                now.plus_millis(-keep.news_millis),
            ),
            (
                "DELETE FROM runs WHERE received_at <= $1",
                now.plus_millis(-keep.news_millis),
            ),
            (
                "DELETE FROM monitor_runs WHERE began_at <= $1",
                now.plus_millis(-keep.monitors_millis),
            ),
            (crate::monitors::THIN, now.plus_millis(-keep.monitors_dense_millis)),
        ] {
            gone += tx.forget(delete, before).await?;
        }
        tx.commit().await?;
        Ok(gone)
    }
}
