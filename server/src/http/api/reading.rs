//! What the configuration says: services and environments.

use super::{
    extract::Caller,
    model::{EnvironmentList, ServiceList},
};
use crate::http::{HttpState, problem::Problem};
use axum::{Json, extract::State};
use http::StatusCode;
use tidegate_domain::access::{Action, Actor, can};
use tidegate_domain::name::ServiceName;

fn may_see(actor: &Actor, service: Option<&ServiceName>) -> Result<(), Problem> {
    can(actor, Action::View, service).map_err(|denial| Problem::new(StatusCode::FORBIDDEN, denial.0))
}

/// The services, with their targets; CI sees its own.
#[utoipa::path(
    get,
    path = "/api/v1/services",
    tag = "catalogue",
    responses(
        (status = 200, description = "All that the caller may see", body = ServiceList),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn services(
    State(state): State<HttpState>,
    Caller(actor): Caller,
) -> Result<Json<ServiceList>, Problem> {
    may_see(&actor, None)?;
    let catalog = state.catalog.get();
    let items = catalog
        .services
        .iter()
        .filter(|service| may_see(&actor, Some(&service.name)).is_ok())
        .map(Into::into)
        .collect();
    Ok(Json(ServiceList { items }))
}

/// The environments.
#[utoipa::path(
    get,
    path = "/api/v1/environments",
    tag = "catalogue",
    responses(
        (status = 200, description = "In the order of promotion", body = EnvironmentList),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn environments(
    State(state): State<HttpState>,
    Caller(actor): Caller,
) -> Result<Json<EnvironmentList>, Problem> {
    may_see(&actor, None)?;
    let items = state.catalog.get().environments.iter().map(Into::into).collect();
    Ok(Json(EnvironmentList { items }))
}
