//! A deployment that is judged while it runs: a breach goes back, doubt holds, and nothing moves on unjudged.

use super::*;
use crate::{
    catalog::LambdaAlias,
    health::{
        Action, Condition, During, HealthDefinition, Hold as HoldRule, Limit, Measured, Number, Point, Query, Readings,
        Rule, Series, Values, Which,
    },
    plan::{HealthFacts, health_is_due},
    time::MINUTE,
};

fn rule(name: &str, action: Action) -> Rule {
    Rule::new(
        name,
        name,
        Query::Prometheus {
            query: name.to_owned(),
            step_seconds: 60,
        },
        Condition::Limits {
            limits: vec![Limit::Absolute {
                value: Number::literal(1.0),
            }],
            during: During::Datapoints { m: 1, n: 1 },
        },
        action,
    )
}

fn definition() -> HealthDefinition {
    HealthDefinition {
        name: "two rules".to_owned(),
        interval_seconds: 30,
        rules: vec![rule("5xx", Action::RollBack), rule("logs", Action::Hold)],
        hold: HoldRule::default(),
    }
}

fn target() -> TargetFacts {
    TargetFacts {
        traffic: TrafficPlan::Canary {
            percent: 10,
            minutes: 5,
        },
        engine: Engine::LambdaAlias(LambdaAlias {
            function: "burst".to_owned(),
            alias: "live".to_owned(),
        }),
        health: Some(definition()),
        ..facts().target.unwrap()
    }
}

/// At 10 %, as seen at minute 1.
fn at_ten_percent() -> Deployment {
    let facts = Facts {
        target: Some(target()),
        memberships: member(2, moment(3)),
        ..facts()
    };
    let queued = approve(&step(&requested(), &facts, moment(1)), 2, moment(2)).unwrap();
    let mut it = step(&queued, &facts, moment(3));
    for made in ["code", "8"] {
        it = done(&step(&it, &facts, moment(4)), made, moment(5));
    }
    it = step(&it, &seen(0), moment(6));
    it = done(&step(&it, &seen(0), moment(MINUTE)), "10", moment(MINUTE));
    step(&it, &seen(10), moment(MINUTE))
}

fn seen(share: u8) -> Facts {
    Facts {
        target: Some(target()),
        observation: Some(Observation {
            deployment: Progress {
                traffic: Some(share),
                ..progress(CloudStatus::Ready)
            },
            rollback: None,
        }),
        ..facts()
    }
}

/// Every rule's value in every minute until now.
fn measured(share: u8, values: &[(&str, f64)], now: i64) -> Facts {
    let mut readings = Readings::new();
    for (rule, value) in values {
        let points = (0..=now / MINUTE).map(|minute| Point {
            at: Timestamp::from_millis(moment(minute * MINUTE).millis() / MINUTE * MINUTE),
            value: *value,
        });
        let mut of_rule = Measured::default();
        of_rule.put(Which::New, Ok(Series::new(points)));
        readings.insert((*rule).to_owned(), of_rule);
    }
    Facts {
        health: Some(HealthFacts {
            readings,
            series: Vec::new(),
            values: Values::new(),
            previous: None,
        }),
        ..seen(share)
    }
}

#[test]
fn nothing_is_judged_before_there_is_traffic() {
    let facts = Facts {
        memberships: member(2, moment(3)),
        ..facts()
    };
    let target = Some(target());
    let started = step(
        &approve(
            &step(
                &requested(),
                &Facts {
                    target: target.clone(),
                    ..facts.clone()
                },
                moment(1),
            ),
            2,
            moment(2),
        )
        .unwrap(),
        &Facts { target, ..facts },
        moment(3),
    );
    assert!(!health_is_due(started.run().unwrap(), moment(MINUTE)));
    assert!(health_is_due(at_ten_percent().run().unwrap(), moment(MINUTE)));
}

