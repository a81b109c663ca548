//! An audit event as a sentence for a person. The facts come from the event's data, whose members the domain names.

use super::{attempt::took as took_millis, icon::Icon, state::Meaning};
use crate::words::listed;
use serde_json::Value;
use tidegate_domain::{EventKind, audit::AuditEvent, breakglass::Check, time::span_words};

/// What the timeline and the audit log show of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentence {
    pub(crate) icon: Icon,
    pub(crate) meaning: Meaning,
    /// What happened, without who.
    pub(crate) what: String,
    /// More, where there is more to say.
    pub(crate) detail: Option<String>,
}

fn text<'a>(data: &'a Value, member: &str) -> Option<&'a str> {
    data.get(member).and_then(Value::as_str)
}

fn short(text: &str) -> String {
    text.strip_prefix("sha256:").unwrap_or(text).chars().take(12).collect()
}

/// `in_progress` and `{"unknown": "Odd"}` alike, in words.
fn word(value: &Value) -> String {
    value
        .as_str()
        .or_else(|| value.get("unknown").and_then(Value::as_str))
        .unwrap_or("unknown")
        .replace('_', " ")
}

pub(crate) fn sentence(event: &AuditEvent) -> Sentence {
    let data = &event.data;
    let (icon, meaning) = drawing(event.kind);
    let (what, detail) = words(event.kind, data);
    let refused = data
        .pointer("/result/outcome")
        .and_then(Value::as_str)
        .is_some_and(|outcome| outcome == "refused");
    let refused = refused || text(data, "health") == Some("failing");
    Sentence {
        icon: if refused { Icon::Alert } else { icon },
        meaning: if refused { Meaning::Bad } else { meaning },
        what,
        detail,
    }
}

const fn drawing(kind: EventKind) -> (Icon, Meaning) {
    use EventKind as K;
    match kind {
        K::ReleaseRegistered | K::ReleaseEnriched => (Icon::Package, Meaning::Quiet),
        K::GateReported => (Icon::Shield, Meaning::Quiet),
        K::DeploymentRequested => (Icon::Dot, Meaning::Quiet),
        K::DeploymentBlocked => (Icon::Alert, Meaning::Waiting),
        K::DeploymentPrepared => (Icon::Search, Meaning::Quiet),
        K::ApprovalGiven => (Icon::Check, Meaning::Good),
        K::ApprovalInvalidated => (Icon::Ban, Meaning::Waiting),
        K::DeploymentRejected => (Icon::Cross, Meaning::Bad),
        K::DeploymentCancelled => (Icon::Ban, Meaning::Quiet),
        K::DeploymentExpired => (Icon::Clock, Meaning::Quiet),
        K::DeploymentSuperseded => (Icon::Swap, Meaning::Quiet),
        K::DeploymentQueued => (Icon::Queue, Meaning::Quiet),
        K::DeploymentStarted => (Icon::Go, Meaning::Moving),
        K::CloudIntended | K::CloudConcluded | K::CloudProgressed => (Icon::Cloud, Meaning::Quiet),
        K::HealthJudged => (Icon::Search, Meaning::Quiet),
        K::SmokePassed => (Icon::Check, Meaning::Good),
        K::SmokeFailed => (Icon::Cross, Meaning::Bad),
        K::DeploymentHeld => (Icon::Hand, Meaning::Waiting),
        K::DeploymentResumed => (Icon::Go, Meaning::Moving),
        K::RollbackRequested | K::RollbackStarted => (Icon::Back, Meaning::Moving),
        K::DeploymentSucceeded => (Icon::Check, Meaning::Good),
        K::DeploymentRolledBack => (Icon::Back, Meaning::Bad),
        K::DeploymentFailed => (Icon::Alert, Meaning::Bad),
        K::DeploymentPostponed => (Icon::Clock, Meaning::Waiting),
        K::FreezeOverridden | K::BreakGlassOpened | K::BreakGlassUsed => (Icon::Alert, Meaning::Waiting),
        K::BreakGlassReviewed => (Icon::Shield, Meaning::Quiet),
        K::SessionStarted | K::SessionEnded => (Icon::Person, Meaning::Quiet),
        K::AccessDenied => (Icon::Lock, Meaning::Bad),
        K::WebhookReceived => (Icon::Cloud, Meaning::Quiet),
        K::ConfigurationLoaded => (Icon::Gear, Meaning::Quiet),
        K::MonitorChanged | K::HealthChanged => (Icon::Check, Meaning::Good),
        K::DeploymentMarked => (Icon::Person, Meaning::Quiet),
        K::WorkerWarning => (Icon::Alert, Meaning::Waiting),
    }
}

