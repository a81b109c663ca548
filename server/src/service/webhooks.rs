//! In from GitHub: what a push and a workflow run say about the releases of their commit.
//!
//! A delivery is noted as seen in the transaction that does what it says: it has its effect once, and if the process
//! ends in between it has had none and is taken when it comes again (R29).

use super::{
    Services, lineage,
    releases::about,
    transaction::{Stopped, again},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tidegate_app::portal::PortalError;
use tidegate_domain::{
    Actor, AuditEvent, EventKind, Release, Subject,
    name::{CommitSha, PersonRef},
    release::Commit,
};
use tidegate_store::{Run, Tx};

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

/// What a webhook tells.
#[derive(Debug, Clone)]
pub enum Hook {
    Push(Push),
    WorkflowRun(WorkflowRun),
    /// Of no interest, or without a member that is needed.
    Other,
}

/// A webhook's delivery.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// GitHub's own id of it; the same when it is sent again. Never empty.
    pub id: &'a str,
    pub event: &'a str,
    pub repository: Option<&'a str>,
    pub body: &'a [u8],
}

impl Services {
    /// Takes a delivery, once: false when its id or its body was seen before, and nothing is done then.
    ///
    /// # Errors
    /// Only when nothing was saved; GitHub may send it again.
    pub async fn webhook_received(&self, delivery: &Delivery<'_>, hook: &Hook) -> Result<bool, PortalError> {
        Ok(again(|| self.take_once(Some(delivery), hook)).await?)
    }

    /// Joins the pushed commits and the pusher to the releases of the pushed head, those of later reports too.
    ///
    /// # Errors
    /// Only when nothing was saved.
    pub async fn push_received(&self, push: Push) -> Result<(), PortalError> {
        let hook = Hook::Push(push);
        again(|| self.take_once(None, &hook)).await?;
        Ok(())
    }

    /// Joins who set the run off to the releases that it reported, or will report.
    ///
    /// # Errors
    /// Only when nothing was saved.
    pub async fn workflow_run_received(&self, run: WorkflowRun) -> Result<(), PortalError> {
        let hook = Hook::WorkflowRun(run);
        again(|| self.take_once(None, &hook)).await?;
        Ok(())
    }

    async fn take_once(&self, delivery: Option<&Delivery<'_>>, hook: &Hook) -> Result<bool, Stopped> {
        let mut tx = self.db().begin().await?;
        let mut events = Vec::new();
        if let Some(delivery) = delivery {
            if !tx
                .webhook_seen(delivery.id, &Sha256::digest(delivery.body).into())
                .await?
            {
                return Ok(false);
            }
            events.push(received(delivery));
        }
        let grown = match hook {
            Hook::Push(push) => take_push(&mut tx, push).await?,
            Hook::WorkflowRun(run) => take_run(&mut tx, run).await?,
            Hook::Other => Vec::new(),
        };
        let ids: Vec<_> = grown.iter().map(|release| release.id).collect();
        tx.wake_releases(&ids).await?;
        events.extend(grown.iter().map(|release| enriched(release, "webhook")));
        self.append(&mut tx, events).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn take_push(tx: &mut Tx, push: &Push) -> Result<Vec<Release>, Stopped> {
    tx.lock_repository(&push.repository).await?;
    let mut commits = push.commits.clone();
    commits.reverse();
    let kept = tidegate_store::Push {
        head: push.head.clone(),
        pusher: push.pusher.clone(),
        commits,
    };
    tx.remember_push(&push.repository, &kept).await?;
    join(tx, &push.repository, &push.head, |release| join_push(release, &kept)).await
}

async fn take_run(tx: &mut Tx, run: &WorkflowRun) -> Result<Vec<Release>, Stopped> {
    tx.lock_repository(&run.repository).await?;
    let kept = Run {
        run_id: run.run_id,
        head: run.head.clone(),
        url: run.url.clone(),
        actor: run.actor.clone(),
    };
    tx.remember_run(&run.repository, &kept).await?;
    join(tx, &run.repository, &run.head, |release| join_run(release, &kept)).await
}

/// The releases of a commit that learned something, saved, in the order of their ids.
async fn join(
    tx: &mut Tx,
    repository: &str,
    commit: &CommitSha,
    edit: impl Fn(&mut Release) -> bool + Send,
) -> Result<Vec<Release>, Stopped> {
    let mut grown = Vec::new();
    for release in tx.releases_by_commit(repository, commit).await? {
        let Some(mut release) = tx.release(release.id).await? else {
            continue;
        };
        if edit(&mut release) {
            tx.update_release(&release).await?;
            grown.push(release);
        }
    }
    Ok(grown)
}

/// Adds what a push says of its head. True when any of it was new.
pub(crate) fn join_push(release: &mut Release, push: &tidegate_store::Push) -> bool {
    let mut grown = lineage::enrich(release, &push.commits);
    if release.pusher.is_none() && push.pusher.is_some() {
        release.pusher.clone_from(&push.pusher);
        grown = true;
    }
    grown
}

/// Adds what GitHub says of a run to a release that this run reported. True when any of it was new.
pub(crate) fn join_run(release: &mut Release, run: &Run) -> bool {
    if release.run_id.is_some_and(|known| known != run.run_id) {
        return false;
    }
    let mut grown = run.actor.as_ref().is_some_and(|actor| release.set_off_by(actor));
    if release.run_id.is_none() {
        release.run_id = Some(run.run_id);
        grown = true;
    }
    if release.run_url.is_none() && run.url.is_some() {
        release.run_url.clone_from(&run.url);
        grown = true;
    }
    grown
}

fn received(delivery: &Delivery<'_>) -> AuditEvent {
    AuditEvent {
        kind: EventKind::WebhookReceived,
        actor: Actor::system("webhook"),
        subject: Subject::default(),
        data: json!({ "delivery": delivery.id, "event": delivery.event, "repository": delivery.repository }),
        text: None,
    }
}

/// The event of a release that learned something from GitHub.
pub fn enriched(release: &Release, from: &str) -> AuditEvent {
    let authors: Vec<&PersonRef> = release.commits.iter().map(|commit| &commit.author).collect();
    AuditEvent {
        kind: EventKind::ReleaseEnriched,
        actor: Actor::system(from),
        subject: about(release),
        data: json!({
            "commits": release.commits.len(), "authors": authors, "pusher": release.pusher, "actor": release.actor,
            "reruns": release.reruns,
        }),
        text: None,
    }
}
