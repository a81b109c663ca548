//! Reads what the planner needs: from the database, the cloud and GitHub. Changes nothing.

use super::{budget::Hurry, millis, reconcile::Inner};
use crate::service::{
    clearance::{clearance, not_closed},
    fresh_id,
    lineage::{Lineage, lineage},
};
use tidegate_adapters::{CallError, Engine, Order};
use tidegate_domain::{
    Catalog, Deployment, OperationId, Policy, Release, State, TeamSlug, Timestamp,
    approval::Membership,
    catalog::Target,
    deployment::{Blocker, BlockerKind, CallKind, Observation, Preparation, Run},
    gate,
    plan::{self, Facts, Found, TargetFacts},
};
use tidegate_store::StoreError;

/// Longest settling time of a call that may be made twice without harm.
const SETTLE_HARMLESS_MILLIS: i64 = 15_000;
/// Reads that one look costs at most, for the budget: what runs, its task definition, the group, the configuration, and
/// three of the registry.
const READS_PREPARE: f64 = 7.0;
const READS_REGISTERED: f64 = 5.0;
const READS_CREATED: f64 = 2.0;
/// The deployment and its target.
const READS_OBSERVE: f64 = 2.0;
/// The target of its rollback.
const READS_ROLLBACK: f64 = 1.0;

impl Inner {
    pub(super) async fn observe(&self, deployment: &Deployment, now: Timestamp) -> Result<Facts, StoreError> {
        let catalog = self.catalog.get();
        let target = catalog.target(&deployment.service, &deployment.environment);
        let policy = target.map(|target| target.policy.clone()).unwrap_or_default();
        let needs = plan::needs(deployment);
        let mut lineage = lineage(&self.db, deployment).await?;
        // Who wrote it must be known before anybody is asked. Completing the releases may add people.
        let people_unknown = match deployment.revision() {
            None => self.people_unknown(deployment, target, &mut lineage).await?,
            Some(_) => None,
        };
        let gates = gate::statuses(&policy.gates, &self.db.gates(lineage.release.id).await?);
        let promoted = match &policy.promote_from {
            Some(environment) => {
                self.db
                    .succeeded(&deployment.service, environment, &deployment.digest)
                    .await?
            }
            None => true,
        };
        let mut facts = Facts {
            target: target.map(target_facts),
            gates,
            involved: lineage.involved.clone(),
            promoted,
            preparation: None,
            memberships: None,
            lane: self
                .db
                .lane(&deployment.service, &deployment.environment, deployment.id)
                .await?,
            clearance: clearance(&self.db, &catalog, deployment, &lineage.release).await?,
            found: None,
            observation: None,
            health: None,
            operation: OperationId::from_uuid(fresh_id(now)),
            settle_millis: self.settle_millis(deployment),
        };
        self.pass_the_frozen(&catalog, deployment, &mut facts, now).await?;
        // What is in flight is followed where it runs, whatever became of its target.
        let Some(order) = order(deployment, &lineage.release, target, facts.operation) else {
            return Ok(facts);
        };
        if needs.preparation && !plan::held_up(deployment, &facts, now) {
            facts.preparation = match people_unknown {
                Some(blocker) => Some(Err(blocker)),
                None => self.prepare(deployment, &order, now).await,
            };
            if changes_revision(deployment, &facts)
                && let Some(blocker) = self.people_unknown(deployment, target, &mut lineage).await?
            {
                facts.preparation = Some(Err(blocker));
            }
            facts.involved.clone_from(&lineage.involved);
        }
        if needs.memberships && target.is_some() && !policy.is_automatic() {
            facts.memberships = self.memberships(&catalog.organisation, deployment, &policy).await?;
        }
        if needs.cloud {
            facts.observation = self.look(&order, deployment, now).await;
        }
        if let Some(run) = deployment.run().filter(|run| plan::health_is_due(run, now)) {
            facts.health = self.read_health(deployment, run, &order, &lineage, target, now).await?;
        }
        if let (Some((kind, since)), Some(run)) = (needs.find, deployment.run()) {
            facts.found = self.find(&order, run, kind, since).await;
        }
        Ok(facts)
    }

