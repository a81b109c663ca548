//! What must be true of a deployment, whatever happens to it, in whatever order and at whatever time.

use super::*;
use crate::{
    gate::{GateResult, GateStatus, Verdict},
    name::GateName,
    plan::{Found, revision_of},
    time::{DAY, HOUR, MINUTE},
};
use proptest::prelude::*;

/// People are numbered from 1. The first requested it, the second wrote it.
const PEOPLE: i64 = 7;

fn security() -> TeamSlug {
    TeamSlug::new("security").unwrap()
}

/// Bit 0: platform; bit 1: security.
fn teams(mask: u8) -> Vec<TeamSlug> {
    let all = [platform(), security()];
    all.into_iter()
        .enumerate()
        .filter(|(bit, _)| mask >> bit & 1 == 1)
        .map(|(_, team)| team)
        .collect()
}

fn rules(number: u8) -> Policy {
    let rule = |mask, count| QuorumRule {
        teams: teams(mask),
        count,
    };
    let approvals = match number {
        0 => vec![rule(1, 1)],
        1 => vec![rule(1, 1), rule(2, 1)],
        2 => vec![rule(3, 2)],
        3 => vec![rule(1, 2), rule(3, 1)],
        _ => Vec::new(),
    };
    Policy {
        approvals,
        gates: vec![GateName::new("lint").unwrap()],
        ..Policy::default()
    }
}

fn involved() -> Involved {
    Involved {
        requester: Some(PersonRef::new(1, "person-1")),
        authors: vec![PersonRef::new(2, "person-2")],
        ..Involved::default()
    }
}

/// By trying everything: whether these people, in these teams, fill all places of the policy, each one place.
fn fills(policy: &Policy, people: &[(i64, Vec<TeamSlug>)]) -> bool {
    fn seat(places: &[&QuorumRule], people: &[(i64, Vec<TeamSlug>)], used: &mut Vec<i64>) -> bool {
        let Some((place, rest)) = places.split_first() else {
            return true;
        };
        for (id, teams) in people {
            if !used.contains(id) && place.teams.iter().any(|team| teams.contains(team)) {
                used.push(*id);
                if seat(rest, people, used) {
                    return true;
                }
                used.pop();
            }
        }
        false
    }
    let places: Vec<&QuorumRule> = policy
        .approvals
        .iter()
        .flat_map(|rule| std::iter::repeat_n(rule, usize::from(rule.count)))
        .collect();
    !places.is_empty() && seat(&places, people, &mut Vec::new())
}

/// What is the case at one moment of a walk.
#[derive(Debug, Clone)]
struct Scene {
    later: i64,
    policy: Option<u8>,
    hash: u8,
    lint: bool,
    /// Teams of each person, and how old that knowledge is.
    members: Option<Vec<(u8, i64)>>,
    known: bool,
    yes: Option<(i64, u8, bool)>,
    stop: bool,
    target: bool,
    ahead: bool,
    runs: u128,
    seen: Option<(u8, bool)>,
    found: Option<bool>,
    outcome: u8,
}

fn scene() -> impl Strategy<Value = Scene> {
    let later = prop_oneof![
        30 => 0..5 * SECOND,
        6 => Just(61 * SECOND),
        2 => Just(20 * MINUTE),
        1 => Just(HOUR),
        1 => Just(DAY),
    ];
    let member = (
        prop_oneof![8 => Just(3_u8), 1 => 0_u8..4],
        prop_oneof![8 => Just(0), 1 => 50 * SECOND..70 * SECOND],
    );
    let members = prop::collection::vec(member, usize::try_from(PEOPLE).unwrap());
    let rarely = prop::bool::weighted(0.04);
    (
        (
            later,
            prop::option::weighted(0.03, 0_u8..5),
            prop_oneof![30 => Just(0_u8), 1 => 1_u8..3],
            prop::bool::weighted(0.96),
            prop::option::weighted(0.95, members),
            prop::bool::weighted(0.97),
        ),
        (
            prop::option::weighted(0.6, (1..=PEOPLE, 0_u8..4, prop::bool::weighted(0.95))),
            rarely,
            prop::bool::weighted(0.97),
            rarely,
            prop_oneof![20 => Just(70_u128), 1 => Just(71)],
            prop::option::weighted(0.8, (0_u8..8, any::<bool>())),
            prop::option::weighted(0.8, any::<bool>()),
            0_u8..6,
        ),
    )
        .prop_map(|((later, policy, hash, lint, members, known), rest)| {
            let (yes, stop, target, ahead, runs, seen, found, outcome) = rest;
            Scene {
                later,
                policy,
                hash,
                lint,
                members,
                known,
                yes,
                stop,
                target,
                ahead,
                runs,
                seen,
                found,
                outcome,
            }
        })
}

