//! The planner: given a deployment and what was just observed, the one thing to do next.
//!
//! [`plan()`] is the only place that says what happens next. It is pure and takes no memory of its own: after a crash at
//! any line the same facts lead to the same step. [`needs`] says what the worker has to observe first. The worker applies
//! the step, then observes and asks again.

use crate::{
    approval::{self, Involved, Membership},
    deployment::{
        Authority, Ballot, Blocker, BlockerKind, CallKind, CloudStatus, Deployment, Expiry, Failure, Observation,
        Outcome, Preparation, Progress, RollbackCause, Run, StartEvidence, State, Transition, may_abort,
    },
    gate::{self, GateStatus, Verdict},
    id::{DeploymentId, OperationId},
    policy::Policy,
    revision::{Revision, evidence},
    time::{SECOND, Timestamp},
    traffic::TrafficPlan,
};

/// How long a waiting deployment is left alone before it is looked at again.
const LOOK_AGAIN_MILLIS: i64 = 20 * SECOND;
/// How often a running one is observed (≤ 2 reads/s per group, R15).
const POLL_MILLIS: i64 = 2 * SECOND;
/// How long AWS is given to name the deployment that rolls a failed one back.
pub const ROLLBACK_GRACE_MILLIS: i64 = 30 * SECOND;
/// The longest pause between two tries of a refused call.
const BACKOFF_MAX_MILLIS: i64 = 30 * SECOND;

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
    pub found: Option<Found>,
    /// `None`: the cloud could not be asked.
    pub observation: Option<Observation>,
    /// A fresh id, used if the deployment starts now.
    pub operation: OperationId,
    /// How long a call may stay unfound before it is taken as never made, in milliseconds.
    pub settle_millis: i64,
}

#[derive(Debug, Clone)]
pub struct TargetFacts {
    pub policy: Policy,
    pub traffic: TrafficPlan,
    pub deadline_seconds: i64,
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
        State::Deploying { run } => Needs {
            cloud: true,
            find: run.open_call().map(|call| (call.kind, call.intended_at)),
            ..Needs::default()
        },
        State::RollingBack { .. } => Needs {
            cloud: true,
            ..Needs::default()
        },
        _ => Needs::default(),
    }
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

fn waiting(deployment: &Deployment, facts: &Facts, now: Timestamp) -> Step {
    if let Some(expired) = expiry(deployment, facts, now) {
        return act(Transition::Expire { what: expired });
    }
    let blocked_by = |blockers: Vec<Blocker>| match &deployment.state {
        State::Requested { blocked } if *blocked == blockers => wait(
            now,
            LOOK_AGAIN_MILLIS,
            blockers
                .iter()
                .map(|b| format!("{}: {}", b.subject, b.why))
                .collect::<Vec<_>>()
                .join("; "),
        ),
        _ => act(Transition::Block { blockers }),
    };
    let Some(target) = &facts.target else {
        return blocked_by(vec![Blocker {
            kind: BlockerKind::Target,
            subject: format!("{} in {}", deployment.service, deployment.environment),
            why: "is not in the configuration any more".to_owned(),
            since: None,
            url: None,
        }]);
    };
    if target.policy.supersede
        && !deployment.is_rollback()
        && let Some(by) = facts.lane.newer
    {
        return act(Transition::Supersede { by });
    }
    let Some(preparation) = &facts.preparation else {
        return wait(now, LOOK_AGAIN_MILLIS, "the cloud could not be asked what runs now");
    };
    let mut blockers = if deployment.is_rollback() {
        Vec::new()
    } else {
        blockers(target, facts)
    };
    let preparation = match preparation {
        Ok(preparation) if blockers.is_empty() => preparation,
        Ok(_) => return blocked_by(blockers),
        Err(blocker) => {
            blockers.push(blocker.clone());
            return blocked_by(blockers);
        }
    };
    let revision = revision_of(deployment, target, &facts.gates, preparation);
    if deployment.revision().is_none_or(|old| old.hash() != revision.hash()) {
        return act(Transition::Prepare {
            preparation: preparation.clone(),
            revision,
            policy: target.policy.clone(),
        });
    }
    match &deployment.state {
        State::Queued { .. } => queued(deployment, target, revision, facts, now),
        _ => wait(now, LOOK_AGAIN_MILLIS, "waits for approval"),
    }
}

