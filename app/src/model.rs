//! Read models: what a page shows, put together by the server from one read. Props of components are these and domain
//! types.

use crate::health::{HealthBrief, HealthLine};
use crate::shape::{EnvironmentFreezes, Shape};
use serde::{Deserialize, Serialize};
use tidegate_domain::{
    Deployment, Policy, QuorumStatus, Release, Service, StateName, Timestamp,
    access::Role,
    approval::Involved,
    audit::RecordedEvent,
    breakglass::Entry,
    catalog::{Environment, Target},
    gate::GateStatus,
    id::{DeploymentId, ReleaseId},
    name::{EnvironmentName, PersonRef, ServiceName, TeamSlug},
    release::Commit,
    rolling::RollingView,
    smoke::MonitorStatus,
};

/// The person at the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    pub person: PersonRef,
    pub name: Option<String>,
    pub roles: Vec<Role>,
    pub teams: Vec<TeamSlug>,
}

/// Whether a button works, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "may", content = "why", rename_all = "snake_case")]
pub enum Permission {
    Yes,
    No(String),
}

impl Permission {
    pub const fn is_yes(&self) -> bool {
        matches!(self, Self::Yes)
    }
}

/// One deployment in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentSummary {
    pub id: DeploymentId,
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub production: bool,
    pub label: String,
    /// Of the release's newest commit.
    pub title: Option<String>,
    pub state: StateName,
    pub rollback: bool,
    /// Login, `CI of acme/rag`, or `Tidegate`.
    pub requested_by: String,
    pub requested_at: Timestamp,
    /// When the cloud was first asked for something; `None` where it never was.
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Share of traffic on the new version in percent.
    pub traffic: Option<u8>,
    /// People who approved and still count.
    pub approved_by: Vec<String>,
    /// One line on why it stands where it stands: a rejection's reason, a blocker, a rollback's cause.
    pub note: Option<String>,
}

/// A service in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    pub environment: EnvironmentName,
    /// The last one that succeeded: what runs there as far as Tidegate knows.
    pub current: Option<DeploymentSummary>,
    pub in_flight: Option<DeploymentSummary>,
    /// Requested, awaiting approval or queued; oldest first.
    pub waiting: Vec<DeploymentSummary>,
    /// The newest one, if it ended in any other way than success and nothing succeeded since.
    pub last_trouble: Option<DeploymentSummary>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeRow {
    pub service: ServiceName,
    pub description: String,
    /// In the order of [`Home::environments`]; `None` where the service has no such target.
    pub cells: Vec<Option<Cell>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    pub environments: Vec<Environment>,
    pub rows: Vec<HomeRow>,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxItem {
    pub deployment: DeploymentSummary,
    pub expires_at: Option<Timestamp>,
    pub quorum: QuorumStatus,
    pub commits: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbox {
    /// The viewer's approval would count now; the one that expires first comes first.
    pub waiting_on_me: Vec<InboxItem>,
    /// Requested by the viewer and not at rest.
    pub mine: Vec<DeploymentSummary>,
    /// Waits for others.
    pub others: Vec<InboxItem>,
    /// Broken glass that the viewer may review.
    pub reviews: Vec<Entry>,
    pub now: Timestamp,
}

/// Filters of the history; all of them are in the page's address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryFilter {
    pub service: Option<String>,
    pub environment: Option<String>,
    /// A [`StateName`] as stored.
    pub state: Option<String>,
    /// Login of whoever requested, approved or rejected.
    pub person: Option<String>,
    /// From this day on, `2026-03-01`, UTC.
    pub from: Option<String>,
    /// Up to and with this day.
    pub to: Option<String>,
    /// In the release's label, digest, commit, reason, service.
    pub text: Option<String>,
    /// Key of the last row of the page before.
    pub after: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    pub items: Vec<DeploymentSummary>,
    /// Give as [`HistoryFilter::after`] for the next page.
    pub next: Option<String>,
    pub services: Vec<ServiceName>,
    pub environments: Vec<EnvironmentName>,
    pub now: Timestamp,
}

/// What the viewer may do with a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    pub approve: Permission,
    pub reject: Permission,
    pub cancel: Permission,
    /// Answer a hold with "continue".
    pub resume: Permission,
    pub roll_back: Permission,
}

