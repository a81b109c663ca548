//! Smoke suites: what is asked of a running version over HTTP, and what it must answer (requirements §4, "Verify").
//!
//! [`judge`] holds an answer against a test, member by member; [`next`] says what to do next in a suite, from what was
//! tried so far. Both are pure: after a crash the same attempts lead to the same step. Nothing here sends a request, and
//! nothing here knows a secret: a header names where its secret is, whoever sends the request puts it in and takes it out
//! of the answer again.

mod judge;
mod monitor;
mod redact;
mod run;

pub use judge::{Answer, Mismatch, Response, judge};
pub use monitor::{Health, Monitor, MonitorRun, MonitorStatus, Verification, turned};
pub use redact::{HIDDEN, hide, is_secret_name, redacted};
pub use run::{Attempt, BEGINNING_MAX, Next, next};

use crate::{revision::canonical_hash, time::SECOND};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// Tests in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suite {
    pub name: String,
    pub tests: Vec<Test>,
}

/// One request and everything that its answer must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// Unique in its suite.
    pub name: String,
    pub method: Method,
    /// With its query, beginning with a slash: `/api/v1/chat`.
    pub path: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, HeaderValue>,
    pub body: Option<String>,
    pub expected_status: u16,
    /// Milliseconds from the first look for the host to the last byte read. `None`: within [`Test::timeout_ms`].
    pub max_latency_ms: Option<i64>,
    /// By JSON pointer (RFC 6901) into the answer's body. Numbers are equal by value: 1 is 1.0.
    pub expected_json: BTreeMap<String, Value>,
    /// By lower-case name. `*` at the end matches any rest, so that `*` alone asks for the header to be there.
    pub expected_headers: BTreeMap<String, String>,
    /// Milliseconds after which the whole exchange is given up.
    pub timeout_ms: i64,
    /// The test passes when one of so many passes; at least 1.
    pub attempts: u32,
    /// Seconds from the end of an attempt that failed to the next.
    pub pause_seconds: i64,
    /// Redirects that are followed, each to an address that is checked as the first was. 0: a redirect is the answer.
    pub redirects: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// What is sent in a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderValue {
    Plain(String),
    /// The secret of this name, after `prefix`. The value itself is known to whoever sends the request, and nobody else.
    Secret {
        prefix: String,
        name: String,
    },
}

/// How long a request may take where its test does not say (requirements §4).
pub const TIMEOUT_MS: i64 = 10 * SECOND;

impl Method {
    pub const ALL: [Self; 7] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Test {
    /// `GET path`, once, within [`TIMEOUT_MS`], answered with 200.
    pub fn get(name: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            method: Method::Get,
            path: path.into(),
            headers: BTreeMap::new(),
            body: None,
            expected_status: 200,
            max_latency_ms: None,
            expected_json: BTreeMap::new(),
            expected_headers: BTreeMap::new(),
            timeout_ms: TIMEOUT_MS,
            attempts: 1,
            pause_seconds: 10,
            redirects: 0,
        }
    }

    /// The longest it may take: every attempt to its time-out, with every pause.
    pub const fn longest_ms(&self) -> i64 {
        let attempts = self.attempts as i64;
        let pauses = (attempts - 1) * self.pause_seconds * SECOND;
        attempts * self.timeout_ms + pauses
    }
}

impl Suite {
    /// SHA-256 over the canonical suite, in hexadecimal: its version. Two suites of one version are the same suite.
    pub fn version(&self) -> String {
        canonical_hash(self)
    }

    /// The longest it may take, in milliseconds.
    pub fn longest_ms(&self) -> i64 {
        self.tests.iter().map(Test::longest_ms).sum()
    }
}

/// The reference suite of requirements §4.
#[cfg(test)]
pub(crate) fn reference() -> Suite {
    let health = Test {
        attempts: 5,
        ..Test::get("health_check", "/health")
    };
    let chat = Test {
        method: Method::Post,
        body: Some(r#"{"message":"Where is my parcel?"}"#.to_owned()),
        max_latency_ms: Some(3_000),
        ..Test::get("chat_basic", "/api/v1/chat")
    };
    let intent = Test {
        method: Method::Post,
        body: Some(r#"{"text":"I want to send this back"}"#.to_owned()),
        expected_json: BTreeMap::from([("/intent".to_owned(), Value::from("order_return"))]),
        ..Test::get("intent_classification", "/api/v1/classify")
    };
    Suite {
        name: "reference".to_owned(),
        tests: vec![health, chat, intent],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r02_every_field_of_a_test_belongs_to_the_suites_version() {
        type Edit = fn(&mut Test);
        let edits: [Edit; 13] = [
            |t| t.name = "other".to_owned(),
            |t| t.method = Method::Put,
            |t| t.path = "/other".to_owned(),
            |t| {
                t.headers
                    .insert("accept".to_owned(), HeaderValue::Plain("text/html".to_owned()));
            },
            |t| t.body = None,
            |t| t.expected_status = 201,
            |t| t.max_latency_ms = Some(1),
            |t| {
                t.expected_json.insert("/a".to_owned(), Value::from(1));
            },
            |t| {
                t.expected_headers.insert("etag".to_owned(), "*".to_owned());
            },
            |t| t.timeout_ms = 1,
            |t| t.attempts = 2,
            |t| t.pause_seconds = 1,
            |t| t.redirects = 1,
        ];
        let first = reference();
        for (number, edit) in edits.into_iter().enumerate() {
            let mut second = first.clone();
            edit(&mut second.tests[1]);
            assert_ne!(first.version(), second.version(), "edit {number}");
        }
        assert_eq!(first.version(), reference().version());
        assert_eq!(first.version().len(), 64);
    }

    #[test]
    fn the_longest_that_a_suite_takes_is_every_attempt_to_its_time_out_and_every_pause() {
        // 5 × 10 s with 4 pauses of 10 s, then 10 s twice.
        assert_eq!(reference().longest_ms(), 110_000);
    }
}
