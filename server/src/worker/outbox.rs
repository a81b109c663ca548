//! Tells people: takes what the outbox holds and brings it to each channel that is to hear of it.
//!
//! It runs beside the loop that attends deployments and shares nothing with it but the database, so that a channel that is
//! slow or away delays no deployment (R19). At least once: an attempt is counted before it is made, and what may have
//! arrived is sent again with the same id. A channel hears of one deployment in order. What could not be told within a day
//! is given up, with an event in the audit log.

use super::{millis, record::worker_warning};
use crate::service::lineage::{compare_url, lineage};
use async_trait::async_trait;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tidegate_adapters::notify::{Channel, Link, Message, NotDelivered, Receipt};
use tidegate_domain::{
    Deployment, DeploymentId, EnvironmentName,
    notice::{Notice, NoticeKind},
    time::DAY,
};
use tidegate_store::{Db, DeliveryClaim, StoreError};
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

/// Notices routed in one go.
const ROUND: usize = 100;
/// The shortest pause between two looks.
const BREATH: Duration = Duration::from_millis(50);
/// How long the attempts under way may take when the process is asked to end (R16).
const FAREWELL: Duration = Duration::from_secs(20);

/// Which of a deployment's notices a channel hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hears {
    Kinds(Vec<NoticeKind>),
    /// Those that mean something to whoever is on call.
    Pages,
    /// Those that are worth a ticket.
    Incidents,
}

/// A channel, and what it is for.
#[derive(Clone)]
pub struct Routed {
    /// As people call it, such as `Slack #deploys`; deliveries are kept under it.
    pub name: String,
    pub channel: Arc<dyn Channel>,
    pub environments: Vec<EnvironmentName>,
    pub hears: Hears,
}

/// All channels there are, and where the links of a message lead.
#[derive(Clone)]
pub struct Channels {
    pub list: Vec<Routed>,
    /// As people reach Tidegate.
    pub public_url: Url,
    /// GitHub's web, without a trailing slash.
    pub github_web: String,
}

/// Health data of a deployment in Markdown, for a ticket.
#[async_trait]
pub trait HealthTable: Send + Sync {
    /// `None`: nothing was measured.
    ///
    /// # Errors
    /// When the database fails.
    async fn of(&self, deployment: DeploymentId) -> Result<Option<String>, StoreError>;
}

/// How the outbox goes about it. The default is what production wants; only `owner` must be given.
#[derive(Debug, Clone)]
pub struct OutboxOptions {
    /// Names this process among replicas; a new one at each start.
    pub owner: String,
    /// How long a delivery is held. Longer than the longest attempt.
    pub lease: Duration,
    /// Attempts made at once: many, because one that waits for a channel that hangs does nothing else.
    pub concurrency: usize,
    /// Before the second attempt; doubled before each one more, with jitter.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// How long a notice is tried to be told.
    pub give_up_millis: i64,
    /// The longest pause of the loop, for wake-ups that got lost.
    pub idle: Duration,
}

impl OutboxOptions {
    pub fn new(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            lease: Duration::from_secs(60),
            concurrency: 64,
            first_pause: Duration::from_secs(5),
            longest_pause: Duration::from_secs(10 * 60),
            give_up_millis: DAY,
            idle: Duration::from_secs(5),
        }
    }

    /// Between half and all of the doubled pause, and not before the receiver wants it.
    fn pause(&self, attempt: i64, after: Option<Duration>) -> Duration {
        let doubled = u32::try_from(attempt.clamp(1, 20) - 1)
            .ok()
            .and_then(|times| self.first_pause.checked_mul(2_u32.pow(times)))
            .unwrap_or(self.longest_pause);
        let most = doubled.min(self.longest_pause);
        let jittered = most / 2 + most.mul_f64(rand::random::<f64>() / 2.0);
        jittered.max(after.unwrap_or_default())
    }
}

