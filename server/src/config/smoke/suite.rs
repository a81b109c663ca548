//! One suite as it is written, checked and turned into the domain's.

use super::file::{Suite, Test};
use crate::config::{
    check::{known, seconds},
    file::At,
    problem::Problems,
};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive};
use tidegate_domain::{
    smoke::{self, HeaderValue, Method, TIMEOUT_MS, is_secret_name},
    time::SECOND,
};

/// Names of environment variables that headers may take: no other secret of this process can be sent anywhere.
pub(super) const SECRET_PREFIX: &str = "TIDEGATE_SMOKE_";
/// Whole numbers that JSON carries exactly (RFC 8259 §6).
const EXACT: RangeInclusive<i64> = -(1 << 53)..=1 << 53;

pub(super) fn suite(name: &str, written: &At<Suite>, problems: &mut Problems) -> smoke::Suite {
    let tests = &written.get().tests;
    if tests.is_empty() {
        problems.add(
            written.span(),
            format!("suite {name:?} has no tests, so it would always pass"),
            Some(format!("add a [[smoke.{name}.tests]] with name and path")),
        );
    }
    let mut seen: Vec<&str> = Vec::new();
    for test in tests {
        let test = &test.name;
        if seen.contains(&test.get().as_str()) || test.get().is_empty() {
            problems.add(
                test.span(),
                format!("suite {name:?} has no test of its own named {:?}", test.get()),
                Some("give each test a name that no other test of the suite has".to_owned()),
            );
        }
        seen.push(test.get());
    }
    smoke::Suite {
        name: name.to_owned(),
        tests: tests.iter().map(|written| test(written, problems)).collect(),
    }
}

fn test(test: &Test, problems: &mut Problems) -> smoke::Test {
    let mut headers = headers(&test.headers, problems);
    let body = test.body.as_ref().and_then(|body| match body.get() {
        toml::Value::String(text) => Some(text.clone()),
        other => Some(json(body, other, problems)?.to_string()),
    });
    let is_json = test.body.as_ref().is_some_and(|body| !body.get().is_str());
    if is_json && !headers.contains_key("content-type") {
        headers.insert(
            "content-type".to_owned(),
            HeaderValue::Plain("application/json".to_owned()),
        );
    }
    smoke::Test {
        name: test.name.get().clone(),
        method: test.method.as_ref().map_or(Method::Get, |word| method(word, problems)),
        path: path(&test.path, problems),
        headers,
        body,
        expected_status: within(test.status.as_ref(), 200, 100..=599, "status", problems),
        max_latency_ms: test
            .max_latency_ms
            .as_ref()
            .map(|_| within(test.max_latency_ms.as_ref(), 1, 1..=60_000, "max_latency_ms", problems)),
        expected_json: expected_json(&test.expect_json, problems),
        expected_headers: test
            .expect_headers
            .iter()
            .map(|(name, value)| {
                header_name(name, value, problems);
                (name.to_lowercase(), value.get().clone())
            })
            .collect(),
        timeout_ms: span(test.timeout.as_ref(), TIMEOUT_MS / SECOND, 60, "timeout", problems) * SECOND,
        attempts: within(test.attempts.as_ref(), 1, 1..=20, "attempts", problems),
        pause_seconds: span(test.pause.as_ref(), 10, 300, "pause", problems),
        redirects: within(test.redirects.as_ref(), 0, 0..=5, "redirects", problems),
    }
}

fn method(word: &At<String>, problems: &mut Problems) -> Method {
    let names: Vec<&str> = Method::ALL.iter().map(|method| method.as_str()).collect();
    known(word, "method", &names, problems);
    let found = Method::ALL.into_iter().find(|method| method.as_str() == word.get());
    found.unwrap_or(Method::Get)
}

fn path(path: &At<String>, problems: &mut Problems) -> String {
    let text = path.get();
    if !text.starts_with('/')
        || text.starts_with("//")
        || text.contains(['#', '\\'])
        || text.contains(char::is_whitespace)
    {
        problems.add(
            path.span(),
            format!("{text:?} is no path"),
            Some("begin it with one slash, such as \"/health\"; the host stands in the target's base_url".to_owned()),
        );
    }
    text.clone()
}

fn within<T: Copy + PartialOrd + Display>(
    written: Option<&At<T>>,
    default: T,
    range: RangeInclusive<T>,
    what: &str,
    problems: &mut Problems,
) -> T {
    let Some(written) = written else { return default };
    let value = *written.get();
    if range.contains(&value) {
        return value;
    }
    let (least, most) = range.into_inner();
    problems.add(
        written.span(),
        format!("{what} = {value} is out of bounds"),
        Some(format!("write {least} to {most}")),
    );
    default
}

/// In seconds.
fn span(text: Option<&At<String>>, default: i64, most: i64, what: &str, problems: &mut Problems) -> i64 {
    let found = seconds(text, default, problems);
    let Some(text) = text.filter(|_| found > most) else {
        return found;
    };
    problems.add(
        text.span(),
        format!("{what} = {:?} is too long", text.get()),
        Some(format!("write {most}s or less")),
    );
    default
}

