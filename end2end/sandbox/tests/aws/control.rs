//! The control API over HTTP: time, and when the sandbox is ready.

use crate::account::Account;
use serde_json::{Value, json};
use tidegate_sandbox::{Options, Sandbox};

#[tokio::test]
async fn time_is_set_stepped_and_let_go_over_http() {
    let account = Account::start(Options::default()).await;
    assert_eq!(account.look("clock").await["frozen"], true);
    let face = account
        .control("clock", json!({ "set": "2026-03-02T09:00:00Z", "step_seconds": 90 }))
        .await;
    assert_eq!(face["now"], "2026-03-02T09:01:30Z");
    assert_eq!(account.look("clock").await, face, "it stands still");
    let face = account
        .control("clock", json!({ "speed": 3600, "freeze": false }))
        .await;
    assert_eq!((&face["speed"], &face["frozen"]), (&json!(3600.0), &json!(false)));
    while account.look("clock").await["now"].as_str() < Some("2026-03-02T09:02") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_time_that_makes_no_sense_is_refused() {
    let account = Account::start(Options::default()).await;
    let before = account.look("clock").await;
    for change in [
        json!({ "step_seconds": -1 }),
        json!({ "speed": 0 }),
        json!({ "set": "tomorrow" }),
        json!({ "stepseconds": 1 }),
    ] {
        let url = format!("{}/clock", account.sandbox.control_url());
        let answer = account.http.post(url).json(&change).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{change}");
    }
    assert_eq!(account.look("clock").await, before);
}

#[tokio::test]
async fn whoever_waits_until_it_is_healthy_finds_the_whole_seed() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("seed.json");
    let names: Vec<Value> = (0..500)
        .map(|number| json!({ "name": format!("acme/{number}") }))
        .collect();
    std::fs::write(&data, json!({ "aws": { "repositories": names } }).to_string()).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let starting = tokio::spawn(Sandbox::start(Options {
        control_port: port,
        data: Some(data),
        ..Options::default()
    }));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |path: &str| http.get(format!("http://127.0.0.1:{port}/{path}")).send();
    while !get("healthz").await.is_ok_and(|answer| answer.status() == 200) {
        tokio::task::yield_now().await;
    }
    let state: Value = get("aws/state").await.unwrap().json().await.unwrap();
    assert_eq!(state["repositories"].as_object().unwrap().len(), 500);
    starting.await.unwrap().unwrap();
}
