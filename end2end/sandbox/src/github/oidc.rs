//! The issuer of GitHub Actions: discovery, keys, and tokens that say which workflow runs where.
//!
//! The keys under `keys/` are test data that signs nothing outside this sandbox. `issuer` is published in
//! the key set; `stranger` is not, and makes tokens that must be refused.

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    GitHub,
    git::{Repo, Run},
    lock, random, unknown,
    world::World,
};
use crate::control::Refused;

const ISSUER_KEY: &[u8] = include_bytes!("keys/issuer.pem");
const ISSUER_PUBLIC_KEY: &[u8] = include_bytes!("keys/issuer.pub.pem");
const STRANGER_KEY: &[u8] = include_bytes!("keys/stranger.pem");
const ISSUER_MODULUS: &str = "30NMSLnAsHKRQa1CEebPyIFOmGWhI7zodTmGNyUo1hvWyFEdIyXt7jdo9N51Z8tDIQMOF_REFIdzwRMsB1BJ5fU8C2om8LKuEYjparb_z-9JiU3JGscc24H3V50_AYiTlmF6v9N8hVBbneoOWrd5g7lFn8dRqYuIedbUbyK0mGZiVo2sQflmXV7Uy6Onfo_Moe9q0d93KuS1_V6Ga0X6HIITbhuX97Dqa40LJx_Fn9Q0MLQW8CUwMyJeFSeKF40DcQZcTmH6LHhQQDoTSbj_iQgeACT_Zppqsogxse7K_K3N_7vwIYOhYxg09eINg2IVdNEOpPok6y4LhTyE2hA9AQ";
const KEY_ID: &str = "sandbox-actions-1";
/// Tokens of Actions live five minutes.
const LIFETIME_SECONDS: i64 = 300;

pub(crate) fn router() -> Router<GitHub> {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/.well-known/jwks", get(keys))
        .route("/token", get(request_token))
}

async fn discovery(State(github): State<GitHub>) -> Json<Value> {
    let issuer = issuer(&github);
    Json(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks"),
        "subject_types_supported": ["public", "pairwise"],
        "response_types_supported": ["id_token"],
        "claims_supported": CLAIMS,
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
    }))
}

async fn keys() -> Json<Value> {
    Json(json!({ "keys": [{
        "kty": "RSA",
        "alg": "RS256",
        "use": "sig",
        "kid": KEY_ID,
        "n": ISSUER_MODULUS,
        "e": "AQAB",
    }]}))
}

fn issuer(github: &GitHub) -> String {
    format!("{}/oidc", github.base())
}

/// The job a token speaks for, and what is to be wrong with the token.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenSpec {
    /// `owner/name`.
    repository: String,
    /// A run of the repository; its branch, commit, actor and workflow are then the defaults.
    run_id: Option<u64>,
    /// `refs/heads/<default branch>` when absent.
    #[serde(rename = "ref")]
    reference: Option<String>,
    sha: Option<String>,
    /// A login; the author of the commit when absent.
    actor: Option<String>,
    event_name: Option<String>,
    environment: Option<String>,
    workflow: Option<String>,
    workflow_path: Option<String>,
    /// A reusable workflow, as `owner/name/.github/workflows/file.yml@ref`.
    job_workflow_ref: Option<String>,
    /// The owner's address on GitHub when absent.
    audience: Option<Value>,
    /// Replaces claims by name; `null` removes one.
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    algorithm: Signing,
    #[serde(default)]
    key: Key,
    /// The key id in the header, whatever key signs.
    kid: Option<String>,
    /// 300 when absent; negative for a token that is over.
    expires_in: Option<i64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
enum Signing {
    #[default]
    RS256,
    RS384,
    /// Signed with the public key as the shared secret, as a forger does.
    HS256,
    #[serde(rename = "none")]
    Unsigned,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Key {
    #[default]
    Issuer,
    Stranger,
}

/// A job that may ask for its token, as `id-token: write` lets it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    secret: String,
    spec: TokenSpec,
}

