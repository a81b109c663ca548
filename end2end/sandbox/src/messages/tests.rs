//! What the receivers take and what they refuse, as their documentation has it.

use serde_json::{Value, json};

use crate::{Options, Sandbox};

async fn post(sandbox: &Sandbox, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let mut request = reqwest::Client::new()
        .post(format!("{}{path}", sandbox.messages_url()))
        .json(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

async fn kept(sandbox: &Sandbox) -> Vec<(String, bool)> {
    let kept: Value = reqwest::get(format!("{}/messages", sandbox.control_url()))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let pair = |message: &Value| {
        (
            message["service"].as_str().unwrap().to_owned(),
            message["arrived"].as_bool().unwrap(),
        )
    };
    kept.as_array().unwrap().iter().map(pair).collect()
}

#[tokio::test]
async fn slack_refuses_with_status_200() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let path = "/slack/api/chat.postMessage";
    let good = json!({ "channel": "#deploys", "text": "hello" });
    for (token, body, error) in [
        (None, good.clone(), "not_authed"),
        (Some("xoxb-other"), good.clone(), "invalid_auth"),
        (
            Some("xoxb-sandbox-token"),
            json!({ "channel": "#nowhere", "text": "hello" }),
            "channel_not_found",
        ),
        (Some("xoxb-sandbox-token"), json!({ "channel": "#deploys" }), "no_text"),
        (
            Some("xoxb-sandbox-token"),
            json!({ "channel": "#deploys", "text": "x", "blocks": [{ "type": "section" }] }),
            "invalid_blocks",
        ),
    ] {
        let (status, answer) = post(&sandbox, path, token, &body).await;
        assert_eq!((status, answer["error"].as_str()), (200, Some(error)));
    }
    let (_, answer) = post(&sandbox, path, Some("xoxb-sandbox-token"), &good).await;
    assert_eq!(answer["ok"], true);
    let arrived: Vec<bool> = kept(&sandbox).await.into_iter().map(|(_, arrived)| arrived).collect();
    assert_eq!(arrived, [false, false, false, false, false, true]);
}

#[tokio::test]
async fn pagerduty_says_what_is_wrong_with_an_event() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let key = "5a4d3b0c5a4d3b0c5a4d3b0c5a4d3b0c";
    let path = "/pagerduty/v2/enqueue";
    let payload = json!({ "summary": "s", "source": "tidegate", "severity": "error" });
    let good = json!({ "routing_key": key, "event_action": "trigger", "dedup_key": "d", "payload": payload });
    assert_eq!(post(&sandbox, path, None, &good).await.0, 202);
    let bad = json!({ "routing_key": key, "event_action": "resolve" });
    let (status, answer) = post(&sandbox, path, None, &bad).await;
    assert_eq!(
        (status, &answer["errors"][0]),
        (400, &json!("'dedup_key' is missing or blank"))
    );
    let (status, _) = post(
        &sandbox,
        "/pagerduty/v2/change/enqueue",
        None,
        &json!({ "routing_key": "no" }),
    )
    .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn trouble_befalls_one_service_for_as_often_as_was_asked() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let faults = json!([
        { "service": "slack", "kind": "rate_limit", "seconds": 7, "times": 1 },
        { "service": "hooks", "kind": "lost", "times": 1 },
    ]);
    reqwest::Client::new()
        .put(format!("{}/messages/faults", sandbox.control_url()))
        .json(&faults)
        .send()
        .await
        .unwrap();
    let good = json!({ "channel": "#deploys", "text": "hello" });
    let path = "/slack/api/chat.postMessage";
    assert_eq!(post(&sandbox, "/hooks/x", None, &good).await.0, 502);
    assert_eq!(post(&sandbox, "/hooks/x", None, &good).await.0, 204);
    assert_eq!(post(&sandbox, path, Some("xoxb-sandbox-token"), &good).await.0, 429);
    assert_eq!(post(&sandbox, path, Some("xoxb-sandbox-token"), &good).await.0, 200);
    let hooks = |arrived| ("hooks".to_owned(), arrived);
    let slack = |arrived| ("slack".to_owned(), arrived);
    assert_eq!(
        kept(&sandbox).await,
        [hooks(true), hooks(true), slack(false), slack(true)]
    );
}
