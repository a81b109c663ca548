//! Reads the rolling deployments of services that are only watched.

use crate::CallError;
use async_trait::async_trait;
use tidegate_domain::rolling::{RollingDeployment, RollingService};

/// Reads only.
#[async_trait]
pub trait Rolling: Send + Sync {
    /// The newest rolling deployments of a service, newest first.
    async fn rolling(&self, watched: &RollingService) -> Result<Vec<RollingDeployment>, CallError>;
}
