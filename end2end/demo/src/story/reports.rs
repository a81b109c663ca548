//! What CI reports of a release.

use super::Report;
use crate::{ids, plot::Fate, seed::Commit};
use tidegate_domain::Verdict;

/// What CI reports of a build.
pub fn built(commit: &Commit, index: usize, broken: bool) -> Vec<Report> {
    let count = |what: &str, from, to| ids::between(&format!("{what} {}", commit.sha), from, to);
    let integration = if broken {
        (
            Verdict::Fail,
            "1 of 38 failed: cancel_while_streaming timed out".to_owned(),
        )
    } else {
        (Verdict::Pass, "38 passed".to_owned())
    };
    vec![
        ("lint", Verdict::Pass, "no warnings".to_owned()),
        (
            "unit-tests",
            Verdict::Pass,
            format!(
                "{} passed, coverage {} % (threshold 80 %)",
                380 + 3 * index,
                count("coverage", 83, 89)
            ),
        ),
        ("integration-tests", integration.0, integration.1),
        ("build", Verdict::Pass, format!("image of {} MB", count("size", 41, 58))),
    ]
}

pub(super) fn scanned(fate: Fate) -> Report {
    let (verdict, words) = match fate {
        Fate::ScanFails { finding } => (Verdict::Fail, finding),
        Fate::Cancelled { .. } => (Verdict::Pass, "no HIGH or CRITICAL; 1 MEDIUM: CVE-2099-11111"),
        _ => (Verdict::Pass, "no findings"),
    };
    ("vulnerability-scan", verdict, words.to_owned())
}

/// How long a gate took for a commit, in seconds. `None`: the pipeline does not time it.
pub fn seconds(gate: &str, commit: &str) -> Option<i64> {
    let (from, to) = match gate {
        "lint" => (31, 52),
        "unit-tests" => (64, 110),
        "integration-tests" => (78, 131),
        "build" => (96, 140),
        "vulnerability-scan" => (28, 44),
        "staging-smoke" => (22, 48),
        _ => return None,
    };
    Some(ids::between(&format!("time of {gate} {commit}"), from, to))
}