/// Starts a job: answers with the two variables Actions sets in it.
pub(crate) async fn start_job(
    State(github): State<GitHub>,
    Json(spec): Json<TokenSpec>,
) -> Result<Json<Value>, Refused> {
    claims(&github, &spec)?;
    let secret = random(40);
    let url = format!("{}/token?api-version=2.0", issuer(&github));
    lock(&github.shared.jobs).push(Job {
        secret: secret.clone(),
        spec,
    });
    Ok(Json(json!({
        "ACTIONS_ID_TOKEN_REQUEST_URL": url,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret,
    })))
}

#[derive(Debug, Deserialize)]
struct Audience {
    audience: Option<String>,
}

/// What a job calls with its request token.
async fn request_token(State(github): State<GitHub>, Query(query): Query<Audience>, headers: HeaderMap) -> Response {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token);
    let job = lock(&github.shared.jobs)
        .iter()
        .find(|job| Some(job.secret.as_str()) == bearer)
        .cloned();
    let Some(job) = job else {
        let body = json!({ "message": "The request token is not valid." });
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    };
    let mut spec = job.spec;
    if let Some(audience) = query.audience {
        spec.audience = Some(Value::String(audience));
    }
    match mint(&github, &spec) {
        Ok((token, _)) => Json(json!({ "count": token.len(), "value": token })).into_response(),
        Err(refused) => refused.into_response(),
    }
}

/// Makes a token at once: answers with it and with the claims it carries.
pub(crate) async fn make_token(
    State(github): State<GitHub>,
    Json(spec): Json<TokenSpec>,
) -> Result<Json<Value>, Refused> {
    let (token, claims) = mint(&github, &spec)?;
    Ok(Json(json!({ "value": token, "claims": claims })))
}

fn mint(github: &GitHub, spec: &TokenSpec) -> Result<(String, Value), Refused> {
    let claims = Value::Object(claims(github, spec)?);
    let failed = |error: jsonwebtoken::errors::Error| Refused::bad(error.to_string());
    let (algorithm, key) = match spec.algorithm {
        Signing::Unsigned => {
            let header = json!({ "alg": "none", "typ": "JWT" }).to_string();
            let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
            let token = format!("{}.{}.", encode(header), encode(claims.to_string()));
            return Ok((token, claims));
        }
        Signing::HS256 => (Algorithm::HS256, EncodingKey::from_secret(ISSUER_PUBLIC_KEY)),
        Signing::RS256 => (Algorithm::RS256, rsa(spec.key).map_err(failed)?),
        Signing::RS384 => (Algorithm::RS384, rsa(spec.key).map_err(failed)?),
    };
    let header = Header {
        kid: Some(spec.kid.clone().unwrap_or_else(|| KEY_ID.into())),
        ..Header::new(algorithm)
    };
    let token = jsonwebtoken::encode(&header, &claims, &key).map_err(failed)?;
    Ok((token, claims))
}

fn rsa(key: Key) -> Result<EncodingKey, jsonwebtoken::errors::Error> {
    EncodingKey::from_rsa_pem(match key {
        Key::Issuer => ISSUER_KEY,
        Key::Stranger => STRANGER_KEY,
    })
}

