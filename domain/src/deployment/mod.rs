//! A deployment: one attempt to bring a release to a target, from the request to one of its terminal states.
//!
//! [`State`] is an enum whose variants carry their evidence, so that a running deployment without the authority to run
//! cannot be written down. [`Deployment::apply`] is the only way from one state to the next; it returns the new
//! deployment with its audit events, or says why not. Terminal states never change (R13).

mod authority;
mod due;
mod overriding;
mod recovery;
mod run;
mod transition;
mod watch;

#[cfg(test)]
pub(crate) mod tests;

pub use authority::{Ballot, MEMBERSHIP_FRESH_MILLIS, StartEvidence};
pub(crate) use due::may_abort;
pub use overriding::{Exemption, Waivers};
pub use recovery::{
    CALL_WITHIN_MILLIS, CONFIRMED_AT_MOST_MILLIS, CONFIRMED_WITHIN_MILLIS, FailureClass, RollbackTiming, plain_words,
};
pub use run::{
    Authority, Call, CallKind, CloudStatus, Concern, Hold, LifecycleEvent, LifecycleStatus, Observation, Outcome,
    Progress, Run, StopRequest, Unanswered,
};
pub use transition::{Applied, InvalidTransition, Refusal, Transition};
pub use watch::{Finding, Judgement, Watch};

use crate::{
    access::Actor,
    approval::Approval,
    id::{DeploymentId, ReleaseId},
    name::{Digest, EnvironmentName, PersonRef, ServiceName},
    revision::{Change, Revision},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    pub id: DeploymentId,
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub release: ReleaseId,
    /// Pinned when the release was registered; what is approved and what is deployed.
    pub digest: Digest,
    /// [`crate::Release::label`], kept for lists.
    pub label: String,
    /// [`crate::Release::title`] as it was when this was requested, kept for lists.
    pub title: Option<String>,
    pub kind: Kind,
    pub requested_by: Actor,
    pub requested_at: Timestamp,
    pub reason: Option<String>,
    /// All that were ever given, the void ones too.
    pub approvals: Vec<Approval>,
    /// What the cloud would be asked for, as last read.
    pub preparation: Option<Preparation>,
    /// What people let it past: freezes, and checks in an incident.
    #[serde(default, skip_serializing_if = "Waivers::is_empty")]
    pub waivers: Waivers,
    pub state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// A release goes forward. Needs its gates and its quorum.
    Promotion,
    /// Back to an earlier release that had been approved: by a person, with a reason, without a new quorum.
    Rollback {
        of: DeploymentId,
        by: PersonRef,
        reason: String,
    },
}

/// What runs now, what would replace it, and how the two differ. Read from the cloud before anybody is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparation {
    pub at: Timestamp,
    /// ARN of the running task definition.
    pub running_task_definition: Option<String>,
    /// Image that runs now, as the task definition names it.
    pub running_image: Option<String>,
    /// Digest that runs now, where the image names one.
    pub running_digest: Option<Digest>,
    /// Field by field, running against new.
    pub changes: Vec<Change>,
    /// Hash of the task definition and AppSpec that would be deployed.
    pub hash: String,
    /// Whether the registry forbids moving a tag of this repository.
    pub immutable_tags: bool,
    /// What the release's tag names by now, where that is another image. Has no effect on what is deployed (R36), and is
    /// no part of the revision.
    pub tag_moved_to: Option<Digest>,
}

