//! Every operation, once with success and once with an error, recorded: what
//! `check/aws_models.py` then holds against the service models.

use crate::account::{Account, revision};
use serde_json::{Value, json};
use tidegate_sandbox::Options;

#[tokio::test]
async fn every_operation_answers_and_every_exchange_is_recorded() {
    // A file of its own, so that its lines are those of this test; they join the others at the end.
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("calls.jsonl");
    let account = Account::start(Options {
        record: Some(file.clone()),
        ..Options::default()
    })
    .await;
    read_code_deploy(&account).await;
    deploy(&account).await;
    use_ecs(&account).await;
    use_ecr(&account).await;

    let lines = std::fs::read_to_string(file).unwrap();
    let recorded: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::Array(recorded), account.look("aws/calls").await);
    if let Some(all) = Options::recorded().record {
        let mut all = std::fs::File::options().create(true).append(true).open(all).unwrap();
        std::io::Write::write_all(&mut all, lines.as_bytes()).unwrap();
    }
}

async fn refused(account: &Account, operation: &str, body: Value, error: &str) {
    let answer = account.call(operation, body).await;
    assert_eq!((answer.status, answer.error()), (400, error), "{operation}");
}

async fn read_code_deploy(account: &Account) {
    let shop = json!({ "applicationName": "shop" });
    let none = json!({ "applicationName": "none" });
    let web = json!({ "applicationName": "shop", "deploymentGroupName": "web" });
    account.call("codedeploy.GetApplication", shop.clone()).await.ok();
    refused(
        account,
        "codedeploy.GetApplication",
        none,
        "ApplicationDoesNotExistException",
    )
    .await;
    let answer = account.call("codedeploy.ListApplications", json!({})).await.ok();
    assert_eq!(answer["applications"], json!(["shop"]));
    let answer = account.call("codedeploy.ListDeploymentGroups", shop).await.ok();
    assert_eq!(answer["deploymentGroups"], json!(["web", "web-by-hand"]));
    let answer = account.call("codedeploy.GetDeploymentGroup", web).await.ok();
    assert_eq!(
        answer["deploymentGroupInfo"]["autoRollbackConfiguration"]["enabled"],
        true
    );
    let body = json!({ "applicationName": "shop", "deploymentGroupName": "none" });
    refused(
        account,
        "codedeploy.GetDeploymentGroup",
        body,
        "DeploymentGroupDoesNotExistException",
    )
    .await;
    let configs = account.call("codedeploy.ListDeploymentConfigs", json!({})).await.ok();
    for name in configs["deploymentConfigsList"].as_array().unwrap() {
        let body = json!({ "deploymentConfigName": name });
        account.call("codedeploy.GetDeploymentConfig", body).await.ok();
    }
    let body = json!({ "deploymentConfigName": "Percent10" });
    refused(
        account,
        "codedeploy.GetDeploymentConfig",
        body,
        "DeploymentConfigDoesNotExistException",
    )
    .await;
}

async fn deploy(account: &Account) {
    let id = account.created().await;
    let one = json!({ "deploymentId": id });
    let target = json!({ "deploymentId": id, "targetId": "acme:web" });
    refused(
        account,
        "codedeploy.ListDeploymentTargets",
        one.clone(),
        "DeploymentNotStartedException",
    )
    .await;
    for seconds in [3, 70, 300] {
        account.step(seconds).await;
        account.deployment(&id).await;
        account.target(&id).await;
        account
            .call("codedeploy.GetDeploymentTarget", target.clone())
            .await
            .ok();
    }
    let answer = account.call("codedeploy.ListDeploymentTargets", one.clone()).await.ok();
    assert_eq!(answer["targetIds"], json!(["acme:web"]));
    let body = json!({ "deploymentId": id, "targetIds": ["acme:other"] });
    refused(
        account,
        "codedeploy.BatchGetDeploymentTargets",
        body,
        "DeploymentTargetDoesNotExistException",
    )
    .await;
    let body = json!({ "deploymentId": id, "deploymentWaitType": "TERMINATION_WAIT" });
    account.call("codedeploy.ContinueDeployment", body.clone()).await.ok();
    refused(
        account,
        "codedeploy.ContinueDeployment",
        body,
        "DeploymentAlreadyCompletedException",
    )
    .await;
    refused(
        account,
        "codedeploy.StopDeployment",
        one,
        "DeploymentAlreadyCompletedException",
    )
    .await;

    let stopped = account.created().await;
    account.step(70).await;
    let body = json!({ "deploymentId": stopped, "autoRollbackEnabled": true });
    account.call("codedeploy.StopDeployment", body).await.ok();
    account.step(60).await;
    let body = json!({ "deploymentIds": [id, stopped, "d-000000000"] });
    let answer = account.call("codedeploy.BatchGetDeployments", body).await.ok();
    assert_eq!(answer["deploymentsInfo"].as_array().unwrap().len(), 2);
    account.target(&stopped).await;
    refused(
        account,
        "codedeploy.BatchGetDeployments",
        json!({ "deploymentIds": [] }),
        "DeploymentIdRequiredException",
    )
    .await;
    let body = json!({ "applicationName": "shop", "deploymentGroupName": "web" });
    account.call("codedeploy.ListDeployments", body.clone()).await.ok();
    account.call("codedeploy.GetDeploymentGroup", body).await.ok();
    refused(
        account,
        "codedeploy.GetDeployment",
        json!({ "deploymentId": "d-000000000" }),
        "DeploymentDoesNotExistException",
    )
    .await;
    refused(
        account,
        "codedeploy.GetDeployment",
        json!({ "deploymentId": "x" }),
        "InvalidDeploymentIdException",
    )
    .await;
    let answer = account
        .create_with(json!({ "deploymentConfigName": "CodeDeployDefault.LambdaAllAtOnce" }))
        .await;
    assert_eq!(answer.error(), "InvalidDeploymentConfigNameException");
    let answer = account
        .create_with(json!({ "revision": revision("web:2", "", 8080) }))
        .await;
    assert_eq!(answer.error(), "InvalidRevisionException");
    let answer = account
        .create_with(json!({ "autoRollbackConfiguration": { "enabled": true } }))
        .await;
    assert_eq!(answer.error(), "InvalidAutoRollbackConfigException");
}

