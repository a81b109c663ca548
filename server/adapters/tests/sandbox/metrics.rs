//! Numbers and alarms from CloudWatch: what is there, what is not there, and what goes wrong.

use crate::world::{World, soon};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tidegate_adapters::{AlarmState, CloudWatch, Metrics as _, Read, Sources};
use tidegate_domain::{
    health::{Query, Samples, Stat, Unread},
    time::Timestamp,
};
use tidegate_sandbox::Options;

/// A world at nine o'clock, with `Errors` and `Requests` of the service `rag` every minute from then on: no errors for two
/// minutes and four a minute after them, of 200 requests.
async fn world() -> World {
    world_with(Options::recorded()).await
}

async fn world_with(options: Options) -> World {
    let world = World::with(options).await;
    world.control("clock", json!({ "set": "2026-03-02T09:00:00Z" })).await;
    put(
        &world,
        "Errors",
        json!({ "shape": { "step": { "at": 120, "before": 0, "after": 4 } }, "since": 0 }),
    )
    .await;
    put(&world, "Requests", json!({ "shape": { "constant": 200 }, "since": 0 })).await;
    world
}

async fn put(world: &World, name: &str, members: Value) {
    let mut body = json!({ "namespace": "Acme", "name": name, "dimensions": { "Service": "rag" } });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    world.control("aws/metrics", body).await;
}

fn sources(world: &World) -> Sources {
    Sources {
        cloudwatch: CloudWatch::new(world.aws.clone()),
        prometheus: None,
    }
}

/// So many seconds after nine o'clock.
fn at(seconds: i64) -> Timestamp {
    // date -u -d 2026-03-02T09:00:00 +%s
    Timestamp::from_millis((1_772_442_000 + seconds) * 1_000)
}

fn stat(name: &str) -> Stat {
    Stat {
        id: name.to_lowercase(),
        namespace: "Acme".to_owned(),
        name: name.to_owned(),
        dimensions: BTreeMap::from([("Service".to_owned(), "rag".to_owned())]),
        stat: "Sum".to_owned(),
    }
}

/// From nine o'clock until `until` seconds later, minute by minute.
fn read(expression: Option<&str>, metrics: &[&str], until: i64) -> Read {
    Read {
        query: Query::Cloudwatch {
            expression: expression.map(str::to_owned),
            metrics: metrics.iter().map(|name| stat(name)).collect(),
            period_seconds: 60,
        },
        from: at(0),
        until: at(until),
    }
}

fn rate(until: i64) -> Read {
    read(Some("100 * errors / requests"), &["Errors", "Requests"], until)
}

/// Seconds after nine o'clock, and the value.
fn points(samples: &Samples) -> Vec<(i64, f64)> {
    let series = samples.as_ref().unwrap();
    series
        .points()
        .iter()
        .map(|point| (point.at.since(at(0)) / 1_000, point.value))
        .collect()
}

fn unread(samples: &Samples) -> &str {
    let Err(Unread(words)) = samples else {
        panic!("{samples:?}");
    };
    words
}

async fn asked(world: &World) -> usize {
    world.calls("GetMetricData").await.len()
}

#[tokio::test]
async fn queries_of_one_range_are_answered_by_one_call_and_each_has_its_own_answer() {
    let world = world().await;
    world.step(300).await;
    let reads = [
        rate(240),
        read(None, &["Requests"], 240),
        read(None, &["Nothing"], 240),
        rate(60),
    ];
    let samples = sources(&world).read(&reads, soon()).await;
    assert_eq!(points(&samples[0]), [(0, 0.0), (60, 0.0), (120, 2.0), (180, 2.0)]);
    assert_eq!(
        points(&samples[1]),
        [(0, 200.0), (60, 200.0), (120, 200.0), (180, 200.0)]
    );
    assert_eq!(points(&samples[2]), [], "no datapoint is no error");
    assert_eq!(points(&samples[3]), [(0, 0.0)]);
    let calls = world.calls("GetMetricData").await;
    assert_eq!(calls.len(), 2, "one for each range");
    assert!(
        calls
            .iter()
            .all(|call| call["attempt"] == 1 && call["protocol"] == "smithy-rpc-v2-cbor")
    );
}