/// Something that stops a promotion, with since when and where to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    pub kind: BlockerKind,
    /// What it is about: a gate's name, an environment, an image.
    pub subject: String,
    pub why: String,
    pub since: Option<Timestamp>,
    pub url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockerKind {
    GateMissing,
    GateFailed,
    PromotionOrder,
    Registry,
    Target,
    /// Phases out of order, or a schema that is gone.
    Migration,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum State {
    /// Waits for its gates and for the worker to read what would change.
    Requested {
        blocked: Vec<Blocker>,
    },
    AwaitingApproval {
        revision: Revision,
        since: Timestamp,
        expires_at: Timestamp,
    },
    /// May go; waits for its turn in the lane.
    Queued {
        revision: Revision,
        authority: Authority,
        since: Timestamp,
        start_before: Option<Timestamp>,
    },
    /// Claimed the lane; the cloud deployment is being made.
    Starting {
        run: Run,
    },
    /// The cloud deployment exists.
    Deploying {
        run: Run,
    },
    /// Traffic goes back to the old version, by a cloud deployment of its own.
    RollingBack {
        run: Run,
        cause: RollbackCause,
        rollback: Option<String>,
        progress: Option<Progress>,
        since: Timestamp,
    },
    Succeeded {
        run: Run,
        at: Timestamp,
    },
    RolledBack {
        run: Run,
        cause: RollbackCause,
        rollback: Option<String>,
        progress: Option<Progress>,
        at: Timestamp,
    },
    Failed {
        run: Run,
        failure: Failure,
        at: Timestamp,
    },
    Rejected {
        by: PersonRef,
        reason: String,
        at: Timestamp,
    },
    Cancelled {
        by: Actor,
        reason: String,
        at: Timestamp,
    },
    Expired {
        what: Expiry,
        at: Timestamp,
    },
    Superseded {
        by: DeploymentId,
        at: Timestamp,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    Requested,
    AwaitingApproval,
    Queued,
    Starting,
    Deploying,
    RollingBack,
    Succeeded,
    RolledBack,
    Failed,
    Rejected,
    Cancelled,
    Expired,
    Superseded,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum RollbackCause {
    /// A person asked for it.
    Person { by: PersonRef, reason: String },
    /// AWS did it by itself: a failed lifecycle event or an alarm.
    Cloud { message: String },
    /// The deployment took longer than the target allows.
    Deadline,
    /// A health rule was broken.
    Rule { rule: String, why: String },
    /// A smoke test failed.
    Smoke { test: String, why: String },
    /// It was held, and nobody answered in time.
    Hold { rule: String, why: String },
}

impl RollbackCause {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Person { .. } => "person",
            Self::Cloud { .. } => "cloud",
            Self::Deadline => "deadline",
            Self::Rule { .. } => "rule",
            Self::Smoke { .. } => "smoke",
            Self::Hold { .. } => "hold",
        }
    }

    pub const fn person(&self) -> Option<&PersonRef> {
        match self {
            Self::Person { by, .. } => Some(by),
            _ => None,
        }
    }

    /// What was seen, without what a person typed: for the audit log.
    pub fn facts(&self) -> Option<String> {
        match self {
            Self::Person { .. } | Self::Cloud { .. } => None,
            other => Some(other.words()),
        }
    }

    /// Why, in a sentence without its end.
    pub fn words(&self) -> String {
        match self {
            Self::Person { by, reason } => format!("{by} asked for it: “{reason}”"),
            Self::Cloud { message } if message.trim().is_empty() => "AWS did it by itself".to_owned(),
            Self::Cloud { message } => format!("AWS did it by itself: {message}"),
            Self::Deadline => "it took longer than the target allows".to_owned(),
            Self::Rule { rule, why } => format!("{rule}: {why}"),
            Self::Smoke { test, why } => format!("smoke test {test} failed: {why}"),
            Self::Hold { rule, why } => format!("held by {rule} ({why}), and nobody answered in time"),
        }
    }
}

/// Why a deployment failed, in the cloud's code and in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: Option<String>,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// The quorum was not reached in time.
    Approval,
    /// It was approved, but did not start in time.
    Execution,
}

impl StateName {
    pub const ALL: [Self; 13] = [
        Self::Requested,
        Self::AwaitingApproval,
        Self::Queued,
        Self::Starting,
        Self::Deploying,
        Self::RollingBack,
        Self::Succeeded,
        Self::RolledBack,
        Self::Failed,
        Self::Rejected,
        Self::Cancelled,
        Self::Expired,
        Self::Superseded,
    ];

