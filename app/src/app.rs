//! Routes, and the frame around the pages.

use crate::{
    Visitor,
    components::{
        flash::flash,
        icon::{Icon, icon},
    },
    pages, rpc,
    visitor::Theme,
};
use leptos::prelude::*;
use leptos_router::{
    SsrMode, StaticSegment,
    components::{FlatRoutes, Route, Router},
    hooks::use_location,
    path,
};
use tidegate_domain::{Action, access};

#[component]
pub fn App() -> impl IntoView {
    let async_mode = SsrMode::Async;
    view! {
        <Router>
            <a class="skip" href="#main">"Skip to content"</a>
            {header()}
            <FlatRoutes fallback=pages::not_found::page>
                <Route path=StaticSegment("") view=pages::home::page ssr=async_mode.clone() />
                <Route path=path!("/inbox") view=pages::inbox::page ssr=async_mode.clone() />
                <Route path=path!("/history") view=pages::history::page ssr=async_mode.clone() />
                <Route path=path!("/audit") view=pages::audit::page ssr=async_mode.clone() />
                <Route path=path!("/break-glass") view=pages::breakglass::page ssr=async_mode.clone() />
                <Route path=path!("/deployments/:id") view=pages::deployment::page ssr=async_mode.clone() />
                <Route path=path!("/deployments/:id/health") view=pages::why::page ssr=async_mode.clone() />
                <Route path=path!("/health/:version") view=pages::definition::page ssr=async_mode.clone() />
                <Route path=path!("/lab") view=pages::lab::page ssr=async_mode.clone() />
                <Route path=path!("/services/:name") view=pages::service::page ssr=async_mode.clone() />
                <Route path=path!("/sign-in") view=pages::sign_in::page ssr=async_mode />
            </FlatRoutes>
        </Router>
    }
}

/// Above every page: where to go, who is here. Works without a portal; the number beside the inbox is missing then.
pub(crate) fn header() -> AnyView {
    let visitor = use_context::<Visitor>().unwrap_or_default();
    let location = use_location();
    let path = location.pathname.get_untracked();
    let here = match location.search.get_untracked() {
        query if query.is_empty() => path.clone(),
        query => format!("{path}?{}", query.trim_start_matches('?')),
    };
    let current = move |page: &str| (path == page).then_some("page");
    let signed_in = visitor.viewer.is_some();
    let audits = visitor
        .actor
        .as_ref()
        .is_some_and(|actor| access::can(actor, Action::ViewAudit, None).is_ok());
    let nav = signed_in.then(|| {
        view! {
            <nav class="nav" aria-label="Main">
                <a href="/" aria-current=current("/")>"Services"</a>
                <a href="/inbox" aria-current=current("/inbox")>"Inbox" {waiting_count()}</a>
                <a href="/history" aria-current=current("/history")>"History"</a>
                <a href="/lab" aria-current=current("/lab")>"Lab"</a>
                {audits.then(|| view! { <a href="/audit" aria-current=current("/audit")>"Audit"</a> })}
            </nav>
            <form class="find" role="search" method="get" action="/history">
                {icon(Icon::Search)}
                <input type="search" name="text" aria-label="Search deployments" placeholder="Search deployments" data-search="" />
                <kbd aria-hidden="true">"/"</kbd>
            </form>
        }
    });
    let account = visitor
        .viewer
        .clone()
        .map(|viewer| account(&viewer, visitor.theme, &here));
    view! {
        <header class="top">
            <div class="top-row">
                <a class="brand" href="/">{icon(Icon::Tide)} <span>"Tidegate"</span></a>
                {nav}
                <span class="live" id="live" role="status"></span>
                {account}
            </div>
        </header>
        {visitor.flash.map(flash)}
    }
    .into_any()
}

/// How many deployments wait on the viewer; nothing when none do, or when it cannot be known.
fn waiting_count() -> impl IntoView {
    Suspend::new(async move {
        let count = rpc::waiting_on().await.unwrap_or_default();
        (count > 0).then(|| {
            view! {
                <span class="count" id="waiting-count">
                    {count} <span class="sr">" waiting on you"</span>
                </span>
            }
        })
    })
}

fn account(viewer: &crate::model::Viewer, theme: Theme, here: &str) -> impl IntoView + use<> {
    let login = viewer.person.login.clone();
    let roles: Vec<&str> = viewer.roles.iter().map(|role| role.name()).collect();
    let roles = if roles.is_empty() {
        "no role".to_owned()
    } else {
        roles.join(", ")
    };
    let initial: String = login.chars().take(1).collect::<String>().to_uppercase();
    let themes = Theme::ALL
        .into_iter()
        .map(|one| {
            view! {
                <button name="theme" value=one.name() aria-pressed=if one == theme { "true" } else { "false" }>
                    {one.name()}
                </button>
            }
        })
        .collect_view();
    view! {
        <details class="account" id="account">
            <summary>
                <span class="avatar" aria-hidden="true">{initial}</span>
                <span class="sr">"Signed in as "</span>
                <span class="account-login">{login.clone()}</span>
                {icon(Icon::Down)}
            </summary>
            <div class="menu">
                <p>
                    <strong>{viewer.name.clone().unwrap_or_else(|| login.clone())}</strong>
                    <span class="muted">{roles}</span>
                </p>
                <form method="post" action="/theme" class="segments" aria-label="Theme">
                    <input type="hidden" name="return_to" value=here.to_owned() />
                    {themes}
                </form>
                <form method="post" action="/auth/sign-out">
                    <button class="button plain">"Sign out"</button>
                </form>
            </div>
        </details>
    }
}
