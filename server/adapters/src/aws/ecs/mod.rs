//! What the engines on ECS have in common: a service that runs a task definition, and the same one with another image.
//!
//! Which of a service's task definitions runs, and who shifts its traffic, is each engine's own.

mod definition;
mod find;
mod service;

pub(super) use definition::{Planned, Running, change_image, describe, preparation, register};
pub(super) use find::registered;
pub(super) use service::{active, controller};

use tidegate_domain::deployment::{Blocker, BlockerKind};

/// Where an engine deploys to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) cluster: &'a str,
    pub(super) service: &'a str,
    pub(super) container: &'a str,
    pub(super) port: u16,
}

impl Place<'_> {
    /// Something about the service that people can mend.
    pub(super) fn blocked(self, why: impl Into<String>) -> Blocker {
        Blocker {
            kind: BlockerKind::Target,
            subject: format!("ECS service {} in {}", short(self.service), short(self.cluster)),
            why: why.into(),
            since: None,
            url: None,
        }
    }
}

/// The name in an ARN, or the name itself.
pub(super) fn short(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, name)| name)
}
