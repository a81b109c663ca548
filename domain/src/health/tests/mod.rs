//! Health as a team would tell it: what was measured, minute by minute, and what follows.

mod clock;
mod conditions;
mod definitions;
mod outcomes;
mod replays;
mod seven;

use super::*;
use crate::time::Timestamp;

/// In the place of a datapoint that is not there.
const GAP: f64 = f64::NAN;

/// Seconds after 12:00 of a day.
fn at(seconds: i64) -> Timestamp {
    "2026-03-02T12:00:00Z"
        .parse::<Timestamp>()
        .unwrap()
        .plus_seconds(seconds)
}

/// One value each `step` seconds, the first at `from`.
fn series(from: i64, step: u32, values: &[f64]) -> Series {
    Series::new(values.iter().enumerate().map(|(place, value)| Point {
        at: at(from + i64::from(step) * i64::try_from(place).unwrap()),
        value: *value,
    }))
}

/// One rule, and what was measured for it. The deployment starts at 12:00 and both versions take traffic.
#[derive(Clone)]
struct Watched {
    rule: Rule,
    measured: Measured,
    course: Course,
}

/// A rule of the standard definition.
fn standard_rule(name: &str) -> Watched {
    watched(standard().rule(name).unwrap().clone())
}

fn watched(rule: Rule) -> Watched {
    Watched {
        rule,
        measured: Measured::default(),
        course: Course {
            started_at: at(0),
            all_traffic_at: None,
        },
    }
}

impl Watched {
    fn with(mut self, which: Which, series: Series) -> Self {
        self.measured.put(which, Ok(series));
        self
    }

    /// Values of the new version from 12:00 on, one for each datapoint of the rule.
    fn measuring(self, values: &[f64]) -> Self {
        let step = self.rule.span_seconds();
        self.with(Which::New, series(0, step, values))
    }

    fn stable(self, values: &[f64]) -> Self {
        let step = self.rule.span_seconds();
        self.with(Which::Stable, series(0, step, values))
    }

    /// The same value for the whole hour before.
    fn baseline(self, value: f64) -> Self {
        let step = self.rule.baseline_query().span_seconds();
        let values = vec![value; (3_600 / step) as usize];
        self.with(Which::Baseline, series(-3_600, step, &values))
    }

    fn unread(mut self, which: Which, why: &str) -> Self {
        self.measured.put(which, Err(Unread(why.to_owned())));
        self
    }

    fn started(mut self, seconds: i64) -> Self {
        self.course.started_at = at(seconds);
        self
    }

    fn all_traffic(mut self, seconds: i64) -> Self {
        self.course.all_traffic_at = Some(at(seconds));
        self
    }

    fn definition(&self) -> HealthDefinition {
        HealthDefinition {
            rules: vec![self.rule.clone()],
            ..standard()
        }
    }

    fn after(&self, previous: Option<&Evaluation>, seconds: i64) -> Evaluation {
        let readings = Readings::from([(self.rule.name.clone(), self.measured.clone())]);
        evaluate(&self.definition(), &readings, &self.course, previous, at(seconds))
    }

    /// The rule's verdict so many seconds after 12:00.
    fn at(&self, seconds: i64) -> RuleEvaluation {
        self.after(None, seconds).rules.remove(0)
    }
}
