//! What went wrong, for a machine (problem+json, RFC 9457) or for a person (a page). The one place where errors become
//! statuses.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use tidegate_app::portal::PortalError;
use utoipa::ToSchema;

/// An error of the API (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:tidegate:problem:` and a name that does not change.
    #[serde(rename = "type")]
    pub(crate) kind: Cow<'static, str>,
    /// The status in words.
    pub(crate) title: Cow<'static, str>,
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// What happened and what to do about it.
    pub(crate) detail: String,
    /// The members that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<FieldError>,
    /// Seconds to wait, as in the header `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct FieldError {
    /// Path of the member, such as `gates[0].verdict`.
    pub(crate) field: String,
    pub(crate) message: String,
}

/// Media type of problems.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: kind(status).into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        Self {
            errors: vec![FieldError {
                field: field.clone(),
                message: message.clone(),
            }],
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{field}: {message}"))
        }
    }

    pub(crate) fn too_many(seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                format!("too many of these in a short time: try again in {seconds} s"),
            )
        }
    }

    pub(crate) fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

const fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "urn:tidegate:problem:malformed",
        401 => "urn:tidegate:problem:not-signed-in",
        403 => "urn:tidegate:problem:forbidden",
        404 => "urn:tidegate:problem:not-found",
        405 => "urn:tidegate:problem:method-not-allowed",
        406 => "urn:tidegate:problem:not-acceptable",
        408 => "urn:tidegate:problem:too-slow",
        409 => "urn:tidegate:problem:conflict",
        413 => "urn:tidegate:problem:too-large",
        415 => "urn:tidegate:problem:media-type",
        422 => "urn:tidegate:problem:invalid",
        429 => "urn:tidegate:problem:too-many",
        503 => "urn:tidegate:problem:unavailable",
        _ => "about:blank",
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code();
        let retry_after = self
            .retry_after
            .or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(5));
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"tidegate\""),
            );
        }
        response
    }
}

impl From<PortalError> for Problem {
    fn from(error: PortalError) -> Self {
        match error {
            PortalError::NotSignedIn => Self::new(StatusCode::UNAUTHORIZED, "sign in first"),
            PortalError::Forbidden(why) => Self::new(StatusCode::FORBIDDEN, why),
            PortalError::NotFound(what) => Self::new(StatusCode::NOT_FOUND, what),
            PortalError::Conflict(why) => Self::new(StatusCode::CONFLICT, why),
            PortalError::Invalid { field, message } => Self::invalid(field, message),
            PortalError::Unavailable(why) => Self::new(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}

/// Whether a path is asked by programs, who get problem+json.
pub(crate) fn is_for_programs(path: &str) -> bool {
    ["/api/", "/webhooks/", "/rpc/", "/events", "/healthz", "/readyz"]
        .iter()
        .any(|start| path.starts_with(start))
}

/// A refusal in the form that fits whoever asks for `path`.
pub(crate) fn refusal(path: &str, problem: Problem) -> Response {
    if is_for_programs(path) {
        return problem.into_response();
    }
    refusal_with(problem, ("/".to_owned(), "Back to Tidegate"))
}

/// A refusal as a page, and where to go on from it.
pub(crate) fn refusal_with(problem: Problem, action: (String, &'static str)) -> Response {
    let retry_after = problem.retry_after;
    let mut response = Page {
        status: problem.code(),
        title: problem.title.into_owned(),
        text: problem.detail,
        action,
    }
    .into_response();
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A page of a few sentences, for when the pages proper cannot speak. [`super::frame`] puts it into the app's frame.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) title: String,
    pub(crate) text: String,
    /// Where to go on, and what the link says.
    pub(crate) action: (String, &'static str),
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_member_that_is_wrong() {
        let problem = Problem::from(PortalError::Invalid {
            field: "reason".to_owned(),
            message: "say why".to_owned(),
        });
        assert_eq!(
            serde_json::to_value(problem).unwrap(),
            serde_json::json!({
                "type": "urn:tidegate:problem:invalid",
                "title": "Unprocessable Entity",
                "status": 422,
                "detail": "reason: say why",
                "errors": [{ "field": "reason", "message": "say why" }],
            })
        );
    }
}
