//! Monitors of the sample world: one that fails, one that passes, one that has not run yet.

use crate::world::NOW;
use std::collections::BTreeMap;
use tidegate_domain::{
    EnvironmentName, ServiceName, Timestamp,
    smoke::{Answer, Attempt, Health, Method, MonitorRun, MonitorStatus, Response, Suite, Test},
    time::MINUTE,
};

pub(crate) fn suite() -> Suite {
    Suite {
        name: "reference".to_owned(),
        tests: vec![
            Test {
                attempts: 5,
                ..Test::get("health_check", "/health")
            },
            Test {
                method: Method::Post,
                max_latency_ms: Some(3_000),
                ..Test::get("chat_basic", "/api/v1/chat")
            },
            Test {
                method: Method::Post,
                expected_json: BTreeMap::from([("/intent".to_owned(), "order_return".into())]),
                ..Test::get("intent_classification", "/api/v1/classify")
            },
        ],
    }
}

fn run(suite: &Suite, began_at: Timestamp, intent: &str) -> MonitorRun {
    let mut at = began_at;
    let mut attempts = Vec::new();
    for (test, latency_ms) in suite.tests.iter().zip([12, 1_240, 310]) {
        let answer = Answer::Response(Response {
            status: 200,
            headers: Vec::new(),
            body: format!(r#"{{"intent":"{intent}","token":"of a person"}}"#),
            cut: false,
            latency_ms,
        });
        attempts.push(Attempt::new(test, 1, at, &answer));
        at = at.plus_millis(latency_ms);
    }
    let failed = attempts.iter().find(|attempt| !attempt.passed());
    let failed = failed.map(|attempt| (attempt.test.clone(), attempt.why()));
    MonitorRun {
        suite: suite.name.clone(),
        version: suite.version(),
        began_at,
        ended_at: at,
        health: if failed.is_some() {
            Health::Failing
        } else {
            Health::Passing
        },
        failed,
        attempts,
    }
}

pub(crate) fn of(service: &ServiceName) -> Vec<MonitorStatus> {
    let suite = suite();
    let ago = |minutes: i64| NOW.plus_millis(-minutes * MINUTE);
    let status = |environment: &str, health: Option<(Health, Timestamp)>, runs: Vec<MonitorRun>| MonitorStatus {
        service: service.clone(),
        environment: EnvironmentName::new(environment).expect("a name"),
        suite: suite.name.clone(),
        every_seconds: 300,
        health,
        next_at: Some(NOW.plus_millis(MINUTE)),
        runs,
    };
    let runs = |intent: fn(i64) -> &'static str| {
        (0..20)
            .map(|number| run(&suite, ago(4 + 5 * number), intent(number)))
            .collect()
    };
    match service.as_str() {
        "rag" => vec![
            status(
                "staging",
                Some((Health::Passing, ago(3 * 24 * 60))),
                runs(|_| "order_return"),
            ),
            status(
                "production",
                Some((Health::Failing, ago(40))),
                runs(|number| if number < 8 { "refund" } else { "order_return" }),
            ),
        ],
        "guardrails" => vec![status("production", None, Vec::new())],
        _ => Vec::new(),
    }
}
