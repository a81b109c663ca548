//! How much traffic the new version has, and the steps of the plan. Drawn as SVG: the site allows no inline style.

use leptos::prelude::*;
use tidegate_domain::TrafficPlan;

/// Old and new version side by side.
pub(crate) fn bar(share: Option<u8>, plan: Option<TrafficPlan>) -> impl IntoView {
    let percent = share.unwrap_or(0).min(100);
    let words = share.map_or_else(
        || "how much traffic the new version has is not known yet".to_owned(),
        |share| format!("{share} % of traffic on the new version"),
    );
    let ticks = plan
        .map(|plan| plan.steps())
        .unwrap_or_default()
        .into_iter()
        .filter(|(at, _)| *at < 100)
        .map(|(at, _)| view! { <line class="tick" x1=at x2=at y1="0" y2="8"></line> })
        .collect_view();
    view! {
        <svg class="traffic" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label=words>
            <rect class="old" x="0" y="0" width="100" height="8"></rect>
            <rect class="new" x="0" y="0" width=percent height="8"></rect>
            {ticks}
        </svg>
    }
}

/// The steps of a plan in a row: where it is, what is behind it, what is to come.
pub(crate) fn steps(plan: TrafficPlan, share: Option<u8>) -> impl IntoView {
    let all = plan.steps();
    let long = all.len() > 5;
    let shown: Vec<(u8, u16)> = if long {
        let mut shown = all[..2].to_vec();
        shown.extend(all.last());
        shown
    } else {
        all
    };
    let items = shown
        .into_iter()
        .enumerate()
        .map(|(index, (at, minutes))| {
            let class = match share {
                Some(share) if share > at || (share == 100 && at == 100) => "step past",
                Some(share) if share == at => "step now",
                _ => "step",
            };
            let gap = (long && index == 2).then(|| view! { <li class="step gap" aria-hidden="true">"…"</li> });
            let minutes = (minutes > 0).then(|| view! { <small>{format!("{minutes} min")}</small> });
            view! {
                {gap}
                <li class=class aria-current=(class == "step now").then_some("step")>
                    <b>{format!("{at} %")}</b>
                    {minutes}
                </li>
            }
        })
        .collect_view();
    view! { <ol class="steps" aria-label="Traffic plan">{items}</ol> }
}
