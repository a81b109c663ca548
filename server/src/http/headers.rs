//! Security headers of every response, and the nonce that lets our own inline scripts run (R27).

use super::HttpState;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, header};
use rand::RngCore as _;
use std::sync::Arc;

/// The nonce of one response.
#[derive(Debug, Clone)]
pub(crate) struct CspNonce(pub(crate) Arc<str>);

impl CspNonce {
    fn new() -> Self {
        let mut bytes = [0; 16];
        rand::rng().fill_bytes(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes).into())
    }
}

pub(crate) async fn secure(State(state): State<HttpState>, mut request: Request, next: Next) -> Response {
    let nonce = CspNonce::new();
    request.extensions_mut().insert(nonce.clone());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // Leptos repeats its own nonce nowhere else: the page's scripts carry ours.
    if let Ok(policy) = HeaderValue::from_str(&policy(&nonce.0, &state.config.form_origins)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert(
        "permissions-policy",
        HeaderValue::from_static("camera=(), microphone=(), geolocation=(), payment=()"),
    );
    if state.config.https() {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=63072000; includeSubDomains"),
        );
    }
    // Pages show what one person may see: no cache keeps them. Files with a hash in their name say otherwise.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// `form_origins`: where a form of ours may lead by a redirect, which is GitHub's sign-in.
fn policy(nonce: &str, form_origins: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self' 'nonce-{nonce}'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self' {form_origins}; \
         base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r27_the_policy_allows_nothing_inline_without_the_nonce() {
        let policy = policy("abc", "https://github.com");
        for part in [
            "script-src 'self' 'nonce-abc' 'wasm-unsafe-eval';",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self' https://github.com;",
        ] {
            assert!(policy.contains(part), "{part} not in {policy}");
        }
        assert!(!policy.contains("unsafe-inline"));
    }
}
