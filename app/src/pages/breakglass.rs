//! The register of break-glass: who skipped what, why, and what someone else found of it.

use super::{Live, load, main, visitor};
use crate::{
    components::{
        breakglass::{facts, incident, review_state},
        empty::empty,
        field::text_area,
        icon::{Icon, icon},
        label::{arrow, person, when},
    },
    model::Permission,
    rpc,
    shape::{Register, RegisterRow},
    visitor::Visitor,
};
use leptos::prelude::*;
use tidegate_domain::{Timestamp, breakglass::Judgement};

pub(crate) fn page() -> impl IntoView {
    load(rpc::break_glass(), show)
}

fn show(register: Register) -> AnyView {
    let now = register.now;
    let visitor = visitor();
    let open = register.rows.iter().filter(|row| row.entry.review.is_none()).count();
    let rows = if register.rows.is_empty() {
        empty(
            Icon::Shield,
            "Nobody has broken the glass",
            view! {
                <p>"In an incident, a deployment’s page offers to skip named checks, once, for an hour. Each time is listed here, with its review."</p>
            },
        )
        .into_any()
    } else {
        let rows = register.rows.iter().map(|row| entry(row, &visitor, now)).collect_view();
        view! { <ul class="register" data-list="">{rows}</ul> }.into_any()
    };
    main(
        "Break-glass".to_owned(),
        Live::All,
        "page register-page",
        Some(now),
        view! {
            <div class="page-head">
                <h1>"Break-glass"</h1>
                <p class="summary">
                    {match open {
                        0 => "Everything has been reviewed.".to_owned(),
                        1 => "One waits for its review.".to_owned(),
                        open => format!("{open} wait for their reviews."),
                    }}
                </p>
            </div>
            {rows}
        },
    )
}

fn entry(row: &RegisterRow, visitor: &Visitor, now: Timestamp) -> impl IntoView + use<> {
    let one = &row.entry;
    let href = format!("/deployments/{}", one.deployment);
    let form = match &row.may_review {
        _ if one.review.is_some() => None,
        Permission::Yes => Some(review(row, visitor).into_any()),
        Permission::No(why) => {
            let words = format!("You cannot review it: {why}.");
            Some(view! { <p class="refused">{icon(Icon::Lock)} <span>{words}</span></p> }.into_any())
        }
    };
    view! {
        <li class="register-row" data-item="" id=format!("glass-{}", one.glass.id)>
            <p class="register-title">
                <a href=href data-open="">
                    <strong>{one.service.to_string()}</strong> " " <span class="hash">{one.label.clone()}</span> {arrow("to")}
                    <span class="environment">{one.environment.to_string()}</span>
                </a>
                {review_state(one, now)}
            </p>
            <p>
                {person(&one.glass.by.login)} " " {when(one.glass.opened_at, now)} ": " <q>{one.glass.reason.clone()}</q> " "
                {incident(one)}
            </p>
            {facts(one, now)}
            {form}
        </li>
    }
}

fn review(row: &RegisterRow, visitor: &Visitor) -> impl IntoView + use<> {
    let id = row.entry.glass.id.to_string();
    let form = format!("review-{id}");
    let flash = visitor.flash.as_ref();
    let opened = flash.is_some_and(|flash| flash.form.as_deref() == Some(form.as_str()));
    let typed = flash.and_then(|flash| flash.typed(&form, "text"));
    let chosen = flash
        .and_then(|flash| flash.typed(&form, "judgement"))
        .map(str::to_owned);
    let choices = [Judgement::Justified, Judgement::NotJustified]
        .into_iter()
        .map(|one| {
            let checked = chosen.as_deref() == Some(one.name());
            view! {
                <label class="check">
                    <input type="radio" name="judgement" value=one.name() required=true checked=checked />
                    <span>{one.words()}</span>
                </label>
            }
        })
        .collect_view();
    view! {
        <details class="act" id=form name="act" open=opened>
            <summary class="button">{icon(Icon::Check)} "Review…"</summary>
            <form method="post" action=format!("/break-glass/{id}/review") data-keep="">
                <fieldset class="checks-to-skip">
                    <legend>"Was it justified?"</legend>
                    {choices}
                </fieldset>
                {text_area(
                    format!("text-{id}"),
                    "text",
                    "What did you look at, and what follows?",
                    "Whoever opened it reads this, and so do auditors.",
                    true,
                    typed,
                )}
                <button class="button primary wide">"Record the review"</button>
            </form>
        </details>
    }
}
