//! restJson1, as Lambda and API Gateway speak it: the operation is in the method and the path, its input in
//! path, query and body together, the name of an error in a header.
//!
//! An operation sees one object with all members of its input, named as in the body; members of the query
//! are strings.

use std::str::FromStr as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::protocol::{AwsError, Protocol, Service, Target, Wire, marked_seconds, plain, without_nulls};

/// One operation: `{…}` in the path is a member of its input.
#[derive(Debug)]
struct Route {
    service: Service,
    method: &'static str,
    path: &'static str,
    operation: &'static str,
    /// Of an answer that is no error.
    status: StatusCode,
}

const fn route(
    service: Service,
    method: &'static str,
    path: &'static str,
    operation: &'static str,
    status: StatusCode,
) -> Route {
    Route {
        service,
        method,
        path,
        operation,
        status,
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>,
/// <https://docs.aws.amazon.com/apigateway/latest/api/API_Operations.html> and
/// <https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/api-reference.html>.
static ROUTES: &[Route] = {
    use Service::{ApiGateway as V1, ApiGatewayV2 as V2, Lambda};
    const GET: &str = "GET";
    const OK: StatusCode = StatusCode::OK;
    const CREATED: StatusCode = StatusCode::CREATED;
    const EMPTY: StatusCode = StatusCode::NO_CONTENT;
    const FUNCTION: &str = "/2015-03-31/functions/{FunctionName}";
    const CONFIGURATION: &str = "/2015-03-31/functions/{FunctionName}/configuration";
    const CODE: &str = "/2015-03-31/functions/{FunctionName}/code";
    const VERSIONS: &str = "/2015-03-31/functions/{FunctionName}/versions";
    const ALIASES: &str = "/2015-03-31/functions/{FunctionName}/aliases";
    const ALIAS: &str = "/2015-03-31/functions/{FunctionName}/aliases/{Name}";
    const TAGS: &str = "/2017-03-31/tags/{Resource}";
    const STAGE: &str = "/restapis/{restApiId}/stages/{stageName}";
    const DEPLOYMENTS: &str = "/restapis/{restApiId}/deployments";
    const DEPLOYMENT: &str = "/restapis/{restApiId}/deployments/{deploymentId}";
    const STAGE_V2: &str = "/v2/apis/{apiId}/stages/{stageName}";
    const DEPLOYMENTS_V2: &str = "/v2/apis/{apiId}/deployments";
    const DEPLOYMENT_V2: &str = "/v2/apis/{apiId}/deployments/{deploymentId}";
    &[
        route(Lambda, GET, FUNCTION, "GetFunction", OK),
        route(Lambda, GET, CONFIGURATION, "GetFunctionConfiguration", OK),
        route(Lambda, "PUT", CODE, "UpdateFunctionCode", OK),
        route(Lambda, "POST", VERSIONS, "PublishVersion", CREATED),
        route(Lambda, GET, VERSIONS, "ListVersionsByFunction", OK),
        route(Lambda, GET, ALIASES, "ListAliases", OK),
        route(Lambda, GET, ALIAS, "GetAlias", OK),
        route(Lambda, "PUT", ALIAS, "UpdateAlias", OK),
        route(Lambda, GET, TAGS, "ListTags", OK),
        route(Lambda, "POST", TAGS, "TagResource", EMPTY),
        route(V1, GET, "/restapis/{restApiId}", "GetRestApi", OK),
        route(V1, GET, STAGE, "GetStage", OK),
        route(V1, "PATCH", STAGE, "UpdateStage", OK),
        route(V1, GET, DEPLOYMENTS, "GetDeployments", OK),
        route(V1, "POST", DEPLOYMENTS, "CreateDeployment", CREATED),
        route(V1, GET, DEPLOYMENT, "GetDeployment", OK),
        route(V1, "DELETE", DEPLOYMENT, "DeleteDeployment", StatusCode::ACCEPTED),
        route(V2, GET, "/v2/apis/{apiId}", "GetApi", OK),
        route(V2, GET, STAGE_V2, "GetStage", OK),
        route(V2, "PATCH", STAGE_V2, "UpdateStage", OK),
        route(V2, GET, DEPLOYMENTS_V2, "GetDeployments", OK),
        route(V2, "POST", DEPLOYMENTS_V2, "CreateDeployment", CREATED),
        route(V2, GET, DEPLOYMENT_V2, "GetDeployment", OK),
    ]
};

/// The part of a path that a segment of the template stands for.
fn bind(template: &str, path: &str) -> Option<Map<String, Value>> {
    let mut members = Map::new();
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(members),
            (Some(wanted), Some(given)) => match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !given.is_empty() => {
                    members.insert(name.to_owned(), percent_decoded(given).into());
                }
                None if wanted == given => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

/// As in a path, where `+` stands for itself.
fn percent_decoded(segment: &str) -> String {
    let kept = segment.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(kept.as_bytes())
        .next()
        .map(|(text, _)| text.into_owned())
        .unwrap_or_default()
}

fn find(head: &Parts) -> Option<(&'static Route, Map<String, Value>)> {
    ROUTES
        .iter()
        .filter(|route| route.method == head.method.as_str())
        .find_map(|route| Some((route, bind(route.path, head.uri.path())?)))
}

/// JSON over any method, the operation in the path.
#[derive(Debug)]
pub(crate) struct RestJson;

impl Protocol for RestJson {
    fn name(&self) -> &'static str {
        "rest-json"
    }

    fn recognise(&self, head: &Parts) -> Option<Target> {
        let (route, _) = find(head)?;
        Some(Target {
            service: Some(route.service),
            operation: route.operation.to_owned(),
        })
    }

    fn decode(&self, _: &HeaderMap, body: &Bytes) -> Result<Value, AwsError> {
        if body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(body)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| AwsError::new("SerializationException", "Could not parse request body into json"))
    }

    fn read(&self, head: &Parts, body: &Bytes) -> Result<Value, AwsError> {
        let mut input = self.decode(&head.headers, body)?;
        let (_, members) = find(head).ok_or_else(AwsError::unknown_operation)?;
        let query = head.uri.query().unwrap_or_default();
        for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
            input[name.as_ref()] = text.as_ref().into();
        }
        for (name, value) in members {
            input[name] = value;
        }
        Ok(input)
    }

    fn encode(&self, answer: &Result<Value, AwsError>) -> Wire {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (status, body) = match answer {
            Ok(value) => (StatusCode::OK, plain(value.clone())),
            Err(error) => {
                if let Ok(code) = HeaderValue::from_str(&error.code) {
                    headers.insert(HeaderName::from_static("x-amzn-errortype"), code);
                }
                if error.status == StatusCode::TOO_MANY_REQUESTS {
                    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                }
                (error.status, without_nulls(json!({ "message": error.message })))
            }
        };
        Wire {
            status,
            headers,
            body: Bytes::from(body.to_string()),
        }
    }

    fn write(&self, target: &Target, answer: &Result<Value, AwsError>) -> Wire {
        let mut wire = match (target.service, answer) {
            (Some(Service::ApiGatewayV2), Ok(value)) => self.encode(&Ok(with_dates(value.clone()))),
            _ => self.encode(answer),
        };
        let route = ROUTES
            .iter()
            .find(|route| Some(route.service) == target.service && route.operation == target.operation);
        match (answer, route) {
            (Ok(value), Some(route)) => {
                wire.status = route.status;
                if value.as_object().is_some_and(Map::is_empty) && route.status != StatusCode::OK {
                    wire.body = Bytes::new();
                }
            }
            (Err(error), _) if target.service == Some(Service::Lambda) => {
                wire.body = Bytes::from(lambda_error(error).to_string());
            }
            _ => {}
        }
        wire
    }

    fn dialect(&self, target: &Target, error: AwsError) -> AwsError {
        let lambda = target.service == Some(Service::Lambda);
        let (status, code) = match error.code.as_str() {
            "ThrottlingException" => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
            "InternalFailure" if lambda && error.status == StatusCode::INTERNAL_SERVER_ERROR => {
                (error.status, "ServiceException")
            }
            "MissingAuthenticationTokenException" => (StatusCode::FORBIDDEN, error.code.as_str()),
            _ => return error,
        };
        AwsError {
            status,
            code: code.to_owned(),
            message: error.message,
        }
    }

    fn keeps_wire(&self) -> bool {
        true
    }
}

