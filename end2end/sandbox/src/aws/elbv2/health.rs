//! How the targets of a group are: the tasks that services run in it.

use serde_json::{Value, json};

use super::{actions, not_found, required};
use crate::aws::{
    ecs::model::{Task, TaskState},
    model::Account,
    protocol::AwsError,
};

pub(super) fn describe(account: &Account, body: &Value) -> Result<Value, AwsError> {
    let arn = required(body, "TargetGroupArn")?;
    let all = &account.load_balancing;
    let group = all
        .group(arn)
        .ok_or_else(|| not_found("One or more target groups", "TargetGroupNotFound", arn))?;
    let in_use = !all.balancers_of(arn).is_empty();
    let registered: Vec<(i64, &Task)> = account
        .services
        .iter()
        .flat_map(|service| &service.managed.workloads)
        .filter_map(|workload| Some((workload.serves(arn)?, workload)))
        .flat_map(|(port, workload)| workload.tasks.iter().map(move |task| (port, task)))
        .filter(|(_, task)| task.running_since.is_some())
        .collect();
    let shown: Vec<Value> = match body["Targets"].as_array() {
        None => registered
            .iter()
            .map(|(port, task)| show(account, *port, task, in_use))
            .collect(),
        Some(wanted) => wanted
            .iter()
            .map(|target| {
                let asked = actions::number(&target["Port"]).map_or(i64::from(group.port), i64::from);
                let found = registered
                    .iter()
                    .find(|(port, task)| target["Id"] == task.address.as_str() && *port == asked);
                match found {
                    Some((port, task)) => show(account, *port, task, in_use),
                    None => json!({
                        "Target": { "Id": target["Id"], "Port": asked },
                        "TargetHealth": {
                            "State": "unused",
                            "Reason": "Target.NotRegistered",
                            "Description": "Target is not registered to the target group",
                        },
                    }),
                }
            })
            .collect(),
    };
    Ok(json!({ "TargetHealthDescriptions": shown }))
}

fn show(account: &Account, port: i64, task: &Task, in_use: bool) -> Value {
    let (state, why) = match task.state {
        TaskState::Stopping => (
            "draining",
            Some((
                "Target.DeregistrationInProgress",
                "Target deregistration is in progress",
            )),
        ),
        _ if !in_use => (
            "unused",
            Some((
                "Target.NotInUse",
                "Target group is not configured to receive traffic from the load balancer",
            )),
        ),
        TaskState::Healthy => ("healthy", None),
        TaskState::Unhealthy => ("unhealthy", Some(("Target.FailedHealthChecks", "Health checks failed"))),
        TaskState::Pending | TaskState::Starting => (
            "initial",
            Some(("Elb.InitialHealthChecking", "Initial health checks in progress")),
        ),
    };
    json!({
        "Target": { "Id": task.address, "Port": port, "AvailabilityZone": format!("{}a", account.region) },
        "HealthCheckPort": port.to_string(),
        "TargetHealth": {
            "State": state,
            "Reason": why.map(|(reason, _)| reason),
            "Description": why.map(|(_, description)| description),
        },
    })
}
