//! The HTML document around every page.
//!
//! Needs a [`SiteAssets`] and a [`Visitor`] in the context. Scripts carry the response's nonce; there is no inline style.

use crate::{SiteAssets, Visitor, app::App, components::icon, islands, visitor::Theme};
use leptos::{nonce::use_nonce, prelude::*};
use leptos_meta::{MetaTags, provide_meta_context};

/// Loads the islands when the browser is idle; the page is complete without them.
const START: &str = "const go=async()=>{const m=await import(JS);await m.default({module_or_path:WASM});m.hydrate();\
for(const e of document.querySelectorAll('leptos-island'))m[e.dataset.component]?.(e)};\
'requestIdleCallback'in window?requestIdleCallback(go):setTimeout(go)";

/// The addresses of all pages. Call it once before the first page, on the runtime that serves: it also gives Leptos its
/// executor.
pub fn routes() -> Vec<leptos_axum::AxumRouteListing> {
    leptos_axum::generate_route_list(App)
}

pub fn shell() -> impl IntoView {
    document(view! { <App /> }.into_any())
}

/// The document around any content. The content is made here, inside of what it needs.
pub(crate) fn document(content: AnyView) -> impl IntoView {
    provide_meta_context();
    let assets = use_context::<SiteAssets>().unwrap_or_default();
    let visitor = use_context::<Visitor>().unwrap_or_default();
    let theme = (visitor.theme != Theme::System).then(|| visitor.theme.name());
    let start = match (assets.url("tidegate.js"), assets.url("tidegate.wasm")) {
        (Some(js), Some(wasm)) => {
            let script = START
                .replace("JS", &format!("{js:?}"))
                .replace("WASM", &format!("{wasm:?}"));
            Some(view! {
                <link rel="modulepreload" href=js />
                <script type="module" nonce=use_nonce() inner_html=script></script>
            })
        }
        _ => None,
    };
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <link rel="stylesheet" href=assets.url("tidegate.css") />
                <link rel="icon" type="image/svg+xml" href=assets.url("favicon.svg").unwrap_or_else(|| "data:,".to_owned()) />
                {start}
                <MetaTags />
            </head>
            <body>
                {icon::sprite()}
                {content}
                <islands::Behaviours idiomorph=assets.url("idiomorph.js").unwrap_or_default() />
            </body>
        </html>
    }
}
