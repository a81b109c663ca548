//! The planner: given a deployment and what was just observed, the one thing to do next.
//!
//! [`plan()`] is the only place that says what happens next. It is pure and takes no memory of its own: after a crash at
//! any line the same facts lead to the same step. [`needs`] says what the worker has to observe first. The worker applies
//! the step, then observes and asks again.

mod back;
mod clearance;
mod deploying;
mod running;
#[cfg(test)]
mod tests;
mod waiting;
mod watch;

use crate::{
    approval::{self, Involved, Membership},
    catalog::Engine,
    deployment::{Blocker, CallKind, Deployment, Observation, Preparation, State, Transition},
    gate::GateStatus,
    health::HealthDefinition,
    id::{DeploymentId, OperationId},
    policy::Policy,
    revision::{Revision, evidence},
    smoke::Verification,
    time::{HOUR, MINUTE, SECOND, Timestamp},
    traffic::TrafficPlan,
};
use back::rolling_back;
pub use clearance::{Clearance, Closure, Standing, closed, closed_words};
use deploying::deploying;
use running::starting;
use waiting::waiting;
pub use watch::{HealthFacts, health_is_due};

/// How long a waiting deployment is left alone before it is looked at again.
const LOOK_AGAIN_MILLIS: i64 = 20 * SECOND;
/// How often a running one is observed (≤ 2 reads/s per group, R15).
const POLL_MILLIS: i64 = 2 * SECOND;
/// How long AWS is given to name the deployment that rolls a failed one back.
pub const ROLLBACK_GRACE_MILLIS: i64 = 30 * SECOND;
/// The longest pause between two tries of a refused call.
const BACKOFF_MAX_MILLIS: i64 = 30 * SECOND;
/// How long a call whose effect cannot be looked for is left alone before a harmless one is made again.
const UNSEEN_MILLIS: i64 = 10 * SECOND;
/// How long what should end may go unseen before people are warned.
const CONCERN_MILLIS: i64 = 2 * MINUTE;
/// A rollback that takes longer is told to people (requirements §1: the hard limit is 5 min).
pub const ROLLBACK_OVERDUE_MILLIS: i64 = 5 * MINUTE;
/// How long after its deadline, or after its rollback began, what never ends is given up as failed.
pub const GIVE_UP_MILLIS: i64 = HOUR;

/// What the worker has to observe before it asks for a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Gates, running task definition, registry.
    pub preparation: bool,
    /// Fresh team memberships of the approvers.
    pub memberships: bool,
    /// The cloud deployment and its rollback.
    pub cloud: bool,
    /// Whether this call took effect, which was intended at that moment.
    pub find: Option<(CallKind, Timestamp)>,
}

/// What was found of a call whose outcome was unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// What it made: an ARN, a deployment id.
    Effect(String),
    Nothing,
}

/// The other deployments of the same service and environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lane {
    pub in_flight: Option<DeploymentId>,
    /// The oldest queued one; rollbacks before promotions.
    pub first_queued: Option<DeploymentId>,
    /// A request made after this one that still waits or has gone on.
    pub newer: Option<DeploymentId>,
    /// The last to have succeeded: what runs there.
    pub running: Option<DeploymentId>,
}

/// Everything a plan depends on besides the deployment itself.
#[derive(Debug, Clone)]
pub struct Facts {
    /// `None`: the configuration has no such target any more.
    pub target: Option<TargetFacts>,
    pub gates: Vec<GateStatus>,
    pub involved: Involved,
    /// Whether this digest succeeded where the policy wants it to have succeeded.
    pub promoted: bool,
    /// What the engine would do; an error in words when the cloud or the registry stands in the way. `None`: not looked at.
    pub preparation: Option<Result<Preparation, Blocker>>,
    /// `None`: GitHub could not be asked, and nothing may start (R5).
    pub memberships: Option<Vec<Membership>>,
    pub lane: Lane,
    /// Freezes, the migration, the way back.
    pub clearance: Clearance,
    /// `None`: the cloud could not be asked.
    pub found: Option<Found>,
    /// `None`: the cloud could not be asked.
    pub observation: Option<Observation>,
    /// `None`: no evaluation is due.
    pub health: Option<HealthFacts>,
    /// A fresh id, used if the deployment starts now.
    pub operation: OperationId,
    /// How long a call may stay unfound before it is taken as never made, in milliseconds.
    pub settle_millis: i64,
}

