//! Functions, versions and aliases, as a client of Lambda sees them.

use serde_json::{Value, json};
use tidegate_sandbox::Options;

use crate::{
    account::Account,
    rest::{FUNCTION, image, start},
};

async fn account() -> Account {
    start(Options::recorded()).await
}

/// `printf one | sha256sum` and so on.
const ONE: &str = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
const TWO: &str = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3";
const THREE: &str = "8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f";

async fn update_code(account: &Account, body: Value) -> crate::rest::RestAnswer {
    account.rest(&format!("PUT {FUNCTION}/code"), body).await
}

async fn publish(account: &Account, body: Value) -> crate::rest::RestAnswer {
    account.rest(&format!("POST {FUNCTION}/versions"), body).await
}

async fn set_alias(account: &Account, body: Value) -> crate::rest::RestAnswer {
    account.rest(&format!("PUT {FUNCTION}/aliases/live"), body).await
}

#[tokio::test]
async fn a_function_is_read_by_name_arn_version_and_alias() {
    let account = account().await;
    let latest = account.get(FUNCTION).await;
    assert_eq!(latest["Code"]["ImageUri"], image("v2"));
    assert_eq!(
        latest["Code"]["ResolvedImageUri"],
        format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/pricing@sha256:{TWO}")
    );
    assert_eq!(latest["Tags"]["team"], "rag");
    let configuration = &latest["Configuration"];
    assert_eq!(configuration["Version"], "$LATEST");
    assert_eq!(
        configuration["FunctionArn"],
        "arn:aws:lambda:eu-west-1:123456789012:function:pricing"
    );
    assert_eq!(configuration["Environment"]["Variables"]["STAGE"], "live");

    let by_alias = account.get(&format!("{FUNCTION}?Qualifier=live")).await;
    assert_eq!(by_alias["Configuration"]["Version"], "1");
    let by_arn = account
        .get("/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Apricing%3A1/configuration")
        .await;
    assert_eq!((&by_arn["Version"], &by_arn["CodeSha256"]), (&json!("1"), &json!(ONE)));
    assert_eq!(by_arn["Description"], "the first");

    let missing = account.rest("GET /2015-03-31/functions/none", Value::Null).await;
    assert_eq!(missing.refusal(), (404, "ResourceNotFoundException"));
    assert_eq!(
        missing.said(),
        "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:none"
    );
    let missing = account.rest(&format!("GET {FUNCTION}?Qualifier=9"), Value::Null).await;
    assert_eq!(missing.refusal(), (404, "ResourceNotFoundException"));
}

#[tokio::test]
async fn new_code_is_in_progress_for_a_while_and_then_may_be_published() {
    let account = account().await;
    let before = account.get(&format!("{FUNCTION}/configuration")).await;
    let updated = update_code(&account, json!({ "ImageUri": image("v3") })).await.ok();
    assert_eq!(updated["LastUpdateStatus"], "InProgress");
    assert_eq!(updated["CodeSha256"], THREE);
    assert_ne!(updated["RevisionId"], before["RevisionId"]);

    for early in [
        update_code(&account, json!({ "ImageUri": image("v1") })).await,
        publish(&account, json!({})).await,
    ] {
        assert_eq!(early.refusal(), (409, "ResourceConflictException"));
        assert!(early.said().contains("An update is in progress"), "{early:?}");
    }
    account.step(5).await;
    let after = account.get(&format!("{FUNCTION}/configuration")).await;
    assert_eq!(after["LastUpdateStatus"], "Successful");
    assert_ne!(
        after["RevisionId"], updated["RevisionId"],
        "the end of an update is a revision"
    );

    let wrong = json!({ "CodeSha256": ONE });
    let refused = publish(&account, wrong).await;
    assert_eq!(refused.refusal(), (400, "InvalidParameterValueException"));
    let stale = json!({ "RevisionId": updated["RevisionId"] });
    assert_eq!(
        publish(&account, stale).await.refusal(),
        (412, "PreconditionFailedException")
    );
    let body = json!({ "CodeSha256": THREE, "RevisionId": after["RevisionId"], "Description": "the third" });
    let third = publish(&account, body).await;
    assert_eq!(third.status, 201);
    assert_eq!(
        (&third.body["Version"], &third.body["State"]),
        (&json!("3"), &json!("Pending"))
    );
    account.step(1).await;
    let third = account.get(&format!("{FUNCTION}/configuration?Qualifier=3")).await;
    assert_eq!(
        (&third["State"], &third["Description"]),
        (&json!("Active"), &json!("the third"))
    );
}

