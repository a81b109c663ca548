//! The new version's values as a whole against others': Mann–Whitney U.

use super::{
    Against, Comparison, Course, Direction, Judged, MannWhitney, Measured, Number, Outcome, Rule, RuleEvaluation,
    Verdict, Which,
    evaluate::of_missing,
    limits::{amount, baseline, baseline_points, due, value},
    mann_whitney::{Found, larger},
    read::{Grid, millis},
    words,
};
use crate::time::Timestamp;

pub(super) fn judge(
    rule: &Rule,
    test: &MannWhitney,
    measured: &Measured,
    course: &Course,
    now: Timestamp,
) -> RuleEvaluation {
    let samples = taken(rule, test, measured, course, now);
    let values: Vec<f64> = samples
        .iter()
        .filter_map(|sample| sample.value)
        .map(Number::get)
        .collect();
    let others: Vec<Number> = match test.against {
        Against::Stable => samples.iter().filter_map(|sample| sample.stable).collect(),
        Against::Baseline => baseline_points(rule, measured, course)
            .unwrap_or_default()
            .iter()
            .filter_map(|point| Number::new(point.value))
            .collect(),
    };
    let enough = amount(values.len().min(others.len())) >= test.at_least;
    let found = if enough { compared(rule, &values, &others) } else { None };
    let verdict = match found {
        Some(found) => {
            if is_breach(test, &found) {
                Verdict::Breach
            } else {
                Verdict::Ok
            }
        }
        // Enough of its own, and nothing to compare it with.
        None if amount(values.len()) >= test.at_least => Verdict::Missing,
        None if amount(samples.len()) >= test.at_least => of_missing(rule.missing),
        None if test.against == Against::Stable && never(rule, test, course) => Verdict::DoesNotApply,
        None => Verdict::Pending,
    };
    let words = words::mann_whitney(rule, test, verdict, &values, others.len(), found.as_ref());
    RuleEvaluation {
        rule: rule.name.clone(),
        verdict,
        outcome: Outcome::Pending,
        words,
        unit: rule.unit.clone(),
        samples,
        span_seconds: rule.span_seconds(),
        baseline: baseline(rule, measured, course),
        comparison: found.map(|found| Comparison { others, found }),
        unread_since: None,
    }
}

fn compared(rule: &Rule, values: &[f64], others: &[Number]) -> Option<Found> {
    let others: Vec<f64> = others.iter().map(|other| other.get()).collect();
    match rule.direction {
        Direction::Above => larger(values, &others),
        Direction::Below => larger(&others, values),
    }
}

/// Sure enough, and large enough to matter. The smallest difference of a float is none.
fn is_breach(test: &MannWhitney, found: &Found) -> bool {
    found.p.get() <= 1.0 - test.confidence.get() + 1e-12 && found.effect.get() + 1e-12 >= test.effect.get()
}

/// All traffic moved before there was enough to compare.
fn never(rule: &Rule, test: &MannWhitney, course: &Course) -> bool {
    let grid = Grid::of(rule.span_seconds());
    course
        .all_traffic_at
        .is_some_and(|all| grid.over(all) - grid.first(rule, course) < i64::from(test.at_least))
}

/// The newest spans that fill the window, oldest first, with what is known of them. Those that are awaited are left out.
fn taken(rule: &Rule, test: &MannWhitney, measured: &Measured, course: &Course, now: Timestamp) -> Vec<Judged> {
    let Some((first, over)) = due(rule, course, now) else {
        return Vec::new();
    };
    let grid = Grid::of(rule.span_seconds());
    let against_stable = test.against == Against::Stable;
    let over = match course.all_traffic_at {
        Some(all) if against_stable => over.min(grid.over(all)),
        _ => over,
    };
    let window = usize::try_from(rule.window()).unwrap_or(usize::MAX);
    let judged = (first..over).rev().filter_map(|at| {
        let (begin, end) = (grid.begin(at), grid.end(at));
        let new = value(measured.get(Which::New), begin, end);
        let stable = against_stable
            .then(|| value(measured.get(Which::Stable), begin, end))
            .flatten();
        let whole = new.is_some() && (stable.is_some() || !against_stable);
        let partial = begin < course.started_at.plus_millis(millis(rule.grace_seconds));
        let awaited = partial || now.since(end) < millis(rule.late_seconds);
        (whole || !awaited).then_some(Judged {
            at: begin,
            value: new,
            stable,
            threshold: None,
            breach: false,
        })
    });
    let mut taken: Vec<Judged> = judged.take(window).collect();
    taken.reverse();
    taken
}
