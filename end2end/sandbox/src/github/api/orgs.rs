//! Organisations, their teams and who belongs to them. Only members may look.

use axum::{
    Extension, Json, Router,
    extract::{OriginalUri, Path, Query, State},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::Value;

use super::{Caller, Paging, not_found, render::Render, sees_org};
use crate::github::{
    GitHub,
    world::{Org, Team, World},
};

pub(crate) fn router() -> Router<GitHub> {
    Router::new()
        .route("/orgs/{org}", get(org))
        .route("/orgs/{org}/memberships/{login}", get(org_membership))
        .route("/orgs/{org}/teams", get(teams))
        .route("/orgs/{org}/teams/{slug}", get(team))
        .route("/orgs/{org}/teams/{slug}/members", get(members))
        .route("/orgs/{org}/teams/{slug}/memberships/{login}", get(membership))
}

async fn org(State(github): State<GitHub>, Path(org): Path<String>) -> Response {
    let world = github.world();
    match world.org(&org) {
        Some(org) => Json(Render::new(&github, &world).org_full(org)).into_response(),
        None => not_found(),
    }
}

/// The team, if the caller may know that it exists: secret ones are for their members and for owners.
fn visible<'w>(world: &'w World, caller: &Caller, org: &str, slug: &str) -> Option<(&'w Org, &'w Team)> {
    if !sees_org(world, caller, org) {
        return None;
    }
    let org = world.org(org)?;
    let team = org.team(slug)?;
    may_see(org, team, caller).then_some((org, team))
}

fn may_see(org: &Org, team: &Team, caller: &Caller) -> bool {
    !team.secret
        || org.membership(team, caller.user).is_some()
        || org.members.get(&caller.user).is_some_and(|m| m.admin)
}

async fn teams(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path(org): Path<String>,
    uri: OriginalUri,
    Query(paging): Query<Paging>,
) -> Response {
    let world = github.world();
    let Some(org) = world.org(&org).filter(|org| sees_org(&world, &caller, &org.login)) else {
        return not_found();
    };
    let render = Render::new(&github, &world);
    let teams: Vec<Value> = org
        .teams
        .iter()
        .filter(|team| may_see(org, team, &caller))
        .map(|team| render.team(org, team))
        .collect();
    paging.answer(&github, &uri, &teams)
}

async fn team(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path((org, slug)): Path<(String, String)>,
) -> Response {
    let world = github.world();
    match visible(&world, &caller, &org, &slug) {
        Some((org, team)) => Json(Render::new(&github, &world).team_full(org, team)).into_response(),
        None => not_found(),
    }
}

#[derive(Debug, Deserialize)]
struct RoleFilter {
    role: Option<String>,
}

async fn members(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path((org, slug)): Path<(String, String)>,
    uri: OriginalUri,
    Query(paging): Query<Paging>,
    Query(filter): Query<RoleFilter>,
) -> Response {
    let world = github.world();
    let Some((org, team)) = visible(&world, &caller, &org, &slug) else {
        return not_found();
    };
    let render = Render::new(&github, &world);
    let members: Vec<Value> = org
        .active_members(team)
        .into_iter()
        .filter(|(_, membership)| match filter.role.as_deref() {
            Some("maintainer") => membership.maintainer,
            Some("member") => !membership.maintainer,
            _ => true,
        })
        .map(|(user, _)| render.account(Some(user)))
        .collect();
    paging.answer(&github, &uri, &members)
}

async fn membership(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path((org, slug, login)): Path<(String, String, String)>,
) -> Response {
    let world = github.world();
    let found = visible(&world, &caller, &org, &slug).and_then(|(org, team)| {
        let user = world.user_by_login(&login)?;
        let membership = org.membership(team, user.id)?;
        Some(Render::new(&github, &world).team_membership(org, team, user, membership))
    });
    found.map_or_else(not_found, |body| Json(body).into_response())
}

async fn org_membership(
    State(github): State<GitHub>,
    Extension(caller): Extension<Caller>,
    Path((org, login)): Path<(String, String)>,
) -> Response {
    let world = github.world();
    let found = world
        .org(&org)
        .filter(|org| sees_org(&world, &caller, &org.login))
        .and_then(|org| {
            let user = world.user_by_login(&login)?;
            let membership = *org.members.get(&user.id)?;
            Some(Render::new(&github, &world).org_membership(org, user, membership))
        });
    found.map_or_else(not_found, |body| Json(body).into_response())
}
