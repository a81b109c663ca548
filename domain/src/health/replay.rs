//! Replay: what a definition would have done to deployments that were recorded.
//!
//! The same [`evaluate`] judges a recording that judges a deployment, at the same steps. A recording ends where the
//! deployment ended, so a definition that is slower than what happened sees only what was recorded; and data counts
//! from the moment at which it was due, because recordings do not say when it arrived.

use super::{
    Course, Evaluation, HealthDefinition, Measured, Outcome, Query, Readings, Series, Unread, Which, evaluate,
};
use crate::time::{SECOND, Timestamp};
use serde::{Deserialize, Serialize};

/// What was measured during one deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// What it is called in results: the deployment's id.
    pub deployment: String,
    pub course: Course,
    /// When it came to rest, or nobody looked any more.
    pub ended_at: Timestamp,
    pub series: Vec<Recorded>,
    /// What became of it, and when that was decided.
    pub happened: Option<Happened>,
    /// What people said of it afterwards.
    pub mark: Option<Mark>,
}

/// One series over the whole deployment, the baseline's window included. Known by its query, placeholders unfilled: a
/// rule that was renamed, or that another definition has, finds it; one that asks something else does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    pub which: Which,
    pub query: Query,
    pub series: Series,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    pub ending: Ending,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// It hurt users, or would have.
    Incident,
    Fine,
}

/// How far a definition lets a deployment go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Let through, and found healthy at the end.
    Passed,
    /// Held for people; nothing rolled it back later.
    Held,
    RolledBack,
    /// It ended before everything was measured.
    Undecided,
}

/// A moment at which a definition would have acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    pub at: Timestamp,
    /// The rule that it comes from.
    pub rule: String,
    /// What the rule said.
    pub words: String,
}

/// What a definition would have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    pub ending: Ending,
    pub rolled_back: Option<Act>,
    /// The first hold. A rollback may have followed.
    pub held: Option<Act>,
    /// The first alert.
    pub alerted: Option<Act>,
    /// Evaluations until the rollback or the end.
    pub evaluations: u32,
    /// Seconds that the rollback would have come before the one that happened; negative: after it. `None` unless
    /// both rolled back.
    pub earlier_seconds: Option<i64>,
    /// The last evaluation: why it ended so.
    pub last: Evaluation,
}

impl Replay {
    /// What decided, where something did: the rollback, else the hold.
    pub const fn decided(&self) -> Option<&Act> {
        match &self.rolled_back {
            Some(act) => Some(act),
            None => self.held.as_ref(),
        }
    }
}

/// Runs a definition over a recording: an evaluation at the start and after each interval, until it would have rolled back,
/// and one at the end.
pub fn replay(definition: &HealthDefinition, recording: &Recording) -> Replay {
    let readings = readings(definition, recording);
    let step = i64::from(definition.interval_seconds.max(1)) * SECOND;
    let (mut rolled_back, mut held, mut alerted) = (None, None, None);
    let mut now = recording.course.started_at;
    let mut evaluations = 0;
    let mut previous: Option<Evaluation> = None;
    let last = loop {
        let course = seen_at(&recording.course, now);
        let evaluation = evaluate(definition, &readings, &course, previous.as_ref(), now);
        evaluations += 1;
        let first = match evaluation.outcome {
            Outcome::RollBack => Some(&mut rolled_back),
            Outcome::Hold => Some(&mut held),
            Outcome::Alert => Some(&mut alerted),
            Outcome::Healthy | Outcome::Pending => None,
        };
        if let Some(first) = first {
            first.get_or_insert_with(|| act(&evaluation));
        }
        if rolled_back.is_some() || now >= recording.ended_at {
            break evaluation;
        }
        now = now.plus_millis(step).min(recording.ended_at);
        previous = Some(evaluation);
    };
    let ending = match (&rolled_back, &held, last.outcome) {
        (Some(_), ..) => Ending::RolledBack,
        (None, Some(_), _) => Ending::Held,
        (None, None, Outcome::Pending) => Ending::Undecided,
        (None, None, _) => Ending::Passed,
    };
    let happened = recording
        .happened
        .filter(|happened| happened.ending == Ending::RolledBack);
    let earlier_seconds = rolled_back
        .as_ref()
        .zip(happened)
        .map(|(act, happened)| happened.at.since(act.at) / SECOND);
    Replay {
        ending,
        rolled_back,
        held,
        alerted,
        evaluations,
        earlier_seconds,
        last,
    }
}

/// Nobody knew then when all traffic would move.
fn seen_at(course: &Course, now: Timestamp) -> Course {
    Course {
        all_traffic_at: course.all_traffic_at.filter(|at| *at <= now),
        ..*course
    }
}

fn act(evaluation: &Evaluation) -> Act {
    Act {
        at: evaluation.at,
        rule: evaluation.cause.clone().unwrap_or_default(),
        words: evaluation.why().unwrap_or_default().to_owned(),
    }
}

/// The recorded series, as the definition's rules ask for them.
fn readings(definition: &HealthDefinition, recording: &Recording) -> Readings {
    let find = |which: Which, query: &Query| {
        recording
            .series
            .iter()
            .find(|recorded| recorded.which == which && recorded.query == *query)
            .map(|recorded| recorded.series.clone())
            .ok_or_else(|| Unread("it was not recorded".to_owned()))
    };
    definition
        .rules
        .iter()
        .map(|rule| {
            let measured = Measured {
                new: Some(find(Which::New, &rule.query)),
                stable: rule.stable.as_ref().map(|stable| find(Which::Stable, stable)),
                baseline: rule
                    .compares_with_baseline()
                    .then(|| find(Which::Baseline, rule.baseline_query())),
            };
            (rule.name.clone(), measured)
        })
        .collect()
}
