//! Rolling deployments that ECS makes of a service by itself: imported and shown, never made or stopped from here.
//!
//! What ECS says is kept as it says it; a word that it never used before is shown as it is.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A service at ECS whose rolling deployments are shown on a service's page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RollingService {
    pub cluster: String,
    pub ecs_service: String,
}

/// One deployment, as ECS describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollingDeployment {
    pub arn: String,
    pub status: RollingStatus,
    /// ECS's words about it, where it has any.
    pub reason: Option<String>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub task_definition: Option<String>,
    /// Container and image.
    pub images: Vec<(String, String)>,
    /// How many tasks there may be while it runs, and how many must be healthy, in percent of those wanted.
    pub maximum_percent: Option<i32>,
    pub minimum_healthy_percent: Option<i32>,
    /// Tasks of the new version.
    pub running: i32,
    pub wanted: i32,
    pub breaker: Option<Breaker>,
}

/// How a deployment stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollingStatus {
    Running,
    Succeeded,
    RollingBack,
    RolledBack,
    Stopped,
    Failed,
    /// A word that ECS never used before.
    Unknown(String),
}

impl RollingStatus {
    pub fn words(&self) -> &str {
        match self {
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::RollingBack => "Rolling back",
            Self::RolledBack => "Rolled back",
            Self::Stopped => "Stopped",
            Self::Failed => "Failed",
            Self::Unknown(word) => word,
        }
    }
}

/// The circuit breaker: so many failed tasks, and ECS gives the deployment up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    pub state: BreakerState,
    pub failures: i32,
    pub threshold: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    Off,
    Watching,
    Opened,
    Done,
    Unknown(String),
}

impl Breaker {
    pub fn words(&self) -> String {
        let count = || format!("{} of {} failed tasks", self.failures, self.threshold);
        match &self.state {
            BreakerState::Off => "off".to_owned(),
            BreakerState::Watching => format!("watching: {}", count()),
            BreakerState::Opened => format!("opened at {}", count()),
            BreakerState::Done => "never opened".to_owned(),
            BreakerState::Unknown(word) => word.clone(),
        }
    }
}

/// What is known of one of the services that are watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollingView {
    pub watched: RollingService,
    /// Newest first.
    pub deployments: Vec<RollingDeployment>,
    /// When ECS last answered. `None`: never yet.
    pub read_at: Option<Timestamp>,
    /// Why the last look came to nothing.
    pub trouble: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_says_how_far_it_is() {
        let breaker = |state| {
            Breaker {
                state,
                failures: 2,
                threshold: 3,
            }
            .words()
        };
        assert_eq!(breaker(BreakerState::Watching), "watching: 2 of 3 failed tasks");
        assert_eq!(breaker(BreakerState::Opened), "opened at 2 of 3 failed tasks");
        assert_eq!(breaker(BreakerState::Off), "off");
        assert_eq!(breaker(BreakerState::Unknown("NAPPING".to_owned())), "NAPPING");
    }
}
