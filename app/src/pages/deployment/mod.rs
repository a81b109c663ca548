//! A deployment: what changes, whether it is safe, who has decided and who still must, what happens next (U1).
//!
//! The three questions stand side by side above the fold; the actions are always in the same place.

mod budget;
mod changes;
mod decision;
mod health;
mod next;
mod recovery;
mod rollout;
mod safety;
mod verification;
mod windows;

use super::{Live, load, main, visitor};
use crate::{
    components::{
        label::{arrow, full, person, revision, when},
        rows::{environment, rollback_chip},
        state::{badge, state},
        timeline::timeline,
        told::told,
    },
    model::{DeploymentPage, DeploymentSummary},
    portal::PortalError,
    rpc,
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use tidegate_domain::{Action, access, deployment::Kind, id::DeploymentId};

pub(crate) fn page() -> impl IntoView {
    let id = use_params_map().get_untracked().get("id").unwrap_or_default();
    let id = id.parse::<DeploymentId>();
    load(
        async move {
            match id {
                Ok(id) => rpc::deployment(id).await,
                Err(error) => Err(PortalError::NotFound(error.to_string())),
            }
        },
        show,
    )
}

fn show(page: DeploymentPage) -> AnyView {
    let deployment = &page.deployment;
    let now = page.now;
    let name = deployment.state.name();
    let title = format!(
        "{} · {} {} → {}",
        name.words(),
        deployment.service,
        deployment.label,
        deployment.environment
    );
    let visitor = visitor();
    let events = timeline(&page.events, now);
    let count = page.events.len();
    let reads_the_log = visitor
        .actor
        .as_ref()
        .is_some_and(|actor| access::can(actor, Action::ViewAudit, None).is_ok());
    let in_the_log = reads_the_log.then(|| {
        view! { <a class="aside" href=format!("/audit?deployment={}", deployment.id)>"in the audit log"</a> }
    });
    main(
        title,
        Live::One(deployment.id, page.version),
        "page deployment",
        Some(now),
        view! {
            {head(&page)}
            {next::banner(&page)}
            <div class="answers">
                {rollout::section(&page)}
                {recovery::section(&page)}
                {verification::of_run(&page)}
                {changes::section(&page)}
                {safety::section(&page, &visitor)}
                {verification::planned(&page)}
                {decision::section(&page, &visitor)}
            </div>
            {windows::glass(&page)}
            {budget::section(&page)}
            {health::section(&page)}
            {related(&page)}
            {told(&page.told)}
            <section class="history-of" aria-labelledby="what-happened">
                <h2 id="what-happened">"What happened" <span class="muted">{count}</span> {in_the_log}</h2>
                {events}
            </section>
        },
    )
}

fn head(page: &DeploymentPage) -> impl IntoView + use<> {
    let deployment = &page.deployment;
    let service = deployment.service.to_string();
    let environment_class = if page.production {
        "environment production"
    } else {
        "environment"
    };
    let back = match &deployment.kind {
        Kind::Rollback { .. } => Some(rollback_chip()),
        Kind::Promotion => None,
    };
    let reason = match &deployment.kind {
        Kind::Rollback { reason, .. } => Some(reason.clone()),
        Kind::Promotion => deployment.reason.clone(),
    };
    view! {
        <div class="deployment-head">
            <nav class="crumbs" aria-label="Breadcrumb">
                <a href="/">"Services"</a>
                <a href=format!("/services/{service}")>{service.clone()}</a>
            </nav>
            <h1>
                <span>{service.clone()}</span>
                <code class="release">{deployment.label.clone()}</code>
                {arrow("to")}
                <span class=environment_class>{deployment.environment.to_string()}</span>
                {badge(deployment.state.name())}
                {back}
            </h1>
            <p class="facts">
                <span>"requested " {when(deployment.requested_at, page.now)} ", " {full(deployment.requested_at)} ", by " {person(&deployment.requested_by.label())}</span>
                {deployment.revision().map(|it| view! { <span>"revision " {revision(&it.hash())}</span> })}
                {reason.map(|reason| view! { <q class="reason">{reason}</q> })}
            </p>
        </div>
    }
}

/// Deployments that this one replaced, goes back from, or waits behind.
fn related(page: &DeploymentPage) -> impl IntoView + use<> {
    let now = page.now;
    let one = |relation: String, it: &DeploymentSummary| {
        view! {
            <li>
                <span class="relation">{relation}</span>
                <a class="lead" href=format!("/deployments/{}", it.id)>
                    <span class="hash">{it.label.clone()}</span> {state(it.state)}
                </a>
                {environment(it)}
                <span class="muted">{when(it.requested_at, now)}</span>
            </li>
        }
    };
    let behind = page
        .behind
        .iter()
        .map(|it| one("behind".to_owned(), it))
        .collect::<Vec<_>>();
    let related = page
        .related
        .iter()
        .map(|(relation, it)| one(relation.clone(), it))
        .collect::<Vec<_>>();
    (!behind.is_empty() || !related.is_empty()).then(|| {
        view! {
            <section class="related" aria-labelledby="related">
                <h2 id="related">"Related deployments"</h2>
                <ul>{behind} {related}</ul>
            </section>
        }
    })
}
