//! The audit log, to be read.

use super::{
    extract::{Caller, Filters, given, id},
    model::{EventList, EventShape},
};
use crate::http::{HttpState, problem::Problem};
use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use tidegate_app::model::AuditFilter;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventFilter {
    /// Dotted name, or its first part such as `approval`.
    #[param(pattern = "^[a-z_]+(\\.[a-z_]+)?$", max_length = 60)]
    kind: Option<String>,
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    service: Option<String>,
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    environment: Option<String>,
    /// Login.
    person: Option<String>,
    #[param(format = "uuid")]
    deployment: Option<String>,
    /// From this day on, UTC.
    #[param(format = "date")]
    from: Option<String>,
    /// Up to and with this day.
    #[param(format = "date")]
    to: Option<String>,
    /// `next` of the page before.
    #[param(minimum = 1)]
    before: Option<i64>,
}

/// Events of the audit log, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/audit/events",
    tag = "audit",
    params(EventFilter),
    responses(
        (status = 200, description = "A page of events", body = EventList),
        (status = 400, description = "A filter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such service, environment or deployment", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A filter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn events(
    State(state): State<HttpState>,
    caller: Caller,
    Filters(filter): Filters<EventFilter>,
) -> Result<Json<EventList>, Problem> {
    let filter = AuditFilter {
        kind: given("kind", filter.kind)?,
        service: given("service", filter.service)?,
        environment: given("environment", filter.environment)?,
        person: filter.person,
        deployment: given("deployment", filter.deployment)?,
        from: given("from", filter.from)?,
        to: given("to", filter.to)?,
        before: filter.before,
    };
    let page = state.portal.audit(&caller.actor, filter).await?;
    let items = page.events.iter().map(Into::into).collect();
    Ok(Json(EventList { items, next: page.next }))
}

/// One event of the audit log.
#[utoipa::path(
    get,
    path = "/api/v1/audit/{seq}",
    tag = "audit",
    params(("seq" = i64, Path, description = "Number of an event", minimum = 1)),
    responses(
        (status = 200, description = "The event", body = EventShape),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such event", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn one(
    State(state): State<HttpState>,
    caller: Caller,
    Path(seq): Path<String>,
) -> Result<Json<EventShape>, Problem> {
    let event = state.services.audit_event(&caller.actor, id(&seq, "event")?).await?;
    Ok(Json((&event).into()))
}
