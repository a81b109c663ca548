//! Services that ECS itself or nobody but Tidegate deploys, behind a load balancer; and a run that is driven through an
//! engine call by call, as the worker does.

use crate::world::{REPOSITORY, World, soon};
use serde_json::{Value, json};
use tidegate_adapters::{CallError, Engine, Order};
use tidegate_domain::{
    Policy,
    catalog::{self, EcsNative, EcsTaskSets},
    deployment::{Authority, Call, CallKind, Observation, Outcome, Run},
    id::OperationId,
    name::{EnvironmentName, ServiceName},
    plan::Found,
    release::Image,
    revision::Revision,
    time::Timestamp,
    traffic::{TrafficPlan, TrafficStep},
};
use uuid::Uuid;

/// An engine and what it was asked for so far.
pub(crate) struct Drive<E> {
    pub(crate) world: World,
    pub(crate) engine: E,
    pub(crate) order: Order,
    pub(crate) run: Run,
    pub(crate) began: Timestamp,
}

/// 10 % (5 min) → 50 % (3 min) → 100 %.
pub(crate) fn reference() -> TrafficPlan {
    let step = |percent, minutes| TrafficStep { percent, minutes };
    TrafficPlan::of_steps(&[step(10, 5), step(50, 3)])
}

pub(crate) async fn world() -> World {
    let world = World::new().await;
    world.control("aws/seed", seed()).await;
    world
}

/// The ARN of a target group or a listener of the seed.
pub(crate) async fn arn(world: &World, of: &str) -> String {
    let all = world.look("aws/load-balancing").await;
    let groups = all["target_groups"].as_array().unwrap().iter();
    let group = groups.clone().find(|group| group["name"] == of);
    let listeners = all["listeners"].as_array().unwrap();
    let listener = listeners
        .iter()
        .find(|listener| listener["port"].as_u64() == of.parse().ok());
    let found = group.or(listener).unwrap();
    found["arn"].as_str().unwrap().to_owned()
}

pub(crate) async fn task_sets(world: &World) -> EcsTaskSets {
    EcsTaskSets {
        cluster: "acme".to_owned(),
        service: "by-hand".to_owned(),
        container: "app".to_owned(),
        port: 8080,
        listener: arn(world, "443").await,
        target_groups: [arn(world, "by-hand-a").await, arn(world, "by-hand-b").await],
        platform_version: None,
    }
}

pub(crate) fn native() -> EcsNative {
    EcsNative {
        cluster: "acme".to_owned(),
        service: "native".to_owned(),
        container: "app".to_owned(),
        port: 8080,
        bake_minutes: 2,
    }
}

pub(crate) fn order(world: &World, engine: catalog::Engine, traffic: TrafficPlan) -> Order {
    Order {
        operation: OperationId::from_uuid(Uuid::now_v7()),
        title: "by-hand sha-2222222 to production".to_owned(),
        image: Image {
            repository: REPOSITORY.to_owned(),
            digest: world.digest.clone(),
            tag: Some("sha-2222222".to_owned()),
        },
        traffic,
        engine,
    }
}

/// Why something cannot be deployed, in words.
pub(crate) async fn blocked(engine: &impl Engine, order: &Order, now: Timestamp) -> String {
    engine.prepare(order, now).await.unwrap().unwrap_err().why
}

