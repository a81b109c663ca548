//! The web application flow: a page to choose who signs in, single-use codes bound to PKCE, and the
//! exchange of a code for a token, with GitHub's own error bodies.
//!
//! A code is worth one exchange within ten minutes, with the verifier its challenge was made from.

use std::collections::BTreeSet;

use axum::{
    Form, Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{delete, get, post},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    GitHub, oauth_page, random,
    world::{AuthorizationCode, OAuthApp, RateWindow, Token},
};

/// GitHub, "Authorizing OAuth apps": the code expires after 10 minutes.
const CODE_SECONDS: i64 = 600;
const TROUBLE: &str =
    "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/";

pub(crate) fn router() -> Router<GitHub> {
    Router::new()
        .route("/login/oauth/authorize", get(ask).post(decide))
        .route("/login/oauth/access_token", post(exchange))
        .route("/avatars/u/{id}", get(oauth_page::avatar))
}

/// Part of the API, but open to applications instead of people.
pub(crate) fn application_router() -> Router<GitHub> {
    Router::new().route("/applications/{client_id}/token", delete(revoke))
}

/// What an application asks for when it sends a browser here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AuthorizeRequest {
    pub(crate) client_id: Option<String>,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) code_challenge: Option<String>,
    pub(crate) code_challenge_method: Option<String>,
    /// Suggests an account.
    pub(crate) login: Option<String>,
}

/// The form of the page: what was asked, and the button that was pressed.
#[derive(Debug, Deserialize)]
struct Decision {
    #[serde(flatten)]
    request: AuthorizeRequest,
    user: Option<String>,
}

/// Where to send the browser back, once that is known to be safe.
#[derive(Debug)]
struct Return {
    app: OAuthApp,
    to: Url,
    state: Option<String>,
}

impl Return {
    fn with(mut self, pairs: &[(&str, &str)]) -> Response {
        self.to.query_pairs_mut().extend_pairs(pairs);
        if let Some(state) = &self.state {
            self.to.query_pairs_mut().append_pair("state", state);
        }
        (StatusCode::FOUND, [(header::LOCATION, self.to.as_str().to_owned())]).into_response()
    }

    fn refuse(self, error: &str, description: &str, anchor: &str) -> Response {
        let uri = format!(
            "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-authorization-request-errors/#{anchor}"
        );
        self.with(&[
            ("error", error),
            ("error_description", description),
            ("error_uri", &uri),
        ])
    }
}

/// Checks who asks and where they want the answer; `Err` is the answer to a bad request.
fn check(github: &GitHub, request: &AuthorizeRequest) -> Result<Return, Box<Response>> {
    let client_id = request.client_id.as_deref().unwrap_or_default();
    let Some(app) = github.world().app(client_id).cloned() else {
        let page = Html(oauth_page::not_found());
        return Err(Box::new((StatusCode::NOT_FOUND, page).into_response()));
    };
    let registered: Vec<Url> = app
        .callback_urls
        .iter()
        .filter_map(|url| Url::parse(url).ok())
        .collect();
    let asked = request.redirect_uri.as_deref().map(Url::parse);
    let known = |asked: &Url| registered.iter().any(|each| allows(each, asked));
    let (to, mismatch) = match (registered.first(), asked) {
        (Some(_), Some(Ok(asked))) if known(&asked) => (asked, false),
        (Some(first), asked) => (first.clone(), asked.is_some()),
        (None, Some(Ok(asked))) => (asked, false),
        (None, _) => {
            let page = oauth_page::problem("The redirect_uri is missing or is not an address.");
            let answer = (StatusCode::BAD_REQUEST, Html(page)).into_response();
            return Err(Box::new(answer));
        }
    };
    let back = Return {
        app,
        to,
        state: request.state.clone(),
    };
    if mismatch {
        return Err(Box::new(back.refuse(
            "redirect_uri_mismatch",
            "The redirect_uri MUST match the registered callback URL for this application.",
            "redirect-uri-mismatch",
        )));
    }
    let method = request.code_challenge_method.as_deref();
    let challenge = request.code_challenge.as_deref();
    match (challenge, method) {
        (None, None) => Ok(back),
        (Some(challenge), Some("S256")) if challenge.len() == 43 => Ok(back),
        _ => Err(Box::new(back.refuse(
            "invalid_request",
            "The code_challenge must be 43 characters long and the code_challenge_method must be S256.",
            "invalid-request",
        ))),
    }
}

