//! Directions, margins, missing data, the stable version's end, and Mann–Whitney.

use super::*;
use rstest::rstest;

#[rstest]
#[case::at(&[95.0; 3], Verdict::Ok, "success rate 95 % ≥ 95 %")]
#[case::over(&[95.1; 3], Verdict::Ok, "success rate 95.1 % ≥ 95 %")]
#[case::under(&[94.99; 3], Verdict::Breach, "success rate 94.99 % < 95 % in 3 of 3 minutes")]
fn a_rule_may_ask_for_no_less(#[case] minutes: &[f64], #[case] verdict: Verdict, #[case] words: &str) {
    let mut watched = standard_rule("http-5xx");
    watched.rule.words = "success rate".to_owned();
    watched.rule.direction = Direction::Below;
    watched.rule.condition = Condition::Limits {
        limits: vec![Limit::Absolute {
            value: Number::literal(95.0),
        }],
        during: During::Datapoints { m: 2, n: 3 },
    };
    let rule = watched.measuring(minutes).at(190);
    assert_eq!((rule.verdict, rule.words.as_str()), (verdict, words));
}

/// Missing data decides what the rule says it does: two of three minutes are gone for good.
#[rstest]
#[case(Missing::Ok, Verdict::Ok, "5xx rate 0.2 % ≤ 1 %")]
#[case(
    Missing::Breach,
    Verdict::Breach,
    "5xx rate: no data in 2 of 3 minutes, which counts as a breach"
)]
#[case(Missing::Hold, Verdict::Missing, "5xx rate: no data in 2 of 3 minutes")]
fn missing_data_is_what_the_rule_says(#[case] missing: Missing, #[case] verdict: Verdict, #[case] words: &str) {
    let mut watched = standard_rule("http-5xx").measuring(&[0.2]);
    watched.rule.missing = missing;
    let rule = watched.at(270);
    assert_eq!((rule.verdict, rule.words.as_str()), (verdict, words));
}

#[test]
fn a_rule_that_allows_silence_says_that_there_was_silence() {
    let mut watched = standard_rule("http-5xx").measuring(&[]);
    watched.rule.missing = Missing::Ok;
    assert_eq!(
        watched.at(600).words,
        "5xx rate: no data in 3 of 3 minutes, which this rule allows"
    );
}

#[test]
fn a_rule_that_allows_silence_does_not_allow_a_source_that_cannot_be_read() {
    let mut watched = standard_rule("http-5xx").unread(Which::New, "CloudWatch: throttled");
    watched.rule.missing = Missing::Ok;
    let first = watched.after(None, 600);
    assert_eq!(
        first.rules[0].words,
        "5xx rate could not be read: CloudWatch: throttled"
    );
    assert_eq!(first.outcome, Outcome::Pending);
    let later = watched.after(Some(&first), 690);
    assert_eq!(
        later.rules[0].words,
        "5xx rate could not be read for 1 min 30 s: CloudWatch: throttled"
    );
    assert_eq!(
        (later.rules[0].verdict, later.outcome),
        (Verdict::Missing, Outcome::Hold)
    );
}

#[test]
fn a_source_that_can_be_read_again_is_forgiven() {
    let unread = standard_rule("http-5xx").unread(Which::New, "time-out");
    let first = unread.after(None, 600);
    let again = standard_rule("http-5xx").measuring(&[0.1; 20]).after(Some(&first), 630);
    assert_eq!(again.outcome, Outcome::Healthy);
    // The next silence begins anew.
    assert_eq!(unread.after(Some(&again), 690).rules[0].unread_since, Some(at(690)));
}

/// 1 % absolute is broken whatever the baseline was.
#[test]
fn a_breach_that_was_measured_is_one_though_something_else_is_unread() {
    let bad = standard_rule("canary-5xx")
        .measuring(&[2.0; 4])
        .unread(Which::Baseline, "time-out");
    assert_eq!(bad.at(70).verdict, Verdict::Breach);
    let good = standard_rule("canary-5xx")
        .measuring(&[0.5; 4])
        .unread(Which::Baseline, "time-out");
    assert_eq!(good.at(70).verdict, Verdict::Pending);
}

#[test]
fn a_rule_that_takes_silence_as_a_breach_does_not_take_an_unread_baseline_as_one() {
    let mut watched = standard_rule("error-logs")
        .measuring(&[1.0; 3])
        .unread(Which::Baseline, "time-out");
    watched.rule.missing = Missing::Breach;
    assert_eq!(watched.at(400).verdict, Verdict::Pending);
}