fn header_name<T>(name: &str, at: &At<T>, problems: &mut Problems) {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        problems.add(
            at.span(),
            format!("{name:?} is no name of a header"),
            Some("use letters, digits and hyphens, such as \"content-type\"".to_owned()),
        );
    }
    // The connection is this program's own business.
    if ["host", "content-length", "transfer-encoding", "connection"].contains(&name.to_lowercase().as_str()) {
        problems.add(
            at.span(),
            format!("header {name:?} is set by Tidegate itself"),
            Some("leave it out".to_owned()),
        );
    }
}

fn headers(written: &BTreeMap<String, At<toml::Value>>, problems: &mut Problems) -> BTreeMap<String, HeaderValue> {
    let mut headers = BTreeMap::new();
    for (name, at) in written {
        let name = name.to_lowercase();
        header_name(&name, at, problems);
        if let Some(value) = header(&name, at, problems) {
            headers.insert(name, value);
        }
    }
    headers
}

fn header(name: &str, at: &At<toml::Value>, problems: &mut Problems) -> Option<HeaderValue> {
    let reference = format!("write {{ secret = \"{SECRET_PREFIX}…\" }}, and put it into that environment variable");
    let mut refuse = |message: String, instead: String| {
        problems.add_hidden(at.span(), message, Some(instead));
        None
    };
    match at.get() {
        toml::Value::String(_) if is_secret_name(name) => refuse(
            format!(
                "the value of header {name} is secret, and this file is kept in the database and in version control"
            ),
            reference,
        ),
        toml::Value::String(text) if text.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f)) => {
            Some(HeaderValue::Plain(text.clone()))
        }
        toml::Value::Table(table) => {
            let text = |member: &str| table.get(member).and_then(toml::Value::as_str);
            let strange = table.keys().any(|key| key != "secret" && key != "prefix");
            let prefix = match (table.get("prefix"), text("prefix")) {
                (None, _) => "",
                (Some(_), Some(prefix)) => prefix,
                (Some(_), None) => return refuse(format!("the prefix of header {name} is no text"), reference),
            };
            let secret = text("secret").filter(|_| !strange);
            let Some(secret) = secret else {
                return refuse(format!("header {name} names no secret"), reference);
            };
            let rest = secret.strip_prefix(SECRET_PREFIX).unwrap_or_default();
            if rest.is_empty()
                || !rest
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            {
                return refuse(
                    format!("header {name} takes its secret from a variable that is not for suites"),
                    format!("name it {SECRET_PREFIX}…, in capital letters, digits and _: no other secret is ever sent"),
                );
            }
            Some(HeaderValue::Secret {
                prefix: prefix.to_owned(),
                name: secret.to_owned(),
            })
        }
        _ => refuse(
            format!("header {name} is neither text nor a secret"),
            format!("write text in quotes, or {{ secret = \"{SECRET_PREFIX}…\" }}"),
        ),
    }
}

fn expected_json(written: &BTreeMap<String, At<toml::Value>>, problems: &mut Problems) -> BTreeMap<String, Value> {
    let mut expected = BTreeMap::new();
    for (pointer, at) in written {
        if !is_pointer(pointer) {
            problems.add(
                at.span(),
                format!("{pointer:?} is no JSON pointer"),
                Some(
                    "begin it with a slash, such as \"/intent\" or \"/items/0/id\"; write ~ as ~0 and / as ~1"
                        .to_owned(),
                ),
            );
        }
        if let Some(value) = json(at, at.get(), problems) {
            expected.insert(pointer.clone(), value);
        }
    }
    expected
}

/// RFC 6901: empty, or parts that each begin with a slash; after a tilde comes 0 or 1.
fn is_pointer(text: &str) -> bool {
    let tildes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    (text.is_empty() || text.starts_with('/')) && tildes
}

/// What TOML says, in JSON. Times and numbers that JSON does not carry exactly have no place in it.
fn json(at: &At<toml::Value>, value: &toml::Value, problems: &mut Problems) -> Option<Value> {
    let mut refuse = |what: String| {
        problems.add(at.span(), what, Some("write it as text, in quotes".to_owned()));
        None
    };
    Some(match value {
        toml::Value::String(text) => Value::from(text.clone()),
        toml::Value::Boolean(truth) => Value::from(*truth),
        toml::Value::Integer(number) if EXACT.contains(number) => Value::from(*number),
        toml::Value::Integer(number) => return refuse(format!("JSON does not carry {number} exactly")),
        toml::Value::Float(number) if number.is_finite() => Value::from(*number),
        toml::Value::Float(number) => return refuse(format!("JSON has no number {number}")),
        toml::Value::Datetime(time) => return refuse(format!("JSON has no times, such as {time}")),
        toml::Value::Array(items) => {
            let items: Option<Vec<Value>> = items.iter().map(|item| json(at, item, problems)).collect();
            Value::from(items?)
        }
        toml::Value::Table(table) => {
            let mut members = serde_json::Map::new();
            for (name, value) in table {
                members.insert(name.clone(), json(at, value, problems)?);
            }
            Value::from(members)
        }
    })
}
