//! CI's way in: a workflow run proves itself once with its Actions OIDC token and gets a short-lived token for one
//! service in return (R30).
//!
//! One run makes several calls, and a token that may be used several times can be replayed. So the exchange is the single
//! use of the `jti`; what it returns is bound to one service, holds for 15 minutes of database time, and is sealed with
//! the server's key, so that nothing of it needs to be stored.

use super::{
    CatalogHandle, Services,
    seal::{SealError, SealKey},
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
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

#[derive(Serialize, Deserialize)]
struct Content {
    actor: Actor,
    expires_at: Timestamp,
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
        let run = self.tokens.verify(token).await.map_err(|error| match error {
            NotGenuine::Refused(why) => CiError::Refused(why),
            NotGenuine::Unavailable(why) => CiError::Unavailable(why),
        })?;
        let actor = Actor::Ci {
            service: service.clone(),
            repository: run.repository.clone(),
            run_id: run.run_id,
            actor: run.actor.clone(),
        };
        let believed = match self.catalog.get().service(service) {
            Some(known) => trusted(&known.ci, &run).map_err(|distrust| distrust.to_string()),
            None => Err(format!("there is no service {service}")),
        };
        if let Err(why) = believed {
            return Err(self.refuse(&actor, why).await);
        }
        let mut tx = self.db.begin().await?;
        let now = tx.now();
        let first = tx.use_token_once(&run.jti, run.expires_at).await?;
        tx.commit().await?;
        if !first {
            let why = "this token was exchanged before: ask Actions for a new one";
            return Err(self.refuse(&actor, why.to_owned()).await);
        }
        let expires_at = now.plus_millis(HOLDS_MILLIS);
        let content = serde_json::to_vec(&Content { actor, expires_at }).map_err(|_| SealError::Seal)?;
        let sealed = self.key.seal(PURPOSE, &content)?;
        Ok(Exchanged {
            token: format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed)),
            service: service.clone(),
            expires_at,
        })
    }

    /// A genuine token that is not enough leaves an event: whoever sent it is known by GitHub's word.
    async fn refuse(&self, actor: &Actor, why: String) -> CiError {
        self.services.denied(actor, "exchange a workflow token", &why).await;
        CiError::Refused(why)
    }

    /// Who an exchanged token stands for.
    ///
    /// # Errors
    /// A token that we did not make, or one that is over.
    pub async fn actor(&self, token: &str) -> Result<Actor, CiError> {
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
        Ok(content.actor)
    }
}
