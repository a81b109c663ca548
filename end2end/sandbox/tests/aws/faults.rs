//! What can go wrong between a client and AWS, on request.

use std::time::Duration;

use crate::account::{Account, revision};
use serde_json::{Value, json};
use tidegate_sandbox::Options;

async fn account() -> Account {
    Account::start(Options::default()).await
}

async fn fault(account: &Account, fault: Value) -> String {
    let placed = account.control("faults", fault).await;
    placed["id"].as_str().unwrap().to_owned()
}

async fn listed(account: &Account) -> usize {
    let body = json!({ "applicationName": "shop", "deploymentGroupName": "web" });
    let answer = account.call("codedeploy.ListDeployments", body).await.ok();
    answer["deployments"].as_array().unwrap().len()
}

#[tokio::test]
async fn throttling_hits_so_many_requests_from_the_nth_on() {
    let account = account().await;
    fault(
        &account,
        json!({ "operation": "GetApplication", "kind": "throttle", "nth": 2, "count": 2 }),
    )
    .await;
    let mut errors = Vec::new();
    for _ in 0..4 {
        let body = json!({ "applicationName": "shop" });
        let answer = account.call("codedeploy.GetApplication", body).await;
        errors.push(answer.error().to_owned());
    }
    let throttled = "ThrottlingException";
    assert_eq!(errors, ["", throttled, throttled, ""]);
}

#[tokio::test]
async fn an_error_before_the_effect_leaves_nothing_and_one_after_leaves_a_deployment() {
    let account = account().await;
    fault(
        &account,
        json!({ "operation": "CreateDeployment", "kind": "error", "when": "before" }),
    )
    .await;
    let answer = account.create().await;
    assert_eq!((answer.status, answer.error()), (500, "InternalFailure"));
    assert_eq!(listed(&account).await, 0);
    fault(
        &account,
        json!({ "operation": "CreateDeployment", "kind": "error", "when": "after" }),
    )
    .await;
    assert_eq!(account.create().await.status, 500);
    assert_eq!(listed(&account).await, 1);
    let calls = account.create_calls().await;
    assert_eq!(calls[0]["effect"], false);
    assert_eq!(calls[1]["effect"], true);
}

#[tokio::test]
async fn a_held_response_waits_to_be_released() {
    let account = account().await;
    let id = fault(
        &account,
        json!({ "operation": "CreateDeployment", "kind": "hold", "when": "after" }),
    )
    .await;
    let (answer, ()) = tokio::join!(account.create(), async {
        account.look(&format!("faults/{id}/wait?held=1")).await;
        assert_eq!(listed(&account).await, 1, "the effect took place");
        assert_eq!(account.create_calls().await[0]["outcome"], "pending");
        account.control(&format!("faults/{id}/release"), json!({})).await;
    });
    assert_eq!(answer.status, 200);
    assert_eq!(account.create_calls().await[0]["outcome"], "answered");
}

#[tokio::test]
async fn a_request_held_before_its_effect_takes_effect_on_release_though_its_sender_has_gone() {
    let account = account().await;
    let id = fault(
        &account,
        json!({ "operation": "CreateDeployment", "kind": "hold", "when": "before" }),
    )
    .await;
    let body = json!({
        "applicationName": "shop",
        "deploymentGroupName": "web",
        "revision": revision("web:2", "app", 8080),
    });
    let request = account
        .request("codedeploy.CreateDeployment", &body)
        .timeout(Duration::from_millis(200))
        .send();
    assert!(request.await.unwrap_err().is_timeout());
    assert_eq!(listed(&account).await, 0);
    account.control(&format!("faults/{id}/release"), json!({})).await;
    while account.create_calls().await[0]["outcome"] == "pending" {
        tokio::task::yield_now().await;
    }
    assert_eq!(listed(&account).await, 1);
}

