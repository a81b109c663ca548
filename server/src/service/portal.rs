//! The port of pages and API, answered by the use cases.

use super::Services;
use async_trait::async_trait;
use tidegate_app::{
    health::{DefinitionPage, HealthPage, LabAsk, LabPage},
    model::{AuditFilter, AuditPage, DeploymentPage, History, HistoryFilter, Home, Inbox, NewDeployment, ServicePage},
    portal::{Portal, PortalError},
    shape::{NewBreakGlass, NewReview, Register},
};
use tidegate_domain::{Actor, BreakGlassId, DeploymentId, ReleaseId, RevisionHash, ServiceName, health::Mark};

#[async_trait]
impl Portal for Services {
    async fn home(&self, actor: &Actor) -> Result<Home, PortalError> {
        self.home_page(actor).await
    }

    async fn inbox(&self, actor: &Actor) -> Result<Inbox, PortalError> {
        self.inbox_page(actor).await
    }

    async fn waiting_on(&self, actor: &Actor) -> Result<usize, PortalError> {
        self.count_waiting_on(actor).await
    }

    async fn history(&self, actor: &Actor, filter: HistoryFilter) -> Result<History, PortalError> {
        self.history_page(actor, filter).await
    }

    async fn deployment(&self, actor: &Actor, id: DeploymentId) -> Result<DeploymentPage, PortalError> {
        self.deployment_page(actor, id).await
    }

    async fn service(&self, actor: &Actor, name: ServiceName) -> Result<ServicePage, PortalError> {
        self.service_page(actor, name).await
    }

    async fn audit(&self, actor: &Actor, filter: AuditFilter) -> Result<AuditPage, PortalError> {
        self.audit_page(actor, filter).await
    }

    async fn health(&self, actor: &Actor, id: DeploymentId) -> Result<HealthPage, PortalError> {
        self.health_page(actor, id).await
    }

    async fn definition(&self, actor: &Actor, version: String) -> Result<DefinitionPage, PortalError> {
        self.definition_page(actor, version).await
    }

    async fn lab(&self, actor: &Actor, ask: LabAsk) -> Result<LabPage, PortalError> {
        self.lab_page(actor, ask).await
    }

    async fn mark(
        &self,
        actor: &Actor,
        id: DeploymentId,
        mark: Mark,
        comment: Option<String>,
    ) -> Result<(), PortalError> {
        self.mark_deployment(actor, id, mark, comment).await
    }

    async fn request(&self, actor: &Actor, new: NewDeployment) -> Result<DeploymentId, PortalError> {
        self.request_deployment(actor, new).await
    }

    async fn approve(
        &self,
        actor: &Actor,
        id: DeploymentId,
        seen: RevisionHash,
        comment: Option<String>,
    ) -> Result<(), PortalError> {
        Box::pin(self.approve_deployment(actor, id, seen, comment)).await
    }

    async fn reject(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<(), PortalError> {
        self.reject_deployment(actor, id, reason).await
    }

    async fn cancel(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<(), PortalError> {
        self.cancel_deployment(actor, id, reason).await
    }

    async fn resume(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<(), PortalError> {
        self.resume_deployment(actor, id, reason).await
    }

    async fn roll_back_to(
        &self,
        actor: &Actor,
        id: DeploymentId,
        to: ReleaseId,
        reason: String,
    ) -> Result<DeploymentId, PortalError> {
        self.roll_back_deployment(actor, id, Some(to), reason).await
    }

    async fn roll_back(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<DeploymentId, PortalError> {
        self.roll_back_deployment(actor, id, None, reason).await
    }
    async fn override_freeze(
        &self,
        actor: &Actor,
        id: DeploymentId,
        freeze: String,
        reason: String,
    ) -> Result<(), PortalError> {
        self.override_the_freeze(actor, id, &freeze, &reason).await
    }

    async fn break_glass(
        &self,
        actor: &Actor,
        id: DeploymentId,
        new: NewBreakGlass,
    ) -> Result<DeploymentId, PortalError> {
        self.open_break_glass(actor, id, new).await
    }

    async fn review_break_glass(&self, actor: &Actor, id: BreakGlassId, new: NewReview) -> Result<(), PortalError> {
        self.review(actor, id, new).await
    }

    async fn break_glass_register(&self, actor: &Actor) -> Result<Register, PortalError> {
        self.register_page(actor).await
    }
}
