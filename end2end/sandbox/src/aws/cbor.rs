//! rpcv2Cbor, the protocol of CloudWatch: CBOR over POST to `/service/{service}/operation/{operation}`.
//! <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>
//!
//! A time is a number of seconds since 1970 under tag 1; no other tag occurs. In the values that operations see it is a
//! plain number, as in the JSON protocols.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ciborium::Value as Cbor;
use serde_json::{Map, Value, json};

use super::protocol::{AwsError, Protocol, Service, Target, Wire, time_of, without_nulls};

const EPOCH: u64 = 1;
const TARGETS: [(&str, Service); 1] = [("GraniteServiceVersion20100801", Service::CloudWatch)];

#[derive(Debug)]
pub(crate) struct RpcV2Cbor;

impl Protocol for RpcV2Cbor {
    fn name(&self) -> &'static str {
        "smithy-rpc-v2-cbor"
    }

    fn recognise(&self, head: &Parts) -> Option<Target> {
        if head.headers.get("smithy-protocol")? != "rpc-v2-cbor" {
            return None;
        }
        let (service, operation) = head.uri.path().strip_prefix("/service/")?.split_once("/operation/")?;
        let (_, service) = TARGETS.iter().find(|(name, _)| *name == service)?;
        Some(Target {
            service: Some(*service),
            operation: operation.to_owned(),
        })
    }

    fn decode(&self, _: &HeaderMap, body: &Bytes) -> Result<Value, AwsError> {
        let refused = |reason: String| AwsError::new("SerializationException", reason);
        if body.is_empty() {
            return Ok(json!({}));
        }
        let read: Cbor = ciborium::from_reader(&body[..]).map_err(|error| refused(error.to_string()))?;
        match to_json(read).map_err(refused)? {
            value @ Value::Object(_) => Ok(value),
            _ => Err(refused("Unexpected value type in payload".to_owned())),
        }
    }

    fn encode(&self, answer: &Result<Value, AwsError>) -> Wire {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/cbor"));
        headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        let (status, value) = match answer {
            Ok(value) => (StatusCode::OK, to_cbor(value)),
            Err(error) => {
                if let Ok(words) = HeaderValue::from_str(&query_error(error)) {
                    headers.insert("x-amzn-query-error", words);
                }
                let shape = format!("com.amazonaws.cloudwatch#{}", error.code);
                let body = without_nulls(json!({ "__type": shape, "message": error.message }));
                (error.status, to_cbor(&body))
            }
        };
        let mut body = Vec::new();
        if let Err(error) = ciborium::into_writer(&value, &mut body) {
            tracing::error!(%error, "cannot write an answer");
        }
        Wire {
            status,
            headers,
            body: Bytes::from(body),
        }
    }

    fn is_binary(&self) -> bool {
        true
    }
}

/// CloudWatch once spoke the query protocol; its errors still carry the codes of then beside their shapes.
fn query_error(error: &AwsError) -> String {
    let code = match error.code.as_str() {
        "ValidationException" => "ValidationError",
        "ThrottlingException" => "Throttling",
        code => code,
    };
    let fault = if error.status.is_server_error() {
        "Receiver"
    } else {
        "Sender"
    };
    format!("{code};{fault}")
}

fn to_json(value: Cbor) -> Result<Value, String> {
    Ok(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(flag) => Value::Bool(flag),
        Cbor::Text(text) => Value::String(text),
        Cbor::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
        Cbor::Float(number) => serde_json::Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("{number} is no number"))?,
        Cbor::Integer(number) => i64::try_from(number)
            .map(Value::from)
            .map_err(|_| "an integer is too large".to_owned())?,
        Cbor::Tag(EPOCH, inner) => match *inner {
            number @ (Cbor::Integer(_) | Cbor::Float(_)) => to_json(number)?,
            _ => return Err("a time is no number of seconds".to_owned()),
        },
        Cbor::Array(items) => Value::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?),
        Cbor::Map(members) => {
            let mut object = Map::new();
            for (name, member) in members {
                let Cbor::Text(name) = name else {
                    return Err("the name of a member is no text".to_owned());
                };
                object.insert(name, to_json(member)?);
            }
            Value::Object(object)
        }
        _ => return Err("a type that the protocol does not have".to_owned()),
    })
}

fn to_cbor(value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(flag) => Cbor::Bool(*flag),
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Number(number) => number.as_i64().map_or_else(
            || Cbor::Float(number.as_f64().unwrap_or_default()),
            |whole| Cbor::Integer(whole.into()),
        ),
        Value::Array(items) => Cbor::Array(items.iter().map(to_cbor).collect()),
        Value::Object(members) => match time_of(value) {
            Some(seconds) => Cbor::Tag(EPOCH, Box::new(Cbor::Float(seconds))),
            None => Cbor::Map(
                members
                    .iter()
                    .map(|(name, member)| (Cbor::Text(name.clone()), to_cbor(member)))
                    .collect(),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{super::protocol::epoch, *};

    #[test]
    fn a_time_is_written_under_tag_1() {
        let at = "2026-03-02T09:00:00.5Z".parse().unwrap();
        let wire = RpcV2Cbor.encode(&Ok(json!({ "L": [epoch(at), 1.0, 7] })));
        // RFC 8949: a map of one (a1), a text (61 4c), a list of three (83), tag 1 (c1), a double (fb), 1.0 in 16
        // bits (f9 3c00), an integer (07).
        // date -u -d 2026-03-02T09:00:00 +%s: 1772442000; struct.pack(">d", 1772442000.5).hex(): 41da695464200000.
        assert_eq!(hex::encode(&wire.body), "a1614c83c1fb41da695464200000f93c0007");
    }

    #[test]
    fn maps_and_lists_of_unknown_length_are_read() {
        // {_ "A": [_ 1], "T": 1(1772442000)}
        let body = hex::decode("bf61419f01ff6154c11a69a55190ff").unwrap();
        let read = RpcV2Cbor.decode(&HeaderMap::new(), &Bytes::from(body)).unwrap();
        assert_eq!(read, json!({ "A": [1], "T": 1_772_442_000 }));
    }

    #[test]
    fn what_is_no_map_or_cut_off_is_refused() {
        for body in ["01", "bf6141", "c001"] {
            let body = Bytes::from(hex::decode(body).unwrap());
            let error = RpcV2Cbor.decode(&HeaderMap::new(), &body).unwrap_err();
            assert_eq!(error.code, "SerializationException");
        }
    }

    #[test]
    fn an_error_names_its_shape_and_the_code_of_the_query_protocol() {
        let wire = RpcV2Cbor.encode(&Err(AwsError::throttled()));
        assert_eq!(wire.status, StatusCode::BAD_REQUEST);
        assert_eq!(wire.headers["x-amzn-query-error"], "Throttling;Sender");
        let body: Cbor = ciborium::from_reader(&wire.body[..]).unwrap();
        assert_eq!(
            to_json(body).unwrap(),
            json!({ "__type": "com.amazonaws.cloudwatch#ThrottlingException", "message": "Rate exceeded" })
        );
    }
}
