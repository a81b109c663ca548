//! Task sets of services under the EXTERNAL controller: whoever deploys makes them, scales them,
//! declares one primary and deletes the others. No traffic moves here: that is the load balancer's.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-external.html>

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    cluster_arn, cluster_named, invalid, life, missing,
    model::{Controller, Workload},
    service_arn, short,
};
use crate::aws::{
    model::{Account, At, EcsService, TaskSetStatus},
    protocol::{AwsError, epoch, input, without_nulls},
};

/// Task sets that a service may have at a time, those that drain not counted.
const MOST: usize = 5;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateInput {
    task_definition: Option<String>,
    external_id: Option<String>,
    #[serde(default)]
    network_configuration: Value,
    #[serde(default)]
    load_balancers: Vec<Value>,
    launch_type: Option<String>,
    platform_version: Option<String>,
    scale: Option<Scale>,
    client_token: Option<String>,
    #[serde(default)]
    tags: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Scale {
    value: Option<f64>,
    unit: Option<String>,
}

impl Scale {
    fn percent(&self) -> Result<f64, AwsError> {
        if self.unit.as_deref().is_some_and(|unit| unit != "PERCENT") {
            return Err(invalid("The scale unit must be PERCENT."));
        }
        let value = self.value.unwrap_or_default();
        if (0.0..=100.0).contains(&value) {
            Ok(value)
        } else {
            Err(invalid("The scale value must be between 0 and 100."))
        }
    }
}

/// The index of the EXTERNAL service that a request is about.
fn service_of(account: &Account, body: &Value) -> Result<usize, AwsError> {
    let cluster = cluster_named(account, body["cluster"].as_str())?;
    let name = body["service"].as_str().unwrap_or_default();
    let index = account
        .services
        .iter()
        .position(|each| each.cluster == cluster && each.name == short(name))
        .ok_or_else(|| AwsError::new("ServiceNotFoundException", "Service not found."))?;
    if account.services[index].controller != Controller::External {
        return Err(invalid(
            "Amazon ECS only supports task set management on services configured to use external deployment controllers.",
        ));
    }
    Ok(index)
}

pub(super) fn create(account: &mut Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let index = service_of(account, &body)?;
    let wanted: CreateInput = input(body.clone())?;
    if let Some(token) = &wanted.client_token {
        let allowed = token.len() <= 36 && token.bytes().all(|byte| (33..=126).contains(&byte));
        if !allowed {
            return Err(invalid(
                "The client token must be up to 36 ASCII characters in the range of 33-126.",
            ));
        }
        let workloads = &account.services[index].managed.workloads;
        if let Some(made) = workloads.iter().find(|each| each.client_token.as_ref() == Some(token)) {
            if made.request != body {
                return Err(invalid("The client token was used before with other parameters."));
            }
            return Ok(json!({ "taskSet": show(account, &account.services[index], made, true) }));
        }
    }
    let workload = workload(account, index, At(now), &wanted, body)?;
    let shown = workload.id.clone();
    account.services[index].managed.workloads.push(workload);
    life::replenish(account, index, At(now));
    answer(account, index, &shown)
}

fn workload(
    account: &mut Account,
    index: usize,
    at: At,
    wanted: &CreateInput,
    request: Value,
) -> Result<Workload, AwsError> {
    let name = wanted.task_definition.as_deref().unwrap_or_default();
    let definition = account
        .task_definition(name)
        .ok_or_else(|| AwsError::new("ClientException", "TaskDefinition not found."))?;
    let arn = definition.arn.clone();
    let needs_network = definition.body["networkMode"] == "awsvpc";
    if needs_network && wanted.network_configuration.is_null() {
        return Err(invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ));
    }
    super::check_balancers(account, &arn, &wanted.load_balancers)?;
    let scale = wanted.scale.as_ref().map_or(Ok(0.0), Scale::percent)?;
    let service = &account.services[index];
    let present = service.managed.workloads.iter();
    if present.filter(|each| each.status != TaskSetStatus::Draining).count() >= MOST {
        return Err(AwsError::new(
            "LimitExceededException",
            format!("A service can have no more than {MOST} task sets."),
        ));
    }
    let desired = life::share(service.desired, scale);
    let mut made = Workload::new(account.task_set_id(), arn, at);
    made.external_id.clone_from(&wanted.external_id);
    made.client_token.clone_from(&wanted.client_token);
    made.request = request;
    made.scale = scale;
    made.desired = desired;
    made.balancers = json!(wanted.load_balancers);
    made.network = wanted.network_configuration.clone();
    if let Some(kind) = &wanted.launch_type {
        made.launch_type = json!(kind);
    }
    if let Some(version) = wanted.platform_version.as_ref().filter(|version| *version != "LATEST") {
        made.platform_version = json!(version);
    }
    made.tags = json!(wanted.tags);
    Ok(made)
}

fn answer(account: &Account, index: usize, id: &str) -> Result<Value, AwsError> {
    let service = &account.services[index];
    let workload = service.managed.workload(id).ok_or_else(not_found)?;
    Ok(json!({ "taskSet": show(account, service, workload, true) }))
}

