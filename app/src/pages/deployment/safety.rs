//! Whether it is safe: gates, what holds it up, the registry, the way back.

use super::windows;
use crate::{
    components::{
        gates::{gate_list, gate_summary},
        icon::{Icon, icon},
        label::{outside, when},
        state::{Meaning, mark},
    },
    model::DeploymentPage,
    visitor::Visitor,
};
use leptos::prelude::*;
use tidegate_domain::{State, deployment::Blocker};

pub(super) fn section(page: &DeploymentPage, visitor: &Visitor) -> impl IntoView + use<> {
    let waits = !page.deployment.state.name().is_terminal();
    view! {
        <section class="answer safety" aria-labelledby="safety">
            <h2 id="safety">{icon(Icon::Shield)} "Is it safe" <span>{gate_summary(&page.gates)}</span></h2>
            {blockers(page)}
            {windows::freezes(page, visitor)}
            {gate_list(&page.gates, page.now)}
            {page.policy_changed.then(|| view! { <p class="hint">"The policy has changed since: these gates are today’s."</p> })}
            <ul class="checks">
                {waits.then(|| view! { <li>{promotion(page)}</li> })}
                {windows::checks(page)}
                <li>{registry(page)}</li>
                {moved_tag(page).map(|mark| view! { <li>{mark}</li> })}
                <li>{way_back(page)}</li>
                <li>{mark(Meaning::Good, Icon::Check, "AWS rolls back by itself on failure, alarm and stop")}</li>
            </ul>
        </section>
    }
}

fn blockers(page: &DeploymentPage) -> impl IntoView + use<> {
    let now = page.now;
    let one = |blocker: &Blocker| {
        view! {
            <li>
                {icon(Icon::Alert)}
                <span>
                    <strong>{blocker.subject.clone()}</strong>
                    " "
                    {blocker.why.clone()}
                    {blocker.since.map(|since| view! { " · since " {when(since, now)} })}
                    {blocker.url.as_deref().map(|url| view! { " " {outside(url, "look")} })}
                </span>
            </li>
        }
    };
    match &page.deployment.state {
        State::Requested { blocked } if !blocked.is_empty() => {
            let rows = blocked.iter().map(one).collect_view();
            Some(view! { <ul class="blockers" aria-label="What holds it up">{rows}</ul> })
        }
        _ => None,
    }
}

fn promotion(page: &DeploymentPage) -> AnyView {
    let blocked = matches!(&page.deployment.state, State::Requested { blocked }
        if blocked.iter().any(|one| one.kind == tidegate_domain::deployment::BlockerKind::PromotionOrder));
    match &page.policy.promote_from {
        None => mark(Meaning::Quiet, Icon::Dot, "no environment has to come first").into_any(),
        Some(environment) if blocked => mark(
            Meaning::Bad,
            Icon::Cross,
            format!("this image has not succeeded in {environment}"),
        )
        .into_any(),
        Some(environment) if page.deployment.preparation.is_some() => mark(
            Meaning::Good,
            Icon::Check,
            format!("this image succeeded in {environment}"),
        )
        .into_any(),
        Some(environment) => mark(
            Meaning::Waiting,
            Icon::Dot,
            format!("has to succeed in {environment} first"),
        )
        .into_any(),
    }
}

fn registry(page: &DeploymentPage) -> AnyView {
    match &page.deployment.preparation {
        Some(preparation) if preparation.immutable_tags => mark(
            Meaning::Good,
            Icon::Check,
            "image pinned by digest, registry tags immutable",
        )
        .into_any(),
        Some(_) => mark(
            Meaning::Waiting,
            Icon::Alert,
            "image pinned by digest, but the registry lets tags move",
        )
        .into_any(),
        None => mark(Meaning::Quiet, Icon::Dot, "registry not read yet").into_any(),
    }
}

/// The tag names another image by now. That changes nothing of what is deployed, but people should know (R36).
fn moved_tag(page: &DeploymentPage) -> Option<AnyView> {
    let now = page.deployment.preparation.as_ref()?.tag_moved_to.as_ref()?;
    let words = format!(
        "the tag {} names another image by now ({}): what is deployed is the approved digest",
        page.deployment.label,
        now.short()
    );
    Some(mark(Meaning::Waiting, Icon::Alert, words).into_any())
}

fn way_back(page: &DeploymentPage) -> AnyView {
    match (&page.previous, &page.deployment.preparation) {
        (Some(previous), _) => mark(Meaning::Good, Icon::Back, format!("way back: {}", previous.label)).into_any(),
        (None, Some(preparation)) if preparation.running_task_definition.is_some() => {
            mark(Meaning::Good, Icon::Back, "way back: the running task definition").into_any()
        }
        (None, _) => mark(Meaning::Waiting, Icon::Back, "no way back known: first deployment here").into_any(),
    }
}
