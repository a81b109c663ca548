//! One deployment: what changes, is it safe, who decided, what happens next.

use super::{
    Services,
    clearance::not_closed,
    decide::is_held,
    errors::{self, no_deployment},
    inbox::{may_approve, policy},
    lineage::{Lineage, compare_url, lineage},
    roll_back::stoppable,
    service_page::permission,
    summary::summary,
};
use tidegate_app::{
    model::{Allowed, DeploymentPage, DeploymentSummary, Telling, Told},
    portal::PortalError,
};
use tidegate_domain::{Action, Actor, Catalog, Deployment, DeploymentId, State, access, deployment::Kind, gate, plan};
use tidegate_store::{Delivery, DeliveryState};

impl Services {
    pub(crate) async fn deployment_page(&self, actor: &Actor, id: DeploymentId) -> Result<DeploymentPage, PortalError> {
        let found = self
            .db()
            .deployment(id)
            .await
            .map_err(errors::portal)?
            .ok_or_else(no_deployment)?;
        let (deployment, version) = (found.value, found.version);
        self.allow(actor, Action::View, Some(&deployment.service)).await?;
        let catalog = self.catalog();
        let lineage = lineage(self.db(), &deployment).await.map_err(errors::portal)?;
        let target = catalog.target(&deployment.service, &deployment.environment).cloned();
        let policy = policy(&catalog, &deployment);
        let reported = self.db().gates(deployment.release).await.map_err(errors::portal)?;
        let now = self.db().now().await.map_err(errors::portal)?;
        let behind = self
            .db()
            .ahead(&deployment.service, &deployment.environment, deployment.id)
            .await
            .map_err(errors::portal)?;
        let behind = not_closed(self.db(), &catalog, behind, now)
            .await
            .map_err(errors::portal)?;
        let gates = gate::statuses(&policy.gates, &reported);
        let shape = self
            .shape(actor, &catalog, &deployment, &lineage.release, &gates, &reported, now)
            .await?;
        Ok(DeploymentPage {
            production: catalog.is_production(&deployment.environment),
            gates,
            shape,
            policy_changed: deployment.state.name().is_terminal()
                && deployment
                    .revision()
                    .is_some_and(|revision| revision.policy != policy.version()),
            quorum: plan::quorum_now(&deployment, &policy, &lineage.involved),
            compare_url: compare_url(self.github_web(), &lineage),
            behind: match &deployment.state {
                State::Requested { .. } | State::AwaitingApproval { .. } | State::Queued { .. } => {
                    behind.iter().map(|other| summary(other, &catalog)).collect()
                }
                _ => Vec::new(),
            },
            related: self.related(&deployment, &catalog).await?,
            events: self.db().audit_of(id).await.map_err(errors::portal)?,
            told: self.told(id).await?,
            allowed: self.allowed(actor, &deployment, &lineage, &catalog).await?,
            health: self.health_brief(actor, &deployment, &catalog).await?,
            previous: lineage.previous.as_ref().map(|previous| summary(previous, &catalog)),
            earlier: self.earlier(&deployment).await?,
            previous_release: lineage.previous_release,
            commits: lineage.commits,
            involved: lineage.involved,
            release: lineage.release,
            target,
            policy,
            version,
            deployment,
            now,
        })
    }

    async fn told(&self, id: DeploymentId) -> Result<Vec<Told>, PortalError> {
        let told = |delivery: Delivery| Told {
            channel: delivery.channel,
            about: delivery.kind.words().to_owned(),
            state: match delivery.state {
                DeliveryState::Waiting(at) => Telling::Waiting(at),
                DeliveryState::Told(at) => Telling::Told(at),
                DeliveryState::GivenUp(at) => Telling::GivenUp(at),
            },
            attempts: delivery.attempts,
            why: delivery.why,
            link: delivery.link,
        };
        let deliveries = self.db().deliveries_of(id).await.map_err(errors::portal)?;
        Ok(deliveries.into_iter().map(told).collect())
    }

    /// Every other deployment that this one has to do with, each with how.
    async fn related(
        &self,
        deployment: &Deployment,
        catalog: &Catalog,
    ) -> Result<Vec<(String, DeploymentSummary)>, PortalError> {
        let mut related = Vec::new();
        let mut link = |how: &str, other: &Deployment| related.push((how.to_owned(), summary(other, catalog)));
        if let State::Superseded { by, .. } = &deployment.state
            && let Some(other) = self.db().deployment(*by).await.map_err(errors::portal)?
        {
            link("replaced by", &other.value);
        }
        if let Kind::Rollback { of, .. } = &deployment.kind
            && let Some(other) = self.db().deployment(*of).await.map_err(errors::portal)?
        {
            link("rolls back", &other.value);
        }
        for other in self.db().rollbacks_of(deployment.id).await.map_err(errors::portal)? {
            link("rolled back by", &other.value);
        }
        for other in self.db().superseded_by(deployment.id).await.map_err(errors::portal)? {
            link("replaces", &other.value);
        }
        Ok(related)
    }

    async fn allowed(
        &self,
        actor: &Actor,
        deployment: &Deployment,
        lineage: &Lineage,
        catalog: &Catalog,
    ) -> Result<Allowed, PortalError> {
        let can = |action| access::can(actor, action, Some(&deployment.service)).map_err(|denial| denial.0);
        let roll_back = match can(Action::RollBack) {
            Err(why) => Err(why),
            Ok(()) if deployment.state.name().is_in_flight() => {
                stoppable(deployment).map_err(|error| error.to_string())
            }
            Ok(()) => self
                .to_go_back_to(deployment)
                .await?
                .map(|_| ())
                .map_err(|error| error.to_string()),
        };
        Ok(Allowed {
            approve: permission(may_approve(catalog, actor, deployment, lineage)),
            reject: permission(can(Action::Reject).and_then(|()| waits(deployment))),
            cancel: permission(can(Action::Cancel).and_then(|()| waits(deployment))),
            resume: permission(can(Action::Continue).and_then(|()| is_held(deployment))),
            roll_back: permission(roll_back),
        })
    }
}

fn waits(deployment: &Deployment) -> Result<(), String> {
    let name = deployment.state.name();
    if name.is_terminal() || name.is_in_flight() {
        return Err(format!("it is {}", name.words().to_lowercase()));
    }
    Ok(())
}
