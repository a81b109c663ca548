//! Between the start and the end: what still must hold, and what happens when nobody can look.

use super::*;
use crate::{
    audit::EventKind,
    name::GateName,
    plan::{Found, GIVE_UP_MILLIS, ROLLBACK_OVERDUE_MILLIS},
    time::{HOUR, MINUTE},
};

/// Started, with its task definition registered at the fifth millisecond.
fn registered() -> Deployment {
    let facts = Facts {
        memberships: member(2, moment(3)),
        ..facts()
    };
    done(&step(&started(), &facts, moment(4)), "arn:td:2", moment(5))
}

fn fresh(now: Timestamp) -> Facts {
    Facts {
        memberships: member(2, now),
        ..facts()
    }
}

fn message(deployment: &Deployment) -> &str {
    match &deployment.state {
        State::Failed { failure, .. } => &failure.message,
        other => panic!("{other:?}"),
    }
}

fn unseen() -> Facts {
    Facts {
        observation: None,
        ..facts()
    }
}

fn stop() -> Transition {
    Transition::RequestStop {
        actor: person(3),
        cause: RollbackCause::Person {
            by: PersonRef::new(3, "person-3"),
            reason: "errors".to_owned(),
        },
    }
}

/// The step is a warning; its event says what.
fn warns(deployment: &Deployment, facts: &Facts, now: Timestamp) -> (Deployment, String) {
    let Step::Do(transition) = plan(deployment, facts, now) else {
        panic!("does nothing")
    };
    let (next, events) = deployment.apply(*transition, now).unwrap();
    assert_eq!(events[0].kind, EventKind::WorkerWarning);
    (next, events[0].data["what"].as_str().unwrap().to_owned())
}

#[test]
fn r01_what_started_goes_where_it_was_approved_for_whatever_the_configuration_says_later() {
    assert_eq!(started().run().unwrap().engine, engine());
    let mut elsewhere = facts();
    if let Some(TargetFacts {
        engine: Engine::EcsCodedeploy(ecs),
        ..
    }) = &mut elsewhere.target
    {
        ecs.deployment_group = "another".to_owned();
    }
    elsewhere.memberships = member(2, moment(6));
    let intended = step(&registered(), &elsewhere, moment(6));
    assert_eq!(intended.run().unwrap().engine, engine());
}

#[test]
fn r04_an_execution_that_expires_between_start_and_create_creates_nothing() {
    let in_time = moment(HOUR + 1);
    assert!(matches!(
        plan(&registered(), &fresh(in_time), in_time),
        Step::Call(CallKind::CreateDeployment)
    ));
    let late = moment(HOUR + 2);
    let mut patient = fresh(late);
    patient.settle_millis = 0;
    let mut long = registered();
    if let State::Starting { run } = &mut long.state {
        run.deadline = moment(2 * HOUR);
    }
    let failed = step(&long, &patient, late);
    assert!(message(&failed).contains("the time in which it had to start ran out"));
    let intend = Transition::Intend {
        kind: CallKind::CreateDeployment,
        epoch: 1,
    };
    assert!(matches!(long.apply(intend, late), Err(Refusal::NoAuthority(_))));
}

#[test]
fn r06_a_gate_that_fails_between_start_and_create_ends_it() {
    let failing = Facts {
        gates: vec![crate::gate::GateStatus {
            gate: GateName::new("lint").unwrap(),
            result: None,
        }],
        ..fresh(moment(6))
    };
    let failed = step(&registered(), &failing, moment(6));
    assert_eq!(message(&failed), "lint: not reported yet, before anything was deployed");
}

#[test]
fn r06_a_policy_or_a_target_that_changes_between_start_and_create_ends_it() {
    let mut stricter = fresh(moment(6));
    if let Some(target) = &mut stricter.target {
        target.policy.start_within_seconds = 60;
    }
    let failed = step(&registered(), &stricter, moment(6));
    assert!(message(&failed).contains("the policy that it was approved under changed"));
    let gone = Facts {
        target: None,
        ..fresh(moment(6))
    };
    let failed = step(&registered(), &gone, moment(6));
    assert!(message(&failed).contains("taken out of the configuration"));
}

#[test]
fn r05_a_membership_that_is_stale_before_the_create_is_asked_for_again() {
    let stale = fresh(moment(6));
    let now = moment(6 + 61 * SECOND);
    assert!(waits(&registered(), &stale, now).contains("GitHub"));
}

#[test]
fn r09_a_deployment_whose_target_is_gone_is_followed_to_its_end() {
    let gone = |facts| Facts { target: None, ..facts };
    let facts = gone(observed(progress(CloudStatus::Succeeded), None));
    let seen = step(&deploying(), &facts, moment(8));
    assert_eq!(step(&seen, &facts, moment(9)).state.name(), StateName::Succeeded);

    let going = gone(observed(progress(CloudStatus::InProgress), None));
    let seen = step(&deploying(), &going, moment(8));
    let stopping = seen.apply(stop(), moment(9)).unwrap().0;
    let stopped = done(&step(&stopping, &going, moment(10)), "d-1", moment(11));
    let over = Progress {
        rollback: Some("d-2".to_owned()),
        ..progress(CloudStatus::Stopped)
    };
    let back = gone(observed(over, Some(progress(CloudStatus::Succeeded))));
    let mut next = stopped;
    for at in 12..16 {
        next = step(&next, &back, moment(at));
    }
    assert_eq!(next.state.name(), StateName::RolledBack);

    let intended = step(&registered(), &fresh(moment(6)), moment(6));
    let found = gone(Facts {
        found: Some(Found::Effect("d-1".to_owned())),
        ..facts
    });
    assert_eq!(step(&intended, &found, moment(7)).state.name(), StateName::Deploying);
}

