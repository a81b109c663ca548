//! The REST API under `/api/v3`: who may call it, how often, and the shape of its errors and pages.
//!
//! Every call needs a token that this GitHub issued. What a caller may not see answers 404, as GitHub
//! hides what is private.

mod issues;
mod orgs;
pub(crate) mod render;
mod render_repo;
mod repos;
mod users;

use std::collections::BTreeSet;

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{OriginalUri, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    GitHub, oauth,
    world::{RateWindow, World},
};

pub(crate) fn router(github: &GitHub) -> Router<GitHub> {
    let people = Router::new()
        .merge(users::router())
        .merge(orgs::router())
        .merge(repos::router())
        .merge(issues::router())
        .route("/rate_limit", get(rate_limit))
        .fallback(|| async { not_found() })
        .layer(middleware::from_fn_with_state(github.clone(), gate));
    Router::new()
        .merge(oauth::application_router())
        .fallback_service(people.with_state(github.clone()))
}

/// The person a token belongs to and what the token may do.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: u64,
    pub(crate) scopes: BTreeSet<String>,
}

impl Caller {
    /// Whether any of these scopes was granted. `admin:org` contains `write:org` contains `read:org`.
    pub(crate) fn has(&self, any_of: &[&str]) -> bool {
        any_of.iter().any(|scope| {
            self.scopes.contains(*scope)
                || (*scope == "read:org" && (self.scopes.contains("admin:org") || self.scopes.contains("write:org")))
                || (*scope == "user:email" && self.scopes.contains("user"))
        })
    }
}

/// A refusal in GitHub's words.
pub(crate) fn error(status: StatusCode, message: &str) -> Response {
    let mut body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
    });
    // The published shape of a validation error has no status.
    if status != StatusCode::UNPROCESSABLE_ENTITY {
        body["status"] = json!(status.as_str());
    }
    (status, Json(body)).into_response()
}

pub(crate) fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "Not Found")
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token")).then(|| token.trim().to_owned())
}

