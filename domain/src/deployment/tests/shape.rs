//! Gates of time and shape: freezes, migrations and break-glass, as a deployment meets them.

use super::*;
use crate::{
    breakglass::{BreakGlass, Check, VALID_MILLIS},
    freeze::{Freeze, FreezeOverride, Span, WEEK_MINUTES, Window},
    id::BreakGlassId,
    migration::{Migration, Phase, PhaseDone, Record},
    name::GateName,
    plan::Standing,
    time::{HOUR, MINUTE},
};

// `moment(0)` is Tuesday, 14 November 2023, 22:13:20 UTC.
const TUESDAY_22_20: i64 = 400 * SECOND;

fn frozen(from: i64, until: i64) -> Freeze {
    Freeze {
        name: "weekend".to_owned(),
        time_zone: "Europe/Vienna".to_owned(),
        window: Window::Dated {
            from: moment(from),
            until: moment(until),
        },
        services: Vec::new(),
        environments: Vec::new(),
        override_by: Vec::new(),
    }
}

fn under(freezes: Vec<Freeze>) -> Facts {
    Facts {
        clearance: Clearance {
            freezes,
            ..Clearance::default()
        },
        ..facts()
    }
}

fn at(facts: Facts, now: i64) -> Facts {
    Facts {
        memberships: member(2, moment(now)),
        ..facts
    }
}

fn glass(skips: &[Check], opened: i64) -> BreakGlass {
    BreakGlass {
        id: BreakGlassId::from_uuid(Uuid::from_u128(77)),
        by: PersonRef::new(1, "person-1"),
        reason: "checkout is down".to_owned(),
        incident: "https://incidents.example/7".to_owned(),
        skips: skips.to_vec(),
        opened_at: moment(opened),
        expires_at: moment(opened + VALID_MILLIS),
        used: None,
    }
}

fn broken(deployment: &Deployment, skips: &[Check], now: i64) -> Result<Applied, Refusal> {
    let exemption = Exemption::BreakGlass {
        actor: person(1),
        glass: Box::new(glass(skips, now)),
    };
    deployment.apply(Transition::Exempt(exemption), moment(now))
}

fn overridden(deployment: &Deployment, freeze: &Freeze, now: i64) -> Result<Applied, Refusal> {
    let exemption = Exemption::OverrideFreeze {
        actor: person(4),
        given: FreezeOverride {
            freeze: freeze.name.clone(),
            occurrence: freeze.at(moment(now)).unwrap(),
            by: PersonRef::new(4, "person-4"),
            reason: "the fix cannot wait".to_owned(),
            at: moment(now),
        },
    };
    deployment.apply(Transition::Exempt(exemption), moment(now))
}

fn failing() -> Facts {
    let gate = |name: &str| crate::gate::GateStatus {
        gate: GateName::new(name).unwrap(),
        result: None,
    };
    Facts {
        gates: vec![gate("lint"), gate("build")],
        promoted: false,
        ..facts()
    }
}

fn gate(name: &str) -> Check {
    Check::Gate(GateName::new(name).unwrap())
}

#[test]
fn a_freeze_holds_up_an_approved_promotion_and_says_until_when() {
    let facts = at(under(vec![frozen(0, 2 * MINUTE)]), MINUTE);
    let put_off = step(&queued(), &facts, moment(MINUTE));
    assert_eq!(
        waits(&put_off, &facts, moment(MINUTE)),
        "Frozen until Tue 14 Nov, 23:15 Europe/Vienna (weekend freeze)"
    );
    let over = at(facts, 2 * MINUTE);
    assert_eq!(
        step(&put_off, &over, moment(2 * MINUTE)).state.name(),
        StateName::Starting
    );
}

#[test]
fn a_freeze_never_holds_up_a_rollback() {
    let back = Deployment {
        kind: Kind::Rollback {
            of: DeploymentId::from_uuid(Uuid::from_u128(5)),
            by: PersonRef::new(1, "person-1"),
            reason: "errors".to_owned(),
        },
        ..requested()
    };
    let facts = Facts {
        lane: Lane {
            running: Some(DeploymentId::from_uuid(Uuid::from_u128(5))),
            ..Lane::default()
        },
        ..under(vec![frozen(0, HOUR)])
    };
    let queued = step(&back, &facts, moment(MINUTE));
    assert_eq!(step(&queued, &facts, moment(MINUTE)).state.name(), StateName::Starting);
}

