//! The control API of the account: `/aws/…` for what it holds, `/faults…` for what goes wrong.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Aws, api_gateway,
    calls::Call,
    codedeploy::{
        config::Platform,
        ending,
        model::{Group, PlannedFailure, events_of},
    },
    control_services,
    faults::{Fault, Placed},
    lambda,
    model::{Account, Timings},
    protocol::{Service, plain},
    seed::{self, MoveTag, Push, Seed},
};
use crate::control::Refused;

pub(crate) fn router(aws: Aws) -> Router {
    Router::new()
        .route("/aws/seed", post(seed_account))
        .route("/aws/state", get(state))
        .route("/aws/timings", post(set_timings))
        .route("/aws/images", post(push_image))
        .route("/aws/images/move-tag", post(move_tag))
        .route("/aws/calls", get(calls).delete(clear_calls))
        .route("/aws/deployments/{id}/fail", post(fail_deployment))
        .route("/aws/deployments/{id}/status", post(show_status))
        .route("/aws/groups/{group}/fail-next", post(fail_next))
        .route("/aws/alarms/{group}/trigger", post(trigger_alarms))
        .route("/aws/alarms/{group}/clear", post(clear_alarms))
        .merge(lambda::control::router())
        .merge(api_gateway::control::router())
        .merge(super::cloudwatch::control::router())
        .route("/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/faults/{id}", get(get_fault).delete(delete_fault))
        .route("/faults/{id}/release", post(release_fault))
        .route("/faults/{id}/wait", get(wait_for_fault))
        .with_state(aws.clone())
        .merge(control_services::router(aws))
}

async fn seed_account(State(aws): State<Aws>, Json(seed): Json<Seed>) -> Result<Json<Value>, Refused> {
    seed::apply(&mut aws.account(), aws.clock.now(), seed).map_err(Refused::bad)?;
    Ok(Json(json!({})))
}

async fn state(State(aws): State<Aws>) -> Json<Value> {
    Json(plain(json!(&*aws.account())))
}

async fn set_timings(State(aws): State<Aws>, Json(timings): Json<Timings>) -> Json<Timings> {
    aws.account().timings = timings;
    Json(timings)
}

async fn push_image(State(aws): State<Aws>, Json(push): Json<Push>) -> Result<Json<Value>, Refused> {
    let digest = seed::push(&mut aws.account(), aws.clock.now(), push)
        .map_err(|reason| Refused(StatusCode::CONFLICT, reason))?;
    Ok(Json(json!({ "digest": digest })))
}

async fn move_tag(State(aws): State<Aws>, Json(asked): Json<MoveTag>) -> Result<Json<Value>, Refused> {
    seed::move_tag_as_asked(&mut aws.account(), &asked).map_err(|reason| Refused(StatusCode::CONFLICT, reason))?;
    Ok(Json(json!({})))
}

#[derive(Debug, Deserialize)]
struct CallsQuery {
    service: Option<Service>,
    operation: Option<String>,
}

async fn calls(State(aws): State<Aws>, Query(query): Query<CallsQuery>) -> Json<Vec<Call>> {
    let mut calls = aws.calls.list(query.operation.as_deref());
    calls.retain(|call| query.service.is_none() || call.service == query.service);
    Json(calls)
}

async fn clear_calls(State(aws): State<Aws>) -> StatusCode {
    aws.calls.clear();
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    event: String,
    message: Option<String>,
    /// For `fail-next`: of the next rollback rather than of the next deployment asked for.
    #[serde(default)]
    rollback: bool,
}

impl Failure {
    fn plan(self, platform: Platform) -> Result<PlannedFailure, Refused> {
        let events = events_of(platform);
        if !events.contains(&self.event.as_str()) {
            return Err(Refused::bad(format!(
                "no lifecycle event `{}`; there are {}",
                self.event,
                events.join(", ")
            )));
        }
        Ok(PlannedFailure {
            event: self.event,
            message: self.message,
            of_rollback: self.rollback,
        })
    }
}

async fn fail_deployment(
    State(aws): State<Aws>,
    Path(id): Path<String>,
    Json(failure): Json<Failure>,
) -> Result<Json<Value>, Refused> {
    let mut account = aws.account();
    let deployment = account
        .deployment_mut(&id)
        .ok_or_else(|| Refused::unknown(format!("no deployment `{id}`")))?;
    let planned = failure.plan(deployment.platform())?;
    if deployment.status.is_final() {
        return Err(Refused::bad(format!("deployment `{id}` has ended")));
    }
    let position = deployment
        .event_names()
        .iter()
        .position(|event| *event == planned.event);
    if position.is_some_and(|event| deployment.events[event].ended.is_some()) {
        return Err(Refused::bad(format!("{} of `{id}` is over", planned.event)));
    }
    deployment.planned_failure = Some(planned);
    Ok(Json(json!({})))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShownStatus {
    /// `null` shows the true one again.
    status: Option<String>,
}

async fn show_status(
    State(aws): State<Aws>,
    Path(id): Path<String>,
    Json(shown): Json<ShownStatus>,
) -> Result<Json<Value>, Refused> {
    aws.account()
        .deployment_mut(&id)
        .ok_or_else(|| Refused::unknown(format!("no deployment `{id}`")))?
        .shown_status = shown.status;
    Ok(Json(json!({})))
}

#[derive(Debug, Deserialize)]
struct GroupQuery {
    /// Needed where two applications have a group of the same name.
    application: Option<String>,
}

/// The index of the one group of this name.
fn find_group(account: &Account, name: &str, query: &GroupQuery) -> Result<usize, Refused> {
    let mut found = account.groups.iter().enumerate().filter(|(_, group)| {
        group.name == name
            && query
                .application
                .as_ref()
                .is_none_or(|application| group.application == *application)
    });
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Ok(index),
        (None, _) => Err(Refused::unknown(format!("no deployment group `{name}`"))),
        (Some(_), Some(_)) => Err(Refused::bad(format!(
            "more than one application has a group `{name}`: say ?application="
        ))),
    }
}

