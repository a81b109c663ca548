//! Who was told what of a deployment, and who could not be.

use crate::{
    components::{
        icon::Icon,
        label::full,
        state::{Meaning, mark},
    },
    model::{Telling, Told},
};
use leptos::prelude::*;

/// Nothing where nobody is to be told.
pub(crate) fn told(told: &[Told]) -> Option<impl IntoView + use<>> {
    if told.is_empty() {
        return None;
    }
    let lines = told.iter().map(line).collect::<Vec<_>>();
    Some(view! {
        <section class="told" aria-labelledby="told">
            <h2 id="told">"Who was told"</h2>
            <ul>{lines}</ul>
        </section>
    })
}

fn line(told: &Told) -> impl IntoView + use<> {
    let state = match told.state {
        Telling::Told(at) => view! { {mark(Meaning::Good, Icon::Check, "told".to_owned())} " " {full(at)} }.into_any(),
        Telling::Waiting(at) if told.attempts == 0 => view! { "to be told at " {full(at)} }.into_any(),
        Telling::Waiting(at) => view! {
            {mark(Meaning::Bad, Icon::Alert, format!("not told yet, {} attempts", told.attempts))} ", again at " {full(at)}
        }
        .into_any(),
        Telling::GivenUp(at) => view! {
            {mark(Meaning::Bad, Icon::Alert, "could not be told".to_owned())} ", given up at " {full(at)}
        }
        .into_any(),
    };
    let why = told
        .why
        .clone()
        .map(|why| view! { <span class="muted">": " {why}</span> });
    let link = told.link.clone().map(|link| view! { " " <a href=link>"open"</a> });
    view! {
        <li>
            <span class="lead">{told.channel.clone()}</span> " " <span class="muted">{told.about.clone()}</span> " " {state} {why} {link}
        </li>
    }
}
