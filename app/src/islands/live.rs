//! Follows the server's stream of changes; when one concerns this page, asks for the page again and exchanges what
//! differs in place, so that focus, scroll position, open parts and typed text stay (U3).

use super::dom::{EXCHANGED, after, document, find, on, on_document, tell, text, window};
use js_sys::Date;
use leptos::{
    task::spawn_local,
    wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen},
};
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Event, EventSource, MessageEvent, RequestCache, RequestInit, Response};

#[wasm_bindgen(module = "/src/islands/exchange.js")]
extern "C" {
    /// Exchanges `<main>` and the title for those of `html`. False when there is nothing to exchange.
    #[wasm_bindgen(catch)]
    async fn exchange(idiomorph: &str, html: &str) -> Result<JsValue, JsValue>;
}

/// The shortest pause between two exchanges.
const PAUSE_MILLIS: i32 = 400;
/// Before connecting anew where the browser gave up, and before asking anew where the page could not be had.
const AGAIN_MILLIS: i32 = 5_000;

#[derive(Default)]
struct Live {
    idiomorph: String,
    busy: bool,
    again: bool,
    stale: bool,
    /// The session has ended: nothing more will come.
    over: bool,
    stream: Option<EventSource>,
}

impl Live {
    /// The page is as the server has it, and stays so while the stream is open.
    fn follows(&mut self) {
        let open = |stream: &EventSource| stream.ready_state() == EventSource::OPEN;
        if !self.over && self.stream.as_ref().is_some_and(open) {
            self.stale = false;
            tell("live", "Live");
        }
    }
}

type Shared = Rc<RefCell<Live>>;

pub(super) fn start(idiomorph: String) {
    let Some(main) = find("main[data-live]") else { return };
    if main.get_attribute("data-live").is_none_or(|concern| concern.is_empty()) {
        return;
    }
    let live = Rc::new(RefCell::new(Live {
        idiomorph,
        ..Live::default()
    }));
    if !hidden() {
        connect(&live);
    }
    // A browser has few connections to one host: a page that nobody looks at leaves its own to the others.
    on_document("visibilitychange", move |_: Event| {
        let stream = live.borrow_mut().stream.take();
        if let Some(stream) = stream {
            stream.close();
        }
        if !hidden() && !live.borrow().over {
            connect(&live);
        }
    });
}

fn hidden() -> bool {
    document().is_some_and(|document| document.hidden())
}

fn connect(live: &Shared) {
    let Ok(source) = EventSource::new("/events") else {
        return;
    };
    live.borrow_mut().stream = Some(source.clone());
    // Whatever changed between the page being made and this moment was told to nobody here.
    let hello = Rc::clone(live);
    on(&source, "hello", move |_: MessageEvent| refresh(&hello));
    let changed = Rc::clone(live);
    on(&source, "deployment", move |event: MessageEvent| {
        if concerns(&text(&event.data())) {
            refresh(&changed);
        }
    });
    for (event, concern) in [("release", "all"), ("audit", "log")] {
        let changed = Rc::clone(live);
        on(&source, event, move |_: MessageEvent| {
            if find(&format!("main[data-live={concern}]")).is_some() {
                refresh(&changed);
            }
        });
    }
    let missed = Rc::clone(live);
    on(&source, "missed", move |_: MessageEvent| refresh(&missed));
    let over = Rc::clone(live);
    on(&source, "signed-out", move |_: MessageEvent| signed_out(&over));
    let failed = Rc::clone(live);
    let stream = source.clone();
    on(&source, "error", move |_: Event| {
        if failed.borrow().over {
            return;
        }
        stale(&failed);
        if stream.ready_state() == EventSource::CLOSED {
            // Refused: the page itself says whether that is for want of a session.
            refresh(&failed);
            let failed = Rc::clone(&failed);
            let given_up = stream.clone();
            after(AGAIN_MILLIS, move || {
                // Unless another one was opened meanwhile, or nobody looks.
                let current = failed.borrow().stream.as_ref() == Some(&given_up);
                if current && !failed.borrow().over && !hidden() {
                    connect(&failed);
                }
            });
        }
    });
}

