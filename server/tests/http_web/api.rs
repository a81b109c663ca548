//! The API, and how CI gets in (R30).

use crate::world::{DIGEST, World, report};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

pub(crate) async fn problem(answer: Response, status: u16) -> Value {
    let seen = answer.status().as_u16();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    assert_eq!((seen, kind.as_str()), (status, "application/problem+json"), "{body}");
    assert_eq!(body["status"], status);
    assert!(
        body["type"].as_str().unwrap().starts_with("urn:tidegate:problem:"),
        "{body}"
    );
    body
}

#[tokio::test]
async fn r30_only_a_genuine_token_of_a_trusted_run_is_exchanged() {
    let world = World::new().await;
    let good = world.exchange(&world.actions_token(json!({})).await).await;
    assert_eq!(good.status(), StatusCode::CREATED);
    for (what, changes) in [
        ("issuer", json!({ "claims": { "iss": "https://evil.test" } })),
        ("audience", json!({ "audience": "https://github.com/acme" })),
        ("expiry", json!({ "expires_in": -120 })),
        ("no expiry", json!({ "claims": { "exp": null } })),
        ("no jti", json!({ "claims": { "jti": null } })),
        ("algorithm", json!({ "algorithm": "HS256" })),
        ("unsigned", json!({ "algorithm": "none" })),
        ("key", json!({ "key": "stranger" })),
        ("repository id", json!({ "repository": "acme/other", "run_id": 8802 })),
        (
            "name of the repository alone",
            json!({ "claims": { "repository_id": "502" } }),
        ),
        ("ref", json!({ "ref": "refs/heads/feature" })),
        ("workflow", json!({ "workflow_path": ".github/workflows/other.yml" })),
    ] {
        let answer = world.exchange(&world.actions_token(changes).await).await;
        let body = problem(answer, 401).await;
        assert!(!body["detail"].as_str().unwrap().is_empty(), "{what}");
    }
    for token in ["", "nonsense", "a.b.c"] {
        problem(world.exchange(token).await, 401).await;
    }
    problem(
        world
            .post("/api/v1/ci/session")
            .json(&json!({ "service": "rag" }))
            .send()
            .await
            .unwrap(),
        401,
    )
    .await;
    let denied = world.events().await;
    assert_eq!(
        denied.iter().filter(|kind| *kind == "access.denied").count(),
        14,
        "{denied:?}"
    );
}

#[tokio::test]
async fn r30_an_actions_token_is_exchanged_once() {
    let world = World::new().await;
    let token = world.actions_token(json!({})).await;
    assert_eq!(world.exchange(&token).await.status(), StatusCode::CREATED);
    let again = problem(world.exchange(&token).await, 401).await;
    assert!(
        again["detail"].as_str().unwrap().contains("exchanged before"),
        "{again}"
    );
}

#[tokio::test]
async fn r30_the_exchanged_token_is_for_one_service_and_cannot_be_made_up() {
    let world = World::new().await;
    let token = world.ci().await;
    let mut changed = token.clone();
    changed.replace_range(40..41, if &token[40..41] == "A" { "B" } else { "A" });
    for bad in [changed.as_str(), "tgci_", "tgci_AAAA", &token[5..]] {
        let answer = world.get("/api/v1/services").bearer_auth(bad).send().await.unwrap();
        problem(answer, 401).await;
    }
    let actions = world.actions_token(json!({})).await;
    let answer = world.get("/api/v1/services").bearer_auth(actions).send().await.unwrap();
    problem(answer, 401).await;

    let mut other = report();
    other["service"] = json!("guardrails");
    let answer = world
        .post("/api/v1/releases")
        .bearer_auth(&token)
        .json(&other)
        .send()
        .await
        .unwrap();
    problem(answer, 403).await;
}

