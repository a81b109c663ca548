//! The engines on Lambda: a function `burst` with version 1 behind the alias `live`, a REST and a WebSocket API before it.

mod alias;
mod codedeploy;
mod once;
mod stage;

use crate::world::{CANARY, REPOSITORY, World, soon};
use serde_json::{Value, json};
use tidegate_adapters::{ApigatewayStage, CallError, Engine, LambdaAlias, LambdaCodedeploy, Order};
use tidegate_domain::{
    EnvironmentName, OperationId, Revision, ServiceName, Timestamp, TrafficPlan,
    catalog::{self, ApiKind, EngineKind, LambdaHooks},
    deployment::{Authority, Blocker, CallKind, Observation, Outcome, Preparation, Run},
    plan::Found,
};
use tidegate_sandbox::Options;
use uuid::Uuid;

/// A deployment through one of the engines, with what the domain would remember of it.
pub(crate) struct Story {
    pub(crate) world: World,
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) order: Order,
    pub(crate) run: Run,
}

pub(crate) fn function() -> catalog::LambdaAlias {
    catalog::LambdaAlias {
        function: "burst".to_owned(),
        alias: "live".to_owned(),
    }
}

pub(crate) fn codedeploy_target() -> catalog::LambdaCodedeploy {
    catalog::LambdaCodedeploy {
        function: "burst".to_owned(),
        alias: "live".to_owned(),
        application: "burst".to_owned(),
        deployment_group: "production".to_owned(),
        deployment_config: None,
        hooks: LambdaHooks::default(),
    }
}

pub(crate) fn stage_target(api_kind: ApiKind) -> catalog::ApigatewayStage {
    let api = match api_kind {
        ApiKind::Rest => "rest000001",
        ApiKind::Websocket => "ws00000001",
    };
    catalog::ApigatewayStage {
        api: api.to_owned(),
        api_kind,
        stage: "live".to_owned(),
        compute: function(),
    }
}

/// The targets whose scripts are gone through call by call.
pub(crate) fn all() -> [catalog::Engine; 4] {
    [
        catalog::Engine::LambdaAlias(function()),
        catalog::Engine::LambdaCodedeploy(codedeploy_target()),
        catalog::Engine::ApigatewayStage(stage_target(ApiKind::Rest)),
        catalog::Engine::ApigatewayStage(stage_target(ApiKind::Websocket)),
    ]
}

/// What AWS calls the operation.
pub(crate) fn operation(kind: CallKind) -> &'static str {
    match kind {
        CallKind::ShiftTraffic { .. } | CallKind::ShiftBack => "UpdateAlias",
        CallKind::SwapStage | CallKind::SwapStageBack => "UpdateStage",
        CallKind::CreateApiDeployment | CallKind::Revert => "CreateDeployment",
        other => other.name(),
    }
}

impl Story {
    pub(crate) async fn of(target: catalog::Engine) -> Self {
        Self::with(target, Options::recorded()).await
    }

    pub(crate) async fn with(target: catalog::Engine, options: Options) -> Self {
        let world = World::with(options).await;
        world.control("aws/seed", seed()).await;
        let engine: Box<dyn Engine> = match target.kind() {
            EngineKind::LambdaAlias => Box::new(LambdaAlias::new(world.aws.clone())),
            EngineKind::LambdaCodedeploy => Box::new(LambdaCodedeploy::new(world.aws.clone())),
            EngineKind::ApigatewayStage => Box::new(ApigatewayStage::new(world.aws.clone())),
            other => panic!("{other:?} is tested elsewhere"),
        };
        let order = Order {
            title: "burst sha-2222222 to production".to_owned(),
            // CodeDeploy shifts all at once within seconds.
            traffic: match target.kind() {
                EngineKind::LambdaCodedeploy => CANARY,
                _ => TrafficPlan::AllAtOnce,
            },
            engine: target,
            ..world.order()
        };
        let mut story = Self {
            run: run(&order, &world, "", ""),
            world,
            engine,
            order,
        };
        story.approve().await;
        story
    }

    /// What would change, and what a run is then bound to.
    pub(crate) async fn approve(&mut self) -> Preparation {
        let preparation = self.prepared().await.unwrap();
        let target = preparation.running_task_definition.clone().unwrap();
        self.run = run(&self.order, &self.world, &preparation.hash, &target);
        preparation
    }

    pub(crate) async fn prepared(&self) -> Result<Preparation, Blocker> {
        self.engine.prepare(&self.order, self.world.now()).await.unwrap()
    }

    pub(crate) async fn blocked(&self) -> String {
        self.prepared().await.unwrap_err().why
    }

