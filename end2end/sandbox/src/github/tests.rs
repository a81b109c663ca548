//! This GitHub as its clients find it: everything goes over HTTP, to a sandbox of its own.

mod api;
mod oauth;
mod oidc;
mod seeds;
mod webhooks;

use reqwest::{Client, Method, RequestBuilder, redirect::Policy};
use serde_json::{Value, json};

use crate::{Options, Sandbox};

const TOKEN: &str = "ghp_sandbox_service";

struct World {
    sandbox: Sandbox,
    http: Client,
}

impl World {
    /// One organisation with two people, a team, and a repository with two commits.
    async fn new() -> Self {
        // What these tests call is also a sample for `check/github_openapi.mjs`.
        let sandbox = Sandbox::start(Options::recorded()).await.unwrap();
        let http = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .user_agent("test")
            .build()
            .unwrap();
        let world = Self { sandbox, http };
        world
            .control(
                Method::POST,
                "/seed",
                json!({
                    "users": [
                        { "id": 11, "login": "ada-acme", "name": "Ada" },
                        { "id": 12, "login": "ben-acme", "name": "Ben" },
                        { "id": 13, "login": "cleo-acme" },
                    ],
                    "orgs": [{
                        "id": 90,
                        "login": "acme",
                        "members": { "ada-acme": "admin", "ben-acme": "member" },
                        "teams": [{
                            "id": 70,
                            "slug": "release-approvers",
                            "members": ["ada-acme", "ben-acme"],
                            "pending": ["cleo-acme"],
                        }],
                    }],
                    "oauth_apps": [{
                        "client_id": "portal",
                        "client_secret": "s3cret",
                        "name": "Portal",
                        "callback_urls": ["http://127.0.0.1/auth/callback"],
                    }],
                    "tokens": [{
                        "token": TOKEN,
                        "user": "ada-acme",
                        "scopes": ["repo", "read:org"],
                    }],
                    "repos": [{
                        "id": 501,
                        "owner": "acme",
                        "name": "rag",
                        "private": true,
                        "commits": [
                            { "message": "Begin", "author": "ada-acme", "minutes_ago": 90 },
                            {
                                "message": "Ask twice",
                                "author": "ben-acme",
                                "minutes_ago": 30,
                                "files": [{ "filename": "src/ask.rs", "additions": 3 }],
                            },
                            { "message": "Guess", "author": "Nobody <nobody@acme.test>" },
                        ],
                        "runs": [{ "id": 8801, "actor": "ben-acme", "run_number": 5 }],
                    }],
                }),
            )
            .await;
        world
    }

    fn web(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.github_url());
        self.http.request(method, url)
    }

    fn api(&self, token: &str, path: &str) -> RequestBuilder {
        self.web(Method::GET, &format!("/api/v3{path}")).bearer_auth(token)
    }

    /// The body of an answer that must be 200.
    async fn get(&self, path: &str) -> Value {
        let answer = self.api(TOKEN, path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    async fn status(&self, path: &str) -> u16 {
        let answer = self.api(TOKEN, path).send().await.unwrap();
        answer.status().as_u16()
    }

    /// Asks the control API, which must agree.
    async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}/github{path}", self.sandbox.control_url());
        let answer = self.http.request(method, url).json(&body).send().await;
        let answer = answer.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}
