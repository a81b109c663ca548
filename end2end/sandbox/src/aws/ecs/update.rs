//! UpdateService: a new count, a new configuration, or a new revision, which starts a deployment.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    check_balancers, deployments,
    deployments::{
        configuration,
        model::{ServiceDeployment, Status, plan},
        run,
    },
    describe_service, invalid, life,
    model::{Controller, Revision, Workload},
};
use crate::aws::{
    model::{Account, At, TaskSetStatus},
    protocol::AwsError,
};

/// Members that make a new revision of a service under the controller ECS, and that the other
/// controllers do not take.
const REVISION: [&str; 4] = [
    "taskDefinition",
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
];

pub(super) fn update(account: &mut Account, now: Timestamp, body: &Value) -> Result<Value, AwsError> {
    let index = deployments::service_index(account, body)?;
    let controller = account.services[index].controller;
    let own = controller == Controller::Ecs;
    if !own && let Some(member) = REVISION.iter().find(|member| !body[**member].is_null()) {
        return Err(invalid(match *member {
            "taskDefinition" => format!(
                "Unable to update task definition on services with a {} deployment controller. Use {} to trigger a new deployment.",
                controller.as_str(),
                if controller == Controller::External {
                    "task sets"
                } else {
                    "AWS CodeDeploy"
                },
            ),
            other => format!(
                "Unable to update {other} on services with a {} deployment controller.",
                controller.as_str()
            ),
        }));
    }
    let definition = match body["taskDefinition"].as_str() {
        None => None,
        Some(name) => Some(
            account
                .task_definition(name)
                .ok_or_else(|| AwsError::new("ClientException", "TaskDefinition not found."))?
                .arn
                .clone(),
        ),
    };
    let service = &account.services[index];
    let settings = configuration::joined(&service.managed.configuration, &body["deploymentConfiguration"])?;
    let balancers = body["loadBalancers"].as_array().cloned();
    let running = service.managed.primary().map(|each| each.task_definition.clone());
    let next = definition.or(running);
    if let (Some(balancers), Some(next)) = (&balancers, &next) {
        check_balancers(account, next, balancers)?;
    }
    if let Some(count) = body["desiredCount"].as_i64() {
        if count < 0 {
            return Err(invalid("desiredCount must not be negative."));
        }
        scale(account, index, At(now), count);
    }
    let service = &mut account.services[index];
    if own {
        service.managed.configuration = settings;
    }
    let moved = balancers.is_some_and(|balancers| {
        let differs = service.managed.balancers != balancers;
        service.managed.balancers = balancers;
        differs
    });
    let now_runs = deployments::present(service)
        .and_then(|arn| service.managed.revision(arn))
        .map(|revision| revision.task_definition.clone());
    let forced = body["forceNewDeployment"] == true || moved;
    if own
        && let Some(next) = next
        && (forced || Some(&next) != now_runs.as_ref())
    {
        deploy(account, index, At(now), next);
        run::heed_alarms(account, At(now));
    }
    let service = &account.services[index];
    Ok(json!({ "service": describe_service(account, service) }))
}

/// Changes how many tasks the service has.
fn scale(account: &mut Account, index: usize, at: At, count: i64) {
    let service = &mut account.services[index];
    service.desired = count;
    match service.controller {
        Controller::CodeDeploy => {
            let sets = service.task_sets.iter_mut();
            for set in sets.filter(|set| set.status != TaskSetStatus::Draining) {
                set.running = count;
            }
        }
        Controller::External => {
            for each in &mut service.managed.workloads {
                each.desired = life::share(count, each.scale);
            }
        }
        Controller::Ecs => {
            for each in &mut service.managed.workloads {
                if each.status == TaskSetStatus::Primary || each.desired > 0 {
                    each.desired = count;
                }
            }
        }
    }
    life::replenish(account, index, at);
}

/// Starts the deployment of a task definition.
fn deploy(account: &mut Account, index: usize, at: At, definition: String) {
    let superseded = supersede(account, index, at);
    let service = &account.services[index];
    let back_to = deployments::completed(service);
    let mut sources: Vec<String> = service
        .managed
        .revisions
        .iter()
        .filter(|revision| {
            let workload = service.managed.workload(&revision.workload);
            workload.is_some_and(|each| each.status != TaskSetStatus::Draining)
        })
        .map(|revision| revision.arn.clone())
        .filter(|arn| Some(arn) != back_to.as_ref())
        .collect();
    sources.extend(back_to);
    let settings = service.managed.configuration.clone();
    let target = add_revision(account, index, at, definition);
    let path = deployment_path(account, index);
    let moves = plan(&settings, superseded);
    account.services[index].managed.deployments.push(ServiceDeployment {
        arn: path,
        created: at,
        started: None,
        finished: None,
        stopped: None,
        updated: at,
        sources,
        target,
        status: Status::Pending,
        reason: None,
        stage: None,
        hooks: Vec::new(),
        configuration: settings,
        rollback: None,
        failures: 0,
        breaker_triggered: false,
        triggered_alarms: Vec::new(),
        production: 0.0,
        test: 0.0,
        plan: moves,
        position: 0,
        since: at,
    });
}

