//! The frame of every decision about one deployment: lock, decide, save with events, wake the worker.

use super::{
    Services,
    errors::{self, no_deployment},
};
use tidegate_app::portal::PortalError;
use tidegate_domain::{Deployment, Refusal, Timestamp, deployment::Transition, id::DeploymentId};
use tidegate_store::StoreError;

/// How often a decision is taken anew when someone else changed the deployment in between.
const TRIES: usize = 3;

/// Why nothing changed.
pub(crate) enum Stopped {
    /// The domain does not allow it.
    Refused(Refusal),
    Portal(PortalError),
}

impl From<PortalError> for Stopped {
    fn from(error: PortalError) -> Self {
        Self::Portal(error)
    }
}

impl From<Stopped> for PortalError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Refused(refusal) => errors::refusal(refusal),
            Stopped::Portal(error) => error,
        }
    }
}

impl Services {
    pub(crate) async fn load(&self, id: DeploymentId) -> Result<Deployment, PortalError> {
        let found = self.db().deployment(id).await.map_err(errors::portal)?;
        Ok(found.ok_or_else(no_deployment)?.value)
    }

    pub(crate) async fn change(
        &self,
        id: DeploymentId,
        decide: impl Fn(&Deployment, Timestamp) -> Result<Transition, PortalError> + Send + Sync,
    ) -> Result<Deployment, PortalError> {
        Ok(self.try_change(id, decide).await?)
    }

    /// Applies what `decide` says to the deployment as it is under the lock. All or nothing.
    pub(crate) async fn try_change(
        &self,
        id: DeploymentId,
        decide: impl Fn(&Deployment, Timestamp) -> Result<Transition, PortalError> + Send + Sync,
    ) -> Result<Deployment, Stopped> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut tx = self.db().begin().await.map_err(errors::portal)?;
            let found = tx
                .deployment(id)
                .await
                .map_err(errors::portal)?
                .ok_or_else(no_deployment)?;
            let now = tx.now();
            let transition = decide(&found.value, now)?;
            let (next, events) = found.value.apply(transition, now).map_err(Stopped::Refused)?;
            match tx.save_deployment(&next, found.version).await {
                Ok(_) => {}
                Err(StoreError::Conflict(_)) if tries < TRIES => continue,
                Err(error) => return Err(errors::portal(error).into()),
            }
            tx.append_audit(&events).await.map_err(errors::audit)?;
            tx.wake(id).await.map_err(errors::portal)?;
            if next.state.name().is_terminal() {
                tx.wake_lane(&next.service, &next.environment)
                    .await
                    .map_err(errors::portal)?;
            }
            tx.commit().await.map_err(errors::portal)?;
            return Ok(next);
        }
    }
}
