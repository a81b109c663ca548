//! What must be true of a deployment, whatever happens to it.

use super::*;
use crate::{
    approval::{Involved, Membership},
    id::{ApprovalId, OperationId},
    name::{GateName, TeamSlug},
    plan::{Facts, Found, Lane, Step, TargetFacts, plan},
    policy::{Policy, QuorumRule},
    time::{HOUR, MINUTE, SECOND},
    traffic::TrafficPlan,
};
use proptest::prelude::*;
use uuid::Uuid;

pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

fn platform() -> TeamSlug {
    TeamSlug::new("platform").unwrap()
}

fn policy() -> Policy {
    Policy {
        approvals: vec![QuorumRule {
            teams: vec![platform()],
            count: 1,
        }],
        ..Policy::default()
    }
}

fn requested() -> Deployment {
    Deployment {
        id: DeploymentId::from_uuid(Uuid::from_u128(1)),
        service: ServiceName::new("rag").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        release: ReleaseId::from_uuid(Uuid::from_u128(2)),
        digest: Digest::new(format!("sha256:{}", "a1".repeat(32))).unwrap(),
        label: "sha-1234567".to_owned(),
        kind: Kind::Promotion,
        requested_by: person(1),
        requested_at: moment(0),
        reason: None,
        approvals: Vec::new(),
        preparation: None,
        state: State::Requested { blocked: Vec::new() },
    }
}

fn person(id: i64) -> Actor {
    Actor::Person {
        person: PersonRef::new(id, format!("person-{id}")),
        roles: Vec::new(),
        teams: vec![platform()],
    }
}

fn preparation() -> Preparation {
    Preparation {
        at: moment(0),
        running_task_definition: Some("arn:td:1".to_owned()),
        running_image: None,
        running_digest: None,
        changes: Vec::new(),
        hash: "hash-1".to_owned(),
        immutable_tags: true,
    }
}

fn facts() -> Facts {
    Facts {
        target: Some(TargetFacts {
            policy: policy(),
            traffic: TrafficPlan::AllAtOnce,
            deadline_seconds: 3600,
        }),
        gates: Vec::new(),
        involved: Involved {
            requester: Some(PersonRef::new(1, "person-1")),
            ..Involved::default()
        },
        promoted: true,
        preparation: Some(Ok(preparation())),
        memberships: Some(Vec::new()),
        lane: Lane::default(),
        found: None,
        observation: None,
        operation: OperationId::from_uuid(Uuid::from_u128(9)),
        settle_millis: 60 * SECOND,
    }
}

fn step(deployment: &Deployment, facts: &Facts, now: Timestamp) -> Deployment {
    match plan(deployment, facts, now) {
        Step::Do(transition) => deployment.apply(*transition, now).unwrap().0,
        Step::Call(kind) => deployment.apply(Transition::Intend { kind, epoch: 1 }, now).unwrap().0,
        Step::Wait { why, .. } => panic!("waits: {why}"),
        Step::Rest => panic!("rests"),
    }
}

fn waits(deployment: &Deployment, facts: &Facts, now: Timestamp) -> String {
    match plan(deployment, facts, now) {
        Step::Wait { why, .. } => why,
        other => panic!("does not wait: {other:?}"),
    }
}

fn approve(deployment: &Deployment, by: i64, now: Timestamp) -> Result<Deployment, Refusal> {
    let revision = deployment.revision().unwrap().hash();
    let transition = Transition::Approve {
        actor: person(by),
        approval: Approval {
            id: ApprovalId::from_uuid(Uuid::from_u128(u128::try_from(by).unwrap())),
            person: PersonRef::new(by, format!("person-{by}")),
            teams: vec![platform()],
            revision,
            at: now,
            comment: None,
            solo: false,
            voided: None,
        },
        ballot: Ballot {
            policy: policy(),
            involved: facts().involved,
        },
    };
    deployment.apply(transition, now).map(|applied| applied.0)
}

fn member(id: i64, at: Timestamp) -> Option<Vec<Membership>> {
    Some(vec![Membership {
        person: id,
        teams: vec![platform()],
        checked_at: at,
    }])
}

