//! Rolling deployments that ECS makes by itself: shown as they were read, with nothing to do about them here.

use crate::components::{
    icon::{Icon, icon},
    label::when,
};
use leptos::prelude::*;
use tidegate_domain::{
    Timestamp,
    rolling::{BreakerState, RollingDeployment, RollingStatus, RollingView},
    time::span_words,
};

pub(crate) fn rolling(views: &[RollingView], now: Timestamp) -> Option<impl IntoView + use<>> {
    let parts = views.iter().map(|view| part(view, now)).collect_view();
    (!views.is_empty()).then(|| {
        view! {
            <section class="rolling" aria-labelledby="rolling">
                <h2 id="rolling">"Rolling deployments (read only)"</h2>
                {parts}
            </section>
        }
    })
}

fn part(one: &RollingView, now: Timestamp) -> impl IntoView + use<> {
    let read = match one.read_at {
        Some(at) => view! { "read " {when(at, now)} }.into_any(),
        None => "not read yet".into_any(),
    };
    let rows = one.deployments.iter().map(|each| row(each, now)).collect_view();
    let nothing = one.deployments.is_empty() && one.read_at.is_some();
    view! {
        <p class="rolling-of">
            <strong>{format!("ECS service {} in {}", one.watched.ecs_service, one.watched.cluster)}</strong>
            <span class="muted">{read}</span>
        </p>
        {one.trouble.clone().map(|why| view! { <p class="refused">{icon(Icon::Alert)} <span>{format!("The last look came to nothing: {why}.")}</span></p> })}
        {nothing.then(|| view! { <p class="muted">"ECS knows no rolling deployment of it."</p> })}
        <ol class="rolling-list">{rows}</ol>
    }
}

const fn look(status: &RollingStatus) -> (&'static str, Icon) {
    match status {
        RollingStatus::Running => ("mark moving", Icon::Clock),
        RollingStatus::Succeeded => ("mark good", Icon::Check),
        RollingStatus::RollingBack | RollingStatus::RolledBack => ("mark bad", Icon::Back),
        RollingStatus::Stopped => ("mark bad", Icon::Ban),
        RollingStatus::Failed => ("mark bad", Icon::Cross),
        RollingStatus::Unknown(_) => ("mark quiet", Icon::Dot),
    }
}

fn row(one: &RollingDeployment, now: Timestamp) -> impl IntoView + use<> {
    let (class, drawing) = look(&one.status);
    let percent = |percent: Option<i32>| percent.map_or_else(|| "?".to_owned(), |percent| format!("{percent} %"));
    let took = one.finished_at.map(|end| span_words(end.since(one.created_at)));
    let images = one
        .images
        .iter()
        .map(|(container, image)| {
            let name = image.rsplit('/').next().unwrap_or(image).to_owned();
            view! { <span>{format!("{container}: ")} <code class="hash" title=image.clone()>{brief(&name)}</code></span> }
        })
        .collect_view();
    let breaker = one.breaker.as_ref().map(|breaker| {
        let bad = breaker.state == BreakerState::Opened;
        view! { <span class=if bad { "breaker open" } else { "breaker" }>{format!("Circuit breaker {}", breaker.words())}</span> }
    });
    view! {
        <li class="rolling-row">
            <p>
                <span class=class>{icon(drawing)} {one.status.words().to_owned()}</span>
                <span class="muted">{when(one.created_at, now)} {took.map(|took| format!(", took {took}"))}</span>
                {images}
            </p>
            <p class="muted">
                {(one.wanted > 0).then(|| view! { <span>{format!("{} of {} tasks run", one.running, one.wanted)}</span> })}
                <span>{format!("at most {}, healthy at least {}", percent(one.maximum_percent), percent(one.minimum_healthy_percent))}</span>
                {breaker}
            </p>
            {one.reason.clone().map(|reason| view! { <p class="muted">{reason}</p> })}
        </li>
    }
}

/// A digest by its beginning.
fn brief(name: &str) -> String {
    match name.split_once("@sha256:") {
        Some((name, hash)) => format!("{name}@{}…", hash.chars().take(10).collect::<String>()),
        None => name.to_owned(),
    }
}
