//! There is no such page.

use super::{Live, main, set_status};
use crate::components::{empty::empty, icon::Icon};
use leptos::prelude::*;

pub(crate) fn page() -> impl IntoView {
    set_status(404);
    show("There is no such page.".to_owned())
}

pub(crate) fn show(what: String) -> AnyView {
    main(
        "Not found".to_owned(),
        Live::Still,
        "narrow",
        None,
        view! {
            <h1 class="sr">"Not found"</h1>
            {empty(
                Icon::Search,
                what,
                view! { <p>"Start from " <a href="/">"the services"</a> " or look in " <a href="/history">"the history"</a> "."</p> },
            )}
        },
    )
}
