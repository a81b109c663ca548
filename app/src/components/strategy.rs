//! Help beside a traffic plan: what kind of deployment it is, and what the other kinds would mean. And why traffic cannot
//! be held, where it cannot, before anything is deployed.

use crate::{
    components::icon::{Icon, icon},
    model::DeploymentPage,
};
use leptos::prelude::*;
use tidegate_domain::{TrafficPlan, traffic::Strategy};

/// The plan in words, and the help to open.
pub(crate) fn plan(plan: &TrafficPlan) -> impl IntoView + use<> {
    let own = plan.strategy();
    let rows = Strategy::ALL
        .into_iter()
        .map(|strategy| row(strategy, strategy == own))
        .collect_view();
    view! {
        <p>{plan.to_string()}</p>
        <details class="strategy">
            <summary>{own.title()} " " <span class="muted">{format!("back in {}, risk {}", own.rollback(), own.risk())}</span></summary>
            <ul class="strategies" aria-label="Strategies">{rows}</ul>
        </details>
    }
}

fn row(strategy: Strategy, own: bool) -> impl IntoView + use<> {
    let class = if own { "strategy-row own" } else { "strategy-row" };
    view! {
        <li class=class aria-current=own.then_some("true")>
            <p>
                <strong>{strategy.title()}</strong>
                {own.then(|| view! { <span class="mark good">{icon(Icon::Check)} "this plan"</span> })}
                <span class="muted">{strategy.way()}</span>
            </p>
            <dl>
                <div><dt>"Rollback"</dt> <dd>{strategy.rollback()}</dd></div>
                <div><dt>"Risk"</dt> <dd>{strategy.risk()}</dd></div>
                <div><dt>"Capacity"</dt> <dd>{strategy.cost()}</dd></div>
            </dl>
        </li>
    }
}

/// How traffic will move and whether it can be held, before it moves. Once it does, the rollout says so.
pub(crate) fn before(page: &DeploymentPage) -> Option<impl IntoView + use<>> {
    let target = page.target.as_ref().filter(|_| page.deployment.run().is_none())?;
    if page.deployment.state.name().is_terminal() {
        return None;
    }
    let traffic = page
        .deployment
        .revision()
        .map_or_else(|| target.traffic.clone(), |revision| revision.traffic.clone());
    let holds = match target.engine.kind().holds() {
        Ok(()) => "Traffic stays where it is while people think.".to_owned(),
        Err(why) => format!("Not in mid-shift: {why}."),
    };
    Some(view! {
        <dl class="pairs">
            <dt>"Traffic"</dt>
            <dd>{plan(&traffic)}</dd>
            <dt>"Hold"</dt>
            <dd>{holds}</dd>
        </dl>
    })
}
