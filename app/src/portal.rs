//! The port through which pages, forms and the API reach the server's use cases.

use crate::health::{DefinitionPage, HealthPage, LabAsk, LabPage};
use crate::model::{
    AuditFilter, AuditPage, DeploymentPage, History, HistoryFilter, Home, Inbox, NewDeployment, ServicePage,
};
use crate::shape::{NewBreakGlass, NewReview, Register};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tidegate_domain::{
    Actor,
    health::Mark,
    id::{BreakGlassId, DeploymentId, ReleaseId},
    name::ServiceName,
    revision::RevisionHash,
};

/// Why the portal did not do as asked, in words for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", content = "detail", rename_all = "snake_case")]
pub enum PortalError {
    #[error("sign in first")]
    NotSignedIn,
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    NotFound(String),
    /// The state does not allow it (any more), or someone was faster.
    #[error("{0}")]
    Conflict(String),
    /// Something given is wrong: which member, and what would do.
    #[error("{field}: {message}")]
    Invalid { field: String, message: String },
    /// Nothing was changed; trying again later may help.
    #[error("{0}")]
    Unavailable(String),
}

/// The use cases behind the pages. Each checks by itself whether `actor` may; a refused attempt leaves an audit event.
#[async_trait]
pub trait Portal: Send + Sync + 'static {
    async fn home(&self, actor: &Actor) -> Result<Home, PortalError>;
    async fn inbox(&self, actor: &Actor) -> Result<Inbox, PortalError>;
    /// How many deployments wait on this person: the number beside the inbox.
    async fn waiting_on(&self, actor: &Actor) -> Result<usize, PortalError>;
    async fn history(&self, actor: &Actor, filter: HistoryFilter) -> Result<History, PortalError>;
    async fn deployment(&self, actor: &Actor, id: DeploymentId) -> Result<DeploymentPage, PortalError>;
    async fn service(&self, actor: &Actor, name: ServiceName) -> Result<ServicePage, PortalError>;
    async fn audit(&self, actor: &Actor, filter: AuditFilter) -> Result<AuditPage, PortalError>;

    async fn health(&self, actor: &Actor, id: DeploymentId) -> Result<HealthPage, PortalError>;
    /// A health definition that judged something, by its version.
    async fn definition(&self, actor: &Actor, version: String) -> Result<DefinitionPage, PortalError>;
    /// Changes nothing, whatever is asked.
    async fn lab(&self, actor: &Actor, ask: LabAsk) -> Result<LabPage, PortalError>;

    /// Says of a deployment that is over how it was.
    async fn mark(
        &self,
        actor: &Actor,
        id: DeploymentId,
        mark: Mark,
        comment: Option<String>,
    ) -> Result<(), PortalError>;
    async fn request(&self, actor: &Actor, new: NewDeployment) -> Result<DeploymentId, PortalError>;
    /// `seen`: the revision that was on the screen; another one by now is a conflict.
    async fn approve(
        &self,
        actor: &Actor,
        id: DeploymentId,
        seen: RevisionHash,
        comment: Option<String>,
    ) -> Result<(), PortalError>;
    async fn reject(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<(), PortalError>;
    async fn cancel(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<(), PortalError>;
    /// Lets a held one go on.
    async fn resume(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<(), PortalError>;
    /// In flight: stops it and goes back. Succeeded: a new deployment of the release before it, whose id is returned.
    async fn roll_back(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<DeploymentId, PortalError>;
    /// The same of one that succeeded, to any release that succeeded there before.
    async fn roll_back_to(
        &self,
        actor: &Actor,
        id: DeploymentId,
        to: ReleaseId,
        reason: String,
    ) -> Result<DeploymentId, PortalError>;

    /// Lets this deployment through one occurrence of the freeze of that name.
    async fn override_freeze(
        &self,
        actor: &Actor,
        id: DeploymentId,
        freeze: String,
        reason: String,
    ) -> Result<(), PortalError>;
    /// Waiting: skips what is named. Succeeded: goes back past a contract by a new deployment, whose id is returned.
    async fn break_glass(
        &self,
        actor: &Actor,
        id: DeploymentId,
        new: NewBreakGlass,
    ) -> Result<DeploymentId, PortalError>;
    async fn review_break_glass(&self, actor: &Actor, id: BreakGlassId, new: NewReview) -> Result<(), PortalError>;
    async fn break_glass_register(&self, actor: &Actor) -> Result<Register, PortalError>;
}
