//! Reads what the planner needs: from the database, the cloud and GitHub. Changes nothing.

use super::{millis, reconcile::Inner};
use crate::service::{
    fresh_id,
    lineage::{Lineage, lineage},
};
use tidegate_adapters::{CallError, Order};
use tidegate_domain::{
    Deployment, OperationId, Policy, Release, State, TeamSlug, Timestamp,
    approval::Membership,
    catalog::{Engine, Target},
    deployment::{Blocker, BlockerKind, CallKind, Observation, Preparation, Run},
    gate,
    plan::{self, Facts, Found, TargetFacts},
};
use tidegate_store::StoreError;

/// Longest settling time of a call that may be made twice without harm.
const SETTLE_HARMLESS_MILLIS: i64 = 15_000;
/// Reads that one look costs at most, for the budget.
const READS_PREPARE: f64 = 5.0;
const READS_FIND: f64 = 2.0;
const READS_OBSERVE: f64 = 3.0;

impl Inner {
    pub(super) async fn observe(&self, deployment: &Deployment, now: Timestamp) -> Result<Facts, StoreError> {
        let catalog = self.catalog.get();
        let target = catalog.target(&deployment.service, &deployment.environment);
        let policy = target.map(|target| target.policy.clone()).unwrap_or_default();
        let needs = plan::needs(deployment);
        let in_the_way = self.people_unknown(deployment, &policy).await?;
        let Lineage { release, involved, .. } = lineage(&self.db, deployment).await?;
        let gates = gate::statuses(&policy.gates, &self.db.gates(release.id).await?);
        let promoted = match &policy.promote_from {
            Some(environment) => {
                self.db
                    .succeeded(&deployment.service, environment, &deployment.digest)
                    .await?
            }
            None => true,
        };
        let mut facts = Facts {
            target: target.map(|target| TargetFacts {
                policy: policy.clone(),
                traffic: target.traffic,
                deadline_seconds: target.deadline_seconds,
            }),
            gates,
            involved,
            promoted,
            preparation: None,
            memberships: None,
            lane: self
                .db
                .lane(&deployment.service, &deployment.environment, deployment.id)
                .await?,
            found: None,
            observation: None,
            operation: OperationId::from_uuid(fresh_id(now)),
            settle_millis: self.settle_millis(deployment),
        };
        let Some(target) = target else { return Ok(facts) };
        let order = order(deployment, &release, target, facts.operation);
        if needs.preparation {
            facts.preparation = match in_the_way {
                Some(blocker) => Some(Err(blocker)),
                None => self.prepare(&order, now).await,
            };
        }
        if needs.memberships && !policy.is_automatic() {
            facts.memberships = self.memberships(&catalog.organisation, deployment, &policy, now).await;
        }
        if needs.cloud {
            facts.observation = self.look(&order, deployment, now).await;
        }
        if let Some((kind, since)) = needs.find {
            facts.found = self.find(&order, kind, since, facts.observation.as_ref()).await;
        }
        Ok(facts)
    }

    /// The order of a deployment as the configuration has its target now; `None` without a target.
    pub(super) async fn order(&self, deployment: &Deployment) -> Result<Option<Order>, StoreError> {
        let catalog = self.catalog.get();
        let Some(target) = catalog.target(&deployment.service, &deployment.environment) else {
            return Ok(None);
        };
        let release = self.db.release(deployment.release).await?;
        let operation = OperationId::from_uuid(deployment.id.uuid());
        Ok(release.map(|release| order(deployment, &release, target, operation)))
    }

    /// Authors must be known before their approval can be refused (R3): those of every release that it brings, too. What
    /// GitHub adds is fetched once. What has been prepared was complete then: GitHub away later voids no approval.
    async fn people_unknown(&self, deployment: &Deployment, policy: &Policy) -> Result<Option<Blocker>, StoreError> {
        let asked = matches!(deployment.state, State::Requested { .. }) && !deployment.is_rollback();
        if !asked || policy.is_automatic() || policy.solo {
            return Ok(None);
        }
        let lineage = lineage(&self.db, deployment).await?;
        for release in std::iter::once(&lineage.release).chain(&lineage.between) {
            if let Err(why) = self.enricher.complete(release).await? {
                return Ok(Some(Blocker {
                    kind: BlockerKind::Target,
                    subject: release.repository.clone(),
                    why: format!("who wrote the commits of {} is not known: {why}", release.label()),
                    since: None,
                    url: None,
                }));
            }
        }
        Ok(None)
    }

    async fn prepare(&self, order: &Order, now: Timestamp) -> Option<Result<Preparation, Blocker>> {
        let engine = self.engines.of(&order.engine);
        self.read(order, READS_PREPARE, "what runs now", async || {
            engine.prepare(order, now).await
        })
        .await
    }

    async fn look(&self, order: &Order, deployment: &Deployment, now: Timestamp) -> Option<Observation> {
        let run = deployment.run()?;
        let cloud_deployment = run.cloud_deployment.as_deref()?;
        if let Some(seen) = stop_is_due(deployment, run) {
            return Some(seen);
        }
        let rollback = match &deployment.state {
            State::RollingBack { rollback, .. } => rollback.as_deref(),
            _ => run.progress.as_ref().and_then(|progress| progress.rollback.as_deref()),
        };
        let engine = self.engines.of(&order.engine);
        let reads = if rollback.is_some() {
            2.0 * READS_OBSERVE
        } else {
            READS_OBSERVE
        };
        self.read(order, reads, "how it goes", async || {
            engine.observe(order, cloud_deployment, rollback, now).await
        })
        .await
    }

