//! Health in the sample world: what was measured is made up, and judged by the real rules.

use crate::world::NOW;
use std::collections::BTreeMap;
use tidegate_app::{
    health::{
        DefinitionPage, HealthBrief, HealthLine, HealthPage, LabAnswer, LabAsk, LabFound, LabPage, LabRow, Marked,
    },
    model::Permission,
};
use tidegate_domain::{
    Deployment, EnvironmentName, PersonRef, ServiceName, State, Timestamp,
    health::{
        Action, Baseline, Condition, Course, During, Ending, Evaluation, Happened, HealthDefinition, Hold, Limit,
        Margin, Mark, Measured, Missing, Number, Outcome, Point, Query, Readings, Recorded, Recording, Rule, Series,
        Which, compare, evaluate,
    },
    time::{MINUTE, SECOND},
};

fn query(text: &str) -> Query {
    Query::Prometheus {
        query: text.to_owned(),
        step_seconds: 60,
    }
}

fn definition(limit: f64) -> HealthDefinition {
    let within = |limits, m, n| Condition::Limits {
        limits,
        during: During::Datapoints { m, n },
    };
    let absolute = |value| Limit::Absolute {
        value: Number::literal(value),
    };
    HealthDefinition {
        name: "careful".to_owned(),
        interval_seconds: 30,
        rules: vec![
            Rule {
                unit: "%".to_owned(),
                ..Rule::new(
                    "http-5xx",
                    "5xx rate",
                    query("errors"),
                    within(vec![absolute(limit)], 2, 3),
                    Action::RollBack,
                )
            },
            Rule {
                unit: "ms".to_owned(),
                baseline: Some(Baseline {
                    seconds: 1_800,
                    query: None,
                }),
                ..Rule::new(
                    "latency-p95",
                    "95th percentile of latency",
                    query("latency"),
                    within(vec![Limit::Baseline(Margin::factor(Number::literal(1.25)))], 3, 5),
                    Action::Hold,
                )
            },
            Rule {
                missing: Missing::Ok,
                ..Rule::new(
                    "error-logs",
                    "error lines per minute",
                    query("logs"),
                    within(vec![absolute(20.0)], 1, 1),
                    Action::Alert,
                )
            },
        ],
        hold: Hold::default(),
    }
}

/// Minutes that are measured.
const MINUTES: i64 = 14;

fn series(begin: Timestamp, from: i64, value: impl Fn(i64) -> Option<f64>) -> Series {
    Series::new((from..MINUTES + 10).filter_map(|minute| {
        Some(Point {
            at: begin.plus_millis(minute * MINUTE),
            value: value(minute)?,
        })
    }))
}

/// A small wave, so that a line looks like one.
fn wave(minute: i64) -> f64 {
    [0.0, 0.4, 0.9, 0.3, -0.2, -0.6, -0.1][usize::try_from(minute.rem_euclid(7)).unwrap_or_default()]
}

fn went_wrong(deployment: &Deployment) -> bool {
    matches!(deployment.state, State::RolledBack { .. } | State::RollingBack { .. })
}

fn recording(deployment: &Deployment) -> Option<Recording> {
    if !judged(&deployment.service) {
        return None;
    }
    let run = deployment.run()?;
    let started_at = Timestamp::from_millis(run.started_at.millis() - run.started_at.millis().rem_euclid(MINUTE));
    let wrong = went_wrong(deployment);
    let errors = move |minute: i64| match minute {
        5 => None,
        6.. if wrong => Some(1.6 + 0.5 * wave(minute)),
        _ => Some(0.3 + 0.2 * wave(minute)),
    };
    let logs = move |minute: i64| {
        if minute % 5 == 2 {
            None
        } else {
            Some((wave(minute) * 4.0 + 5.0).round())
        }
    };
    let recorded = |which, text, series| Recorded {
        which,
        query: query(text),
        series,
    };
    let happened = match &deployment.state {
        State::RolledBack { at, .. } => Some((Ending::RolledBack, *at)),
        State::Succeeded { at, .. } => Some((Ending::Passed, *at)),
        _ => None,
    };
    Some(Recording {
        deployment: deployment.id.to_string(),
        course: Course {
            started_at,
            all_traffic_at: None,
        },
        ended_at: started_at.plus_millis(MINUTES * MINUTE),
        series: vec![
            recorded(Which::New, "errors", series(started_at, 0, errors)),
            recorded(
                Which::New,
                "latency",
                series(started_at, 0, |minute| Some(220.0 + 14.0 * wave(minute))),
            ),
            recorded(
                Which::Baseline,
                "latency",
                series(started_at, -30, |minute| {
                    (minute < 0).then(|| 215.0 + 9.0 * wave(minute))
                }),
            ),
            recorded(Which::New, "logs", series(started_at, 0, logs)),
        ],
        happened: happened.map(|(ending, at)| Happened { ending, at }),
        mark: mark(deployment).map(|marked| marked.mark),
    })
}

fn mark(deployment: &Deployment) -> Option<Marked> {
    went_wrong(deployment).then(|| Marked {
        mark: Mark::Incident,
        comment: Some("Answers took the wrong index; customers saw errors for six minutes.".to_owned()),
        by: PersonRef::new(4, "dana"),
        at: NOW.plus_millis(-MINUTE),
    })
}

