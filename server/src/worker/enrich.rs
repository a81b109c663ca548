//! Completes what CI reported of a release by what GitHub knows: the commits since the release before, and who wrote
//! them.
//!
//! Who may not approve depends on it (R3), so it fails closed: a release is complete when every commit that is known of it
//! has an author with a numeric id, or GitHub itself has said that it knows no account for them. Anything else, a refusal
//! too, is a reason to wait, in words.

use super::reconcile::Inner;
use crate::service::{enriched, lineage::enrich};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tidegate_adapters::{CallError, FoundCommit, Github};
use tidegate_domain::{EventKind, Release, ReleaseId, name::CommitSha, release::Commit};
use tidegate_store::{AuditQuery, Db, StoreError};

/// New releases looked at in a round.
const ROUND: usize = 20;
/// Releases of a round that may stay incomplete before GitHub is left alone until the next.
const FAILURES: usize = 3;
/// The longest that GitHub is waited for.
const DEADLINE: Duration = Duration::from_secs(15);
/// Earlier releases that a comparison may start from, newest first: a commit can vanish when history is rewritten.
const BASES: usize = 10;

/// Asks GitHub once for each release. What it has asked is kept in memory only: after a restart a few questions are
/// asked again, and nothing new is learned.
pub(super) struct Enricher {
    db: Db,
    github: Arc<dyn Github>,
    /// Complete releases, each with its commits that GitHub knows no account for.
    complete: Mutex<HashMap<ReleaseId, HashSet<CommitSha>>>,
}

impl Enricher {
    pub(super) fn new(db: Db, github: Arc<dyn Github>) -> Self {
        Self {
            db,
            github,
            complete: Mutex::default(),
        }
    }

    /// Makes sure that the release knows its commits. The inner error says why their authors are not known.
    pub(super) async fn complete(&self, release: &Release) -> Result<Result<(), String>, StoreError> {
        if self.is_complete(release) {
            return Ok(Ok(()));
        }
        let bases = self.bases(release).await?;
        let found = match tokio::time::timeout(DEADLINE, self.learn(release, &bases)).await {
            Ok(Ok(found)) => found,
            Ok(Err(why)) => return Ok(Err(why)),
            Err(_) => return Ok(Err("GitHub did not answer in time; it will be asked again".to_owned())),
        };
        let release = self.save(release, &found).await?;
        let answered: HashSet<CommitSha> = found.into_iter().map(|found| found.commit.sha).collect();
        self.known().insert(release.id, answered);
        Ok(if self.is_complete(&release) {
            Ok(())
        } else {
            Err("more commits of it have just become known; GitHub will be asked for their authors".to_owned())
        })
    }

