//! Evaluations per second on one core: 200 targets under the seven standard rules, ten minutes into a canary. The fastest
//! of many rounds counts: the others were disturbed by what else the machine does.
//!
//! `cargo run --release -p tidegate-domain --example evaluate_speed`

use std::time::{Duration, Instant};
use tidegate_domain::{
    Timestamp,
    health::{
        Course, Evaluation, HealthDefinition, Measured, Outcome, PLACEHOLDERS, Point, Query, Readings, Series, Values,
        Which, evaluate, reads, standard,
    },
};

const TARGETS: usize = 200;
const ROUNDS: usize = 50;

fn main() {
    let definition = standard();
    let course = Course {
        started_at: Timestamp::from_millis(1_772_452_800_000),
        all_traffic_at: None,
    };
    let now = course.started_at.plus_seconds(600);
    let readings: Vec<Readings> = (0..TARGETS).map(|_| readings(&definition, &course)).collect();
    let values: Values = PLACEHOLDERS
        .iter()
        .map(|(name, _)| ((*name).to_owned(), "acme".to_owned()))
        .collect();

    let mut previous: Vec<Option<Evaluation>> = vec![None; TARGETS];
    let mut fastest = Duration::MAX;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for (readings, previous) in readings.iter().zip(&mut previous) {
            let evaluation = evaluate(&definition, readings, &course, previous.as_ref(), now);
            assert_eq!(evaluation.outcome, Outcome::Healthy, "{:?}", evaluation.why());
            *previous = Some(evaluation);
        }
        fastest = fastest.min(began.elapsed());
    }
    report("evaluate", fastest, definition.rules.len());

    let (mut fastest, mut queries) = (Duration::MAX, 0);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        queries = (0..TARGETS)
            .map(|_| reads(&definition, &course, &values, now).len())
            .sum();
        fastest = fastest.min(began.elapsed());
    }
    report("reads", fastest, definition.rules.len());
    println!("{} queries a target", queries / TARGETS);
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn report(what: &str, round: Duration, rules: usize) {
    let seconds = round.as_secs_f64();
    println!(
        "{what}: {TARGETS} targets × {rules} rules in {:.2} ms; {:.0} targets/s, {:.0} rules/s",
        seconds * 1_000.0,
        TARGETS as f64 / seconds,
        (TARGETS * rules) as f64 / seconds
    );
}

/// Everything is well, for an hour before and ten minutes into the deployment.
fn readings(definition: &HealthDefinition, course: &Course) -> Readings {
    definition
        .rules
        .iter()
        .map(|rule| {
            let value = if rule.stable.is_some() { 0.4 } else { 0.0 };
            let mut measured = Measured::default();
            measured.put(Which::New, Ok(series(&rule.query, course, 0, 600, value)));
            measured.put(Which::Stable, Ok(series(&rule.query, course, 0, 600, value)));
            measured.put(
                Which::Baseline,
                Ok(series(rule.baseline_query(), course, -3_600, 0, value)),
            );
            (rule.name.clone(), measured)
        })
        .collect()
}

fn series(query: &Query, course: &Course, from: i64, until: i64, value: f64) -> Series {
    let step = usize::try_from(query.span_seconds()).unwrap_or(60);
    Series::new((from..until).step_by(step).map(|seconds| Point {
        at: course.started_at.plus_seconds(seconds),
        value,
    }))
}
