//! Services, environments and the audit log.

use serde::Serialize;
use tidegate_domain::{audit::RecordedEvent, catalog};
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnvironmentShape {
    name: String,
    production: bool,
}

impl From<&catalog::Environment> for EnvironmentShape {
    fn from(environment: &catalog::Environment) -> Self {
        Self {
            name: environment.name.to_string(),
            production: environment.production,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceShape {
    name: String,
    description: String,
    /// `owner/name` on GitHub.
    repository: String,
    /// In the order in which a release passes through them.
    targets: Vec<TargetShape>,
}

/// A service in an environment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TargetShape {
    environment: String,
    engine: String,
    /// How traffic moves, in words.
    traffic: String,
    gates: Vec<String>,
    /// People who must approve; 0: automatic.
    approvals: usize,
    /// The requester and the authors may approve.
    solo: bool,
}

impl From<&catalog::Service> for ServiceShape {
    fn from(service: &catalog::Service) -> Self {
        Self {
            name: service.name.to_string(),
            description: service.description.clone(),
            repository: service.repository.clone(),
            targets: service
                .targets
                .iter()
                .map(|target| TargetShape {
                    environment: target.environment.to_string(),
                    engine: target.engine.name().to_owned(),
                    traffic: target.traffic.to_string(),
                    gates: target.policy.gates.iter().map(ToString::to_string).collect(),
                    approvals: target.policy.places(),
                    solo: target.policy.solo,
                })
                .collect(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceList {
    pub(crate) items: Vec<ServiceShape>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnvironmentList {
    /// In the order of promotion.
    pub(crate) items: Vec<EnvironmentShape>,
}

/// What happened, who did it, to what.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventShape {
    /// From 1, without gaps.
    seq: i64,
    #[schema(format = "date-time")]
    at: String,
    #[schema(example = "deployment.requested")]
    kind: String,
    /// Login, `CI of acme/rag`, or `Tidegate`.
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid")]
    release: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid")]
    deployment: Option<String>,
    /// Facts of this kind of event.
    data: serde_json::Value,
    /// What a person typed, unless it was redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl From<&RecordedEvent> for EventShape {
    fn from(recorded: &RecordedEvent) -> Self {
        let event = &recorded.event;
        let subject = &event.subject;
        Self {
            seq: recorded.seq,
            at: recorded.at.to_string(),
            kind: event.kind.name().to_owned(),
            actor: event.actor.label(),
            service: subject.service.as_ref().map(ToString::to_string),
            environment: subject.environment.as_ref().map(ToString::to_string),
            release: subject.release.map(|id| id.to_string()),
            deployment: subject.deployment.map(|id| id.to_string()),
            data: event.data.clone(),
            text: event.text.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventList {
    /// Newest first.
    pub(crate) items: Vec<EventShape>,
    /// Give as `before` for the next page.
    pub(crate) next: Option<i64>,
}