#[tokio::test]
async fn gaps_are_gaps_and_what_arrives_late_is_there_later() {
    let world = world().await;
    put(
        &world,
        "Errors",
        json!({ "shape": { "constant": 1 }, "gaps": [{ "from": 60, "until": 180 }], "delay_seconds": 60 }),
    )
    .await;
    world.step(300).await;
    let metrics = sources(&world);
    let errors = read(None, &["Errors"], 300);
    let samples = metrics.read(std::slice::from_ref(&errors), soon()).await;
    assert_eq!(points(&samples[0]), [(0, 1.0), (180, 1.0)]);
    world.step(60).await;
    let samples = metrics.read(&[errors], soon()).await;
    assert_eq!(points(&samples[0]), [(0, 1.0), (180, 1.0), (240, 1.0)]);
}

#[tokio::test]
async fn only_whole_periods_are_given_and_no_call_is_made_for_none() {
    let world = world().await;
    world.step(300).await;
    let odd = Read {
        from: at(30),
        until: at(199),
        ..read(None, &["Requests"], 0)
    };
    let none = Read {
        until: at(59),
        ..odd.clone()
    };
    let samples = sources(&world).read(&[odd, none], soon()).await;
    assert_eq!(points(&samples[0]), [(60, 200.0), (120, 200.0)]);
    assert_eq!(points(&samples[1]), []);
    assert_eq!(asked(&world).await, 1);
}

#[tokio::test]
async fn every_page_is_read() {
    let world = world().await;
    world.control("aws/metrics/page", json!({ "datapoints": 7 })).await;
    world.step(1_200).await;
    let reads = [rate(1_200), read(None, &["Requests"], 1_200)];
    let samples = sources(&world).read(&reads, soon()).await;
    assert_eq!(points(&samples[0]).len(), 20);
    assert_eq!(points(&samples[1]).len(), 20);
    assert_eq!(asked(&world).await, 6, "40 datapoints, 7 a page");
}

#[tokio::test]
async fn what_was_complete_before_a_page_failed_counts_and_the_rest_does_not() {
    let world = world().await;
    world.control("aws/metrics/page", json!({ "datapoints": 7 })).await;
    world.step(600).await;
    world
        .fault(json!({ "operation": "GetMetricData", "kind": "throttle", "nth": 2 }))
        .await;
    let reads = [read(None, &["Requests"], 300), rate(300)];
    let samples = sources(&world).read(&reads, soon()).await;
    assert_eq!(points(&samples[0]).len(), 5);
    assert_eq!(
        unread(&samples[1]),
        "CloudWatch did not answer now (Throttling: Rate exceeded)"
    );
    assert_eq!(asked(&world).await, 2, "nothing is tried twice");
}

#[tokio::test]
async fn a_query_that_cloudwatch_refuses_takes_no_other_with_it() {
    let world = world().await;
    world.step(120).await;
    let mut reads = vec![read(None, &["Requests"], 60); 8];
    reads[5] = read(Some("RATE(requests)"), &["Requests"], 60);
    let samples = sources(&world).read(&reads, soon()).await;
    for (index, samples) in samples.iter().enumerate() {
        if index == 5 {
            let words = unread(samples);
            assert!(
                words.contains("refused the question (ValidationError") && words.contains("RATE"),
                "{words}"
            );
        } else {
            assert_eq!(points(samples), [(0, 200.0)]);
        }
    }
    assert_eq!(asked(&world).await, 7, "8, then 4 and 4, 2 and 2, 1 and 1");
}

#[tokio::test]
async fn what_cloudwatch_could_not_read_in_full_is_said_and_the_others_are_given() {
    let world = world().await;
    world.step(120).await;
    for (status, words) in [
        ("PartialData", "only part of the datapoints"),
        ("InternalError", "failed to read it: InternalError"),
        ("Forbidden", "forbids reading it: Forbidden"),
    ] {
        put(&world, "Errors", json!({ "status": status })).await;
        let reads = [rate(60), read(None, &["Requests"], 60)];
        let samples = sources(&world).read(&reads, soon()).await;
        assert!(unread(&samples[0]).contains(words), "{:?}", samples[0]);
        assert_eq!(points(&samples[1]), [(0, 200.0)]);
    }
}

