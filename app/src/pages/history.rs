//! The history: every deployment, newest first, with its filters in the address.

use super::{Live, load, main};
use crate::{
    components::{
        empty::empty,
        field::{choice, filter_text},
        icon::Icon,
        pager::pager,
        rows::deployment_rows,
    },
    model::{History, HistoryFilter},
    rpc,
};
use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};
use tidegate_domain::StateName;

pub(crate) fn page() -> impl IntoView {
    let filter = filter_of(&use_query_map().get_untracked());
    let asked = filter.clone();
    load(rpc::history(filter), move |history| show(history, &asked))
}

fn filter_of(query: &ParamsMap) -> HistoryFilter {
    let given = |name| {
        query
            .get(name)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    HistoryFilter {
        service: given("service"),
        environment: given("environment"),
        state: given("state"),
        person: given("person"),
        from: given("from"),
        to: given("to"),
        text: given("text"),
        after: given("after"),
    }
}

/// The address of these filters from another row on; without empty ones.
fn address(filter: &HistoryFilter, after: Option<&str>) -> String {
    let mut query = ParamsMap::new();
    for (name, value) in [
        ("service", filter.service.as_deref()),
        ("environment", filter.environment.as_deref()),
        ("state", filter.state.as_deref()),
        ("person", filter.person.as_deref()),
        ("from", filter.from.as_deref()),
        ("to", filter.to.as_deref()),
        ("text", filter.text.as_deref()),
        ("after", after),
    ] {
        if let Some(value) = value {
            query.insert(name, value.to_owned());
        }
    }
    format!("/history{}", query.to_query_string())
}

fn show(history: History, filter: &HistoryFilter) -> AnyView {
    let now = history.now;
    let narrowed = *filter != HistoryFilter::default();
    let list = if history.items.is_empty() {
        if narrowed {
            empty(
                Icon::Search,
                "No deployment matches",
                view! { <p><a href="/history">"Remove the filters"</a></p> },
            )
            .into_any()
        } else {
            empty(
                Icon::List,
                "No deployments yet",
                view! { <p>"Request the first one from " <a href="/">"a service’s page"</a> ", where its releases are."</p> },
            )
            .into_any()
        }
    } else {
        deployment_rows(&history.items, true, now).into_any()
    };
    let older = history.next.as_deref().map(|next| address(filter, Some(next)));
    let newest = filter.after.as_ref().map(|_| address(filter, None));
    let pairs = |names: Vec<String>| names.into_iter().map(|name| (name.clone(), name)).collect::<Vec<_>>();
    let services = pairs(history.services.iter().map(ToString::to_string).collect());
    let environments = pairs(history.environments.iter().map(ToString::to_string).collect());
    let states = StateName::ALL
        .into_iter()
        .map(|state| (state.as_str().to_owned(), state.words().to_owned()))
        .collect();
    main(
        "History".to_owned(),
        // An older page stays still: new rows belong on the first one.
        if filter.after.is_none() { Live::All } else { Live::Still },
        "page history",
        Some(now),
        view! {
            <div class="page-head">
                <h1>"History"</h1>
            </div>
            <form class="filters" method="get" action="/history" aria-label="Filters">
                {filter_text("text", "Text", "search", "release, commit, reason", filter.text.as_deref())}
                {choice("service", "Service", "all services", services, filter.service.as_deref())}
                {choice("environment", "Environment", "all environments", environments, filter.environment.as_deref())}
                {choice("state", "State", "any state", states, filter.state.as_deref())}
                {filter_text("person", "Person", "text", "login", filter.person.as_deref())}
                {filter_text("from", "From", "date", "", filter.from.as_deref())}
                {filter_text("to", "To", "date", "", filter.to.as_deref())}
                <div class="filter-do">
                    <button class="button">"Filter"</button>
                    {narrowed.then(|| view! { <a href="/history">"Clear"</a> })}
                </div>
            </form>
            {list}
            {pager(newest, older)}
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u02_every_filter_is_in_the_address_and_comes_back_from_it() {
        let filter = HistoryFilter {
            service: Some("rag".to_owned()),
            environment: Some("production".to_owned()),
            state: Some("failed".to_owned()),
            person: Some("ada".to_owned()),
            from: Some("2026-03-01".to_owned()),
            to: Some("2026-03-02".to_owned()),
            text: Some("a & b=c".to_owned()),
            after: None,
        };
        let address = address(&filter, Some("key/1"));
        let mut query = ParamsMap::new();
        for pair in address.trim_start_matches("/history?").split('&') {
            let (name, value) = pair.split_once('=').unwrap();
            query.insert(name.to_owned(), value.to_owned());
        }
        let again = filter_of(&query);
        assert_eq!(
            again,
            HistoryFilter {
                after: Some("key/1".to_owned()),
                ..filter
            }
        );
    }
}
