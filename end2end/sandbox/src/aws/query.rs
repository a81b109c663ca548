//! The awsQuery protocol: form parameters over POST to `/`, answers in XML.
//!
//! Numbers and booleans are strings here, on both ways: the services that speak it read them from
//! strings. <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>

use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::protocol::{AwsError, Protocol, Service, TIME, Target, Wire};

/// Form in, XML out; the operation is the parameter `Action`, the service its `Version`.
#[derive(Debug)]
pub(crate) struct AwsQuery;

/// The version that names a service, and the namespace of its answers.
const VERSIONS: [(&str, Service); 1] = [("2015-12-01", Service::ElbV2)];
const NAMESPACE: &str = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";

impl Protocol for AwsQuery {
    fn name(&self) -> &'static str {
        "query"
    }

    fn recognise(&self, _: &Parts) -> Option<Target> {
        None
    }

    fn recognise_whole(&self, head: &Parts, body: &Bytes) -> Option<Target> {
        let kind = head.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        if head.uri.path() != "/" || !kind.starts_with("application/x-www-form-urlencoded") {
            return None;
        }
        let parameter = |wanted: &str| {
            url::form_urlencoded::parse(body)
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
        };
        let version = parameter("Version").unwrap_or_default();
        Some(Target {
            operation: parameter("Action")?,
            service: VERSIONS
                .iter()
                .find(|(name, _)| *name == version)
                .map(|(_, service)| *service),
        })
    }

    fn decode(&self, _: &HeaderMap, body: &Bytes) -> Result<Value, AwsError> {
        let mut root = Node::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            if name != "Action" && name != "Version" {
                root.put(&name, &value).ok_or_else(|| {
                    AwsError::new("MalformedInput", format!("The parameter {name} contradicts another."))
                })?;
            }
        }
        root.into_object()
    }

    fn encode(&self, answer: &Result<Value, AwsError>) -> Wire {
        document("", answer)
    }

    fn write(&self, target: &Target, answer: &Result<Value, AwsError>) -> Wire {
        document(&target.operation, answer)
    }

    fn dialect(&self, _: &Target, error: AwsError) -> AwsError {
        let (status, code) = match error.code.as_str() {
            "ThrottlingException" => (StatusCode::BAD_REQUEST, "Throttling"),
            "MissingAuthenticationTokenException" => (StatusCode::FORBIDDEN, "MissingAuthenticationToken"),
            "UnknownOperationException" => (StatusCode::BAD_REQUEST, "InvalidAction"),
            _ => return error,
        };
        AwsError {
            status,
            code: code.into(),
            message: error.message,
        }
    }

    fn records_bodies(&self) -> bool {
        true
    }
}

/// The answer to an operation, which its elements are named after.
fn document(operation: &str, answer: &Result<Value, AwsError>) -> Wire {
    let id = uuid::Uuid::now_v7().to_string();
    let mut text = String::new();
    let status = match answer {
        Ok(value) => {
            text.push_str(&format!("<{operation}Response xmlns=\"{NAMESPACE}\">"));
            element(&mut text, &format!("{operation}Result"), value);
            let metadata = json!({ "RequestId": id });
            element(&mut text, "ResponseMetadata", &metadata);
            text.push_str(&format!("</{operation}Response>"));
            StatusCode::OK
        }
        Err(error) => {
            text.push_str(&format!("<ErrorResponse xmlns=\"{NAMESPACE}\">"));
            let sender = if error.status.is_server_error() {
                "Receiver"
            } else {
                "Sender"
            };
            let what = json!({ "Type": sender, "Code": error.code, "Message": error.message });
            element(&mut text, "Error", &what);
            element(&mut text, "RequestId", &json!(id));
            text.push_str("</ErrorResponse>");
            error.status
        }
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-amzn-requestid", id);
    }
    Wire {
        status,
        headers,
        body: Bytes::from(text),
    }
}

/// A parameter and those below it, in the order in which they came.
#[derive(Debug, Default)]
struct Node {
    value: Option<String>,
    below: Vec<(String, Node)>,
}

impl Node {
    /// `None` if the place is taken, or is both a value and a group of values.
    fn put(&mut self, name: &str, value: &str) -> Option<()> {
        let mut node = self;
        for part in name.split('.') {
            if node.value.is_some() {
                return None;
            }
            let index = match node.below.iter().position(|(each, _)| each == part) {
                Some(index) => index,
                None => {
                    node.below.push((part.to_owned(), Self::default()));
                    node.below.len() - 1
                }
            };
            node = &mut node.below[index].1;
        }
        if node.value.is_some() || !node.below.is_empty() {
            return None;
        }
        node.value = Some(value.to_owned());
        Some(())
    }

