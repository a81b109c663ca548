//! The ports of the use cases, spoken by the adapters against the sandbox.

use async_trait::async_trait;
use tidegate_adapters::{ActionsOidc, Github as _, GithubClient, GithubOauth, OauthError, TokenError};
use tidegate_domain::{
    ci::CiIdentity,
    name::{PersonRef, TeamSlug},
};
use tidegate_server::service::{
    CatalogHandle,
    ci::{CiTokens, NotGenuine},
    people::{SignIn, SignInFailure, SignedIn},
    ports::{Identity, Unavailable},
};
use tidegate_store::Db;
use url::Url;

/// What wiring does in the server.
pub(crate) struct Bridge {
    pub(crate) github: GithubClient,
    pub(crate) oauth: GithubOauth,
    pub(crate) oidc: ActionsOidc,
    pub(crate) redirect: Url,
    pub(crate) catalog: CatalogHandle,
    pub(crate) db: Db,
}

#[async_trait]
impl Identity for Bridge {
    async fn teams_of(&self, person: i64) -> Result<Vec<TeamSlug>, Unavailable> {
        let catalog = self.catalog.get();
        let asked: Vec<String> = catalog.teams().iter().map(ToString::to_string).collect();
        let found = self.github.teams_of(&catalog.organisation, person, &asked).await;
        let found = found.map_err(|error| Unavailable(error.to_string()))?;
        Ok(found.into_iter().filter_map(|slug| TeamSlug::new(slug).ok()).collect())
    }
}

#[async_trait]
impl SignIn for Bridge {
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

#[async_trait]
impl CiTokens for Bridge {
    async fn verify(&self, token: &str) -> Result<CiIdentity, NotGenuine> {
        let now = self.db.now().await.unwrap();
        self.oidc.verify(token, now).await.map_err(|error| match error {
            TokenError::KeysUnavailable(why) => NotGenuine::Unavailable(why),
            other => NotGenuine::Refused(other.to_string()),
        })
    }
}