/// Lambda says whose fault it was, and in some of its errors has a capital letter.
fn lambda_error(error: &AwsError) -> Value {
    let sentence = match error.code.as_str() {
        "ResourceNotFoundException" | "ServiceException" => "Message",
        _ => "message",
    };
    let fault = match error.code.as_str() {
        _ if error.status.is_server_error() => Some("Service"),
        "ResourceNotFoundException"
        | "InvalidParameterValueException"
        | "ResourceConflictException"
        | "PreconditionFailedException"
        | "TooManyRequestsException" => Some("User"),
        _ => None,
    };
    let reason = (error.code == "TooManyRequestsException").then_some("CallerRateLimitExceeded");
    without_nulls(json!({ "Type": fault, sentence: error.message, "Reason": reason }))
}

/// The second version of API Gateway writes times as RFC 3339 in whole seconds.
fn with_dates(value: Value) -> Value {
    match value {
        Value::Object(members) => match marked_seconds(&members) {
            Some(seconds) => date(seconds).into(),
            None => Value::Object(
                members
                    .into_iter()
                    .map(|(name, member)| (name, with_dates(member)))
                    .collect(),
            ),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(with_dates).collect()),
        other => other,
    }
}

/// A part of a second is cut off, so that nothing was made in the future.
fn date(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 fit in 53 bits")]
    let whole = seconds as i64;
    Timestamp::from_second(whole)
        .map(|time| time.to_string())
        .unwrap_or_default()
}

