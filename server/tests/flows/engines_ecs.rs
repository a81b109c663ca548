//! Deployments on ECS that CodeDeploy has no part in: by task sets and weights that Tidegate sets, and by ECS itself.

use crate::{
    acme::{BEN, staging},
    world::{Base, World, person},
};
use rstest::rstest;
use serde_json::{Value, json};
use tidegate_app::portal::Portal;
use tidegate_domain::{
    Deployment, DeploymentId, State, StateName, TrafficPlan,
    catalog::{EcsNative, EcsTaskSets, Engine},
    deployment::{CallKind, RollbackCause},
    time::{MINUTE, SECOND},
    traffic::TrafficStep,
};

const CLUSTER: &str = "acme-staging";

/// 10 % (5 min) → 50 % (3 min) → 100 %.
fn reference() -> TrafficPlan {
    let step = |percent, minutes| TrafficStep { percent, minutes };
    TrafficPlan::of_steps(&[step(10, 5), step(50, 3)])
}

fn canary() -> TrafficPlan {
    TrafficPlan::Canary {
        percent: 10,
        minutes: 5,
    }
}

/// What ECS has of a service that Tidegate or ECS itself deploys.
struct Fleet {
    world: World,
    service: &'static str,
}

impl Fleet {
    /// Staging asks nobody, and its engine is this one.
    async fn new(base: Base, service: &'static str, traffic: TrafficPlan) -> Self {
        let mut world = World::idle(base).await;
        world.stage.post("/aws/seed", seed()).await;
        let load_balancing = world.stage.get("/aws/load-balancing").await;
        let arn = |list: &str, member: &str, value: Value| {
            let all = load_balancing[list].as_array().unwrap();
            let found = all.iter().find(|each| each[member] == value).unwrap();
            found["arn"].as_str().unwrap().to_owned()
        };
        let group = |name: &str| arn("target_groups", "name", json!(name));
        let engine = match service {
            "by-hand" => Engine::EcsTaskSets(EcsTaskSets {
                cluster: CLUSTER.to_owned(),
                service: service.to_owned(),
                container: "app".to_owned(),
                port: 8080,
                listener: arn("listeners", "port", json!(443)),
                target_groups: [group("by-hand-a"), group("by-hand-b")],
                platform_version: None,
            }),
            _ => Engine::EcsNative(EcsNative {
                cluster: CLUSTER.to_owned(),
                service: service.to_owned(),
                container: "app".to_owned(),
                port: 8080,
                bake_minutes: 1,
            }),
        };
        world.configure(|catalog| {
            let target = &mut catalog.services[0].targets[0];
            target.engine = engine;
            target.traffic = traffic;
        });
        world.start_worker().await;
        Self { world, service }
    }

    async fn request(&self) -> DeploymentId {
        let release = self.world.release("sha-aaaaaaa").await;
        self.world.request(release, staging()).await
    }

    /// So much later for everybody.
    async fn later(&self, minutes: i32) {
        self.world.stage.step(f64::from(minutes) * 60.0).await;
        self.world.later(i64::from(minutes) * MINUTE);
    }

    async fn has(&self, id: DeploymentId, share: u8) -> Deployment {
        let what = format!("{share} %");
        self.world
            .until(id, &what, |deployment| {
                let run = deployment.run();
                let seen = run.and_then(|run| run.progress.as_ref()?.traffic);
                seen == Some(share)
            })
            .await
    }

    async fn made(&self, id: DeploymentId, kind: CallKind) -> Deployment {
        self.world
            .until(id, kind.name(), |deployment| {
                deployment.run().is_some_and(|run| run.made(kind).is_some())
            })
            .await
    }

    /// With its new tasks healthy, on a clock that stands still.
    async fn installed(&self) -> DeploymentId {
        self.world.stage.freeze(true).await;
        let id = self.request().await;
        let last = match self.service {
            "by-hand" => CallKind::CreateTaskSet,
            _ => CallKind::UpdateService,
        };
        self.made(id, last).await;
        self.world.stage.step(70.0).await;
        id
    }

