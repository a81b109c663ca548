//! Puts what the server itself has to say to a person into the app's frame: navigation, theme and style, as on any page.
//!
//! A handler or a layer answers with a [`Page`]; only here, outside of them all, is known who asked. It needs nothing of
//! the use cases: where even the session cannot be read, the frame is that of a stranger.

use super::{HttpState, headers::CspNonce, pages, problem::Page, session};
use crate::service::people::Roles;
use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Method, header};
use leptos::{nonce::Nonce, prelude::provide_context};
use std::sync::Arc;
use tidegate_app::problem::{Problem, problem_shell};

pub(crate) async fn around_problems(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let nonce = request.extensions().get::<CspNonce>().cloned();
    let asked = (request.method() == Method::GET).then(|| request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let Some(page) = response.extensions_mut().remove::<Page>() else {
        return response;
    };
    let at = asked.unwrap_or_else(|| page.action.0.clone());
    let framed = render(&state, page, &headers, nonce, &at).await;
    let (mut parts, body) = framed.into_parts();
    parts.status = response.status();
    // What the answer had to say beside its page: cookies, when to come back.
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            parts.headers.append(name, value.clone());
        }
    }
    Response::from_parts(parts, body)
}

async fn render(state: &HttpState, page: Page, headers: &HeaderMap, nonce: Option<CspNonce>, at: &str) -> Response {
    let current = session::of(state, headers, Roles::LastKnown).await.ok().flatten();
    let visitor = pages::visitor(current.as_ref(), headers);
    let assets = state.site.assets().clone();
    let problem = Problem {
        title: page.title,
        text: page.text,
        action: page.action.0,
        action_words: page.action.1,
    };
    let mut request = Request::new(Body::empty());
    if let Ok(uri) = at.parse() {
        *request.uri_mut() = uri;
    }
    let context = move || {
        provide_context(visitor.clone());
        provide_context(assets.clone());
        if let Some(nonce) = &nonce {
            provide_context(Nonce::from_value(Arc::clone(&nonce.0)));
        }
    };
    let shell = move || problem_shell(problem.clone());
    leptos_axum::render_app_async_with_context(context, shell)(request)
        .await
        .into_response()
}
