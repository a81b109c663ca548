//! The outside world behind traits in domain types. Only workers call the mutating ones.
//!
//! The one invariant: every mutating call is one HTTP attempt (R10). Whoever calls decides about the next.

use async_trait::async_trait;
use tidegate_domain::{
    deployment::{Blocker, Observation, Preparation},
    id::OperationId,
    name::{CommitSha, Digest},
    plan::Found,
    release::{Commit, Image},
    time::Timestamp,
    traffic::TrafficPlan,
};

/// How a call to the outside failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It answered, and did nothing. `retry`: the same call may succeed later.
    #[error("{code}: {message}")]
    Refused { code: String, message: String, retry: bool },
    /// No answer, or one that does not say: it may or may not have taken effect.
    #[error("no clear answer: {0}")]
    Unknown(String),
}

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
#[async_trait]
pub trait Engine: Send + Sync {
    /// What runs now and what would change. The inner error is something in the way that people can mend.
    async fn prepare(&self, order: &Order, now: Timestamp) -> Result<Result<Preparation, Blocker>, CallError>;

    /// Registers the task definition: the running one with only the image changed. `expected`: [`Preparation::hash`];
    /// anything else by now is refused. Returns its ARN.
    async fn register(&self, order: &Order, expected: &str) -> Result<String, CallError>;

    /// Creates the cloud deployment, with the operation id in its description and its own auto-rollback (R18).
    async fn create(&self, order: &Order, task_definition: &str) -> Result<String, CallError>;

    /// Stops it and lets the cloud roll back.
    async fn stop(&self, order: &Order, cloud_deployment: &str) -> Result<(), CallError>;

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

/// A person as GitHub shows them to the one who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubUser {
    pub id: i64,
    pub login: String,
    pub name: Option<String>,
}

/// What the server asks of GitHub. `token`: a person's own; the others use the service's token.
#[async_trait]
pub trait Github: Send + Sync {
    async fn user(&self, token: &str) -> Result<GithubUser, CallError>;
    /// Slugs of the organisation's teams that this numeric person is an active member of, out of `teams`.
    async fn teams_of(&self, organisation: &str, person: i64, teams: &[String]) -> Result<Vec<String>, CallError>;
    /// Commits that `head` has and `base` has not; newest first.
    async fn compare(&self, repository: &str, base: &CommitSha, head: &CommitSha) -> Result<Vec<Commit>, CallError>;
    async fn commit(&self, repository: &str, sha: &CommitSha) -> Result<Commit, CallError>;
}
