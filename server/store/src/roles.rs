//! Two roles on PostgreSQL: the owner of the tables migrates them, and the application runs as another role that can
//! append to the audit log but never change it (R20).
//!
//! Triggers refuse changes of the log from everybody, but whoever owns a table can switch its triggers off. The
//! application's role owns nothing.

use crate::{
    Db, Result, StoreError,
    sql::{Either, on},
};
use sqlx::AssertSqlSafe;

/// Rows come and go.
const CHANGED: &str = "releases, gates, deployments, deployment_people, lanes, work, people, sessions, oauth_states, \
    used_tokens, webhook_deliveries, idempotency, pushes, runs, monitors, monitor_runs, break_glass, health_recordings, \
    health_evaluations, health_series, health_points, health_marks, health_watches";
/// Rows come and stay.
const APPENDED: &str = "audit, audit_texts, configurations, health_definitions";

/// What the role behind the connection could do to the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// SQLite: whoever can write the file can do anything.
    File,
    /// Appends, and nothing else.
    Application,
    /// Owns the log or may act as its owner, so it could switch off what protects it.
    Owner,
    /// May do anything.
    Superuser,
}

impl Power {
    /// What to tell an operator; `None` when all is well.
    pub const fn warning(self) -> Option<&'static str> {
        match self {
            Self::File | Self::Application => None,
            Self::Owner => Some(
                "the database role owns the audit log and could rewrite it: run `tidegate migrate --app-role NAME` as this \
                 role, and `tidegate serve` as NAME",
            ),
            Self::Superuser => Some(
                "the database role is a superuser and could rewrite the audit log: run `tidegate migrate --app-role NAME` \
                 as the owner of the tables, and `tidegate serve` as NAME",
            ),
        }
    }
}

impl Db {
    /// What this connection's role could do to the audit log.
    ///
    /// # Errors
    /// When the database does not answer, or has no tables yet.
    pub async fn power(&self) -> Result<Power> {
        let Either::Postgres(pool) = self.read() else {
            return Ok(Power::File);
        };
        let (superuser, owner) = sqlx::query_as::<_, (bool, bool)>(
            "SELECT r.rolsuper, pg_has_role(current_user, t.relowner, 'MEMBER') \
             FROM pg_roles r, pg_class t WHERE r.rolname = current_user AND t.oid = 'audit'::regclass",
        )
        .fetch_one(pool)
        .await?;
        Ok(match (superuser, owner) {
            (true, _) => Power::Superuser,
            (_, true) => Power::Owner,
            _ => Power::Application,
        })
    }

    /// Gives `role` what the server needs, and takes from it whatever else it had on these tables. The role must exist.
    ///
    /// # Errors
    /// On SQLite; when there is no such role, or it owns the tables; when this connection may not grant.
    pub async fn grant_to_application(&self, role: &str) -> Result<()> {
        if !self.is_postgres() {
            return Err(StoreError::Setup(
                "SQLite has no roles: an application role is for PostgreSQL".to_owned(),
            ));
        }
        if !is_name(role) {
            return Err(StoreError::Setup(format!(
                "{role:?} is no name of a role: use lower-case letters, digits and _"
            )));
        }
        let mut tx = self.begin().await?;
        let found = on!(tx.conn(), c => {
            sqlx::query_as::<_, (bool, bool)>(
                "SELECT r.rolsuper, pg_has_role(r.oid, t.relowner, 'MEMBER') \
                 FROM pg_roles r, pg_class t WHERE r.rolname = $1 AND t.relname = 'audit' AND t.relkind = 'r'",
            )
            .bind(role)
            .fetch_optional(c)
            .await
        })?;
        match found {
            None => {
                return Err(StoreError::Setup(format!(
                    "there is no role {role}: CREATE ROLE {role} LOGIN PASSWORD '…' first"
                )));
            }
            Some((true, _) | (_, true)) => {
                return Err(StoreError::Setup(format!(
                    "{role} is a superuser or owns the tables, so it could rewrite the audit log: name another role"
                )));
            }
            Some((false, false)) => {}
        }
        for grant in [
            format!("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}"),
            format!("GRANT USAGE ON SCHEMA public TO {role}"),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {CHANGED} TO {role}"),
            format!("GRANT SELECT, INSERT ON {APPENDED} TO {role}"),
            format!("GRANT SELECT, UPDATE ON audit_head TO {role}"),
            format!("GRANT SELECT ON _sqlx_migrations TO {role}"),
        ] {
            on!(tx.conn(), c => sqlx::query(AssertSqlSafe(grant)).execute(c).await.map(drop))?;
        }
        tx.commit().await
    }
}

/// A name that needs no quotes.
fn is_name(role: &str) -> bool {
    let mut bytes = role.bytes();
    role.len() <= 63
        && bytes
            .next()
            .is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r20_nothing_but_a_name_becomes_part_of_a_grant() {
        assert!(is_name("tidegate_app") && is_name("_a1"));
        for bad in [
            "",
            "1a",
            "App",
            "a b",
            "a;DROP TABLE audit",
            "a\"",
            "ä",
            &"a".repeat(64),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
