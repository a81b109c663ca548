//! Tasks: those of the task sets that CodeDeploy makes, and those of everything else.

use serde_json::{Value, json};

use super::{
    ServicesInput, cluster_arn, invalid, list_page, missing,
    model::{Task, TaskState},
    short,
};
use crate::aws::{
    model::{Account, At, EcsService, digest},
    protocol::{AwsError, epoch, input, without_nulls},
};

/// A task as it is shown, wherever it belongs.
struct Shown<'a> {
    id: String,
    /// Of its task set or deployment.
    started_by: &'a str,
    definition: &'a str,
    created: At,
    started: Option<At>,
    status: &'static str,
    health: &'static str,
}

/// Each task of a service.
fn tasks(service: &EcsService) -> impl Iterator<Item = Shown<'_>> {
    let of_code_deploy = service.task_sets.iter().flat_map(|set| {
        (0..set.running).map(move |number| Shown {
            id: digest(&format!("{}/{number}", set.id))[7..39].to_owned(),
            started_by: &set.id,
            definition: &set.task_definition,
            created: set.created,
            started: Some(set.created),
            status: "RUNNING",
            health: "HEALTHY",
        })
    });
    let others = service.managed.workloads.iter().flat_map(|workload| {
        let live = workload.tasks.iter().filter(|task| task.is_live());
        live.map(|task| Shown {
            id: task.id.clone(),
            started_by: &workload.id,
            definition: &workload.task_definition,
            created: task.created,
            started: task.running_since,
            status: if task.is_running() { "RUNNING" } else { "PENDING" },
            health: health(task),
        })
    });
    of_code_deploy.chain(others)
}

fn health(task: &Task) -> &'static str {
    match task.state {
        TaskState::Healthy => "HEALTHY",
        TaskState::Unhealthy => "UNHEALTHY",
        _ => "UNKNOWN",
    }
}

fn task_arn(account: &Account, cluster: &str, id: &str) -> String {
    account.arn("ecs", &format!("task/{cluster}/{id}"))
}

pub(super) fn list(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ServicesInput = input(body)?;
    let cluster = wanted.cluster(account)?;
    let name = wanted.service_name.as_deref().map(short);
    if let Some(name) = name
        && account.service(&cluster, name).is_none()
    {
        return Err(AwsError::new("ServiceNotFoundException", "Service not found."));
    }
    let stopped = wanted
        .desired_status
        .as_deref()
        .is_some_and(|status| status != "RUNNING");
    let arns: Vec<String> = account
        .services
        .iter()
        .filter(|each| each.cluster == cluster && name.is_none_or(|name| each.name == name))
        .filter(|_| !stopped)
        .flat_map(tasks)
        .filter(|task| {
            let by = wanted.started_by.as_deref();
            by.is_none_or(|by| by == task.started_by)
        })
        .map(|task| task_arn(account, &cluster, &task.id))
        .collect();
    let (arns, next) = list_page(&arns, &wanted, 100)?;
    Ok(json!({ "taskArns": arns, "nextToken": next }))
}

pub(super) fn describe(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ServicesInput = input(body)?;
    let cluster = wanted.cluster(account)?;
    if wanted.tasks.is_empty() {
        return Err(invalid("Tasks cannot be empty."));
    }
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for id in wanted.tasks.iter().map(|task| short(task)) {
        let task = account
            .services
            .iter()
            .filter(|each| each.cluster == cluster)
            .find_map(|service| Some((service, tasks(service).find(|each| each.id == id)?)));
        match task {
            Some((service, task)) => found.push(show(account, service, &task)),
            None => failures.push(missing(task_arn(account, &cluster, id))),
        }
    }
    Ok(json!({ "tasks": found, "failures": failures }))
}

fn show(account: &Account, service: &EcsService, task: &Shown<'_>) -> Value {
    let id = &task.id;
    let arn = task_arn(account, &service.cluster, id);
    let definition = account.task_definition(task.definition);
    let containers: Vec<Value> = definition
        .and_then(|found| found.body["containerDefinitions"].as_array())
        .into_iter()
        .flatten()
        .map(|container| {
            json!({
                "containerArn": account.arn(
                    "ecs",
                    &format!("container/{}/{id}/{}", service.cluster, id),
                ),
                "taskArn": arn,
                "name": container["name"],
                "image": container["image"],
                "lastStatus": task.status,
                "healthStatus": task.health,
            })
        })
        .collect();
    without_nulls(json!({
        "taskArn": arn,
        "clusterArn": cluster_arn(account, &service.cluster),
        "taskDefinitionArn": task.definition,
        "containers": containers,
        "createdAt": epoch(task.created.0),
        "startedAt": task.started.map_or(Value::Null, |at| epoch(at.0)),
        "startedBy": task.started_by,
        "group": format!("service:{}", service.name),
        "desiredStatus": "RUNNING",
        "lastStatus": task.status,
        "healthStatus": task.health,
        "launchType": "FARGATE",
        "connectivity": "CONNECTED",
        "platformVersion": "1.4.0",
        "version": 3,
    }))
}