impl<E: Engine> Drive<E> {
    /// Prepared, approved, and nothing called yet.
    pub(crate) async fn begin(world: World, engine: E, order: Order) -> Self {
        let now = world.now();
        let prepared = engine.prepare(&order, now).await.unwrap().unwrap();
        let revision = Revision {
            service: ServiceName::new("rag").unwrap(),
            environment: EnvironmentName::new("production").unwrap(),
            digest: world.digest.clone(),
            task_definition: prepared.hash,
            traffic: order.traffic.clone(),
            health_definition: "none".to_owned(),
            verification: "none".to_owned(),
            policy: Policy::default().version(),
            gates: Vec::new(),
            rollback_target: prepared.running_task_definition.unwrap(),
        };
        let run = Run {
            revision,
            authority: Authority::Automatic,
            engine: order.engine.clone(),
            operation: order.operation,
            started_at: now,
            start_before: None,
            deadline: now.plus_millis(3_600_000),
            calls: Vec::new(),
            task_definition: None,
            cloud_deployment: None,
            progress: None,
            stop: None,
            hold: None,
            waived: Vec::new(),
            course: None,
            watch: None,
            verify: None,
            checks: tidegate_domain::deployment::Checks::default(),
            concerns: Vec::new(),
        };
        Self {
            world,
            engine,
            order,
            run,
            began: now,
        }
    }

    pub(crate) async fn try_make(&self, kind: CallKind) -> Result<String, CallError> {
        self.engine.make(&self.order, &self.run, kind, soon()).await
    }

    pub(crate) async fn make(&mut self, kind: CallKind) -> String {
        let id = self.try_make(kind).await.unwrap();
        self.note(kind, &id);
        id
    }

    /// As the domain keeps what was made.
    pub(crate) fn note(&mut self, kind: CallKind, id: &str) {
        let at = self.world.now();
        self.run.calls.push(Call {
            kind,
            intended_at: at,
            epoch: 1,
            outcome: Outcome::Done { id: id.to_owned(), at },
        });
        let script = self.order.engine.script();
        if kind == CallKind::RegisterTaskDefinition {
            self.run.task_definition = Some(id.to_owned());
        }
        if script.make.last() == Some(&kind) {
            self.run.cloud_deployment = Some(id.to_owned());
        }
    }

    /// All of the script that makes it.
    pub(crate) async fn made(mut self) -> Self {
        for kind in self.order.engine.script().make {
            self.make(*kind).await;
        }
        self
    }

    pub(crate) async fn look(&mut self, rollback: Option<&str>) -> Observation {
        let now = self.world.now();
        let seen = self
            .engine
            .observe(&self.order, &self.run, rollback, now)
            .await
            .unwrap();
        self.run.progress = Some(seen.deployment.clone());
        seen
    }

    pub(crate) async fn find(&self, kind: CallKind) -> Found {
        self.engine
            .find(&self.order, &self.run, kind, self.began)
            .await
            .unwrap()
    }

    /// The answer is lost after the effect: unknown, then found as what it made.
    pub(crate) async fn lose(&mut self, kind: CallKind, operation: &str) -> String {
        let before = self.world.calls(operation).await.len();
        self.world
            .fault(json!({ "operation": operation, "kind": "reset", "when": "after" }))
            .await;
        let answer = self.try_make(kind).await;
        assert!(matches!(answer, Err(CallError::Unknown(_))), "{operation}: {answer:?}");
        let Found::Effect(id) = self.find(kind).await else {
            panic!("{operation} took effect and is not found");
        };
        assert_eq!(self.world.calls(operation).await.len(), before + 1, "{operation}");
        self.note(kind, &id);
        id
    }