fn queued() -> Deployment {
    let awaiting = step(&requested(), &facts(), moment(1));
    approve(&awaiting, 2, moment(2)).unwrap()
}

fn started() -> Deployment {
    step(
        &queued(),
        &Facts {
            memberships: member(2, moment(3)),
            ..facts()
        },
        moment(3),
    )
}

fn done(deployment: &Deployment, id: &str, now: Timestamp) -> Deployment {
    deployment
        .apply(
            Transition::Conclude {
                outcome: Outcome::Done {
                    id: id.to_owned(),
                    at: now,
                },
            },
            now,
        )
        .unwrap()
        .0
}

fn deploying() -> Deployment {
    let facts = Facts {
        memberships: member(2, moment(3)),
        ..facts()
    };
    let registered = done(&step(&started(), &facts, moment(4)), "arn:td:2", moment(5));
    done(&step(&registered, &facts, moment(6)), "d-1", moment(7))
}

fn progress(status: CloudStatus) -> Progress {
    Progress {
        status,
        traffic: None,
        lifecycle: Vec::new(),
        error: None,
        rollback: None,
        rollback_message: None,
        seen_at: moment(8),
    }
}

fn observed(deployment: Progress, rollback: Option<Progress>) -> Facts {
    Facts {
        observation: Some(Observation { deployment, rollback }),
        ..facts()
    }
}

#[test]
fn an_approved_deployment_runs_to_success() {
    let running = deploying();
    assert_eq!(running.run().unwrap().cloud_deployment.as_deref(), Some("d-1"));
    let facts = observed(progress(CloudStatus::Succeeded), None);
    let seen = step(&running, &facts, moment(8));
    assert_eq!(step(&seen, &facts, moment(9)).state.name(), StateName::Succeeded);
}

#[test]
fn r03_the_requester_cannot_approve() {
    let awaiting = step(&requested(), &facts(), moment(1));
    assert!(matches!(approve(&awaiting, 1, moment(2)), Err(Refusal::Ineligible(_))));
}

#[test]
fn r02_a_changed_task_definition_voids_the_approval_and_says_so() {
    let changed = Facts {
        preparation: Some(Ok(Preparation {
            hash: "hash-2".to_owned(),
            ..preparation()
        })),
        ..facts()
    };
    let Step::Do(transition) = plan(&queued(), &changed, moment(3)) else {
        panic!()
    };
    let (next, events) = queued().apply(*transition, moment(3)).unwrap();
    assert_eq!(next.state.name(), StateName::AwaitingApproval);
    assert!(
        next.approvals[0]
            .voided
            .as_ref()
            .unwrap()
            .why
            .contains("task definition changed from hash-1 to hash-2")
    );
    assert_eq!(events[0].kind, crate::audit::EventKind::ApprovalInvalidated);
}

#[test]
fn r02_an_approval_of_what_was_seen_before_is_refused() {
    let awaiting = step(&requested(), &facts(), moment(1));
    let changed = Facts {
        preparation: Some(Ok(Preparation {
            hash: "hash-2".to_owned(),
            ..preparation()
        })),
        ..facts()
    };
    let newer = step(&awaiting, &changed, moment(2));
    let stale = Transition::Approve {
        actor: person(2),
        approval: Approval {
            revision: awaiting.revision().unwrap().hash(),
            ..approve(&awaiting, 2, moment(2)).unwrap().approvals[0].clone()
        },
        ballot: Ballot {
            policy: policy(),
            involved: facts().involved,
        },
    };
    assert!(matches!(
        newer.apply(stale, moment(3)),
        Err(Refusal::StaleRevision { .. })
    ));
}

#[test]
fn r04_approval_and_execution_expire_separately() {
    let awaiting = step(&requested(), &facts(), moment(1));
    assert_eq!(waits(&awaiting, &facts(), moment(24 * HOUR - 1)), "waits for approval");
    assert!(matches!(
        step(&awaiting, &facts(), moment(24 * HOUR)).state,
        State::Expired {
            what: Expiry::Approval,
            ..
        }
    ));
    let facts = Facts {
        lane: Lane {
            in_flight: Some(DeploymentId::from_uuid(Uuid::from_u128(7))),
            ..Lane::default()
        },
        ..facts()
    };
    assert!(waits(&queued(), &facts, moment(HOUR + 1)).starts_with("behind"));
    assert!(matches!(
        step(&queued(), &facts, moment(HOUR + 2)).state,
        State::Expired {
            what: Expiry::Execution,
            ..
        }
    ));
}

