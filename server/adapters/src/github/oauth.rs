//! Sign-in with GitHub: where to send a browser, and what its code is worth.
//!
//! The code is bound to the browser's verifier (PKCE, S256) and to the redirect address; the client secret goes in the
//! body, as GitHub wants it.

use super::{GithubUser, USER_AGENT};
use crate::{CallError, Github, GithubClient, error::chain};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, TokenResponse as _, TokenUrl,
    basic::BasicClient,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::{borrow::Cow, time::Duration};
use url::Url;

#[derive(Debug, Clone)]
pub struct OauthOptions {
    /// Where people sign in, such as `https://github.com`.
    pub web: Url,
    pub client_id: String,
    pub client_secret: SecretString,
    /// What a person's token may do. Nothing is needed to know who they are.
    pub scopes: Vec<String>,
    pub timeout: Duration,
}

/// A verifier that stays here and its challenge, which goes to GitHub.
#[derive(Debug, Clone)]
pub struct Pkce {
    pub verifier: SecretString,
    pub challenge: String,
}

impl Pkce {
    pub fn random() -> Self {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        Self {
            verifier: verifier.into_secret().into(),
            challenge: challenge.as_str().to_owned(),
        }
    }
}

/// Someone who proved to be that person, and their token.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: GithubUser,
    pub token: SecretString,
}

/// Why a code was worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OauthError {
    /// GitHub's own code: `bad_verification_code`, `incorrect_client_credentials`, `redirect_uri_mismatch`.
    #[error("GitHub refused the sign-in: {code}: {description}")]
    Refused { code: String, description: String },
    #[error("GitHub cannot be asked: {0}")]
    Unavailable(String),
}

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// The web application flow of one registered OAuth app.
#[derive(Debug, Clone)]
pub struct GithubOauth {
    client: Client,
    scopes: Vec<String>,
    http: reqwest::Client,
    api: GithubClient,
}

impl GithubOauth {
    /// # Errors
    /// An address that is none, or the HTTP client cannot be built.
    pub fn new(options: OauthOptions, api: GithubClient) -> Result<Self, CallError> {
        let wrong = |error: &dyn std::error::Error| CallError::refused("Configuration", chain(error), false);
        let base = options.web.as_str().trim_end_matches('/');
        let authorize = AuthUrl::new(format!("{base}/login/oauth/authorize")).map_err(|error| wrong(&error))?;
        let token = TokenUrl::new(format!("{base}/login/oauth/access_token")).map_err(|error| wrong(&error))?;
        let client = BasicClient::new(ClientId::new(options.client_id))
            .set_client_secret(ClientSecret::new(options.client_secret.expose_secret().to_owned()))
            .set_auth_uri(authorize)
            .set_token_uri(token)
            .set_auth_type(AuthType::RequestBody);
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .timeout(options.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| wrong(&error))?;
        Ok(Self {
            client,
            scopes: options.scopes,
            http,
            api,
        })
    }

    /// Where the browser goes to sign in.
    pub fn authorize_url(&self, state: &str, challenge: &str, redirect_uri: &Url) -> Url {
        let state = state.to_owned();
        let (url, _) = self
            .client
            .authorize_url(|| CsrfToken::new(state))
            .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(redirect_uri.clone())))
            .add_scopes(self.scopes.iter().cloned().map(Scope::new))
            .add_extra_param("code_challenge", challenge.to_owned())
            .add_extra_param("code_challenge_method", "S256")
            .url();
        url
    }

    /// Exchanges the code that the browser brought back, once, and asks who it is.
    ///
    /// # Errors
    /// GitHub's refusal, in its own code; or that GitHub cannot be asked.
    pub async fn exchange(&self, code: &str, verifier: &str, redirect_uri: &Url) -> Result<SignedIn, OauthError> {
        let answer = self
            .client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
            .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(redirect_uri.clone())))
            .request_async(&self.http)
            .await;
        let token = match answer {
            Ok(answer) => answer.access_token().secret().clone(),
            Err(RequestTokenError::Request(error)) => return Err(OauthError::Unavailable(chain(&error))),
            Err(RequestTokenError::ServerResponse(error)) => {
                return Err(OauthError::Refused {
                    code: error.error().as_ref().to_owned(),
                    description: error.error_description().cloned().unwrap_or_default(),
                });
            }
            // GitHub refuses with status 200, which is no token and no error to the library.
            Err(RequestTokenError::Parse(_, body)) => return Err(refusal(&body)),
            Err(RequestTokenError::Other(what)) => return Err(OauthError::Unavailable(what)),
        };
        let user = self
            .api
            .user(&token)
            .await
            .map_err(|error| OauthError::Unavailable(error.to_string()))?;
        Ok(SignedIn {
            user,
            token: token.into(),
        })
    }
}

fn refusal(body: &[u8]) -> OauthError {
    #[derive(Deserialize)]
    struct Said {
        error: String,
        error_description: Option<String>,
    }
    match serde_json::from_slice::<Said>(body) {
        Ok(said) => OauthError::Refused {
            code: said.error,
            description: said.error_description.unwrap_or_default(),
        },
        Err(_) => OauthError::Unavailable("the token endpoint answered with something else".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth() -> GithubOauth {
        let timeout = Duration::from_secs(1);
        let api = GithubClient::new(crate::GithubOptions {
            api: "https://api.github.example".parse().unwrap(),
            token: "service".into(),
            timeout,
        });
        let options = OauthOptions {
            web: "https://github.example/".parse().unwrap(),
            client_id: "Iv1.acme".to_owned(),
            client_secret: "canary-secret".into(),
            scopes: Vec::new(),
            timeout,
        };
        GithubOauth::new(options, api.unwrap()).unwrap()
    }

    #[test]
    fn r28_the_browser_is_sent_with_state_challenge_and_the_fixed_redirect() {
        let pkce = Pkce::random();
        let redirect = "https://tidegate.acme.example/auth/callback".parse().unwrap();
        let url = oauth().authorize_url("the state", &pkce.challenge, &redirect);
        let mut said: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        said.sort();
        let expected = [
            ("client_id", "Iv1.acme"),
            ("code_challenge", &pkce.challenge),
            ("code_challenge_method", "S256"),
            ("redirect_uri", "https://tidegate.acme.example/auth/callback"),
            ("response_type", "code"),
            ("state", "the state"),
        ];
        assert_eq!(said, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(
            url.as_str()
                .starts_with("https://github.example/login/oauth/authorize?")
        );
    }

    #[test]
    fn r28_a_challenge_is_made_from_its_verifier_by_sha256() {
        // RFC 7636, appendix B.
        let verifier = PkceCodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        assert_eq!(challenge.as_str(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_ne!(Pkce::random().challenge, Pkce::random().challenge);
    }

    #[test]
    fn r33_the_secrets_are_not_in_the_debug_form() {
        let shown = format!("{:?} {:?}", oauth(), Pkce::random().verifier);
        assert!(!shown.contains("canary-secret"), "{shown}");
    }

    #[test]
    fn github_refuses_a_code_with_status_200() {
        let body = br#"{"error":"bad_verification_code","error_description":"The code is wrong.","error_uri":"u"}"#;
        assert_eq!(
            refusal(body),
            OauthError::Refused {
                code: "bad_verification_code".to_owned(),
                description: "The code is wrong.".to_owned(),
            }
        );
        assert!(matches!(refusal(b"<html>"), OauthError::Unavailable(_)));
    }
}