fn words(kind: EventKind, data: &Value) -> (String, Option<String>) {
    use EventKind as K;
    let plain = |what: &str| (what.to_owned(), None);
    match kind {
        K::DeploymentRequested => {
            let what = if text(data, "kind") == Some("rollback") {
                "asked to go back to"
            } else {
                "requested"
            };
            (
                format!("{what} {}", text(data, "release").unwrap_or("the deployment")),
                None,
            )
        }
        K::DeploymentBlocked => (
            "holds it up".to_owned(),
            data.get("blockers").and_then(Value::as_array).map(|blockers| {
                blockers
                    .iter()
                    .map(|blocker| {
                        format!(
                            "{}: {}",
                            text(blocker, "subject").unwrap_or_default(),
                            text(blocker, "why").unwrap_or_default()
                        )
                    })
                    .collect::<Vec<_>>()
                    .join("; ")
            }),
        ),
        K::DeploymentPrepared => (
            "reads what would change".to_owned(),
            text(data, "revision").map(|hash| format!("revision {}", hash.chars().take(10).collect::<String>())),
        ),
        K::ApprovalGiven => {
            let solo = data.get("solo").and_then(Value::as_bool).unwrap_or_default();
            let hash: String = text(data, "revision").unwrap_or_default().chars().take(10).collect();
            (
                if solo { "approved, in solo mode" } else { "approved" }.to_owned(),
                Some(format!("revision {hash}")),
            )
        }
        K::ApprovalInvalidated => {
            let who = data
                .pointer("/person/login")
                .and_then(Value::as_str)
                .unwrap_or("someone");
            (
                format!("voids the approval of {who}"),
                text(data, "why").map(shorten_hashes),
            )
        }
        K::DeploymentRejected => plain("rejected it"),
        K::DeploymentCancelled => (
            "cancelled it".to_owned(),
            text(data, "asked_by").map(|who| format!("asked for by {who}, before the cloud had been asked")),
        ),
        K::DeploymentExpired => plain(match text(data, "what") {
            Some("execution") => "expires it: approved, but not started in time",
            _ => "expires it: not approved in time",
        }),
        K::DeploymentSuperseded => plain("replaces it by a newer request"),
        K::DeploymentQueued => plain(match data.pointer("/authority/kind").and_then(Value::as_str) {
            Some("quorum") => "queues it: enough people approved",
            Some("rollback") => "queues it: a rollback needs no new approval",
            Some("break_glass") => "queues it: someone broke the glass",
            _ => "queues it: the policy asks for no approval",
        }),
        K::DeploymentStarted => plain("starts it"),
        K::CloudIntended => {
            let attempt = data.get("attempt").and_then(Value::as_i64).unwrap_or(1);
            let call = text(data, "call").unwrap_or("a call");
            (
                format!("calls {call}"),
                (attempt > 1).then(|| format!("attempt {attempt}")),
            )
        }
        K::CloudConcluded => concluded(data),
        K::CloudProgressed => progressed(data),
        K::HealthJudged => {
            let what = match text(data, "outcome") {
                Some("healthy") => "finds it healthy",
                Some("pending") => "begins to judge its health",
                Some("alert") => "finds something odd",
                Some("hold") => "doubts its health",
                Some("roll_back") => "finds it unhealthy",
                _ => "judges its health",
            };
            let why = text(data, "why").filter(|_| text(data, "outcome") != Some("pending"));
            (what.to_owned(), why.map(str::to_owned))
        }
        K::SmokePassed | K::SmokeFailed => smoke(kind, data),
        K::DeploymentHeld => (
            format!(
                "holds it for people to look: {}",
                text(data, "rule").unwrap_or("a rule")
            ),
            text(data, "why").map(str::to_owned),
        ),
        K::DeploymentResumed => (
            "lets it go on".to_owned(),
            data.get("seconds")
                .and_then(Value::as_i64)
                .map(|seconds| format!("after {}", span_words(seconds * 1000))),
        ),
        K::RollbackRequested => ("asked to roll back".to_owned(), text(data, "why").map(str::to_owned)),
        K::RollbackStarted => {
            let why = match text(data, "cause") {
                Some("person") => "rolls it back, as asked",
                Some("deadline") => "rolls it back: the deadline passed",
                Some("rule") => "rolls it back: a health rule was broken",
                Some("smoke") => "rolls it back: a smoke test failed",
                Some("hold") => "rolls it back: nobody answered the hold",
                _ => "sees AWS roll it back by itself",
            };
            (why.to_owned(), text(data, "rollback").map(|id| format!("by {id}")))
        }
        K::DeploymentSucceeded => (took("sees it succeed", data), None),
        K::DeploymentRolledBack => (took("sees it rolled back", data), None),
        K::DeploymentFailed => (
            "sees it fail".to_owned(),
            text(data, "message").map(|message| match text(data, "code") {
                Some(code) => format!("{code}: {message}"),
                None => message.to_owned(),
            }),
        ),
        K::GateReported => {
            let gate = text(data, "gate").unwrap_or("a gate");
            let verdict = text(data, "verdict").map_or("reported", |verdict| match verdict {
                "pass" => "passed",
                "fail" => "failed",
                _ => "reported",
            });
            (format!("{gate} {verdict}"), text(data, "detail").map(str::to_owned))
        }
        K::ReleaseRegistered => (
            "reported a release".to_owned(),
            text(data, "release").or_else(|| text(data, "digest")).map(short),
        ),
        K::AccessDenied => (
            "was refused".to_owned(),
            text(data, "why").or_else(|| text(data, "what")).map(str::to_owned),
        ),
        K::MonitorChanged => monitored(data),
        K::HealthChanged => super::health::changed(data),
        K::DeploymentMarked => {
            let was = match text(data, "mark") {
                Some("incident") => "says that this was an incident",
                _ => "says that it was fine",
            };
            plain(was)
        }
        K::WorkerWarning => (
            "warning".to_owned(),
            ["message", "what", "why"]
                .into_iter()
                .find_map(|member| text(data, member))
                .map(str::to_owned),
        ),
        K::ConfigurationLoaded => (
            "loaded the configuration".to_owned(),
            text(data, "hash").map(|hash| format!("version {}", short(hash))),
        ),
        K::DeploymentPostponed => (
            "puts off its time to start".to_owned(),
            text(data, "why").map(str::to_owned),
        ),
        K::FreezeOverridden => (
            format!("overrode the freeze {}", text(data, "freeze").unwrap_or_default()),
            text(data, "until").map(|until| format!("which holds until {until}")),
        ),
        K::BreakGlassOpened => (
            "broke the glass".to_owned(),
            named(data, "skips").map(|skips| format!("skips {skips}")),
        ),
        K::BreakGlassUsed => (
            "goes by the broken glass".to_owned(),
            named(data, "skipped").map(|skipped| format!("skipped {skipped}")),
        ),
        K::BreakGlassReviewed => {
            let opened_by = data.pointer("/opened_by/login").and_then(Value::as_str);
            let late = data.get("late").and_then(Value::as_bool).unwrap_or_default();
            (
                format!("reviewed the break-glass of {}", opened_by.unwrap_or("someone")),
                text(data, "judgement").map(|judgement| {
                    let judgement = judgement.replace('_', " ");
                    format!("{judgement}{}", if late { ", after it was overdue" } else { "" })
                }),
            )
        }
        K::ReleaseEnriched => plain("completed the release from GitHub"),
        K::SessionStarted => plain("signed in"),
        K::SessionEnded => plain("signed out"),
        K::WebhookReceived => ("received a webhook".to_owned(), text(data, "event").map(str::to_owned)),
    }
}