#[test]
fn r04_a_freeze_does_not_eat_the_time_in_which_an_approved_release_must_start() {
    // It has an hour from its approval on; the freeze takes three days out of its middle.
    let State::Queued {
        since, start_before, ..
    } = queued().state
    else {
        panic!("queued")
    };
    assert_eq!(start_before, Some(since.plus_millis(HOUR)));
    let freeze = frozen(20 * MINUTE, 20 * MINUTE + 72 * HOUR);
    let limit = since.plus_millis(73 * HOUR);
    let facts = at(under(vec![freeze]), 10 * MINUTE);
    let put_off = step(&queued(), &facts, moment(10 * MINUTE));
    assert!(matches!(put_off.state, State::Queued { start_before, .. } if start_before == Some(limit)));
    let waiting = at(facts.clone(), 30 * HOUR);
    assert!(waits(&put_off, &waiting, moment(30 * HOUR)).starts_with("Frozen until"));
    // One that nobody looked at before its first hour was over is not lost either.
    assert!(matches!(
        step(&queued(), &waiting, moment(30 * HOUR)).state,
        State::Queued { .. }
    ));
    let too_late = at(facts, limit.since(moment(0)));
    assert_eq!(step(&put_off, &too_late, limit).state.name(), StateName::Expired);
}

#[test]
fn without_a_freeze_the_time_to_start_is_what_it_was() {
    let next = frozen(2 * HOUR, 3 * HOUR);
    let facts = at(under(vec![next]), MINUTE);
    assert_eq!(
        step(&queued(), &facts, moment(MINUTE)).state.name(),
        StateName::Starting
    );
}

#[test]
fn weekends_one_after_the_other_are_all_taken_out() {
    // Frozen from Monday 00:01 to the end of the week: one minute of each week is open.
    let freeze = Freeze {
        window: Window::Weekly {
            spans: vec![Span {
                from: 1,
                to: WEEK_MINUTES,
            }],
        },
        time_zone: "UTC".to_owned(),
        ..frozen(0, 0)
    };
    let clearance = Clearance {
        freezes: vec![freeze],
        ..Clearance::default()
    };
    let since: Timestamp = "2023-11-15T00:00:00Z".parse().unwrap();
    let limit = clearance.start_limit(&Waivers::default(), since, 3 * MINUTE);
    assert_eq!(limit, "2023-12-04T00:01:00Z".parse().unwrap());
}

#[test]
fn an_override_lets_this_deployment_through_this_freeze_only() {
    let freeze = frozen(0, HOUR);
    let facts = at(under(vec![freeze.clone()]), MINUTE);
    let put_off = step(&queued(), &facts, moment(MINUTE));
    let (free, events) = overridden(&put_off, &freeze, MINUTE).unwrap();
    assert_eq!(events[0].kind, crate::EventKind::FreezeOverridden);
    assert_eq!(events[0].text.as_deref(), Some("the fix cannot wait"));
    assert_eq!(step(&free, &facts, moment(MINUTE)).state.name(), StateName::Starting);
    assert!(overridden(&free, &freeze, MINUTE).is_err(), "once is enough");
    let other = Freeze {
        name: "audit".to_owned(),
        ..freeze.clone()
    };
    let both = at(under(vec![freeze.clone(), other]), MINUTE);
    assert!(waits(&free, &both, moment(MINUTE)).ends_with("(audit freeze)"));
    // The same freeze at another time is another occurrence.
    let later = Freeze {
        window: Window::Dated {
            from: moment(1),
            until: moment(HOUR),
        },
        ..freeze
    };
    let again = at(under(vec![later]), MINUTE);
    assert!(waits(&free, &again, moment(MINUTE)).starts_with("Frozen"));
}