    async fn find(
        &self,
        order: &Order,
        kind: CallKind,
        since: Timestamp,
        observation: Option<&Observation>,
    ) -> Option<Found> {
        let engine = self.engines.of(&order.engine);
        match kind {
            CallKind::RegisterTaskDefinition => {
                self.read(order, READS_FIND, "for a registered task definition", async || {
                    engine.find_registered(order).await
                })
                .await
            }
            CallKind::CreateDeployment => {
                self.read(order, READS_FIND, "for a cloud deployment", async || {
                    engine.find_created(order, since).await
                })
                .await
            }
            // The planner looks at the status first: where it still matters, the stop has not taken effect.
            CallKind::StopDeployment => observation.map(|_| Found::Nothing),
        }
    }

    /// One look at the cloud within the group's budget. `None`: it could not be asked.
    async fn read<T>(
        &self,
        order: &Order,
        reads: f64,
        what: &str,
        look: impl AsyncFnOnce() -> Result<T, CallError>,
    ) -> Option<T> {
        let group = budget_group(&order.engine);
        if !self.budget.take(&group, reads).await {
            return None;
        }
        let answer = match tokio::time::timeout(self.options.call_deadline, look()).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unknown("no answer in time".to_owned())),
        };
        match answer {
            Ok(found) => {
                self.budget.answered(&group);
                Some(found)
            }
            Err(error) => {
                tracing::warn!(%error, operation = %order.operation, group, "the cloud could not be asked {what}");
                self.budget.failed(&group);
                None
            }
        }
    }

    /// Teams of everyone whose approval stands, asked for now. `None` when any of them is not known (R5).
    async fn memberships(
        &self,
        organisation: &str,
        deployment: &Deployment,
        policy: &Policy,
        now: Timestamp,
    ) -> Option<Vec<Membership>> {
        let mut teams: Vec<String> = policy
            .approvals
            .iter()
            .flat_map(|rule| &rule.teams)
            .map(|team| team.as_str().to_owned())
            .collect();
        teams.sort_unstable();
        teams.dedup();
        let mut memberships: Vec<Membership> = Vec::new();
        for approval in deployment.approvals.iter().filter(|approval| approval.voided.is_none()) {
            let person = approval.person.id;
            if memberships.iter().any(|known| known.person == person) {
                continue;
            }
            let asked = self.github.teams_of(organisation, person, &teams);
            match tokio::time::timeout(self.options.call_deadline, asked).await {
                Ok(Ok(found)) => memberships.push(Membership {
                    person,
                    teams: found.into_iter().filter_map(|slug| TeamSlug::new(slug).ok()).collect(),
                    checked_at: now,
                }),
                Ok(Err(error)) => {
                    tracing::warn!(%error, deployment = %deployment.id, "GitHub could not be asked for an approver's teams");
                    return None;
                }
                Err(_) => {
                    tracing::warn!(deployment = %deployment.id, "GitHub did not say in time which teams an approver is in");
                    return None;
                }
            }
        }
        Some(memberships)
    }

    /// Only a second CreateDeployment would do harm: it alone waits the full settling time. A stop may be asked for
    /// again at once (R17).
    fn settle_millis(&self, deployment: &Deployment) -> i64 {
        let full = millis(self.options.settle);
        match deployment.run().and_then(Run::open_call).map(|call| call.kind) {
            Some(CallKind::StopDeployment) => 0,
            Some(CallKind::RegisterTaskDefinition) => full.min(SETTLE_HARMLESS_MILLIS),
            _ => full,
        }
    }
}

/// Someone has just asked to stop a deployment whose state is known: the stop need not wait for another look (R19).
fn stop_is_due(deployment: &Deployment, run: &Run) -> Option<Observation> {
    let progress = run.progress.as_ref()?;
    let due = matches!(deployment.state, State::Deploying { .. })
        && run.stop.is_some()
        && run.attempts(CallKind::StopDeployment) == 0
        && !progress.status.is_over()
        && progress.rollback.is_none();
    due.then(|| Observation {
        deployment: progress.clone(),
        rollback: None,
    })
}

fn order(deployment: &Deployment, release: &Release, target: &Target, fresh: OperationId) -> Order {
    Order {
        operation: deployment.run().map_or(fresh, |run| run.operation),
        title: format!(
            "{} {} to {}",
            deployment.service, deployment.label, deployment.environment
        ),
        image: release.image.clone(),
        // A running deployment goes on as it was approved.
        traffic: deployment.run().map_or(target.traffic, |run| run.revision.traffic),
        engine: target.engine.clone(),
    }
}

pub(super) fn budget_group(engine: &Engine) -> String {
    match engine {
        Engine::EcsCodedeploy(ecs) => format!("{}/{}", ecs.application, ecs.deployment_group),
    }
}
