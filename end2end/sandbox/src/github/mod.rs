//! GitHub: web sign-in, API and Actions issuer.

use axum::Router;

use crate::Clock;

/// The accounts, repositories and tokens. Clones share them.
#[derive(Debug, Clone)]
pub struct GitHub {
    clock: Clock,
}

impl GitHub {
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// GitHub as its clients see it; `own_url` is where they reach it.
    pub fn router(&self, _own_url: String) -> Router {
        let _ = self.clock.now();
        Router::new()
    }

    /// The part of the control API mounted at `/github`.
    pub fn control_router(&self) -> Router {
        Router::new()
    }
}
