//! In from GitHub: what a push and a workflow run say about the releases of their commit.

use super::{Services, errors, lineage, releases::about};
use serde_json::json;
use tidegate_app::portal::PortalError;
use tidegate_domain::{
    Actor, AuditEvent, EventKind, Release,
    name::{CommitSha, PersonRef},
    release::Commit,
};
use tidegate_store::Tx;

/// A push, as GitHub's webhook tells it.
#[derive(Debug, Clone)]
pub struct Push {
    /// `owner/name`.
    pub repository: String,
    pub git_ref: String,
    pub head: CommitSha,
    pub pusher: Option<PersonRef>,
    /// Oldest first, as GitHub sends them.
    pub commits: Vec<Commit>,
}

/// A workflow run, as GitHub's webhook tells it.
#[derive(Debug, Clone)]
pub struct WorkflowRun {
    /// `owner/name`.
    pub repository: String,
    pub head: CommitSha,
    pub run_id: i64,
    pub url: Option<String>,
    /// Who set it off.
    pub actor: Option<PersonRef>,
}

impl Services {
    /// Joins the pushed commits and the pusher to the releases of the pushed head, those of later reports too.
    ///
    /// # Errors
    /// Only when nothing was saved; GitHub may send it again.
    pub async fn push_received(&self, push: Push) -> Result<(), PortalError> {
        let mut commits = push.commits.clone();
        commits.reverse();
        let kept = tidegate_store::Push {
            head: push.head.clone(),
            pusher: push.pusher.clone(),
            commits: commits.clone(),
        };
        let mut tx = self.db().begin().await.map_err(errors::portal)?;
        tx.remember_push(&push.repository, &kept)
            .await
            .map_err(errors::portal)?;
        self.join(&mut tx, &push.repository, &push.head, |release| {
            let mut grown = lineage::enrich(release, &commits);
            if release.pusher.is_none() && push.pusher.is_some() {
                release.pusher.clone_from(&push.pusher);
                grown = true;
            }
            grown
        })
        .await?;
        tx.commit().await.map_err(errors::portal)
    }

    /// Joins who set the run off to the releases of its commit.
    ///
    /// # Errors
    /// Only when nothing was saved; GitHub may send it again.
    pub async fn workflow_run_received(&self, run: WorkflowRun) -> Result<(), PortalError> {
        let mut tx = self.db().begin().await.map_err(errors::portal)?;
        self.join(&mut tx, &run.repository, &run.head, |release| {
            if release.run_id.is_some_and(|known| known != run.run_id) {
                return false;
            }
            let grown =
                release.actor.is_none() && run.actor.is_some() || release.run_url.is_none() && run.url.is_some();
            if release.actor.is_none() {
                release.actor.clone_from(&run.actor);
            }
            if release.run_url.is_none() {
                release.run_url.clone_from(&run.url);
            }
            grown
        })
        .await?;
        tx.commit().await.map_err(errors::portal)
    }

    async fn join(
        &self,
        tx: &mut Tx,
        repository: &str,
        commit: &CommitSha,
        edit: impl Fn(&mut Release) -> bool + Send,
    ) -> Result<(), PortalError> {
        let releases = self
            .db()
            .releases_by_commit(repository, commit)
            .await
            .map_err(errors::portal)?;
        for release in releases {
            let Some(mut release) = tx.release(release.id).await.map_err(errors::portal)? else {
                continue;
            };
            if edit(&mut release) {
                tx.update_release(&release).await.map_err(errors::portal)?;
                tx.append_audit(&[enriched(&release, "webhook")])
                    .await
                    .map_err(errors::audit)?;
                tx.wake_release(release.id).await.map_err(errors::portal)?;
            }
        }
        Ok(())
    }
}

/// The event of a release that learned something from GitHub.
pub fn enriched(release: &Release, from: &str) -> AuditEvent {
    let authors: Vec<&PersonRef> = release.commits.iter().map(|commit| &commit.author).collect();
    AuditEvent {
        kind: EventKind::ReleaseEnriched,
        actor: Actor::system(from),
        subject: about(release),
        data: json!({ "commits": release.commits.len(), "authors": authors, "pusher": release.pusher, "actor": release.actor }),
        text: None,
    }
}
