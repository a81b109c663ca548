//! Completes what CI reported of a release by what GitHub knows: the commits since the release before, and who wrote
//! them.

use super::reconcile::Inner;
use crate::service::{enriched, lineage::enrich};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tidegate_adapters::{CallError, Github};
use tidegate_domain::{EventKind, Release, ReleaseId, release::Commit};
use tidegate_store::{AuditQuery, Db, StoreError};

/// New releases looked at in a round.
const ROUND: usize = 20;
/// The longest that GitHub is waited for.
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks GitHub once for each release. What it has asked is kept in memory only: after a restart a few questions are
/// asked again, and nothing new is learned.
pub(super) struct Enricher {
    db: Db,
    github: Arc<dyn Github>,
    complete: Mutex<HashSet<ReleaseId>>,
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
        if self.known().contains(&release.id) {
            return Ok(Ok(()));
        }
        match self.commits(release).await? {
            Ok(commits) => {
                self.save(release.id, &commits).await?;
                self.known().insert(release.id);
                Ok(Ok(()))
            }
            Err(CallError::Refused {
                retry: false,
                code,
                message,
            }) => {
                // GitHub does not have the commit: CI's own report is all that will ever be known.
                tracing::warn!(release = %release.id, code, message, "GitHub does not know the commits of a release");
                if release.authors.is_empty() && release.commits.is_empty() {
                    return Ok(Err(format!(
                        "GitHub has no commit {} in it ({message}), and CI reported no authors",
                        release.commit.short()
                    )));
                }
                self.known().insert(release.id);
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(format!(
                "GitHub could not be asked ({error}); it will be asked again"
            ))),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<ReleaseId>> {
        self.complete.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the release brings on top of the one reported before it; its own commit where there was none.
    async fn commits(&self, release: &Release) -> Result<Result<Vec<Commit>, CallError>, StoreError> {
        let before = self
            .db
            .releases_of(&release.service, Some((release.reported_at, release.id)), 1)
            .await?;
        let base = before
            .first()
            .filter(|base| base.repository == release.repository && base.commit != release.commit);
        let asked = async {
            if let Some(base) = base {
                match self
                    .github
                    .compare(&release.repository, &base.commit, &release.commit)
                    .await
                {
                    Ok(commits) if !commits.is_empty() => return Ok(commits),
                    // Behind the other one, or the other one is gone: its own commit at least has an author.
                    Ok(_) | Err(CallError::Refused { retry: false, .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(vec![self.github.commit(&release.repository, &release.commit).await?])
        };
        Ok(tokio::time::timeout(DEADLINE, asked)
            .await
            .unwrap_or_else(|_| Err(CallError::Unknown("no answer in time".to_owned()))))
    }

    async fn save(&self, id: ReleaseId, commits: &[Commit]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let Some(mut release) = tx.release(id).await? else {
            return Ok(());
        };
        if enrich(&mut release, commits) {
            tx.update_release(&release).await?;
            tx.wake_release(id).await?;
            tx.append_audit(&[enriched(&release, "worker")]).await?;
            tx.commit().await?;
        }
        Ok(())
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
        for recorded in self.db.audit(&query).await? {
            let Some(id) = recorded.event.subject.release else {
                continue;
            };
            if self.enricher.known().contains(&id) {
                continue;
            }
            if let Some(release) = self.db.release(id).await?
                && let Err(why) = self.enricher.complete(&release).await?
            {
                tracing::info!(release = %id, why, "a release is not complete yet");
                return Ok(());
            }
        }
        Ok(())
    }
}
