//! The live stream: server-sent events that say which deployment changed, so that an open page asks again (U3).
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
    let events = first
        .chain(changes)
        .take_until(end(state, current.key))
        .map(Ok::<_, Infallible>);
    answer(events)
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
        LiveChange::Missed => Event::default().event("missed").data("1"),
    }
}

/// Comes when the session is over or the server stops.
async fn end(state: HttpState, key: KeyHash) {
    let mut ended = state.sessions.ended();
    loop {
        tokio::select! {
            () = state.stop.cancelled() => return,
            message = ended.recv() => match message {
                Ok(Some(other)) if other != key => continue,
                _ => {}
            },
            () = tokio::time::sleep(CHECK) => {}
        }
        match state.sessions.is_on(&key).await {
            Ok(true) => {}
            Ok(false) => return,
            // The database is away: nothing can be revoked, and nothing changes either.
            Err(error) => tracing::warn!(%error, "a live stream's session could not be looked up"),
        }
    }
}
