//! What is known of a deployment that the cloud carries out: every call intended, and everything observed.

use crate::{
    catalog::Engine,
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
    /// ARN of the task definition registered for this run.
    pub task_definition: Option<String>,
    /// Id of the cloud deployment.
    pub cloud_deployment: Option<String>,
    /// As last observed.
    pub progress: Option<Progress>,
    pub stop: Option<StopRequest>,
    /// What people were warned of, each once.
    pub concerns: Vec<Concern>,
}

/// What people are warned of while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// It should end, and the cloud cannot be read.
    Unseen,
    /// Its rollback takes longer than any should.
    RollbackOverdue,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    pub by: PersonRef,
    pub reason: String,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    RegisterTaskDefinition,
    CreateDeployment,
    StopDeployment,
}

impl CallKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::RegisterTaskDefinition => "RegisterTaskDefinition",
            Self::CreateDeployment => "CreateDeployment",
            Self::StopDeployment => "StopDeployment",
        }
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
}