    fn is_complete(&self, release: &Release) -> bool {
        self.known()
            .get(&release.id)
            .is_some_and(|answered| unknown(release, |sha| answered.contains(sha)).next().is_none())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<ReleaseId, HashSet<CommitSha>>> {
        self.complete.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Earlier releases out of the same repository.
    async fn bases(&self, release: &Release) -> Result<Vec<Release>, StoreError> {
        let before = Some((release.reported_at, release.id));
        let mut bases = self.db.releases_of(&release.service, before, BASES).await?;
        bases.retain(|base| base.repository == release.repository && base.commit != release.commit);
        Ok(bases)
    }

    /// The release's commit, what it brings on top of the release before, and every other commit of it whose author is
    /// not known yet. The error says in words what is missing.
    async fn learn(&self, release: &Release, bases: &[Release]) -> Result<Vec<FoundCommit>, String> {
        let repository = &release.repository;
        let mut found = match self.github.commit(repository, &release.commit).await {
            Ok(head) => vec![head],
            Err(error) if error.is_absent() => {
                self.github
                    .readable(repository)
                    .await
                    .map_err(|error| format!("the service's token cannot read {repository} ({error})"))?;
                return reported(release).map(|()| Vec::new());
            }
            Err(error) => return Err(unanswered(&error)),
        };
        let mut compared = bases.is_empty();
        for base in bases {
            match self.github.compare(repository, &base.commit, &release.commit).await {
                Ok(commits) => {
                    found.extend(commits);
                    compared = true;
                    break;
                }
                // Gone by a rewritten history: an older one brings more, never less.
                Err(error) if error.is_absent() => {}
                Err(error) => return Err(unanswered(&error)),
            }
        }
        if !compared {
            return Err(format!(
                "GitHub has none of the commits of the {} releases before it any more, so what it brings cannot be told",
                bases.len()
            ));
        }
        let answered: HashSet<CommitSha> = found.iter().map(|found| found.commit.sha.clone()).collect();
        for commit in unknown(release, |sha| answered.contains(sha)) {
            match self.github.commit(repository, &commit.sha).await {
                Ok(commit) => found.push(commit),
                Err(error) if error.is_absent() => {
                    return Err(format!("GitHub does not have its commit {}", commit.sha.short()));
                }
                Err(error) => return Err(unanswered(&error)),
            }
        }
        Ok(found)
    }

    /// Adds what was found to the release as it is by now, and returns it.
    async fn save(&self, release: &Release, found: &[FoundCommit]) -> Result<Release, StoreError> {
        let mut tx = self.db.begin().await?;
        let Some(mut release) = tx.release(release.id).await? else {
            return Ok(release.clone());
        };
        let commits: Vec<Commit> = found.iter().map(|found| found.commit.clone()).collect();
        let mut grown = enrich(&mut release, &commits);
        for person in found.iter().flat_map(|found| &found.co_authors) {
            if release.authors.iter().all(|known| known.id != person.id) {
                release.authors.push(person.clone());
                grown = true;
            }
        }
        if grown {
            tx.update_release(&release).await?;
            tx.wake_release(release.id).await?;
            tx.append_audit(&[enriched(&release, "worker")]).await?;
            tx.commit().await?;
        }
        Ok(release)
    }
}

/// Commits whose author has no numeric id, apart from those that GitHub was asked for.
fn unknown(release: &Release, asked: impl Fn(&CommitSha) -> bool) -> impl Iterator<Item = &Commit> {
    release
        .commits
        .iter()
        .filter(move |commit| commit.author.id == 0 && !asked(&commit.sha))
}

/// GitHub has no such commit, and would show it: CI's own report is all that will ever be known. It suffices where it
/// names everyone by numeric id.
fn reported(release: &Release) -> Result<(), String> {
    let mut people = release
        .authors
        .iter()
        .chain(release.commits.iter().map(|commit| &commit.author))
        .peekable();
    if people.peek().is_some() && people.all(|person| person.id != 0) {
        return Ok(());
    }
    Err(format!(
        "GitHub has no commit {} in {}, and CI did not report every author with their numeric id",
        release.commit.short(),
        release.repository
    ))
}

fn unanswered(error: &CallError) -> String {
    match error {
        CallError::Refused { retry: false, .. } => {
            format!("GitHub refused to say ({error}): check the service's token and what it may read")
        }
        _ => format!("GitHub could not be asked ({error}); it will be asked again"),
    }
}

impl Inner {
    /// Completes releases that nobody has asked to deploy yet, so that their pages say what they bring.
    pub(super) async fn enrich_new_releases(&self) {
        if let Err(error) = self.try_enrich_new_releases().await {
            tracing::warn!(%error, "new releases could not be completed from GitHub");
        }
    }

    async fn try_enrich_new_releases(&self) -> Result<(), StoreError> {
        let query = AuditQuery {
            kind: Some(EventKind::ReleaseRegistered.name().to_owned()),
            limit: ROUND,
            ..AuditQuery::default()
        };
        let mut failures = 0;
        for recorded in self.db.audit(&query).await? {
            let Some(id) = recorded.event.subject.release else {
                continue;
            };
            if let Some(release) = self.db.release(id).await?
                && let Err(why) = self.enricher.complete(&release).await?
            {
                tracing::info!(release = %id, why, "a release is not complete yet");
                failures += 1;
                if failures == FAILURES {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
