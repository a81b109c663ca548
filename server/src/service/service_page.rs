//! One service: what runs where, its releases, its past.

use super::{Services, errors, home::cell, releases::no_service, shape::calendar, summary::summary};
use tidegate_app::{
    model::{Permission, ReleaseRow, ServicePage},
    portal::PortalError,
};
use tidegate_domain::{Action, Actor, Deployment, DeploymentId, ReleaseId, ServiceName, access};
use tidegate_store::{HistoryQuery, Versioned};

const RELEASES: usize = 20;
const HISTORY: usize = 20;
/// Rolling deployments of each service that is only watched.
const ROLLING: usize = 10;

impl Services {
    pub(crate) async fn service_page(&self, actor: &Actor, name: ServiceName) -> Result<ServicePage, PortalError> {
        self.allow(actor, Action::View, Some(&name)).await?;
        let catalog = self.catalog();
        let service = catalog.service(&name).ok_or_else(|| no_service(&name))?;
        let mut cells = self.cells().await?;
        let releases = self.release_rows(&name).await?;
        let query = HistoryQuery {
            service: Some(name.clone()),
            limit: HISTORY,
            ..HistoryQuery::default()
        };
        let history = self.db().history(&query).await.map_err(errors::portal)?;
        let now = self.db().now().await.map_err(errors::portal)?;
        Ok(ServicePage {
            cells: service
                .targets
                .iter()
                .map(|target| cell(&catalog, &name, &target.environment, &mut cells))
                .collect(),
            service: service.clone(),
            monitors: self.monitors_of(service).await?,
            health: self.health_between(service).await?,
            releases,
            history: history.iter().map(|found| summary(&found.value, &catalog)).collect(),
            rolling: self
                .db()
                .rolling_of(&name, &service.rolling, ROLLING)
                .await
                .map_err(errors::portal)?,
            may_request: permission(access::can(actor, Action::RequestDeployment, Some(&name)).map_err(|d| d.0)),
            freezes: calendar(&catalog, service, now),
            now,
        })
    }

    async fn release_rows(&self, name: &ServiceName) -> Result<Vec<ReleaseRow>, PortalError> {
        let catalog = self.catalog();
        let releases = self
            .db()
            .releases_of(name, None, RELEASES)
            .await
            .map_err(errors::portal)?;
        let ids: Vec<ReleaseId> = releases.iter().map(|release| release.id).collect();
        let gates = self.db().gates_of(&ids).await.map_err(errors::portal)?;
        let deployments = self.db().deployments_of_release(&ids).await.map_err(errors::portal)?;
        let deployments: Vec<Deployment> = deployments.into_iter().map(Versioned::into_value).collect();
        Ok(releases
            .into_iter()
            .map(|release| {
                let reported: Vec<_> = gates
                    .iter()
                    .filter(|gate| gate.release == release.id)
                    .cloned()
                    .collect();
                ReleaseRow {
                    gates: self.statuses(name, &reported),
                    deployments: newest_by_environment(&deployments, release.id)
                        .into_iter()
                        .map(|deployment| summary(deployment, &catalog))
                        .collect(),
                    release,
                }
            })
            .collect())
    }
}

fn newest_by_environment(deployments: &[Deployment], release: ReleaseId) -> Vec<&Deployment> {
    let mut newest: Vec<&Deployment> = Vec::new();
    let key = |deployment: &Deployment| -> (_, DeploymentId) { (deployment.requested_at, deployment.id) };
    for deployment in deployments.iter().filter(|deployment| deployment.release == release) {
        match newest
            .iter_mut()
            .find(|other| other.environment == deployment.environment)
        {
            Some(other) if key(other) < key(deployment) => *other = deployment,
            Some(_) => {}
            None => newest.push(deployment),
        }
    }
    newest
}

pub(crate) fn permission(may: Result<(), String>) -> Permission {
    match may {
        Ok(()) => Permission::Yes,
        Err(why) => Permission::No(why),
    }
}
