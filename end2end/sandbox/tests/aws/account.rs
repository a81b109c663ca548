//! A sandbox with one service, `web`, on a clock that stands still, and ways to call it.

use serde_json::{Value, json};
use tidegate_sandbox::{Options, Sandbox};

pub(crate) struct Account {
    pub(crate) sandbox: Sandbox,
    pub(crate) http: reqwest::Client,
}

/// What AWS answered: a status and a body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// The exception's name, or nothing if there was none.
    pub(crate) fn error(&self) -> &str {
        self.body["__type"].as_str().unwrap_or_default()
    }

    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }
}

impl Account {
    pub(crate) async fn start(options: Options) -> Self {
        let account = Self {
            sandbox: Sandbox::start(Options {
                frozen: true,
                ..options
            })
            .await
            .unwrap(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        account.control("aws/seed", seed()).await;
        account
    }

    pub(crate) fn request(&self, operation: &str, body: &Value) -> reqwest::RequestBuilder {
        let (prefix, operation) = match operation.split_once('.').unwrap() {
            ("codedeploy", operation) => ("CodeDeploy_20141006", operation),
            ("ecs", operation) => ("AmazonEC2ContainerServiceV20141113", operation),
            ("ecr", operation) => ("AmazonEC2ContainerRegistry_V20150921", operation),
            other => panic!("{other:?}"),
        };
        self.http
            .post(self.sandbox.aws_url())
            .header("x-amz-target", format!("{prefix}.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=test")
            .body(body.to_string())
    }

    pub(crate) async fn call(&self, operation: &str, body: Value) -> Answer {
        let answer = self.request(operation, &body).send().await.unwrap();
        Answer {
            status: answer.status().as_u16(),
            body: answer.json().await.unwrap(),
        }
    }

    /// Posts to the control API and expects it to agree.
    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let answer = self
            .http
            .post(format!("{}/{path}", self.sandbox.control_url()))
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(crate) async fn look(&self, path: &str) -> Value {
        self.http
            .get(format!("{}/{path}", self.sandbox.control_url()))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub(crate) async fn step(&self, seconds: u32) {
        self.control("clock", json!({ "step_seconds": seconds })).await;
    }

    pub(crate) async fn create(&self) -> Answer {
        self.create_with(json!({})).await
    }

    /// CreateDeployment of `web:2`, with other members.
    pub(crate) async fn create_with(&self, members: Value) -> Answer {
        let mut body = json!({
            "applicationName": "shop",
            "deploymentGroupName": "web",
            "revision": revision("web:2", "app", 8080),
            "description": "a new version",
        });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        if body["revision"].is_null() {
            body.as_object_mut().unwrap().remove("revision");
        }
        self.call("codedeploy.CreateDeployment", body).await
    }

    pub(crate) async fn created(&self) -> String {
        let answer = self.create().await.ok();
        answer["deploymentId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn deployment(&self, id: &str) -> Value {
        let body = json!({ "deploymentId": id });
        let mut answer = self.call("codedeploy.GetDeployment", body).await.ok();
        answer["deploymentInfo"].take()
    }

    pub(crate) async fn target(&self, id: &str) -> Value {
        let body = json!({ "deploymentId": id, "targetIds": ["acme:web"] });
        let answer = self.call("codedeploy.BatchGetDeploymentTargets", body).await.ok();
        answer["deploymentTargets"][0]["ecsTarget"].clone()
    }

    /// The share of traffic on the original and on the replacement task set.
    pub(crate) async fn traffic(&self, id: &str) -> (f64, f64) {
        let target = self.target(id).await;
        let of = |label: &str| {
            target["taskSetsInfo"]
                .as_array()
                .unwrap()
                .iter()
                .find(|set| set["taskSetLabel"] == label)
                .map_or(0.0, |set| set["trafficWeight"].as_f64().unwrap())
        };
        (of("Blue"), of("Green"))
    }

    pub(crate) async fn events(&self, id: &str) -> Vec<String> {
        self.target(id).await["lifecycleEvents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["status"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The task definition that the service runs.
    pub(crate) async fn running(&self) -> String {
        let body = json!({ "cluster": "acme", "services": ["web"] });
        let answer = self.call("ecs.DescribeServices", body).await.ok();
        let arn = answer["services"][0]["taskDefinition"].as_str().unwrap();
        arn.rsplit('/').next().unwrap().to_owned()
    }

    pub(crate) async fn create_calls(&self) -> Value {
        self.look("aws/calls?operation=CreateDeployment").await
    }
}

pub(crate) fn revision(task_definition: &str, container: &str, port: u32) -> Value {
    let content = json!({
        "version": 1,
        "Resources": [{ "TargetService": {
            "Type": "AWS::ECS::Service",
            "Properties": {
                "TaskDefinition": task_definition,
                "LoadBalancerInfo": { "ContainerName": container, "ContainerPort": port },
            },
        }}],
    });
    json!({
        "revisionType": "AppSpecContent",
        "appSpecContent": { "content": content.to_string() },
    })
}

fn seed() -> Value {
    let image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/web";
    json!({
        "clusters": ["acme"],
        "repositories": [
            { "name": "acme/web", "immutable": true },
            { "name": "acme/tools" },
        ],
        "images": [
            { "repository": "acme/web", "tags": ["v1"] },
            { "repository": "acme/web", "tags": ["v2"], "findings": [
                { "name": "CVE-2026-0001", "severity": "HIGH" },
            ]},
            { "repository": "acme/tools", "tags": ["v1", "stable"] },
            { "repository": "acme/tools", "tags": ["v2"] },
        ],
        "services": [
            { "name": "web", "cluster": "acme", "family": "web", "container": "app",
              "image": format!("{image}:v1") },
            { "name": "spare", "cluster": "acme", "family": "web", "container": "app",
              "image": format!("{image}:v2"), "code_deploy": false },
        ],
        "applications": [{ "name": "shop", "groups": [{
            "name": "web",
            "cluster": "acme",
            "service": "web",
            "config": "CodeDeployDefault.ECSCanary10Percent5Minutes",
            "auto_rollback": true,
            "alarms": ["web-5xx"],
            "termination_wait_minutes": 5,
        }, {
            "name": "web-by-hand",
            "cluster": "acme",
            "service": "web",
            "ready_wait_minutes": 30,
        }]}],
    })
}