    /// What waits for a freeze to end keeps its place, and holds up nobody behind it.
    async fn pass_the_frozen(
        &self,
        catalog: &Catalog,
        deployment: &Deployment,
        facts: &mut Facts,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !matches!(deployment.state, State::Queued { .. })
            || facts.lane.first_queued.is_none_or(|first| first == deployment.id)
        {
            return Ok(());
        }
        let (service, environment) = (&deployment.service, &deployment.environment);
        let mut ahead = self.db.ahead(service, environment, deployment.id).await?;
        ahead.retain(|other| matches!(other.state, State::Queued { .. }));
        let open = not_closed(&self.db, catalog, ahead, now).await?;
        facts.lane.first_queued = Some(open.first().map_or(deployment.id, |first| first.id));
        Ok(())
    }

    /// The order of a deployment that runs. `None`: it does not, or its release is gone.
    pub(super) async fn order(&self, deployment: &Deployment) -> Result<Option<Order>, StoreError> {
        let release = self.db.release(deployment.release).await?;
        let operation = OperationId::from_uuid(deployment.id.uuid());
        Ok(release.and_then(|release| order(deployment, &release, None, operation)))
    }

    /// Authors must be known before their approval can be refused (R3): those of every release that it brings, too. What
    /// GitHub adds is fetched once, and then read again. While what was prepared stays as it is nothing is asked: GitHub
    /// away later voids no approval.
    async fn people_unknown(
        &self,
        deployment: &Deployment,
        target: Option<&Target>,
        lineage: &mut Lineage,
    ) -> Result<Option<Blocker>, StoreError> {
        let asked = target.is_some_and(|target| !target.policy.is_automatic() && !target.policy.solo);
        if !asked || deployment.is_rollback() {
            return Ok(None);
        }
        let blocker = |why: String| Blocker {
            kind: BlockerKind::Target,
            subject: lineage.release.repository.clone(),
            why,
            since: None,
            url: None,
        };
        if let Some(why) = lineage.unknown() {
            return Ok(Some(blocker(why)));
        }
        for release in std::iter::once(&lineage.release).chain(&lineage.between) {
            if let Err(why) = self.enricher.complete(release).await? {
                let why = format!("who wrote the commits of {} is not known: {why}", release.label());
                return Ok(Some(blocker(why)));
            }
        }
        *lineage = crate::service::lineage::lineage(&self.db, deployment).await?;
        Ok(None)
    }

    /// What is about to start is looked at now; what waits by what was read a moment ago.
    async fn prepare(
        &self,
        deployment: &Deployment,
        order: &Order,
        now: Timestamp,
    ) -> Option<Result<Preparation, Blocker>> {
        let starts = matches!(deployment.state, State::Queued { .. });
        if !starts && let Some(prepared) = self.seen.get(order) {
            return Some(prepared);
        }
        // Someone waits for the first look; later ones are for what might have changed.
        let hurry = if starts || deployment.preparation.is_none() {
            Hurry::Now
        } else {
            Hurry::Patient
        };
        let engine = self.engine(order)?;
        let era = self.seen.era();
        let prepared = self
            .read(order, READS_PREPARE, hurry, "what runs now", async || {
                engine.prepare(order, now).await
            })
            .await?;
        self.seen.put(order, era, &prepared);
        Some(prepared)
    }

    async fn look(&self, order: &Order, deployment: &Deployment, now: Timestamp) -> Option<Observation> {
        let run = deployment.run()?;
        run.cloud_deployment.as_ref()?;
        if let Some(seen) = stop_is_due(deployment, run) {
            return Some(seen);
        }
        let rollback = match &deployment.state {
            State::RollingBack { rollback, .. } => rollback.as_deref(),
            _ => run.progress.as_ref().and_then(|progress| progress.rollback.as_deref()),
        };
        let engine = self.engine(order)?;
        let reads = if rollback.is_some() {
            READS_OBSERVE + READS_ROLLBACK
        } else {
            READS_OBSERVE
        };
        self.read(order, reads, Hurry::Now, "how it goes", async || {
            engine.observe(order, run, rollback, now).await
        })
        .await
    }

    async fn find(&self, order: &Order, run: &Run, kind: CallKind, since: Timestamp) -> Option<Found> {
        let engine = self.engine(order)?;
        let reads = if kind == CallKind::RegisterTaskDefinition {
            READS_REGISTERED
        } else {
            READS_CREATED
        };
        let what = format!("whether {} took effect", kind.name());
        self.read(order, reads, Hurry::Now, &what, async || {
            engine.find(order, run, kind, since).await
        })
        .await
    }

