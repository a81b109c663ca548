//! What people decide about a waiting deployment: approve, reject, cancel.

use super::{
    Services,
    errors::{self, invalid},
    fresh_id,
    lineage::lineage,
    person,
    transaction::Stopped,
};
use tidegate_app::portal::PortalError;
use tidegate_domain::{
    Action, Actor, Approval, ApprovalId, Deployment, DeploymentId, EventKind, Policy, Refusal, Revision, RevisionHash,
    State, Subject, Timestamp,
    approval::Ineligible,
    deployment::{Ballot, Transition},
};
use tidegate_store::StoreError;

/// Longest reason or comment, in bytes.
const REASON_MAX: usize = 2_000;

impl Services {
    /// Records a yes to the revision that was on the screen. The person's teams are asked for anew; without an answer
    /// nobody approves (R5).
    pub(crate) async fn approve_deployment(
        &self,
        actor: &Actor,
        id: DeploymentId,
        seen: RevisionHash,
        comment: Option<String>,
    ) -> Result<(), PortalError> {
        let deployment = self.load(id).await?;
        self.allow_about(actor, Action::Approve, subject(&deployment)).await?;
        let person = person(actor, Action::Approve)?.clone();
        let comment = match comment {
            Some(comment) if !comment.trim().is_empty() => Some(text_given("comment", &comment)?),
            _ => None,
        };
        let teams = self.identity().teams_of(person.id).await.map_err(|error| {
            PortalError::Unavailable(format!(
                "GitHub could not be asked for your teams ({error}), so the approval was not recorded. Try again in a minute"
            ))
        })?;
        let lineage = lineage(self.db(), &deployment).await.map_err(errors::portal)?;
        if let Some(why) = lineage.unknown() {
            return Err(PortalError::Conflict(format!("nobody can approve it: {why}")));
        }
        let involved = lineage.involved;
        let catalog = self.catalog();
        let policy = policy_of(&catalog, &deployment)?;
        let ballot = Ballot { policy, involved };
        let outcome = self
            .try_change(&deployment, |deployment, now| {
                waits_for_approval(deployment, now)?;
                Ok(Transition::Approve {
                    actor: actor.clone(),
                    approval: Approval {
                        id: ApprovalId::from_uuid(fresh_id(now)),
                        person: person.clone(),
                        teams: teams.clone(),
                        revision: seen.clone(),
                        at: now,
                        comment: comment.clone(),
                        solo: false,
                        voided: None,
                    },
                    ballot: ballot.clone(),
                })
            })
            .await;
        match outcome {
            Ok(_) => Ok(()),
            Err(Stopped::Refused(Refusal::StaleRevision { seen, current })) => {
                Err(PortalError::Conflict(self.what_changed(id, &seen, &current).await))
            }
            Err(Stopped::Refused(refusal)) => {
                let denied = matches!(&refusal, Refusal::Ineligible(why) if *why != Ineligible::AlreadyApproved);
                let error = errors::refusal(refusal);
                if denied {
                    self.denied_about(actor, Action::Approve.words(), &error.to_string(), subject(&deployment))
                        .await;
                }
                Err(error)
            }
            Err(stopped) => Err(stopped.into()),
        }
    }

    pub(crate) async fn reject_deployment(
        &self,
        actor: &Actor,
        id: DeploymentId,
        reason: String,
    ) -> Result<(), PortalError> {
        let deployment = self.load(id).await?;
        self.allow_about(actor, Action::Reject, subject(&deployment)).await?;
        let by = person(actor, Action::Reject)?.clone();
        let reason = reason_given(&reason)?;
        self.change(&deployment, |deployment, _| {
            still_waits(deployment, "reject")?;
            Ok(Transition::Reject {
                by: by.clone(),
                actor: actor.clone(),
                reason: reason.clone(),
            })
        })
        .await?;
        Ok(())
    }

    pub(crate) async fn cancel_deployment(
        &self,
        actor: &Actor,
        id: DeploymentId,
        reason: String,
    ) -> Result<(), PortalError> {
        let deployment = self.load(id).await?;
        self.allow_about(actor, Action::Cancel, subject(&deployment)).await?;
        let reason = reason_given(&reason)?;
        self.change(&deployment, |deployment, _| {
            still_waits(deployment, "cancel")?;
            Ok(Transition::Cancel {
                actor: actor.clone(),
                reason: reason.clone(),
            })
        })
        .await?;
        Ok(())
    }

    pub(crate) async fn resume_deployment(
        &self,
        actor: &Actor,
        id: DeploymentId,
        reason: String,
    ) -> Result<(), PortalError> {
        let deployment = self.load(id).await?;
        self.allow_about(actor, Action::Continue, subject(&deployment)).await?;
        let reason = reason_given(&reason)?;
        self.change(&deployment, |deployment, _| {
            is_held(deployment).map_err(PortalError::Conflict)?;
            Ok(Transition::Resume {
                actor: actor.clone(),
                reason: Some(reason.clone()),
            })
        })
        .await?;
        Ok(())
    }

