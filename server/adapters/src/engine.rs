//! What an engine does, in domain types. Each engine is one module that implements [`Engine`].

use crate::CallError;
use async_trait::async_trait;
use std::time::Instant;
use tidegate_domain::{
    deployment::{Blocker, Observation, Preparation},
    id::OperationId,
    name::Digest,
    plan::Found,
    release::Image,
    time::Timestamp,
    traffic::TrafficPlan,
};

/// What a deployment is made of, for an engine.
#[derive(Debug, Clone)]
pub struct Order {
    pub operation: OperationId,
    /// Plain words for the cloud's description, beside the operation id.
    pub title: String,
    pub image: Image,
    pub traffic: TrafficPlan,
    pub engine: tidegate_domain::catalog::Engine,
}

/// Carries out deployments of one kind of compute. One file per engine.
///
/// `by`: when a mutating call must have left at the latest. Whatever leads to it counts, and so does a pause of the whole
/// process: what wakes after `by` sends nothing, because somebody else may have taken over (R12).
#[async_trait]
pub trait Engine: Send + Sync {
    /// What runs now and what would change. The inner error is something in the way that people can mend.
    async fn prepare(&self, order: &Order, now: Timestamp) -> Result<Result<Preparation, Blocker>, CallError>;

    /// Registers the task definition: the running one with only the image changed. `expected`: [`Preparation::hash`];
    /// anything else by now is refused. Returns its ARN.
    async fn register(&self, order: &Order, expected: &str, by: Instant) -> Result<String, CallError>;

    /// Creates the cloud deployment, with the operation id in its description and its own auto-rollback (R18).
    async fn create(&self, order: &Order, task_definition: &str, by: Instant) -> Result<String, CallError>;

    /// Stops it and lets the cloud roll back. Refused where it is over already.
    async fn stop(&self, order: &Order, cloud_deployment: &str, by: Instant) -> Result<(), CallError>;

    /// Whether a register call of this operation took effect.
    async fn find_registered(&self, order: &Order) -> Result<Found, CallError>;

    /// Whether a create call of this operation, made at or after `since`, took effect.
    async fn find_created(&self, order: &Order, since: Timestamp) -> Result<Found, CallError>;

    /// The cloud deployment and, once known, its rollback.
    async fn observe(
        &self,
        order: &Order,
        cloud_deployment: &str,
        rollback: Option<&str>,
        now: Timestamp,
    ) -> Result<Observation, CallError>;
}

/// Whether an image is in its registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryFinding {
    pub present: bool,
    /// The digest its tag names now, where it has a tag.
    pub tag_points_to: Option<Digest>,
    pub immutable_tags: bool,
}

#[async_trait]
pub trait Registry: Send + Sync {
    async fn look_up(&self, image: &Image) -> Result<RegistryFinding, CallError>;
}
