//! What the API takes and answers with: plain shapes of their own, so that the domain may change without the API.

use serde::{Deserialize, Serialize};
use tidegate_app::model::{DeploymentPage, DeploymentSummary, Permission};
use tidegate_domain::{
    Release, StateName, Verdict, approval::QuorumStatus, audit::RecordedEvent, catalog, gate::GateStatus,
    name::PersonRef,
};
use utoipa::ToSchema;

/// Someone on GitHub.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Person {
    /// GitHub's numeric id; 0 when it knows no account.
    #[schema(minimum = 0)]
    pub(crate) id: i64,
    #[schema(max_length = 200)]
    pub(crate) login: String,
}

impl From<&PersonRef> for Person {
    fn from(person: &PersonRef) -> Self {
        Self {
            id: person.id,
            login: person.login.clone(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct CommitShape {
    #[schema(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$")]
    pub(crate) sha: String,
    /// First line of the message.
    #[schema(max_length = 1000)]
    pub(crate) title: String,
    pub(crate) author: Person,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    pub(crate) at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri")]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GateVerdict {
    Pass,
    Fail,
}

impl From<GateVerdict> for Verdict {
    fn from(verdict: GateVerdict) -> Self {
        match verdict {
            GateVerdict::Pass => Self::Pass,
            GateVerdict::Fail => Self::Fail,
        }
    }
}

/// The result of one check.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GateReport {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "unit-tests")]
    pub(crate) gate: String,
    pub(crate) verdict: GateVerdict,
    /// In a person's words, such as `coverage 83 % (threshold 80 %)`.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub(crate) detail: Option<String>,
    #[serde(default)]
    #[schema(format = "uri", pattern = "^https?://")]
    pub(crate) url: Option<String>,
}

/// Results of checks of a release.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GateReports {
    #[schema(min_items = 1)]
    pub(crate) gates: Vec<GateReport>,
}

/// A release as CI reports it. Repository and workflow actor come from the token.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleaseReport {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "rag")]
    pub(crate) service: String,
    #[schema(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$")]
    pub(crate) commit: String,
    #[serde(rename = "ref")]
    #[schema(min_length = 1, max_length = 500, example = "refs/heads/main")]
    pub(crate) git_ref: String,
    /// With its digest: `HOST/REPOSITORY[:TAG]@sha256:…`. A tag alone, and `latest`, are refused.
    #[schema(pattern = "^[^@]+/[^@]+@sha256:[0-9a-f]{64}$")]
    pub(crate) image: String,
    #[serde(default)]
    #[schema(format = "uri", pattern = "^https?://")]
    pub(crate) run_url: Option<String>,
    #[serde(default)]
    #[schema(minimum = 0)]
    pub(crate) run_id: Option<i64>,
    /// Who wrote the commits: their approval never counts.
    #[serde(default)]
    pub(crate) authors: Vec<Person>,
    #[serde(default)]
    pub(crate) commits: Vec<CommitShape>,
    #[serde(default)]
    pub(crate) gates: Vec<GateReport>,
}

/// Where a gate stands; without `verdict` it was never reported.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Gate {
    gate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<GateVerdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    reported_at: Option<String>,
}

impl From<&GateStatus> for Gate {
    fn from(status: &GateStatus) -> Self {
        let result = status.result.as_ref();
        Self {
            gate: status.gate.to_string(),
            verdict: result.map(|result| match result.verdict {
                Verdict::Pass => GateVerdict::Pass,
                Verdict::Fail => GateVerdict::Fail,
            }),
            detail: result.and_then(|result| result.detail.clone()),
            url: result.and_then(|result| result.url.clone()),
            reported_at: result.map(|result| result.reported_at.to_string()),
        }
    }
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ReleaseShape {
    #[schema(format = "uuid")]
    pub(crate) id: String,
    service: String,
    /// Tag or short commit.
    label: String,
    repository: String,
    commit: String,
    #[serde(rename = "ref")]
    git_ref: String,
    /// `REPOSITORY@sha256:…`
    image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_url: Option<String>,
    authors: Vec<Person>,
    commits: Vec<CommitShape>,
    #[schema(format = "date-time")]
    reported_at: String,
}

impl From<&Release> for ReleaseShape {
    fn from(release: &Release) -> Self {
        Self {
            id: release.id.to_string(),
            service: release.service.to_string(),
            label: release.label(),
            repository: release.repository.clone(),
            commit: release.commit.to_string(),
            git_ref: release.git_ref.clone(),
            image: release.image.pinned(),
            tag: release.image.tag.clone(),
            run_url: release.run_url.clone(),
            authors: release.authors.iter().map(Person::from).collect(),
            commits: release
                .commits
                .iter()
                .map(|commit| CommitShape {
                    sha: commit.sha.to_string(),
                    title: commit.title.clone(),
                    author: Person::from(&commit.author),
                    at: commit.at.map(|at| at.to_string()),
                    url: commit.url.clone(),
                })
                .collect(),
            reported_at: release.reported_at.to_string(),
        }
    }
}

/// A release and where its gates stand.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ReleaseWithGates {
    #[serde(flatten)]
    pub(crate) release: ReleaseShape,
    pub(crate) gates: Vec<Gate>,
}

