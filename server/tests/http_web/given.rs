//! Deployments in a state that only the worker brings about, and who is asked then.

use crate::{seed::catalog, world::World};
use serde_json::{Value, json};
use tidegate_domain::{
    Deployment, DeploymentId, Policy, Revision, State,
    deployment::{Preparation, Transition},
};

pub(crate) fn id_of(page: &str) -> DeploymentId {
    page.trim_start_matches("/deployments/").parse().unwrap()
}

fn policy() -> Policy {
    catalog().services[0].targets[1].policy.clone()
}

fn revision(deployment: &Deployment) -> Revision {
    Revision {
        service: deployment.service.clone(),
        environment: deployment.environment.clone(),
        digest: deployment.digest.clone(),
        task_definition: "ab".repeat(32),
        traffic: catalog().services[0].targets[1].traffic.clone(),
        health_definition: "none".to_owned(),
        policy: policy().version(),
        gates: Vec::new(),
        rollback_target: "none".to_owned(),
        verification: "none".to_owned(),
    }
}

/// What the worker reads before anybody is asked.
pub(crate) fn preparation() -> Preparation {
    serde_json::from_value(json!({
        "at": "2026-03-01T10:00:00Z",
        "running_task_definition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/rag:7",
        "running_image": "acme/rag@sha256:old",
        "running_digest": null,
        "changes": [{ "what": "image", "from": "old", "to": "new" }],
        "hash": "ab".repeat(32),
        "immutable_tags": true,
        "tag_moved_to": null,
    }))
    .unwrap()
}

/// Its approval is asked for now; returns the revision that is to be approved.
pub(crate) async fn prepared(world: &World, id: DeploymentId) -> String {
    let found = world.db.deployment(id).await.unwrap().unwrap();
    let revision = revision(&found.value);
    let hash = revision.hash().0;
    let mut tx = world.db.begin().await.unwrap();
    let prepare = Transition::Prepare {
        preparation: preparation(),
        revision,
        policy: policy(),
    };
    let (next, events) = found.value.apply(prepare, tx.now()).unwrap();
    tx.save_deployment(&next, found.version).await.unwrap();
    tx.append_audit(&events).await.unwrap();
    tx.commit().await.unwrap();
    hash
}

/// A run at the cloud.
fn run(deployment: &Deployment) -> Value {
    json!({
        "revision": revision(deployment),
        "authority": { "kind": "automatic" },
        "engine": catalog().services[0].targets[1].engine,
        "operation": "01890a5d-ac96-774b-bcce-b302099a8057",
        "started_at": "2026-03-01T10:00:00Z",
        "start_before": null,
        "deadline": "2126-03-01T10:00:00Z",
        "calls": [{
            "kind": "create_deployment", "intended_at": "2026-03-01T10:00:01Z", "epoch": 3,
            "outcome": { "outcome": "done", "id": "d-ABCDEFGHI", "at": "2026-03-01T10:00:02Z" },
        }],
        "task_definition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/rag:8",
        "cloud_deployment": "d-ABCDEFGHI",
        "progress": {
            "status": "in_progress", "traffic": 10, "error": null, "rollback": null, "rollback_message": null,
            "seen_at": "2026-03-01T10:00:03Z",
            "lifecycle": [{
                "name": "Install", "status": "succeeded", "started_at": "2026-03-01T10:00:02Z", "ended_at": null,
                "message": null,
            }],
        },
        "stop": null,
        "concerns": [],
    })
}

async fn turned(world: &World, id: DeploymentId, state: impl FnOnce(&Deployment) -> Value) {
    let found = world.db.deployment(id).await.unwrap().unwrap();
    let state: State = serde_json::from_value(state(&found.value)).unwrap();
    let next = Deployment {
        state,
        preparation: Some(preparation()),
        ..found.value
    };
    let mut tx = world.db.begin().await.unwrap();
    tx.save_deployment(&next, found.version).await.unwrap();
    tx.commit().await.unwrap();
}

/// The cloud carries it out.
pub(crate) async fn deploying(world: &World, id: DeploymentId) {
    turned(
        world,
        id,
        |deployment| json!({ "name": "deploying", "run": run(deployment) }),
    )
    .await;
}

/// It runs there now.
pub(crate) async fn succeeded(world: &World, id: DeploymentId) {
    let at = world.db.now().await.unwrap().to_string();
    turned(
        world,
        id,
        |deployment| json!({ "name": "succeeded", "run": run(deployment), "at": at }),
    )
    .await;
}
