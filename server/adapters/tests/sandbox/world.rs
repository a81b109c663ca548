//! A sandbox with one service on a clock that stands still, and the engine connected to it.

use serde_json::{Value, json};
use std::{
    io::Write as _,
    time::{Duration, Instant},
};
use tempfile::NamedTempFile;
use tidegate_adapters::{Aws, AwsOptions, EcsCodedeploy, Engine as _, Order};
use tidegate_domain::{
    catalog,
    deployment::{CloudStatus, Observation},
    id::OperationId,
    name::Digest,
    release::Image,
    time::Timestamp,
    traffic::TrafficPlan,
};
use tidegate_sandbox::{Options, Sandbox};
use uuid::Uuid;

pub(crate) const REPOSITORY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag";
pub(crate) const CANARY: TrafficPlan = TrafficPlan::Canary {
    percent: 10,
    minutes: 5,
};

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) http: reqwest::Client,
    pub(crate) aws: Aws,
    pub(crate) engine: EcsCodedeploy,
    pub(crate) digest: Digest,
    _profile: NamedTempFile,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Options::recorded()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let sandbox = Sandbox::start(Options {
            frozen: true,
            ..options
        })
        .await
        .unwrap();
        let mut profile = NamedTempFile::new().unwrap();
        profile
            .write_all(b"[default]\nregion = eu-west-1\naws_access_key_id = test\naws_secret_access_key = test\n")
            .unwrap();
        let aws = Aws::connect(AwsOptions {
            endpoint: Some(sandbox.aws_url()),
            profile_file: Some(profile.path().to_owned()),
            call_timeout: Duration::from_millis(1_500),
            ..AwsOptions::default()
        })
        .await;
        let mut world = Self {
            sandbox,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            engine: EcsCodedeploy::new(aws.clone()),
            aws,
            digest: Digest::new(format!("sha256:{}", "00".repeat(32))).unwrap(),
            _profile: profile,
        };
        world.control("aws/seed", seed()).await;
        let pushed = world
            .control(
                "aws/images",
                json!({ "repository": "acme/rag", "tags": ["sha-2222222"] }),
            )
            .await;
        world.digest = Digest::new(pushed["digest"].as_str().unwrap()).unwrap();
        world
    }

    /// Posts to the control API and expects it to agree.
    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/{path}", self.sandbox.control_url());
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(crate) async fn look(&self, path: &str) -> Value {
        let url = format!("{}/{path}", self.sandbox.control_url());
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn step(&self, seconds: u32) {
        self.control("clock", json!({ "step_seconds": seconds })).await;
    }

    pub(crate) async fn calls(&self, operation: &str) -> Vec<Value> {
        let calls = self.look(&format!("aws/calls?operation={operation}")).await;
        calls.as_array().unwrap().clone()
    }

    /// Puts a fault in place and answers with its id.
    pub(crate) async fn fault(&self, fault: Value) -> String {
        let placed = self.control("faults", fault).await;
        placed["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.sandbox.clock().now().as_millisecond())
    }

    pub(crate) fn order(&self) -> Order {
        Order {
            operation: OperationId::from_uuid(Uuid::now_v7()),
            title: "rag sha-2222222 to production".to_owned(),
            image: Image {
                repository: REPOSITORY.to_owned(),
                digest: self.digest.clone(),
                tag: Some("sha-2222222".to_owned()),
            },
            traffic: CANARY,
            engine: catalog::Engine::EcsCodedeploy(target()),
        }
    }

    /// The hash that somebody would approve.
    pub(crate) async fn approved(&self, order: &Order) -> String {
        self.engine.prepare(order, self.now()).await.unwrap().unwrap().hash
    }

    pub(crate) async fn registered(&self, order: &Order) -> String {
        let hash = self.approved(order).await;
        self.engine.register(order, &hash, soon()).await.unwrap()
    }

    /// Registers and creates. Answers with the id of the cloud deployment.
    pub(crate) async fn started(&self, order: &Order) -> String {
        let definition = self.registered(order).await;
        self.engine.create(order, &definition, soon()).await.unwrap()
    }

    pub(crate) async fn observed(&self, order: &Order, id: &str, rollback: Option<&str>) -> Observation {
        self.engine.look_at(order, id, rollback, self.now()).await.unwrap()
    }

    /// Steps the clock until the cloud deployment is over.
    pub(crate) async fn ended(&self, order: &Order, id: &str) -> Observation {
        for _ in 0..200 {
            let seen = self.observed(order, id, None).await;
            if seen.deployment.status.is_over() {
                return seen;
            }
            self.step(10).await;
        }
        panic!("{id} does not end");
    }

    /// What the account holds of one cloud deployment.
    pub(crate) async fn in_account(&self, id: &str) -> Value {
        let state = self.look("aws/state").await;
        let all = state["deployments"].as_array().unwrap();
        all.iter().find(|each| each["id"] == id).unwrap().clone()
    }
}

/// A moment that no test's call takes until.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(crate) fn target() -> catalog::EcsCodedeploy {
    catalog::EcsCodedeploy {
        cluster: "acme".to_owned(),
        service: "rag".to_owned(),
        container: "app".to_owned(),
        port: 8080,
        application: "rag".to_owned(),
        deployment_group: "production".to_owned(),
        deployment_config: None,
        platform_version: None,
        hooks: catalog::Hooks::default(),
    }
}

