//! A mutating call at the cloud: intent first, one attempt, outcome after.

use super::{attend::Outcome as Next, budget::backoff, lease::Lease, millis, reconcile::Inner};
use std::time::Duration;
use tidegate_adapters::{CallError, Order};
use tidegate_domain::{
    Deployment,
    deployment::{CallKind, Outcome, Run, Transition},
    plan::Found,
};
use tidegate_store::{Conflict, StoreError, Versioned};
use tokio::time::Instant;

/// What must be left of the lease beyond the call's own deadline.
const MARGIN: Duration = Duration::from_secs(1);
/// Below this no call is worth beginning.
const SHORTEST_CALL: Duration = Duration::from_secs(1);
/// Reads that come before a call, for the budget.
const READS_BEFORE: f64 = 2.0;
/// How soon to look for the effect of a call that gave no clear answer.
const LOOK_FOR_IT_MILLIS: i64 = 1_000;

impl Inner {
    /// Makes the call that is due. Without enough of the lease left nothing is intended and nothing called.
    pub(super) async fn call(
        &self,
        lease: &Lease,
        found: &Versioned<Deployment>,
        kind: CallKind,
    ) -> Result<Next, StoreError> {
        let Some(order) = self.order(&found.value).await? else {
            return Ok(Next::Pause(
                self.db.now().await?.plus_millis(millis(self.options.longest_pause)),
            ));
        };
        if self.time_for_a_call(lease).is_none() {
            return Err(Conflict::Lease.into());
        }
        let intended = self
            .record(
                lease,
                found,
                Transition::Intend {
                    kind,
                    epoch: lease.claim.epoch,
                },
            )
            .await?;
        // The commit may have taken long: only what is left of the lease now counts.
        let Some(by) = self.time_for_a_call(lease) else {
            return Err(Conflict::Lease.into());
        };
        let Some(run) = intended.value.run() else {
            return Ok(Next::Again);
        };
        tracing::info!(deployment = %intended.value.id, operation = %run.operation, call = kind.name(), "calls the cloud");
        let making = self.make(kind, &order, run, by);
        let answer = match tokio::time::timeout_at(by, making).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unknown("no answer in time".to_owned())),
        };
        match answer {
            Err(CallError::Unknown(why)) => {
                tracing::warn!(deployment = %intended.value.id, call = kind.name(), why, "a call gave no clear answer; its effect will be looked for");
                Ok(Next::Pause(self.db.now().await?.plus_millis(LOOK_FOR_IT_MILLIS)))
            }
            answer => {
                self.conclude(lease, &intended, answer).await?;
                Ok(Next::Again)
            }
        }
    }

    /// When a call that begins now must be over. A process that is paused meanwhile sends nothing after it (R12).
    fn time_for_a_call(&self, lease: &Lease) -> Option<Instant> {
        let now = Instant::now();
        let time = lease.left().checked_sub(MARGIN)?.min(self.options.call_deadline);
        (time >= SHORTEST_CALL.min(self.options.call_deadline)).then_some(now + time)
    }

    async fn make(&self, kind: CallKind, order: &Order, run: &Run, by: Instant) -> Result<String, CallError> {
        let engine = self.engines.of(&order.engine)?;
        if let Some(id) = self.made_before(order, run, kind).await? {
            return Ok(id);
        }
        if reads_before(kind) {
            self.budget.charge(&order.engine.group(), READS_BEFORE);
        }
        engine.make(order, run, kind, by.into_std()).await
    }

    /// Before a call that doubles is made again: what an earlier one made after all. AWS shows a new deployment late at times,
    /// later even than the settling time, and a second one would do what the first is doing.
    async fn made_before(&self, order: &Order, run: &Run, kind: CallKind) -> Result<Option<String>, CallError> {
        let mut earlier = run.calls.iter().filter(|call| {
            kind.doubles() && call.kind == kind && matches!(call.outcome, Outcome::NothingHappened { .. })
        });
        let Some(first) = earlier.next() else { return Ok(None) };
        self.budget.charge(&order.engine.group(), READS_BEFORE);
        match self
            .engines
            .of(&order.engine)?
            .find(order, run, kind, first.intended_at)
            .await
        {
            Ok(Found::Effect(id)) => Ok(Some(id)),
            Ok(Found::Nothing) => Ok(None),
            // Nothing was sent: the same may be tried later.
            Err(error) => Err(CallError::Refused {
                code: "NotSent".to_owned(),
                message: error.to_string(),
                retry: true,
            }),
        }
    }

    /// Writes down how it ended. An answer is worth trying for as long as the lease holds; after that the call stays
    /// open, and its effect is found by whoever attends next.
    async fn conclude(
        &self,
        lease: &Lease,
        intended: &Versioned<Deployment>,
        answer: Result<String, CallError>,
    ) -> Result<(), StoreError> {
        let mut pauses = backoff();
        let mut found = intended.clone();
        loop {
            let error = match self.db.now().await {
                Ok(at) => {
                    let outcome = match &answer {
                        Ok(id) => Outcome::Done { id: id.clone(), at },
                        Err(CallError::Refused { code, message, retry }) => Outcome::Refused {
                            code: code.clone(),
                            message: message.clone(),
                            retry: *retry,
                            at,
                        },
                        Err(CallError::Unknown(_)) => return Ok(()),
                    };
                    match self.record(lease, &found, Transition::Conclude { outcome }).await {
                        Ok(_) => return Ok(()),
                        Err(StoreError::Conflict(Conflict::Version | Conflict::Busy)) => {
                            // Someone asked to stop meanwhile: the outcome goes onto what they left.
                            if let Some(newer) = self.db.deployment(intended.value.id).await? {
                                found = newer;
                            }
                            if found.value.run().and_then(Run::open_call).is_none() {
                                return Ok(());
                            }
                            continue;
                        }
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            let pause = pauses.next().unwrap_or(MARGIN);
            if !error.is_unavailable() || lease.left() < pause {
                return Err(error);
            }
            tracing::warn!(%error, deployment = %intended.value.id, "the outcome of a call could not be saved yet");
            tokio::time::sleep(pause).await;
        }
    }
}

/// Whether an engine looks at what is there before it makes this call: at what would be registered, at the state that a
/// guard names. The way back counts against nothing.
const fn reads_before(kind: CallKind) -> bool {
    matches!(
        kind,
        CallKind::RegisterTaskDefinition
            | CallKind::UpdateFunctionCode
            | CallKind::PublishVersion
            | CallKind::CreateApiDeployment
            | CallKind::CreateTaskSet
            | CallKind::UpdateService
            | CallKind::ShiftTraffic { .. }
    )
}