fn evaluations(recording: &Recording) -> Vec<Evaluation> {
    let definition = definition(1.0);
    let find = |which, query: &Query| {
        let found = recording
            .series
            .iter()
            .find(|one| one.which == which && one.query == *query);
        found.map(|one| Ok(one.series.clone()))
    };
    let readings: Readings = definition
        .rules
        .iter()
        .map(|rule| {
            let measured = Measured {
                new: find(Which::New, &rule.query),
                stable: None,
                baseline: find(Which::Baseline, &rule.query),
            };
            (rule.name.clone(), measured)
        })
        .collect();
    let mut all: Vec<Evaluation> = Vec::new();
    let mut now = recording.course.started_at;
    while now <= recording.ended_at {
        let evaluation = evaluate(&definition, &readings, &recording.course, all.last(), now);
        let done = evaluation.outcome == Outcome::RollBack;
        all.push(evaluation);
        if done {
            break;
        }
        now = now.plus_millis(30 * SECOND);
    }
    all
}

pub(crate) fn brief(deployment: &Deployment) -> HealthBrief {
    let evaluations = recording(deployment)
        .map(|recording| evaluations(&recording))
        .unwrap_or_default();
    HealthBrief {
        definition: judged(&deployment.service).then(|| "careful".to_owned()),
        outcomes: evaluations.iter().map(|one| (one.at, one.outcome)).collect(),
        last: evaluations.last().cloned(),
        marked: mark(deployment),
        may_mark: if deployment.state.name().is_terminal() {
            Permission::Yes
        } else {
            Permission::No("it is not over".to_owned())
        },
    }
}

pub(crate) fn page(deployment: &Deployment, version: i64) -> HealthPage {
    let recording = recording(deployment);
    HealthPage {
        brief: brief(deployment),
        evaluations: recording.as_ref().map(evaluations).unwrap_or_default(),
        definition: Some(definition(1.0)),
        course: recording.map(|recording| recording.course),
        deployment: deployment.clone(),
        version,
        now: NOW,
    }
}

pub(crate) fn definition_page() -> DefinitionPage {
    DefinitionPage {
        name: "careful".to_owned(),
        version: definition(1.0).version(),
        text: DRAFT_TEXT.replace("health.draft", "health.careful"),
        now: NOW,
    }
}

const DRAFT_TEXT: &str = r#"[health.draft]
interval = "30s"
hold = "30m"
when_nobody_comes = "roll_back"

[[health.draft.rules]]
name = "http-5xx"
words = "5xx rate"
unit = "%"
prometheus = { query = "errors", step = "1m" }
above = 1.0
datapoints = "2 of 3"
missing = "hold"
action = "roll_back"
"#;

/// A draft is taken as one with a lower limit, or as wrong where it says so.
pub(crate) fn lab(ask: &LabAsk, deployments: &[Deployment]) -> LabPage {
    let wrong = ask.draft.as_deref().is_some_and(|draft| draft.contains("abov "));
    let answer = match ask.new.as_deref() {
        None => LabAnswer::NotAsked,
        Some(_) if wrong => LabAnswer::Wrong {
            problems: vec![
                "Line 11, column 1: unknown field `abov` – did you mean `above`?".to_owned(),
                "Line 12, column 14: \"2 fo 3\" is no number of datapoints – write m of n, such as \"2 of 3\""
                    .to_owned(),
            ],
        },
        Some(_) => LabAnswer::Found(found(deployments)),
    };
    let name = |text: &str| ServiceName::new(text).expect("a name");
    let environment = |text: &str| EnvironmentName::new(text).expect("a name");
    LabPage {
        services: vec![name("rag"), name("guardrails")],
        environments: vec![environment("staging"), environment("production")],
        definitions: vec![
            ("careful".to_owned(), "careful (as it is now)".to_owned()),
            ("standard".to_owned(), "standard (as it is now)".to_owned()),
            (
                "3f9a6c01b2d4".to_owned(),
                "careful 3f9a6c01b2d4, first judged 2026-02-11".to_owned(),
            ),
        ],
        draft: ask.draft.clone().unwrap_or_else(|| DRAFT_TEXT.to_owned()),
        answer,
        now: NOW,
    }
}

fn found(deployments: &[Deployment]) -> LabFound {
    let recordings: BTreeMap<String, (&Deployment, Recording)> = deployments
        .iter()
        .filter_map(|one| Some((one.id.to_string(), (one, recording(one)?))))
        .collect();
    let all: Vec<Recording> = recordings.values().map(|(_, recording)| recording.clone()).collect();
    let (old, new) = (definition(1.0), definition(0.35));
    let compared = compare(&old, &new, &all);
    let short = |definition: &HealthDefinition| definition.version().chars().take(12).collect::<String>();
    LabFound {
        old_name: format!("careful {}", short(&old)),
        new_name: format!("draft {}", short(&new)),
        old: compared.old,
        new: compared.new,
        rows: compared
            .deployments
            .into_iter()
            .filter_map(|side| {
                let (deployment, recording) = recordings.get(&side.deployment)?;
                Some(LabRow {
                    deployment: deployment.id,
                    service: deployment.service.clone(),
                    environment: deployment.environment.clone(),
                    began_at: recording.course.started_at,
                    happened: recording.happened,
                    side,
                })
            })
            .collect(),
        left_out: 1,
        more: false,
    }
}

pub(crate) fn between(service: &ServiceName) -> Vec<HealthLine> {
    if service.as_str() != "rag" {
        return Vec::new();
    }
    let line = |environment: &str, outcome, breached_at| HealthLine {
        environment: EnvironmentName::new(environment).expect("a name"),
        definition: "careful".to_owned(),
        outcome,
        breached_at,
        not_judged: vec!["new-against-stable".to_owned()],
    };
    vec![
        line("staging", None, None),
        line(
            "production",
            Some((Outcome::Healthy, NOW.plus_millis(-200 * MINUTE))),
            Some(NOW.plus_millis(-205 * MINUTE)),
        ),
    ]
}

fn judged(service: &ServiceName) -> bool {
    ["rag", "guardrails"].contains(&service.as_str())
}
