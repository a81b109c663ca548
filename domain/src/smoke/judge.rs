//! One answer against one test: every member that the test names is asserted, and each that does not hold is told in words.

use super::{
    Test,
    redact::{HIDDEN, is_secret_name, redacted_value},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Characters of a value that a mismatch shows.
const SHOWN: usize = 120;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Response(Response),
    /// Nothing that could be judged: no connection, no answer in time, an address that may not be reached.
    Nothing {
        why: String,
        /// Milliseconds until it was given up.
        after_ms: i64,
    },
}

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// By lower-case name, in their order; a name may come twice.
    pub headers: Vec<(String, String)>,
    /// The body, or its beginning.
    pub body: String,
    /// The body went on: what is here is not all of it.
    pub cut: bool,
    /// Milliseconds to the last byte that was read.
    pub latency_ms: i64,
}

/// One thing that is not as the test expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// What was looked at: `status`, `latency`, `header etag`, a JSON pointer.
    pub what: String,
    /// The whole sentence: `` `/intent` is "refund", expected "order_return" ``. Holds no secret.
    pub words: String,
}

impl Mismatch {
    fn new(what: impl Into<String>, words: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            words: words.into(),
        }
    }
}

impl Answer {
    /// How long it took, in milliseconds.
    pub const fn latency_ms(&self) -> i64 {
        match self {
            Self::Response(response) => response.latency_ms,
            Self::Nothing { after_ms, .. } => *after_ms,
        }
    }
}

/// Whether the answer is what the test expects.
///
/// # Errors
/// Everything that is not, in the order of the test's members.
pub fn judge(test: &Test, answer: &Answer) -> Result<(), Vec<Mismatch>> {
    let response = match answer {
        Answer::Response(response) => response,
        Answer::Nothing { why, .. } => return Err(vec![Mismatch::new("answer", format!("no answer: {why}"))]),
    };
    let mut found = Vec::new();
    if response.status != test.expected_status {
        let words = format!("status is {}, expected {}", response.status, test.expected_status);
        found.push(Mismatch::new("status", words));
    }
    let most = test.max_latency_ms.unwrap_or(test.timeout_ms).min(test.timeout_ms);
    if response.latency_ms > most {
        let words = format!("took {} ms, expected at most {most} ms", response.latency_ms);
        found.push(Mismatch::new("latency", words));
    }
    for (name, expected) in &test.expected_headers {
        found.extend(header(name, expected, response));
    }
    found.extend(json(test, response));
    if found.is_empty() { Ok(()) } else { Err(found) }
}

fn header(name: &str, expected: &str, response: &Response) -> Option<Mismatch> {
    let values: Vec<&str> = response
        .headers
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
        .collect();
    let fits = |value: &&str| match expected.strip_suffix('*') {
        Some(beginning) => value.starts_with(beginning),
        None => *value == expected,
    };
    if values.iter().any(fits) {
        return None;
    }
    let is = match values[..] {
        [] => "is not there".to_owned(),
        _ if is_secret_name(name) => format!("is {HIDDEN}"),
        _ => format!("is {}", shown(&Value::from(values.join(", ")))),
    };
    let expected = match (expected.strip_suffix('*'), is_secret_name(name)) {
        (Some(""), _) => "any value".to_owned(),
        (_, true) => "another value".to_owned(),
        (Some(beginning), _) => format!("one that begins with {}", shown(&Value::from(beginning))),
        (None, _) => shown(&Value::from(expected)),
    };
    let words = format!("header `{name}` {is}, expected {expected}");
    Some(Mismatch::new(format!("header {name}"), words))
}

fn json(test: &Test, response: &Response) -> Vec<Mismatch> {
    if test.expected_json.is_empty() {
        return Vec::new();
    }
    if response.cut {
        let words = format!(
            "the body is longer than the {} bytes that are read, so its JSON cannot be looked into",
            response.body.len()
        );
        return vec![Mismatch::new("body", words)];
    }
    let body: Value = match serde_json::from_str(&response.body) {
        Ok(body) => body,
        Err(_) if response.body.trim().is_empty() => {
            return vec![Mismatch::new("body", "the body is empty, expected JSON")];
        }
        Err(error) => return vec![Mismatch::new("body", format!("the body is no JSON: {error}"))],
    };
    let expected = test.expected_json.iter();
    expected
        .filter_map(|(pointer, expected)| member(pointer, expected, &body))
        .collect()
}

