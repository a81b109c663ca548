//! What every request passes through: an id in its log lines and its answer, a time limit, and a page instead of a torn
//! connection when a handler panics.

use super::problem::{self, Problem};
use axum::{extract::Request, middleware::Next, response::Response};
use futures::FutureExt as _;
use http::{HeaderValue, StatusCode};
use std::{panic::AssertUnwindSafe, time::Duration};
use tower_http::compression::{
    CompressionLayer,
    predicate::{NotForContentType, Predicate, SizeAbove},
};
use tracing::Instrument as _;

/// Until the head of the answer. A live stream's body may take as long as it likes.
const PATIENCE: Duration = Duration::from_secs(30);
const REQUEST_ID: &str = "x-request-id";

/// Gives each request an id: what came from outside is not believed, it ends up in logs.
pub(crate) async fn request_id(request: Request, next: Next) -> Response {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());
    let mut response = next.run(request).instrument(span).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

pub(crate) async fn no_panic(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        // The panic hook has logged where and why.
        Err(_) => problem::refusal(
            &path,
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something in Tidegate broke. Deployments that run go on. Its log says more under this request's id.",
            ),
        ),
    }
}

pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problem::refusal(
            &path,
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "This took too long. Look whether it was done before you try again.",
            ),
        ),
    }
}

/// gzip for pages and JSON; brotli on the fly costs too much, and files of the site are compressed beforehand.
pub(crate) fn compression() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().gzip(true).compress_when(
        SizeAbove::new(512)
            .and(NotForContentType::SSE)
            .and(NotForContentType::IMAGES)
            .and(NotForContentType::const_new("application/wasm")),
    )
}
