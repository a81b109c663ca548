//! A portal over the sample world: the read models as the server would put them together, and forms that act.

use crate::world::{NOW, Record, World, actor_of, viewer};
use async_trait::async_trait;
use std::sync::{Mutex, MutexGuard};
use tidegate_app::{
    health::{DefinitionPage, HealthPage, LabAsk, LabPage},
    model::{
        Allowed, AuditFilter, AuditPage, Cell, DeploymentPage, DeploymentSummary, History, HistoryFilter, Home,
        HomeRow, Inbox, InboxItem, NewDeployment, Permission, ReleaseRow, ServicePage, Telling, Told,
    },
    portal::{Portal, PortalError},
    shape::{CheckRow, NewBreakGlass, NewReview, Register, Shape},
};
use tidegate_domain::{
    Actor, Approval, Deployment, PersonRef, QuorumStatus, Release, State, StateName, Timestamp,
    approval::{self, Involved},
    breakglass::Check,
    budget::Budget,
    deployment::{Ballot, Transition},
    health::Mark,
    id::{ApprovalId, BreakGlassId, DeploymentId, ReleaseId},
    name::{EnvironmentName, ServiceName},
    revision::RevisionHash,
};

/// Called with a deployment's id and new version after each change.
type Changed = Box<dyn Fn(DeploymentId, i64) + Send + Sync>;

pub(crate) struct Sample {
    world: Mutex<World>,
    changed: Changed,
}

impl Sample {
    pub(crate) fn new(changed: impl Fn(DeploymentId, i64) + Send + Sync + 'static) -> Self {
        Self {
            world: Mutex::new(World::new()),
            changed: Box::new(changed),
        }
    }

    /// The same with every text that a person typed replaced by `text`.
    pub(crate) fn with_text(text: &str) -> Self {
        let sample = Self::new(|_, _| ());
        {
            let mut world = sample.world();
            for release in &mut world.releases {
                for commit in &mut release.commits {
                    text.clone_into(&mut commit.title);
                }
            }
            for record in &mut world.records {
                record.deployment.reason = Some(text.to_owned());
                for one in &mut record.deployment.approvals {
                    one.comment = Some(text.to_owned());
                }
                for (_, event) in &mut record.events {
                    event.text = Some(text.to_owned());
                }
                if let State::Rejected { reason, .. } | State::Cancelled { reason, .. } = &mut record.deployment.state {
                    text.clone_into(reason);
                }
            }
        }
        sample
    }

    /// No service, no release, no deployment.
    pub(crate) fn empty() -> Self {
        let sample = Self::new(|_, _| ());
        {
            let mut world = sample.world();
            world.records.clear();
            world.releases.clear();
            world.other_events.clear();
        }
        sample
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("the sample world")
    }

    pub(crate) fn ids(&self) -> Vec<(DeploymentId, StateName)> {
        self.world()
            .records
            .iter()
            .map(|record| (record.deployment.id, record.deployment.state.name()))
            .collect()
    }

    fn act(
        &self,
        id: DeploymentId,
        act: impl FnOnce(&World, &Record) -> Result<Transition, PortalError>,
    ) -> Result<(), PortalError> {
        let version = {
            let mut world = self.world();
            let index = world
                .records
                .iter()
                .position(|record| record.deployment.id == id)
                .ok_or_else(|| PortalError::NotFound("There is no such deployment.".to_owned()))?;
            let transition = act(&world, &world.records[index])?;
            let (deployment, events) = world.records[index]
                .deployment
                .apply(transition, NOW)
                .map_err(|refusal| PortalError::Conflict(refusal.to_string()))?;
            let record = &mut world.records[index];
            record.deployment = deployment;
            record.version += 1;
            record.events.extend(events.into_iter().map(|event| (NOW, event)));
            record.version
        };
        (self.changed)(id, version);
        Ok(())
    }
}

fn involved(world: &World, record: &Record) -> Involved {
    Involved::of(
        &world.releases[record.release],
        record.deployment.requested_by.human().cloned(),
    )
}

