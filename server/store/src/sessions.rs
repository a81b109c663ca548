//! Sessions, by the hash of their key. The key itself is only in the browser.

use crate::{
    Db, Result, StoreError, Tx,
    sql::{from_json, on, to_json},
};
use tidegate_domain::Timestamp;

/// Someone signed in, in one browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the key in the cookie.
    pub key_hash: [u8; 32],
    /// GitHub's numeric id.
    pub person: i64,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
    pub data: serde_json::Value,
}

/// How long a session lives (R25), in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLife {
    /// Since it was last seen.
    pub idle_millis: i64,
    /// Since it was made.
    pub absolute_millis: i64,
}

impl Default for SessionLife {
    fn default() -> Self {
        Self {
            idle_millis: 30 * tidegate_domain::time::MINUTE,
            absolute_millis: 12 * tidegate_domain::time::HOUR,
        }
    }
}

impl SessionLife {
    /// Sessions made and seen after these moments are alive.
    fn since(self, now: Timestamp) -> (i64, i64) {
        (
            now.plus_millis(-self.absolute_millis).millis(),
            now.plus_millis(-self.idle_millis).millis(),
        )
    }
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    person: i64,
    created_at: i64,
    seen_at: i64,
    data: String,
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    key_hash: String,
    person: i64,
    login: String,
    created_at: i64,
    seen_at: i64,
}

impl Tx {
    /// # Errors
    /// When the person is not known, or the database fails.
    pub async fn insert_session(&mut self, session: &Session) -> Result<()> {
        let data = to_json("a session", &session.data)?;
        on!(self.conn(), c => {
            sqlx::query("INSERT INTO sessions (key_hash, person, created_at, seen_at, data) VALUES ($1, $2, $3, $4, $5)")
                .bind(hex::encode(session.key_hash))
                .bind(session.person)
                .bind(session.created_at.millis())
                .bind(session.seen_at.millis())
                .bind(&data)
                .execute(c)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// Replaces what a session carries. `false`: there is no such session.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_session_data(&mut self, key_hash: &[u8; 32], data: &serde_json::Value) -> Result<bool> {
        let data = to_json("a session", data)?;
        let updated = on!(self.conn(), c => {
            sqlx::query("UPDATE sessions SET data = $2 WHERE key_hash = $1")
                .bind(hex::encode(key_hash))
                .bind(&data)
                .execute(c)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(updated == 1)
    }

    /// Ends a session. `false`: there was none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_session(&mut self, key_hash: &[u8; 32]) -> Result<bool> {
        let deleted = on!(self.conn(), c => {
            sqlx::query("DELETE FROM sessions WHERE key_hash = $1")
                .bind(hex::encode(key_hash))
                .execute(c)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(deleted == 1)
    }

    /// Ends every session of a person; returns how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_sessions_of(&mut self, person: i64) -> Result<u64> {
        let deleted = on!(self.conn(), c => {
            sqlx::query("DELETE FROM sessions WHERE person = $1")
                .bind(person)
                .execute(c)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(deleted)
    }

    pub(crate) async fn prune_sessions(&mut self, life: SessionLife) -> Result<u64> {
        let (created_after, seen_after) = life.since(self.now());
        let deleted = on!(self.conn(), c => {
            sqlx::query("DELETE FROM sessions WHERE created_at <= $1 OR seen_at <= $2")
                .bind(created_after)
                .bind(seen_after)
                .execute(c)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(deleted)
    }
}

impl Db {
    /// A session that is alive on the database's time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session(&self, key_hash: &[u8; 32], life: SessionLife) -> Result<Option<Session>> {
        let (created_after, seen_after) = life.since(self.now().await?);
        let row = on!(self.read(), c => {
            sqlx::query_as::<_, SessionRow>(
                "SELECT person, created_at, seen_at, data FROM sessions \
                 WHERE key_hash = $1 AND created_at > $2 AND seen_at > $3",
            )
            .bind(hex::encode(key_hash))
            .bind(created_after)
            .bind(seen_after)
            .fetch_optional(c)
            .await
        })?;
        row.map(|row| {
            Ok(Session {
                key_hash: *key_hash,
                person: row.person,
                created_at: Timestamp::from_millis(row.created_at),
                seen_at: Timestamp::from_millis(row.seen_at),
                data: from_json("a session", &row.data)?,
            })
        })
        .transpose()
    }

    /// All sessions that are alive, with the logins of their people; the one seen last first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions(&self, life: SessionLife) -> Result<Vec<(Session, String)>> {
        let (created_after, seen_after) = life.since(self.now().await?);
        let rows = on!(self.read(), c => {
            sqlx::query_as::<_, ListedRow>(
                "SELECT s.key_hash, s.person, p.login, s.created_at, s.seen_at FROM sessions s \
                 JOIN people p ON p.id = s.person WHERE s.created_at > $1 AND s.seen_at > $2 \
                 ORDER BY s.seen_at DESC, s.key_hash",
            )
            .bind(created_after)
            .bind(seen_after)
            .fetch_all(c)
            .await
        })?;
        rows.into_iter()
            .map(|row| {
                let mut key_hash = [0; 32];
                hex::decode_to_slice(&row.key_hash, &mut key_hash)
                    .map_err(|error| StoreError::corrupt("a session's key", error))?;
                let session = Session {
                    key_hash,
                    person: row.person,
                    created_at: Timestamp::from_millis(row.created_at),
                    seen_at: Timestamp::from_millis(row.seen_at),
                    data: serde_json::Value::Null,
                };
                Ok((session, row.login))
            })
            .collect()
    }

    /// Notes that a session was seen now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn touch_session(&self, key_hash: &[u8; 32]) -> Result<()> {
        let now = self.now().await?;
        on!(self.write(), c => {
            sqlx::query("UPDATE sessions SET seen_at = $2 WHERE key_hash = $1 AND seen_at < $2")
                .bind(hex::encode(key_hash))
                .bind(now.millis())
                .execute(c)
                .await
                .map(drop)
        })?;
        Ok(())
    }
}