    /// As stored, filtered by and sent in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Deploying => "deploying",
            Self::RollingBack => "rolling_back",
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        }
    }

    /// As a person reads it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Requested => "Requested",
            Self::AwaitingApproval => "Needs approval",
            Self::Queued => "Queued",
            Self::Starting => "Starting",
            Self::Deploying => "Deploying",
            Self::RollingBack => "Rolling back",
            Self::Succeeded => "Succeeded",
            Self::RolledBack => "Rolled back",
            Self::Failed => "Failed",
            Self::Rejected => "Rejected",
            Self::Cancelled => "Cancelled",
            Self::Expired => "Expired",
            Self::Superseded => "Superseded",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }

    pub const fn is_terminal(self) -> bool {
        !matches!(
            self,
            Self::Requested
                | Self::AwaitingApproval
                | Self::Queued
                | Self::Starting
                | Self::Deploying
                | Self::RollingBack
        )
    }

    /// Holds its lane: at most one per service and environment, rollbacks included.
    pub const fn is_in_flight(self) -> bool {
        matches!(self, Self::Starting | Self::Deploying | Self::RollingBack)
    }
}

impl State {
    pub const fn name(&self) -> StateName {
        match self {
            Self::Requested { .. } => StateName::Requested,
            Self::AwaitingApproval { .. } => StateName::AwaitingApproval,
            Self::Queued { .. } => StateName::Queued,
            Self::Starting { .. } => StateName::Starting,
            Self::Deploying { .. } => StateName::Deploying,
            Self::RollingBack { .. } => StateName::RollingBack,
            Self::Succeeded { .. } => StateName::Succeeded,
            Self::RolledBack { .. } => StateName::RolledBack,
            Self::Failed { .. } => StateName::Failed,
            Self::Rejected { .. } => StateName::Rejected,
            Self::Cancelled { .. } => StateName::Cancelled,
            Self::Expired { .. } => StateName::Expired,
            Self::Superseded { .. } => StateName::Superseded,
        }
    }
}

impl Deployment {
    pub const fn run(&self) -> Option<&Run> {
        match &self.state {
            State::Starting { run }
            | State::Deploying { run }
            | State::RollingBack { run, .. }
            | State::Succeeded { run, .. }
            | State::RolledBack { run, .. }
            | State::Failed { run, .. } => Some(run),
            _ => None,
        }
    }

    /// The revision that people see and approve; `None` until it was prepared, and where it ended before it ran.
    pub const fn revision(&self) -> Option<&Revision> {
        match &self.state {
            State::AwaitingApproval { revision, .. } | State::Queued { revision, .. } => Some(revision),
            _ => match self.run() {
                Some(run) => Some(&run.revision),
                None => None,
            },
        }
    }

    /// When it came to rest.
    pub const fn finished_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Succeeded { at, .. }
            | State::RolledBack { at, .. }
            | State::Failed { at, .. }
            | State::Rejected { at, .. }
            | State::Cancelled { at, .. }
            | State::Expired { at, .. }
            | State::Superseded { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// Share of traffic on the new version in percent, where the cloud has said.
    pub fn traffic(&self) -> Option<u8> {
        match &self.state {
            State::Succeeded { .. } => Some(100),
            State::RolledBack { .. } => Some(0),
            // While going back, the rollback deployment's share is the old version's.
            State::RollingBack { progress, .. } => progress
                .as_ref()
                .and_then(|progress| progress.traffic)
                .map(|old| 100_u8.saturating_sub(old)),
            _ => self
                .run()
                .and_then(|run| run.progress.as_ref())
                .and_then(|progress| progress.traffic),
        }
    }

    /// Waits for its turn because a quorum approved it.
    pub const fn by_quorum(&self) -> bool {
        matches!(
            &self.state,
            State::Queued {
                authority: Authority::Quorum { .. },
                ..
            }
        )
    }

    /// Waits for its turn because someone broke the glass.
    pub const fn by_glass(&self) -> bool {
        matches!(
            &self.state,
            State::Queued {
                authority: Authority::BreakGlass { .. },
                ..
            }
        )
    }

    pub const fn is_rollback(&self) -> bool {
        matches!(self.kind, Kind::Rollback { .. })
    }
}
