//! What is known of a deployment that the cloud carries out: every call intended, and everything observed.

use super::{RollbackCause, Watch};
use crate::{
    catalog::Engine,
    health::Course,
    id::{ApprovalId, BreakGlassId, OperationId},
    name::PersonRef,
    revision::Revision,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a deployment may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Authority {
    /// Enough people approved this revision.
    Quorum { approvals: Vec<ApprovalId> },
    /// The policy asks nobody.
    Automatic,
    /// A person went back to an earlier release, with a reason.
    Rollback { by: PersonRef, reason: String },
    /// A person broke the glass and answers for it; see [`super::Waivers::glass`].
    BreakGlass { id: BreakGlassId, by: PersonRef },
}

/// One run at the cloud. Has one operation id, which the cloud deployment carries in its description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub revision: Revision,
    pub authority: Authority,
    /// Where it is carried out, as approved: a configuration that changes meanwhile does not lead it elsewhere.
    pub engine: Engine,
    pub operation: OperationId,
    pub started_at: Timestamp,
    /// No cloud deployment is asked for from then on (R4). `None`: nobody had to approve.
    pub start_before: Option<Timestamp>,
    /// Stopped and rolled back when it still runs then.
    pub deadline: Timestamp,
    /// Every mutating call, oldest first: intended before it is made, concluded after (design: side effects exactly once).
    pub calls: Vec<Call>,
    /// What was made to run: ARN of the task definition, or the function's version.
    pub task_definition: Option<String>,
    /// Id of the cloud deployment: what the last of [`crate::catalog::Script::make`] made.
    pub cloud_deployment: Option<String>,
    /// As last observed.
    pub progress: Option<Progress>,
    pub stop: Option<StopRequest>,
    /// Traffic is to stay where it is until people say.
    #[serde(default)]
    pub hold: Option<Hold>,
    /// Rules whose hold a person answered with "continue": they do not hold this deployment again.
    #[serde(default)]
    pub waived: Vec<String>,
    /// When the new version began to take traffic, and when it had all of it, as far as was seen.
    #[serde(default)]
    pub course: Option<Course>,
    /// `None`: AWS alone watches.
    #[serde(default)]
    pub watch: Option<Watch>,
    /// What people were warned of, each once.
    pub concerns: Vec<Concern>,
}

/// People are to look before it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Name of the rule that holds.
    pub rule: String,
    /// What it saw, in words.
    pub why: String,
    pub since: Timestamp,
    /// What happens then, if nobody has answered: [`Hold::unanswered`].
    pub until: Timestamp,
    pub unanswered: Unanswered,
}

/// The answer to a hold that nobody gave one to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unanswered {
    #[default]
    RollBack,
    Continue,
}

/// What people are warned of while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// It should end, and the cloud cannot be read.
    Unseen,
    /// Its rollback takes longer than any should.
    RollbackOverdue,
    /// A call that it cannot go on without is refused, again and again.
    Stuck,
}

/// Somebody or something wants it gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    #[serde(flatten)]
    pub cause: RollbackCause,
    pub at: Timestamp,
}

/// A mutating call at the cloud. Which engine makes which, and when: [`crate::catalog::Script`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// ECS: the running task definition with only the image changed.
    RegisterTaskDefinition,
    /// Lambda: the new image into `$LATEST`.
    UpdateFunctionCode,
    /// Lambda: `$LATEST` becomes a version.
    PublishVersion,
    /// API Gateway: a snapshot of the API, for a stage to point to.
    CreateApiDeployment,
    /// CodeDeploy.
    CreateDeployment,
    /// ECS with the EXTERNAL controller.
    CreateTaskSet,
    /// ECS's own deployment.
    UpdateService,
    /// Driven engines: this share on the new version, in percent.
    ShiftTraffic {
        percent: u8,
    },
    /// API Gateway: the stage points to the new snapshot.
    SwapStage,
    /// ECS: the new task set is the service's primary one.
    PromoteTaskSet,
    DeleteOldTaskSet,
    /// The cloud waits for a yes (CodeDeploy's ready wait, a pause hook of ECS).
    ContinueDeployment,
    /// Engines led by the cloud: stop, and let it roll back.
    StopDeployment,
    /// Driven engines: all traffic on the old version.
    ShiftBack,
    /// API Gateway: the stage points to the old snapshot again.
    SwapStageBack,
    DeleteNewTaskSet,
    /// The cloud had finished: a new cloud deployment of what ran before.
    Revert,
}

impl CallKind {
    /// As it is logged: AWS's operation, or what it is for where that depends on the engine.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RegisterTaskDefinition => "RegisterTaskDefinition",
            Self::UpdateFunctionCode => "UpdateFunctionCode",
            Self::PublishVersion => "PublishVersion",
            Self::CreateApiDeployment => "CreateApiDeployment",
            Self::CreateDeployment => "CreateDeployment",
            Self::CreateTaskSet => "CreateTaskSet",
            Self::UpdateService => "UpdateService",
            Self::ShiftTraffic { .. } => "ShiftTraffic",
            Self::SwapStage => "SwapStage",
            Self::PromoteTaskSet => "PromoteTaskSet",
            Self::DeleteOldTaskSet => "DeleteOldTaskSet",
            Self::ContinueDeployment => "ContinueDeployment",
            Self::StopDeployment => "StopDeployment",
            Self::ShiftBack => "ShiftBack",
            Self::SwapStageBack => "SwapStageBack",
            Self::DeleteNewTaskSet => "DeleteNewTaskSet",
            Self::Revert => "Revert",
        }
    }

    /// Whether a second one, made because the first one's answer was lost, would do what the first is doing already. All
    /// others set what they set, or are recognised by a token.
    pub const fn doubles(self) -> bool {
        matches!(self, Self::CreateDeployment | Self::CreateApiDeployment | Self::Revert)
    }

    /// Whether it moves traffic towards the new version, or makes the cloud do so.
    pub const fn exposes(self) -> bool {
        matches!(
            self,
            Self::CreateDeployment
                | Self::UpdateService
                | Self::ShiftTraffic { .. }
                | Self::SwapStage
                | Self::ContinueDeployment
        )
    }

    /// Settled by what is seen of the deployment, and not looked for.
    pub const fn settled_by_sight(self) -> bool {
        matches!(self, Self::StopDeployment)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub kind: CallKind,
    pub intended_at: Timestamp,
    /// Fencing epoch of the lease under which it was intended.
    pub epoch: i64,
    pub outcome: Outcome,
}