/// A release that succeeded in the same place before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    pub release: ReleaseId,
    pub label: String,
    pub title: Option<String>,
    pub ran_since: Timestamp,
    /// Why it cannot simply come back.
    pub refused: Option<String>,
}

/// Whether a channel was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Telling {
    /// It is tried (again) then.
    Waiting(Timestamp),
    Told(Timestamp),
    GivenUp(Timestamp),
}

/// One thing that one channel is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Such as `Slack #deploys`.
    pub channel: String,
    /// What happened, in a few words.
    pub about: String,
    pub state: Telling,
    pub attempts: i64,
    /// Why the last attempt failed.
    pub why: Option<String>,
    /// What was made there, such as an issue.
    pub link: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeploymentPage {
    pub deployment: Deployment,
    /// Grows with every change; the live stream names it.
    pub version: i64,
    pub release: Release,
    pub production: bool,
    /// `None` when the configuration has no such target any more.
    pub target: Option<Target>,
    pub policy: Policy,
    pub gates: Vec<GateStatus>,
    pub quorum: Option<QuorumStatus>,
    /// What ran before, as far as Tidegate knows.
    pub previous: Option<DeploymentSummary>,
    pub previous_release: Option<Release>,
    /// What a finished one can go back to, newest first.
    pub earlier: Vec<Earlier>,
    /// What this one brings on top of the previous release; newest first.
    pub commits: Vec<Commit>,
    /// GitHub's page of the comparison.
    pub compare_url: Option<String>,
    /// Everyone whose approval never counts for it.
    pub involved: Involved,
    /// The policy is the one of today, while the deployment came to rest under another.
    pub policy_changed: bool,
    /// The deployments before it in its lane.
    pub behind: Vec<DeploymentSummary>,
    /// The deployment that replaced it, that it rolls back, or that rolls it back.
    pub related: Vec<(String, DeploymentSummary)>,
    /// Oldest first.
    pub events: Vec<RecordedEvent>,
    /// In the order of what they were told.
    #[serde(default)]
    pub told: Vec<Told>,
    pub allowed: Allowed,
    pub health: HealthBrief,
    /// Freezes, migration, break-glass, time budget.
    pub shape: Shape,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRow {
    pub release: Release,
    pub gates: Vec<GateStatus>,
    /// The newest deployment of it in each environment.
    pub deployments: Vec<DeploymentSummary>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServicePage {
    pub service: Service,
    pub cells: Vec<Cell>,
    /// What watches its targets between deployments.
    pub monitors: Vec<MonitorStatus>,
    /// How its targets are between deployments, by their health definitions.
    pub health: Vec<HealthLine>,
    /// Newest first.
    pub releases: Vec<ReleaseRow>,
    pub history: Vec<DeploymentSummary>,
    /// Of services that ECS deploys by itself and that are only watched.
    pub rolling: Vec<RollingView>,
    pub may_request: Permission,
    /// For each environment.
    pub freezes: Vec<EnvironmentFreezes>,
    pub now: Timestamp,
}

/// Filters of the audit log; all of them are in the page's address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditFilter {
    /// Dotted name, or its first part such as `approval`.
    pub kind: Option<String>,
    pub service: Option<String>,
    pub environment: Option<String>,
    pub person: Option<String>,
    pub deployment: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    /// Events before this sequence number.
    pub before: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// Newest first.
    pub events: Vec<RecordedEvent>,
    pub next: Option<i64>,
    pub services: Vec<ServiceName>,
    pub environments: Vec<EnvironmentName>,
    pub now: Timestamp,
}

/// A request to bring a release to an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDeployment {
    pub release: ReleaseId,
    pub environment: EnvironmentName,
    pub reason: Option<String>,
}

/// Everyone whose approval cannot count, for the sentence on the page.
pub fn involved_logins(involved: &Involved) -> Vec<String> {
    let mut logins: Vec<String> = involved
        .requester
        .iter()
        .chain(&involved.authors)
        .chain(&involved.pusher)
        .chain(&involved.workflow_actor)
        .chain(&involved.reruns)
        .map(|person| person.login.clone())
        .collect();
    logins.sort_unstable();
    logins.dedup();
    logins
}
