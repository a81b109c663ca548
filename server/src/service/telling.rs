//! What people are told of a change, kept in the change's own transaction. Everyone who saves a deployment comes by here:
//! the use cases and the worker.

use tidegate_domain::{AuditEvent, Deployment, notice};
use tidegate_store::{StoreError, Tx};

/// Puts the notices of a change into the outbox. After the deployment is saved, as `version`, and before its events.
///
/// # Errors
/// When the database fails; then nothing of this transaction may be kept.
pub(crate) async fn tell(
    tx: &mut Tx,
    before: Option<&Deployment>,
    after: &Deployment,
    events: &[AuditEvent],
    version: i64,
) -> Result<(), StoreError> {
    let notices = notice::notices(before, after, events, version, tx.now());
    tx.post(&notices).await
}
