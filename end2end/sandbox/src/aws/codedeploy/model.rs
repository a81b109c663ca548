//! Deployment groups and deployments as they are kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::{Platform, Routing};
use crate::aws::model::At;

/// The lifecycle events of an ECS deployment, in order.
pub(crate) const EVENTS: [&str; 8] = [
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
];
/// The lifecycle events of a Lambda deployment, in order.
pub(crate) const LAMBDA_EVENTS: [&str; 3] = ["BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"];
pub(crate) const INSTALL: &str = "Install";
pub(crate) const BEFORE_ALLOW_TRAFFIC: &str = "BeforeAllowTraffic";
pub(crate) const ALLOW_TRAFFIC: &str = "AllowTraffic";

/// The lifecycle events of a platform's deployments.
pub(crate) fn events_of(platform: Platform) -> &'static [&'static str] {
    match platform {
        Platform::Lambda => &LAMBDA_EVENTS,
        Platform::Ecs | Platform::Server => &EVENTS,
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Group {
    pub application: String,
    pub name: String,
    pub id: String,
    pub config: String,
    pub auto_rollback: AutoRollback,
    pub alarms: Alarms,
    pub platform: Platform,
    /// Empty for Lambda, whose functions are named by each AppSpec.
    pub cluster: String,
    pub service: String,
    /// `None` continues at once; minutes after which a deployment that waits is stopped.
    pub ready_wait_minutes: Option<u32>,
    /// Minutes between the end of the shift and the end of the original task set.
    pub termination_wait_minutes: u32,
    /// What befalls the next deployments of this group, first come first served.
    #[serde(skip)]
    pub planned: Vec<PlannedFailure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlannedFailure {
    pub event: String,
    pub message: Option<String>,
    /// Applies to rollback deployments rather than to those asked for.
    pub of_rollback: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AutoRollback {
    #[serde(default)]
    pub enabled: bool,
    #[serde(default)]
    pub events: Vec<RollbackEvent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RollbackEvent {
    #[serde(rename = "DEPLOYMENT_FAILURE")]
    Failure,
    #[serde(rename = "DEPLOYMENT_STOP_ON_ALARM")]
    StopOnAlarm,
    #[serde(rename = "DEPLOYMENT_STOP_ON_REQUEST")]
    StopOnRequest,
}

impl AutoRollback {
    pub(crate) fn on(&self, event: RollbackEvent) -> bool {
        self.enabled && self.events.contains(&event)
    }
}

/// AlarmConfiguration, in the members of its shape.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alarms {
    #[serde(default)]
    pub enabled: bool,
    #[serde(default)]
    pub ignore_poll_alarm_failure: bool,
    #[serde(default)]
    pub alarms: Vec<Alarm>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alarm {
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Created,
    Queued,
    InProgress,
    Baking,
    Ready,
    Succeeded,
    Failed,
    Stopped,
}

impl Status {
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Stopped)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum EventStatus {
    Pending,
    InProgress,
    Succeeded,
    Failed,
    Skipped,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Event {
    pub status: EventStatus,
    pub started: Option<At>,
    pub ended: Option<At>,
    /// What the event's diagnostics say when it failed.
    pub message: Option<String>,
}

/// Where a deployment stands and what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) enum Stage {
    Created,
    Queued,
    /// In the event with this index; for AllowTraffic, with this many steps taken.
    Event {
        index: usize,
        steps: usize,
    },
    /// Ready: waits for ContinueDeployment, or to be stopped.
    Ready,
    /// All traffic is on the replacement; the original waits to be terminated.
    Termination,
    Ended,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ErrorInformation {
    pub code: &'static str,
    pub message: String,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RollbackInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_deployment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_triggering_deployment_id: Option<String>,
    pub rollback_message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Creator {
    User,
    CodeDeployRollback,
}

/// What the AppSpec file of a deployment says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum AppSpec {
    Ecs(EcsSpec),
    Lambda(LambdaSpec),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LambdaSpec {
    pub function: String,
    pub alias: String,
    pub current_version: String,
    pub target_version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EcsSpec {
    pub task_definition: String,
    pub container: String,
    pub port: i64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Deployment {
    pub id: String,
    pub application: String,
    pub group: String,
    pub cluster: String,
    pub service: String,
    pub config: String,
    #[serde(skip)]
    pub routing: Routing,
    pub description: Option<String>,
    pub creator: Creator,
    pub external_id: Option<String>,
    pub revision: Value,
    pub previous_revision: Option<Value>,
    pub app_spec: AppSpec,
    pub auto_rollback: AutoRollback,
    /// Whether the request carried its own, rather than taking the group's.
    pub override_alarms: Option<Alarms>,
    pub alarms: Alarms,
    pub ready_wait_minutes: Option<u32>,
    pub termination_wait_minutes: u32,

    pub created: At,
    pub started: Option<At>,
    pub completed: Option<At>,
    pub status: Status,
    pub stage: Stage,
    /// When `stage` was entered.
    pub since: At,
    /// As many as its platform has.
    pub events: Vec<Event>,
    pub error: Option<ErrorInformation>,
    pub rollback: Option<RollbackInfo>,
    /// The task set that held the traffic when this deployment began.
    pub original_task_set: Option<String>,
    pub replacement_task_set: Option<String>,
    /// Share of the traffic on the target version of a Lambda deployment, from 0 to 1.
    pub target_weight: f64,
    /// Its task sets as they were when it ended.
    pub task_sets_at_end: Option<Value>,

    /// Asked to stop: when it takes effect and whether to roll back.
    pub stopping: Option<(At, bool)>,
    pub planned_failure: Option<PlannedFailure>,
    /// Not to be seen by reads before this time.
    pub visible_from: Option<At>,
    /// Shown in place of `status`.
    pub shown_status: Option<String>,
    pub updated: At,
}

impl Deployment {
    pub(crate) fn is_rollback(&self) -> bool {
        self.creator == Creator::CodeDeployRollback
    }

    pub(crate) fn visible(&self, now: At) -> bool {
        self.visible_from.is_none_or(|from| from <= now)
    }

    pub(crate) fn target_id(&self) -> String {
        match &self.app_spec {
            AppSpec::Ecs(_) => format!("{}:{}", self.cluster, self.service),
            AppSpec::Lambda(spec) => format!("{}:{}", spec.function, spec.alias),
        }
    }

    pub(crate) fn platform(&self) -> Platform {
        match &self.app_spec {
            AppSpec::Ecs(_) => Platform::Ecs,
            AppSpec::Lambda(_) => Platform::Lambda,
        }
    }

    /// The names of its lifecycle events, in order.
    pub(crate) fn event_names(&self) -> &'static [&'static str] {
        events_of(self.platform())
    }

    /// The event that it is in, if it is in one.
    pub(crate) fn current_event(&self) -> Option<&'static str> {
        match self.stage {
            Stage::Event { index, .. } => self.event_names().get(index).copied(),
            _ => None,
        }
    }
}
