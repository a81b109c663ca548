//! CloudWatch as somebody else understands it: ministack, over rpcv2Cbor. It knows no metric math, and says so in a result of
//! its own; our sandbox does.

use crate::{aws, server, soon};
use aws_sdk_cloudwatch::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    primitives::DateTime,
    types::{ComparisonOperator, Dimension, MetricDatum, StateValue, Statistic},
};
use std::collections::BTreeMap;
use tidegate_adapters::{AlarmState, CloudWatch, Metrics as _, Read, Sources};
use tidegate_domain::{
    health::{Query, Stat, Unread},
    time::Timestamp,
};

fn client(endpoint: &str) -> Client {
    let config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

/// The beginning of the minute ten minutes ago, in seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the emulator goes by the real time and forgets what is older than two weeks"
)]
fn ten_minutes_ago() -> i64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(now.as_secs()).unwrap() / 60 * 60 - 600
}

fn stat(name: &str, stat: &str) -> Stat {
    Stat {
        id: "m".to_owned(),
        namespace: "Acme".to_owned(),
        name: name.to_owned(),
        dimensions: BTreeMap::from([("Service".to_owned(), "rag".to_owned())]),
        stat: stat.to_owned(),
    }
}

#[tokio::test]
#[ignore = "needs the emulator: scripts/test.sh emulator"]
async fn a_public_emulator_of_cloudwatch_is_read_as_the_sandbox_is() {
    let endpoint = server("TIDEGATE_TEST_EMULATOR", "scripts/test.sh emulator");
    let client = client(&endpoint);
    let begin = ten_minutes_ago();
    // Two in the first minute, none in the second, one in the third.
    for (seconds, value) in [(0, 3.0), (30, 4.5), (120, 8.0)] {
        let datum = MetricDatum::builder()
            .metric_name("Errors")
            .dimensions(Dimension::builder().name("Service").value("rag").build())
            .timestamp(DateTime::from_secs(begin + seconds))
            .value(value)
            .build();
        let put = client.put_metric_data().namespace("Acme").metric_data(datum);
        put.send().await.unwrap();
    }
    let sources = Sources {
        cloudwatch: CloudWatch::new(aws(&endpoint).await),
        prometheus: None,
    };
    let read = |expression: Option<&str>, stat: Stat| Read {
        query: Query::Cloudwatch {
            expression: expression.map(str::to_owned),
            metrics: vec![stat],
            period_seconds: 60,
        },
        from: Timestamp::from_millis(begin * 1_000),
        until: Timestamp::from_millis((begin + 180) * 1_000),
    };
    let reads = [
        read(None, stat("Errors", "Sum")),
        read(None, stat("Errors", "Average")),
        read(None, stat("Nothing", "Sum")),
        read(Some("m * 2"), stat("Errors", "Sum")),
    ];
    let mut samples = sources.read(&reads, soon()).await;
    let Err(Unread(words)) = samples.remove(3) else {
        panic!("the emulator has learnt metric math: assert its values here");
    };
    assert!(words.contains("Expressions not implemented"), "{words}");
    let points = |index: usize| -> Vec<(i64, f64)> {
        let series = samples[index].as_ref().unwrap().points().iter();
        series
            .map(|point| (point.at.millis() / 1_000 - begin, point.value))
            .collect()
    };
    assert_eq!(points(0), [(0, 7.5), (120, 8.0)]);
    assert_eq!(points(1), [(0, 3.75), (120, 8.0)]);
    assert_eq!(points(2), []);

    for (name, state) in [("rag-5xx", StateValue::Alarm), ("rag-slow", StateValue::Ok)] {
        let alarm = client
            .put_metric_alarm()
            .alarm_name(name)
            .namespace("Acme")
            .metric_name("Errors")
            .statistic(Statistic::Sum)
            .period(60)
            .evaluation_periods(1)
            .threshold(1.0)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold);
        alarm.send().await.unwrap();
        let set = client
            .set_alarm_state()
            .alarm_name(name)
            .state_value(state)
            .state_reason("by hand");
        set.send().await.unwrap();
    }
    let names = ["rag-slow", "nobody", "rag-5xx"].map(str::to_owned);
    let alarms = sources.alarms(&names, soon()).await.unwrap();
    let states: Vec<&AlarmState> = alarms.iter().map(|alarm| &alarm.state).collect();
    assert_eq!(states, [&AlarmState::Ok, &AlarmState::Absent, &AlarmState::Alarm]);
    assert_eq!(alarms[2].reason, "by hand");
    assert!(alarms[2].since.is_some());
}
