//! The part of the control API that makes people, teams, history and trouble on this GitHub.
//!
//! | below `/github` | |
//! |---|---|
//! | `POST /seed` | a whole world, see `seeds/README.md` |
//! | `POST /users`, `/orgs`, `/orgs/{org}/teams`, `/apps`, `/tokens`, `/repos` | one of each |
//! | `PATCH /users/{login}` | `login`, `name`: a rename keeps the id |
//! | `DELETE /users/{login}`, `/tokens/{token}` | closes an account; revokes a token |
//! | `PUT`, `DELETE /orgs/{org}/members/{login}` | `role`, `state`; leaving leaves the teams too |
//! | `PUT`, `DELETE /orgs/{org}/teams/{slug}/members/{login}` | `role`, `state` (`active`, `pending`) |
//! | `POST /repos/{owner}/{repo}/commits` | answers with the `sha` |
//! | `POST /repos/{owner}/{repo}/runs` | adds or, by `id`, replaces a workflow run |
//! | `POST /oidc/tokens` | mints a token: `repository`, `run_id`, `audience`, `claims`, `algorithm`, `key`, … |
//! | `POST /oidc/jobs` | the two variables with which a job asks for its token |
//! | `GET`, `POST /webhooks` | deliveries made; sends one: `url`, `secret`, `event`, `repository`, … |
//! | `POST /webhooks/{delivery}/redeliver` | sends it again, same id and body |
//! | `GET`, `DELETE /calls` | what was asked of GitHub, by `method` and `path_prefix` |
//! | `GET`, `PUT`, `DELETE /faults` | outages, limits, slowness |

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    GitHub,
    calls::Call,
    faults::Faults,
    lock, oidc,
    seed::{AppSpec, CommitSpec, OrgSpec, RepoSpec, RunSpec, Seed, TeamSpec, TokenSpec, UserSpec},
    unknown, webhooks,
    world::{MembershipState, OrgMembership, TeamMembership},
};
use crate::control::Refused;

type Answer = Result<Json<Value>, Refused>;

pub(crate) fn router() -> Router<GitHub> {
    Router::new()
        .route("/seed", post(seed))
        .route("/users", get(users).post(add_user))
        .route("/users/{login}", axum::routing::patch(change_user).delete(remove_user))
        .route("/orgs", post(add_org))
        .route("/orgs/{org}/members/{login}", put(put_member).delete(remove_member))
        .route("/orgs/{org}/teams", post(add_team))
        .route(
            "/orgs/{org}/teams/{slug}/members/{login}",
            put(put_team_member).delete(remove_team_member),
        )
        .route("/apps", post(add_app))
        .route("/tokens", post(add_token))
        .route("/tokens/{token}", axum::routing::delete(remove_token))
        .route("/repos", post(add_repo))
        .route("/repos/{owner}/{repo}/commits", post(add_commit))
        .route("/repos/{owner}/{repo}/runs", post(add_run))
        .route("/oidc/tokens", post(oidc::make_token))
        .route("/oidc/jobs", post(oidc::start_job))
        .route("/webhooks", get(webhooks::deliveries).post(webhooks::send))
        .route("/webhooks/{delivery}/redeliver", post(webhooks::redeliver))
        .route("/calls", get(calls).delete(forget_calls))
        .route("/faults", get(show_faults).put(set_faults).delete(clear_faults))
}

async fn seed(State(github): State<GitHub>, Json(seed): Json<Seed>) -> Answer {
    let now = github.now();
    let mut world = github.world();
    world.sow(seed, now)?;
    Ok(Json(json!({
        "users": world.users.len(),
        "orgs": world.orgs.len(),
        "repos": world.repos.len(),
        "commits": world.repos.iter().map(|repo| repo.commits.len()).sum::<usize>(),
    })))
}

async fn users(State(github): State<GitHub>) -> Json<Value> {
    let world = github.world();
    let users = world
        .users
        .values()
        .map(|user| json!({ "id": user.id, "login": user.login, "name": user.name, "email": user.email }));
    Json(users.collect())
}

