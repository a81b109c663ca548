//! People: the caller and what they belong to, and others by login or by number.

use axum::{
    Extension, Json, Router,
    extract::{OriginalUri, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Caller, Paging, error, not_found, render::Render};
use crate::github::GitHub;

pub(crate) fn router() -> Router<GitHub> {
    Router::new()
        .route("/user", get(me))
        .route("/user/emails", get(emails))
        .route("/user/orgs", get(orgs))
        .route("/user/teams", get(teams))
        .route("/user/{account_id}", get(by_id))
        .route("/users/{login}", get(by_login))
}

async fn me(State(github): State<GitHub>, Extension(caller): Extension<Caller>) -> Response {
    let world = github.world();
    match world.users.get(&caller.user) {
        Some(user) => Json(Render::new(&github, &world).myself(user)).into_response(),
        None => error(StatusCode::UNAUTHORIZED, "Bad credentials"),
    }
}

async fn emails(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    uri: OriginalUri,
    Query(paging): Query<Paging>,
) -> Response {
    if !caller.has(&["user:email"]) {
        return not_found();
    }
    let world = github.world();
    let Some(user) = world.users.get(&caller.user) else {
        return not_found();
    };
    let email = json!({
        "email": user.email,
        "primary": true,
        "verified": true,
        "visibility": "public",
    });
    paging.answer(&github, &uri, &[email])
}

async fn orgs(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    uri: OriginalUri,
    Query(paging): Query<Paging>,
) -> Response {
    if !caller.has(&["read:org", "user"]) {
        return error(
            StatusCode::FORBIDDEN,
            "You need at least read:org scope or user scope to list your organizations.",
        );
    }
    let world = github.world();
    let render = Render::new(&github, &world);
    let orgs: Vec<Value> = world
        .orgs
        .iter()
        .filter(|org| org.is_active_member(caller.user))
        .map(|org| render.org_simple(org))
        .collect();
    paging.answer(&github, &uri, &orgs)
}

async fn teams(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    uri: OriginalUri,
    Query(paging): Query<Paging>,
) -> Response {
    if !caller.has(&["read:org", "user", "repo"]) {
        return not_found();
    }
    let world = github.world();
    let render = Render::new(&github, &world);
    let mut teams = Vec::new();
    for org in &world.orgs {
        for team in &org.teams {
            let mut members = org.active_members(team).into_iter();
            if members.any(|(user, _)| user == caller.user) {
                teams.push(render.team_full(org, team));
            }
        }
    }
    paging.answer(&github, &uri, &teams)
}

async fn by_id(State(github): State<GitHub>, Path(id): Path<String>) -> Response {
    let world = github.world();
    let user = id.parse().ok().and_then(|id: u64| world.users.get(&id));
    match user {
        Some(user) => Json(Render::new(&github, &world).somebody(user)).into_response(),
        None => not_found(),
    }
}

async fn by_login(State(github): State<GitHub>, Path(login): Path<String>) -> Response {
    let world = github.world();
    match world.user_by_login(&login) {
        Some(user) => Json(Render::new(&github, &world).somebody(user)).into_response(),
        None => not_found(),
    }
}
