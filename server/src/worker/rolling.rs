//! Imports the rolling deployments of services that ECS deploys by itself and that the configuration has watched.
//!
//! A loop of its own beside the reconciler's: claim a service that is due (a lease on the database's time), read, save. Of
//! several replicas one reads a service at a time; one that was paused beyond its lease saves nothing. It only reads:
//! nothing of ECS is ever changed from here, and nothing is written to the audit log, because nobody did anything.

use super::millis;
use crate::service::CatalogHandle;
use std::{sync::Arc, time::Duration};
use tidegate_adapters::Rolling;
use tidegate_domain::{Catalog, ServiceName, rolling::RollingService};
use tidegate_store::{Conflict, Db, RollingClaim, StoreError};
use tokio_util::sync::CancellationToken;

/// Services read in a round.
const ROUND: usize = 100;
/// Characters of ECS's words about why it cannot be read.
const TROUBLE_MAX: usize = 300;

/// How the loop goes about it. The default is what production wants; only `owner` must be given.
#[derive(Debug, Clone)]
pub struct RollingOptions {
    /// Names this process among replicas; a new one at each start.
    pub owner: String,
    /// How long a claim holds. Longer than a look may take.
    pub lease: Duration,
    /// How long three reads may take.
    pub look: Duration,
    /// How often each service is read.
    pub every: Duration,
    /// Between two looks for what is due.
    pub idle: Duration,
}

impl RollingOptions {
    pub fn new(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            lease: Duration::from_secs(60),
            look: Duration::from_secs(30),
            every: Duration::from_secs(30),
            idle: Duration::from_secs(5),
        }
    }
}

/// Reads until it is told to stop. Several may run on one database.
#[derive(Clone)]
pub struct RollingImport {
    db: Db,
    catalog: CatalogHandle,
    reader: Arc<dyn Rolling>,
    options: RollingOptions,
}

impl RollingImport {
    pub fn new(db: Db, catalog: CatalogHandle, reader: Arc<dyn Rolling>, options: RollingOptions) -> Self {
        Self {
            db,
            catalog,
            reader,
            options,
        }
    }

    /// Runs until `shutdown`. A look that is under way is given up then; its lease runs out by itself.
    pub async fn run(&self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                done = self.round() => {
                    if let Err(error) = done {
                        tracing::warn!(%error, "rolling deployments could not be imported");
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.options.idle) => {}
            }
        }
    }

    async fn round(&self) -> Result<(), StoreError> {
        let configured = configured(&self.catalog.get());
        if configured.is_empty() {
            return Ok(());
        }
        self.db.ensure_rolling(&configured).await?;
        for (service, watched) in self.db.due_rolling(ROUND).await? {
            // What the configuration does not name any more stays as it was read last.
            if !configured.contains(&(service.clone(), watched.clone())) {
                continue;
            }
            let lease = millis(self.options.lease);
            let claim = self
                .db
                .claim_rolling(&service, &watched, &self.options.owner, lease)
                .await?;
            if let Some(claim) = claim {
                self.import(&claim).await?;
            }
        }
        Ok(())
    }

    async fn import(&self, claim: &RollingClaim) -> Result<(), StoreError> {
        let read = tokio::time::timeout(self.options.look, self.reader.rolling(&claim.watched)).await;
        let read = match read {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(error.to_string().chars().take(TROUBLE_MAX).collect::<String>()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        if let Err(why) = &read {
            tracing::warn!(cluster = %claim.watched.cluster, service = %claim.watched.ecs_service, why, "ECS could not be read");
        }
        let mut tx = self.db.begin().await?;
        let read = read.as_deref().map_err(String::as_str);
        let saved = tx.record_rolling(claim, read, millis(self.options.every)).await;
        match saved {
            Ok(()) => tx.commit().await,
            Err(StoreError::Conflict(Conflict::Lease)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn configured(catalog: &Catalog) -> Vec<(ServiceName, RollingService)> {
    let of = |service: &tidegate_domain::Service| {
        let name = service.name.clone();
        let watched = service.rolling.clone();
        watched.into_iter().map(move |watched| (name.clone(), watched))
    };
    catalog.services.iter().flat_map(of).collect()
}
