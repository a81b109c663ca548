//! CloudWatch over its wire protocol, rpcv2Cbor.

use crate::account::Account;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ciborium::Value as Cbor;
use serde_json::{Value, json};
use tidegate_sandbox::Options;

/// 2026-03-02T09:00:00Z, by `date -u -d … +%s`.
const NINE: i64 = 1_772_442_000;

async fn account() -> Account {
    let account = Account::start(Options::recorded()).await;
    account.control("clock", json!({ "set": "2026-03-02T09:00:00Z" })).await;
    account
}

/// Members whose names end in `Time` are times.
fn to_cbor(name: &str, value: &Value) -> Cbor {
    match value {
        Value::Number(number) if name.ends_with("Time") => {
            Cbor::Tag(1, Box::new(Cbor::Integer(number.as_i64().unwrap().into())))
        }
        Value::Object(members) => Cbor::Map(
            members
                .iter()
                .map(|(name, member)| (Cbor::Text(name.clone()), to_cbor(name, member)))
                .collect(),
        ),
        Value::Array(items) => Cbor::Array(items.iter().map(|item| to_cbor("", item)).collect()),
        other => Cbor::serialized(other).unwrap(),
    }
}

fn request(account: &Account, operation: &str, body: Vec<u8>) -> reqwest::RequestBuilder {
    let path = format!("service/GraniteServiceVersion20100801/operation/{operation}");
    account
        .http
        .post(format!("{}/{path}", account.sandbox.aws_url()))
        .header("smithy-protocol", "rpc-v2-cbor")
        .header("content-type", "application/cbor")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=test")
        .body(body)
}

/// The status, and the answer as JSON with times as plain numbers.
async fn call(account: &Account, operation: &str, body: Value) -> (u16, Value) {
    let mut bytes = Vec::new();
    ciborium::into_writer(&to_cbor("", &body), &mut bytes).unwrap();
    let answer = request(account, operation, bytes).send().await.unwrap();
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["smithy-protocol"], "rpc-v2-cbor");
    let read: Cbor = ciborium::from_reader(&answer.bytes().await.unwrap()[..]).unwrap();
    (status, from_cbor(read))
}

fn from_cbor(value: Cbor) -> Value {
    match value {
        Cbor::Tag(1, inner) => from_cbor(*inner),
        Cbor::Array(items) => Value::Array(items.into_iter().map(from_cbor).collect()),
        Cbor::Map(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, member)| (name.into_text().unwrap(), from_cbor(member)))
                .collect(),
        ),
        other => other.deserialized().unwrap(),
    }
}

fn metric(id: &str, name: &str, stat: &str) -> Value {
    json!({
        "Id": id,
        "MetricStat": {
            "Metric": { "Namespace": "Acme", "MetricName": name, "Dimensions": [{ "Name": "Service", "Value": "web" }] },
            "Period": 60,
            "Stat": stat,
        },
    })
}

/// The ten minutes from nine o'clock on.
fn asked(queries: &[Value]) -> Value {
    json!({ "MetricDataQueries": queries, "StartTime": NINE, "EndTime": NINE + 600, "ScanBy": "TimestampAscending" })
}

async fn put(account: &Account, name: &str, members: Value) {
    let mut body = json!({ "namespace": "Acme", "name": name, "dimensions": { "Service": "web" } });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    account.control("aws/metrics", body).await;
}

