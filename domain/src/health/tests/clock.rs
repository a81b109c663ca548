//! Gaps, late and duplicate datapoints, and the edges of minutes.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

fn http(minutes: &[f64]) -> Watched {
    standard_rule("http-5xx").measuring(minutes)
}

#[test]
fn a_minute_that_is_not_over_and_settled_is_not_judged() {
    let watched = http(&[2.4, 2.4]);
    assert_eq!(watched.at(119).verdict, Verdict::Pending);
    assert_eq!(watched.at(129).verdict, Verdict::Pending);
    assert_eq!(watched.at(130).verdict, Verdict::Breach);
    let almost = at(130).plus_millis(-1);
    let readings = Readings::from([(watched.rule.name.clone(), watched.measured.clone())]);
    let evaluation = evaluate(&watched.definition(), &readings, &watched.course, None, almost);
    assert_eq!(evaluation.outcome, Outcome::Pending);
}

#[test]
fn a_breach_does_not_wait_for_the_rest_of_its_window() {
    assert_eq!(
        http(&[2.4, 2.4]).at(130).words,
        "5xx rate 2.4 % > 1 % in 2 of 3 minutes"
    );
    assert_eq!(http(&[2.4]).at(130).verdict, Verdict::Pending);
}

/// One of three is a breach; whether the gap makes it two is not known.
#[test]
fn a_gap_that_could_make_a_breach_is_awaited_then_missing() {
    let watched = http(&[2.4, GAP, 0.2]);
    assert_eq!(watched.at(190).verdict, Verdict::Pending);
    assert_eq!(watched.at(209).verdict, Verdict::Pending);
    let missing = watched.at(210);
    assert_eq!((missing.verdict, missing.outcome), (Verdict::Missing, Outcome::Hold));
    assert_eq!(missing.words, "5xx rate: no data in 1 of 3 minutes");
    assert_eq!(
        missing.samples.iter().map(|s| s.value.is_some()).collect::<Vec<_>>(),
        [true, false, true]
    );
}

#[test]
fn a_gap_that_can_change_nothing_is_no_reason_to_hold() {
    assert_eq!(http(&[0.2, GAP, 0.2]).at(190).verdict, Verdict::Ok);
    assert_eq!(http(&[2.4, GAP, 2.4]).at(190).verdict, Verdict::Breach);
}

#[test]
fn data_that_stops_is_awaited_for_a_while_and_then_held_for() {
    let watched = http(&[0.2, 0.2, 0.2]);
    // Minute 3 and 4 have not come: minute 3 is missing from 330 on, minute 4 from 390 on.
    assert_eq!(watched.at(329).verdict, Verdict::Ok);
    assert_eq!(watched.at(330).verdict, Verdict::Ok);
    assert_eq!(watched.at(389).verdict, Verdict::Ok);
    assert_eq!(watched.at(390).verdict, Verdict::Missing);
    assert_eq!(watched.at(390).words, "5xx rate: no data in 2 of 3 minutes");
}

/// The points come in the wrong order, one of them late.
#[test]
fn a_late_datapoint_counts_where_it_belongs() {
    let early = [(0, 2.4), (120, 0.2)];
    let points = |points: &[(i64, f64)]| {
        Series::new(points.iter().map(|(seconds, value)| Point {
            at: at(*seconds),
            value: *value,
        }))
    };
    let before = standard_rule("http-5xx").with(Which::New, points(&early));
    assert_eq!(before.at(190).verdict, Verdict::Pending);
    let after = standard_rule("http-5xx").with(Which::New, points(&[early[0], early[1], (60, 1.8)]));
    assert_eq!(after.at(200).verdict, Verdict::Breach);
    assert_eq!(after.at(200).words, "5xx rate 1.8 % > 1 % in 2 of 3 minutes");
}

#[test]
fn the_same_minute_twice_counts_once_and_the_later_word_holds() {
    let twice = Series::new(
        [(0, 0.0), (60, 9.0), (60, 9.0), (120, 9.0), (120, 0.0)]
            .map(|(seconds, value)| Point { at: at(seconds), value }),
    );
    let rule = standard_rule("http-5xx").with(Which::New, twice).at(190);
    assert_eq!(rule.verdict, Verdict::Ok);
    assert_eq!(rule.samples.len(), 3);
}

#[test]
fn of_several_datapoints_within_a_minute_the_last_counts() {
    let several = Series::new(
        [(0, 9.0), (59, 0.5), (60, 0.5), (120, 0.5)].map(|(seconds, value)| Point { at: at(seconds), value }),
    );
    assert_eq!(
        standard_rule("http-5xx").with(Which::New, several).at(190).verdict,
        Verdict::Ok
    );
}

#[test]
fn what_was_before_the_deployment_is_not_its_fault() {
    let watched = http(&[9.0, 9.0, 0.1, 0.1, 0.1]).started(120);
    assert_eq!(watched.at(250).verdict, Verdict::Pending);
    assert_eq!(watched.at(310).verdict, Verdict::Ok);
}

/// It starts at 12:00:30: the minute of 12:00 is partly its own, and counts where something was measured in it.
#[rstest]
#[case::bad_at_once(&[2.4, 2.4], 130, Verdict::Breach)]
#[case::nothing_measured_yet(&[GAP, 0.1, 0.1], 190, Verdict::Pending)]
#[case::nothing_measured_yet_then_full(&[GAP, 0.1, 0.1, 0.1], 250, Verdict::Ok)]
fn a_deployment_that_starts_within_a_minute(#[case] minutes: &[f64], #[case] now: i64, #[case] verdict: Verdict) {
    assert_eq!(http(minutes).started(30).at(now).verdict, verdict);
}

