//! The live stream: what may be worth reading again. Says which, never what it says now.

use futures::{Stream, StreamExt as _, stream};
use tidegate_domain::id::{DeploymentId, ReleaseId};
use tidegate_store::{Db, News};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

/// Changes looked at together when they come at once.
const AT_ONCE: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveChange {
    Deployment {
        id: DeploymentId,
        version: i64,
    },
    /// A release was reported, or learned something.
    Release(ReleaseId),
    /// The audit log reaches this number.
    Audit(i64),
    /// Changes were missed: everything shown may be old.
    Missed,
}

#[derive(Clone)]
pub struct Live(Db);

impl Live {
    pub const fn new(db: Db) -> Self {
        Self(db)
    }

    /// Changes from now on, of this and of other replicas. Of several at once, the same release is told once and the
    /// audit log's last number only.
    pub fn changes(&self) -> impl Stream<Item = LiveChange> + Send + use<> {
        BroadcastStream::new(self.0.news())
            .map(change)
            .ready_chunks(AT_ONCE)
            .flat_map(|changes| stream::iter(coalesced(changes)))
    }
}

fn change(news: Result<News, BroadcastStreamRecvError>) -> LiveChange {
    match news {
        Ok(News::Deployment(change)) => LiveChange::Deployment {
            id: change.deployment,
            version: change.version,
        },
        Ok(News::Release(id)) => LiveChange::Release(id),
        Ok(News::Audit(seq)) => LiveChange::Audit(seq),
        Ok(News::Missed) | Err(BroadcastStreamRecvError::Lagged(_)) => LiveChange::Missed,
    }
}

fn coalesced(changes: Vec<LiveChange>) -> Vec<LiveChange> {
    let mut kept: Vec<LiveChange> = Vec::with_capacity(changes.len());
    for change in changes {
        match change {
            LiveChange::Audit(_) => kept.retain(|other| !matches!(other, LiveChange::Audit(_))),
            LiveChange::Release(_) | LiveChange::Missed => kept.retain(|other| *other != change),
            LiveChange::Deployment { .. } => {}
        }
        kept.push(change);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u03_of_many_events_at_once_only_the_last_number_is_told() {
        let release = LiveChange::Release(ReleaseId::from_uuid(uuid::Uuid::nil()));
        let changes = vec![
            LiveChange::Audit(1),
            release,
            LiveChange::Audit(2),
            release,
            LiveChange::Audit(3),
        ];
        assert_eq!(coalesced(changes), [release, LiveChange::Audit(3)]);
    }
}
