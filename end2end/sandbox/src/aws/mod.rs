//! AWS: CodeDeploy, ECS and ECR behind one endpoint, as the SDKs are pointed at one.

use std::path::Path;

use axum::Router;

use crate::{Clock, Error};

/// The account: its resources, its call log and its faults. Clones share them.
#[derive(Debug, Clone)]
pub struct Aws {
    clock: Clock,
}

impl Aws {
    pub(crate) fn new(clock: Clock, _record: Option<&Path>) -> Result<Self, Error> {
        Ok(Self { clock })
    }

    /// The endpoint of every AWS service.
    pub(crate) fn router(&self) -> Router {
        let _ = self.clock.now();
        Router::new()
    }

    /// `/aws/…` and `/faults…` of the control API.
    pub(crate) fn control_router(&self) -> Router {
        Router::new()
    }
}
