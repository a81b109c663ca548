//! Freezes, the migration that a release carries, and who broke the glass: what time and shape say of a deployment.

use crate::{
    components::{
        breakglass::{facts, incident},
        field::text_area,
        icon::{Icon, icon},
        label::{person, when},
        state::{Meaning, mark},
    },
    model::{DeploymentPage, Permission},
    shape::DeploymentFreeze,
    visitor::Visitor,
};
use leptos::prelude::*;
use tidegate_domain::{breakglass::Entry, migration::Phase};

/// Lines in the list of checks.
pub(super) fn checks(page: &DeploymentPage) -> impl IntoView + use<> {
    let migration = page.release.migration.as_ref().map(|migration| {
        let words = format!("carries migration {}, phase {}", migration.id, migration.phase);
        let (meaning, drawing) = match migration.phase {
            Phase::Contract => (Meaning::Waiting, Icon::Alert),
            Phase::Expand | Phase::Migrate => (Meaning::Quiet, Icon::Swap),
        };
        view! { <li>{mark(meaning, drawing, words)}</li> }
    });
    let next = page.shape.freezes.iter().find(|it| !it.freeze.active).map(|it| {
        let words = format!(
            "no freeze now; the next begins {} ({})",
            it.freeze.moment, it.freeze.label
        );
        view! { <li>{mark(Meaning::Quiet, Icon::Clock, words)}</li> }
    });
    let back = page.shape.no_way_back.as_ref().map(|why| {
        let words = format!("no plain way back: what ran before cannot simply return, because {why}");
        view! { <li>{mark(Meaning::Waiting, Icon::Alert, words)}</li> }
    });
    view! { {migration} {next} {back} }
}

/// Freezes that hold now, each with the form that lets this one through, for whoever may.
pub(super) fn freezes(page: &DeploymentPage, visitor: &Visitor) -> impl IntoView + use<> {
    let rows = page
        .shape
        .freezes
        .iter()
        .filter(|it| it.freeze.active)
        .map(|it| freeze(page, visitor, it))
        .collect::<Vec<_>>();
    (!rows.is_empty()).then(|| view! { <ul class="blockers" aria-label="Freezes">{rows}</ul> })
}

fn freeze(page: &DeploymentPage, visitor: &Visitor, it: &DeploymentFreeze) -> impl IntoView + use<> {
    let now = page.now;
    let label = it.freeze.label.clone();
    let until = format!("holds until {}", it.freeze.moment);
    let body = match (&it.overridden, &it.may_override) {
        (Some(given), _) => view! {
            <p>
                "Overridden for this deployment by " {person(&given.by.login)} " " {when(given.at, now)} ": "
                <q>{given.reason.clone()}</q>
            </p>
        }
        .into_any(),
        (None, Permission::Yes) => form(page, visitor, &it.freeze.name).into_any(),
        (None, Permission::No(why)) => {
            view! { <p class="hint">{format!("You cannot override it: {why}.")}</p> }.into_any()
        }
    };
    let drawing = if it.overridden.is_some() {
        Icon::Check
    } else {
        Icon::Clock
    };
    view! {
        <li>
            {icon(drawing)}
            <div class="freeze"><p><strong>{label}</strong> " " {until}</p> {body}</div>
        </li>
    }
}

fn form(page: &DeploymentPage, visitor: &Visitor, freeze: &str) -> impl IntoView + use<> {
    let flash = visitor.flash.as_ref();
    let same = flash.and_then(|flash| flash.typed("override-freeze", "freeze")) == Some(freeze);
    let typed = flash
        .filter(|_| same)
        .and_then(|flash| flash.typed("override-freeze", "reason"));
    view! {
        <details class="act" id=format!("override-{freeze}") name="act" open=typed.is_some()>
            <summary class="button">{icon(Icon::Go)} "Override…"</summary>
            <form method="post" action=format!("/deployments/{}/override-freeze", page.deployment.id) data-keep="">
                <input type="hidden" name="freeze" value=freeze.to_owned() />
                {text_area(
                    format!("override-{freeze}-reason"),
                    "reason",
                    "Why can it not wait?",
                    "It goes into the audit log. This deployment alone goes through, this time only.",
                    true,
                    typed,
                )}
                <button class="button danger wide">"Let it through this freeze"</button>
            </form>
        </details>
    }
}

/// The glass that was broken for it: who answers for what.
pub(super) fn glass(page: &DeploymentPage) -> impl IntoView + use<> {
    page.shape.glass.as_ref().map(|entry| panel(entry, page))
}

fn panel(entry: &Entry, page: &DeploymentPage) -> impl IntoView + use<> {
    view! {
        <section class="glass" aria-labelledby="glass">
            <h2 id="glass">{icon(Icon::Alert)} "Break-glass"</h2>
            <p>{person(&entry.glass.by.login)} " broke the glass " {when(entry.glass.opened_at, page.now)} ": " <q>{entry.glass.reason.clone()}</q> " " {incident(entry)}</p>
            {facts(entry, page.now)}
            <p><a href="/break-glass">"The register"</a></p>
        </section>
    }
}

/// The form that breaks the glass, where there is something to skip.
pub(super) fn break_glass(page: &DeploymentPage, visitor: &Visitor) -> Option<AnyView> {
    if page.shape.checks.is_empty() {
        return None;
    }
    let open = page.shape.glass.as_ref().is_some_and(|entry| {
        entry.deployment == page.deployment.id && (entry.glass.used.is_some() || page.now < entry.glass.expires_at)
    });
    if open {
        return None;
    }
    if let Permission::No(why) = &page.shape.may_break_glass {
        let words = format!("You cannot break the glass: {why}.");
        return Some(view! { <p class="refused">{icon(Icon::Lock)} <span>{words}</span></p> }.into_any());
    }
    let flash = visitor.flash.as_ref();
    let typed = |field: &str| flash.and_then(|flash| flash.typed("break-glass", field));
    let opened = flash.is_some_and(|flash| flash.form.as_deref() == Some("break-glass"));
    let boxes = page
        .shape
        .checks
        .iter()
        .map(|row| {
            let name = format!("skip.{}", row.check);
            let checked = typed(&name).is_some();
            let stands = row
                .stands
                .then(|| view! { <span class="muted">" stands in the way"</span> });
            view! {
                <label class="check">
                    <input type="checkbox" name=name value="on" checked=checked />
                    <span>{row.check.words()} {stands}</span>
                </label>
            }
        })
        .collect_view();
    let link = typed("incident").unwrap_or_default().to_owned();
    Some(
        view! {
            <details class="act" id="break-glass" name="act" open=opened>
                <summary class="button">{icon(Icon::Alert)} "Break the glass…"</summary>
                <form method="post" action=format!("/deployments/{}/break-glass", page.deployment.id) data-keep="">
                    <p class="hint">"For an incident. It skips what you tick and nothing else, once, for an hour; someone else reviews it within a day."</p>
                    <fieldset class="checks-to-skip">
                        <legend>"Skip"</legend>
                        {boxes}
                    </fieldset>
                    {text_area("break-glass-reason".to_owned(), "reason", "What happened?", "", true, typed("reason"))}
                    <div class="field">
                        <label for="break-glass-incident">"Link to the incident"</label>
                        <input id="break-glass-incident" name="incident" type="url" required=true maxlength="2000" placeholder="https://" value=link />
                    </div>
                    <button class="button danger wide">"Break the glass"</button>
                </form>
            </details>
        }
        .into_any(),
    )
}
