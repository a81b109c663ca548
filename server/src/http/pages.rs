//! The Leptos pages and their server functions, each rendered for whoever asks.

use super::{
    HttpState, cookie, forms,
    headers::CspNonce,
    problem::{self, Problem},
    return_to::own_path,
    session::{self, SignedIn},
    sign_in::add_cookie,
    site,
};
use crate::service::{people::Roles, sessions::Current};
use axum::{
    Extension, Router,
    body::Body,
    extract::{Query, Request, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode};
use leptos::{nonce::Nonce, prelude::provide_context};
use serde::Deserialize;
use std::sync::Arc;
use tidegate_app::{Flash, Theme, Tone, Visitor, model::Viewer, portal::Portal, shell::shell};

/// With this header the island that follows changes asks for the page it is on.
const LIVE: &str = "x-live";

/// One route for each page of the app.
pub(crate) fn routes() -> Router<HttpState> {
    let mut router = Router::new();
    for listing in leptos_axum::generate_route_list(shell) {
        let path = listing.path().to_owned();
        router = if path == "/sign-in" {
            router.route(&path, get(open_page))
        } else {
            router.route(&path, get(page))
        };
    }
    router
}

/// A page for people who are signed in.
async fn page(
    State(state): State<HttpState>,
    SignedIn(current): SignedIn,
    Extension(nonce): Extension<CspNonce>,
    request: Request,
) -> Response {
    // An open page that asks for itself again must not take what the page after a form has to say.
    let flash = if request.headers().contains_key(LIVE) {
        None
    } else {
        forms::take_flash(&state, &current).await
    };
    let visitor = Visitor {
        flash,
        ..visitor(Some(&current), request.headers())
    };
    render(&state, visitor, nonce, request).await
}

#[derive(Debug, Deserialize)]
struct Wish {
    return_to: Option<String>,
}

/// The page for anyone: where one signs in. It says when a form was not sent because its session had ended.
async fn open_page(
    State(state): State<HttpState>,
    Extension(nonce): Extension<CspNonce>,
    request: Request,
) -> Response {
    let mode = state.config.cookies;
    let wish = Query::<Wish>::try_from_uri(request.uri()).ok();
    let return_to = wish.and_then(|Query(wish)| wish.return_to);
    let unsent = cookie::read(request.headers(), mode.unsent()).is_some();
    let mut response = match session::of(&state, request.headers(), Roles::LastKnown).await {
        Ok(current) => {
            let visitor = Visitor {
                flash: unsent.then(not_sent),
                return_to: return_to.as_deref().and_then(own_path).map(str::to_owned),
                ..visitor(current.as_ref(), request.headers())
            };
            render(&state, visitor, nonce, request).await
        }
        Err(problem) => problem::refusal(request.uri().path(), problem),
    };
    if unsent {
        add_cookie(&mut response, mode.clear(mode.unsent()));
    }
    response
}

fn not_sent() -> Flash {
    Flash {
        tone: Tone::Failed,
        title: "Nothing was sent".to_owned(),
        detail: Some("Your session had ended. Sign in, and you are led back to the page to send it again.".to_owned()),
        ..Flash::default()
    }
}

async fn render(state: &HttpState, visitor: Visitor, nonce: CspNonce, request: Request) -> Response {
    render_with(state, visitor, nonce, request, || ()).await
}

/// `more`: what else the page is to know.
pub(crate) async fn render_with(
    state: &HttpState,
    visitor: Visitor,
    nonce: CspNonce,
    request: Request,
    more: impl Fn() + Clone + Send + Sync + 'static,
) -> Response {
    let (portal, assets) = (Arc::clone(&state.portal), state.site.assets().clone());
    let context = move || {
        more();
        provide_context::<Arc<dyn Portal>>(Arc::clone(&portal));
        provide_context(visitor.clone());
        provide_context(assets.clone());
        provide_context(Nonce::from_value(Arc::clone(&nonce.0)));
    };
    leptos_axum::render_app_async_with_context(context, shell)(request)
        .await
        .into_response()
}

pub(crate) fn visitor(current: Option<&Current>, headers: &HeaderMap) -> Visitor {
    Visitor {
        viewer: current.map(|current| Viewer {
            person: current.known.person.clone(),
            name: current.known.name.clone(),
            roles: current.known.roles.clone(),
            teams: current.known.teams.clone(),
        }),
        actor: current.map(|current| current.known.actor()),
        flash: None,
        return_to: None,
        theme: cookie::read(headers, "theme").map_or(Theme::System, Theme::parse),
    }
}

/// A server function: read-only, for people who are signed in.
pub(crate) async fn server_function(
    State(state): State<HttpState>,
    SignedIn(current): SignedIn,
    request: Request,
) -> Response {
    let visitor = visitor(Some(&current), request.headers());
    let portal = Arc::clone(&state.portal);
    // Its redirect after a form leads to the Referer: without the header it has none, and no form of ours leads here.
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(http::header::REFERER);
    let context = move || {
        provide_context::<Arc<dyn Portal>>(Arc::clone(&portal));
        provide_context(visitor.clone());
    };
    leptos_axum::handle_server_fns_with_context(context, Request::from_parts(parts, body))
        .await
        .into_response()
}

/// A file of the site, or the page that says there is nothing.
pub(crate) async fn fallback(State(state): State<HttpState>, request: Request) -> Response {
    if let Some(file) = site::file(&state, &request) {
        return file;
    }
    let path = request.uri().path();
    problem::refusal(
        path,
        Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address."),
    )
}

pub(crate) async fn method_not_allowed(request: Request<Body>) -> Response {
    let why = format!("{} does nothing at this address.", request.method());
    problem::refusal(request.uri().path(), Problem::new(StatusCode::METHOD_NOT_ALLOWED, why))
}