    /// Weights of the listener: on the target group of what ran, and on the other.
    async fn weights(&self) -> (i64, i64) {
        let all = self.world.stage.get("/aws/load-balancing").await;
        let port = if self.service == "by-hand" { 443 } else { 8443 };
        let mut listeners = all["listeners"].as_array().unwrap().iter();
        let listener = listeners.find(|each| each["port"] == port).unwrap();
        let rule = listener["rules"].as_array().unwrap().last().unwrap();
        let groups = rule["actions"][0]["ForwardConfig"]["TargetGroups"].as_array().unwrap();
        let weight = |end: &str| {
            let name = format!("targetgroup/{}-{end}/", self.service);
            let group = groups
                .iter()
                .find(|group| group["TargetGroupArn"].as_str().unwrap().contains(&name));
            group.unwrap()["Weight"].as_i64().unwrap()
        };
        (weight("a"), weight("b"))
    }

    async fn managed(&self) -> Value {
        let path = format!("/aws/services/{CLUSTER}/{}", self.service);
        self.world.stage.get(&path).await["managed"].clone()
    }

    /// The task definitions of the sets that are not being taken away, by revision.
    async fn runs(&self) -> Vec<String> {
        let managed = self.managed().await;
        let sets = managed["workloads"].as_array().unwrap();
        sets.iter()
            .filter(|set| set["status"] != "DRAINING")
            .map(|set| {
                let definition = set["task_definition"].as_str().unwrap();
                definition.rsplit_once('/').unwrap().1.to_owned()
            })
            .collect()
    }
}

