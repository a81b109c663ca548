//! A break-glass: what it skips, until when, whether it was used, and who reviewed it.

use super::{
    icon::Icon,
    label::{outside, person, when},
    state::{Meaning, mark},
};
use crate::words::listed;
use leptos::prelude::*;
use tidegate_domain::{
    Timestamp,
    breakglass::{Check, Entry, Judgement},
};

/// Checks in words: `the approvals and gate lint`.
pub(crate) fn checks(checks: &[Check]) -> String {
    listed(&checks.iter().map(Check::words).collect::<Vec<_>>(), "and")
}

/// The link that whoever opened it gave.
pub(crate) fn incident(entry: &Entry) -> AnyView {
    outside(&entry.glass.incident, "the incident")
}

/// Where its review stands.
pub(crate) fn review_state(entry: &Entry, now: Timestamp) -> AnyView {
    match &entry.review {
        Some(review) => {
            let (meaning, drawing) = match review.judgement {
                Judgement::Justified => (Meaning::Good, Icon::Check),
                Judgement::NotJustified => (Meaning::Bad, Icon::Cross),
            };
            mark(meaning, drawing, review.judgement.words()).into_any()
        }
        None if entry.overdue(now) => mark(Meaning::Bad, Icon::Alert, "review overdue").into_any(),
        None => mark(Meaning::Waiting, Icon::Clock, "review due").into_any(),
    }
}

/// What it skips and what became of it.
pub(crate) fn facts(entry: &Entry, now: Timestamp) -> impl IntoView + use<> {
    let glass = &entry.glass;
    let used = match &glass.used {
        Some(used) => {
            let skipped = checks(&used.skipped);
            view! { "used " {when(used.at, now)} ": " {skipped} " stood in the way" }.into_any()
        }
        None if now < glass.expires_at => {
            view! { "not used yet; it runs out " {when(glass.expires_at, now)} }.into_any()
        }
        None => view! { "never used; it ran out " {when(glass.expires_at, now)} }.into_any(),
    };
    let review = match &entry.review {
        Some(review) => {
            let text = review.text.clone();
            view! {
                {review_state(entry, now)} " " {person(&review.by.login)} " " {when(review.at, now)} ": " <q>{text}</q>
            }
            .into_any()
        }
        None => view! { {review_state(entry, now)} " " {when(glass.review_due(), now)} ", by someone else" }.into_any(),
    };
    view! {
        <dl class="pairs">
            <dt>"Skips"</dt>
            <dd>{checks(&glass.skips)}</dd>
            <dt>"Used"</dt>
            <dd>{used}</dd>
            <dt>"Review"</dt>
            <dd>{review}</dd>
        </dl>
    }
}