    fn into_object(self) -> Result<Value, AwsError> {
        let mut members = Map::new();
        for (name, node) in self.below {
            members.insert(name, node.into_value()?);
        }
        Ok(Value::Object(members))
    }

    fn into_value(self) -> Result<Value, AwsError> {
        if let Some(value) = self.value {
            return Ok(Value::String(value));
        }
        let is_list = self.below.len() == 1 && self.below[0].0 == "member";
        if !is_list {
            return self.into_object();
        }
        let Some((_, list)) = self.below.into_iter().next() else {
            return Ok(json!([]));
        };
        if list.value.is_some() {
            // `Names.member=` is how an empty list is written.
            return Ok(json!([]));
        }
        let mut items = Vec::new();
        for (index, node) in list.below {
            let index: usize = index
                .parse()
                .map_err(|_| AwsError::new("MalformedInput", format!("{index} is no position in a list.")))?;
            items.push((index, node.into_value()?));
        }
        items.sort_by_key(|(index, _)| *index);
        Ok(items.into_iter().map(|(_, item)| item).collect())
    }
}

fn element(text: &mut String, name: &str, value: &Value) {
    if value.is_null() {
        return;
    }
    text.push_str(&format!("<{name}>"));
    match value {
        Value::Object(members) => match members.get(TIME).and_then(Value::as_f64) {
            Some(seconds) => text.push_str(&date_time(seconds)),
            None => members.iter().for_each(|(name, member)| element(text, name, member)),
        },
        Value::Array(items) => items.iter().for_each(|item| element(text, "member", item)),
        Value::String(plain) => escape(text, plain),
        other => text.push_str(&other.to_string()),
    }
    text.push_str(&format!("</{name}>"));
}

/// ISO 8601 in UTC with milliseconds, as the protocol writes times.
fn date_time(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit in 64 bits")]
    let milliseconds = (seconds * 1000.0).round() as i64;
    jiff::Timestamp::from_millisecond(milliseconds)
        .map(|time| format!("{time:.3}"))
        .unwrap_or_default()
}

fn escape(text: &mut String, plain: &str) {
    for letter in plain.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(form: &'static str) -> Result<Value, AwsError> {
        AwsQuery.decode(&HeaderMap::new(), &Bytes::from_static(form.as_bytes()))
    }

    #[test]
    fn a_form_becomes_members_and_lists_in_the_order_of_their_positions() {
        let form = "Action=ModifyListener&Version=2015-12-01&ListenerArn=arn%3Aaws\
                    &DefaultActions.member.1.Type=forward\
                    &DefaultActions.member.1.ForwardConfig.TargetGroups.member.10.Weight=5\
                    &DefaultActions.member.1.ForwardConfig.TargetGroups.member.2.Weight=95";
        assert_eq!(
            decoded(form).unwrap(),
            json!({ "ListenerArn": "arn:aws", "DefaultActions": [{
                "Type": "forward",
                "ForwardConfig": { "TargetGroups": [{ "Weight": "95" }, { "Weight": "5" }] },
            }]})
        );
        assert_eq!(decoded("Names.member=").unwrap(), json!({ "Names": [] }));
    }

    #[test]
    fn a_parameter_given_twice_is_refused() {
        assert_eq!(decoded("Port=1&Port=2").unwrap_err().code, "MalformedInput");
        assert_eq!(decoded("A.member.x=2").unwrap_err().code, "MalformedInput");
        assert_eq!(decoded("A.B=1&A=2").unwrap_err().code, "MalformedInput");
    }

    #[test]
    fn an_answer_is_xml_in_the_namespace_of_its_service() {
        let made = "2026-03-02T09:00:00.5Z".parse().unwrap();
        let answer = json!({ "Names": ["a<b"], "At": super::super::protocol::epoch(made), "None": [] });
        let wire = document("Describe", &Ok(answer));
        let text = std::str::from_utf8(&wire.body).unwrap();
        let start = "<DescribeResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\
                     <DescribeResult><At>2026-03-02T09:00:00.500Z</At><Names><member>a&lt;b</member></Names>\
                     <None></None></DescribeResult><ResponseMetadata><RequestId>";
        assert!(text.starts_with(start), "{text}");
    }
}
