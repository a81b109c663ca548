use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind, jwk::JwkSet};
use reqwest::Method;
use serde_json::{Value, json};

use super::World;

/// Finds the key by discovery and verifies, as a relying party does.
async fn verify(world: &World, token: &str) -> Result<Value, ErrorKind> {
    let base = world.sandbox.github_url();
    let discovery = format!("{base}/oidc/.well-known/openid-configuration");
    let discovery: Value = world.http.get(discovery).send().await.unwrap().json().await.unwrap();
    assert_eq!(discovery["issuer"], format!("{base}/oidc"));
    let keys = discovery["jwks_uri"].as_str().unwrap();
    let keys: JwkSet = world.http.get(keys).send().await.unwrap().json().await.unwrap();
    let key = DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_issuer(&[format!("{base}/oidc")]);
    rules.set_audience(&["portal"]);
    rules.leeway = 0;
    jsonwebtoken::decode::<Value>(token, &key, &rules)
        .map(|data| data.claims)
        .map_err(jsonwebtoken::errors::Error::into_kind)
}

async fn mint(world: &World, spec: Value) -> String {
    let mut body = json!({ "repository": "acme/rag", "run_id": 8801, "audience": "portal" });
    for (name, value) in spec.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = world.control(Method::POST, "/oidc/tokens", body).await;
    made["value"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_jobs_token_verifies_against_the_published_keys_and_says_who_ran_what() {
    let world = World::new().await;
    let token = mint(&world, json!({})).await;
    let claims = verify(&world, &token).await.unwrap();
    for (name, value) in [
        ("sub", "repo:acme/rag:ref:refs/heads/main"),
        ("repository_id", "501"),
        ("repository_owner_id", "90"),
        ("actor_id", "12"),
        ("run_id", "8801"),
        ("run_number", "5"),
        ("ref_type", "branch"),
        (
            "job_workflow_ref",
            "acme/rag/.github/workflows/release.yml@refs/heads/main",
        ),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 300);
    let other = verify(&world, &mint(&world, json!({})).await).await.unwrap();
    assert_ne!(claims["jti"], other["jti"]);
}

#[tokio::test]
async fn r30_forged_and_stale_tokens_can_be_made_and_do_not_verify() {
    let world = World::new().await;
    let stranger = mint(&world, json!({ "key": "stranger" })).await;
    assert_eq!(verify(&world, &stranger).await, Err(ErrorKind::InvalidSignature));
    let forged = mint(&world, json!({ "algorithm": "HS256" })).await;
    assert_eq!(verify(&world, &forged).await, Err(ErrorKind::InvalidAlgorithm));
    let unsigned = mint(&world, json!({ "algorithm": "none" })).await;
    assert!(unsigned.ends_with('.'));
    assert!(verify(&world, &unsigned).await.is_err());
    let over = mint(&world, json!({ "expires_in": -10 })).await;
    assert_eq!(verify(&world, &over).await, Err(ErrorKind::ExpiredSignature));
    let elsewhere = mint(&world, json!({ "audience": "other" })).await;
    assert_eq!(verify(&world, &elsewhere).await, Err(ErrorKind::InvalidAudience));
}

#[tokio::test]
async fn claims_can_be_replaced_and_left_out() {
    let world = World::new().await;
    let spec = json!({
        "environment": "production",
        "claims": { "repository_id": "999", "jti": null },
    });
    let claims = verify(&world, &mint(&world, spec).await).await.unwrap();
    assert_eq!(claims["repository_id"], "999");
    assert_eq!(claims["sub"], "repo:acme/rag:environment:production");
    assert!(claims.get("jti").is_none());
}

#[tokio::test]
async fn a_job_asks_for_its_token_as_on_a_runner() {
    let world = World::new().await;
    let spec = json!({ "repository": "acme/rag", "actor": "ada-acme" });
    let job = world.control(Method::POST, "/oidc/jobs", spec).await;
    let url = job["ACTIONS_ID_TOKEN_REQUEST_URL"].as_str().unwrap();
    let secret = job["ACTIONS_ID_TOKEN_REQUEST_TOKEN"].as_str().unwrap();
    let ask = |secret: &str| {
        let request = world.http.get(format!("{url}&audience=portal"));
        request.bearer_auth(secret).send()
    };
    assert_eq!(ask("wrong").await.unwrap().status(), 401);
    let answer: Value = ask(secret).await.unwrap().json().await.unwrap();
    let token = answer["value"].as_str().unwrap();
    let claims = verify(&world, token).await.unwrap();
    assert_eq!(claims["actor"], "ada-acme");
}

#[tokio::test]
async fn a_job_of_a_pull_request_is_not_one_of_a_branch() {
    let world = World::new().await;
    let job = json!({ "event_name": "pull_request", "ref": "refs/pull/7/merge", "sha": "ab".repeat(20), "actor": "ben-acme" });
    let claims = verify(&world, &mint(&world, job.clone()).await).await.unwrap();
    assert_eq!(claims["sub"], "repo:acme/rag:pull_request");
    let mut staged = job;
    staged["environment"] = "staging".into();
    let claims = verify(&world, &mint(&world, staged).await).await.unwrap();
    assert_eq!(claims["sub"], "repo:acme/rag:environment:staging");
}
