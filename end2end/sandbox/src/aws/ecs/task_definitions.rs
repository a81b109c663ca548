//! Task definitions: families of numbered revisions that never change.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::invalid;
use crate::aws::{
    model::{Account, At, TaskDefinition},
    protocol::{AwsError, epoch, input, page, without_nulls},
};

/// Members of the request that the answer repeats.
const KEPT: [&str; 17] = [
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "inferenceAccelerators",
    "ephemeralStorage",
    "runtimePlatform",
    "enableFaultInjection",
    "trustedExecutionConfiguration",
];

fn client(reason: impl Into<String>) -> AwsError {
    AwsError::new("ClientException", reason)
}

/// Keeps a new revision of the family.
pub(crate) fn register(account: &mut Account, now: Timestamp, body: Value) -> Result<Value, AwsError> {
    let family = body["family"]
        .as_str()
        .filter(|family| !family.is_empty())
        .ok_or_else(|| client("Family should not be null or empty."))?
        .to_owned();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if family.len() > 255 || !family.bytes().all(allowed) {
        return Err(client(
            "Family contains invalid characters. Up to 255 letters, numbers, hyphens, and underscores are allowed.",
        ));
    }
    check_containers(&body)?;
    let tags = if body["tags"].is_null() {
        json!([])
    } else {
        body["tags"].clone()
    };
    let mut kept = Map::new();
    for name in KEPT {
        if let Some(value) = body.get(name) {
            kept.insert(name.to_owned(), value.clone());
        }
    }
    let revisions = account.task_definitions.get(&family).map_or(0, Vec::len);
    let revision = i64::try_from(revisions + 1).unwrap_or(i64::MAX);
    let definition = TaskDefinition {
        arn: account.arn("ecs", &format!("task-definition/{family}:{revision}")),
        family: family.clone(),
        revision,
        registered: At(now),
        body: with_defaults(kept),
        tags,
    };
    let mut answer = json!({ "taskDefinition": view(account, &definition) });
    if definition.tags.as_array().is_some_and(|tags| !tags.is_empty()) {
        answer["tags"] = definition.tags.clone();
    }
    account.task_definitions.entry(family).or_default().push(definition);
    Ok(answer)
}

fn check_containers(body: &Value) -> Result<(), AwsError> {
    let containers = body["containerDefinitions"]
        .as_array()
        .filter(|containers| !containers.is_empty())
        .ok_or_else(|| client("Container list cannot be empty."))?;
    for container in containers {
        let name = container["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            return Err(client("Container.name should not be null or empty."));
        }
        if container["image"].as_str().unwrap_or_default().is_empty() {
            return Err(client("Container.image should not be null or empty."));
        }
    }
    let fargate = body["requiresCompatibilities"]
        .as_array()
        .is_some_and(|list| list.iter().any(|each| each == "FARGATE"));
    if fargate {
        if body["networkMode"] != "awsvpc" {
            return Err(client("Fargate only supports network mode ‘awsvpc’."));
        }
        if body["cpu"].is_null() || body["memory"].is_null() {
            return Err(client("Fargate requires that 'cpu' be defined at the task level."));
        }
    }
    if let Some(tags) = body["tags"].as_array()
        && tags.len() > 50
    {
        return Err(invalid("The number of tags exceeds the limit of 50."));
    }
    Ok(())
}

/// ECS fills in the empty lists and the defaults of each container.
fn with_defaults(mut body: Map<String, Value>) -> Value {
    for list in ["volumes", "placementConstraints"] {
        body.entry(list).or_insert_with(|| json!([]));
    }
    if let Some(containers) = body.get_mut("containerDefinitions").and_then(Value::as_array_mut) {
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            for list in [
                "portMappings",
                "environment",
                "mountPoints",
                "volumesFrom",
                "systemControls",
            ] {
                container.entry(list).or_insert_with(|| json!([]));
            }
            container.entry("essential").or_insert(json!(true));
            container.entry("cpu").or_insert(json!(0));
            if let Some(ports) = container.get_mut("portMappings").and_then(Value::as_array_mut) {
                for port in ports.iter_mut().filter_map(Value::as_object_mut) {
                    let number = port.get("containerPort").cloned().unwrap_or_default();
                    if !number.is_null() {
                        port.entry("hostPort").or_insert(number);
                    }
                    port.entry("protocol").or_insert(json!("tcp"));
                }
            }
        }
    }
    Value::Object(body)
}

fn view(account: &Account, definition: &TaskDefinition) -> Value {
    let mut view = definition.body.clone();
    view["taskDefinitionArn"] = json!(definition.arn);
    view["family"] = json!(definition.family);
    view["revision"] = json!(definition.revision);
    view["status"] = json!("ACTIVE");
    view["compatibilities"] = json!(["EC2", "FARGATE"]);
    view["requiresAttributes"] = json!([]);
    view["registeredAt"] = epoch(definition.registered.0);
    view["registeredBy"] = json!(format!("arn:aws:iam::{}:user/deployer", account.id));
    without_nulls(view)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeInput {
    task_definition: Option<String>,
    #[serde(default)]
    include: Vec<String>,
}

pub(crate) fn describe(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: DescribeInput = input(body)?;
    let name = wanted
        .task_definition
        .ok_or_else(|| client("Task definition cannot be empty."))?;
    let definition = account
        .task_definition(&name)
        .ok_or_else(|| client("Unable to describe task definition."))?;
    let mut answer = json!({ "taskDefinition": view(account, definition) });
    if wanted.include.iter().any(|each| each == "TAGS") {
        answer["tags"] = definition.tags.clone();
    }
    Ok(answer)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListInput {
    family_prefix: Option<String>,
    status: Option<String>,
    sort: Option<String>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

/// `familyPrefix` is, despite its name, the whole name of a family.
pub(crate) fn list(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ListInput = input(body)?;
    let inactive = wanted.status.as_deref().is_some_and(|status| status != "ACTIVE");
    let mut arns: Vec<&String> = account
        .task_definitions
        .iter()
        .filter(|(family, _)| !inactive && wanted.family_prefix.as_ref().is_none_or(|prefix| *family == prefix))
        .flat_map(|(_, revisions)| revisions)
        .map(|definition| &definition.arn)
        .collect();
    match wanted.sort.as_deref() {
        None | Some("ASC") => {}
        Some("DESC") => arns.reverse(),
        Some(other) => return Err(invalid(format!("Invalid sort order {other}."))),
    }
    let size = wanted.max_results.unwrap_or(100);
    if !(1..=100).contains(&size) {
        return Err(invalid("Invalid maxResults. It must be between 1 and 100."));
    }
    let (arns, next) = page(&arns, wanted.next_token.as_deref(), size).ok_or_else(|| invalid("Invalid token"))?;
    Ok(json!({ "taskDefinitionArns": arns, "nextToken": next }))
}