/// What stands in the way: gates that failed or are missing, and an environment that was skipped.
fn blockers(target: &TargetFacts, facts: &Facts) -> Vec<Blocker> {
    let mut blockers: Vec<Blocker> = gate::blocking(&facts.gates)
        .into_iter()
        .map(|status| {
            let result = status.result.as_ref();
            let failed = result.is_some_and(|result| result.verdict == Verdict::Fail);
            Blocker {
                kind: if failed {
                    BlockerKind::GateFailed
                } else {
                    BlockerKind::GateMissing
                },
                subject: status.gate.to_string(),
                why: match result {
                    Some(result) => result
                        .detail
                        .as_ref()
                        .map_or_else(|| "failed".to_owned(), |detail| format!("failed: {detail}")),
                    None => "not reported yet".to_owned(),
                },
                since: result.map(|result| result.reported_at),
                url: result.and_then(|result| result.url.clone()),
            }
        })
        .collect();
    if let Some(environment) = target.policy.promote_from.as_ref().filter(|_| !facts.promoted) {
        blockers.push(Blocker {
            kind: BlockerKind::PromotionOrder,
            subject: environment.to_string(),
            why: "this digest has not succeeded there yet".to_owned(),
            since: None,
            url: None,
        });
    }
    blockers
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
        traffic: target.traffic,
        health_definition: "none".to_owned(),
        policy: target.policy.version(),
        gates: evidence(gates),
        rollback_target: preparation
            .running_task_definition
            .clone()
            .unwrap_or_else(|| "none".to_owned()),
    }
}

fn expiry(deployment: &Deployment, facts: &Facts, now: Timestamp) -> Option<Expiry> {
    match &deployment.state {
        State::AwaitingApproval { expires_at, .. } if now >= *expires_at => Some(Expiry::Approval),
        State::Queued {
            start_before: Some(limit),
            ..
        } if now >= *limit => Some(Expiry::Execution),
        State::Requested { .. } => {
            let within = facts.target.as_ref().map_or_else(
                || Policy::default().approve_within_seconds,
                |t| t.policy.approve_within_seconds,
            );
            (now >= deployment.requested_at.plus_seconds(within)).then_some(Expiry::Approval)
        }
        _ => None,
    }
}

fn queued(deployment: &Deployment, target: &TargetFacts, revision: Revision, facts: &Facts, now: Timestamp) -> Step {
    if let Some(other) = facts.lane.in_flight {
        return wait(
            now,
            LOOK_AGAIN_MILLIS,
            format!("behind {}, which is in flight", other.short()),
        );
    }
    if let Some(first) = facts.lane.first_queued.filter(|first| *first != deployment.id) {
        return wait(
            now,
            LOOK_AGAIN_MILLIS,
            format!("behind {}, which was queued before", first.short()),
        );
    }
    let State::Queued { authority, .. } = &deployment.state else {
        return Step::Rest;
    };
    let ballot = Ballot {
        policy: target.policy.clone(),
        involved: facts.involved.clone(),
    };
    if matches!(authority, Authority::Quorum { .. }) {
        let Some(memberships) = &facts.memberships else {
            return wait(
                now,
                POLL_MILLIS * 5,
                "GitHub cannot be asked whether the approvers are still in their teams",
            );
        };
        if !deployment.quorum_stands(&revision, &ballot, memberships, now) {
            return act(Transition::LoseQuorum {
                memberships: memberships.clone(),
                ballot,
            });
        }
    }
    act(Transition::Start {
        operation: facts.operation,
        evidence: StartEvidence {
            ballot,
            revision,
            memberships: facts.memberships.clone().unwrap_or_default(),
        },
        deadline: now.plus_seconds(target.deadline_seconds),
    })
}

