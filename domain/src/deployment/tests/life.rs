//! The life of a deployment, step by step.

use super::*;
use crate::{name::GateName, plan::Found, time::HOUR};

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
    let gone = Membership {
        person: 2,
        teams: Vec::new(),
        checked_at: moment(3),
    };
    let facts = Facts {
        memberships: Some(vec![gone]),
        ..facts()
    };
    let left = step(&queued(), &facts, moment(3));
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
        engine: engine(),
        health: None,
        memberships: member(2, at).unwrap(),
    };
    let start = |at| Transition::Start {
        operation: facts().operation,
        evidence: Box::new(evidence(at)),
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
fn what_its_gates_say_needs_no_look_at_the_cloud() {
    let gate = GateName::new("lint").unwrap();
    let unseen = Facts {
        preparation: None,
        ..facts()
    };
    assert!(!crate::plan::held_up(&queued(), &unseen, moment(3)));
    assert!(waits(&queued(), &unseen, moment(3)).contains("could not be asked"));
    let failing = Facts {
        gates: vec![crate::gate::GateStatus { gate, result: None }],
        ..unseen
    };
    assert!(crate::plan::held_up(&queued(), &failing, moment(3)));
    let next = step(&queued(), &failing, moment(3));
    assert!(matches!(&next.state, State::Requested { blocked } if blocked[0].subject == "lint"));
}

#[test]
fn r10_an_unknown_outcome_is_looked_for_and_never_repeated_before_the_settling_window() {
    let members = Facts {
        memberships: member(2, moment(3)),
        ..facts()
    };
    let intended = step(&started(), &members, moment(4));
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
        cause: RollbackCause::Person {
            by: PersonRef::new(3, "person-3"),
            reason: "errors".to_owned(),
        },
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
        cause: RollbackCause::Person {
            by: PersonRef::new(3, "person-3"),
            reason: "errors".to_owned(),
        },
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
        cause: RollbackCause::Person {
            by: PersonRef::new(3, "person-3"),
            reason: "errors".to_owned(),
        },
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
    let facts = Facts {
        memberships: member(2, moment(3)),
        ..facts()
    };
    let intended = step(&started(), &facts, moment(4));
    let throttled = intended.apply(refused(true), moment(10)).unwrap().0;
    assert!(waits(&throttled, &facts, moment(11)).contains("Rate exceeded"));
    assert!(matches!(
        plan(&throttled, &facts, moment(10 + SECOND)),
        Step::Call(CallKind::RegisterTaskDefinition)
    ));
    let broken = intended.apply(refused(false), moment(10)).unwrap().0;
    assert_eq!(step(&broken, &facts, moment(11)).state.name(), StateName::Failed);
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

#[test]
fn r04_an_approval_after_its_time_is_refused() {
    let awaiting = step(&requested(), &facts(), moment(1));
    assert!(approve(&awaiting, 2, moment(24 * HOUR - 1)).is_ok());
    assert_eq!(approve(&awaiting, 2, moment(24 * HOUR)), Err(Refusal::TooLate));
}

#[test]
fn r05_what_github_said_too_long_ago_costs_nobody_their_approval() {
    let stale = Facts {
        memberships: member(2, moment(3)),
        ..facts()
    };
    let now = moment(3 + 60 * SECOND + 1);
    assert!(waits(&queued(), &stale, now).contains("GitHub"));
    let lose = Transition::LoseQuorum {
        memberships: member(2, moment(3)).unwrap(),
        ballot: Ballot {
            policy: policy(),
            involved: facts().involved,
        },
    };
    assert!(matches!(queued().apply(lose, now), Err(Refusal::NoAuthority(_))));
}

/// What the events say of the approvals that are void.
fn void_because(deployment: &Deployment, facts: &Facts, now: Timestamp) -> (Deployment, Vec<String>) {
    let Step::Do(transition) = plan(deployment, facts, now) else {
        panic!("nothing is done")
    };
    let (next, events) = deployment.apply(*transition, now).unwrap();
    assert_eq!(next.state.name(), StateName::AwaitingApproval);
    let why = |event: &crate::audit::AuditEvent| {
        assert_eq!(event.kind, crate::audit::EventKind::ApprovalInvalidated);
        event.data["why"].as_str().unwrap().to_owned()
    };
    (next, events.iter().map(why).collect())
}

#[test]
fn r03_an_approver_who_turns_out_to_have_had_a_part_in_it_is_named_with_the_reason() {
    let mut facts = Facts {
        memberships: member(2, moment(3)),
        ..facts()
    };
    facts.involved.authors.push(PersonRef::new(2, "person-2"));
    let (next, why) = void_because(&queued(), &facts, moment(3));
    assert_eq!(why, ["person-2 does not count: they wrote a commit that it brings"]);
    assert!(next.approvals[0].voided.is_some());
}

#[test]
fn r05_an_approver_who_changed_teams_and_fills_no_place_is_named_and_may_approve_again() {
    let security = TeamSlug::new("security").unwrap();
    let mut facts = facts();
    if let Some(target) = &mut facts.target {
        target.policy.approvals.push(QuorumRule {
            teams: vec![security.clone()],
            count: 1,
        });
    }
    let policy = facts.target.as_ref().unwrap().policy.clone();
    let yes = |deployment: &Deployment, by: i64, team: &TeamSlug, at| {
        let approval = Approval {
            id: ApprovalId::from_uuid(Uuid::from_u128(u128::try_from(by).unwrap())),
            person: PersonRef::new(by, format!("person-{by}")),
            teams: vec![team.clone()],
            revision: deployment.revision().unwrap().hash(),
            at,
            comment: None,
            solo: false,
            voided: None,
        };
        let transition = Transition::Approve {
            actor: person(by),
            approval,
            ballot: Ballot {
                policy: policy.clone(),
                involved: Involved::default(),
            },
        };
        deployment.apply(transition, at).unwrap().0
    };
    let awaiting = step(&requested(), &facts, moment(1));
    let one = yes(&awaiting, 2, &platform(), moment(2));
    let queued = yes(&one, 3, &security, moment(3));
    assert_eq!(queued.state.name(), StateName::Queued);
    // Both are in the same team by now.
    facts.memberships = Some(
        [2, 3]
            .map(|id| Membership {
                person: id,
                teams: vec![platform()],
                checked_at: moment(4),
            })
            .to_vec(),
    );
    let (next, why) = void_because(&queued, &facts, moment(4));
    assert_eq!(
        why,
        ["person-3 changed teams, and every place they could fill is taken"]
    );
    assert!(next.approvals[0].voided.is_none());
    assert_eq!(yes(&next, 3, &security, moment(5)).state.name(), StateName::Queued);
}

#[test]
fn a_rollback_of_what_does_not_run_any_more_is_cancelled_with_words() {
    let of = DeploymentId::from_uuid(Uuid::from_u128(70));
    let rollback = Deployment {
        kind: Kind::Rollback {
            of,
            by: PersonRef::new(1, "person-1"),
            reason: "slow".to_owned(),
        },
        ..requested()
    };
    let runs = |id: u128| Facts {
        lane: Lane {
            running: Some(DeploymentId::from_uuid(Uuid::from_u128(id))),
            ..Lane::default()
        },
        ..facts()
    };
    let queued = step(&rollback, &runs(70), moment(1));
    assert_eq!(queued.state.name(), StateName::Queued);
    assert_eq!(step(&queued, &runs(70), moment(2)).state.name(), StateName::Starting);
    let cancelled = step(&queued, &runs(71), moment(2));
    assert!(
        matches!(&cancelled.state, State::Cancelled { reason, .. } if reason.contains("is not what runs here any more")),
        "{:?}",
        cancelled.state
    );
}

#[test]
fn r36_a_moved_tag_is_told_and_voids_nothing() {
    let moved = Facts {
        preparation: Some(Ok(Preparation {
            tag_moved_to: Some(Digest::new(format!("sha256:{}", "ee".repeat(32))).unwrap()),
            ..preparation()
        })),
        memberships: member(2, moment(3)),
        ..facts()
    };
    let Step::Do(transition) = plan(&queued(), &moved, moment(3)) else {
        panic!("it is told")
    };
    let (next, events) = queued().apply(*transition, moment(3)).unwrap();
    assert_eq!(events[0].kind, crate::audit::EventKind::WorkerWarning);
    assert_eq!(next.revision(), queued().revision());
    assert!(next.approvals[0].voided.is_none());
    assert!(next.preparation.as_ref().unwrap().tag_moved_to.is_some());
    assert_eq!(step(&next, &moved, moment(4)).state.name(), StateName::Starting);
}
