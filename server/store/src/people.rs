//! People who signed in, as GitHub knows them.

use crate::{
    Db, Result, Tx,
    sql::{from_json, on, to_json},
};
use tidegate_domain::{TeamSlug, Timestamp};

/// Someone who has signed in at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// GitHub's numeric id.
    pub id: i64,
    pub login: String,
    pub name: Option<String>,
    /// GitHub's token, encrypted by the caller.
    pub token: Option<Vec<u8>>,
    pub teams: Vec<TeamSlug>,
    /// When GitHub last said so.
    pub teams_checked_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct PersonRow {
    id: i64,
    login: String,
    name: Option<String>,
    token: Option<Vec<u8>>,
    teams: String,
    teams_checked_at: i64,
}

impl Tx {
    /// Saves a person, new or known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_person(&mut self, person: &Person) -> Result<()> {
        let teams = to_json("a person's teams", &person.teams)?;
        on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO people (id, login, name, token, teams, teams_checked_at) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET login = excluded.login, \
                 name = excluded.name, token = excluded.token, teams = excluded.teams, \
                 teams_checked_at = excluded.teams_checked_at",
            )
            .bind(person.id)
            .bind(&person.login)
            .bind(&person.name)
            .bind(&person.token)
            .bind(&teams)
            .bind(person.teams_checked_at.millis())
            .execute(c)
            .await
            .map(drop)
        })?;
        Ok(())
    }
}

impl Db {
    /// # Errors
    /// When the database fails.
    pub async fn person(&self, id: i64) -> Result<Option<Person>> {
        let row = on!(self.read(), c => {
            sqlx::query_as::<_, PersonRow>(
                "SELECT id, login, name, token, teams, teams_checked_at FROM people WHERE id = $1",
            )
            .bind(id)
            .fetch_optional(c)
            .await
        })?;
        row.map(|row| {
            Ok(Person {
                id: row.id,
                login: row.login,
                name: row.name,
                token: row.token,
                teams: from_json("a person's teams", &row.teams)?,
                teams_checked_at: Timestamp::from_millis(row.teams_checked_at),
            })
        })
        .transpose()
    }
}