/// The round that tells people. Several may run on one database.
#[derive(Clone)]
pub struct Outbox {
    db: Db,
    channels: Arc<Channels>,
    health: Option<Arc<dyn HealthTable>>,
    options: OutboxOptions,
    finished: Arc<Notify>,
}

impl Outbox {
    pub fn new(db: Db, channels: Channels, options: OutboxOptions) -> Self {
        Self {
            db,
            channels: Arc::new(channels),
            health: None,
            options,
            finished: Arc::default(),
        }
    }

    /// With health data in the tickets.
    #[must_use]
    pub fn with_health(mut self, health: Arc<dyn HealthTable>) -> Self {
        self.health = Some(health);
        self
    }

    /// Runs until `shutdown`, then lets the attempts under way end.
    pub async fn run(&self, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(self.options.concurrency));
        let mut changes = self.db.changes();
        while !shutdown.is_cancelled() {
            let pause = match self.round(&slots, &tasks).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "the outbox could not be read; people are told later");
                    self.options.idle
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.finished.notified() => {}
                () = super::reconcile::something_changed(&mut changes) => {}
            }
        }
        tasks.close();
        if tokio::time::timeout(FAREWELL, tasks.wait()).await.is_err() {
            tracing::warn!(
                left = tasks.len(),
                "stopped while people were being told; they are told again"
            );
        }
    }

    /// Routes what is new, and begins an attempt of what is due. Returns how long there is nothing more to do.
    async fn round(&self, slots: &Arc<Semaphore>, tasks: &TaskTracker) -> Result<Duration, StoreError> {
        for notice in self.db.unrouted_notices(ROUND).await? {
            self.route(&notice).await?;
        }
        let free = slots.available_permits();
        let due = self.db.next_delivery().await?;
        let (Some(due), true) = (due, free > 0) else {
            return Ok(self.options.idle);
        };
        let wait = due.since(self.db.now().await?);
        if let Ok(wait) = u64::try_from(wait)
            && wait > 0
        {
            return Ok(Duration::from_millis(wait).clamp(BREATH, self.options.idle));
        }
        let asked_at = Instant::now();
        let lease = millis(self.options.lease);
        for claim in self.db.claim_deliveries(&self.options.owner, lease, free).await? {
            let slot = slots.clone().try_acquire_owned().ok();
            let outbox = self.clone();
            tasks.spawn(async move {
                outbox.attempt(&claim, asked_at).await;
                drop(slot);
                outbox.finished.notify_one();
            });
        }
        Ok(BREATH)
    }

    async fn route(&self, notice: &Notice) -> Result<(), StoreError> {
        let channels: Vec<String> = self
            .channels
            .list
            .iter()
            .filter(|routed| routed.is_for(notice))
            .map(|routed| routed.name.clone())
            .collect();
        let mut tx = self.db.begin().await?;
        tx.route(notice, &channels).await?;
        tx.commit().await
    }

    async fn attempt(&self, claim: &DeliveryClaim, asked_at: Instant) {
        if let Err(error) = self.try_attempt(claim, asked_at).await {
            tracing::warn!(%error, notice = claim.notice.id, channel = claim.channel, "an attempt to tell people was not kept; it is made again");
        }
    }

    async fn try_attempt(&self, claim: &DeliveryClaim, asked_at: Instant) -> Result<(), StoreError> {
        let Some(found) = self.db.deployment(claim.notice.deployment).await? else {
            return Err(StoreError::NotFound {
                what: format!("deployment {}", claim.notice.deployment),
            });
        };
        let deployment = found.value;
        let message = self.message(claim, &deployment).await?;
        // What comes after it must be kept within the lease too.
        let by = asked_at + self.options.lease.mul_f64(0.75);
        let told = match self.channels.list.iter().find(|routed| routed.name == claim.channel) {
            Some(routed) => match tokio::time::timeout_at(by, routed.channel.deliver(&message, by.into_std())).await {
                Ok(told) => told,
                Err(_) => Err(NotDelivered::Unknown("no answer in time".to_owned())),
            },
            // A replica with another configuration may know it.
            None => Err(NotDelivered::Later {
                why: format!("{} is not in the configuration", claim.channel),
                after: None,
            }),
        };
        match told {
            Ok(Receipt { link }) => {
                self.db.delivery_told(claim, link.as_deref()).await?;
                tracing::info!(
                    notice = claim.notice.id,
                    channel = claim.channel,
                    attempt = claim.attempt,
                    "people told"
                );
            }
            Err(failure) => self.failed(claim, &deployment, &message, failure).await?,
        }
        Ok(())
    }

    async fn failed(
        &self,
        claim: &DeliveryClaim,
        deployment: &Deployment,
        message: &Message,
        failure: NotDelivered,
    ) -> Result<(), StoreError> {
        let why = failure.to_string();
        tracing::warn!(
            notice = claim.notice.id,
            channel = claim.channel,
            attempt = claim.attempt,
            why,
            "people were not told"
        );
        let too_old = message.now.since(claim.notice.at) >= self.options.give_up_millis;
        let after = match failure {
            NotDelivered::Never(_) => return self.give_up(claim, deployment, &why).await,
            _ if too_old => return self.give_up(claim, deployment, &why).await,
            NotDelivered::Later { after, .. } => after,
            NotDelivered::Unknown(_) => None,
        };
        let pause = self.options.pause(claim.attempt, after);
        self.db.put_off_delivery(claim, millis(pause), &why).await?;
        Ok(())
    }

    async fn give_up(&self, claim: &DeliveryClaim, deployment: &Deployment, why: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        if !tx.give_up_delivery(claim, why).await? {
            return Ok(());
        }
        let data = json!({
            "what": format!("{} could not be told: {}", claim.channel, claim.notice.kind.words()),
            "notice": claim.notice.id, "channel": claim.channel, "attempts": claim.attempt, "why": why,
        });
        tx.append_audit(&[worker_warning(deployment, data)]).await?;
        tx.commit().await
    }

    async fn message(&self, claim: &DeliveryClaim, deployment: &Deployment) -> Result<Message, StoreError> {
        let lineage = lineage(&self.db, deployment).await?;
        let Channels {
            public_url, github_web, ..
        } = &*self.channels;
        let base = public_url.as_str().trim_end_matches('/');
        let link = |words: &str, url: String| Link {
            words: words.to_owned(),
            url,
        };
        let mut links = vec![link("Deployment", format!("{base}/deployments/{}", deployment.id))];
        links.extend(compare_url(github_web, &lineage).map(|url| link("Changes", url)));
        links.extend(lineage.release.run_url.map(|url| link("Workflow run", url)));
        let health = match &self.health {
            Some(health) if claim.notice.incident => health.of(deployment.id).await?,
            _ => None,
        };
        Ok(Message {
            notice: claim.notice.clone(),
            links,
            health,
            attempt: claim.attempt,
            now: self.db.now().await?,
        })
    }
}

impl Routed {
    fn is_for(&self, notice: &Notice) -> bool {
        let heard = match &self.hears {
            Hears::Kinds(kinds) => kinds.contains(&notice.kind),
            Hears::Pages => notice.page.is_some(),
            Hears::Incidents => notice.incident,
        };
        heard && self.environments.contains(&notice.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_longest_and_waits_as_long_as_it_is_told() {
        let options = OutboxOptions::new("a");
        for (attempt, most) in [(1, 5), (2, 10), (3, 20), (7, 320), (8, 600), (1_000, 600)] {
            let pause = options.pause(attempt, None);
            let most = Duration::from_secs(most);
            assert!(pause >= most / 2 && pause <= most, "{attempt}: {pause:?}");
        }
        let told = Duration::from_secs(3_600);
        assert_eq!(options.pause(1, Some(told)), told);
    }
}
