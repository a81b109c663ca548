//! Deployments in a dense table: history, a service's own history, lists in the inbox.

use super::{
    icon::{Icon, icon},
    label::{person, when},
    state::state,
    traffic,
};
use crate::model::DeploymentSummary;
use leptos::prelude::*;
use tidegate_domain::{StateName, Timestamp, time::span_words};

/// `with_service`: off where all rows are of one service.
pub(crate) fn deployment_rows(
    items: &[DeploymentSummary],
    with_service: bool,
    now: Timestamp,
) -> impl IntoView + use<> {
    let rows = items.iter().map(|item| row(item, with_service, now)).collect_view();
    view! {
        <div class="scroll">
            <table class="rows" data-list="">
                <thead>
                    <tr>
                        <th scope="col">"State"</th>
                        <th scope="col">"Release"</th>
                        {with_service.then(|| view! { <th scope="col">"Service"</th> })}
                        <th scope="col">"Environment"</th>
                        <th scope="col">"Requested"</th>
                        <th scope="col" class="wide">"Approved by"</th>
                        <th scope="col" class="number">"Took"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn row(item: &DeploymentSummary, with_service: bool, now: Timestamp) -> impl IntoView + use<> {
    let href = format!("/deployments/{}", item.id);
    // What ran took its own time; what never ran, the time until that was decided.
    let from = item.started_at.unwrap_or(item.requested_at);
    let took = item.finished_at.map(|at| span_words(at.since(from)));
    let waited = item
        .started_at
        .map(|at| format!("after {} of waiting", span_words(at.since(item.requested_at))));
    let service = item.service.to_string();
    let approved = item.approved_by.iter().map(|login| person(login)).collect_view();
    view! {
        <tr data-item="" id=format!("row-{}", item.id)>
            <td class="cell-state">
                {state(item.state)}
                {item.traffic.filter(|_| item.state.is_in_flight()).map(|share| view! {
                    <span class="moves">{traffic::bar(Some(share), None)} <span class="share">{format!("{share}\u{a0}%")}</span></span>
                })}
            </td>
            <td class="cell-release">
                <span class="release-line">
                    <a
                        class="hash"
                        href=href
                        data-open=""
                        data-waits=(item.state == StateName::AwaitingApproval).then_some("")
                    >
                        {item.label.clone()}
                    </a>
                    {item.rollback.then(rollback_chip)}
                    {item.title.clone().map(|title| view! { <span class="row-title" title=title.clone()>{title.clone()}</span> })}
                </span>
                {item.note.clone().map(|note| view! { <span class="note" title=note.clone()>{note.clone()}</span> })}
            </td>
            {with_service
                .then(|| view! { <td class="cell-service"><a href=format!("/services/{service}")>{service.clone()}</a></td> })}
            <td class="cell-environment">{environment(item)}</td>
            <td class="cell-requested">
                {when(item.requested_at, now)} <span class="by">{person(&item.requested_by)}</span>
            </td>
            <td class="cell-approved wide">{approved}</td>
            <td class="cell-took number" title=waited>{took}</td>
        </tr>
    }
}

/// The environment's name; production stands out by weight.
pub(crate) fn environment(item: &DeploymentSummary) -> impl IntoView + use<> {
    let class = if item.production {
        "environment production"
    } else {
        "environment"
    };
    view! { <span class=class>{item.environment.to_string()}</span> }
}

pub(crate) fn rollback_chip() -> impl IntoView {
    view! { <span class="chip">{icon(Icon::Back)} "rollback"</span> }
}
