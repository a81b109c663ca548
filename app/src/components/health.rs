//! What health rules say: outcomes and verdicts as marks, all evaluations as a strip, and the time between deployments.

use super::{
    icon::Icon,
    label::when,
    state::{Meaning, mark},
};
use crate::{health::HealthLine, words::listed};
use leptos::prelude::*;
use serde_json::Value;
use tidegate_domain::{
    Timestamp,
    health::{Judged, Outcome, Verdict},
    time::span_words,
};

pub(crate) const fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Healthy => "healthy",
        Outcome::Pending => "not enough measured yet",
        Outcome::Alert => "alert",
        Outcome::Hold => "hold",
        Outcome::RollBack => "roll back",
    }
}

const fn outcome_meaning(outcome: Outcome) -> Meaning {
    match outcome {
        Outcome::Healthy => Meaning::Good,
        Outcome::Pending => Meaning::Quiet,
        Outcome::Alert | Outcome::Hold => Meaning::Waiting,
        Outcome::RollBack => Meaning::Bad,
    }
}

pub(crate) fn outcome(outcome: Outcome) -> impl IntoView {
    let icon = match outcome {
        Outcome::Healthy => Icon::Check,
        Outcome::Pending => Icon::Clock,
        Outcome::Alert => Icon::Alert,
        Outcome::Hold => Icon::Hand,
        Outcome::RollBack => Icon::Back,
    };
    mark(outcome_meaning(outcome), icon, outcome_words(outcome))
}

pub(crate) fn verdict(verdict: Verdict) -> impl IntoView {
    match verdict {
        Verdict::Ok => mark(Meaning::Good, Icon::Check, "within its limit"),
        Verdict::Breach => mark(Meaning::Bad, Icon::Alert, "breach"),
        Verdict::Pending => mark(Meaning::Quiet, Icon::Clock, "not enough measured yet"),
        Verdict::Missing => mark(Meaning::Waiting, Icon::Hand, "data is missing"),
        Verdict::DoesNotApply => mark(Meaning::Quiet, Icon::Ban, "does not apply"),
    }
}

/// The samples of one judgement as small marks, oldest first: within, beyond, or not there.
pub(crate) fn ticks(samples: &[Judged]) -> impl IntoView + use<> {
    let ticks = samples
        .iter()
        .map(|sample| {
            let class = match (sample.value, sample.breach) {
                (None, _) => "gap",
                (_, true) => "bad",
                (_, false) => "good",
            };
            view! { <i class=class></i> }
        })
        .collect_view();
    view! { <span class="ticks" aria-hidden="true">{ticks}</span> }
}

/// Every evaluation, from left to right; the severer, the taller.
pub(crate) fn strip(outcomes: &[(Timestamp, Outcome)]) -> impl IntoView + use<> {
    let width = outcomes.len().max(12);
    let bars = outcomes
        .iter()
        .enumerate()
        .map(|(place, (_, outcome))| {
            let height: u8 = match outcome {
                Outcome::Pending => 3,
                Outcome::Healthy => 5,
                Outcome::Alert => 8,
                Outcome::Hold => 11,
                Outcome::RollBack => 14,
            };
            view! {
                <rect
                    class=outcome_meaning(*outcome).class()
                    x=format!("{place}.1")
                    width="0.8"
                    y=(14 - height).to_string()
                    height=height.to_string()
                ></rect>
            }
        })
        .collect_view();
    view! {
        <svg class="strip" role="img" aria-label=counts(outcomes) viewBox=format!("0 0 {width} 14") preserveAspectRatio="none">
            {bars}
        </svg>
    }
}

