//! People: who someone is at GitHub, and which roles their teams give them, asked anew when it matters.
//!
//! The invariant: whoever brings something to production has roles that GitHub confirmed within the last minute. While
//! GitHub does not answer, reading and what makes production safer go on with the last known ones, for as long as the
//! session lives, and the audit log says so (R5).

use super::{
    CatalogHandle,
    ports::Identity,
    seal::{SealError, SealKey},
    transaction::again,
};
use async_trait::async_trait;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tidegate_domain::{
    access::{Actor, Role},
    name::{PersonRef, TeamSlug},
    time::{SECOND, Timestamp},
};
use tidegate_store::{Db, Person, StoreError};
use url::Url;

/// Age up to which memberships count for a change (R5).
const FRESH_MILLIS: i64 = 60 * SECOND;
/// After a failure, those for whom the last known ones do not wait for GitHub for so long.
const PAUSE_MILLIS: i64 = 15 * SECOND;
/// How long GitHub is waited for at most.
const PATIENCE: Duration = Duration::from_secs(3);

/// Signing in with GitHub, as far as it concerns GitHub.
#[async_trait]
pub trait SignIn: Send + Sync + 'static {
    /// Where the browser goes: GitHub's page, with our fixed redirect address, the state and the S256 challenge.
    fn authorize_url(&self, state: &str, challenge: &str) -> Url;

    /// Turns a code into a token, once, and asks whose it is.
    async fn exchange(&self, code: &str, verifier: &str) -> Result<SignedIn, SignInFailure>;
}

/// Whom GitHub says it is, and their token.
#[derive(Clone)]
pub struct SignedIn {
    pub person: PersonRef,
    pub name: Option<String>,
    pub token: secrecy::SecretString,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInFailure {
    /// It refused the code: used, expired, or of another browser.
    #[error("GitHub refused the sign-in: {0}")]
    Refused(String),
    #[error("GitHub did not answer: {0}")]
    Unavailable(String),
}

/// What someone is to us.
#[derive(Debug, Clone)]
pub struct Known {
    pub person: PersonRef,
    pub name: Option<String>,
    pub roles: Vec<Role>,
    pub teams: Vec<TeamSlug>,
    /// Set when GitHub did not answer: the teams are those of this moment.
    pub as_of: Option<Timestamp>,
}

impl Known {
    pub fn actor(&self) -> Actor {
        Actor::Person {
            person: self.person.clone(),
            roles: self.roles.clone(),
            teams: self.teams.clone(),
        }
    }
}

/// How fresh the roles must be for what a request is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roles {
    /// For reading, and for what makes production safer: reject, cancel, roll back, end a session.
    LastKnown,
    /// For what brings something to production: request, approve.
    Confirmed,
}

#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error("GitHub does not answer, so your teams cannot be confirmed; nothing was changed")]
    Unconfirmed,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

#[derive(Clone)]
pub struct People {
    db: Db,
    catalog: CatalogHandle,
    identity: Arc<dyn Identity>,
    key: SealKey,
    /// Readers do not ask GitHub before this moment, in milliseconds.
    paused_until: Arc<AtomicI64>,
}

impl People {
    pub fn new(db: Db, catalog: CatalogHandle, identity: Arc<dyn Identity>, key: SealKey) -> Self {
        Self {
            db,
            catalog,
            identity,
            key,
            paused_until: Arc::default(),
        }
    }

    /// Asks GitHub for the teams of someone who has just signed in, and makes the row to be stored.
    pub(super) async fn arrive(&self, signed_in: &SignedIn, now: Timestamp) -> Result<Person, PeopleError> {
        use secrecy::ExposeSecret as _;
        let teams = self
            .identity
            .teams_of(signed_in.person.id)
            .await
            .map_err(|_| PeopleError::Unconfirmed)?;
        let purpose = token_purpose(signed_in.person.id);
        let token = self.key.seal(&purpose, signed_in.token.expose_secret().as_bytes())?;
        Ok(Person {
            id: signed_in.person.id,
            login: signed_in.person.login.clone(),
            name: signed_in.name.clone(),
            token: Some(token),
            teams,
            teams_checked_at: now,
        })
    }

    /// A person with roles as fresh as asked for.
    pub(super) async fn confirm(&self, mut person: Person, roles: Roles, now: Timestamp) -> Result<Known, PeopleError> {
        if now.since(person.teams_checked_at) <= FRESH_MILLIS {
            return Ok(self.known(person));
        }
        let last_known_do = roles == Roles::LastKnown;
        let paused = now.millis() < self.paused_until.load(Ordering::Relaxed);
        if !(last_known_do && paused) {
            match tokio::time::timeout(PATIENCE, self.identity.teams_of(person.id)).await {
                Ok(Ok(teams)) => {
                    person.teams = teams;
                    person.teams_checked_at = now;
                    self.remember(&person).await?;
                    return Ok(self.known(person));
                }
                _ => {
                    let until = now.plus_millis(PAUSE_MILLIS).millis();
                    self.paused_until.store(until, Ordering::Relaxed);
                }
            }
        }
        if last_known_do {
            Ok(Known {
                as_of: Some(person.teams_checked_at),
                ..self.known(person)
            })
        } else {
            Err(PeopleError::Unconfirmed)
        }
    }

    async fn remember(&self, person: &Person) -> Result<(), StoreError> {
        let remembered = again(|| async {
            let mut tx = self.db.begin().await?;
            tx.put_person(person).await?;
            tx.commit().await
        });
        remembered.await
    }

    pub(super) fn known(&self, person: Person) -> Known {
        Known {
            roles: self.catalog.get().roles_of(&person.teams),
            person: PersonRef::new(person.id, person.login),
            name: person.name,
            teams: person.teams,
            as_of: None,
        }
    }

    /// Teams that give a role, for someone who has none.
    pub fn teams_with_access(&self) -> Vec<TeamSlug> {
        let mut teams: Vec<TeamSlug> = self
            .catalog
            .get()
            .roles
            .iter()
            .map(|grant| grant.team.clone())
            .collect();
        teams.sort_unstable();
        teams.dedup();
        teams
    }

    pub fn organisation(&self) -> String {
        self.catalog.get().organisation.clone()
    }
}

pub(super) fn token_purpose(person: i64) -> String {
    format!("github token of {person}")
}