async fn use_ecs(account: &Account) {
    let body = json!({
        "family": "web",
        "containerDefinitions": [{
            "name": "app",
            "image": "acme/web@sha256:1",
            "portMappings": [{ "containerPort": 8080 }],
        }],
        "tags": [{ "key": "commit", "value": "abc" }],
    });
    let first = account.call("ecs.RegisterTaskDefinition", body.clone()).await.ok();
    let second = account.call("ecs.RegisterTaskDefinition", body).await.ok();
    assert_eq!(first["taskDefinition"]["revision"], 3);
    assert_eq!(second["taskDefinition"]["revision"], 4);
    refused(
        account,
        "ecs.RegisterTaskDefinition",
        json!({ "family": "web", "containerDefinitions": [] }),
        "ClientException",
    )
    .await;

    let body = json!({ "taskDefinition": "web:3", "include": ["TAGS"] });
    let described = account.call("ecs.DescribeTaskDefinition", body).await.ok();
    assert_eq!(described["tags"][0]["key"], "commit");
    let body = json!({ "taskDefinition": "web" });
    let latest = account.call("ecs.DescribeTaskDefinition", body).await.ok();
    assert_eq!(latest["taskDefinition"]["revision"], 4);
    refused(
        account,
        "ecs.DescribeTaskDefinition",
        json!({ "taskDefinition": "none" }),
        "ClientException",
    )
    .await;

    let body = json!({ "familyPrefix": "web", "sort": "DESC", "maxResults": 3 });
    let page = account.call("ecs.ListTaskDefinitions", body).await.ok();
    let newest = page["taskDefinitionArns"][0].as_str().unwrap();
    assert!(newest.ends_with("task-definition/web:4"), "{newest}");
    let body = json!({
        "familyPrefix": "web", "sort": "DESC", "maxResults": 3, "nextToken": page["nextToken"],
    });
    let rest = account.call("ecs.ListTaskDefinitions", body).await.ok();
    assert_eq!(rest["taskDefinitionArns"].as_array().unwrap().len(), 1);

    let body = json!({ "cluster": "acme", "services": ["web", "spare", "none"] });
    let answer = account.call("ecs.DescribeServices", body).await.ok();
    assert_eq!(answer["services"][0]["deploymentController"]["type"], "CODE_DEPLOY");
    assert_eq!(answer["services"][0]["taskSets"][0]["status"], "PRIMARY");
    assert_eq!(answer["failures"][0]["reason"], "MISSING");
    let body = json!({ "cluster": "none", "services": ["web"] });
    refused(account, "ecs.DescribeServices", body, "ClusterNotFoundException").await;
    let answer = account
        .call("ecs.ListServices", json!({ "cluster": "acme" }))
        .await
        .ok();
    assert_eq!(answer["serviceArns"].as_array().unwrap().len(), 2);
    let body = json!({ "clusters": ["acme", "none"] });
    let answer = account.call("ecs.DescribeClusters", body).await.ok();
    assert_eq!(answer["clusters"][0]["activeServicesCount"], 2);
    let body = json!({ "cluster": "acme", "serviceName": "web" });
    let tasks = account.call("ecs.ListTasks", body).await.ok();
    assert_eq!(tasks["taskArns"].as_array().unwrap().len(), 2);
    let body = json!({ "cluster": "acme", "tasks": tasks["taskArns"] });
    let answer = account.call("ecs.DescribeTasks", body).await.ok();
    assert_eq!(answer["tasks"][1]["lastStatus"], "RUNNING");
    let body = json!({ "cluster": "acme", "serviceName": "none" });
    refused(account, "ecs.ListTasks", body, "ServiceNotFoundException").await;
}

