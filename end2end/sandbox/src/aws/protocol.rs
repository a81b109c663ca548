//! How a request says what it asks for, and how an answer is written: one [`Protocol`] per
//! AWS protocol. Operations see and return JSON values whatever the bytes on the wire are.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use bytes::Bytes;
use serde_json::{Value, json};

use super::rest_json::RestJson;

/// One AWS protocol: recognises its requests, reads and writes their bodies.
pub(crate) trait Protocol: std::fmt::Debug + Sync {
    /// As botocore's service models call it.
    fn name(&self) -> &'static str;
    /// The service and operation, or `None` if the request is not of this protocol.
    fn recognise(&self, head: &Parts) -> Option<Target>;
    /// The same for a protocol whose bodies name the operation.
    fn recognise_whole(&self, head: &Parts, _: &Bytes) -> Option<Target> {
        self.recognise(head)
    }
    /// Reads a body, in the encoding that the headers of its request name.
    fn decode(&self, headers: &HeaderMap, body: &Bytes) -> Result<Value, AwsError>;
    /// Writes an answer; each time in it is marked by [`epoch`], for the protocol to write in its own way.
    fn encode(&self, answer: &Result<Value, AwsError>) -> Wire;
    /// Whether its bodies say more than the JSON values made of them: then the log keeps the bytes as well.
    fn is_binary(&self) -> bool {
        false
    }
    /// Whether a record holds the bodies as they were on the wire, for there to be more in them
    /// than what was understood.
    fn records_bodies(&self) -> bool {
        false
    }
    /// Reads a whole request, where its URI is part of its input.
    fn read(&self, head: &Parts, body: &Bytes) -> Result<Value, AwsError> {
        self.decode(&head.headers, body)
    }
    /// Writes an answer, where its form depends on the operation.
    fn write(&self, _: &Target, answer: &Result<Value, AwsError>) -> Wire {
        self.encode(answer)
    }
    /// The name and status that the service gives an error which every service has.
    fn dialect(&self, _: &Target, error: AwsError) -> AwsError {
        error
    }
    /// Whether the log also keeps the exchange as it was on the wire, for its URI and headers to be checked.
    fn keeps_wire(&self) -> bool {
        false
    }
}

/// Every protocol spoken here. A request belongs to the first that recognises it.
pub(crate) static PROTOCOLS: &[&dyn Protocol] =
    &[&AwsJson11, &super::query::AwsQuery, &super::cbor::RpcV2Cbor, &RestJson];

/// The AWS services that answer here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Service {
    CodeDeploy,
    Ecs,
    Ecr,
    ElbV2,
    Lambda,
    ApiGateway,
    ApiGatewayV2,
    CloudWatch,
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub service: Option<Service>,
    pub operation: String,
}

/// An answer as it goes over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An error as AWS reports it: an HTTP status, an exception's name and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AwsError {
    pub status: StatusCode,
    pub code: String,
    pub message: Option<String>,
}

impl AwsError {
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: code.into(),
            message: Some(message.into()),
        }
    }

    pub(crate) fn unknown_operation() -> Self {
        Self {
            message: None,
            ..Self::new("UnknownOperationException", "")
        }
    }

    pub(crate) fn missing_authentication() -> Self {
        Self::new("MissingAuthenticationTokenException", "Missing Authentication Token")
    }

    pub(crate) fn serialization(reason: &serde_json::Error) -> Self {
        Self::new("SerializationException", reason.to_string())
    }

    pub(crate) fn throttled() -> Self {
        Self::new("ThrottlingException", "Rate exceeded")
    }

    pub(crate) fn internal() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::new(
                "InternalFailure",
                "The request processing has failed because of an unknown error, exception, or failure.",
            )
        }
    }
}

/// JSON over POST to `/`, the operation in `X-Amz-Target`.
#[derive(Debug)]
pub(crate) struct AwsJson11;

const TARGETS: [(&str, Service); 3] = [
    ("CodeDeploy_20141006", Service::CodeDeploy),
    ("AmazonEC2ContainerServiceV20141113", Service::Ecs),
    ("AmazonEC2ContainerRegistry_V20150921", Service::Ecr),
];

