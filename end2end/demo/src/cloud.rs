//! A CodeDeploy deployment's life as it would have been read at any moment of it.

use tidegate_domain::{
    Timestamp, TrafficPlan,
    deployment::{CloudStatus, Failure, LifecycleEvent, LifecycleStatus, Observation, Progress},
    time::{MINUTE, SECOND},
};

const EVENTS: [&str; 8] = [
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
];
const ALLOW_TRAFFIC: usize = 6;
const AFTER_ALLOW_TRAFFIC: usize = 7;
const HOOK_MILLIS: i64 = 800;

/// How a life ends before its time.
#[derive(Debug, Clone)]
struct End {
    at: Timestamp,
    status: CloudStatus,
    failure: Failure,
}

#[derive(Debug, Clone)]
pub struct Life {
    id: String,
    events: Vec<(Timestamp, Timestamp)>,
    plan: TrafficPlan,
    /// When it is over: the old tasks have gone too.
    over: Timestamp,
    end: Option<End>,
}

impl Life {
    /// A life without trouble. `kept` is how long the old tasks stay after the shift, in milliseconds.
    pub fn new(id: String, start: Timestamp, plan: TrafficPlan, install: i64, kept: i64) -> Self {
        let mut at = start;
        let shift = i64::from(plan.minutes()) * MINUTE + SECOND;
        let spans = [
            HOOK_MILLIS,
            install,
            HOOK_MILLIS,
            2 * SECOND,
            HOOK_MILLIS,
            HOOK_MILLIS,
            shift,
            HOOK_MILLIS,
        ];
        let events: Vec<_> = spans
            .into_iter()
            .map(|span| {
                let from = at;
                at = at.plus_millis(span);
                (from, at)
            })
            .collect();
        Self {
            id,
            events,
            plan,
            over: at.plus_millis(kept),
            end: None,
        }
    }

    /// The same, but the validation after the shift fails.
    #[must_use]
    pub fn failing_validation(mut self) -> Self {
        let (from, _) = self.events[AFTER_ALLOW_TRAFFIC];
        let to = from.plus_millis(24 * SECOND);
        self.events[AFTER_ALLOW_TRAFFIC].1 = to;
        let message = "The deployment failed because one or more of the lifecycle event validation functions failed.";
        self.cut(to, CloudStatus::Failed, "HOOK_EXECUTION_FAILURE", message)
    }

    /// The same, but someone stops it.
    #[must_use]
    pub fn stopped(self, at: Timestamp) -> Self {
        let message = "The deployment was stopped by a request to StopDeployment.";
        self.cut(at, CloudStatus::Stopped, "MANUAL_STOP", message)
    }

    fn cut(mut self, at: Timestamp, status: CloudStatus, code: &str, message: &str) -> Self {
        self.over = at;
        self.end = Some(End {
            at,
            status,
            failure: Failure {
                code: Some(code.to_owned()),
                message: message.to_owned(),
            },
        });
        self
    }

    pub const fn over(&self) -> Timestamp {
        self.over
    }

    /// Moments at which there is something new to see.
    pub fn turns(&self) -> Vec<Timestamp> {
        let (install, _) = self.events[1];
        let (shift, shifted) = self.events[ALLOW_TRAFFIC];
        let mut turns = vec![install, shift, shifted.plus_millis(HOOK_MILLIS), self.over];
        turns.dedup();
        turns.retain(|turn| *turn <= self.over);
        turns
    }

    /// While 10 % of the traffic is on it, some time in.
    pub fn in_canary(&self) -> Timestamp {
        let (from, to) = self.events[ALLOW_TRAFFIC];
        from.plus_millis(to.since(from) / 2)
    }

    /// What the cloud says at `now`, the rollback included where there is one.
    pub fn seen(&self, now: Timestamp) -> Observation {
        let ended = self.end.as_ref().filter(|end| now >= end.at);
        let rollback = ended.map(|_| crate::ids::cloud_deployment(&format!("rollback of {}", self.id)));
        let deployment = Progress {
            status: match ended {
                Some(end) => end.status.clone(),
                None if now >= self.over => CloudStatus::Succeeded,
                None => CloudStatus::InProgress,
            },
            traffic: Some(if ended.is_some() { 0 } else { self.traffic(now) }),
            lifecycle: self.lifecycle(now, ended),
            error: ended.map(|end| end.failure.clone()),
            rollback_message: rollback.as_ref().map(|id| {
                format!(
                    "Deployment {} terminated. Automatic rollback is triggered with a DeploymentId {id}.",
                    self.id
                )
            }),
            rollback,
            seen_at: now,
        };
        let back = ended.map(|end| going_back(end.at, now));
        Observation {
            deployment,
            rollback: back,
        }
    }

    fn traffic(&self, now: Timestamp) -> u8 {
        let (from, to) = self.events[ALLOW_TRAFFIC];
        match self.plan.steps().first() {
            _ if now >= to => 100,
            Some((share, _)) if now >= from => *share,
            _ => 0,
        }
    }

    fn lifecycle(&self, now: Timestamp, ended: Option<&End>) -> Vec<LifecycleEvent> {
        let event = |(name, (from, to)): (&&str, &(Timestamp, Timestamp))| {
            let cut = ended.filter(|end| end.at <= *to);
            let begun = *from <= cut.map_or(now, |end| end.at);
            let status = match cut {
                Some(_) if begun => LifecycleStatus::Failed,
                Some(_) => LifecycleStatus::Skipped,
                None if now >= *to => LifecycleStatus::Succeeded,
                None if begun => LifecycleStatus::InProgress,
                None => LifecycleStatus::Pending,
            };
            LifecycleEvent {
                name: (*name).to_owned(),
                started_at: begun.then_some(*from),
                ended_at: match cut {
                    Some(end) => begun.then_some(end.at),
                    None => (now >= *to).then_some(*to),
                },
                message: cut.filter(|_| begun).map(|end| end.failure.message.clone()),
                status,
            }
        };
        EVENTS.iter().zip(&self.events).map(event).collect()
    }
}

/// A rollback needs no new tasks: each of its events takes a second.
fn going_back(since: Timestamp, now: Timestamp) -> Progress {
    let mut at = since;
    let lifecycle: Vec<_> = EVENTS
        .iter()
        .map(|name| {
            let from = at;
            at = at.plus_seconds(1);
            LifecycleEvent {
                name: (*name).to_owned(),
                status: if now >= at {
                    LifecycleStatus::Succeeded
                } else if now >= from {
                    LifecycleStatus::InProgress
                } else {
                    LifecycleStatus::Pending
                },
                started_at: (now >= from).then_some(from),
                ended_at: (now >= at).then_some(at),
                message: None,
            }
        })
        .collect();
    Progress {
        status: if now >= at {
            CloudStatus::Succeeded
        } else {
            CloudStatus::InProgress
        },
        traffic: Some(100),
        lifecycle,
        error: None,
        rollback: None,
        rollback_message: None,
        seen_at: now,
    }
}