fn quorum(world: &World, record: &Record) -> Option<QuorumStatus> {
    let it = &record.deployment;
    let policy = &world.catalog.target(&it.service, &it.environment)?.policy;
    let revision = it.revision()?.hash();
    Some(approval::quorum(
        policy,
        &involved(world, record),
        &it.approvals,
        &revision,
        |one| one.teams.clone(),
    ))
}

fn allowed(world: &World, record: &Record) -> Allowed {
    let it = &record.deployment;
    let approve = match (it.revision(), world.catalog.target(&it.service, &it.environment)) {
        (Some(revision), Some(target)) => {
            let me = viewer();
            approval::eligible(
                &target.policy,
                &involved(world, record),
                me.person.id,
                &me.teams,
                &it.approvals,
                &revision.hash(),
            )
            .map_or_else(|why| Permission::No(why.to_string()), |()| Permission::Yes)
        }
        _ => Permission::No("it is not ready yet".to_owned()),
    };
    Allowed {
        approve,
        reject: Permission::Yes,
        cancel: Permission::Yes,
        resume: Permission::Yes,
        roll_back: Permission::Yes,
    }
}

fn cell(world: &World, service: &ServiceName, environment: &EnvironmentName) -> Cell {
    let mut all: Vec<DeploymentSummary> = world
        .records
        .iter()
        .map(|record| world.summary(record))
        .filter(|one| one.service == *service && one.environment == *environment)
        .collect();
    all.sort_by_key(|one| one.requested_at);
    let current = all
        .iter()
        .filter(|one| one.state == StateName::Succeeded)
        .max_by_key(|one| one.finished_at)
        .cloned();
    let since = current.as_ref().and_then(|one| one.finished_at);
    Cell {
        environment: environment.clone(),
        in_flight: all.iter().find(|one| one.state.is_in_flight()).cloned(),
        waiting: all
            .iter()
            .filter(|one| !one.state.is_terminal() && !one.state.is_in_flight())
            .cloned()
            .collect(),
        last_trouble: all
            .iter()
            .rev()
            .find(|one| matches!(one.state, StateName::Failed | StateName::RolledBack) && one.finished_at > since)
            .cloned(),
        current,
    }
}

fn inbox_item(world: &World, record: &Record) -> InboxItem {
    let expires_at = match &record.deployment.state {
        State::AwaitingApproval { expires_at, .. } => Some(*expires_at),
        _ => None,
    };
    InboxItem {
        deployment: world.summary(record),
        expires_at,
        quorum: quorum(world, record).unwrap_or(QuorumStatus { rules: Vec::new() }),
        commits: world.releases[record.release].commits.len(),
    }
}

fn page(world: &World, record: &Record) -> DeploymentPage {
    let it: &Deployment = &record.deployment;
    let release = world.releases[record.release].clone();
    let target = world.catalog.target(&it.service, &it.environment).cloned();
    let policy = target.as_ref().map(|target| target.policy.clone()).unwrap_or_default();
    let previous = world
        .records
        .iter()
        .filter(|other| {
            let other = &other.deployment;
            other.service == it.service
                && other.environment == it.environment
                && other.state.name() == StateName::Succeeded
                && other.requested_at < it.requested_at
        })
        .max_by_key(|other| other.deployment.requested_at);
    let waits = matches!(it.state.name(), StateName::AwaitingApproval | StateName::Queued);
    let behind = world
        .records
        .iter()
        .filter(|other| {
            let other = &other.deployment;
            waits
                && other.service == it.service
                && other.environment == it.environment
                && other.state.name().is_in_flight()
        })
        .map(|other| world.summary(other))
        .collect();
    let related = record
        .related
        .iter()
        .filter_map(|(words, id)| {
            let other = world.records.iter().find(|other| other.deployment.id == *id)?;
            Some((words.clone(), world.summary(other)))
        })
        .collect();
    DeploymentPage {
        version: record.version,
        production: world.is_production(&it.environment),
        gates: world.gates_of(&release, &policy),
        quorum: quorum(world, record),
        previous: previous.map(|previous| world.summary(previous)),
        earlier: Vec::new(),
        previous_release: previous.map(|previous| world.releases[previous.release].clone()),
        commits: if it.is_rollback() {
            Vec::new()
        } else {
            release.commits.clone()
        },
        compare_url: Some(format!(
            "https://github.example/{}/compare/v1...{}",
            release.repository,
            release.commit.short()
        )),
        behind,
        related,
        told: told(it),
        events: world
            .log()
            .into_iter()
            .filter(|event| event.event.subject.deployment == Some(it.id))
            .collect(),
        allowed: allowed(world, record),
        involved: Involved::of(&release, it.requested_by.human().cloned()),
        policy_changed: false,
        shape: shape(world, it, &release),
        deployment: it.clone(),
        release,
        target,
        policy,
        health: crate::health::brief(&record.deployment),
        now: NOW,
    }
}

