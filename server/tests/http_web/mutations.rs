//! Nothing is changed from another site, nor without a session (R26).

use crate::world::{World, report};
use reqwest::{Method, StatusCode};
use std::collections::BTreeSet;
use tidegate_server::http::{MUTATING_FORMS, openapi};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// What a page of another site, of a sibling domain and of a sandboxed frame can make a browser send.
const ELSEWHERE: [(&str, &str); 5] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
    ("origin", "null"),
    ("origin", "https://evil.test"),
    ("origin", "http://127.0.0.1:1"),
];

/// Every operation of the API that is no GET, by its method and path.
fn api_mutations() -> Vec<(Method, String)> {
    let document = serde_json::to_value(openapi()).unwrap();
    let mut paths = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            match method.as_str() {
                "get" => {}
                "post" => paths.push((Method::POST, path.replace("{id}", ID))),
                "delete" => paths.push((Method::DELETE, path.replace("{id}", ID))),
                other => panic!("{other} {path} is not in this test"),
            }
        }
    }
    paths
}

fn server_functions() -> Vec<String> {
    leptos::server_fn::axum::server_fn_paths()
        .map(|(path, method)| {
            assert_eq!(
                method,
                Method::POST,
                "{path}: a server function by GET would get past SameSite"
            );
            path.to_owned()
        })
        .collect()
}

#[tokio::test]
async fn r26_every_mutation_refuses_other_sites_even_with_a_session() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    let before = world.events().await.len();
    let forms = MUTATING_FORMS.iter().map(|path| path.replace("{id}", ID));
    let posts = forms.chain(server_functions()).map(|path| (Method::POST, path));
    let all: Vec<(Method, String)> = posts.chain(api_mutations()).collect();
    assert!(all.len() >= 7 + 10, "{all:?}");
    for (method, path) in &all {
        for (name, value) in ELSEWHERE {
            let post = world
                .ask(method.clone(), path)
                .header("cookie", &session)
                .header(name, value);
            let post = if path.starts_with("/api/") {
                post.json(&report())
            } else {
                post.form(&[("reason", "x")])
            };
            let answer = post.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path} {name}: {value}");
        }
    }
    assert_eq!(world.events().await.len(), before, "nothing happened");
    let home = world.get("/").header("cookie", &session).send().await.unwrap();
    assert_eq!(
        home.status(),
        StatusCode::OK,
        "the session is on: nobody was signed out either"
    );
}

#[tokio::test]
async fn r26_every_mutation_needs_a_session() {
    let world = World::new().await;
    // These two are about the browser, not about a person.
    let open: BTreeSet<&str> = ["/theme", "/auth/sign-out"].into();
    for form in MUTATING_FORMS.iter().filter(|path| !open.contains(*path)) {
        let path = form.replace("{id}", ID);
        let answer = world.post(&path).form(&[("reason", "x")]).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        assert!(
            answer.headers()["location"].to_str().unwrap().starts_with("/sign-in"),
            "{path}"
        );
    }
    for (method, path) in api_mutations() {
        let answer = world.ask(method, &path).json(&report()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in server_functions() {
        let answer = world.post(&path).form(&[("a", "b")]).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(world.events().await.len(), 0);
}

#[tokio::test]
async fn r26_a_get_changes_nothing() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    let before = world.events().await;
    let forms = MUTATING_FORMS.iter().map(|path| path.replace("{id}", ID));
    for path in forms.filter(|path| *path != "/deployments").chain(server_functions()) {
        let answer = world.get(&path).header("cookie", &session).send().await.unwrap();
        assert!(
            matches!(answer.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND),
            "{path}: {}",
            answer.status()
        );
    }
    assert_eq!(world.events().await, before);
    let home = world.get("/").header("cookie", &session).send().await.unwrap();
    assert_eq!(home.status(), StatusCode::OK);
}

#[tokio::test]
async fn r26_our_own_pages_and_programs_may() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    for headers in [
        vec![("sec-fetch-site", "same-origin"), ("origin", world.base.as_str())],
        vec![("origin", world.base.as_str())],
        vec![("sec-fetch-site", "none")],
        vec![],
    ] {
        let mut post = world
            .post("/theme")
            .header("cookie", &session)
            .form(&[("theme", "dark")]);
        for (name, value) in &headers {
            post = post.header(*name, *value);
        }
        assert_eq!(
            post.send().await.unwrap().status(),
            StatusCode::SEE_OTHER,
            "{headers:?}"
        );
    }
    // A bearer token is no cookie: no site can make a browser send it.
    let token = world.ci().await;
    let answer = world
        .post("/api/v1/releases")
        .bearer_auth(token)
        .header("sec-fetch-site", "cross-site")
        .json(&report())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    // And one that is wrong does not fall back to the cookie.
    let answer = world
        .post("/api/v1/releases")
        .bearer_auth("wrong")
        .header("cookie", &session)
        .json(&report())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}
