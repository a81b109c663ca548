//! Amazon ECS: clusters, services under the CODE_DEPLOY controller with their task sets, and
//! the tasks that run.

mod task_definitions;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use self::task_definitions::register;
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
        "ListTasks" => list_tasks(account, body),
        "DescribeTasks" => describe_tasks(account, body),
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
    desired_status: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

impl ServicesInput {
    fn cluster(&self, account: &Account) -> Result<String, AwsError> {
        let name = short(self.cluster.as_deref().unwrap_or("default")).to_owned();
        if account.clusters.contains(&name) {
            Ok(name)
        } else {
            Err(AwsError::new("ClusterNotFoundException", "Cluster not found."))
        }
    }
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
        "taskSets": service.code_deploy.then_some(&sets),
        "deployments": if service.code_deploy {
            json!([])
        } else {
            json!([rolling_deployment(service)])
        },
        "events": [],
        "createdAt": epoch(service.created.0),
        "placementConstraints": [],
        "placementStrategy": [],
        "networkConfiguration": network(),
        "healthCheckGracePeriodSeconds": 0,
        "schedulingStrategy": "REPLICA",
        "deploymentController": {
            "type": if service.code_deploy { "CODE_DEPLOY" } else { "ECS" },
        },
        "enableECSManagedTags": true,
        "propagateTags": "NONE",
        "enableExecuteCommand": false,
    }))
}

fn network() -> Value {
    json!({ "awsvpcConfiguration": {
        "subnets": ["subnet-0a1b2c3d4e5f60718"],
        "securityGroups": ["sg-0a1b2c3d4e5f60718"],
        "assignPublicIp": "DISABLED",
    }})
}

/// The one deployment of a service that ECS itself rolls.
fn rolling_deployment(service: &EcsService) -> Value {
    let primary = service.primary();
    json!({
        "id": "ecs-svc/0000000000000000001",
        "status": "PRIMARY",
        "taskDefinition": primary.map(|set| set.task_definition.clone()),
        "desiredCount": service.desired,
        "pendingCount": 0,
        "runningCount": service.desired,
        "failedTasks": 0,
        "createdAt": epoch(service.created.0),
        "updatedAt": epoch(service.created.0),
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "rolloutState": "COMPLETED",
        "rolloutStateReason": "ECS deployment ecs-svc/0000000000000000001 completed.",
    })
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
        let running: i64 = services().flat_map(|each| &each.task_sets).map(|set| set.running).sum();
        found.push(json!({
            "clusterArn": cluster_arn(account, name),
            "clusterName": name,
            "status": "ACTIVE",
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": running,
            "pendingTasksCount": 0,
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

/// Each running task of a service: its identifier and the task set it belongs to.
fn tasks(service: &EcsService) -> impl Iterator<Item = (String, &TaskSet)> {
    service.task_sets.iter().flat_map(|set| {
        (0..set.running).map(move |number| {
            let hash = super::model::digest(&format!("{}/{number}", set.id));
            (hash[7..39].to_owned(), set)
        })
    })
}

fn task_arn(account: &Account, cluster: &str, id: &str) -> String {
    account.arn("ecs", &format!("task/{cluster}/{id}"))
}

fn list_tasks(account: &Account, body: Value) -> Result<Value, AwsError> {
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
        .map(|(id, _)| task_arn(account, &cluster, &id))
        .collect();
    let (arns, next) = list_page(&arns, &wanted, 100)?;
    Ok(json!({ "taskArns": arns, "nextToken": next }))
}

fn describe_tasks(account: &Account, body: Value) -> Result<Value, AwsError> {
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
            .find_map(|service| {
                let (_, set) = tasks(service).find(|(each, _)| each == id)?;
                Some((service, set))
            });
        match task {
            Some((service, set)) => found.push(describe_task(account, service, set, id)),
            None => failures.push(missing(task_arn(account, &cluster, id))),
        }
    }
    Ok(json!({ "tasks": found, "failures": failures }))
}

fn describe_task(account: &Account, service: &EcsService, set: &TaskSet, id: &str) -> Value {
    let arn = task_arn(account, &service.cluster, id);
    let definition = account.task_definition(&set.task_definition);
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
                "lastStatus": "RUNNING",
                "healthStatus": "HEALTHY",
            })
        })
        .collect();
    without_nulls(json!({
        "taskArn": arn,
        "clusterArn": cluster_arn(account, &service.cluster),
        "taskDefinitionArn": set.task_definition,
        "containers": containers,
        "createdAt": epoch(set.created.0),
        "startedAt": epoch(set.created.0),
        "startedBy": set.id,
        "group": format!("service:{}", service.name),
        "desiredStatus": "RUNNING",
        "lastStatus": "RUNNING",
        "healthStatus": "HEALTHY",
        "launchType": "FARGATE",
        "connectivity": "CONNECTED",
        "platformVersion": "1.4.0",
        "version": 3,
    }))
}
