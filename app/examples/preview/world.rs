//! Fictional services of `acme` with a deployment in every state, each led there by the domain's own transitions.

use std::str::FromStr;
use tidegate_app::model::{DeploymentSummary, Viewer};
use tidegate_domain::{
    Actor, Approval, AuditEvent, Deployment, GateResult, GateStatus, PersonRef, Policy, Release, Role, Service, State,
    Target, Timestamp, TrafficPlan, Verdict,
    approval::{Involved, Membership},
    audit::{EventKind, RecordedEvent, Subject},
    catalog::{Catalog, CiTrust, EcsCodedeploy, Engine, Environment, Hooks},
    deployment::{
        Ballot, Blocker, BlockerKind, CallKind, CloudStatus, Failure, Kind, LifecycleEvent, LifecycleStatus, Outcome,
        Preparation, Progress, RollbackCause, StartEvidence, Transition,
    },
    gate::{self, DEFAULT_GATES},
    id::{ApprovalId, DeploymentId, OperationId, ReleaseId},
    name::{CommitSha, Digest, EnvironmentName, GateName, ServiceName, TeamSlug},
    plan::{TargetFacts, revision_of},
    policy::QuorumRule,
    release::{Commit, Image},
    revision::Change,
    time::{DAY, HOUR, MINUTE, SECOND},
};
use uuid::Uuid;

/// The moment at which this world stands: 2026-03-18 14:05 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_773_842_700_000);

/// A moment before now.
fn ago(millis: i64) -> Timestamp {
    NOW.plus_millis(-millis)
}

pub(crate) fn name<T: FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name of the sample world")
}

fn uuid(kind: u128, number: u128) -> Uuid {
    Uuid::from_u128(0x0195_a7e0_0000_7000_8000_0000_0000_0000 + (kind << 48) + number * 0x9e37_79b9)
}

fn hex(seed: u64, digits: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from_digit(u32::try_from((state >> 40) % 16).unwrap_or_default(), 16).unwrap_or('0')
    })
    .take(digits)
    .collect()
}

pub(crate) fn people() -> [PersonRef; 6] {
    ["ada", "ben", "carol", "dana", "emil", "faye"]
        .iter()
        .zip(101..)
        .map(|(login, id)| PersonRef::new(id, *login))
        .collect::<Vec<_>>()
        .try_into()
        .expect("six people")
}

fn person(login: &str) -> PersonRef {
    people()
        .into_iter()
        .find(|one| one.login == login)
        .expect("a person of the sample world")
}

fn teams_of(login: &str) -> Vec<TeamSlug> {
    match login {
        "carol" | "emil" => vec![name("platform")],
        "dana" => vec![name("platform"), name("security")],
        _ => vec![name("chat")],
    }
}

/// The person at the screen: dana, of platform and security.
pub(crate) fn viewer() -> Viewer {
    Viewer {
        person: person("dana"),
        name: Some("Dana Okafor".to_owned()),
        roles: vec![Role::Deployer, Role::Approver],
        teams: teams_of("dana"),
    }
}

pub(crate) fn actor_of(login: &str) -> Actor {
    Actor::Person {
        person: person(login),
        roles: vec![Role::Deployer, Role::Approver],
        teams: teams_of(login),
    }
}

/// A deployment with what was known around it.
pub(crate) struct Record {
    pub(crate) deployment: Deployment,
    pub(crate) version: i64,
    pub(crate) release: usize,
    pub(crate) related: Vec<(String, DeploymentId)>,
    /// Without sequence numbers: the log gives them.
    pub(crate) events: Vec<(Timestamp, AuditEvent)>,
}

pub(crate) struct World {
    pub(crate) catalog: Catalog,
    pub(crate) releases: Vec<Release>,
    pub(crate) gates: Vec<GateResult>,
    pub(crate) records: Vec<Record>,
    pub(crate) other_events: Vec<(Timestamp, AuditEvent)>,
}

fn policy(rules: &[(&str, u8)], promote_from: Option<&str>) -> Policy {
    Policy {
        gates: if promote_from.is_some() {
            DEFAULT_GATES.iter().map(|gate| name(gate)).collect()
        } else {
            DEFAULT_GATES[..5].iter().map(|gate| name(gate)).collect()
        },
        approvals: rules
            .iter()
            .map(|(team, count)| QuorumRule {
                teams: vec![name(team)],
                count: *count,
            })
            .collect(),
        supersede: true,
        promote_from: promote_from.map(name),
        ..Policy::default()
    }
}

