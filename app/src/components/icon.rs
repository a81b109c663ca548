//! Icons: our own drawings on a grid of 16, one sprite per page, always beside a word.
//!
//! `icons.svg` is part of this project and under its licence.

use leptos::prelude::*;

const SYMBOLS: &str = include_str!("icons.svg");

macro_rules! icons {
    ($($variant:ident = $id:literal,)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Icon { $($variant,)+ }

        impl Icon {
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            const fn href(self) -> &'static str {
                match self { $(Self::$variant => concat!("#i-", $id),)+ }
            }
        }
    };
}

icons! {
    Tide = "tide",
    Check = "check",
    Cross = "cross",
    Hand = "hand",
    Clock = "clock",
    Dot = "dot",
    Queue = "queue",
    Go = "go",
    Back = "back",
    Alert = "alert",
    Ban = "ban",
    Swap = "swap",
    Search = "search",
    Commit = "commit",
    Package = "box",
    Shield = "shield",
    Person = "person",
    Cloud = "cloud",
    Out = "out",
    Down = "down",
    Right = "right",
    List = "list",
    Lock = "lock",
    Gear = "gear",
}

/// The drawing alone: a word must stand beside it.
pub(crate) fn icon(icon: Icon) -> impl IntoView {
    view! {
        <svg class="icon" aria-hidden="true">
            <use href=icon.href()></use>
        </svg>
    }
}

/// All drawings, once per page.
pub(crate) fn sprite() -> impl IntoView {
    view! { <svg hidden aria-hidden="true" inner_html=SYMBOLS></svg> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_icon_is_drawn() {
        for icon in Icon::ALL {
            let id = format!("id=\"{}\"", &icon.href()[1..]);
            assert!(SYMBOLS.contains(&id), "{id}");
        }
    }
}
