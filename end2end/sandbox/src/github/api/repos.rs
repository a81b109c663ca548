//! Repositories: commits, comparisons and workflow runs.

use axum::{
    Extension, Json, Router,
    extract::{OriginalUri, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Caller, Paging, error, not_found, render::Render};
use crate::github::{
    GitHub,
    git::{Comparison, Repo},
    world::World,
};

/// GitHub lists at most this many commits of a comparison on a page when no page is asked for.
const COMPARED_COMMITS: usize = 250;
/// And at most this many files, on the first page only.
const COMPARED_FILES: usize = 300;

pub(crate) fn router() -> Router<GitHub> {
    Router::new()
        .route("/repos/{owner}/{repo}", get(repo))
        .route("/repos/{owner}/{repo}/commits", get(commits))
        .route("/repos/{owner}/{repo}/commits/{*reference}", get(commit))
        .route("/repos/{owner}/{repo}/compare/{*basehead}", get(compare))
        .route("/repos/{owner}/{repo}/actions/runs/{run}", get(run))
}

/// The repository, if the caller may read it: private ones need the `repo` scope and membership.
pub(super) fn readable<'w>(world: &'w World, caller: &Caller, owner: &str, name: &str) -> Option<&'w Repo> {
    world
        .repo(owner, name)
        .filter(|repo| !repo.private || (caller.has(&["repo"]) && world.can_read(caller.user, repo)))
}

async fn repo(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path((owner, name)): Path<(String, String)>,
) -> Response {
    let world = github.world();
    match readable(&world, &caller, &owner, &name) {
        Some(repo) => Json(Render::new(&github, &world).repo_full(repo)).into_response(),
        None => not_found(),
    }
}

#[derive(Debug, Deserialize)]
struct From {
    /// A branch or a commit to start from.
    sha: Option<String>,
}

async fn commits(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path((owner, name)): Path<(String, String)>,
    uri: OriginalUri,
    Query(paging): Query<Paging>,
    Query(from): Query<From>,
) -> Response {
    let world = github.world();
    let Some(repo) = readable(&world, &caller, &owner, &name) else {
        return not_found();
    };
    let start = from.sha.as_deref().unwrap_or(&repo.default_branch);
    let Some(tip) = repo.resolve(start) else {
        return not_found();
    };
    let render = Render::new(&github, &world);
    let listed: Vec<Value> = repo
        .ancestry(tip)
        .into_iter()
        .map(|commit| render.commit(repo, commit))
        .collect();
    paging.answer(&github, &uri, &listed)
}

async fn commit(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path((owner, name, reference)): Path<(String, String, String)>,
) -> Response {
    let world = github.world();
    let Some(repo) = readable(&world, &caller, &owner, &name) else {
        return not_found();
    };
    match repo.resolve(&reference) {
        Some(commit) => Json(Render::new(&github, &world).commit_full(repo, commit)).into_response(),
        None => error(
            StatusCode::UNPROCESSABLE_ENTITY,
            &format!("No commit found for SHA: {reference}"),
        ),
    }
}

async fn compare(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path((owner, name, basehead)): Path<(String, String, String)>,
    uri: OriginalUri,
    Query(paging): Query<Paging>,
) -> Response {
    let world = github.world();
    let found = readable(&world, &caller, &owner, &name).and_then(|repo| {
        let (base, head) = basehead.split_once("...")?;
        let comparison = repo.compare(repo.resolve(base)?, repo.resolve(head)?)?;
        Some((repo, head, comparison))
    });
    let Some((repo, head, comparison)) = found else {
        return not_found();
    };
    let render = Render::new(&github, &world);
    let per_page = paging.per_page(COMPARED_COMMITS, COMPARED_COMMITS);
    let body = comparison_body(&render, repo, head, &comparison, &paging, per_page);
    let mut answer = Json(body).into_response();
    let pages = comparison.ahead.len().div_ceil(per_page);
    paging.link(&github, &uri, pages, &mut answer);
    answer
}

fn comparison_body(
    render: &Render<'_>,
    repo: &Repo,
    head: &str,
    comparison: &Comparison<'_>,
    paging: &Paging,
    per_page: usize,
) -> Value {
    let commits: Vec<Value> = comparison
        .ahead
        .iter()
        .skip((paging.page() - 1).saturating_mul(per_page))
        .take(per_page)
        .map(|commit| render.commit(repo, commit))
        .collect();
    let base = &comparison.base.sha;
    let (url, web) = (render.repo_url(repo), render.repo_web(repo));
    let mut body = json!({
        "url": format!("{url}/compare/{base}...{head}"),
        "html_url": format!("{web}/compare/{base}...{head}"),
        "permalink_url": format!("{web}/compare/{base}...{head}"),
        "diff_url": format!("{web}/compare/{base}...{head}.diff"),
        "patch_url": format!("{web}/compare/{base}...{head}.patch"),
        "base_commit": render.commit(repo, comparison.base),
        "merge_base_commit": render.commit(repo, comparison.merge_base),
        "status": comparison.status(),
        "ahead_by": comparison.ahead.len(),
        "behind_by": comparison.behind_by,
        "total_commits": comparison.ahead.len(),
        "commits": commits,
    });
    if paging.page() == 1 {
        let files = comparison.files();
        let head = comparison.ahead.last().map_or(base, |commit| &commit.sha);
        body["files"] = files
            .iter()
            .take(COMPARED_FILES)
            .map(|file| render.file(repo, head, file))
            .collect();
    }
    body
}

async fn run(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path((owner, name, run)): Path<(String, String, String)>,
) -> Response {
    let world = github.world();
    let found = readable(&world, &caller, &owner, &name).and_then(|repo| {
        let id: u64 = run.parse().ok()?;
        let run = repo.runs.iter().find(|run| run.id == id)?;
        Some(Render::new(&github, &world).run(repo, run))
    });
    found.map_or_else(not_found, |body| Json(body).into_response())
}