#[test]
fn a_baseline_of_two_minutes_is_none() {
    let two = series(-120, 60, &[4.0, 4.0]);
    let rule = standard_rule("error-logs")
        .measuring(&[1.0; 10])
        .with(Which::Baseline, two)
        .at(610);
    assert_eq!(rule.verdict, Verdict::Missing);
    assert_eq!(
        rule.words,
        "error-log rate: too little was measured in the 1 h before the deployment to compare with"
    );
}

#[test]
fn a_baseline_is_the_mean_of_what_was_before_the_deployment_only() {
    // 2 and 4 alternating before, and 1,000 from 12:00 on, which is not before.
    let mut values: Vec<f64> = (0..60).map(|minute| if minute % 2 == 0 { 2.0 } else { 4.0 }).collect();
    values.extend([1_000.0; 3]);
    let rule = standard_rule("error-logs")
        .measuring(&[15.0, 15.0, 15.0])
        .with(Which::Baseline, series(-3_600, 60, &values))
        .at(190);
    assert_eq!(rule.baseline, Some(Number::literal(3.0)));
    assert_eq!(rule.samples[0].threshold, Some(Number::literal(15.0)));
}

/// Before a service that logs no errors the first line would be beyond five times nothing.
#[test]
fn a_floor_keeps_a_limit_off_zero() {
    let mut watched = standard_rule("error-logs").measuring(&[1.0; 3]).baseline(0.0);
    assert_eq!(watched.at(190).verdict, Verdict::Breach);
    if let Condition::Limits { limits, .. } = &mut watched.rule.condition {
        limits[0] = Limit::Baseline(Margin {
            at_least: Some(Number::literal(10.0)),
            ..Margin::factor(Number::literal(5.0))
        });
    }
    assert_eq!(watched.at(190).verdict, Verdict::Ok);
}

#[test]
fn a_stable_version_that_says_nothing_makes_the_comparison_missing() {
    let watched = standard_rule("canary-p99").measuring(&[0.4; 20]).stable(&[0.4]);
    assert_eq!(watched.at(130).verdict, Verdict::Pending);
    let rule = watched.at(310);
    assert_eq!(rule.verdict, Verdict::Missing);
    assert_eq!(
        rule.words,
        "canary p99 latency: nothing was measured of the stable version to compare with"
    );
}

/// After ten minutes all traffic is the new version's: what was compared until then stands.
#[test]
fn the_comparison_ends_when_all_traffic_has_moved() {
    let values = [0.4; 40];
    let slow_at_the_end = [[0.4; 32].as_slice(), &[0.6; 8]].concat();
    let good = standard_rule("canary-p99")
        .measuring(&[0.4; 60])
        .stable(&values)
        .all_traffic(600);
    assert_eq!(good.at(900).verdict, Verdict::Ok);
    let bad = standard_rule("canary-p99")
        .measuring(&slow_at_the_end)
        .stable(&values)
        .all_traffic(600);
    assert_eq!(bad.at(615).verdict, Verdict::Breach);
}

#[test]
fn a_deployment_all_at_once_has_nothing_to_compare_with() {
    let watched = standard_rule("canary-p99").measuring(&[9.0; 40]).all_traffic(0);
    let evaluation = watched.after(None, 600);
    assert_eq!(evaluation.rules[0].verdict, Verdict::DoesNotApply);
    assert_eq!(
        evaluation.rules[0].words,
        "canary p99 latency: the stable version took no traffic for long enough to compare with"
    );
    assert!(
        reads(&watched.definition(), &watched.course, &Values::new(), at(600))
            .iter()
            .all(|read| read.which != Which::Stable)
    );
}

fn test_rule(direction: Direction) -> Watched {
    let mut watched = standard_rule("canary-p99");
    watched.rule.direction = direction;
    watched.rule.condition = Condition::MannWhitney(MannWhitney {
        against: Against::Stable,
        confidence: Number::literal(0.95),
        effect: Number::literal(0.8),
        window_seconds: 150,
        at_least: 5,
    });
    watched
}

