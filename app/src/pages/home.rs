//! Home: every service in every environment — what runs there, since when, by whom, what waits, what moves.

use super::{Live, load, main};
use crate::{
    components::{
        empty::{empty, register_command},
        icon::{Icon, icon},
        label::{person, when},
        state::{Meaning, mark, state},
        traffic,
    },
    model::{Cell, DeploymentSummary, Home, HomeRow},
    rpc,
    words::counted,
};
use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};
use tidegate_domain::{StateName, Timestamp};

pub(crate) fn page() -> impl IntoView {
    let query = use_query_map().get_untracked();
    let wanted = query.get("q").unwrap_or_default();
    let attention = query.get("show").as_deref() == Some("attention");
    load(rpc::home(), move |home| show(home, &wanted, attention))
}

/// What asks for a person: something waits, moves or went wrong.
fn asks(cell: &Cell) -> bool {
    cell.in_flight.is_some() || !cell.waiting.is_empty() || went_wrong(cell)
}

/// Something was deployed and did not stay. What people decided against is no trouble.
fn went_wrong(cell: &Cell) -> bool {
    cell.last_trouble
        .as_ref()
        .is_some_and(|one| matches!(one.state, StateName::RolledBack | StateName::Failed))
}

fn show(home: Home, wanted: &str, attention: bool) -> AnyView {
    let now = home.now;
    let wanted = wanted.trim().to_lowercase();
    let cells = || home.rows.iter().flat_map(|row| row.cells.iter().flatten());
    let waiting: usize = cells().map(|cell| cell.waiting.len()).sum();
    let moving = cells().filter(|cell| cell.in_flight.is_some()).count();
    let trouble = cells().filter(|cell| went_wrong(cell)).count();
    let total = home.rows.len();
    let shown = |row: &HomeRow| {
        (wanted.is_empty() || row.service.as_str().contains(&wanted))
            && (!attention || row.cells.iter().flatten().any(asks))
    };
    let none = !home.rows.iter().any(shown);
    let body = if total == 0 {
        empty(
            Icon::Package,
            "No services yet",
            view! {
                <p>"Name your services in " <code>"tidegate.toml"</code> ", then load it:"</p>
                <pre class="command" tabindex="0">
                    <code>"tidegate config check && kill -HUP $(pidof tidegate)"</code>
                </pre>
            },
        )
        .into_any()
    } else {
        let title = if attention {
            "Nothing here asks for attention"
        } else {
            "No service has that in its name"
        };
        view! {
            {matrix(&home, shown, attention, now)}
            <div data-none="" hidden=!none>
                {empty(Icon::Search, title, view! { <p><a href="/">"Show all services"</a></p> })}
            </div>
        }
        .into_any()
    };
    let nothing_yet = total > 0 && cells().all(|cell| cell.current.is_none() && !asks(cell));
    let first = home.rows.first().map(|row| row.service.to_string()).unwrap_or_default();
    main(
        "Services".to_owned(),
        Live::All,
        "page home",
        Some(now),
        view! {
            <div class="page-head">
                <h1>"Services"</h1>
                <p class="summary">{summary(total, waiting, moving, trouble)}</p>
                <form class="tools" method="get" action="/">
                    <label class="sr" for="q">"Filter services"</label>
                    <input id="q" type="search" name="q" value=wanted.clone() placeholder="Filter services" data-filter="" autocomplete="off" />
                    {attention.then(|| view! { <input type="hidden" name="show" value="attention" /> })}
                    <div class="segments">
                        <a href=address(&wanted, false) data-keeps-filter="" aria-current=(!attention).then_some("true")>"All"</a>
                        <a href=address(&wanted, true) data-keeps-filter="" aria-current=attention.then_some("true")>"Needs attention"</a>
                    </div>
                </form>
            </div>
            {nothing_yet.then(|| view! {
                <section class="teach" aria-label="How to begin">
                    <p><strong>"Nothing has been released yet."</strong> " Report the first release from a GitHub Actions job that has " <code>"permissions: id-token: write"</code> ":"</p>
                    {register_command(&first)}
                </section>
            })}
            {body}
        },
    )
}

fn summary(total: usize, waiting: usize, moving: usize, trouble: usize) -> impl IntoView {
    view! {
        {counted(total, "service", "services")}
        {(waiting > 0).then(|| mark(Meaning::Waiting, Icon::Hand, format!("{waiting} waiting")))}
        {(moving > 0).then(|| mark(Meaning::Moving, Icon::Go, format!("{moving} in flight")))}
        {(trouble > 0).then(|| mark(Meaning::Bad, Icon::Alert, format!("{trouble} went wrong")))}
    }
}

