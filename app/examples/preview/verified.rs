//! Deployments of the sample world that have to pass a suite: one in production whose first test needed a second attempt
//! and whose second is still to come, one in staging that failed and was rolled back.

use crate::monitors;
use tidegate_domain::{
    Timestamp,
    smoke::{Answer, Attempt, Response, Verification},
};

/// What guardrails and rag are verified by.
pub(crate) fn verification(service: &str, test_listener: bool) -> Verification {
    Verification {
        suite: monitors::suite(),
        base_url: format!("https://{service}.acme.example"),
        test_base_url: test_listener.then(|| format!("https://test.{service}.acme.example:8443")),
        stability_wait_seconds: 120,
    }
}

/// One attempt at one of its tests.
pub(crate) fn attempt(
    test: usize,
    number: u32,
    at: Timestamp,
    (status, body, latency_ms): (u16, &str, i64),
) -> Attempt {
    let answer = Answer::Response(Response {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
        cut: false,
        latency_ms,
    });
    Attempt::new(&monitors::suite().tests[test], number, at, &answer)
}
