use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::World;

const CALLBACK: &str = "http://127.0.0.1:8080/auth/callback";
const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636-rules";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// Presses a button of the page and answers with where the browser is sent.
async fn press(world: &World, user: &str) -> Url {
    let form = [
        ("client_id", "portal"),
        ("redirect_uri", CALLBACK),
        ("scope", "read:org user:email"),
        ("state", "a state"),
        ("code_challenge", &challenge()),
        ("code_challenge_method", "S256"),
        ("user", user),
    ];
    let answer = world
        .web(Method::POST, "/login/oauth/authorize")
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 302);
    let to = answer.headers()["location"].to_str().unwrap();
    Url::parse(to).unwrap()
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs.find(|(key, _)| key == name).map(|(_, v)| v.into_owned())
}

async fn sign_in(world: &World, user: &str) -> String {
    parameter(&press(world, user).await, "code").unwrap()
}

async fn exchange(world: &World, code: &str, secret: &str, verifier: &str) -> Value {
    let answer = world
        .web(Method::POST, "/login/oauth/access_token")
        .header("accept", "application/json")
        .form(&[
            ("client_id", "portal"),
            ("client_secret", secret),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
        ])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn signing_in_gives_a_token_that_knows_its_person() {
    let world = World::new().await;
    let page = world
        .web(Method::GET, "/login/oauth/authorize")
        .query(&[
            ("client_id", "portal"),
            ("redirect_uri", CALLBACK),
            ("state", "<a\"state>"),
            ("login", "ben-acme"),
        ])
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 200);
    let html = page.text().await.unwrap();
    assert!(html.contains("value=\"&lt;a&quot;state&gt;\""), "{html}");
    assert!(html.find("value=\"ben-acme\"") < html.find("value=\"ada-acme\""));

    let back = press(&world, "ben-acme").await;
    assert!(back.as_str().starts_with(CALLBACK));
    assert_eq!(parameter(&back, "state").as_deref(), Some("a state"));
    let code = parameter(&back, "code").unwrap();
    let answer = exchange(&world, &code, "s3cret", VERIFIER).await;
    assert_eq!(answer["token_type"], "bearer");
    assert_eq!(answer["scope"], "read:org,user:email");
    let token = answer["access_token"].as_str().unwrap();
    assert!(token.starts_with("gho_"));
    let me = world.api(token, "/user").send().await.unwrap();
    let me: Value = me.json().await.unwrap();
    assert_eq!((&me["id"], &me["login"]), (&json!(12), &json!("ben-acme")));
}

#[tokio::test]
async fn r28_a_code_is_worth_one_exchange_within_ten_minutes() {
    let world = World::new().await;
    let code = sign_in(&world, "ada-acme").await;
    let first = exchange(&world, &code, "s3cret", VERIFIER).await;
    assert!(first["access_token"].is_string());
    let second = exchange(&world, &code, "s3cret", VERIFIER).await;
    assert_eq!(second["error"], "bad_verification_code");

    let late = sign_in(&world, "ada-acme").await;
    world.sandbox.clock().step(SignedDuration::from_secs(601));
    let answer = exchange(&world, &late, "s3cret", VERIFIER).await;
    assert_eq!(answer["error"], "bad_verification_code");
}

#[tokio::test]
async fn r28_a_code_needs_the_secret_and_the_verifier_of_its_challenge() {
    let world = World::new().await;
    let code = sign_in(&world, "ada-acme").await;
    let answer = exchange(&world, &code, "wrong", VERIFIER).await;
    assert_eq!(answer["error"], "incorrect_client_credentials");
    let answer = exchange(&world, &code, "s3cret", "another-verifier").await;
    assert_eq!(answer["error"], "bad_verification_code");
    let answer = exchange(&world, &code, "s3cret", VERIFIER).await;
    assert_eq!(answer["error"], "bad_verification_code", "the code is spent");
}

#[tokio::test]
async fn refusing_and_foreign_addresses_are_told_to_the_registered_callback() {
    let world = World::new().await;
    let denied = press(&world, "").await;
    assert_eq!(parameter(&denied, "error").as_deref(), Some("access_denied"));
    let answer = world
        .web(Method::GET, "/login/oauth/authorize")
        .query(&[("client_id", "portal"), ("redirect_uri", "http://127.0.0.1/elsewhere")])
        .send()
        .await
        .unwrap();
    let to = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    assert_eq!(to.path(), "/auth/callback");
    assert_eq!(parameter(&to, "error").as_deref(), Some("redirect_uri_mismatch"));
    let unknown = world.web(Method::GET, "/login/oauth/authorize?client_id=nobody").send();
    assert_eq!(unknown.await.unwrap().status(), 404);
}

#[tokio::test]
async fn without_an_accept_header_the_answer_is_a_form() {
    let world = World::new().await;
    let answer = world
        .web(Method::POST, "/login/oauth/access_token")
        .form(&[("client_id", "portal"), ("client_secret", "no")])
        .send()
        .await
        .unwrap();
    let text = answer.text().await.unwrap();
    assert!(text.contains("error=incorrect_client_credentials&"), "{text}");
}

#[tokio::test]
async fn a_revoked_token_is_unknown() {
    let world = World::new().await;
    let code = sign_in(&world, "ada-acme").await;
    let answer = exchange(&world, &code, "s3cret", VERIFIER).await;
    let token = answer["access_token"].as_str().unwrap();
    let revoke = |secret: &'static str| {
        world
            .web(Method::DELETE, "/api/v3/applications/portal/token")
            .basic_auth("portal", Some(secret))
            .json(&json!({ "access_token": token }))
            .send()
    };
    assert_eq!(revoke("wrong").await.unwrap().status(), 404);
    assert_eq!(revoke("s3cret").await.unwrap().status(), 204);
    let answer = world.api(token, "/user").send().await.unwrap();
    assert_eq!(answer.status(), 401);
}