#[test]
fn a_breach_is_decided_in_the_step_after_its_evaluation() {
    let now = 4 * MINUTE;
    let facts = measured(10, &[("5xx", 2.4), ("logs", 0.0)], now);
    let judged = step(&at_ten_percent(), &facts, moment(now));
    let going = step(&judged, &facts, moment(now + 20));
    let stop = going.run().unwrap().stop.as_ref().unwrap();
    assert!(
        matches!(&stop.cause, RollbackCause::Rule { rule, .. } if rule == "5xx"),
        "{stop:?}"
    );
    let back = plan(&going, &facts, moment(now + 40));
    assert!(matches!(back, Step::Call(CallKind::ShiftBack)), "{back:?}");
}

#[test]
fn doubt_holds_and_what_a_person_let_go_on_does_not_hold_again() {
    let now = 4 * MINUTE;
    let facts = measured(10, &[("5xx", 0.0), ("logs", 7.0)], now);
    let held = step(&step(&at_ten_percent(), &facts, moment(now)), &facts, moment(now));
    assert_eq!(held.run().unwrap().hold.as_ref().unwrap().rule, "logs");
    let resume = Transition::Resume {
        actor: person(3),
        reason: Some("a noisy neighbour".to_owned()),
    };
    let resumed = held.apply(resume, moment(5 * MINUTE)).unwrap().0;
    let again = measured(10, &[("5xx", 0.0), ("logs", 7.0)], 5 * MINUTE);
    let judged = step(&resumed, &again, moment(5 * MINUTE));
    assert_eq!(judged.run().unwrap().hold, None);
    assert_eq!(waits(&judged, &seen(10), moment(5 * MINUTE)), "100 % in 1 min");
}

#[test]
fn a_breach_during_a_hold_still_goes_back() {
    let now = 4 * MINUTE;
    let facts = measured(10, &[("5xx", 0.0), ("logs", 7.0)], now);
    let held = step(&step(&at_ten_percent(), &facts, moment(now)), &facts, moment(now));
    let worse = measured(10, &[("5xx", 3.0), ("logs", 7.0)], 5 * MINUTE);
    let judged = step(&held, &worse, moment(5 * MINUTE));
    let going = step(&judged, &worse, moment(5 * MINUTE));
    assert!(going.run().unwrap().stop.is_some() && going.run().unwrap().hold.is_none());
}

#[test]
fn no_more_traffic_comes_before_what_runs_was_found_healthy() {
    let due = 6 * MINUTE;
    assert_eq!(
        waits(&at_ten_percent(), &seen(10), moment(due)),
        "waits for its health to be judged"
    );
    let well = measured(10, &[("5xx", 0.0), ("logs", 0.0)], due);
    let judged = step(&at_ten_percent(), &well, moment(due));
    assert!(matches!(
        plan(&judged, &seen(10), moment(due)),
        Step::Call(CallKind::ShiftTraffic { percent: 100 })
    ));
    let half = measured(10, &[("5xx", 0.0)], due);
    let judged = step(&at_ten_percent(), &half, moment(due));
    assert_eq!(
        waits(&judged, &seen(10), moment(due)),
        "waits for its health: not every rule has enough to judge by yet"
    );
}

#[test]
fn only_a_change_of_what_is_asked_for_goes_into_the_log() {
    let judge = |it: &Deployment, value: f64, now: i64| {
        let facts = measured(10, &[("5xx", 0.0), ("logs", value)], now);
        match plan(it, &facts, moment(now)) {
            Step::Do(transition) => it.apply(*transition, moment(now)).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let (first, events) = judge(&at_ten_percent(), 0.0, 4 * MINUTE);
    assert_eq!(events.len(), 1, "the first one");
    let (second, events) = judge(&first, 0.0, 5 * MINUTE);
    assert_eq!(events.len(), 0, "still healthy");
    let (_, events) = judge(&second, 7.0, 6 * MINUTE);
    assert_eq!(events[0].data["outcome"], "hold");
}
