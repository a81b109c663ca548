//! Placeholders in queries: `${service}` and the like, so that one definition serves many targets.
//!
//! Values are only known when a deployment runs; the names are known before, so that a misspelt one is found in the
//! configuration. A `$` without `{` is an ordinary character: PromQL's regular expressions use it.

use super::{Query, Unread};
use std::collections::BTreeMap;

/// What a query may name, and what stands in its place.
pub const PLACEHOLDERS: [(&str, &str); 11] = [
    ("service", "the service's name"),
    ("environment", "the environment's name"),
    (
        "new",
        "the commit of the release that comes, as metrics are labelled with",
    ),
    ("stable", "the commit of the release that runs"),
    (
        "new_target_group",
        "the new version's target group, as CloudWatch names it: targetgroup/NAME/ID",
    ),
    ("stable_target_group", "the stable version's target group"),
    (
        "load_balancer",
        "the load balancer, as CloudWatch names it: app/NAME/ID",
    ),
    ("cluster", "the ECS cluster's name"),
    ("compute", "the name of the ECS service or Lambda function"),
    ("new_function_version", "the Lambda function's version that comes"),
    ("stable_function_version", "the Lambda function's version that runs"),
];

/// What placeholders stand for, by name.
pub type Values = BTreeMap<String, String>;

/// Why a text could not be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    #[error("${{{0}}} stands for nothing here")]
    Unknown(String),
    #[error("a placeholder is not closed: write }} after {0:?}")]
    Open(String),
}

impl Query {
    /// Seconds that one datapoint stands for.
    pub fn span_seconds(&self) -> u32 {
        match self {
            Self::Cloudwatch { period_seconds, .. } => *period_seconds,
            Self::Prometheus { step_seconds, .. } => *step_seconds,
        }
        .max(1)
    }

    /// The query with its placeholders replaced.
    ///
    /// # Errors
    /// A placeholder that `values` does not hold.
    pub fn filled(&self, values: &Values) -> Result<Self, Unfilled> {
        self.filled_by(&mut |name| values.get(name).cloned())
    }

    /// The names of its placeholders.
    ///
    /// # Errors
    /// A placeholder that is not closed.
    pub fn placeholders(&self) -> Result<Vec<String>, Unfilled> {
        let mut names = Vec::new();
        self.filled_by(&mut |name| {
            names.push(name.to_owned());
            Some(String::new())
        })?;
        Ok(names)
    }

    fn filled_by(&self, value: &mut dyn FnMut(&str) -> Option<String>) -> Result<Self, Unfilled> {
        let mut filled = self.clone();
        match &mut filled {
            Self::Cloudwatch {
                expression, metrics, ..
            } => {
                if let Some(text) = expression {
                    *text = fill(text, value)?;
                }
                for metric in metrics {
                    metric.namespace = fill(&metric.namespace, value)?;
                    metric.name = fill(&metric.name, value)?;
                    for dimension in metric.dimensions.values_mut() {
                        *dimension = fill(dimension, value)?;
                    }
                }
            }
            Self::Prometheus { query, .. } => *query = fill(query, value)?,
        }
        Ok(filled)
    }
}

impl From<Unfilled> for Unread {
    fn from(unfilled: Unfilled) -> Self {
        Self(format!("the query cannot be asked: {unfilled}"))
    }
}

fn fill(text: &str, value: &mut dyn FnMut(&str) -> Option<String>) -> Result<String, Unfilled> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| Unfilled::Open(format!("${{{after}").chars().take(40).collect()))?;
        filled.push_str(&value(name).ok_or_else(|| Unfilled::Unknown(name.to_owned()))?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::Prometheus {
            query: text.to_owned(),
            step_seconds: 15,
        }
    }

    #[test]
    fn a_placeholder_is_replaced_and_a_lone_dollar_is_not() {
        let values = Values::from([("service".to_owned(), "rag".to_owned())]);
        assert_eq!(
            query(r#"up{job="${service}-${service}",code=~"5..$"}"#).filled(&values),
            Ok(query(r#"up{job="rag-rag",code=~"5..$"}"#))
        );
    }

    #[test]
    fn what_cannot_be_filled_is_named() {
        assert_eq!(
            query("up{job=\"${servce}\"}")
                .filled(&Values::new())
                .unwrap_err()
                .to_string(),
            "${servce} stands for nothing here"
        );
        assert_eq!(
            query("up{job=\"${service\"").placeholders().unwrap_err().to_string(),
            "a placeholder is not closed: write } after \"${service\\\"\""
        );
    }

    #[test]
    fn what_stands_in_a_value_is_not_filled_again() {
        let values = Values::from([("service".to_owned(), "${service}".to_owned())]);
        assert_eq!(query("${service}").filled(&values), Ok(query("${service}")));
    }
}