fn starting(deployment: &Deployment, run: &Run, facts: &Facts, now: Timestamp) -> Step {
    if let Some(step) = settle(run, facts, now) {
        return step;
    }
    if run.stop.is_some() && may_abort(run) {
        return act(Transition::Abort);
    }
    let kind = if run.task_definition.is_none() {
        CallKind::RegisterTaskDefinition
    } else {
        CallKind::CreateDeployment
    };
    if now >= run.deadline {
        let message = "the deadline passed before the cloud had accepted the deployment".to_owned();
        return act(Transition::Fail {
            failure: Failure { code: None, message },
        });
    }
    if let Some(step) = after_refusal(run, kind, now) {
        return step;
    }
    if kind == CallKind::CreateDeployment
        && matches!(run.authority, Authority::Quorum { .. })
        && let Some(target) = &facts.target
    {
        let Some(memberships) = &facts.memberships else {
            return wait(
                now,
                POLL_MILLIS * 5,
                "GitHub cannot be asked whether the approvers are still in their teams",
            );
        };
        let ballot = Ballot {
            policy: target.policy.clone(),
            involved: facts.involved.clone(),
        };
        if !deployment.quorum_stands(&run.revision, &ballot, memberships, now) {
            let message = "the approvals stopped making a quorum before anything was deployed".to_owned();
            return act(Transition::Fail {
                failure: Failure { code: None, message },
            });
        }
    }
    Step::Call(kind)
}

/// Finds out how an open call ended, before anything else is done.
fn settle(run: &Run, facts: &Facts, now: Timestamp) -> Option<Step> {
    let call = run.open_call()?;
    Some(match &facts.found {
        Some(Found::Effect(id)) => act(Transition::Conclude {
            outcome: Outcome::Done {
                id: id.clone(),
                at: now,
            },
        }),
        Some(Found::Nothing) if now.since(call.intended_at) >= facts.settle_millis => act(Transition::Conclude {
            outcome: Outcome::NothingHappened { at: now },
        }),
        _ => wait(
            now,
            POLL_MILLIS,
            format!("whether {} took effect is not known yet", call.kind.name()),
        ),
    })
}

/// After a refusal: give up, or wait longer each time.
fn after_refusal(run: &Run, kind: CallKind, now: Timestamp) -> Option<Step> {
    let Outcome::Refused {
        code,
        message,
        retry,
        at,
    } = &run.last(kind)?.outcome
    else {
        return None;
    };
    if !retry {
        let failure = Failure {
            code: Some(code.clone()),
            message: message.clone(),
        };
        return Some(act(Transition::Fail { failure }));
    }
    let doublings = u32::try_from(run.attempts(kind).saturating_sub(1).min(10)).unwrap_or(10);
    let pause = (SECOND << doublings).min(BACKOFF_MAX_MILLIS);
    (now.since(*at) < pause).then(|| Step::Wait {
        until: at.plus_millis(pause),
        why: format!("{} was refused: {code}: {message}", kind.name()),
    })
}

