//! Security headers (R27).

use crate::world::{Base, Wishes, World};
use reqwest::{Response, StatusCode};
use tidegate_server::service::health::Health;

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn r27_every_answer_has_a_policy_that_lets_nothing_inline_run_but_ours() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    for path in [
        "/",
        "/sign-in",
        "/nothing",
        "/api/v1/openapi.json",
        "/healthz",
        "/auth/callback",
    ] {
        let answer = world.get(path).header("cookie", &session).send().await.unwrap();
        let policy = header(&answer, "content-security-policy").to_owned();
        for part in [
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "script-src 'self' 'nonce-",
        ] {
            assert!(policy.contains(part), "{path}: {part} not in {policy}");
        }
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"),
            "{policy}"
        );
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&answer, "referrer-policy"), "same-origin", "{path}");
        assert_eq!(header(&answer, "strict-transport-security"), "", "not over plain HTTP");
        assert_eq!(header(&answer, "x-request-id").len(), 32);
        let nonce = policy
            .split("'nonce-")
            .nth(1)
            .unwrap()
            .split('\'')
            .next()
            .unwrap()
            .to_owned();
        let body = answer.text().await.unwrap();
        for script in body.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap();
            assert!(tag.contains(&format!("nonce=\"{nonce}\"")), "{path}: <script{tag}>");
        }
        assert!(!body.contains(" style=\""), "{path}: an inline style would be refused");
    }
}

#[tokio::test]
async fn r27_each_answer_has_a_nonce_of_its_own_and_https_is_held_on_to() {
    let world = World::with(Wishes {
        public_url: Some("https://tidegate.acme.test"),
        ..Wishes::default()
    })
    .await;
    let one = world.get("/sign-in").send().await.unwrap();
    let two = world.get("/sign-in").send().await.unwrap();
    assert_ne!(
        header(&one, "content-security-policy"),
        header(&two, "content-security-policy")
    );
    assert!(header(&one, "strict-transport-security").starts_with("max-age=63072000"));
    assert_eq!(header(&one, "cache-control"), "no-store");
}

#[tokio::test]
async fn an_address_that_leads_nowhere_gets_a_page_and_a_program_gets_a_problem() {
    let world = World::new().await;
    let page = world.get("/nothing").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert!(header(&page, "content-type").starts_with("text/html"));
    let problem = world.get("/api/v1/nothing").send().await.unwrap();
    assert_eq!(problem.status(), StatusCode::NOT_FOUND);
    assert_eq!(header(&problem, "content-type"), "application/problem+json");
    assert_eq!(world.get("/healthz").send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(world.get("/readyz").send().await.unwrap().status(), StatusCode::OK);
    world.db.close().await;
    assert_eq!(world.get("/healthz").send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(
        world.get("/readyz").send().await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_page_that_says_no_has_the_frame_theme_and_style_of_every_page() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    let cookies = format!("{session}; theme=dark");
    let missing = world.get("/nothing").header("cookie", &cookies).send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    let missing = missing.text().await.unwrap();
    for part in [
        "data-theme=\"dark\"",
        "ada-acme",
        "href=\"/inbox\"",
        "There is nothing at this address.",
        "<main",
    ] {
        assert!(missing.contains(part), "{part} not in {missing}");
    }
    let elsewhere = world
        .post("/theme")
        .header("cookie", &cookies)
        .header("origin", "https://evil.test")
        .form(&[("theme", "light")])
        .send()
        .await
        .unwrap();
    assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN);
    let elsewhere = elsewhere.text().await.unwrap();
    assert!(
        elsewhere.contains("another site") && elsewhere.contains("ada-acme"),
        "{elsewhere}"
    );
    let stranger = world.get("/nothing").send().await.unwrap().text().await.unwrap();
    assert!(!stranger.contains("href=\"/inbox\""), "{stranger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_readiness_warns_when_the_server_could_rewrite_the_log() {
    let world = World::with(Wishes {
        base: Base::Postgres,
        ..Wishes::default()
    })
    .await;
    let ready: serde_json::Value = world.get("/readyz").send().await.unwrap().json().await.unwrap();
    assert_eq!(ready, serde_json::json!({ "ready": true }));
    let as_owner = Health::new(world.scratch.operator().clone());
    assert!(as_owner.check().await.unwrap().unwrap().contains("--app-role"));
}
