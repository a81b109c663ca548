//! CI's way in: a workflow run proves itself once with its Actions OIDC token and gets a short-lived token for one
//! service in return (R30).
//!
//! One run makes several calls, and a token that may be used several times can be replayed. So the exchange is the single
//! use of the `jti`; what it returns is bound to one service, holds for 15 minutes of database time, and is sealed with
//! the server's key, so that nothing of it needs to be stored.

use super::{
    CatalogHandle, Services,
    seal::{SealError, SealKey},
    transaction::again,
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tidegate_app::portal::PortalError;
use tidegate_domain::{
    access::Actor,
    ci::{CiIdentity, trusted},
    name::ServiceName,
    time::{MINUTE, Timestamp},
};
use tidegate_store::{Db, StoreError};

/// How long an exchanged token holds.
pub const HOLDS_MILLIS: i64 = 15 * MINUTE;
const PREFIX: &str = "tgci_";
const PURPOSE: &str = "ci session";

/// Why a token is not genuine, or cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGenuine {
    #[error("{0}")]
    Refused(String),
    #[error("the issuer's keys cannot be read: {0}")]
    Unavailable(String),
}

/// Checks Actions OIDC tokens: signature, issuer, audience, algorithm, times.
#[async_trait]
pub trait CiTokens: Send + Sync + 'static {
    async fn verify(&self, token: &str) -> Result<CiIdentity, NotGenuine>;
}

#[derive(Debug, thiserror::Error)]
pub enum CiError {
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Unavailable(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// A token for further calls.
#[derive(Debug, Clone)]
pub struct Exchanged {
    pub token: String,
    pub service: ServiceName,
    pub expires_at: Timestamp,
}

/// What a token of ours says.
#[derive(Serialize, Deserialize)]
struct Content {
    actor: Actor,
    /// The commit and the ref that GitHub says the run is about; `None` where the service may report others.
    about: Option<(String, String)>,
    expires_at: Timestamp,
}

/// A workflow run that calls.
#[derive(Debug, Clone)]
pub struct CiCaller {
    pub actor: Actor,
    about: Option<(String, String)>,
}

impl CiCaller {
    /// Whether the run may report this commit and ref: those that GitHub says it is about.
    ///
    /// # Errors
    /// What it is about, for the workflow's log.
    pub fn may_report(&self, commit: &str, git_ref: &str) -> Result<(), PortalError> {
        let Some((own_commit, own_ref)) = &self.about else {
            return Ok(());
        };
        let other = |what: &str, own: &str, hint: &str| {
            Err(PortalError::Forbidden(format!(
                "this run is of {what} {own} by GitHub's word, so it reports no other: {hint}"
            )))
        };
        if own_commit != commit {
            return other(
                "commit",
                own_commit,
                "send $GITHUB_SHA, or set ci.other_commits for a workflow that builds another commit than it runs on",
            );
        }
        if own_ref != git_ref {
            return other("ref", own_ref, "send $GITHUB_REF");
        }
        Ok(())
    }
}

#[derive(Clone)]
pub struct CiSessions {
    db: Db,
    catalog: CatalogHandle,
    services: Services,
    tokens: Arc<dyn CiTokens>,
    key: SealKey,
}

impl CiSessions {
    pub fn new(db: Db, catalog: CatalogHandle, services: Services, tokens: Arc<dyn CiTokens>, key: SealKey) -> Self {
        Self {
            db,
            catalog,
            services,
            tokens,
            key,
        }
    }

    /// Exchanges an Actions token, which is spent by it.
    ///
    /// # Errors
    /// A token that is not genuine, not of a run that the service trusts, or used before; keys or database away.
    pub async fn exchange(&self, token: &str, service: &ServiceName) -> Result<Exchanged, CiError> {
        let run = match self.tokens.verify(token).await {
            Ok(run) => run,
            // Whose it is, is nobody's word: only that someone tried is noted.
            Err(NotGenuine::Refused(why)) => return Err(self.refuse(&Actor::system("ci"), why).await),
            Err(NotGenuine::Unavailable(why)) => return Err(CiError::Unavailable(why)),
        };
        let actor = Actor::Ci {
            service: service.clone(),
            repository: run.repository.clone(),
            run_id: run.run_id,
            actor: run.actor.clone(),
        };
        let believed = match self.catalog.get().service(service) {
            Some(known) => trusted(&known.ci, &run)
                .map(|()| known.ci.other_commits)
                .map_err(|distrust| distrust.to_string()),
            None => Err(format!("there is no service {service}")),
        };
        let about = match believed {
            Ok(true) => None,
            Ok(false) => Some((run.sha.clone(), run.git_ref.clone())),
            Err(why) => return Err(self.refuse(&actor, why).await),
        };
        let (first, now) = again(|| self.spend(&run)).await?;
        if !first {
            let why = "this token was exchanged before: ask Actions for a new one";
            return Err(self.refuse(&actor, why.to_owned()).await);
        }
        let expires_at = now.plus_millis(HOLDS_MILLIS);
        let content = serde_json::to_vec(&Content {
            actor,
            about,
            expires_at,
        })
        .map_err(|_| SealError::Seal)?;
        let sealed = self.key.seal(PURPOSE, &content)?;
        Ok(Exchanged {
            token: format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed)),
            service: service.clone(),
            expires_at,
        })
    }

    async fn spend(&self, run: &CiIdentity) -> Result<(bool, Timestamp), StoreError> {
        let mut tx = self.db.begin().await?;
        let now = tx.now();
        let first = tx.use_token_once(&run.jti, run.expires_at).await?;
        tx.commit().await?;
        Ok((first, now))
    }

    /// A token that is not enough leaves an event. Of one that is not genuine, nothing that it says is written down.
    async fn refuse(&self, actor: &Actor, why: String) -> CiError {
        self.services.denied(actor, "exchange a workflow token", &why).await;
        CiError::Refused(why)
    }

    /// Who an exchanged token stands for.
    ///
    /// # Errors
    /// A token that we did not make, or one that is over.
    pub async fn caller(&self, token: &str) -> Result<CiCaller, CiError> {
        let unknown = || {
            CiError::Refused("this is no token of ours: exchange the Actions token at /api/v1/ci/session".to_owned())
        };
        let sealed = token.strip_prefix(PREFIX).ok_or_else(unknown)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| unknown())?;
        let content = self.key.open(PURPOSE, &sealed).map_err(|_| unknown())?;
        let content: Content = serde_json::from_slice(&content).map_err(|_| unknown())?;
        if content.expires_at <= self.db.now().await? {
            return Err(CiError::Refused(format!(
                "this token held until {}: exchange a new Actions token",
                content.expires_at
            )));
        }
        Ok(CiCaller {
            actor: content.actor,
            about: content.about,
        })
    }
}
