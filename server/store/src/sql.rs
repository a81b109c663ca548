//! One statement, two drivers: the macro that runs a statement on whichever database is open, and a small builder for
//! statements whose filters vary.

use crate::{Result, StoreError};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt::Display, str::FromStr};

/// One of the two databases: a pool or a connection of it.
pub(crate) enum Either<S, P> {
    Sqlite(S),
    Postgres(P),
}

/// Runs one expression with `$c` bound to the open database's executor. Both arms are the same text.
macro_rules! on {
    ($target:expr, $c:ident => $body:expr) => {
        match $target {
            $crate::sql::Either::Sqlite($c) => $body,
            $crate::sql::Either::Postgres($c) => $body,
        }
    };
}

/// Fetches all rows of a built statement as `$row`.
macro_rules! fetch_built {
    ($target:expr, $sql:expr, $row:ty) => {{
        let (text, values) = $sql.into_parts();
        $crate::sql::on!($target, c => {
            let mut query = sqlx::query_as::<_, $row>(sqlx::AssertSqlSafe(text));
            for value in values {
                query = match value {
                    $crate::sql::Value::Text(text) => query.bind(text),
                    $crate::sql::Value::Int(int) => query.bind(int),
                    $crate::sql::Value::Real(real) => query.bind(real),
                };
            }
            query.fetch_all(c).await
        })
    }};
}

/// Runs a built statement.
macro_rules! run_built {
    ($target:expr, $sql:expr) => {{
        let (text, values) = $sql.into_parts();
        $crate::sql::on!($target, c => {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
            for value in values {
                query = match value {
                    $crate::sql::Value::Text(text) => query.bind(text),
                    $crate::sql::Value::Int(int) => query.bind(int),
                    $crate::sql::Value::Real(real) => query.bind(real),
                };
            }
            query.execute(c).await.map(drop)
        })
    }};
}

pub(crate) use {fetch_built, on, run_built};

pub(crate) enum Value {
    Text(String),
    Int(i64),
    Real(f64),
}

impl From<f64> for Value {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

/// A statement in the making. Text comes from this crate only; everything else is bound.
pub(crate) struct Sql {
    text: String,
    values: Vec<Value>,
    filtered: bool,
}

impl Sql {
    pub(crate) fn new(text: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            values: Vec::new(),
            filtered: false,
        }
    }

    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push_str(&format!("${}", self.values.len()));
        self
    }

    /// Names the index to walk, on SQLite: it keeps no statistics from which it could choose well. PostgreSQL does.
    pub(crate) fn indexed_by(&mut self, index: &'static str, postgres: bool) -> &mut Self {
        if !postgres {
            self.push(" INDEXED BY ").push(index);
        }
        self
    }

    /// Begins the next condition: `WHERE` the first time, `AND` after that.
    pub(crate) fn and(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(if self.filtered { " AND " } else { " WHERE " });
        self.filtered = true;
        self.push(text)
    }

    /// `(a, b, c)` of bound values; must not be empty.
    pub(crate) fn bind_list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        self.text.push('(');
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.text.push_str(", ");
            }
            self.bind(value);
        }
        self.text.push(')');
        self
    }

    pub(crate) fn into_parts(self) -> (String, Vec<Value>) {
        (self.text, self.values)
    }
}

/// Milliseconds since 1970 UTC by the database's clock.
pub(crate) const SQLITE_CLOCK: &str = "SELECT CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER)";
pub(crate) const POSTGRES_CLOCK: &str = "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)";

/// Reads a stored name or id.
pub(crate) fn parse<T: FromStr<Err: Display>>(what: &str, text: &str) -> Result<T> {
    text.parse().map_err(|error| StoreError::corrupt(what, error))
}

pub(crate) fn to_json<T: Serialize>(what: &str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::corrupt(what, error))
}

pub(crate) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::corrupt(what, error))
}

/// At most this many rows in one answer, whatever is asked for.
pub(crate) const MAX_ROWS: i64 = 1_000;

pub(crate) fn limit(asked: usize) -> i64 {
    i64::try_from(asked).unwrap_or(MAX_ROWS).clamp(0, MAX_ROWS)
}
