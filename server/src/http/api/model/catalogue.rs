//! Services, environments, what waits, sessions and the audit log.

use super::{DeploymentShape, Person, QuorumRule, ReleaseWithGates, detail::rules};
use crate::service::sessions::Listed;
use serde::Serialize;
use tidegate_app::model::{Cell, DeploymentSummary, Inbox, InboxItem, ServicePage};
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

/// `count` people out of any of `teams`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleShape {
    teams: Vec<String>,
    count: u8,
}

/// A service in an environment: what it takes to get there, and what runs there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TargetShape {
    environment: String,
    engine: String,
    /// How traffic moves, in words.
    traffic: String,
    gates: Vec<String>,
    /// People who must approve; 0: automatic.
    approvals: usize,
    /// Joined by AND; one person fills one place.
    quorum: Vec<RuleShape>,
    /// The requester and the authors may approve.
    solo: bool,
    /// Seconds in which it must be approved.
    approve_within: i64,
    /// Seconds after that in which it must start.
    start_within: i64,
    /// A newer request replaces one that still waits.
    supersede: bool,
    /// The same digest must have succeeded there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    promote_from: Option<String>,
    /// Seconds after which a running deployment is stopped and rolled back.
    deadline: i64,
    /// The last deployment to have succeeded: what runs there as far as Tidegate knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<DeploymentShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<DeploymentShape>,
    /// Requested, awaiting approval or queued; oldest first.
    waiting: Vec<DeploymentShape>,
    /// The newest, if it ended in any other way than success and nothing succeeded since.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_trouble: Option<DeploymentShape>,
}

impl ServiceShape {
    /// `cells`: what runs in its environments.
    pub(crate) fn of(service: &catalog::Service, cells: &[&Cell]) -> Self {
        Self {
            name: service.name.to_string(),
            description: service.description.clone(),
            repository: service.repository.clone(),
            targets: service
                .targets
                .iter()
                .map(|target| {
                    let cell = cells.iter().find(|cell| cell.environment == target.environment);
                    TargetShape::of(target, cell.copied())
                })
                .collect(),
        }
    }
}

impl TargetShape {
    fn of(target: &catalog::Target, cell: Option<&Cell>) -> Self {
        let policy = &target.policy;
        let shape = |of: fn(&Cell) -> &Option<DeploymentSummary>| {
            cell.and_then(|cell| of(cell).as_ref()).map(DeploymentShape::from)
        };
        Self {
            environment: target.environment.to_string(),
            engine: target.engine.name().to_owned(),
            traffic: target.traffic.to_string(),
            gates: policy.gates.iter().map(ToString::to_string).collect(),
            approvals: policy.places(),
            quorum: policy
                .approvals
                .iter()
                .map(|rule| RuleShape {
                    teams: rule.teams.iter().map(ToString::to_string).collect(),
                    count: rule.count,
                })
                .collect(),
            solo: policy.solo,
            approve_within: policy.approve_within_seconds,
            start_within: policy.start_within_seconds,
            supersede: policy.supersede,
            promote_from: policy.promote_from.as_ref().map(ToString::to_string),
            deadline: target.deadline_seconds,
            current: shape(|cell| &cell.current),
            in_flight: shape(|cell| &cell.in_flight),
            waiting: cell
                .into_iter()
                .flat_map(|cell| &cell.waiting)
                .map(DeploymentShape::from)
                .collect(),
            last_trouble: shape(|cell| &cell.last_trouble),
        }
    }
}

/// A service, what runs where, its newest releases and deployments.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceDetail {
    #[serde(flatten)]
    service: ServiceShape,
    /// Newest first.
    releases: Vec<ReleaseWithGates>,
    /// Newest first.
    deployments: Vec<DeploymentShape>,
}

impl From<&ServicePage> for ServiceDetail {
    fn from(page: &ServicePage) -> Self {
        let cells: Vec<&Cell> = page.cells.iter().collect();
        Self {
            service: ServiceShape::of(&page.service, &cells),
            releases: page
                .releases
                .iter()
                .map(|row| ReleaseWithGates::of(&row.release, &row.gates))
                .collect(),
            deployments: page.history.iter().map(DeploymentShape::from).collect(),
        }
    }
}

/// A deployment that waits for approval.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingShape {
    deployment: DeploymentShape,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    expires_at: Option<String>,
    quorum: Vec<QuorumRule>,
    /// How many commits it brings.
    commits: usize,
}

impl From<&InboxItem> for WaitingShape {
    fn from(item: &InboxItem) -> Self {
        Self {
            deployment: (&item.deployment).into(),
            expires_at: item.expires_at.map(|at| at.to_string()),
            quorum: rules(&item.quorum),
            commits: item.commits,
        }
    }
}

/// What waits for whom.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InboxShape {
    /// The caller's approval would count now; the one that expires first comes first.
    waiting_on_me: Vec<WaitingShape>,
    /// Requested by the caller and not at rest.
    mine: Vec<DeploymentShape>,
    /// Waits for others.
    others: Vec<WaitingShape>,
}

impl From<&Inbox> for InboxShape {
    fn from(inbox: &Inbox) -> Self {
        Self {
            waiting_on_me: inbox.waiting_on_me.iter().map(WaitingShape::from).collect(),
            mine: inbox.mine.iter().map(DeploymentShape::from).collect(),
            others: inbox.others.iter().map(WaitingShape::from).collect(),
        }
    }
}

/// Someone signed in, in one browser.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionShape {
    /// Names it; nobody signs in with it.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    id: String,
    person: Person,
    #[schema(format = "date-time")]
    created_at: String,
    #[schema(format = "date-time")]
    seen_at: String,
}

impl From<&Listed> for SessionShape {
    fn from(session: &Listed) -> Self {
        Self {
            id: session.id.clone(),
            person: (&session.person).into(),
            created_at: session.created_at.to_string(),
            seen_at: session.seen_at.to_string(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    /// The one seen last first.
    pub(crate) items: Vec<SessionShape>,
}

/// How many sessions were ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ended {
    #[schema(minimum = 0)]
    pub(crate) ended: u64,
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

/// Everything that happened to one deployment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Story {
    /// Oldest first.
    pub(crate) items: Vec<EventShape>,
}
