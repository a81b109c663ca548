//! Sessions: signing in, staying signed in, being signed out.
//!
//! A session is a row; the browser holds 256 random bits, the row their hash. Idle after 30 minutes, over after 12 hours,
//! on the database's clock. It is looked up anew for each request, so that ending it takes effect at the next one, on
//! every replica (R25).

use super::{
    Services, errors,
    people::{Known, People, PeopleError, Roles, SignIn, SignInFailure},
    seal::{SealError, SealKey, random_token, token_hash},
    transaction::{Collision, again},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tidegate_app::portal::PortalError;
use tidegate_domain::{
    Action,
    audit::{AuditEvent, EventKind, Subject},
    name::PersonRef,
    time::{HOUR, MINUTE, SECOND, Timestamp},
};
use tidegate_store::{Db, OauthState, Person, Retention, Session, SessionLife, StoreError};
use tokio::sync::broadcast;
use url::Url;

/// Idle for so long, or whatever happens after so long, a session is over (R25).
const LIFE: SessionLife = SessionLife {
    idle_millis: 30 * MINUTE,
    absolute_millis: 12 * HOUR,
};
/// A session that was seen within the last so long is not written again.
const TOUCH_MILLIS: i64 = 30 * SECOND;
/// How long GitHub's page may stay open.
const SIGN_IN_MILLIS: i64 = 10 * MINUTE;
const VERIFIER_PURPOSE: &str = "pkce verifier";

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The state is not one we gave, was used, is too old, or belongs to another browser.
    #[error("this sign-in was already used, is too old, or was begun in another browser")]
    UnknownState,
    #[error(transparent)]
    GitHub(#[from] SignInFailure),
    #[error(transparent)]
    People(#[from] PeopleError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl Collision for SessionError {
    fn is_collision(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_collision())
    }
}

/// Hash of a session's secret.
pub type KeyHash = [u8; 32];

/// A sign-in that was begun: where to send the browser, and what it must bring back.
pub struct Begun {
    pub authorize: Url,
    /// Kept in a cookie of the browser that began.
    pub browser: String,
}

/// A sign-in that was finished.
pub struct Finished {
    /// The secret of the new session.
    pub token: String,
    pub return_to: String,
    pub known: Known,
}

/// A session that is on.
#[derive(Debug, Clone)]
pub struct Current {
    /// Hash of its secret.
    pub key: KeyHash,
    pub known: Known,
    /// What pages keep between two requests.
    pub data: Value,
}

/// A session as an administrator sees it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Hash of its secret: names it, and opens nothing.
    pub id: String,
    pub person: PersonRef,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
}

#[derive(Clone)]
pub struct Sessions {
    db: Db,
    people: People,
    sign_in: Arc<dyn SignIn>,
    key: SealKey,
    ended: broadcast::Sender<Option<KeyHash>>,
}

impl Sessions {
    pub fn new(db: Db, people: People, sign_in: Arc<dyn SignIn>, key: SealKey) -> Self {
        Self {
            db,
            people,
            sign_in,
            key,
            ended: broadcast::channel(64).0,
        }
    }

    pub const fn people(&self) -> &People {
        &self.people
    }

