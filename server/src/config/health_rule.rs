//! One rule of a health definition: a new one, or what is written over one that is taken over.

use super::{file::At, file_health as file, health::span, problem::Problems};
use std::ops::Range;
use tidegate_domain::health::{
    Action, Against, Baseline, Condition, Direction, During, Limit, MannWhitney, Margin, Missing, Number, Query, Rule,
    Stat,
};

const PERIOD_SECONDS: u32 = 60;
const STEP_SECONDS: u32 = 15;
const WINDOW_SECONDS: u32 = 600;

/// `base`: the rule of this name that is taken over. `None`: something is wrong with it, and was told.
pub(super) fn rule(at: &At<file::Rule>, base: Option<&Rule>, problems: &mut Problems) -> Option<Rule> {
    let before = problems.list().len();
    let written = at.get();
    let name = written.name.get();
    let query = query(written.cloudwatch.as_ref(), written.prometheus.as_ref(), problems);
    let mut made = match base {
        Some(base) => base.clone(),
        None => {
            let needed = [
                (written.words.is_some(), "words"),
                (
                    written.cloudwatch.is_some() || written.prometheus.is_some(),
                    "cloudwatch or prometheus",
                ),
                (written.action.is_some(), "action"),
            ];
            let absent: Vec<&str> = needed
                .iter()
                .filter(|(there, _)| !there)
                .map(|(_, what)| *what)
                .collect();
            if !absent.is_empty() {
                problems.add(
                    written.name.span(),
                    format!("the rule {name:?} is a new one and lacks {}", absent.join(", ")),
                    Some("write words = \"5xx rate\", a query and action = \"roll_back\", \"hold\" or \"alert\"; or the name of a rule that is taken over by extend".to_owned()),
                );
            }
            Rule::new(name, "", query.clone()?, no_limits(), Action::Hold)
        }
    };
    if let Some(words) = &written.words {
        made.words.clone_from(words.get());
    }
    if let Some(unit) = &written.unit {
        made.unit.clone_from(unit);
    }
    if let Some(query) = query {
        made.query = query;
    }
    if let Some(missing) = written.missing {
        made.missing = match missing {
            file::Missing::Ok => Missing::Ok,
            file::Missing::Breach => Missing::Breach,
            file::Missing::Hold => Missing::Hold,
        };
    }
    if let Some(action) = written.action {
        made.action = match action {
            file::Action::Alert => Action::Alert,
            file::Action::Hold => Action::Hold,
            file::Action::RollBack => Action::RollBack,
        };
    }
    made.grace_seconds = span(written.grace.as_ref(), made.grace_seconds, problems);
    made.settle_seconds = span(written.settle.as_ref(), made.settle_seconds, problems);
    made.late_seconds = span(written.late.as_ref(), made.late_seconds, problems);
    made.direction = direction(written, made.direction, problems);
    sources(written, &mut made, problems);
    condition(written, &mut made, problems);
    (problems.list().len() == before).then_some(made)
}

const fn no_limits() -> Condition {
    Condition::Limits {
        limits: Vec::new(),
        during: During::Datapoints { m: 1, n: 1 },
    }
}

fn query(
    cloudwatch: Option<&At<file::Cloudwatch>>,
    prometheus: Option<&At<file::Prometheus>>,
    problems: &mut Problems,
) -> Option<Query> {
    match (cloudwatch, prometheus) {
        (None, None) => None,
        (Some(_), Some(second)) => {
            problems.add(
                second.span(),
                "a rule is measured at CloudWatch or at Prometheus, not at both",
                Some("leave one of them out, or make two rules".to_owned()),
            );
            None
        }
        (Some(at), None) => {
            let written = at.get();
            Some(Query::Cloudwatch {
                expression: written.expression.clone(),
                metrics: written.metrics.iter().map(stat).collect(),
                period_seconds: span(written.period.as_ref(), PERIOD_SECONDS, problems),
            })
        }
        (None, Some(at)) => Some(Query::Prometheus {
            query: at.get().query.clone(),
            step_seconds: span(at.get().step.as_ref(), STEP_SECONDS, problems),
        }),
    }
}

fn stat(stat: &file::Stat) -> Stat {
    Stat {
        id: stat.id.clone(),
        namespace: stat.namespace.clone(),
        name: stat.name.clone(),
        dimensions: stat.dimensions.clone(),
        stat: stat.stat.clone(),
    }
}

/// `above` and `below` say it themselves.
fn direction(written: &file::Rule, before: Direction, problems: &mut Problems) -> Direction {
    let said = written.direction.as_ref().map(|at| {
        let direction = match at.get() {
            file::Direction::Above => Direction::Above,
            file::Direction::Below => Direction::Below,
        };
        (direction, at.span())
    });
    let sides = [
        written.above.as_ref().map(|at| (Direction::Above, at.span())),
        written.below.as_ref().map(|at| (Direction::Below, at.span())),
        said,
    ];
    let sides: Vec<(Direction, Range<usize>)> = sides.into_iter().flatten().collect();
    if let Some((_, span)) = sides.iter().find(|(side, _)| *side != sides[0].0) {
        problems.add(
            span.clone(),
            "a value cannot be a breach both above and below",
            Some("write one of above and below, or make two rules".to_owned()),
        );
    }
    sides.first().map_or(before, |(side, _)| *side)
}

