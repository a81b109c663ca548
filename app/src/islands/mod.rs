//! What the browser runs: liveness over pages that are complete without it.
//!
//! [`Behaviours`] is the one island. It lies beside the page, never inside `<main>`, and works on what the page marks
//! with data attributes, so that a page whose content was exchanged needs no new hydration.

#[cfg(feature = "hydrate")]
mod dom;
#[cfg(feature = "hydrate")]
mod filter;
#[cfg(feature = "hydrate")]
mod forms;
#[cfg(feature = "hydrate")]
mod keys;
#[cfg(feature = "hydrate")]
mod live;
#[cfg(feature = "hydrate")]
mod times;

use leptos::prelude::*;

const KEYS: [(&str, &str); 8] = [
    ("/", "search or filter"),
    ("j", "next row"),
    ("k", "row before"),
    ("Enter", "open the row"),
    ("a", "to the approve button"),
    ("x", "reject, with a reason"),
    ("Esc", "close what is open"),
    ("?", "this list"),
];

/// Live changes, moments that stay true, keys, drafts and the filter; and the list of keys that `?` shows.
#[island]
pub fn Behaviours(
    /// Address of the module that exchanges the page's content in place.
    idiomorph: String,
) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    {
        times::start();
        forms::start();
        filter::start();
        keys::start();
        live::start(idiomorph);
    }
    #[cfg(not(feature = "hydrate"))]
    drop(idiomorph);
    let rows = KEYS.map(|(key, does)| {
        view! {
            <div>
                <dt><kbd>{key}</kbd></dt>
                <dd>{does}</dd>
            </div>
        }
    });
    view! {
        <dialog id="keys" class="keys" aria-labelledby="keys-title">
            <h2 id="keys-title">"Keys"</h2>
            <dl>{rows}</dl>
            <form method="dialog"><button class="button">"Close"</button></form>
        </dialog>
    }
}
