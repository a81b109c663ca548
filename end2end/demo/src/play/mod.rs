//! Plays the acts into a database: each through the domain's planner and transitions, at its own time.
//!
//! What the planner asks of the cloud and of GitHub is answered here as they would have answered then. An act that the
//! rules refuse ends the play with an error: no past is written that could not have happened.

mod facts;

use crate::{
    ids::Ids,
    seed::{Seed, SeedError},
    story::{Act, Report, Scene},
};
use facts::Running;
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use tidegate_domain::{
    Actor, Approval, ApprovalId, AuditEvent, Catalog, Deployment, DeploymentId, EnvironmentName, EventKind, GateName,
    GateResult, Refusal, Release, ReleaseId, ServiceName, StateName, Step, Subject, Target, Timestamp, Transition,
    deployment::{Ballot, Observation, Outcome, RollbackCause},
    plan,
};
use tidegate_store::{Db, StoreError, Versioned};

#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error("deployment {deployment} at {at}: {why}")]
    Refused {
        deployment: DeploymentId,
        at: Timestamp,
        why: Refusal,
    },
    #[error("{0} is not known at this point of the story")]
    Unknown(String),
    #[error(transparent)]
    Name(#[from] tidegate_domain::name::InvalidName),
}

type Result<T, E = PlayError> = std::result::Result<T, E>;

/// Between two steps of the worker in one go, in milliseconds.
const STEP_MILLIS: i64 = 350;
/// More steps than any look takes.
const STEPS_MAX: i64 = 20;

/// The stage, and what stands on it.
#[derive(Debug)]
pub struct Player<'a> {
    db: Db,
    shift: Arc<AtomicI64>,
    seed: &'a Seed,
    catalog: &'a Catalog,
    ids: Ids,
    /// In the order in which they were reported.
    releases: Vec<Release>,
    gates: HashMap<ReleaseId, Vec<GateResult>>,
    deployments: HashMap<DeploymentId, Versioned<Deployment>>,
    lanes: HashMap<(ServiceName, EnvironmentName), Running>,
}

impl<'a> Player<'a> {
    /// `shift` is the shift of the clock with which `db` was opened.
    pub fn new(db: Db, shift: Arc<AtomicI64>, seed: &'a Seed, catalog: &'a Catalog) -> Self {
        Self {
            db,
            shift,
            seed,
            catalog,
            ids: Ids::default(),
            releases: Vec::new(),
            gates: HashMap::new(),
            deployments: HashMap::new(),
            lanes: HashMap::new(),
        }
    }

    /// # Errors
    /// The first act that the rules or the database refuse.
    pub async fn play(&mut self, acts: Vec<Act>) -> Result<()> {
        for act in acts {
            self.perform(act.at, act.what).await?;
        }
        Ok(())
    }

    /// Makes it `to` in the database.
    async fn turn_clock(&self, to: Timestamp) -> Result<()> {
        let now = self.db.now().await?;
        self.shift.fetch_add(to.since(now), Ordering::Relaxed);
        Ok(())
    }

    async fn perform(&mut self, at: Timestamp, what: Scene) -> Result<()> {
        match what {
            Scene::Release(release, ci, reports) => self.report(at, *release, &ci, reports).await,
            Scene::Gates(release, ci, reports) => self.gates(at, release, &ci, reports).await,
            Scene::Request(deployment) => self.request(at, *deployment).await,
            Scene::Look(id, cloud) => self.look(at, id, cloud.as_deref()).await,
            Scene::Approve(id, by, comment) => self.approve(at, id, by, comment).await,
            Scene::Reject(id, by, reason) => {
                let actor = self.someone(by)?;
                let (by, reason) = (self.seed.person(by)?, reason.to_owned());
                self.save(id, Transition::Reject { by, actor, reason }, at).await
            }
            Scene::Cancel(id, by, reason) => {
                let (actor, reason) = (self.someone(by)?, reason.to_owned());
                self.save(id, Transition::Cancel { actor, reason }, at).await
            }
            Scene::RollBack(id, by, reason) => {
                let actor = self.someone(by)?;
                let (by, reason) = (self.seed.person(by)?, reason.to_owned());
                self.save(
                    id,
                    Transition::RequestStop {
                        actor,
                        cause: RollbackCause::Person { by, reason },
                    },
                    at,
                )
                .await
            }
            Scene::Note(event) => {
                self.turn_clock(at).await?;
                let mut tx = self.db.begin().await?;
                tx.append_audit(&[event]).await?;
                Ok(tx.commit().await?)
            }
        }
    }

    async fn report(&mut self, at: Timestamp, release: Release, ci: &Actor, reports: Vec<Report>) -> Result<()> {
        self.turn_clock(at).await?;
        let mut events = vec![AuditEvent {
            kind: EventKind::ReleaseRegistered,
            actor: ci.clone(),
            subject: about(&release),
            data: json!({
                "image": release.image.pinned(), "tag": release.image.tag, "commit": release.commit,
                "ref": release.git_ref, "repository": release.repository, "run": release.run_url,
                "authors": release.authors,
            }),
            text: None,
        }];
        let results = self.results(&release, at, reports, ci, &mut events)?;
        let mut tx = self.db.begin().await?;
        tx.insert_release(&release).await?;
        for result in &results {
            tx.put_gate(result).await?;
        }
        tx.append_audit(&events).await?;
        tx.commit().await?;
        self.gates.insert(release.id, results);
        self.releases.push(release);
        Ok(())
    }