/// What Actions would say of this job. Numbers are strings there.
fn claims(github: &GitHub, spec: &TokenSpec) -> Result<Map<String, Value>, Refused> {
    let now = github.now().as_second();
    let world = github.world();
    let (owner, name) = spec
        .repository
        .split_once('/')
        .ok_or_else(|| Refused::bad("repository is owner/name"))?;
    let repo = world
        .repo(owner, name)
        .ok_or_else(|| unknown(format!("no repository {}", spec.repository)))?;
    let run = match spec.run_id {
        Some(id) => Some(
            repo.runs
                .iter()
                .find(|run| run.id == id)
                .ok_or_else(|| unknown(format!("no run {id}")))?,
        ),
        None => None,
    };
    let mut claims = of_job(&world, repo, run, spec)?;
    let owner_address = format!("{}/{}", github.base(), repo.owner);
    let audience = spec.audience.clone().unwrap_or(Value::String(owner_address));
    for (name, value) in [
        ("iss", json!(issuer(github))),
        ("aud", audience),
        ("jti", json!(Uuid::now_v7())),
        ("iat", json!(now)),
        ("nbf", json!(now - LIFETIME_SECONDS)),
        ("exp", json!(now + spec.expires_in.unwrap_or(LIFETIME_SECONDS))),
    ] {
        claims.insert(name.into(), value);
    }
    for (name, value) in &spec.claims {
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
    Ok(claims)
}

fn of_job(world: &World, repo: &Repo, run: Option<&Run>, spec: &TokenSpec) -> Result<Map<String, Value>, Refused> {
    let full_name = repo.full_name();
    let branch = run.map_or(&repo.default_branch, |run| &run.head_branch);
    let reference = spec.reference.clone().unwrap_or_else(|| format!("refs/heads/{branch}"));
    let commit = match (&spec.sha, run) {
        (Some(sha), _) => repo.resolve(sha),
        (None, Some(run)) => repo.commit(&run.head_sha),
        (None, None) => repo.resolve(&reference),
    };
    let sha = commit
        .map(|commit| commit.sha.clone())
        .or_else(|| spec.sha.clone())
        .ok_or_else(|| unknown(format!("no commit at {reference}")))?;
    let actor = match &spec.actor {
        Some(login) => Some(world.user_id(login)?),
        None => run
            .map(|run| run.actor)
            .or_else(|| commit.and_then(|commit| commit.author.account)),
    };
    let actor = actor
        .and_then(|id| world.users.get(&id))
        .ok_or_else(|| Refused::bad("name an actor: the commit's author has no account"))?;
    let path = spec
        .workflow_path
        .clone()
        .or_else(|| run.map(|run| run.path.clone()))
        .unwrap_or_else(|| ".github/workflows/release.yml".into());
    let workflow = spec.workflow.clone().or_else(|| run.map(|run| run.name.clone()));
    let workflow_ref = format!("{full_name}/{path}@{reference}");
    let event = spec.event_name.clone().or_else(|| run.map(|run| run.event.clone()));
    // https://docs.github.com/actions/reference/security/oidc: an environment comes before the event.
    let subject = match (&spec.environment, event.as_deref()) {
        (Some(environment), _) => format!("repo:{full_name}:environment:{environment}"),
        (None, Some("pull_request")) => format!("repo:{full_name}:pull_request"),
        (None, _) => format!("repo:{full_name}:ref:{reference}"),
    };
    let mut claims = json!({
        "sub": subject,
        "ref": reference,
        "ref_type": if reference.starts_with("refs/tags/") { "tag" } else { "branch" },
        "ref_protected": "true",
        "sha": sha,
        "repository": full_name,
        "repository_id": repo.id.to_string(),
        "repository_owner": repo.owner,
        "repository_owner_id": world.owner_id(&repo.owner).to_string(),
        "repository_visibility": if repo.private { "private" } else { "public" },
        "actor": actor.login,
        "actor_id": actor.id.to_string(),
        "workflow": workflow.unwrap_or_else(|| "release".into()),
        "workflow_ref": workflow_ref,
        "workflow_sha": sha,
        "job_workflow_ref": spec.job_workflow_ref.clone().unwrap_or(workflow_ref),
        "job_workflow_sha": sha,
        "run_id": run.map_or(8_000_000_001, |run| run.id).to_string(),
        "run_number": run.map_or(1, |run| run.run_number).to_string(),
        "run_attempt": run.map_or(1, |run| run.run_attempt).to_string(),
        "event_name": event.unwrap_or_else(|| "push".into()),
        "base_ref": "",
        "head_ref": "",
        "runner_environment": "github-hosted",
    });
    if let Some(environment) = &spec.environment {
        claims["environment"] = json!(environment);
    }
    match claims {
        Value::Object(claims) => Ok(claims),
        _ => Ok(Map::new()),
    }
}

const CLAIMS: [&str; 32] = [
    "sub",
    "aud",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "ref",
    "sha",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "run_id",
    "run_number",
    "run_attempt",
    "actor",
    "actor_id",
    "workflow",
    "workflow_ref",
    "workflow_sha",
    "head_ref",
    "base_ref",
    "event_name",
    "ref_type",
    "ref_protected",
    "environment",
    "environment_node_id",
    "job_workflow_ref",
    "job_workflow_sha",
    "repository_visibility",
    "runner_environment",
];