fn not_found() -> AwsError {
    AwsError::new("TaskSetNotFoundException", "The specified task set could not be found.")
}

/// `ecs-svc/123` by itself, or at the end of an ARN.
fn id_of(name: &str) -> String {
    format!("ecs-svc/{}", short(name))
}

/// The task set that a request is about, in the member of this name.
fn find(account: &mut Account, index: usize, body: &Value, member: &str) -> Result<String, AwsError> {
    let id = id_of(body[member].as_str().unwrap_or_default());
    let found = account.services[index].managed.workload(&id).ok_or_else(not_found)?;
    if found.status == TaskSetStatus::Draining {
        return Err(invalid("The task set is being deleted."));
    }
    Ok(id)
}

pub(super) fn describe(account: &Account, body: &Value) -> Result<Value, AwsError> {
    let service = &account.services[service_of(account, body)?];
    let tags = body["include"]
        .as_array()
        .is_some_and(|include| include.iter().any(|each| each == "TAGS"));
    let shown = |workload: &Workload| show(account, service, workload, tags);
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    match body["taskSets"].as_array().filter(|named| !named.is_empty()) {
        None => found.extend(service.managed.workloads.iter().map(shown)),
        Some(named) => {
            for name in named.iter().filter_map(Value::as_str) {
                let id = id_of(name);
                match service.managed.workload(&id) {
                    Some(workload) => found.push(shown(workload)),
                    None => failures.push(missing(arn(account, service, &id))),
                }
            }
        }
    }
    Ok(json!({ "taskSets": found, "failures": failures }))
}

pub(super) fn update(account: &mut Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let index = service_of(account, &body)?;
    let id = find(account, index, &body, "taskSet")?;
    let scale: Scale = match body.get("scale") {
        Some(scale) => input(scale.clone())?,
        None => return Err(invalid("Scale cannot be empty.")),
    };
    let percent = scale.percent()?;
    let service = &mut account.services[index];
    let desired = life::share(service.desired, percent);
    if let Some(workload) = service.managed.workload_mut(&id) {
        workload.scale = percent;
        workload.desired = desired;
        workload.updated = At(now);
    }
    life::replenish(account, index, At(now));
    answer(account, index, &id)
}

pub(super) fn make_primary(account: &mut Account, now: Timestamp, body: &Value) -> Result<Value, AwsError> {
    let index = service_of(account, body)?;
    let id = find(account, index, body, "primaryTaskSet")?;
    for workload in &mut account.services[index].managed.workloads {
        let status = match workload.status {
            TaskSetStatus::Draining => continue,
            _ if workload.id == id => TaskSetStatus::Primary,
            _ => TaskSetStatus::Active,
        };
        if status != workload.status {
            workload.status = status;
            workload.updated = At(now);
        }
    }
    answer(account, index, &id)
}

pub(super) fn delete(account: &mut Account, now: Timestamp, body: &Value) -> Result<Value, AwsError> {
    let index = service_of(account, body)?;
    let id = id_of(body["taskSet"].as_str().unwrap_or_default());
    let gone = At(life::after(now, account.timings.drain));
    let workload = account.services[index]
        .managed
        .workload_mut(&id)
        .ok_or_else(not_found)?;
    if workload.status != TaskSetStatus::Draining {
        if workload.desired > 0 && body["force"] != true {
            return Err(invalid(
                "The task set cannot be deleted while it is scaled above 0. Scale it down first, or use force.",
            ));
        }
        workload.drain(At(now), gone);
    }
    answer(account, index, &id)
}

fn arn(account: &Account, service: &EcsService, id: &str) -> String {
    let path = format!("task-set/{}/{}/{id}", service.cluster, service.name);
    account.arn("ecs", &path)
}

/// A task set as ECS describes it.
pub(super) fn show(account: &Account, service: &EcsService, workload: &Workload, tags: bool) -> Value {
    without_nulls(json!({
        "id": workload.id,
        "taskSetArn": arn(account, service, &workload.id),
        "serviceArn": service_arn(account, &service.cluster, &service.name),
        "clusterArn": cluster_arn(account, &service.cluster),
        "externalId": workload.external_id,
        "status": workload.status.as_str(),
        "taskDefinition": workload.task_definition,
        "computedDesiredCount": workload.desired,
        "pendingCount": workload.pending(),
        "runningCount": workload.running(),
        "createdAt": epoch(workload.created.0),
        "updatedAt": epoch(workload.updated.0),
        "launchType": workload.launch_type,
        "platformVersion": workload.platform_version,
        "platformFamily": "Linux",
        "networkConfiguration": workload.network,
        "loadBalancers": workload.balancers,
        "serviceRegistries": [],
        "scale": { "value": workload.scale, "unit": "PERCENT" },
        "stabilityStatus": if workload.stable { "STEADY_STATE" } else { "STABILIZING" },
        "stabilityStatusAt": epoch(workload.stability_at.0),
        "tags": tags.then_some(&workload.tags),
    }))
}