#[tokio::test]
async fn a_release_goes_from_the_report_to_a_requested_deployment() {
    let world = World::new().await;
    let token = world.ci().await;
    let send = async |method: Method, path: &str, body: Value| {
        let request = world.ask(method.clone(), path).bearer_auth(&token);
        let request = if method == Method::POST {
            request.json(&body)
        } else {
            request
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let (status, release) = send(Method::POST, "/api/v1/releases", report()).await;
    assert_eq!(status, 201, "{release}");
    assert_eq!(release["label"], "sha-ccccccc");
    assert_eq!(release["gates"][0]["verdict"], "pass");
    let (status, again) = send(Method::POST, "/api/v1/releases", report()).await;
    assert_eq!((status, &again["id"]), (200, &release["id"]));

    let id = release["id"].as_str().unwrap();
    let gates = json!({ "gates": [{ "gate": "unit-tests", "verdict": "fail", "detail": "3 of 80 failed" }] });
    let (status, gates) = send(Method::POST, &format!("/api/v1/releases/{id}/gates"), gates).await;
    assert_eq!(status, 200, "{gates}");
    let (_, one) = send(Method::GET, &format!("/api/v1/releases/{id}"), Value::Null).await;
    let failed = one["gates"]
        .as_array()
        .unwrap()
        .iter()
        .find(|gate| gate["gate"] == "unit-tests")
        .unwrap();
    assert_eq!(failed["detail"], "3 of 80 failed");
    let (_, list) = send(Method::GET, "/api/v1/releases?service=rag&limit=1", Value::Null).await;
    assert_eq!(list["items"][0]["id"], release["id"]);
    let after = list["next"].as_str().unwrap();
    let (_, rest) = send(
        Method::GET,
        &format!("/api/v1/releases?service=rag&limit=1&after={after}"),
        Value::Null,
    )
    .await;
    assert_eq!(rest, json!({ "items": [], "next": null }));

    let wanted = json!({ "release": id, "environment": "production" });
    let (status, deployment) = send(Method::POST, "/api/v1/deployments", wanted).await;
    assert_eq!(status, 201, "{deployment}");
    assert_eq!(
        (&deployment["state"], &deployment["digest"]),
        (&json!("requested"), &json!(DIGEST))
    );
    assert_eq!(deployment["allowed"]["approve"], false);
    let path = format!("/api/v1/deployments/{}", deployment["id"].as_str().unwrap());
    let (_, one) = send(Method::GET, &path, Value::Null).await;
    assert_eq!(one["requested_by"], "CI of acme/rag");
    let (_, list) = send(
        Method::GET,
        "/api/v1/deployments?service=rag&state=requested",
        Value::Null,
    )
    .await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let (status, _) = send(
        Method::POST,
        &format!("{path}/cancel"),
        json!({ "reason": "CI may not" }),
    )
    .await;
    assert_eq!(status, 403);
    let (_, services) = send(Method::GET, "/api/v1/services", Value::Null).await;
    assert_eq!(services["items"][0]["targets"][1]["approvals"], 1);
    let (_, environments) = send(Method::GET, "/api/v1/environments", Value::Null).await;
    assert_eq!(
        environments["items"][1],
        json!({ "name": "production", "production": true })
    );

    let session = world.sign_in("ada-acme").await;
    let audit = world
        .get("/api/v1/audit/events?kind=release")
        .header("cookie", &session)
        .send()
        .await
        .unwrap();
    let audit: Value = audit.json().await.unwrap();
    let last = audit["items"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["kind"], &last["actor"]),
        (&json!("release.registered"), &json!("CI of acme/rag"))
    );
}

#[tokio::test]
async fn an_idempotency_key_gets_the_first_answer_again() {
    let world = World::new().await;
    let token = world.ci().await;
    let send = async |key: &str, body: &Value| {
        let post = world.post("/api/v1/releases").bearer_auth(&token);
        post.header("idempotency-key", key).json(body).send().await.unwrap()
    };
    let first = send("one", &report()).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let first: Value = first.json().await.unwrap();
    let again = send("one", &report()).await;
    assert_eq!(again.status(), StatusCode::CREATED, "not 200: it is the same answer");
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    let mut other = report();
    other["ref"] = json!("refs/heads/release");
    let mismatch = problem(send("one", &other).await, 422).await;
    assert_eq!(mismatch["errors"][0]["field"], "Idempotency-Key");
    let mut other = report();
    other["image"] = json!("acme/rag:1.0");
    problem(send("two", &other).await, 422).await;
    let again = send("two", &other).await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    problem(again, 422).await;
    problem(send(&"k".repeat(256), &report()).await, 400).await;
    let registered = world.events().await;
    assert_eq!(
        registered.iter().filter(|kind| *kind == "release.registered").count(),
        1
    );
}

#[tokio::test]
async fn an_error_says_what_is_wrong_in_problem_json() {
    let world = World::new().await;
    let token = world.ci().await;
    let post = |path: &str| world.post(path).bearer_auth(&token);
    let mut tag_only = report();
    tag_only["image"] = json!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag:1.2.3");
    for (body, field) in [
        (json!({ "service": "rag" }), "commit"),
        (tag_only, "image"),
        (
            json!({ "service": "RAG", "commit": "c".repeat(40), "ref": "x", "image": "x" }),
            "service",
        ),
        (json!({ "service": 7 }), "service"),
    ] {
        let answer = post("/api/v1/releases").json(&body).send().await.unwrap();
        let problem = problem(answer, 422).await;
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let send = async |request: reqwest::RequestBuilder| request.send().await.unwrap();
    let json_type = ("content-type", "application/json");
    problem(
        send(post("/api/v1/releases").header(json_type.0, json_type.1).body("{")).await,
        400,
    )
    .await;
    problem(send(post("/api/v1/releases").body("service=rag")).await, 415).await;
    problem(
        send(world.ask(Method::DELETE, "/api/v1/releases").bearer_auth(&token)).await,
        405,
    )
    .await;
    problem(
        send(
            world
                .get("/api/v1/services")
                .bearer_auth(&token)
                .header("accept", "text/html"),
        )
        .await,
        406,
    )
    .await;
    problem(send(world.get("/api/v1/releases/none").bearer_auth(&token)).await, 404).await;
    problem(
        send(world.get("/api/v1/deployments?state=gone").bearer_auth(&token)).await,
        400,
    )
    .await;
    problem(
        send(world.get("/api/v1/deployments?to=").bearer_auth(&token)).await,
        422,
    )
    .await;
    problem(send(world.get("/api/v1/services")).await, 401).await;
    let allow = send(world.ask(Method::DELETE, "/api/v1/releases").bearer_auth(&token)).await;
    assert_eq!(allow.headers()["allow"], "GET,HEAD,POST");
}