/// A request and its answer, if there is one, as they were on the wire, for the log.
pub(crate) fn exchange(head: &Parts, body: &Bytes, wire: Option<&Wire>) -> Value {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let headers = |wire: &Wire| -> Map<String, Value> {
        wire.headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into())))
            .collect()
    };
    json!({
        "method": head.method.as_str(),
        "uri": head.uri.to_string(),
        "body": text(body),
        "answer": wire.map(|wire| json!({ "headers": headers(wire), "body": text(&wire.body) })),
    })
}

/// A number in the query, or the error that says it is none.
pub(crate) fn number(value: Option<&str>, name: &str) -> Result<Option<usize>, String> {
    value
        .map(|text| usize::from_str(text).map_err(|_| format!("Invalid value for {name}: {text}")))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, uri: &str) -> Parts {
        axum::http::Request::builder()
            .method(method)
            .uri(uri)
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    #[test]
    fn the_operation_is_in_the_method_and_the_path() {
        for (method, uri, operation) in [
            ("GET", "/2015-03-31/functions/web", "GetFunction"),
            ("GET", "/2015-03-31/functions/web/aliases?MaxItems=2", "ListAliases"),
            ("PUT", "/2015-03-31/functions/web/aliases/live", "UpdateAlias"),
            ("PATCH", "/v2/apis/a1/stages/$default", "UpdateStage"),
        ] {
            let target = RestJson.recognise(&head(method, uri)).unwrap();
            assert_eq!(target.operation, operation);
        }
        for (method, uri) in [
            ("POST", "/"),
            ("PUT", "/2015-03-31/functions/web"),
            ("GET", "/2015-03-31/functions//aliases"),
            ("GET", "/restapis/a1/stages/prod/more"),
        ] {
            assert!(RestJson.recognise(&head(method, uri)).is_none(), "{method} {uri}");
        }
    }

    #[test]
    fn path_query_and_body_are_one_input() {
        let head = head(
            "PUT",
            "/2015-03-31/functions/arn%3Aaws%3Alambda/aliases/a+b?Qualifier=%24LATEST",
        );
        let body = Bytes::from_static(br#"{"FunctionVersion":"2"}"#);
        assert_eq!(
            RestJson.read(&head, &body).unwrap(),
            json!({ "FunctionName": "arn:aws:lambda", "Name": "a+b", "Qualifier": "$LATEST", "FunctionVersion": "2" })
        );
        let wrong = RestJson.read(&head, &Bytes::from_static(b"[]")).unwrap_err();
        assert_eq!(wrong.code, "SerializationException");
    }

    #[test]
    fn the_second_version_of_api_gateway_writes_times_in_whole_seconds() {
        let target = Target {
            service: Some(Service::ApiGatewayV2),
            operation: "GetApi".into(),
        };
        let made = "2026-03-02T09:00:00.9Z".parse().unwrap();
        let answer = json!({ "createdDate": crate::aws::protocol::epoch(made) });
        let wire = RestJson.write(&target, &Ok(answer));
        assert_eq!(wire.body, r#"{"createdDate":"2026-03-02T09:00:00Z"}"#);
    }

    #[test]
    fn a_throttled_request_is_told_when_to_come_back() {
        let target = Target {
            service: Some(Service::Lambda),
            operation: "GetFunction".into(),
        };
        let error = RestJson.dialect(&target, AwsError::throttled());
        let wire = RestJson.write(&target, &Err(error));
        assert_eq!(wire.status, 429);
        assert_eq!(wire.headers["x-amzn-errortype"], "TooManyRequestsException");
        assert_eq!(wire.headers["retry-after"], "1");
        assert_eq!(
            wire.body,
            r#"{"Reason":"CallerRateLimitExceeded","Type":"User","message":"Rate exceeded"}"#
        );
    }
}