/// How a call ended, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Intended; whether the cloud got it is not known yet.
    Open,
    /// It took effect. `id`: what it made (an ARN, a deployment id).
    Done { id: String, at: Timestamp },
    /// The cloud refused it. `retry`: the same call may succeed later (throttled, lane at AWS taken).
    Refused {
        code: String,
        message: String,
        retry: bool,
        at: Timestamp,
    },
    /// Looked for and not found after the settling window: it never took effect.
    NothingHappened { at: Timestamp },
    /// The cloud could not be read. Only of a call that does no harm when it is made twice: a stop.
    Unclear { at: Timestamp },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloudStatus {
    Created,
    Queued,
    InProgress,
    Baking,
    Ready,
    Succeeded,
    Failed,
    Stopped,
    /// A word the cloud never used before. Not terminal (R13).
    Unknown(String),
}

impl CloudStatus {
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Stopped)
    }
}

impl fmt::Display for CloudStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Queued => "queued",
            Self::InProgress => "in progress",
            Self::Baking => "baking",
            Self::Ready => "ready",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Unknown(word) => word,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleStatus {
    Pending,
    InProgress,
    Succeeded,
    Failed,
    Skipped,
    Unknown(String),
}

/// A step of the cloud deployment's own life, such as `AllowTraffic`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleEvent {
    pub name: String,
    pub status: LifecycleStatus,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub message: Option<String>,
}

/// What the cloud said of one of its deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub status: CloudStatus,
    /// Share of traffic on that deployment's new version, in percent.
    pub traffic: Option<u8>,
    pub lifecycle: Vec<LifecycleEvent>,
    /// The cloud's code and message of what went wrong.
    pub error: Option<super::Failure>,
    /// Id of the deployment that rolls this one back.
    pub rollback: Option<String>,
    /// The cloud's words about that rollback.
    pub rollback_message: Option<String>,
    /// When this was first seen; unchanged while nothing else changes.
    pub seen_at: Timestamp,
}

impl Progress {
    /// Whether anything but the time of seeing differs.
    pub fn differs(&self, other: &Self) -> bool {
        Self {
            seen_at: other.seen_at,
            ..self.clone()
        } != *other
    }
}

/// The deployment and, where there is one, its rollback, as read in one go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    pub deployment: Progress,
    pub rollback: Option<Progress>,
}

impl Run {
    /// The newest call of a kind.
    pub fn last(&self, kind: CallKind) -> Option<&Call> {
        self.calls.iter().rev().find(|call| call.kind == kind)
    }

    /// How many calls of a kind were made or tried.
    pub fn attempts(&self, kind: CallKind) -> usize {
        self.calls.iter().filter(|call| call.kind == kind).count()
    }

    /// The call whose outcome is not known. There is at most one.
    pub fn open_call(&self) -> Option<&Call> {
        self.calls.iter().find(|call| call.outcome == Outcome::Open)
    }

    /// What the call made that took effect.
    pub fn made(&self, kind: CallKind) -> Option<&str> {
        self.effects(kind).map(|(id, _)| id).next_back()
    }

    /// When a call of this kind took effect last.
    pub fn done_at(&self, kind: CallKind) -> Option<Timestamp> {
        self.effects(kind).map(|(_, at)| at).next_back()
    }

    fn effects(&self, kind: CallKind) -> impl DoubleEndedIterator<Item = (&str, Timestamp)> {
        self.calls.iter().filter_map(move |call| match &call.outcome {
            Outcome::Done { id, at } if call.kind == kind => Some((id.as_str(), *at)),
            _ => None,
        })
    }

    /// The next of these calls that has not taken effect yet.
    pub fn next_of(&self, calls: &[CallKind]) -> Option<CallKind> {
        calls.iter().copied().find(|kind| self.made(*kind).is_none())
    }

    /// Whether what ran before is being taken away: then there is nothing at hand to go back to.
    pub fn is_finishing(&self) -> bool {
        let finish = self.engine.script().finish;
        self.calls.iter().any(|call| {
            finish.contains(&call.kind)
                && !matches!(call.outcome, Outcome::Refused { .. } | Outcome::NothingHappened { .. })
        })
    }

    /// Whether the cloud may have been asked to bring traffic to the new version, as far as is known.
    pub fn may_have_exposed(&self) -> bool {
        self.calls.iter().any(|call| {
            call.kind.exposes() && !matches!(call.outcome, Outcome::Refused { .. } | Outcome::NothingHappened { .. })
        })
    }
}
