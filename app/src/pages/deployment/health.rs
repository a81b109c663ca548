//! The health of a deployment in short, with the way to the page that says why.

use crate::{
    components::health::{counts, outcome, strip},
    model::DeploymentPage,
};
use leptos::prelude::*;
use tidegate_domain::health::Mark;

/// Nothing where nothing was evaluated and nothing can be said yet.
pub(super) fn section(page: &DeploymentPage) -> Option<impl IntoView + use<>> {
    let brief = &page.health;
    let over = page.deployment.run().is_some() && page.deployment.state.name().is_terminal();
    if brief.outcomes.is_empty() && !over {
        return None;
    }
    let href = format!("/deployments/{}/health", page.deployment.id);
    let said = brief.marked.as_ref().map(|marked| match marked.mark {
        Mark::Incident => format!("{} says: this was an incident.", marked.by.login),
        Mark::Fine => format!("{} says: it was fine.", marked.by.login),
    });
    let found = match &brief.last {
        None => view! { <p class="muted">"No rules of its own: AWS alone watched."</p> }.into_any(),
        Some(last) => {
            let why = last.why().map(str::to_owned);
            view! {
                <p>{outcome(last.outcome)} {why.map(|why| view! { <span>": " {why}</span> })}</p>
                {strip(&brief.outcomes)}
                <p class="muted">{counts(&brief.outcomes)}</p>
            }
            .into_any()
        }
    };
    let link = if brief.last.is_some() {
        "Why: every rule, value and limit"
    } else {
        "How its health was watched"
    };
    Some(view! {
        <section class="health-brief" aria-labelledby="health">
            <h2 id="health">"Health"</h2>
            {found}
            {said.map(|said| view! { <p>{said}</p> })}
            <p><a href=href>{link}</a></p>
        </section>
    })
}
