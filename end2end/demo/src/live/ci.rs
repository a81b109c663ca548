//! A workflow run of the fictional organisation, as it calls the API.

use super::{
    Looks, Result,
    http::{Caller, Http, failed},
};
use serde_json::{Value, json};

pub(super) struct Ci {
    http: Http,
    caller: Caller,
}

impl Ci {
    /// Exchanges the run's Actions token.
    pub(super) async fn sign_in(http: &Http, service: &str, run: i64) -> Result<Self> {
        let asked = json!({ "repository": format!("acme/{service}"), "run_id": run, "audience": "tidegate" });
        let minted = http.control("/github/oidc/tokens", &asked).await?;
        let token = text(&minted, "value")?;
        let path = "/api/v1/ci/session";
        let session = http
            .post(&Caller::Bearer(token), path, &json!({ "service": service }))
            .await?;
        Ok(Self {
            http: http.clone(),
            caller: Caller::Bearer(text(&session, "token")?),
        })
    }

    pub(super) async fn report(&self, release: &Value) -> Result<String> {
        let registered = self.http.post(&self.caller, "/api/v1/releases", release).await?;
        text(&registered, "id")
    }

    pub(super) async fn gate(&self, release: &str, gate: &str, detail: &str) -> Result<()> {
        let seconds = crate::story::seconds(gate, release);
        let body = json!({ "gates": [{ "gate": gate, "verdict": "pass", "detail": detail, "seconds": seconds }] });
        let path = format!("/api/v1/releases/{release}/gates");
        self.http.post(&self.caller, &path, &body).await.map(drop)
    }

    pub(super) async fn request(&self, release: &str, environment: &str, reason: Option<&str>) -> Result<String> {
        request(&self.http, &self.caller, release, environment, reason).await
    }
}

impl Looks for Ci {
    async fn look(&self, deployment: &str) -> Result<Value> {
        self.http
            .get(&self.caller, &format!("/api/v1/deployments/{deployment}"))
            .await
    }
}

pub(super) async fn request(
    http: &Http,
    by: &Caller,
    release: &str,
    environment: &str,
    reason: Option<&str>,
) -> Result<String> {
    let body = json!({ "release": release, "environment": environment, "reason": reason });
    let made = http.post(by, "/api/v1/deployments", &body).await?;
    text(&made, "id")
}

pub(super) fn text(answer: &Value, member: &str) -> Result<String> {
    let text = answer[member].as_str().map(str::to_owned);
    text.ok_or_else(|| failed(member, "is not in the answer"))
}
