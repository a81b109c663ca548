//! What happened, oldest first, in words.

use super::{
    icon::icon,
    label::when,
    sentence::{Sentence, sentence},
};
use leptos::prelude::*;
use tidegate_domain::{Actor, EventKind, Timestamp, audit::RecordedEvent};

pub(crate) fn timeline(events: &[RecordedEvent], now: Timestamp) -> impl IntoView + use<> {
    // An intended call is told by how it ended, once that is known.
    let told = |index: usize| {
        events[index].event.kind != EventKind::CloudIntended
            || !events[index..]
                .iter()
                .any(|later| later.event.kind == EventKind::CloudConcluded)
    };
    let entries = (0..events.len())
        .filter(|index| told(*index))
        .map(|index| entry(&events[index], now))
        .collect_view();
    view! { <ol class="timeline">{entries}</ol> }
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
            <a class="entry-when" href=format!("/audit?before={}", recorded.seq + 1)>
                {when(recorded.at, now)}
            </a>
        </li>
    }
}
