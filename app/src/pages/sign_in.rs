//! Before anything else: sign in with GitHub.

use super::{Live, main, visitor};
use crate::components::icon::{Icon, icon};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

pub(crate) fn page() -> impl IntoView {
    view()
}

/// The page itself; also shown at any other address to someone who is not signed in, and then leads back there.
pub(crate) fn view() -> AnyView {
    let location = use_location();
    let path = location.pathname.get_untracked();
    let return_to = if path == "/sign-in" {
        // As the server read it: the router would decode it once more.
        visitor().return_to.unwrap_or_else(|| "/".to_owned())
    } else {
        let query = location.search.get_untracked();
        if query.is_empty() {
            path
        } else {
            format!("{path}?{}", query.trim_start_matches('?'))
        }
    };
    let again = visitor().viewer.is_some();
    main(
        "Sign in".to_owned(),
        Live::Still,
        "narrow sign-in",
        None,
        view! {
            <div class="sign-in-card">
                <span class="brand-mark">{icon(Icon::Tide)}</span>
                <h1>"Tidegate"</h1>
                <p class="muted">
                    "Every release checked, approved by someone other than its author, deployed and — when it must be — rolled back."
                </p>
                <form method="get" action="/auth/sign-in">
                    <input type="hidden" name="return_to" value=return_to />
                    <button class="button primary">{if again { "Sign in again with GitHub" } else { "Sign in with GitHub" }}</button>
                </form>
                <p class="hint">
                    "Tidegate reads your login and your teams in the organisation: they decide what you may see and approve. It never asks for access to code."
                </p>
            </div>
        },
    )
}