#[test]
fn what_started_before_a_freeze_asks_the_cloud_for_nothing_in_it() {
    let open = at(facts(), MINUTE);
    let starting = step(&queued(), &open, moment(MINUTE));
    let frozen = at(under(vec![frozen(MINUTE, HOUR)]), MINUTE + 1);
    let failed = step(&starting, &frozen, moment(MINUTE + 1));
    let State::Failed { failure, .. } = &failed.state else {
        panic!("{:?}", failed.state)
    };
    assert!(failure.message.starts_with("Frozen until") && failure.message.ends_with("before anything was deployed"));
}

fn contract(migrated: &str) -> Facts {
    let done = |number: u128, phase, at: &str| PhaseDone {
        deployment: DeploymentId::from_uuid(Uuid::from_u128(number)),
        release: ReleaseId::from_uuid(Uuid::from_u128(number)),
        migration: Migration::new("orders", phase).unwrap(),
        at: at.parse().unwrap(),
    };
    let standing = Standing {
        migration: Migration::new("orders", Phase::Contract).unwrap(),
        record: Record {
            done: vec![
                done(40, Phase::Expand, "2023-11-01T10:00:00Z"),
                done(41, Phase::Migrate, migrated),
            ],
            back: Vec::new(),
        },
        time_zone: "UTC".to_owned(),
    };
    Facts {
        clearance: Clearance {
            migration: Some(standing),
            ..Clearance::default()
        },
        ..facts()
    }
}

#[test]
fn a_contract_in_the_week_of_its_migrate_waits_with_its_approvals_until_monday() {
    let facts = at(contract("2023-11-13T10:00:00Z"), TUESDAY_22_20);
    let put_off = step(&queued(), &facts, moment(TUESDAY_22_20));
    assert!(put_off.approvals[0].voided.is_none());
    let why = waits(&put_off, &facts, moment(TUESDAY_22_20));
    assert_eq!(
        why,
        "Migration orders (contract) waits until Mon 20 Nov, 00:00 UTC: a contract never goes in the calendar week in \
         which migrate succeeded"
    );
    let free = at(contract("2023-11-06T10:00:00Z"), TUESDAY_22_20);
    assert_eq!(
        step(&queued(), &free, moment(TUESDAY_22_20)).state.name(),
        StateName::Starting
    );
}

#[test]
fn a_phase_out_of_order_is_held_up_before_anybody_is_asked() {
    let mut facts = contract("2023-11-06T10:00:00Z");
    facts.clearance.migration.as_mut().unwrap().record.done.pop();
    let blocked = step(&requested(), &facts, moment(1));
    assert!(
        matches!(&blocked.state, State::Requested { blocked } if blocked[0].kind == BlockerKind::Migration
            && blocked[0].why.contains("its migrate phase has not succeeded here yet")),
        "{:?}",
        blocked.state
    );
}

#[test]
fn r07_break_glass_skips_only_the_checks_that_it_names() {
    let blocked = step(&requested(), &failing(), moment(1));
    let named = [gate("lint"), Check::PromotionOrder];
    let (glass, events) = broken(&blocked, &named, 2).unwrap();
    assert_eq!(events[0].kind, crate::EventKind::BreakGlassOpened);
    assert_eq!(events[0].text.as_deref(), Some("checkout is down"));
    assert_eq!(
        events[0].data["skips"],
        serde_json::json!(["gate:lint", "promotion-order"])
    );
    let still = step(&glass, &failing(), moment(3));
    assert!(
        matches!(&still.state, State::Requested { blocked } if blocked.len() == 1 && blocked[0].subject == "build"),
        "{:?}",
        still.state
    );
    // Nor does it stand in for the approvals.
    let (glass, _) = broken(&blocked, &[gate("lint"), gate("build"), Check::PromotionOrder], 2).unwrap();
    assert_eq!(
        step(&glass, &failing(), moment(3)).state.name(),
        StateName::AwaitingApproval
    );
}

