//! The real binary, killed at every step of a deployment's way, on both databases.
//!
//! Whatever the moment, after a restart each deployment comes to rest by itself, with at most one cloud deployment for
//! each operation, and the audit log tells the same as the state (R9, R11, R12, R16, R17).

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

#[path = "../acme/mod.rs"]
mod acme;
mod lambda;
mod plant;

use acme::{production, staging};
use plant::{Base, Plant, on_both, together};
use serde_json::json;
use std::time::{Duration, Instant};
use tidegate_domain::{Actor, AuditEvent, EventKind, State, StateName, Subject};

/// What becomes of a call that is on its way when its caller dies.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is never carried out.
    Lost,
    /// It is carried out when the next process already runs.
    Late,
    /// It had been carried out; only its answer is lost.
    Done,
}

const FATES: [Fate; 3] = [Fate::Lost, Fate::Late, Fate::Done];
/// A deployment that nobody disturbs is saved about ten times.
const SAVES: i64 = 11;

#[tokio::test(flavor = "multi_thread")]
async fn r09_killed_before_during_and_after_each_call_that_starts_something() {
    let mut scenarios = Vec::new();
    for operation in ["RegisterTaskDefinition", "CreateDeployment"] {
        for fate in FATES {
            scenarios.extend(on_both(move |base| async move {
                let plant = Plant::new(base).await;
                let id = plant.request("sha-aaaaaaa").await;
                plant.killed_in_call(operation, fate).await;
                let done = plant.rests(id).await;
                assert_eq!(
                    done.state.name(),
                    StateName::Succeeded,
                    "{operation} {fate:?}: {:#?}",
                    done.state
                );
                plant.happened_once(id).await;
            }));
        }
    }
    together(scenarios).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r01_r09_killed_on_the_way_of_what_people_approved() {
    let mut scenarios = Vec::new();
    for (operation, fate) in [
        ("RegisterTaskDefinition", Fate::Done),
        ("CreateDeployment", Fate::Lost),
        ("CreateDeployment", Fate::Done),
    ] {
        scenarios.extend(on_both(move |base| async move {
            let mut plant = Plant::new(base).await;
            let release = plant.release("sha-aaaaaaa").await;
            let id = plant.request_for(release, production()).await;
            plant.start().await;
            plant.until(id, |d| d.state.name() == StateName::AwaitingApproval).await;
            plant.stop().await;
            plant.approve(id).await;
            plant.killed_in_call(operation, fate).await;
            let done = plant.rests(id).await;
            assert_eq!(
                done.state.name(),
                StateName::Succeeded,
                "{operation} {fate:?}: {:#?}",
                done.state
            );
            plant.happened_once(id).await;
        }));
    }
    together(scenarios).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r09_killed_on_the_way_back_to_the_release_before() {
    let mut scenarios = Vec::new();
    for fate in [Fate::Lost, Fate::Done] {
        scenarios.extend(on_both(move |base| async move {
            let mut plant = Plant::new(base).await;
            plant.start().await;
            let mut last = None;
            for tag in ["sha-1111111", "sha-2222222"] {
                let id = plant.request(tag).await;
                assert_eq!(plant.rests(id).await.state.name(), StateName::Succeeded);
                last = Some(id);
            }
            plant.stop().await;
            let back = plant.roll_back(last.unwrap()).await;
            plant.killed_in_call("CreateDeployment", fate).await;
            let done = plant.rests(back).await;
            assert_eq!(done.state.name(), StateName::Succeeded, "{fate:?}: {:#?}", done.state);
            assert_eq!(done.label, "sha-1111111");
            plant.happened_once(back).await;
        }));
    }
    together(scenarios).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_killed_while_aws_rolls_back_by_itself() {
    together(on_both(|base| async move {
        let mut plant = Plant::new(base).await;
        let failure = json!({ "event": "AfterAllowTestTraffic", "message": "the smoke test failed" });
        plant.stage.post("/aws/groups/rag-staging/fail-next", failure).await;
        let id = plant.request("sha-aaaaaaa").await;
        plant.start().await;
        plant
            .until(id, |d| {
                d.state.name() == StateName::RollingBack || d.state.name().is_terminal()
            })
            .await;
        plant.kill().await;
        plant.start().await;
        let done = plant.rests(id).await;
        assert_eq!(done.state.name(), StateName::RolledBack, "{:#?}", done.state);
        plant.happened_once(id).await;
        assert!(plant.stage.calls("StopDeployment").await.is_empty());
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r09_r17_killed_before_during_and_after_the_call_that_stops() {
    let mut scenarios = Vec::new();
    for fate in FATES {
        scenarios.extend(on_both(move |base| async move {
            let mut plant = Plant::new(base).await;
            // It would take 100 s: long enough to be stopped.
            plant.stage.post("/aws/timings", json!({ "install": 30_000 })).await;
            let id = plant.request("sha-aaaaaaa").await;
            plant.start().await;
            plant
                .until(id, |d| d.run().is_some_and(|run| run.progress.is_some()))
                .await;
            plant.stop().await;
            plant.roll_back(id).await;
            plant.killed_in_call("StopDeployment", fate).await;
            let done = plant.rests(id).await;
            assert_eq!(done.state.name(), StateName::RolledBack, "{fate:?}: {:#?}", done.state);
            plant.happened_once(id).await;
        }));
    }
    together(scenarios).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_killed_right_after_each_commit() {
    let mut scenarios = Vec::new();
    for saves in 1..=SAVES {
        scenarios.extend(on_both(move |base| async move {
            let mut plant = Plant::new(base).await;
            let id = plant.request("sha-aaaaaaa").await;
            plant.start().await;
            plant.saved(id, saves).await;
            plant.kill().await;
            let before = plant.found(id).await;
            plant.start().await;
            let done = plant.rests(id).await;
            assert_eq!(
                done.state.name(),
                StateName::Succeeded,
                "after {saves}: {:#?}",
                done.state
            );
            assert!(
                plant.found(id).await.version >= before.version,
                "what was acknowledged is kept"
            );
            plant.happened_once(id).await;
        }));
    }
    together(scenarios).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_killed_right_before_each_commit() {
    let mut scenarios = Vec::new();
    for saves in 1..=SAVES {
        scenarios.extend(on_both(move |base| async move {
            let mut plant = Plant::new(base).await;
            let id = plant.request("sha-aaaaaaa").await;
            plant.start().await;
            plant.saved(id, saves).await;
            // Someone else writes and takes long: the next commit cannot come before it.
            let mut tx = plant.db.begin().await.unwrap();
            let event = AuditEvent {
                kind: EventKind::ConfigurationLoaded,
                actor: Actor::system("test"),
                subject: Subject::default(),
                data: json!({}),
                text: None,
            };
            tx.append_audit(&[event]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(700)).await;
            plant.kill().await;
            drop(tx);
            plant.start().await;
            let done = plant.rests(id).await;
            assert_eq!(
                done.state.name(),
                StateName::Succeeded,
                "before {}: {:#?}",
                saves + 1,
                done.state
            );
            plant.happened_once(id).await;
        }));
    }
    together(scenarios).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_killed_while_rolling_back_it_goes_on_within_15_s() {
    together(on_both(|base| async move {
        let mut plant = Plant::new(base).await;
        plant.stage.freeze(true).await;
        let id = plant.request("sha-aaaaaaa").await;
        plant.start().await;
        plant
            .until(id, |d| d.run().is_some_and(|run| run.progress.is_some()))
            .await;
        plant.roll_back(id).await;
        plant
            .until(id, |d| d.run().is_some_and(|run| run.calls.len() > 2))
            .await;
        // The stop takes 2 s of AWS's time; what follows it stands still.
        plant.stage.step(3.0).await;
        plant.until(id, |d| matches!(d.state, State::RollingBack { .. })).await;
        plant.kill().await;
        let asked = plant.stage.calls("BatchGetDeployments").await.len();
        plant.start().await;
        let begin = Instant::now();
        while plant.stage.calls("BatchGetDeployments").await.len() == asked {
            assert!(
                begin.elapsed() < Duration::from_secs(15),
                "nobody looks after the rollback"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        plant.stage.freeze(false).await;
        assert_eq!(plant.rests(id).await.state.name(), StateName::RolledBack);
        plant.happened_once(id).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_replica_that_was_paused_beyond_its_lease_writes_and_starts_nothing() {
    let mut scenarios = Vec::new();
    for operation in ["RegisterTaskDefinition", "CreateDeployment"] {
        scenarios.extend(on_both(move |base| async move {
            let mut plant = Plant::new(base).await;
            let id = plant.request("sha-aaaaaaa").await;
            let fault = plant
                .stage
                .fault(json!({ "operation": operation, "kind": "hold", "when": "after" }))
                .await;
            plant.start().await;
            plant.stage.holds(&fault).await;
            plant.signal("STOP").await;
            let paused = plant.put_aside();
            plant.stage.release(&fault).await;
            plant.start().await;
            // Another replica takes over and finishes.
            let done = plant.rests(id).await;
            assert_eq!(
                done.state.name(),
                StateName::Succeeded,
                "{operation}: {:#?}",
                done.state
            );
            let version = plant.found(id).await.version;
            plant.wake(&paused).await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(plant.found(id).await.version, version);
            plant.happened_once(id).await;
            drop(paused);
        }));
    }
    together(scenarios).await;
}

/// SQLite's time is that of its one machine; only replicas can differ.
#[tokio::test(flavor = "multi_thread")]
async fn r14_a_replica_whose_clock_is_off_and_jumps_changes_no_lease_and_no_expiry() {
    let mut plant = Plant::new(Base::Postgres).await;
    plant.set_clock("+600");
    let approved = plant.release("sha-aaaaaaa").await;
    let approved = plant.request_for(approved, production()).await;
    let wrong = plant.spawn_with_clock();
    plant
        .until(approved, |d| d.state.name() == StateName::AwaitingApproval)
        .await;
    let ahead = plant.clock_shown().since(plant.db.now().await.unwrap());
    assert!((590_000..=610_000).contains(&ahead), "its clock is {ahead} ms ahead");
    plant.stage.freeze(true).await;
    plant.approve(approved).await;
    plant.until(approved, |d| d.state.name() == StateName::Deploying).await;
    let waits = plant.release("sha-bbbbbbb").await;
    let waits = plant.request_for(waits, production()).await;
    plant
        .until(waits, |d| d.state.name() == StateName::AwaitingApproval)
        .await;
    // Past every lease, the hour to start and the day to approve.
    plant.set_clock("+90000");
    plant.start().await;
    let seen = plant.found(waits).await.version;
    plant.stage.freeze(false).await;
    assert_eq!(plant.rests(approved).await.state.name(), StateName::Succeeded);
    plant.happened_once(approved).await;
    // It has been looked at since: what ran before it is another now.
    plant.saved(waits, seen).await;
    let waits = plant.found(waits).await.value;
    assert_eq!(waits.state.name(), StateName::AwaitingApproval, "{:#?}", waits.state);
    drop(wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_on_sigterm_it_hands_over_and_ends_in_time() {
    together(on_both(|base| async move {
        let mut plant = Plant::new(base).await;
        plant.stage.freeze(true).await;
        let id = plant.request("sha-aaaaaaa").await;
        plant.start().await;
        plant.until(id, |d| d.state.name() == StateName::Deploying).await;
        let begin = Instant::now();
        plant.stop().await;
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
        assert_eq!(
            plant.db.claim("another", 1_000, 10).await.unwrap().len(),
            1,
            "its lease was handed back"
        );
        plant.stage.freeze(false).await;
        plant.start().await;
        assert_eq!(plant.rests(id).await.state.name(), StateName::Succeeded);
        plant.happened_once(id).await;
    }))
    .await;
}

impl Plant {
    /// Starts the binary, kills it while a call of this operation is on its way, and starts it again.
    async fn killed_in_call(&self, operation: &str, fate: Fate) {
        let when = match fate {
            Fate::Lost | Fate::Late => "before",
            Fate::Done => "after",
        };
        let fault = self
            .stage
            .fault(json!({ "operation": operation, "kind": "hold", "when": when }))
            .await;
        let mut first = self.spawn();
        self.stage.holds(&fault).await;
        first.kill().await.unwrap();
        if matches!(fate, Fate::Lost) {
            self.stage
                .send(reqwest::Method::DELETE, &format!("/faults/{fault}"), None)
                .await;
        }
        self.keep(self.spawn());
        if !matches!(fate, Fate::Lost) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.stage.release(&fault).await;
        }
    }

    async fn request(&self, tag: &str) -> tidegate_domain::DeploymentId {
        let release = self.release(tag).await;
        self.request_for(release, staging()).await
    }
}
