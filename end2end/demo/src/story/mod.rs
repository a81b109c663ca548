//! What happened when: the plot told as acts, each at its moment, those of all services together in order of time.

mod people;
mod reports;

use crate::{
    cloud::Life,
    ids::{self, Ids},
    plot::{self, Fate},
    seed::{Commit as SeedCommit, Repository, Seed, SeedError},
};
pub use reports::{built, seconds};
use tidegate_domain::{
    Actor, AuditEvent, Catalog, Deployment, DeploymentId, Release, ReleaseId, Service, State, Timestamp, TrafficPlan,
    Verdict,
    deployment::{Kind, Observation},
    name::{CommitSha, EnvironmentName, InvalidName},
    release::{Commit, Image},
    time::{DAY, HOUR, MINUTE, SECOND},
};

#[derive(Debug)]
pub struct Act {
    pub at: Timestamp,
    pub what: Scene,
}

/// One gate's result: name, verdict, words.
pub type Report = (&'static str, Verdict, String);

#[derive(Debug)]
pub enum Scene {
    /// CI reports a release with the gates it has passed so far.
    Release(Box<Release>, Actor, Vec<Report>),
    Gates(ReleaseId, Actor, Vec<Report>),
    Request(Box<Deployment>),
    /// The worker looks at a deployment, and at the cloud where it has one.
    Look(DeploymentId, Option<Box<Observation>>),
    Approve(DeploymentId, &'static str, Option<&'static str>),
    Reject(DeploymentId, &'static str, &'static str),
    Cancel(DeploymentId, &'static str, &'static str),
    RollBack(DeploymentId, &'static str, &'static str),
    /// Something that changes no deployment.
    Note(AuditEvent),
}

#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("nobody is left who may approve {0}")]
    NobodyLeft(String),
    #[error("{0} has no target in {1}")]
    NoTarget(String, String),
}

type Result<T, E = StoryError> = std::result::Result<T, E>;

const COMMENTS: [Option<&str>; 5] = [
    None,
    Some("Read the diff, looks right."),
    None,
    Some("Tried it in staging."),
    Some("Dashboards are open, go ahead."),
];
const STAGING: &str = "staging";
const PRODUCTION: &str = "production";

/// The past of a whole organisation, oldest first, up to `now`.
///
/// # Errors
/// When seed, configuration and plot do not fit together.
pub fn tell(seed: &Seed, catalog: &Catalog, web: &str, now: Timestamp) -> Result<Vec<Act>> {
    let mut ids = Ids::default();
    let mut acts = Vec::new();
    for service in &catalog.services {
        let repository = seed.repository(service.name.as_str())?;
        let mut teller = Teller {
            seed,
            catalog,
            service,
            repository,
            web,
            now,
            ids: &mut ids,
            acts: &mut acts,
            in_production: None,
        };
        for index in 0..repository.commits.len() {
            teller.commit(index)?;
        }
    }
    people::sign_ins(seed, catalog, now, &mut acts)?;
    acts.sort_by_key(|act| act.at);
    Ok(acts)
}

struct Teller<'a> {
    seed: &'a Seed,
    catalog: &'a Catalog,
    service: &'a Service,
    repository: &'a Repository,
    web: &'a str,
    now: Timestamp,
    ids: &'a mut Ids,
    acts: &'a mut Vec<Act>,
    /// Index of the commit that runs in production, and its release.
    in_production: Option<(usize, Box<Release>)>,
}

/// A release on its way.
struct Cast {
    index: usize,
    commit: SeedCommit,
    release: Release,
    ci: Actor,
    fate: Fate,
}

