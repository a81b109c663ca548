//! A rule's values over a deployment, as a small drawing: the line of values with its gaps, the limit in force, where the
//! new version began to take traffic, and what was beyond the limit. What it shows stands in a table too.

use leptos::prelude::*;
use std::collections::BTreeMap;
use tidegate_domain::{
    Timestamp,
    health::{Evaluation, Judged},
    time::SECOND,
};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 88.0;
/// Above and below the line, so that a dot at the edge is whole.
const ROOM: f64 = 6.0;

/// All samples of a rule, each as it was judged last.
pub(crate) fn samples(evaluations: &[Evaluation], rule: &str) -> Vec<Judged> {
    let mut known: BTreeMap<Timestamp, Judged> = BTreeMap::new();
    for sample in evaluations
        .iter()
        .filter_map(|evaluation| evaluation.rule(rule))
        .flat_map(|rule| &rule.samples)
    {
        known.insert(sample.at, *sample);
    }
    known.into_values().collect()
}

/// Where moments and values are drawn.
struct Frame {
    from: i64,
    until: i64,
    top: f64,
    bottom: f64,
}

impl Frame {
    #[expect(clippy::cast_precision_loss, reason = "a drawing needs no milliseconds")]
    fn x(&self, at: i64) -> f64 {
        let whole = (self.until - self.from).max(1) as f64;
        (at - self.from) as f64 / whole * WIDTH
    }

    fn y(&self, value: f64) -> f64 {
        let whole = (self.top - self.bottom).max(f64::MIN_POSITIVE);
        ROOM + (self.top - value) / whole * 2.0f64.mul_add(-ROOM, HEIGHT)
    }
}

/// Runs of samples without a gap: one that is missing or not there at all ends a run.
fn runs(samples: &[Judged], span: i64) -> Vec<Vec<(i64, f64)>> {
    let mut runs: Vec<Vec<(i64, f64)>> = Vec::new();
    let mut last: Option<i64> = None;
    for sample in samples {
        let at = sample.at.millis();
        let Some(value) = sample.value else {
            last = None;
            continue;
        };
        match runs.last_mut() {
            Some(run) if last.is_some_and(|last| at - last <= span * 3 / 2) => run.push((at, value.get())),
            _ => runs.push(vec![(at, value.get())]),
        }
        last = Some(at);
    }
    runs
}

/// `None`: nothing was measured. `span_seconds`: what one sample stands for.
pub(crate) fn curve(
    samples: &[Judged],
    span_seconds: u32,
    started_at: Option<Timestamp>,
    said: String,
) -> Option<impl IntoView + use<>> {
    let span = i64::from(span_seconds.max(1)) * SECOND;
    let first = samples.first()?.at.millis();
    let last = samples.last()?.at.millis();
    let values = samples
        .iter()
        .flat_map(|sample| [sample.value, sample.threshold])
        .flatten();
    let values: Vec<f64> = values.map(tidegate_domain::health::Number::get).collect();
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !highest.is_finite() {
        return None;
    }
    let lowest = values.iter().copied().fold(0.0, f64::min);
    let frame = Frame {
        from: started_at.map_or(first, |at| at.millis().clamp(first - 4 * span, first)),
        until: last + span,
        top: if highest > lowest { highest } else { lowest + 1.0 },
        bottom: lowest,
    };
    let lines = runs(samples, span)
        .into_iter()
        .map(|run| {
            let points: Vec<String> = run
                .iter()
                .map(|(at, value)| format!("{:.1},{:.1}", frame.x(at + span / 2), frame.y(*value)))
                .collect();
            view! { <polyline class="curve-line" points=points.join(" ")></polyline> }
        })
        .collect_view();
    let limits = samples
        .iter()
        .filter_map(|sample| Some((sample.at.millis(), sample.threshold?.get())))
        .map(|(at, limit)| {
            let y = format!("{:.1}", frame.y(limit));
            view! {
                <line class="curve-limit" x1=format!("{:.1}", frame.x(at)) x2=format!("{:.1}", frame.x(at + span)) y1=y.clone() y2=y></line>
            }
        })
        .collect_view();
    let marks = samples
        .iter()
        .map(|sample| {
            let x = frame.x(sample.at.millis() + span / 2);
            match sample.value {
                Some(value) if sample.breach => view! {
                    <circle class="curve-breach" cx=format!("{x:.1}") cy=format!("{:.1}", frame.y(value.get())) r="4"></circle>
                }
                .into_any(),
                Some(value) => view! {
                    <circle class="curve-value" cx=format!("{x:.1}") cy=format!("{:.1}", frame.y(value.get())) r="2"></circle>
                }
                .into_any(),
                None => view! {
                    <rect
                        class="curve-gap"
                        x=format!("{:.1}", frame.x(sample.at.millis()))
                        y="0"
                        width=format!("{:.1}", frame.x(sample.at.millis() + span) - frame.x(sample.at.millis()))
                        height=HEIGHT.to_string()
                    ></rect>
                }
                .into_any(),
            }
        })
        .collect_view();
    let began = started_at
        .map(Timestamp::millis)
        .filter(|at| (frame.from..=frame.until).contains(at))
        .map(|at| {
            let x = format!("{:.1}", frame.x(at).max(1.0));
            view! { <line class="curve-start" x1=x.clone() x2=x y1="0" y2=HEIGHT.to_string()></line> }
        });
    let base = format!("{:.1}", frame.y(frame.bottom));
    Some(view! {
        <svg class="curve" role="img" aria-label=said viewBox=format!("0 0 {WIDTH} {HEIGHT}")>
            <line class="curve-base" x1="0" x2=WIDTH.to_string() y1=base.clone() y2=base></line>
            {marks_below(samples, &frame, span)}
            {limits}
            {began}
            {lines}
            {marks}
        </svg>
    })
}

/// The stable version's values, where the rule compares with them: behind the others.
fn marks_below(samples: &[Judged], frame: &Frame, span: i64) -> impl IntoView + use<> {
    let stable: Vec<Judged> = samples
        .iter()
        .map(|sample| Judged {
            value: sample.stable,
            ..*sample
        })
        .collect();
    runs(&stable, span)
        .into_iter()
        .map(|run| {
            let points: Vec<String> = run
                .iter()
                .map(|(at, value)| format!("{:.1},{:.1}", frame.x(at + span / 2), frame.y(*value)))
                .collect();
            view! { <polyline class="curve-stable" points=points.join(" ")></polyline> }
        })
        .collect_view()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_domain::health::Number;

    fn judged(minute: i64, value: Option<f64>) -> Judged {
        Judged {
            at: Timestamp::from_millis(minute * 60_000),
            value: value.and_then(Number::new),
            stable: None,
            threshold: Number::new(1.0),
            breach: false,
        }
    }

    #[test]
    fn a_gap_stays_a_gap_whether_it_is_missing_or_not_there() {
        let samples = [
            judged(0, Some(1.0)),
            judged(1, Some(2.0)),
            judged(2, None),
            judged(3, Some(3.0)),
            judged(6, Some(4.0)),
        ];
        let runs = runs(&samples, 60_000);
        assert_eq!(
            runs,
            [
                vec![(0, 1.0), (60_000, 2.0)],
                vec![(180_000, 3.0)],
                vec![(360_000, 4.0)]
            ]
        );
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(curve(&[], 60, None, String::new()).is_none());
    }
}
