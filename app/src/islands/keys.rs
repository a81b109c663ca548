//! Keys: `/` search, `j` and `k` move, `a` approve, `x` reject, `?` help (U5). No key decides anything by itself: it
//! leads to the button or the field that does.

use super::dom::{EXCHANGED, all, find_as, on_document, window};
use leptos::wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlDetailsElement, HtmlDialogElement, HtmlElement, HtmlInputElement, KeyboardEvent};

const HERE: &str = "here";

pub(super) fn start() {
    on_document("keydown", |event: KeyboardEvent| {
        if event.ctrl_key() || event.meta_key() || event.alt_key() || event.default_prevented() {
            return;
        }
        let key = event.key();
        if key == "Escape" {
            close();
            return;
        }
        if is_typing(&event) {
            return;
        }
        let done = match key.as_str() {
            "/" => search(),
            "j" => step(true),
            "k" => step(false),
            "a" => approve(),
            "x" => reject(),
            "?" => help(),
            _ => false,
        };
        if done {
            event.prevent_default();
        }
    });
    // The mark of the current row does not survive an exchange; the focus on its link does.
    on_document(EXCHANGED, |_: Event| {
        let focused = all::<Element>("[data-item]")
            .into_iter()
            .find(|item| item.matches(":focus-within").unwrap_or(false));
        if let Some(item) = focused {
            let _ = item.class_list().add_1(HERE);
        }
    });
}

fn is_typing(event: &KeyboardEvent) -> bool {
    event
        .target()
        .and_then(|target| target.dyn_into::<Element>().ok())
        .is_some_and(|element| {
            element
                .matches("input, textarea, select, [contenteditable], dialog *")
                .unwrap_or(false)
        })
}

fn search() -> bool {
    let field = find_as::<HtmlInputElement>("main [data-filter], main [data-search]")
        .or_else(|| find_as::<HtmlInputElement>("[data-search]"));
    field.is_some_and(|field| {
        field.select();
        field.focus().is_ok()
    })
}

/// To the next row that is shown, or to the one before; its link gets the focus.
fn step(forward: bool) -> bool {
    let items: Vec<HtmlElement> = all::<HtmlElement>("[data-item]")
        .into_iter()
        .filter(|item| item.offset_height() > 0)
        .collect();
    let here = items
        .iter()
        .position(|item| item.matches(":focus-within").unwrap_or(false))
        .or_else(|| items.iter().position(|item| item.class_list().contains(HERE)));
    let next = match (here, forward) {
        (None, _) => 0,
        (Some(index), true) => (index + 1).min(items.len().saturating_sub(1)),
        (Some(index), false) => index.saturating_sub(1),
    };
    let Some(item) = items.get(next) else { return false };
    for other in &items {
        let _ = other.class_list().remove_1(HERE);
    }
    let _ = item.class_list().add_1(HERE);
    let link = item.query_selector("[data-open]").ok().flatten();
    if let Some(link) = link.and_then(|link| link.dyn_into::<HtmlElement>().ok()) {
        let _ = link.focus();
    }
    true
}

/// To the approve button; in a list, to the deployment that has it: the one that waits, before the row's own.
fn approve() -> bool {
    if let Some(button) = find_as::<HtmlElement>("button[data-key=a]") {
        return button.focus().is_ok();
    }
    let link = find_as::<HtmlElement>("[data-item].here [data-waits]")
        .or_else(|| find_as::<HtmlElement>("[data-item].here [data-open]"));
    link.is_some_and(|link| {
        link.click();
        true
    })
}

/// Opens the form; in a list, the deployment with its form open.
fn reject() -> bool {
    let Some(details) = find_as::<HtmlDetailsElement>("details:has(> [data-key=x])") else {
        let link = find_as::<HtmlElement>("[data-item].here [data-waits]");
        let address = link.and_then(|link| link.get_attribute("href"));
        return address
            .zip(window())
            .is_some_and(|(address, window)| window.location().assign(&format!("{address}#reject-reason")).is_ok());
    };
    details.set_open(true);
    let field = details.query_selector("textarea").ok().flatten();
    field
        .and_then(|field| field.dyn_into::<HtmlElement>().ok())
        .is_some_and(|field| field.focus().is_ok())
}

fn help() -> bool {
    find_as::<HtmlDialogElement>("#keys").is_some_and(|dialog| dialog.show_modal().is_ok())
}

/// Closes menus and forms that are open, and gives the focus back to what opened them.
fn close() {
    for details in all::<HtmlDetailsElement>("details[open]:is(.act, .account, .comment)") {
        details.set_open(false);
        let summary = details.query_selector("summary").ok().flatten();
        if let Some(summary) = summary.and_then(|summary| summary.dyn_into::<HtmlElement>().ok()) {
            let _ = summary.focus();
        }
    }
}
