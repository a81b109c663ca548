//! The fictional organisation as the sandbox is seeded with it: people, teams, commits, images.

use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};
use tidegate_domain::{PersonRef, TeamSlug};

#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error("{path} cannot be read: {why}")]
    Unreadable { path: String, why: std::io::Error },
    #[error("the seed is not what the sandbox takes: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the seed knows no {0}")]
    Unknown(String),
}

#[derive(Debug, Deserialize)]
pub struct Seed {
    github: Github,
    aws: Aws,
}

#[derive(Debug, Deserialize)]
struct Github {
    users: Vec<User>,
    orgs: Vec<Organisation>,
    repos: Vec<Repository>,
}

#[derive(Debug, Deserialize)]
struct User {
    id: i64,
    login: String,
}

#[derive(Debug, Deserialize)]
struct Organisation {
    teams: Vec<Team>,
}

#[derive(Debug, Deserialize)]
struct Team {
    slug: TeamSlug,
    #[serde(default)]
    maintainers: Vec<String>,
    #[serde(default)]
    members: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct Repository {
    pub name: String,
    /// Oldest first.
    pub commits: Vec<Commit>,
    #[serde(default)]
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Commit {
    pub sha: String,
    pub message: String,
    /// A login.
    pub author: String,
    pub minutes_ago: i64,
}

#[derive(Debug, Deserialize)]
struct Run {
    id: i64,
    head_sha: String,
}

#[derive(Debug, Deserialize)]
struct Aws {
    images: Vec<Image>,
    services: Vec<Running>,
}

#[derive(Debug, Deserialize)]
struct Image {
    repository: String,
    tags: Vec<String>,
    digest: String,
}

#[derive(Debug, Deserialize)]
struct Running {
    name: String,
    cluster: String,
    image: String,
}

impl Seed {
    /// # Errors
    /// A file that cannot be read, or is no seed.
    pub fn load(path: &Path) -> Result<Self, SeedError> {
        let text = std::fs::read_to_string(path).map_err(|why| SeedError::Unreadable {
            path: path.display().to_string(),
            why,
        })?;
        Ok(serde_json::from_str(&text)?)
    }

    /// # Errors
    /// A login that nobody has.
    pub fn person(&self, login: &str) -> Result<PersonRef, SeedError> {
        let user = self.github.users.iter().find(|user| user.login == login);
        user.map(|user| PersonRef::new(user.id, &user.login))
            .ok_or_else(|| SeedError::Unknown(format!("person {login}")))
    }

    pub fn teams_of(&self, login: &str) -> Vec<TeamSlug> {
        let teams = self.github.orgs.iter().flat_map(|org| &org.teams);
        teams
            .filter(|team| {
                team.maintainers
                    .iter()
                    .chain(&team.members)
                    .any(|member| member == login)
            })
            .map(|team| team.slug.clone())
            .collect()
    }

    /// # Errors
    /// A repository that is not in the seed.
    pub fn repository(&self, name: &str) -> Result<&Repository, SeedError> {
        let mut all = self.github.repos.iter();
        all.find(|repository| repository.name == name)
            .ok_or_else(|| SeedError::Unknown(format!("repository {name}")))
    }

    /// The digest of the image of a commit, while the registry has it.
    pub fn image(&self, service: &str, sha: &str) -> Option<&str> {
        let tag = format!("sha-{}", &sha[..7]);
        let repository = format!("acme/{service}");
        let image = self
            .aws
            .images
            .iter()
            .find(|image| image.repository == repository && image.tags.contains(&tag));
        image.map(|image| image.digest.as_str())
    }

    /// Digest of what runs: by service and environment.
    pub fn running(&self) -> BTreeMap<(String, String), String> {
        let services = self.aws.services.iter();
        services
            .filter_map(|each| {
                let environment = each.cluster.strip_prefix("acme-")?;
                let (_, digest) = each.image.split_once('@')?;
                Some(((each.name.clone(), environment.to_owned()), digest.to_owned()))
            })
            .collect()
    }
}

impl Repository {
    /// The workflow run that released a commit; for those the seed no longer lists, the number it would have had.
    pub fn run_of(&self, index: usize) -> i64 {
        let position = |id: i64| id % 10_000;
        let known = |sha: &str| self.runs.iter().find(|run| run.head_sha == sha).map(|run| run.id);
        let commit = &self.commits[index];
        known(&commit.sha).unwrap_or_else(|| {
            let first = self.runs.first().map_or(7_401_000_001, |run| run.id);
            let place = i64::try_from(index).unwrap_or_default() + 1;
            first - position(first) + place
        })
    }
}
