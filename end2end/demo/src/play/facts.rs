//! What the planner asks to know, answered as the database, ECS and GitHub would have answered then.

use super::{Player, Result};
use crate::ids;
use serde_json::json;
use tidegate_domain::{
    Deployment, DeploymentId, Facts, OperationId, ReleaseId, StateName, Timestamp,
    approval::{Involved, Membership},
    deployment::{CallKind, Observation, Preparation},
    gate,
    plan::{Lane, TargetFacts},
    revision::{Change, canonical_hash},
};

/// What runs in a lane.
#[derive(Debug, Clone)]
pub(super) struct Running {
    release: Option<ReleaseId>,
    image: String,
    revision: i64,
    registered: i64,
}

impl Player<'_> {
    pub(super) fn facts(
        &mut self,
        id: DeploymentId,
        lane: Lane,
        cloud: Option<Observation>,
        now: Timestamp,
    ) -> Result<Facts> {
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
                traffic: target.traffic.clone(),
                engine: target.engine.clone(),
                deadline_seconds: target.deadline_seconds,
                health: target.health.clone(),
                verify: target.verify.clone(),
            }),
            gates: gate::statuses(&policy.gates, reports),
            involved: self.involved(deployment)?,
            promoted,
            preparation: Some(Ok(self.preparation(deployment, now)?)),
            memberships: Some(members.collect()),
            lane,
            clearance: Default::default(),
            found: None,
            observation: cloud,
            health: None,
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
            tag_moved_to: None,
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
    pub(super) fn made(&mut self, id: DeploymentId, kind: CallKind) -> Result<String> {
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
            _ => ids::cloud_deployment(&id.to_string()),
        })
    }

    /// From now on this runs in its lane.
    pub(super) fn arrived(&mut self, deployment: &Deployment) -> Result<()> {
        let mut running = self.running(deployment)?;
        running.release = Some(deployment.release);
        running.image = self.release(deployment.release)?.image.pinned();
        running.revision = running.registered;
        let lane = (deployment.service.clone(), deployment.environment.clone());
        self.lanes.insert(lane, running);
        Ok(())
    }

    /// Those who had a part in what the deployment brings: in its release, and in those since the one that runs.
    pub(super) fn involved(&self, deployment: &Deployment) -> Result<Involved> {
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
}

fn family(deployment: &Deployment) -> String {
    format!("acme-{}-{}", deployment.service, deployment.environment)
}

fn task_definition(family: &str, revision: i64) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/{family}:{revision}")
}
