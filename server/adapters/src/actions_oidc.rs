//! Tokens of GitHub Actions: who signed them, for whom, and until when (R30).
//!
//! Only what is said here is verified: signature (RS256, by a key the issuer publishes), issuer, audience and times,
//! against a moment given by the caller. Whether the run is to be believed is [`tidegate_domain::ci::trusted`]'s matter,
//! and whether the token was used before is the store's.

use crate::error::chain;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, Jwk},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use std::{collections::HashMap, time::Duration};
use tidegate_domain::{
    ci::CiIdentity,
    name::PersonRef,
    time::{HOUR, MINUTE, Timestamp},
};
use tokio::sync::Mutex;

/// Clocks of issuer and server may differ so much, in seconds.
const LEEWAY_SECONDS: i64 = 60;
/// Keys are asked for again at most so often, whatever key ids tokens come with.
const REFETCH_MILLIS: i64 = MINUTE;
/// And at least so often, so that a withdrawn key is forgotten.
const KEYS_FRESH_MILLIS: i64 = HOUR;
/// GitHub's tokens have under 3 KiB.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is no signed JSON web token with the claims of GitHub Actions: {0}")]
    Malformed(String),
    #[error("the token is signed with {0}, and only RS256 is taken")]
    Algorithm(String),
    #[error("the token names key {0:?}, which the issuer does not publish")]
    UnknownKey(String),
    #[error("the token's signature is not by the key it names")]
    Signature,
    #[error("the token is from issuer {0:?}")]
    Issuer(String),
    #[error("the token is for audience {}, and this is {want:?}", .got.join(", "))]
    Audience { got: Vec<String>, want: String },
    #[error("the token expired at {0}")]
    Expired(Timestamp),
    #[error("the token is not valid before {0}")]
    NotYet(Timestamp),
    /// Not the token's fault: it may be good.
    #[error("the issuer's keys cannot be had: {0}")]
    KeysUnavailable(String),
}

/// Verifies tokens of one issuer that are meant for one audience.
pub struct ActionsOidc {
    issuer: String,
    audience: String,
    http: reqwest::Client,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, DecodingKey>,
    /// When they were last asked for, and last had.
    asked_at: Option<Timestamp>,
    fetched_at: Option<Timestamp>,
}

