//! Datapoints against limits: m of the last n beyond any of them.

use super::{
    Course, Direction, During, Judged, Limit, Measured, Missing, Number, Outcome, Point, Rule, RuleEvaluation, Series,
    Verdict, Which,
    read::{Grid, before, millis},
    words,
};
use crate::time::Timestamp;

/// A datapoint's place, and what is known of it.
#[derive(Debug, Clone, Copy)]
struct Slot {
    judged: Judged,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fine,
    Breach,
    /// Not there, and it may still come.
    Awaited,
    Missing,
}

/// The slots that are over and settled: from the first, before the second. `None`: none is due yet.
pub(super) fn due(rule: &Rule, course: &Course, now: Timestamp) -> Option<(i64, i64)> {
    let grid = Grid::of(rule.span_seconds());
    let (first, over) = (
        grid.first(rule, course),
        grid.over(now.plus_millis(-millis(rule.settle_seconds))),
    );
    (first < over).then_some((first, over))
}

pub(super) fn judge(
    rule: &Rule,
    limits: &[Limit],
    during: During,
    measured: &Measured,
    course: &Course,
    now: Timestamp,
) -> RuleEvaluation {
    let (m, n) = during.of(rule.span_seconds());
    let baseline = baseline(rule, measured, course);
    let bench = Bench {
        rule,
        limits,
        measured,
        baseline,
        course,
        now,
    };
    let slots = bench.slots(n);
    let count = |state: fn(&Slot) -> bool| amount(slots.iter().filter(|slot| state(slot)).count());
    let breaches = count(|slot| slot.state == State::Breach);
    let silent = count(|slot| slot.state == State::Missing && slot.judged.value.is_none());
    let incomparable = count(|slot| slot.state == State::Missing && slot.judged.value.is_some());
    let awaited = |silent: bool| {
        amount(
            slots
                .iter()
                .filter(|slot| slot.state == State::Awaited && slot.judged.value.is_none() == silent)
                .count(),
        )
    };
    // Those that are beyond the limit, or could be. Silence may be well; having nothing to compare with never is.
    let (mut could_be, mut may_come) = (breaches + incomparable, awaited(false));
    if rule.missing != Missing::Ok {
        could_be += silent;
        may_come += awaited(true);
    }
    let all = amount(slots.len());
    let verdict = if breaches >= m || (rule.missing == Missing::Breach && breaches + silent >= m) {
        Verdict::Breach
    } else if all < n {
        if never(rule, limits, n, course) {
            Verdict::DoesNotApply
        } else {
            Verdict::Pending
        }
    } else if could_be >= m {
        Verdict::Missing
    } else if could_be + may_come >= m {
        Verdict::Pending
    } else {
        Verdict::Ok
    };
    let samples: Vec<Judged> = slots.iter().map(|slot| slot.judged).collect();
    let words = words::limits(rule, limits, during, verdict, &samples, baseline, incomparable > 0);
    RuleEvaluation {
        rule: rule.name.clone(),
        verdict,
        outcome: Outcome::Pending,
        words,
        unit: rule.unit.clone(),
        samples,
        span_seconds: rule.span_seconds(),
        baseline,
        comparison: None,
        unread_since: None,
    }
}

pub(super) fn amount(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// All limits compare with the stable version, and it lost its traffic before the window was full.
fn never(rule: &Rule, limits: &[Limit], n: u32, course: &Course) -> bool {
    let only_stable = limits.iter().all(|limit| matches!(limit, Limit::Stable(_)));
    let grid = Grid::of(rule.span_seconds());
    only_stable
        && course
            .all_traffic_at
            .is_some_and(|all| grid.over(all) - grid.first(rule, course) < i64::from(n))
}

/// The mean before the deployment. `None`: fewer datapoints than the rule judges, or none was read.
pub(super) fn baseline(rule: &Rule, measured: &Measured, course: &Course) -> Option<Number> {
    let points = baseline_points(rule, measured, course)?;
    let needed = rule.baseline.as_ref()?.seconds / rule.baseline_query().span_seconds();
    if points.is_empty() || amount(points.len()) < rule.window().min(needed) {
        return None;
    }
    let sum: f64 = points.iter().map(|point| point.value).sum();
    Number::new(sum / f64::from(amount(points.len())))
}

pub(super) fn baseline_points<'a>(rule: &Rule, measured: &'a Measured, course: &Course) -> Option<&'a [Point]> {
    let series = measured.get(Which::Baseline)?.as_ref().ok()?;
    let (from, until) = before(rule.baseline.as_ref()?, rule.baseline_query(), course);
    Some(series.between(from, until))
}

