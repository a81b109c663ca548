//! In from CI: releases and their gates.

use super::{
    Services,
    errors::{self, invalid},
    fresh_id,
    transaction::{Stopped, again},
    webhooks::{enriched, join_push, join_run},
};
use serde_json::json;
use tidegate_app::portal::PortalError;
use tidegate_domain::{
    Action, Actor, AuditEvent, EventKind, GateName, GateResult, GateStatus, Release, ReleaseId, Service, ServiceName,
    Subject, Timestamp, Verdict, gate,
    migration::Migration,
    name::{CommitSha, PersonRef},
    release::{Commit, Image},
};
use tidegate_store::Tx;

/// Releases on one page of a list, at most.
const PAGE: usize = 100;
/// Longest free text CI may send in one member, in bytes.
const TEXT_MAX: usize = 2_000;

/// A release as CI reports it. The repository and who set the workflow off come from the token, not from here.
#[derive(Debug, Clone)]
pub struct NewRelease {
    pub service: ServiceName,
    pub commit: CommitSha,
    pub git_ref: String,
    /// `HOST/REPOSITORY[:TAG]@sha256:…`
    pub image: String,
    pub run_url: Option<String>,
    pub run_id: Option<i64>,
    pub authors: Vec<PersonRef>,
    pub commits: Vec<Commit>,
    pub gates: Vec<NewGate>,
    pub migration: Option<Migration>,
}

/// One gate's result as CI reports it.
#[derive(Debug, Clone)]
pub struct NewGate {
    pub gate: String,
    pub verdict: Verdict,
    pub detail: Option<String>,
    pub url: Option<String>,
    /// How long it took.
    pub seconds: Option<i64>,
}

impl Services {
    /// Registers a release, once per service, commit and digest: the same report again returns the same release and
    /// `false`, with its gates brought up to date.
    ///
    /// # Errors
    /// [`PortalError::Invalid`] names the member and what would do.
    pub async fn register_release(&self, actor: &Actor, new: NewRelease) -> Result<(Release, bool), PortalError> {
        let subject = Subject {
            service: Some(new.service.clone()),
            ..Subject::default()
        };
        self.allow_about(actor, Action::ReportRelease, subject).await?;
        let catalog = self.catalog();
        let service = catalog.service(&new.service).ok_or_else(|| no_service(&new.service))?;
        let image: Image = new
            .image
            .parse()
            .map_err(|error: tidegate_domain::release::InvalidImage| invalid("image", error.to_string()))?;
        short_enough("ref", &new.git_ref)?;
        web_address("run_url", new.run_url.as_deref())?;
        let gates = checked_gates(&new.gates)?;

        let make = |now| release(service, actor, &new, &image, now);
        Ok(again(|| self.register_once(actor, &make, &gates)).await?)
    }

    /// What GitHub said of the commit and of the run before CI reported is joined to it here.
    async fn register_once(
        &self,
        actor: &Actor,
        make: &(impl Fn(Timestamp) -> Release + Send + Sync),
        gates: &[(GateName, NewGate)],
    ) -> Result<(Release, bool), Stopped> {
        let mut tx = self.db().begin().await?;
        let now = tx.now();
        let mut release = make(now);
        tx.lock_repository(&release.repository).await?;
        if let Some(push) = tx.push_of(&release.repository, &release.commit).await? {
            join_push(&mut release, &push);
        }
        if let Some(run_id) = release.run_id
            && let Some(run) = tx.run(&release.repository, run_id).await?
        {
            join_run(&mut release, &run);
        }
        let mut events = Vec::new();
        let existing = tx.insert_release(&release).await?;
        let created = existing.is_none();
        if let Some(id) = existing {
            let mut known = tx.release(id).await?.ok_or_else(no_release)?;
            // Another run reported the same: whoever set that one off must not approve it either (R3).
            let mut grown = false;
            for person in release.actor.iter().chain(&release.reruns) {
                grown |= known.set_off_by(person);
            }
            if grown {
                tx.update_release(&known).await?;
                events.push(enriched(&known, "ci"));
            }
            release = known;
        } else {
            events.push(registered(&release, actor));
        }
        put_gates(&mut tx, &release, actor, gates, now, &mut events).await?;
        tx.wake_release(release.id).await?;
        self.finish(tx, events, &release.id).await?;
        Ok((release, created))
    }

