//! The account of [`crate::account`] with functions and APIs, and how they are called: by method and path.

use serde_json::{Value, json};
use tidegate_sandbox::Options;

use crate::account::Account;

/// What a service of restJson1 answered.
#[derive(Debug)]
pub(crate) struct RestAnswer {
    pub(crate) status: u16,
    pub(crate) error: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

impl RestAnswer {
    pub(crate) fn ok(self) -> Value {
        assert!(self.status < 300, "{self:?}");
        self.body
    }

    /// Status and name of the error.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status, &self.error)
    }

    /// The sentence of the error.
    pub(crate) fn said(&self) -> &str {
        let body = &self.body;
        body["message"]
            .as_str()
            .or(body["Message"].as_str())
            .unwrap_or_default()
    }
}

pub(crate) async fn start(options: Options) -> Account {
    let account = Account::start(options).await;
    account.control("aws/seed", seed()).await;
    account
}

impl Account {
    pub(crate) fn rest_request(&self, method: &str, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.sandbox.aws_url()))
            .header("authorization", "AWS4-HMAC-SHA256 Credential=test");
        if body.is_null() {
            request
        } else {
            request
                .header("content-type", "application/json")
                .body(body.to_string())
        }
    }

    /// Calls `METHOD /path`, with a body unless it is null.
    pub(crate) async fn rest(&self, call: &str, body: Value) -> RestAnswer {
        let (method, path) = call.split_once(' ').unwrap();
        let answer = self.rest_request(method, path, &body).send().await.unwrap();
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
        let (error, retry_after) = (header("x-amzn-errortype").unwrap_or_default(), header("retry-after"));
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        RestAnswer {
            status,
            error,
            retry_after,
            body: serde_json::from_str(&text).unwrap_or_default(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.rest(&format!("GET {path}"), Value::Null).await.ok()
    }
}

pub(crate) const FUNCTION: &str = "/2015-03-31/functions/pricing";

/// The URI of an image by its tag.
pub(crate) fn image(tag: &str) -> String {
    format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/pricing:{tag}")
}

fn seed() -> Value {
    json!({
        "repositories": [{ "name": "acme/pricing", "immutable": true }],
        "images": [
            { "repository": "acme/pricing", "tags": ["v1"], "content": "one" },
            { "repository": "acme/pricing", "tags": ["v2"], "content": "two" },
            { "repository": "acme/pricing", "tags": ["v3"], "content": "three" },
        ],
        "functions": [{
            "name": "pricing",
            "versions": [
                { "image": image("v1"), "description": "the first" },
                { "image": image("v2"), "description": "the second" },
            ],
            "aliases": [{ "name": "live", "version": "1" }, { "name": "next", "version": "2" }],
            "environment": { "STAGE": "live" },
            "tags": { "team": "rag" },
        }],
        "applications": [{ "name": "pricing", "platform": "Lambda", "groups": [
            {
                "name": "live",
                "config": "CodeDeployDefault.LambdaCanary10Percent5Minutes",
                "auto_rollback": true,
                "alarms": ["pricing-errors"],
            },
            { "name": "at-once" },
        ]}],
        "apis": [
            {
                "id": "rest01", "name": "prices", "protocol": "REST",
                "deployments": [{ "id": "dep001", "description": "the first" }, { "id": "dep002" }],
                "stages": [{ "name": "prod", "deployment": "dep001", "variables": { "alias": "live" } }],
            },
            {
                "id": "http01", "name": "quotes", "protocol": "HTTP",
                "deployments": [{ "id": "dep101" }],
                "stages": [
                    { "name": "prod", "deployment": "dep101", "variables": { "alias": "live" } },
                    { "name": "$default", "deployment": "dep101", "auto_deploy": true },
                ],
            },
            { "id": "socket", "name": "ticks", "protocol": "WEBSOCKET" },
        ],
    })
}
