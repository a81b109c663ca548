//! The inbox: what waits on the viewer, what they asked for, what waits on others.

use super::{Live, load, main, visitor};
use crate::{
    components::{
        breakglass::{checks, review_state},
        empty::empty,
        icon::{Icon, icon},
        label::{arrow, person, when},
        rows::{deployment_rows, environment},
    },
    model::{Inbox, InboxItem},
    rpc,
    words::{counted, listed, relative},
};
use leptos::prelude::*;
use tidegate_domain::{Timestamp, breakglass::Entry, name::TeamSlug};

pub(crate) fn page() -> impl IntoView {
    load(rpc::inbox(), show)
}

fn show(inbox: Inbox) -> AnyView {
    let now = inbox.now;
    let mine = inbox.waiting_on_me.len();
    let login = visitor().viewer.map(|viewer| viewer.person.login).unwrap_or_default();
    let waiting = if mine == 0 {
        empty(
            Icon::Check,
            "Nothing waits on you",
            view! {
                <p>"A deployment comes here when one of your teams has to approve it and you neither requested nor wrote it."</p>
            },
        )
        .into_any()
    } else {
        let items = inbox
            .waiting_on_me
            .iter()
            .map(|one| item(one, true, now))
            .collect_view();
        view! { <ul class="inbox-list" data-list="">{items}</ul> }.into_any()
    };
    let reviews = (!inbox.reviews.is_empty()).then(|| {
        let items = inbox.reviews.iter().map(|one| review(one, now)).collect_view();
        view! {
            <section aria-labelledby="reviews">
                <h2 id="reviews">"Break-glass to review" <span class="muted">{inbox.reviews.len()}</span></h2>
                <ul class="inbox-list" data-list="">{items}</ul>
            </section>
        }
    });
    let others = (!inbox.others.is_empty()).then(|| {
        let items = inbox.others.iter().map(|one| item(one, false, now)).collect_view();
        view! {
            <section aria-labelledby="others">
                <h2 id="others">"Waits on others" <span class="muted">{inbox.others.len()}</span></h2>
                <ul class="inbox-list" data-list="">{items}</ul>
            </section>
        }
    });
    let asked = (!inbox.mine.is_empty()).then(|| {
        view! {
            <section aria-labelledby="mine">
                <h2 id="mine">"Requested by you" <span class="muted">{inbox.mine.len()}</span></h2>
                {deployment_rows(&inbox.mine, true, now)}
            </section>
        }
    });
    let title = if mine == 0 {
        "Inbox".to_owned()
    } else {
        format!("({mine}) Inbox")
    };
    main(
        title,
        Live::All,
        "page inbox",
        Some(now),
        view! {
            <div class="page-head">
                <h1>"Inbox"</h1>
                <p class="summary">{login}</p>
                <a class="aside" href="/break-glass">"Break-glass register"</a>
            </div>
            <section aria-labelledby="waiting">
                <h2 id="waiting">"Waiting on you" <span class="muted">{mine}</span></h2>
                {waiting}
            </section>
            {reviews}
            {others}
            {asked}
        },
    )
}

fn review(entry: &Entry, now: Timestamp) -> impl IntoView + use<> {
    let href = format!("/break-glass#glass-{}", entry.glass.id);
    view! {
        <li class="inbox-item" data-item="" id=format!("review-{}", entry.glass.id)>
            <div class="inbox-what">
                <p class="inbox-title">
                    <a href=href.clone() data-open="">
                        <strong>{entry.service.to_string()}</strong>
                        " "
                        <span class="hash">{entry.label.clone()}</span>
                        {arrow("to")}
                        <span class="environment">{entry.environment.to_string()}</span>
                    </a>
                </p>
                <p class="row-title">{entry.glass.reason.clone()}</p>
                <p class="inbox-facts">
                    <span>"opened by " {person(&entry.glass.by.login)} " " {when(entry.glass.opened_at, now)}</span>
                    <span>"skips " {checks(&entry.glass.skips)}</span>
                </p>
            </div>
            <div class="inbox-do">
                <span class="muted">{review_state(entry, now)} " " {when(entry.glass.review_due(), now)}</span>
                <a class="button" href=href>"Review"</a>
            </div>
        </li>
    }
}

fn item(item: &InboxItem, mine: bool, now: Timestamp) -> impl IntoView + use<> {
    let one = &item.deployment;
    let href = format!("/deployments/{}", one.id);
    let needs: Vec<String> = item
        .quorum
        .rules
        .iter()
        .filter(|rule| rule.filled_by.len() < usize::from(rule.count))
        .map(|rule| {
            let teams: Vec<String> = rule.teams.iter().map(TeamSlug::to_string).collect();
            let missing = usize::from(rule.count) - rule.filled_by.len();
            format!("{missing} of {}", listed(&teams, "or"))
        })
        .collect();
    let approved = one.approved_by.iter().map(|login| person(login)).collect_view();
    view! {
        <li class="inbox-item" data-item="" id=format!("waits-{}", one.id)>
            <div class="inbox-what">
                <p class="inbox-title">
                    <a href=href.clone() data-open="" data-waits="">
                        <strong>{one.service.to_string()}</strong>
                        " "
                        <span class="hash">{one.label.clone()}</span>
                        {arrow("to")}
                        {environment(one)}
                    </a>
                </p>
                {one.title.clone().map(|title| view! { <p class="row-title">{title}</p> })}
                <p class="inbox-facts">
                    <span>{counted(item.commits, "commit", "commits")}</span>
                    <span>"by " {person(&one.requested_by)} " " {when(one.requested_at, now)}</span>
                    <span>"needs " {listed(&needs, "and")}</span>
                    {(!one.approved_by.is_empty()).then(|| view! { <span>{icon(Icon::Check)} "approved by " {approved}</span> })}
                </p>
            </div>
            <div class="inbox-do">
                {item.expires_at.map(|at| view! {
                    <span class="muted">
                        "expires " <time datetime=at.to_string() title=crate::words::utc(at)>{relative(at, now)}</time>
                    </span>
                })}
                <a class=if mine { "button primary" } else { "button" } href=href>
                    {if mine { "Review" } else { "Open" }}
                </a>
            </div>
        </li>
    }
}
