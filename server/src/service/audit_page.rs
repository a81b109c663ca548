//! The audit log as a list.

use super::{
    Services,
    errors::{self, invalid},
    history::{environment_filter, given, service_filter, start_of},
};
use tidegate_app::{
    model::{AuditFilter, AuditPage},
    portal::PortalError,
};
use tidegate_domain::{Action, Actor, DeploymentId, audit::RecordedEvent, time::DAY};
use tidegate_store::AuditQuery;

/// Events on a page.
const PAGE: usize = 100;

impl Services {
    pub(crate) async fn audit_page(&self, actor: &Actor, filter: AuditFilter) -> Result<AuditPage, PortalError> {
        self.allow(actor, Action::ViewAudit, None).await?;
        let catalog = self.catalog();
        let query = AuditQuery {
            limit: PAGE + 1,
            ..query(filter)?
        };
        let mut events = self.db().audit(&query).await.map_err(errors::portal)?;
        let more = events.len() > PAGE;
        events.truncate(PAGE);
        Ok(AuditPage {
            next: events.last().filter(|_| more).map(|last| last.seq),
            events,
            services: catalog.services.iter().map(|service| service.name.clone()).collect(),
            environments: catalog
                .environments
                .iter()
                .map(|environment| environment.name.clone())
                .collect(),
            now: self.db().now().await.map_err(errors::portal)?,
        })
    }
}

impl Services {
    /// # Errors
    /// [`PortalError::NotFound`] without such an event.
    pub(crate) async fn audit_event(&self, actor: &Actor, seq: i64) -> Result<RecordedEvent, PortalError> {
        self.allow(actor, Action::ViewAudit, None).await?;
        let found = self.db().audit_event(seq).await.map_err(errors::portal)?;
        found.ok_or_else(|| PortalError::NotFound(format!("there is no event {seq}: the log does not reach so far")))
    }
}

fn query(filter: AuditFilter) -> Result<AuditQuery, PortalError> {
    Ok(AuditQuery {
        kind: given(filter.kind),
        service: service_filter(filter.service)?,
        environment: environment_filter(filter.environment)?,
        person: given(filter.person),
        deployment: given(filter.deployment)
            .map(|id| id.parse::<DeploymentId>())
            .transpose()
            .map_err(|error| invalid("deployment", error.to_string()))?,
        from: given(filter.from).map(|day| start_of("from", &day)).transpose()?,
        to: given(filter.to)
            .map(|day| start_of("to", &day))
            .transpose()?
            .map(|start| start.plus_millis(DAY)),
        before_seq: filter.before,
        limit: PAGE,
    })
}
