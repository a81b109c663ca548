//! Forms: what was typed survives a lost connection and a reload, and nothing is sent twice by a double click (U7).

use super::dom::{after, all, find, on, on_document, path, tell, window};
use leptos::wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, Event, HtmlButtonElement, HtmlDetailsElement, HtmlInputElement, HtmlTextAreaElement, Storage};

/// How long the page says that something was done.
const FLASH_MILLIS: i32 = 8_000;
/// Fields whose text is a person's own.
const TEXTS: &str = "[data-keep] textarea, [data-keep] input[maxlength]";

pub(super) fn start() {
    if let Some(done) = find("[data-flash=done]") {
        if let Some(storage) = storage() {
            for field in all::<Element>(TEXTS) {
                let _ = storage.remove_item(&kept(&field));
            }
        }
        after(FLASH_MILLIS, move || done.remove());
    } else {
        restore();
    }
    on_document("input", |event: Event| {
        let field = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        if let (Some(field), Some(storage)) = (field.filter(|field| field.matches(TEXTS).unwrap_or(false)), storage()) {
            // A full storage keeps the draft on the page only.
            let _ = storage.set_item(&kept(&field), &value(&field));
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

/// The name under which a field's draft is kept.
fn kept(field: &Element) -> String {
    format!("draft {} {}", path(), field.id())
}

fn value(field: &Element) -> String {
    let area = field.dyn_ref::<HtmlTextAreaElement>().map(HtmlTextAreaElement::value);
    let line = || field.dyn_ref::<HtmlInputElement>().map(HtmlInputElement::value);
    area.or_else(line).unwrap_or_default()
}

fn set_value(field: &Element, text: &str) {
    let _ = js_sys::Reflect::set(field, &JsValue::from_str("value"), &JsValue::from_str(text));
}

fn restore() {
    let Some(storage) = storage() else { return };
    for field in all::<Element>(TEXTS) {
        let draft = storage.get_item(&kept(&field)).ok().flatten().unwrap_or_default();
        if !draft.is_empty() && value(&field).is_empty() {
            set_value(&field, &draft);
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