    /// For someone who looked at a revision that is not the one any more.
    async fn what_changed(&self, id: DeploymentId, seen: &RevisionHash, current: &RevisionHash) -> String {
        let words = self.changes_since(id, seen).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what changed between two revisions could not be read");
            None
        });
        let what = words.unwrap_or_else(|| "what would be deployed changed".to_owned());
        format!(
            "you looked at revision {}, but it is {} now: {what}. Nothing was recorded; look at the new one, then decide",
            seen.short(),
            current.short()
        )
    }

    async fn changes_since(&self, id: DeploymentId, seen: &RevisionHash) -> Result<Option<String>, StoreError> {
        let events = self.db().audit_of(id).await?;
        let old = events.iter().rev().find_map(|recorded| {
            let data = &recorded.event.data;
            (recorded.event.kind == EventKind::DeploymentPrepared && data["revision"] == seen.0.as_str())
                .then(|| serde_json::from_value::<Revision>(data["content"].clone()).ok())?
        });
        let now = self
            .db()
            .deployment(id)
            .await?
            .and_then(|found| found.value.revision().cloned());
        let (Some(old), Some(now)) = (old, now) else {
            return Ok(None);
        };
        let changes: Vec<String> = old
            .changes(&now)
            .into_iter()
            .map(|change| {
                format!(
                    "{} changed from {} to {}",
                    change.what,
                    brief(&change.from),
                    brief(&change.to)
                )
            })
            .collect();
        Ok((!changes.is_empty()).then(|| changes.join("; ")))
    }
}

/// Long hashes in a sentence help nobody.
fn brief(text: &str) -> String {
    match text.len() {
        64 if text.bytes().all(|b| b.is_ascii_hexdigit()) => text[..10].to_owned(),
        _ => text.to_owned(),
    }
}

pub(crate) fn subject(deployment: &Deployment) -> Subject {
    Subject {
        service: Some(deployment.service.clone()),
        environment: Some(deployment.environment.clone()),
        release: Some(deployment.release),
        deployment: Some(deployment.id),
    }
}

pub(crate) fn policy_of(catalog: &tidegate_domain::Catalog, deployment: &Deployment) -> Result<Policy, PortalError> {
    catalog
        .target(&deployment.service, &deployment.environment)
        .map(|target| target.policy.clone())
        .ok_or_else(|| {
            PortalError::Conflict(format!(
                "{} has no target in {} any more: the configuration changed, so nothing can be decided about it",
                deployment.service, deployment.environment
            ))
        })
}

fn waits_for_approval(deployment: &Deployment, now: Timestamp) -> Result<(), PortalError> {
    match &deployment.state {
        State::AwaitingApproval { expires_at, .. } if now >= *expires_at => Err(PortalError::Conflict(
            "its time to be approved has run out: request the deployment again".to_owned(),
        )),
        State::AwaitingApproval { .. } => Ok(()),
        State::Requested { .. } => Err(PortalError::Conflict(
            "it cannot be approved yet: what would change is still being read, or a gate stands in the way".to_owned(),
        )),
        State::Queued { .. } => Err(PortalError::Conflict(
            "it needs no further approval: it waits for its turn".to_owned(),
        )),
        other => Err(PortalError::Conflict(format!(
            "it needs no approval any more: it is {}",
            other.name().words().to_lowercase()
        ))),
    }
}

/// Whether there is a hold to answer, for the button and behind it.
pub(crate) fn is_held(deployment: &Deployment) -> Result<(), String> {
    match &deployment.state {
        State::Deploying { run } if run.stop.is_some() => Err("it is about to be rolled back".to_owned()),
        State::Deploying { run } if run.hold.is_some() => Ok(()),
        _ => Err("nothing holds it".to_owned()),
    }
}

fn still_waits(deployment: &Deployment, verb: &str) -> Result<(), PortalError> {
    let name = deployment.state.name();
    if name.is_in_flight() {
        return Err(PortalError::Conflict(format!(
            "it is too late to {verb} it: it is {}. Roll it back instead",
            name.words().to_lowercase()
        )));
    }
    if name.is_terminal() {
        return Err(PortalError::Conflict(format!(
            "there is nothing left to {verb}: it is {}",
            name.words().to_lowercase()
        )));
    }
    Ok(())
}

/// A reason is part of the record: it must say something.
pub(crate) fn reason_given(reason: &str) -> Result<String, PortalError> {
    text_given("reason", reason)
}

pub(crate) fn text_given(field: &str, text: &str) -> Result<String, PortalError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid(field, "say why, in a few words: it goes into the history"));
    }
    if text.len() > REASON_MAX {
        return Err(invalid(
            field,
            format!("is longer than {REASON_MAX} bytes: keep it short and link to the rest"),
        ));
    }
    Ok(text.to_owned())
}
