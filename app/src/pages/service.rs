//! A service: what runs where, its releases with their gates, a form to request a deployment, its history.

use super::{Live, load, main, visitor};
use crate::{
    components::{
        empty::{empty, register_command},
        gates::gate_summary,
        health,
        icon::{Icon, icon},
        label::{digest, outside, person, when},
        monitors::monitors,
        rolling::rolling,
        rows::deployment_rows,
        state::{Meaning, mark, state},
        strategy, traffic,
    },
    model::{Cell, DeploymentSummary, Permission, ReleaseRow, ServicePage},
    portal::PortalError,
    rpc,
    shape::EnvironmentFreezes,
    words::listed,
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use tidegate_domain::{
    Service, Target, Timestamp,
    name::{ServiceName, TeamSlug},
};

pub(crate) fn page() -> impl IntoView {
    let name = use_params_map().get_untracked().get("name").unwrap_or_default();
    let name = ServiceName::new(name);
    load(
        async move {
            match name {
                Ok(name) => rpc::service(name).await,
                Err(error) => Err(PortalError::NotFound(error.to_string())),
            }
        },
        show,
    )
}

fn show(page: ServicePage) -> AnyView {
    let now = page.now;
    let service = &page.service;
    let name = service.name.to_string();
    let targets = service
        .targets
        .iter()
        .map(|target| {
            let cell = page.cells.iter().find(|cell| cell.environment == target.environment);
            let freezes = page.freezes.iter().find(|it| it.environment == target.environment);
            target_card(target, cell, freezes, now)
        })
        .collect_view();
    let releases = if page.releases.is_empty() {
        empty(
            Icon::Package,
            "No release yet",
            view! {
                <p>"Report one from a GitHub Actions job of " <code>{service.repository.clone()}</code> " that has " <code>"permissions: id-token: write"</code> ":"</p>
                {register_command(&name)}
            },
        )
        .into_any()
    } else {
        let rows = page
            .releases
            .iter()
            .map(|row| release(row, service, &page.may_request, now))
            .collect_view();
        view! { <ol class="releases" data-list="">{rows}</ol> }.into_any()
    };
    let history = if page.history.is_empty() {
        view! { <p class="muted">"Nothing has been deployed yet."</p> }.into_any()
    } else {
        view! {
            {deployment_rows(&page.history, false, now)}
            <p><a href=format!("/history?service={name}")>"The whole history of " {name.clone()}</a></p>
        }
        .into_any()
    };
    let cannot = match &page.may_request {
        Permission::No(why) => Some(why.clone()),
        Permission::Yes => None,
    };
    main(
        name.clone(),
        Live::All,
        "page service",
        Some(now),
        view! {
            <div class="page-head">
                <nav class="crumbs" aria-label="Breadcrumb"><a href="/">"Services"</a></nav>
                <h1>{name.clone()}</h1>
                <p class="summary">{service.description.clone()} <code>{service.repository.clone()}</code></p>
            </div>
            <div class="targets">{targets}</div>
            {monitors(&page.monitors, now)}
            {health::between(&page.health, now)}
            <section aria-labelledby="releases">
                <h2 id="releases">"Releases"</h2>
                {cannot.map(|why| view! { <p class="refused">{icon(Icon::Lock)} <span>{format!("You cannot request deployments: {why}.")}</span></p> })}
                {releases}
            </section>
            <section aria-labelledby="service-history">
                <h2 id="service-history">"Deployments"</h2>
                {history}
            </section>
            {rolling(&page.rolling, now)}
        },
    )
}

fn target_card(
    target: &Target,
    cell: Option<&Cell>,
    freezes: Option<&EnvironmentFreezes>,
    now: Timestamp,
) -> impl IntoView + use<> {
    let policy = &target.policy;
    let approvals: Vec<String> = policy
        .approvals
        .iter()
        .map(|rule| {
            let teams: Vec<String> = rule.teams.iter().map(TeamSlug::to_string).collect();
            format!("{} of {}", rule.count, listed(&teams, "or"))
        })
        .collect();
    let approvals = if approvals.is_empty() {
        "none: automatic".to_owned()
    } else {
        listed(&approvals, "and")
    };
    let one = |one: &DeploymentSummary| {
        view! {
            <p class="target-line">
                <a class="lead" href=format!("/deployments/{}", one.id)>{state(one.state)} <span class="hash">{one.label.clone()}</span></a>
                " "
                <span class="muted">{when(one.finished_at.unwrap_or(one.requested_at), now)} " by " {person(&one.requested_by)}</span>
            </p>
        }
    };
    let current = cell.and_then(|cell| cell.current.as_ref()).map(one);
    let nothing = current.is_none();
    let moving = cell.and_then(|cell| cell.in_flight.as_ref());
    let moving = moving.map(|it| view! { {one(it)} {traffic::bar(it.traffic, None)} });
    let waiting = cell.map(|cell| cell.waiting.iter().map(one).collect_view());
    let trouble = cell.and_then(|cell| cell.last_trouble.as_ref()).map(one);
    view! {
        <section class="target" aria-label=target.environment.to_string()>
            <h2>{target.environment.to_string()}</h2>
            {current}
            {nothing.then(|| view! { <p class="muted">"Nothing deployed yet."</p> })}
            {moving}
            {waiting}
            {trouble}
            <dl class="pairs">
                <dt>"Traffic"</dt>
                <dd>{strategy::plan(&target.traffic)}</dd>
                <dt>"Approvals"</dt>
                <dd>{approvals} {policy.solo.then_some(" (solo mode)")}</dd>
                {policy.promote_from.as_ref().map(|from| view! { <dt>"After"</dt> <dd>{from.to_string()}</dd> })}
                {freezes.map(calendar)}
                <dt>"Runs on"</dt>
                <dd>{target.engine.place()}</dd>
                <dt>"Engine"</dt>
                <dd>{format!("{}, {}", target.engine.kind().title(), target.engine.group())}</dd>
            </dl>
        </section>
    }
}

/// When nothing goes forward: now, and the next time.
fn calendar(freezes: &EnvironmentFreezes) -> impl IntoView + use<> {
    let rows = freezes
        .freezes
        .iter()
        .map(|freeze| {
            let view = if freeze.active {
                let words = format!("until {} ({})", freeze.moment, freeze.label);
                mark(Meaning::Waiting, Icon::Clock, words).into_any()
            } else {
                format!("next from {} ({})", freeze.moment, freeze.label).into_any()
            };
            view! { <span>{view}</span> }
        })
        .collect::<Vec<_>>();
    (!rows.is_empty()).then(|| view! { <dt>"Frozen"</dt> <dd class="calendar">{rows}</dd> })
}

fn release(row: &ReleaseRow, service: &Service, may: &Permission, now: Timestamp) -> impl IntoView + use<> {
    let release = &row.release;
    let title = release.commits.first().map(|commit| commit.title.clone());
    let authors = release
        .authors
        .iter()
        .map(|author| person(&author.login))
        .collect_view();
    let places = row
        .deployments
        .iter()
        .map(|one| {
            view! {
                <li>
                    <a class="lead" href=format!("/deployments/{}", one.id)>
                        <span class="environment">{one.environment.to_string()}</span> {state(one.state)}
                    </a>
                </li>
            }
        })
        .collect_view();
    let form = may.is_yes().then(|| request(row, service));
    view! {
        <li class="release-row" data-item="" id=format!("release-{}", release.id)>
            <div class="release-what">
                <p>
                    <code class="hash release-label">{release.label()}</code>
                    " "
                    <span class="commit-title">{title}</span>
                </p>
                <p class="muted release-facts">
                    <span>"commit " <code class="hash">{release.commit.short().to_owned()}</code></span>
                    <span>"image " {digest(&release.image.digest)}</span>
                    <span>{authors}</span>
                    {release.migration.as_ref().map(|migration| view! { <span>{format!("migration {migration}")}</span> })}
                    <span>"reported " {when(release.reported_at, now)}</span>
                    {release.run_url.as_deref().map(|url| outside(url, "CI run"))}
                </p>
            </div>
            <div class="release-gates">{gate_summary(&row.gates)}</div>
            <ul class="release-places">{places}</ul>
            {form}
        </li>
    }
}

/// Bring this release to an environment.
fn request(row: &ReleaseRow, service: &Service) -> impl IntoView + use<> {
    let id = row.release.id.to_string();
    let open = visitor()
        .flash
        .and_then(|flash| (flash.typed("deployments", "release") == Some(id.as_str())).then_some(flash));
    let reason = open
        .as_ref()
        .and_then(|flash| flash.typed("deployments", "reason").map(str::to_owned));
    let wanted = open
        .as_ref()
        .and_then(|flash| flash.typed("deployments", "environment").map(str::to_owned));
    let succeeded = |environment: &str| {
        row.deployments
            .iter()
            .any(|one| one.environment.as_str() == environment && one.state == tidegate_domain::StateName::Succeeded)
    };
    let suggested = wanted.or_else(|| {
        service
            .targets
            .iter()
            .map(|target| target.environment.to_string())
            .find(|environment| !succeeded(environment))
    });
    let options = service
        .targets
        .iter()
        .map(|target| {
            let name = target.environment.to_string();
            let selected = suggested.as_deref() == Some(name.as_str());
            view! { <option value=name.clone() selected=selected>{name.clone()}</option> }
        })
        .collect_view();
    let short = row.release.id.short();
    view! {
        <details class="act request" id=format!("request-{short}") name="act" open=open.is_some()>
            <summary class="button">{icon(Icon::Go)} "Deploy…"</summary>
            <form method="post" action="/deployments" data-keep="">
                <input type="hidden" name="release" value=id />
                <input type="hidden" name="return_to" value=format!("/services/{}", service.name) />
                <div class="field">
                    <label for=format!("environment-{short}")>"To"</label>
                    <select id=format!("environment-{short}") name="environment">{options}</select>
                </div>
                <div class="field">
                    <label for=format!("reason-{short}")>"Why (optional)"</label>
                    <input id=format!("reason-{short}") name="reason" maxlength="2000" value=reason.unwrap_or_default() />
                </div>
                <button class="button primary wide">"Request the deployment"</button>
            </form>
        </details>
    }
}
