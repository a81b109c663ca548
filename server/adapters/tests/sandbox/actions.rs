//! Tokens of GitHub Actions.

use crate::github::GithubWorld;
use serde_json::{Value, json};
use tidegate_adapters::{ActionsOidc, TokenError};
use tidegate_domain::{ci::CiIdentity, time::Timestamp};

const AUDIENCE: &str = "https://tidegate.acme.example";

struct Issuer {
    github: GithubWorld,
    oidc: ActionsOidc,
}

impl Issuer {
    async fn new() -> Self {
        let github = GithubWorld::new().await;
        let oidc = ActionsOidc::new(format!("{}/oidc/", github.sandbox.github_url()), AUDIENCE).unwrap();
        Self { github, oidc }
    }

    async fn token(&self, other: Value) -> String {
        let mut spec = json!({ "repository": "acme/rag", "run_id": 8801, "audience": AUDIENCE });
        for (name, value) in other.as_object().unwrap() {
            spec[name] = value.clone();
        }
        let made = self.github.control("oidc/tokens", spec).await;
        made["value"].as_str().unwrap().to_owned()
    }

    /// Verifies at the moment the token is made, which the sandbox takes from the real clock.
    async fn verify(&self, other: Value) -> Result<CiIdentity, TokenError> {
        let token = self.token(other).await;
        self.oidc.verify(&token, made_at(&token)).await
    }
}

/// When the token says it was made.
fn made_at(token: &str) -> Timestamp {
    Timestamp::from_millis(claims(token)["iat"].as_i64().unwrap_or_default() * 1_000)
}

fn claims(token: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_good_token_says_which_run_it_is() {
    let issuer = Issuer::new().await;
    let token = issuer.token(json!({ "environment": "production" })).await;
    let said = claims(&token);
    let run = issuer.oidc.verify(&token, made_at(&token)).await.unwrap();
    assert_eq!(
        (run.repository.as_str(), run.repository_id, run.run_id),
        ("acme/rag", 501, 8801)
    );
    assert_eq!((run.actor.id, run.actor.login.as_str()), (12, "ben-acme"));
    assert_eq!(run.git_ref, "refs/heads/main");
    assert!(run.workflow_ref.starts_with("acme/rag/.github/workflows/"));
    assert_eq!(run.environment.as_deref(), Some("production"));
    assert_eq!(
        (&*run.sha, &*run.jti),
        (said["sha"].as_str().unwrap(), said["jti"].as_str().unwrap())
    );
    assert_eq!(run.expires_at.millis(), said["exp"].as_i64().unwrap() * 1_000);
}

#[tokio::test]
async fn r30_a_token_for_somebody_else_or_from_somebody_else_is_refused() {
    let issuer = Issuer::new().await;
    let wrong = issuer.verify(json!({ "audience": "other" })).await;
    assert!(matches!(wrong, Err(TokenError::Audience { .. })), "{wrong:?}");
    let wrong = issuer
        .verify(json!({ "claims": { "iss": "https://issuer.example" } }))
        .await;
    assert_eq!(wrong, Err(TokenError::Issuer("https://issuer.example".to_owned())));
    let many = issuer.verify(json!({ "audience": ["other", AUDIENCE] })).await;
    assert!(many.is_ok(), "{many:?}");
}

#[tokio::test]
async fn r30_a_forged_token_is_refused() {
    let issuer = Issuer::new().await;
    let stranger = issuer.verify(json!({ "key": "stranger" })).await;
    assert_eq!(stranger, Err(TokenError::Signature));
    let unknown = issuer.verify(json!({ "key": "stranger", "kid": "mine" })).await;
    assert_eq!(unknown, Err(TokenError::UnknownKey("mine".to_owned())));
    for algorithm in ["HS256", "RS384"] {
        let other = issuer.verify(json!({ "algorithm": algorithm })).await;
        assert_eq!(other, Err(TokenError::Algorithm(algorithm.to_owned())));
    }
    let unsigned = issuer.verify(json!({ "algorithm": "none" })).await;
    assert!(matches!(unsigned, Err(TokenError::Malformed(_))), "{unsigned:?}");
    let now = Timestamp::from_millis(0);
    for text in ["", "a.b.c", &"x".repeat(20_000)] {
        let none = issuer.oidc.verify(text, now).await;
        assert!(matches!(none, Err(TokenError::Malformed(_))), "{none:?}");
    }
}

#[tokio::test]
async fn r30_a_token_counts_from_its_making_to_its_expiry_and_a_minute_of_leeway() {
    let issuer = Issuer::new().await;
    let token = issuer
        .token(json!({ "expires_in": 300, "claims": { "nbf": null } }))
        .await;
    let made = made_at(&token);
    let at = async |seconds| issuer.oidc.verify(&token, made.plus_seconds(seconds)).await;
    assert!(at(0).await.is_ok());
    assert!(at(359).await.is_ok());
    assert_eq!(at(360).await, Err(TokenError::Expired(made.plus_seconds(300))));
    assert!(at(-60).await.is_ok());
    assert_eq!(at(-61).await, Err(TokenError::NotYet(made)));
}

#[tokio::test]
async fn r30_a_token_without_its_claims_is_refused() {
    let issuer = Issuer::new().await;
    for claim in ["exp", "jti", "repository_id", "ref", "aud", "actor_id"] {
        let lacking = issuer.verify(json!({ "claims": { claim: null } })).await;
        assert!(matches!(lacking, Err(TokenError::Malformed(_))), "{claim}: {lacking:?}");
    }
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_after_a_minute_at_the_earliest() {
    let issuer = Issuer::new().await;
    let good = issuer.token(json!({})).await;
    let unknown = issuer.token(json!({ "key": "stranger", "kid": "mine" })).await;
    let now = made_at(&good);
    assert!(issuer.oidc.verify(&good, now).await.is_ok());
    issuer.github.faults(json!({ "oidc_down": true })).await;
    assert!(issuer.oidc.verify(&good, now).await.is_ok(), "the keys are known");
    let again = issuer.oidc.verify(&unknown, now.plus_seconds(61)).await;
    assert_eq!(again, Err(TokenError::UnknownKey("mine".to_owned())));
    assert!(
        issuer.oidc.verify(&good, now.plus_seconds(62)).await.is_ok(),
        "a failed fetch forgets nothing"
    );
}

#[tokio::test]
async fn while_the_issuer_is_down_a_token_is_neither_good_nor_bad() {
    let issuer = Issuer::new().await;
    let token = issuer.token(json!({})).await;
    issuer.github.faults(json!({ "oidc_down": true })).await;
    let now = made_at(&token);
    let answer = issuer.oidc.verify(&token, now).await;
    assert!(matches!(answer, Err(TokenError::KeysUnavailable(_))), "{answer:?}");
    issuer.github.faults(json!({})).await;
    assert!(matches!(
        issuer.oidc.verify(&token, now).await,
        Err(TokenError::KeysUnavailable(_))
    ));
    assert!(issuer.oidc.verify(&token, now.plus_seconds(60)).await.is_ok());
}
