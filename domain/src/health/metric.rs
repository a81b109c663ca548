//! What is measured, and what was read. A query yields exactly one series of numbers.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where one series of numbers comes from. Text members may hold placeholders such as `${service}`, which are replaced
/// before it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum Query {
    /// CloudWatch GetMetricData.
    Cloudwatch {
        /// Metric math over the ids of `metrics`, such as `100 * errors / requests`. `None`: the one metric itself.
        expression: Option<String>,
        metrics: Vec<Stat>,
        /// Seconds that one datapoint stands for: 60 or a multiple of it; 1, 5, 10, 20 or 30 for high-resolution metrics.
        period_seconds: u32,
    },
    /// The Prometheus HTTP API, a range query.
    Prometheus {
        /// PromQL that yields one series.
        query: String,
        /// Seconds between two datapoints.
        step_seconds: u32,
    },
}

/// One metric of CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// As metric math names it: a small letter, then letters, digits and `_`.
    pub id: String,
    pub namespace: String,
    pub name: String,
    pub dimensions: BTreeMap<String, String>,
    /// `Sum`, `Average`, `p95` and so on.
    pub stat: String,
}

/// One datapoint. `at`: the beginning of the span that it stands for, as CloudWatch has it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub at: Timestamp,
    pub value: f64,
}

/// Datapoints in order of time, at most one for each moment. Gaps are gaps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Series(Vec<Point>);

impl Series {
    /// Puts points in order; of two for the same moment the later in `points` counts. What is no number is no datapoint.
    pub fn new(points: impl IntoIterator<Item = Point>) -> Self {
        let points: BTreeMap<Timestamp, f64> = points
            .into_iter()
            .filter(|point| point.value.is_finite())
            .map(|point| (point.at, point.value))
            .collect();
        Self(points.into_iter().map(|(at, value)| Point { at, value }).collect())
    }

    pub fn points(&self) -> &[Point] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those from `from` on and before `until`.
    pub fn between(&self, from: Timestamp, until: Timestamp) -> &[Point] {
        let begin = self.0.partition_point(|point| point.at < from);
        let end = self.0.partition_point(|point| point.at < until).max(begin);
        self.0.get(begin..end).unwrap_or_default()
    }
}

/// A source could not be read, or what it said makes no sense. For people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct Unread(pub String);

/// What was read for one query.
pub type Samples = Result<Series, Unread>;

#[cfg(test)]
mod tests {
    use super::*;

    fn point(seconds: i64, value: f64) -> Point {
        Point {
            at: Timestamp::from_millis(seconds * 1_000),
            value,
        }
    }

    #[test]
    fn late_and_duplicate_points_end_up_in_order_and_once() {
        let series = Series::new([point(120, 3.0), point(60, 1.0), point(60, 2.0), point(180, f64::NAN)]);
        assert_eq!(series.points(), [point(60, 2.0), point(120, 3.0)]);
    }

    #[test]
    fn a_window_has_its_beginning_and_not_its_end() {
        let series = Series::new([point(60, 1.0), point(120, 2.0), point(180, 3.0)]);
        assert_eq!(
            series.between(Timestamp::from_millis(60_000), Timestamp::from_millis(180_000)),
            [point(60, 1.0), point(120, 2.0)]
        );
    }
}
