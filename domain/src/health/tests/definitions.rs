//! A definition is a versioned document, and what is wrong with it is said.

use super::*;
use rstest::rstest;

#[test]
fn the_standard_definition_has_the_seven_rules_and_no_fault() {
    let standard = standard();
    let names: Vec<&str> = standard.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "http-5xx",
            "latency-p95",
            "task-health",
            "error-logs",
            "canary-5xx",
            "canary-p99",
            "restarts"
        ]
    );
    assert_eq!(standard.faults(), []);
    assert_eq!(
        (standard.interval_seconds, standard.hold.answer),
        (30, Answer::RollBack)
    );
}

#[test]
fn a_version_is_of_everything_in_it() {
    type Edit = fn(&mut HealthDefinition);
    let edits: [Edit; 7] = [
        |d| d.name = "other".to_owned(),
        |d| d.interval_seconds = 31,
        |d| d.hold.answer = Answer::Continue,
        |d| d.rules.swap(0, 1),
        |d| d.rules[0].words = "5xx".to_owned(),
        |d| d.rules[0].missing = Missing::Ok,
        |d| {
            d.rules[0].condition = Condition::Limits {
                limits: vec![Limit::Absolute {
                    value: Number::literal(1.01),
                }],
                during: During::Datapoints { m: 2, n: 3 },
            };
        },
    ];
    let first = standard();
    let mut versions = vec![first.version()];
    for edit in edits {
        let mut edited = first.clone();
        edit(&mut edited);
        versions.push(edited.version());
    }
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 8);
}

#[test]
fn a_definition_that_was_stored_has_the_version_it_had() {
    let text = serde_json::to_string(&standard()).unwrap();
    let again: HealthDefinition = serde_json::from_str(&text).unwrap();
    assert_eq!(again, standard());
    assert_eq!(again.version(), standard().version());
}

fn limits(limit: Limit, during: During) -> Condition {
    Condition::Limits {
        limits: vec![limit],
        during,
    }
}

fn one(value: f64) -> Limit {
    Limit::Absolute {
        value: Number::literal(value),
    }
}

fn test(confidence: f64, effect: f64, window_seconds: u32, at_least: u32) -> Condition {
    Condition::MannWhitney(MannWhitney {
        against: Against::Stable,
        confidence: Number::literal(confidence),
        effect: Number::literal(effect),
        window_seconds,
        at_least,
    })
}

#[rstest]
#[case::m_over_n(|r: &mut Rule| r.condition = limits(one(1.0), During::Datapoints { m: 4, n: 3 }), Member::During, "4 of 3 datapoints")]
#[case::none_of(|r: &mut Rule| r.condition = limits(one(1.0), During::Datapoints { m: 0, n: 3 }), Member::During, "0 of 3 datapoints")]
#[case::uneven(|r: &mut Rule| r.condition = limits(one(1.0), During::For { seconds: 100 }), Member::During, "100 s is no whole number of datapoints of 15 s")]
#[case::no_threshold(|r: &mut Rule| r.condition = Condition::Limits { limits: vec![], during: During::For { seconds: 60 } }, Member::Condition, "no threshold")]
#[case::no_stable(|r: &mut Rule| r.stable = None, Member::Stable, "has no query for it")]
#[case::no_factor(|r: &mut Rule| r.condition = limits(Limit::Stable(Margin::factor(Number::literal(0.0))), During::For { seconds: 60 }), Member::Stable, "a factor of 0")]
#[case::no_window(|r: &mut Rule| r.condition = limits(Limit::Baseline(Margin::factor(Number::literal(5.0))), During::For { seconds: 60 }), Member::Baseline, "says of no window")]
#[case::name(|r: &mut Rule| r.name = "5xx rate".to_owned(), Member::Name, "no name of a rule")]
#[case::words(|r: &mut Rule| r.words = " ".to_owned(), Member::Words, "does not say what is measured")]
#[case::placeholder(|r: &mut Rule| r.query = Query::Prometheus { query: "up{x=\"${versoin}\"}".to_owned(), step_seconds: 15 }, Member::Query, "${versoin} stands for nothing here")]
#[case::late(|r: &mut Rule| r.late_seconds = 5, Member::Late, "missing after 5 s")]
#[case::sure(|r: &mut Rule| r.condition = test(1.0, 0.7, 600, 5), Member::MannWhitney, "a confidence of 1")]
#[case::too_few(|r: &mut Rule| r.condition = test(0.99, 0.7, 600, 4), Member::MannWhitney, "4 values of each can never be sure to 99 %")]
#[case::effect(|r: &mut Rule| r.condition = test(0.95, 70.0, 600, 5), Member::MannWhitney, "an effect of 70")]
#[case::narrow(|r: &mut Rule| r.condition = test(0.95, 0.7, 60, 5), Member::MannWhitney, "holds 4 datapoints of 15 s; 5 are needed")]
fn what_is_wrong_with_a_rule_is_said(#[case] edit: fn(&mut Rule), #[case] member: Member, #[case] problem: &str) {
    let mut definition = HealthDefinition {
        rules: vec![standard().rule("canary-p99").unwrap().clone()],
        ..standard()
    };
    edit(&mut definition.rules[0]);
    let faults = definition.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((faults[0].rule, faults[0].member), (Some(0), member));
    assert!(faults[0].problem.contains(problem), "{}", faults[0].problem);
    assert!(!faults[0].instead.is_empty());
}

#[rstest]
#[case(4, 1)]
#[case(5, 0)]
#[case(60, 0)]
#[case(61, 1)]
fn an_interval_is_five_to_sixty_seconds(#[case] interval_seconds: u32, #[case] faults: usize) {
    let definition = HealthDefinition {
        interval_seconds,
        ..standard()
    };
    assert_eq!(definition.faults().len(), faults);
}

#[test]
fn a_definition_without_rules_would_find_everything_healthy_and_is_refused() {
    let empty = HealthDefinition {
        rules: vec![],
        ..standard()
    };
    assert_eq!(empty.faults()[0].member, Member::Rules);
}

#[test]
fn a_rule_twice_is_found_at_its_second_place() {
    let mut definition = standard();
    definition.rules.push(definition.rules[0].clone());
    let faults = definition.faults();
    assert_eq!(
        (faults.len(), faults[0].rule, faults[0].member),
        (1, Some(7), Member::Name)
    );
}

#[rstest]
#[case(7, vec!["a"], None, "no datapoints of 7 s")]
#[case(90, vec!["a"], None, "no datapoints of 90 s")]
#[case(60, vec!["a", "b"], None, "2 metrics without an expression")]
#[case(60, vec![], Some("1"), "0 metrics")]
#[case(60, vec!["a", "a"], Some("a"), "\"a\" cannot be the id")]
#[case(60, vec!["Errors"], None, "\"Errors\" cannot be the id")]
fn what_cloudwatch_would_refuse_is_found_before(
    #[case] period_seconds: u32,
    #[case] ids: Vec<&str>,
    #[case] expression: Option<&str>,
    #[case] problem: &str,
) {
    let Query::Cloudwatch { metrics, .. } = standard().rules[1].query.clone() else {
        panic!("CloudWatch")
    };
    let mut definition = HealthDefinition {
        rules: vec![standard().rules[1].clone()],
        ..standard()
    };
    definition.rules[0].query = Query::Cloudwatch {
        expression: expression.map(str::to_owned),
        metrics: ids
            .into_iter()
            .map(|id| Stat {
                id: id.to_owned(),
                ..metrics[0].clone()
            })
            .collect(),
        period_seconds,
    };
    let faults = definition.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].problem.contains(problem), "{}", faults[0].problem);
}