fn target(service: &str, environment: &str, traffic: TrafficPlan, policy: Policy) -> Target {
    Target {
        environment: name(environment),
        engine: Engine::EcsCodedeploy(EcsCodedeploy {
            cluster: format!("acme-{environment}"),
            service: service.to_owned(),
            container: "app".to_owned(),
            port: 8080,
            application: format!("acme-{service}"),
            deployment_group: format!("{service}-{environment}"),
            deployment_config: None,
            platform_version: None,
            hooks: Hooks::default(),
        }),
        traffic,
        policy,
        deadline_seconds: 3600,
        health: None,
        placeholders: std::collections::BTreeMap::new(),
        verify: None,
        monitor: None,
    }
}

pub(crate) fn catalog() -> Catalog {
    let canary = TrafficPlan::Canary {
        percent: 10,
        minutes: 5,
    };
    let service = |service: &str, description: &str, production: Option<(TrafficPlan, Policy)>| {
        let mut targets = vec![target(service, "staging", TrafficPlan::AllAtOnce, policy(&[], None))];
        targets.extend(production.map(|(traffic, policy)| target(service, "production", traffic, policy)));
        Service {
            name: name(service),
            description: description.to_owned(),
            repository: format!("acme/{service}"),
            time_zone: "UTC".to_owned(),
            ci: CiTrust {
                repository_id: 1,
                refs: vec!["refs/heads/main".to_owned()],
                workflows: Vec::new(),
                environments: Vec::new(),
                other_commits: false,
            },
            targets,
        }
    };
    let both = policy(&[("platform", 1), ("security", 1)], Some("staging"));
    let one = policy(&[("platform", 1)], Some("staging"));
    let solo = Policy {
        solo: true,
        ..one.clone()
    };
    Catalog {
        organisation: "acme".to_owned(),
        environments: vec![
            Environment {
                name: name("staging"),
                production: false,
            },
            Environment {
                name: name("production"),
                production: true,
            },
        ],
        services: vec![
            service(
                "orchestrator",
                "Routes each conversation",
                Some((canary.clone(), one.clone())),
            ),
            service(
                "intent-classifier",
                "Finds what a customer wants",
                Some((canary.clone(), one.clone())),
            ),
            service(
                "rag",
                "Answers from the help centre",
                Some((canary.clone(), both.clone())),
            ),
            service(
                "guardrails",
                "Stops what must not be said",
                Some((canary.clone(), both)),
            ),
            service(
                "burst-overflow",
                "Takes the peaks",
                Some((
                    TrafficPlan::Linear {
                        percent: 10,
                        minutes: 1,
                    },
                    one.clone(),
                )),
            ),
            service(
                "websocket-handler",
                "Holds the connections",
                Some((canary.clone(), one)),
            ),
            service("api-gateway", "The front door", Some((TrafficPlan::AllAtOnce, solo))),
            service("load-test", "Replays last week’s peak", None),
        ],
        roles: Vec::new(),
        smoke_allow: Vec::new(),
        freezes: Vec::new(),
        break_glass: vec![Role::Deployer, Role::Admin],
    }
}

const TITLES: [&str; 8] = [
    "Rank passages by freshness before relevance",
    "Answer in the customer's language when the help centre has it",
    "Retry the embedding call once, with jitter",
    "Cache tokenised passages for ten minutes",
    "Raise the connection pool to 40",
    "Log the passage ids that an answer rests on",
    "Drop the legacy ranking flag",
    "Pin the tokenizer to 0.21",
];

fn release(number: usize, service: &str, authors: &[&str], commits: usize, reported_at: Timestamp) -> Release {
    let sha = |n: usize| CommitSha::new(hex((number * 31 + n + 1) as u64, 40)).expect("a commit id");
    let commit = sha(0);
    Release {
        id: ReleaseId::from_uuid(uuid(1, number as u128)),
        service: name(service),
        repository: format!("acme/{service}"),
        image: Image {
            repository: format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/{service}"),
            digest: Digest::new(format!("sha256:{}", hex(7_000 + number as u64, 64))).expect("a digest"),
            tag: Some(format!("sha-{}", commit.short())),
        },
        git_ref: "refs/heads/main".to_owned(),
        run_url: Some(format!(
            "https://github.example/acme/{service}/actions/runs/{}",
            91_000 + number
        )),
        run_id: Some(91_000 + number as i64),
        authors: authors.iter().map(|login| person(login)).collect(),
        pusher: authors.first().map(|login| person(login)),
        actor: authors.first().map(|login| person(login)),
        reruns: Vec::new(),
        commits: (0..commits)
            .map(|n| Commit {
                sha: sha(n),
                title: TITLES[(number + n) % TITLES.len()].to_owned(),
                author: person(authors[n % authors.len()]),
                at: Some(reported_at.plus_millis(-(20 + 47 * n as i64) * MINUTE)),
                url: Some(format!("https://github.example/acme/{service}/commit/{}", sha(n))),
            })
            .collect(),
        commit,
        migration: None,
        reported_at,
    }
}

