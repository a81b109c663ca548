//! The audit log: append-only, numbered from 1 without gaps, each event with the exact bytes that stand for it.
//!
//! The bytes are the canonical JSON (RFC 8785) of number, time, kind, actor, subject, data and the salted hash of what
//! a person typed. That text lies beside it. Writers take their turn at one head row, so a number is given away only
//! with the commit that uses it, and times never run backwards along the numbers.

use crate::{
    Db, Result, StoreError, Tx,
    sql::{Sql, fetch_built, limit, on},
};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_domain::{
    Actor, AuditEvent, DeploymentId, EnvironmentName, EventKind, ServiceName, Subject, Timestamp, audit::RecordedEvent,
};

/// Every filter that is set must hold. Newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditQuery {
    /// A kind, `deployment.requested`, or what comes before its dot: `deployment`.
    pub kind: Option<String>,
    pub service: Option<ServiceName>,
    pub environment: Option<EnvironmentName>,
    /// Login of the person behind the event; case does not matter.
    pub person: Option<String>,
    pub deployment: Option<DeploymentId>,
    /// At or after this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub to: Option<Timestamp>,
    /// Events with a smaller number.
    pub before_seq: Option<i64>,
    pub limit: usize,
}

/// What the bytes say.
#[derive(Serialize, Deserialize)]
struct Entry {
    seq: i64,
    at: Timestamp,
    kind: EventKind,
    actor: Actor,
    subject: Subject,
    data: serde_json::Value,
    /// Hexadecimal SHA-256 of salt and text.
    text: Option<String>,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    seq: i64,
    event: Vec<u8>,
    text: Option<String>,
}

fn read(row: EventRow) -> Result<RecordedEvent> {
    let entry: Entry = serde_json::from_slice(&row.event)
        .map_err(|error| StoreError::corrupt(format!("audit event {}", row.seq), error))?;
    Ok(RecordedEvent {
        seq: entry.seq,
        at: entry.at,
        event: AuditEvent {
            kind: entry.kind,
            actor: entry.actor,
            subject: entry.subject,
            data: entry.data,
            text: row.text,
        },
    })
}

fn text_hash(salt: &[u8], text: &str) -> String {
    hex::encode(Sha256::new().chain_update(salt).chain_update(text).finalize())
}

const SELECT: &str =
    "SELECT a.seq, a.event, (SELECT t.text FROM audit_texts t WHERE t.seq = a.seq) AS text FROM audit a";

impl Tx {
    /// Appends events, in their order, and returns their numbers. Do this last: from here on other writers wait.
    ///
    /// # Errors
    /// When the database fails; then nothing of this transaction may be kept.
    pub async fn append_audit(&mut self, events: &[AuditEvent]) -> Result<Vec<i64>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        on!(self.conn(), c => {
            sqlx::query("UPDATE audit_head SET seq = seq + $1 WHERE id = 1").bind(count).execute(c).await.map(drop)
        })?;
        // Now that it is our turn: the time of these events is not before that of the event before.
        let clock = self.clock().await?.millis();
        let (last, at) = on!(self.conn(), c => {
            sqlx::query_as::<_, (i64, i64)>(
                "UPDATE audit_head SET at = CASE WHEN at > $1 THEN at ELSE $1 END WHERE id = 1 RETURNING seq, at",
            )
            .bind(clock)
            .fetch_one(c)
            .await
        })?;
        let numbers: Vec<i64> = (last - count + 1..=last).collect();
        for (seq, event) in numbers.iter().zip(events) {
            self.append_one(*seq, Timestamp::from_millis(at), event).await?;
        }
        self.logged(last);
        Ok(numbers)
    }

    async fn append_one(&mut self, seq: i64, at: Timestamp, event: &AuditEvent) -> Result<()> {
        let mut salt = [0_u8; 16];
        rand::rng().fill_bytes(&mut salt);
        let entry = Entry {
            seq,
            at,
            kind: event.kind,
            actor: event.actor.clone(),
            subject: event.subject.clone(),
            data: event.data.clone(),
            text: event.text.as_deref().map(|text| text_hash(&salt, text)),
        };
        let bytes = serde_json_canonicalizer::to_vec(&entry)
            .map_err(|error| StoreError::corrupt(format!("audit event {seq}"), error))?;
        let kind = event.kind.name();
        let area = kind.split_once('.').map_or(kind, |(area, _)| area);
        on!(self.conn(), c => {
            sqlx::query(
                "INSERT INTO audit (seq, at, kind, area, service, environment, deployment_id, person, event) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(seq)
            .bind(at.millis())
            .bind(kind)
            .bind(area)
            .bind(event.subject.service.as_ref().map(ServiceName::as_str))
            .bind(event.subject.environment.as_ref().map(EnvironmentName::as_str))
            .bind(event.subject.deployment.map(|id| id.to_string()))
            .bind(event.actor.human().map(|person| person.login.to_lowercase()))
            .bind(bytes)
            .execute(c)
            .await
            .map(drop)
        })?;
        if let Some(text) = &event.text {
            on!(self.conn(), c => {
                sqlx::query("INSERT INTO audit_texts (seq, salt, text) VALUES ($1, $2, $3)")
                    .bind(seq)
                    .bind(salt.to_vec())
                    .bind(text)
                    .execute(c)
                    .await
                    .map(drop)
            })?;
        }
        Ok(())
    }
}