#[test]
fn r05_an_approver_who_left_the_team_does_not_count_at_dispatch() {
    let left = step(&queued(), &facts(), moment(3));
    assert_eq!(left.state.name(), StateName::AwaitingApproval);
    assert!(left.approvals[0].voided.is_some());
}

#[test]
fn r05_nothing_starts_on_memberships_that_are_stale_or_unknown() {
    let unknown = Facts {
        memberships: None,
        ..facts()
    };
    assert!(waits(&queued(), &unknown, moment(3)).contains("GitHub"));
    let evidence = |at| StartEvidence {
        ballot: Ballot {
            policy: policy(),
            involved: facts().involved,
        },
        revision: queued().revision().unwrap().clone(),
        memberships: member(2, at).unwrap(),
    };
    let start = |at| Transition::Start {
        operation: facts().operation,
        evidence: evidence(at),
        deadline: moment(HOUR),
    };
    assert!(queued().apply(start(moment(0)), moment(60 * SECOND)).is_ok());
    assert!(matches!(
        queued().apply(start(moment(0)), moment(60 * SECOND + 1)),
        Err(Refusal::NoAuthority(_))
    ));
}

#[test]
fn r06_a_gate_that_fails_while_it_waits_takes_it_back() {
    let gate = GateName::new("lint").unwrap();
    let facts = Facts {
        gates: vec![crate::gate::GateStatus { gate, result: None }],
        ..facts()
    };
    let next = step(&queued(), &facts, moment(3));
    assert!(matches!(&next.state, State::Requested { blocked } if blocked[0].subject == "lint"));
    assert!(next.approvals[0].voided.is_some());
}

#[test]
fn r10_an_unknown_outcome_is_looked_for_and_never_repeated_before_the_settling_window() {
    let intended = step(&started(), &facts(), moment(4));
    assert!(waits(&intended, &facts(), moment(5)).contains("RegisterTaskDefinition"));
    let nothing = Facts {
        found: Some(Found::Nothing),
        ..facts()
    };
    waits(&intended, &nothing, moment(4 + 60 * SECOND - 1));
    let settled = step(&intended, &nothing, moment(4 + 60 * SECOND));
    assert!(matches!(
        settled.run().unwrap().calls[0].outcome,
        Outcome::NothingHappened { .. }
    ));
    let found = Facts {
        found: Some(Found::Effect("arn:td:2".to_owned())),
        ..facts()
    };
    assert_eq!(
        step(&intended, &found, moment(5))
            .run()
            .unwrap()
            .task_definition
            .as_deref(),
        Some("arn:td:2")
    );
}

#[test]
fn r13_an_unknown_cloud_status_is_not_the_end() {
    let facts = observed(progress(CloudStatus::Unknown("Pondering".to_owned())), None);
    let seen = step(&deploying(), &facts, moment(8));
    assert_eq!(waits(&seen, &facts, moment(9)), "in progress at the cloud");
    assert!(
        matches!(
            plan(&seen, &facts, moment(3 + HOUR)),
            Step::Call(CallKind::StopDeployment)
        ),
        "the deadline still applies"
    );
}

#[test]
fn a_rollback_by_aws_is_followed_to_its_end() {
    let failed = Progress {
        status: CloudStatus::Failed,
        rollback: Some("d-2".to_owned()),
        rollback_message: Some("AfterAllowTraffic failed".to_owned()),
        ..progress(CloudStatus::Failed)
    };
    let facts = observed(failed, Some(progress(CloudStatus::Succeeded)));
    let seen = step(&deploying(), &facts, moment(8));
    let rolling = step(&seen, &facts, moment(9));
    assert!(
        matches!(&rolling.state, State::RollingBack { cause: RollbackCause::Cloud { message }, .. } if message == "AfterAllowTraffic failed")
    );
    let watched = step(&rolling, &facts, moment(10));
    assert_eq!(step(&watched, &facts, moment(11)).state.name(), StateName::RolledBack);
}