fn preparation(release: &Release, before: Option<&Release>, at: Timestamp) -> Preparation {
    let family = release.service.to_string();
    let running = before.map(|before| before.image.pinned());
    Preparation {
        at,
        running_task_definition: before
            .map(|_| format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/{family}:41")),
        running_image: running.clone(),
        running_digest: before.map(|before| before.image.digest.clone()),
        changes: vec![Change {
            what: "container app · image".to_owned(),
            from: running.unwrap_or_else(|| "none".to_owned()),
            to: release.image.pinned(),
        }],
        hash: hex(release.commit.short().len() as u64 + 11, 64),
        immutable_tags: family != "websocket-handler",
        tag_moved_to: None,
    }
}

/// A deployment on its way: each step applies one of the domain's transitions.
struct Flow<'a> {
    world: &'a World,
    record: Record,
    policy: Policy,
    traffic: TrafficPlan,
    engine: Engine,
}

impl<'a> Flow<'a> {
    fn new(world: &'a World, number: u128, release: usize, environment: &str, by: Actor, at: Timestamp) -> Self {
        let it = &world.releases[release];
        let environment: EnvironmentName = name(environment);
        let target = world
            .catalog
            .target(&it.service, &environment)
            .expect("a target of the sample world");
        let deployment = Deployment {
            id: DeploymentId::from_uuid(uuid(2, number)),
            service: it.service.clone(),
            environment,
            release: it.id,
            digest: it.image.digest.clone(),
            label: it.label(),
            title: it.title(),
            kind: Kind::Promotion,
            requested_by: by,
            requested_at: at,
            reason: None,
            approvals: Vec::new(),
            preparation: None,
            waivers: tidegate_domain::deployment::Waivers::default(),
            state: State::Requested { blocked: Vec::new() },
        };
        Self {
            world,
            policy: target.policy.clone(),
            traffic: target.traffic.clone(),
            engine: target.engine.clone(),
            record: Record {
                events: Vec::new(),
                deployment,
                version: 1,
                release,
                related: Vec::new(),
            },
        }
    }

    fn because(mut self, reason: &str) -> Self {
        self.record.deployment.reason = Some(reason.to_owned());
        self
    }

    fn rollback(mut self, of: DeploymentId, by: &str, reason: &str) -> Self {
        self.record.deployment.kind = Kind::Rollback {
            of,
            by: person(by),
            reason: reason.to_owned(),
        };
        self.record.related.push(("rolls back".to_owned(), of));
        self
    }

    fn related(mut self, words: &str, id: DeploymentId) -> Self {
        self.record.related.push((words.to_owned(), id));
        self
    }

    fn apply(mut self, transition: Transition, at: Timestamp) -> Self {
        if self.record.events.is_empty() {
            let event = self.record.deployment.requested_event();
            self.record.events.push((self.record.deployment.requested_at, event));
        }
        let (deployment, events) = self
            .record
            .deployment
            .apply(transition, at)
            .expect("a step of the sample world");
        self.record.deployment = deployment;
        self.record.version += 1;
        self.record.events.extend(events.into_iter().map(|event| (at, event)));
        self
    }

    fn ballot(&self) -> Ballot {
        let requester = self.record.deployment.requested_by.human().cloned();
        Ballot {
            policy: self.policy.clone(),
            involved: Involved::of(&self.world.releases[self.record.release], requester),
        }
    }

    fn prepare_with(self, change: impl FnOnce(&mut Preparation), before: Option<usize>, at: Timestamp) -> Self {
        let release = &self.world.releases[self.record.release];
        let mut preparation = preparation(release, before.map(|before| &self.world.releases[before]), at);
        change(&mut preparation);
        let reports: Vec<GateResult> = self
            .world
            .gates
            .iter()
            .filter(|gate| gate.release == release.id)
            .cloned()
            .collect();
        let facts = TargetFacts {
            policy: self.policy.clone(),
            traffic: self.traffic.clone(),
            engine: self.engine.clone(),
            deadline_seconds: 3600,
            health: None,
            verify: None,
        };
        let gates = gate::statuses(&self.policy.gates, &reports);
        let revision = revision_of(&self.record.deployment, &facts, &gates, &preparation);
        let policy = self.policy.clone();
        self.apply(
            Transition::Prepare {
                preparation,
                revision,
                policy,
            },
            at,
        )
    }

