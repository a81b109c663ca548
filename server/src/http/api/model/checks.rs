//! What a deployment has to pass, and every attempt at it.

use serde::Serialize;
use tidegate_domain::{
    deployment::{Run, When},
    smoke::Attempt,
};
use utoipa::ToSchema;

/// The smoke suite of a deployment: before traffic on the test listener, where there is one, and in production after.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerificationShape {
    #[schema(example = "reference")]
    suite: String,
    /// SHA-256 over suite, addresses and wait, as in the revision.
    version: String,
    base_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_base_url: Option<String>,
    #[schema(minimum = 0, maximum = 600)]
    stability_wait_seconds: i64,
    /// Since when all traffic is on the new version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    all_traffic_at: Option<String>,
    /// In the order in which they were made.
    attempts: Vec<AttemptShape>,
}

/// One request, and how its answer was judged.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptShape {
    /// `before` traffic, on the test listener, or `after` it, in production.
    #[schema(example = "after")]
    when: &'static str,
    test: String,
    /// Of its test, from 1.
    #[schema(minimum = 1)]
    number: u32,
    #[schema(format = "date-time")]
    at: String,
    /// Milliseconds to the last byte, or until it was given up.
    #[schema(minimum = 0)]
    latency_ms: i64,
    /// Left out: nothing answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    passed: bool,
    /// What was not as expected, in sentences.
    mismatches: Vec<String>,
    /// The beginning of the answer, secrets hidden.
    body_beginning: String,
}

impl VerificationShape {
    /// `None`: it has nothing to pass.
    pub(super) fn of(run: &Run) -> Option<Self> {
        let verify = run.verify.as_ref()?;
        let attempts = [When::Before, When::After].into_iter().flat_map(|when| {
            let made = run.checks.of(when).iter();
            made.map(move |attempt| AttemptShape::new(when, attempt))
        });
        Some(Self {
            suite: verify.suite.name.clone(),
            version: verify.version(),
            base_url: verify.base_url.clone(),
            test_base_url: verify.test_base_url.clone(),
            stability_wait_seconds: verify.stability_wait_seconds,
            all_traffic_at: run.checks.all_traffic_at.map(|at| at.to_string()),
            attempts: attempts.collect(),
        })
    }
}

impl AttemptShape {
    fn new(when: When, attempt: &Attempt) -> Self {
        Self {
            when: when.as_str(),
            test: attempt.test.clone(),
            number: attempt.number,
            at: attempt.at.to_string(),
            latency_ms: attempt.latency_ms,
            status: attempt.status,
            passed: attempt.passed(),
            mismatches: attempt
                .mismatches
                .iter()
                .map(|mismatch| mismatch.words.clone())
                .collect(),
            body_beginning: attempt.body_beginning.clone(),
        }
    }
}
