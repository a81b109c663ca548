//! A release: one immutable artefact of a service, as CI reported it.

use crate::{
    id::ReleaseId,
    migration::Migration,
    name::{CommitSha, Digest, PersonRef, ServiceName},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// An image in a registry, always with its digest. The tag is for people; nothing is ever looked up by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Registry host and repository, such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag`.
    pub repository: String,
    pub digest: Digest,
    pub tag: Option<String>,
}

impl Image {
    /// `repository@sha256:…`: the only form that is ever deployed.
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }

    /// The repository's name within its registry: what follows the host.
    pub fn repository_name(&self) -> &str {
        self.repository
            .split_once('/')
            .map_or(self.repository.as_str(), |(_, name)| name)
    }
}

/// Why an image reference cannot be released.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImage {
    #[error(
        "{0:?} has no digest: a tag can be moved after it was approved. Report REPOSITORY:TAG@sha256:…, as `docker buildx imagetools inspect` prints it"
    )]
    NoDigest(String),
    #[error("the tag `latest` is refused: it names no release. Use sha-<commit> or a semantic version")]
    Latest,
    #[error("{0:?} is no image reference: expected HOST/REPOSITORY[:TAG]@sha256:…")]
    Malformed(String),
    #[error(transparent)]
    Digest(#[from] crate::name::InvalidName),
}

impl std::str::FromStr for Image {
    type Err = InvalidImage;

    /// Reads `HOST/REPOSITORY[:TAG]@sha256:…`. Refuses a reference without digest, and the tag `latest` (R36).
    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let shown = || text.chars().take(200).collect::<String>();
        let (name, digest) = text.split_once('@').ok_or_else(|| InvalidImage::NoDigest(shown()))?;
        let digest = Digest::new(digest)?;
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (name, None),
        };
        let well_formed = |part: &str| {
            !part.is_empty()
                && part.len() <= 255
                && part.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"'\\`@".contains(&b))
        };
        if !repository.contains('/') || !well_formed(repository) || tag.is_some_and(|tag| !well_formed(tag)) {
            return Err(InvalidImage::Malformed(shown()));
        }
        if tag == Some("latest") {
            return Err(InvalidImage::Latest);
        }
        Ok(Self {
            repository: repository.to_owned(),
            digest,
            tag: tag.map(str::to_owned),
        })
    }
}

/// A commit that a release brings, with its author. `author.id` is 0 when GitHub knows no account for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub sha: CommitSha,
    /// The first line of the message.
    pub title: String,
    pub author: PersonRef,
    pub at: Option<Timestamp>,
    pub url: Option<String>,
}

/// What CI reported. Never changes once registered; what GitHub says later is added to `commits` and `people`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub id: ReleaseId,
    pub service: ServiceName,
    /// `owner/name` on GitHub.
    pub repository: String,
    pub commit: CommitSha,
    /// Such as `refs/heads/main`.
    pub git_ref: String,
    pub image: Image,
    pub run_url: Option<String>,
    pub run_id: Option<i64>,
    /// Who wrote the commits. Never counts as an approver (R3).
    pub authors: Vec<PersonRef>,
    /// Who pushed. Never counts.
    pub pusher: Option<PersonRef>,
    /// Who set the workflow off. Never counts.
    pub actor: Option<PersonRef>,
    /// Who set it off again, or another run that reported the same. They never count either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reruns: Vec<PersonRef>,
    /// Newest first; from the report, the push webhook and GitHub's comparison, joined by commit id.
    pub commits: Vec<Commit>,
    /// The migration that it carries, where it declares one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
    pub reported_at: Timestamp,
}

impl Release {
    /// Notes who set off a run that reported it. True when that was not known.
    pub fn set_off_by(&mut self, actor: &PersonRef) -> bool {
        match &self.actor {
            None => self.actor = Some(actor.clone()),
            Some(known) if known.id == actor.id => return false,
            Some(_) if self.reruns.iter().any(|known| known.id == actor.id) => return false,
            Some(_) => self.reruns.push(actor.clone()),
        }
        true
    }

    /// The first line of its newest commit, where one is known.
    pub fn title(&self) -> Option<String> {
        self.commits.first().map(|commit| commit.title.clone())
    }

    /// What people call it: the tag where there is one, else the short commit.
    pub fn label(&self) -> String {
        self.image
            .tag
            .clone()
            .unwrap_or_else(|| format!("sha-{}", self.commit.short()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn an_image_keeps_repository_tag_and_digest() {
        let image: Image = format!("localhost:5000/acme/rag:sha-1234567@{DIGEST}").parse().unwrap();
        assert_eq!(image.repository, "localhost:5000/acme/rag");
        assert_eq!(image.repository_name(), "acme/rag");
        assert_eq!(image.tag.as_deref(), Some("sha-1234567"));
        assert_eq!(image.pinned(), format!("localhost:5000/acme/rag@{DIGEST}"));
    }

    #[rstest]
    #[case("registry.example/acme/rag:1.2.3")]
    #[case("registry.example/acme/rag:latest")]
    #[case("registry.example/acme/rag")]
    fn r36_a_reference_without_digest_is_refused(#[case] text: &str) {
        assert!(matches!(text.parse::<Image>(), Err(InvalidImage::NoDigest(_))));
    }

    #[test]
    fn r36_latest_is_refused_even_with_a_digest() {
        assert_eq!(
            format!("registry.example/acme/rag:latest@{DIGEST}").parse::<Image>(),
            Err(InvalidImage::Latest)
        );
    }

    #[rstest]
    #[case("rag")]
    #[case("/<script>/x")]
    #[case("a/b c")]
    fn a_malformed_repository_is_refused(#[case] name: &str) {
        assert!(matches!(
            format!("{name}@{DIGEST}").parse::<Image>(),
            Err(InvalidImage::Malformed(_))
        ));
    }

    #[test]
    fn r03_whoever_sets_the_workflow_off_again_is_noted_once_and_does_not_count() {
        let mut release: Release = serde_json::from_value(serde_json::json!({
            "id": "01890a5d-ac96-774b-bcce-b302099a8057", "service": "rag", "repository": "acme/rag",
            "commit": "c".repeat(40), "git_ref": "refs/heads/main",
            "image": { "repository": "x/rag", "digest": format!("sha256:{}", "a1".repeat(32)), "tag": null },
            "run_url": null, "run_id": 7, "authors": [], "pusher": null, "actor": null, "commits": [],
            "reported_at": "2026-03-01T10:00:00Z",
        }))
        .unwrap();
        let (ada, ben) = (PersonRef::new(1, "ada"), PersonRef::new(2, "ben"));
        assert!(release.set_off_by(&ada) && !release.set_off_by(&ada));
        assert!(release.set_off_by(&ben) && !release.set_off_by(&ben));
        assert_eq!((release.actor.as_ref(), &release.reruns), (Some(&ada), &vec![ben]));
        let involved = crate::approval::Involved::of(&release, None);
        assert!(involved.excludes(1).is_some() && involved.excludes(2).is_some() && involved.excludes(3).is_none());
    }
}
