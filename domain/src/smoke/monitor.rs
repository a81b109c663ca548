//! What a target is verified with after a deployment, and watched with in between.

use super::{Attempt, Suite};
use crate::{
    name::{EnvironmentName, ServiceName},
    revision::canonical_hash,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// How a deployment is verified before it counts as a success. Part of what is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    pub suite: Suite,
    /// Where production answers: `https://chat.acme.example`. Paths of tests are put behind it.
    pub base_url: String,
    /// Where the new version answers before it has traffic: the test listener.
    pub test_base_url: Option<String>,
    /// Seconds between the end of the shift and the suite; at most 600 (requirements §4).
    pub stability_wait_seconds: i64,
}

impl Verification {
    /// SHA-256 over all of it, in hexadecimal.
    pub fn version(&self) -> String {
        canonical_hash(self)
    }
}

/// A suite that runs on a schedule between deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    pub suite: Suite,
    pub base_url: String,
    /// Seconds from the beginning of a run to the next.
    pub every_seconds: i64,
}

/// What a monitor says of a service in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Passing,
    Failing,
}

impl Health {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Failing => "failing",
        }
    }
}

/// One run of a monitor's suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorRun {
    /// Name of the suite.
    pub suite: String,
    /// [`Suite::version`] of what ran.
    pub version: String,
    pub began_at: Timestamp,
    pub ended_at: Timestamp,
    pub health: Health,
    /// The test that failed, and why, in words.
    pub failed: Option<(String, String)>,
    /// In the order in which they were made.
    pub attempts: Vec<Attempt>,
}

/// A monitor as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorStatus {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    /// Name of the suite.
    pub suite: String,
    pub every_seconds: i64,
    /// And since when. `None`: it has not run yet.
    pub health: Option<(Health, Timestamp)>,
    pub next_at: Option<Timestamp>,
    /// Newest first.
    pub runs: Vec<MonitorRun>,
}

/// Whether a run changes what is known, and people are told. A first run that passes is no news.
pub fn turned(before: Option<Health>, now: Health) -> bool {
    match before {
        Some(before) => before != now,
        None => now == Health::Failing,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::reference, *};
    use rstest::rstest;

    #[rstest]
    #[case(None, Health::Passing, false)]
    #[case(None, Health::Failing, true)]
    #[case(Some(Health::Passing), Health::Passing, false)]
    #[case(Some(Health::Passing), Health::Failing, true)]
    #[case(Some(Health::Failing), Health::Failing, false)]
    #[case(Some(Health::Failing), Health::Passing, true)]
    fn only_a_change_is_told(#[case] before: Option<Health>, #[case] now: Health, #[case] told: bool) {
        assert_eq!(turned(before, now), told);
    }

    #[test]
    fn r02_suite_addresses_and_wait_are_what_is_approved() {
        let first = Verification {
            suite: reference(),
            base_url: "https://chat.acme.example".to_owned(),
            test_base_url: None,
            stability_wait_seconds: 120,
        };
        type Edit = fn(&mut Verification);
        let edits: [Edit; 4] = [
            |v| v.suite.tests[0].attempts = 1,
            |v| v.base_url.push('2'),
            |v| v.test_base_url = Some("https://test.acme.example".to_owned()),
            |v| v.stability_wait_seconds = 121,
        ];
        for edit in edits {
            let mut second = first.clone();
            edit(&mut second);
            assert_ne!(first.version(), second.version());
        }
    }
}
