//! What an engine does, in domain types. Each engine is one module that implements [`Engine`].

use crate::CallError;
use async_trait::async_trait;
use std::time::Instant;
use tidegate_domain::{
    deployment::{Blocker, CallKind, Observation, Preparation, Run},
    health::Values,
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

/// A cloud deployment that bears an operation id, and was asked for by nobody any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    pub id: String,
    pub over: bool,
}

/// Carries out deployments of one kind of compute. One module per engine; which calls there are and in which order is
/// the domain's [`Script`](tidegate_domain::catalog::Script).
///
/// `by`: when a mutating call must have left at the latest. Whatever leads to it counts, and so does a pause of the whole
/// process: what wakes after `by` sends nothing, because somebody else may have taken over (R12).
#[async_trait]
pub trait Engine: Send + Sync {
    /// What runs now and what would change. The inner error is something in the way that people can mend.
    async fn prepare(&self, order: &Order, now: Timestamp) -> Result<Result<Preparation, Blocker>, CallError>;

    /// Makes one call, in one HTTP attempt, with the operation id in what it makes. Returns what it made: an ARN, an id, a
    /// version. What is to run must be what `run.revision` says; anything else by now is refused. A kind that is not in
    /// the engine's script is refused.
    async fn make(&self, order: &Order, run: &Run, kind: CallKind, by: Instant) -> Result<String, CallError>;

    /// Whether such a call, made at or after `since`, took effect. Never asked for what is
    /// [settled by sight](CallKind::settled_by_sight).
    async fn find(&self, order: &Order, run: &Run, kind: CallKind, since: Timestamp) -> Result<Found, CallError>;

    /// How it goes. `rollback`: id of the cloud deployment that rolls it back, once known. An engine that is driven from
    /// here has none: it says in [`Observation::rollback`] how far the way back is, always: `InProgress` while traffic is
    /// on the new version, `Ready` once it is not and something is to be taken away, `Succeeded` when nothing is left; its
    /// traffic is the old version's share. Its deployment is `Ready` while the new version can take traffic, and
    /// `Succeeded` once nothing is left to do.
    async fn observe(
        &self,
        order: &Order,
        run: &Run,
        rollback: Option<&str>,
        now: Timestamp,
    ) -> Result<Observation, CallError>;

    /// What metrics of this deployment are labelled with, by the names of placeholders in health definitions: which target
    /// group or function version is the new one, and which the stable one.
    async fn labels(&self, order: &Order, _run: &Run) -> Result<Values, CallError> {
        Ok(order.engine.labels())
    }

    /// A deployment of this operation that surfaced after nobody waited for it any more. Only engines whose calls
    /// [double](CallKind::doubles) have any.
    async fn find_stray(&self, _order: &Order, _since: Timestamp) -> Result<Option<Stray>, CallError> {
        Ok(None)
    }

    /// Stops it.
    async fn stop_stray(&self, order: &Order, id: &str, _by: Instant) -> Result<(), CallError> {
        let message = format!(
            "{} makes nothing that could be stopped, such as {id}",
            order.engine.name()
        );
        Err(CallError::refused("NothingToStop", message, false))
    }
}

/// The refusal of a call that an engine does not have.
pub(crate) fn no_such_call(order: &Order, kind: CallKind) -> CallError {
    let message = format!("{} has no call {}", order.engine.name(), kind.name());
    CallError::refused("NoSuchCall", message, false)
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
