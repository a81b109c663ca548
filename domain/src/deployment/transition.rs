//! The transitions: what may happen to a deployment in which state, and which events it leaves.

use super::{
    Authority, Blocker, Call, CallKind, Deployment, Expiry, Failure, Outcome, Preparation, Progress, RollbackCause,
    Run, State, StateName, StopRequest,
};
use crate::{
    access::Actor,
    approval::{self, Approval, Ineligible, Involved, Membership, Voided},
    audit::{AuditEvent, EventKind, Subject},
    id::{DeploymentId, OperationId},
    name::PersonRef,
    policy::Policy,
    revision::{Revision, RevisionHash},
    time::{SECOND, Timestamp},
};
use serde_json::{Value, json};

/// Team memberships older than this do not count at dispatch (R5).
pub const MEMBERSHIP_FRESH_MILLIS: i64 = 60 * SECOND;

/// The policy in force and the people who never count: what an approval is judged by.
#[derive(Debug, Clone)]
pub struct Ballot {
    pub policy: Policy,
    pub involved: Involved,
}

/// What must hold at the moment of starting, freshly read (R1, R2, R5).
#[derive(Debug, Clone)]
pub struct StartEvidence {
    pub ballot: Ballot,
    pub revision: Revision,
    /// Of every approver; may be empty where nobody had to approve.
    pub memberships: Vec<Membership>,
}

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
    /// Approvers left their teams since: their approvals are void.
    LoseQuorum {
        memberships: Vec<Membership>,
        ballot: Ballot,
    },
    Start {
        operation: OperationId,
        evidence: StartEvidence,
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
    /// A person wants it gone.
    RequestStop {
        actor: Actor,
        by: PersonRef,
        reason: String,
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
            Self::Start { .. } => "start",
            Self::Intend { .. } => "intend a call",
            Self::Conclude { .. } => "conclude a call",
            Self::Observe { .. } => "observe",
            Self::RequestStop { .. } => "roll back",
            Self::Abort => "abort",
            Self::SeeRollback { .. } => "see a rollback",
            Self::ObserveRollback { .. } => "observe the rollback",
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
    #[error("it cannot start: {0}")]
    NoAuthority(String),
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

    fn event(&self, kind: EventKind, actor: Actor, data: Value, text: Option<String>) -> AuditEvent {
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
                State::AwaitingApproval { revision, .. },
            ) => {
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
                next.lose_quorum(revision, &memberships, &ballot, now, &mut events);
            }
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
                    operation,
                    started_at: now,
                    deadline,
                    calls: Vec::new(),
                    task_definition: None,
                    cloud_deployment: None,
                    progress: None,
                    stop: None,
                };
                let data = json!({ "operation": operation, "revision": revision.hash(), "digest": self.digest });
                events.push(self.event(EventKind::DeploymentStarted, worker(), data, None));
                next.state = State::Starting { run };
            }
            (Transition::Intend { kind, epoch }, State::Starting { run } | State::Deploying { run }) => {
                if !call_is_due(&self.state, run, kind) {
                    return Err(Refusal::CallNotDue(kind.name()));
                }
                let data = json!({ "call": kind.name(), "operation": run.operation, "attempt": run.attempts(kind) + 1, "epoch": epoch });
                events.push(self.event(EventKind::CloudIntended, worker(), data, None));
                let call = Call {
                    kind,
                    intended_at: now,
                    epoch,
                    outcome: Outcome::Open,
                };
                next.edit_run(|run| run.calls.push(call));
            }
            (Transition::Conclude { outcome }, State::Starting { run } | State::Deploying { run }) => {
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
                    next.edit_run(|run| run.progress = Some(progress));
                }
            }
            (Transition::RequestStop { actor, by, reason }, State::Starting { run } | State::Deploying { run }) => {
                if run.stop.is_some() {
                    return Err(invalid());
                }
                events.push(self.event(EventKind::RollbackRequested, actor, json!({}), Some(reason.clone())));
                next.edit_run(|run| run.stop = Some(StopRequest { by, reason, at: now }));
            }
            (Transition::Abort, State::Starting { run }) => {
                let stop = run.stop.clone().filter(|_| may_abort(run)).ok_or_else(invalid)?;
                let actor = Actor::Person {
                    person: stop.by,
                    roles: Vec::new(),
                    teams: Vec::new(),
                };
                events.push(self.event(
                    EventKind::DeploymentCancelled,
                    worker(),
                    json!({ "asked_by": actor.label() }),
                    None,
                ));
                next.state = State::Cancelled {
                    by: actor,
                    reason: stop.reason,
                    at: now,
                };
            }
            (Transition::SeeRollback { rollback, cause }, State::Deploying { run }) => {
                let data = json!({ "rollback": rollback, "of": run.cloud_deployment, "cause": cause_name(&cause) });
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
                    json!({ "cause": cause_name(cause), "rollback": rollback, "seconds": now.since(*since) / SECOND });
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

    fn edit_run(&mut self, edit: impl FnOnce(&mut Run)) {
        if let State::Starting { run } | State::Deploying { run } = &mut self.state {
            edit(run);
        }
    }

    /// Voids every standing approval for which `why` gives a reason, one event each.
    fn void(&mut self, why: impl Fn(&Approval) -> Option<String>, now: Timestamp, events: &mut Vec<AuditEvent>) {
        let mut voided = Vec::new();
        for approval in self.approvals.iter_mut().filter(|approval| approval.voided.is_none()) {
            if let Some(why) = why(approval) {
                voided.push(json!({ "approval": approval.id, "person": approval.person, "revision": approval.revision, "why": why }));
                approval.voided = Some(Voided { at: now, why });
            }
        }
        events.extend(
            voided
                .into_iter()
                .map(|data| self.event(EventKind::ApprovalInvalidated, Actor::system("worker"), data, None)),
        );
    }

    fn prepare(
        &mut self,
        before: &Self,
        preparation: Preparation,
        revision: Revision,
        policy: &Policy,
        now: Timestamp,
        events: &mut Vec<AuditEvent>,
    ) {
        let hash = revision.hash();
        if let Some(old) = before.revision() {
            if old.hash() == hash {
                self.preparation = Some(preparation);
                return;
            }
            let changes = old.changes(&revision);
            let why = changes
                .iter()
                .map(|c| format!("{} changed from {} to {}", c.what, c.from, c.to))
                .collect::<Vec<_>>()
                .join("; ");
            self.void(|approval| (approval.revision != hash).then(|| why.clone()), now, events);
        }
        let data = json!({ "revision": hash, "content": revision });
        events.push(self.event(EventKind::DeploymentPrepared, Actor::system("worker"), data, None));
        self.preparation = Some(preparation);
        let authority = match &self.kind {
            super::Kind::Rollback { by, reason, .. } => Some(Authority::Rollback {
                by: by.clone(),
                reason: reason.clone(),
            }),
            super::Kind::Promotion if policy.is_automatic() => Some(Authority::Automatic),
            super::Kind::Promotion => None,
        };
        self.state = match authority {
            Some(authority) => {
                events.push(self.event(
                    EventKind::DeploymentQueued,
                    Actor::system("worker"),
                    json!({ "authority": authority }),
                    None,
                ));
                State::Queued {
                    revision,
                    authority,
                    // What runs changes whenever one goes before it: that costs nobody their place in the lane.
                    since: match &before.state {
                        State::Queued { since, .. } => *since,
                        _ => now,
                    },
                    start_before: None,
                }
            }
            None => State::AwaitingApproval {
                revision,
                since: now,
                expires_at: self.requested_at.plus_seconds(policy.approve_within_seconds),
            },
        };
    }

    fn approve(
        &mut self,
        revision: &Revision,
        actor: Actor,
        mut approval: Approval,
        ballot: &Ballot,
        now: Timestamp,
        events: &mut Vec<AuditEvent>,
    ) -> Result<(), Refusal> {
        let current = revision.hash();
        if actor.person() != Some(&approval.person) {
            return Err(Refusal::NotAPerson);
        }
        if approval.revision != current {
            return Err(Refusal::StaleRevision {
                seen: approval.revision,
                current,
            });
        }
        if ballot.policy.version() != revision.policy {
            return Err(Refusal::NoAuthority(
                "the policy has changed since; wait for the new revision".to_owned(),
            ));
        }
        approval::eligible(
            &ballot.policy,
            &ballot.involved,
            approval.person.id,
            &approval.teams,
            &self.approvals,
            &current,
        )?;
        approval.solo = ballot.involved.excludes(approval.person.id).is_some();
        let data = json!({ "approval": approval.id, "revision": current, "digest": self.digest, "teams": approval.teams, "solo": approval.solo });
        events.push(self.event(EventKind::ApprovalGiven, actor, data, approval.comment.clone()));
        self.approvals.push(approval);
        let status = approval::quorum(
            &ballot.policy,
            &ballot.involved,
            &self.approvals,
            &current,
            |approval| approval.teams.clone(),
        );
        if status.reached() {
            let approvals = self
                .approvals
                .iter()
                .filter(|a| approval::counts(a, &current))
                .map(|a| a.id)
                .collect();
            let authority = Authority::Quorum { approvals };
            events.push(self.event(
                EventKind::DeploymentQueued,
                Actor::system("approvals"),
                json!({ "authority": authority }),
                None,
            ));
            self.state = State::Queued {
                revision: revision.clone(),
                authority,
                since: now,
                start_before: Some(now.plus_seconds(ballot.policy.start_within_seconds)),
            };
        }
        Ok(())
    }

    fn lose_quorum(
        &mut self,
        revision: &Revision,
        memberships: &[Membership],
        ballot: &Ballot,
        now: Timestamp,
        events: &mut Vec<AuditEvent>,
    ) {
        let asked = |team| ballot.policy.approvals.iter().any(|rule| rule.teams.contains(team));
        let still = |person: i64| {
            memberships
                .iter()
                .any(|m| m.person == person && m.teams.iter().any(asked))
        };
        self.void(
            |a| (!still(a.person.id)).then(|| format!("{} is in no team that may approve any more", a.person)),
            now,
            events,
        );
        self.state = State::AwaitingApproval {
            revision: revision.clone(),
            since: now,
            expires_at: self.requested_at.plus_seconds(ballot.policy.approve_within_seconds),
        };
    }

    /// Whether it may start now: the revision unchanged, in time, and the authority still standing (R1, R2, R4, R5).
    fn check_authority(
        &self,
        revision: &Revision,
        authority: &Authority,
        start_before: Option<Timestamp>,
        evidence: &StartEvidence,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::NoAuthority(why.to_owned()));
        if evidence.revision.hash() != revision.hash() {
            return refuse("what would be deployed is not what was approved");
        }
        if start_before.is_some_and(|limit| now >= limit) {
            return refuse("its time to start has run out");
        }
        match authority {
            Authority::Quorum { .. } if self.quorum_stands(revision, &evidence.ballot, &evidence.memberships, now) => {
                Ok(())
            }
            Authority::Quorum { .. } => refuse("its approvals do not make a quorum any more"),
            Authority::Automatic if evidence.ballot.policy.is_automatic() => Ok(()),
            Authority::Automatic => refuse("the policy asks for approvals"),
            Authority::Rollback { .. } if self.is_rollback() => Ok(()),
            Authority::Rollback { .. } => refuse("it is no rollback"),
        }
    }

    /// Whether the approvals make a quorum with the memberships as they are now.
    pub fn quorum_stands(
        &self,
        revision: &Revision,
        ballot: &Ballot,
        memberships: &[Membership],
        now: Timestamp,
    ) -> bool {
        let fresh = |approval: &Approval| {
            memberships
                .iter()
                .find(|m| m.person == approval.person.id && now.since(m.checked_at) <= MEMBERSHIP_FRESH_MILLIS)
                .map(|m| m.teams.clone())
                .unwrap_or_default()
        };
        !ballot.policy.is_automatic()
            && approval::quorum(
                &ballot.policy,
                &ballot.involved,
                &self.approvals,
                &revision.hash(),
                fresh,
            )
            .reached()
    }

    fn conclude(&mut self, kind: CallKind, outcome: Outcome) {
        let created = match (&outcome, kind) {
            (Outcome::Done { id, .. }, CallKind::CreateDeployment) => Some(id.clone()),
            _ => None,
        };
        self.edit_run(|run| {
            if let (Outcome::Done { id, .. }, CallKind::RegisterTaskDefinition) = (&outcome, kind) {
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

/// Whether nothing that runs was asked of the cloud, or could have been.
pub(crate) fn may_abort(run: &Run) -> bool {
    run.calls.iter().all(|call| {
        call.kind != CallKind::CreateDeployment
            || matches!(call.outcome, Outcome::Refused { .. } | Outcome::NothingHappened { .. })
    })
}

/// The order of calls, and never a second one while the first one's outcome is unknown.
fn call_is_due(state: &State, run: &Run, kind: CallKind) -> bool {
    let done = |kind| {
        run.calls
            .iter()
            .any(|call| call.kind == kind && matches!(call.outcome, Outcome::Done { .. }))
    };
    run.open_call().is_none()
        && match (state, kind) {
            (State::Starting { .. }, CallKind::RegisterTaskDefinition) => !done(kind),
            (State::Starting { .. }, CallKind::CreateDeployment) => {
                done(CallKind::RegisterTaskDefinition) && !done(kind) && run.stop.is_none()
            }
            (State::Deploying { .. }, CallKind::StopDeployment) => true,
            _ => false,
        }
}

const fn cause_name(cause: &RollbackCause) -> &'static str {
    match cause {
        RollbackCause::Person { .. } => "person",
        RollbackCause::Cloud { .. } => "cloud",
        RollbackCause::Deadline => "deadline",
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
