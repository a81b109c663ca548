//! What can go wrong between the server and its database.

/// Why something was not read or not saved. Nothing of the transaction was kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no {what}")]
    NotFound { what: String },
    /// Someone else was faster. Load again and decide again.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The database is away, busy, full or read-only. Trying again later may help.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// What was read does not make sense: the data was changed from outside or by another version.
    #[error("{what} is stored in a form that cannot be read: {why}")]
    Corrupt { what: String, why: String },
    #[error("the database cannot be set up: {0}")]
    Setup(String),
    #[error("the database refused: {0}")]
    Database(#[source] sqlx::Error),
}

/// Which race was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("it was changed by someone else in the meantime")]
    Version,
    #[error("another deployment of this service is in flight in this environment")]
    Lane,
    /// The lease ran out or was taken over: whoever holds it now goes on.
    #[error("the lease is not held any more")]
    Lease,
    #[error("it exists already")]
    Exists,
    /// PostgreSQL chose this transaction to resolve a deadlock.
    #[error("it collided with another transaction")]
    Busy,
}

impl StoreError {
    /// Whether the database could not be reached or could not take it, as opposed to having refused it.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    pub(crate) fn corrupt(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Corrupt {
            what: what.into(),
            why: why.to_string(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        match &error {
            Error::Io(_)
            | Error::Tls(_)
            | Error::PoolTimedOut
            | Error::PoolClosed
            | Error::WorkerCrashed
            | Error::BeginFailed => Self::Unavailable(error),
            Error::Database(refusal) => {
                let code = refusal.code().unwrap_or_default().into_owned();
                if matches!(code.as_str(), "40001" | "40P01") {
                    Self::Conflict(Conflict::Busy)
                } else if is_outage(&code) {
                    Self::Unavailable(error)
                } else {
                    Self::Database(error)
                }
            }
            _ => Self::Database(error),
        }
    }
}

/// PostgreSQL: classes 08 (connection), 53 (resources, disk full), 57 (shutting down), 58 (system), and 25006
/// (read-only). SQLite: primary codes BUSY 5, LOCKED 6, READONLY 8, IOERR 10, FULL 13, CANTOPEN 14, in the low byte.
fn is_outage(code: &str) -> bool {
    if code.len() == 5 {
        return matches!(&code[..2], "08" | "53" | "57" | "58") || code == "25006";
    }
    code.parse::<i64>()
        .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r15_a_full_disk_is_an_outage_on_both_databases_and_a_duplicate_is_not() {
        for code in ["53100", "57P01", "13", "5", "517"] {
            assert!(is_outage(code), "{code}");
        }
        for code in ["23505", "2067", "1555"] {
            assert!(!is_outage(code), "{code}");
        }
    }
}
