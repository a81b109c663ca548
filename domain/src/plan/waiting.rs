//! What happens next to a deployment that has not started: gates, approval, its turn in the lane.

use super::{
    Facts, LOOK_AGAIN_MILLIS, Step, TargetFacts, act,
    clearance::{closed, closed_words, postponed, start_limit, use_glass},
    revision_of, wait, wait_for_github,
};
use crate::{
    access::Actor,
    breakglass::Check,
    deployment::{Authority, Ballot, Blocker, BlockerKind, Deployment, Expiry, Kind, StartEvidence, State, Transition},
    gate::{self, Verdict},
    policy::Policy,
    revision::Revision,
    time::Timestamp,
};

pub(super) fn waiting(deployment: &Deployment, facts: &Facts, now: Timestamp) -> Step {
    if let Some(expired) = expiry(deployment, facts, now) {
        return act(Transition::Expire { what: expired });
    }
    if let Some(overtaken) = overtaken(deployment, facts) {
        return overtaken;
    }
    let blocked_by = |blockers: Vec<Blocker>| match &deployment.state {
        State::Requested { blocked } if *blocked == blockers => wait(now, LOOK_AGAIN_MILLIS, said(&blockers)),
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
    let mut blockers = blockers(deployment, target, facts, now);
    let Some(preparation) = &facts.preparation else {
        // What its gates say needs no look at the cloud.
        if !blockers.is_empty() {
            return blocked_by(blockers);
        }
        return wait(now, LOOK_AGAIN_MILLIS, "the cloud could not be asked what runs now");
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
    let tag = |old: &crate::deployment::Preparation| old.tag_moved_to != preparation.tag_moved_to;
    if deployment.revision().is_none_or(|old| old.hash() != revision.hash())
        || deployment.preparation.as_ref().is_some_and(tag)
    {
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

/// A rollback of what does not run any more would take away what has succeeded since.
fn overtaken(deployment: &Deployment, facts: &Facts) -> Option<Step> {
    let Kind::Rollback { of, .. } = &deployment.kind else {
        return None;
    };
    if facts.lane.running == Some(*of) {
        return None;
    }
    let runs = match facts.lane.running {
        Some(other) => format!("{} has succeeded since", other.short()),
        None => "nothing does".to_owned(),
    };
    Some(act(Transition::Cancel {
        actor: Actor::system("worker"),
        reason: format!(
            "{}, which it was to roll back, is not what runs here any more: {runs}",
            of.short()
        ),
    }))
}

/// Blockers in one line.
pub(super) fn said(blockers: &[Blocker]) -> String {
    blockers
        .iter()
        .map(|b| format!("{}: {}", b.subject, b.why))
        .collect::<Vec<_>>()
        .join("; ")
}

/// What stands in the way, and no broken glass skips: see [`standing`].
pub(super) fn blockers(deployment: &Deployment, target: &TargetFacts, facts: &Facts, now: Timestamp) -> Vec<Blocker> {
    standing(deployment, target, facts)
        .into_iter()
        .filter(|(check, _)| !deployment.waivers.skips(check, now))
        .map(|(_, blocker)| blocker)
        .collect()
}

/// What stands in the way, by check: gates that failed or are missing, an environment that was skipped, phases of a
/// migration out of order, a schema that is gone. Of a rollback only the last.
fn standing(deployment: &Deployment, target: &TargetFacts, facts: &Facts) -> Vec<(Check, Blocker)> {
    if deployment.is_rollback() {
        return facts.clearance.way_back().into_iter().collect();
    }
    let mut blockers: Vec<(Check, Blocker)> = gate::blocking(&facts.gates)
        .into_iter()
        .map(|status| {
            let result = status.result.as_ref();
            let failed = result.is_some_and(|result| result.verdict == Verdict::Fail);
            let blocker = Blocker {
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
            };
            (Check::Gate(status.gate.clone()), blocker)
        })
        .collect();
    if let Some(environment) = target.policy.promote_from.as_ref().filter(|_| !facts.promoted) {
        let blocker = Blocker {
            kind: BlockerKind::PromotionOrder,
            subject: environment.to_string(),
            why: "this digest has not succeeded there yet".to_owned(),
            since: None,
            url: None,
        };
        blockers.push((Check::PromotionOrder, blocker));
    }
    blockers.extend(facts.clearance.blockers());
    blockers
}

fn expiry(deployment: &Deployment, facts: &Facts, now: Timestamp) -> Option<Expiry> {
    match &deployment.state {
        State::AwaitingApproval { expires_at, .. } if now >= *expires_at => Some(Expiry::Approval),
        State::Queued {
            start_before: Some(limit),
            ..
        } if now >= *limit && start_limit(deployment, facts).is_none_or(|limit| now >= limit) => {
            Some(Expiry::Execution)
        }
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
    if let Some(postponed) = postponed(deployment, facts) {
        return postponed;
    }
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
    let closures = closed(deployment, &facts.clearance, now);
    // It goes at the moment that it may; what runs is looked at meanwhile.
    if let Some(until) = closures.iter().map(|closure| closure.until).min() {
        return Step::Wait {
            until: until.min(now.plus_millis(LOOK_AGAIN_MILLIS)),
            why: closed_words(closures),
        };
    }
    let ballot = Ballot {
        policy: target.policy.clone(),
        involved: facts.involved.clone(),
    };
    if matches!(authority, Authority::Quorum { .. }) {
        let Some(memberships) = &facts.memberships else {
            return wait_for_github(now);
        };
        if !deployment.quorum_stands(&revision, &ballot, memberships, now) {
            if !deployment.memberships_known(&revision, memberships, now) {
                // What is known too late is not known: nobody loses an approval by it.
                return wait_for_github(now);
            }
            return act(Transition::LoseQuorum {
                memberships: memberships.clone(),
                ballot,
            });
        }
    }
    let stood = standing(deployment, target, facts).into_iter().map(|(check, _)| check);
    if let Some(used) = use_glass(deployment, facts, stood.collect(), now) {
        return used;
    }
    act(Transition::Start {
        operation: facts.operation,
        evidence: Box::new(StartEvidence {
            ballot,
            revision,
            engine: target.engine.clone(),
            health: target.health.clone(),
            memberships: facts.memberships.clone().unwrap_or_default(),
        }),
        deadline: now.plus_seconds(target.deadline_seconds),
    })
}
