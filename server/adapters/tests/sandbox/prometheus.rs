//! Prometheus when it is slow, huge, elsewhere or asks who is there. What it says when it is well is asked of the real one
//! (`tests/sources`).

use std::time::{Duration, Instant};
use tidegate_adapters::{Aws, AwsOptions, CloudWatch, Metrics as _, Prometheus, PrometheusOptions, Read, Sources};
use tidegate_domain::{
    health::{Query, Unread},
    time::Timestamp,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use url::Url;

const CANARY: &str = "canary-of-the-token";

/// Reads one request and answers it with these bytes; without any, keeps the connection open. Answers with the request.
async fn server(answer: Vec<u8>) -> (Url, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/prometheus/", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let mut length = 0;
        loop {
            let read = stream.read(&mut request[length..]).await.unwrap();
            length += read;
            if read == 0 || String::from_utf8_lossy(&request[..length]).contains("timeout=") {
                break;
            }
        }
        request.truncate(length);
        let _ = stream.write_all(&answer).await;
        if answer.is_empty() {
            let _ = stream.read(&mut [0]).await;
        }
        String::from_utf8(request).unwrap()
    });
    (url.parse().unwrap(), task)
}

async fn said(url: Url, until: i64, before: Instant) -> String {
    let aws = Aws::connect(AwsOptions {
        region: Some("eu-west-1".to_owned()),
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        ..AwsOptions::default()
    })
    .await;
    let prometheus = Prometheus::new(PrometheusOptions {
        url,
        token: Some(CANARY.to_owned().into()),
        timeout: Duration::from_millis(500),
    });
    let sources = Sources {
        cloudwatch: CloudWatch::new(aws),
        prometheus: Some(prometheus.unwrap()),
    };
    let read = Read {
        query: Query::Prometheus {
            query: "sum(rate(errors[1m]))".to_owned(),
            step_seconds: 60,
        },
        from: Timestamp::from_millis(60_000),
        until: Timestamp::from_millis(until * 1_000),
    };
    let Err(Unread(words)) = sources.read(&[read], before).await.remove(0) else {
        panic!("it is read");
    };
    assert!(!words.contains(CANARY), "{words}");
    words
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

#[tokio::test]
async fn the_token_goes_to_the_configured_address_and_nowhere_else() {
    let (elsewhere, strays) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let answer = format!("HTTP/1.1 307 Moved\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
    let (url, request) = server(answer.into_bytes()).await;
    let words = said(url, 240, soon()).await;
    assert!(words.contains("somewhere else (307"), "{words}");
    let request = request.await.unwrap();
    assert!(
        request.starts_with("POST /prometheus/api/v1/query_range HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains(&format!("authorization: Bearer {CANARY}\r\n")),
        "{request}"
    );
    assert!(request.contains("start=120&end=240&step=60&"), "{request}");
    assert!(!strays.is_finished());
}

#[tokio::test]
async fn one_step_is_asked_for_as_an_instant() {
    let (url, request) = server(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 4\r\n\r\nwho?".to_vec()).await;
    let words = said(url, 120, soon()).await;
    assert!(words.contains("TIDEGATE_PROMETHEUS_TOKEN"), "{words}");
    let request = request.await.unwrap();
    assert!(
        request.starts_with("POST /prometheus/api/v1/query HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("time=120&"), "{request}");
}

#[tokio::test]
async fn a_prometheus_that_does_not_answer_is_given_up() {
    let (url, _kept) = server(Vec::new()).await;
    assert_eq!(said(url, 240, soon()).await, "Prometheus did not answer within 500ms");
    let (url, _kept) = server(Vec::new()).await;
    let before = Instant::now() + Duration::from_millis(100);
    assert_eq!(said(url, 240, before).await, "Prometheus did not answer in time");
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let words = said(format!("http://{free}").parse().unwrap(), 240, soon()).await;
    assert!(words.starts_with("Prometheus could not be asked: "), "{words}");
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 99000000\r\n\r\n".to_vec();
    answer.resize(6 * 1024 * 1024, b' ');
    let (url, _kept) = server(answer).await;
    let words = said(url, 240, soon()).await;
    assert!(
        words.contains("more than 4194304 bytes") && words.contains("sum(…)"),
        "{words}"
    );
}

#[tokio::test]
async fn more_datapoints_than_prometheus_gives_are_not_asked_for() {
    let unused = "http://127.0.0.1:9".parse().unwrap();
    let words = said(unused, 60 * 11_002, soon()).await;
    assert!(words.contains("at most 11000 datapoints"), "{words}");
}
