//! The audit log: every event, newest first, with its sequence number and its filters in the address.

use super::{Live, load, main};
use crate::{
    components::{
        empty::empty,
        field::{choice, filter_text},
        icon::{Icon, icon},
        label::when,
        pager::pager,
        sentence::sentence,
    },
    model::{AuditFilter, AuditPage},
    rpc,
    words::utc,
};
use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};
use tidegate_domain::{EventKind, Timestamp, audit::RecordedEvent};

/// First parts of the kinds, with what they stand for.
const KINDS: [(&str, &str); 12] = [
    ("deployment", "deployments"),
    ("approval", "approvals"),
    ("rollback", "rollbacks"),
    ("cloud", "calls to the cloud"),
    ("release", "releases"),
    ("gate", "gates"),
    ("session", "sign-ins"),
    ("access", "refused attempts"),
    ("configuration", "configuration"),
    ("webhook", "webhooks"),
    ("monitor", "monitors"),
    ("worker", "warnings"),
];

pub(crate) fn page() -> impl IntoView {
    let filter = filter_of(&use_query_map().get_untracked());
    let asked = filter.clone();
    load(rpc::audit(filter), move |page| show(page, &asked))
}

fn filter_of(query: &ParamsMap) -> AuditFilter {
    let given = |name| {
        query
            .get(name)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    AuditFilter {
        kind: given("kind"),
        service: given("service"),
        environment: given("environment"),
        person: given("person"),
        deployment: given("deployment"),
        from: given("from"),
        to: given("to"),
        before: given("before").and_then(|text| text.parse().ok()),
    }
}

fn address(filter: &AuditFilter, before: Option<i64>) -> String {
    let mut query = ParamsMap::new();
    for (name, value) in [
        ("kind", filter.kind.as_deref()),
        ("service", filter.service.as_deref()),
        ("environment", filter.environment.as_deref()),
        ("person", filter.person.as_deref()),
        ("deployment", filter.deployment.as_deref()),
        ("from", filter.from.as_deref()),
        ("to", filter.to.as_deref()),
    ] {
        if let Some(value) = value {
            query.insert(name, value.to_owned());
        }
    }
    if let Some(before) = before {
        query.insert("before", before.to_string());
    }
    format!("/audit{}", query.to_query_string())
}

fn show(page: AuditPage, filter: &AuditFilter) -> AnyView {
    let now = page.now;
    let narrowed = *filter != AuditFilter::default();
    let rows = page.events.iter().map(|event| row(event, now)).collect_view();
    let list = if page.events.is_empty() {
        empty(
            Icon::List,
            if narrowed {
                "No event matches"
            } else {
                "Nothing has happened yet"
            },
            view! {
                <p>
                    {if narrowed {
                        view! { <a href="/audit">"Remove the filters"</a> }.into_any()
                    } else {
                        "The first release that CI reports is the first event.".into_any()
                    }}
                </p>
            },
        )
        .into_any()
    } else {
        view! {
            <div class="scroll">
                <table class="rows audit-rows" data-list="">
                    <thead>
                        <tr>
                            <th scope="col" class="number">"No."</th>
                            <th scope="col">"When (UTC)"</th>
                            <th scope="col">"Who"</th>
                            <th scope="col">"What"</th>
                            <th scope="col">"About"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let pairs = |names: Vec<String>| names.into_iter().map(|name| (name.clone(), name)).collect::<Vec<_>>();
    let services = pairs(page.services.iter().map(ToString::to_string).collect());
    let environments = pairs(page.environments.iter().map(ToString::to_string).collect());
    let older = page.next.map(|next| address(filter, Some(next)));
    let newest = filter.before.map(|_| address(filter, None));
    main(
        "Audit log".to_owned(),
        if filter.before.is_none() {
            Live::Log
        } else {
            Live::Still
        },
        "page audit",
        Some(now),
        view! {
            <div class="page-head">
                <h1>"Audit log"</h1>
                <p class="summary">"Append-only, numbered without gaps, written together with what it describes."</p>
            </div>
            <form class="filters" method="get" action="/audit" aria-label="Filters">
                {kinds(filter.kind.as_deref())}
                {choice("service", "Service", "all services", services, filter.service.as_deref())}
                {choice("environment", "Environment", "all environments", environments, filter.environment.as_deref())}
                {filter_text("person", "Person", "text", "login", filter.person.as_deref())}
                {filter_text("from", "From", "date", "", filter.from.as_deref())}
                {filter_text("to", "To", "date", "", filter.to.as_deref())}
                {filter.deployment.clone().map(|id| view! { <input type="hidden" name="deployment" value=id /> })}
                <div class="filter-do">
                    <button class="button">"Filter"</button>
                    {narrowed.then(|| view! { <a href="/audit">"Clear"</a> })}
                </div>
            </form>
            {one_deployment(filter)}
            {list}
            {pager(newest, older)}
        },
    )
}

/// Kinds of events: a group as a whole, or exactly one kind.
fn kinds(chosen: Option<&str>) -> impl IntoView + use<> {
    let chosen = chosen.unwrap_or_default().to_owned();
    let option = |value: &str, words: String| {
        let selected = value == chosen;
        view! { <option value=value.to_owned() selected=selected>{words}</option> }
    };
    let groups = KINDS
        .into_iter()
        .map(|(group, words)| {
            let of_it = |kind: &&EventKind| kind.name().split('.').next() == Some(group);
            let exact: Vec<&EventKind> = EventKind::ALL.iter().filter(of_it).collect();
            let each = exact
                .iter()
                .filter(|_| exact.len() > 1)
                .map(|kind| option(kind.name(), kind.words().to_owned()))
                .collect_view();
            view! { <optgroup label=words>{option(group, format!("all {words}"))} {each}</optgroup> }
        })
        .collect_view();
    view! {
        <label class="filter">
            <span>"Kind"</span>
            <select name="kind">
                <option value="">"everything"</option>
                {groups}
            </select>
        </label>
    }
}

/// That the list is of one deployment, and the way to all.
fn one_deployment(filter: &AuditFilter) -> impl IntoView + use<> {
    let id = filter.deployment.clone()?;
    let all = address(
        &AuditFilter {
            deployment: None,
            ..filter.clone()
        },
        None,
    );
    Some(view! {
        <p class="narrowed">
            "Only of " <a href=format!("/deployments/{id}")>"one deployment"</a> " · " <a href=all>"show all"</a>
        </p>
    })
}

fn row(recorded: &RecordedEvent, now: Timestamp) -> impl IntoView + use<> {
    let said = sentence(&recorded.event);
    let subject = &recorded.event.subject;
    let about = match (&subject.service, &subject.environment) {
        (Some(service), Some(environment)) => Some(format!("{service} → {environment}")),
        (Some(service), None) => Some(service.to_string()),
        _ => None,
    };
    let about = match (subject.deployment, &subject.service, about) {
        (Some(id), _, Some(about)) => {
            view! { <a href=format!("/deployments/{id}") data-open="">{about}</a> }.into_any()
        }
        (None, Some(service), Some(about)) => {
            view! { <a href=format!("/services/{service}") data-open="">{about}</a> }.into_any()
        }
        _ => ().into_any(),
    };
    view! {
        <tr data-item="" id=format!("event-{}", recorded.seq)>
            <td class="number cell-seq">{recorded.seq}</td>
            <td class="cell-when">
                <a class="utc" href=format!("/audit?before={}#event-{}", recorded.seq + 1, recorded.seq)>{utc(recorded.at).trim_end_matches(" UTC").to_owned()}</a> {when(recorded.at, now)}
            </td>
            <td class="cell-who">{recorded.event.actor.label()}</td>
            <td class="cell-what">
                <span class=format!("mark {}", said.meaning.class())>{icon(said.icon)} <span>{said.what}</span></span>
                <code class="kind">{recorded.event.kind.name()}</code>
                {said.detail.map(|detail| view! { <span class="entry-detail">{detail}</span> })}
                {recorded.event.text.clone().map(|text| view! { <blockquote>{text}</blockquote> })}
            </td>
            <td class="cell-about">{about}</td>
        </tr>
    }
}
