//! What the time and the shape of a deployment are judged by: read together for the worker and for the page.

use std::collections::HashMap;
use tidegate_domain::{
    Catalog, Deployment, Release, ReleaseId, State, Timestamp,
    plan::{self, Clearance, Standing},
};
use tidegate_store::{Db, StoreError};

/// Freezes, the release's migration, and whether it can simply come back.
pub(crate) async fn clearance(
    db: &Db,
    catalog: &Catalog,
    deployment: &Deployment,
    release: &Release,
) -> Result<Clearance, StoreError> {
    let (service, environment) = (&deployment.service, &deployment.environment);
    let record = db.schema_record(service, environment).await?;
    let schema_gone = match record.done.is_empty() {
        true => None,
        false => db
            .last_success(service, environment, release.id)
            .await?
            .and_then(|at| record.unsafe_past(release.id, at)),
    };
    let time_zone = catalog
        .service(service)
        .map_or_else(|| "UTC".to_owned(), |service| service.time_zone.clone());
    Ok(Clearance {
        freezes: catalog.freezes_of(service, environment),
        migration: release.migration.clone().map(|migration| Standing {
            migration,
            record,
            time_zone,
        }),
        schema_gone,
    })
}

/// Of those that go before in a lane, the ones that may start: what waits for a freeze to end holds up nobody.
pub(crate) async fn not_closed(
    db: &Db,
    catalog: &Catalog,
    ahead: Vec<Deployment>,
    now: Timestamp,
) -> Result<Vec<Deployment>, StoreError> {
    let queued = |deployment: &Deployment| matches!(deployment.state, State::Queued { .. });
    let ids: Vec<ReleaseId> = ahead.iter().filter(|it| queued(it)).map(|it| it.release).collect();
    let releases: HashMap<ReleaseId, Release> = db
        .releases(&ids)
        .await?
        .into_iter()
        .map(|release| (release.id, release))
        .collect();
    let mut open = Vec::with_capacity(ahead.len());
    for deployment in ahead {
        let closed = match releases.get(&deployment.release).filter(|_| queued(&deployment)) {
            Some(release) => {
                let clearance = clearance(db, catalog, &deployment, release).await?;
                !plan::closed(&deployment, &clearance, now).is_empty()
            }
            None => false,
        };
        if !closed {
            open.push(deployment);
        }
    }
    Ok(open)
}
