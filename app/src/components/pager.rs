//! From one page of a list to the next.

use super::icon::{Icon, icon};
use leptos::prelude::*;

/// Nothing where there is but one page.
pub(crate) fn pager(newest: Option<String>, older: Option<String>) -> impl IntoView {
    (newest.is_some() || older.is_some()).then(|| {
        view! {
            <nav class="pager" aria-label="Pages">
                {newest.map(|href| view! { <a class="button" href=href>"Newest"</a> })}
                {older.map(|href| view! { <a class="button" href=href rel="next">"Older" {icon(Icon::Right)}</a> })}
            </nav>
        }
    })
}
