//! What the control API puts into the account: everything that, in a real one, Terraform and
//! CI put there. Seeding twice with the same names keeps what is there and adds what is new.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::{
    api_gateway::{self, seed::SeedApi},
    codedeploy::{
        config::{DeploymentConfig, Platform, Routing},
        model::{Alarm, Alarms, AutoRollback, Group, RollbackEvent},
    },
    ecs::{
        self,
        model::{Controller, Sick},
    },
    lambda::{self, seed::SeedFunction},
    model::{
        Account, Application, At, EcsService, Finding, Image, Repository, TaskSet, TaskSetStatus, Timings, digest,
    },
    seed_elb::{self, RuleName, SeedBalancer, SeedTargetGroup},
    seed_services,
};

/// The body of `POST /aws/seed`. Every list may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Seed {
    account_id: Option<String>,
    region: Option<String>,
    timings: Option<Timings>,
    clusters: Vec<String>,
    repositories: Vec<SeedRepository>,
    images: Vec<Push>,
    target_groups: Vec<SeedTargetGroup>,
    load_balancers: Vec<SeedBalancer>,
    services: Vec<SeedService>,
    /// Task definitions whose tasks are ill, and how.
    sick: BTreeMap<String, Sick>,
    functions: Vec<SeedFunction>,
    apis: Vec<SeedApi>,
    deployment_configs: Vec<SeedConfig>,
    applications: Vec<SeedApplication>,
    /// As `POST /aws/metrics` and `POST /aws/alarms` take them.
    metrics: Vec<super::cloudwatch::PutMetric>,
    alarms: Vec<super::cloudwatch::PutAlarm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedRepository {
    name: String,
    #[serde(default)]
    immutable: bool,
    #[serde(default = "yes")]
    scan_on_push: bool,
}

