//! One deployment with everything that is known of it.

use super::{
    CommitShape, DeploymentShape, DeploymentState, Gate, Person, ReleaseShape, ShapeShape,
    run::{Preparation, RevisionShape, RunShape},
};
use serde::Serialize;
use tidegate_app::model::{DeploymentPage, Permission};
use tidegate_domain::{
    Deployment, State,
    approval::{Involved, QuorumStatus},
    deployment::{self, Kind, RollbackCause},
};
use utoipa::ToSchema;

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
    /// Given under solo mode by someone who would otherwise not count.
    solo: bool,
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
    /// Answer a hold.
    resume: bool,
    roll_back: bool,
    /// Sentences for what is not allowed, by name.
    why_not: std::collections::BTreeMap<String, String>,
}

/// What stands in the way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlockerShape {
    /// `gate_missing`, `gate_failed`, `promotion_order`, `registry`, `target` or `migration`.
    #[schema(value_type = String)]
    kind: deployment::BlockerKind,
    /// What it is about: a gate, an environment, an image.
    subject: String,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// Why it failed: AWS's code, and words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    message: String,
}

/// Why traffic went back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CauseShape {
    #[schema(example = "person")]
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Person>,
    /// A person's reason, or AWS's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Id of the cloud deployment that goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_deployment: Option<String>,
}

/// The deployment that a rollback goes back from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RollbackOf {
    #[schema(format = "uuid")]
    id: String,
    by: Person,
    reason: String,
}

/// Whose approval never counts for it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvolvedShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    requester: Option<Person>,
    authors: Vec<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pusher: Option<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_actor: Option<Person>,
    /// Who set the workflow off again.
    reruns: Vec<Person>,
}

/// Another deployment that this one has to do with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RelatedShape {
    #[schema(example = "rolled back by")]
    how: String,
    deployment: DeploymentShape,
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
    /// Since when it waits, for approval or for its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    since: Option<String>,
    /// Until when it must be approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    expires_at: Option<String>,
    /// Until when it must have started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    start_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100)]
    traffic: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Why it stands where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    blockers: Vec<BlockerShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_cause: Option<CauseShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_of: Option<RollbackOf>,
    digest: String,
    /// Grows with every change.
    version: i64,
    /// What an approval is bound to; send it back when approving.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    /// What the revision is the hash of.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision_content: Option<RevisionShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preparation: Option<Preparation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunShape>,
    release: ReleaseShape,
    /// What it brings on top of what ran before, newest first.
    commits: Vec<CommitShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compare_url: Option<String>,
    gates: Vec<Gate>,
    quorum: Vec<QuorumRule>,
    /// It came to rest under another policy than that of today, which `gates` and `quorum` go by.
    policy_changed: bool,
    approvals: Vec<Approval>,
    involved: InvolvedShape,
    /// What ran before, as far as Tidegate knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<DeploymentShape>,
    /// In front of it in its lane.
    behind: Vec<DeploymentShape>,
    related: Vec<RelatedShape>,
    allowed: Allowed,
    /// Freezes, the way back, break-glass and the time budget.
    shape: ShapeShape,
}

impl From<&DeploymentPage> for DeploymentDetail {
    fn from(page: &DeploymentPage) -> Self {
        let deployment = &page.deployment;
        let (since, expires_at, start_before) = times(&deployment.state);
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
            since,
            expires_at,
            start_before,
            finished_at: deployment.finished_at().map(|at| at.to_string()),
            traffic: deployment.traffic(),
            reason: deployment.reason.clone(),
            note: crate::service::note(deployment),
            blockers: blockers(&deployment.state),
            failure: match &deployment.state {
                State::Failed { failure, .. } => Some(failure.into()),
                _ => None,
            },
            rollback_cause: cause(&deployment.state),
            rollback_of: rollback_of(deployment),
            digest: deployment.digest.to_string(),
            version: page.version,
            revision: deployment.revision().map(|revision| revision.hash().0),
            revision_content: deployment.revision().map(RevisionShape::from),
            preparation: deployment.preparation.as_ref().map(Preparation::from),
            run: deployment.run().map(RunShape::from),
            release: (&page.release).into(),
            commits: page.commits.iter().map(CommitShape::from).collect(),
            compare_url: page.compare_url.clone(),
            gates: page.gates.iter().map(Gate::from).collect(),
            quorum: page.quorum.as_ref().map(rules).unwrap_or_default(),
            policy_changed: page.policy_changed,
            approvals: deployment.approvals.iter().map(Approval::from).collect(),
            involved: (&page.involved).into(),
            previous: page.previous.as_ref().map(DeploymentShape::from),
            behind: page.behind.iter().map(DeploymentShape::from).collect(),
            related: page
                .related
                .iter()
                .map(|(how, other)| RelatedShape {
                    how: how.clone(),
                    deployment: other.into(),
                })
                .collect(),
            allowed: Allowed::from(&page.allowed),
            shape: ShapeShape::from(&page.shape),
        }
    }
}