fn shape(world: &World, it: &Deployment, release: &Release) -> Shape {
    let reports: Vec<_> = world
        .gates
        .iter()
        .filter(|gate| gate.release == release.id)
        .cloned()
        .collect();
    Shape {
        freezes: Vec::new(),
        closed: Vec::new(),
        opens: None,
        no_way_back: None,
        may_break_glass: Permission::Yes,
        checks: vec![CheckRow {
            check: Check::Quorum,
            stands: it.state.name() == StateName::AwaitingApproval,
        }],
        glass: None,
        budget: Budget::of(it, &reports, NOW),
    }
}

/// What has ended was told.
fn told(deployment: &Deployment) -> Vec<Told> {
    let Some(at) = deployment.finished_at() else {
        return Vec::new();
    };
    vec![Told {
        channel: "Slack #deploys".to_owned(),
        about: deployment.state.name().words().to_lowercase(),
        state: Telling::Told(at.plus_seconds(1)),
        attempts: 1,
        why: None,
        link: None,
    }]
}

fn me(actor: &Actor) -> PersonRef {
    actor.person().cloned().unwrap_or_else(|| viewer().person)
}

fn names(world: &World) -> (Vec<ServiceName>, Vec<EnvironmentName>) {
    (
        world
            .catalog
            .services
            .iter()
            .map(|service| service.name.clone())
            .collect(),
        world
            .catalog
            .environments
            .iter()
            .map(|environment| environment.name.clone())
            .collect(),
    )
}

const PAGE: usize = 25;

#[async_trait]
impl Portal for Sample {
    async fn home(&self, _: &Actor) -> Result<Home, PortalError> {
        let world = self.world();
        let rows = world
            .catalog
            .services
            .iter()
            .map(|service| HomeRow {
                service: service.name.clone(),
                description: service.description.clone(),
                cells: world
                    .catalog
                    .environments
                    .iter()
                    .map(|environment| {
                        service
                            .target(&environment.name)
                            .map(|_| cell(&world, &service.name, &environment.name))
                    })
                    .collect(),
            })
            .collect();
        Ok(Home {
            environments: world.catalog.environments.clone(),
            rows,
            now: NOW,
        })
    }

    async fn inbox(&self, actor: &Actor) -> Result<Inbox, PortalError> {
        let world = self.world();
        let asks = world
            .records
            .iter()
            .filter(|record| record.deployment.state.name() == StateName::AwaitingApproval);
        let (mine, others): (Vec<&Record>, Vec<&Record>) =
            asks.partition(|record| allowed(&world, record).approve.is_yes());
        let item = |record: &&Record| inbox_item(&world, record);
        let login = me(actor).login;
        Ok(Inbox {
            reviews: Vec::new(),
            waiting_on_me: mine.iter().map(item).collect(),
            others: others.iter().map(item).collect(),
            mine: world
                .records
                .iter()
                .map(|record| world.summary(record))
                .filter(|one| one.requested_by == login && !one.state.is_terminal())
                .collect(),
            now: NOW,
        })
    }

    async fn waiting_on(&self, actor: &Actor) -> Result<usize, PortalError> {
        Ok(self.inbox(actor).await?.waiting_on_me.len())
    }

