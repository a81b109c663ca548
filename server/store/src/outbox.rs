//! The outbox: what people are told, kept with its cause, and which channel has heard of it.
//!
//! A notice is saved in the transaction of what it is about ([`Tx::post`]). Later it is [routed](Tx::route): one delivery
//! for each channel. A delivery is claimed before each attempt, on the database's time, so that of several replicas one
//! sends; the attempt is counted before it is made, so that whoever comes next knows that it may have arrived. A channel
//! hears of one deployment in order: what comes later waits.

use crate::{
    Conflict, Db, Result, Tx,
    deployments::unique,
    sql::{from_json, limit, on, to_json},
};
use tidegate_domain::{
    DeploymentId, Timestamp,
    notice::{Notice, NoticeKind},
};

/// One notice for one channel, held for one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryClaim {
    pub notice: Notice,
    pub channel: String,
    /// From 1. Whether an earlier one arrived may not be known.
    pub attempt: i64,
    pub lease_until: Timestamp,
    owner: String,
}

/// What became of one notice in one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub channel: String,
    pub kind: NoticeKind,
    pub state: DeliveryState,
    pub attempts: i64,
    /// Why the last attempt failed.
    pub why: Option<String>,
    /// What was made there, such as an issue.
    pub link: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be tried (again) then.
    Waiting(Timestamp),
    Told(Timestamp),
    GivenUp(Timestamp),
}

#[derive(sqlx::FromRow)]
struct ClaimRow {
    notice_id: String,
    channel: String,
    attempts: i64,
}

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    body: String,
    channel: String,
    state: String,
    attempts: i64,
    next_at: i64,
    ended_at: Option<i64>,
    why: Option<String>,
    link: Option<String>,
}

/// Deliveries that wait for no earlier one of their deployment and channel.
macro_rules! in_turn {
    () => {
        "FROM outbox_deliveries d WHERE state = 'waiting' AND NOT EXISTS (SELECT 1 FROM outbox_deliveries e \
         WHERE e.deployment_id = d.deployment_id AND e.channel = d.channel AND e.sequence < d.sequence \
         AND e.state = 'waiting')"
    };
}

macro_rules! claim_sql {
    ($lock:literal) => {
        concat!(
            "UPDATE outbox_deliveries SET owner = $1, lease_until = $2, attempts = attempts + 1 \
             WHERE (notice_id, channel) IN (SELECT notice_id, channel ",
            in_turn!(),
            " AND next_at <= $3 AND (lease_until IS NULL OR lease_until <= $3) ORDER BY next_at LIMIT $4",
            $lock,
            ") RETURNING notice_id, channel, attempts",
        )
    };
}

pub(crate) const UNROUTED: &str = "SELECT body FROM outbox WHERE routed_at IS NULL ORDER BY at, id LIMIT $1";

impl Tx {
    /// Keeps notices, together with what they are about.
    ///
    /// # Errors
    /// When the database fails; [`crate::Conflict::Exists`] when one of them is kept already.
    pub async fn post(&mut self, notices: &[Notice]) -> Result<()> {
        for notice in notices {
            let body = to_json("a notice", notice)?;
            on!(self.conn(), c => {
                sqlx::query("INSERT INTO outbox (id, deployment_id, at, body) VALUES ($1, $2, $3, $4)")
                    .bind(&notice.id)
                    .bind(notice.deployment.to_string())
                    .bind(notice.at.millis())
                    .bind(&body)
                    .execute(c)
                    .await
                    .map(drop)
            })
            .map_err(|error| unique(error, Conflict::Exists))?;
        }
        Ok(())
    }

    /// Makes the deliveries of a notice, due at once. False: somebody else did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn route(&mut self, notice: &Notice, channels: &[String]) -> Result<bool> {
        let now = self.now().millis();
        let routed = on!(self.conn(), c => {
            sqlx::query("UPDATE outbox SET routed_at = $2 WHERE id = $1 AND routed_at IS NULL")
                .bind(&notice.id)
                .bind(now)
                .execute(c)
                .await
                .map(|done| done.rows_affected())
        })?;
        if routed == 0 {
            return Ok(false);
        }
        for channel in channels {
            on!(self.conn(), c => {
                sqlx::query(
                    "INSERT INTO outbox_deliveries (notice_id, channel, deployment_id, sequence, next_at) \
                     VALUES ($1, $2, $3, $4, $5)",
                )
                .bind(&notice.id)
                .bind(channel)
                .bind(notice.deployment.to_string())
                .bind(notice.sequence)
                .bind(now)
                .execute(c)
                .await
                .map(drop)
            })?;
        }
        Ok(true)
    }

    /// Ends a delivery that will not be tried again. False: it is not held any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_up_delivery(&mut self, claim: &DeliveryClaim, why: &str) -> Result<bool> {
        let now = self.now().millis();
        let ended = on!(self.conn(), c => {
            sqlx::query(
                "UPDATE outbox_deliveries SET state = 'given_up', ended_at = $5, owner = NULL, lease_until = NULL, \
                 why = $6 WHERE notice_id = $1 AND channel = $2 AND owner = $3 AND attempts = $4 AND state = 'waiting'",
            )
            .bind(&claim.notice.id)
            .bind(&claim.channel)
            .bind(&claim.owner)
            .bind(claim.attempt)
            .bind(now)
            .bind(why)
            .execute(c)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(ended == 1)
    }
}

