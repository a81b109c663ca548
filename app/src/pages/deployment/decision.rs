//! Who decided, who still must, who cannot — and the actions, always in this place.

use super::windows;
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
use tidegate_domain::{Approval, State, Timestamp, approval::RuleStatus, deployment::Authority, name::TeamSlug};

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
    // What has started is told by what let it start, whatever the policy says today.
    match deployment.run().map(|run| &run.authority) {
        Some(Authority::Quorum { approvals }) => {
            return given(
                deployment.approvals.iter().filter(|one| approvals.contains(&one.id)),
                page.now,
            );
        }
        Some(Authority::BreakGlass { by, .. }) => {
            let by = by.login.clone();
            return view! { <p>{person(&by)} " broke the glass: it went without the approvals that the policy asks for."</p> }.into_any();
        }
        Some(Authority::Automatic | Authority::Rollback { .. }) => {
            return view! { <p>"The policy asked for no approval here."</p> }.into_any();
        }
        None => {}
    }
    if deployment.state.name().is_terminal() {
        let standing = deployment.approvals.iter().filter(|one| one.voided.is_none());
        return if standing.clone().next().is_some() {
            given(standing, page.now)
        } else {
            view! { <p class="muted">"Nobody had approved it."</p> }.into_any()
        };
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
    // Before there is a revision to approve, all places are open.
    let rules: Vec<RuleStatus> = match &page.quorum {
        Some(quorum) => quorum.rules.clone(),
        None => page
            .policy
            .approvals
            .iter()
            .map(|rule| RuleStatus {
                teams: rule.teams.clone(),
                count: rule.count,
                filled_by: Vec::new(),
            })
            .collect(),
    };
    let rules = rules
        .iter()
        .map(|rule| places(rule, &deployment.approvals, page.now))
        .collect_view();
    view! {
        {solo}
        <ul class="quorum">{rules}</ul>
    }
    .into_any()
}

/// Approvals that were given and count.
fn given<'a>(approvals: impl Iterator<Item = &'a Approval>, now: Timestamp) -> AnyView {
    let rows = approvals.map(|one| place(one, now).into_any()).collect::<Vec<_>>();
    view! { <ul class="quorum" aria-label="Approvals">{rows}</ul> }.into_any()
}

fn place(one: &Approval, now: Timestamp) -> impl IntoView + use<> {
    view! {
        <li class="place good">
            {icon(Icon::Check)}
            {person(&one.person.login)}
            <span class="muted">"approved " {when(one.at, now)} {one.solo.then_some(" (solo)")}</span>
            {one.comment.clone().map(|comment| view! { <q>{comment}</q> })}
        </li>
    }
}