/// Lets known callers in, counts their calls and adds the headers every answer bears.
async fn gate(State(github): State<GitHub>, mut request: Request, next: Next) -> Response {
    if !request.headers().contains_key(header::USER_AGENT) {
        return (
            StatusCode::FORBIDDEN,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.\n",
        )
            .into_response();
    }
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return error(StatusCode::UNAUTHORIZED, "Requires authentication");
    }
    let now = github.now();
    let free = request.uri().path().ends_with("/rate_limit");
    let admitted = bearer(request.headers()).and_then(|secret| {
        let mut world = github.world();
        let token = world.tokens.get_mut(&secret)?;
        let allowed = if free {
            token.window.roll(now);
            true
        } else {
            token.window.count(now)
        };
        let caller = Caller {
            user: token.user,
            scopes: token.scopes.clone(),
        };
        Some((secret, caller, token.window, allowed))
    });
    let Some((secret, caller, mut window, allowed)) = admitted else {
        return error(StatusCode::UNAUTHORIZED, "Bad credentials");
    };
    let scopes: Vec<&str> = caller.scopes.iter().map(String::as_str).collect();
    let scopes = scopes.join(", ");
    let unchanged = request.headers().get(header::IF_NONE_MATCH).cloned();
    let conditional = request.method() == Method::GET;
    let mut answer = if allowed {
        request.extensions_mut().insert(window);
        request.extensions_mut().insert(caller.clone());
        next.run(request).await
    } else {
        let message = format!("API rate limit exceeded for user ID {}.", caller.user);
        error(StatusCode::FORBIDDEN, &message)
    };
    if conditional && answer.status() == StatusCode::OK {
        answer = with_etag(answer, unchanged.as_ref()).await;
    }
    if answer.status() == StatusCode::NOT_MODIFIED
        && let Some(token) = github.world().tokens.get_mut(&secret)
    {
        token.window.refund();
        window = token.window;
    }
    let headers = answer.headers_mut();
    for (name, value) in [
        ("x-ratelimit-limit", RateWindow::LIMIT.to_string()),
        ("x-ratelimit-remaining", window.remaining().to_string()),
        ("x-ratelimit-used", window.used.min(RateWindow::LIMIT).to_string()),
        ("x-ratelimit-reset", window.reset(now).to_string()),
        ("x-ratelimit-resource", "core".into()),
        ("x-oauth-scopes", scopes),
        ("x-github-media-type", "github.v3; format=json".into()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    answer
}

/// Tags an answer by its content, and leaves the content out when the caller has it already.
async fn with_etag(answer: Response, known: Option<&HeaderValue>) -> Response {
    let (mut parts, body) = answer.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let tag = format!("W/\"{}\"", hex::encode(Sha256::digest(&body)));
    let fresh = known.and_then(|value| value.to_str().ok()) == Some(tag.as_str());
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    if !fresh {
        return Response::from_parts(parts, Body::from(body));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

async fn rate_limit(State(github): State<GitHub>, axum::Extension(window): axum::Extension<RateWindow>) -> Json<Value> {
    let core = json!({
        "limit": RateWindow::LIMIT,
        "used": window.used,
        "remaining": window.remaining(),
        "reset": window.reset(github.now()),
    });
    Json(json!({ "resources": { "core": core, "search": core }, "rate": core }))
}

/// `page` counts from 1; `per_page` is at most 100.
#[derive(Debug, Deserialize)]
pub(crate) struct Paging {
    page: Option<usize>,
    per_page: Option<usize>,
}

impl Paging {
    pub(crate) fn per_page(&self, otherwise: usize, most: usize) -> usize {
        self.per_page.unwrap_or(otherwise).clamp(1, most)
    }

    pub(crate) fn page(&self) -> usize {
        self.page.unwrap_or(1).max(1)
    }

    /// One page of a list, with a `Link` header when there are others.
    pub(crate) fn answer(&self, github: &GitHub, uri: &OriginalUri, items: &[Value]) -> Response {
        let per_page = self.per_page(30, 100);
        let page = self.page();
        let shown: Vec<&Value> = items
            .iter()
            .skip((page - 1).saturating_mul(per_page))
            .take(per_page)
            .collect();
        let mut answer = Json(shown).into_response();
        self.link(github, uri, items.len().div_ceil(per_page), &mut answer);
        answer
    }

    /// Adds the addresses of the neighbouring pages, as RFC 8288 has them.
    pub(crate) fn link(&self, github: &GitHub, OriginalUri(uri): &OriginalUri, last: usize, answer: &mut Response) {
        let page = self.page();
        let to = |number: usize, relation: &str| {
            let query = uri.query().unwrap_or_default();
            let kept = query
                .split('&')
                .filter(|pair| !pair.is_empty() && !pair.starts_with("page="));
            let query: Vec<&str> = kept.collect();
            let separator = if query.is_empty() { "" } else { "&" };
            format!(
                "<{}{}?{}{separator}page={number}>; rel=\"{relation}\"",
                github.base(),
                uri.path(),
                query.join("&")
            )
        };
        let mut links = Vec::new();
        if page > 1 {
            links.push(to(page - 1, "prev"));
        }
        if page < last {
            links.push(to(page + 1, "next"));
            links.push(to(last, "last"));
        }
        if page > 1 {
            links.push(to(1, "first"));
        }
        if !links.is_empty()
            && let Ok(value) = HeaderValue::from_str(&links.join(", "))
        {
            answer.headers_mut().insert(header::LINK, value);
        }
    }
}

/// Whether the caller is an active member of this organisation and may look into it.
pub(crate) fn sees_org(world: &World, caller: &Caller, org: &str) -> bool {
    caller.has(&["read:org", "repo"]) && world.org(org).is_some_and(|org| org.is_active_member(caller.user))
}
