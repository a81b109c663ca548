//! Services that CodeDeploy does not deploy, behind a load balancer: `by-hand` (EXTERNAL), `native`
//! (ECS, which shifts traffic) and `rolling` (ECS), with the task definitions `app:1` to `app:4`.

use serde_json::{Value, json};
use tidegate_sandbox::Options;

use crate::account::Account;

pub(crate) struct Fleet {
    pub(crate) account: Account,
}

/// What the load balancing service answered: a status and XML.
#[derive(Debug)]
pub(crate) struct Xml {
    pub(crate) status: u16,
    pub(crate) request_id: String,
    pub(crate) text: String,
}

impl Xml {
    /// The texts of all elements of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let pieces = self.text.split(open.as_str()).skip(1);
        pieces
            .map(|piece| piece.split(close.as_str()).next().unwrap())
            .collect()
    }

    pub(crate) fn one(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {}", self.text);
        all[0]
    }

    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text);
        self
    }
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        let account = Account::start(Options::recorded()).await;
        account.control("aws/seed", seed()).await;
        Self { account }
    }

    pub(crate) async fn balancing(&self, operation: &str, parameters: &[(&str, &str)]) -> Xml {
        let mut all = vec![("Action", operation), ("Version", "2015-12-01")];
        all.extend_from_slice(parameters);
        let answer = self
            .account
            .http
            .post(self.account.sandbox.aws_url())
            .header("authorization", "AWS4-HMAC-SHA256 Credential=test")
            .form(&all)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["content-type"], "text/xml");
        let id = answer.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
        Xml {
            status: answer.status().as_u16(),
            request_id: id,
            text: answer.text().await.unwrap(),
        }
    }

    /// An operation of ECS on one of the services.
    pub(crate) async fn ecs(&self, operation: &str, service: &str, members: Value) -> Value {
        self.try_ecs(operation, service, members).await.ok()
    }

    pub(crate) async fn try_ecs(&self, operation: &str, service: &str, members: Value) -> crate::account::Answer {
        let mut body = json!({ "cluster": "fleet", "service": service });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.account.call(&format!("ecs.{operation}"), body).await
    }

    pub(crate) async fn refused(&self, operation: &str, service: &str, members: Value, error: &str) {
        let answer = self.try_ecs(operation, service, members).await;
        assert_eq!((answer.status, answer.error()), (400, error), "{}", answer.body);
    }

    pub(crate) async fn service(&self, name: &str) -> Value {
        let body = json!({ "cluster": "fleet", "services": [name] });
        let mut answer = self.account.call("ecs.DescribeServices", body).await.ok();
        answer["services"][0].take()
    }

    /// The newest deployment by ECS, whole.
    pub(crate) async fn deployment(&self, service: &str) -> Value {
        let listed = self.ecs("ListServiceDeployments", service, json!({})).await;
        let arn = &listed["serviceDeployments"][0]["serviceDeploymentArn"];
        let body = json!({ "serviceDeploymentArns": [arn] });
        let mut answer = self.account.call("ecs.DescribeServiceDeployments", body).await.ok();
        answer["serviceDeployments"][0].take()
    }

    /// The production traffic that the newest deployment gives its target, in percent.
    pub(crate) async fn shifted(&self, service: &str) -> f64 {
        self.deployment(service).await["targetServiceRevision"]["requestedProductionTrafficWeight"]
            .as_f64()
            .unwrap_or_default()
    }

    pub(crate) async fn group(&self, name: &str) -> String {
        let answer = self
            .balancing("DescribeTargetGroups", &[("Names.member.1", name)])
            .await
            .ok();
        answer.one("TargetGroupArn").to_owned()
    }

    pub(crate) async fn listener(&self, port: u16) -> Value {
        let all = self.account.look("aws/load-balancing").await;
        let mut listeners = all["listeners"].as_array().unwrap().iter();
        listeners.find(|each| each["port"] == port).unwrap().clone()
    }

    /// The weights of the default rule of a listener, in the order of its target groups.
    pub(crate) async fn weights(&self, port: u16) -> Vec<i64> {
        let listener = self.listener(port).await;
        let rule = listener["rules"].as_array().unwrap().last().unwrap();
        rule["actions"][0]["ForwardConfig"]["TargetGroups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| group["Weight"].as_i64().unwrap())
            .collect()
    }

    /// The states of the targets of a group.
    pub(crate) async fn health(&self, group: &str) -> Vec<String> {
        let arn = self.group(group).await;
        let answer = self
            .balancing("DescribeTargetHealth", &[("TargetGroupArn", &arn)])
            .await
            .ok();
        let mut states: Vec<String> = answer.all("State").into_iter().map(str::to_owned).collect();
        states.sort();
        states
    }

    pub(crate) async fn sick(&self, definition: &str, how: Value) {
        let path = format!("aws/task-definitions/{definition}/sick");
        self.account.control(&path, json!({ "how": how })).await;
    }
}

/// CreateTaskSet of `app:2` in the second target group.
pub(crate) async fn task_set(fleet: &Fleet, members: Value) -> Value {
    let group = fleet.group("by-hand-b").await;
    let mut body = json!({
        "taskDefinition": "app:2",
        "externalId": "release-2",
        "launchType": "FARGATE",
        "networkConfiguration": network(),
        "loadBalancers": [{ "targetGroupArn": group, "containerName": "app", "containerPort": 8080 }],
        "scale": { "value": 100.0, "unit": "PERCENT" },
        "clientToken": "token-1",
    });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub(crate) fn network() -> Value {
    json!({ "awsvpcConfiguration": {
        "subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED",
    }})
}

fn seed() -> Value {
    let pair = |a: &str, b: &str| json!([{ "target_group": a, "weight": 100 }, { "target_group": b, "weight": 0 }]);
    let service = |name: &str, members: Value| {
        let mut service = json!({
            "name": name, "cluster": "fleet", "family": "app", "container": "app",
            "image": "acme/app:1", "desired": 2,
        });
        for (member, value) in members.as_object().unwrap() {
            service[member] = value.clone();
        }
        service
    };
    json!({
        "target_groups": [
            { "name": "by-hand-a" }, { "name": "by-hand-b" }, { "name": "native-a" }, { "name": "native-b" },
            { "name": "rolling", "health_check_path": "/healthz" }, { "name": "alone" },
        ],
        "load_balancers": [{ "name": "fleet", "listeners": [
            { "port": 443, "protocol": "HTTPS", "forward": pair("by-hand-a", "by-hand-b") },
            { "port": 8443, "protocol": "HTTPS", "forward": pair("native-a", "native-b") },
            { "port": 9443, "forward": pair("native-a", "native-b") },
            { "port": 80, "forward": [{ "target_group": "rolling" }], "stickiness_seconds": 60, "rules": [
                { "priority": 10, "path": "/api/*", "forward": pair("by-hand-a", "by-hand-b") },
            ]},
        ]}],
        "services": [
            // Each of them registers a revision of `app`, which all of them may run.
            service("by-hand", json!({ "controller": "EXTERNAL", "target_groups": ["by-hand-a", "by-hand-b"] })),
            service("native", json!({
                "controller": "ECS",
                "target_groups": ["native-a", "native-b"],
                "production": { "load_balancer": "fleet", "port": 8443 },
                "test": { "load_balancer": "fleet", "port": 9443 },
            })),
            service("rolling", json!({ "controller": "ECS", "target_groups": ["rolling"] })),
            service("still", json!({ "controller": "ECS" })),
        ],
    })
}
