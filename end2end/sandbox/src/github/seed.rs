//! The shapes in which the control API takes people, teams, repositories, commits and runs.
//! `POST /github/seed` takes all of them at once. What is left out has a sensible value.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::git::FileChange;

/// A whole world, or an addition to one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Seed {
    pub(crate) users: Vec<UserSpec>,
    pub(crate) orgs: Vec<OrgSpec>,
    pub(crate) oauth_apps: Vec<AppSpec>,
    pub(crate) tokens: Vec<TokenSpec>,
    pub(crate) repos: Vec<RepoSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserSpec {
    pub(crate) id: Option<u64>,
    pub(crate) login: String,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrgSpec {
    pub(crate) id: Option<u64>,
    pub(crate) login: String,
    pub(crate) name: Option<String>,
    /// Login to role: `member` or `admin`.
    #[serde(default)]
    pub(crate) members: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) teams: Vec<TeamSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TeamSpec {
    pub(crate) id: Option<u64>,
    pub(crate) slug: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) secret: bool,
    pub(crate) parent: Option<String>,
    #[serde(default)]
    pub(crate) members: Vec<String>,
    #[serde(default)]
    pub(crate) maintainers: Vec<String>,
    /// Invited and not yet in.
    #[serde(default)]
    pub(crate) pending: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppSpec {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) callback_urls: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenSpec {
    pub(crate) token: String,
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) scopes: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepoSpec {
    pub(crate) id: Option<u64>,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) private: bool,
    pub(crate) default_branch: Option<String>,
    #[serde(default)]
    pub(crate) commits: Vec<CommitSpec>,
    #[serde(default)]
    pub(crate) runs: Vec<RunSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommitSpec {
    pub(crate) sha: Option<String>,
    pub(crate) message: String,
    /// A login, or `Name <address>` for someone without an account.
    pub(crate) author: String,
    pub(crate) committer: Option<String>,
    #[serde(default)]
    pub(crate) files: Vec<FileChange>,
    /// The default branch when absent; made when it does not exist.
    pub(crate) branch: Option<String>,
    /// The tip of the branch when absent.
    pub(crate) parents: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) minutes_ago: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunSpec {
    pub(crate) id: Option<u64>,
    pub(crate) name: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) workflow_id: Option<u64>,
    pub(crate) head_branch: Option<String>,
    /// The tip of the branch when absent.
    pub(crate) head_sha: Option<String>,
    pub(crate) run_number: Option<u64>,
    pub(crate) run_attempt: Option<u64>,
    pub(crate) event: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) conclusion: Option<String>,
    pub(crate) actor: String,
    pub(crate) triggering_actor: Option<String>,
    #[serde(default)]
    pub(crate) minutes_ago: i64,
}
