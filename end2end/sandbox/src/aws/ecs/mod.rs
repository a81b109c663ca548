//! Amazon ECS: clusters, services under each of the three deployment controllers, and the tasks
//! that run. What CodeDeploy deploys is kept apart from the rest: it moves with its deployment,
//! the rest by itself ([`life`]).

pub(crate) mod deployments;
mod life;
pub(crate) mod model;
mod task_definitions;
mod task_sets;
mod tasks;
mod update;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use self::model::Controller;
pub(crate) use self::{life::advance, task_definitions::register, update::first as deployed_long_ago};
use super::{
    model::{Account, EcsService, TaskSet, TaskSetStatus},
    protocol::{AwsError, epoch, input, page, without_nulls},
};

/// Performs one operation.
pub(crate) fn call(account: &mut Account, now: Timestamp, operation: &str, body: Value) -> Result<Value, AwsError> {
    match operation {
        "RegisterTaskDefinition" => task_definitions::register(account, now, body),
        "DescribeTaskDefinition" => task_definitions::describe(account, body),
        "ListTaskDefinitions" => task_definitions::list(account, body),
        "DescribeServices" => describe_services(account, body),
        "ListServices" => list_services(account, body),
        "DescribeClusters" => describe_clusters(account, body),
        "ListTasks" => tasks::list(account, body),
        "DescribeTasks" => tasks::describe(account, body),
        "UpdateService" => update::update(account, now, &body),
        "CreateTaskSet" => task_sets::create(account, now, body),
        "DescribeTaskSets" => task_sets::describe(account, &body),
        "UpdateTaskSet" => task_sets::update(account, now, body),
        "UpdateServicePrimaryTaskSet" => task_sets::make_primary(account, now, &body),
        "DeleteTaskSet" => task_sets::delete(account, now, &body),
        "ListServiceDeployments" => deployments::list(account, &body),
        "DescribeServiceDeployments" => deployments::describe(account, &body),
        "DescribeServiceRevisions" => deployments::describe_revisions(account, &body),
        "ContinueServiceDeployment" => deployments::continue_one(account, now, &body),
        "StopServiceDeployment" => deployments::stop(account, now, &body),
        _ => Err(AwsError::unknown_operation()),
    }
}

fn invalid(reason: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", reason)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServicesInput {
    cluster: Option<String>,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    clusters: Vec<String>,
    #[serde(default)]
    tasks: Vec<String>,
    service_name: Option<String>,
    started_by: Option<String>,
    desired_status: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

impl ServicesInput {
    fn cluster(&self, account: &Account) -> Result<String, AwsError> {
        cluster_named(account, self.cluster.as_deref())
    }
}

/// The name of the cluster that a request names, or of the one called `default`.
fn cluster_named(account: &Account, name: Option<&str>) -> Result<String, AwsError> {
    let name = short(name.unwrap_or("default")).to_owned();
    if account.clusters.contains(&name) {
        Ok(name)
    } else {
        Err(AwsError::new("ClusterNotFoundException", "Cluster not found."))
    }
}

/// Whether tasks of this definition may be targets of these load balancers.
fn check_balancers(account: &Account, definition: &str, balancers: &[Value]) -> Result<(), AwsError> {
    let containers = account
        .task_definition(definition)
        .and_then(|found| found.body["containerDefinitions"].as_array());
    for balancer in balancers {
        let group = balancer["targetGroupArn"].as_str().unwrap_or_default();
        if account.load_balancing.group(group).is_none() {
            return Err(invalid(format!("The target group {group} does not exist.")));
        }
        if account.load_balancing.balancers_of(group).is_empty() {
            return Err(invalid(format!(
                "The target group with targetGroupArn {group} does not have an associated load balancer."
            )));
        }
        let (name, port) = (&balancer["containerName"], &balancer["containerPort"]);
        let container = containers.and_then(|list| list.iter().find(|each| each["name"] == *name));
        let Some(container) = container else {
            return Err(invalid(format!(
                "The container {} does not exist in the task definition.",
                name.as_str().unwrap_or_default()
            )));
        };
        let mut ports = container["portMappings"].as_array().into_iter().flatten();
        if !ports.any(|each| each["containerPort"] == *port) {
            return Err(invalid(format!(
                "The container {} did not have a container port {port} defined.",
                name.as_str().unwrap_or_default()
            )));
        }
    }
    Ok(())
}

/// The last part of an ARN, or a plain name as it is.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn missing(arn: String) -> Value {
    json!({ "arn": arn, "reason": "MISSING" })
}

