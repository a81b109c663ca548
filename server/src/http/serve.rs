//! The listener: HTTP/1.1 with limits on how slow a client may be, and an orderly end.
//!
//! axum's own `serve` sets no time limit on a request's head, so that a client which sends a byte now and then could hold
//! a connection forever (R34).

use super::HttpState;
use axum::{Extension, Router, body::Body, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, net::SocketAddr, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a request's head; a connection that is kept alive and says nothing ends after it, too.
    pub head: Duration,
    /// For answers that are under way when the server stops.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(15),
            drain: Duration::from_secs(10),
        }
    }
}

/// After a failure to accept, such as no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `state.stop` is cancelled, then finishes what is under way within the drain time.
///
/// # Errors
/// Never so far; a listener that fails once is tried again.
pub async fn serve(listener: TcpListener, state: HttpState, timeouts: Timeouts) -> io::Result<()> {
    let stop = state.stop.clone();
    let router = super::router(state);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(connection(stream, peer, router.clone(), timeouts, stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(timeouts.drain, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "stopped with connections still open");
    }
    Ok(())
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, timeouts: Timeouts, stop: CancellationToken) {
    // Small answers must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = router
        .layer(Extension(ConnectInfo(peer)))
        .into_service::<Body>()
        .map_request(|request: http::Request<Incoming>| request.map(Body::new));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.head)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}
