//! The pages' questions to the server: read-only, one line each over [`Portal`], each as the person who asks.

use crate::{
    health::{DefinitionPage, HealthPage, LabAsk, LabPage},
    model::{AuditFilter, AuditPage, DeploymentPage, History, HistoryFilter, Home, Inbox, ServicePage},
    portal::{Portal, PortalError},
    shape::Register,
    visitor::Visitor,
};
use leptos::{
    prelude::{server, use_context},
    server_fn::{
        codec::JsonEncoding,
        error::{FromServerFnError, ServerFnErrorErr},
    },
};
use std::sync::Arc;
use tidegate_domain::{Actor, id::DeploymentId, name::ServiceName};

impl FromServerFnError for PortalError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// The portal, and who asks it.
fn portal() -> Result<(Arc<dyn Portal>, Actor), PortalError> {
    let portal = use_context::<Arc<dyn Portal>>()
        .ok_or_else(|| PortalError::Unavailable("the portal is not wired up".to_owned()))?;
    let actor = use_context::<Visitor>()
        .and_then(|visitor| visitor.actor)
        .ok_or(PortalError::NotSignedIn)?;
    Ok((portal, actor))
}

#[server(name = ReadHome, prefix = "/rpc", endpoint = "home")]
pub async fn home() -> Result<Home, PortalError> {
    let (portal, actor) = portal()?;
    portal.home(&actor).await
}

#[server(name = ReadInbox, prefix = "/rpc", endpoint = "inbox")]
pub async fn inbox() -> Result<Inbox, PortalError> {
    let (portal, actor) = portal()?;
    portal.inbox(&actor).await
}

#[server(name = ReadWaitingOn, prefix = "/rpc", endpoint = "waiting-on")]
pub async fn waiting_on() -> Result<usize, PortalError> {
    let (portal, actor) = portal()?;
    portal.waiting_on(&actor).await
}

#[server(name = ReadHistory, prefix = "/rpc", endpoint = "history")]
pub async fn history(filter: HistoryFilter) -> Result<History, PortalError> {
    let (portal, actor) = portal()?;
    portal.history(&actor, filter).await
}

#[server(name = ReadDeployment, prefix = "/rpc", endpoint = "deployment")]
pub async fn deployment(id: DeploymentId) -> Result<DeploymentPage, PortalError> {
    let (portal, actor) = portal()?;
    portal.deployment(&actor, id).await
}

#[server(name = ReadService, prefix = "/rpc", endpoint = "service")]
pub async fn service(name: ServiceName) -> Result<ServicePage, PortalError> {
    let (portal, actor) = portal()?;
    portal.service(&actor, name).await
}

#[server(name = ReadBreakGlass, prefix = "/rpc", endpoint = "break-glass")]
pub async fn break_glass() -> Result<Register, PortalError> {
    let (portal, actor) = portal()?;
    portal.break_glass_register(&actor).await
}

#[server(name = ReadAudit, prefix = "/rpc", endpoint = "audit")]
pub async fn audit(filter: AuditFilter) -> Result<AuditPage, PortalError> {
    let (portal, actor) = portal()?;
    portal.audit(&actor, filter).await
}

#[server(name = ReadHealth, prefix = "/rpc", endpoint = "health")]
pub async fn health(id: DeploymentId) -> Result<HealthPage, PortalError> {
    let (portal, actor) = portal()?;
    portal.health(&actor, id).await
}

#[server(name = ReadDefinition, prefix = "/rpc", endpoint = "definition")]
pub async fn definition(version: String) -> Result<DefinitionPage, PortalError> {
    let (portal, actor) = portal()?;
    portal.definition(&actor, version).await
}

#[server(name = ReadLab, prefix = "/rpc", endpoint = "lab")]
pub async fn lab(ask: LabAsk) -> Result<LabPage, PortalError> {
    let (portal, actor) = portal()?;
    portal.lab(&actor, ask).await
}
