//! HTTP: pages, forms, sign-in, the API, webhooks and the live stream.
//!
//! Translates requests into use cases and their answers into responses; decides nothing but who is asking. Every request
//! passes the same layers in [`router`], outermost first: request id, security headers, the frame around problems, panics,
//! time limit, size limit, cross-site protection.

mod api;
mod cookie;
mod events;
mod forms;
mod frame;
mod gate_forms;
mod guard;
mod headers;
mod health;
mod lab;
mod layers;
mod limits;
mod pages;
mod problem;
mod return_to;
mod serve;
mod session;
mod sign_in;
mod site;
mod webhooks;

pub use api::openapi;
pub use cookie::InsecureAddress;
pub use limits::Rates;
pub use serve::{Timeouts, serve};
pub use site::{Site, SiteError};

use crate::service::{
    CatalogHandle, Services, ci::CiSessions, health::Health, live::Live, once::Once, sessions::Sessions,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use cookie::CookieMode;
use secrecy::SecretString;
use std::{sync::Arc, time::Duration};
use tidegate_app::portal::Portal;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::RequestBodyTimeoutLayer;
use url::Url;

/// Bytes of a form or of a call of the API.
const LARGEST_BODY: usize = 256 * 1024;
/// Bytes of a webhook: a push with many commits is large.
const LARGEST_WEBHOOK: usize = 8 * 1024 * 1024;
/// Between two parts of a body.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// What wiring builds the HTTP side of.
pub struct Parts {
    pub services: Services,
    pub portal: Arc<dyn Portal>,
    pub catalog: CatalogHandle,
    pub sessions: Sessions,
    pub ci: CiSessions,
    pub once: Once,
    pub live: Live,
    pub health: Health,
    pub site: Site,
    /// As people and GitHub reach the server.
    pub public_url: Url,
    /// GitHub's pages, where a sign-in leads.
    pub github_web: Url,
    pub webhook_secret: SecretString,
    /// Whether the last entry of `X-Forwarded-For` is the caller's address.
    pub behind_proxy: bool,
    pub rates: Rates,
    /// Cancelled when the server is to stop: live streams end then.
    pub stop: CancellationToken,
}

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub struct HttpState(Arc<Shared>);

impl std::ops::Deref for HttpState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The inside of [`HttpState`].
pub struct Shared {
    pub(crate) services: Services,
    pub(crate) portal: Arc<dyn Portal>,
    pub(crate) catalog: CatalogHandle,
    pub(crate) sessions: Sessions,
    pub(crate) ci: CiSessions,
    pub(crate) once: Once,
    pub(crate) live: Live,
    pub(crate) health: Health,
    pub(crate) site: Site,
    pub(crate) config: Config,
    pub(crate) limits: limits::Limits,
    pub(crate) stop: CancellationToken,
}

pub(crate) struct Config {
    pub(crate) cookies: CookieMode,
    /// `https://tidegate.example.org`, as browsers send it.
    pub(crate) origin: String,
    pub(crate) form_origins: String,
    pub(crate) webhook_secret: SecretString,
    pub(crate) behind_proxy: bool,
}

impl Config {
    pub(crate) fn https(&self) -> bool {
        self.cookies == CookieMode::Https
    }
}

impl HttpState {
    /// # Errors
    /// A public address over which no session may travel.
    pub fn new(parts: Parts) -> Result<Self, InsecureAddress> {
        let config = Config {
            cookies: CookieMode::of(&parts.public_url)?,
            origin: parts.public_url.origin().ascii_serialization(),
            form_origins: parts.github_web.origin().ascii_serialization(),
            webhook_secret: parts.webhook_secret,
            behind_proxy: parts.behind_proxy,
        };
        Ok(Self(Arc::new(Shared {
            services: parts.services,
            portal: parts.portal,
            catalog: parts.catalog,
            sessions: parts.sessions,
            ci: parts.ci,
            once: parts.once,
            live: parts.live,
            health: parts.health,
            site: parts.site,
            config,
            limits: limits::Limits::new(parts.rates),
            stop: parts.stop,
        })))
    }
}

/// Every form that changes something, by method and path. A test tries each without a session and from elsewhere (R26).
pub const MUTATING_FORMS: &[&str] = &[
    "/deployments",
    "/deployments/{id}/approve",
    "/deployments/{id}/reject",
    "/deployments/{id}/cancel",
    "/deployments/{id}/roll-back",
    "/deployments/{id}/mark",
    "/deployments/{id}/override-freeze",
    "/deployments/{id}/break-glass",
    "/break-glass/{id}/review",
    "/theme",
    "/auth/sign-out",
];

/// All routes.
pub fn router(state: HttpState) -> Router {
    let routes = Router::new()
        .route("/auth/sign-in", get(sign_in::begin))
        .route("/auth/callback", get(sign_in::callback))
        .route("/auth/sign-out", post(sign_in::end))
        .route("/theme", post(forms::theme))
        .route("/deployments", post(forms::request))
        .route("/deployments/{id}/approve", post(forms::approve))
        .route("/deployments/{id}/reject", post(forms::reject))
        .route("/deployments/{id}/cancel", post(forms::cancel))
        .route("/deployments/{id}/continue", post(forms::resume))
        .route("/deployments/{id}/roll-back", post(forms::roll_back))
        .route("/deployments/{id}/mark", post(lab::mark))
        .route("/lab", post(lab::compare))
        .route("/deployments/{id}/override-freeze", post(gate_forms::override_freeze))
        .route("/deployments/{id}/break-glass", post(gate_forms::break_glass))
        .route("/break-glass/{id}/review", post(gate_forms::review))
        .route("/rpc/{name}", post(pages::server_function))
        .route("/events", get(events::stream))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(pages::routes())
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .route(
            "/webhooks/github",
            post(webhooks::receive).layer(DefaultBodyLimit::max(LARGEST_WEBHOOK)),
        )
        .merge(api::routes().layer(DefaultBodyLimit::max(LARGEST_BODY)))
        .fallback(pages::fallback)
        .method_not_allowed_fallback(pages::method_not_allowed);
    routes
        .layer(middleware::from_fn_with_state(state.clone(), guard::cross_site))
        .layer(RequestBodyTimeoutLayer::new(BODY_PATIENCE))
        .layer(middleware::from_fn(layers::in_time))
        .layer(middleware::from_fn(layers::no_panic))
        .layer(middleware::from_fn_with_state(state.clone(), frame::around_problems))
        .layer(layers::compression())
        .layer(middleware::from_fn_with_state(state.clone(), headers::secure))
        .layer(middleware::from_fn(layers::request_id))
        .with_state(state)
}
