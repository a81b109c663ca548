//! Saves what happened to a claimed deployment: the new state, its audit events and the wake-ups, or nothing.

use super::{lease::Lease, reconcile::Inner};
use crate::service::tell;
use serde_json::json;
use tidegate_domain::{
    Actor, AuditEvent, Deployment, EventKind, Refusal, StateName, Subject,
    deployment::{CloudStatus, Transition},
};
use tidegate_store::{Conflict, NewEvaluation, StoreError, Versioned};

impl Inner {
    /// Applies the transition at the database's time and saves it under the claim. A transition that the domain refuses
    /// by now is as if someone else had been faster: nothing is saved, and the caller looks again.
    pub(super) async fn record(
        &self,
        lease: &Lease,
        found: &Versioned<Deployment>,
        transition: Transition,
    ) -> Result<Versioned<Deployment>, StoreError> {
        let warning = warning(&found.value, &transition);
        let name = transition.name();
        let judged = match &transition {
            Transition::Judge { evaluation, series, .. } => Some((evaluation.clone(), series.clone())),
            _ => None,
        };
        let mut tx = self.db.begin().await?;
        let (next, mut events) = found.value.apply(transition, tx.now()).map_err(|refusal| {
            let deployment = found.value.id;
            match &refusal {
                Refusal::NoAuthority(_) => tracing::warn!(%deployment, %refusal, "not started"),
                _ => tracing::error!(%deployment, %refusal, "a planned step was refused"),
            }
            StoreError::from(Conflict::Version)
        })?;
        if next == found.value && events.is_empty() {
            return Ok(Versioned {
                value: next,
                version: found.version,
            });
        }
        events.extend(warning);
        if let (StateName::Starting, Some(watch)) = (next.state.name(), next.run().and_then(|run| run.watch.as_ref()))
            && found.value.state.name() == StateName::Queued
        {
            tx.keep_definition(&watch.definition).await?;
        }
        let version = tx.save_claimed(&next, found.version, &lease.claim).await?;
        if let Some((evaluation, series)) = &judged {
            tx.record_evaluation(&NewEvaluation {
                deployment: Some(next.id),
                service: &next.service,
                environment: &next.environment,
                evaluation,
                series,
            })
            .await?;
        }
        tell(&mut tx, Some(&found.value), &next, &events, version).await?;
        let (before, after) = (found.value.state.name(), next.state.name());
        if after.is_terminal() {
            tx.wake_lane(&next.service, &next.environment).await?;
        }
        if after == StateName::Succeeded {
            // The next environment may have waited for this.
            tx.wake_release(next.release).await?;
        }
        tx.append_audit(&events).await?;
        tx.commit().await?;
        if after.is_terminal() {
            self.seen.forget();
        }
        if before != after {
            tracing::info!(
                deployment = %next.id, service = %next.service, environment = %next.environment,
                from = before.as_str(), to = after.as_str(), "{name}"
            );
        }
        Ok(Versioned { value: next, version })
    }
}

/// A word the cloud never used before is told to people; it ends nothing (R13).
fn warning(deployment: &Deployment, transition: &Transition) -> Option<AuditEvent> {
    let progress = match transition {
        Transition::Observe { progress } | Transition::ObserveRollback { progress } => progress,
        _ => return None,
    };
    let CloudStatus::Unknown(word) = &progress.status else {
        return None;
    };
    Some(worker_warning(
        deployment,
        json!({ "what": "the cloud reports a status that is not known", "status": word }),
    ))
}

pub(super) fn worker_warning(deployment: &Deployment, data: serde_json::Value) -> AuditEvent {
    AuditEvent {
        kind: EventKind::WorkerWarning,
        actor: Actor::system("worker"),
        subject: Subject {
            service: Some(deployment.service.clone()),
            environment: Some(deployment.environment.clone()),
            release: Some(deployment.release),
            deployment: Some(deployment.id),
        },
        data,
        text: None,
    }
}
