//! What the browser loads: the islands of the app, and nothing else.
//!
//! The page is complete without this module. Leptos's script imports it when the browser is idle, calls `hydrate`,
//! and then the export of each island that the page holds.
#![cfg(target_arch = "wasm32")]

// The islands are exports of `tidegate_app`: naming the crate keeps the linker from dropping them.
use tidegate_app as _;
use wasm_bindgen::prelude::wasm_bindgen;

/// Called once by the page's script before any island.
#[wasm_bindgen]
pub fn hydrate() {
    #[cfg(debug_assertions)]
    std::panic::set_hook(Box::new(|panic| leptos::logging::error!("{panic}")));
    leptos::mount::hydrate_islands();
}
