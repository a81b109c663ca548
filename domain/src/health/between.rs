//! Health between deployments: the same definition without a new version to judge.

use super::{Course, HealthDefinition, Outcome, Query, Rule, Values};
use crate::{
    catalog::Target,
    name::ServiceName,
    time::{SECOND, Timestamp},
};

/// What placeholders stand for although nothing is deployed: names, and what the configuration says.
pub fn values_between(service: &ServiceName, target: &Target) -> Values {
    let mut values = target.engine.labels();
    values.insert("service".to_owned(), service.to_string());
    values.insert("environment".to_owned(), target.environment.to_string());
    values.extend(target.placeholders.clone());
    values
}

/// How many intervals of a deployment lie between two evaluations.
pub const SLOWER: u32 = 10;

/// What of a definition can judge between deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Between {
    /// Its rules that ask for neither a new nor a stable version; the name is the definition's.
    pub definition: HealthDefinition,
    /// Names of the other rules.
    pub left_out: Vec<String>,
}

impl HealthDefinition {
    /// The part of it that can judge between deployments. `values`: what placeholders stand for then.
    pub fn between(&self, values: &Values) -> Between {
        let (rules, others): (Vec<Rule>, Vec<Rule>) = self
            .rules
            .iter()
            .cloned()
            .partition(|rule| needs_no_version(rule, values));
        Between {
            definition: Self { rules, ..self.clone() },
            left_out: others.into_iter().map(|rule| rule.name).collect(),
        }
    }

    /// The course that makes a definition judge the newest window as if all traffic had moved before it. The window reaches as
    /// far back as the rule that looks furthest.
    pub fn course_between(&self, now: Timestamp) -> Course {
        let back = self
            .rules
            .iter()
            .map(|rule| {
                let judged = rule.window().saturating_add(1).saturating_mul(rule.span_seconds());
                judged
                    .saturating_add(rule.grace_seconds)
                    .saturating_add(rule.late_seconds)
            })
            .max()
            .unwrap_or_default();
        let started_at = now.plus_millis(-i64::from(back) * SECOND);
        Course {
            started_at,
            all_traffic_at: Some(started_at),
        }
    }
}

fn needs_no_version(rule: &Rule, values: &Values) -> bool {
    let known = |query: &Query| {
        query
            .placeholders()
            .is_ok_and(|names| names.iter().all(|name| values.contains_key(name)))
    };
    !rule.compares_with_stable()
        && known(&rule.query)
        && (!rule.compares_with_baseline() || known(rule.baseline_query()))
}

/// Whether an evaluation between deployments changes what is said of the target, and to what. What is not known yet changes
/// nothing; that everything is well at the first look is no news.
pub fn turned(before: Option<Outcome>, now: Outcome) -> bool {
    match (before, now) {
        (_, Outcome::Pending) => false,
        (None, now) => now != Outcome::Healthy,
        (Some(before), now) => before != now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::standard;

    #[test]
    fn what_asks_for_a_version_is_left_out_and_named() {
        let known = ["service", "environment", "cluster", "compute"];
        let values: Values = known.map(|name| (name.to_owned(), "x".to_owned())).into();
        let between = standard().between(&values);
        let names = |rules: &[Rule]| rules.iter().map(|rule| rule.name.clone()).collect::<Vec<_>>();
        let mut all = names(&between.definition.rules);
        all.extend(between.left_out.iter().cloned());
        all.sort_unstable();
        let mut expected = names(&standard().rules);
        expected.sort_unstable();
        assert_eq!(all, expected, "each rule is judged or named");
        assert!(between.definition.rules.iter().all(|rule| !rule.compares_with_stable()));
        assert!(
            !between.left_out.is_empty(),
            "some ask for the new version's target group"
        );
    }

    #[test]
    fn only_a_change_is_news_and_what_is_not_known_is_none() {
        use Outcome::{Alert, Healthy, Hold, Pending};
        assert!(!turned(None, Healthy));
        assert!(turned(None, Hold));
        assert!(!turned(Some(Healthy), Healthy));
        assert!(turned(Some(Healthy), Alert));
        assert!(turned(Some(Hold), Healthy));
        assert!(!turned(Some(Hold), Pending));
        assert!(!turned(None, Pending));
    }
}
