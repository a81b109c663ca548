//! What runs where: the matrix of services and environments.

use super::{Services, errors, summary::summary};
use std::collections::HashMap;
use tidegate_app::{
    model::{Cell, Home, HomeRow},
    portal::PortalError,
};
use tidegate_domain::{
    Action, Actor, Catalog,
    name::{EnvironmentName, ServiceName},
};
use tidegate_store::LaneSummary;

/// The matrix by its two names.
pub(crate) type Cells = HashMap<(ServiceName, EnvironmentName), LaneSummary>;

impl Services {
    pub(crate) async fn home_page(&self, actor: &Actor) -> Result<Home, PortalError> {
        self.allow(actor, Action::View, None).await?;
        let catalog = self.catalog();
        let mut cells = self.cells().await?;
        let rows = catalog
            .services
            .iter()
            .map(|service| HomeRow {
                service: service.name.clone(),
                description: service.description.clone(),
                cells: catalog
                    .environments
                    .iter()
                    .map(|environment| {
                        service.target(&environment.name)?;
                        Some(cell(&catalog, &service.name, &environment.name, &mut cells))
                    })
                    .collect(),
            })
            .collect();
        Ok(Home {
            environments: catalog.environments.clone(),
            rows,
            now: self.db().now().await.map_err(errors::portal)?,
        })
    }

    pub(crate) async fn cells(&self) -> Result<Cells, PortalError> {
        let cells = self.db().matrix().await.map_err(errors::portal)?;
        Ok(cells
            .into_iter()
            .map(|cell| ((cell.service.clone(), cell.environment.clone()), cell))
            .collect())
    }
}

pub(crate) fn cell(catalog: &Catalog, service: &ServiceName, environment: &EnvironmentName, cells: &mut Cells) -> Cell {
    let found = cells.remove(&(service.clone(), environment.clone()));
    let Some(found) = found else {
        return Cell {
            environment: environment.clone(),
            current: None,
            in_flight: None,
            waiting: Vec::new(),
            last_trouble: None,
        };
    };
    Cell {
        environment: environment.clone(),
        current: found.succeeded.map(|found| summary(&found.value, catalog)),
        in_flight: found.in_flight.map(|found| summary(&found.value, catalog)),
        waiting: found
            .waiting
            .iter()
            .map(|found| summary(&found.value, catalog))
            .collect(),
        last_trouble: found.ended.map(|found| summary(&found.value, catalog)),
    }
}
