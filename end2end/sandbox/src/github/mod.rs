//! GitHub: web sign-in, REST API, Actions' OIDC issuer and webhooks, on one port.
//!
//! The web is at `/`, the API at `/api/v3` as on GitHub Enterprise Server, and the issuer at `/oidc`.
//! All state is one [`World`], changed by requests and by the control API only.
//!
//! Whatever leaves with a time on it (tokens, commits, rate limits) bears real time, because those who
//! check it have no other. Only authorization codes expire on the sandbox's [`Clock`].

mod api;
mod calls;
mod control;
mod faults;
mod git;
mod issues;
mod oauth;
mod oauth_page;
mod oidc;
mod seed;
mod sow;
mod webhooks;
mod world;

#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use axum::{Router, http::StatusCode, middleware};
use jiff::Timestamp;
use rand::{Rng, distr::Alphanumeric};

use crate::{Clock, control::Refused};
use calls::Journal;
use faults::Faults;
use world::World;

/// The accounts, repositories and tokens. Clones share them.
#[derive(Debug, Clone)]
pub struct GitHub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The sandbox's time.
    clock: Clock,
    /// Real time.
    wall: Clock,
    base: OnceLock<String>,
    world: Mutex<World>,
    faults: Mutex<Faults>,
    journal: Journal,
    deliveries: Mutex<Vec<webhooks::Delivery>>,
    jobs: Mutex<Vec<oidc::Job>>,
    http: reqwest::Client,
}

impl GitHub {
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                wall: Clock::new(1.0),
                base: OnceLock::new(),
                world: Mutex::default(),
                faults: Mutex::default(),
                journal: Journal::default(),
                deliveries: Mutex::default(),
                jobs: Mutex::default(),
                http: reqwest::Client::builder().no_proxy().build().unwrap_or_default(),
            }),
        }
    }

    /// Appends every API request and its answer to a file, one JSON object a line.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn record_to(&self, file: &Path) -> std::io::Result<()> {
        self.shared.journal.record_to(file)
    }

    /// GitHub as its clients see it; `own_url` is where they reach it.
    pub fn router(&self, own_url: String) -> Router {
        let base = self
            .shared
            .base
            .get_or_init(|| own_url.trim_end_matches('/').to_owned());
        tracing::debug!(%base, "GitHub");
        Router::new()
            .merge(oauth::router())
            .nest("/oidc", oidc::router())
            .nest("/api/v3", api::router(self))
            .layer(middleware::from_fn_with_state(self.clone(), faults::apply))
            .layer(middleware::from_fn_with_state(self.clone(), calls::note))
            .with_state(self.clone())
    }

    /// The part of the control API mounted at `/github`.
    pub fn control_router(&self) -> Router {
        control::router().with_state(self.clone())
    }

    /// Where clients reach this GitHub, without a trailing slash.
    fn base(&self) -> &str {
        self.shared.base.get().map_or("", String::as_str)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.shared.world)
    }

    /// Real time, for everything that bears a date.
    fn now(&self) -> Timestamp {
        self.shared.wall.now()
    }

    /// The sandbox's time, by which authorization codes expire.
    fn virtual_now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}

/// A value that a panic elsewhere did not make wrong: no lock here is held over a partial change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Letters and digits nobody can guess.
fn random(length: usize) -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(length)
        .map(char::from)
        .collect()
}

/// Refuses a request of the control API that names something which is not there.
fn unknown(what: impl Into<String>) -> Refused {
    Refused(StatusCode::NOT_FOUND, what.into())
}
