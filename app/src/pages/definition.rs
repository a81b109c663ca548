//! A health definition, as it was when it judged.

use super::{Live, load, main};
use crate::{health::DefinitionPage, rpc};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

pub(crate) fn page() -> impl IntoView {
    let version = use_params_map().get_untracked().get("version").unwrap_or_default();
    load(rpc::definition(version), show)
}

fn show(page: DefinitionPage) -> AnyView {
    let short: String = page.version.chars().take(12).collect();
    main(
        format!("Health definition {}", page.name),
        Live::Still,
        "page definition",
        Some(page.now),
        view! {
            <div class="page-head">
                <nav class="crumbs" aria-label="Breadcrumb"><a href="/lab">"Lab"</a></nav>
                <h1>{page.name.clone()} " " <code class="hash" title=page.version.clone()>{short.clone()}</code></h1>
                <p class="summary">"A health definition, as it was when it judged. "
                    <a href=format!("/lab?old={short}")>"Compare it with another one"</a>
                </p>
            </div>
            <pre class="command" tabindex="0"><code>{page.text}</code></pre>
        },
    )
}
