//! By what right a deployment runs: preparing what is approved, approving it, losing the quorum, and whether it stands.

use super::{Authority, Deployment, Kind, Preparation, Refusal, State};
use crate::{
    access::Actor,
    approval::{self, Approval, Involved, Membership, Voided},
    audit::{AuditEvent, EventKind},
    catalog::Engine,
    health::HealthDefinition,
    name::TeamSlug,
    policy::Policy,
    revision::Revision,
    time::{SECOND, Timestamp},
};
use serde_json::json;

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
    /// Where it goes: what [`Revision::task_definition`] was computed for.
    pub engine: Engine,
    /// What it is judged by: what [`Revision::health_definition`] is the version of.
    pub health: Option<HealthDefinition>,
    /// Of every approver; may be empty where nobody had to approve.
    pub memberships: Vec<Membership>,
}

impl Deployment {
    /// Voids every standing approval for which `why` gives a reason, one event each.
    pub(super) fn void(
        &mut self,
        why: impl Fn(&Approval) -> Option<String>,
        now: Timestamp,
        events: &mut Vec<AuditEvent>,
    ) {
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

    pub(super) fn prepare(
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
                // What is deployed is the digest; the tag is for people, and they are told (R36).
                if let Some(digest) = &preparation.tag_moved_to {
                    let what = "the release's tag names another image by now; what is deployed is the approved digest";
                    let data = json!({ "what": what, "tag_moved_to": digest });
                    events.push(self.event(EventKind::WorkerWarning, Actor::system("worker"), data, None));
                }
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
            Kind::Rollback { by, reason, .. } => Some(Authority::Rollback {
                by: by.clone(),
                reason: reason.clone(),
            }),
            Kind::Promotion if policy.is_automatic() => Some(Authority::Automatic),
            Kind::Promotion => self.glass_for_quorum(now).map(|glass| Authority::BreakGlass {
                id: glass.id,
                by: glass.by.clone(),
            }),
        };
        let by_glass = matches!(authority, Some(Authority::BreakGlass { .. }));
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
                    start_before: self
                        .glass_for_quorum(now)
                        .filter(|_| by_glass)
                        .map(|glass| glass.expires_at),
                }
            }
            None => State::AwaitingApproval {
                revision,
                since: now,
                expires_at: self.requested_at.plus_seconds(policy.approve_within_seconds),
            },
        };
    }

    pub(super) fn approve(
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

    /// Voids the approvals that count no more, each with its reason, and asks people again.
    ///
    /// # Errors
    /// When the quorum stands, or a membership is not known afresh: nobody loses an approval for want of an answer.
    pub(super) fn lose_quorum(
        &mut self,
        revision: &Revision,
        memberships: &[Membership],
        ballot: &Ballot,
        now: Timestamp,
        events: &mut Vec<AuditEvent>,
    ) -> Result<(), Refusal> {
        if !self.memberships_known(revision, memberships, now) {
            return Err(Refusal::NoAuthority("the approvers' teams are not known".to_owned()));
        }
        if self.quorum_stands(revision, ballot, memberships, now) {
            return Err(Refusal::NoAuthority("its quorum stands".to_owned()));
        }
        let (policy, involved) = (&ballot.policy, &ballot.involved);
        let teams = |person: i64| {
            let known = memberships.iter().find(|m| m.person == person);
            known.map(|m| m.teams.clone()).unwrap_or_default()
        };
        let seats = approval::quorum(policy, involved, &self.approvals, &revision.hash(), |a| {
            teams(a.person.id)
        });
        let seated = |person: i64| {
            seats
                .rules
                .iter()
                .any(|rule| rule.filled_by.iter().any(|by| by.id == person))
        };
        let asked = |team: &TeamSlug| policy.approvals.iter().any(|rule| rule.teams.contains(team));
        let why = |a: &Approval| {
            let id = a.person.id;
            let excluded = involved.excludes(id).filter(|_| !policy.solo);
            match excluded {
                Some(reason) => Some(format!("{} does not count: they {}", a.person, reason.deed())),
                None if !teams(id).iter().any(asked) => {
                    Some(format!("{} is in no team that may approve any more", a.person))
                }
                None if !seated(id) => Some(format!(
                    "{} changed teams, and every place they could fill is taken",
                    a.person
                )),
                None => None,
            }
        };
        self.void(why, now, events);
        if events.is_empty() {
            let data = json!({ "what": "the approvals do not make a quorum any more", "missing": seats.missing() });
            events.push(self.event(EventKind::WorkerWarning, Actor::system("worker"), data, None));
        }
        self.state = State::AwaitingApproval {
            revision: revision.clone(),
            since: now,
            expires_at: self.requested_at.plus_seconds(policy.approve_within_seconds),
        };
        Ok(())
    }

    /// Whether it may start now: the revision unchanged, in time, and the authority still standing (R1, R2, R4, R5).
    pub(super) fn check_authority(
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
            Authority::BreakGlass { id, .. } => match self.glass_for_quorum(now) {
                Some(glass) if glass.id == *id && glass.used.is_some() => Ok(()),
                Some(_) => refuse("its break-glass has not been used"),
                None => refuse("its break-glass has run out"),
            },
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
            fresh(memberships, approval, now)
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

    /// Whether it is known, freshly enough to judge by, in which teams everyone is whose approval stands.
    pub fn memberships_known(&self, revision: &Revision, memberships: &[Membership], now: Timestamp) -> bool {
        let hash = revision.hash();
        self.approvals
            .iter()
            .filter(|approval| approval::counts(approval, &hash))
            .all(|approval| fresh(memberships, approval, now).is_some())
    }
}

fn fresh<'a>(memberships: &'a [Membership], approval: &Approval, now: Timestamp) -> Option<&'a Membership> {
    memberships
        .iter()
        .find(|m| m.person == approval.person.id && now.since(m.checked_at) <= MEMBERSHIP_FRESH_MILLIS)
}
