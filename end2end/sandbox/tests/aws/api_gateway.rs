//! APIs, deployments and stages, as clients of both versions of API Gateway see them.

use serde_json::{Value, json};
use tidegate_sandbox::Options;

use crate::{account::Account, rest::start};

async fn account() -> Account {
    start(Options::recorded()).await
}

async fn patch(account: &Account, op: &str, path: &str, value: Value) -> crate::rest::RestAnswer {
    let mut operation = json!({ "op": op, "path": path });
    if !value.is_null() {
        operation["value"] = value;
    }
    let body = json!({ "patchOperations": [operation] });
    account.rest("PATCH /restapis/rest01/stages/prod", body).await
}

#[tokio::test]
async fn a_rest_api_is_read_with_its_stages_and_deployments() {
    let account = account().await;
    assert_eq!(account.get("/restapis/rest01").await["name"], "prices");
    let stage = account.get("/restapis/rest01/stages/prod").await;
    assert_eq!(
        (&stage["deploymentId"], &stage["variables"]["alias"]),
        (&json!("dep001"), &json!("live"))
    );
    assert!(stage["createdDate"].is_number());
    let deployment = account.get("/restapis/rest01/deployments/dep001").await;
    assert_eq!(deployment["description"], "the first");
    for (path, words) in [
        ("/restapis/none", "Invalid API identifier specified 123456789012:none"),
        ("/restapis/http01", "Invalid API identifier specified"),
        ("/restapis/rest01/stages/none", "Invalid stage identifier specified"),
        (
            "/restapis/rest01/deployments/none",
            "Invalid Deployment identifier specified",
        ),
    ] {
        let missing = account.rest(&format!("GET {path}"), Value::Null).await;
        assert_eq!(missing.refusal(), (404, "NotFoundException"), "{path}");
        assert!(missing.said().contains(words), "{missing:?}");
    }
}

#[tokio::test]
async fn deployments_come_in_pages() {
    let account = account().await;
    let page = account.get("/restapis/rest01/deployments?limit=1").await;
    assert_eq!(page["item"][0]["id"], "dep001");
    let position = page["position"].as_str().unwrap();
    let rest = account
        .get(&format!("/restapis/rest01/deployments?limit=1&position={position}"))
        .await;
    assert_eq!(
        (&rest["item"][0]["id"], &rest["position"]),
        (&json!("dep002"), &Value::Null)
    );
    let wrong = account
        .rest("GET /restapis/rest01/deployments?position=elsewhere", Value::Null)
        .await;
    assert_eq!(wrong.refusal(), (400, "BadRequestException"));
}

#[tokio::test]
async fn a_deployment_moves_a_stage_only_if_it_names_it() {
    let account = account().await;
    let alone = account
        .rest(
            "POST /restapis/rest01/deployments",
            json!({ "description": "a new one" }),
        )
        .await;
    assert_eq!(alone.status, 201);
    let id = alone.body["id"].clone();
    let again = account
        .rest(
            "POST /restapis/rest01/deployments",
            json!({ "description": "a new one" }),
        )
        .await
        .ok();
    assert_ne!(again["id"], id, "there is no client token");
    assert_eq!(
        account.get("/restapis/rest01/stages/prod").await["deploymentId"],
        "dep001"
    );

    let moved = patch(&account, "replace", "/deploymentId", id.clone()).await.ok();
    assert_eq!(moved["deploymentId"], id);
    let body = json!({ "stageName": "prod", "variables": { "color": "blue" } });
    let onto = account.rest("POST /restapis/rest01/deployments", body).await.ok();
    let stage = account.look("aws/apis/rest01").await["stages"]["prod"].clone();
    assert_eq!(
        stage,
        json!({ "deployment": onto["id"], "variables": { "alias": "live", "color": "blue" } })
    );
}

#[tokio::test]
async fn a_stage_is_changed_by_all_of_a_patch_or_not_at_all() {
    let account = account().await;
    let set = patch(&account, "replace", "/variables/alias", json!("next")).await.ok();
    assert_eq!(set["variables"], json!({ "alias": "next" }));
    let gone = patch(&account, "remove", "/variables/alias", Value::Null).await.ok();
    assert!(gone["variables"].is_null());
    for (op, path, value) in [
        ("replace", "/deploymentId", json!("none")),
        ("replace", "/deploymentId", Value::Null),
        ("replace", "/variables/a-b", json!("x")),
        ("replace", "/variables/alias", json!("a b")),
        ("add", "/deploymentId", json!("dep002")),
        ("replace", "/deployment", json!("dep002")),
    ] {
        let refused = patch(&account, op, path, value).await;
        assert_eq!(refused.refusal(), (400, "BadRequestException"), "{op} {path}");
    }
    let half = json!({ "patchOperations": [
        { "op": "replace", "path": "/deploymentId", "value": "dep002" },
        { "op": "replace", "path": "/nothing", "value": "x" },
    ]});
    let refused = account.rest("PATCH /restapis/rest01/stages/prod", half).await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        account.get("/restapis/rest01/stages/prod").await["deploymentId"],
        "dep001"
    );
}