fn describe_services(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ServicesInput = input(body)?;
    let cluster = wanted.cluster(account)?;
    if wanted.services.is_empty() {
        return Err(invalid("Services cannot be empty."));
    }
    if wanted.services.len() > 10 {
        return Err(invalid("Services cannot have more than 10 elements."));
    }
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in &wanted.services {
        match account.service(&cluster, short(name)) {
            Some(service) => found.push(describe_service(account, service)),
            None => failures.push(missing(service_arn(account, &cluster, short(name)))),
        }
    }
    Ok(json!({ "services": found, "failures": failures }))
}

fn service_arn(account: &Account, cluster: &str, name: &str) -> String {
    account.arn("ecs", &format!("service/{cluster}/{name}"))
}

fn cluster_arn(account: &Account, name: &str) -> String {
    account.arn("ecs", &format!("cluster/{name}"))
}

fn describe_service(account: &Account, service: &EcsService) -> Value {
    match service.controller {
        Controller::CodeDeploy => describe_code_deploy(account, service),
        Controller::External | Controller::Ecs => describe_managed(account, service),
    }
}

/// A service under the controllers EXTERNAL and ECS.
fn describe_managed(account: &Account, service: &EcsService) -> Value {
    let managed = &service.managed;
    let external = service.controller == Controller::External;
    let primary = managed.primary();
    let (deployments, revisions, current) = deployments::shown_by_service(service);
    // Of what is deployed now, although the old tasks still run.
    let deployed = deployments.first().map(|each| each["taskDefinition"].clone());
    let definition = if external {
        primary.map(|each| json!(each.task_definition))
    } else {
        deployed
    };
    let sets: Vec<Value> = managed
        .workloads
        .iter()
        .map(|each| task_sets::show(account, service, each, true))
        .collect();
    without_nulls(json!({
        "serviceArn": service_arn(account, &service.cluster, &service.name),
        "serviceName": service.name,
        "clusterArn": cluster_arn(account, &service.cluster),
        "loadBalancers": if external {
            primary.map_or(json!([]), |each| each.balancers.clone())
        } else {
            json!(managed.balancers)
        },
        "serviceRegistries": [],
        "status": "ACTIVE",
        "desiredCount": service.desired,
        "runningCount": managed.workloads.iter().map(|each| each.running()).sum::<i64>(),
        "pendingCount": managed.workloads.iter().map(|each| each.pending()).sum::<i64>(),
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "taskDefinition": definition,
        "deploymentConfiguration": managed.configuration,
        "taskSets": external.then_some(sets),
        "deployments": deployments,
        "currentServiceDeployment": current,
        "currentServiceRevisions": (!external).then_some(revisions),
        "events": [],
        "createdAt": epoch(service.created.0),
        "placementConstraints": [],
        "placementStrategy": [],
        "networkConfiguration": (!external).then(network),
        "healthCheckGracePeriodSeconds": 0,
        "schedulingStrategy": "REPLICA",
        "deploymentController": { "type": service.controller.as_str() },
        "enableECSManagedTags": true,
        "propagateTags": "NONE",
        "enableExecuteCommand": false,
    }))
}

fn describe_code_deploy(account: &Account, service: &EcsService) -> Value {
    let primary = service.primary();
    let running: i64 = service.task_sets.iter().map(|set| set.running).sum();
    let desired: i64 = service
        .task_sets
        .iter()
        .filter(|set| set.status != TaskSetStatus::Draining)
        .map(|_| service.desired)
        .sum();
    let task_definition = primary.map(|set| set.task_definition.clone());
    let sets: Vec<Value> = service
        .task_sets
        .iter()
        .map(|set| describe_task_set(account, service, set))
        .collect();
    without_nulls(json!({
        "serviceArn": service_arn(account, &service.cluster, &service.name),
        "serviceName": service.name,
        "clusterArn": cluster_arn(account, &service.cluster),
        "loadBalancers": primary.map_or(json!([]), |set| balancers(account, service, set)),
        "serviceRegistries": [],
        "status": "ACTIVE",
        "desiredCount": service.desired,
        "runningCount": running,
        "pendingCount": (desired - running).max(0),
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "taskDefinition": task_definition,
        "deploymentConfiguration": { "maximumPercent": 200, "minimumHealthyPercent": 100 },
        "taskSets": sets,
        "deployments": [],
        "events": [],
        "createdAt": epoch(service.created.0),
        "placementConstraints": [],
        "placementStrategy": [],
        "networkConfiguration": network(),
        "healthCheckGracePeriodSeconds": 0,
        "schedulingStrategy": "REPLICA",
        "deploymentController": { "type": service.controller.as_str() },
        "enableECSManagedTags": true,
        "propagateTags": "NONE",
        "enableExecuteCommand": false,
    }))
}