/// What slots are judged by.
struct Bench<'a> {
    rule: &'a Rule,
    limits: &'a [Limit],
    measured: &'a Measured,
    baseline: Option<Number>,
    course: &'a Course,
    now: Timestamp,
}

impl Bench<'_> {
    /// The last `n` slots that can be judged, oldest first.
    fn slots(&self, n: u32) -> Vec<Slot> {
        let Some((first, over)) = due(self.rule, self.course, self.now) else {
            return Vec::new();
        };
        let grid = Grid::of(self.rule.span_seconds());
        let begin = self.course.started_at.plus_millis(millis(self.rule.grace_seconds));
        let mut slots: Vec<Slot> = Vec::new();
        for at in (first..over).rev() {
            let Some(slot) = self.slot(grid.begin(at), grid.end(at)) else {
                continue;
            };
            // The newest are awaited before they are judged; so the window ends with what is known.
            let trailing = slots.is_empty() && slot.state == State::Awaited;
            // Of the span in which it started only what was measured counts.
            let partial = grid.begin(at) < begin && matches!(slot.state, State::Awaited | State::Missing);
            if !trailing && !partial {
                slots.push(slot);
            }
            if amount(slots.len()) >= n {
                break;
            }
        }
        slots.reverse();
        slots
    }

    /// `None`: no limit applies to it.
    fn slot(&self, begin: Timestamp, end: Timestamp) -> Option<Slot> {
        let value = value(self.measured.get(Which::New), begin, end);
        let stable = self
            .rule
            .compares_with_stable()
            .then(|| self::value(self.measured.get(Which::Stable), begin, end))
            .flatten();
        let thresholds = self.thresholds(stable, end);
        if thresholds.is_empty() {
            return None;
        }
        let known = thresholds.iter().copied().flatten();
        let threshold = match self.rule.direction {
            Direction::Above => known.min(),
            Direction::Below => known.max(),
        };
        let breach = value
            .zip(threshold)
            .is_some_and(|(value, threshold)| match self.rule.direction {
                Direction::Above => value > threshold,
                Direction::Below => value < threshold,
            });
        let all_known = value.is_some() && thresholds.iter().all(Option::is_some);
        let state = match (breach, all_known) {
            (true, _) => State::Breach,
            (false, true) => State::Fine,
            (false, false) if self.now.since(end) < millis(self.rule.late_seconds) => State::Awaited,
            (false, false) => State::Missing,
        };
        Some(Slot {
            judged: Judged {
                at: begin,
                value,
                stable,
                threshold,
                breach,
            },
            state,
        })
    }

    /// One for each limit that applies to a span that ends at `end`; `None` where what it compares with is not known.
    fn thresholds(&self, stable: Option<Number>, end: Timestamp) -> Vec<Option<Number>> {
        let shared = self.course.all_traffic_at.is_none_or(|all| end <= all);
        self.limits
            .iter()
            .filter_map(|limit| match limit {
                Limit::Absolute { value } => Some(Some(*value)),
                Limit::Baseline(margin) => Some(self.baseline.and_then(|mean| margin.of(mean.get()))),
                Limit::Stable(margin) => shared.then(|| stable.and_then(|other| margin.of(other.get()))),
            })
            .collect()
    }
}

/// The datapoint of a span; of several the last.
pub(super) fn value(
    samples: Option<&Result<Series, super::Unread>>,
    begin: Timestamp,
    end: Timestamp,
) -> Option<Number> {
    let series = samples?.as_ref().ok()?;
    Number::new(series.between(begin, end).last()?.value)
}