#[tokio::test]
async fn a_held_request_whose_fault_is_deleted_never_takes_effect() {
    let account = account().await;
    let id = fault(
        &account,
        json!({ "operation": "CreateDeployment", "kind": "hold", "when": "before" }),
    )
    .await;
    let body = json!({
        "applicationName": "shop",
        "deploymentGroupName": "web",
        "revision": revision("web:2", "app", 8080),
    });
    let request = account.request("codedeploy.CreateDeployment", &body).send();
    let (answer, ()) = tokio::join!(request, async {
        account.look(&format!("faults/{id}/wait?held=1")).await;
        let url = format!("{}/faults/{id}", account.sandbox.control_url());
        account.http.delete(url).send().await.unwrap();
    });
    assert!(answer.is_err() || answer.unwrap().bytes().await.is_err());
    assert_eq!(listed(&account).await, 0);
    assert_eq!(account.create_calls().await[0]["outcome"], "dropped");
}

#[tokio::test]
async fn a_connection_reset_in_the_middle_of_the_answer_may_follow_the_effect() {
    let account = account().await;
    fault(
        &account,
        json!({ "operation": "CreateDeployment", "kind": "reset", "when": "after" }),
    )
    .await;
    let body = json!({
        "applicationName": "shop",
        "deploymentGroupName": "web",
        "revision": revision("web:2", "app", 8080),
    });
    let answer = account.request("codedeploy.CreateDeployment", &body).send().await;
    let broken = match answer {
        Err(_) => true,
        Ok(answer) => answer.bytes().await.is_err(),
    };
    assert!(broken);
    assert_eq!(listed(&account).await, 1);
    assert_eq!(account.create_calls().await[0]["outcome"], "reset");
}

#[tokio::test]
async fn a_deployment_may_be_seen_only_later_but_counts_at_once() {
    let account = account().await;
    fault(
        &account,
        json!({ "operation": "CreateDeployment", "kind": "invisible", "seconds": 20 }),
    )
    .await;
    let id = account.created().await;
    let body = json!({ "deploymentId": id });
    let early = account.call("codedeploy.GetDeployment", body.clone()).await;
    assert_eq!(early.error(), "DeploymentDoesNotExistException");
    assert_eq!(listed(&account).await, 0);
    assert_eq!(account.create().await.error(), "DeploymentLimitExceededException");
    account.step(20).await;
    assert_eq!(account.call("codedeploy.GetDeployment", body).await.status, 200);
    assert_eq!(listed(&account).await, 1);
}