/// An image to push: the body of `POST /aws/images`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Push {
    repository: String,
    #[serde(default)]
    tags: Vec<String>,
    /// What the digest is made of; the repository and tags if left out.
    content: Option<String>,
    /// Taken as it is, instead of making one of the content.
    digest: Option<String>,
    /// `null` or left out: scanned, nothing found, if the repository scans on push.
    findings: Option<Vec<Finding>>,
    /// How long ago it was pushed.
    #[serde(default)]
    minutes_ago: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeedService {
    pub name: String,
    cluster: String,
    family: String,
    image: String,
    pub container: String,
    #[serde(default = "port")]
    pub port: i64,
    #[serde(default = "two")]
    desired: i64,
    /// How long ago it was made.
    #[serde(default)]
    minutes_ago: u32,
    /// `false` is an older way to say the controller ECS.
    #[serde(default = "yes")]
    code_deploy: bool,
    controller: Option<Controller>,
    /// Names of seeded target groups: one, or for traffic to be shifted two. Not under CODE_DEPLOY.
    #[serde(default)]
    pub target_groups: Vec<String>,
    /// The rules that a deployment by ECS shifts.
    pub production: Option<RuleName>,
    pub test: Option<RuleName>,
    /// In the members of AWS's DeploymentConfiguration; under the controller ECS only.
    pub deployment_configuration: Option<serde_json::Value>,
    /// RegisterTaskDefinition's input, instead of a small one made of the members above.
    task_definition: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedConfig {
    name: String,
    #[serde(default)]
    platform: Platform,
    routing: Routing,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedApplication {
    name: String,
    /// `ECS` (as if left out) or `Lambda`.
    #[serde(default)]
    platform: Platform,
    #[serde(default)]
    groups: Vec<SeedGroup>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedGroup {
    name: String,
    /// The service in its cluster; of ECS only.
    cluster: Option<String>,
    service: Option<String>,
    /// All at once, if left out.
    config: Option<String>,
    /// `true` means all three events; a list names them; left out means none.
    #[serde(default)]
    auto_rollback: Switch,
    /// Names of CloudWatch alarms that stop a deployment.
    #[serde(default)]
    alarms: Vec<String>,
    /// Minutes to wait for ContinueDeployment before traffic moves; left out: no wait.
    ready_wait_minutes: Option<u32>,
    /// Minutes that the original task set is kept after the shift.
    #[serde(default)]
    termination_wait_minutes: u32,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Switch {
    All(bool),
    Some(Vec<RollbackEvent>),
}

impl Default for Switch {
    fn default() -> Self {
        Self::All(false)
    }
}

fn yes() -> bool {
    true
}

fn port() -> i64 {
    8080
}

fn two() -> i64 {
    2
}

/// Puts all of it into the account, or says which part makes no sense.
pub(crate) fn apply(account: &mut Account, now: Timestamp, seed: Seed) -> Result<(), String> {
    if let Some(id) = seed.account_id {
        account.id = id;
    }
    if let Some(region) = seed.region {
        account.region = region;
    }
    if let Some(timings) = seed.timings {
        account.timings = timings;
    }
    account.clusters.extend(seed.clusters);
    for repository in seed.repositories {
        account
            .repositories
            .entry(repository.name.clone())
            .or_insert_with(|| Repository {
                name: repository.name,
                created: At(now),
                immutable: repository.immutable,
                scan_on_push: repository.scan_on_push,
                images: Vec::new(),
            });
    }
    for image in seed.images {
        push(account, now, image)?;
    }
    seed_elb::apply(account, now, seed.target_groups, seed.load_balancers)?;
    for service in seed.services {
        add_service(account, now, service)?;
    }
    for (definition, sick) in seed.sick {
        seed_services::fall_sick(account, &definition, Some(sick))?;
    }
    for function in seed.functions {
        lambda::seed::add(account, now, function)?;
    }
    for api in seed.apis {
        api_gateway::seed::add(account, now, api)?;
    }
    for config in seed.deployment_configs {
        account.configs.insert(
            config.name,
            DeploymentConfig {
                platform: config.platform,
                routing: config.routing,
            },
        );
    }
    for application in seed.applications {
        add_application(account, now, application)?;
    }
    for metric in seed.metrics {
        metric.apply(&mut account.cloudwatch.metrics, now)?;
    }
    for alarm in seed.alarms {
        alarm.apply(account, now);
    }
    Ok(())
}

/// Pushes an image and returns its digest. An immutable repository refuses a tag it has.
pub(crate) fn push(account: &mut Account, now: Timestamp, push: Push) -> Result<String, String> {
    let repository = account
        .repositories
        .get_mut(&push.repository)
        .ok_or_else(|| format!("no repository `{}`", push.repository))?;
    let digest = match push.digest {
        Some(digest) => digest,
        None => digest(
            &push
                .content
                .unwrap_or_else(|| format!("{}:{}", push.repository, push.tags.join(","))),
        ),
    };
    if digest.len() != 71 || !digest.starts_with("sha256:") {
        return Err(format!("`{digest}` is no digest (sha256:<64 hex>)"));
    }
    for tag in &push.tags {
        move_tag(repository, tag, None)?;
    }
    if let Some(image) = repository.images.iter_mut().find(|image| image.digest == digest) {
        image.tags.extend(push.tags);
        return Ok(digest);
    }
    let scanned = repository.scan_on_push.then(Vec::new);
    repository.images.push(Image {
        digest: digest.clone(),
        tags: push.tags,
        pushed: At(ago(now, push.minutes_ago)),
        size: 48_000_000,
        scan: push.findings.or(scanned),
    });
    Ok(digest)
}

/// Takes a tag from the image that has it and gives it to another, if one is named.
fn move_tag(repository: &mut Repository, tag: &str, to: Option<&str>) -> Result<(), String> {
    for image in &mut repository.images {
        if image.tags.iter().any(|each| each == tag) && Some(image.digest.as_str()) != to {
            if repository.immutable {
                return Err(format!(
                    "ImageTagAlreadyExistsException: The image tag '{tag}' already exists in the '{}' repository and cannot be overwritten because the tag is immutable.",
                    repository.name
                ));
            }
            image.tags.retain(|each| each != tag);
        }
    }
    let Some(digest) = to else { return Ok(()) };
    let image = repository
        .images
        .iter_mut()
        .find(|image| image.digest == digest)
        .ok_or_else(|| format!("no image `{digest}` in `{}`", repository.name))?;
    if !image.tags.iter().any(|each| each == tag) {
        image.tags.push(tag.to_owned());
    }
    Ok(())
}

/// The body of `POST /aws/images/move-tag`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MoveTag {
    repository: String,
    tag: String,
    /// The image that gets the tag; left out: no image has it any more.
    digest: Option<String>,
}

pub(crate) fn move_tag_as_asked(account: &mut Account, asked: &MoveTag) -> Result<(), String> {
    let repository = account
        .repositories
        .get_mut(&asked.repository)
        .ok_or_else(|| format!("no repository `{}`", asked.repository))?;
    move_tag(repository, &asked.tag, asked.digest.as_deref())
}

pub(crate) fn ago(now: Timestamp, minutes: u32) -> Timestamp {
    now.saturating_sub(SignedDuration::from_mins(minutes.into()))
        .unwrap_or(now)
}

fn add_service(account: &mut Account, now: Timestamp, seed: SeedService) -> Result<(), String> {
    let now = ago(now, seed.minutes_ago);
    account.clusters.insert(seed.cluster.clone());
    if account.service(&seed.cluster, &seed.name).is_some() {
        return Ok(());
    }
    let definition = seed.task_definition.clone().unwrap_or_else(|| {
        json!({
            "family": seed.family,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "512",
            "memory": "1024",
            "executionRoleArn": format!("arn:aws:iam::{}:role/ecs-execution", account.id),
            "taskRoleArn": format!("arn:aws:iam::{}:role/{}", account.id, seed.name),
            "containerDefinitions": [{
                "name": seed.container,
                "image": seed.image,
                "essential": true,
                "portMappings": [{ "containerPort": seed.port }],
                "environment": [{ "name": "SERVICE", "value": seed.name }],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": format!("/ecs/{}", seed.name),
                        "awslogs-region": account.region,
                        "awslogs-stream-prefix": "app",
                    },
                },
            }],
        })
    });
    let registered =
        ecs::register(account, now, definition).map_err(|error| format!("service `{}`: {}", seed.name, error.code))?;
    let arn = registered["taskDefinition"]["taskDefinitionArn"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let controller = match (seed.controller, seed.code_deploy) {
        (Some(controller), _) => controller,
        (None, true) => Controller::CodeDeploy,
        (None, false) => Controller::Ecs,
    };
    let managed = seed_services::managed(account, controller, &seed)?;
    let id = account.task_set_id();
    account.services.push(EcsService {
        target_groups: [
            format!("{}-{}-a", seed.cluster, seed.name),
            format!("{}-{}-b", seed.cluster, seed.name),
        ],
        name: seed.name,
        cluster: seed.cluster,
        created: At(now),
        desired: seed.desired,
        container: seed.container,
        port: seed.port,
        controller,
        managed,
        task_sets: vec![TaskSet {
            id: id.clone(),
            task_definition: arn.clone(),
            external_id: None,
            status: TaskSetStatus::Primary,
            scale: 100.0,
            running: seed.desired,
            created: At(now),
            updated: At(now),
            gone: None,
            target_group: 0,
            traffic: 100.0,
        }],
    });
    seed_services::set_up(account, controller, At(now), id, arn);
    Ok(())
}

fn add_application(account: &mut Account, now: Timestamp, seed: SeedApplication) -> Result<(), String> {
    let id = account.uuid();
    account
        .applications
        .entry(seed.name.clone())
        .or_insert_with(|| Application {
            id,
            name: seed.name.clone(),
            created: At(now),
            platform: seed.platform,
        });
    for group in seed.groups {
        if account.group(&seed.name, &group.name).is_some() {
            continue;
        }
        let (cluster, service) = (group.cluster.unwrap_or_default(), group.service.unwrap_or_default());
        match seed.platform {
            Platform::Lambda if !cluster.is_empty() || !service.is_empty() => {
                return Err(format!(
                    "group `{}`: leave out `cluster` and `service`, its application is for Lambda",
                    group.name
                ));
            }
            Platform::Ecs if account.service(&cluster, &service).is_none() => {
                return Err(format!(
                    "group `{}`: no service `{service}` in cluster `{cluster}`",
                    group.name
                ));
            }
            _ => {}
        }
        let config = group
            .config
            .unwrap_or_else(|| format!("CodeDeployDefault.{}AllAtOnce", seed.platform.name()));
        if account.configs.get(&config).map(|config| config.platform) != Some(seed.platform) {
            return Err(format!(
                "group `{}`: no deployment configuration `{config}` for {}",
                group.name,
                seed.platform.name()
            ));
        }
        let events = match group.auto_rollback {
            Switch::All(false) => Vec::new(),
            Switch::All(true) => vec![
                RollbackEvent::Failure,
                RollbackEvent::StopOnAlarm,
                RollbackEvent::StopOnRequest,
            ],
            Switch::Some(events) => events,
        };
        let id = account.uuid();
        account.groups.push(Group {
            application: seed.name.clone(),
            name: group.name,
            id,
            config,
            platform: seed.platform,
            auto_rollback: AutoRollback {
                enabled: !events.is_empty(),
                events,
            },
            alarms: Alarms {
                enabled: !group.alarms.is_empty(),
                ignore_poll_alarm_failure: false,
                alarms: group.alarms.into_iter().map(|name| Alarm { name }).collect(),
            },
            cluster,
            service,
            ready_wait_minutes: group.ready_wait_minutes,
            termination_wait_minutes: group.termination_wait_minutes,
            planned: Vec::new(),
        });
    }
    Ok(())
}
