//! What became of each commit: the table that the past is told from.

/// What became of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Staging, production, all traffic.
    Ships,
    /// The same, and went back to the release before it after some hours, by a deployment of its own.
    ShipsAndGoesBack {
        by: &'static str,
        reason: &'static str,
    },
    /// AWS rolls it back in production: its validation after the shift fails.
    RolledBackByAws,
    /// A person stops it in the canary.
    RolledBackBy {
        by: &'static str,
        reason: &'static str,
    },
    Rejected {
        by: &'static str,
        reason: &'static str,
    },
    Cancelled {
        reason: &'static str,
    },
    /// Nobody approved it within a day.
    Expires,
    /// Its integration tests fail; the next release takes its place in staging.
    Superseded,
    /// The scan of its image finds something HIGH; it never gets to staging.
    ScanFails {
        finding: &'static str,
    },
    /// Approved, then scanned again with another result: approved anew.
    ApprovedTwice,
    /// Works in staging; production was not asked for yet.
    StaysInStaging,
    /// Not released yet: the present begins with it.
    Waits,
}

/// By the first seven digits of the commit. All others ship.
const FATES: &[(&str, Fate)] = &[
    (
        "ec3356a",
        Fate::Rejected {
            by: "ben-acme",
            reason: "A retry without a budget doubles the load when the model is slow. Please cap it first.",
        },
    ),
    ("3c38f3e", Fate::Superseded),
    ("089a901", Fate::RolledBackByAws),
    ("f7dc8e4", Fate::Expires),
    ("f01bd63", Fate::Waits),
    (
        "6a6a33b",
        Fate::ShipsAndGoesBack {
            by: "ben-acme",
            reason: "The pinned tokenizer splits Turkish differently: accuracy fell from 94 to 88 %.",
        },
    ),
    (
        "93e3839",
        Fate::Rejected {
            by: "ada-acme",
            reason: "The metric carries the message text as a label. Not with customers' words in it.",
        },
    ),
    (
        "caf67d8",
        Fate::RolledBackBy {
            by: "fay-acme",
            reason: "Greetings in Afrikaans are taken for Dutch; the bot answers in the wrong language.",
        },
    ),
    ("a7942c2", Fate::Waits),
    (
        "b910824",
        Fate::RolledBackBy {
            by: "hana-acme",
            reason: "Hit rate is 3 %, and the cache takes 400 MB. Back until we know why.",
        },
    ),
    (
        "521bd3b",
        Fate::Rejected {
            by: "fay-acme",
            reason: "The changelog of 2.4 mentions a migration of the index. Let us plan that first.",
        },
    ),
    (
        "c58803f",
        Fate::Cancelled {
            reason: "The language preference goes out with the next one; one deployment is enough.",
        },
    ),
    ("8ea8db6", Fate::Waits),
    ("12cc347", Fate::ApprovedTwice),
    (
        "21a9b37",
        Fate::ScanFails {
            finding: "1 HIGH: CVE-2099-22222 in an HTTP library",
        },
    ),
    ("248daff", Fate::StaysInStaging),
    ("9aa0719", Fate::Waits),
];

pub fn fate(sha: &str) -> Fate {
    let found = FATES.iter().find(|(short, _)| sha.starts_with(short));
    found.map_or(Fate::Ships, |(_, fate)| *fate)
}

/// Minutes ago at which production was asked for, where it was long after staging.
pub fn asked_minutes_ago(sha: &str) -> Option<i64> {
    match &sha[..7] {
        "caf67d8" => Some(310),
        "c58803f" => Some(205),
        _ => None,
    }
}