impl Scene {
    fn facts(&self, policy: &Policy, now: Timestamp) -> Facts {
        let gate = GateName::new("lint").unwrap();
        let result = self.lint.then(|| GateResult {
            release: requested().release,
            gate: gate.clone(),
            verdict: Verdict::Pass,
            detail: None,
            url: None,
            seconds: None,
            reported_at: moment(0),
        });
        let membership = |(index, (mask, age)): (usize, &(u8, i64))| Membership {
            person: i64::try_from(index).unwrap() + 1,
            teams: teams(*mask),
            checked_at: now.plus_millis(-age),
        };
        let status = |word: u8| match word {
            0 => CloudStatus::Succeeded,
            1 => CloudStatus::Failed,
            2 => CloudStatus::Stopped,
            3 => CloudStatus::Unknown("Pondering".to_owned()),
            _ => CloudStatus::InProgress,
        };
        Facts {
            target: self.target.then(|| TargetFacts {
                policy: policy.clone(),
                traffic: TrafficPlan::AllAtOnce,
                engine: engine(),
                deadline_seconds: 3 * 3600,
                health: None,
                verify: None,
            }),
            gates: vec![GateStatus { gate, result }],
            involved: involved(),
            preparation: self.known.then(|| {
                Ok(Preparation {
                    hash: format!("hash-{}", self.hash),
                    ..preparation()
                })
            }),
            memberships: self
                .members
                .as_ref()
                .map(|members| members.iter().enumerate().map(membership).collect()),
            lane: Lane {
                in_flight: self.ahead.then(|| DeploymentId::from_uuid(Uuid::from_u128(7))),
                running: Some(DeploymentId::from_uuid(Uuid::from_u128(self.runs))),
                ..Lane::default()
            },
            found: self.found.map(|effect| match effect {
                true => Found::Effect("x".to_owned()),
                false => Found::Nothing,
            }),
            observation: self.seen.map(|(word, rollback)| Observation {
                deployment: Progress {
                    rollback: (rollback && matches!(word, 1 | 2)).then(|| "d-2".to_owned()),
                    ..progress(status(word))
                },
                rollback: rollback.then(|| progress(status(word / 2))),
            }),
            ..facts()
        }
    }

    fn outcome(&self, now: Timestamp) -> Option<Outcome> {
        match self.outcome {
            0 => None,
            1 => Some(Outcome::Refused {
                code: "C".to_owned(),
                message: "m".to_owned(),
                retry: self.hash == 0,
                at: now,
            }),
            _ => Some(Outcome::Done {
                id: "x".to_owned(),
                at: now,
            }),
        }
    }
}

/// A yes by anyone, to what is or to what was, from teams they say they are in.
fn yes(deployment: &Deployment, policy: &Policy, (by, mask, current): (i64, u8, bool), at: Timestamp) -> Transition {
    let revision = match deployment.revision() {
        Some(revision) if current => revision.hash(),
        _ => crate::revision::RevisionHash("0".repeat(64)),
    };
    Transition::Approve {
        actor: person(by),
        approval: Approval {
            id: ApprovalId::from_uuid(Uuid::from_u128(u128::try_from(by).unwrap())),
            person: PersonRef::new(by, format!("person-{by}")),
            teams: teams(mask),
            revision,
            at,
            comment: None,
            solo: false,
            voided: None,
        },
        ballot: Ballot {
            policy: policy.clone(),
            involved: involved(),
        },
    }
}