/// Five against five. All pairs: p = 1/252. U = 21 of 25 (mirrored 4): p = 12/252 = 0.048. U = 20: 19/252 = 0.075.
#[rstest]
#[case::every_pair(&[6.0, 7.0, 8.0, 9.0, 10.0], &[1.0, 2.0, 3.0, 4.0, 5.0], Verdict::Breach,
    "canary p99 latency: higher in 100 % of all pairs with those of the stable version (5 and 5 values), with 99.6 % confidence")]
#[case::just_sure(&[4.0, 6.0, 7.5, 8.0, 9.0], &[1.0, 2.0, 3.0, 5.0, 7.7], Verdict::Breach,
    "canary p99 latency: higher in 84 % of all pairs with those of the stable version (5 and 5 values), with 95.2 % confidence")]
#[case::not_quite_sure(&[4.0, 6.0, 7.5, 7.6, 9.0], &[1.0, 2.0, 3.0, 5.0, 7.7], Verdict::Ok,
    "canary p99 latency: higher in 80 % of all pairs with those of the stable version (5 and 5 values), with 92.5 % confidence; a breach is 80 % of pairs with 95 % confidence")]
#[case::the_same(&[1.0, 2.0, 3.0, 4.0, 5.0], &[1.0, 2.0, 3.0, 4.0, 5.0], Verdict::Ok, "")]
fn mann_whitney_says_how_sure_it_is(
    #[case] new: &[f64],
    #[case] stable: &[f64],
    #[case] verdict: Verdict,
    #[case] words: &str,
) {
    let rule = test_rule(Direction::Above).measuring(new).stable(stable).at(85);
    assert_eq!(rule.verdict, verdict, "{}", rule.words);
    if !words.is_empty() {
        assert_eq!(rule.words, words);
    }
    assert_eq!(rule.comparison.unwrap().others.len(), 5);
    // The other way round nothing is lower.
    assert_ne!(
        test_rule(Direction::Below).measuring(new).stable(stable).at(85).verdict,
        Verdict::Breach
    );
}

#[test]
fn mann_whitney_waits_until_there_is_enough_and_misses_what_never_comes() {
    let watched = test_rule(Direction::Above).measuring(&[1.0; 4]).stable(&[1.0; 4]);
    let pending = watched.at(70);
    assert_eq!(pending.verdict, Verdict::Pending);
    assert_eq!(
        pending.words,
        "canary p99 latency: 4 values of the new version and 4 of the stable version; 5 of each are needed"
    );
    assert_eq!(watched.at(600).verdict, Verdict::Missing);
}

#[test]
fn mann_whitney_against_the_hour_before() {
    let mut watched = test_rule(Direction::Above);
    watched.rule.baseline = Some(Baseline {
        seconds: 3_600,
        query: None,
    });
    if let Condition::MannWhitney(test) = &mut watched.rule.condition {
        test.against = Against::Baseline;
    }
    let rule = watched.measuring(&[1.1; 10]).baseline(1.0).at(160);
    assert_eq!(rule.verdict, Verdict::Breach);
    assert_eq!(
        rule.words,
        "canary p99 latency: higher in 100 % of all pairs with those before the deployment (10 and 240 values), with more than 99.99 % confidence"
    );
}

/// Silence may be well; having nothing to compare with is not.
#[rstest]
fn a_rule_that_allows_silence_still_needs_something_to_compare_with(
    #[values(Missing::Ok, Missing::Breach, Missing::Hold)] missing: Missing,
) {
    let mut logs = standard_rule("error-logs")
        .measuring(&[1.0; 10])
        .with(Which::Baseline, Series::default());
    logs.rule.missing = missing;
    assert_eq!(logs.after(None, 610).outcome, Outcome::Hold);
    let mut p99 = standard_rule("canary-p99").measuring(&[0.4; 20]).stable(&[0.4]);
    p99.rule.missing = missing;
    assert_eq!(p99.after(None, 310).outcome, Outcome::Hold);
    let mut test = test_rule(Direction::Above).measuring(&[1.0; 20]).stable(&[1.0; 2]);
    test.rule.missing = missing;
    assert_eq!(test.after(None, 310).outcome, Outcome::Hold);
}

/// A counter that is only sent when something happens: two events, long apart.
#[test]
fn a_gap_between_two_events_is_no_reason_to_wait() {
    let mut events = standard_rule("http-5xx").measuring(&[0.5, GAP, 0.5]);
    events.rule.missing = Missing::Ok;
    assert_eq!(events.at(190).verdict, Verdict::Ok);
}
