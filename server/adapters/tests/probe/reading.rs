//! What is sent, what is read, and how long it takes.

use crate::{
    Listener, Names, here,
    listener::{at_once, ok},
    nothing, prober, response,
};
use std::time::Duration;
use tidegate_adapters::probe::{BODY_MAX, Prober};
use tidegate_domain::smoke::{HeaderValue, Method, Test};

#[tokio::test]
async fn a_request_is_sent_as_the_test_says() {
    let listener = Listener::start(|_| ok(r#"{"intent":"refund"}"#)).await;
    let test = Test {
        method: Method::Post,
        path: "/v1/classify?trace=1".to_owned(),
        body: Some(r#"{"text":"ü"}"#.to_owned()),
        headers: [("x-tenant".to_owned(), HeaderValue::Plain("acme".to_owned()))].into(),
        ..Test::get("t", "/")
    };
    let base = format!("{}/api/", listener.url());
    let answer = response(prober(&Names::of(&[])).probe(&base, &test, &here()).await);
    assert_eq!(answer.body, r#"{"intent":"refund"}"#);
    assert!(
        answer
            .headers
            .contains(&("content-type".to_owned(), "application/json".to_owned()))
    );
    let request = listener.requests().remove(0);
    assert!(
        request.starts_with("POST /api/v1/classify?trace=1 HTTP/1.1\r\n"),
        "{request}"
    );
    for part in [
        "x-tenant: acme",
        "content-type: application/json",
        "user-agent: tidegate-smoke/",
    ] {
        assert!(request.contains(part), "{part}: {request}");
    }
    assert!(request.ends_with("\r\n\r\n{\"text\":\"ü\"}"), "{request}");
}

#[tokio::test]
async fn r33_a_secret_goes_out_and_never_comes_back() {
    let listener = Listener::start(|_| {
        at_once(
            "HTTP/1.1 200 OK\r\nx-echo: canary-secret-value\r\nconnection: close\r\n\r\nyou sent canary-secret-value!",
        )
    })
    .await;
    let with = |name: &str| Test {
        headers: [(
            "authorization".to_owned(),
            HeaderValue::Secret {
                prefix: "Bearer ".to_owned(),
                name: name.to_owned(),
            },
        )]
        .into(),
        ..Test::get("t", "/")
    };
    let probe = prober(&Names::of(&[]));
    let answer = response(
        probe
            .probe(&listener.url(), &with("TIDEGATE_SMOKE_TOKEN"), &here())
            .await,
    );
    assert!(listener.requests()[0].contains("authorization: Bearer canary-secret-value"));
    assert_eq!(answer.body, "you sent [hidden]!");
    assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
    let why = nothing(
        probe
            .probe(&listener.url(), &with("TIDEGATE_SMOKE_OTHER"), &here())
            .await,
    );
    assert_eq!(why, "TIDEGATE_SMOKE_OTHER is not set");
    assert_eq!(listener.requests().len(), 1, "nothing is sent without its secret");
}

#[tokio::test]
async fn latency_is_to_the_last_byte() {
    let listener = Listener::start(|_| {
        vec![
            (
                Duration::ZERO,
                b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nab".to_vec(),
            ),
            (Duration::from_millis(300), b"cd".to_vec()),
        ]
    })
    .await;
    let answer = response(
        prober(&Names::of(&[]))
            .probe(&listener.url(), &Test::get("t", "/"), &here())
            .await,
    );
    assert_eq!(answer.body, "abcd");
    assert!((300..10_000).contains(&answer.latency_ms), "{}", answer.latency_ms);
}

#[tokio::test]
async fn the_time_out_is_over_the_whole_exchange() {
    let listener = Listener::start(|_| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n".to_vec();
        let mut parts = vec![(Duration::ZERO, head)];
        // A byte now and then, for 20 s.
        parts.extend((0..200).map(|_| (Duration::from_millis(100), b"x".to_vec())));
        parts
    })
    .await;
    let test = Test {
        timeout_ms: 400,
        ..Test::get("t", "/")
    };
    let answer = prober(&Names::of(&[])).probe(&listener.url(), &test, &here()).await;
    assert!((400..5_000).contains(&answer.latency_ms()), "{}", answer.latency_ms());
    assert_eq!(nothing(answer), "not within 400 ms");
}

#[tokio::test]
async fn of_a_long_body_the_beginning_is_read() {
    for (length, cut) in [(BODY_MAX, false), (BODY_MAX + 1, true), (50 * BODY_MAX, true)] {
        let listener = Listener::start(move |_| ok(&"x".repeat(length))).await;
        let answer = response(
            prober(&Names::of(&[]))
                .probe(&listener.url(), &Test::get("t", "/"), &here())
                .await,
        );
        assert_eq!((answer.body.len(), answer.cut), (length.min(BODY_MAX), cut), "{length}");
    }
}

#[tokio::test]
async fn nobody_there_is_told_in_words() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let why = nothing(
        prober(&Names::of(&[]))
            .probe(&format!("http://{free}"), &Test::get("t", "/"), &here())
            .await,
    );
    assert!(why.to_lowercase().contains("connection refused"), "{why}");
    let why = nothing(
        prober(&Names::of(&[]))
            .probe("https://nowhere.acme.example", &Test::get("t", "/"), &here())
            .await,
    );
    assert_eq!(why, "nowhere.acme.example cannot be resolved: no such host is known");
    let broken = Listener::start(|_| at_once("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab")).await;
    let why = nothing(
        prober(&Names::of(&[]))
            .probe(&broken.url(), &Test::get("t", "/"), &here())
            .await,
    );
    assert!(why.starts_with("its body broke off"), "{why}");
}
