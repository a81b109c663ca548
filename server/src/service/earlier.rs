//! Releases that a finished deployment can go back to: all that succeeded in its place before, newest first.

use super::{Services, errors};
use tidegate_app::{model::Earlier, portal::PortalError};
use tidegate_domain::{Deployment, StateName};

/// So many are offered; further back is a promotion of its own.
const OFFERED: usize = 10;
/// So many deployments are looked at for them: the same release may have been deployed again and again.
const LOOKED_AT: usize = 100;

impl Services {
    /// Empty where the deployment is not what runs.
    pub(crate) async fn earlier(&self, deployment: &Deployment) -> Result<Vec<Earlier>, PortalError> {
        let mut earlier: Vec<Earlier> = Vec::new();
        if deployment.state.name() != StateName::Succeeded || self.release_before(deployment).await?.is_err() {
            return Ok(earlier);
        }
        let (service, environment) = (&deployment.service, &deployment.environment);
        let record = self
            .db()
            .schema_record(service, environment)
            .await
            .map_err(errors::portal)?;
        let mut at = deployment.id;
        for _ in 0..LOOKED_AT {
            let Some(before) = self
                .db()
                .succeeded_before(service, environment, at)
                .await
                .map_err(errors::portal)?
            else {
                break;
            };
            at = before.id;
            let known = before.release == deployment.release || earlier.iter().any(|one| one.release == before.release);
            let Some(finished_at) = before.finished_at().filter(|_| !known) else {
                continue;
            };
            earlier.push(Earlier {
                release: before.release,
                label: before.label.clone(),
                title: before.title.clone(),
                ran_since: finished_at,
                refused: record.unsafe_past(before.release, finished_at),
            });
            if earlier.len() == OFFERED {
                break;
            }
        }
        Ok(earlier)
    }
}