    /// A process without this engine is as one that cannot see the cloud.
    fn engine(&self, order: &Order) -> Option<&dyn Engine> {
        self.engines
            .of(&order.engine)
            .inspect_err(|error| tracing::error!(%error, operation = %order.operation, "no engine"))
            .ok()
    }

    /// One look at the cloud within the group's budget. `None`: it could not be asked.
    async fn read<T>(
        &self,
        order: &Order,
        reads: f64,
        hurry: Hurry,
        what: &str,
        look: impl AsyncFnOnce() -> Result<T, CallError>,
    ) -> Option<T> {
        let group = order.engine.group();
        if !self.budget.take(&group, reads, hurry).await {
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
    ) -> Result<Option<Vec<Membership>>, StoreError> {
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
            // Taken before asking: what was read earlier, or waited for, makes no answer look fresher or older than it is.
            let checked_at = self.db.now().await?;
            let asked = self.github.teams_of(organisation, person, &teams);
            match tokio::time::timeout(self.options.call_deadline, asked).await {
                Ok(Ok(found)) => memberships.push(Membership {
                    person,
                    teams: found.into_iter().filter_map(|slug| TeamSlug::new(slug).ok()).collect(),
                    checked_at,
                }),
                Ok(Err(error)) => {
                    tracing::warn!(%error, deployment = %deployment.id, "GitHub could not be asked for an approver's teams");
                    return Ok(None);
                }
                Err(_) => {
                    tracing::warn!(deployment = %deployment.id, "GitHub did not say in time which teams an approver is in");
                    return Ok(None);
                }
            }
        }
        Ok(Some(memberships))
    }

    /// Only a second cloud deployment would do harm: it alone waits the full settling time.
    fn settle_millis(&self, deployment: &Deployment) -> i64 {
        let full = millis(self.options.settle);
        match deployment.run().and_then(Run::open_call).map(|call| call.kind) {
            Some(kind) if !kind.doubles() => full.min(SETTLE_HARMLESS_MILLIS),
            _ => full,
        }
    }
}

fn target_facts(target: &Target) -> TargetFacts {
    TargetFacts {
        policy: target.policy.clone(),
        traffic: target.traffic.clone(),
        engine: target.engine.clone(),
        deadline_seconds: target.deadline_seconds,
        health: target.health.clone(),
        verify: target.verify.clone(),
    }
}

/// What was prepared is not what would be deployed by now.
fn changes_revision(deployment: &Deployment, facts: &Facts) -> bool {
    let (Some(old), Some(target), Some(Ok(preparation))) = (deployment.revision(), &facts.target, &facts.preparation)
    else {
        return false;
    };
    old.hash() != plan::revision_of(deployment, target, &facts.gates, preparation).hash()
}

/// Someone has just asked to stop a deployment whose state is known: the stop need not wait for another look (R19).
fn stop_is_due(deployment: &Deployment, run: &Run) -> Option<Observation> {
    let progress = run.progress.as_ref()?;
    let due = matches!(deployment.state, State::Deploying { .. })
        && run.stop.is_some()
        && run.engine.script().back.iter().all(|kind| run.attempts(*kind) == 0)
        && !progress.status.is_over()
        && progress.rollback.is_none();
    due.then(|| Observation {
        deployment: progress.clone(),
        rollback: None,
    })
}

/// A running deployment goes on as it was approved, and where; another one goes by the configuration.
fn order(deployment: &Deployment, release: &Release, target: Option<&Target>, fresh: OperationId) -> Option<Order> {
    let (operation, traffic, engine) = match deployment.run() {
        Some(run) => (run.operation, run.revision.traffic.clone(), run.engine.clone()),
        None => target.map(|target| (fresh, target.traffic.clone(), target.engine.clone()))?,
    };
    Some(Order {
        operation,
        title: title(deployment),
        image: release.image.clone(),
        traffic,
        engine,
    })
}

pub(super) fn title(deployment: &Deployment) -> String {
    format!(
        "{} {} to {}",
        deployment.service, deployment.label, deployment.environment
    )
}
