//! What happened, oldest first, in words.

use super::{
    icon::{Icon, icon},
    label::when,
    sentence::{Sentence, sentence},
};
use leptos::prelude::*;
use tidegate_domain::{Actor, EventKind, Timestamp, audit::RecordedEvent};

/// As many steps at the cloud in a row are told as one line that opens.
const FOLDED_FROM: usize = 3;

pub(crate) fn timeline(events: &[RecordedEvent], now: Timestamp) -> impl IntoView + use<> {
    // An intended call is told by how it ended, once that is known.
    let told = |index: &usize| {
        events[*index].event.kind != EventKind::CloudIntended
            || !events[*index..]
                .iter()
                .any(|later| later.event.kind == EventKind::CloudConcluded)
    };
    let told: Vec<&RecordedEvent> = (0..events.len()).filter(told).map(|index| &events[index]).collect();
    let entries = told
        .chunk_by(|one, other| is_step(one) && is_step(other))
        .map(|chunk| match chunk {
            [first, ..] if chunk.len() >= FOLDED_FROM => fold(first.seq, chunk, now).into_any(),
            few => few.iter().map(|one| entry(one, now)).collect_view().into_any(),
        })
        .collect_view();
    view! { <ol class="timeline">{entries}</ol> }
}

/// Tidegate and the cloud among themselves.
fn is_step(recorded: &RecordedEvent) -> bool {
    matches!(
        recorded.event.kind,
        EventKind::CloudIntended | EventKind::CloudConcluded | EventKind::CloudProgressed
    )
}

fn fold(seq: i64, steps: &[&RecordedEvent], now: Timestamp) -> impl IntoView + use<> {
    let count = steps.len();
    let last = steps.last().map(|last| (sentence(&last.event).what, last.at));
    let entries = steps.iter().map(|one| entry(one, now)).collect_view();
    view! {
        <li class="fold">
            <details id=format!("steps-{seq}")>
                <summary class="entry quiet machine">
                    {icon(Icon::Cloud)}
                    <span>{format!("{count} steps at AWS")} {last.as_ref().map(|(what, _)| format!("; the last: {what}"))}</span>
                    <span class="entry-when">{last.map(|(_, at)| when(at, now))}</span>
                </summary>
                <ol class="timeline">{entries}</ol>
            </details>
        </li>
    }
}

fn entry(recorded: &RecordedEvent, now: Timestamp) -> impl IntoView + use<> {
    let Sentence {
        icon: drawing,
        meaning,
        what,
        detail,
    } = sentence(&recorded.event);
    let who = recorded.event.actor.label();
    let machine = matches!(recorded.event.actor, Actor::System { .. });
    let class = format!("entry {}{}", meaning.class(), if machine { " machine" } else { "" });
    view! {
        <li class=class>
            {icon(drawing)}
            <div class="entry-body">
                <p>
                    <strong>{who}</strong> " " {what}
                    {detail.map(|detail| view! { " " <span class="entry-detail">{detail}</span> })}
                </p>
                {recorded.event.text.clone().map(|text| view! { <blockquote>{text}</blockquote> })}
            </div>
            <a class="entry-when" href=format!("/audit?before={}#event-{}", recorded.seq + 1, recorded.seq)>
                {when(recorded.at, now)}
            </a>
        </li>
    }
}