fn smoke(kind: EventKind, data: &Value) -> (String, Option<String>) {
    let test = text(data, "test").unwrap_or("a test");
    let place = match text(data, "when") {
        Some("before") => "on the test listener",
        _ => "in production",
    };
    let number = |member| data.get(member).and_then(Value::as_i64);
    let attempts = number("attempts").filter(|attempts| *attempts > 1);
    let attempts = attempts.map(|attempts| format!(", at attempt {attempts}"));
    if kind == EventKind::SmokePassed {
        let what = format!("sees {test} pass {place}{}", attempts.unwrap_or_default());
        (
            what,
            number("latency_ms").map(|millis| format!("in {}", took_millis(millis))),
        )
    } else {
        let what = format!("sees {test} fail {place}{}", attempts.unwrap_or_default());
        (what, text(data, "why").map(str::to_owned))
    }
}

fn monitored(data: &Value) -> (String, Option<String>) {
    let suite = text(data, "suite").unwrap_or("the suite");
    if text(data, "health") == Some("failing") {
        let test = text(data, "test").unwrap_or("a test");
        let why = text(data, "why").map(str::to_owned);
        (format!("sees monitor {suite} fail at {test}"), why)
    } else {
        let lasted = data.get("seconds").and_then(Value::as_i64);
        (
            format!("sees monitor {suite} pass again"),
            lasted.map(|seconds| format!("after {}", span_words(seconds * 1000))),
        )
    }
}