    fn prepare(self, before: Option<usize>, at: Timestamp) -> Self {
        self.prepare_with(|_| (), before, at)
    }

    fn approve(self, by: &str, comment: Option<&str>, at: Timestamp) -> Self {
        let revision = self.record.deployment.revision().expect("a prepared deployment").hash();
        let ballot = self.ballot();
        let number = self.record.version as u128 * 1000 + self.record.deployment.id.uuid().as_u128() % 997;
        let approval = Approval {
            id: ApprovalId::from_uuid(uuid(3, number)),
            person: person(by),
            teams: teams_of(by),
            revision,
            at,
            comment: comment.map(str::to_owned),
            solo: false,
            voided: None,
        };
        self.apply(
            Transition::Approve {
                actor: actor_of(by),
                approval,
                ballot,
            },
            at,
        )
    }

    fn start(self, at: Timestamp) -> Self {
        let revision = self
            .record
            .deployment
            .revision()
            .expect("a prepared deployment")
            .clone();
        let memberships = people()
            .iter()
            .map(|one| Membership {
                person: one.id,
                teams: teams_of(&one.login),
                checked_at: at,
            })
            .collect();
        let evidence = StartEvidence {
            ballot: self.ballot(),
            revision,
            engine: self.engine.clone(),
            health: None,
            memberships,
        };
        let operation = OperationId::from_uuid(uuid(4, self.record.deployment.id.uuid().as_u128() % 9973));
        let deadline = at.plus_seconds(3600);
        self.apply(
            Transition::Start {
                operation,
                evidence: Box::new(evidence),
                deadline,
            },
            at,
        )
    }

    fn call(self, kind: CallKind, id: &str, at: Timestamp) -> Self {
        let outcome = Outcome::Done {
            id: id.to_owned(),
            at: at.plus_millis(600),
        };
        self.apply(Transition::Intend { kind, epoch: 1 }, at)
            .apply(Transition::Conclude { outcome }, at.plus_millis(600))
    }

    fn run(self, cloud: &str, at: Timestamp) -> Self {
        let arn = format!(
            "arn:aws:ecs:eu-west-1:123456789012:task-definition/{}:42",
            self.record.deployment.service
        );
        self.start(at)
            .call(CallKind::RegisterTaskDefinition, &arn, at.plus_seconds(1))
            .call(CallKind::CreateDeployment, cloud, at.plus_seconds(3))
    }

    fn observe(self, progress: Progress, at: Timestamp) -> Self {
        self.apply(Transition::Observe { progress }, at)
    }

    fn succeed(self, at: Timestamp) -> Self {
        let began = at.plus_millis(-9 * MINUTE);
        self.observe(
            progress(CloudStatus::InProgress, Some(10), 6, began, None),
            at.plus_millis(-5 * MINUTE),
        )
        .observe(progress(CloudStatus::Succeeded, Some(100), 8, began, None), at)
        .apply(Transition::Succeed, at)
    }

    fn stop(self, by: &str, reason: &str, at: Timestamp) -> Self {
        let transition = Transition::RequestStop {
            actor: actor_of(by),
            cause: RollbackCause::Person {
                by: person(by),
                reason: reason.to_owned(),
            },
        };
        self.apply(transition, at)
            .call(CallKind::StopDeployment, "stopped", at.plus_seconds(1))
    }

    fn done(self) -> Record {
        self.record
    }
}

const LIFECYCLE: [&str; 8] = [
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
];

/// What the cloud says when `over` lifecycle events are over and the next one runs.
fn progress(
    status: CloudStatus,
    traffic: Option<u8>,
    over: usize,
    began: Timestamp,
    failure: Option<&str>,
) -> Progress {
    let lifecycle = LIFECYCLE
        .iter()
        .enumerate()
        .map(|(index, event)| {
            let from = began.plus_seconds(index as i64 * 41);
            let (status, started_at, ended_at) = match index {
                index if index < over => (
                    LifecycleStatus::Succeeded,
                    Some(from),
                    Some(from.plus_seconds(3 + 17 * (index as i64 % 3))),
                ),
                index if index == over && failure.is_some() => {
                    (LifecycleStatus::Failed, Some(from), Some(from.plus_seconds(52)))
                }
                index if index == over => (LifecycleStatus::InProgress, Some(from), None),
                _ if failure.is_some() => (LifecycleStatus::Skipped, None, None),
                _ => (LifecycleStatus::Pending, None, None),
            };
            let message = (index == over).then(|| failure.map(str::to_owned)).flatten();
            LifecycleEvent {
                name: (*event).to_owned(),
                status,
                started_at,
                ended_at,
                message,
            }
        })
        .collect();
    Progress {
        status,
        traffic,
        lifecycle,
        error: failure.map(|message| Failure {
            code: Some("HEALTH_CONSTRAINTS".to_owned()),
            message: message.to_owned(),
        }),
        rollback: None,
        rollback_message: None,
        seen_at: began,
    }
}