/// `12 evaluations: 10 healthy, 2 hold`.
pub(crate) fn counts(outcomes: &[(Timestamp, Outcome)]) -> String {
    let parts: Vec<String> = [
        Outcome::Healthy,
        Outcome::Pending,
        Outcome::Alert,
        Outcome::Hold,
        Outcome::RollBack,
    ]
    .into_iter()
    .filter_map(|outcome| {
        let count = outcomes.iter().filter(|(_, other)| *other == outcome).count();
        (count > 0).then(|| format!("{count} {}", outcome_words(outcome)))
    })
    .collect();
    let all = crate::words::counted(outcomes.len(), "evaluation", "evaluations");
    if parts.is_empty() {
        all
    } else {
        format!("{all}: {}", parts.join(", "))
    }
}

/// How a service's targets are between deployments; nothing where none is judged.
pub(crate) fn between(lines: &[HealthLine], now: Timestamp) -> Option<impl IntoView + use<>> {
    if lines.is_empty() {
        return None;
    }
    let lines = lines.iter().map(|line| one(line, now)).collect_view();
    Some(view! {
        <section aria-labelledby="health-between">
            <h2 id="health-between">"Health between deployments"</h2>
            <ul class="monitors">{lines}</ul>
        </section>
    })
}

fn one(line: &HealthLine, now: Timestamp) -> impl IntoView + use<> {
    let is = match line.outcome {
        Some((is, since)) => {
            view! { {outcome(is)} " " <span class="muted">"since " {when(since, now)}</span> }.into_any()
        }
        None => view! { <span class="muted">"has not been judged yet"</span> }.into_any(),
    };
    let breach = line
        .breached_at
        .map(|at| view! { " · last anything but healthy " {when(at, now)} });
    let left_out = (!line.not_judged.is_empty()).then(|| {
        let (needs, is) = if line.not_judged.len() == 1 {
            ("needs", "is")
        } else {
            ("need", "are")
        };
        format!(
            "{} {needs} a new or a stable version, and {is} not judged between deployments.",
            listed(&line.not_judged, "and")
        )
    });
    view! {
        <li class="monitor">
            <p class="monitor-head">
                <span class="monitor-name">{line.environment.to_string()}</span> " " {is} " "
                <span class="monitor-plan muted">"by " {line.definition.clone()} {breach}</span>
            </p>
            {left_out.map(|words| view! { <p class="muted note wraps">{words}</p> })}
        </li>
    }
}

/// A change of health between deployments, as a sentence of the log.
pub(crate) fn changed(data: &Value) -> (String, Option<String>) {
    let text = |member: &str| data.get(member).and_then(Value::as_str);
    let definition = text("definition").unwrap_or("its definition");
    if text("outcome") == Some("healthy") {
        let lasted = data.get("seconds").and_then(Value::as_i64);
        (
            format!("finds it healthy again by {definition}"),
            lasted.map(|seconds| format!("after {}", span_words(seconds * 1000))),
        )
    } else {
        (
            format!("finds it unhealthy by {definition}"),
            text("why").map(str::to_owned),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_evaluations_found_is_counted_in_words() {
        let at = Timestamp::from_millis(0);
        let outcomes = [(at, Outcome::Healthy), (at, Outcome::Hold), (at, Outcome::Healthy)];
        assert_eq!(counts(&outcomes), "3 evaluations: 2 healthy, 1 hold");
        assert_eq!(counts(&outcomes[..1]), "1 evaluation: 1 healthy");
    }

    #[test]
    fn a_change_of_health_is_told_with_its_cause_or_how_long_it_lasted() {
        let ill = serde_json::json!({"outcome": "hold", "definition": "standard", "why": "5xx rate 2 % > 1 %"});
        assert_eq!(
            changed(&ill),
            (
                "finds it unhealthy by standard".to_owned(),
                Some("5xx rate 2 % > 1 %".to_owned())
            )
        );
        let well = serde_json::json!({"outcome": "healthy", "definition": "standard", "seconds": 720});
        assert_eq!(
            changed(&well),
            (
                "finds it healthy again by standard".to_owned(),
                Some("after 12 min".to_owned())
            )
        );
    }
}