/// Whether a change, `ID VERSION`, is news to this page.
fn concerns(change: &str) -> bool {
    let Some(main) = find("main[data-live]") else {
        return false;
    };
    let concern = main.get_attribute("data-live").unwrap_or_default();
    let (id, version) = change.split_once(' ').unwrap_or((change, ""));
    let known = main
        .get_attribute("data-version")
        .and_then(|known| known.parse::<i64>().ok());
    let newer = match (known, version.parse::<i64>()) {
        (Some(known), Ok(version)) => version > known,
        _ => true,
    };
    concern == "all" || (concern == id && newer) || related(id)
}

/// Whether the page names that deployment in a link: what it waits behind, what it goes back from.
fn related(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        && find(&format!("main a[href='/deployments/{id}']")).is_some()
}

fn stale(live: &Shared) {
    if !std::mem::replace(&mut live.borrow_mut().stale, true) {
        let time = Date::new_0().to_locale_time_string("default");
        tell("stale", &format!("Stale since {}", text(&time.into())));
    }
}

/// The person signed out elsewhere, or was away for too long. What is typed here stays, but leads nowhere.
fn signed_out(live: &Shared) {
    live.borrow_mut().over = true;
    if let Some(stream) = live.borrow_mut().stream.take() {
        stream.close();
    }
    tell("stale", "Signed out: reload to sign in again");
}

enum Trouble {
    SignedOut,
    Failed,
}

impl From<JsValue> for Trouble {
    fn from(_: JsValue) -> Self {
        Self::Failed
    }
}

/// Asks for the page again; a change that comes meanwhile leads to one more time.
fn refresh(live: &Shared) {
    {
        let mut state = live.borrow_mut();
        if state.over {
            return;
        }
        if state.busy {
            state.again = true;
            return;
        }
        state.busy = true;
    }
    let live = Rc::clone(live);
    spawn_local(async move {
        let idiomorph = live.borrow().idiomorph.clone();
        match fetch_and_exchange(&idiomorph).await {
            Ok(()) => {
                live.borrow_mut().follows();
                if let Some(document) = document()
                    && let Ok(event) = Event::new(EXCHANGED)
                {
                    let _ = document.dispatch_event(&event);
                }
            }
            Err(Trouble::SignedOut) => signed_out(&live),
            Err(Trouble::Failed) => {
                stale(&live);
                let retried = Rc::clone(&live);
                after(AGAIN_MILLIS, move || {
                    let stale = retried.borrow().stale && !retried.borrow().over;
                    if stale && !hidden() {
                        refresh(&retried);
                    }
                });
            }
        }
        after(PAUSE_MILLIS, move || {
            let again = {
                let mut state = live.borrow_mut();
                state.busy = false;
                std::mem::take(&mut state.again)
            };
            if again {
                refresh(&live);
            }
        });
    });
}

async fn fetch_and_exchange(idiomorph: &str) -> Result<(), Trouble> {
    let window = window().ok_or(Trouble::Failed)?;
    let options = RequestInit::new();
    options.set_cache(RequestCache::NoStore);
    let headers = web_sys::Headers::new()?;
    headers.set("accept", "text/html")?;
    headers.set("x-live", "1")?;
    options.set_headers(&headers);
    let address = window.location().href()?;
    let response: Response = JsFuture::from(window.fetch_with_str_and_init(&address, &options))
        .await?
        .dyn_into()?;
    if response.status() == 401 || response.redirected() {
        return Err(Trouble::SignedOut);
    }
    if !response.ok() {
        return Err(Trouble::Failed);
    }
    let html = text(&JsFuture::from(response.text()?).await?);
    match exchange(idiomorph, &html).await?.as_bool() {
        Some(true) => Ok(()),
        _ => Err(Trouble::Failed),
    }
}