async fn add_user(State(github): State<GitHub>, Json(spec): Json<UserSpec>) -> Answer {
    let now = github.now();
    let id = github.world().add_user(spec, now)?;
    Ok(Json(json!({ "id": id })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserChange {
    login: Option<String>,
    name: Option<String>,
}

/// A new login keeps the id: it is the same person.
async fn change_user(
    State(github): State<GitHub>,
    Path(login): Path<String>,
    Json(change): Json<UserChange>,
) -> Answer {
    let mut world = github.world();
    let id = world.user_id(&login)?;
    if let Some(to) = &change.login
        && world.user_by_login(to).is_some_and(|other| other.id != id)
    {
        return Err(Refused::bad(format!("{to} is taken")));
    }
    if let Some(user) = world.users.get_mut(&id) {
        if let Some(to) = change.login {
            user.login = to;
        }
        if let Some(name) = change.name {
            user.name = Some(name);
        }
    }
    Ok(Json(json!({ "id": id })))
}

/// Closes an account: memberships and tokens go with it.
async fn remove_user(State(github): State<GitHub>, Path(login): Path<String>) -> Result<StatusCode, Refused> {
    let mut world = github.world();
    let id = world.user_id(&login)?;
    world.users.remove(&id);
    world.tokens.retain(|_, token| token.user != id);
    for org in &mut world.orgs {
        org.remove_member(id);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn add_org(State(github): State<GitHub>, Json(spec): Json<OrgSpec>) -> Answer {
    let now = github.now();
    let id = github.world().add_org(spec, now)?;
    Ok(Json(json!({ "id": id })))
}

/// `role` is `member`, `admin` or, in a team, `maintainer`; `state` is `active` or `pending`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Membership {
    role: Option<String>,
    state: Option<String>,
}

impl Membership {
    fn state(&self) -> Result<MembershipState, Refused> {
        match self.state.as_deref() {
            None | Some("active") => Ok(MembershipState::Active),
            Some("pending") => Ok(MembershipState::Pending),
            Some(other) => Err(Refused::bad(format!("no state {other}"))),
        }
    }
}

async fn put_member(
    State(github): State<GitHub>,
    Path((org, login)): Path<(String, String)>,
    membership: Option<Json<Membership>>,
) -> Result<StatusCode, Refused> {
    let membership = membership.map(|Json(body)| body).unwrap_or_default();
    let state = membership.state()?;
    let mut world = github.world();
    let user = world.user_id(&login)?;
    let org = world.org_mut(&org).ok_or_else(|| unknown(format!("no org {org}")))?;
    let admin = membership.role.as_deref() == Some("admin");
    org.members.insert(user, OrgMembership { admin, state });
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_member(
    State(github): State<GitHub>,
    Path((org, login)): Path<(String, String)>,
) -> Result<StatusCode, Refused> {
    let mut world = github.world();
    let user = world.user_id(&login)?;
    world
        .org_mut(&org)
        .ok_or_else(|| unknown(format!("no org {org}")))?
        .remove_member(user);
    Ok(StatusCode::NO_CONTENT)
}

async fn add_team(State(github): State<GitHub>, Path(org): Path<String>, Json(spec): Json<TeamSpec>) -> Answer {
    let now = github.now();
    let id = github.world().add_team(&org, spec, now)?;
    Ok(Json(json!({ "id": id })))
}

async fn put_team_member(
    State(github): State<GitHub>,
    Path((org, slug, login)): Path<(String, String, String)>,
    membership: Option<Json<Membership>>,
) -> Result<StatusCode, Refused> {
    let membership = membership.map(|Json(body)| body).unwrap_or_default();
    let joining = TeamMembership {
        maintainer: membership.role.as_deref() == Some("maintainer"),
        state: membership.state()?,
    };
    let mut world = github.world();
    let user = world.user_id(&login)?;
    let joined = world
        .org_mut(&org)
        .is_some_and(|org| org.join_team(&slug, user, joining));
    if joined {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown(format!("no team {org}/{slug}")))
    }
}

async fn remove_team_member(
    State(github): State<GitHub>,
    Path((org, slug, login)): Path<(String, String, String)>,
) -> Result<StatusCode, Refused> {
    let mut world = github.world();
    let user = world.user_id(&login)?;
    let team = world.org_mut(&org).and_then(|org| org.team_mut(&slug));
    team.ok_or_else(|| unknown(format!("no team {org}/{slug}")))?
        .members
        .remove(&user);
    Ok(StatusCode::NO_CONTENT)
}

async fn add_app(State(github): State<GitHub>, Json(spec): Json<AppSpec>) -> Result<StatusCode, Refused> {
    github.world().add_app(spec)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn add_token(State(github): State<GitHub>, Json(spec): Json<TokenSpec>) -> Result<StatusCode, Refused> {
    github.world().add_token(spec)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_token(State(github): State<GitHub>, Path(token): Path<String>) -> Result<StatusCode, Refused> {
    match github.world().tokens.remove(&token) {
        Some(_) => Ok(StatusCode::NO_CONTENT),
        None => Err(unknown("no such token")),
    }
}

async fn add_repo(State(github): State<GitHub>, Json(spec): Json<RepoSpec>) -> Answer {
    let now = github.now();
    let id = github.world().add_repo(spec, now)?;
    Ok(Json(json!({ "id": id })))
}

async fn add_commit(
    State(github): State<GitHub>,
    Path((owner, repo)): Path<(String, String)>,
    Json(spec): Json<CommitSpec>,
) -> Answer {
    let now = github.now();
    let sha = github.world().add_commit(&owner, &repo, spec, now)?;
    Ok(Json(json!({ "sha": sha })))
}

async fn add_run(
    State(github): State<GitHub>,
    Path((owner, repo)): Path<(String, String)>,
    Json(spec): Json<RunSpec>,
) -> Answer {
    let now = github.now();
    let id = github.world().add_run(&owner, &repo, spec, now)?;
    Ok(Json(json!({ "id": id })))
}

#[derive(Debug, Deserialize)]
struct CallFilter {
    method: Option<String>,
    path_prefix: Option<String>,
}

async fn calls(State(github): State<GitHub>, Query(filter): Query<CallFilter>) -> Json<Vec<Call>> {
    let wanted = |call: &Call| {
        let method = filter.method.as_ref();
        let prefix = filter.path_prefix.as_ref();
        method.is_none_or(|method| call.method.eq_ignore_ascii_case(method))
            && prefix.is_none_or(|prefix| call.path.starts_with(prefix))
    };
    let calls = github.shared.journal.calls();
    Json(calls.into_iter().filter(wanted).collect())
}

async fn forget_calls(State(github): State<GitHub>) -> StatusCode {
    github.shared.journal.clear();
    StatusCode::NO_CONTENT
}

async fn show_faults(State(github): State<GitHub>) -> Json<Faults> {
    Json(lock(&github.shared.faults).clone())
}

async fn set_faults(State(github): State<GitHub>, Json(faults): Json<Faults>) -> Json<Faults> {
    *lock(&github.shared.faults) = faults.clone();
    Json(faults)
}

async fn clear_faults(State(github): State<GitHub>) -> StatusCode {
    *lock(&github.shared.faults) = Faults::default();
    StatusCode::NO_CONTENT
}
