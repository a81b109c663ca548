//! Who decided, who still must, who cannot — and the actions, always in this place.

use crate::{
    components::{
        field::text_area,
        icon::{Icon, icon},
        label::{person, revision, when},
        sentence::shorten_hashes,
    },
    model::{DeploymentPage, Permission, involved_logins},
    visitor::Visitor,
    words::listed,
};
use leptos::prelude::*;
use tidegate_domain::{
    Approval, State, Timestamp,
    approval::{Involved, RuleStatus},
    name::TeamSlug,
};

pub(super) fn section(page: &DeploymentPage, visitor: &Visitor) -> impl IntoView + use<> {
    view! {
        <section class="answer decision" aria-labelledby="decision">
            <h2 id="decision">{icon(Icon::Person)} "Who decides"</h2>
            {quorum(page)}
            {excluded(page)}
            {void(page)}
            {actions(page, visitor)}
        </section>
    }
}

fn quorum(page: &DeploymentPage) -> AnyView {
    let deployment = &page.deployment;
    if deployment.is_rollback() {
        return view! { <p>"A rollback goes to a release that had been approved: it needs a reason, and no new approval."</p> }.into_any();
    }
    if page.policy.is_automatic() {
        return view! { <p>"The policy asks for no approval here."</p> }.into_any();
    }
    let solo = page.policy.solo.then(|| {
        view! {
            <p class="solo">
                {icon(Icon::Alert)} <strong>"Solo mode."</strong> " Authors may approve their own work here."
            </p>
        }
    });
    let rules = match &page.quorum {
        Some(quorum) => quorum
            .rules
            .iter()
            .map(|rule| places(rule, &deployment.approvals, page.now))
            .collect_view(),
        None => Vec::new(),
    };
    view! {
        {solo}
        <ul class="quorum">{rules}</ul>
    }
    .into_any()
}

/// One rule: a line for each place, filled or open.
fn places(rule: &RuleStatus, approvals: &[Approval], now: Timestamp) -> impl IntoView + use<> {
    let teams: Vec<String> = rule.teams.iter().map(TeamSlug::to_string).collect();
    let filled = rule
        .filled_by
        .iter()
        .map(|who| {
            let given = approvals
                .iter()
                .rev()
                .find(|one| one.person == *who && one.voided.is_none());
            view! {
                <li class="place good">
                    {icon(Icon::Check)}
                    {person(&who.login)}
                    <span class="muted">
                        "approved "
                        {given.map(|one| when(one.at, now))}
                        {given.filter(|one| one.solo).map(|_| " (solo)")}
                    </span>
                    {given.and_then(|one| one.comment.clone()).map(|comment| view! { <q>{comment}</q> })}
                </li>
            }
        })
        .collect_view();
    let open = usize::from(rule.count).saturating_sub(rule.filled_by.len());
    let open = (0..open)
        .map(|_| view! { <li class="place waiting">{icon(Icon::Dot)} <span>"someone of " {listed(&teams, "or")}</span></li> })
        .collect_view();
    view! {
        <li class="rule">
            <p class="rule-head">
                {listed(&teams, "or")}
                <span class="muted">{format!("{} of {}", rule.filled_by.len(), rule.count)}</span>
            </p>
            <ul>{filled} {open}</ul>
        </li>
    }
}

fn excluded(page: &DeploymentPage) -> impl IntoView + use<> {
    let asks = !page.deployment.is_rollback() && !page.policy.is_automatic() && !page.policy.solo;
    let involved = Involved::of(&page.release, page.deployment.requested_by.human().cloned());
    let names = involved_logins(&involved);
    (asks && !names.is_empty() && !page.deployment.state.name().is_terminal()).then(|| {
        view! {
            <p class="hint">
                {listed(&names, "and")}
                " cannot approve: they requested, wrote, pushed or built this."
            </p>
        }
    })
}

/// Approvals that no longer count, with what changed.
fn void(page: &DeploymentPage) -> impl IntoView + use<> {
    let rows = page
        .deployment
        .approvals
        .iter()
        .filter_map(|approval| {
            let voided = approval.voided.as_ref()?;
            Some(view! {
                <li class="place quiet">
                    {icon(Icon::Ban)}
                    {person(&approval.person.login)}
                    <span class="muted">"void since " {when(voided.at, page.now)} ": " {shorten_hashes(&voided.why)}</span>
                </li>
            })
        })
        .collect::<Vec<_>>();
    (!rows.is_empty()).then(|| view! { <ul class="voided" aria-label="Void approvals">{rows}</ul> })
}

fn actions(page: &DeploymentPage, visitor: &Visitor) -> impl IntoView + use<> {
    let state = &page.deployment.state;
    let waiting = matches!(
        state,
        State::Requested { .. } | State::AwaitingApproval { .. } | State::Queued { .. }
    );
    let asks = matches!(state, State::AwaitingApproval { .. });
    let back = matches!(
        state,
        State::Starting { .. } | State::Deploying { .. } | State::Succeeded { .. }
    );
    let production = page.production && asks;
    let approve = asks.then(|| approve(page, visitor));
    let reject = (waiting && !page.policy.is_automatic() && !page.deployment.is_rollback())
        .then(|| with_reason(page, visitor, &REJECT, &page.allowed.reject));
    let cancel = waiting.then(|| with_reason(page, visitor, &CANCEL, &page.allowed.cancel));
    let back = back.then(|| {
        let form = if matches!(state, State::Succeeded { .. }) {
            &GO_BACK
        } else {
            &ROLL_BACK
        };
        with_reason(page, visitor, form, &page.allowed.roll_back)
    });
    let none = !(waiting || back.is_some());
    let offered = [
        ("approve", approve.is_some() && page.allowed.approve.is_yes()),
        (REJECT.path, reject.is_some() && page.allowed.reject.is_yes()),
        (CANCEL.path, cancel.is_some() && page.allowed.cancel.is_yes()),
        (ROLL_BACK.path, back.is_some() && page.allowed.roll_back.is_yes()),
    ];
    let unsent = unsent(visitor, &offered);
    view! {
        <div class="actions" data-actions="" data-production=production.then_some("")>
            {approve}
            <div class="acts">{reject} {cancel} {back}</div>
            {none.then(|| view! { <p class="hint">"It has come to rest: there is nothing left to decide."</p> })}
            {unsent}
        </div>
    }
}