/// What the configuration says now. A deployment in flight keeps the engine and the traffic plan it started with.
#[derive(Debug, Clone)]
pub struct TargetFacts {
    pub policy: Policy,
    pub traffic: TrafficPlan,
    pub engine: Engine,
    pub deadline_seconds: i64,
    pub health: Option<HealthDefinition>,
    pub verify: Option<Verification>,
}

/// The one thing to do next.
#[derive(Debug, Clone)]
pub enum Step {
    /// Save this transition with its events.
    Do(Box<Transition>),
    /// Save the intent, make this call once, save its outcome.
    Call(CallKind),
    /// Nothing to do before then; `why` is for people.
    Wait { until: Timestamp, why: String },
    /// It has come to rest.
    Rest,
}

/// What to observe for a deployment in this state.
pub fn needs(deployment: &Deployment) -> Needs {
    match &deployment.state {
        State::Requested { .. } | State::AwaitingApproval { .. } => Needs {
            preparation: true,
            ..Needs::default()
        },
        State::Queued { .. } => Needs {
            preparation: true,
            memberships: true,
            ..Needs::default()
        },
        State::Starting { run } => Needs {
            memberships: run.open_call().is_none(),
            find: run.open_call().map(|call| (call.kind, call.intended_at)),
            ..Needs::default()
        },
        // An open stop is settled by what is seen of the deployment.
        State::Deploying { run } => Needs {
            cloud: true,
            find: run
                .open_call()
                .filter(|call| !call.kind.settled_by_sight())
                .map(|call| (call.kind, call.intended_at)),
            ..Needs::default()
        },
        State::RollingBack { .. } => Needs {
            cloud: true,
            ..Needs::default()
        },
        _ => Needs::default(),
    }
}

/// Whether its gates or its environments alone hold it up: then nothing need be asked of the cloud.
pub fn held_up(deployment: &Deployment, facts: &Facts, now: Timestamp) -> bool {
    let target = facts.target.as_ref();
    target.is_some_and(|target| !waiting::blockers(deployment, target, facts, now).is_empty())
}

/// What happens next.
pub fn plan(deployment: &Deployment, facts: &Facts, now: Timestamp) -> Step {
    match &deployment.state {
        State::Requested { .. } | State::AwaitingApproval { .. } | State::Queued { .. } => {
            waiting(deployment, facts, now)
        }
        State::Starting { run } => starting(deployment, run, facts, now),
        State::Deploying { run } => deploying(run, facts, now),
        State::RollingBack { run, .. } => rolling_back(deployment, run, facts, now),
        _ => Step::Rest,
    }
}

fn act(transition: Transition) -> Step {
    Step::Do(Box::new(transition))
}

fn wait(now: Timestamp, millis: i64, why: impl Into<String>) -> Step {
    Step::Wait {
        until: now.plus_millis(millis),
        why: why.into(),
    }
}

/// Nobody's approval is judged without GitHub (R5).
fn wait_for_github(now: Timestamp) -> Step {
    wait(
        now,
        POLL_MILLIS * 5,
        "GitHub cannot be asked whether the approvers are still in their teams",
    )
}

/// What an approval would be bound to now.
pub fn revision_of(
    deployment: &Deployment,
    target: &TargetFacts,
    gates: &[GateStatus],
    preparation: &Preparation,
) -> Revision {
    Revision {
        service: deployment.service.clone(),
        environment: deployment.environment.clone(),
        digest: deployment.digest.clone(),
        task_definition: preparation.hash.clone(),
        traffic: target.traffic.clone(),
        health_definition: target
            .health
            .as_ref()
            .map_or_else(|| "none".to_owned(), HealthDefinition::version),
        policy: target.policy.version(),
        gates: evidence(gates),
        rollback_target: preparation
            .running_task_definition
            .clone()
            .unwrap_or_else(|| "none".to_owned()),
        verification: target
            .verify
            .as_ref()
            .map_or_else(|| "none".to_owned(), Verification::version),
    }
}

/// People who still must be asked: for the page, and for messages.
pub fn quorum_now(deployment: &Deployment, policy: &Policy, involved: &Involved) -> Option<approval::QuorumStatus> {
    let revision = deployment.revision()?;
    Some(approval::quorum(
        policy,
        involved,
        &deployment.approvals,
        &revision.hash(),
        |approval| approval.teams.clone(),
    ))
}