/// The checks that a member lists, in words.
fn named(data: &Value, member: &str) -> Option<String> {
    let names = data.get(member)?.as_array()?;
    let words: Vec<String> = names
        .iter()
        .filter_map(|name| name.as_str()?.parse::<Check>().ok())
        .map(|check| check.words())
        .collect();
    (!words.is_empty()).then(|| listed(&words, "and"))
}

fn took(what: &str, data: &Value) -> String {
    match data.get("seconds").and_then(Value::as_i64) {
        Some(seconds) => format!("{what} after {}", span_words(seconds * 1000)),
        None => what.to_owned(),
    }
}

fn concluded(data: &Value) -> (String, Option<String>) {
    let call = text(data, "call").unwrap_or("the call");
    let result = |member| data.pointer(&format!("/result/{member}")).and_then(Value::as_str);
    match result("outcome") {
        Some("done") => (
            format!("learns that {call} took effect"),
            result("id").map(str::to_owned),
        ),
        Some("refused") => (
            format!("learns that {call} was refused"),
            Some(format!(
                "{}: {}",
                result("code").unwrap_or("error"),
                result("message").unwrap_or_default()
            )),
        ),
        Some("nothing_happened") => (format!("learns that {call} never took effect"), None),
        _ => (format!("does not know yet how {call} ended"), None),
    }
}

fn progressed(data: &Value) -> (String, Option<String>) {
    let back = data.get("of_rollback").is_some();
    let subject = if back {
        "sees the rollback"
    } else {
        "sees the cloud deployment"
    };
    let mut what = format!(
        "{subject} {}",
        data.get("status").map_or_else(|| "unknown".to_owned(), word)
    );
    if let Some(share) = data.get("traffic").and_then(Value::as_u64) {
        let version = if back { "old" } else { "new" };
        what.push_str(&format!(", {share} % on the {version} version"));
    }
    let mut moved: Vec<(String, Vec<&str>)> = Vec::new();
    for event in data.get("lifecycle").and_then(Value::as_array).into_iter().flatten() {
        let status = event.get("status").map_or_else(|| "unknown".to_owned(), word);
        if status == "pending" {
            continue;
        }
        let name = text(event, "name").unwrap_or("an event");
        match moved.iter_mut().find(|(other, _)| *other == status) {
            Some((_, names)) => names.push(name),
            None => moved.push((status, vec![name])),
        }
    }
    let moved: Vec<String> = moved
        .iter()
        .map(|(status, names)| format!("{} {status}", names.join(", ")))
        .collect();
    (what, (!moved.is_empty()).then(|| moved.join("; ")))
}