/// The queries that it compares with.
fn sources(written: &file::Rule, made: &mut Rule, problems: &mut Problems) {
    if let Some(stable) = written.stable.as_ref().map(At::get)
        && let Some(query) = query(stable.cloudwatch.as_ref(), stable.prometheus.as_ref(), problems)
    {
        made.stable = Some(query);
    }
    if let Some(at) = &written.baseline {
        let baseline = at.get();
        let own = query(baseline.cloudwatch.as_ref(), baseline.prometheus.as_ref(), problems);
        let before = made.baseline.take();
        if baseline.window.is_none() && before.is_none() {
            problems.add(
                at.span(),
                "the baseline says of no window",
                Some("write how long before the deployment, such as window = \"60m\"".to_owned()),
            );
        }
        made.baseline = Some(Baseline {
            seconds: span(
                baseline.window.as_ref(),
                before.as_ref().map_or(0, |before| before.seconds),
                problems,
            ),
            query: own.or(before.and_then(|before| before.query)),
        });
    }
}

fn condition(written: &file::Rule, made: &mut Rule, problems: &mut Problems) {
    let limits = written_limits(written, problems);
    let during = during(written, problems);
    if let Some(at) = &written.mann_whitney {
        if !limits.is_empty() || during.is_some() {
            problems.add(
                at.span(),
                "a rule judges each value by a limit or all of them by mann_whitney, not both",
                Some("leave out above, below, factor, difference, datapoints and for; or make two rules".to_owned()),
            );
        }
        made.condition = Condition::MannWhitney(mann_whitney(at, problems));
        return;
    }
    if limits.is_empty() && during.is_none() {
        return;
    }
    let (mut all, lasting) = match &made.condition {
        Condition::Limits { limits, during } => (limits.clone(), *during),
        Condition::MannWhitney(_) => (Vec::new(), During::Datapoints { m: 1, n: 1 }),
    };
    for limit in limits {
        // It takes the place of the one of its kind.
        match all
            .iter_mut()
            .find(|old| std::mem::discriminant(*old) == std::mem::discriminant(&limit))
        {
            Some(old) => *old = limit,
            None => all.push(limit),
        }
    }
    made.condition = Condition::Limits {
        limits: all,
        during: during.unwrap_or(lasting),
    };
}

fn written_limits(written: &file::Rule, problems: &mut Problems) -> Vec<Limit> {
    let mut limits = Vec::new();
    for threshold in [&written.above, &written.below].into_iter().flatten() {
        if let Some(value) = number(*threshold.get(), threshold.span(), problems) {
            limits.push(Limit::Absolute { value });
        }
    }
    if let Some(at) = &written.baseline {
        let b = at.get();
        limits.extend(margin([b.factor, b.difference, b.at_least], at.span(), problems).map(Limit::Baseline));
    }
    if let Some(at) = &written.stable {
        let s = at.get();
        limits.extend(margin([s.factor, s.difference, s.at_least], at.span(), problems).map(Limit::Stable));
    }
    limits
}

/// `None`: it only names a query.
fn margin(written: [Option<f64>; 3], at: Range<usize>, problems: &mut Problems) -> Option<Margin> {
    let [factor, difference, at_least] = written;
    if factor.is_none() && difference.is_none() {
        if at_least.is_some() {
            problems.add(
                at,
                "at_least keeps a limit from being too small, and there is no limit",
                Some("write a factor or a difference beside it, such as factor = 1.25".to_owned()),
            );
        }
        return None;
    }
    Some(Margin {
        factor: number(factor.unwrap_or(1.0), at.clone(), problems)?,
        difference: number(difference.unwrap_or(0.0), at.clone(), problems)?,
        at_least: match at_least {
            Some(least) => Some(number(least, at, problems)?),
            None => None,
        },
    })
}

fn number(value: f64, at: Range<usize>, problems: &mut Problems) -> Option<Number> {
    let number = Number::new(value);
    if number.is_none() {
        problems.add(
            at,
            format!("{value} is no number to compare with"),
            Some("write a finite number, such as 1 or 0.5".to_owned()),
        );
    }
    number
}

fn during(written: &file::Rule, problems: &mut Problems) -> Option<During> {
    match (&written.datapoints, &written.lasting) {
        (None, None) => None,
        (Some(_), Some(second)) => {
            problems.add(
                second.span(),
                "a rule has datapoints or for, not both",
                Some("write datapoints = \"2 of 3\" or for = \"2m\"".to_owned()),
            );
            None
        }
        (None, Some(_)) => Some(During::For {
            seconds: span(written.lasting.as_ref(), 0, problems),
        }),
        (Some(text), None) => {
            let words: Vec<&str> = text.get().split_whitespace().collect();
            let parsed = match words[..] {
                [m, "of", n] => m.parse().ok().zip(n.parse().ok()),
                _ => None,
            };
            if parsed.is_none() {
                problems.add(
                    text.span(),
                    format!("{:?} is no number of datapoints", text.get()),
                    Some("write m of n, such as \"2 of 3\"".to_owned()),
                );
            }
            parsed.map(|(m, n)| During::Datapoints { m, n })
        }
    }
}

fn mann_whitney(at: &At<file::MannWhitney>, problems: &mut Problems) -> MannWhitney {
    let written = at.get();
    let mut share = |value| number(value, at.span(), problems).unwrap_or_default();
    let (confidence, effect) = (share(written.confidence), share(written.effect));
    MannWhitney {
        against: match written.against {
            file::Against::Stable => Against::Stable,
            file::Against::Baseline => Against::Baseline,
        },
        confidence,
        effect,
        window_seconds: span(written.window.as_ref(), WINDOW_SECONDS, problems),
        at_least: written.at_least,
    }
}