fn ci(service: &str, by: &str) -> Actor {
    Actor::Ci {
        service: name(service),
        repository: format!("acme/{service}"),
        run_id: 91_000,
        actor: person(by),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let mut releases = Vec::new();
        let reported = [
            ("orchestrator", &["ada"][..], 3, 9 * DAY),
            ("orchestrator", &["ben", "ada"], 2, 3 * HOUR),
            ("intent-classifier", &["faye"], 1, 6 * DAY),
            ("intent-classifier", &["faye", "ben"], 2, 5 * HOUR),
            ("rag", &["ada"], 4, 12 * DAY),
            ("rag", &["ada", "ben"], 6, 100 * MINUTE),
            ("guardrails", &["ben"], 2, 8 * DAY),
            ("guardrails", &["ben"], 1, 26 * HOUR),
            ("burst-overflow", &["emil"], 1, 15 * DAY),
            ("burst-overflow", &["emil", "faye"], 2, 7 * HOUR),
            ("websocket-handler", &["faye"], 2, 20 * DAY),
            ("websocket-handler", &["faye"], 1, 4 * HOUR),
            ("api-gateway", &["dana"], 3, 5 * DAY),
            ("api-gateway", &["dana"], 1, 31 * HOUR),
        ];
        for (number, (service, authors, commits, before)) in reported.into_iter().enumerate() {
            releases.push(release(number, service, authors, commits, ago(before)));
        }
        let mut gates = Vec::new();
        for (number, release) in releases.iter().enumerate() {
            for (index, gate) in DEFAULT_GATES.iter().enumerate() {
                if number == 13 && index > 4 {
                    continue;
                }
                let failed = number == 3 && *gate == "vulnerability-scan";
                let detail = match *gate {
                    "unit-tests" => Some("coverage 86 % (threshold 80 %)".to_owned()),
                    "vulnerability-scan" if failed => Some("2 HIGH findings in libssl".to_owned()),
                    "vulnerability-scan" => Some("no CRITICAL or HIGH finding".to_owned()),
                    "staging-smoke" => Some("3 of 3 tests".to_owned()),
                    _ => None,
                };
                gates.push(GateResult {
                    release: release.id,
                    gate: GateName::new(*gate).expect("a gate"),
                    verdict: if failed { Verdict::Fail } else { Verdict::Pass },
                    detail,
                    url: release.run_url.clone(),
                    seconds: Some(20 + 15 * index as i64),
                    reported_at: release.reported_at.plus_millis(index as i64 * 2 * MINUTE),
                });
            }
        }
        let mut world = Self {
            catalog: catalog(),
            releases,
            gates,
            records: Vec::new(),
            other_events: Vec::new(),
        };
        world.records = world.deployments();
        world.other_events = world.around();
        world
    }

    fn deployments(&self) -> Vec<Record> {
        let flow = |number, release, environment, by: Actor, at| Flow::new(self, number, release, environment, by, at);
        let id = |number| DeploymentId::from_uuid(uuid(2, number));
        let mut all = Vec::new();
        // What runs: each service's older release in both environments.
        for (number, old) in (100_u128..).zip([0, 2, 4, 6, 8, 10, 12]) {
            let release = &self.releases[old];
            let service = release.service.to_string();
            let at = release.reported_at.plus_millis(20 * MINUTE);
            let author = release.authors[0].login.clone();
            all.push(
                flow(number, old, "staging", ci(&service, &author), at)
                    .prepare(None, at.plus_seconds(4))
                    .run(&format!("d-S{number}AQ2X"), at.plus_seconds(9))
                    .succeed(at.plus_millis(4 * MINUTE))
                    .done(),
            );
            if old == 10 {
                continue;
            }
            let at = at.plus_millis(30 * MINUTE);
            let flow = flow(number + 50, old, "production", actor_of(&author), at)
                .prepare(None, at.plus_seconds(4))
                .approve(
                    if author == "emil" { "carol" } else { "emil" },
                    None,
                    at.plus_millis(12 * MINUTE),
                );
            let flow = if flow.policy.approvals.len() > 1 {
                flow.approve("dana", Some("Read the diff and the scan."), at.plus_millis(25 * MINUTE))
            } else {
                flow
            };
            all.push(
                flow.run(&format!("d-P{number}WX9K"), at.plus_millis(26 * MINUTE))
                    .succeed(at.plus_millis(37 * MINUTE))
                    .done(),
            );
        }
        // The newer releases went to staging by themselves.
        for (number, new) in (200_u128..).zip([1, 5, 7, 11]) {
            let release = &self.releases[new];
            let at = release.reported_at.plus_millis(9 * MINUTE);
            let by = ci(release.service.as_str(), &release.authors[0].login);
            all.push(
                flow(number, new, "staging", by, at)
                    .prepare(Some(new - 1), at.plus_seconds(4))
                    .run(&format!("d-S{number}BT5M"), at.plus_seconds(8))
                    .succeed(at.plus_millis(4 * MINUTE))
                    .done(),
            );
        }
        // rag: one approval of two; waits for security, that is for dana.
        all.push(
            flow(1, 5, "production", actor_of("ada"), ago(52 * MINUTE))
                .because("The help centre moves to the new index tonight.")
                .prepare(Some(4), ago(52 * MINUTE - 4 * SECOND))
                .approve("carol", Some("Ranking looks right on staging."), ago(21 * MINUTE))
                .done(),
        );
        // orchestrator: 10 % of traffic.
        let began = ago(3 * MINUTE + 20 * SECOND);
        all.push(
            flow(2, 1, "production", actor_of("ben"), ago(2 * HOUR))
                .prepare(Some(0), ago(2 * HOUR - 5 * SECOND))
                .approve("carol", None, ago(4 * MINUTE))
                .run("d-ORCH7Q1AB", ago(3 * MINUTE + 40 * SECOND))
                .observe(
                    progress(CloudStatus::InProgress, Some(0), 2, began, None),
                    ago(2 * MINUTE),
                )
                .observe(
                    progress(
                        CloudStatus::InProgress,
                        Some(10),
                        6,
                        began.plus_millis(-2 * MINUTE),
                        None,
                    ),
                    ago(50 * SECOND),
                )
                .done(),
        );
        // Behind it, approved.
        all.push(
            flow(3, 0, "production", actor_of("ada"), ago(40 * MINUTE))
                .because("In case the ranking has to go.")
                .prepare(Some(0), ago(40 * MINUTE - 5 * SECOND))
                .approve("emil", None, ago(2 * MINUTE))
                .done(),
        );
        // intent-classifier: held up by its scan.
        let failed = &self.releases[3];
        let blocker = Blocker {
            kind: BlockerKind::GateFailed,
            subject: "vulnerability-scan".to_owned(),
            why: "failed: 2 HIGH findings in libssl".to_owned(),
            since: Some(failed.reported_at),
            url: failed.run_url.clone(),
        };
        let order = Blocker {
            kind: BlockerKind::PromotionOrder,
            subject: "staging".to_owned(),
            why: "this digest has not succeeded there yet".to_owned(),
            since: None,
            url: None,
        };
        all.push(
            flow(4, 3, "production", actor_of("faye"), ago(4 * HOUR))
                .apply(
                    Transition::Block {
                        blockers: vec![blocker, order],
                    },
                    ago(4 * HOUR - 3 * SECOND),
                )
                .done(),
        );
        // guardrails: AWS rolled it back by itself.
        let began = ago(25 * HOUR);
        let mut broken = progress(
            CloudStatus::Failed,
            Some(10),
            6,
            began,
            Some("The health check of 2 tasks failed: GET /health answered 503."),
        );
        broken.rollback = Some("d-GRDBACK01".to_owned());
        all.push(
            flow(5, 7, "production", actor_of("ben"), ago(26 * HOUR))
                .prepare(Some(6), ago(26 * HOUR - 4 * SECOND))
                .approve("emil", None, ago(25 * HOUR + 30 * MINUTE))
                .approve("dana", None, ago(25 * HOUR + 9 * MINUTE))
                .run("d-GRDNEW777", ago(25 * HOUR + MINUTE))
                .observe(broken, ago(25 * HOUR - 8 * MINUTE))
                .apply(
                    Transition::SeeRollback {
                        rollback: Some("d-GRDBACK01".to_owned()),
                        cause: RollbackCause::Cloud {
                            message:
                                "The overall deployment failed because too many individual instances failed deployment"
                                    .to_owned(),
                        },
                    },
                    ago(25 * HOUR - 8 * MINUTE),
                )
                .apply(
                    Transition::ObserveRollback {
                        progress: progress(CloudStatus::Succeeded, Some(100), 8, ago(25 * HOUR - 8 * MINUTE), None),
                    },
                    ago(25 * HOUR - 9 * MINUTE),
                )
                .apply(Transition::FinishRollback, ago(25 * HOUR - 9 * MINUTE))
                .done(),
        );
        // burst-overflow: a person rolls it back right now.
        let began = ago(11 * MINUTE);
        all.push(
            flow(6, 9, "production", actor_of("faye"), ago(HOUR))
                .prepare(Some(8), ago(HOUR - 4 * SECOND))
                .approve("carol", None, ago(14 * MINUTE))
                .run("d-BRST55XK2", ago(12 * MINUTE))
                .observe(
                    progress(CloudStatus::InProgress, Some(40), 6, began, None),
                    ago(3 * MINUTE),
                )
                .stop("emil", "p95 doubled since 30 %, see the dashboard", ago(80 * SECOND))
                .apply(
                    Transition::SeeRollback {
                        rollback: Some("d-BRSTBACK2".to_owned()),
                        cause: RollbackCause::Person {
                            by: person("emil"),
                            reason: "p95 doubled since 30 %, see the dashboard".to_owned(),
                        },
                    },
                    ago(70 * SECOND),
                )
                .apply(
                    Transition::ObserveRollback {
                        progress: progress(CloudStatus::InProgress, Some(80), 6, ago(70 * SECOND), None),
                    },
                    ago(30 * SECOND),
                )
                .done(),
        );
        // websocket-handler: an approval became void; first deployment to production.
        all.push(
            flow(7, 11, "production", actor_of("faye"), ago(3 * HOUR))
                .prepare(None, ago(3 * HOUR - 4 * SECOND))
                .approve("emil", Some("Fine by me."), ago(2 * HOUR))
                .prepare_with(|it| it.hash = hex(424_242, 64), None, ago(30 * MINUTE))
                .done(),
        );
        // api-gateway: solo mode, waits for its staging gates; an earlier one failed.
        all.push(
            flow(8, 13, "staging", actor_of("dana"), ago(30 * HOUR))
                .prepare(Some(12), ago(30 * HOUR - 4 * SECOND))
                .start(ago(30 * HOUR - 9 * SECOND))
                .apply(
                    Transition::Intend {
                        kind: CallKind::RegisterTaskDefinition,
                        epoch: 1,
                    },
                    ago(30 * HOUR - 10 * SECOND),
                )
                .apply(
                    Transition::Conclude {
                        outcome: Outcome::Refused {
                            code: "ClientException".to_owned(),
                            message: "Task definition does not support launch type FARGATE.".to_owned(),
                            retry: false,
                            at: ago(30 * HOUR - 11 * SECOND),
                        },
                    },
                    ago(30 * HOUR - 11 * SECOND),
                )
                .apply(
                    Transition::Fail {
                        failure: Failure {
                            code: Some("ClientException".to_owned()),
                            message: "Task definition does not support launch type FARGATE.".to_owned(),
                        },
                    },
                    ago(30 * HOUR - 12 * SECOND),
                )
                .done(),
        );
        all.push(
            flow(9, 12, "production", actor_of("dana"), ago(26 * MINUTE))
                .prepare(Some(12), ago(26 * MINUTE - 4 * SECOND))
                .done(),
        );
        // What came to rest otherwise.
        all.push(
            flow(10, 5, "production", actor_of("ben"), ago(90 * MINUTE))
                .prepare(Some(4), ago(90 * MINUTE - 4 * SECOND))
                .apply(Transition::Supersede { by: id(1) }, ago(52 * MINUTE))
                .related("superseded by", id(1))
                .done(),
        );
        all.push(
            flow(11, 4, "production", actor_of("ada"), ago(11 * DAY))
                .prepare(None, ago(11 * DAY - 4 * SECOND))
                .apply(
                    Transition::Reject {
                        by: person("dana"),
                        actor: actor_of("dana"),
                        reason: "The new index has no retention limit yet; add one and ask again.".to_owned(),
                    },
                    ago(11 * DAY - HOUR),
                )
                .done(),
        );
        all.push(
            flow(12, 2, "production", actor_of("faye"), ago(5 * DAY))
                .prepare(None, ago(5 * DAY - 4 * SECOND))
                .apply(
                    Transition::Cancel {
                        actor: actor_of("faye"),
                        reason: "Wrong release: I meant the one with the fix.".to_owned(),
                    },
                    ago(5 * DAY - 2 * MINUTE),
                )
                .done(),
        );
        all.push(
            flow(13, 6, "production", actor_of("ben"), ago(6 * DAY))
                .prepare(None, ago(6 * DAY - 4 * SECOND))
                .apply(
                    Transition::Expire {
                        what: tidegate_domain::deployment::Expiry::Approval,
                    },
                    ago(5 * DAY),
                )
                .done(),
        );
        // A way back by a person, succeeded.
        let back = ago(4 * DAY);
        all.push(
            flow(14, 2, "production", actor_of("emil"), back)
                .rollback(id(151), "emil", "Intent order_return dropped to 71 % after the release")
                .prepare(Some(2), back.plus_seconds(3))
                .run("d-ICBACK33Z", back.plus_seconds(6))
                .succeed(back.plus_millis(2 * MINUTE))
                .done(),
        );
        all
    }

    /// Events that belong to no deployment.
    fn around(&self) -> Vec<(Timestamp, AuditEvent)> {
        let mut events = Vec::new();
        for release in &self.releases {
            let subject = Subject {
                service: Some(release.service.clone()),
                release: Some(release.id),
                ..Subject::default()
            };
            let actor = ci(release.service.as_str(), &release.authors[0].login);
            events.push((
                release.reported_at,
                AuditEvent {
                    kind: EventKind::ReleaseRegistered,
                    actor,
                    subject,
                    data: serde_json::json!({ "release": release.label(), "digest": release.image.digest }),
                    text: None,
                },
            ));
        }
        let plain = |kind, actor: Actor, data| AuditEvent {
            kind,
            actor,
            subject: Subject::default(),
            data,
            text: None,
        };
        events.push((
            ago(19 * DAY),
            plain(
                EventKind::ConfigurationLoaded,
                Actor::system("configuration"),
                serde_json::json!({ "hash": hex(5, 64) }),
            ),
        ));
        events.push((
            ago(58 * MINUTE),
            plain(EventKind::SessionStarted, actor_of("dana"), serde_json::json!({})),
        ));
        events.push((
            ago(44 * MINUTE),
            AuditEvent {
                subject: Subject {
                    service: Some(name("rag")),
                    environment: Some(name("production")),
                    ..Subject::default()
                },
                ..plain(
                    EventKind::AccessDenied,
                    actor_of("ada"),
                    serde_json::json!({ "what": "approve", "why": "you requested this deployment" }),
                )
            },
        ));
        events
    }

    /// The whole log, oldest first, numbered.
    pub(crate) fn log(&self) -> Vec<RecordedEvent> {
        let mut events: Vec<(Timestamp, AuditEvent)> = self
            .records
            .iter()
            .flat_map(|record| record.events.iter().cloned())
            .chain(self.other_events.iter().cloned())
            .collect();
        events.sort_by_key(|(at, _)| *at);
        (1..)
            .zip(events)
            .map(|(seq, (at, event))| RecordedEvent { seq, at, event })
            .collect()
    }

    pub(crate) fn gates_of(&self, release: &Release, policy: &Policy) -> Vec<GateStatus> {
        let reports: Vec<GateResult> = self
            .gates
            .iter()
            .filter(|gate| gate.release == release.id)
            .cloned()
            .collect();
        gate::statuses(&policy.gates, &reports)
    }

    pub(crate) fn is_production(&self, environment: &EnvironmentName) -> bool {
        self.catalog.is_production(environment)
    }

    pub(crate) fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.catalog.service(name)
    }

    pub(crate) fn summary(&self, record: &Record) -> DeploymentSummary {
        let it = &record.deployment;
        let revision = it.revision().map(tidegate_domain::Revision::hash);
        DeploymentSummary {
            id: it.id,
            service: it.service.clone(),
            environment: it.environment.clone(),
            production: self.is_production(&it.environment),
            label: it.label.clone(),
            title: it.title.clone(),
            state: it.state.name(),
            rollback: it.is_rollback(),
            requested_by: it.requested_by.label(),
            requested_at: it.requested_at,
            started_at: it.run().map(|run| run.started_at),
            finished_at: it.finished_at(),
            traffic: it.traffic(),
            approved_by: it
                .approvals
                .iter()
                .filter(|one| {
                    revision
                        .as_ref()
                        .is_some_and(|hash| tidegate_domain::approval::counts(one, hash))
                })
                .map(|one| one.person.login.clone())
                .collect(),
            note: match &it.state {
                State::Requested { blocked } => blocked.first().map(|one| format!("{}: {}", one.subject, one.why)),
                State::Rejected { reason, .. } | State::Cancelled { reason, .. } => Some(reason.clone()),
                State::Failed { failure, .. } => Some(failure.message.clone()),
                State::RolledBack {
                    cause: RollbackCause::Cloud { message },
                    ..
                } => Some(message.clone()),
                State::RollingBack {
                    cause: RollbackCause::Person { reason, .. },
                    ..
                } => Some(reason.clone()),
                _ => None,
            },
        }
    }
}