async fn use_ecr(account: &Account) {
    let image = |id: Value| json!({ "repositoryName": "acme/web", "imageIds": [id] });
    let by_tag = account
        .call("ecr.DescribeImages", image(json!({ "imageTag": "v2" })))
        .await
        .ok();
    let digest = by_tag["imageDetails"][0]["imageDigest"].clone();
    let by_digest = account
        .call("ecr.DescribeImages", image(json!({ "imageDigest": digest })))
        .await
        .ok();
    assert_eq!(by_digest["imageDetails"][0]["imageTags"], json!(["v2"]));
    refused(
        account,
        "ecr.DescribeImages",
        image(json!({ "imageTag": "v9" })),
        "ImageNotFoundException",
    )
    .await;
    let mismatch = json!({ "imageTag": "v1", "imageDigest": digest });
    refused(account, "ecr.DescribeImages", image(mismatch), "ImageNotFoundException").await;
    refused(
        account,
        "ecr.DescribeImages",
        json!({ "repositoryName": "none" }),
        "RepositoryNotFoundException",
    )
    .await;
    let all = account
        .call("ecr.DescribeImages", json!({ "repositoryName": "acme/web" }))
        .await
        .ok();
    assert_eq!(all["imageDetails"].as_array().unwrap().len(), 2);

    let repositories = account.call("ecr.DescribeRepositories", json!({})).await.ok();
    assert_eq!(repositories["repositories"][1]["imageTagMutability"], "IMMUTABLE");
    refused(
        account,
        "ecr.DescribeRepositories",
        json!({ "repositoryNames": ["none"] }),
        "RepositoryNotFoundException",
    )
    .await;
    let answer = account
        .call("ecr.ListImages", json!({ "repositoryName": "acme/tools" }))
        .await
        .ok();
    assert_eq!(answer["imageIds"].as_array().unwrap().len(), 3);
    let body = json!({
        "repositoryName": "acme/web",
        "imageIds": [{ "imageTag": "v1" }, { "imageTag": "v9" }],
    });
    let answer = account.call("ecr.BatchGetImage", body).await.ok();
    assert_eq!(answer["images"].as_array().unwrap().len(), 1);
    assert_eq!(answer["failures"][0]["failureCode"], "ImageNotFound");
    let body = json!({ "repositoryName": "acme/web", "imageId": { "imageTag": "v2" } });
    let answer = account.call("ecr.DescribeImageScanFindings", body).await.ok();
    assert_eq!(
        answer["imageScanFindings"]["findingSeverityCounts"],
        json!({ "HIGH": 1 })
    );
}

#[tokio::test]
async fn a_tag_moves_only_in_a_mutable_repository() {
    let account = Account::start(Options::default()).await;
    let pushed = account
        .control(
            "aws/images",
            json!({ "repository": "acme/tools", "tags": ["v3"], "content": "three" }),
        )
        .await;
    // echo -n three | sha256sum
    let digest = "sha256:8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f";
    assert_eq!(pushed["digest"], digest);
    let body = json!({ "repository": "acme/tools", "tag": "stable", "digest": digest });
    account.control("aws/images/move-tag", body).await;
    let body = json!({ "repositoryName": "acme/tools", "imageIds": [{ "imageTag": "stable" }] });
    let answer = account.call("ecr.DescribeImages", body).await.ok();
    assert_eq!(answer["imageDetails"][0]["imageDigest"], digest);
    let refused = account
        .http
        .post(format!("{}/aws/images", account.sandbox.control_url()))
        .json(&json!({ "repository": "acme/web", "tags": ["v1"], "content": "other" }))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 409);
}

#[tokio::test]
async fn a_seed_file_fills_the_account_before_the_first_request() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("seed.json");
    std::fs::write(&path, r#"{"aws":{"repositories":[{"name":"acme/seeded"}]}}"#).unwrap();
    let account = Account::start(Options {
        data: Some(path.clone()),
        ..Options::default()
    })
    .await;
    let body = json!({ "repositoryNames": ["acme/seeded"] });
    account.call("ecr.DescribeRepositories", body).await.ok();

    std::fs::write(&path, r#"{"aws":{"repositoriez":[]}}"#).unwrap();
    let refused = tidegate_sandbox::Sandbox::start(Options {
        data: Some(path),
        ..Options::default()
    })
    .await;
    let reason = refused.unwrap_err().to_string();
    assert!(reason.contains("repositoriez"), "{reason}");
}
