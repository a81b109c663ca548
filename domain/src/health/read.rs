//! What must be read for an evaluation: which query, over which window. And what was read, by rule.

use super::{Baseline, HealthDefinition, Query, Rule, Samples, Unread, Values};
use crate::time::{SECOND, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The course of a deployment, as far as health depends on it. The database's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// When the new version began to take traffic. Nothing earlier is judged; baselines end here.
    pub started_at: Timestamp,
    /// When it took all of it. From then on there is no stable version to compare with. The same as `started_at` where
    /// traffic moves at once or nothing ran before; `None`: both versions take traffic.
    pub all_traffic_at: Option<Timestamp>,
}

/// Whose values they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    New,
    Stable,
    Baseline,
}

/// One series to read: datapoints that begin from `from` on and before `until`. Both lie on the grid of the query's
/// datapoints, counted from 1970. A baseline is the same for a whole deployment and need be read only once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub rule: String,
    pub which: Which,
    /// With its placeholders filled, or why that is not possible: hand it in as what was read.
    pub query: Result<Query, Unread>,
    pub from: Timestamp,
    pub until: Timestamp,
}

/// What was read for one rule. `None`: nobody tried.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    pub new: Option<Samples>,
    pub stable: Option<Samples>,
    pub baseline: Option<Samples>,
}

impl Measured {
    pub fn put(&mut self, which: Which, samples: Samples) {
        *match which {
            Which::New => &mut self.new,
            Which::Stable => &mut self.stable,
            Which::Baseline => &mut self.baseline,
        } = Some(samples);
    }

    pub const fn get(&self, which: Which) -> Option<&Samples> {
        match which {
            Which::New => self.new.as_ref(),
            Which::Stable => self.stable.as_ref(),
            Which::Baseline => self.baseline.as_ref(),
        }
    }
}

/// What was read for a definition, by the names of its rules.
pub type Readings = BTreeMap<String, Measured>;

/// What an evaluation at `now` needs. Nothing for rules of which no datapoint is due yet.
pub fn reads(definition: &HealthDefinition, course: &Course, values: &Values, now: Timestamp) -> Vec<Read> {
    let mut reads = Vec::new();
    for rule in &definition.rules {
        let Some((from, until)) = due(rule, course, now) else {
            continue;
        };
        let mut read = |which, query: &Query, from, until| {
            reads.push(Read {
                rule: rule.name.clone(),
                which,
                query: query.filled(values).map_err(Unread::from),
                from,
                until,
            });
        };
        read(Which::New, &rule.query, from, until);
        let shared = course.all_traffic_at.is_none_or(|all| all > from);
        if let Some(stable) = rule.stable.as_ref().filter(|_| rule.compares_with_stable() && shared) {
            read(Which::Stable, stable, from, until);
        }
        if let Some(baseline) = rule.baseline.as_ref().filter(|_| rule.compares_with_baseline()) {
            let query = rule.baseline_query();
            let (from, until) = before(baseline, query, course);
            read(Which::Baseline, query, from, until);
        }
    }
    reads
}

/// The window of the datapoints that can matter at `now`; late ones may come, so it reaches further back than is judged.
fn due(rule: &Rule, course: &Course, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let grid = Grid::of(rule.span_seconds());
    let until = grid.over(now.plus_millis(-millis(rule.settle_seconds)));
    let late = i64::from(rule.late_seconds.div_ceil(rule.span_seconds()));
    // Comparing stops when all traffic has moved; what was compared until then stays in sight.
    let last = match course.all_traffic_at {
        Some(all) if rule.compares_with_stable() => until.min(grid.over(all)),
        _ => until,
    };
    let from = grid.first(rule, course).max(last - i64::from(rule.window()) - late);
    (from < until).then(|| (grid.begin(from), grid.begin(until)))
}

/// The window of a baseline: it ends where the deployment's first datapoint begins.
pub(super) fn before(baseline: &Baseline, query: &Query, course: &Course) -> (Timestamp, Timestamp) {
    let grid = Grid::of(query.span_seconds());
    let until = grid.begin(grid.over(course.started_at));
    let from = grid.begin(grid.over(until.plus_millis(-millis(baseline.seconds))));
    (from, until)
}

pub(super) fn millis(seconds: u32) -> i64 {
    i64::from(seconds) * SECOND
}

/// The spans that datapoints stand for, numbered from 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid(i64);

impl Grid {
    pub(super) fn of(span_seconds: u32) -> Self {
        Self(millis(span_seconds.max(1)))
    }

    pub(super) const fn begin(self, slot: i64) -> Timestamp {
        Timestamp::from_millis(slot.saturating_mul(self.0))
    }

    pub(super) const fn end(self, slot: i64) -> Timestamp {
        self.begin(slot.saturating_add(1))
    }

    /// The first slot that is not over at `moment`: the one that holds it.
    pub(super) const fn over(self, moment: Timestamp) -> i64 {
        moment.millis().div_euclid(self.0)
    }

    /// The first slot that reaches beyond the start and the grace after it.
    pub(super) fn first(self, rule: &Rule, course: &Course) -> i64 {
        self.over(course.started_at.plus_millis(millis(rule.grace_seconds)))
    }
}