/// A deployment that is under way ends where it is; one that shifts traffic gives back what it has.
fn supersede(account: &mut Account, index: usize, at: At) -> bool {
    let Some(deployment) = account.services[index].managed.current() else {
        return false;
    };
    let gone = At(life::after(at.0, account.timings.drain));
    let (target, rolling) = (
        deployment.target.clone(),
        deployment.configuration["strategy"] == "ROLLING",
    );
    if !rolling {
        run::turn(account, index, at, vec![deployments::model::Move::Return]);
    }
    let managed = &mut account.services[index].managed;
    let workload = managed.revision(&target).map(|revision| revision.workload.clone());
    if let Some(workload) = workload.filter(|_| !rolling).and_then(|id| managed.workload_mut(&id)) {
        workload.drain(at, gone);
    }
    if let Some(deployment) = managed.current_mut() {
        deployment.status = Status::Stopped;
        deployment.reason = Some("Service deployment was superseded by a newer one.".into());
        deployment.stopped = Some(at);
        deployment.finished = Some(at);
    }
    true
}

fn deployment_path(account: &mut Account, index: usize) -> String {
    const LENGTH: usize = 21;
    let name: String = account.uuid().replace('-', "")[..LENGTH].to_owned();
    let service = &account.services[index];
    let path = format!("service-deployment/{}/{}/{name}", service.cluster, service.name);
    account.arn("ecs", &path)
}

/// A revision with its workload, which runs nothing yet; in the target group that the present one is not in.
fn add_revision(account: &mut Account, index: usize, at: At, definition: String) -> String {
    let id = account.task_set_id();
    let digits = account.task_set_id();
    let service = &account.services[index];
    let managed = &service.managed;
    let present = deployments::completed(service)
        .and_then(|arn| managed.revision(&arn))
        .and_then(|revision| revision.target_group.clone());
    let mut balancer = managed.balancers.first().cloned().unwrap_or_default();
    let own = balancer["targetGroupArn"].as_str().map(str::to_owned);
    let other = balancer["advancedConfiguration"]["alternateTargetGroupArn"]
        .as_str()
        .map(str::to_owned);
    let shifts = managed.configuration["strategy"] != "ROLLING";
    let target_group = match other {
        Some(other) if shifts && present == own => Some(other),
        _ if !shifts && present.is_some() && present == other => other,
        _ => own,
    };
    let path = format!(
        "service-revision/{}/{}/{}",
        service.cluster,
        service.name,
        super::short(&digits)
    );
    let arn = account.arn("ecs", &path);
    let mut workload = Workload::new(id.clone(), definition.clone(), at);
    workload.rollout = ("IN_PROGRESS", format!("ECS deployment {id} in progress."));
    if let Some(group) = &target_group {
        balancer["targetGroupArn"] = json!(group);
        if let Some(members) = balancer.as_object_mut() {
            members.remove("advancedConfiguration");
        }
        workload.balancers = json!([balancer]);
    }
    let managed = &mut account.services[index].managed;
    managed.workloads.push(workload);
    managed.revisions.push(Revision {
        arn: arn.clone(),
        task_definition: definition,
        created: at,
        workload: id,
        target_group,
    });
    arn
}

/// What a service that is seeded has: its first revision, deployed long ago.
pub(crate) fn first(account: &mut Account, index: usize, at: At, definition: String) {
    deploy(account, index, at, definition);
    let desired = account.services[index].desired;
    let managed = &mut account.services[index].managed;
    if let Some(workload) = managed.workloads.last_mut() {
        workload.desired = desired;
        workload.settle(at);
        workload.status = TaskSetStatus::Primary;
        workload.rollout = ("COMPLETED", format!("ECS deployment {} completed.", workload.id));
    }
    if let Some(deployment) = managed.deployments.last_mut() {
        deployment.status = Status::Successful;
        deployment.started = Some(at);
        deployment.finished = Some(at);
        deployment.production = 100.0;
        deployment.plan.clear();
    }
}