/// Hashes of 64 digits are for machines: the first ten do on a screen.
pub(crate) fn shorten_hashes(sentence: &str) -> String {
    sentence
        .split(' ')
        .map(|word| {
            let (bare, mark) = match word.strip_suffix([';', ',', '.']) {
                Some(bare) => (bare, &word[bare.len()..]),
                None => (word, ""),
            };
            let hex = bare.strip_prefix("sha256:").unwrap_or(bare);
            if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                format!("{}…{mark}", &hex[..10])
            } else {
                word.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tidegate_domain::{Actor, Subject};

    fn said(kind: EventKind, data: Value) -> (String, Option<String>) {
        let event = AuditEvent {
            kind,
            actor: Actor::system("worker"),
            subject: Subject::default(),
            data,
            text: None,
        };
        let sentence = sentence(&event);
        (sentence.what, sentence.detail)
    }

    #[test]
    fn r02_a_void_approval_says_whose_and_what_changed() {
        let why = format!(
            "image digest changed from sha256:{} to sha256:{}",
            "a1".repeat(32),
            "b2".repeat(32)
        );
        let data = json!({ "person": { "id": 1, "login": "ben" }, "why": why });
        assert_eq!(
            said(EventKind::ApprovalInvalidated, data),
            (
                "voids the approval of ben".to_owned(),
                Some("image digest changed from a1a1a1a1a1… to b2b2b2b2b2…".to_owned())
            )
        );
    }

    #[test]
    fn a_monitor_tells_what_failed_and_how_long() {
        let failing = json!({ "suite": "reference", "health": "failing", "test": "chat_basic", "why": "status is 500, expected 200" });
        assert_eq!(
            said(EventKind::MonitorChanged, failing),
            (
                "sees monitor reference fail at chat_basic".to_owned(),
                Some("status is 500, expected 200".to_owned())
            )
        );
        let passing = json!({ "suite": "reference", "health": "passing", "seconds": 600 });
        assert_eq!(
            said(EventKind::MonitorChanged, passing),
            (
                "sees monitor reference pass again".to_owned(),
                Some("after 10 min".to_owned())
            )
        );
    }

    #[test]
    fn a_smoke_test_tells_where_it_ran_and_why_it_failed() {
        let passed = json!({ "test": "health", "when": "before", "attempts": 2, "latency_ms": 1_240 });
        assert_eq!(
            said(EventKind::SmokePassed, passed),
            (
                "sees health pass on the test listener, at attempt 2".to_owned(),
                Some("in 1.2 s".to_owned())
            )
        );
        let failed = json!({ "test": "chat", "when": "after", "attempts": 1, "why": "status is 500, expected 200" });
        assert_eq!(
            said(EventKind::SmokeFailed, failed),
            (
                "sees chat fail in production".to_owned(),
                Some("status is 500, expected 200".to_owned())
            )
        );
    }

    #[test]
    fn progress_is_told_in_words() {
        let data = json!({ "status": "in_progress", "traffic": 10, "lifecycle": [
            { "name": "Install", "status": "succeeded" }, { "name": "AllowTraffic", "status": "pending" } ] });
        assert_eq!(
            said(EventKind::CloudProgressed, data),
            (
                "sees the cloud deployment in progress, 10 % on the new version".to_owned(),
                Some("Install succeeded".to_owned())
            )
        );
    }

    #[test]
    fn a_warning_says_what_it_is_about() {
        let data = json!({ "concern": "unseen", "what": "the cloud cannot be read" });
        assert_eq!(
            said(EventKind::WorkerWarning, data),
            ("warning".to_owned(), Some("the cloud cannot be read".to_owned()))
        );
    }

    #[test]
    fn every_kind_of_event_has_a_sentence_even_without_data() {
        for kind in EventKind::ALL {
            assert!(!said(*kind, Value::Null).0.is_empty(), "{kind}");
        }
    }
}