/// GitHub's rule: the same host and a path below the registered one; the port is free on loopback.
fn allows(registered: &Url, asked: &Url) -> bool {
    let loopback = matches!(registered.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let below = asked
        .path()
        .strip_prefix(registered.path().trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    registered.scheme() == asked.scheme()
        && registered.host_str() == asked.host_str()
        && (loopback || registered.port_or_known_default() == asked.port_or_known_default())
        && below
}

async fn ask(State(github): State<GitHub>, Query(request): Query<AuthorizeRequest>) -> Response {
    let back = match check(&github, &request) {
        Ok(back) => back,
        Err(answer) => return *answer,
    };
    let page = oauth_page::choose(&github, &back.app.name, &request);
    (
        [(header::CACHE_CONTROL, "no-store"), (header::X_FRAME_OPTIONS, "deny")],
        Html(page),
    )
        .into_response()
}

async fn decide(State(github): State<GitHub>, Form(decision): Form<Decision>) -> Response {
    let back = match check(&github, &decision.request) {
        Ok(back) => back,
        Err(answer) => return *answer,
    };
    let login = decision.user.unwrap_or_default();
    if login.is_empty() {
        return back.refuse(
            "access_denied",
            "The user has denied your application access.",
            "access-denied",
        );
    }
    let Ok(user) = github.world().user_id(&login) else {
        let page = oauth_page::problem("There is no such account.");
        return (StatusCode::UNPROCESSABLE_ENTITY, Html(page)).into_response();
    };
    let code = random(20).to_lowercase();
    let issued = AuthorizationCode {
        user,
        client_id: back.app.client_id.clone(),
        redirect_uri: decision.request.redirect_uri.clone(),
        scopes: scopes(decision.request.scope.as_deref().unwrap_or_default()),
        challenge: decision.request.code_challenge.clone(),
        issued: github.virtual_now(),
    };
    github.world().codes.insert(code.clone(), issued);
    back.with(&[("code", &code)])
}

/// Scopes come apart at spaces or commas.
fn scopes(text: &str) -> BTreeSet<String> {
    text.split([' ', ','])
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExchangeRequest {
    client_id: String,
    client_secret: String,
    code: String,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
}

/// Why no token was issued, in the words GitHub uses. The status is 200 all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Client,
    Redirect,
    Code,
}

impl Refusal {
    fn body(self) -> Value {
        let (error, description, anchor) = match self {
            Self::Client => (
                "incorrect_client_credentials",
                "The client_id and/or client_secret passed are incorrect.",
                "incorrect-client-credentials",
            ),
            Self::Redirect => (
                "redirect_uri_mismatch",
                "The redirect_uri MUST match the registered callback URL for this application.",
                "redirect-uri-mismatch2",
            ),
            Self::Code => (
                "bad_verification_code",
                "The code passed is incorrect or expired.",
                "bad-verification-code",
            ),
        };
        json!({
            "error": error,
            "error_description": description,
            "error_uri": format!("{TROUBLE}#{anchor}"),
        })
    }
}

async fn exchange(
    State(github): State<GitHub>,
    Query(query): Query<ExchangeRequest>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is = |name, wanted| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.starts_with(wanted))
    };
    let request = if body.is_empty() {
        Some(query)
    } else if is(header::CONTENT_TYPE, "application/json") {
        serde_json::from_slice(&body).ok()
    } else {
        let text = format!("http://form/?{}", String::from_utf8_lossy(&body));
        Url::parse(&text).ok().map(|form| {
            let field = |name: &str| {
                let mut pairs = form.query_pairs();
                pairs.find(|(key, _)| key == name).map(|(_, v)| v.into_owned())
            };
            ExchangeRequest {
                client_id: field("client_id").unwrap_or_default(),
                client_secret: field("client_secret").unwrap_or_default(),
                code: field("code").unwrap_or_default(),
                redirect_uri: field("redirect_uri"),
                code_verifier: field("code_verifier"),
            }
        })
    };
    let answer = request
        .ok_or(Refusal::Code)
        .and_then(|request| issue(&github, &request))
        .unwrap_or_else(Refusal::body);
    if is(header::ACCEPT, "application/json") {
        return Json(answer).into_response();
    }
    let pairs = answer.as_object().into_iter().flatten();
    let pairs = pairs.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs);
    (
        [(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")],
        form.finish(),
    )
        .into_response()
}

fn issue(github: &GitHub, request: &ExchangeRequest) -> Result<Value, Refusal> {
    let now = github.virtual_now();
    let mut world = github.world();
    world
        .app(&request.client_id)
        .filter(|app| app.client_secret == request.client_secret)
        .ok_or(Refusal::Client)?;
    let code = world.codes.get(&request.code).ok_or(Refusal::Code)?;
    if code.client_id != request.client_id {
        return Err(Refusal::Code);
    }
    if request.redirect_uri.is_some() && request.redirect_uri != code.redirect_uri {
        return Err(Refusal::Redirect);
    }
    // From here on the code is spent, whatever comes of it.
    let code = world.codes.remove(&request.code).ok_or(Refusal::Code)?;
    if now.as_second() - code.issued.as_second() > CODE_SECONDS {
        return Err(Refusal::Code);
    }
    if let Some(challenge) = &code.challenge {
        let verifier = request.code_verifier.as_deref().ok_or(Refusal::Code)?;
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        if hash != *challenge {
            return Err(Refusal::Code);
        }
    }
    let token = format!("gho_{}", random(36));
    let scope = code.scopes.iter().cloned().collect::<Vec<_>>().join(",");
    let issued = Token {
        user: code.user,
        scopes: code.scopes,
        client_id: Some(code.client_id),
        window: RateWindow::default(),
    };
    world.tokens.insert(token.clone(), issued);
    Ok(json!({ "access_token": token, "scope": scope, "token_type": "bearer" }))
}

#[derive(Debug, Deserialize)]
struct RevokeRequest {
    access_token: String,
}

async fn revoke(
    State(github): State<GitHub>,
    Path(client_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let mut world = github.world();
    let known = world
        .app(&client_id)
        .is_some_and(|app| basic.as_deref() == Some(&format!("{}:{}", app.client_id, app.client_secret)));
    if !known {
        return super::api::error(StatusCode::NOT_FOUND, "Not Found");
    }
    let request: Option<RevokeRequest> = serde_json::from_slice(&body).ok();
    let token = request.map(|request| request.access_token).filter(|token| {
        world
            .tokens
            .get(token)
            .is_some_and(|found| found.client_id.as_deref() == Some(client_id.as_str()))
    });
    match token {
        Some(token) => {
            world.tokens.remove(&token);
            StatusCode::NO_CONTENT.into_response()
        }
        None => super::api::error(StatusCode::NOT_FOUND, "Not Found"),
    }
}
