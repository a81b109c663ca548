//! Much at once on PostgreSQL: nobody waits for someone who waits for them.

use crate::{
    given::{id_of, preparation, prepared},
    world::{Base, World, report},
};
use serde_json::{Value, json};
use std::sync::Arc;
use tidegate_app::portal::{Portal as _, PortalError};
use tidegate_domain::{
    Actor, DeploymentId, ReleaseId, Role, TeamSlug, Verdict, deployment::Transition, name::PersonRef,
    revision::RevisionHash,
};
use tidegate_server::service::{NewGate, Push, WorkflowRun};
use tidegate_store::{Conflict, StoreError};
use tokio::task::JoinSet;

const MANY: usize = 8;

fn ben() -> Actor {
    Actor::Person {
        person: PersonRef::new(12, "ben-acme"),
        roles: vec![Role::Approver],
        teams: vec![TeamSlug::new("approvers").unwrap()],
    }
}

fn run() -> Actor {
    Actor::Ci {
        service: "rag".parse().unwrap(),
        repository: "acme/rag".to_owned(),
        run_id: 8801,
        actor: PersonRef::new(11, "ada-acme"),
    }
}

/// A release of its own for each, waiting for approval in one lane.
async fn waiting(world: &World) -> Vec<(ReleaseId, DeploymentId, RevisionHash)> {
    let ada = world.sign_in("ada-acme").await;
    let token = world.ci().await;
    let mut made = Vec::new();
    for n in 0..MANY {
        let mut report = report();
        let digest = format!("{n:02x}").repeat(32);
        report["image"] = json!(format!(
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag:v{n}@sha256:{digest}"
        ));
        let answer = world
            .post("/api/v1/releases")
            .bearer_auth(&token)
            .json(&report)
            .send()
            .await
            .unwrap();
        let release: Value = answer.json().await.unwrap();
        let wanted = json!({ "release": release["id"], "environment": "production" });
        let post = world.post("/api/v1/deployments").header("cookie", &ada).json(&wanted);
        let deployment: Value = post.send().await.unwrap().json().await.unwrap();
        let id = id_of(deployment["id"].as_str().unwrap());
        let hash = prepared(world, id).await;
        made.push((release["id"].as_str().unwrap().parse().unwrap(), id, RevisionHash(hash)));
    }
    made
}

/// Claims what is due and saves it with its event, as it would be prepared anew, and now and then brought to rest: what
/// the worker does all day.
async fn work(world: &World, owner: &str) -> Result<(), StoreError> {
    for claim in world.db.claim(owner, 30_000, 4).await? {
        if let Some(found) = world.db.deployment(claim.deployment).await?
            && let Some(revision) = found.value.revision().cloned()
        {
            let mut tx = world.db.begin().await?;
            let transition = if claim.epoch % 5 == 4 {
                Transition::Cancel {
                    actor: Actor::system("worker"),
                    reason: "enough".to_owned(),
                }
            } else {
                Transition::Prepare {
                    preparation: preparation(),
                    revision,
                    policy: crate::seed::catalog().services[0].targets[1].policy.clone(),
                }
            };
            if let Ok((next, events)) = found.value.apply(transition, tx.now()) {
                match tx.save_claimed(&next, found.version, &claim).await {
                    Ok(_) => {
                        if next.state.name().is_terminal() {
                            tx.wake_lane(&next.service, &next.environment).await?;
                            tx.wake_release(next.release).await?;
                        }
                        tx.append_audit(&events).await?;
                        tx.commit().await?;
                    }
                    // A person was faster; that is no collision.
                    Err(StoreError::Conflict(Conflict::Version | Conflict::Lease)) => drop(tx),
                    Err(error) => return Err(error),
                }
            }
        }
        let now = world.db.now().await?;
        world.db.release_claim(&claim, now).await?;
    }
    Ok(())
}

async fn report_gates(world: &World, release: ReleaseId, backwards: bool) -> Result<(), PortalError> {
    let mut gates: Vec<NewGate> = ["lint", "unit-tests", "build", "scan"]
        .map(|gate| NewGate {
            seconds: None,
            gate: gate.to_owned(),
            verdict: Verdict::Pass,
            detail: None,
            url: None,
        })
        .into();
    if backwards {
        gates.reverse();
    }
    world.services.report_gates(&run(), release, gates).await.map(drop)
}

async fn hear(world: &World, n: usize) -> Result<(), PortalError> {
    let head = "c".repeat(40).parse().unwrap();
    let repository = "acme/rag".to_owned();
    if n.is_multiple_of(2) {
        let push = Push {
            repository,
            git_ref: "refs/heads/main".to_owned(),
            head,
            pusher: Some(PersonRef::new(13, "cleo-acme")),
            commits: Vec::new(),
        };
        return world.services.push_received(push).await;
    }
    let run = WorkflowRun {
        repository,
        head,
        run_id: 8801,
        url: None,
        actor: Some(PersonRef::new(20 + i64::try_from(n).unwrap(), "someone")),
    };
    world.services.workflow_run_received(run).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r12_gates_approvals_webhooks_and_workers_at_once_do_not_end_each_other_on_postgres() {
    let world = Arc::new(World::on(Base::Postgres).await);
    let made = Arc::new(waiting(&world).await);
    let mut tasks: JoinSet<Vec<String>> = JoinSet::new();
    for n in 0..MANY {
        let (world, made) = (world.clone(), made.clone());
        tasks.spawn(async move {
            let mut said = Vec::new();
            let (release, deployment, seen) = &made[n];
            for round in 0..4 {
                said.extend(report_gates(&world, *release, (n + round) % 2 == 0).await.err());
                said.extend(hear(&world, n + round).await.err());
                if round == 1 {
                    let approved = world.services.approve(&ben(), *deployment, seen.clone(), None).await;
                    said.extend(approved.err());
                }
                if round == 2 && n % 2 == 0 {
                    let rejected = world.services.reject(&ben(), *deployment, "no".to_owned()).await;
                    said.extend(rejected.err());
                }
            }
            said.iter().map(ToString::to_string).collect()
        });
    }
    for n in 0..3 {
        let world = world.clone();
        tasks.spawn(async move {
            let mut said = Vec::new();
            for _ in 0..12 {
                said.extend(
                    Box::pin(work(&world, &format!("worker-{n}")))
                        .await
                        .err()
                        .map(|error| error.to_string()),
                );
            }
            said
        });
    }
    let mut said = Vec::new();
    while let Some(done) = tasks.join_next().await {
        said.extend(done.unwrap());
    }
    let collided: Vec<&String> = said
        .iter()
        .filter(|words| words.contains("collided") || words.contains("at once") || words.contains("does not answer"))
        .collect();
    assert!(collided.is_empty(), "{collided:?}");
    // PostgreSQL counts what it had to end, a moment later.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    world.db.ping().await.unwrap();
    let deadlocks = "SELECT 1 FROM pg_stat_database WHERE datname = current_database() AND deadlocks > 0";
    assert_eq!(
        world.scratch.tamper(deadlocks).await.unwrap(),
        0,
        "two transactions waited for each other"
    );
}
