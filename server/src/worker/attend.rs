//! One deployment, from the claim to the next pause: observe, plan, apply, record.

use super::{lease::Lease, millis, reconcile::Inner};
use std::time::Duration;
use tidegate_domain::{Deployment, Timestamp, plan, plan::Step};
use tidegate_store::{Conflict, StoreError, Versioned};

/// Steps in one go, after which a deployment that never comes to a pause is left alone for a moment.
const STEPS_MAX: usize = 100;
/// How long a deployment is left alone that others got in the way of.
const AFTER_CONFLICT_MILLIS: i64 = 500;
const AFTER_TROUBLE_MILLIS: i64 = 5_000;

/// What became of a step.
pub(super) enum Outcome {
    /// Look again at once.
    Again,
    /// Leave it alone until then.
    Pause(Timestamp),
    /// Nothing left to do.
    Rest,
}

impl Inner {
    /// Steps until there is nothing to do, then hands the claim back with the moment of the next look.
    pub(super) async fn attend(&self, lease: &Lease) {
        match self.attend_until_pause(lease).await {
            Ok(next_at) => {
                if let Err(error) = self.db.release_claim(&lease.claim, next_at).await {
                    tracing::warn!(%error, deployment = %lease.claim.deployment, "a claim could not be handed back; it runs out by itself");
                }
            }
            Err(StoreError::Conflict(Conflict::Lease)) => {
                tracing::info!(deployment = %lease.claim.deployment, "left to whoever holds its lease now");
            }
            Err(error) => {
                // Nothing is certain without the database: the lease runs out, and whoever claims next reads anew.
                tracing::warn!(%error, deployment = %lease.claim.deployment, "the database failed while it was attended");
                if !error.is_unavailable() {
                    self.leave_alone(lease).await;
                }
            }
        }
    }

    async fn leave_alone(&self, lease: &Lease) {
        if let Ok(now) = self.db.now().await {
            let released = self
                .db
                .release_claim(&lease.claim, now.plus_millis(AFTER_TROUBLE_MILLIS))
                .await;
            if let Err(error) = released {
                tracing::warn!(%error, deployment = %lease.claim.deployment, "a claim could not be handed back");
            }
        }
    }

    async fn attend_until_pause(&self, lease: &Lease) -> Result<Timestamp, StoreError> {
        for _ in 0..STEPS_MAX {
            let now = self.db.now().await?;
            if self.shutdown.is_cancelled() {
                return Ok(now);
            }
            if !lease.is_held() {
                return Err(Conflict::Lease.into());
            }
            let Some(found) = self.db.deployment(lease.claim.deployment).await? else {
                return Ok(now);
            };
            match Box::pin(self.step(lease, found, now)).await {
                Ok(Outcome::Again) => {}
                Ok(Outcome::Pause(until)) => return Ok(self.pause(now, until)),
                Ok(Outcome::Rest) => return Ok(now),
                // A person was faster: what they did is read next.
                Err(StoreError::Conflict(Conflict::Version | Conflict::Busy)) => {}
                Err(StoreError::Conflict(Conflict::Lane | Conflict::Exists)) => {
                    return Ok(now.plus_millis(AFTER_CONFLICT_MILLIS));
                }
                Err(error) => return Err(error),
            }
        }
        tracing::warn!(deployment = %lease.claim.deployment, steps = STEPS_MAX, "a deployment does not come to a pause");
        Ok(self.db.now().await?.plus_millis(AFTER_TROUBLE_MILLIS))
    }

    /// One step, whatever it is.
    async fn step(&self, lease: &Lease, found: Versioned<Deployment>, now: Timestamp) -> Result<Outcome, StoreError> {
        let deployment = &found.value;
        if deployment.state.name().is_terminal() {
            return Ok(Outcome::Rest);
        }
        let facts = tokio::select! {
            facts = self.observe(deployment, now) => facts?,
            // Reading is given up at once; nothing was done.
            () = self.shutdown.cancelled() => return Ok(Outcome::Pause(now)),
        };
        // Observing takes time: what is decided is decided now.
        let now = self.db.now().await?;
        match plan(deployment, &facts, now) {
            Step::Rest => Ok(Outcome::Rest),
            Step::Wait { until, why } => {
                tracing::debug!(deployment = %deployment.id, state = deployment.state.name().as_str(), why, "waits");
                Ok(Outcome::Pause(until))
            }
            Step::Do(transition) => {
                self.record(lease, &found, *transition).await?;
                Ok(Outcome::Again)
            }
            Step::Call(kind) => self.call(lease, &found, kind).await,
            Step::Probe { when, test, number } => Box::pin(self.probe(lease, found, (when, test, number))).await,
        }
    }

    /// When to look again: as the plan says, but not in the very next moment and not too late.
    fn pause(&self, now: Timestamp, until: Timestamp) -> Timestamp {
        if self.shutdown.is_cancelled() {
            return now;
        }
        let longest = now.plus_millis(millis(self.options.longest_pause));
        until
            .min(longest)
            .max(now.plus_millis(millis(Duration::from_millis(50))))
    }
}
