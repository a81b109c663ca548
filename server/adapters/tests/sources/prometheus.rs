//! The real Prometheus, with the samples of `samples.openmetrics`: `requests_total` grows by two a second on pod `a` and by one
//! on pod `b`, every 15 s from nine o'clock until ten past; `queue_length` is there at some full minutes.

use crate::{aws, server, soon};
use std::time::Duration;
use tidegate_adapters::{CloudWatch, Metrics as _, Prometheus, PrometheusOptions, Read, Sources};
use tidegate_domain::{
    health::{Query, Samples, Unread},
    time::Timestamp,
};

/// date -u -d 2026-03-02T09:00:00 +%s
const NINE: i64 = 1_772_442_000;

async fn sources() -> Sources {
    let url = server("TIDEGATE_TEST_PROMETHEUS", "scripts/test.sh prometheus");
    let prometheus = Prometheus::new(PrometheusOptions {
        url: url.parse().unwrap(),
        token: None,
        timeout: Duration::from_secs(10),
    });
    Sources {
        cloudwatch: CloudWatch::new(aws("http://127.0.0.1:9").await),
        prometheus: Some(prometheus.unwrap()),
    }
}

/// From and until in seconds after nine o'clock, minute by minute.
fn read(query: &str, from: i64, until: i64) -> Read {
    let at = |seconds: i64| Timestamp::from_millis((NINE + seconds) * 1_000);
    Read {
        query: Query::Prometheus {
            query: query.to_owned(),
            step_seconds: 60,
        },
        from: at(from),
        until: at(until),
    }
}

fn points(samples: &Samples) -> Vec<(i64, f64)> {
    let series = samples.as_ref().unwrap().points().iter();
    series
        .map(|point| (point.at.millis() / 1_000 - NINE, point.value))
        .collect()
}

fn unread(samples: &Samples) -> &str {
    let Err(Unread(words)) = samples else {
        panic!("{samples:?}");
    };
    words
}

#[tokio::test]
#[ignore = "needs Prometheus: scripts/test.sh prometheus"]
async fn what_prometheus_holds_is_what_is_read_span_by_span() {
    let reads = [
        // Three a second from nine on, so 180 in each of the first three minutes.
        read("sum(increase(requests_total[1m]))", 0, 180),
        read("sum(rate(requests_total[1m]))", 60, 120),
        // At 9:01 it was 2.5: the end of the minute that began at nine. 9:02 is NaN, at 9:03 there was none for a minute.
        read("sum(last_over_time(queue_length[30s]))", -60, 300),
        read("no_such_metric", 0, 300),
        read("42", 0, 120),
    ];
    let samples = sources().await.read(&reads, soon()).await;
    let rounded = |index: usize| -> Vec<(i64, f64)> {
        let points = points(&samples[index]).into_iter();
        points
            .map(|(at, value)| (at, (value * 1_000.0).round() / 1_000.0))
            .collect()
    };
    assert_eq!(rounded(0), [(0, 180.0), (60, 180.0), (120, 180.0)]);
    assert_eq!(rounded(1), [(60, 3.0)]);
    assert_eq!(points(&samples[2]), [(-60, 4.0), (0, 2.5), (180, 7.0), (240, 7.0)]);
    assert_eq!(points(&samples[3]), []);
    assert_eq!(points(&samples[4]), [(0, 42.0), (60, 42.0)]);
}

#[tokio::test]
#[ignore = "needs Prometheus: scripts/test.sh prometheus"]
async fn a_query_that_prometheus_cannot_answer_with_one_series_says_what_to_write() {
    let reads = [
        read("rate(requests_total[1m])", 0, 180),
        read("rate(requests_total[1m])", 60, 120),
        read("sum(rate(requests_total[1m])", 0, 180),
        read("requests_total[1m]", 60, 120),
        read("\"words\"", 60, 120),
    ];
    let samples = sources().await.read(&reads, soon()).await;
    for index in [0, 1] {
        let words = unread(&samples[index]);
        assert!(
            words.contains(r#"yields 2 series, such as {pod="a"} and {pod="b"}"#),
            "{words}"
        );
        assert!(words.contains("sum(…)"), "{words}");
    }
    let words = unread(&samples[2]);
    assert!(
        words.contains("refused the query (bad_data)") && words.contains("unclosed left parenthesis"),
        "{words}"
    );
    assert!(
        unread(&samples[3]).contains("yields samples over a time"),
        "{}",
        unread(&samples[3])
    );
    assert!(
        unread(&samples[4]).contains("yields a string"),
        "{}",
        unread(&samples[4])
    );
}
