//! The running (or finished) cloud deployment: traffic, steps, lifecycle events with their durations.

use crate::{
    components::{
        icon::Icon,
        label::when,
        state::{Meaning, mark},
        traffic,
    },
    model::DeploymentPage,
};
use leptos::prelude::*;
use tidegate_domain::{
    State, Timestamp,
    deployment::{LifecycleEvent, LifecycleStatus, Progress, Run},
    time::span_words,
};

pub(super) fn section(page: &DeploymentPage) -> impl IntoView + use<> {
    let run = page.deployment.run()?;
    let share = page.deployment.traffic();
    let plan = run.revision.traffic.clone();
    let back = match &page.deployment.state {
        State::RollingBack { progress, rollback, .. } | State::RolledBack { progress, rollback, .. } => {
            Some((progress.clone(), rollback.clone()))
        }
        _ => None,
    };
    let previous = page.previous.as_ref().map(|previous| previous.label.clone());
    let previous = match previous {
        Some(label) => view! { <span class="hash">{label}</span> }.into_any(),
        None => "version before".into_any(),
    };
    let new = page.deployment.label.clone();
    Some(view! {
        <section class="rollout" aria-labelledby="rollout">
            <h2 id="rollout" class="sr">"Rollout"</h2>
            <div class="rollout-traffic">
                <p class="versions">
                    <span class="to"><b class="big">{share.map_or_else(|| "–".to_owned(), |share| format!("{share} %"))}</b> " " <span class="hash">{new}</span></span>
                    <span class="from">{previous} " " {share.map(|share| format!("{} %", 100 - share.min(100)))}</span>
                </p>
                {traffic::bar(share, Some(plan.clone()))}
                <div class="rollout-facts">{traffic::steps(plan, share)} {facts(run, page.now)}</div>
            </div>
            {lifecycle(run.engine.kind().title(), run.cloud_deployment.clone(), run.progress.as_ref(), page.now)}
            {back.map(|(progress, id)| lifecycle("Rollback", id, progress.as_ref(), page.now))}
        </section>
    })
}

fn lifecycle(
    title: &'static str,
    id: Option<String>,
    progress: Option<&Progress>,
    now: Timestamp,
) -> impl IntoView + use<> {
    let events = progress
        .map(|progress| progress.lifecycle.iter().map(|event| step(event, now)).collect_view())
        .unwrap_or_default();
    let status = progress.map(|progress| progress.status.to_string());
    let error = progress.and_then(|progress| progress.error.as_ref()).map(|error| {
        view! {
            <p class="cloud-error">
                {mark(Meaning::Bad, Icon::Alert, error.code.clone().unwrap_or_else(|| "Error".to_owned()))}
                " "
                {error.message.clone()}
            </p>
        }
    });
    id.is_some().then(|| {
        view! {
            <div class="lifecycle">
                <p class="lifecycle-head">
                    <b>{title}</b>
                    " "
                    <code class="hash">{id}</code>
                    " "
                    <span class="muted">{status}</span>
                </p>
                {error}
                <ol class="events">{events}</ol>
            </div>
        }
    })
}

fn step(event: &LifecycleEvent, now: Timestamp) -> impl IntoView + use<> {
    let (meaning, drawing, words) = match &event.status {
        LifecycleStatus::Pending => (Meaning::Quiet, Icon::Dot, "pending".to_owned()),
        LifecycleStatus::InProgress => (Meaning::Moving, Icon::Go, "in progress".to_owned()),
        LifecycleStatus::Succeeded => (Meaning::Good, Icon::Check, "succeeded".to_owned()),
        LifecycleStatus::Failed => (Meaning::Bad, Icon::Cross, "failed".to_owned()),
        LifecycleStatus::Skipped => (Meaning::Quiet, Icon::Ban, "skipped".to_owned()),
        LifecycleStatus::Unknown(word) => (Meaning::Waiting, Icon::Dot, word.clone()),
    };
    let took = match (event.started_at, event.ended_at) {
        (Some(from), Some(to)) => Some(span_words(to.since(from))),
        (Some(from), None) => Some(format!("for {}", span_words(now.since(from)))),
        _ => None,
    };
    view! {
        <li class=meaning.class()>
            <span class="event-name">{event.name.clone()}</span>
            {mark(meaning, drawing, words)}
            <span class="event-took">{took}</span>
            {event.message.clone().map(|message| view! { <span class="event-message">{message}</span> })}
        </li>
    }
}

fn facts(run: &Run, now: Timestamp) -> impl IntoView + use<> {
    view! {
        <p>
            "started " {when(run.started_at, now)} " · operation "
            <code class="hash" title=run.operation.to_string()>
                {run.operation.short()}
            </code>
        </p>
    }
}