    /// Records results of gates; the newest result of a gate counts. Returns where every gate asked for stands.
    ///
    /// # Errors
    /// [`PortalError::NotFound`] without such a release.
    pub async fn report_gates(
        &self,
        actor: &Actor,
        id: ReleaseId,
        gates: Vec<NewGate>,
    ) -> Result<Vec<GateStatus>, PortalError> {
        let release = self
            .db()
            .release(id)
            .await
            .map_err(errors::portal)?
            .ok_or_else(no_release)?;
        let subject = Subject {
            service: Some(release.service.clone()),
            release: Some(id),
            ..Subject::default()
        };
        self.allow_about(actor, Action::ReportGate, subject).await?;
        if gates.is_empty() {
            return Err(invalid("gates", "name at least one gate with its verdict"));
        }
        let gates = checked_gates(&gates)?;
        let reported = again(|| self.report_once(actor, &release, &gates)).await?;
        Ok(self.statuses(&release.service, &reported))
    }

    /// The release is locked first, so that reports about it wait for each other.
    async fn report_once(
        &self,
        actor: &Actor,
        release: &Release,
        gates: &[(GateName, NewGate)],
    ) -> Result<Vec<GateResult>, Stopped> {
        let mut tx = self.db().begin().await?;
        let now = tx.now();
        tx.release(release.id).await?.ok_or_else(no_release)?;
        let mut events = Vec::new();
        put_gates(&mut tx, release, actor, gates, now, &mut events).await?;
        tx.wake_release(release.id).await?;
        let reported = tx.gates(release.id).await?;
        self.finish(tx, events, &release.id).await?;
        Ok(reported)
    }

    /// # Errors
    /// [`PortalError::NotFound`] without such a release.
    pub async fn release(&self, actor: &Actor, id: ReleaseId) -> Result<(Release, Vec<GateStatus>), PortalError> {
        let release = self
            .db()
            .release(id)
            .await
            .map_err(errors::portal)?
            .ok_or_else(no_release)?;
        self.allow(actor, Action::View, Some(&release.service)).await?;
        let reported = self.db().gates(id).await.map_err(errors::portal)?;
        let statuses = self.statuses(&release.service, &reported);
        Ok((release, statuses))
    }

    /// Newest first, `limit` at most, those before `after` (the last one of the page before).
    ///
    /// # Errors
    /// [`PortalError::NotFound`] without such a service.
    pub async fn releases(
        &self,
        actor: &Actor,
        service: &ServiceName,
        after: Option<(Timestamp, ReleaseId)>,
        limit: usize,
    ) -> Result<Vec<Release>, PortalError> {
        self.allow(actor, Action::View, Some(service)).await?;
        self.catalog().service(service).ok_or_else(|| no_service(service))?;
        self.db()
            .releases_of(service, after, limit.clamp(1, PAGE))
            .await
            .map_err(errors::portal)
    }

    /// Every gate that any target of the service asks for, in order, with its newest result.
    pub(crate) fn statuses(&self, service: &ServiceName, reported: &[GateResult]) -> Vec<GateStatus> {
        let catalog = self.catalog();
        let mut required: Vec<GateName> = Vec::new();
        for target in catalog
            .service(service)
            .into_iter()
            .flat_map(|service| &service.targets)
        {
            for gate in &target.policy.gates {
                if !required.contains(gate) {
                    required.push(gate.clone());
                }
            }
        }
        for report in reported {
            if !required.contains(&report.gate) {
                required.push(report.gate.clone());
            }
        }
        gate::statuses(&required, reported)
    }
}