/// What was typed into a form that failed and is not offered any more: nobody loses a text (U7).
fn unsent(visitor: &Visitor, offered: &[(&str, bool)]) -> Option<impl IntoView + use<>> {
    let flash = visitor.flash.as_ref()?;
    let form = flash.form.as_deref().filter(|form| !offered.contains(&(form, true)))?;
    let text = ["reason", "comment"]
        .iter()
        .find_map(|field| flash.typed(form, field))
        .filter(|text| !text.is_empty())?
        .to_owned();
    Some(view! { <p class="hint">"You had written: " <q>{text}</q></p> })
}

fn refused(why: &str) -> impl IntoView + use<> {
    view! { <p class="refused">{icon(Icon::Lock)} <span>{why.to_owned()}</span></p> }
}

fn approve(page: &DeploymentPage, visitor: &Visitor) -> AnyView {
    let Some(seen) = page.deployment.revision().map(tidegate_domain::Revision::hash) else {
        return ().into_any();
    };
    if let Permission::No(why) = &page.allowed.approve {
        return refused(&format!("You cannot approve: {why}.")).into_any();
    }
    let typed = visitor
        .flash
        .as_ref()
        .and_then(|flash| flash.typed("approve", "comment"));
    view! {
        <p class="look-again" data-look-again="" role="alert" hidden>
            {icon(Icon::Alert)} " What you were looking at has changed. "
            <button class="button" type="button">"I have looked again"</button>
        </p>
        <form class="approve" method="post" action=format!("/deployments/{}/approve", page.deployment.id) data-keep="">
            <input type="hidden" name="revision" value=seen.to_string() />
            <button class="button primary wide" data-key="a">
                {icon(Icon::Check)} "Approve" <kbd aria-hidden="true">"a"</kbd>
            </button>
            <details class="comment" id="approve-comment" open=typed.is_some()>
                <summary>"Add a comment"</summary>
                {text_area("approve-text".to_owned(), "comment", "Comment", "", false, typed)}
            </details>
            <p class="hint">"You approve revision " {revision(&seen)} ". If anything in it changes, your approval is void."</p>
        </form>
    }
    .into_any()
}

/// A form that opens, asks for a reason, and acts.
struct Act {
    /// The last part of its address.
    path: &'static str,
    opens: &'static str,
    does: &'static str,
    label: &'static str,
    hint: &'static str,
    cannot: &'static str,
    key: Option<&'static str>,
    icon: Icon,
}

const REJECT: Act = Act {
    path: "reject",
    opens: "Reject…",
    does: "Reject",
    label: "Why is it rejected?",
    hint: "The requester reads this. A rejected deployment is over; a new one can be requested.",
    cannot: "You cannot reject",
    key: Some("x"),
    icon: Icon::Cross,
};
const CANCEL: Act = Act {
    path: "cancel",
    opens: "Cancel…",
    does: "Cancel the deployment",
    label: "Why is it cancelled?",
    hint: "Nothing has been deployed yet, and nothing will be.",
    cannot: "You cannot cancel",
    key: None,
    icon: Icon::Ban,
};
const ROLL_BACK: Act = Act {
    path: "roll-back",
    opens: "Roll back…",
    does: "Stop and roll back",
    label: "Why is it rolled back?",
    hint: "AWS is asked to stop; all traffic returns to the old version within seconds.",
    cannot: "You cannot roll back",
    key: None,
    icon: Icon::Back,
};
const GO_BACK: Act = Act {
    path: "roll-back",
    opens: "Roll back…",
    does: "Go back to the release before",
    label: "Why go back?",
    hint: "A new deployment brings the release before this one; it needs no new approval.",
    cannot: "You cannot roll back",
    key: None,
    icon: Icon::Back,
};

fn with_reason(page: &DeploymentPage, visitor: &Visitor, act: &'static Act, permission: &Permission) -> AnyView {
    if let Permission::No(why) = permission {
        return refused(&format!("{}: {why}.", act.cannot)).into_any();
    }
    let typed = visitor.flash.as_ref().and_then(|flash| flash.typed(act.path, "reason"));
    view! {
        <details class="act" id=act.path name="act" open=typed.is_some()>
            <summary class="button" data-key=act.key>
                {icon(act.icon)} {act.opens} {act.key.map(|key| view! { <kbd aria-hidden="true">{key}</kbd> })}
            </summary>
            <form method="post" action=format!("/deployments/{}/{}", page.deployment.id, act.path) data-keep="">
                {text_area(format!("{}-reason", act.path), "reason", act.label, act.hint, true, typed)}
                <button class="button danger wide">{act.does}</button>
            </form>
        </details>
    }
    .into_any()
}
