//! Webhooks, sent when asked: signed deliveries in GitHub's shapes, and redeliveries that repeat one.
//!
//! A redelivery bears the same delivery id and the same body as the delivery it repeats.

use std::time::{Duration, Instant};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::{
    GitHub,
    api::render::{Render, time},
    git::{Commit, Repo},
    lock, unknown,
    world::World,
};
use crate::control::Refused;

/// GitHub gives up on a receiver after ten seconds.
const PATIENCE: Duration = Duration::from_secs(10);
const NOTHING: &str = "0000000000000000000000000000000000000000";

/// What to send, and to whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliverySpec {
    url: String,
    #[serde(default)]
    secret: String,
    /// `push`, `workflow_run`, `ping`, or any other with a `payload`.
    event: String,
    /// `owner/name`.
    repository: Option<String>,
    /// Of a push: `refs/heads/<default branch>` when absent.
    #[serde(rename = "ref")]
    reference: Option<String>,
    /// Of a push: a commit; the parent of `after` when absent.
    before: Option<String>,
    /// Of a push: a commit; the tip of the branch when absent.
    after: Option<String>,
    /// Of a push: a login; the author of `after` when absent.
    pusher: Option<String>,
    run_id: Option<u64>,
    /// Of a workflow run: `requested`, `in_progress` or `completed`, which is the default.
    action: Option<String>,
    /// Sent instead of what the event would carry.
    payload: Option<Value>,
    /// The delivery id to use.
    delivery: Option<Uuid>,
    #[serde(default)]
    signature: Signature,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Signature {
    #[default]
    Valid,
    Wrong,
    Missing,
}

/// A delivery that was made, and what the receiver answered.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Delivery {
    delivery: Uuid,
    event: String,
    url: String,
    redelivery: bool,
    /// Absent when the receiver could not be reached or was too slow; `error` then says why.
    status: Option<u16>,
    response_body: String,
    error: Option<String>,
    duration_ms: u128,
    payload: Value,
    signature: Option<String>,
}

/// `sha256=` and the HMAC of the body, in hexadecimal.
pub(crate) fn signature(secret: &str, body: &[u8]) -> Result<String, Refused> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|error| Refused::bad(error.to_string()))?;
    mac.update(body);
    Ok(format!("sha256={}", hex::encode(mac.finalize().into_bytes())))
}

pub(crate) async fn send(
    State(github): State<GitHub>,
    Json(spec): Json<DeliverySpec>,
) -> Result<Json<Delivery>, Refused> {
    let payload = match &spec.payload {
        Some(payload) => payload.clone(),
        None => {
            let payload = payload(&github, &spec)?;
            github.shared.journal.record_webhook(&spec.event, &payload);
            payload
        }
    };
    let body = payload.to_string();
    let signature = match spec.signature {
        Signature::Valid => Some(signature(&spec.secret, body.as_bytes())?),
        Signature::Wrong => Some(signature("not the secret", body.as_bytes())?),
        Signature::Missing => None,
    };
    let delivery = Delivery {
        delivery: spec.delivery.unwrap_or_else(Uuid::now_v7),
        event: spec.event,
        url: spec.url,
        redelivery: false,
        status: None,
        response_body: String::new(),
        error: None,
        duration_ms: 0,
        payload,
        signature,
    };
    Ok(Json(deliver(&github, delivery).await))
}

pub(crate) async fn redeliver(State(github): State<GitHub>, Path(id): Path<Uuid>) -> Result<Json<Delivery>, Refused> {
    let sent = lock(&github.shared.deliveries)
        .iter()
        .find(|delivery| delivery.delivery == id)
        .cloned();
    let mut again = sent.ok_or_else(|| unknown(format!("no delivery {id}")))?;
    again.redelivery = true;
    Ok(Json(deliver(&github, again).await))
}

pub(crate) async fn deliveries(State(github): State<GitHub>) -> Json<Vec<Delivery>> {
    Json(lock(&github.shared.deliveries).clone())
}

async fn deliver(github: &GitHub, mut delivery: Delivery) -> Delivery {
    let mut request = github
        .shared
        .http
        .post(&delivery.url)
        .timeout(PATIENCE)
        .header("accept", "*/*")
        .header("content-type", "application/json")
        .header("user-agent", "GitHub-Hookshot/5a4d0b1")
        .header("x-github-delivery", delivery.delivery.to_string())
        .header("x-github-event", &delivery.event)
        .header("x-github-hook-id", "4242")
        .header("x-github-hook-installation-target-id", "4243")
        .header("x-github-hook-installation-target-type", "organization")
        .body(delivery.payload.to_string());
    if let Some(signature) = &delivery.signature {
        request = request.header("x-hub-signature-256", signature);
    }
    let started = Instant::now();
    match request.send().await {
        Ok(answer) => {
            delivery.status = Some(answer.status().as_u16());
            delivery.response_body = answer.text().await.unwrap_or_default();
            delivery.error = None;
        }
        Err(error) => {
            delivery.status = None;
            delivery.response_body = String::new();
            delivery.error = Some(error.to_string());
        }
    }
    delivery.duration_ms = started.elapsed().as_millis();
    lock(&github.shared.deliveries).push(delivery.clone());
    delivery
}