#[tokio::test]
async fn r10_a_failed_read_is_one_attempt_and_its_words_say_what_happened() {
    let world = world_with(Options::default()).await;
    world.step(120).await;
    let metrics = sources(&world);
    for (fault, words) in [
        (json!({ "kind": "throttle" }), "did not answer now (Throttling"),
        (json!({ "kind": "error", "when": "before" }), "no clear answer"),
        (json!({ "kind": "reset", "when": "before" }), "no clear answer"),
        (json!({ "kind": "delay", "milliseconds": 4_000 }), "no clear answer"),
        (
            json!({ "kind": "error", "when": "before", "status": 403, "code": "AccessDenied", "message": "no" }),
            "allow cloudwatch:GetMetricData",
        ),
    ] {
        world.fault(fault).await;
        let before = asked(&world).await;
        let samples = metrics.read(&[rate(60)], soon()).await;
        let said = unread(&samples[0]);
        assert!(said.contains(words), "{said}");
        assert!(!said.contains("Credential") && !said.contains("canary"), "{said}");
        assert_eq!(asked(&world).await, before + 1);
    }
    assert_eq!(points(&metrics.read(&[rate(60)], soon()).await[0]), [(0, 0.0)]);
}

#[tokio::test]
async fn what_is_late_for_its_caller_is_not_waited_for() {
    let world = world().await;
    let id = world
        .fault(json!({ "operation": "GetMetricData", "kind": "hold", "when": "before" }))
        .await;
    let begun = Instant::now();
    let samples = sources(&world)
        .read(&[rate(60)], begun + Duration::from_millis(200))
        .await;
    assert_eq!(unread(&samples[0]), "CloudWatch did not answer in time");
    assert!(
        begun.elapsed() < Duration::from_millis(1_400),
        "the call itself may take 1.5 s"
    );
    world.control(&format!("faults/{id}/release"), json!({})).await;
}

#[tokio::test]
async fn alarms_are_given_in_the_order_of_their_names_and_missing_ones_are_said() {
    let world = world().await;
    let metrics = sources(&world);
    world
        .control(
            "aws/alarms",
            json!({ "name": "late", "state": "ALARM", "reason": "Threshold Crossed" }),
        )
        .await;
    world
        .control(
            "aws/alarms",
            json!({ "name": "all", "state": "INSUFFICIENT_DATA", "composite": true }),
        )
        .await;
    let mut names: Vec<String> = ["late", "nobody", "all", "rag-5xx"].map(str::to_owned).to_vec();
    names.extend((0..150).map(|number| format!("other-{number}")));
    let alarms = metrics.alarms(&names, soon()).await.unwrap();
    let states: Vec<&AlarmState> = alarms.iter().map(|alarm| &alarm.state).take(4).collect();
    assert_eq!(
        states,
        [
            &AlarmState::Alarm,
            &AlarmState::Absent,
            &AlarmState::InsufficientData,
            &AlarmState::Ok
        ]
    );
    assert_eq!(
        (alarms[0].reason.as_str(), alarms[0].since),
        ("Threshold Crossed", Some(at(0)))
    );
    assert_eq!(alarms.len(), 154);
    assert_eq!(world.calls("DescribeAlarms").await.len(), 2, "100 names a call");
    world
        .fault(json!({ "operation": "DescribeAlarms", "kind": "throttle" }))
        .await;
    let error = metrics.alarms(&names, soon()).await.unwrap_err();
    assert_eq!(error.0, "CloudWatch did not answer now (Throttling: Rate exceeded)");
    assert_eq!(metrics.alarms(&[], soon()).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_query_of_prometheus_without_one_says_what_to_write() {
    let world = world().await;
    let query = Query::Prometheus {
        query: "sum(rate(errors[1m]))".to_owned(),
        step_seconds: 60,
    };
    let reads = [
        Read {
            query,
            from: at(0),
            until: at(60),
        },
        read(None, &["Requests"], 60),
    ];
    world.step(60).await;
    let samples = sources(&world).read(&reads, soon()).await;
    assert!(unread(&samples[0]).contains("[prometheus]"));
    assert_eq!(points(&samples[1]), [(0, 200.0)]);
}
