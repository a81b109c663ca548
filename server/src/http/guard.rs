//! Cross-site protection: whether a request that changes something comes from our own pages (R26).
//!
//! Decided by `Sec-Fetch-Site`, which no page can forge, and by `Origin` where a browser is too old to send it. A
//! request with neither comes from no browser, which is the only thing that can be made to send a cookie unknowingly.
//! Webhooks carry a signature and CI a bearer token instead of a cookie: they are exempt.

use super::{
    HttpState,
    problem::{self, Problem},
};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, Method, StatusCode, header};

/// Refuses what comes from elsewhere, before anything else looks at it.
pub(crate) async fn cross_site(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if is_safe(request.method()) || is_exempt(path, request.headers()) {
        return next.run(request).await;
    }
    match verdict(request.headers(), &state.config.origin) {
        Ok(()) => next.run(request).await,
        Err(from) => {
            tracing::warn!(path, from, "refused a cross-site request");
            let why =
                "This request came from another site, so nothing was done. Open Tidegate itself and try again there.";
            problem::refusal(path, Problem::new(StatusCode::FORBIDDEN, why))
        }
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_exempt(path: &str, headers: &HeaderMap) -> bool {
    path.starts_with("/webhooks/") || path.starts_with("/api/") && has_bearer(headers)
}

/// Whether the request names a bearer token; its cookies are not looked at then.
pub(crate) fn has_bearer(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION)
}

fn verdict(headers: &HeaderMap, own: &str) -> Result<(), String> {
    let shown = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).chars().take(100).collect();
    if let Some(site) = headers.get("sec-fetch-site").filter(|value| !value.is_empty()) {
        return match site.as_bytes() {
            b"same-origin" | b"none" => Ok(()),
            _ => Err(shown(site)),
        };
    }
    match headers.get(header::ORIGIN) {
        Some(origin) if origin.as_bytes() == own.as_bytes() => Ok(()),
        Some(origin) => Err(shown(origin)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn judge(site: Option<&'static str>, origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(site) = site {
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        verdict(&headers, "https://tidegate.acme.test").is_ok()
    }

    #[test]
    fn r26_only_our_own_pages_may_change_something() {
        let own = "https://tidegate.acme.test";
        for (site, origin, allowed) in [
            (Some("same-origin"), Some(own), true),
            (Some("none"), None, true),
            (None, Some(own), true),
            (None, None, true),
            (Some("cross-site"), Some(own), false),
            (Some("same-site"), Some(own), false),
            (Some("cross-site"), None, false),
            (None, Some("https://evil.test"), false),
            (None, Some("http://tidegate.acme.test"), false),
            (None, Some("https://tidegate.acme.test:8443"), false),
            (None, Some("null"), false),
        ] {
            assert_eq!(judge(site, origin), allowed, "{site:?} {origin:?}");
        }
    }
}