/// By what right the cloud is called, judged without the code under test.
fn rightful(deployment: &Deployment, policy: &Policy, memberships: &[Membership], now: Timestamp) -> bool {
    let run = deployment.run().unwrap();
    let hash = run.revision.hash();
    let teams_now = |id: i64| {
        let known = memberships.iter().find(|m| m.person == id);
        known
            .filter(|m| now.since(m.checked_at) <= 60 * SECOND)
            .map(|m| m.teams.clone())
    };
    let voters: Vec<(i64, Vec<TeamSlug>)> = deployment
        .approvals
        .iter()
        .filter(|a| a.voided.is_none() && a.revision == hash && a.person.id > 2)
        .filter_map(|a| Some((a.person.id, teams_now(a.person.id)?)))
        .collect();
    match &run.authority {
        Authority::Quorum { .. } => fills(policy, &voters) && run.start_before.is_some_and(|limit| now < limit),
        Authority::Automatic => policy.approvals.is_empty(),
        Authority::Rollback { .. } => deployment.is_rollback(),
        Authority::BreakGlass { .. } => false,
    }
}

fn wanted(rollback: bool) -> Deployment {
    let kind = match rollback {
        true => Kind::Rollback {
            of: DeploymentId::from_uuid(Uuid::from_u128(70)),
            by: PersonRef::new(1, "person-1"),
            reason: "slow".to_owned(),
        },
        false => Kind::Promotion,
    };
    Deployment { kind, ..requested() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Through the planner: whatever is observed and whenever, its steps are ones that the rules allow, and every call
    /// that starts something has a right that holds at that very moment.
    #[test]
    fn r01_r05_the_planner_never_asks_for_a_call_without_a_right_that_holds_now(
        first in 0_u8..5,
        rollback in prop::bool::weighted(0.15),
        scenes in prop::collection::vec(scene(), 1..60),
    ) {
        let mut policy = rules(first);
        let mut deployment = wanted(rollback);
        let mut now = moment(0);
        for scene in scenes {
            now = now.plus_millis(scene.later);
            policy = scene.policy.map_or(policy, rules);
            let facts = scene.facts(&policy, now);
            if let Some(vote) = scene.yes {
                let before = deployment.clone();
                if let Ok((next, _)) = deployment.apply(yes(&deployment, &policy, vote, now), now) {
                    prop_assert!(vote.0 > 2 && vote.2, "a vote that does not count was taken");
                    let State::AwaitingApproval { expires_at, .. } = &before.state else {
                        return Err(TestCaseError::fail("approved while it was not asked"));
                    };
                    prop_assert!(now < *expires_at, "approved after its time");
                    deployment = next;
                }
            }
            if scene.stop {
                let stop = Transition::RequestStop { actor: person(1), cause: RollbackCause::Person { by: PersonRef::new(1, "person-1"), reason: "r".to_owned() } };
                deployment = deployment.apply(stop, now).map_or(deployment, |applied| applied.0);
            }
            let transition = match plan(&deployment, &facts, now) {
                Step::Do(transition) => *transition,
                Step::Call(kind) => {
                    if kind == CallKind::CreateDeployment {
                        let members = facts.memberships.clone().unwrap_or_default();
                        prop_assert!(rightful(&deployment, &policy, &members, now), "{deployment:#?}");
                        prop_assert!(scene.target && (scene.lint || rollback));
                    }
                    Transition::Intend { kind, epoch: 1 }
                }
                Step::Wait { .. } | Step::Rest => continue,
            };
            let called = matches!(transition, Transition::Intend { .. });
            let was_terminal = deployment.state.name().is_terminal();
            let name = transition.name();
            let applied = deployment.apply(transition, now);
            prop_assert!(applied.is_ok(), "planned, but refused: {name}: {:?}", applied.err());
            deployment = applied.unwrap().0;
            prop_assert!(!was_terminal);
            if let Some(outcome) = scene.outcome(now).filter(|_| called) {
                deployment = deployment.apply(Transition::Conclude { outcome }, now).unwrap().0;
            }
            if let Some(run) = deployment.run() {
                let made = run.calls.iter().filter(|c| c.kind == CallKind::CreateDeployment && matches!(c.outcome, Outcome::Done { .. }));
                prop_assert!(made.count() <= 1);
                prop_assert!(run.calls.iter().filter(|call| call.outcome == Outcome::Open).count() <= 1);
            }
        }
    }

    /// Without the planner: any transition at all, with evidence that may be false.
    #[test]
    fn r01_r13_no_path_leaves_a_terminal_state_or_reaches_the_cloud_without_a_quorum(
        first in 0_u8..5,
        rollback in prop::bool::weighted(0.15),
        moves in prop::collection::vec((scene(), 0_u8..24), 1..80),
    ) {
        let mut policy = rules(first);
        let mut deployment = wanted(rollback);
        let mut now = moment(0);
        for (scene, number) in moves {
            now = now.plus_millis(scene.later);
            policy = scene.policy.map_or(policy, rules);
            let terminal = deployment.state.name().is_terminal();
            let transition = any_move(&deployment, &scene, &policy, number, now);
            let evidence = match &transition {
                Transition::Start { evidence, .. } => Some(evidence.clone()),
                _ => None,
            };
            let creates = matches!(transition, Transition::Intend { kind: CallKind::CreateDeployment, .. });
            let Ok((next, _)) = deployment.apply(transition, now) else { continue };
            prop_assert!(!terminal, "left {:?}", deployment.state.name());
            if let Some(evidence) = evidence {
                prop_assert_eq!(next.run().unwrap().revision.hash(), evidence.revision.hash());
                prop_assert!(rightful(&next, &policy, &evidence.memberships, now), "{next:#?}");
            }
            if creates {
                let run = next.run().unwrap();
                prop_assert!(run.start_before.is_none_or(|limit| now < limit), "created after its time");
            }
            deployment = next;
        }
    }
}

/// One of all transitions. Weighted so that walks get as far as the cloud.
fn any_move(deployment: &Deployment, scene: &Scene, policy: &Policy, number: u8, now: Timestamp) -> Transition {
    let facts = scene.facts(policy, now);
    let target = TargetFacts {
        policy: policy.clone(),
        traffic: TrafficPlan::AllAtOnce,
        engine: engine(),
        deadline_seconds: 3600,
        health: None,
        verify: None,
    };
    let preparation = Preparation {
        hash: format!("hash-{}", scene.hash),
        ..preparation()
    };
    let revision = revision_of(deployment, &target, &facts.gates, &preparation);
    let ballot = Ballot {
        policy: policy.clone(),
        involved: involved(),
    };
    let memberships = facts.memberships.unwrap_or_default();
    let kind = match scene.outcome {
        0 | 1 => CallKind::RegisterTaskDefinition,
        2..=4 => CallKind::CreateDeployment,
        _ => CallKind::StopDeployment,
    };
    match number {
        0..=3 => Transition::Prepare {
            preparation,
            revision,
            policy: policy.clone(),
        },
        4..=8 => yes(deployment, policy, scene.yes.unwrap_or((3, 3, true)), now),
        9..=12 => Transition::Start {
            operation: facts.operation,
            evidence: Box::new(StartEvidence {
                ballot,
                revision,
                engine: engine(),
                health: None,
                memberships,
            }),
            deadline: now.plus_millis(MINUTE),
        },
        13..=15 => Transition::Intend { kind, epoch: 1 },
        16..=18 => Transition::Conclude {
            outcome: scene.outcome(now).unwrap_or(Outcome::NothingHappened { at: now }),
        },
        _ => seldom(scene, ballot, memberships, now),
    }
}

fn seldom(scene: &Scene, ballot: Ballot, memberships: Vec<Membership>, now: Timestamp) -> Transition {
    let by = PersonRef::new(3, "person-3");
    let reason = "r".to_owned();
    match now.millis() % 23 {
        0 => Transition::Block { blockers: Vec::new() },
        1 => Transition::Reject {
            by,
            actor: person(3),
            reason,
        },
        2 => Transition::Cancel {
            actor: person(3),
            reason,
        },
        3 => Transition::Supersede {
            by: DeploymentId::from_uuid(Uuid::from_u128(3)),
        },
        4 => Transition::Expire { what: Expiry::Approval },
        5 => Transition::Expire {
            what: Expiry::Execution,
        },
        6..=8 => Transition::LoseQuorum { memberships, ballot },
        9 => Transition::RequestStop {
            actor: person(3),
            cause: RollbackCause::Person { by, reason },
        },
        10 => Transition::Abort,
        11 => Transition::SeeRollback {
            rollback: None,
            cause: RollbackCause::Deadline,
        },
        12 => Transition::ObserveRollback {
            progress: progress(CloudStatus::InProgress),
        },
        13 => Transition::Succeed,
        14 => Transition::FinishRollback,
        15 => Transition::Fail {
            failure: Failure {
                code: None,
                message: reason,
            },
        },
        16 => Transition::Warn {
            concern: Concern::Unseen,
            why: reason,
        },
        _ => Transition::Observe {
            progress: progress(if scene.stop {
                CloudStatus::Stopped
            } else {
                CloudStatus::InProgress
            }),
        },
    }
}
