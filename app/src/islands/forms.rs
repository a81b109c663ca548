//! Forms: what was typed survives a lost connection and a reload, and nothing is sent twice by a double click (U7).

use super::dom::{after, all, find, on, on_document, path, tell, window};
use leptos::wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, Event, HtmlButtonElement, HtmlDetailsElement, HtmlInputElement, HtmlTextAreaElement, Storage};

/// How long the page says that something was done.
const FLASH_MILLIS: i32 = 8_000;
/// Where the names of drafts are kept that were sent last.
const SENT: &str = "sent";
/// Fields whose text is a person's own.
const TEXTS: &str = "[data-keep] textarea, [data-keep] input[maxlength]";

pub(super) fn start() {
    if let Some(done) = find("[data-flash=done]") {
        forget_sent();
        after(FLASH_MILLIS, move || done.remove());
    }
    restore();
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
            remember_sent(&form);
            // The button's own value is read before this runs.
            after(0, move || disable_buttons(&form));
        }
    });
    if let Some(window) = window() {
        // Back from the next page: the buttons work again.
        on(&window, "pageshow", |_: Event| {
            for button in all::<HtmlButtonElement>("[data-sent]") {
                let _ = button.remove_attribute("data-sent");
                button.set_disabled(false);
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

/// Drafts of a form that is on its way: they are dropped once the server says that it was done.
fn remember_sent(form: &Element) {
    let Some(storage) = storage() else { return };
    let sent: Vec<String> = all::<Element>(TEXTS)
        .iter()
        .filter(|field| form.contains(Some(field)))
        .map(kept)
        .collect();
    let _ = storage.set_item(SENT, &sent.join("\n"));
}

fn forget_sent() {
    let Some(storage) = storage() else { return };
    let sent = storage.get_item(SENT).ok().flatten().unwrap_or_default();
    for draft in sent.lines() {
        let _ = storage.remove_item(draft);
    }
    let _ = storage.remove_item(SENT);
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

fn disable_buttons(form: &Element) {
    for button in all::<HtmlButtonElement>("[data-keep] button:not([disabled])") {
        if form.contains(Some(&button)) {
            let _ = button.set_attribute("data-sent", "");
            button.set_disabled(true);
        }
    }
}
