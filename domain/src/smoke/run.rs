//! What happens next in a suite, from what was tried so far.

use super::{
    Suite, Test,
    judge::{Answer, Mismatch, judge},
    redact::redacted,
};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Characters of a body that are kept.
pub const BEGINNING_MAX: usize = 512;

/// One request that was made, and how its answer was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Name of the test.
    pub test: String,
    /// From 1.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// Milliseconds to the last byte, or until it was given up.
    pub latency_ms: i64,
    /// `None`: nothing answered.
    pub status: Option<u16>,
    /// Empty: it passed.
    pub mismatches: Vec<Mismatch>,
    /// Of the answer, at most [`BEGINNING_MAX`] characters, secrets hidden.
    pub body_beginning: String,
}

impl Attempt {
    /// Judges an answer. What is kept of it holds nothing whose name says that it is secret.
    pub fn new(test: &Test, number: u32, at: Timestamp, answer: &Answer) -> Self {
        let (status, body) = match answer {
            Answer::Response(response) => (Some(response.status), response.body.as_str()),
            Answer::Nothing { .. } => (None, ""),
        };
        Self {
            test: test.name.clone(),
            number,
            at,
            latency_ms: answer.latency_ms(),
            status,
            mismatches: judge(test, answer).err().unwrap_or_default(),
            body_beginning: redacted(body).chars().take(BEGINNING_MAX).collect(),
        }
    }

    pub const fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }

    /// Why it failed, in one line.
    pub fn why(&self) -> String {
        let words: Vec<&str> = self.mismatches.iter().map(|mismatch| mismatch.words.as_str()).collect();
        words.join("; ")
    }

    const fn ended_at(&self) -> Timestamp {
        self.at.plus_millis(self.latency_ms)
    }
}

/// The one thing to do next in a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Make this request: the place of its test in the suite, and the attempt's number from 1.
    Attempt { test: usize, number: u32 },
    /// Nothing before then.
    Wait { until: Timestamp },
    /// Every test passed.
    Passed,
    /// This test failed as often as it may.
    Failed { test: String, why: String },
}

/// Tests run in their order; one passes as soon as one attempt passes, and the first that does not ends the suite.
/// `attempts`: all that were made of this run, in any order. Those of tests that the suite has not do not count.
pub fn next(suite: &Suite, attempts: &[Attempt], now: Timestamp) -> Next {
    for (index, test) in suite.tests.iter().enumerate() {
        let own = || attempts.iter().filter(|attempt| attempt.test == test.name);
        if own().any(Attempt::passed) {
            continue;
        }
        let Some(last) = own().max_by_key(|attempt| attempt.number) else {
            return Next::Attempt { test: index, number: 1 };
        };
        if last.number >= test.attempts {
            return Next::Failed {
                test: test.name.clone(),
                why: last.why(),
            };
        }
        let until = last.ended_at().plus_seconds(test.pause_seconds);
        return if now < until {
            Next::Wait { until }
        } else {
            Next::Attempt {
                test: index,
                number: last.number + 1,
            }
        };
    }
    Next::Passed
}

#[cfg(test)]
mod tests {
    use super::{super::reference, *};
    use crate::smoke::Response;
    use rstest::rstest;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn answered(status: u16, body: &str) -> Answer {
        Answer::Response(Response {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
            cut: false,
            latency_ms: 200,
        })
    }

    fn tried(test: usize, number: u32, millis: i64, status: u16) -> Attempt {
        let body = r#"{"intent":"order_return"}"#;
        Attempt::new(&reference().tests[test], number, at(millis), &answered(status, body))
    }

    #[rstest]
    #[case::begins_with_the_first(&[], 0, Next::Attempt { test: 0, number: 1 })]
    #[case::goes_on_when_one_passed(&[(0, 1, 0, 200)], 201, Next::Attempt { test: 1, number: 1 })]
    // Began at 0, took 200 ms, and 10 s are between the attempts.
    #[case::waits_out_the_pause(&[(0, 1, 0, 503)], 10_199, Next::Wait { until: at(10_200) })]
    #[case::tries_again_when_it_is_over(&[(0, 1, 0, 503)], 10_200, Next::Attempt { test: 0, number: 2 })]
    #[case::the_fifth_may_pass(
        &[(0, 1, 0, 503), (0, 2, 1, 503), (0, 3, 2, 503), (0, 4, 3, 503), (0, 5, 4, 200)], 5,
        Next::Attempt { test: 1, number: 1 }
    )]
    #[case::a_sixth_there_is_not(
        &[(0, 1, 0, 503), (0, 2, 1, 503), (0, 3, 2, 503), (0, 4, 3, 503), (0, 5, 4, 503)], 99_999,
        Next::Failed { test: "health_check".to_owned(), why: "status is 503, expected 200".to_owned() }
    )]
    #[case::one_attempt_is_one(
        &[(0, 1, 0, 200), (1, 1, 1, 500)], 2,
        Next::Failed { test: "chat_basic".to_owned(), why: "status is 500, expected 200".to_owned() }
    )]
    #[case::in_whatever_order_they_are_remembered(
        &[(1, 1, 9, 200), (0, 2, 1, 200), (0, 1, 0, 503)], 2, Next::Attempt { test: 2, number: 1 }
    )]
    #[case::all_passed(&[(0, 1, 0, 200), (1, 1, 1, 200), (2, 1, 2, 200)], 3, Next::Passed)]
    fn a_suite_goes_in_order(
        #[case] tried_so_far: &[(usize, u32, i64, u16)],
        #[case] now: i64,
        #[case] expected: Next,
    ) {
        let attempts: Vec<Attempt> = tried_so_far
            .iter()
            .map(|(test, number, millis, status)| tried(*test, *number, *millis, *status))
            .collect();
        assert_eq!(next(&reference(), &attempts, at(now)), expected);
    }

    #[test]
    fn attempts_of_another_suite_do_not_count() {
        let mut stranger = tried(0, 1, 0, 200);
        stranger.test = "elsewhere".to_owned();
        assert_eq!(
            next(&reference(), &[stranger], at(0)),
            Next::Attempt { test: 0, number: 1 }
        );
    }

    #[test]
    fn r33_what_is_kept_of_a_body_is_short_and_holds_no_secret() {
        let body = format!(r#"{{"token":"canary-token","text":"{}"}}"#, "ü".repeat(1_000));
        let attempt = Attempt::new(&reference().tests[0], 1, at(0), &answered(200, &body));
        assert_eq!(attempt.body_beginning.chars().count(), BEGINNING_MAX);
        assert!(!attempt.body_beginning.contains("canary-token"));
        assert!(attempt.passed());
    }

    #[test]
    fn an_attempt_reads_back_as_it_was_written() {
        let attempt = tried(2, 1, 5, 500);
        let text = serde_json::to_string(&attempt).unwrap();
        assert_eq!(serde_json::from_str::<Attempt>(&text).unwrap(), attempt);
    }
}
