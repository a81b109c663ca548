//! Asking for a release to be brought to an environment.

use super::{
    Services,
    decide::reason_given,
    errors::{self, invalid},
    fresh_id,
    releases::{no_release, no_service},
    transaction::{Stopped, again},
};
use tidegate_app::{model::NewDeployment, portal::PortalError};
use tidegate_domain::{
    Action, Actor, Deployment, DeploymentId, Release, State, Subject, Timestamp,
    deployment::{Kind, Waivers},
    name::EnvironmentName,
};

impl Services {
    pub(crate) async fn request_deployment(
        &self,
        actor: &Actor,
        new: NewDeployment,
    ) -> Result<DeploymentId, PortalError> {
        let release = self.db().release(new.release).await.map_err(errors::portal)?;
        let subject = Subject {
            service: release.as_ref().map(|release| release.service.clone()),
            environment: Some(new.environment.clone()),
            release: Some(new.release),
            deployment: None,
        };
        self.allow_about(actor, Action::RequestDeployment, subject).await?;
        let release = release.ok_or_else(no_release)?;
        self.target_exists(&release, &new.environment)?;
        let reason = match new.reason {
            Some(reason) if !reason.trim().is_empty() => Some(reason_given(&reason)?),
            _ => None,
        };
        self.open(|now| Deployment {
            id: DeploymentId::from_uuid(fresh_id(now)),
            service: release.service.clone(),
            environment: new.environment.clone(),
            release: release.id,
            digest: release.image.digest.clone(),
            label: release.label(),
            title: release.title(),
            kind: Kind::Promotion,
            requested_by: actor.clone(),
            requested_at: now,
            reason: reason.clone(),
            approvals: Vec::new(),
            preparation: None,
            waivers: Waivers::default(),
            state: State::Requested { blocked: Vec::new() },
        })
        .await
    }

    fn target_exists(&self, release: &Release, environment: &EnvironmentName) -> Result<(), PortalError> {
        let catalog = self.catalog();
        let service = catalog
            .service(&release.service)
            .ok_or_else(|| no_service(&release.service))?;
        if service.target(environment).is_some() {
            return Ok(());
        }
        let known: Vec<&str> = service
            .targets
            .iter()
            .map(|target| target.environment.as_str())
            .collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        Err(invalid(
            "environment",
            format!(
                "{} has no target in {environment}; its environments: {known}",
                service.name
            ),
        ))
    }

    /// Saves a new deployment, unless the same one is already on its way, and lets those that it may supersede look up.
    pub(crate) async fn open(
        &self,
        make: impl Fn(Timestamp) -> Deployment + Send + Sync,
    ) -> Result<DeploymentId, PortalError> {
        Ok(again(|| self.open_once(&make)).await?)
    }

    /// The audit event comes before the check: it makes requests wait for each other, so that of many at once exactly
    /// one finds the way free (R12).
    async fn open_once(
        &self,
        make: &(impl Fn(Timestamp) -> Deployment + Send + Sync),
    ) -> Result<DeploymentId, Stopped> {
        let mut tx = self.db().begin().await?;
        let deployment = make(tx.now());
        tx.wake_lane(&deployment.service, &deployment.environment).await?;
        self.note_result(&mut tx, &deployment.id).await?;
        self.append(&mut tx, vec![deployment.requested_event()]).await?;
        let unfinished = tx.unfinished_in(&deployment.service, &deployment.environment).await?;
        already_on_its_way(&unfinished, &deployment)?;
        tx.insert_deployment(&deployment).await?;
        tx.commit().await?;
        Ok(deployment.id)
    }
}

/// Refuses what would only deploy the same a second time.
pub(crate) fn already_on_its_way(unfinished: &[Deployment], new: &Deployment) -> Result<(), PortalError> {
    match unfinished.iter().find(|other| is_same(other, new)) {
        None => Ok(()),
        Some(other) => Err(PortalError::Conflict(format!(
            "{} is already on its way to {}: deployment {} is {}. Follow that one, or cancel it first",
            new.label,
            new.environment,
            other.id,
            other.state.name().words().to_lowercase(),
        ))),
    }
}

/// Whether both would do the same: a second one would only deploy it twice.
fn is_same(one: &Deployment, other: &Deployment) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Rollback { of: one, .. }, Kind::Rollback { of: other, .. }) => one == other,
        (Kind::Promotion, Kind::Promotion) => one.release == other.release,
        _ => false,
    }
}
