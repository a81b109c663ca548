//! The transitions: what may happen to a deployment in which state, and which events it leaves.

use super::{
    Ballot, Blocker, Call, CallKind, Concern, Deployment, Exemption, Expiry, Failure, Hold, Judgement, Outcome,
    Preparation, Progress, RollbackCause, Run, StartEvidence, State, StateName, StopRequest, Watch, due, watch,
};
use crate::{
    access::Actor,
    approval::{Approval, Ineligible, Membership},
    audit::{AuditEvent, EventKind, Subject},
    health::{Evaluation, Recorded, Values},
    id::{DeploymentId, OperationId},
    name::PersonRef,
    policy::Policy,
    revision::{Revision, RevisionHash},
    time::{SECOND, Timestamp},
};
use serde_json::{Value, json};

/// Something that happens to a deployment.
#[derive(Debug, Clone)]
pub enum Transition {
    /// Gates or the target stand in the way, or do so again.
    Block {
        blockers: Vec<Blocker>,
    },
    /// What would change is known: people can be asked.
    Prepare {
        preparation: Preparation,
        revision: Revision,
        policy: Policy,
    },
    Approve {
        actor: Actor,
        approval: Approval,
        ballot: Ballot,
    },
    Reject {
        by: PersonRef,
        actor: Actor,
        reason: String,
    },
    Cancel {
        actor: Actor,
        reason: String,
    },
    Supersede {
        by: DeploymentId,
    },
    Expire {
        what: Expiry,
    },
    /// The approvals do not make a quorum any more: those that do not count are void.
    LoseQuorum {
        memberships: Vec<Membership>,
        ballot: Ballot,
    },
    /// Lets it past something, or puts off its time to start.
    Exempt(Exemption),
    Start {
        operation: OperationId,
        evidence: Box<StartEvidence>,
        deadline: Timestamp,
    },
    /// A mutating call is about to be made under the lease `epoch`.
    Intend {
        kind: CallKind,
        epoch: i64,
    },
    /// How the open call ended.
    Conclude {
        outcome: Outcome,
    },
    Observe {
        progress: Progress,
    },
    /// Its health was judged.
    Judge {
        evaluation: Box<Evaluation>,
        values: Values,
        /// What was read for it, to be recorded.
        series: Vec<Recorded>,
    },
    /// A person wants it gone, or what was seen of it says so.
    RequestStop {
        actor: Actor,
        cause: RollbackCause,
    },
    /// Doubt: traffic is to stay where it is, and people to look.
    Hold {
        hold: Hold,
    },
    /// After a hold: a person says that it may go on, or nobody said anything and that was to mean yes.
    Resume {
        actor: Actor,
        reason: Option<String>,
    },
    /// Asked to stop before the cloud had been asked for anything that runs.
    Abort,
    /// The cloud goes back, by the deployment of this id.
    SeeRollback {
        rollback: Option<String>,
        cause: RollbackCause,
    },
    ObserveRollback {
        progress: Progress,
    },
    /// People are to look at it.
    Warn {
        concern: Concern,
        why: String,
    },
    Succeed,
    FinishRollback,
    Fail {
        failure: Failure,
    },
}

impl Transition {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Block { .. } => "block",
            Self::Prepare { .. } => "prepare",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Cancel { .. } => "cancel",
            Self::Supersede { .. } => "supersede",
            Self::Expire { .. } => "expire",
            Self::LoseQuorum { .. } => "lose quorum",
            Self::Exempt(exemption) => exemption.name(),
            Self::Start { .. } => "start",
            Self::Intend { .. } => "intend a call",
            Self::Conclude { .. } => "conclude a call",
            Self::Observe { .. } => "observe",
            Self::RequestStop { .. } => "roll back",
            Self::Judge { .. } => "judge its health",
            Self::Hold { .. } => "hold",
            Self::Resume { .. } => "continue",
            Self::Abort => "abort",
            Self::SeeRollback { .. } => "see a rollback",
            Self::ObserveRollback { .. } => "observe the rollback",
            Self::Warn { .. } => "warn",
            Self::Succeed => "succeed",
            Self::FinishRollback => "finish the rollback",
            Self::Fail { .. } => "fail",
        }
    }
}