fn member(pointer: &str, expected: &Value, body: &Value) -> Option<Mismatch> {
    let found = body.pointer(pointer);
    if found.is_some_and(|found| same(found, expected)) {
        return None;
    }
    let secret = pointer.split('/').any(is_secret_name);
    let is = match found {
        None => "is not there".to_owned(),
        Some(_) if secret => format!("is {HIDDEN}"),
        Some(found) => format!("is {}", shown(&redacted_value(found))),
    };
    let expected = if secret {
        "another value".to_owned()
    } else {
        shown(expected)
    };
    let name = if pointer.is_empty() {
        "the whole body".to_owned()
    } else {
        format!("`{pointer}`")
    };
    Some(Mismatch::new(
        if pointer.is_empty() { "body" } else { pointer },
        format!("{name} {is}, expected {expected}"),
    ))
}

/// Equal as JSON: numbers by their value, members in any order.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

/// A value as JSON writes it, shortened for a sentence.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > SHOWN {
        let beginning: String = text.chars().take(SHOWN).collect();
        format!("{beginning}…")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn response() -> Response {
        Response {
            status: 200,
            headers: vec![
                ("content-type".to_owned(), "application/json; charset=utf-8".to_owned()),
                ("vary".to_owned(), "accept".to_owned()),
                ("vary".to_owned(), "origin".to_owned()),
                ("set-cookie".to_owned(), "session=canary-cookie".to_owned()),
            ],
            body: r#"{"intent":"refund","score":0.5,"count":3,"a/b":{"~":[1,2.0]},"token":"canary-token","none":null}"#
                .to_owned(),
            cut: false,
            latency_ms: 900,
        }
    }

    fn said(test: &Test, response: Response) -> Vec<String> {
        match judge(test, &Answer::Response(response)) {
            Ok(()) => Vec::new(),
            Err(found) => found.into_iter().map(|mismatch| mismatch.words).collect(),
        }
    }

    fn expecting(edit: impl FnOnce(&mut Test)) -> Test {
        let mut test = Test::get("t", "/");
        edit(&mut test);
        test
    }

    #[rstest]
    #[case(200, None)]
    #[case(199, Some("status is 199, expected 200"))]
    #[case(201, Some("status is 201, expected 200"))]
    #[case(500, Some("status is 500, expected 200"))]
    fn the_status_is_exactly_the_expected_one(#[case] status: u16, #[case] words: Option<&str>) {
        let found = said(&Test::get("t", "/"), Response { status, ..response() });
        assert_eq!(found, words.into_iter().collect::<Vec<_>>());
    }

    #[rstest]
    #[case(2_999, Some(3_000), None)]
    #[case(3_000, Some(3_000), None)]
    #[case(3_001, Some(3_000), Some("took 3001 ms, expected at most 3000 ms"))]
    #[case(10_000, None, None)]
    #[case(10_001, None, Some("took 10001 ms, expected at most 10000 ms"))]
    #[case(10_001, Some(20_000), Some("took 10001 ms, expected at most 10000 ms"))]
    fn the_latency_may_reach_its_limit_and_not_pass_it(
        #[case] latency_ms: i64,
        #[case] most: Option<i64>,
        #[case] words: Option<&str>,
    ) {
        let test = expecting(|test| test.max_latency_ms = most);
        let found = said(
            &test,
            Response {
                latency_ms,
                ..response()
            },
        );
        assert_eq!(found, words.into_iter().collect::<Vec<_>>());
    }

    #[rstest]
    #[case("/intent", json!("refund"), None)]
    #[case("/intent", json!("order_return"), Some("`/intent` is \"refund\", expected \"order_return\""))]
    #[case("/intent", json!("Refund"), Some("`/intent` is \"refund\", expected \"Refund\""))]
    #[case("/count", json!(3.0), None)]
    #[case("/count", json!("3"), Some("`/count` is 3, expected \"3\""))]
    #[case("/score", json!(0.5), None)]
    #[case("/score", json!(0.51), Some("`/score` is 0.5, expected 0.51"))]
    #[case("/a~1b/~0/1", json!(2), None)]
    #[case("/a~1b/~0/2", json!(2), Some("`/a~1b/~0/2` is not there, expected 2"))]
    #[case("/a~1b/~0/01", json!(2), Some("`/a~1b/~0/01` is not there, expected 2"))]
    #[case("/a~1b", json!({ "~": [1.0, 2] }), None)]
    #[case("/none", json!(null), None)]
    #[case("/missing", json!(null), Some("`/missing` is not there, expected null"))]
    #[case("/token", json!("other"), Some("`/token` is [hidden], expected another value"))]
    fn a_json_value_is_asserted_by_its_pointer(
        #[case] pointer: &str,
        #[case] expected: Value,
        #[case] words: Option<&str>,
    ) {
        let test = expecting(|test| {
            test.expected_json.insert(pointer.to_owned(), expected);
        });
        assert_eq!(said(&test, response()), words.into_iter().collect::<Vec<_>>());
    }

    #[rstest]
    #[case("content-type", "application/json; charset=utf-8", None)]
    #[case("Content-Type", "application/json*", None)]
    #[case(
        "content-type",
        "application/json",
        Some("header `content-type` is \"application/json; charset=utf-8\", expected \"application/json\"")
    )]
    #[case(
        "content-type",
        "text/*",
        Some("header `content-type` is \"application/json; charset=utf-8\", expected one that begins with \"text/\"")
    )]
    #[case("vary", "origin", None)]
    #[case("vary", "*", None)]
    #[case("etag", "*", Some("header `etag` is not there, expected any value"))]
    #[case("etag", "\"1\"", Some("header `etag` is not there, expected \"\\\"1\\\"\""))]
    #[case("set-cookie", "x", Some("header `set-cookie` is [hidden], expected another value"))]
    fn a_response_header_is_asserted(#[case] name: &str, #[case] expected: &str, #[case] words: Option<&str>) {
        let test = expecting(|test| {
            test.expected_headers.insert(name.to_owned(), expected.to_owned());
        });
        assert_eq!(said(&test, response()), words.into_iter().collect::<Vec<_>>());
    }

    #[rstest]
    #[case("", false, "the body is empty, expected JSON")]
    #[case("<html>", false, "the body is no JSON: expected value at line 1 column 1")]
    #[case(
        "{\"intent\"",
        true,
        "the body is longer than the 9 bytes that are read, so its JSON cannot be looked into"
    )]
    fn a_body_without_json_says_what_it_is(#[case] body: &str, #[case] cut: bool, #[case] words: &str) {
        let test = expecting(|test| {
            test.expected_json.insert("/intent".to_owned(), json!("refund"));
        });
        let answer = Response {
            body: body.to_owned(),
            cut,
            ..response()
        };
        assert_eq!(said(&test, answer.clone()), [words]);
        assert_eq!(
            said(&Test::get("t", "/"), answer),
            [""; 0],
            "nobody asked for its body to be JSON"
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let test = expecting(|test| {
            test.expected_status = 201;
            test.max_latency_ms = Some(100);
            test.expected_headers.insert("etag".to_owned(), "*".to_owned());
            test.expected_json.insert("/intent".to_owned(), json!("order_return"));
        });
        let found = judge(&test, &Answer::Response(response())).unwrap_err();
        let what: Vec<&str> = found.iter().map(|mismatch| mismatch.what.as_str()).collect();
        assert_eq!(what, ["status", "latency", "header etag", "/intent"]);
    }

    #[test]
    fn no_answer_is_a_mismatch_with_its_reason() {
        let answer = Answer::Nothing {
            why: "connection refused".to_owned(),
            after_ms: 3,
        };
        let found = judge(&Test::get("t", "/"), &answer).unwrap_err();
        assert_eq!(found[0].words, "no answer: connection refused");
        assert_eq!(answer.latency_ms(), 3);
    }

    #[test]
    fn r33_a_long_or_secret_value_is_not_shown_whole() {
        let long = Response {
            body: json!({ "intent": "x".repeat(500), "user": { "password": "canary-password" } }).to_string(),
            ..response()
        };
        let test = expecting(|test| {
            test.expected_json.insert("/intent".to_owned(), json!("y"));
            test.expected_json.insert("/user".to_owned(), json!({}));
        });
        let found = said(&test, long);
        assert!(found[0].len() < 200 && found[0].contains('…'), "{found:?}");
        assert!(!found[1].contains("canary-password"), "{found:?}");
    }
}
