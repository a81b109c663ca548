//! The ports that use cases declare, spoken by the adapters. Nothing is decided here.

use crate::service::{
    CatalogHandle,
    ci::{CiTokens, NotGenuine},
    people::{SignIn, SignInFailure, SignedIn},
    ports::{Identity, Unavailable},
};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tidegate_adapters::{ActionsOidc, Github, GithubOauth, OauthError, TokenError};
use tidegate_domain::{
    ci::CiIdentity,
    name::{PersonRef, TeamSlug},
};
use tidegate_store::Db;
use tokio::sync::Mutex;
use url::Url;

/// How long an answer of GitHub's is taken as still true. Well below the 60 s of R5, which the domain checks itself.
const KEEP: Duration = Duration::from_secs(20);

/// Team memberships by GitHub, kept for some seconds.
pub(super) struct GithubIdentity {
    pub(super) github: Arc<dyn Github>,
    pub(super) catalog: CatalogHandle,
    kept: Mutex<HashMap<i64, (Instant, Vec<TeamSlug>)>>,
}

impl GithubIdentity {
    pub(super) fn new(github: Arc<dyn Github>, catalog: CatalogHandle) -> Self {
        Self {
            github,
            catalog,
            kept: Mutex::default(),
        }
    }
}

#[async_trait]
impl Identity for GithubIdentity {
    async fn teams_of(&self, person: i64) -> Result<Vec<TeamSlug>, Unavailable> {
        if let Some((at, teams)) = self.kept.lock().await.get(&person)
            && at.elapsed() < KEEP
        {
            return Ok(teams.clone());
        }
        let catalog = self.catalog.get();
        let asked: Vec<String> = catalog.teams().iter().map(ToString::to_string).collect();
        let found = self
            .github
            .teams_of(&catalog.organisation, person, &asked)
            .await
            .map_err(|error| Unavailable(format!("GitHub does not say who is in which team: {error}")))?;
        let teams: Vec<TeamSlug> = found.into_iter().filter_map(|slug| TeamSlug::new(slug).ok()).collect();
        let mut kept = self.kept.lock().await;
        kept.retain(|_, (at, _)| at.elapsed() < KEEP);
        kept.insert(person, (Instant::now(), teams.clone()));
        Ok(teams)
    }
}

/// GitHub's OAuth, with the one redirect address.
pub(super) struct GithubSignIn {
    pub(super) oauth: GithubOauth,
    pub(super) redirect: Url,
}

#[async_trait]
impl SignIn for GithubSignIn {
    fn authorize_url(&self, state: &str, challenge: &str) -> Url {
        self.oauth.authorize_url(state, challenge, &self.redirect)
    }

    async fn exchange(&self, code: &str, verifier: &str) -> Result<SignedIn, SignInFailure> {
        match self.oauth.exchange(code, verifier, &self.redirect).await {
            Ok(signed_in) => Ok(SignedIn {
                person: PersonRef::new(signed_in.user.id, signed_in.user.login),
                name: signed_in.user.name,
                token: signed_in.token,
            }),
            Err(OauthError::Refused { description, .. }) => Err(SignInFailure::Refused(description)),
            Err(other) => Err(SignInFailure::Unavailable(other.to_string())),
        }
    }
}

/// Actions OIDC tokens, judged by the database's time.
pub(super) struct ActionsTokens {
    pub(super) oidc: ActionsOidc,
    pub(super) db: Db,
}

#[async_trait]
impl CiTokens for ActionsTokens {
    async fn verify(&self, token: &str) -> Result<CiIdentity, NotGenuine> {
        let now = self
            .db
            .now()
            .await
            .map_err(|error| NotGenuine::Unavailable(error.to_string()))?;
        self.oidc.verify(token, now).await.map_err(|error| match error {
            TokenError::KeysUnavailable(why) => NotGenuine::Unavailable(why),
            other => NotGenuine::Refused(other.to_string()),
        })
    }
}