/// One rule: a line for each place, filled or open.
fn places(rule: &RuleStatus, approvals: &[Approval], now: Timestamp) -> impl IntoView + use<> {
    let teams: Vec<String> = rule.teams.iter().map(TeamSlug::to_string).collect();
    let filled = rule
        .filled_by
        .iter()
        .filter_map(|who| {
            let mut newest = approvals.iter().rev();
            newest.find(|one| one.person == *who && one.voided.is_none())
        })
        .map(|one| place(one, now))
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
    let names = involved_logins(&page.involved);
    (asks && !names.is_empty() && waits(page)).then(|| {
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

/// Nothing of it has started.
fn waits(page: &DeploymentPage) -> bool {
    let name = page.deployment.state.name();
    !name.is_in_flight() && !name.is_terminal()
}

fn actions(page: &DeploymentPage, visitor: &Visitor) -> impl IntoView + use<> {
    let state = &page.deployment.state;
    let waiting = waits(page);
    let asks = matches!(state, State::AwaitingApproval { .. });
    let back = matches!(
        state,
        State::Starting { .. } | State::Deploying { .. } | State::Succeeded { .. }
    );
    let production = page.production && asks;
    let rejects = waiting && !page.policy.is_automatic() && !page.deployment.is_rollback();
    let going_back = if matches!(state, State::Succeeded { .. }) {
        &GO_BACK
    } else {
        &ROLL_BACK
    };
    let held = page.deployment.run().is_some_and(|run| run.hold.is_some()) && state.name().is_in_flight();
    let refused = refusals(&[
        (held, "let it go on", &page.allowed.resume),
        (asks, "approve", &page.allowed.approve),
        (rejects, "reject", &page.allowed.reject),
        (waiting, "cancel", &page.allowed.cancel),
        (back, "roll back", &page.allowed.roll_back),
    ]);
    let approve = (asks && page.allowed.approve.is_yes()).then(|| approve(page, visitor));
    let reject = (rejects && page.allowed.reject.is_yes()).then(|| with_reason(page, visitor, &REJECT));
    let cancel = (waiting && page.allowed.cancel.is_yes()).then(|| with_reason(page, visitor, &CANCEL));
    let resume = (held && page.allowed.resume.is_yes()).then(|| with_reason(page, visitor, &CONTINUE));
    let back = (back && page.allowed.roll_back.is_yes()).then(|| with_reason(page, visitor, going_back));
    let rest = match state {
        State::RollingBack { .. } => Some("It is being rolled back: nothing can be decided until that has ended."),
        state if state.name().is_terminal() && back.is_none() => {
            Some("It has come to rest: there is nothing left to decide.")
        }
        _ => None,
    };
    let glass = !page.shape.checks.is_empty() && page.shape.may_break_glass.is_yes();
    let offered = [
        ("approve", approve.is_some()),
        (REJECT.path, reject.is_some()),
        (CANCEL.path, cancel.is_some()),
        (CONTINUE.path, resume.is_some()),
        (ROLL_BACK.path, back.is_some()),
        ("break-glass", glass),
        ("override-freeze", true),
    ];
    let unsent = unsent(visitor, &offered);
    view! {
        <div class="actions" data-actions="" data-production=production.then_some("")>
            {approve}
            <div class="acts">{reject} {cancel} {resume} {back} {windows::break_glass(page, visitor)}</div>
            {refused}
            {rest.map(|words| view! { <p class="hint">{words}</p> })}
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
    Some(view! { <p class="hint" data-kept="">"You had written: " <q>{text}</q></p> })
}

/// What the viewer may not do, one sentence for each reason.
fn refusals(asked: &[(bool, &str, &Permission)]) -> impl IntoView + use<> {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for (_, verb, permission) in asked.iter().filter(|(due, ..)| *due) {
        let Permission::No(why) = permission else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == why.as_str()) {
            Some((_, verbs)) => verbs.push((*verb).to_owned()),
            None => reasons.push((why, vec![(*verb).to_owned()])),
        }
    }
    reasons
        .into_iter()
        .map(|(why, verbs)| {
            let words = format!("You cannot {}: {why}.", listed(&verbs, "or"));
            view! { <p class="refused">{icon(Icon::Lock)} <span>{words}</span></p> }
        })
        .collect_view()
}

fn approve(page: &DeploymentPage, visitor: &Visitor) -> AnyView {
    let Some(seen) = page.deployment.revision().map(tidegate_domain::Revision::hash) else {
        return ().into_any();
    };
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
    key: Option<&'static str>,
    icon: Icon,
}

const REJECT: Act = Act {
    path: "reject",
    opens: "Reject…",
    does: "Reject",
    label: "Why is it rejected?",
    hint: "The requester reads this. A rejected deployment is over; a new one can be requested.",
    key: Some("x"),
    icon: Icon::Cross,
};
const CANCEL: Act = Act {
    path: "cancel",
    opens: "Cancel…",
    does: "Cancel the deployment",
    label: "Why is it cancelled?",
    hint: "Nothing has been deployed yet, and nothing will be.",
    key: None,
    icon: Icon::Ban,
};
const CONTINUE: Act = Act {
    path: "continue",
    opens: "Continue…",
    does: "Let it go on",
    label: "Why may it go on?",
    hint: "The rule that held it does not hold this deployment again; rules that roll back still do.",
    key: None,
    icon: Icon::Go,
};
const ROLL_BACK: Act = Act {
    path: "roll-back",
    opens: "Roll back…",
    does: "Stop and roll back",
    label: "Why is it rolled back?",
    hint: "AWS is asked to stop; all traffic returns to the old version within seconds.",
    key: None,
    icon: Icon::Back,
};
const GO_BACK: Act = Act {
    path: "roll-back",
    opens: "Roll back…",
    does: "Go back to the release before",
    label: "Why go back?",
    hint: "A new deployment brings the release before this one; it needs no new approval.",
    key: None,
    icon: Icon::Back,
};

fn with_reason(page: &DeploymentPage, visitor: &Visitor, act: &'static Act) -> AnyView {
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