fn payload(github: &GitHub, spec: &DeliverySpec) -> Result<Value, Refused> {
    let world = github.world();
    let render = Render::new(github, &world);
    let named = spec.repository.as_deref().unwrap_or_default();
    let repo = named
        .split_once('/')
        .and_then(|(owner, name)| world.repo(owner, name))
        .ok_or_else(|| unknown(format!("no repository {named}")))?;
    let mut payload = match spec.event.as_str() {
        "ping" => json!({
            "zen": "Keep it logically awesome.",
            "hook_id": 4242,
            "hook": {
                "type": "Organization",
                "id": 4242,
                "name": "web",
                "active": true,
                "events": ["push", "workflow_run"],
                "config": { "content_type": "json", "insecure_ssl": "0", "url": spec.url },
                "created_at": time(repo.created_at),
                "updated_at": time(repo.created_at),
            },
            "sender": owner(&world, &render, repo),
        }),
        "push" => push(&world, &render, repo, spec)?,
        "workflow_run" => workflow_run(&render, repo, spec)?,
        other => {
            return Err(Refused(StatusCode::BAD_REQUEST, format!("{other} needs a payload")));
        }
    };
    payload["repository"] = if spec.event == "push" {
        render.repo_in_push(repo)
    } else {
        render.repo_in_webhook(repo)
    };
    if let Some(org) = world.org(&repo.owner) {
        payload["organization"] = render.org_simple(org);
    }
    Ok(payload)
}

fn owner(world: &World, render: &Render<'_>, repo: &Repo) -> Value {
    let admin = world.org(&repo.owner).and_then(|org| {
        let mut members = org.members.iter();
        members.find(|(_, membership)| membership.admin)
    });
    render.account(admin.map(|(user, _)| *user))
}

fn push(world: &World, render: &Render<'_>, repo: &Repo, spec: &DeliverySpec) -> Result<Value, Refused> {
    let reference = spec
        .reference
        .clone()
        .unwrap_or_else(|| format!("refs/heads/{}", repo.default_branch));
    let find = |name: &str| repo.resolve(name).ok_or_else(|| unknown(format!("no commit {name}")));
    let after = find(spec.after.as_deref().unwrap_or(&reference))?;
    let before = match spec.before.as_deref().or(after.parents.first().map(String::as_str)) {
        Some(name) if name != NOTHING => Some(find(name)?),
        _ => None,
    };
    let commits: Vec<Value> = match before {
        Some(before) => repo
            .compare(before, after)
            .map(|comparison| comparison.ahead)
            .unwrap_or_default()
            .into_iter()
            .map(|commit| pushed_commit(world, render, repo, commit))
            .collect(),
        None => vec![pushed_commit(world, render, repo, after)],
    };
    let sender = match &spec.pusher {
        Some(login) => Some(world.user_id(login)?),
        None => after.author.account,
    };
    let pusher = sender.and_then(|id| world.users.get(&id)).map_or_else(
        || json!({ "name": after.author.name, "email": after.author.email }),
        |user| json!({ "name": user.login, "email": user.email }),
    );
    let before_sha = before.map_or(NOTHING, |commit| commit.sha.as_str());
    let web = render.repo_web(repo);
    Ok(json!({
        "ref": reference,
        "before": before_sha,
        "after": after.sha,
        "base_ref": null,
        "created": before.is_none(),
        "deleted": false,
        "forced": false,
        "compare": format!("{web}/compare/{before_sha}...{}", after.sha),
        "commits": commits,
        "head_commit": pushed_commit(world, render, repo, after),
        "pusher": pusher,
        "sender": render.account(sender),
    }))
}

/// A commit as a push carries it, which is not how the REST API shows one.
fn pushed_commit(world: &World, render: &Render<'_>, repo: &Repo, commit: &Commit) -> Value {
    let person = |person: &super::git::Person| {
        let account = person.account.and_then(|id| world.users.get(&id));
        let mut body = json!({ "name": person.name, "email": person.email });
        if let Some(account) = account {
            body["username"] = json!(account.login);
        }
        body
    };
    let with = |status: &str| {
        let files = commit.files.iter().filter(|file| file.status == status);
        files.map(|file| file.filename.as_str()).collect::<Vec<_>>()
    };
    json!({
        "id": commit.sha,
        "tree_id": super::git::object_id(&["tree", &commit.sha]),
        "distinct": true,
        "message": commit.message,
        "timestamp": time(commit.at),
        "url": format!("{}/commit/{}", render.repo_web(repo), commit.sha),
        "author": person(&commit.author),
        "committer": person(&commit.committer),
        "added": with("added"),
        "removed": with("removed"),
        "modified": with("modified"),
    })
}

fn workflow_run(render: &Render<'_>, repo: &Repo, spec: &DeliverySpec) -> Result<Value, Refused> {
    let run = match spec.run_id {
        Some(id) => repo.runs.iter().find(|run| run.id == id),
        None => repo.runs.last(),
    };
    let run = run.ok_or_else(|| unknown(format!("no such run of {}", repo.name)))?;
    let workflow = format!("{}/actions/workflows/{}", render.repo_url(repo), run.workflow_id);
    let web = render.repo_web(repo);
    Ok(json!({
        "action": spec.action.as_deref().unwrap_or("completed"),
        "workflow_run": render.run(repo, run),
        "workflow": {
            "id": run.workflow_id,
            "node_id": format!("W_{}", run.workflow_id),
            "name": run.name,
            "path": run.path,
            "state": "active",
            "created_at": time(repo.created_at),
            "updated_at": time(repo.created_at),
            "url": workflow,
            "html_url": format!("{web}/blob/{}/{}", repo.default_branch, run.path),
            "badge_url": format!("{web}/workflows/{}/badge.svg", run.name),
        },
        "sender": render.account(Some(run.triggering_actor)),
    }))
}
