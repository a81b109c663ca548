//! A repository's issues: opening one, and listing them.

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{OriginalUri, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Caller, Paging, error, not_found,
    render::{Render, node, time},
    repos::readable,
};
use crate::github::{GitHub, git::Repo, issues::Issue};

/// GitHub refuses longer bodies.
const BODY_MAX: usize = 65_536;

pub(crate) fn router() -> Router<GitHub> {
    Router::new().route("/repos/{owner}/{repo}/issues", get(list).post(open))
}

#[derive(Debug, Deserialize)]
struct Filter {
    state: Option<String>,
    labels: Option<String>,
    /// Changed at or after this.
    since: Option<String>,
    direction: Option<String>,
}

async fn list(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path((owner, name)): Path<(String, String)>,
    uri: OriginalUri,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Response {
    let world = github.world();
    let Some(repo) = readable(&world, &caller, &owner, &name) else {
        return not_found();
    };
    let since = match filter.since.map(|since| since.parse::<Timestamp>()).transpose() {
        Ok(since) => since,
        Err(_) => return error(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed"),
    };
    let open = filter.state.as_deref() != Some("closed");
    let wanted: Vec<&str> = filter
        .labels
        .as_deref()
        .map_or_else(Vec::new, |labels| labels.split(',').collect());
    let mut found: Vec<&Issue> = world
        .issues
        .iter()
        .filter(|issue| {
            open && issue.repo == repo.id
                && since.is_none_or(|since| issue.created_at >= since)
                && wanted.iter().all(|label| issue.labels.iter().any(|own| own == label))
        })
        .collect();
    if filter.direction.as_deref() != Some("asc") {
        found.reverse();
    }
    let render = Render::new(&github, &world);
    let items: Vec<Value> = found.iter().map(|issue| render.issue(repo, issue)).collect();
    paging.answer(&github, &uri, &items)
}

#[derive(Debug, Deserialize)]
struct Opened {
    title: Value,
    body: Option<String>,
    #[serde(default)]
    labels: Vec<Value>,
}

async fn open(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path((owner, name)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    if !caller.has(&["repo"]) {
        return error(
            StatusCode::FORBIDDEN,
            "Resource not accessible by personal access token",
        );
    }
    let Ok(asked) = serde_json::from_slice::<Opened>(&body) else {
        return error(StatusCode::BAD_REQUEST, "Problems parsing JSON");
    };
    let title = match &asked.title {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if title.trim().is_empty() || title.len() > 256 || asked.body.as_ref().is_some_and(|body| body.len() > BODY_MAX) {
        return error(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed");
    }
    let now = github.now();
    let mut world = github.world();
    let Some(repo) = readable(&world, &caller, &owner, &name).map(|repo| repo.id) else {
        return not_found();
    };
    let label = |label: &Value| Some(label.as_str().or_else(|| label["name"].as_str())?.to_owned());
    let issue = Issue {
        id: world.fresh_id(),
        repo,
        number: 1 + world.issues.iter().filter(|issue| issue.repo == repo).count() as u64,
        title,
        body: asked.body,
        labels: asked.labels.iter().filter_map(label).collect(),
        user: caller.user,
        created_at: now,
    };
    world.issues.push(issue.clone());
    let Some(repo) = readable(&world, &caller, &owner, &name) else {
        return not_found();
    };
    let shown = Render::new(&github, &world).issue(repo, &issue);
    (StatusCode::CREATED, Json(shown)).into_response()
}

impl Render<'_> {
    fn issue(&self, repo: &Repo, issue: &Issue) -> Value {
        let (url, web) = (self.repo_url(repo), self.repo_web(repo));
        let own = format!("{url}/issues/{}", issue.number);
        let labels: Vec<Value> = issue
            .labels
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let id = issue.id * 100 + at as u64;
                json!({
                    "id": id, "node_id": node("Label", id), "url": format!("{url}/labels/{name}"), "name": name,
                    "description": null, "color": "ededed", "default": false,
                })
            })
            .collect();
        json!({
            "id": issue.id,
            "node_id": node("Issue", issue.id),
            "url": own,
            "repository_url": url,
            "labels_url": format!("{own}/labels{{/name}}"),
            "comments_url": format!("{own}/comments"),
            "events_url": format!("{own}/events"),
            "html_url": format!("{web}/issues/{}", issue.number),
            "number": issue.number,
            "state": "open",
            "state_reason": null,
            "title": issue.title,
            "body": issue.body,
            "user": self.account(Some(issue.user)),
            "labels": labels,
            "assignee": null,
            "assignees": [],
            "milestone": null,
            "locked": false,
            "active_lock_reason": null,
            "comments": 0,
            "closed_at": null,
            "created_at": time(issue.created_at),
            "updated_at": time(issue.created_at),
            "author_association": "MEMBER",
        })
    }
}
