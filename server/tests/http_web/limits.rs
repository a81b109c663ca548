//! Rate limits, size limits, slow clients (R34).

use crate::world::{Wishes, World};
use reqwest::StatusCode;
use std::time::Duration;
use tidegate_server::http::{Rates, Timeouts};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

#[tokio::test]
async fn r34_the_eleventh_sign_in_in_a_minute_has_to_wait() {
    let world = World::with(Wishes {
        rates: Rates::default(),
        ..Wishes::default()
    })
    .await;
    for _ in 0..10 {
        world.begin("").await;
    }
    let refused = world
        .get("/auth/sign-in")
        // A header that nobody of ours wrote buys no other address.
        .header("x-forwarded-for", "203.0.113.7")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=7).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn r34_a_person_approves_thirty_times_a_minute_at_most_by_page_and_api_together() {
    let world = World::new().await;
    let ada = world.sign_in("ada-acme").await;
    let page = world.deployment(&ada).await;
    let ben = world.sign_in("ben-acme").await;
    for _ in 0..15 {
        let form = [("revision", "0")];
        let answer = world
            .post(&format!("{page}/approve"))
            .header("cookie", &ben)
            .form(&form)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let json = serde_json::json!({ "revision": "0".repeat(64) });
        let path = format!("/api/v1{page}/approve");
        let answer = world
            .post(&path)
            .header("cookie", &ben)
            .json(&json)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CONFLICT);
    }
    let form = [("revision", "0"), ("comment", "looks good so far")];
    let refused = world
        .post(&format!("{page}/approve"))
        .header("cookie", &ben)
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    let said = refused.text().await.unwrap();
    assert!(
        said.contains("too many") && said.contains(&format!("href=\"{page}\"")),
        "{said}"
    );
    let kept = world.session_data(&ben).await;
    assert_eq!(
        kept["flash"]["kept"]["comment"], "looks good so far",
        "no typed text is lost"
    );
    let other = world
        .post(&format!("{page}/approve"))
        .header("cookie", &ada)
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), StatusCode::SEE_OTHER, "others are not held up");
}

#[tokio::test]
async fn r34_what_is_too_large_is_refused() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    let token = world.ci().await;
    let large = "x".repeat(300 * 1024);
    let form = world
        .post("/deployments")
        .header("cookie", &session)
        .form(&[("reason", &large)]);
    assert_eq!(form.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let api = world
        .post("/api/v1/deployments")
        .bearer_auth(token)
        .json(&serde_json::json!({ "reason": large }));
    let answer = api.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let webhook = world.post("/webhooks/github").body("x".repeat(9 * 1024 * 1024));
    // The server may hang up before all of it was sent.
    if let Ok(answer) = webhook.send().await {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test]
async fn r34_a_client_that_sends_its_request_drop_by_drop_is_hung_up_on() {
    let world = World::with(Wishes {
        timeouts: Timeouts {
            head: Duration::from_millis(300),
            ..Timeouts::default()
        },
        ..Wishes::default()
    })
    .await;
    let mut stream = TcpStream::connect(world.base.trim_start_matches("http://"))
        .await
        .unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection was still open after 5 s");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn r34_a_client_that_sends_its_body_drop_by_drop_is_answered_without_it() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.base.trim_start_matches("http://"))
        .await
        .unwrap();
    stream
        .write_all(b"POST /theme HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nthe")
        .await
        .unwrap();
    let mut answer = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(15), stream.read_exact(&mut answer)).await;
    assert!(read.is_ok(), "nothing was answered within 15 s");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}