#[tokio::test]
async fn metric_math_over_what_has_arrived_by_now() {
    let account = account().await;
    put(
        &account,
        "Errors",
        json!({ "shape": { "step": { "at": 120, "before": 0, "after": 4 } } }),
    )
    .await;
    put(&account, "Requests", json!({ "shape": { "constant": 200 } })).await;
    let mut errors = metric("errors", "Errors", "Sum");
    errors["ReturnData"] = json!(false);
    let mut requests = metric("requests", "Requests", "Sum");
    requests["ReturnData"] = json!(false);
    let rate = json!({ "Id": "rate", "Expression": "100 * errors / requests", "Label": "error rate" });
    let body = asked(&[errors, requests, rate]);
    account.step(240).await;
    let (status, answer) = call(&account, "GetMetricData", body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer,
        json!({
            "MetricDataResults": [{
                "Id": "rate",
                "Label": "error rate",
                "Timestamps": [NINE as f64, NINE as f64 + 60.0, NINE as f64 + 120.0, NINE as f64 + 180.0],
                "Values": [0.0, 0.0, 2.0, 2.0],
                "StatusCode": "Complete",
            }],
            "Messages": [],
        })
    );
}

#[tokio::test]
async fn a_result_that_does_not_fit_on_a_page_is_partial_until_its_last() {
    let account = account().await;
    put(&account, "Requests", json!({ "shape": { "constant": 1 } })).await;
    account.step(600).await;
    let mut body = asked(&[
        metric("a", "Requests", "Sum"),
        metric("b", "Nothing", "Sum"),
        metric("c", "Requests", "Sum"),
    ]);
    body["MaxDatapoints"] = json!(7);
    let mut pages = Vec::new();
    loop {
        let (status, answer) = call(&account, "GetMetricData", body.clone()).await;
        assert_eq!(status, 200, "{answer}");
        let results = answer["MetricDataResults"].as_array().unwrap().iter();
        let shown = results.map(|result| {
            let (id, count) = (&result["Id"], result["Values"].as_array().unwrap().len());
            format!(
                "{} {count} {}",
                id.as_str().unwrap(),
                result["StatusCode"].as_str().unwrap()
            )
        });
        pages.push(shown.collect::<Vec<_>>());
        if answer["NextToken"].is_null() {
            break;
        }
        body["NextToken"] = answer["NextToken"].clone();
    }
    assert_eq!(
        pages,
        [
            vec!["a 7 PartialData"],
            vec!["a 3 Complete", "b 0 Complete", "c 4 PartialData"],
            vec!["c 6 Complete"],
        ]
    );
    body["NextToken"] = json!("page-9-9");
    let (status, answer) = call(&account, "GetMetricData", body).await;
    assert_eq!(status, 400);
    assert_eq!(answer["__type"], "com.amazonaws.cloudwatch#InvalidNextToken");
}

#[tokio::test]
async fn what_cloudwatch_would_refuse_is_refused() {
    let account = account().await;
    let twice = metric("a", "Requests", "Sum");
    let mut period = metric("a", "Requests", "Sum");
    period["MetricStat"]["Period"] = json!(45);
    for (queries, words) in [
        (vec![twice.clone(), twice], "not unique"),
        (vec![period], "45"),
        (vec![metric("A", "Requests", "Sum")], "expected pattern"),
        (vec![metric("a", "Requests", "Mode")], "Mode"),
        (
            vec![json!({ "Id": "a", "Expression": "b + 1" })],
            "Undefined variable 'b'",
        ),
        (vec![json!({ "Id": "a", "Expression": "a + 1" })], "Circular"),
        (vec![json!({ "Id": "a", "Expression": "1 + 1" })], "no time series"),
        (vec![json!({ "Id": "a" })], "Exactly one"),
    ] {
        let (status, answer) = call(&account, "GetMetricData", asked(&queries)).await;
        assert_eq!(status, 400, "{answer}");
        assert_eq!(answer["__type"], "com.amazonaws.cloudwatch#ValidationException");
        assert!(answer["message"].as_str().unwrap().contains(words), "{answer}");
    }
}

