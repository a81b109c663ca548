//! What the cloud was asked for and what it said: the revision, its preparation, the run.

use super::{Gate, Person, checks::VerificationShape, detail::FailureShape};
use serde::{Deserialize, Serialize};
use tidegate_domain::{
    Revision, Timestamp,
    deployment::{self, RollbackCause},
};
use utoipa::ToSchema;

/// What an approval is bound to: change any of it, and the approval is void.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevisionShape {
    digest: String,
    /// Hash of the task definition and AppSpec.
    task_definition: String,
    /// How traffic moves, in words.
    traffic: String,
    health_definition: String,
    /// Version of the policy.
    policy: String,
    /// Version of what has to be passed; `none` where nothing has.
    verification: String,
    /// What the gates said.
    gates: Vec<Gate>,
    /// What would be returned to.
    rollback_target: String,
}

impl From<&Revision> for RevisionShape {
    fn from(revision: &Revision) -> Self {
        Self {
            digest: revision.digest.to_string(),
            task_definition: revision.task_definition.clone(),
            traffic: revision.traffic.to_string(),
            health_definition: revision.health_definition.clone(),
            policy: revision.policy.clone(),
            verification: revision.verification.clone(),
            gates: revision.gates.iter().map(Gate::from).collect(),
            rollback_target: revision.rollback_target.clone(),
        }
    }
}

/// One difference between what runs and what would.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeShape {
    what: String,
    from: String,
    to: String,
}

/// What runs now and what would replace it, as last read from the cloud.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Preparation {
    #[schema(format = "date-time")]
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    running_task_definition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    running_image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    running_digest: Option<String>,
    changes: Vec<ChangeShape>,
    /// Whether the registry forbids moving a tag.
    immutable_tags: bool,
}

impl From<&deployment::Preparation> for Preparation {
    fn from(preparation: &deployment::Preparation) -> Self {
        Self {
            at: preparation.at.to_string(),
            running_task_definition: preparation.running_task_definition.clone(),
            running_image: preparation.running_image.clone(),
            running_digest: preparation.running_digest.as_ref().map(ToString::to_string),
            changes: preparation
                .changes
                .iter()
                .map(|change| ChangeShape {
                    what: change.what.clone(),
                    from: change.from.clone(),
                    to: change.to.clone(),
                })
                .collect(),
            immutable_tags: preparation.immutable_tags,
        }
    }
}

/// A call that changes something at the cloud: intended before it is made, concluded after.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallShape {
    #[schema(example = "CreateDeployment")]
    call: &'static str,
    #[schema(format = "date-time")]
    intended_at: String,
    /// Fencing epoch of the lease under which it was made.
    epoch: i64,
    #[serde(flatten)]
    ended: OutcomeShape,
}

/// How it ended, as far as is known.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
struct OutcomeShape {
    /// `open`, `done`, `refused`, `nothing_happened` or `unclear`.
    outcome: String,
    /// What it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Whether the same call may succeed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "date-time")]
    at: Option<Timestamp>,
}

impl From<&deployment::Call> for CallShape {
    fn from(call: &deployment::Call) -> Self {
        let ended = serde_json::to_value(&call.outcome).and_then(serde_json::from_value);
        Self {
            call: call.kind.name(),
            intended_at: call.intended_at.to_string(),
            epoch: call.epoch,
            // As it is stored; the words are those of the domain.
            ended: ended.unwrap_or_default(),
        }
    }
}

/// A step of the cloud deployment's own life.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LifecycleShape {
    #[schema(example = "AllowTraffic")]
    name: String,
    /// `pending`, `in_progress`, `succeeded`, `failed`, `skipped`, or AWS's own word.
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Someone asked to stop it and go back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StopShape {
    /// `person`, `rule`, `smoke`, `hold`, `cloud`.
    cause: &'static str,
    by: Option<Person>,
    reason: String,
    #[schema(format = "date-time")]
    at: String,
}

/// How the cloud carries it out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunShape {
    /// In the description of the cloud deployment.
    #[schema(format = "uuid")]
    operation: String,
    #[schema(format = "date-time")]
    started_at: String,
    /// Stopped and rolled back when it still runs then.
    #[schema(format = "date-time")]
    deadline: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_definition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_deployment: Option<String>,
    /// In AWS's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    seen_at: Option<String>,
    lifecycle: Vec<LifecycleShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FailureShape>,
    calls: Vec<CallShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<StopShape>,
    /// Left out: nothing has to be passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<VerificationShape>,
}

impl From<&deployment::Run> for RunShape {
    fn from(run: &deployment::Run) -> Self {
        let progress = run.progress.as_ref();
        Self {
            operation: run.operation.to_string(),
            started_at: run.started_at.to_string(),
            deadline: run.deadline.to_string(),
            task_definition: run.task_definition.clone(),
            cloud_deployment: run.cloud_deployment.clone(),
            status: progress.map(|progress| progress.status.to_string()),
            seen_at: progress.map(|progress| progress.seen_at.to_string()),
            lifecycle: progress
                .into_iter()
                .flat_map(|progress| &progress.lifecycle)
                .map(LifecycleShape::from)
                .collect(),
            error: progress
                .and_then(|progress| progress.error.as_ref())
                .map(FailureShape::from),
            calls: run.calls.iter().map(CallShape::from).collect(),
            stop: run.stop.as_ref().map(|stop| StopShape {
                cause: stop.cause.name(),
                by: match &stop.cause {
                    RollbackCause::Person { by, .. } => Some(by.into()),
                    _ => None,
                },
                reason: match &stop.cause {
                    RollbackCause::Person { reason, .. } => reason.clone(),
                    other => other.words(),
                },
                at: stop.at.to_string(),
            }),
            verification: VerificationShape::of(run),
        }
    }
}

impl From<&deployment::LifecycleEvent> for LifecycleShape {
    fn from(event: &deployment::LifecycleEvent) -> Self {
        use deployment::LifecycleStatus::{Failed, InProgress, Pending, Skipped, Succeeded, Unknown};
        Self {
            name: event.name.clone(),
            status: match &event.status {
                Pending => "pending",
                InProgress => "in_progress",
                Succeeded => "succeeded",
                Failed => "failed",
                Skipped => "skipped",
                Unknown(word) => word,
            }
            .to_owned(),
            started_at: event.started_at.map(|at| at.to_string()),
            ended_at: event.ended_at.map(|at| at.to_string()),
            message: event.message.clone(),
        }
    }
}
