//! What the browser runs: liveness over pages that are complete without it.
//!
//! [`Behaviours`] is the one island. It lies beside the page, never inside `<main>`, and works on what the page marks
//! with data attributes, so that a page whose content was exchanged needs no new hydration.

use leptos::prelude::*;

#[island]
pub fn Behaviours(
    /// Address of the module that exchanges the page's content in place.
    idiomorph: String,
) -> impl IntoView {
    let _ = idiomorph;
    view! { <div class="behaviours"></div> }
}
