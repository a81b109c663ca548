//! Going back, by a person's decision: out of a running deployment, or to what ran before a finished one.

use super::{
    Services,
    decide::{reason_given, subject},
    errors, fresh_id, person,
};
use tidegate_app::portal::PortalError;
use tidegate_domain::{
    Action, Actor, Deployment, DeploymentId, State, StateName,
    deployment::{Kind, RollbackCause, Transition, Waivers},
};

impl Services {
    pub(crate) async fn roll_back_deployment(
        &self,
        actor: &Actor,
        id: DeploymentId,
        reason: String,
    ) -> Result<DeploymentId, PortalError> {
        let deployment = self.load(id).await?;
        self.allow_about(actor, Action::RollBack, subject(&deployment)).await?;
        let by = person(actor, Action::RollBack)?.clone();
        let reason = reason_given(&reason)?;
        if deployment.state.name().is_in_flight() {
            self.change(&deployment, |deployment, _| {
                may_stop(deployment)?;
                Ok(Transition::RequestStop {
                    actor: actor.clone(),
                    cause: RollbackCause::Person {
                        by: by.clone(),
                        reason: reason.clone(),
                    },
                })
            })
            .await?;
            return Ok(id);
        }
        let before = self.to_go_back_to(&deployment).await??;
        let release = self
            .db()
            .release(before.release)
            .await
            .map_err(errors::portal)?
            .ok_or_else(super::releases::no_release)?;
        self.open(|now| Deployment {
            id: DeploymentId::from_uuid(fresh_id(now)),
            service: deployment.service.clone(),
            environment: deployment.environment.clone(),
            release: release.id,
            digest: release.image.digest.clone(),
            label: release.label(),
            title: release.title(),
            kind: Kind::Rollback {
                of: id,
                by: by.clone(),
                reason: reason.clone(),
            },
            requested_by: actor.clone(),
            requested_at: now,
            reason: Some(reason.clone()),
            approvals: Vec::new(),
            preparation: None,
            waivers: Waivers::default(),
            state: State::Requested { blocked: Vec::new() },
        })
        .await
    }

    /// The deployment whose release a rollback of this finished one would bring back, or why there is none. The outer
    /// error is the database's.
    pub(crate) async fn to_go_back_to(
        &self,
        deployment: &Deployment,
    ) -> Result<Result<Deployment, PortalError>, PortalError> {
        let before = match self.release_before(deployment).await? {
            Ok(before) => before,
            Err(why) => return Ok(Err(why)),
        };
        Ok(match self.no_way_back(deployment).await? {
            Some(why) => Err(PortalError::Conflict(format!(
                "{} cannot simply come back: {why}. In an incident, break the glass",
                before.label
            ))),
            None => Ok(before),
        })
    }

    /// The same, whether or not it is safe.
    pub(crate) async fn release_before(
        &self,
        deployment: &Deployment,
    ) -> Result<Result<Deployment, PortalError>, PortalError> {
        let refuse = |why: String| Ok(Err(PortalError::Conflict(why)));
        match deployment.state.name() {
            StateName::Succeeded => {}
            StateName::Requested | StateName::AwaitingApproval | StateName::Queued => {
                return refuse("nothing of it runs yet: cancel it instead".to_owned());
            }
            other => {
                return refuse(format!("nothing of it runs: it is {}", other.words().to_lowercase()));
            }
        }
        let (service, environment) = (&deployment.service, &deployment.environment);
        let newest = self
            .db()
            .latest_succeeded(service, environment)
            .await
            .map_err(errors::portal)?;
        if let Some(newest) = newest.filter(|newest| newest.id != deployment.id) {
            return refuse(format!(
                "{} runs in {environment} now, by deployment {}: roll back that one",
                newest.label, newest.id
            ));
        }
        let mut at = deployment.id;
        while let Some(before) = self
            .db()
            .succeeded_before(service, environment, at)
            .await
            .map_err(errors::portal)?
        {
            if before.release != deployment.release {
                return Ok(Ok(before));
            }
            at = before.id;
        }
        refuse(format!(
            "no other release of {service} succeeded in {environment} before it: there is nothing to go back to"
        ))
    }
}

fn may_stop(deployment: &Deployment) -> Result<(), PortalError> {
    let said = |why: &str| Err(PortalError::Conflict(why.to_owned()));
    match &deployment.state {
        State::Starting { run } | State::Deploying { run } => match &run.stop {
            Some(stop) => Err(PortalError::Conflict(match &stop.cause {
                RollbackCause::Person { by, .. } => format!("{by} has already asked to roll it back"),
                other => format!("it is about to be rolled back already: {}", other.words()),
            })),
            None if run.is_finishing() => {
                said("it has taken over and is being finished: roll back the finished deployment in a moment")
            }
            None => Ok(()),
        },
        State::RollingBack { .. } => said("it is being rolled back already"),
        _ => said("it has just come to rest: look again, then decide"),
    }
}

/// Whether a running deployment can be asked to stop, for the button.
pub(crate) fn stoppable(deployment: &Deployment) -> Result<(), PortalError> {
    may_stop(deployment)
}
