//! What follows from all rules together, and that it can be stored.

use super::*;
use rstest::rstest;

/// Three rules that each look at their own minute.
fn definition(actions: [Action; 3]) -> HealthDefinition {
    let rules = ["first", "second", "third"]
        .into_iter()
        .zip(actions)
        .map(|(name, action)| Rule {
            name: name.to_owned(),
            words: name.to_owned(),
            action,
            ..standard().rule("task-health").unwrap().clone()
        })
        .collect();
    HealthDefinition { rules, ..standard() }
}

fn outcome(actions: [Action; 3], values: [f64; 3]) -> (Outcome, Option<String>) {
    let readings = ["first", "second", "third"]
        .into_iter()
        .zip(values)
        .map(|(name, value)| {
            let mut measured = Measured::default();
            measured.put(Which::New, Ok(series(0, 60, &[value])));
            (name.to_owned(), measured)
        })
        .collect();
    let course = Course {
        started_at: at(0),
        all_traffic_at: None,
    };
    let evaluation = evaluate(&definition(actions), &readings, &course, None, at(70));
    (evaluation.outcome, evaluation.cause)
}

#[rstest]
#[case::all_well([0.0, 0.0, 0.0], Outcome::Healthy, None)]
#[case::the_severest_wins([1.0, 1.0, 1.0], Outcome::RollBack, Some("third"))]
#[case::hold_before_alert([1.0, 1.0, 0.0], Outcome::Hold, Some("second"))]
#[case::alert([1.0, 0.0, 0.0], Outcome::Alert, Some("first"))]
#[case::alert_before_pending([1.0, GAP, GAP], Outcome::Alert, Some("first"))]
#[case::one_is_not_measured_yet([0.0, GAP, 0.0], Outcome::Pending, Some("second"))]
fn the_severest_rule_decides(#[case] values: [f64; 3], #[case] expected: Outcome, #[case] cause: Option<&str>) {
    let found = outcome([Action::Alert, Action::Hold, Action::RollBack], values);
    assert_eq!(found, (expected, cause.map(str::to_owned)));
}

#[test]
fn of_rules_that_ask_for_the_same_the_first_is_the_cause() {
    let found = outcome([Action::RollBack, Action::Hold, Action::RollBack], [1.0, 1.0, 1.0]);
    assert_eq!(found, (Outcome::RollBack, Some("first".to_owned())));
}

#[test]
fn an_alert_does_not_hide_that_something_was_not_measured_yet() {
    let mut watched = standard_rule("task-health").measuring(&[1.0]);
    watched.rule.action = Action::Alert;
    let mut definition = watched.definition();
    definition.rules.push(standard().rules[0].clone());
    let readings = Readings::from([(watched.rule.name.clone(), watched.measured.clone())]);
    let evaluation = evaluate(&definition, &readings, &watched.course, None, at(70));
    assert_eq!((evaluation.outcome, evaluation.is_complete()), (Outcome::Alert, false));
    assert!(watched.after(None, 70).is_complete());
}

#[test]
fn an_alert_that_cannot_be_measured_holds_when_the_rule_says_so() {
    let mut watched = standard_rule("task-health").measuring(&[]);
    watched.rule.action = Action::Alert;
    assert_eq!(watched.after(None, 600).outcome, Outcome::Hold);
}

#[test]
fn an_evaluation_is_stored_and_comes_back_as_it_was() {
    let watched = standard_rule("error-logs").measuring(&[0.3, GAP, 2.7]).baseline(0.1);
    let evaluation = watched.after(None, 400);
    let text = serde_json::to_string(&evaluation).unwrap();
    assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), evaluation);
    assert_eq!(evaluation.version, watched.definition().version());
    assert_eq!(evaluation.why(), Some(evaluation.rules[0].words.as_str()));
}

/// What is added up beyond all numbers is not measured.
#[test]
fn nothing_infinite_is_judged_or_stored() {
    let huge = vec![f64::MAX; 60];
    let rule = standard_rule("error-logs")
        .measuring(&[1.0; 10])
        .with(Which::Baseline, series(-3_600, 60, &huge))
        .at(610);
    assert_eq!((rule.verdict, rule.baseline), (Verdict::Missing, None));
    assert!(serde_json::to_string(&rule).is_ok());
}
