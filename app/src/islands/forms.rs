//! Forms: what was typed survives a lost connection and a reload, and nothing is sent twice by a double click (U7).

use super::dom::{after, all, find, on, on_document, path, tell, window};
use leptos::wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlButtonElement, HtmlDetailsElement, HtmlTextAreaElement, Storage};

pub(super) fn start() {
    let kept = |field: &HtmlTextAreaElement| format!("draft {} {}", path(), field.id());
    if find("[data-flash=done]").is_some() {
        if let Some(storage) = storage() {
            for field in all::<HtmlTextAreaElement>("[data-keep] textarea") {
                let _ = storage.remove_item(&kept(&field));
            }
        }
    } else {
        restore(&kept);
    }
    on_document("input", move |event: Event| {
        let field = event
            .target()
            .and_then(|target| target.dyn_into::<HtmlTextAreaElement>().ok());
        if let (Some(field), Some(storage)) = (field, storage()) {
            // A full storage keeps the draft on the page only.
            let _ = storage.set_item(&kept(&field), &field.value());
        }
    });
    on_document("submit", |event: Event| {
        let online = window().is_none_or(|window| window.navigator().on_line());
        if !online {
            event.prevent_default();
            tell("stale", "No connection: nothing was sent, what you typed is kept");
            return;
        }
        let Some(form) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else {
            return;
        };
        if form.has_attribute("data-keep") {
            // The button's own value is read before this runs.
            after(0, move || disable_buttons(&form, true));
        }
    });
    if let Some(window) = window() {
        // Back from the next page: the buttons work again.
        on(&window, "pageshow", |_: Event| {
            for form in all::<Element>("[data-keep]") {
                disable_buttons(&form, false);
            }
        });
    }
}

fn storage() -> Option<Storage> {
    window()?.session_storage().ok().flatten()
}

fn restore(kept: &impl Fn(&HtmlTextAreaElement) -> String) {
    let Some(storage) = storage() else { return };
    for field in all::<HtmlTextAreaElement>("[data-keep] textarea") {
        let draft = storage.get_item(&kept(&field)).ok().flatten().unwrap_or_default();
        if !draft.is_empty() && field.value().is_empty() {
            field.set_value(&draft);
            let details = field.closest("details").ok().flatten();
            if let Some(details) = details.and_then(|details| details.dyn_into::<HtmlDetailsElement>().ok()) {
                details.set_open(true);
            }
        }
    }
}

fn disable_buttons(form: &Element, disabled: bool) {
    let Ok(buttons) = form.query_selector_all("button") else {
        return;
    };
    for index in 0..buttons.length() {
        if let Some(Ok(button)) = buttons.item(index).map(|node| node.dyn_into::<HtmlButtonElement>()) {
            button.set_disabled(disabled);
        }
    }
}
