//! What watches a service's targets between deployments: how they are now, since when, and the last runs.

use super::{
    attempt::{took, with_code},
    icon::Icon,
    label::when,
    state::{Meaning, mark},
};
use crate::words::counted;
use leptos::prelude::*;
use tidegate_domain::{
    Timestamp,
    smoke::{Attempt, Health, MonitorRun, MonitorStatus},
    time::{SECOND, span_words},
};

/// Nothing where no target is watched.
pub(crate) fn monitors(list: &[MonitorStatus], now: Timestamp) -> Option<impl IntoView + use<>> {
    if list.is_empty() {
        return None;
    }
    let rows = list.iter().map(|status| monitor(status, now)).collect_view();
    Some(view! {
        <section aria-labelledby="monitoring">
            <h2 id="monitoring">"Monitoring"</h2>
            <ul class="monitors">{rows}</ul>
        </section>
    })
}

fn monitor(status: &MonitorStatus, now: Timestamp) -> impl IntoView + use<> {
    let environment = status.environment.to_string();
    let suite = format!(
        "suite {}, every {}",
        status.suite,
        span_words(status.every_seconds * SECOND)
    );
    let is = match status.health {
        Some((health, since)) => {
            view! { {said(health)} " " <span class="muted">"since " {when(since, now)}</span> }.into_any()
        }
        None => view! { <span class="muted">"has not run yet"</span> }.into_any(),
    };
    let next = status.next_at.map(|at| {
        if at > now {
            view! { " · next " {when(at, now)} }.into_any()
        } else {
            view! { " · due now" }.into_any()
        }
    });
    let failed = status.runs.first().and_then(|run| run.failed.as_ref());
    let failed = failed.map(|(test, why)| {
        view! { <p class="monitor-why"><strong>{test.clone()}</strong> ": " {with_code(why)}</p> }
    });
    view! {
        <li class="monitor">
            <p class="monitor-head">
                <span class="monitor-name">{environment.clone()}</span> " " {is} " "
                <span class="monitor-plan muted">{suite} {next}</span>
            </p>
            {failed}
            {(!status.runs.is_empty()).then(|| runs(&environment, &status.runs, now))}
        </li>
    }
}

fn said(health: Health) -> impl IntoView {
    match health {
        Health::Passing => mark(Meaning::Good, Icon::Check, "passing"),
        Health::Failing => mark(Meaning::Bad, Icon::Alert, "failing"),
    }
}

fn runs(environment: &str, runs: &[MonitorRun], now: Timestamp) -> impl IntoView + use<> {
    let passed = runs.iter().filter(|run| run.health == Health::Passing).count();
    let title = format!("{passed} of the last {} passed", counted(runs.len(), "run", "runs"));
    // The eye reads time from left to right; the table, for everybody, begins with the newest.
    let ticks = runs
        .iter()
        .rev()
        .map(|run| view! { <i class=if run.health == Health::Passing { "good" } else { "bad" }></i> })
        .collect_view();
    let rows = runs.iter().map(|run| row(run, now)).collect_view();
    view! {
        <details class="monitor-runs" id=format!("runs-{environment}")>
            <summary><span class="ticks" aria-hidden="true">{ticks}</span> {title}</summary>
            <div class="scroll">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">"Began"</th>
                            <th scope="col">"Result"</th>
                            <th scope="col">"Tests"</th>
                            <th scope="col" class="number">"Took"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}

fn row(run: &MonitorRun, now: Timestamp) -> impl IntoView + use<> {
    let tests = run.attempts.iter().map(attempt).collect_view();
    view! {
        <tr>
            <td class="cell-when">{when(run.began_at, now)}</td>
            <td class="cell-state">{said(run.health)}</td>
            <td class="cell-tests"><ul>{tests}</ul></td>
            <td class="cell-took number">{took(run.ended_at.since(run.began_at))}</td>
        </tr>
    }
}

fn attempt(attempt: &Attempt) -> impl IntoView + use<> {
    let again = (attempt.number > 1).then(|| format!(", attempt {}", attempt.number));
    let why = (!attempt.passed()).then(|| {
        let begins = (!attempt.body_beginning.is_empty()).then(|| {
            view! { <span class="muted">" · answered "</span> <code class="answered">{attempt.body_beginning.clone()}</code> }
        });
        view! { <span class="note wraps">{with_code(&attempt.why())} {begins}</span> }
    });
    view! {
        <li>
            {attempt.test.clone()} {again} " " <span class="muted">{took(attempt.latency_ms)}</span> {why}
        </li>
    }
}