#[tokio::test]
async fn a_deployment_that_a_stage_uses_cannot_be_deleted() {
    let account = account().await;
    let delete = async |path: &str| account.rest(&format!("DELETE {path}"), Value::Null).await;
    let used = delete("/restapis/rest01/deployments/dep001").await;
    assert_eq!(used.refusal(), (400, "BadRequestException"));
    assert!(used.said().starts_with("Active stages pointing to this deployment"));
    assert_eq!(delete("/restapis/rest01/deployments/dep002").await.status, 202);
    let gone = delete("/restapis/rest01/deployments/dep002").await;
    assert_eq!(gone.refusal(), (404, "NotFoundException"));
}

#[tokio::test]
async fn an_http_api_is_deployed_and_its_stage_moved() {
    let account = account().await;
    let api = account.get("/v2/apis/http01").await;
    assert_eq!((&api["name"], &api["protocolType"]), (&json!("quotes"), &json!("HTTP")));
    assert_eq!(account.get("/v2/apis/socket").await["protocolType"], "WEBSOCKET");
    let missing = account.rest("GET /v2/apis/rest01", Value::Null).await;
    assert_eq!(missing.refusal(), (404, "NotFoundException"));

    let made = account
        .rest(
            "POST /v2/apis/http01/deployments",
            json!({ "description": "a new one" }),
        )
        .await;
    assert_eq!((made.status, &made.body["deploymentStatus"]), (201, &json!("PENDING")));
    let id = made.body["deploymentId"].as_str().unwrap();
    account.step(1).await;
    let deployment = account.get(&format!("/v2/apis/http01/deployments/{id}")).await;
    assert_eq!(deployment["deploymentStatus"], "DEPLOYED");
    assert_eq!(
        account.get("/v2/apis/http01/stages/prod").await["deploymentId"],
        "dep101"
    );

    let body = json!({ "deploymentId": id, "stageVariables": { "color": "blue" } });
    let stage = account.rest("PATCH /v2/apis/http01/stages/prod", body).await.ok();
    assert_eq!(stage["deploymentId"], id);
    assert_eq!(stage["stageVariables"], json!({ "alias": "live", "color": "blue" }));
    let empty = json!({ "stageVariables": { "alias": "" } });
    let stage = account.rest("PATCH /v2/apis/http01/stages/prod", empty).await.ok();
    assert_eq!(stage["stageVariables"], json!({ "color": "blue" }));

    let page = account.get("/v2/apis/http01/deployments?maxResults=1").await;
    let token = page["nextToken"].as_str().unwrap();
    let rest = account
        .get(&format!("/v2/apis/http01/deployments?nextToken={token}"))
        .await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stage_that_deploys_by_itself_takes_no_deployment() {
    let account = account().await;
    let body = json!({ "deploymentId": "dep101" });
    let refused = account.rest("PATCH /v2/apis/http01/stages/$default", body).await;
    assert_eq!(refused.refusal(), (409, "ConflictException"));
    let body = json!({ "stageName": "$default" });
    let refused = account.rest("POST /v2/apis/http01/deployments", body).await;
    assert_eq!(refused.refusal(), (409, "ConflictException"));
    let wrong = account
        .rest("PATCH /v2/apis/http01/stages/prod", json!({ "deploymentId": "none" }))
        .await;
    assert_eq!(wrong.refusal(), (400, "BadRequestException"));
}

#[tokio::test]
async fn a_fault_may_be_of_one_service_where_two_have_the_operation() {
    let account = start(Options::default()).await;
    let fault = json!({ "service": "apigateway", "operation": "CreateDeployment", "kind": "throttle", "count": 0 });
    account.control("faults", fault).await;
    let throttled = account.rest("POST /restapis/rest01/deployments", json!({})).await;
    assert_eq!(throttled.refusal(), (429, "TooManyRequestsException"));
    assert_eq!(throttled.retry_after.as_deref(), Some("1"));
    assert_eq!(
        account.rest("POST /v2/apis/http01/deployments", json!({})).await.status,
        201
    );
    account.created().await;
    let calls = account
        .look("aws/calls?service=apigateway&operation=CreateDeployment")
        .await;
    assert_eq!(calls.as_array().unwrap().len(), 1);
    assert_eq!(calls[0]["error"], "TooManyRequestsException");
}

#[tokio::test]
async fn a_seed_that_makes_no_sense_is_refused() {
    let account = account().await;
    for (part, words) in [
        (
            json!({ "functions": [{ "name": "x", "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/none:v1" }] }),
            "does not exist",
        ),
        (json!({ "functions": [{ "name": "x" }] }), "needs `image` or `versions`"),
        (
            json!({ "apis": [{ "id": "x", "name": "x", "protocol": "REST", "stages": [{ "name": "s", "deployment": "d" }] }] }),
            "no deployment `d`",
        ),
        (
            json!({ "applications": [{ "name": "x", "platform": "Lambda", "groups": [
                { "name": "x", "config": "CodeDeployDefault.ECSAllAtOnce" },
            ]}]}),
            "for Lambda",
        ),
        (json!({ "functions": [{ "name": "x", "imgae": "y" }] }), "imgae"),
    ] {
        let url = format!("{}/aws/seed", account.sandbox.control_url());
        let answer = account.http.post(url).json(&part).send().await.unwrap();
        assert!(answer.status().is_client_error());
        let text = answer.text().await.unwrap();
        assert!(text.contains(words), "{text}");
    }
}
