//! What runs where, and what waits for whom.

use super::{
    extract::{Caller, Someone, member},
    model::{EnvironmentList, InboxShape, ServiceDetail, ServiceList, ServiceShape},
};
use crate::http::{HttpState, problem::Problem};
use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use tidegate_domain::{
    access::{Action, can},
    name::ServiceName,
};

/// The services, what it takes to bring something to their environments, and what runs there; CI sees its own.
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
pub(crate) async fn services(State(state): State<HttpState>, caller: Caller) -> Result<Json<ServiceList>, Problem> {
    let home = state.portal.home(&caller.actor).await?;
    let catalog = state.catalog.get();
    let items = catalog
        .services
        .iter()
        .filter(|service| can(&caller.actor, Action::View, Some(&service.name)).is_ok())
        .map(|service| {
            let row = home.rows.iter().find(|row| row.service == service.name);
            let cells: Vec<_> = row.into_iter().flat_map(|row| row.cells.iter().flatten()).collect();
            ServiceShape::of(service, &cells)
        })
        .collect();
    Ok(Json(ServiceList { items }))
}

/// One service, with its newest releases and deployments.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}",
    tag = "catalogue",
    params(("name" = String, Path, description = "Name of a service", pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")),
    responses(
        (status = 200, description = "The service", body = ServiceDetail),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such service", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn service(
    State(state): State<HttpState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ServiceDetail>, Problem> {
    // What is no name names nothing.
    let name: ServiceName =
        member("name", &name).map_err(|_| Problem::new(StatusCode::NOT_FOUND, "there is no such service"))?;
    let page = state.portal.service(&caller.actor, name).await?;
    Ok(Json((&page).into()))
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
    caller: Caller,
) -> Result<Json<EnvironmentList>, Problem> {
    state.services.allow(&caller.actor, Action::View, None).await?;
    let items = state.catalog.get().environments.iter().map(Into::into).collect();
    Ok(Json(EnvironmentList { items }))
}

/// What waits on the caller, what they asked for, and what waits for others.
#[utoipa::path(
    get,
    path = "/api/v1/inbox",
    tag = "deployments",
    security(("session" = [])),
    responses(
        (status = 200, description = "What waits", body = InboxShape),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed, or no person", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn inbox(State(state): State<HttpState>, someone: Someone) -> Result<Json<InboxShape>, Problem> {
    let inbox = state.portal.inbox(&someone.0.actor()).await?;
    Ok(Json((&inbox).into()))
}
