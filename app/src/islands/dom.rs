//! Small helpers over the document. Nothing here fails: what is not on the page is not there.

use leptos::wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{Document, Element, Event, EventTarget, Window};

/// Sent to the document after `<main>` was exchanged.
pub(super) const EXCHANGED: &str = "tidegate:exchanged";

pub(super) fn window() -> Option<Window> {
    web_sys::window()
}

pub(super) fn document() -> Option<Document> {
    window()?.document()
}

pub(super) fn find(selector: &str) -> Option<Element> {
    document()?.query_selector(selector).ok().flatten()
}

pub(super) fn find_as<T: JsCast>(selector: &str) -> Option<T> {
    find(selector)?.dyn_into().ok()
}

pub(super) fn all<T: JsCast>(selector: &str) -> Vec<T> {
    let Some(list) = document().and_then(|document| document.query_selector_all(selector).ok()) else {
        return Vec::new();
    };
    (0..list.length())
        .filter_map(|index| list.item(index)?.dyn_into().ok())
        .collect()
}

/// Listens for as long as the page lives.
pub(super) fn on<E: JsCast + 'static>(target: &EventTarget, event: &str, mut act: impl FnMut(E) + 'static) {
    let listener = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
        if let Ok(event) = event.dyn_into() {
            act(event);
        }
    });
    // Only a malformed name fails.
    let _ = target.add_event_listener_with_callback(event, listener.as_ref().unchecked_ref());
    listener.forget();
}

pub(super) fn on_document<E: JsCast + 'static>(event: &str, act: impl FnMut(E) + 'static) {
    if let Some(document) = document() {
        on(&document, event, act);
    }
}

/// Once, after so many milliseconds.
pub(super) fn after(millis: i32, act: impl FnOnce() + 'static) {
    let Some(window) = window() else { return };
    let callback = Closure::once_into_js(act);
    let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(callback.unchecked_ref(), millis);
}

/// Again and again, every so many milliseconds.
pub(super) fn every(millis: i32, act: impl FnMut() + 'static) {
    let Some(window) = window() else { return };
    let callback = Closure::<dyn FnMut()>::new(act).into_js_value();
    let _ = window.set_interval_with_callback_and_timeout_and_arguments_0(callback.unchecked_ref(), millis);
}

pub(super) fn path() -> String {
    window()
        .and_then(|window| window.location().pathname().ok())
        .unwrap_or_default()
}

/// What the header says of the live stream: `live` or `stale`, and in words.
pub(super) fn tell(state: &str, words: &str) {
    let Some(place) = find("#live") else { return };
    if place.get_attribute("data-state").as_deref() != Some(state) || place.text_content().as_deref() != Some(words) {
        let _ = place.set_attribute("data-state", state);
        place.set_text_content(Some(words));
    }
}

pub(super) fn text(value: &JsValue) -> String {
    value.as_string().unwrap_or_default()
}