#[tokio::test]
async fn publishing_what_is_published_gives_the_version_that_there_is() {
    let account = account().await;
    for description in ["again", "and again"] {
        let answer = publish(&account, json!({ "Description": description })).await.ok();
        assert_eq!(
            (&answer["Version"], &answer["Description"]),
            (&json!("2"), &json!("the second"))
        );
    }
    let listed = account.get(&format!("{FUNCTION}/versions")).await;
    assert_eq!(listed["Versions"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_image_that_is_not_there_is_refused_and_one_that_fails_leaves_the_code_as_it_was() {
    let account = account().await;
    let refused = update_code(&account, json!({ "ImageUri": image("v9") })).await;
    assert_eq!(refused.refusal(), (400, "InvalidParameterValueException"));
    assert_eq!(
        refused.said(),
        format!(
            "Source image {} does not exist. Provide a valid source image.",
            image("v9")
        )
    );
    let elsewhere = json!({ "ImageUri": "docker.io/acme/pricing:v1" });
    let refused = update_code(&account, elsewhere).await;
    assert!(refused.said().contains("is not valid"), "{refused:?}");
    let stale = json!({ "ImageUri": image("v3"), "RevisionId": "00000000-0000-0000-0000-000000000000" });
    assert_eq!(
        update_code(&account, stale).await.refusal(),
        (412, "PreconditionFailedException")
    );

    let dry = update_code(&account, json!({ "ImageUri": image("v3"), "DryRun": true }))
        .await
        .ok();
    assert_eq!(
        (&dry["CodeSha256"], &dry["LastUpdateStatus"]),
        (&json!(THREE), &json!("Successful"))
    );
    assert_eq!(account.get(FUNCTION).await["Configuration"]["CodeSha256"], TWO);

    let failure =
        json!({ "code": "ImageAccessDenied", "message": "Lambda does not have permission to access the ECR image." });
    account.control("aws/functions/pricing/fail-next", failure).await;
    update_code(&account, json!({ "ImageUri": image("v3") })).await.ok();
    account.step(5).await;
    let failed = account.get(&format!("{FUNCTION}/configuration")).await;
    assert_eq!(failed["LastUpdateStatus"], "Failed");
    assert_eq!(failed["LastUpdateStatusReasonCode"], "ImageAccessDenied");
    assert_eq!(failed["CodeSha256"], TWO);
    update_code(&account, json!({ "ImageUri": image("v3") })).await.ok();
    account.step(5).await;
    let done = account.get(&format!("{FUNCTION}/configuration")).await;
    assert_eq!(
        (&done["LastUpdateStatus"], &done["CodeSha256"]),
        (&json!("Successful"), &json!(THREE))
    );
}

#[tokio::test]
async fn new_code_can_be_published_at_once() {
    let account = account().await;
    let body = json!({ "ImageUri": image("v3"), "Publish": true });
    let published = update_code(&account, body).await.ok();
    assert_eq!(
        (&published["Version"], &published["State"]),
        (&json!("3"), &json!("Pending"))
    );
    account.step(5).await;
    let third = account.get(&format!("{FUNCTION}?Qualifier=3")).await;
    assert_eq!(third["Configuration"]["State"], "Active");
    assert_eq!(third["Code"]["ImageUri"], image("v3"));
}

#[tokio::test]
async fn an_alias_shares_its_traffic_between_two_published_versions() {
    let account = account().await;
    let before = account.get(&format!("{FUNCTION}/aliases/live")).await;
    assert!(before["RoutingConfig"].is_null());
    let body = json!({
        "FunctionVersion": "1",
        "RoutingConfig": { "AdditionalVersionWeights": { "2": 0.1 } },
        "RevisionId": before["RevisionId"],
    });
    let shared = set_alias(&account, body.clone()).await.ok();
    assert_eq!(shared["RoutingConfig"]["AdditionalVersionWeights"]["2"], 0.1);
    let shares = account.look("aws/functions/pricing").await["aliases"]["live"].clone();
    assert_eq!(shares, json!({ "1": 0.9, "2": 0.1 }));
    let stale = set_alias(&account, body).await;
    assert_eq!(stale.refusal(), (412, "PreconditionFailedException"));

    let body = json!({ "FunctionVersion": "2", "RoutingConfig": {} });
    let moved = set_alias(&account, body).await.ok();
    assert!(moved["RoutingConfig"].is_null());
    assert_eq!(account.get(&format!("{FUNCTION}/aliases/live")).await, moved);
}

#[tokio::test]
async fn an_alias_refuses_shares_that_make_no_sense() {
    let account = account().await;
    let with = |version: &str, weights: Value| json!({ "FunctionVersion": version, "RoutingConfig": { "AdditionalVersionWeights": weights } });
    let before = account.get(&format!("{FUNCTION}/aliases/live")).await;
    for (body, refusal, words) in [
        (
            with("1", json!({ "1": 0.5 })),
            (400, "InvalidParameterValueException"),
            "already included in routing configuration",
        ),
        (
            with("$LATEST", json!({ "1": 0.5 })),
            (400, "InvalidParameterValueException"),
            "$LATEST is not supported",
        ),
        (
            with("1", json!({ "2": 0.5, "3": 0.1 })),
            (400, "InvalidParameterValueException"),
            "cannot be greater than 1",
        ),
        (
            with("1", json!({ "2": 1.5 })),
            (400, "ValidationException"),
            "less than or equal to 1.0",
        ),
        (
            with("1", json!({ "9": 0.5 })),
            (404, "ResourceNotFoundException"),
            "function:pricing:9",
        ),
        (
            json!({ "FunctionVersion": "9" }),
            (404, "ResourceNotFoundException"),
            "function:pricing:9",
        ),
    ] {
        let refused = set_alias(&account, body.clone()).await;
        assert_eq!(refused.refusal(), refusal, "{body}");
        assert!(refused.said().contains(words), "{refused:?}");
    }
    assert_eq!(account.get(&format!("{FUNCTION}/aliases/live")).await, before);
    let none = account.rest(&format!("GET {FUNCTION}/aliases/none"), Value::Null).await;
    assert_eq!(none.refusal(), (404, "ResourceNotFoundException"));
}

#[tokio::test]
async fn versions_and_aliases_come_in_pages() {
    let account = account().await;
    let first = account.get(&format!("{FUNCTION}/versions?MaxItems=2")).await;
    let numbers = |page: &Value| -> Vec<String> {
        let versions = page["Versions"].as_array().unwrap();
        versions
            .iter()
            .map(|each| each["Version"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(numbers(&first), ["$LATEST", "1"]);
    let marker = first["NextMarker"].as_str().unwrap();
    let rest = account.get(&format!("{FUNCTION}/versions?Marker={marker}")).await;
    assert_eq!(numbers(&rest), ["2"]);
    assert!(rest["NextMarker"].is_null());

    let page = account.get(&format!("{FUNCTION}/aliases?MaxItems=1")).await;
    assert_eq!(page["Aliases"][0]["Name"], "live");
    assert!(page["NextMarker"].is_string());
    let of_two = account.get(&format!("{FUNCTION}/aliases?FunctionVersion=2")).await;
    assert_eq!(of_two["Aliases"].as_array().unwrap().len(), 1);
    assert_eq!(of_two["Aliases"][0]["Name"], "next");
    let wrong = account
        .rest(&format!("GET {FUNCTION}/versions?Marker=elsewhere"), Value::Null)
        .await;
    assert_eq!(wrong.refusal(), (400, "InvalidParameterValueException"));
}

#[tokio::test]
async fn a_function_keeps_its_tags() {
    let account = account().await;
    let path = "/2017-03-31/tags/arn:aws:lambda:eu-west-1:123456789012:function:pricing";
    let tagged = account
        .rest(&format!("POST {path}"), json!({ "Tags": { "commit": "abc" } }))
        .await;
    assert_eq!(tagged.status, 204);
    let tags = account.get(path).await;
    assert_eq!(tags["Tags"], json!({ "commit": "abc", "team": "rag" }));
}

#[tokio::test]
async fn what_goes_wrong_on_request_goes_wrong_as_lambda_says_it() {
    let account = start(Options::default()).await;
    let fault = |fault: Value| account.control("faults", fault);
    fault(json!({ "operation": "UpdateAlias", "kind": "throttle" })).await;
    let to_two = json!({ "FunctionVersion": "2" });
    let throttled = set_alias(&account, to_two.clone()).await;
    assert_eq!(throttled.refusal(), (429, "TooManyRequestsException"));
    assert_eq!(throttled.retry_after.as_deref(), Some("1"));
    let live = async || account.get(&format!("{FUNCTION}/aliases/live")).await["FunctionVersion"].clone();

    for (when, version) in [("before", "1"), ("after", "2")] {
        fault(json!({ "service": "lambda", "operation": "UpdateAlias", "kind": "error", "when": when })).await;
        let failed = set_alias(&account, to_two.clone()).await;
        assert_eq!(failed.refusal(), (500, "ServiceException"));
        assert_eq!(live().await, version);
    }
    fault(json!({ "operation": "UpdateAlias", "kind": "reset", "when": "after" })).await;
    let path = format!("{FUNCTION}/aliases/live");
    let request = account.rest_request("PUT", &path, &json!({ "FunctionVersion": "1" }));
    let cut = match request.send().await {
        Ok(answer) => answer.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(cut, "the answer never ends");
    assert_eq!(live().await, "1", "the effect took place");

    let placed = fault(json!({ "operation": "UpdateAlias", "kind": "hold", "when": "after" })).await;
    let id = placed["id"].as_str().unwrap();
    let (answer, ()) = tokio::join!(set_alias(&account, to_two), async {
        account.look(&format!("faults/{id}/wait?held=1")).await;
        assert_eq!(live().await, "2");
        account.control(&format!("faults/{id}/release"), json!({})).await;
    });
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_request_without_a_signature_is_refused() {
    let account = start(Options::default()).await;
    let url = format!("{}{FUNCTION}", account.sandbox.aws_url());
    let answer = account.http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(
        answer.headers()["x-amzn-errortype"],
        "MissingAuthenticationTokenException"
    );
}