impl Protocol for AwsJson11 {
    fn name(&self) -> &'static str {
        "json"
    }

    fn recognise(&self, head: &Parts) -> Option<Target> {
        let target = head.headers.get("x-amz-target")?.to_str().ok()?;
        let (prefix, operation) = target.split_once('.').unwrap_or((target, ""));
        Some(Target {
            service: TARGETS
                .iter()
                .find(|(name, _)| *name == prefix)
                .map(|(_, service)| *service),
            operation: operation.to_owned(),
        })
    }

    fn decode(&self, _: &HeaderMap, body: &Bytes) -> Result<Value, AwsError> {
        if body.is_empty() {
            return Ok(json!({}));
        }
        let value: Value = serde_json::from_slice(body).map_err(|error| AwsError::serialization(&error))?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(AwsError::new(
                "SerializationException",
                "Unexpected value type in payload",
            ))
        }
    }

    fn encode(&self, answer: &Result<Value, AwsError>) -> Wire {
        let (status, body) = match answer {
            Ok(value) => (StatusCode::OK, plain(value.clone())),
            Err(error) => (
                error.status,
                without_nulls(json!({ "__type": error.code, "message": error.message })),
            ),
        };
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-amz-json-1.1"),
        );
        Wire {
            status,
            headers,
            body: Bytes::from(body.to_string()),
        }
    }
}

/// AWS leaves out members that have no value; so does every answer here.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(_, member)| !member.is_null())
                .map(|(name, member)| (name, without_nulls(member)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Reads an operation's input; a member of the wrong type is refused as AWS does.
pub(crate) fn input<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, AwsError> {
    serde_json::from_value(body).map_err(|error| AwsError::serialization(&error))
}

/// The one member of an object that stands for a time.
pub(crate) const TIME: &str = "\u{0}epoch seconds";

/// Seconds since 1970 with milliseconds.
pub(crate) fn seconds(time: jiff::Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit in 53 bits")]
    let milliseconds = time.as_millisecond() as f64;
    milliseconds / 1000.0
}

/// A time in an answer, marked as one: a number would not tell it from any other.
pub(crate) fn epoch(time: jiff::Timestamp) -> Value {
    json!({ TIME: seconds(time) })
}

/// The seconds of a time that [`epoch`] has marked, or `None` for any other object.
pub(crate) fn marked_seconds(members: &serde_json::Map<String, Value>) -> Option<f64> {
    members.get(TIME)?.as_f64()
}

/// The seconds since 1970 of a value that is marked as a time.
pub(crate) fn time_of(value: &Value) -> Option<f64> {
    value.get(TIME)?.as_f64()
}

/// The value with its times as the JSON protocols and the log write them: seconds since 1970.
pub(crate) fn plain(value: Value) -> Value {
    match value {
        Value::Object(mut members) => match members.remove(TIME) {
            Some(seconds) => seconds,
            None => Value::Object(
                members
                    .into_iter()
                    .map(|(name, member)| (name, plain(member)))
                    .collect(),
            ),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}

/// One page of a list and the token of the next. The token is the index it starts at, opaque.
pub(crate) fn page<T: Clone>(items: &[T], token: Option<&str>, size: usize) -> Option<(Vec<T>, Option<String>)> {
    let start = match token {
        None => 0,
        Some(token) => usize::from_str_radix(token.strip_prefix("page-")?, 16).ok()?,
    };
    let rest = items.get(start..)?;
    let end = start + size.min(rest.len());
    let next = (end < items.len()).then(|| format!("page-{end:08x}"));
    Some((items[start..end].to_vec(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_marked_until_a_protocol_writes_it() {
        let made = "2026-03-02T09:00:00.5Z".parse().unwrap();
        let answer = json!({ "images": [{ "pushedAt": epoch(made), "size": 7 }] });
        assert!(answer["images"][0]["pushedAt"].is_object());
        let wire = AwsJson11.encode(&Ok(answer));
        // date -u -d 2026-03-02T09:00:00 +%s
        assert_eq!(wire.body, r#"{"images":[{"pushedAt":1772442000.5,"size":7}]}"#);
    }
}
