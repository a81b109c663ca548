//! What the handlers take from a request, with problem+json where it is wrong.

use crate::{
    http::{HttpState, guard, problem::Problem, session},
    service::{
        Acting, OnceKey, Services,
        ci::{CiCaller, CiError},
        people::{Known, Roles},
    },
};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::str::FromStr;
use tidegate_domain::access::Actor;

/// Who calls: CI by its bearer token, or a person by their session with the last known roles. Where there is a bearer
/// token, cookies are not looked at.
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    by: By,
}

/// The same; a person's roles were confirmed by GitHub within the last minute. For what brings something to production
/// (R5).
pub(crate) struct Confirmed(pub(crate) Caller);

/// A person, for what programs may not do.
pub(crate) struct Someone(pub(crate) Known);

enum By {
    Run(CiCaller),
    Session(Known),
}

impl Caller {
    async fn of(parts: &Parts, state: &HttpState, roles: Roles) -> Result<Self, Problem> {
        if guard::has_bearer(&parts.headers) {
            let run = state.ci.caller(bearer(&parts.headers)?).await.map_err(ci_problem)?;
            return Ok(Self {
                actor: run.actor.clone(),
                by: By::Run(run),
            });
        }
        match session::of(state, &parts.headers, roles).await? {
            Some(current) => Ok(Self {
                actor: current.known.actor(),
                by: By::Session(current.known),
            }),
            None => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "sign in: CI exchanges its Actions token at POST /api/v1/ci/session, people use their session",
            )),
        }
    }

    /// The use cases for this call, under its key if it has one.
    pub(crate) fn services(&self, state: &HttpState, once: Option<OnceKey>) -> Services {
        let roles_as_of = match &self.by {
            By::Session(known) => known.as_of,
            By::Run(_) => None,
        };
        state.services.acting(Acting { roles_as_of, once })
    }

    /// The workflow run that calls; `None` for a person.
    pub(crate) const fn run(&self) -> Option<&CiCaller> {
        match &self.by {
            By::Run(run) => Some(run),
            By::Session(_) => None,
        }
    }
}

impl FromRequestParts<HttpState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        Self::of(parts, state, Roles::LastKnown).await
    }
}

impl FromRequestParts<HttpState> for Confirmed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        Caller::of(parts, state, Roles::Confirmed).await.map(Self)
    }
}

impl FromRequestParts<HttpState> for Someone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        let caller = Caller::of(parts, state, Roles::LastKnown).await?;
        match caller.by {
            By::Session(known) => Ok(Self(known)),
            By::Run(_) => Err(Problem::new(StatusCode::FORBIDDEN, "only a person may do this")),
        }
    }
}

pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "send the header Authorization: Bearer TOKEN"))
}

pub(crate) fn ci_problem(error: CiError) -> Problem {
    match error {
        CiError::Refused(why) => Problem::new(StatusCode::UNAUTHORIZED, why),
        CiError::Unavailable(why) => {
            tracing::warn!(why, "CI cannot be let in");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "GitHub's keys cannot be read now: try again",
            )
        }
        error => {
            tracing::error!(%error, "CI cannot be let in");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database does not answer. Nothing was changed; try again in a minute",
            )
        }
    }
}

/// A JSON body, and the bytes it came as.
pub(crate) struct JsonBody<T> {
    pub(crate) value: T,
    pub(crate) raw: Bytes,
}

impl<T: DeserializeOwned> FromRequest<HttpState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Problem> {
        let media_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        if media_type.as_deref() != Some("application/json") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send JSON, with the header Content-Type: application/json",
            ));
        }
        let raw = Bytes::from_request(request, state).await.map_err(|rejection| {
            let status = rejection.status();
            let why = if status == StatusCode::PAYLOAD_TOO_LARGE {
                "the body is too large"
            } else {
                "the body did not arrive"
            };
            Problem::new(status, why)
        })?;
        let value = parse(&raw)?;
        Ok(Self { value, raw })
    }
}

fn parse<T: DeserializeOwned>(raw: &[u8]) -> Result<T, Problem> {
    let value: Value = serde_json::from_slice(raw)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}")))?;
    if let Some(path) = find_nul(&value, String::new()) {
        return Err(Problem::invalid(path, "the character U+0000 cannot be stored"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        let message = error.inner().to_string();
        // A member that is missing or unknown is named in the message only.
        let named = ["missing field `", "unknown field `"]
            .iter()
            .find_map(|start| message.strip_prefix(start))
            .and_then(|rest| rest.split('`').next());
        let field = match (path.as_str(), named) {
            ("", Some(name)) => name.to_owned(),
            (path, Some(name)) if !path.ends_with(name) => format!("{path}.{name}"),
            ("", None) => "body".to_owned(),
            (path, _) => path.to_owned(),
        };
        Problem::invalid(field, message)
    })
}

/// Path of the first text that holds the character that PostgreSQL cannot store.
fn find_nul(value: &Value, path: String) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then_some(path),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| find_nul(item, format!("{path}[{index}]"))),
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            find_nul(member, path)
        }),
        _ => None,
    }
}

/// Members of the query.
pub(crate) struct Filters<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<HttpState> for Filters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "the character U+0000 is in no name",
            ));
        }
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::new(StatusCode::BAD_REQUEST, rejection.body_text())),
        }
    }
}

/// A filter that is given, is not empty: nothing has an empty name, and a day is a day.
pub(crate) fn given(field: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.is_empty() => Err(Problem::invalid(field, "give a value, or leave it out")),
        text => Ok(text),
    }
}

/// An id in the path. What is no id names nothing.
pub(crate) fn id<T: FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, format!("there is no such {what}")))
}

/// A member that has a type of its own.
pub(crate) fn member<T: FromStr>(field: &str, text: &str) -> Result<T, Problem>
where
    T::Err: ToString,
{
    text.parse()
        .map_err(|error: T::Err| Problem::invalid(field, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Outer {
        name: String,
        gates: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Inner {
        verdict: bool,
    }

    #[test]
    fn an_error_names_the_member_that_is_wrong() {
        for (body, field) in [
            (r#"{}"#, "name"),
            (r#"{"name":1,"gates":[]}"#, "name"),
            (r#"{"name":"a","gates":[{"verdict":true},{}]}"#, "gates[1].verdict"),
            (r#"{"name":"a","gates":[{"verdict":"x"}]}"#, "gates[0].verdict"),
            (r#"{"name":"a","gates":[],"nam":1}"#, "nam"),
            (r#"{"name":"a\u0000","gates":[]}"#, "name"),
            (r#"[]"#, "body"),
        ] {
            let problem = parse::<Outer>(body.as_bytes()).unwrap_err();
            assert_eq!(
                (problem.status, problem.errors[0].field.as_str()),
                (422, field),
                "{body}: {problem:?}"
            );
        }
        assert_eq!(parse::<Outer>(b"{").unwrap_err().status, 400);
    }
}