#[test]
fn r07_a_broken_glass_is_used_once_and_says_what_it_skipped() {
    let awaiting = step(&requested(), &facts(), moment(1));
    let frozen = Facts {
        clearance: under(vec![frozen(0, HOUR)]).clearance,
        ..facts()
    };
    let (queued, events) = broken(&awaiting, &[Check::Quorum, Check::Freeze, gate("lint")], 2).unwrap();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(queued.by_glass());
    let used = step(&queued, &frozen, moment(3));
    let (glass, used_once) = (
        used.waivers.glass.clone().unwrap(),
        used.waivers.glass.as_ref().unwrap().used.clone().unwrap(),
    );
    assert_eq!(used_once.skipped, [Check::Quorum, Check::Freeze]);
    let starting = step(&used, &frozen, moment(3));
    assert!(matches!(
        &starting.run().unwrap().authority,
        Authority::BreakGlass { id, .. } if *id == glass.id
    ));
    // Replays: the same glass again, a used one, and one more for a deployment that has started.
    let replay = |deployment: &Deployment, glass: &BreakGlass| {
        let exemption = Exemption::BreakGlass {
            actor: person(1),
            glass: Box::new(glass.clone()),
        };
        deployment.apply(Transition::Exempt(exemption), moment(4))
    };
    assert!(replay(&used, &glass).is_err());
    assert!(replay(&requested(), &glass).is_err(), "a used one opens nothing");
    assert!(matches!(
        broken(&starting, &[Check::Quorum], 4),
        Err(Refusal::Invalid(_))
    ));
    let again = Transition::Exempt(Exemption::UseGlass {
        skipped: vec![Check::Quorum],
    });
    assert!(used.apply(again, moment(4)).is_err());
}

#[test]
fn r07_nothing_starts_by_a_glass_that_has_run_out() {
    let awaiting = step(&requested(), &facts(), moment(1));
    let (queued, _) = broken(&awaiting, &[Check::Quorum], 2).unwrap();
    let late = moment(2 + VALID_MILLIS);
    assert_eq!(step(&queued, &facts(), late).state.name(), StateName::Expired);
    // Not even one that was used in time and did not get to start.
    let used = step(&queued, &facts(), moment(3));
    assert_eq!(step(&used, &facts(), late).state.name(), StateName::Expired);
    let evidence = StartEvidence {
        ballot: Ballot {
            policy: policy(),
            involved: facts().involved,
        },
        revision: used.revision().unwrap().clone(),
        engine: engine(),
        health: None,
        memberships: Vec::new(),
    };
    let start = |deployment: &Deployment, now| {
        let transition = Transition::Start {
            operation: facts().operation,
            evidence: Box::new(evidence.clone()),
            deadline: moment(HOUR),
        };
        deployment.apply(transition, now)
    };
    assert!(start(&queued, moment(4)).is_err(), "not before it was used");
    assert!(start(&used, moment(4)).is_ok());
    assert!(start(&used, late).is_err());
    // One that names no quorum gives none: it goes back to what its gates say.
    let (opened, _) = broken(
        &step(&requested(), &failing(), moment(1)),
        &[gate("lint"), gate("build"), Check::PromotionOrder],
        2,
    )
    .unwrap();
    let awaiting = step(&opened, &failing(), moment(3));
    assert_eq!(awaiting.state.name(), StateName::AwaitingApproval);
    assert_eq!(step(&awaiting, &failing(), late).state.name(), StateName::Requested);
}

#[test]
fn r07_a_way_back_past_a_contract_needs_break_glass() {
    let of = DeploymentId::from_uuid(Uuid::from_u128(5));
    let back = Deployment {
        kind: Kind::Rollback {
            of,
            by: PersonRef::new(1, "person-1"),
            reason: "errors".to_owned(),
        },
        ..requested()
    };
    let facts = Facts {
        lane: Lane {
            running: Some(of),
            ..Lane::default()
        },
        clearance: Clearance {
            schema_gone: Some("it is from before the contract".to_owned()),
            ..Clearance::default()
        },
        ..facts()
    };
    let blocked = step(&back, &facts, moment(1));
    assert!(matches!(&blocked.state, State::Requested { blocked } if blocked[0].why.contains("needs break-glass")));
    let (opened, _) = broken(&blocked, &[Check::SchemaGone], 2).unwrap();
    let queued = step(&opened, &facts, moment(3));
    let used = step(&queued, &facts, moment(3));
    assert_eq!(
        used.waivers.glass.as_ref().unwrap().used.as_ref().unwrap().skipped,
        [Check::SchemaGone]
    );
    assert_eq!(step(&used, &facts, moment(3)).state.name(), StateName::Starting);
}