/// What Actions puts into a token, as far as it is used. Numbers are strings there; either is taken.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    #[serde(deserialize_with = "one_or_many")]
    aud: Vec<String>,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    jti: String,
    repository: String,
    #[serde(deserialize_with = "number")]
    repository_id: i64,
    #[serde(rename = "ref")]
    git_ref: String,
    workflow_ref: String,
    job_workflow_ref: Option<String>,
    environment: Option<String>,
    actor: String,
    #[serde(deserialize_with = "number")]
    actor_id: i64,
    #[serde(deserialize_with = "number")]
    run_id: i64,
    sha: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Either<A, B> {
    A(A),
    B(B),
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match Either::<i64, String>::deserialize(deserializer)? {
        Either::A(number) => Ok(number),
        Either::B(text) => text.parse().map_err(D::Error::custom),
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Either::<String, Vec<String>>::deserialize(deserializer)? {
        Either::A(one) => vec![one],
        Either::B(many) => many,
    })
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// An RSA key with an id. A key of a kind nobody here knows must not spoil the others.
fn usable(key: serde_json::Value) -> Option<(String, DecodingKey)> {
    let key: Jwk = serde_json::from_value(key).ok()?;
    let rsa = matches!(key.algorithm, AlgorithmParameters::RSA(_));
    rsa.then(|| Some((key.common.key_id.clone()?, DecodingKey::from_jwk(&key).ok()?)))?
}

impl ActionsOidc {
    /// `issuer` without a trailing slash, such as `https://token.actions.githubusercontent.com`. Fetches nothing yet.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Result<Self, TokenError> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| TokenError::KeysUnavailable(chain(&error)))?;
        Ok(Self {
            issuer: issuer.into().trim_end_matches('/').to_owned(),
            audience: audience.into(),
            http,
            keys: Mutex::default(),
        })
    }

    /// What the token says of its run, if it is good at `now`.
    ///
    /// # Errors
    /// What is wrong with the token; or [`TokenError::KeysUnavailable`], when that cannot be told.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<CiIdentity, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed(format!("it has {} bytes", token.len())));
        }
        let header = decode_header(token).map_err(malformed)?;
        if header.alg != Algorithm::RS256 {
            return Err(TokenError::Algorithm(format!("{:?}", header.alg)));
        }
        let kid = header.kid.unwrap_or_default();
        let key = self.key(&kid, now).await?;
        let claims = decode::<Claims>(token, &key, &signature_only())
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenError::Signature,
                _ => malformed(error),
            })?
            .claims;
        self.check(claims, now)
    }

    fn check(&self, claims: Claims, now: Timestamp) -> Result<CiIdentity, TokenError> {
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer(claims.iss));
        }
        if !claims.aud.contains(&self.audience) {
            return Err(TokenError::Audience {
                got: claims.aud,
                want: self.audience.clone(),
            });
        }
        let moment = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1_000));
        let expires_at = moment(claims.exp);
        if now >= expires_at.plus_seconds(LEEWAY_SECONDS) {
            return Err(TokenError::Expired(expires_at));
        }
        for not_before in [claims.nbf, claims.iat].into_iter().flatten().map(moment) {
            if now < not_before.plus_seconds(-LEEWAY_SECONDS) {
                return Err(TokenError::NotYet(not_before));
            }
        }
        Ok(CiIdentity {
            repository: claims.repository,
            repository_id: claims.repository_id,
            git_ref: claims.git_ref,
            workflow_ref: claims.workflow_ref,
            job_workflow_ref: claims.job_workflow_ref,
            environment: claims.environment,
            actor: PersonRef::new(claims.actor_id, claims.actor),
            run_id: claims.run_id,
            sha: claims.sha,
            jti: claims.jti,
            expires_at,
        })
    }

    async fn key(&self, kid: &str, now: Timestamp) -> Result<DecodingKey, TokenError> {
        let mut keys = self.keys.lock().await;
        // A clock set back must not keep keys for ever: ages count both ways.
        let older = |at: Option<Timestamp>, millis: i64| at.is_none_or(|at| now.since(at).abs() >= millis);
        let wanted = !keys.by_id.contains_key(kid) || older(keys.fetched_at, KEYS_FRESH_MILLIS);
        if wanted && older(keys.asked_at, REFETCH_MILLIS) {
            keys.asked_at = Some(now);
            match self.fetch().await {
                Ok(by_id) => {
                    keys.by_id = by_id;
                    keys.fetched_at = Some(now);
                }
                Err(error) => tracing::warn!(issuer = %self.issuer, %error, "cannot fetch the issuer's keys"),
            }
        }
        if keys.fetched_at.is_none() {
            return Err(TokenError::KeysUnavailable(format!(
                "{} was asked in vain",
                self.issuer
            )));
        }
        keys.by_id
            .get(kid)
            .cloned()
            .ok_or_else(|| TokenError::UnknownKey(kid.chars().take(80).collect()))
    }

    async fn fetch(&self) -> Result<HashMap<String, DecodingKey>, TokenError> {
        let discovery: Discovery = self
            .get(&format!("{}/.well-known/openid-configuration", self.issuer))
            .await?;
        if discovery.issuer.trim_end_matches('/') != self.issuer {
            let message = format!("it calls itself {}", discovery.issuer);
            return Err(TokenError::KeysUnavailable(message));
        }
        let set: KeySet = self.get(&discovery.jwks_uri).await?;
        Ok(set.keys.into_iter().filter_map(usable).collect())
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, TokenError> {
        let answer = async { self.http.get(url).send().await?.error_for_status()?.json().await };
        answer
            .await
            .map_err(|error: reqwest::Error| TokenError::KeysUnavailable(chain(&error)))
    }
}

/// Times and names are checked by hand: the library would read the wall clock.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn malformed(error: jsonwebtoken::errors::Error) -> TokenError {
    TokenError::Malformed(chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_of_an_unknown_kind_does_not_spoil_the_others() {
        let keys = [
            json!({ "kty": "QUANTUM", "kid": "new", "q": "?" }),
            json!({ "kty": "oct", "kid": "shared", "k": "AQAB" }),
            json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
            json!({ "kty": "RSA", "kid": "good", "alg": "RS256", "use": "sig", "n": "AQAB", "e": "AQAB", "x5t": "x" }),
        ];
        let ids: Vec<String> = keys.into_iter().filter_map(usable).map(|(id, _)| id).collect();
        assert_eq!(ids, ["good"]);
    }
}