#[test]
fn grace_leaves_the_first_minutes_out() {
    let mut watched = http(&[9.0, 9.0, 0.1, 0.1, 0.1]);
    watched.rule.grace_seconds = 120;
    assert_eq!(watched.at(130).verdict, Verdict::Pending);
    assert_eq!(watched.at(310).verdict, Verdict::Ok);
}

#[rstest]
#[case::before_it_started(-3_600)]
#[case::in_1969(-5_000_000_000)]
#[case::at_the_very_start(0)]
fn a_clock_that_is_behind_judges_nothing(#[case] now: i64) {
    let evaluation = http(&[9.0, 9.0, 9.0]).after(None, now);
    assert_eq!(evaluation.outcome, Outcome::Pending);
    assert!(evaluation.rules[0].samples.is_empty());
}

#[test]
fn a_datapoint_of_the_future_is_not_judged() {
    let watched = http(&[0.1, 0.1, 0.1, 9.0, 9.0, 9.0]);
    assert_eq!(watched.at(200).verdict, Verdict::Ok);
}

#[test]
fn a_deployment_of_days_is_judged_by_its_newest_minutes() {
    let mut minutes = vec![9.0; 3_000];
    minutes.extend([0.1; 3]);
    let rule = http(&minutes).at(3_003 * 60 + 10);
    assert_eq!((rule.verdict, rule.samples.len()), (Verdict::Ok, 3));
    assert_eq!(rule.samples[0].at, at(3_000 * 60));
}

#[test]
fn what_is_read_covers_what_is_judged() {
    let watched = http(&[]).started(30);
    let read = |now: i64| reads(&watched.definition(), &watched.course, &values(), at(now));
    assert!(read(0).is_empty());
    assert!(read(69).is_empty());
    let first = &read(70)[0];
    assert_eq!((first.from, first.until), (at(0), at(60)));
    // An hour later: three minutes, and two more for what comes late.
    let later = &read(3_610)[0];
    assert_eq!((later.from, later.until), (at(3_600 - 5 * 60), at(3_600)));
    let filled = serde_json::to_string(later.query.as_ref().unwrap()).unwrap();
    assert!(
        filled.contains("targetgroup/rag-green/1") && !filled.contains("${"),
        "{filled}"
    );
}

#[test]
fn a_rule_that_compares_reads_both_versions_and_the_hour_before() {
    let all: Vec<(String, Which, Timestamp, Timestamp)> = reads(&standard(), &http(&[]).course, &values(), at(130))
        .into_iter()
        .map(|read| (read.rule, read.which, read.from, read.until))
        .collect();
    for (rule, which, from, until) in [
        ("error-logs", Which::Baseline, -3_600, 0),
        ("canary-5xx", Which::Baseline, -3_600, 0),
        ("canary-p99", Which::New, 0, 120),
        ("canary-p99", Which::Stable, 0, 120),
    ] {
        assert!(
            all.contains(&(rule.to_owned(), which, at(from), at(until))),
            "{rule} {which:?} {all:?}"
        );
    }
    assert_eq!(all.len(), 10);
}

#[test]
fn a_query_that_cannot_be_filled_says_so_and_hinders_no_other() {
    let mut values = values();
    values.remove("stable");
    let reads = reads(&standard(), &http(&[]).course, &values, at(130));
    let failed: Vec<String> = reads
        .iter()
        .filter_map(|read| {
            Some(format!(
                "{} {:?}: {}",
                read.rule,
                read.which,
                read.query.as_ref().err()?
            ))
        })
        .collect();
    assert_eq!(
        failed,
        [
            "canary-5xx Baseline: the query cannot be asked: ${stable} stands for nothing here",
            "canary-p99 Stable: the query cannot be asked: ${stable} stands for nothing here",
        ]
    );
}

fn values() -> Values {
    PLACEHOLDERS
        .iter()
        .map(|(name, _)| {
            let value = match *name {
                "new_target_group" => "targetgroup/rag-green/1",
                "load_balancer" => "app/acme/1",
                _ => "rag",
            };
            ((*name).to_owned(), value.to_owned())
        })
        .collect()
}

proptest! {
    /// However datapoints arrive, twice or out of order, they are judged alike.
    #[test]
    fn the_order_of_arrival_decides_nothing(
        minutes in prop::collection::vec(prop_oneof![Just(GAP), 0.0..2.0], 1..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        now in 0_i64..900,
    ) {
        let straight = series(0, 60, &minutes);
        let points = straight.points().to_vec();
        let mut shuffled: Vec<Point> = order
            .iter()
            .filter(|_| !points.is_empty())
            .map(|index| *index.get(&points))
            .collect();
        shuffled.extend(points.iter().rev());
        let first = standard_rule("http-5xx").with(Which::New, straight).at(now);
        let second = standard_rule("http-5xx").with(Which::New, Series::new(shuffled)).at(now);
        prop_assert_eq!(first, second);
    }

    /// Well means: of the last three minutes that could have been there, two are known and not beyond the limit.
    #[test]
    fn what_is_well_was_measured(
        minutes in prop::collection::vec(prop_oneof![Just(GAP), 0.0..2.0], 1..12),
        now in 0_i64..900,
    ) {
        let rule = http(&minutes).at(now);
        if rule.verdict == Verdict::Ok {
            let fine = rule.samples.iter().filter(|s| s.value.is_some_and(|v| v.get() <= 1.0)).count();
            prop_assert_eq!(rule.samples.len(), 3);
            prop_assert!(fine >= 2);
            // Nothing is judged that is older than the data may be late.
            let newest = rule.samples[2].at.plus_seconds(60);
            prop_assert!(at(now).since(newest) < (60 + 90) * 1_000);
        }
    }
}
