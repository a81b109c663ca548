//! Keeps relative times true, and names each moment in the viewer's zone as well as in UTC (U4).

use super::dom::{EXCHANGED, all, every, find, on_document, text, window};
use crate::words::relative;
use js_sys::{Date, Object, Reflect};
use leptos::wasm_bindgen::JsValue;
use tidegate_domain::Timestamp;
use web_sys::{Element, Event};

const EVERY_MILLIS: i32 = 10_000;

pub(super) fn start() {
    let skew = skew();
    show(skew);
    every(EVERY_MILLIS, move || show(skew));
    on_document(EXCHANGED, move |_: Event| show(skew));
}

/// How far the server's clock is ahead, in milliseconds: the page says at what moment it was made.
fn skew() -> f64 {
    let made = find("main").and_then(|main| main.get_attribute("data-now")?.parse::<f64>().ok());
    made.map_or(0.0, |made| made - Date::now())
}

fn show(skew: f64) {
    let now = millis(Date::now() + skew);
    let language = window()
        .and_then(|window| window.navigator().language())
        .unwrap_or_else(|| "en".to_owned());
    let [long, short] = ["long", "short"].map(|style| {
        let options = Object::new();
        let _ = Reflect::set(&options, &"dateStyle".into(), &"medium".into());
        let _ = Reflect::set(&options, &"timeStyle".into(), &style.into());
        options
    });
    for time in all::<Element>("time[datetime]") {
        let Some(at) = time
            .get_attribute("datetime")
            .map(|text| Date::parse(&text))
            .filter(|at| at.is_finite())
        else {
            continue;
        };
        let local = |options: &Object| {
            let words = Date::new(&JsValue::from_f64(at)).to_locale_string(&language, options);
            text(&words.into())
        };
        // A moment that is shown in full is shown in the viewer's zone.
        let words = if time.has_attribute("data-full") {
            local(&short)
        } else {
            relative(millis(at), now)
        };
        if time.text_content().as_deref() != Some(&words) {
            time.set_text_content(Some(&words));
        }
        if time.get_attribute("data-zone").is_none() {
            let utc = time.get_attribute("title").unwrap_or_default();
            let _ = time.set_attribute("title", &format!("{} · {utc}", local(&long)));
            let _ = time.set_attribute("data-zone", "");
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 fit in 53 bits for 285,000 years"
)]
fn millis(value: f64) -> Timestamp {
    Timestamp::from_millis(value as i64)
}