/// The state does not allow it. Names both.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a deployment that is {:?} cannot {event}", state.as_str())]
pub struct InvalidTransition {
    pub state: StateName,
    pub event: &'static str,
}

/// Why a transition was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Invalid(#[from] InvalidTransition),
    #[error("{0}")]
    Ineligible(#[from] Ineligible),
    #[error("you saw revision {}, but it is {} now: look again before you approve", seen.short(), current.short())]
    StaleRevision { seen: RevisionHash, current: RevisionHash },
    #[error("only a person approves")]
    NotAPerson,
    #[error("its time to be approved has run out: request the deployment again")]
    TooLate,
    #[error("it cannot start: {0}")]
    NoAuthority(String),
    #[error("it has taken over and is being finished: roll back the finished deployment in a moment")]
    TakenOver,
    #[error("{0} cannot be called: another call's outcome is not known yet, or it was made already")]
    CallNotDue(&'static str),
}

/// The new deployment and the events that describe the change; both are saved in one transaction.
pub type Applied = (Deployment, Vec<AuditEvent>);

impl Deployment {
    fn subject(&self) -> Subject {
        Subject {
            service: Some(self.service.clone()),
            environment: Some(self.environment.clone()),
            release: Some(self.release),
            deployment: Some(self.id),
        }
    }

    pub(super) fn event(&self, kind: EventKind, actor: Actor, data: Value, text: Option<String>) -> AuditEvent {
        AuditEvent {
            kind,
            actor,
            subject: self.subject(),
            data,
            text,
        }
    }

    /// The event of the request itself, which has no state before it.
    pub fn requested_event(&self) -> AuditEvent {
        let data = json!({ "digest": self.digest, "release": self.label, "kind": self.kind_name() });
        self.event(
            EventKind::DeploymentRequested,
            self.requested_by.clone(),
            data,
            self.reason.clone(),
        )
    }

    fn kind_name(&self) -> &'static str {
        if self.is_rollback() { "rollback" } else { "promotion" }
    }

    /// The next state, and what to write into the audit log.
    ///
    /// # Errors
    /// When the state does not allow it, or the evidence does not suffice. Nothing has changed then.
    pub fn apply(&self, transition: Transition, now: Timestamp) -> Result<Applied, Refusal> {
        let event = transition.name();
        let invalid = || {
            Refusal::Invalid(InvalidTransition {
                state: self.state.name(),
                event,
            })
        };
        let mut next = self.clone();
        let mut events = Vec::new();
        let worker = || Actor::system("worker");
        match (transition, &self.state) {
            (
                Transition::Block { blockers },
                State::Requested { .. } | State::AwaitingApproval { .. } | State::Queued { .. },
            ) => {
                let why = blockers
                    .iter()
                    .map(|b| format!("{}: {}", b.subject, b.why))
                    .collect::<Vec<_>>()
                    .join("; ");
                next.void(|_| Some(why.clone()), now, &mut events);
                events.push(self.event(
                    EventKind::DeploymentBlocked,
                    worker(),
                    json!({ "blockers": blockers }),
                    None,
                ));
                next.state = State::Requested { blocked: blockers };
            }
            (
                Transition::Prepare {
                    preparation,
                    revision,
                    policy,
                },
                State::Requested { .. } | State::AwaitingApproval { .. } | State::Queued { .. },
            ) => next.prepare(self, preparation, revision, &policy, now, &mut events),
            (
                Transition::Approve {
                    actor,
                    approval,
                    ballot,
                },
                State::AwaitingApproval {
                    revision, expires_at, ..
                },
            ) => {
                if now >= *expires_at {
                    return Err(Refusal::TooLate);
                }
                next.approve(revision, actor, approval, &ballot, now, &mut events)?;
            }
            (
                Transition::Reject { by, actor, reason },
                State::AwaitingApproval { .. } | State::Requested { .. } | State::Queued { .. },
            ) => {
                events.push(self.event(EventKind::DeploymentRejected, actor, json!({}), Some(reason.clone())));
                next.state = State::Rejected { by, reason, at: now };
            }
            (
                Transition::Cancel { actor, reason },
                State::Requested { .. } | State::AwaitingApproval { .. } | State::Queued { .. },
            ) => {
                events.push(self.event(
                    EventKind::DeploymentCancelled,
                    actor.clone(),
                    json!({}),
                    Some(reason.clone()),
                ));
                next.state = State::Cancelled {
                    by: actor,
                    reason,
                    at: now,
                };
            }
            (
                Transition::Supersede { by },
                State::Requested { .. } | State::AwaitingApproval { .. } | State::Queued { .. },
            ) => {
                events.push(self.event(EventKind::DeploymentSuperseded, worker(), json!({ "by": by }), None));
                next.state = State::Superseded { by, at: now };
            }
            (
                Transition::Expire { what: Expiry::Approval },
                State::Requested { .. } | State::AwaitingApproval { .. },
            )
            | (
                Transition::Expire {
                    what: Expiry::Execution,
                },
                State::Queued { .. },
            ) => {
                let what = if matches!(self.state, State::Queued { .. }) {
                    Expiry::Execution
                } else {
                    Expiry::Approval
                };
                events.push(self.event(EventKind::DeploymentExpired, worker(), json!({ "what": what }), None));
                next.state = State::Expired { what, at: now };
            }
            (Transition::LoseQuorum { memberships, ballot }, State::Queued { revision, .. }) => {
                next.lose_quorum(revision, &memberships, &ballot, now, &mut events)?;
            }
            (
                Transition::Exempt(exemption),
                State::Requested { .. } | State::AwaitingApproval { .. } | State::Queued { .. },
            ) => next.exempt(exemption, now, &mut events)?,
            (
                Transition::Start {
                    operation,
                    evidence,
                    deadline,
                },
                State::Queued {
                    revision,
                    authority,
                    start_before,
                    ..
                },
            ) => {
                self.check_authority(revision, authority, *start_before, &evidence, now)?;
                let run = Run {
                    revision: revision.clone(),
                    authority: authority.clone(),
                    engine: evidence.engine,
                    operation,
                    started_at: now,
                    start_before: *start_before,
                    deadline,
                    calls: Vec::new(),
                    task_definition: None,
                    cloud_deployment: None,
                    progress: None,
                    stop: None,
                    hold: None,
                    waived: Vec::new(),
                    course: None,
                    watch: evidence.health.map(Watch::new),
                    concerns: Vec::new(),
                };
                let data = json!({
                    "operation": operation, "revision": revision.hash(), "digest": self.digest, "engine": run.engine,
                });
                events.push(self.event(EventKind::DeploymentStarted, worker(), data, None));
                next.state = State::Starting { run };
            }
            (
                Transition::Intend { kind, epoch },
                State::Starting { run } | State::Deploying { run } | State::RollingBack { run, .. },
            ) => {
                if !due::call_is_due(&self.state, run, kind) {
                    return Err(Refusal::CallNotDue(kind.name()));
                }
                let creates = Some(&kind) == run.engine.script().make.last();
                if creates && run.start_before.is_some_and(|limit| now >= limit) {
                    return Err(Refusal::NoAuthority("its time to start has run out".to_owned()));
                }
                let mut data = json!({ "call": kind.name(), "operation": run.operation, "attempt": run.attempts(kind) + 1, "epoch": epoch });
                if let CallKind::ShiftTraffic { percent } = kind {
                    data["percent"] = json!(percent);
                }
                events.push(self.event(EventKind::CloudIntended, worker(), data, None));
                let call = Call {
                    kind,
                    intended_at: now,
                    epoch,
                    outcome: Outcome::Open,
                };
                next.edit_run(|run| run.calls.push(call));
            }
            (
                Transition::Conclude { outcome },
                State::Starting { run } | State::Deploying { run } | State::RollingBack { run, .. },
            ) => {
                let open = run.open_call().ok_or_else(invalid)?.kind;
                events.push(self.event(
                    EventKind::CloudConcluded,
                    worker(),
                    json!({ "call": open.name(), "result": outcome }),
                    None,
                ));
                next.conclude(open, outcome);
            }
            (Transition::Observe { progress }, State::Deploying { run }) => {
                if run.progress.as_ref().is_none_or(|old| old.differs(&progress)) {
                    let data = progress_data(&progress, run.progress.as_ref());
                    events.push(self.event(EventKind::CloudProgressed, worker(), data, None));
                    let alone = run.revision.rollback_target == "none";
                    let course = watch::course(run.course, progress.traffic, alone, now);
                    next.edit_run(|run| {
                        run.course = course;
                        run.progress = Some(progress);
                    });
                }
            }
            (Transition::RequestStop { actor, cause }, State::Starting { run } | State::Deploying { run }) => {
                if run.stop.is_some() {
                    return Err(invalid());
                }
                if run.is_finishing() {
                    return Err(Refusal::TakenOver);
                }
                events.push(self.stop_event(actor, &cause));
                next.edit_run(|run| {
                    run.hold = None;
                    run.stop = Some(StopRequest { cause, at: now });
                });
            }
            (Transition::Judge { evaluation, values, .. }, State::Deploying { run }) => {
                let watch = run.watch.as_ref().ok_or_else(invalid)?;
                let judgement = Judgement::of(&evaluation);
                if !watch.last.as_ref().is_some_and(|last| judgement.says_as(last)) {
                    let data = json!({
                        "outcome": judgement.outcome, "cause": evaluation.cause, "why": evaluation.why(),
                        "definition": evaluation.definition, "version": evaluation.version,
                    });
                    events.push(self.event(EventKind::HealthJudged, worker(), data, None));
                }
                next.edit_run(|run| {
                    if let Some(watch) = &mut run.watch {
                        watch.values = values;
                        watch.last = Some(judgement);
                    }
                });
            }
            (Transition::Hold { hold }, State::Deploying { run }) => {
                if run.stop.is_some() || run.hold.is_some() || run.waived.contains(&hold.rule) {
                    return Err(invalid());
                }
                let data = json!({
                    "rule": hold.rule, "why": hold.why, "until": hold.until, "unanswered": hold.unanswered,
                    "stays": run.engine.kind().holds().is_ok(),
                });
                events.push(self.event(EventKind::DeploymentHeld, worker(), data, None));
                next.edit_run(|run| run.hold = Some(hold));
            }
            (Transition::Resume { actor, reason }, State::Deploying { run }) => {
                let hold = run.hold.clone().ok_or_else(invalid)?;
                let held = now.since(hold.since);
                let data = json!({ "rule": hold.rule, "seconds": held / SECOND });
                events.push(self.event(EventKind::DeploymentResumed, actor, data, reason));
                next.edit_run(|run| {
                    run.hold = None;
                    run.waived.push(hold.rule);
                    // Thinking takes nothing from the time that it has.
                    run.deadline = run.deadline.plus_millis(held);
                });
            }
            (Transition::Abort, State::Starting { run }) => {
                let stop = run.stop.clone().filter(|_| due::may_abort(run)).ok_or_else(invalid)?;
                let (actor, reason) = match stop.cause {
                    RollbackCause::Person { by, reason } => (person(by), reason),
                    other => (worker(), other.words()),
                };
                events.push(self.event(
                    EventKind::DeploymentCancelled,
                    worker(),
                    json!({ "asked_by": actor.label() }),
                    None,
                ));
                next.state = State::Cancelled {
                    by: actor,
                    reason,
                    at: now,
                };
            }
            (Transition::SeeRollback { rollback, cause }, State::Deploying { run }) => {
                let data = json!({ "rollback": rollback, "of": run.cloud_deployment, "cause": cause.name(), "why": cause.facts() });
                events.push(self.event(EventKind::RollbackStarted, worker(), data, None));
                next.state = State::RollingBack {
                    run: run.clone(),
                    cause,
                    rollback,
                    progress: None,
                    since: now,
                };
            }
            (Transition::ObserveRollback { progress }, State::RollingBack { progress: old, .. }) => {
                if old.as_ref().is_none_or(|old| old.differs(&progress)) {
                    let mut data = progress_data(&progress, old.as_ref());
                    data["of_rollback"] = Value::Bool(true);
                    events.push(self.event(EventKind::CloudProgressed, worker(), data, None));
                    if let State::RollingBack { progress: seen, .. } = &mut next.state {
                        *seen = Some(progress);
                    }
                }
            }
            (
                Transition::Warn { concern, why },
                State::Starting { run } | State::Deploying { run } | State::RollingBack { run, .. },
            ) => {
                if run.concerns.contains(&concern) {
                    return Err(invalid());
                }
                let data = json!({ "concern": concern, "what": why });
                events.push(self.event(EventKind::WorkerWarning, worker(), data, None));
                next.edit_run(|run| run.concerns.push(concern));
            }
            (Transition::Succeed, State::Deploying { run }) => {
                let data = json!({ "digest": self.digest, "seconds": now.since(run.started_at) / SECOND, "stop_came_too_late": run.stop.is_some() });
                events.push(self.event(EventKind::DeploymentSucceeded, worker(), data, None));
                next.state = State::Succeeded {
                    run: run.clone(),
                    at: now,
                };
            }
            (
                Transition::FinishRollback,
                State::RollingBack {
                    run,
                    cause,
                    rollback,
                    progress,
                    since,
                },
            ) => {
                let data =
                    json!({ "cause": cause.name(), "rollback": rollback, "seconds": now.since(*since) / SECOND });
                events.push(self.event(EventKind::DeploymentRolledBack, worker(), data, None));
                next.state = State::RolledBack {
                    run: run.clone(),
                    cause: cause.clone(),
                    rollback: rollback.clone(),
                    progress: progress.clone(),
                    at: now,
                };
            }
            (
                Transition::Fail { failure },
                State::Starting { run } | State::Deploying { run } | State::RollingBack { run, .. },
            ) => {
                let data =
                    json!({ "code": failure.code, "message": failure.message, "while": self.state.name().as_str() });
                events.push(self.event(EventKind::DeploymentFailed, worker(), data, None));
                next.state = State::Failed {
                    run: run.clone(),
                    failure,
                    at: now,
                };
            }
            _ => return Err(invalid()),
        }
        Ok((next, events))
    }

    /// What a person typed stands beside the event; what a rule or a test saw belongs to it.
    fn stop_event(&self, actor: Actor, cause: &RollbackCause) -> AuditEvent {
        let data = json!({ "cause": cause.name(), "why": cause.facts() });
        let text = match cause {
            RollbackCause::Person { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        self.event(EventKind::RollbackRequested, actor, data, text)
    }

    fn edit_run(&mut self, edit: impl FnOnce(&mut Run)) {
        if let State::Starting { run } | State::Deploying { run } | State::RollingBack { run, .. } = &mut self.state {
            edit(run);
        }
    }

    fn conclude(&mut self, kind: CallKind, outcome: Outcome) {
        let starting = matches!(self.state, State::Starting { .. });
        let last = self.run().and_then(|run| run.engine.script().make.last().copied());
        let created = match &outcome {
            Outcome::Done { id, .. } if starting && last == Some(kind) => Some(id.clone()),
            _ => None,
        };
        self.edit_run(|run| {
            if let (Outcome::Done { id, .. }, CallKind::RegisterTaskDefinition | CallKind::PublishVersion) =
                (&outcome, kind)
            {
                run.task_definition = Some(id.clone());
            }
            if created.is_some() {
                run.cloud_deployment.clone_from(&created);
            }
            if let Some(call) = run.calls.iter_mut().find(|call| call.outcome == Outcome::Open) {
                call.outcome = outcome;
            }
        });
        if created.is_some()
            && let State::Starting { run } = &self.state
        {
            self.state = State::Deploying { run: run.clone() };
        }
    }
}

fn person(person: PersonRef) -> Actor {
    Actor::Person {
        person,
        roles: Vec::new(),
        teams: Vec::new(),
    }
}

/// What is new in an observation: the status, the traffic, and the lifecycle events that moved.
fn progress_data(new: &Progress, old: Option<&Progress>) -> Value {
    let moved: Vec<Value> = new
        .lifecycle
        .iter()
        .filter(|event| old.is_none_or(|old| !old.lifecycle.contains(event)))
        .map(|event| json!({ "name": event.name, "status": event.status }))
        .collect();
    json!({ "status": new.status, "traffic": new.traffic, "lifecycle": moved, "error": new.error, "rollback": new.rollback })
}
