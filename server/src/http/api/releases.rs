//! Releases and their gates, as CI reports them.

use super::{
    extract::{Caller, Filters, JsonBody, id, member},
    model::{
        CommitShape, Gate, GateReport, GateReports, MigrationShape, Person, ReleaseList, ReleaseReport,
        ReleaseWithGates,
    },
    once::{Call, Done, json},
};
use crate::{
    http::{HttpState, problem::Problem},
    service::{NewGate, NewRelease, Services},
};
use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tidegate_domain::{
    Action,
    id::ReleaseId,
    name::{PersonRef, ServiceName},
    release::Commit,
    time::Timestamp,
};
use utoipa::{IntoParams, ToSchema};

/// Registers a release, with gate results if there are any.
///
/// The same service, commit and digest again answers with the release that is known already.
#[utoipa::path(
    post,
    path = "/api/v1/releases",
    tag = "releases",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = ReleaseReport,
    responses(
        (status = 201, description = "Registered", body = ReleaseWithGates),
        (status = 200, description = "Known already", body = ReleaseWithGates),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such service", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The first request with this key has not ended", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A member is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was changed; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn register(
    State(state): State<HttpState>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonBody<ReleaseReport>,
) -> Response {
    let report = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: "POST releases".to_owned(),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::OK,
    };
    let work = async |services: Services| {
        let new = new_release(report)?;
        if let Some(run) = caller.run()
            && let Err(error) = run.may_report(new.commit.as_str(), &new.git_ref)
        {
            let tried = Action::ReportRelease.words();
            services.denied(&caller.actor, tried, &error.to_string()).await;
            return Err(error.into());
        }
        let (release, created) = services.register_release(&caller.actor, new).await?;
        Ok(Done {
            id: release.id.to_string(),
            status: if created { StatusCode::CREATED } else { StatusCode::OK },
        })
    };
    let answer = async |release: String| {
        let (release, gates) = state.services.release(&caller.actor, id(&release, "release")?).await?;
        json(&ReleaseWithGates::of(&release, &gates))
    };
    call.once(work, answer).await
}

fn new_release(report: ReleaseReport) -> Result<NewRelease, Problem> {
    Ok(NewRelease {
        service: member("service", &report.service)?,
        commit: member("commit", &report.commit)?,
        git_ref: report.git_ref,
        image: report.image,
        run_url: report.run_url,
        run_id: report.run_id,
        authors: report.authors.into_iter().map(person).collect(),
        commits: report
            .commits
            .into_iter()
            .enumerate()
            .map(|(index, reported)| commit(index, reported))
            .collect::<Result<_, _>>()?,
        gates: report.gates.into_iter().map(gate).collect(),
        migration: report.migration.map(MigrationShape::read).transpose()?,
    })
}

fn person(person: Person) -> PersonRef {
    PersonRef::new(person.id, person.login)
}

fn commit(index: usize, commit: CommitShape) -> Result<Commit, Problem> {
    Ok(Commit {
        sha: member(&format!("commits[{index}].sha"), &commit.sha)?,
        title: commit.title,
        author: person(commit.author),
        at: commit
            .at
            .map(|at| member(&format!("commits[{index}].at"), &at))
            .transpose()?,
        url: commit.url,
    })
}

fn gate(report: GateReport) -> NewGate {
    NewGate {
        gate: report.gate,
        verdict: report.verdict.into(),
        detail: report.detail,
        url: report.url,
        seconds: report.seconds,
    }
}

/// Reports results of gates; the newest result of a gate counts.
#[utoipa::path(
    post,
    path = "/api/v1/releases/{id}/gates",
    tag = "releases",
    params(
        ("id" = String, Path, description = "Id of a release", format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = GateReports,
    responses(
        (status = 200, description = "Where every gate stands", body = GateList),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such release", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The first request with this key has not ended", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A member is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was changed; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn report_gates(
    State(state): State<HttpState>,
    caller: Caller,
    Path(release): Path<String>,
    headers: HeaderMap,
    body: JsonBody<GateReports>,
) -> Response {
    let report = body.value;
    let call = Call {
        state: &state,
        caller: &caller,
        operation: format!("POST releases/{release}/gates"),
        headers: &headers,
        body: &body.raw,
        status: StatusCode::OK,
    };
    let work = async |services: Services| {
        let release: ReleaseId = id(&release, "release")?;
        let gates = report.gates.into_iter().map(gate).collect();
        services.report_gates(&caller.actor, release, gates).await?;
        Ok(Done {
            id: release.to_string(),
            status: StatusCode::OK,
        })
    };
    let answer = async |release: String| {
        let (_, gates) = state.services.release(&caller.actor, id(&release, "release")?).await?;
        json(&GateList {
            items: gates.iter().map(Gate::from).collect(),
        })
    };
    call.once(work, answer).await
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GateList {
    /// In the order of the policy.
    items: Vec<Gate>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReleaseFilter {
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    service: String,
    /// `next` of the page before.
    #[param(pattern = "^[0-9]{1,15}_[0-9a-f-]{36}$")]
    after: Option<String>,
    /// Items on a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
}

/// Releases of a service, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/releases",
    tag = "releases",
    params(ReleaseFilter),
    responses(
        (status = 200, description = "A page of releases", body = ReleaseList),
        (status = 400, description = "A filter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such service", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A filter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(state): State<HttpState>,
    caller: Caller,
    Filters(filter): Filters<ReleaseFilter>,
) -> Result<Json<ReleaseList>, Problem> {
    let service: ServiceName = member("service", &filter.service)?;
    let after = filter.after.as_deref().map(cursor).transpose()?;
    let limit = page_size(filter.limit)?;
    let found = state.services.releases(&caller.actor, &service, after, limit).await?;
    let next = (found.len() == limit)
        .then(|| found.last())
        .flatten()
        .map(|last| format!("{}_{}", last.reported_at.millis(), last.id));
    let items = found.iter().map(Into::into).collect();
    Ok(Json(ReleaseList { items, next }))
}

const LARGEST_PAGE: u32 = 100;
const USUAL_PAGE: u32 = 50;

fn page_size(limit: Option<u32>) -> Result<usize, Problem> {
    let limit = limit.unwrap_or(USUAL_PAGE);
    if (1..=LARGEST_PAGE).contains(&limit) {
        Ok(usize::try_from(limit).unwrap_or_default())
    } else {
        Err(Problem::invalid("limit", format!("use 1 to {LARGEST_PAGE}")))
    }
}

fn cursor(text: &str) -> Result<(Timestamp, ReleaseId), Problem> {
    text.split_once('_')
        .and_then(|(millis, id)| {
            let millis = millis.parse().ok().filter(|millis: &i64| *millis >= 0)?;
            Some((Timestamp::from_millis(millis), id.parse().ok()?))
        })
        .ok_or_else(|| Problem::invalid("after", "give what the page before said in `next`"))
}

/// One release, and where its gates stand.
#[utoipa::path(
    get,
    path = "/api/v1/releases/{id}",
    tag = "releases",
    params(("id" = String, Path, description = "Id of a release", format = "uuid")),
    responses(
        (status = 200, description = "The release", body = ReleaseWithGates),
        (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such release", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn one(
    State(state): State<HttpState>,
    caller: Caller,
    Path(release): Path<String>,
) -> Result<Json<ReleaseWithGates>, Problem> {
    let (release, gates) = state.services.release(&caller.actor, id(&release, "release")?).await?;
    Ok(Json(ReleaseWithGates::of(&release, &gates)))
}