    pub(crate) async fn make(&mut self, kind: CallKind) -> Result<String, CallError> {
        let answer = self.engine.make(&self.order, &self.run, kind, soon()).await;
        if let Ok(id) = &answer {
            self.made(kind, id);
        }
        answer
    }

    /// Notes it as the domain does.
    pub(crate) fn made(&mut self, kind: CallKind, id: &str) {
        if kind == CallKind::PublishVersion {
            self.run.task_definition = Some(id.to_owned());
        }
        if self.order.engine.script().make.last() == Some(&kind) {
            self.run.cloud_deployment = Some(id.to_owned());
        }
        self.run.calls.push(tidegate_domain::deployment::Call {
            kind,
            intended_at: self.world.now(),
            epoch: 1,
            outcome: Outcome::Done {
                id: id.to_owned(),
                at: self.world.now(),
            },
        });
    }

    /// Makes one call that must succeed, and waits until AWS is done with it.
    pub(crate) async fn go(&mut self, kind: CallKind) -> String {
        let made = self.make(kind).await.unwrap();
        self.world.step(6).await;
        made
    }

    /// Everything that is made before traffic moves.
    pub(crate) async fn ready(&mut self) {
        for kind in self.order.engine.script().make {
            self.go(*kind).await;
        }
    }

    /// Every call of the script in order, there and back.
    pub(crate) fn all_calls(&self) -> Vec<CallKind> {
        let script = self.order.engine.script();
        let shift = script.driven.then_some(CallKind::ShiftTraffic { percent: 100 });
        [script.make, shift.as_slice(), script.with_all, script.back].concat()
    }

    pub(crate) async fn find(&self, kind: CallKind) -> Found {
        let since = self.run.started_at;
        self.engine.find(&self.order, &self.run, kind, since).await.unwrap()
    }

    pub(crate) async fn seen(&self) -> Observation {
        self.seen_with(None).await
    }

    pub(crate) async fn seen_with(&self, rollback: Option<&str>) -> Observation {
        let now = self.world.now();
        self.engine
            .observe(&self.order, &self.run, rollback, now)
            .await
            .unwrap()
    }

    /// Which version has which share of the alias.
    pub(crate) async fn alias(&self) -> Value {
        self.world.look("aws/functions/burst").await["aliases"]["live"].clone()
    }
}

fn run(order: &Order, world: &World, hash: &str, rollback_target: &str) -> Run {
    Run {
        revision: Revision {
            service: ServiceName::new("burst").unwrap(),
            environment: EnvironmentName::new("production").unwrap(),
            digest: order.image.digest.clone(),
            task_definition: hash.to_owned(),
            traffic: order.traffic.clone(),
            health_definition: "none".to_owned(),
            verification: "none".to_owned(),
            policy: "none".to_owned(),
            gates: Vec::new(),
            rollback_target: rollback_target.to_owned(),
        },
        authority: Authority::Automatic,
        engine: order.engine.clone(),
        operation: order.operation,
        started_at: world.now(),
        start_before: None,
        deadline: world.now().plus_millis(3_600_000),
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
    }
}

/// Another order for the same target.
pub(crate) fn another(order: &Order) -> Order {
    Order {
        operation: OperationId::from_uuid(Uuid::now_v7()),
        ..order.clone()
    }
}

pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, CallError>) -> (String, bool) {
    match answer {
        Err(CallError::Refused { code, retry, .. }) => (code, retry),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn at(now: Timestamp, minutes: i64) -> Timestamp {
    now.plus_millis(minutes * 60_000)
}

fn seed() -> Value {
    let image = format!("{REPOSITORY}:sha-1111111");
    let api = |id: &str, protocol: &str| {
        json!({ "id": id, "name": "burst", "protocol": protocol,
                "deployments": [{ "id": "dep001", "description": "by hand" }],
                "stages": [{ "name": "live", "deployment": "dep001" }] })
    };
    json!({
        "functions": [
            { "name": "burst", "versions": [{ "image": image }], "aliases": [{ "name": "live", "version": "1" }],
              "environment": { "TOKEN": "hidden" } },
            { "name": "shifting", "versions": [{ "image": image }, { "image": image }],
              "aliases": [{ "name": "live", "version": "1", "additional": ["2", 0.1] }] },
            { "name": "unpublished", "image": image, "aliases": [{ "name": "live", "version": "$LATEST" }] },
        ],
        "apis": [api("rest000001", "REST"), api("ws00000001", "WEBSOCKET")],
        "deployment_configs": [
            { "name": "acme-lambda-20-for-5", "platform": "Lambda", "routing": { "canary": { "percent": 20, "minutes": 5 } } },
        ],
        "applications": [{ "name": "burst", "platform": "Lambda", "groups": [
            { "name": "production", "alarms": ["burst-5xx"] },
        ]}],
    })
}
