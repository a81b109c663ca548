//! What state something is in: always an icon and a word, the colour only repeats them.

use super::icon::{Icon, icon};
use leptos::prelude::*;
use tidegate_domain::StateName;

/// What a colour means. There are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// As it should be.
    Good,
    /// Someone has to do something.
    Waiting,
    /// Something is going on.
    Moving,
    /// It went wrong.
    Bad,
    /// Over, or of no weight.
    Quiet,
}

impl Meaning {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Waiting => "waiting",
            Self::Moving => "moving",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }
}

pub(crate) const fn meaning(state: StateName) -> Meaning {
    match state {
        StateName::Succeeded => Meaning::Good,
        StateName::Requested | StateName::Queued => Meaning::Quiet,
        StateName::AwaitingApproval => Meaning::Waiting,
        StateName::Starting | StateName::Deploying | StateName::RollingBack => Meaning::Moving,
        StateName::RolledBack | StateName::Failed | StateName::Rejected => Meaning::Bad,
        StateName::Cancelled | StateName::Expired | StateName::Superseded => Meaning::Quiet,
    }
}

const fn drawing(state: StateName) -> Icon {
    match state {
        StateName::Requested => Icon::Dot,
        StateName::AwaitingApproval => Icon::Hand,
        StateName::Queued => Icon::Queue,
        StateName::Starting | StateName::Deploying => Icon::Go,
        StateName::RollingBack | StateName::RolledBack => Icon::Back,
        StateName::Succeeded => Icon::Check,
        StateName::Failed => Icon::Alert,
        StateName::Rejected => Icon::Cross,
        StateName::Cancelled => Icon::Ban,
        StateName::Expired => Icon::Clock,
        StateName::Superseded => Icon::Swap,
    }
}

/// Icon and word, in the running text.
pub(crate) fn state(name: StateName) -> impl IntoView {
    mark(meaning(name), drawing(name), name.words())
}

/// The same in a frame, for a heading.
pub(crate) fn badge(name: StateName) -> impl IntoView {
    view! { <span class=format!("badge {}", meaning(name).class())>{icon(drawing(name))} {name.words()}</span> }
}

/// Any icon with its word and colour.
pub(crate) fn mark(meaning: Meaning, drawing: Icon, word: impl Into<String>) -> impl IntoView {
    view! {
        <span class=format!("mark {}", meaning.class())>
            {icon(drawing)} <span>{word.into()}</span>
        </span>
    }
}