    /// One HTTP attempt whatever goes wrong, nothing after its time, and nothing found of it.
    pub(crate) async fn fails_once(&self, kind: CallKind, operation: &str) {
        for fault in [
            json!({ "kind": "throttle" }),
            json!({ "kind": "error", "when": "before" }),
            json!({ "kind": "error", "when": "before", "status": 503, "code": "ServiceUnavailable", "message": "later" }),
            json!({ "kind": "reset", "when": "before" }),
        ] {
            let mut fault = fault;
            fault["operation"] = json!(operation);
            fault["count"] = json!(0);
            let id = self.world.fault(fault.clone()).await;
            let before = self.world.calls(operation).await.len();
            let answer = self.try_make(kind).await;
            assert!(answer.is_err(), "{operation} {fault}: {answer:?}");
            let calls = self.world.calls(operation).await;
            assert_eq!(calls.len() - before, 1, "{operation} {fault}");
            assert_eq!(calls[before]["attempt"], 1, "{operation} {fault}");
            self.world.end(&id).await;
        }
        let before = self.world.calls(operation).await.len();
        let late = std::time::Instant::now();
        let answer = self.engine.make(&self.order, &self.run, kind, late).await;
        assert!(
            matches!(&answer, Err(CallError::Refused { code, retry: true, .. }) if code == "NotSent"),
            "{operation}: {answer:?}"
        );
        assert_eq!(self.world.calls(operation).await.len(), before, "{operation} was sent");
        if !kind.settled_by_sight() {
            assert_eq!(self.find(kind).await, Found::Nothing, "{operation}");
        }
    }
}

impl World {
    async fn end(&self, fault: &str) {
        let url = format!("{}/faults/{fault}", self.sandbox.control_url());
        let answer = self.http.delete(url).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// The weights of the default action of a listener, by the names of its target groups.
    pub(crate) async fn weights(&self, port: u16) -> Vec<(String, i64)> {
        let all = self.look("aws/load-balancing").await;
        let mut listeners = all["listeners"].as_array().unwrap().iter();
        let listener = listeners.find(|each| each["port"] == port).unwrap();
        let rule = listener["rules"].as_array().unwrap().last().unwrap();
        let groups = rule["actions"][0]["ForwardConfig"]["TargetGroups"].as_array().unwrap();
        let mut weights: Vec<(String, i64)> = groups
            .iter()
            .map(|group| {
                let arn = group["TargetGroupArn"].as_str().unwrap();
                let name = arn.split('/').nth(1).unwrap().to_owned();
                (name, group["Weight"].as_i64().unwrap())
            })
            .collect();
        weights.sort();
        weights
    }
}

pub(crate) fn weights(a: (&str, i64), b: (&str, i64)) -> Vec<(String, i64)> {
    vec![(a.0.to_owned(), a.1), (b.0.to_owned(), b.1)]
}

fn seed() -> Value {
    let pair = |a: &str, b: &str| json!([{ "target_group": a, "weight": 100 }, { "target_group": b, "weight": 0 }]);
    let service = |name: &str, members: Value| {
        let mut service = json!({
            "name": name, "cluster": "acme", "family": name, "container": "app",
            "image": format!("{REPOSITORY}:sha-1111111"), "desired": 2,
        });
        for (member, value) in members.as_object().unwrap() {
            service[member] = value.clone();
        }
        service
    };
    json!({
        "target_groups": [
            { "name": "by-hand-a" }, { "name": "by-hand-b" }, { "name": "native-a" }, { "name": "native-b" },
            { "name": "third" },
        ],
        "load_balancers": [{ "name": "acme", "listeners": [
            { "port": 443, "protocol": "HTTPS", "forward": pair("by-hand-a", "by-hand-b") },
            { "port": 444, "forward": pair("by-hand-a", "by-hand-b"), "stickiness_seconds": 60 },
            { "port": 445, "forward": pair("by-hand-b", "by-hand-a") },
            { "port": 446, "forward": [{ "target_group": "by-hand-a" }] },
            { "port": 447, "forward": pair("by-hand-a", "third") },
            { "port": 8443, "protocol": "HTTPS", "forward": pair("native-a", "native-b") },
            { "port": 9443, "forward": pair("native-a", "native-b") },
        ]}],
        "services": [
            service("by-hand", json!({ "controller": "EXTERNAL", "target_groups": ["by-hand-a", "by-hand-b"] })),
            service("native", json!({
                "controller": "ECS",
                "target_groups": ["native-a", "native-b"],
                "production": { "load_balancer": "acme", "port": 8443 },
                "test": { "load_balancer": "acme", "port": 9443 },
            })),
        ],
    })
}
