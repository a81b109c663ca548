//! One attempt of a deployment's smoke suite: one request, outside of any transaction, recorded when it was judged.
//!
//! A service that hangs holds nothing up (R19): while the request is on its way the deployment is looked at as always, at
//! each change and every [`LOOK_EVERY`]. As soon as anything but this attempt is due, the request is dropped and the
//! attempt is as if it had never been made; the same goes for a lease that was lost and for a process that ends (R16).

use super::{attend::Outcome as Next, lease::Lease, reconcile::Inner};
use std::time::Duration;
use tidegate_adapters::probe::url_safety::Allow;
use tidegate_domain::{
    Deployment, DeploymentId,
    deployment::{Transition, When},
    plan,
    plan::Step,
    smoke::{Answer, Attempt},
};
use tidegate_store::{Change, Conflict, StoreError, Versioned};
use tokio::{sync::broadcast, time::Instant};
use tokio_util::task::AbortOnDropHandle;

/// As often as a deployment is observed otherwise.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What one look may lead to write down, before the attempt is left to a fresh one.
const STEPS_MAX: usize = 10;

impl Inner {
    /// Makes the attempt that is due: the moment, the test's place in the suite, the attempt's number.
    pub(super) async fn probe(
        &self,
        lease: &Lease,
        found: Versioned<Deployment>,
        due: (When, usize, u32),
    ) -> Result<Next, StoreError> {
        let (when, test, number) = due;
        let mut changes = self.db.changes();
        let Some(verify) = found.value.run().and_then(|run| run.verify.clone()) else {
            return Ok(Next::Again);
        };
        let (Some(base), Some(test)) = (
            when.url(&verify).map(str::to_owned),
            verify.suite.tests.get(test).cloned(),
        ) else {
            return Ok(Next::Again);
        };
        let id = found.value.id;
        let began_at = self.db.now().await?;
        tracing::debug!(deployment = %id, test = %test.name, number, when = when.as_str(), "asks the service");
        let mut request = {
            let (prober, test) = (self.prober.clone(), test.clone());
            // What the configuration allows was found valid; if it were not, nothing would be allowed.
            let allow = Allow::parse(&self.catalog.get().smoke_allow).unwrap_or_default();
            // A task of its own: looking at the deployment meanwhile costs the answer no time.
            AbortOnDropHandle::new(tokio::spawn(async move { prober.probe(&base, &test, &allow).await }))
        };
        // What came between the look that led here and the subscription was not told.
        if self
            .db
            .deployment(id)
            .await?
            .is_none_or(|newer| newer.version != found.version)
        {
            return Ok(Next::Again);
        }
        let mut known = found;
        let mut look_at = Instant::now() + LOOK_EVERY;
        loop {
            let answer = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Ok(Next::Pause(began_at)),
                () = lease.lost() => return Err(Conflict::Lease.into()),
                () = changed(&mut changes, &known) => None,
                answer = &mut request => Some(answer),
                () = tokio::time::sleep_until(look_at) => None,
            };
            if let Some(answer) = answer {
                let answer = answer.unwrap_or_else(|error| Answer::Nothing {
                    why: format!("the request broke off: {error}"),
                    after_ms: 0,
                });
                let attempt = Attempt::new(&test, number, began_at, &answer);
                self.record(lease, &known, Transition::RecordAttempt { when, attempt })
                    .await?;
                return Ok(Next::Again);
            }
            look_at = Instant::now() + LOOK_EVERY;
            match Box::pin(self.still_due(lease, &mut changes, id, due)).await? {
                Some(newer) => known = newer,
                None => return Ok(Next::Again),
            }
        }
    }

    /// The deployment as it is now, where this attempt is still the next thing to do. What is only to be written down is.
    async fn still_due(
        &self,
        lease: &Lease,
        changes: &mut broadcast::Receiver<Change>,
        id: DeploymentId,
        (when, test, number): (When, usize, u32),
    ) -> Result<Option<Versioned<Deployment>>, StoreError> {
        let Some(mut found) = self.db.deployment(id).await? else {
            return Ok(None);
        };
        let now = self.db.now().await?;
        let facts = tokio::select! {
            facts = self.observe(&found.value, now) => facts?,
            () = changed(changes, &found) => return Ok(None),
            () = self.shutdown.cancelled() => return Ok(None),
        };
        for _ in 0..STEPS_MAX {
            let now = self.db.now().await?;
            match plan::plan(&found.value, &facts, now) {
                Step::Do(transition) => found = self.record(lease, &found, *transition).await?,
                Step::Probe {
                    when: w,
                    test: t,
                    number: n,
                } if (w, t, n) == (when, test, number) => return Ok(Some(found)),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// Returns when someone else changed it, or may have.
async fn changed(changes: &mut broadcast::Receiver<Change>, known: &Versioned<Deployment>) {
    loop {
        match changes.recv().await {
            Ok(change) if change.deployment == known.value.id && change.version > known.version => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            // No one will ever tell: the timer alone goes on.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
