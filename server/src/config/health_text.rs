//! A health definition as it would be written in the configuration: what the lab offers for editing, and what the page of a
//! definition shows. Read again by [`super::definitions`] it is the same definition.

use std::fmt::Write as _;
use tidegate_domain::health::{
    Action, Against, Answer, Condition, Direction, During, HealthDefinition, Limit, Margin, Missing, Number, Query,
    Rule,
};

/// Complete: it extends nothing, so that it says everything.
pub fn text(definition: &HealthDefinition) -> String {
    let name = &definition.name;
    let mut out = String::new();
    line(&mut out, &format!("[health.{}]", key(name)));
    member(&mut out, "interval", &seconds(definition.interval_seconds));
    member(&mut out, "hold", &seconds(definition.hold.deadline_seconds));
    let answer = match definition.hold.answer {
        Answer::RollBack => "roll_back",
        Answer::Continue => "continue",
    };
    member(&mut out, "when_nobody_comes", &quoted(answer));
    for rule in &definition.rules {
        line(&mut out, "");
        line(&mut out, &format!("[[health.{}.rules]]", key(name)));
        write_rule(&mut out, rule);
    }
    out
}

fn write_rule(out: &mut String, rule: &Rule) {
    member(out, "name", &quoted(&rule.name));
    member(out, "words", &quoted(&rule.words));
    if !rule.unit.is_empty() {
        member(out, "unit", &quoted(&rule.unit));
    }
    let (source, query) = query(&rule.query);
    member(out, source, &query);
    let (mut baseline, mut stable) = (Vec::new(), Vec::new());
    if let Some(written) = &rule.baseline {
        baseline.push(format!("window = {}", seconds(written.seconds)));
        baseline.extend(written.query.as_ref().map(pair));
    }
    stable.extend(rule.stable.as_ref().map(pair));
    match &rule.condition {
        Condition::Limits { limits, during } => {
            for limit in limits {
                match limit {
                    Limit::Absolute { value } => member(out, side(rule.direction), &number(*value)),
                    Limit::Baseline(margin) => baseline.extend(members_of(margin)),
                    Limit::Stable(margin) => stable.extend(members_of(margin)),
                }
            }
            if !limits.iter().any(|limit| matches!(limit, Limit::Absolute { .. })) {
                member(out, "direction", &quoted(side(rule.direction)));
            }
            match during {
                During::Datapoints { m, n } => member(out, "datapoints", &quoted(&format!("{m} of {n}"))),
                During::For { seconds: lasting } => member(out, "for", &seconds(*lasting)),
            }
        }
        Condition::MannWhitney(test) => {
            member(out, "direction", &quoted(side(rule.direction)));
            let against = match test.against {
                Against::Stable => "stable",
                Against::Baseline => "baseline",
            };
            member(
                out,
                "mann_whitney",
                &format!(
                    "{{ against = {}, confidence = {}, effect = {}, window = {}, at_least = {} }}",
                    quoted(against),
                    number(test.confidence),
                    number(test.effect),
                    seconds(test.window_seconds),
                    test.at_least
                ),
            );
        }
    }
    for (name, members) in [("baseline", baseline), ("stable", stable)] {
        if !members.is_empty() {
            member(out, name, &format!("{{ {} }}", members.join(", ")));
        }
    }
    let missing = match rule.missing {
        Missing::Ok => "ok",
        Missing::Breach => "breach",
        Missing::Hold => "hold",
    };
    member(out, "missing", &quoted(missing));
    let action = match rule.action {
        Action::Alert => "alert",
        Action::Hold => "hold",
        Action::RollBack => "roll_back",
    };
    member(out, "action", &quoted(action));
    for (name, value) in [
        ("grace", rule.grace_seconds),
        ("settle", rule.settle_seconds),
        ("late", rule.late_seconds),
    ] {
        // No span of time in the file is zero: nothing is what stands there then.
        if value > 0 {
            member(out, name, &seconds(value));
        }
    }
}

fn members_of(margin: &Margin) -> Vec<String> {
    let mut members = vec![
        format!("factor = {}", number(margin.factor)),
        format!("difference = {}", number(margin.difference)),
    ];
    members.extend(margin.at_least.map(|least| format!("at_least = {}", number(least))));
    members
}

const fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Above => "above",
        Direction::Below => "below",
    }
}

fn pair(asked: &Query) -> String {
    let (source, query) = query(asked);
    format!("{source} = {query}")
}

/// The member that holds it, and its value.
fn query(query: &Query) -> (&'static str, String) {
    match query {
        Query::Cloudwatch {
            expression,
            metrics,
            period_seconds,
        } => {
            let mut members: Vec<String> = Vec::new();
            members.extend(expression.as_ref().map(|text| format!("expression = {}", quoted(text))));
            members.push(format!("period = {}", seconds(*period_seconds)));
            let metrics: Vec<String> = metrics
                .iter()
                .map(|stat| {
                    let dimensions: Vec<String> = stat
                        .dimensions
                        .iter()
                        .map(|(name, value)| format!("{} = {}", key(name), quoted(value)))
                        .collect();
                    format!(
                        "{{ id = {}, namespace = {}, name = {}, dimensions = {{ {} }}, stat = {} }}",
                        quoted(&stat.id),
                        quoted(&stat.namespace),
                        quoted(&stat.name),
                        dimensions.join(", "),
                        quoted(&stat.stat)
                    )
                })
                .collect();
            members.push(format!("metrics = [\n  {},\n]", metrics.join(",\n  ")));
            ("cloudwatch", format!("{{ {} }}", members.join(", ")))
        }
        Query::Prometheus { query, step_seconds } => (
            "prometheus",
            format!("{{ query = {}, step = {} }}", quoted(query), seconds(*step_seconds)),
        ),
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn member(out: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{name} = {value}");
}

fn seconds(seconds: u32) -> String {
    if seconds > 0 && seconds.is_multiple_of(60) {
        format!("\"{}m\"", seconds / 60)
    } else {
        format!("\"{seconds}s\"")
    }
}

fn number(number: Number) -> String {
    // A float in TOML has a point or an exponent.
    format!("{:?}", number.get())
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A bare key where that is allowed.
fn key(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare { name.to_owned() } else { quoted(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::definitions;
    use tidegate_domain::health::standard;

    #[test]
    fn a_definition_written_down_and_read_again_is_the_same() {
        let drafted = HealthDefinition {
            name: "draft".to_owned(),
            ..standard()
        };
        let text = text(&drafted);
        let read = definitions("draft", &text)
            .map_err(|problems| format!("{problems}\n{text}"))
            .unwrap();
        assert_eq!(read["draft"].version(), drafted.version(), "{text}");
    }

    #[test]
    fn every_kind_of_rule_survives() {
        let written = r#"
[health.all]
interval = "15s"
when_nobody_comes = "continue"
[[health.all.rules]]
name = "a"
words = "errors \"quoted\" and \\ others"
prometheus = { query = 'sum(rate(errors{version="${new}"}[1m]))', step = "15s" }
stable = { prometheus = { query = "errors_stable" }, factor = 1.5, at_least = 0.25 }
for = "2m"
missing = "ok"
action = "alert"
[[health.all.rules]]
name = "b"
words = "latency"
unit = "ms"
cloudwatch = { expression = "m1 * 1000", metrics = [{ id = "m1", namespace = "AWS/ApplicationELB", name = "TargetResponseTime", dimensions = { LoadBalancer = "${load_balancer}" }, stat = "p95" }] }
baseline = { window = "60m" }
mann_whitney = { against = "baseline", confidence = 0.99, effect = 0.8, window = "10m", at_least = 6 }
action = "hold"
grace = "90s"
[[health.all.rules]]
name = "c"
words = "throughput"
prometheus = { query = "requests" }
below = 10
baseline = { window = "30m", factor = 0.5, prometheus = { query = "requests_before", step = "30s" } }
datapoints = "2 of 3"
missing = "breach"
action = "roll_back"
"#;
        let read = definitions("file", written)
            .map_err(|problems| problems.to_string())
            .unwrap();
        let again = text(&read["all"]);
        let again = definitions("again", &again)
            .map_err(|problems| format!("{problems}\n{again}"))
            .unwrap();
        assert_eq!(again["all"], read["all"]);
    }
}
