//! Audit events: what happened, who did it, to what. The store gives each its sequence number and exact stored bytes.

use crate::{
    access::Actor,
    id::{DeploymentId, ReleaseId},
    name::{EnvironmentName, ServiceName},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! kinds {
    ($($variant:ident = $name:literal: $words:literal,)+) => {
        /// What happened. The dotted name is stored and exported: it never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventKind { $($variant,)+ }

        impl EventKind {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What happened, in a few words for a list.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)+ }
            }
        }
    };
}

kinds! {
    ReleaseRegistered = "release.registered": "Release reported",
    ReleaseEnriched = "release.enriched": "Release completed from GitHub",
    GateReported = "gate.reported": "Gate reported",
    DeploymentRequested = "deployment.requested": "Deployment requested",
    DeploymentBlocked = "deployment.blocked": "Held up by its gates",
    DeploymentPrepared = "deployment.prepared": "Ready to be approved",
    ApprovalGiven = "approval.given": "Approved",
    ApprovalInvalidated = "approval.invalidated": "Approval void",
    DeploymentRejected = "deployment.rejected": "Rejected",
    DeploymentCancelled = "deployment.cancelled": "Cancelled",
    DeploymentExpired = "deployment.expired": "Expired",
    DeploymentSuperseded = "deployment.superseded": "Superseded by a newer request",
    DeploymentQueued = "deployment.queued": "Approved, waiting for its turn",
    DeploymentStarted = "deployment.started": "Started",
    CloudIntended = "cloud.intended": "About to call the cloud",
    CloudConcluded = "cloud.concluded": "Cloud answered",
    CloudProgressed = "cloud.progressed": "Progress at the cloud",
    HealthJudged = "health.judged": "Health judged",
    SmokePassed = "smoke.passed": "Smoke test passed",
    SmokeFailed = "smoke.failed": "Smoke test failed",
    DeploymentHeld = "deployment.held": "Held for people to look",
    DeploymentResumed = "deployment.resumed": "Continued after a hold",
    RollbackRequested = "rollback.requested": "Rollback asked for",
    RollbackStarted = "rollback.started": "Rollback started",
    DeploymentSucceeded = "deployment.succeeded": "Succeeded",
    DeploymentRolledBack = "deployment.rolled_back": "Rolled back",
    DeploymentFailed = "deployment.failed": "Failed",
    DeploymentMarked = "deployment.marked": "Marked afterwards",
    DeploymentPostponed = "deployment.postponed": "Time to start put off by a freeze",
    FreezeOverridden = "freeze.overridden": "Freeze overridden",
    BreakGlassOpened = "breakglass.opened": "Glass broken",
    BreakGlassUsed = "breakglass.used": "Started by break-glass",
    BreakGlassReviewed = "breakglass.reviewed": "Break-glass reviewed",
    SessionStarted = "session.started": "Signed in",
    SessionEnded = "session.ended": "Signed out",
    AccessDenied = "access.denied": "Refused",
    WebhookReceived = "webhook.received": "Webhook received",
    ConfigurationLoaded = "configuration.loaded": "Configuration loaded",
    MonitorChanged = "monitor.changed": "Monitor changed",
    HealthChanged = "health.changed": "Health changed",
    WorkerWarning = "worker.warning": "Warning from the worker",
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no event's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of event; kinds are named like deployment.requested")]
pub struct UnknownEventKind(String);

impl FromStr for EventKind {
    type Err = UnknownEventKind;

    fn from_str(text: &str) -> Result<Self, UnknownEventKind> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownEventKind(text.chars().take(80).collect()))
    }
}

impl Serialize for EventKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What an event is about: the columns a reader filters by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Subject {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service: Option<ServiceName>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub environment: Option<EnvironmentName>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub release: Option<ReleaseId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deployment: Option<DeploymentId>,
}

/// An event as the rules make it, before the store numbers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    pub kind: EventKind,
    pub actor: Actor,
    pub subject: Subject,
    /// Facts of this kind of event; never free text a person typed, never a secret.
    pub data: serde_json::Value,
    /// What a person typed (a reason, a comment): stored beside the event, which holds only its salted hash, so that it
    /// can be redacted without breaking the log.
    pub text: Option<String>,
}

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// From 1, without gaps.
    pub seq: i64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub event: AuditEvent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_from_its_name() {
        for kind in EventKind::ALL {
            assert_eq!(kind.name().parse::<EventKind>(), Ok(*kind));
        }
        assert!("deployment.vanished".parse::<EventKind>().is_err());
    }
}
