//! Releases, their commits and gates.

use super::Person;
use serde::{Deserialize, Serialize};
use tidegate_app::portal::PortalError;
use tidegate_domain::{
    Release, Verdict,
    gate::GateStatus,
    migration::{Migration, Phase},
    release::Commit,
    revision::GateEvidence,
};
use utoipa::ToSchema;

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
    /// How long it took.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604_800)]
    pub(crate) seconds: Option<i64>,
}

/// The database migration that a release carries. Its three phases are releases of their own, in this order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MigrationShape {
    /// The same for all three phases.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,100}$", example = "2026-11-orders")]
    id: String,
    phase: MigrationPhase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MigrationPhase {
    /// The new schema comes beside the old one.
    Expand,
    /// Only the new schema is written.
    Migrate,
    /// The old schema goes. Never on a Friday, nor in the calendar week of `migrate`.
    Contract,
}

impl MigrationShape {
    pub(crate) fn read(self) -> Result<Migration, PortalError> {
        let phase = match self.phase {
            MigrationPhase::Expand => Phase::Expand,
            MigrationPhase::Migrate => Phase::Migrate,
            MigrationPhase::Contract => Phase::Contract,
        };
        Migration::new(&self.id, phase).ok_or_else(|| PortalError::Invalid {
            field: "migration.id".to_owned(),
            message: "use 1 to 100 letters, digits, '.', '_' and '-'".to_owned(),
        })
    }
}

impl From<&Migration> for MigrationShape {
    fn from(migration: &Migration) -> Self {
        Self {
            id: migration.id.clone(),
            phase: match migration.phase {
                Phase::Expand => MigrationPhase::Expand,
                Phase::Migrate => MigrationPhase::Migrate,
                Phase::Contract => MigrationPhase::Contract,
            },
        }
    }
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
    #[serde(default)]
    pub(crate) migration: Option<MigrationShape>,
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
    /// How long it took, where CI said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    reported_at: Option<String>,
}

impl From<&GateStatus> for Gate {
    fn from(status: &GateStatus) -> Self {
        let result = status.result.as_ref();
        Self {
            gate: status.gate.to_string(),
            verdict: result.map(|result| result.verdict.into()),
            detail: result.and_then(|result| result.detail.clone()),
            url: result.and_then(|result| result.url.clone()),
            seconds: result.and_then(|result| result.seconds),
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
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<i64>,
    authors: Vec<Person>,
    /// Who pushed the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pusher: Option<Person>,
    /// Who set the workflow off.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Person>,
    /// Who set it off again.
    reruns: Vec<Person>,
    commits: Vec<CommitShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    migration: Option<MigrationShape>,
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
            run_id: release.run_id,
            authors: release.authors.iter().map(Person::from).collect(),
            pusher: release.pusher.as_ref().map(Person::from),
            actor: release.actor.as_ref().map(Person::from),
            reruns: release.reruns.iter().map(Person::from).collect(),
            commits: release.commits.iter().map(CommitShape::from).collect(),
            migration: release.migration.as_ref().map(MigrationShape::from),
            reported_at: release.reported_at.to_string(),
        }
    }
}

impl From<&Commit> for CommitShape {
    fn from(commit: &Commit) -> Self {
        Self {
            sha: commit.sha.to_string(),
            title: commit.title.clone(),
            author: Person::from(&commit.author),
            at: commit.at.map(|at| at.to_string()),
            url: commit.url.clone(),
        }
    }
}

impl From<Verdict> for GateVerdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Fail => Self::Fail,
        }
    }
}

/// What a gate said when a revision was made.
impl From<&GateEvidence> for Gate {
    fn from(evidence: &GateEvidence) -> Self {
        Self {
            gate: evidence.gate.to_string(),
            verdict: Some(evidence.verdict.into()),
            detail: evidence.detail.clone(),
            url: evidence.url.clone(),
            seconds: None,
            reported_at: None,
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
