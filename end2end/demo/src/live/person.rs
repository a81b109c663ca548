//! Someone who signs in with GitHub as a browser does, and decides.

use super::{
    Looks, Result, ci,
    http::{Caller, Http, failed, send},
};
use reqwest::{Response, header};
use serde_json::{Value, json};
use url::Url;

pub(super) struct Person {
    http: Http,
    caller: Caller,
}

impl Person {
    /// From the portal to GitHub's page, where they say who they are, and back.
    pub(super) async fn sign_in(http: &Http, login: &str) -> Result<Self> {
        let what = format!("sign-in of {login}");
        let begun = send(&what, http.client().get(http.portal("/auth/sign-in"))).await?;
        let browser = cookie(&begun, "tidegate-signin").ok_or_else(|| failed(&what, "no cookie"))?;
        let mut page = location(&what, &begun)?;
        let mut form: Vec<(String, String)> = page.query_pairs().into_owned().collect();
        form.push(("user".to_owned(), login.to_owned()));
        page.set_query(None);
        let chosen = send(&what, http.client().post(page).form(&form)).await?;
        let back = http
            .client()
            .get(location(&what, &chosen)?)
            .header(header::COOKIE, browser);
        let signed_in = send(&what, back).await?;
        let session = cookie(&signed_in, "tidegate").ok_or_else(|| failed(&what, "no session"))?;
        Ok(Self {
            http: http.clone(),
            caller: Caller::Cookie(session),
        })
    }

    pub(super) const fn as_caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) async fn request(&self, release: &str, environment: &str, reason: Option<&str>) -> Result<String> {
        ci::request(&self.http, &self.caller, release, environment, reason).await
    }

    pub(super) async fn approve(&self, deployment: &str, revision: &Value, comment: &str) -> Result<Value> {
        let path = format!("/api/v1/deployments/{deployment}/approve");
        let body = json!({ "revision": revision, "comment": comment });
        self.http.post(&self.caller, &path, &body).await
    }
}

impl Looks for Person {
    async fn look(&self, deployment: &str) -> Result<Value> {
        self.http
            .get(&self.caller, &format!("/api/v1/deployments/{deployment}"))
            .await
    }
}

/// `name=value` of a cookie that the answer sets.
fn cookie(response: &Response, name: &str) -> Option<String> {
    let set = response.headers().get_all(header::SET_COOKIE);
    let mut pairs = set.iter().filter_map(|value| value.to_str().ok()?.split(';').next());
    let found = pairs.find(|pair| {
        pair.split_once('=')
            .is_some_and(|(key, value)| key == name && !value.is_empty())
    });
    found.map(str::to_owned)
}

fn location(what: &str, response: &Response) -> Result<Url> {
    let location = response
        .headers()
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| failed(what, format!("{} leads nowhere", response.status())))?;
    response.url().join(location).map_err(|error| failed(what, error))
}