    async fn history(&self, _: &Actor, filter: HistoryFilter) -> Result<History, PortalError> {
        let world = self.world();
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let mut items: Vec<DeploymentSummary> = world
            .records
            .iter()
            .map(|record| world.summary(record))
            .filter(|one| {
                is(&filter.service, one.service.as_str())
                    && is(&filter.environment, one.environment.as_str())
                    && is(&filter.state, one.state.as_str())
                    && is(&filter.person, &one.requested_by)
                    && filter
                        .text
                        .as_deref()
                        .is_none_or(|text| one.label.contains(text) || one.service.as_str().contains(text))
            })
            .collect();
        items.sort_by_key(|one| std::cmp::Reverse(one.requested_at));
        let start: usize = filter.after.and_then(|after| after.parse().ok()).unwrap_or_default();
        let next = (items.len() > start + PAGE).then(|| (start + PAGE).to_string());
        let (services, environments) = names(&world);
        Ok(History {
            items: items.into_iter().skip(start).take(PAGE).collect(),
            next,
            services,
            environments,
            now: NOW,
        })
    }

    async fn deployment(&self, _: &Actor, id: DeploymentId) -> Result<DeploymentPage, PortalError> {
        let world = self.world();
        let record = world.records.iter().find(|record| record.deployment.id == id);
        record
            .map(|record| page(&world, record))
            .ok_or_else(|| PortalError::NotFound("There is no such deployment.".to_owned()))
    }

    async fn service(&self, _: &Actor, name: ServiceName) -> Result<ServicePage, PortalError> {
        let world = self.world();
        let service = world
            .service(&name)
            .cloned()
            .ok_or_else(|| PortalError::NotFound(format!("There is no service named {name}.")))?;
        let policy = service
            .targets
            .last()
            .map(|target| target.policy.clone())
            .unwrap_or_default();
        let mut history: Vec<DeploymentSummary> = world
            .records
            .iter()
            .map(|record| world.summary(record))
            .filter(|one| one.service == name)
            .collect();
        history.sort_by_key(|one| std::cmp::Reverse(one.requested_at));
        let newest = |label: &str| {
            let mut newest: Vec<DeploymentSummary> = Vec::new();
            for one in history.iter().filter(|one| one.label == label) {
                if newest.iter().all(|other| other.environment != one.environment) {
                    newest.push(one.clone());
                }
            }
            newest.reverse();
            newest
        };
        let releases = world.releases.iter().rev().filter(|release| release.service == name);
        Ok(ServicePage {
            cells: service
                .targets
                .iter()
                .map(|target| cell(&world, &name, &target.environment))
                .collect(),
            releases: releases
                .map(|release| ReleaseRow {
                    gates: world.gates_of(release, &policy),
                    deployments: newest(&release.label()),
                    release: release.clone(),
                })
                .collect(),
            rolling: crate::rolling::views(&service.rolling),
            monitors: crate::monitors::of(&name),
            health: crate::health::between(&name),
            service,
            history,
            may_request: Permission::Yes,
            freezes: Vec::new(),
            now: NOW,
        })
    }

    async fn audit(&self, _: &Actor, filter: AuditFilter) -> Result<AuditPage, PortalError> {
        let world = self.world();
        let mut events: Vec<_> = world
            .log()
            .into_iter()
            .rev()
            .filter(|one| filter.before.is_none_or(|before| one.seq < before))
            .filter(|one| {
                filter
                    .kind
                    .as_deref()
                    .is_none_or(|kind| one.event.kind.name().starts_with(kind))
            })
            .filter(|one| {
                filter
                    .person
                    .as_deref()
                    .is_none_or(|login| one.event.actor.label() == login)
            })
            .collect();
        let next = (events.len() > 2 * PAGE).then(|| events[2 * PAGE].seq + 1);
        events.truncate(2 * PAGE);
        let (services, environments) = names(&world);
        Ok(AuditPage {
            events,
            next,
            services,
            environments,
            now: NOW,
        })
    }

    async fn health(&self, _: &Actor, id: DeploymentId) -> Result<HealthPage, PortalError> {
        let world = self.world();
        let record = world.records.iter().find(|record| record.deployment.id == id);
        record
            .map(|record| crate::health::page(&record.deployment, record.version))
            .ok_or_else(|| PortalError::NotFound("There is no such deployment.".to_owned()))
    }

