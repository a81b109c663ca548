//! The API under `/api/v1`: for CI with an exchanged Actions token, for people's programs with their session.
//!
//! Errors are problem+json (RFC 9457), lists page by key, and every POST takes an `Idempotency-Key`. The document at
//! `/api/v1/openapi.json` is made from the handlers and held against the running server by schemathesis.

mod audit;
mod ci;
mod deployments;
mod extract;
mod gates;
mod marks;
mod model;
mod once;
mod reading;
mod releases;
mod sessions;

use super::{HttpState, problem::Problem};
use axum::{
    Json, Router,
    extract::Request,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, header};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidegate",
        description = "Report releases and gates from CI, request deployments, read everything, approve.\n\n\
            **CI** proves itself once with its GitHub Actions OIDC token at `POST /api/v1/ci/session` and gets a bearer \
            token for one service, which holds for 15 minutes. An Actions token is exchanged once: ask Actions for a new \
            one for the next exchange.\n\n\
            **People** use the session cookie that signing in gave their browser; requests that change something must then \
            come from Tidegate's own pages.\n\n\
            **Errors** are `application/problem+json`; `errors[].field` names what is wrong. **Lists** end with `next`: \
            give it as `after` for the page that follows. **Idempotency-Key**: a POST repeated with the same key and body \
            within 24 hours gets the first answer again."
    ),
    modifiers(&Security),
    security(("ci" = []), ("session" = [])),
    tags(
        (name = "ci", description = "Signing in from a workflow run"),
        (name = "releases", description = "Releases and their gates"),
        (name = "deployments", description = "Deployments and decisions about them"),
        (name = "catalogue", description = "Services and environments, and what runs there"),
        (name = "break-glass", description = "The register of break-glass, and its reviews"),
        (name = "audit", description = "The audit log"),
        (name = "sessions", description = "Who is signed in, for administrators"),
    )
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "ci",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some("What `POST /api/v1/ci/session` returned"))
                    .build(),
            ),
        );
        components.add_security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "__Host-tidegate",
                "A person's session; `tidegate` on loopback HTTP",
            ))),
        );
        components.add_security_scheme(
            "actions",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .bearer_format("JWT")
                    .description(Some(
                        "The workflow run's GitHub Actions OIDC token; for the exchange only",
                    ))
                    .build(),
            ),
        );
        // Its own version: the document is for callers of `/api/v1`.
        "1".clone_into(&mut document.info.version);
    }
}

fn documented() -> OpenApiRouter<HttpState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(ci::exchange))
        .routes(routes!(releases::list, releases::register))
        .routes(routes!(releases::one))
        .routes(routes!(releases::report_gates))
        .routes(routes!(deployments::list, deployments::request))
        .routes(routes!(deployments::one))
        .routes(routes!(deployments::events))
        .routes(routes!(deployments::approve))
        .routes(routes!(deployments::reject))
        .routes(routes!(deployments::cancel))
        .routes(routes!(deployments::resume))
        .routes(routes!(deployments::roll_back))
        .routes(routes!(marks::mark))
        .routes(routes!(gates::override_freeze))
        .routes(routes!(gates::break_glass))
        .routes(routes!(gates::register))
        .routes(routes!(gates::review))
        .routes(routes!(reading::inbox))
        .routes(routes!(reading::services))
        .routes(routes!(reading::service))
        .routes(routes!(reading::environments))
        .routes(routes!(audit::events))
        .routes(routes!(audit::one))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(sessions::end_all))
}

/// The OpenAPI 3.1 document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

pub(crate) fn routes() -> Router<HttpState> {
    let (router, document) = documented().split_for_parts();
    router
        .route("/api/v1/openapi.json", get(async move || Json(document)))
        .layer(middleware::from_fn(acceptable))
}

/// The API speaks JSON: a caller that takes anything else only is told so.
async fn acceptable(request: Request, next: Next) -> Response {
    let mut offers = request.headers().get_all(header::ACCEPT).iter().peekable();
    let takes_json = offers.peek().is_none()
        || offers
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|offer| offer.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
            .any(|kind| {
                matches!(
                    kind.as_str(),
                    "*/*" | "application/*" | "application/json" | "application/problem+json"
                )
            });
    if takes_json {
        next.run(request).await
    } else {
        Problem::new(StatusCode::NOT_ACCEPTABLE, "this API answers with application/json").into_response()
    }
}