/// Since when it waits, until when it must be approved, and until when it must have started.
fn times(state: &State) -> (Option<String>, Option<String>, Option<String>) {
    match state {
        State::AwaitingApproval { since, expires_at, .. } => {
            (Some(since.to_string()), Some(expires_at.to_string()), None)
        }
        State::Queued {
            since, start_before, ..
        } => (Some(since.to_string()), None, start_before.map(|at| at.to_string())),
        _ => (None, None, None),
    }
}

fn blockers(state: &State) -> Vec<BlockerShape> {
    let State::Requested { blocked } = state else {
        return Vec::new();
    };
    blocked
        .iter()
        .map(|blocker| BlockerShape {
            kind: blocker.kind,
            subject: blocker.subject.clone(),
            why: blocker.why.clone(),
            since: blocker.since.map(|at| at.to_string()),
            url: blocker.url.clone(),
        })
        .collect()
}

fn cause(state: &State) -> Option<CauseShape> {
    let (State::RollingBack { cause, rollback, .. } | State::RolledBack { cause, rollback, .. }) = state else {
        return None;
    };
    let (by, why) = match cause {
        RollbackCause::Person { by, reason } => (Some(by.into()), Some(reason.clone())),
        RollbackCause::Cloud { message } => (None, Some(message.clone())),
        RollbackCause::Deadline => (None, None),
        other => (None, other.facts()),
    };
    Some(CauseShape {
        cause: cause.name(),
        by,
        why,
        cloud_deployment: rollback.clone(),
    })
}

fn rollback_of(deployment: &Deployment) -> Option<RollbackOf> {
    match &deployment.kind {
        Kind::Rollback { of, by, reason } => Some(RollbackOf {
            id: of.to_string(),
            by: by.into(),
            reason: reason.clone(),
        }),
        Kind::Promotion => None,
    }
}

pub(crate) fn rules(quorum: &QuorumStatus) -> Vec<QuorumRule> {
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

impl From<&deployment::Failure> for FailureShape {
    fn from(failure: &deployment::Failure) -> Self {
        Self {
            code: failure.code.clone(),
            message: failure.message.clone(),
        }
    }
}

impl From<&tidegate_domain::Approval> for Approval {
    fn from(approval: &tidegate_domain::Approval) -> Self {
        Self {
            person: (&approval.person).into(),
            at: approval.at.to_string(),
            revision: approval.revision.0.clone(),
            comment: approval.comment.clone(),
            solo: approval.solo,
            void: approval.voided.as_ref().map(|voided| voided.why.clone()),
        }
    }
}

impl From<&Involved> for InvolvedShape {
    fn from(involved: &Involved) -> Self {
        Self {
            requester: involved.requester.as_ref().map(Person::from),
            authors: involved.authors.iter().map(Person::from).collect(),
            pusher: involved.pusher.as_ref().map(Person::from),
            workflow_actor: involved.workflow_actor.as_ref().map(Person::from),
            reruns: involved.reruns.iter().map(Person::from).collect(),
        }
    }
}

impl From<&tidegate_app::model::Allowed> for Allowed {
    fn from(allowed: &tidegate_app::model::Allowed) -> Self {
        let named = [
            ("approve", &allowed.approve),
            ("reject", &allowed.reject),
            ("cancel", &allowed.cancel),
            ("resume", &allowed.resume),
            ("roll_back", &allowed.roll_back),
        ];
        Self {
            approve: allowed.approve.is_yes(),
            reject: allowed.reject.is_yes(),
            cancel: allowed.cancel.is_yes(),
            resume: allowed.resume.is_yes(),
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
