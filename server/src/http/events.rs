//! The live stream: server-sent events that say what changed, so that an open page asks again (U3).
//!
//! | event | data | when |
//! |---|---|---|
//! | `hello` | `1` | first, and again after each reconnection |
//! | `deployment` | `ID VERSION` | a deployment was saved |
//! | `release` | `ID` | a release was reported, or learned something: gates, commits, its run |
//! | `audit` | `SEQ` | the audit log reaches that number; several at once are one |
//! | `missed` | `1` | changes were missed: everything shown may be old |
//! | `signed-out` | `1` | last, when the session is over |
//!
//! Needs a session, and ends with it: at once where it was ended on this replica, within a minute elsewhere. Being
//! connected is no activity, so an idle person is signed out in spite of it.

use super::{HttpState, session::SignedIn};
use crate::service::{live::LiveChange, sessions::KeyHash};
use axum::{
    extract::State,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt as _, stream};
use http::HeaderValue;
use std::{convert::Infallible, time::Duration};
use tokio::sync::oneshot;

const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How often the session is looked up.
const CHECK: Duration = Duration::from_secs(30);
/// Milliseconds after which a browser connects again.
const RECONNECT: Duration = Duration::from_millis(1_500);

/// `Last-Event-ID` is not needed: the stream says only that something changed, and a page asks for everything it shows
/// when it connects.
pub(crate) async fn stream(State(state): State<HttpState>, SignedIn(current): SignedIn) -> Response {
    let first = stream::once(async { Event::default().event("hello").data("1").retry(RECONNECT) });
    let changes = state.live.changes().map(event);
    let (tell, told) = oneshot::channel();
    let over = async move {
        // Whoever hung up is told nothing.
        let _ = tell.send(end(state, current.key).await);
    };
    let last = stream::once(told).filter_map(async |over| match over {
        Ok(Over::SignedOut) => Some(Event::default().event("signed-out").data("1")),
        _ => None,
    });
    let events = first.chain(changes).take_until(over).chain(last);
    answer(events.map(Ok::<_, Infallible>))
}

fn answer(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    // nginx would hold events back.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn event(change: LiveChange) -> Event {
    match change {
        LiveChange::Deployment { id, version } => Event::default()
            .event("deployment")
            .id(format!("{id}.{version}"))
            .data(format!("{id} {version}")),
        LiveChange::Release(id) => Event::default().event("release").data(id.to_string()),
        LiveChange::Audit(seq) => Event::default().event("audit").data(seq.to_string()),
        LiveChange::Missed => Event::default().event("missed").data("1"),
    }
}

/// Why a stream ends.
enum Over {
    SignedOut,
    Stopped,
}

/// Comes when the session is over or the server stops.
async fn end(state: HttpState, key: KeyHash) -> Over {
    let mut ended = state.sessions.ended();
    let mut check = tokio::time::interval(CHECK);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = state.stop.cancelled() => return Over::Stopped,
            message = ended.recv() => match message {
                Ok(Some(other)) if other != key => continue,
                _ => {}
            },
            _ = check.tick() => {}
        }
        match state.sessions.is_on(&key).await {
            Ok(true) => {}
            Ok(false) => return Over::SignedOut,
            // The database is away: nothing can be revoked, and nothing changes either.
            Err(error) => tracing::warn!(%error, "a live stream's session could not be looked up"),
        }
    }
}