    async fn gates(&mut self, at: Timestamp, release: ReleaseId, ci: &Actor, reports: Vec<Report>) -> Result<()> {
        self.turn_clock(at).await?;
        let mut events = Vec::new();
        let release = self.release(release)?.clone();
        let results = self.results(&release, at, reports, ci, &mut events)?;
        let mut tx = self.db.begin().await?;
        for result in &results {
            tx.put_gate(result).await?;
        }
        tx.append_audit(&events).await?;
        tx.commit().await?;
        let known = self.gates.entry(release.id).or_default();
        known.retain(|old| results.iter().all(|new| new.gate != old.gate));
        known.extend(results);
        Ok(())
    }

    fn results(
        &self,
        release: &Release,
        at: Timestamp,
        reports: Vec<Report>,
        ci: &Actor,
        events: &mut Vec<AuditEvent>,
    ) -> Result<Vec<GateResult>> {
        let mut results = Vec::new();
        for (gate, verdict, words) in reports {
            let result = GateResult {
                release: release.id,
                gate: GateName::new(gate)?,
                verdict,
                detail: Some(words),
                url: release.run_url.clone(),
                seconds: crate::story::seconds(gate, release.commit.as_str()),
                reported_at: at,
            };
            events.push(AuditEvent {
                kind: EventKind::GateReported,
                actor: ci.clone(),
                subject: about(release),
                data: json!({ "gate": result.gate, "verdict": result.verdict, "detail": result.detail, "url": result.url }),
                text: None,
            });
            results.push(result);
        }
        Ok(results)
    }

    async fn request(&mut self, at: Timestamp, deployment: Deployment) -> Result<()> {
        self.turn_clock(at).await?;
        let mut tx = self.db.begin().await?;
        tx.insert_deployment(&deployment).await?;
        tx.append_audit(&[deployment.requested_event()]).await?;
        tx.commit().await?;
        let version = 1;
        self.deployments.insert(
            deployment.id,
            Versioned {
                value: deployment,
                version,
            },
        );
        Ok(())
    }

    async fn approve(&mut self, at: Timestamp, id: DeploymentId, by: &str, comment: Option<&str>) -> Result<()> {
        let deployment = self.deployment(id)?;
        let revision = deployment.revision().map(tidegate_domain::Revision::hash);
        let target = self.target(deployment)?;
        let transition = Transition::Approve {
            actor: self.someone(by)?,
            approval: Approval {
                id: ApprovalId::from_uuid(self.ids.next(at)),
                person: self.seed.person(by)?,
                teams: self.seed.teams_of(by),
                revision: revision.ok_or_else(|| PlayError::Unknown(format!("the revision of {id}")))?,
                at,
                comment: comment.map(str::to_owned),
                solo: false,
                voided: None,
            },
            ballot: Ballot {
                policy: target.policy.clone(),
                involved: self.involved(self.deployment(id)?)?,
            },
        };
        self.save(id, transition, at).await
    }

    /// The worker attends to a deployment until there is nothing to do.
    async fn look(&mut self, at: Timestamp, id: DeploymentId, cloud: Option<&Observation>) -> Result<()> {
        let lane = {
            let deployment = self.deployment(id)?;
            self.db.lane(&deployment.service, &deployment.environment, id).await?
        };
        for step in 0..STEPS_MAX {
            let now = at.plus_millis(step * STEP_MILLIS);
            let facts = self.facts(id, lane, cloud.cloned(), now)?;
            match plan::plan(self.deployment(id)?, &facts, now) {
                Step::Do(transition) => self.save(id, *transition, now).await?,
                Step::Call(kind) => {
                    self.save(id, Transition::Intend { kind, epoch: 1 }, now).await?;
                    let outcome = Outcome::Done {
                        id: self.made(id, kind)?,
                        at: now,
                    };
                    self.save(id, Transition::Conclude { outcome }, now.plus_millis(180))
                        .await?;
                }
                Step::Wait { .. } | Step::Rest => break,
            }
        }
        Ok(())
    }

    async fn save(&mut self, id: DeploymentId, transition: Transition, now: Timestamp) -> Result<()> {
        self.turn_clock(now).await?;
        let known = self
            .deployments
            .get(&id)
            .ok_or_else(|| PlayError::Unknown(format!("deployment {id}")))?;
        let refused = |why| PlayError::Refused {
            deployment: id,
            at: now,
            why,
        };
        let (next, events) = known.value.apply(transition, now).map_err(refused)?;
        let mut tx = self.db.begin().await?;
        let version = tx.save_deployment(&next, known.version).await?;
        tx.append_audit(&events).await?;
        tx.commit().await?;
        if next.state.name() == StateName::Succeeded {
            self.arrived(&next)?;
        }
        self.deployments.insert(id, Versioned { value: next, version });
        Ok(())
    }

    fn deployment(&self, id: DeploymentId) -> Result<&Deployment> {
        let known = self.deployments.get(&id).map(|known| &known.value);
        known.ok_or_else(|| PlayError::Unknown(format!("deployment {id}")))
    }

    fn release(&self, id: ReleaseId) -> Result<&Release> {
        let known = self.releases.iter().find(|release| release.id == id);
        known.ok_or_else(|| PlayError::Unknown(format!("release {id}")))
    }

    fn target(&self, deployment: &Deployment) -> Result<&'a Target> {
        let target = self.catalog.target(&deployment.service, &deployment.environment);
        target.ok_or_else(|| PlayError::Unknown(format!("{} in {}", deployment.service, deployment.environment)))
    }

    fn someone(&self, login: &str) -> Result<Actor> {
        let teams = self.seed.teams_of(login);
        Ok(Actor::Person {
            person: self.seed.person(login)?,
            roles: self.catalog.roles_of(&teams),
            teams,
        })
    }
}

fn about(release: &Release) -> Subject {
    Subject {
        service: Some(release.service.clone()),
        release: Some(release.id),
        ..Subject::default()
    }
}
