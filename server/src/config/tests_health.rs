//! A health definition says what is wrong with it: where, what, and what to write instead.

use super::{definitions, parse};
use rstest::rstest;
use tidegate_domain::health::{
    Action, Answer, Condition, Direction, During, HealthDefinition, Limit, Margin, Missing, Number, Query, standard,
};

const DEMO: &str = include_str!("../../../infra/demo/tidegate.toml");

/// The example with these definitions, and the first target judged by `watched`.
fn with(definitions: &str) -> String {
    let target = "# health = \"conversations\"\n";
    assert!(DEMO.contains(target));
    format!("{}\n{definitions}", DEMO.replacen(target, "health = \"watched\"\n", 1))
}

/// What is said about a definition, without the name of the file; lines count from the first of `definitions`.
fn said(definitions: &str) -> String {
    let before = DEMO.lines().count() + 1;
    let problems = parse("tidegate.toml", &with(definitions)).expect_err("it is wrong");
    let first = &problems.list()[0];
    assert_eq!(problems.list().len(), 1, "{problems}");
    format!(
        "{}:{}: {} = {}",
        first.line - before,
        first.column,
        first.message,
        first.suggestion.as_deref().unwrap_or_default()
    )
}

fn watched(definitions: &str) -> HealthDefinition {
    let loaded = parse("tidegate.toml", &with(definitions)).unwrap_or_else(|problems| panic!("{problems}"));
    let production = &loaded.catalog.services[0].targets[1];
    production.health.clone().expect("the target has a health definition")
}

const RULE: &str = r#"
[health.watched]
[[health.watched.rules]]
name = "errors"
words = "error rate"
prometheus = { query = "errors" }
above = 1
action = "roll_back"
"#;

/// The rule with one line more.
fn with_line(line: &str) -> String {
    format!("{RULE}{line}\n")
}

#[test]
fn a_target_may_name_what_ships() {
    let text = DEMO.replacen("# health = \"conversations\"", "health = \"standard\"", 1);
    let loaded = parse("tidegate.toml", &text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.catalog.services[0].targets[1].health, Some(standard()));
    assert_eq!(loaded.catalog.services[0].targets[0].health, None);
}

#[test]
fn the_definition_of_the_example_can_be_named() {
    let text = DEMO.replacen("# health = \"conversations\"", "health = \"conversations\"", 1);
    let loaded = parse("tidegate.toml", &text).unwrap_or_else(|problems| panic!("{problems}"));
    let health = loaded.catalog.services[0].targets[1].health.clone().unwrap();
    let names: Vec<&str> = health.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "http-5xx",
            "latency-p95",
            "task-health",
            "error-logs",
            "canary-5xx",
            "canary-p99",
            "queue-age",
            "answer-time",
            "tokens"
        ]
    );
    assert_eq!((health.interval_seconds, health.hold.deadline_seconds), (15, 1_200));
    assert_eq!(
        health.rules[1].condition,
        Condition::Limits {
            limits: vec![Limit::Absolute {
                value: Number::literal(2.5)
            }],
            during: During::Datapoints { m: 2, n: 3 }
        }
    );
    // What it does not say is as it was.
    let taken_over = standard().rules[1].clone();
    assert_eq!(
        (&health.rules[1].query, health.rules[1].action),
        (&taken_over.query, taken_over.action)
    );
}

#[test]
fn a_rule_of_ones_own_has_the_defaults_that_are_documented() {
    let health = watched(RULE);
    let rule = &health.rules[0];
    assert_eq!(
        (
            health.interval_seconds,
            health.hold.deadline_seconds,
            health.hold.answer
        ),
        (30, 1_800, Answer::RollBack)
    );
    assert_eq!(
        rule.query,
        Query::Prometheus {
            query: "errors".to_owned(),
            step_seconds: 15
        }
    );
    assert_eq!(
        (rule.missing, rule.action, rule.direction),
        (Missing::Hold, Action::RollBack, Direction::Above)
    );
    assert_eq!(
        (rule.grace_seconds, rule.settle_seconds, rule.late_seconds),
        (0, 10, 90)
    );
    assert_eq!(
        rule.condition,
        Condition::Limits {
            limits: vec![Limit::Absolute {
                value: Number::literal(1.0)
            }],
            during: During::Datapoints { m: 1, n: 1 }
        }
    );
}

#[test]
fn limits_of_all_kinds_stand_side_by_side() {
    let health = watched(&with_line(
        "stable = { difference = 0.5, prometheus = { query = \"errors\" } }\nbaseline = { window = \"2h\", factor = 3, at_least = 1 }",
    ));
    let Condition::Limits { limits, .. } = &health.rules[0].condition else {
        panic!("limits")
    };
    assert_eq!(
        *limits,
        [
            Limit::Absolute {
                value: Number::literal(1.0)
            },
            Limit::Baseline(Margin {
                at_least: Some(Number::literal(1.0)),
                ..Margin::factor(Number::literal(3.0))
            }),
            Limit::Stable(Margin::difference(Number::literal(0.5))),
        ]
    );
    assert_eq!(health.rules[0].baseline.as_ref().unwrap().seconds, 7_200);
}

