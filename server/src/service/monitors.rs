//! What watches a service between deployments, as its page shows it.

use super::{Services, errors};
use tidegate_app::portal::PortalError;
use tidegate_domain::{Service, smoke::MonitorStatus};

/// Runs of each monitor that the page shows.
const RUNS: usize = 20;

impl Services {
    /// One for each of its targets that the configuration has watched, in the order of promotion.
    pub(crate) async fn monitors_of(&self, service: &Service) -> Result<Vec<MonitorStatus>, PortalError> {
        let watched = || {
            service
                .targets
                .iter()
                .filter_map(|target| Some((target, target.monitor.as_ref()?)))
        };
        if watched().next().is_none() {
            return Ok(Vec::new());
        }
        let mut rows = self
            .db()
            .monitors_of(&service.name, RUNS)
            .await
            .map_err(errors::portal)?;
        let status = |(target, monitor): (&tidegate_domain::Target, &tidegate_domain::smoke::Monitor)| {
            let row = rows.iter().position(|row| row.environment == target.environment);
            let row = row.map(|index| rows.swap_remove(index));
            MonitorStatus {
                service: service.name.clone(),
                environment: target.environment.clone(),
                suite: monitor.suite.name.clone(),
                every_seconds: monitor.every_seconds,
                health: row.as_ref().and_then(|row| row.health),
                next_at: row.as_ref().map(|row| row.next_at),
                runs: row.map(|row| row.runs).unwrap_or_default(),
            }
        };
        Ok(watched().map(status).collect())
    }
}