#[test]
fn a_person_stops_it_and_the_reason_is_kept() {
    let stop = Transition::RequestStop {
        actor: person(3),
        by: PersonRef::new(3, "person-3"),
        reason: "errors".to_owned(),
    };
    let stopping = deploying().apply(stop, moment(8)).unwrap().0;
    let running = observed(progress(CloudStatus::InProgress), None);
    let seen = step(&stopping, &running, moment(8));
    let stopped = done(&step(&seen, &running, moment(9)), "d-1", moment(10));
    let over = Progress {
        rollback: Some("d-2".to_owned()),
        ..progress(CloudStatus::Stopped)
    };
    let facts = observed(over, None);
    let rolling = step(&step(&stopped, &facts, moment(11)), &facts, moment(12));
    assert!(
        matches!(&rolling.state, State::RollingBack { cause: RollbackCause::Person { reason, .. }, .. } if reason == "errors")
    );
}

#[test]
fn r09_a_stop_whose_answer_was_lost_is_concluded_by_what_it_did_and_stays_the_persons() {
    let stop = Transition::RequestStop {
        actor: person(3),
        by: PersonRef::new(3, "person-3"),
        reason: "errors".to_owned(),
    };
    let stopping = deploying().apply(stop, moment(8)).unwrap().0;
    let running = observed(progress(CloudStatus::InProgress), None);
    let intended = step(&step(&stopping, &running, moment(8)), &running, moment(9));
    let over = |status| {
        let rollback = Some("d-2".to_owned());
        observed(
            Progress {
                rollback,
                ..progress(status)
            },
            None,
        )
    };
    let seen = step(&intended, &over(CloudStatus::Stopped), moment(10));
    let settled = step(&seen, &over(CloudStatus::Stopped), moment(11));
    assert!(settled.run().unwrap().open_call().is_none());
    let rolling = step(&settled, &over(CloudStatus::Stopped), moment(12));
    assert!(matches!(
        rolling.state,
        State::RollingBack {
            cause: RollbackCause::Person { .. },
            ..
        }
    ));
    let failed = step(&intended, &over(CloudStatus::Failed), moment(10));
    let settled = step(&failed, &over(CloudStatus::Failed), moment(11));
    let rolling = step(&settled, &over(CloudStatus::Failed), moment(12));
    assert!(matches!(
        rolling.state,
        State::RollingBack {
            cause: RollbackCause::Cloud { .. },
            ..
        }
    ));
}

#[test]
fn a_stop_before_anything_was_created_cancels_it() {
    let stop = Transition::RequestStop {
        actor: person(3),
        by: PersonRef::new(3, "person-3"),
        reason: "errors".to_owned(),
    };
    let stopping = started().apply(stop, moment(4)).unwrap().0;
    assert_eq!(step(&stopping, &facts(), moment(5)).state.name(), StateName::Cancelled);
}

#[test]
fn a_refused_call_that_may_be_retried_backs_off() {
    let refused = |retry| Transition::Conclude {
        outcome: Outcome::Refused {
            code: "ThrottlingException".to_owned(),
            message: "Rate exceeded".to_owned(),
            retry,
            at: moment(10),
        },
    };
    let intended = step(&started(), &facts(), moment(4));
    let throttled = intended.apply(refused(true), moment(10)).unwrap().0;
    assert!(waits(&throttled, &facts(), moment(11)).contains("Rate exceeded"));
    assert!(matches!(
        plan(&throttled, &facts(), moment(10 + SECOND)),
        Step::Call(CallKind::RegisterTaskDefinition)
    ));
    let broken = intended.apply(refused(false), moment(10)).unwrap().0;
    assert_eq!(step(&broken, &facts(), moment(11)).state.name(), StateName::Failed);
}