#[test]
fn a_definition_extends_one_that_extends_another() {
    let health = watched(
        "[health.watched]\nextend = \"middle\"\n[health.middle]\nextend = \"standard\"\ninterval = \"10s\"\nremove = [\"restarts\"]\n",
    );
    assert_eq!(
        (health.name.as_str(), health.interval_seconds, health.rules.len()),
        ("watched", 10, 6)
    );
}

#[test]
fn an_edit_of_a_threshold_is_another_version() {
    let other = watched(&RULE.replace("above = 1", "above = 1.5"));
    assert_ne!(watched(RULE).version(), other.version());
}

#[rstest]
#[case::interval(
    "\n[health.watched]\nextend = \"standard\"\ninterval = \"2m\"\n",
    "4:12: health is evaluated every 120 s = write an interval of 5s to 60s"
)]
#[case::interval_text(
    "\n[health.watched]\nextend = \"standard\"\ninterval = \"often\"\n",
    "4:12: \"often\" is no span of time = "
)]
#[case::hold(
    "\n[health.watched]\nextend = \"standard\"\nhold = \"2d\"\n",
    "4:8: a hold waits 172800 s for people = write 1m to 24h"
)]
#[case::empty(
    "\n[health.watched]\n",
    "2:1: health definition \"watched\" has no rules, and would find everything healthy = write extend = \"standard\""
)]
#[case::nothing_to_extend(
    "\n[health.watched]\nextend = \"standrad\"\n",
    "3:10: there is no health definition \"standrad\" = did you mean \"standard\"?"
)]
#[case::itself(
    "\n[health.watched]\nextend = \"other\"\n[health.other]\nextend = \"watched\"\n",
    "3:10: health definition \"watched\" extends itself: other → watched → other = extend \"standard\""
)]
#[case::shadow(
    "\n[health.watched]\nextend = \"standard\"\n[health.standard]\nextend = \"standard\"\n",
    "4:1: the health definition \"standard\" ships with Tidegate"
)]
#[case::remove(
    "\n[health.watched]\nextend = \"standard\"\nremove = [\"restart\"]\n",
    "4:11: there is no rule to remove \"restart\" = did you mean \"restarts\"?"
)]
#[case::override_threshold(
    "\n[health.watched]\nextend = \"standard\"\n[[health.watched.rules]]\nname = \"canary-p99\"\nstable = { factor = 0 }\n",
    "6:10: a factor of 0 makes no threshold = write a factor above 0"
)]
#[case::incomplete(
    "\n[health.watched]\nextend = \"standard\"\n[[health.watched.rules]]\nname = \"http-5x\"\nabove = 2\n",
    "5:8: the rule \"http-5x\" is a new one and lacks words, cloudwatch or prometheus, action = "
)]
fn what_is_wrong_with_a_definition_is_said_where_it_stands(#[case] definitions: &str, #[case] expected: &str) {
    let said = said(definitions);
    assert!(said.starts_with(expected), "{said}");
}

/// The rule's lines are 4 to 8; what is added is line 9.
#[rstest]
#[case::m_over_n(
    "datapoints = \"4 of 3\"",
    "9:14: 4 of 3 datapoints cannot be = write m of n with 1 ≤ m ≤ n"
)]
#[case::no_datapoints(
    "datapoints = \"most\"",
    "9:14: \"most\" is no number of datapoints = write m of n, such as \"2 of 3\""
)]
#[case::uneven("for = \"20s\"", "9:7: 20 s is no whole number of datapoints of 15 s")]
#[case::both(
    "datapoints = \"2 of 3\"\nfor = \"1m\"",
    "10:7: a rule has datapoints or for, not both"
)]
#[case::two_sides("below = 0.5", "9:9: a value cannot be a breach both above and below")]
#[case::other_direction("direction = \"below\"", "9:13: a value cannot be a breach both above and below")]
#[case::two_sources(
    "cloudwatch = { metrics = [] }",
    "6:14: a rule is measured at CloudWatch or at Prometheus, not at both"
)]
#[case::no_window(
    "baseline = { factor = 5 }",
    "9:12: the baseline says of no window = write how long before"
)]
#[case::no_stable(
    "stable = { factor = 1.25 }",
    "9:10: the rule compares with the stable version and has no query for it"
)]
#[case::other_step(
    "stable = { factor = 1.25, prometheus = { query = \"e\", step = \"1m\" } }",
    "9:10: datapoints of 15 s cannot be compared"
)]
#[case::no_limit(
    "baseline = { window = \"1h\", at_least = 5 }",
    "9:12: at_least keeps a limit from being too small"
)]
#[case::test_and_limit(
    "mann_whitney = {}",
    "9:16: a rule judges each value by a limit or all of them by mann_whitney, not both"
)]
#[case::late(
    "late = \"5s\"",
    "9:8: data counts as missing after 5 s, but is only looked at after 10 s"
)]
fn what_is_wrong_with_a_rule_is_said_where_it_stands(#[case] line: &str, #[case] expected: &str) {
    let said = said(&with_line(line));
    assert!(said.starts_with(expected), "{said}");
}