impl AuditQuery {
    /// The index that narrows most; each is in the order of the numbers. `None`: the table itself.
    fn index(&self) -> Option<&'static str> {
        Some(match self {
            Self {
                deployment: Some(_), ..
            } => "audit_deployment",
            Self { person: Some(_), .. } => "audit_person",
            Self { kind: Some(kind), .. } if kind.contains('.') => "audit_kind",
            Self {
                service: Some(_),
                environment: Some(_),
                ..
            } => "audit_lane",
            Self { service: Some(_), .. } => "audit_service",
            Self { kind: Some(_), .. } => "audit_area",
            Self {
                environment: Some(_), ..
            } => "audit_environment",
            _ => return None,
        })
    }

    pub(crate) fn to_sql(&self, postgres: bool) -> Sql {
        let mut sql = Sql::new(SELECT);
        if let Some(index) = self.index() {
            sql.indexed_by(index, postgres);
        }
        if let Some(before) = self.before_seq {
            sql.and("a.seq < ").bind(before);
        }
        // Times grow with the numbers, so a span of time is a span of numbers, which every index ends in.
        if let Some(from) = self.from {
            sql.and("a.seq >= coalesce((SELECT seq FROM audit WHERE at >= ")
                .bind(from.millis())
                .push(" ORDER BY at, seq LIMIT 1), 9223372036854775807)");
        }
        if let Some(to) = self.to {
            sql.and("a.seq <= coalesce((SELECT seq FROM audit WHERE at < ")
                .bind(to.millis())
                .push(" ORDER BY at DESC, seq DESC LIMIT 1), 0)");
        }
        if let Some(kind) = &self.kind {
            sql.and(if kind.contains('.') { "a.kind = " } else { "a.area = " })
                .bind(kind.as_str());
        }
        if let Some(service) = &self.service {
            sql.and("a.service = ").bind(service.as_str());
        }
        if let Some(environment) = &self.environment {
            sql.and("a.environment = ").bind(environment.as_str());
        }
        if let Some(person) = &self.person {
            sql.and("a.person = ").bind(person.to_lowercase());
        }
        if let Some(deployment) = self.deployment {
            sql.and("a.deployment_id = ").bind(deployment.to_string());
        }
        sql.push(" ORDER BY a.seq DESC LIMIT ").bind(limit(self.limit));
        sql
    }
}

impl Db {
    /// One page of the log, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<RecordedEvent>> {
        let sql = query.to_sql(self.is_postgres());
        fetch_built!(self.read(), sql, EventRow)?
            .into_iter()
            .map(read)
            .collect()
    }

    /// The event of this number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_event(&self, seq: i64) -> Result<Option<RecordedEvent>> {
        let mut sql = Sql::new(SELECT);
        sql.and("a.seq = ").bind(seq);
        fetch_built!(self.read(), sql, EventRow)?.pop().map(read).transpose()
    }

    /// Everything about one deployment, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_of(&self, deployment: DeploymentId) -> Result<Vec<RecordedEvent>> {
        let mut sql = Sql::new(SELECT);
        sql.and("a.deployment_id = ").bind(deployment.to_string());
        sql.push(" ORDER BY a.seq");
        fetch_built!(self.read(), sql, EventRow)?
            .into_iter()
            .map(read)
            .collect()
    }

    /// The number of the last event; 0 when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_head(&self) -> Result<i64> {
        let (seq,) = on!(self.read(), c => {
            sqlx::query_as::<_, (i64,)>("SELECT seq FROM audit_head WHERE id = 1").fetch_one(c).await
        })?;
        Ok(seq)
    }
}
