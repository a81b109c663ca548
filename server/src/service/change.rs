//! The frame of every decision about one deployment: wake, lock, decide, save with events.

use super::{
    Services,
    errors::{self, no_deployment},
    tell,
    transaction::{Stopped, again},
};
use tidegate_app::portal::PortalError;
use tidegate_domain::{Deployment, Timestamp, deployment::Transition, id::DeploymentId};

impl Services {
    pub(crate) async fn load(&self, id: DeploymentId) -> Result<Deployment, PortalError> {
        let found = self.db().deployment(id).await.map_err(errors::portal)?;
        Ok(found.ok_or_else(no_deployment)?.value)
    }

    /// `known`: the deployment as it was read, for the place where it is.
    pub(crate) async fn change(
        &self,
        known: &Deployment,
        decide: impl Fn(&Deployment, Timestamp) -> Result<Transition, PortalError> + Send + Sync,
    ) -> Result<Deployment, PortalError> {
        Ok(self.try_change(known, decide).await?)
    }

    /// Applies what `decide` says to the deployment as it is under the lock. All or nothing.
    pub(crate) async fn try_change(
        &self,
        known: &Deployment,
        decide: impl Fn(&Deployment, Timestamp) -> Result<Transition, PortalError> + Send + Sync,
    ) -> Result<Deployment, Stopped> {
        again(|| self.change_once(known, &decide)).await
    }

    /// The whole lane is woken, and first: its turn may have come, and rows of `work` are locked before deployments.
    async fn change_once(
        &self,
        known: &Deployment,
        decide: &(impl Fn(&Deployment, Timestamp) -> Result<Transition, PortalError> + Send + Sync),
    ) -> Result<Deployment, Stopped> {
        let mut tx = self.db().begin().await?;
        tx.wake_lane(&known.service, &known.environment).await?;
        let found = tx.deployment(known.id).await?.ok_or_else(no_deployment)?;
        let now = tx.now();
        let transition = decide(&found.value, now)?;
        let (next, events) = found.value.apply(transition, now).map_err(Stopped::Refused)?;
        let version = tx.save_deployment(&next, found.version).await?;
        tell(&mut tx, Some(&found.value), &next, &events, version).await?;
        self.finish(tx, events, &next.id).await?;
        Ok(next)
    }
}
