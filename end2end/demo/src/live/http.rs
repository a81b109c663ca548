//! Requests to the portal and to the sandbox, with errors that say which one failed and why.

use super::{Addresses, LiveError, Result};
use reqwest::{RequestBuilder, Response, redirect::Policy};
use serde_json::Value;

#[derive(Debug, Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    portal: String,
    github: String,
    control: String,
}

/// As whom a request is made: the header that says so.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    Bearer(String),
    Cookie(String),
}

impl Http {
    pub(super) fn new(addresses: &Addresses) -> Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| failed("client", error))?;
        Ok(Self {
            client,
            portal: addresses.portal.clone(),
            github: addresses.github.clone(),
            control: addresses.control.clone(),
        })
    }

    pub(super) fn portal(&self, path: &str) -> String {
        format!("{}{path}", self.portal)
    }

    /// The page of a workflow run, as CI links to it.
    pub(super) fn run_url(&self, service: &str, run: i64) -> String {
        format!("{}/acme/{service}/actions/runs/{run}", self.github)
    }

    pub(super) const fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub(super) async fn control(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.client.post(format!("{}{path}", self.control)).json(body);
        answer(path, request).await
    }

    pub(super) async fn get(&self, by: &Caller, path: &str) -> Result<Value> {
        answer(path, by.sign(self.client.get(self.portal(path)))).await
    }

    pub(super) async fn post(&self, by: &Caller, path: &str, body: &Value) -> Result<Value> {
        answer(path, by.sign(self.client.post(self.portal(path)).json(body))).await
    }
}

impl Caller {
    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Bearer(token) => request.bearer_auth(token),
            Self::Cookie(cookie) => request.header("cookie", cookie),
        }
    }
}

pub(super) fn failed(what: &str, why: impl std::fmt::Display) -> LiveError {
    LiveError::Http {
        what: what.to_owned(),
        why: why.to_string(),
    }
}

/// Sends it; an answer that is no success is an error with what it says.
pub(super) async fn send(what: &str, request: RequestBuilder) -> Result<Response> {
    let response = request.send().await.map_err(|error| failed(what, error))?;
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return Ok(response);
    }
    let text = response.text().await.unwrap_or_default();
    Err(failed(what, format!("{status} {text}")))
}

async fn answer(what: &str, request: RequestBuilder) -> Result<Value> {
    let response = send(what, request).await?;
    response.json().await.map_err(|error| failed(what, error))
}