#[tokio::test]
async fn faults_befall_cloudwatch_as_they_do_other_services() {
    let account = account().await;
    let body = asked(&[metric("a", "Requests", "Sum")]);
    account
        .control("faults", json!({ "operation": "GetMetricData", "kind": "throttle" }))
        .await;
    let (status, answer) = call(&account, "GetMetricData", body.clone()).await;
    assert_eq!((status, &answer["message"]), (400, &json!("Rate exceeded")));
    account
        .control(
            "faults",
            json!({ "operation": "GetMetricData", "kind": "error", "when": "before" }),
        )
        .await;
    assert_eq!(call(&account, "GetMetricData", body.clone()).await.0, 500);
    account
        .control(
            "faults",
            json!({ "operation": "GetMetricData", "kind": "reset", "when": "before" }),
        )
        .await;
    let mut bytes = Vec::new();
    ciborium::into_writer(&to_cbor("", &body), &mut bytes).unwrap();
    let answer = request(&account, "GetMetricData", bytes.clone()).send().await;
    let broken = match answer {
        Err(_) => true,
        Ok(answer) => answer.bytes().await.is_err(),
    };
    assert!(broken);
    let calls = account.look("aws/calls?operation=GetMetricData").await;
    let outcomes: Vec<&Value> = calls.as_array().unwrap().iter().map(|call| &call["outcome"]).collect();
    assert_eq!(outcomes, ["answered", "answered", "reset"]);
    assert_eq!(calls[0]["service"], "cloudwatch");
    assert_eq!(calls[0]["request_bytes"], STANDARD.encode(bytes), "the bytes are kept");
}

#[tokio::test]
async fn an_alarm_that_goes_off_is_described_and_stops_what_is_watched_by_it() {
    let account = account().await;
    let id = account.created().await;
    account
        .control(
            "aws/alarms",
            json!({ "name": "nightly", "state": "INSUFFICIENT_DATA", "composite": true }),
        )
        .await;
    let both = json!({ "AlarmTypes": ["MetricAlarm", "CompositeAlarm"] });
    let (_, answer) = call(&account, "DescribeAlarms", both.clone()).await;
    assert_eq!(answer["MetricAlarms"][0]["AlarmName"], "web-5xx");
    assert_eq!(answer["MetricAlarms"][0]["StateValue"], "OK");
    assert_eq!(answer["CompositeAlarms"][0]["StateValue"], "INSUFFICIENT_DATA");
    let alarm = json!({ "name": "web-5xx", "state": "ALARM", "reason": "Threshold Crossed: 3 datapoints" });
    account.control("aws/alarms", alarm).await;
    let (_, answer) = call(&account, "DescribeAlarms", json!({ "StateValue": "ALARM" })).await;
    assert_eq!(answer["MetricAlarms"].as_array().unwrap().len(), 1);
    assert_eq!(
        answer["MetricAlarms"][0]["StateReason"],
        "Threshold Crossed: 3 datapoints"
    );
    account.step(10).await;
    assert_eq!(account.deployment(&id).await["status"], "Stopped");
    let (status, answer) = call(
        &account,
        "DescribeAlarms",
        json!({ "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 1 }),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(answer["MetricAlarms"], json!([]));
    assert!(answer["NextToken"].is_string());
}

#[tokio::test]
async fn metrics_are_listed_by_what_they_are_called() {
    let account = account().await;
    put(&account, "Requests", json!({ "points": [{ "at": 0, "value": 1 }] })).await;
    put(&account, "Errors", json!({ "points": [{ "at": 0, "value": 1 }] })).await;
    let filter = json!({ "MetricName": "Errors", "Dimensions": [{ "Name": "Service" }] });
    let (_, answer) = call(&account, "ListMetrics", filter).await;
    assert_eq!(
        answer["Metrics"],
        json!([{ "Namespace": "Acme", "MetricName": "Errors", "Dimensions": [{ "Name": "Service", "Value": "web" }] }])
    );
    let (_, answer) = call(
        &account,
        "ListMetrics",
        json!({ "Dimensions": [{ "Name": "Service", "Value": "rag" }] }),
    )
    .await;
    assert_eq!(answer["Metrics"], json!([]));
}
