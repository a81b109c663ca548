//! How a running deployment is watched: the definition it is judged by, pinned as it was approved, and what the last
//! evaluation came to. Evaluations themselves, with their samples, are kept beside the deployment.

use crate::{
    health::{Course, Evaluation, HealthDefinition, Outcome, Values},
    time::{SECOND, Timestamp},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    pub definition: HealthDefinition,
    /// What the placeholders of its queries stand for; known from the first evaluation on.
    pub values: Values,
    pub last: Option<Judgement>,
}

/// What an evaluation came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    pub at: Timestamp,
    pub outcome: Outcome,
    /// Every rule had enough to judge by.
    pub complete: bool,
    /// Rules that ask for something, in the order of the definition.
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub rule: String,
    /// What it saw.
    pub words: String,
    pub outcome: Outcome,
}

impl Watch {
    pub const fn new(definition: HealthDefinition) -> Self {
        Self {
            definition,
            values: Values::new(),
            last: None,
        }
    }

    /// Whether the next evaluation is due.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let interval = i64::from(self.definition.interval_seconds) * SECOND;
        self.last.as_ref().is_none_or(|last| now.since(last.at) >= interval)
    }
}

impl Judgement {
    pub fn of(evaluation: &Evaluation) -> Self {
        Self {
            at: evaluation.at,
            outcome: evaluation.outcome,
            complete: evaluation.is_complete(),
            findings: evaluation
                .rules
                .iter()
                .filter(|rule| !matches!(rule.outcome, Outcome::Healthy | Outcome::Pending))
                .map(|rule| Finding {
                    rule: rule.rule.clone(),
                    words: rule.words.clone(),
                    outcome: rule.outcome,
                })
                .collect(),
        }
    }

    /// The first rule that asks for this, of those that no person has waived.
    pub fn asks_for(&self, outcome: Outcome, waived: &[String]) -> Option<&Finding> {
        self.findings
            .iter()
            .find(|finding| finding.outcome == outcome && !waived.contains(&finding.rule))
    }

    /// Whether it says the same as an earlier one: the same rules ask for the same.
    pub fn says_as(&self, earlier: &Self) -> bool {
        let asked = |judgement: &Self| -> Vec<(String, Outcome)> {
            judgement
                .findings
                .iter()
                .map(|finding| (finding.rule.clone(), finding.outcome))
                .collect()
        };
        asked(self) == asked(earlier) && (self.outcome == Outcome::Healthy) == (earlier.outcome == Outcome::Healthy)
    }
}

/// The course after another look at the share of traffic. `alone`: nothing ran before, so nothing can be compared with.
pub(super) fn course(before: Option<Course>, share: Option<u8>, alone: bool, now: Timestamp) -> Option<Course> {
    let share = share.unwrap_or(0);
    if share == 0 && before.is_none() {
        return None;
    }
    let mut course = before.unwrap_or(Course {
        started_at: now,
        all_traffic_at: alone.then_some(now),
    });
    if share >= 100 {
        course.all_traffic_at = course.all_traffic_at.or(Some(now));
    }
    Some(course)
}
