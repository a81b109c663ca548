//! Plays the acts into a database: each through the domain's planner and transitions, at its own time.
//!
//! What the planner asks of the cloud and of GitHub is answered here as they would have answered then. An act that the
//! rules refuse ends the play with an error: no past is written that could not have happened.

use crate::{
    ids::{self, Ids},
    seed::{Seed, SeedError},
    story::{Act, Report, Scene},
};
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use tidegate_domain::{
    Actor, Approval, ApprovalId, AuditEvent, Catalog, Deployment, DeploymentId, EnvironmentName, EventKind, Facts,
    GateName, GateResult, OperationId, Refusal, Release, ReleaseId, ServiceName, StateName, Step, Subject, Target,
    Timestamp, Transition,
    approval::{Involved, Membership},
    deployment::{Ballot, CallKind, Observation, Outcome, Preparation},
    gate,
    plan::{self, Lane, TargetFacts},
    revision::{Change, canonical_hash},
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

/// What runs in a lane.
#[derive(Debug, Clone)]
struct Running {
    release: Option<ReleaseId>,
    image: String,
    revision: i64,
    registered: i64,
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
                self.save(id, Transition::RequestStop { actor, by, reason }, at).await
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

    fn facts(&mut self, id: DeploymentId, lane: Lane, cloud: Option<Observation>, now: Timestamp) -> Result<Facts> {
        let operation = OperationId::from_uuid(self.ids.next(now));
        let deployment = self.deployment(id)?;
        let target = self.target(deployment)?;
        let policy = &target.policy;
        let reports = self.gates.get(&deployment.release).map_or(&[][..], Vec::as_slice);
        let promoted = policy.promote_from.as_ref().is_none_or(|from| {
            let mut others = self.deployments.values().map(|other| &other.value);
            others.any(|other| {
                other.environment == *from
                    && other.service == deployment.service
                    && other.digest == deployment.digest
                    && other.state.name() == StateName::Succeeded
            })
        });
        let members = deployment.approvals.iter().map(|approval| Membership {
            person: approval.person.id,
            teams: self.seed.teams_of(&approval.person.login),
            checked_at: now,
        });
        Ok(Facts {
            target: Some(TargetFacts {
                policy: policy.clone(),
                traffic: target.traffic,
                deadline_seconds: target.deadline_seconds,
            }),
            gates: gate::statuses(&policy.gates, reports),
            involved: self.involved(deployment)?,
            promoted,
            preparation: Some(Ok(self.preparation(deployment, now)?)),
            memberships: Some(members.collect()),
            lane,
            found: None,
            observation: cloud,
            operation,
            settle_millis: 60_000,
        })
    }

    /// What ECS would have said of the task definition.
    fn preparation(&self, deployment: &Deployment, now: Timestamp) -> Result<Preparation> {
        let running = self.running(deployment)?;
        let image = self.release(deployment.release)?.image.pinned();
        let family = family(deployment);
        let changes = if running.image == image {
            Vec::new()
        } else {
            vec![Change {
                what: "containerDefinitions[app].image".to_owned(),
                from: running.image.clone(),
                to: image.clone(),
            }]
        };
        Ok(Preparation {
            at: now,
            running_task_definition: Some(task_definition(&family, running.revision)),
            running_digest: running
                .image
                .split_once('@')
                .and_then(|(_, digest)| digest.parse().ok()),
            running_image: Some(running.image),
            changes,
            hash: canonical_hash(&json!({ "family": family, "image": image })),
            immutable_tags: true,
        })
    }

    fn running(&self, deployment: &Deployment) -> Result<Running> {
        let lane = (deployment.service.clone(), deployment.environment.clone());
        if let Some(running) = self.lanes.get(&lane) {
            return Ok(running.clone());
        }
        let repository = &self.release(deployment.release)?.image.repository;
        let before = ids::digest(&format!("{} before", lane.0))?;
        let revision = ids::between(&family(deployment), 31, 74);
        Ok(Running {
            release: None,
            image: format!("{repository}@{before}"),
            revision,
            registered: revision,
        })
    }

    /// What a call made: its ARN or id.
    fn made(&mut self, id: DeploymentId, kind: CallKind) -> Result<String> {
        let deployment = self.deployment(id)?;
        Ok(match kind {
            CallKind::RegisterTaskDefinition => {
                let lane = (deployment.service.clone(), deployment.environment.clone());
                let mut running = self.running(deployment)?;
                running.registered += 1;
                let arn = task_definition(&family(deployment), running.registered);
                self.lanes.insert(lane, running);
                arn
            }
            CallKind::CreateDeployment | CallKind::StopDeployment => ids::cloud_deployment(&id.to_string()),
        })
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

    /// From now on this runs in its lane.
    fn arrived(&mut self, deployment: &Deployment) -> Result<()> {
        let mut running = self.running(deployment)?;
        running.release = Some(deployment.release);
        running.image = self.release(deployment.release)?.image.pinned();
        running.revision = running.registered;
        let lane = (deployment.service.clone(), deployment.environment.clone());
        self.lanes.insert(lane, running);
        Ok(())
    }

    /// Those who had a part in what the deployment brings: in its release, and in those since the one that runs.
    fn involved(&self, deployment: &Deployment) -> Result<Involved> {
        let release = self.release(deployment.release)?;
        let since = self.running(deployment)?.release;
        let since = since
            .map(|id| self.release(id))
            .transpose()?
            .map(|release| release.reported_at);
        let mut involved = Involved::of(release, deployment.requested_by.human().cloned());
        let between = self.releases.iter().filter(|other| {
            other.service == release.service
                && other.reported_at < release.reported_at
                && since.is_none_or(|since| other.reported_at > since)
        });
        involved.authors.extend(between.flat_map(|other| other.authors.clone()));
        Ok(involved)
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

fn family(deployment: &Deployment) -> String {
    format!("acme-{}-{}", deployment.service, deployment.environment)
}

fn task_definition(family: &str, revision: i64) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/{family}:{revision}")
}