impl ReleaseWithGates {
    pub(crate) fn of(release: &Release, gates: &[GateStatus]) -> Self {
        Self {
            release: release.into(),
            gates: gates.iter().map(Gate::from).collect(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReleaseList {
    /// Newest first.
    pub(crate) items: Vec<ReleaseShape>,
    /// Give as `after` for the next page.
    pub(crate) next: Option<String>,
}

macro_rules! states {
    ($($name:ident),+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum DeploymentState { $($name),+ }

        impl From<StateName> for DeploymentState {
            fn from(name: StateName) -> Self {
                match name { $(StateName::$name => Self::$name),+ }
            }
        }

        impl From<DeploymentState> for StateName {
            fn from(name: DeploymentState) -> Self {
                match name { $(DeploymentState::$name => Self::$name),+ }
            }
        }
    };
}

states!(
    Requested,
    AwaitingApproval,
    Queued,
    Starting,
    Deploying,
    RollingBack,
    Succeeded,
    RolledBack,
    Failed,
    Rejected,
    Cancelled,
    Expired,
    Superseded
);

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DeploymentShape {
    #[schema(format = "uuid")]
    id: String,
    service: String,
    environment: String,
    production: bool,
    /// The release's label.
    label: String,
    state: DeploymentState,
    /// Goes back to an earlier release.
    rollback: bool,
    requested_by: String,
    #[schema(format = "date-time")]
    requested_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    finished_at: Option<String>,
    /// Share of traffic on the new version in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100)]
    traffic: Option<u8>,
    approved_by: Vec<String>,
    /// Why it stands where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl From<&DeploymentSummary> for DeploymentShape {
    fn from(summary: &DeploymentSummary) -> Self {
        Self {
            id: summary.id.to_string(),
            service: summary.service.to_string(),
            environment: summary.environment.to_string(),
            production: summary.production,
            label: summary.label.clone(),
            state: summary.state.into(),
            rollback: summary.rollback,
            requested_by: summary.requested_by.clone(),
            requested_at: summary.requested_at.to_string(),
            finished_at: summary.finished_at.map(|at| at.to_string()),
            traffic: summary.traffic,
            approved_by: summary.approved_by.clone(),
            note: summary.note.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeploymentList {
    /// Newest first.
    pub(crate) items: Vec<DeploymentShape>,
    /// Give as `after` for the next page.
    pub(crate) next: Option<String>,
}

/// One rule of the quorum: `count` people out of `teams`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuorumRule {
    teams: Vec<String>,
    count: u8,
    filled_by: Vec<Person>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Approval {
    person: Person,
    #[schema(format = "date-time")]
    at: String,
    /// The revision it was given to.
    revision: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    /// Why it does not count any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    void: Option<String>,
}

/// What the caller may do, and if not, why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Allowed {
    approve: bool,
    reject: bool,
    cancel: bool,
    roll_back: bool,
    /// Sentences for what is not allowed, by name.
    why_not: std::collections::BTreeMap<String, String>,
}

/// One deployment with everything a person decides by.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeploymentDetail {
    #[schema(format = "uuid")]
    id: String,
    service: String,
    environment: String,
    production: bool,
    label: String,
    state: DeploymentState,
    rollback: bool,
    requested_by: String,
    #[schema(format = "date-time")]
    requested_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100)]
    traffic: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    digest: String,
    /// Grows with every change.
    version: i64,
    /// What an approval is bound to; send it back when approving.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    release: ReleaseShape,
    gates: Vec<Gate>,
    quorum: Vec<QuorumRule>,
    approvals: Vec<Approval>,
    /// What ran before, as far as Tidegate knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<DeploymentShape>,
    /// In front of it in its lane.
    behind: Vec<DeploymentShape>,
    allowed: Allowed,
}

impl From<&DeploymentPage> for DeploymentDetail {
    fn from(page: &DeploymentPage) -> Self {
        let deployment = &page.deployment;
        Self {
            id: deployment.id.to_string(),
            service: deployment.service.to_string(),
            environment: deployment.environment.to_string(),
            production: page.production,
            label: deployment.label.clone(),
            state: deployment.state.name().into(),
            rollback: deployment.is_rollback(),
            requested_by: deployment.requested_by.label(),
            requested_at: deployment.requested_at.to_string(),
            finished_at: deployment.finished_at().map(|at| at.to_string()),
            traffic: deployment.traffic(),
            reason: deployment.reason.clone(),
            digest: deployment.digest.to_string(),
            version: page.version,
            revision: deployment.revision().map(|revision| revision.hash().0),
            release: (&page.release).into(),
            gates: page.gates.iter().map(Gate::from).collect(),
            quorum: page.quorum.as_ref().map(rules).unwrap_or_default(),
            approvals: deployment.approvals.iter().map(Approval::from).collect(),
            previous: page.previous.as_ref().map(DeploymentShape::from),
            behind: page.behind.iter().map(DeploymentShape::from).collect(),
            allowed: Allowed::from(&page.allowed),
        }
    }
}

fn rules(quorum: &QuorumStatus) -> Vec<QuorumRule> {
    quorum
        .rules
        .iter()
        .map(|rule| QuorumRule {
            teams: rule.teams.iter().map(ToString::to_string).collect(),
            count: rule.count,
            filled_by: rule.filled_by.iter().map(Person::from).collect(),
        })
        .collect()
}

impl From<&tidegate_domain::Approval> for Approval {
    fn from(approval: &tidegate_domain::Approval) -> Self {
        Self {
            person: (&approval.person).into(),
            at: approval.at.to_string(),
            revision: approval.revision.0.clone(),
            comment: approval.comment.clone(),
            void: approval.voided.as_ref().map(|voided| voided.why.clone()),
        }
    }
}

impl From<&tidegate_app::model::Allowed> for Allowed {
    fn from(allowed: &tidegate_app::model::Allowed) -> Self {
        let named = [
            ("approve", &allowed.approve),
            ("reject", &allowed.reject),
            ("cancel", &allowed.cancel),
            ("roll_back", &allowed.roll_back),
        ];
        Self {
            approve: allowed.approve.is_yes(),
            reject: allowed.reject.is_yes(),
            cancel: allowed.cancel.is_yes(),
            roll_back: allowed.roll_back.is_yes(),
            why_not: named
                .into_iter()
                .filter_map(|(name, permission)| match permission {
                    Permission::Yes => None,
                    Permission::No(why) => Some((name.to_owned(), why.clone())),
                })
                .collect(),
        }
    }
}

/// A request to bring a release to an environment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeploymentRequest {
    /// Id of a release.
    #[schema(format = "uuid")]
    pub(crate) release: String,
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "production")]
    pub(crate) environment: String,
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub(crate) reason: Option<String>,
}

/// A yes to exactly what was seen.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalGiven {
    /// `revision` of the deployment as it was read; another one by now is a conflict.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub(crate) revision: String,
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub(crate) comment: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// For those who read the history.
    #[schema(min_length = 1, max_length = 1000)]
    pub(crate) reason: String,
}

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

/// Which service the workflow run wants to report for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CiRequest {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "rag")]
    pub(crate) service: String,
}

/// A token for one service. Send it as `Authorization: Bearer`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CiToken {
    pub(crate) token: String,
    #[schema(example = "bearer")]
    pub(crate) token_type: String,
    pub(crate) service: String,
    #[schema(format = "date-time")]
    pub(crate) expires_at: String,
}
