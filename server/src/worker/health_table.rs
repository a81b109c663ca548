//! What was measured when a deployment went wrong, in Markdown, for a ticket: the evaluation that decided, rule by rule,
//! and the datapoints of the rule that it was about.

use super::HealthTable;
use async_trait::async_trait;
use std::fmt::Write as _;
use tidegate_domain::{
    DeploymentId,
    health::{Evaluation, Number, Outcome, RuleEvaluation},
};
use tidegate_store::{Db, StoreError};

/// Reads it from the database.
#[derive(Clone)]
pub(crate) struct Measured(pub(crate) Db);

#[async_trait]
impl HealthTable for Measured {
    async fn of(&self, deployment: DeploymentId) -> Result<Option<String>, StoreError> {
        let mut evaluations = self.0.evaluations_of(deployment).await?;
        evaluations.sort_by_key(|evaluation| evaluation.at);
        let decided = evaluations
            .iter()
            .find(|evaluation| evaluation.outcome == Outcome::RollBack)
            .or_else(|| {
                evaluations
                    .iter()
                    .find(|evaluation| evaluation.outcome == Outcome::Hold)
            })
            .or(evaluations.last());
        Ok(decided.map(table))
    }
}

fn table(evaluation: &Evaluation) -> String {
    let mut text = format!("Judged by `{}` at {}:\n\n", evaluation.definition, evaluation.at);
    text.push_str("| rule | what it saw |\n|---|---|\n");
    for rule in &evaluation.rules {
        let _ = writeln!(text, "| {} | {} |", cell(&rule.rule), cell(&rule.words));
    }
    if let Some(cause) = evaluation.cause.as_deref().and_then(|cause| evaluation.rule(cause)) {
        points(&mut text, cause);
    }
    text
}

fn points(text: &mut String, rule: &RuleEvaluation) {
    if rule.samples.is_empty() {
        return;
    }
    let _ = write!(
        text,
        "\n{}:\n\n| time (UTC) | value | limit |\n|---|---|---|\n",
        cell(&rule.rule)
    );
    let number = |number: Option<Number>| {
        number.map_or_else(
            || "–".to_owned(),
            |number| format!("{} {}", number.get(), rule.unit).trim().to_owned(),
        )
    };
    for sample in &rule.samples {
        let mark = if sample.breach { " ⚠" } else { "" };
        let _ = writeln!(
            text,
            "| {} | {}{mark} | {} |",
            sample.at,
            cell(&number(sample.value)),
            cell(&number(sample.threshold))
        );
    }
}

/// A bar or a line's end would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_domain::{
        Timestamp,
        health::{Judged, Verdict},
    };

    #[test]
    fn the_ticket_shows_each_rule_and_the_datapoints_of_the_cause() {
        let at = Timestamp::from_millis(1_700_000_040_000);
        let evaluation = Evaluation {
            at,
            definition: "standard".to_owned(),
            version: "v".to_owned(),
            outcome: Outcome::RollBack,
            cause: Some("5xx|rate".to_owned()),
            rules: vec![RuleEvaluation {
                rule: "5xx|rate".to_owned(),
                verdict: Verdict::Breach,
                outcome: Outcome::RollBack,
                words: "2.4 % > 1 %".to_owned(),
                unit: "%".to_owned(),
                samples: vec![
                    Judged {
                        at,
                        value: Number::new(2.4),
                        stable: None,
                        threshold: Number::new(1.0),
                        breach: true,
                    },
                    Judged {
                        at,
                        value: None,
                        stable: None,
                        threshold: Number::new(1.0),
                        breach: false,
                    },
                ],
                span_seconds: 60,
                baseline: None,
                comparison: None,
                unread_since: None,
            }],
        };
        let text = table(&evaluation);
        assert!(text.contains("| 5xx\\|rate | 2.4 % > 1 % |"), "{text}");
        assert!(text.contains("| 2023-11-14T22:14:00.000Z | 2.4 % ⚠ | 1 % |"), "{text}");
        assert!(
            text.contains("| 2023-11-14T22:14:00.000Z | – | 1 % |"),
            "a gap is a gap: {text}"
        );
    }
}