#[tokio::test]
async fn faults_add_up_so_that_a_lost_answer_hides_a_deployment_seen_only_later() {
    let account = account().await;
    let create = "CreateDeployment";
    fault(
        &account,
        json!({ "operation": create, "kind": "invisible", "seconds": 20 }),
    )
    .await;
    fault(
        &account,
        json!({ "operation": create, "kind": "error", "when": "after" }),
    )
    .await;
    assert_eq!(account.create().await.status, 500);
    assert_eq!(listed(&account).await, 0);
    account.step(20).await;
    assert_eq!(listed(&account).await, 1);
    let faults = &account.create_calls().await[0]["faults"];
    assert_eq!(faults.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_reset_reaches_the_client_as_one() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let account = account().await;
    fault(&account, json!({ "kind": "reset", "when": "before" })).await;
    let address = account.sandbox.aws_url().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nauthorization: test\r\n\
         x-amz-target: CodeDeploy_20141006.ListApplications\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_misspelt_fault_or_one_that_can_do_nothing_is_refused() {
    let account = account().await;
    let id = account.created().await;
    account.step(200).await;
    for (path, body) in [
        ("faults".to_owned(), json!({ "kind": "throttle", "cuont": 2 })),
        ("faults".to_owned(), json!({ "kind": "hold" })),
        ("faults".to_owned(), json!({ "kind": "earthquake" })),
        (format!("aws/deployments/{id}/fail"), json!({ "event": "Install" })),
        (format!("aws/deployments/{id}/fail"), json!({ "event": "Lunch" })),
    ] {
        let url = format!("{}/{path}", account.sandbox.control_url());
        let answer = account.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{path} {body}");
    }
}

#[tokio::test]
async fn a_fault_for_one_group_leaves_the_others_alone() {
    let account = account().await;
    fault(
        &account,
        json!({ "group": "web-by-hand", "kind": "throttle", "count": 0 }),
    )
    .await;
    let by_hand = json!({ "deploymentGroupName": "web-by-hand" });
    for _ in 0..3 {
        let answer = account.create_with(by_hand.clone()).await;
        assert_eq!(answer.error(), "ThrottlingException");
    }
    account.created().await;
}

#[tokio::test]
async fn a_status_nobody_knows_is_shown_on_request() {
    let account = account().await;
    let id = account.created().await;
    let path = format!("aws/deployments/{id}/status");
    account.control(&path, json!({ "status": "Reticulating" })).await;
    assert_eq!(account.deployment(&id).await["status"], "Reticulating");
    account.control(&path, json!({ "status": null })).await;
    assert_eq!(account.deployment(&id).await["status"], "Created");
}

#[tokio::test]
async fn the_log_tells_the_tries_of_one_call_apart() {
    let account = account().await;
    let body = json!({ "applicationName": "shop" });
    for attempt in 1..=2 {
        account
            .request("codedeploy.GetApplication", &body)
            .header("amz-sdk-invocation-id", "3f0c")
            .header("amz-sdk-request", format!("attempt={attempt}; max=3"))
            .send()
            .await
            .unwrap();
    }
    let calls = account.look("aws/calls?operation=GetApplication").await;
    assert_eq!(calls[0]["invocation"], calls[1]["invocation"]);
    assert_eq!((&calls[0]["attempt"], &calls[1]["attempt"]), (&json!(1), &json!(2)));
    assert_eq!(calls[1]["request"], body);
}

#[tokio::test]
async fn requests_without_a_signature_or_a_known_operation_are_refused() {
    let account = account().await;
    let unsigned = account
        .http
        .post(account.sandbox.aws_url())
        .header("x-amz-target", "CodeDeploy_20141006.ListApplications")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(unsigned.status(), 400);
    let body: Value = unsigned.json().await.unwrap();
    assert_eq!(body["__type"], "MissingAuthenticationTokenException");
    let unknown = account.call("codedeploy.MakeCoffee", json!({})).await;
    assert_eq!((unknown.status, unknown.error()), (400, "UnknownOperationException"));
    let wrong = account
        .call("codedeploy.GetDeployment", json!({ "deploymentId": 7 }))
        .await;
    assert_eq!(wrong.error(), "SerializationException");
    let resting = json!({ "includeOnlyStatuses": ["Resting"] });
    let answer = account.call("codedeploy.ListDeployments", resting).await;
    assert_eq!(answer.error(), "InvalidDeploymentStatusException");
}

#[tokio::test]
async fn a_fault_for_one_application_leaves_another_with_a_group_of_the_same_name_alone() {
    let account = account().await;
    let twin = json!({ "applications": [{ "name": "shop-staging", "groups": [
        { "name": "web", "cluster": "acme", "service": "web" }] }] });
    account.control("aws/seed", twin).await;
    fault(
        &account,
        json!({ "application": "shop-staging", "group": "web", "kind": "throttle", "count": 0 }),
    )
    .await;
    account.created().await;
    let answer = account.create_with(json!({ "applicationName": "shop-staging" })).await;
    assert_eq!(answer.error(), "ThrottlingException");
}

#[tokio::test]
async fn a_request_that_is_of_no_protocol_known_here_is_refused_and_noted() {
    let account = account().await;
    let answer = account
        .http
        .post(format!(
            "{}/service/Coffee_20260101/operation/MakeCoffee",
            account.sandbox.aws_url()
        ))
        .header("smithy-protocol", "rpc-v2-cbor")
        .body("\u{1}")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    let calls = account.look("aws/calls").await;
    let call = calls.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&call["protocol"], &call["error"]),
        (&json!("unknown"), &json!("UnknownOperationException"))
    );
    assert_eq!(call["operation"], "POST /service/Coffee_20260101/operation/MakeCoffee");
}