impl Db {
    /// Notices of which no deliveries were made yet, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unrouted_notices(&self, max: usize) -> Result<Vec<Notice>> {
        let rows = on!(self.read(), c => {
            sqlx::query_as::<_, (String,)>(UNROUTED)
                .bind(limit(max))
                .fetch_all(c)
                .await
        })?;
        rows.iter().map(|(body,)| from_json("a notice", body)).collect()
    }

    /// Takes up to `max` deliveries that are due and that nobody holds, the most overdue first, and counts an attempt of
    /// each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_deliveries(&self, owner: &str, lease_millis: i64, max: usize) -> Result<Vec<DeliveryClaim>> {
        let mut tx = self.begin().await?;
        let now = tx.now();
        let lease_until = now.plus_millis(lease_millis);
        let update = tx.pick(claim_sql!(""), claim_sql!(" FOR NO KEY UPDATE SKIP LOCKED"));
        let rows = on!(tx.conn(), c => {
            sqlx::query_as::<_, ClaimRow>(update)
                .bind(owner)
                .bind(lease_until.millis())
                .bind(now.millis())
                .bind(limit(max))
                .fetch_all(c)
                .await
        })?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in rows {
            let (body,) = on!(tx.conn(), c => {
                sqlx::query_as::<_, (String,)>("SELECT body FROM outbox WHERE id = $1")
                    .bind(&row.notice_id)
                    .fetch_one(c)
                    .await
            })?;
            claims.push(DeliveryClaim {
                notice: from_json("a notice", &body)?,
                channel: row.channel,
                attempt: row.attempts,
                lease_until,
                owner: owner.to_owned(),
            });
        }
        tx.commit().await?;
        Ok(claims)
    }

    /// It arrived. False: the claim is not held any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delivery_told(&self, claim: &DeliveryClaim, link: Option<&str>) -> Result<bool> {
        let now = self.now().await?;
        let ended = on!(self.write(), c => {
            sqlx::query(
                "UPDATE outbox_deliveries SET state = 'told', ended_at = $5, owner = NULL, lease_until = NULL, \
                 why = NULL, link = $6 \
                 WHERE notice_id = $1 AND channel = $2 AND owner = $3 AND attempts = $4 AND state = 'waiting'",
            )
            .bind(&claim.notice.id)
            .bind(&claim.channel)
            .bind(&claim.owner)
            .bind(claim.attempt)
            .bind(now.millis())
            .bind(link)
            .execute(c)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(ended == 1)
    }

    /// It is to be tried again, so many milliseconds from now. False: the claim is not held any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_off_delivery(&self, claim: &DeliveryClaim, after_millis: i64, why: &str) -> Result<bool> {
        let next_at = self.now().await?.plus_millis(after_millis);
        let put_off = on!(self.write(), c => {
            sqlx::query(
                "UPDATE outbox_deliveries SET next_at = $5, owner = NULL, lease_until = NULL, why = $6 \
                 WHERE notice_id = $1 AND channel = $2 AND owner = $3 AND attempts = $4 AND state = 'waiting'",
            )
            .bind(&claim.notice.id)
            .bind(&claim.channel)
            .bind(&claim.owner)
            .bind(claim.attempt)
            .bind(next_at.millis())
            .bind(why)
            .execute(c)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(put_off == 1)
    }

    /// When the next delivery can be claimed; `None` when nothing waits.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_delivery(&self) -> Result<Option<Timestamp>> {
        let (due,) = on!(self.read(), c => {
            sqlx::query_as::<_, (Option<i64>,)>(concat!(
                "SELECT min(CASE WHEN lease_until > next_at THEN lease_until ELSE next_at END) ",
                in_turn!(),
            ))
            .fetch_one(c)
            .await
        })?;
        Ok(due.map(Timestamp::from_millis))
    }

    /// Who was told what of a deployment, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliveries_of(&self, deployment: DeploymentId) -> Result<Vec<Delivery>> {
        let rows = on!(self.read(), c => {
            sqlx::query_as::<_, DeliveryRow>(
                "SELECT o.body, d.channel, d.state, d.attempts, d.next_at, d.ended_at, d.why, d.link \
                 FROM outbox_deliveries d JOIN outbox o ON o.id = d.notice_id WHERE d.deployment_id = $1 \
                 ORDER BY d.sequence, d.notice_id, d.channel",
            )
            .bind(deployment.to_string())
            .fetch_all(c)
            .await
        })?;
        rows.into_iter().map(DeliveryRow::read).collect()
    }
}

impl DeliveryRow {
    fn read(self) -> Result<Delivery> {
        let notice: Notice = from_json("a notice", &self.body)?;
        let ended = Timestamp::from_millis(self.ended_at.unwrap_or(self.next_at));
        Ok(Delivery {
            channel: self.channel,
            kind: notice.kind,
            state: match self.state.as_str() {
                "told" => DeliveryState::Told(ended),
                "given_up" => DeliveryState::GivenUp(ended),
                _ => DeliveryState::Waiting(Timestamp::from_millis(self.next_at)),
            },
            attempts: self.attempts,
            why: self.why,
            link: self.link,
        })
    }
}