#[test]
fn a_change_of_what_runs_costs_nobody_their_place_in_the_lane() {
    let mut automatic = facts();
    if let Some(target) = &mut automatic.target {
        target.policy.approvals.clear();
    }
    let since = |deployment: &Deployment| match &deployment.state {
        State::Queued { since, .. } => *since,
        other => panic!("{other:?}"),
    };
    let first = step(&requested(), &automatic, moment(1));
    assert_eq!(since(&first), moment(1));
    automatic.preparation = Some(Ok(Preparation {
        running_task_definition: Some("arn:another".to_owned()),
        ..preparation()
    }));
    let again = step(&first, &automatic, moment(2));
    assert_ne!(again.revision(), first.revision());
    assert_eq!(since(&again), moment(1));
}

#[test]
fn a_newer_request_supersedes_a_waiting_one_only_if_the_policy_says_so() {
    let newer = Lane {
        newer: Some(DeploymentId::from_uuid(Uuid::from_u128(8))),
        ..Lane::default()
    };
    let awaiting = step(&requested(), &facts(), moment(1));
    assert_eq!(
        waits(&awaiting, &Facts { lane: newer, ..facts() }, moment(2)),
        "waits for approval"
    );
    let target = TargetFacts {
        policy: Policy {
            supersede: true,
            ..policy()
        },
        ..facts().target.unwrap()
    };
    let next = step(
        &awaiting,
        &Facts {
            lane: newer,
            target: Some(target),
            ..facts()
        },
        moment(2),
    );
    assert_eq!(next.state.name(), StateName::Superseded);
}