fn release(service: &Service, actor: &Actor, new: &NewRelease, image: &Image, now: Timestamp) -> Release {
    let (run_id, workflow_actor) = match actor {
        Actor::Ci { run_id, actor, .. } => (Some(*run_id), Some(actor.clone())),
        _ => (new.run_id, None),
    };
    Release {
        id: ReleaseId::from_uuid(fresh_id(now)),
        service: new.service.clone(),
        repository: service.repository.clone(),
        commit: new.commit.clone(),
        git_ref: new.git_ref.clone(),
        image: image.clone(),
        run_url: new.run_url.clone(),
        run_id,
        authors: new.authors.clone(),
        pusher: None,
        actor: workflow_actor,
        reruns: Vec::new(),
        commits: new.commits.clone(),
        migration: new.migration.clone(),
        reported_at: now,
    }
}

fn registered(release: &Release, actor: &Actor) -> AuditEvent {
    AuditEvent {
        kind: EventKind::ReleaseRegistered,
        actor: actor.clone(),
        subject: about(release),
        data: json!({
            "image": release.image.pinned(), "tag": release.image.tag, "commit": release.commit, "ref": release.git_ref,
            "repository": release.repository, "run": release.run_url, "authors": release.authors,
            "migration": release.migration,
        }),
        text: None,
    }
}

pub(crate) fn about(release: &Release) -> Subject {
    Subject {
        service: Some(release.service.clone()),
        release: Some(release.id),
        ..Subject::default()
    }
}

async fn put_gates(
    tx: &mut Tx,
    release: &Release,
    actor: &Actor,
    gates: &[(GateName, NewGate)],
    now: Timestamp,
    events: &mut Vec<AuditEvent>,
) -> Result<(), Stopped> {
    for (gate, new) in gates {
        let result = GateResult {
            release: release.id,
            gate: gate.clone(),
            verdict: new.verdict,
            detail: new.detail.clone(),
            url: new.url.clone(),
            seconds: new.seconds,
            reported_at: now,
        };
        tx.put_gate(&result).await?;
        events.push(AuditEvent {
            kind: EventKind::GateReported,
            actor: actor.clone(),
            subject: about(release),
            data: json!({ "gate": result.gate, "verdict": result.verdict, "detail": result.detail, "url": result.url }),
            text: None,
        });
    }
    Ok(())
}

fn checked_gates(gates: &[NewGate]) -> Result<Vec<(GateName, NewGate)>, PortalError> {
    let mut checked: Vec<(GateName, NewGate)> = Vec::new();
    for new in gates {
        let name = GateName::new(new.gate.clone()).map_err(|error| invalid("gates.gate", error.to_string()))?;
        if checked.iter().any(|(other, _)| *other == name) {
            return Err(invalid(
                "gates",
                format!("{name} is reported twice: send one verdict for each gate"),
            ));
        }
        if let Some(detail) = &new.detail {
            short_enough("gates.detail", detail)?;
        }
        web_address("gates.url", new.url.as_deref())?;
        checked.push((name, new.clone()));
    }
    Ok(checked)
}

fn short_enough(field: &str, text: &str) -> Result<(), PortalError> {
    if text.len() > TEXT_MAX {
        return Err(invalid(
            field,
            format!("is longer than {TEXT_MAX} bytes: send a summary and a link"),
        ));
    }
    Ok(())
}

/// A link that a page may show: nothing but http and https becomes one.
fn web_address(field: &str, text: Option<&str>) -> Result<(), PortalError> {
    let Some(text) = text else { return Ok(()) };
    short_enough(field, text)?;
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(()),
        _ => Err(invalid(field, "is no web address: send one that begins with https://")),
    }
}

pub(crate) fn no_release() -> PortalError {
    PortalError::NotFound("there is no such release: CI registers one with POST /api/v1/releases".to_owned())
}

pub(crate) fn no_service(name: &ServiceName) -> PortalError {
    PortalError::NotFound(format!(
        "there is no service {name} in the configuration: check its name, or add it there"
    ))
}