fn seed() -> Value {
    let old = format!("sha256:{}", "0d".repeat(32));
    let image = format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag@{old}");
    let pair = |a: &str, b: &str| json!([{ "target_group": a, "weight": 100 }, { "target_group": b, "weight": 0 }]);
    let service = |name: &str, controller: &str| {
        json!({ "name": name, "cluster": CLUSTER, "family": name, "image": image, "container": "app", "port": 8080,
                "desired": 2, "controller": controller, "target_groups": [format!("{name}-a"), format!("{name}-b")] })
    };
    let mut native = service("native", "ECS");
    native["production"] = json!({ "load_balancer": "acme", "port": 8443 });
    native["test"] = json!({ "load_balancer": "acme", "port": 9443 });
    json!({
        "target_groups": [
            { "name": "by-hand-a" }, { "name": "by-hand-b" }, { "name": "native-a" }, { "name": "native-b" },
        ],
        "load_balancers": [{ "name": "acme", "listeners": [
            { "port": 443, "protocol": "HTTPS", "forward": pair("by-hand-a", "by-hand-b") },
            { "port": 8443, "protocol": "HTTPS", "forward": pair("native-a", "native-b") },
            { "port": 9443, "forward": pair("native-a", "native-b") },
        ]}],
        "services": [service("by-hand", "EXTERNAL"), native],
    })
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn ten_fifty_hundred_goes_through_at_the_exact_minutes(#[case] base: Base) {
    let fleet = Fleet::new(base, "by-hand", reference()).await;
    let id = fleet.installed().await;
    fleet.has(id, 10).await;
    assert_eq!(fleet.weights().await, (90, 10));
    fleet.later(4).await;
    fleet.later(1).await;
    fleet.has(id, 50).await;
    assert_eq!(fleet.weights().await, (50, 50));
    fleet.later(2).await;
    fleet.later(1).await;
    fleet.made(id, CallKind::DeleteOldTaskSet).await;
    assert_eq!(fleet.weights().await, (0, 100));
    fleet.world.stage.step(31.0).await;
    let done = fleet.world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    let run = done.run().unwrap();
    let at = |percent| run.done_at(CallKind::ShiftTraffic { percent }).unwrap();
    // A look takes its time; an earlier one would be by whole minutes.
    let (first, second) = (at(50).since(at(10)), at(100).since(at(50)));
    assert!((5 * MINUTE..5 * MINUTE + 20 * SECOND).contains(&first), "{first}");
    assert!((3 * MINUTE..3 * MINUTE + 20 * SECOND).contains(&second), "{second}");
    assert_eq!(fleet.runs().await, ["by-hand:2"]);
    assert_eq!(fleet.world.stage.calls("ModifyListener").await.len(), 3);
    fleet.world.log_has_no_gap().await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_person_at_fifty_brings_all_traffic_back_and_the_new_task_set_goes(#[case] base: Base) {
    let fleet = Fleet::new(base, "by-hand", reference()).await;
    let id = fleet.installed().await;
    fleet.has(id, 10).await;
    fleet.later(5).await;
    fleet.has(id, 50).await;
    let world = &fleet.world;
    world
        .services
        .roll_back(&person(BEN), id, "the answers are wrong".to_owned())
        .await
        .unwrap();
    let done = world.rests(id).await;
    let State::RolledBack {
        cause: RollbackCause::Person { by, .. },
        ..
    } = &done.state
    else {
        panic!("{:#?}", done.state)
    };
    assert_eq!(by.id, BEN.0);
    assert_eq!(fleet.weights().await, (100, 0));
    assert_eq!(fleet.runs().await, ["by-hand:1"]);
    world.log_has_no_gap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_do_not_come_up_are_given_up_after_three_minutes_and_taken_away() {
    let fleet = Fleet::new(Base::Sqlite, "by-hand", reference()).await;
    let world = &fleet.world;
    world.stage.freeze(true).await;
    let held = json!({ "operation": "CreateTaskSet", "kind": "hold", "when": "before" });
    let held = world.stage.fault(held).await;
    let id = fleet.request().await;
    world.stage.holds(&held).await;
    let sick = json!({ "how": "never_healthy" });
    world.stage.post("/aws/task-definitions/by-hand:2/sick", sick).await;
    world.stage.release(&held).await;
    fleet.made(id, CallKind::CreateTaskSet).await;
    fleet.later(3).await;
    let done = world.rests(id).await;
    let State::RolledBack {
        cause: RollbackCause::Cloud { message },
        ..
    } = &done.state
    else {
        panic!("{:#?}", done.state)
    };
    assert!(message.starts_with("its tasks were not healthy for 3 min"), "{message}");
    assert_eq!(fleet.weights().await, (100, 0));
    assert_eq!(fleet.runs().await, ["by-hand:1"]);
    assert_eq!(
        world.stage.calls("ModifyListener").await.len(),
        0,
        "it never had traffic"
    );
}

#[rstest]
#[case("RegisterTaskDefinition", 1)]
#[case("CreateTaskSet", 1)]
#[case("ModifyListener", 1)]
#[case("UpdateServicePrimaryTaskSet", 1)]
#[case("DeleteTaskSet", 1)]
#[tokio::test(flavor = "multi_thread")]
async fn r09_a_lost_answer_on_the_way_there_has_one_effect(
    #[case] operation: &str,
    #[case] nth: usize,
    #[values("before", "after")] when: &str,
) {
    let fleet = Fleet::new(Base::Sqlite, "by-hand", TrafficPlan::AllAtOnce).await;
    let fault = json!({ "operation": operation, "kind": "reset", "when": when, "nth": nth });
    fleet.world.stage.fault(fault).await;
    let id = fleet.request().await;
    let done = fleet.world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    assert_eq!(fleet.weights().await, (0, 100));
    assert_eq!(fleet.runs().await, ["by-hand:2"]);
    let state = fleet.world.stage.get("/aws/state").await;
    let registered = state["task_definitions"]["by-hand"].as_array().unwrap().len();
    assert_eq!(registered, 2, "one of ours");
}

#[rstest]
#[case("ModifyListener", 2)]
#[case("DeleteTaskSet", 1)]
#[tokio::test(flavor = "multi_thread")]
async fn r09_a_lost_answer_on_the_way_back_leaves_all_traffic_on_what_ran(
    #[case] operation: &str,
    #[case] nth: usize,
    #[values("before", "after")] when: &str,
) {
    let fleet = Fleet::new(Base::Sqlite, "by-hand", canary()).await;
    let fault = json!({ "operation": operation, "kind": "reset", "when": when, "nth": nth });
    fleet.world.stage.fault(fault).await;
    let id = fleet.installed().await;
    fleet.has(id, 10).await;
    let world = &fleet.world;
    world
        .services
        .roll_back(&person(BEN), id, "it is wrong".to_owned())
        .await
        .unwrap();
    let done = world.rests(id).await;
    assert_eq!(done.state.name(), StateName::RolledBack, "{:#?}", done.state);
    assert_eq!(fleet.weights().await, (100, 0));
    assert_eq!(fleet.runs().await, ["by-hand:1"]);
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_of_ecs_pauses_before_each_share_and_is_told_to_go_on(#[case] base: Base) {
    let fleet = Fleet::new(base, "native", canary()).await;
    let id = fleet.request().await;
    let done = fleet.world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    assert_eq!(fleet.weights().await, (0, 100));
    let answers = fleet.world.stage.calls("ContinueServiceDeployment").await;
    assert_eq!(answers.len(), 3, "before 10 %, before 100 %, and before it bakes");
    assert!(answers.iter().all(|call| call["request"]["action"] == "CONTINUE"));
    assert_eq!(fleet.managed().await["deployments"].as_array().unwrap().len(), 2);
    fleet.world.log_has_no_gap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_stops_a_canary_of_ecs_which_rolls_itself_back() {
    let fleet = Fleet::new(Base::Sqlite, "native", canary()).await;
    let world = &fleet.world;
    let id = fleet.installed().await;
    fleet.made(id, CallKind::ContinueDeployment).await;
    world.stage.step(2.0).await;
    fleet.has(id, 10).await;
    world
        .services
        .roll_back(&person(BEN), id, "it is wrong".to_owned())
        .await
        .unwrap();
    fleet.world.reaches(id, StateName::RollingBack).await;
    world.stage.step(60.0).await;
    let done = world.rests(id).await;
    let State::RolledBack {
        cause: RollbackCause::Person { .. },
        rollback,
        run,
        ..
    } = &done.state
    else {
        panic!("{:#?}", done.state)
    };
    assert_eq!(*rollback, run.cloud_deployment, "the same deployment");
    assert_eq!(fleet.weights().await, (100, 0));
}

#[rstest]
#[case("RegisterTaskDefinition", 1)]
#[case("UpdateService", 1)]
#[case("ContinueServiceDeployment", 1)]
#[case("ContinueServiceDeployment", 2)]
#[tokio::test(flavor = "multi_thread")]
async fn r09_a_lost_answer_of_ecs_itself_has_one_effect(
    #[case] operation: &str,
    #[case] nth: usize,
    #[values("before", "after")] when: &str,
) {
    let fleet = Fleet::new(Base::Sqlite, "native", canary()).await;
    let fault = json!({ "operation": operation, "kind": "reset", "when": when, "nth": nth });
    fleet.world.stage.fault(fault).await;
    let id = fleet.request().await;
    let done = fleet.world.rests(id).await;
    assert_eq!(done.state.name(), StateName::Succeeded, "{:#?}", done.state);
    assert_eq!(
        fleet.managed().await["deployments"].as_array().unwrap().len(),
        2,
        "one of ours"
    );
    let state = fleet.world.stage.get("/aws/state").await;
    assert_eq!(state["task_definitions"]["native"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_do_not_start_make_ecs_roll_back_by_itself() {
    let fleet = Fleet::new(Base::Sqlite, "native", canary()).await;
    let world = &fleet.world;
    let held = json!({ "operation": "UpdateService", "kind": "hold", "when": "before" });
    let held = world.stage.fault(held).await;
    let id = fleet.request().await;
    world.stage.holds(&held).await;
    let sick = json!({ "how": "never_runs" });
    world.stage.post("/aws/task-definitions/native:2/sick", sick).await;
    world.stage.release(&held).await;
    let done = world.rests(id).await;
    let State::RolledBack {
        cause: RollbackCause::Cloud { message },
        ..
    } = &done.state
    else {
        panic!("{:#?}", done.state)
    };
    assert!(message.contains("circuit breaker"), "{message}");
    assert_eq!(fleet.weights().await, (100, 0));
}