/// Any transition at all, with evidence that may be false. Weighted so that walks get as far as the cloud.
fn anything() -> impl Strategy<Value = Transition> {
    let outcome = prop_oneof![
        Just(Outcome::Done {
            id: "x".to_owned(),
            at: moment(1)
        }),
        any::<bool>().prop_map(|retry| Outcome::Refused {
            code: "C".to_owned(),
            message: "m".to_owned(),
            retry,
            at: moment(1)
        }),
        Just(Outcome::NothingHappened { at: moment(1) }),
    ];
    let kind = prop_oneof![
        Just(CallKind::RegisterTaskDefinition),
        Just(CallKind::CreateDeployment),
        Just(CallKind::StopDeployment)
    ];
    let member_id = 1_i64..4;
    let hash = || prop_oneof![9 => Just(0_u8), 1 => 1_u8..3];
    let seldom = || prop::bool::weighted(0.1);
    let ballot = || Ballot {
        policy: policy(),
        involved: facts().involved,
    };
    prop_oneof![
        1 => Just(Transition::Block { blockers: Vec::new() }),
        20 => (hash(), seldom()).prop_map(|(hash, automatic)| {
            let policy = if automatic { Policy::default() } else { policy() };
            let preparation = Preparation {
                hash: format!("hash-{hash}"),
                ..preparation()
            };
            let target = TargetFacts {
                policy: policy.clone(),
                traffic: TrafficPlan::AllAtOnce,
                deadline_seconds: 60,
            };
            let revision = crate::plan::revision_of(&requested(), &target, &[], &preparation);
            Transition::Prepare {
                preparation,
                revision,
                policy,
            }
        }),
        20 => (member_id.clone(), hash()).prop_map(move |(by, hash)| {
            let preparation = Preparation {
                hash: format!("hash-{hash}"),
                ..preparation()
            };
            let revision = crate::plan::revision_of(&requested(), &facts().target.unwrap(), &[], &preparation);
            Transition::Approve {
                actor: person(by),
                approval: Approval {
                    id: ApprovalId::from_uuid(Uuid::from_u128(u128::try_from(by).unwrap())),
                    person: PersonRef::new(by, "p"),
                    teams: vec![platform()],
                    revision: revision.hash(),
                    at: moment(1),
                    comment: None,
                    solo: false,
                    voided: None,
                },
                ballot: ballot(),
            }
        }),
        1 => Just(Transition::Reject {
            by: PersonRef::new(2, "p"),
            actor: person(2),
            reason: "no".to_owned()
        }),
        1 => Just(Transition::Cancel {
            actor: person(2),
            reason: "no".to_owned()
        }),
        1 => Just(Transition::Supersede {
            by: DeploymentId::from_uuid(Uuid::from_u128(3))
        }),
        1 => prop_oneof![Just(Expiry::Approval), Just(Expiry::Execution)].prop_map(|what| Transition::Expire { what }),
        1 => member_id.clone().prop_map(move |id| Transition::LoseQuorum {
            memberships: member(id, moment(0)).unwrap(),
            ballot: ballot()
        }),
        20 => (member_id, hash(), seldom()).prop_map(move |(id, hash, automatic)| {
            let policy = if automatic { Policy::default() } else { policy() };
            let target = TargetFacts {
                policy: policy.clone(),
                traffic: TrafficPlan::AllAtOnce,
                deadline_seconds: 60,
            };
            let preparation = Preparation {
                hash: format!("hash-{hash}"),
                ..preparation()
            };
            let revision = crate::plan::revision_of(&requested(), &target, &[], &preparation);
            let evidence = StartEvidence {
                ballot: Ballot {
                    policy,
                    involved: facts().involved,
                },
                revision,
                memberships: member(id, moment(0)).unwrap(),
            };
            Transition::Start {
                operation: facts().operation,
                evidence,
                deadline: moment(MINUTE),
            }
        }),
        20 => kind.prop_map(|kind| Transition::Intend { kind, epoch: 1 }),
        20 => outcome.prop_map(|outcome| Transition::Conclude { outcome }),
        1 => Just(Transition::Observe {
            progress: progress(CloudStatus::InProgress)
        }),
        1 => Just(Transition::RequestStop {
            actor: person(2),
            by: PersonRef::new(2, "p"),
            reason: "r".to_owned()
        }),
        1 => Just(Transition::Abort),
        1 => Just(Transition::SeeRollback {
            rollback: None,
            cause: RollbackCause::Deadline
        }),
        1 => Just(Transition::ObserveRollback {
            progress: progress(CloudStatus::InProgress)
        }),
        1 => Just(Transition::Succeed),
        1 => Just(Transition::FinishRollback),
        1 => Just(Transition::Fail {
            failure: Failure {
                code: None,
                message: "m".to_owned()
            }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn r01_r13_no_path_leaves_a_terminal_state_or_reaches_the_cloud_without_a_quorum(transitions in prop::collection::vec(anything(), 1..80)) {
        let mut deployment = requested();
        for transition in transitions {
            let terminal = deployment.state.name().is_terminal();
            let calls_the_cloud = matches!(transition, Transition::Intend { .. });
            let evidence = match &transition {
                Transition::Start { evidence, .. } => Some(evidence.clone()),
                _ => None,
            };
            let Ok((next, _)) = deployment.apply(transition, moment(1)) else { continue };
            prop_assert!(!terminal, "left {:?}", deployment.state.name());
            if let (Some(evidence), Some(run)) = (evidence, next.run())
                && matches!(run.authority, Authority::Quorum { .. })
            {
                let hash = evidence.revision.hash();
                prop_assert_eq!(&run.revision.hash(), &hash, "started what was not approved");
                let still_there = |a: &&Approval| {
                    a.voided.is_none() && a.revision == hash && evidence.memberships.iter().any(|m| m.person == a.person.id)
                };
                prop_assert!(next.approvals.iter().any(|a| still_there(&a)), "nobody who approved is still in the team");
            }
            if calls_the_cloud {
                let run = next.run().unwrap();
                let revision = run.revision.hash();
                let valid: Vec<_> = next
                    .approvals
                    .iter()
                    .filter(|a| a.voided.is_none() && a.revision == revision && a.person.id != 1)
                    .collect();
                let allowed = match &run.authority {
                    Authority::Quorum { .. } => !valid.is_empty(),
                    Authority::Automatic => run.revision.policy == Policy::default().version(),
                    Authority::Rollback { .. } => false,
                };
                prop_assert!(allowed, "{:?} with {} valid approvals", run.authority, valid.len());
            }
            if let Some(run) = next.run() {
                prop_assert!(run.calls.iter().filter(|call| call.outcome == Outcome::Open).count() <= 1);
                let created = run.calls.iter().filter(|c| c.kind == CallKind::CreateDeployment && matches!(c.outcome, Outcome::Done { .. })).count();
                prop_assert!(created <= 1);
            }
            deployment = next;
        }
    }
}