    /// Begins a sign-in that will lead to `return_to`.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn begin(&self, return_to: &str) -> Result<Begun, SessionError> {
        let (state, browser, verifier) = (random_token(), random_token(), random_token());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let sealed = self.key.seal(VERIFIER_PURPOSE, verifier.as_bytes())?;
        let mut tx = self.db.begin().await?;
        let expires_at = tx.now().plus_millis(SIGN_IN_MILLIS);
        tx.put_oauth_state(&OauthState {
            state_hash: token_hash(&state),
            browser_hash: token_hash(&browser),
            verifier: sealed,
            return_to: return_to.to_owned(),
            expires_at,
        })
        .await?;
        tx.commit().await?;
        Ok(Begun {
            authorize: self.sign_in.authorize_url(&state, &challenge),
            browser,
        })
    }

    /// Finishes it: takes the state, exchanges the code, opens a session and ends the browser's old one.
    ///
    /// # Errors
    /// A state that does not fit, a code that GitHub refuses, GitHub or the database away.
    pub async fn finish(
        &self,
        state: &str,
        browser: Option<&str>,
        code: &str,
        old_token: Option<&str>,
    ) -> Result<Finished, SessionError> {
        let mut tx = self.db.begin().await?;
        let now = tx.now();
        let taken = tx.take_oauth_state(&token_hash(state)).await?;
        // Committed before GitHub is asked: a state is spent by the first attempt, however it ends (R28).
        tx.commit().await?;
        let begun = taken
            .filter(|begun| browser.is_some_and(|browser| token_hash(browser) == begun.browser_hash))
            .ok_or(SessionError::UnknownState)?;
        let verifier = self.key.open(VERIFIER_PURPOSE, &begun.verifier)?;
        let verifier = String::from_utf8(verifier).map_err(|_| SessionError::UnknownState)?;
        let signed_in = self.sign_in.exchange(code, &verifier).await?;
        let person = self.people.arrive(&signed_in, now).await?;
        let known = self.people.known(person.clone());

        let token = random_token();
        let old = old_token.map(token_hash);
        again(|| self.open(&person, &known, &token, old.as_ref())).await?;
        if let Some(old) = old {
            self.announce(Some(old));
        }
        Ok(Finished {
            token,
            return_to: begun.return_to,
            known,
        })
    }

    /// Opens a session in the place of the browser's old one. Someone without a role gets none.
    async fn open(
        &self,
        person: &Person,
        known: &Known,
        token: &str,
        old: Option<&KeyHash>,
    ) -> Result<(), SessionError> {
        let mut tx = self.db.begin().await?;
        let now = tx.now();
        tx.put_person(person).await?;
        if let Some(old) = old {
            tx.delete_session(old).await?;
        }
        let (kind, why) = if known.roles.is_empty() {
            let why = "signed in without being in a team that gives a role";
            (EventKind::AccessDenied, Some(why))
        } else {
            tx.insert_session(&Session {
                key_hash: token_hash(token),
                person: person.id,
                created_at: now,
                seen_at: now,
                data: json!({}),
            })
            .await?;
            (EventKind::SessionStarted, None)
        };
        let data = json!({ "roles": known.roles, "teams": known.teams, "why": why });
        tx.append_audit(&[about(known, kind, data)]).await?;
        Ok(tx.commit().await?)
    }

    /// The session of a secret, if it is on. Counts as activity.
    ///
    /// # Errors
    /// The database is away, or GitHub cannot confirm teams that must be confirmed.
    pub async fn current(&self, token: &str, roles: Roles) -> Result<Option<Current>, SessionError> {
        let key = token_hash(token);
        let Some(session) = self.db.session(&key, LIFE).await? else {
            return Ok(None);
        };
        let Some(person) = self.db.person(session.person).await? else {
            return Ok(None);
        };
        let now = self.db.now().await?;
        let known = self.people.confirm(person, roles, now).await?;
        if now.since(session.seen_at) > TOUCH_MILLIS {
            self.db.touch_session(&key).await?;
        }
        Ok(Some(Current {
            key,
            known,
            data: session.data,
        }))
    }

    /// Whether the session of this hash is still on. Does not count as activity.
    ///
    /// # Errors
    /// The database is away.
    pub async fn is_on(&self, key: &KeyHash) -> Result<bool, SessionError> {
        Ok(self.db.session(key, LIFE).await?.is_some())
    }

    /// Ends a session at its person's wish. Asks nobody outside: leaving always works. Without a session there is nothing
    /// to end, which is as good.
    ///
    /// # Errors
    /// The database cannot be written; the session is on then.
    pub async fn sign_out(&self, token: &str) -> Result<(), SessionError> {
        let key = token_hash(token);
        let Some(session) = self.db.session(&key, LIFE).await? else {
            return Ok(());
        };
        let Some(person) = self.db.person(session.person).await? else {
            return Ok(());
        };
        let known = self.people.known(person);
        let event = about(&known, EventKind::SessionEnded, json!({ "why": "signed out" }));
        again(|| self.end(&key, &event)).await?;
        self.announce(Some(key));
        Ok(())
    }

    /// Everyone's sessions that are on, the one seen last first.
    ///
    /// # Errors
    /// Someone who may not see them; the database is away.
    pub async fn all(&self, services: &Services, by: &Known) -> Result<Vec<Listed>, PortalError> {
        services.allow(&by.actor(), Action::ManageSessions, None).await?;
        let found = self.db.sessions(LIFE).await.map_err(errors::portal)?;
        Ok(found
            .into_iter()
            .map(|(session, login)| Listed {
                id: hex::encode(session.key_hash),
                person: PersonRef::new(session.person, login),
                created_at: session.created_at,
                seen_at: session.seen_at,
            })
            .collect())
    }

    /// Ends one session, by the id that [`Sessions::all`] gave it: an administrator's means. It is over at its next
    /// request, on every replica.
    ///
    /// # Errors
    /// Someone who may not; no such session; the database cannot be written.
    pub async fn revoke(&self, services: &Services, by: &Known, id: &str) -> Result<(), PortalError> {
        services.allow(&by.actor(), Action::ManageSessions, None).await?;
        let gone = || PortalError::NotFound("there is no such session (any more)".to_owned());
        let mut key: KeyHash = [0; 32];
        hex::decode_to_slice(id, &mut key).map_err(|_| gone())?;
        let session = self.db.session(&key, LIFE).await.map_err(errors::portal)?;
        let session = session.ok_or_else(gone)?;
        let event = ended_by(services, by, session.person);
        again(|| self.end(&key, &event)).await.map_err(unchanged)?;
        self.announce(Some(key));
        Ok(())
    }

    /// Ends all sessions of someone, and says how many there were: an administrator's means.
    ///
    /// # Errors
    /// Someone who may not; the database cannot be written.
    pub async fn end_all(&self, services: &Services, by: &Known, person: i64) -> Result<u64, PortalError> {
        services.allow(&by.actor(), Action::ManageSessions, None).await?;
        let event = ended_by(services, by, person);
        let ended = again(|| self.end_all_once(person, &event)).await.map_err(unchanged)?;
        self.announce(None);
        Ok(ended)
    }

    async fn end(&self, key: &KeyHash, event: &AuditEvent) -> Result<(), SessionError> {
        let mut tx = self.db.begin().await?;
        tx.delete_session(key).await?;
        tx.append_audit(std::slice::from_ref(event)).await?;
        Ok(tx.commit().await?)
    }

    async fn end_all_once(&self, person: i64, event: &AuditEvent) -> Result<u64, SessionError> {
        let mut tx = self.db.begin().await?;
        let ended = tx.delete_sessions_of(person).await?;
        tx.append_audit(std::slice::from_ref(event)).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Keeps something for the next request of this session.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn keep(&self, key: &KeyHash, data: &Value) -> Result<(), SessionError> {
        let kept = again(|| async {
            let mut tx = self.db.begin().await?;
            tx.update_session_data(key, data).await?;
            Ok(tx.commit().await?)
        });
        kept.await
    }

    /// Removes what is over: sessions, sign-ins, used tokens, deliveries and answers past their time.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn prune(&self) -> Result<u64, SessionError> {
        Ok(again(|| self.db.prune(LIFE, Retention::default())).await?)
    }

    /// Sessions that ended on this replica; `None`: several, ask about yours.
    pub fn ended(&self) -> broadcast::Receiver<Option<KeyHash>> {
        self.ended.subscribe()
    }

    fn announce(&self, key: Option<KeyHash>) {
        // Nobody listening is fine.
        let _ = self.ended.send(key);
    }
}

fn about(known: &Known, kind: EventKind, data: Value) -> AuditEvent {
    AuditEvent {
        kind,
        actor: known.actor(),
        subject: Subject::default(),
        data,
        text: None,
    }
}

fn ended_by(services: &Services, by: &Known, person: i64) -> AuditEvent {
    let data = json!({ "person": person, "why": "ended by an administrator" });
    let mut event = about(by, EventKind::SessionEnded, data);
    services.sign(&mut event);
    event
}

fn unchanged(error: SessionError) -> PortalError {
    match error {
        SessionError::Store(error) => errors::portal(error),
        error => PortalError::Unavailable(error.to_string()),
    }
}
