//! Narrows the matrix while typing. The server does the same for the address that the form leads to (U2).

use super::dom::{EXCHANGED, all, find, find_as, on_document, window};
use leptos::wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, HtmlElement, HtmlInputElement};

pub(super) fn start() {
    on_document("input", |event: Event| {
        let field = event
            .target()
            .and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
        if let Some(field) = field.filter(|field| field.has_attribute("data-filter")) {
            narrow(&field);
            remember(&field.value());
        }
    });
    on_document(EXCHANGED, |_: Event| {
        if let Some(field) = find_as::<HtmlInputElement>("[data-filter]") {
            narrow(&field);
        }
    });
}

fn narrow(field: &HtmlInputElement) {
    let wanted = field.value().trim().to_lowercase();
    // The address may narrow it further, as the server did when it made the page.
    let attention = find("[data-attention]").is_some();
    let mut shown = 0_usize;
    for row in all::<HtmlElement>("[data-name]") {
        let fits = row
            .get_attribute("data-name")
            .is_some_and(|name| name.contains(&wanted))
            && (!attention || row.has_attribute("data-asks"));
        row.set_hidden(!fits);
        shown += usize::from(fits);
    }
    if let Some(none) = find("[data-none]").and_then(|none| none.dyn_into::<HtmlElement>().ok()) {
        none.set_hidden(shown > 0);
    }
}

/// Keeps the filter in the address, so that it can be shared and comes back.
fn remember(wanted: &str) {
    let Some(window) = window() else { return };
    let (Ok(address), Ok(history)) = (window.location().href(), window.history()) else {
        return;
    };
    let Ok(address) = web_sys::Url::new(&address) else {
        return;
    };
    if wanted.is_empty() {
        address.search_params().delete("q");
    } else {
        address.search_params().set("q", wanted);
    }
    let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&address.href()));
    for link in all::<HtmlElement>("[data-keeps-filter]") {
        let Ok(to) = web_sys::Url::new_with_base(&link.get_attribute("href").unwrap_or_default(), &address.href())
        else {
            continue;
        };
        if wanted.is_empty() {
            to.search_params().delete("q");
        } else {
            to.search_params().set("q", wanted);
        }
        let _ = link.set_attribute("href", &format!("{}{}", to.pathname(), to.search()));
    }
}
