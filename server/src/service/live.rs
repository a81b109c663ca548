//! The live stream: which deployment has which version now. Says what to read again, never what it says.

use futures::{Stream, StreamExt as _};
use tidegate_domain::id::DeploymentId;
use tidegate_store::Db;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveChange {
    Deployment {
        id: DeploymentId,
        version: i64,
    },
    /// Changes were missed: everything shown may be old.
    Missed,
}

#[derive(Clone)]
pub struct Live(Db);

impl Live {
    pub const fn new(db: Db) -> Self {
        Self(db)
    }

    /// Changes from now on, of this and of other replicas.
    pub fn changes(&self) -> impl Stream<Item = LiveChange> + Send + use<> {
        BroadcastStream::new(self.0.changes()).map(|change| match change {
            Ok(change) => LiveChange::Deployment {
                id: change.deployment,
                version: change.version,
            },
            Err(BroadcastStreamRecvError::Lagged(_)) => LiveChange::Missed,
        })
    }
}