#[rstest]
#[case::threshold(
    "above = 1",
    "above = nan",
    "7:9: NaN is no number to compare with = write a finite number"
)]
#[case::no_threshold(
    "above = 1\n",
    "",
    "3:1: the rule has no threshold = write above = NUMBER or below = NUMBER"
)]
#[case::placeholder(
    "\"errors\" }",
    "\"errors{s='${servce}'}\" }",
    "6:14: ${servce} stands for nothing here = there are ${service}, ${environment}"
)]
#[case::open_placeholder("\"errors\" }", "\"errors{s='${service\" }", "6:14: a placeholder is not closed")]
#[case::step(
    "\"errors\" }",
    "\"errors\", step = \"3d\" }",
    "6:14: a query to Prometheus needs PromQL and a step of 1s to 24h"
)]
#[case::name(
    "\"errors\"\nwords",
    "\"Error rate\"\nwords",
    "4:8: \"Error rate\" is no name of a rule"
)]
#[case::too_few(
    "above = 1",
    "mann_whitney = { confidence = 0.999 }\nstable = { prometheus = { query = \"e\" } }",
    "7:16: 5 values of each can never be sure to 99.9 % = write at_least = 7 or more"
)]
fn a_wrong_value_is_named_with_what_to_write(#[case] from: &str, #[case] to: &str, #[case] expected: &str) {
    assert!(RULE.contains(from));
    let said = said(&RULE.replacen(from, to, 1));
    assert!(said.starts_with(expected), "{said}");
}

#[rstest]
#[case(
    "action = \"roll_back\"",
    "action = \"rollback\"",
    "unknown variant `rollback`",
    "did you mean `roll_back`?"
)]
#[case("above = 1", "abov = 1", "unknown field `abov`", "did you mean `above`?")]
#[case("above = 1", "missing = \"okay\"", "unknown variant `okay`", "did you mean `ok`?")]
fn a_misspelt_word_is_named_with_the_right_one(
    #[case] from: &str,
    #[case] to: &str,
    #[case] message: &str,
    #[case] suggestion: &str,
) {
    let said = said(&RULE.replacen(from, to, 1));
    assert!(said.contains(message) && said.ends_with(suggestion), "{said}");
}

#[test]
fn a_rule_that_is_there_twice_is_found_at_its_second_place() {
    let again = RULE.split_once("[[").map(|(_, rule)| format!("[[{rule}")).unwrap();
    let said = said(&format!("{RULE}{again}"));
    assert!(said.starts_with("10:8: the rule \"errors\" is there twice"), "{said}");
}

#[test]
fn a_target_that_names_no_definition_is_told_the_closest() {
    let text = DEMO.replacen("# health = \"conversations\"", "health = \"conversation\"", 1);
    let said = parse("tidegate.toml", &text).unwrap_err().to_string();
    assert!(
        said.contains("there is no health definition \"conversation\""),
        "{said}"
    );
    assert!(said.contains("did you mean \"conversations\"?"), "{said}");
}

#[test]
fn what_is_wrong_with_a_definition_is_told_once_though_others_extend_it() {
    let said = said("\n[health.watched]\nextend = \"base\"\n[health.base]\nextend = \"standard\"\ninterval = \"1s\"\n");
    assert!(said.starts_with("6:12: health is evaluated every 1 s"), "{said}");
}

#[test]
fn a_draft_needs_nothing_but_itself() {
    let draft = definitions("draft.toml", RULE).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(draft["watched"], watched(RULE));
    assert_eq!(draft["standard"], standard());
    let all = definitions("tidegate.toml", DEMO).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(all.contains_key("conversations"));
    let wrong = definitions(
        "draft.toml",
        &RULE.replace("above = 1", "above = 1\ndatapoints = \"2 of 1\""),
    )
    .unwrap_err();
    assert!(
        wrong
            .to_string()
            .starts_with("draft.toml:8:14: 2 of 1 datapoints cannot be"),
        "{wrong}"
    );
}

#[test]
fn the_schema_describes_health() {
    let schema = serde_json::to_value(super::schema()).unwrap();
    assert!(schema["properties"]["health"].is_object());
    let rule = schema
        .pointer("/properties/health/additionalProperties/properties/rules/items/properties")
        .expect("rules are described");
    for member in [
        "cloudwatch",
        "prometheus",
        "above",
        "for",
        "mann_whitney",
        "missing",
        "action",
    ] {
        assert!(rule[member].is_object(), "{member}");
    }
}