fn deploying(run: &Run, facts: &Facts, now: Timestamp) -> Step {
    let Some(observation) = &facts.observation else {
        return wait(now, POLL_MILLIS * 2, "the cloud cannot be asked how it goes");
    };
    let progress = &observation.deployment;
    if run.progress.as_ref().is_none_or(|old| old.differs(progress)) {
        return act(Transition::Observe {
            progress: progress.clone(),
        });
    }
    if let Some(step) = settle_by_what_is_seen(run, progress, now) {
        return step;
    }
    if let Some(rollback) = &progress.rollback {
        return act(Transition::SeeRollback {
            rollback: Some(rollback.clone()),
            cause: rollback_cause(run, progress.rollback_message.as_deref()),
        });
    }
    match progress.status {
        CloudStatus::Succeeded => return act(Transition::Succeed),
        CloudStatus::Failed | CloudStatus::Stopped => {
            let seen = run.progress.as_ref().map_or(now, |progress| progress.seen_at);
            if now.since(seen) < ROLLBACK_GRACE_MILLIS {
                return wait(
                    now,
                    POLL_MILLIS,
                    "the cloud has stopped; waiting for it to name the rollback",
                );
            }
            let failure = progress.error.clone().unwrap_or_else(|| Failure {
                code: None,
                message: format!("the cloud deployment is {} and named no rollback", progress.status),
            });
            return act(Transition::Fail { failure });
        }
        _ => {}
    }
    if let Some(step) = settle(run, facts, now) {
        return step;
    }
    if run.stop.is_some() || now >= run.deadline {
        let stop = CallKind::StopDeployment;
        return match run.last(stop).map(|call| &call.outcome) {
            Some(Outcome::Done { at, .. }) if now.since(*at) < ROLLBACK_GRACE_MILLIS => {
                wait(now, POLL_MILLIS, "asked to stop; waiting for the cloud to roll back")
            }
            // A refusal to stop is no reason to give up: the deployment is observed on, and asked again.
            Some(Outcome::Refused { at, .. }) if now.since(*at) < POLL_MILLIS * 2 => {
                wait(now, POLL_MILLIS, "the cloud refused to stop; asking again")
            }
            _ => Step::Call(stop),
        };
    }
    wait(now, POLL_MILLIS, "in progress at the cloud")
}

/// A stop whose answer was lost is concluded by what the deployment came to, before that is acted upon: the cause of a
/// rollback depends on it.
fn settle_by_what_is_seen(run: &Run, progress: &Progress, now: Timestamp) -> Option<Step> {
    run.open_call().filter(|call| call.kind == CallKind::StopDeployment)?;
    let outcome = match progress.status {
        CloudStatus::Succeeded | CloudStatus::Failed => Outcome::NothingHappened { at: now },
        CloudStatus::Stopped => Outcome::Done {
            id: run.cloud_deployment.clone().unwrap_or_default(),
            at: now,
        },
        _ => return None,
    };
    Some(act(Transition::Conclude { outcome }))
}

fn rollback_cause(run: &Run, message: Option<&str>) -> RollbackCause {
    let stopped = run
        .last(CallKind::StopDeployment)
        .is_some_and(|call| matches!(call.outcome, Outcome::Done { .. }));
    match &run.stop {
        Some(stop) if stopped => RollbackCause::Person {
            by: stop.by.clone(),
            reason: stop.reason.clone(),
        },
        None if stopped => RollbackCause::Deadline,
        _ => RollbackCause::Cloud {
            message: message
                .map(str::to_owned)
                .or_else(|| run.progress.as_ref()?.error.as_ref().map(|e| e.message.clone()))
                .unwrap_or_default(),
        },
    }
}

fn rolling_back(deployment: &Deployment, run: &Run, facts: &Facts, now: Timestamp) -> Step {
    let State::RollingBack { progress: seen, .. } = &deployment.state else {
        return Step::Rest;
    };
    let Some(progress) = facts
        .observation
        .as_ref()
        .and_then(|observation| observation.rollback.as_ref())
    else {
        return wait(now, POLL_MILLIS, "the cloud cannot be asked how the rollback goes");
    };
    if seen.as_ref().is_none_or(|old| old.differs(progress)) {
        return act(Transition::ObserveRollback {
            progress: progress.clone(),
        });
    }
    match progress.status {
        CloudStatus::Succeeded => act(Transition::FinishRollback),
        CloudStatus::Failed | CloudStatus::Stopped => {
            let said = progress
                .error
                .as_ref()
                .map(|error| error.message.as_str())
                .unwrap_or("no reason given");
            let running = run.revision.rollback_target.as_str();
            act(Transition::Fail {
                failure: Failure {
                    code: progress.error.as_ref().and_then(|error| error.code.clone()),
                    message: format!(
                        "the rollback itself did not succeed ({said}): check what serves traffic; it should be {running}"
                    ),
                },
            })
        }
        _ => wait(now, POLL_MILLIS, "the cloud is rolling back"),
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