/// This page, narrowed as its two choices say.
fn address(wanted: &str, attention: bool) -> String {
    let mut query = ParamsMap::new();
    if !wanted.is_empty() {
        query.insert("q", wanted.to_owned());
    }
    if attention {
        query.insert("show", "attention".to_owned());
    }
    format!("/{}", query.to_query_string())
}

fn matrix<F: Fn(&HomeRow) -> bool>(home: &Home, shown: F, attention: bool, now: Timestamp) -> impl IntoView + use<F> {
    let heads = home
        .environments
        .iter()
        .map(|environment| {
            let class = if environment.production {
                "environment production"
            } else {
                "environment"
            };
            view! { <th scope="col"><span class=class>{environment.name.to_string()}</span></th> }
        })
        .collect_view();
    let names: Vec<String> = home
        .environments
        .iter()
        .map(|environment| environment.name.to_string())
        .collect();
    let rows = home
        .rows
        .iter()
        .map(|row| {
            let service = row.service.to_string();
            let cells = row
                .cells
                .iter()
                .zip(&names)
                .map(|(one, name)| cell(one.as_ref(), name, now))
                .collect_view();
            view! {
                <tr
                    data-item=""
                    id=format!("service-{service}")
                    data-name=service.clone()
                    data-asks=row.cells.iter().flatten().any(asks).then_some("")
                    hidden=!shown(row)
                >
                    <th scope="row">
                        <a href=format!("/services/{service}") data-open="">{service.clone()}</a>
                        <span class="muted">{row.description.clone()}</span>
                    </th>
                    {cells}
                </tr>
            }
        })
        .collect_view();
    view! {
        <table class="matrix" data-list="" data-attention=attention.then_some("")>
            <thead>
                <tr>
                    <th scope="col">"Service"</th>
                    {heads}
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
    }
}

fn cell(cell: Option<&Cell>, environment: &str, now: Timestamp) -> impl IntoView + use<> {
    let Some(cell) = cell else {
        return view! { <td class="none" data-environment=environment.to_owned()><span class="muted">"not deployed here"</span></td> }
            .into_any();
    };
    let current = match &cell.current {
        Some(current) => view! {
            <p class="runs">
                {icon(Icon::Check)}
                <a class="hash" href=format!("/deployments/{}", current.id)>
                    <span class="sr">"Runs "</span>
                    {current.label.clone()}
                </a>
                <span class="since">{when(current.finished_at.unwrap_or(current.requested_at), now)} {responsible(current)}</span>
            </p>
        }
        .into_any(),
        None => view! { <p class="runs muted">"nothing deployed yet"</p> }.into_any(),
    };
    let in_flight = cell.in_flight.as_ref().map(|one| {
        view! {
            <p class="moves">
                {link(one)}
                <span class="share">{one.traffic.map(|share| format!("{share} %"))}</span>
                {traffic::bar(one.traffic, None)}
            </p>
        }
    });
    let wrong = went_wrong(cell);
    let trouble = cell.last_trouble.as_ref().filter(|one| wrong || one.state == StateName::Expired).map(|one| {
        view! { <p class=if wrong { "trouble" } else { "ended" }>{link(one)} <span class="since">{when(one.finished_at.unwrap_or(one.requested_at), now)}</span></p> }
    });
    let waiting = cell
        .waiting
        .iter()
        .map(|one| view! { <p class="waits">{link(one)} <span class="since">{when(one.requested_at, now)}</span></p> })
        .collect_view();
    view! { <td data-environment=environment.to_owned()>{current} {in_flight} {waiting} {trouble}</td> }.into_any()
}

/// Who let it through: those who approved it, or else who asked for it.
fn responsible(one: &DeploymentSummary) -> impl IntoView + use<> {
    match one.approved_by.as_slice() {
        [] => view! { " by " {person(&one.requested_by)} }.into_any(),
        approvers => {
            let people = approvers.iter().map(|login| person(login)).collect_view();
            view! { " approved by " {people} }.into_any()
        }
    }
}

/// State and release of a deployment, leading to it.
fn link(one: &DeploymentSummary) -> impl IntoView + use<> {
    view! {
        <a
            class="lead"
            href=format!("/deployments/{}", one.id)
            data-waits=(one.state == StateName::AwaitingApproval).then_some("")
        >
            {state(one.state)} <span class="hash">{one.label.clone()}</span>
        </a>
        {one.title.clone().map(|title| view! { <span class="row-title" title=title.clone()>{title.clone()}</span> })}
    }
}