    async fn definition(&self, _: &Actor, _: String) -> Result<DefinitionPage, PortalError> {
        Ok(crate::health::definition_page())
    }

    async fn lab(&self, _: &Actor, ask: LabAsk) -> Result<LabPage, PortalError> {
        let deployments: Vec<Deployment> = self.world().records.iter().map(|one| one.deployment.clone()).collect();
        Ok(crate::health::lab(&ask, &deployments))
    }

    async fn mark(&self, _: &Actor, _: DeploymentId, _: Mark, _: Option<String>) -> Result<(), PortalError> {
        Err(PortalError::Unavailable(
            "The preview cannot mark deployments.".to_owned(),
        ))
    }

    async fn request(&self, _: &Actor, _: NewDeployment) -> Result<DeploymentId, PortalError> {
        Err(PortalError::Unavailable(
            "The preview cannot request deployments.".to_owned(),
        ))
    }

    async fn approve(
        &self,
        actor: &Actor,
        id: DeploymentId,
        seen: RevisionHash,
        comment: Option<String>,
    ) -> Result<(), PortalError> {
        let actor = actor.clone();
        self.act(id, |world, record| {
            let it = &record.deployment;
            let policy = world
                .catalog
                .target(&it.service, &it.environment)
                .map(|target| target.policy.clone())
                .unwrap_or_default();
            let approval = Approval {
                id: ApprovalId::from_uuid(uuid::Uuid::from_u128(u128::from(record.version.unsigned_abs()))),
                person: me(&actor),
                teams: viewer().teams,
                revision: seen,
                at: Timestamp::from_millis(NOW.millis()),
                comment,
                solo: false,
                voided: None,
            };
            let ballot = Ballot {
                policy,
                involved: involved(world, record),
            };
            Ok(Transition::Approve {
                actor,
                approval,
                ballot,
            })
        })
    }

    async fn reject(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<(), PortalError> {
        self.act(id, |_, _| {
            Ok(Transition::Reject {
                by: me(actor),
                actor: actor.clone(),
                reason,
            })
        })
    }

    async fn cancel(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<(), PortalError> {
        self.act(id, |_, _| {
            Ok(Transition::Cancel {
                actor: actor.clone(),
                reason,
            })
        })
    }

    async fn resume(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<(), PortalError> {
        self.act(id, |_, _| {
            Ok(Transition::Resume {
                actor: actor.clone(),
                reason: Some(reason),
            })
        })
    }

    async fn roll_back(&self, actor: &Actor, id: DeploymentId, reason: String) -> Result<DeploymentId, PortalError> {
        self.act(id, |_, _| {
            Ok(Transition::RequestStop {
                actor: actor.clone(),
                cause: tidegate_domain::deployment::RollbackCause::Person { by: me(actor), reason },
            })
        })?;
        Ok(id)
    }

    async fn roll_back_to(
        &self,
        actor: &Actor,
        id: DeploymentId,
        _: ReleaseId,
        reason: String,
    ) -> Result<DeploymentId, PortalError> {
        self.roll_back(actor, id, reason).await
    }

    async fn override_freeze(&self, _: &Actor, _: DeploymentId, _: String, _: String) -> Result<(), PortalError> {
        Err(PortalError::Conflict("the preview has no freeze".to_owned()))
    }

    async fn break_glass(&self, _: &Actor, _: DeploymentId, _: NewBreakGlass) -> Result<DeploymentId, PortalError> {
        Err(PortalError::Conflict("the preview breaks no glass".to_owned()))
    }

    async fn review_break_glass(&self, _: &Actor, _: BreakGlassId, _: NewReview) -> Result<(), PortalError> {
        Err(PortalError::NotFound("the preview has no register".to_owned()))
    }

    async fn break_glass_register(&self, _: &Actor) -> Result<Register, PortalError> {
        Ok(Register {
            rows: Vec::new(),
            now: NOW,
        })
    }
}

/// The person at the screen, as the use cases know them.
pub(crate) fn actor() -> Actor {
    actor_of("dana")
}