#[test]
fn r09_past_its_deadline_it_is_stopped_without_being_seen_and_people_are_told_once() {
    let deadline = moment(3 + HOUR);
    assert!(waits(&deploying(), &unseen(), deadline.plus_millis(-1)).contains("cannot be asked"));
    assert!(matches!(
        plan(&deploying(), &unseen(), deadline),
        Step::Call(CallKind::StopDeployment)
    ));
    let asked = step(&deploying(), &unseen(), deadline);
    let later = deadline.plus_millis(2 * MINUTE);
    let (told, what) = warns(&asked, &unseen(), later);
    assert!(what.contains("cannot be read"), "{what}");
    // The first stop got no answer: it is asked for again, and nobody is told twice.
    let unclear = step(&told, &unseen(), later);
    assert!(unclear.run().unwrap().open_call().is_none());
    let pause = waits(&unclear, &unseen(), later.plus_millis(1));
    assert!(pause.contains("asking again"), "{pause}");
    assert!(matches!(
        plan(&unclear, &unseen(), later.plus_millis(5 * SECOND)),
        Step::Call(CallKind::StopDeployment)
    ));
}

#[test]
fn r09_what_nobody_has_seen_to_end_an_hour_after_its_deadline_has_failed_and_says_what_to_check() {
    let end = moment(3 + HOUR + GIVE_UP_MILLIS);
    let failed = step(&deploying(), &unseen(), end);
    assert!(
        message(&failed).contains("check at AWS what serves traffic; before it was arn:td:1"),
        "{}",
        message(&failed)
    );
    // Seen, but never ending: a status nobody knows has a deadline, too (R13).
    let odd = observed(progress(CloudStatus::Unknown("Pondering".to_owned())), None);
    let seen = step(&deploying(), &odd, moment(8));
    let failed = step(&seen, &odd, end);
    assert!(
        message(&failed).starts_with("d-1 is still Pondering"),
        "{}",
        message(&failed)
    );
}

#[test]
fn r09_a_create_that_cannot_be_looked_for_is_told_at_the_deadline_and_given_up_later() {
    let intended = step(&registered(), &fresh(moment(6)), moment(6));
    let deadline = moment(3 + HOUR);
    assert!(waits(&intended, &unseen(), deadline.plus_millis(-1)).contains("not known yet"));
    let (told, what) = warns(&intended, &unseen(), deadline);
    assert!(
        what.contains("whether CreateDeployment took effect is not known"),
        "{what}"
    );
    waits(&told, &unseen(), deadline.plus_millis(1));
    let failed = step(&told, &unseen(), deadline.plus_millis(GIVE_UP_MILLIS));
    assert!(message(&failed).contains("it is stopped"));
    let registering = step(&started(), &fresh(moment(4)), moment(4));
    assert_eq!(step(&registering, &unseen(), deadline).state.name(), StateName::Failed);
}

#[test]
fn a_stop_asked_for_while_a_harmless_call_is_open_cancels_it_without_waiting_for_the_cloud() {
    let registering = step(&started(), &fresh(moment(4)), moment(4));
    let stopping = registering.apply(stop(), moment(5)).unwrap().0;
    assert_eq!(step(&stopping, &unseen(), moment(6)).state.name(), StateName::Cancelled);
}

#[test]
fn r09_a_rollback_that_is_not_seen_to_end_is_told_to_people_and_ends() {
    let failed = Progress {
        rollback: Some("d-2".to_owned()),
        ..progress(CloudStatus::Failed)
    };
    let facts = observed(failed, None);
    let rolling = step(&step(&deploying(), &facts, moment(8)), &facts, moment(9));
    assert_eq!(rolling.state.name(), StateName::RollingBack);
    let overdue = moment(9 + ROLLBACK_OVERDUE_MILLIS);
    assert!(waits(&rolling, &unseen(), overdue.plus_millis(-1)).contains("cannot be read"));
    let (told, what) = warns(&rolling, &unseen(), overdue);
    assert!(what.contains("look at AWS"), "{what}");
    waits(&told, &unseen(), overdue.plus_millis(1));
    let ended = step(&told, &unseen(), moment(9 + GIVE_UP_MILLIS));
    assert!(message(&ended).contains("it should be arn:td:1"), "{}", message(&ended));
    let back = observed(progress(CloudStatus::Failed), Some(progress(CloudStatus::Succeeded)));
    let seen = step(&told, &back, overdue.plus_millis(2));
    assert_eq!(
        step(&seen, &back, overdue.plus_millis(3)).state.name(),
        StateName::RolledBack
    );
}

#[test]
fn a_stop_that_aws_refused_because_it_was_over_does_not_make_it_the_persons_rollback() {
    let going = observed(progress(CloudStatus::InProgress), None);
    let seen = step(&deploying(), &going, moment(8));
    let stopping = seen.apply(stop(), moment(9)).unwrap().0;
    let intended = step(&stopping, &going, moment(10));
    let refused = Transition::Conclude {
        outcome: Outcome::Refused {
            code: "DeploymentAlreadyCompletedException".to_owned(),
            message: "over".to_owned(),
            retry: false,
            at: moment(11),
        },
    };
    let refused = intended.apply(refused, moment(11)).unwrap().0;
    let over = Progress {
        rollback: Some("d-2".to_owned()),
        rollback_message: Some("an alarm went off".to_owned()),
        ..progress(CloudStatus::Stopped)
    };
    let facts = observed(over, None);
    let rolling = step(&step(&refused, &facts, moment(12)), &facts, moment(13));
    assert!(
        matches!(&rolling.state, State::RollingBack { cause: RollbackCause::Cloud { message }, .. } if message == "an alarm went off"),
        "{:?}",
        rolling.state
    );
}
