//! Forgets, now and then, what has expired: sessions, sign-ins, used tokens, deliveries, keys, and pushes and runs that no
//! release was reported of. Every replica does; once more than needed does no harm.

use super::sessions::Sessions;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two rounds.
pub const EVERY: Duration = Duration::from_secs(10 * 60);

/// Until `stop`.
pub async fn keep_house(sessions: Sessions, every: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match sessions.prune().await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "forgot what had expired"),
            Err(error) => tracing::warn!(%error, "what has expired could not be forgotten; it does no harm until then"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(every) => {}
        }
    }
}