/// The order with something else about its target.
pub(crate) fn with_target(order: Order, edit: impl FnOnce(&mut catalog::EcsCodedeploy)) -> Order {
    let catalog::Engine::EcsCodedeploy(mut target) = order.engine else {
        panic!("an order of another engine");
    };
    edit(&mut target);
    Order {
        engine: catalog::Engine::EcsCodedeploy(target),
        ..order
    }
}

pub(crate) fn running(status: &CloudStatus) -> bool {
    *status == CloudStatus::InProgress
}

fn seed() -> Value {
    json!({
        "clusters": ["acme"],
        "repositories": [{ "name": "acme/rag", "immutable": true }, { "name": "acme/loose" }],
        "images": [
            { "repository": "acme/rag", "tags": ["sha-1111111"] },
        ],
        "services": [
            { "name": "rag", "cluster": "acme", "family": "rag", "container": "app",
              "image": format!("{REPOSITORY}:sha-1111111"),
              "task_definition": {
                "family": "rag",
                "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"],
                "cpu": "512",
                "memory": "1024",
                "executionRoleArn": "arn:aws:iam::123456789012:role/ecs-execution",
                "runtimePlatform": { "cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX" },
                "ephemeralStorage": { "sizeInGiB": 30 },
                "tags": [{ "key": "team", "value": "search" }],
                "containerDefinitions": [
                    {
                        "name": "app",
                        "image": format!("{REPOSITORY}:sha-1111111"),
                        "essential": true,
                        "portMappings": [{ "containerPort": 8080 }],
                        "environment": [{ "name": "A", "value": "1" }],
                        "secrets": [{ "name": "B", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/b" }],
                        "healthCheck": { "command": ["CMD", "true"], "interval": 5, "retries": 3, "timeout": 2 },
                        "stopTimeout": 30,
                    },
                    { "name": "sidecar", "image": "public.ecr.aws/acme/sidecar:1", "essential": false },
                ],
            } },
            { "name": "by-ecs", "cluster": "acme", "family": "by-ecs", "container": "app",
              "image": format!("{REPOSITORY}:sha-1111111"), "code_deploy": false },
        ],
        "deployment_configs": [
            { "name": "acme-canary-20-for-5", "routing": { "canary": { "percent": 20, "minutes": 5 } } },
        ],
        "applications": [{ "name": "rag", "groups": [
            { "name": "production", "cluster": "acme", "service": "rag", "alarms": ["rag-5xx"] },
        ]}],
    })
}