async fn fail_next(
    State(aws): State<Aws>,
    Path(group): Path<String>,
    Query(query): Query<GroupQuery>,
    Json(failure): Json<Failure>,
) -> Result<Json<Value>, Refused> {
    let mut account = aws.account();
    let index = find_group(&account, &group, &query)?;
    let planned = failure.plan(account.groups[index].platform)?;
    account.groups[index].planned.push(planned);
    Ok(Json(json!({})))
}

/// The alarms of a group, and those that its deployments brought in their place.
fn alarms_of(account: &Account, group: &Group) -> BTreeSet<String> {
    let own = group.alarms.alarms.iter();
    let brought = account
        .deployments
        .iter()
        .filter(|each| each.application == group.application && each.group == group.name)
        .flat_map(|each| &each.alarms.alarms);
    own.chain(brought).map(|alarm| alarm.name.clone()).collect()
}

/// Puts the alarms of a group into the state ALARM, which stops its active deployment.
async fn trigger_alarms(
    State(aws): State<Aws>,
    Path(name): Path<String>,
    Query(query): Query<GroupQuery>,
) -> Result<Json<Value>, Refused> {
    let mut account = aws.account();
    let index = find_group(&account, &name, &query)?;
    let group = account.groups[index].clone();
    let active = account.deployments.iter().position(|each| {
        each.application == group.application
            && each.group == group.name
            && !each.status.is_final()
            && !each.is_rollback()
    });
    let alarms = active.map_or(&group.alarms, |active| &account.deployments[active].alarms);
    if !alarms.enabled || alarms.alarms.is_empty() {
        return Err(Refused::bad(format!("group `{name}` has no alarms")));
    }
    let names = alarms_of(&account, &group);
    account.alarms.extend(names.iter().cloned());
    let now = aws.clock.now();
    let stopped = active.map(|active| {
        ending::stop_on_alarm(&mut account, active, now);
        account.deployments[active].id.clone()
    });
    Ok(Json(json!({ "alarms": names, "stopped": stopped })))
}

async fn clear_alarms(
    State(aws): State<Aws>,
    Path(name): Path<String>,
    Query(query): Query<GroupQuery>,
) -> Result<Json<Value>, Refused> {
    let mut account = aws.account();
    let index = find_group(&account, &name, &query)?;
    let names = alarms_of(&account, &account.groups[index]);
    account.alarms.retain(|alarm| !names.contains(alarm));
    Ok(Json(json!({ "alarms": names })))
}

async fn add_fault(State(aws): State<Aws>, Json(fault): Json<Fault>) -> Json<Placed> {
    Json(aws.faults.add(fault))
}

async fn list_faults(State(aws): State<Aws>) -> Json<Vec<Placed>> {
    Json(aws.faults.list())
}

async fn clear_faults(State(aws): State<Aws>) -> StatusCode {
    aws.faults.clear();
    StatusCode::NO_CONTENT
}

fn no_fault(id: &str) -> Refused {
    Refused::unknown(format!("no fault `{id}`"))
}

async fn get_fault(State(aws): State<Aws>, Path(id): Path<String>) -> Result<Json<Placed>, Refused> {
    aws.faults.get(&id).map(Json).ok_or_else(|| no_fault(&id))
}

async fn delete_fault(State(aws): State<Aws>, Path(id): Path<String>) -> Result<StatusCode, Refused> {
    if aws.faults.delete(&id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_fault(&id))
    }
}

async fn release_fault(State(aws): State<Aws>, Path(id): Path<String>) -> Result<StatusCode, Refused> {
    if aws.faults.release(&id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_fault(&id))
    }
}

#[derive(Debug, Deserialize)]
struct WaitQuery {
    /// So many requests have been affected.
    #[serde(default = "one")]
    hits: u64,
    /// So many are held at this moment.
    #[serde(default)]
    held: u64,
    /// Real seconds to wait at most.
    #[serde(default = "ten")]
    timeout: u64,
}

fn one() -> u64 {
    1
}

fn ten() -> u64 {
    10
}

/// Answers once the fault has struck, so that a test need not poll.
async fn wait_for_fault(
    State(aws): State<Aws>,
    Path(id): Path<String>,
    Query(query): Query<WaitQuery>,
) -> Result<Json<Placed>, Refused> {
    let struck = aws
        .faults
        .until(&id, |fault| fault.hits >= query.hits && fault.held >= query.held);
    match tokio::time::timeout(Duration::from_secs(query.timeout), struck).await {
        Ok(Some(fault)) => Ok(Json(fault)),
        Ok(None) => Err(no_fault(&id)),
        Err(_) => Err(Refused(
            StatusCode::REQUEST_TIMEOUT,
            format!("fault `{id}` has not struck"),
        )),
    }
}
