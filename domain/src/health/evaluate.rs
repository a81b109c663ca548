//! The judgement: a definition and what was measured, against the clock that is handed in.
//!
//! The invariant: nothing is healthy because nothing was measured. A datapoint is judged only once it is over and has
//! settled; one that is not there is first awaited, then missing, and missing is what the rule says it is.

use super::{
    Action, Condition, Course, Evaluation, HealthDefinition, Measured, Missing, Outcome, Readings, Rule,
    RuleEvaluation, Verdict, Which, limits, read::millis, samples, words,
};
use crate::time::Timestamp;

/// Judges every rule and says what follows. `previous`: the evaluation before, which remembers since when a source has
/// been unreadable; a short silence is awaited, a longer one is missing data.
pub fn evaluate(
    definition: &HealthDefinition,
    readings: &Readings,
    course: &Course,
    previous: Option<&Evaluation>,
    now: Timestamp,
) -> Evaluation {
    let nothing = Measured::default();
    let rules: Vec<RuleEvaluation> = definition
        .rules
        .iter()
        .map(|rule| {
            let measured = readings.get(&rule.name).unwrap_or(&nothing);
            let before = previous.and_then(|previous| previous.rule(&rule.name));
            judge(
                rule,
                measured,
                course,
                before.and_then(|before| before.unread_since),
                now,
            )
        })
        .collect();
    let outcome = rules.iter().map(|rule| rule.outcome).max().unwrap_or(Outcome::Healthy);
    let cause = rules
        .iter()
        .find(|rule| rule.outcome == outcome && outcome != Outcome::Healthy)
        .map(|rule| rule.rule.clone());
    Evaluation {
        at: now,
        definition: definition.name.clone(),
        version: definition.version(),
        outcome,
        cause,
        rules,
    }
}

fn judge(
    rule: &Rule,
    measured: &Measured,
    course: &Course,
    unread_before: Option<Timestamp>,
    now: Timestamp,
) -> RuleEvaluation {
    let mut found = match &rule.condition {
        Condition::Limits { limits, during } => limits::judge(rule, limits, *during, measured, course, now),
        Condition::MannWhitney(test) => samples::judge(rule, test, measured, course, now),
    };
    // What was measured and is a breach stays one, whatever else cannot be read.
    if let Some(why) = unread(rule, measured, course, now).filter(|_| !measured_breach(rule, &found)) {
        let since = unread_before.unwrap_or(now);
        found.unread_since = Some(since);
        found.verdict = if now.since(since) < millis(rule.late_seconds) {
            Verdict::Pending
        } else {
            Verdict::Missing
        };
        found.words = words::unread(rule, &why, since, now);
    }
    found.outcome = outcome(rule, found.verdict);
    found
}

/// Whether what was measured is a breach by itself: what is only unread does not count as missing.
fn measured_breach(rule: &Rule, found: &RuleEvaluation) -> bool {
    match &rule.condition {
        Condition::Limits { during, .. } => {
            let breaches = found.samples.iter().filter(|sample| sample.breach).count();
            limits::amount(breaches) >= during.of(rule.span_seconds()).0
        }
        Condition::MannWhitney(_) => found.comparison.is_some() && found.verdict == Verdict::Breach,
    }
}

/// Why something that is due could not be read.
fn unread(rule: &Rule, measured: &Measured, course: &Course, now: Timestamp) -> Option<String> {
    limits::due(rule, course, now)?;
    let shared = course
        .all_traffic_at
        .is_none_or(|all| all > course.started_at.plus_millis(millis(rule.grace_seconds)));
    let needed = [
        (Which::New, true),
        (Which::Stable, rule.compares_with_stable() && shared),
        (Which::Baseline, rule.compares_with_baseline()),
    ];
    needed
        .into_iter()
        .filter(|(_, needed)| *needed)
        .find_map(|(which, _)| match measured.get(which) {
            Some(Ok(_)) => None,
            Some(Err(why)) => Some(why.to_string()),
            None => Some("nothing was asked".to_owned()),
        })
}

fn outcome(rule: &Rule, verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Ok | Verdict::DoesNotApply => Outcome::Healthy,
        Verdict::Pending => Outcome::Pending,
        Verdict::Breach => Outcome::from(rule.action),
        Verdict::Missing => Outcome::from(Action::Hold),
    }
}

/// What datapoints that should be there and are not make of a rule: nothing, a breach, or missing data.
pub(super) const fn of_missing(missing: Missing) -> Verdict {
    match missing {
        Missing::Ok => Verdict::Ok,
        Missing::Breach => Verdict::Breach,
        Missing::Hold => Verdict::Missing,
    }
}