pub(crate) fn network() -> Value {
    json!({ "awsvpcConfiguration": {
        "subnets": ["subnet-0a1b2c3d4e5f60718"],
        "securityGroups": ["sg-0a1b2c3d4e5f60718"],
        "assignPublicIp": "DISABLED",
    }})
}

fn balancers(account: &Account, service: &EcsService, set: &TaskSet) -> Value {
    let name = &service.target_groups[set.target_group];
    json!([{
        "targetGroupArn": account.arn(
            "elasticloadbalancing",
            &format!("targetgroup/{name}/0123456789abcdef"),
        ),
        "containerName": service.container,
        "containerPort": service.port,
    }])
}

fn describe_task_set(account: &Account, service: &EcsService, set: &TaskSet) -> Value {
    let desired = if set.status == TaskSetStatus::Draining {
        0
    } else {
        service.desired
    };
    let steady = set.running == desired;
    json!({
        "id": set.id,
        "taskSetArn": account.arn(
            "ecs",
            &format!("task-set/{}/{}/{}", service.cluster, service.name, set.id),
        ),
        "serviceArn": service_arn(account, &service.cluster, &service.name),
        "clusterArn": cluster_arn(account, &service.cluster),
        "startedBy": set.external_id.as_ref().map(|_| "CODE_DEPLOY"),
        "externalId": set.external_id,
        "status": set.status.as_str(),
        "taskDefinition": set.task_definition,
        "computedDesiredCount": desired,
        "pendingCount": (desired - set.running).max(0),
        "runningCount": set.running,
        "createdAt": epoch(set.created.0),
        "updatedAt": epoch(set.updated.0),
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "networkConfiguration": network(),
        "loadBalancers": balancers(account, service, set),
        "serviceRegistries": [],
        "scale": { "value": set.scale, "unit": "PERCENT" },
        "stabilityStatus": if steady { "STEADY_STATE" } else { "STABILIZING" },
        "stabilityStatusAt": epoch(set.updated.0),
        "tags": [],
    })
}

fn list_services(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ServicesInput = input(body)?;
    let cluster = wanted.cluster(account)?;
    let arns: Vec<String> = account
        .services
        .iter()
        .filter(|service| service.cluster == cluster)
        .map(|service| service_arn(account, &cluster, &service.name))
        .collect();
    let (arns, next) = list_page(&arns, &wanted, 10)?;
    Ok(json!({ "serviceArns": arns, "nextToken": next }))
}

fn list_page(
    arns: &[String],
    wanted: &ServicesInput,
    default: usize,
) -> Result<(Vec<String>, Option<String>), AwsError> {
    let size = wanted.max_results.unwrap_or(default);
    if !(1..=100).contains(&size) {
        return Err(invalid("Invalid maxResults. It must be between 1 and 100."));
    }
    page(arns, wanted.next_token.as_deref(), size).ok_or_else(|| invalid("Invalid token"))
}

fn describe_clusters(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ServicesInput = input(body)?;
    let names = if wanted.clusters.is_empty() {
        vec!["default".to_owned()]
    } else {
        wanted.clusters
    };
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in names.iter().map(|name| short(name)) {
        if !account.clusters.contains(name) {
            failures.push(missing(cluster_arn(account, name)));
            continue;
        }
        let services = || account.services.iter().filter(|each| each.cluster == name);
        let of_code_deploy: i64 = services().flat_map(|each| &each.task_sets).map(|set| set.running).sum();
        let others = || services().flat_map(|each| &each.managed.workloads);
        let running = of_code_deploy + others().map(|each| each.running()).sum::<i64>();
        found.push(json!({
            "clusterArn": cluster_arn(account, name),
            "clusterName": name,
            "status": "ACTIVE",
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": running,
            "pendingTasksCount": others().map(|each| each.pending()).sum::<i64>(),
            "activeServicesCount": services().count(),
            "statistics": [],
            "tags": [],
            "settings": [],
            "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
            "defaultCapacityProviderStrategy": [],
        }));
    }
    Ok(json!({ "clusters": found, "failures": failures }))
}
