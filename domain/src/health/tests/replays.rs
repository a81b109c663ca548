//! What other rules would have done to deployments that were recorded.

use super::*;

/// Watches the 5xx rate alone, beyond `threshold`.
fn definition(threshold: f64, m: u32, n: u32) -> HealthDefinition {
    let mut rule = standard().rule("http-5xx").unwrap().clone();
    rule.condition = Condition::Limits {
        limits: vec![Limit::Absolute {
            value: Number::literal(threshold),
        }],
        during: During::Datapoints { m, n },
    };
    HealthDefinition {
        rules: vec![rule],
        ..standard()
    }
}

fn recording(deployment: &str, minutes: &[f64], mark: Option<Mark>) -> Recording {
    Recording {
        deployment: deployment.to_owned(),
        course: Course {
            started_at: at(0),
            all_traffic_at: Some(at(300)),
        },
        ended_at: at(600),
        series: vec![Recorded {
            which: Which::New,
            query: standard().rule("http-5xx").unwrap().query.clone(),
            series: series(0, 60, minutes),
        }],
        happened: None,
        mark,
    }
}

const FINE: [f64; 10] = [0.1; 10];
const BAD: [f64; 10] = [0.1, 0.1, 2.4, 2.4, 2.4, 2.4, 2.4, 2.4, 2.4, 2.4];

#[test]
fn a_deployment_that_was_well_passes() {
    let replay = replay(&definition(1.0, 2, 3), &recording("d", &FINE, None));
    assert_eq!((replay.ending, replay.decided()), (Ending::Passed, None));
    // At 0, 30, …, 600 s.
    assert_eq!(replay.evaluations, 21);
}

/// The second bad minute is over at 240 s, settled at 250 s, and seen at the next evaluation, 270 s.
#[test]
fn a_rollback_comes_at_the_step_that_would_have_seen_it() {
    let mut recording = recording("d", &BAD, None);
    recording.happened = Some(Happened {
        ending: Ending::RolledBack,
        at: at(400),
    });
    let found = replay(&definition(1.0, 2, 3), &recording);
    let act = found.rolled_back.unwrap();
    assert_eq!(
        (found.ending, act.at, act.rule.as_str()),
        (Ending::RolledBack, at(270), "http-5xx")
    );
    assert_eq!(act.words, "5xx rate 2.4 % > 1 % in 2 of 3 minutes");
    assert_eq!(found.earlier_seconds, Some(130));
    // All of four minutes from 2 on: over at 360 s, seen at 390 s.
    assert_eq!(replay(&definition(1.0, 4, 4), &recording).earlier_seconds, Some(10));
    recording.happened = None;
    assert_eq!(replay(&definition(1.0, 2, 3), &recording).earlier_seconds, None);
}

#[test]
fn what_was_not_recorded_is_held_for_and_never_passes() {
    let mut recording = recording("d", &FINE, None);
    recording.series.clear();
    let found = replay(&definition(1.0, 2, 3), &recording);
    assert_eq!(found.ending, Ending::Held);
    assert_eq!(
        found.held.unwrap().words,
        "5xx rate could not be read for 1 min 30 s: it was not recorded"
    );
}

#[test]
fn a_deployment_that_ended_before_it_was_measured_is_undecided() {
    let mut recording = recording("d", &FINE, None);
    recording.ended_at = at(100);
    assert_eq!(replay(&definition(1.0, 2, 3), &recording).ending, Ending::Undecided);
}

/// Data stops in minute 2 and comes back bad in minute 6.
#[test]
fn a_hold_is_remembered_when_a_rollback_follows() {
    let minutes = [0.1, 0.1, GAP, GAP, GAP, GAP, 2.4, 2.4, 2.4, 2.4];
    let replay = replay(&definition(1.0, 2, 3), &recording("d", &minutes, None));
    assert_eq!(replay.ending, Ending::RolledBack);
    assert!(replay.held.unwrap().at < replay.rolled_back.unwrap().at);
}

/// Nobody knew at 60 s that all traffic would move at 90 s, too early to compare for two minutes.
#[test]
fn a_replay_knows_nothing_of_the_future() {
    let p99 = standard().rule("canary-p99").unwrap().clone();
    let recording = Recording {
        series: vec![
            Recorded {
                which: Which::New,
                query: p99.query.clone(),
                series: series(0, 15, &[0.9; 40]),
            },
            Recorded {
                which: Which::Stable,
                query: p99.stable.clone().unwrap(),
                series: series(0, 15, &[0.4; 20]),
            },
        ],
        ..recording("d", &[], None)
    };
    let definition = HealthDefinition {
        rules: vec![p99],
        ..standard()
    };
    // Two minutes are full at 120 s, settled at 130 s, seen at 150 s.
    assert_eq!(replay(&definition, &recording).rolled_back.unwrap().at, at(150));
    let cut = Recording {
        course: Course {
            all_traffic_at: Some(at(90)),
            ..recording.course
        },
        ended_at: at(60),
        ..recording
    };
    assert_eq!(replay(&definition, &cut).ending, Ending::Undecided);
}

#[test]
fn two_definitions_are_told_apart_by_what_people_said_afterwards() {
    let spike = [0.1, 0.1, 1.5, 1.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1];
    let silent: [f64; 10] = [GAP; 10];
    let recordings = [
        recording("fine", &FINE, Some(Mark::Fine)),
        recording("spike", &spike, Some(Mark::Fine)),
        recording("bad", &BAD, Some(Mark::Incident)),
        recording("slightly-bad", &[0.9; 10], Some(Mark::Incident)),
        recording("silent", &silent, Some(Mark::Fine)),
        recording("unmarked", &BAD, None),
    ];
    let compared = compare(&definition(1.0, 2, 3), &definition(2.0, 3, 3), &recordings);
    assert_eq!(
        compared.old,
        Tally {
            rolled_back: 3,
            held: 1,
            passed: 2,
            undecided: 0,
            false_rollbacks: 1,
            false_holds: 1,
            misses: 1,
            caught: 1,
        }
    );
    assert_eq!(
        compared.new,
        Tally {
            rolled_back: 2,
            held: 1,
            passed: 3,
            undecided: 0,
            false_rollbacks: 0,
            false_holds: 1,
            misses: 1,
            caught: 1,
        }
    );
    let earlier: Vec<(&str, Option<i64>)> = compared
        .deployments
        .iter()
        .map(|side| (side.deployment.as_str(), side.earlier_seconds))
        .collect();
    // Three of three: over at 300 s, seen at 330 s instead of 270 s.
    assert_eq!(
        earlier,
        [
            ("fine", None),
            ("spike", None),
            ("bad", Some(-60)),
            ("slightly-bad", None),
            ("silent", Some(0)),
            ("unmarked", Some(-60)),
        ]
    );
}

#[test]
fn a_recording_is_stored_and_comes_back_as_it_was() {
    let recording = recording("d", &BAD, Some(Mark::Incident));
    let text = serde_json::to_string(&recording).unwrap();
    assert_eq!(serde_json::from_str::<Recording>(&text).unwrap(), recording);
}