impl Teller<'_> {
    fn act(&mut self, at: Timestamp, what: Scene) {
        self.acts.push(Act { at, what });
    }

    fn commit(&mut self, index: usize) -> Result<()> {
        let commit = self.repository.commits[index].clone();
        let fate = plot::fate(&commit.sha);
        if fate == Fate::Waits {
            return Ok(());
        }
        let pushed = self.now.plus_millis(-commit.minutes_ago * MINUTE);
        let reported = pushed.plus_seconds(ids::between(&format!("{} ci", commit.sha), 400, 520));
        let (release, ci) = self.release(index, &commit, reported)?;
        let cast = Cast {
            index,
            commit,
            release,
            ci,
            fate,
        };
        let gates = built(&cast.commit, index, fate == Fate::Superseded);
        self.act(
            reported,
            Scene::Release(Box::new(cast.release.clone()), cast.ci.clone(), gates),
        );
        let scanned = reported.plus_seconds(70);
        let scan = reports::scanned(cast.fate);
        self.act(scanned, Scene::Gates(cast.release.id, cast.ci.clone(), vec![scan]));
        let Some(in_staging) = self.staging(&cast, scanned.plus_seconds(12))? else {
            return Ok(());
        };
        let smoke = ("staging-smoke", Verdict::Pass, "3 of 3 checks passed".to_owned());
        let smoked = in_staging.plus_seconds(45);
        self.act(smoked, Scene::Gates(cast.release.id, cast.ci.clone(), vec![smoke]));
        if fate == Fate::StaysInStaging {
            return Ok(());
        }
        self.production(&cast, smoked)
    }

    fn release(&mut self, index: usize, commit: &SeedCommit, at: Timestamp) -> Result<(Release, Actor)> {
        let author = self.seed.person(&commit.author)?;
        let name = self.service.name.as_str();
        let digest = match self.seed.image(name, &commit.sha) {
            Some(digest) => tidegate_domain::Digest::new(digest)?,
            None => ids::digest(&format!("image of {}", commit.sha))?,
        };
        let run = self.repository.run_of(index);
        let repository = &self.service.repository;
        let sha = CommitSha::new(&commit.sha)?;
        let release = Release {
            id: ReleaseId::from_uuid(self.ids.next(at)),
            service: self.service.name.clone(),
            repository: repository.clone(),
            git_ref: "refs/heads/main".to_owned(),
            image: Image {
                repository: format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/{name}"),
                digest,
                tag: Some(format!("sha-{}", sha.short())),
            },
            run_url: Some(format!("{}/{repository}/actions/runs/{run}", self.web)),
            run_id: Some(run),
            authors: vec![author.clone()],
            pusher: Some(author.clone()),
            actor: Some(author.clone()),
            reruns: Vec::new(),
            commits: vec![Commit {
                title: commit.message.lines().next().unwrap_or_default().to_owned(),
                author: author.clone(),
                at: Some(self.now.plus_millis(-commit.minutes_ago * MINUTE)),
                url: Some(format!("{}/{repository}/commit/{sha}", self.web)),
                sha: sha.clone(),
            }],
            commit: sha,
            migration: None,
            reported_at: at,
        };
        let ci = Actor::Ci {
            service: self.service.name.clone(),
            repository: repository.clone(),
            run_id: run,
            actor: author,
        };
        Ok((release, ci))
    }

    /// Returns when it had succeeded there, if it did.
    fn staging(&mut self, cast: &Cast, at: Timestamp) -> Result<Option<Timestamp>> {
        let id = self.request(&cast.release, STAGING, cast.ci.clone(), None, Kind::Promotion, at)?;
        self.act(at.plus_seconds(1), Scene::Look(id, None));
        match cast.fate {
            Fate::Superseded => {
                // The next request in this lane: this one gives way to it.
                let next = &self.repository.commits[cast.index + 1];
                let pushed = self.now.plus_millis(-next.minutes_ago * MINUTE);
                self.act(pushed.plus_seconds(640), Scene::Look(id, None));
                Ok(None)
            }
            Fate::ScanFails { .. } => {
                self.act(at.plus_millis(DAY + 2 * SECOND), Scene::Look(id, None));
                Ok(None)
            }
            _ => {
                let life = self.life(id, STAGING, at.plus_seconds(4), 0)?;
                self.watch(id, &life);
                Ok(Some(life.over()))
            }
        }
    }

    fn production(&mut self, cast: &Cast, staged: Timestamp) -> Result<()> {
        let sha = cast.commit.sha.as_str();
        let asked = match plot::asked_minutes_ago(sha) {
            Some(minutes) => self.now.plus_millis(-minutes * MINUTE),
            None => staged.plus_seconds(ids::between(&format!("{sha} asked"), 60, 1_500)),
        };
        let requester = self.requester(cast)?;
        let reason = requester
            .person()
            .map(|_| "Worked in staging, ready for everyone.".to_owned());
        let id = self.request(
            &cast.release,
            PRODUCTION,
            requester.clone(),
            reason,
            Kind::Promotion,
            asked,
        )?;
        self.act(asked.plus_seconds(1), Scene::Look(id, None));
        let wait = ids::between(&format!("{sha} decided"), 6 * 60, 130 * 60);
        let decided = asked.plus_seconds(wait);
        match cast.fate {
            Fate::Rejected { by, reason } => self.act(decided, Scene::Reject(id, by, reason)),
            Fate::Cancelled { reason } => {
                let by = if requester.human().is_some_and(|p| p.login == "hana-acme") {
                    "dara-acme"
                } else {
                    "hana-acme"
                };
                self.act(decided, Scene::Cancel(id, by, reason));
            }
            Fate::Expires => self.act(asked.plus_millis(DAY + SECOND), Scene::Look(id, None)),
            _ => return self.decided(cast, id, &requester, decided),
        }
        Ok(())
    }

    /// Approved: what comes of it in production.
    fn decided(&mut self, cast: &Cast, id: DeploymentId, requester: &Actor, at: Timestamp) -> Result<()> {
        let mut at = at;
        let (approver, security) = self.approvers(cast, requester)?;
        if let (Fate::ApprovedTwice, Some(security)) = (cast.fate, security) {
            self.act(
                at,
                Scene::Approve(id, security, Some("The container no longer runs as root, good.")),
            );
            let rescan = (
                "vulnerability-scan",
                Verdict::Pass,
                "no HIGH or CRITICAL; scanned again with today's list".to_owned(),
            );
            self.act(
                at.plus_seconds(840),
                Scene::Gates(cast.release.id, cast.ci.clone(), vec![rescan]),
            );
            self.act(at.plus_seconds(842), Scene::Look(id, None));
            at = at.plus_seconds(1_900);
        }
        if let Some(security) = security {
            self.act(at, Scene::Approve(id, security, None));
            at = at.plus_seconds(ids::between(&cast.commit.sha, 120, 1_900));
        }
        let comment = COMMENTS[usize::from(ids::bytes(&cast.commit.sha)[0]) % COMMENTS.len()];
        self.act(at, Scene::Approve(id, approver, comment));
        self.act(at.plus_seconds(1), Scene::Look(id, None));
        let life = self.life(id, PRODUCTION, at.plus_seconds(5), 5 * MINUTE)?;
        match cast.fate {
            Fate::RolledBackByAws => {
                let life = life.failing_validation();
                self.watch(id, &life);
                self.watch_going_back(id, &life);
            }
            Fate::RolledBackBy { by, reason } => {
                let asked = life.in_canary();
                let life = life.stopped(asked.plus_seconds(4));
                self.watch(id, &life);
                self.act(asked, Scene::RollBack(id, by, reason));
                self.act(
                    asked.plus_millis(300),
                    Scene::Look(id, Some(Box::new(life.seen(asked)))),
                );
                self.watch_going_back(id, &life);
            }
            Fate::ShipsAndGoesBack { by, reason } => {
                self.watch(id, &life);
                let noticed = life.over().plus_millis(3 * HOUR + 11 * MINUTE);
                self.go_back(id, noticed, by, reason)?;
            }
            _ => {
                self.watch(id, &life);
                self.in_production = Some((cast.index, Box::new(cast.release.clone())));
            }
        }
        Ok(())
    }

    /// A deployment of what ran before, after one that had succeeded.
    fn go_back(&mut self, of: DeploymentId, at: Timestamp, by: &str, reason: &str) -> Result<()> {
        let Some((_, before)) = self.in_production.clone() else {
            return Ok(());
        };
        let person = self.seed.person(by)?;
        let kind = Kind::Rollback {
            of,
            by: person,
            reason: reason.to_owned(),
        };
        let actor = self.someone(by)?;
        let id = self.request(&before, PRODUCTION, actor, Some(reason.to_owned()), kind, at)?;
        self.act(at.plus_seconds(1), Scene::Look(id, None));
        let life = self.life(id, PRODUCTION, at.plus_seconds(5), 5 * MINUTE)?;
        self.watch(id, &life);
        Ok(())
    }

    fn request(
        &mut self,
        release: &Release,
        environment: &str,
        by: Actor,
        reason: Option<String>,
        kind: Kind,
        at: Timestamp,
    ) -> Result<DeploymentId> {
        let id = DeploymentId::from_uuid(self.ids.next(at));
        let deployment = Deployment {
            id,
            service: release.service.clone(),
            environment: EnvironmentName::new(environment)?,
            release: release.id,
            digest: release.image.digest.clone(),
            label: release.label(),
            title: release.title(),
            kind,
            requested_by: by,
            requested_at: at,
            reason,
            approvals: Vec::new(),
            preparation: None,
            waivers: tidegate_domain::deployment::Waivers::default(),
            state: State::Requested { blocked: Vec::new() },
        };
        self.act(at, Scene::Request(Box::new(deployment)));
        Ok(id)
    }

    fn life(&self, id: DeploymentId, environment: &str, start: Timestamp, kept: i64) -> Result<Life> {
        let install = ids::between(&format!("{id} install"), 60 * SECOND, 110 * SECOND);
        let cloud = ids::cloud_deployment(&id.to_string());
        Ok(Life::new(cloud, start, self.traffic(environment)?, install, kept))
    }

    fn traffic(&self, environment: &str) -> Result<TrafficPlan> {
        let target = self.service.target(&EnvironmentName::new(environment)?);
        target
            .map(|target| target.traffic.clone())
            .ok_or_else(|| StoryError::NoTarget(self.service.name.to_string(), environment.to_owned()))
    }

    fn watch(&mut self, id: DeploymentId, life: &Life) {
        for turn in life.turns() {
            self.act(
                turn.plus_millis(900),
                Scene::Look(id, Some(Box::new(life.seen(turn.plus_millis(900))))),
            );
        }
    }

    fn watch_going_back(&mut self, id: DeploymentId, life: &Life) {
        let done = life.over().plus_seconds(10);
        self.act(done, Scene::Look(id, Some(Box::new(life.seen(done)))));
    }
}
