//! What must be true of a deployment: what the tests are made of.

mod driven;
mod in_flight;
mod life;
mod shape;
mod walks;
mod watched;

use super::*;
use crate::{
    approval::{Involved, Membership},
    catalog::{EcsCodedeploy, Engine, Hooks},
    id::{ApprovalId, OperationId},
    name::TeamSlug,
    plan::{Clearance, Facts, Lane, Step, TargetFacts, plan},
    policy::{Policy, QuorumRule},
    time::SECOND,
    traffic::TrafficPlan,
};
use uuid::Uuid;

pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

fn platform() -> TeamSlug {
    TeamSlug::new("platform").unwrap()
}

fn policy() -> Policy {
    Policy {
        approvals: vec![QuorumRule {
            teams: vec![platform()],
            count: 1,
        }],
        ..Policy::default()
    }
}

pub(crate) fn requested() -> Deployment {
    Deployment {
        id: DeploymentId::from_uuid(Uuid::from_u128(1)),
        service: ServiceName::new("rag").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        release: ReleaseId::from_uuid(Uuid::from_u128(2)),
        digest: Digest::new(format!("sha256:{}", "a1".repeat(32))).unwrap(),
        label: "sha-1234567".to_owned(),
        title: None,
        kind: Kind::Promotion,
        requested_by: person(1),
        requested_at: moment(0),
        reason: None,
        approvals: Vec::new(),
        preparation: None,
        waivers: Waivers::default(),
        state: State::Requested { blocked: Vec::new() },
    }
}

fn person(id: i64) -> Actor {
    Actor::Person {
        person: PersonRef::new(id, format!("person-{id}")),
        roles: Vec::new(),
        teams: vec![platform()],
    }
}

fn preparation() -> Preparation {
    Preparation {
        at: moment(0),
        running_task_definition: Some("arn:td:1".to_owned()),
        running_image: None,
        running_digest: None,
        changes: Vec::new(),
        hash: "hash-1".to_owned(),
        immutable_tags: true,
        tag_moved_to: None,
    }
}

fn engine() -> Engine {
    let name = |text: &str| text.to_owned();
    Engine::EcsCodedeploy(EcsCodedeploy {
        cluster: name("production"),
        service: name("rag"),
        container: name("app"),
        port: 8080,
        application: name("rag"),
        deployment_group: name("production"),
        deployment_config: None,
        platform_version: None,
        hooks: Hooks::default(),
    })
}

fn facts() -> Facts {
    Facts {
        target: Some(TargetFacts {
            policy: policy(),
            traffic: TrafficPlan::AllAtOnce,
            engine: engine(),
            deadline_seconds: 3600,
            health: None,
            verify: None,
        }),
        gates: Vec::new(),
        involved: Involved {
            requester: Some(PersonRef::new(1, "person-1")),
            ..Involved::default()
        },
        promoted: true,
        preparation: Some(Ok(preparation())),
        memberships: Some(Vec::new()),
        lane: Lane::default(),
        clearance: Clearance::default(),
        found: None,
        observation: None,
        health: None,
        operation: OperationId::from_uuid(Uuid::from_u128(9)),
        settle_millis: 60 * SECOND,
    }
}

fn step(deployment: &Deployment, facts: &Facts, now: Timestamp) -> Deployment {
    match plan(deployment, facts, now) {
        Step::Do(transition) => deployment.apply(*transition, now).unwrap().0,
        Step::Call(kind) => deployment.apply(Transition::Intend { kind, epoch: 1 }, now).unwrap().0,
        Step::Wait { why, .. } => panic!("waits: {why}"),
        Step::Rest => panic!("rests"),
    }
}

fn waits(deployment: &Deployment, facts: &Facts, now: Timestamp) -> String {
    match plan(deployment, facts, now) {
        Step::Wait { why, .. } => why,
        other => panic!("does not wait: {other:?}"),
    }
}

fn approve(deployment: &Deployment, by: i64, now: Timestamp) -> Result<Deployment, Refusal> {
    let revision = deployment.revision().unwrap().hash();
    let transition = Transition::Approve {
        actor: person(by),
        approval: Approval {
            id: ApprovalId::from_uuid(Uuid::from_u128(u128::try_from(by).unwrap())),
            person: PersonRef::new(by, format!("person-{by}")),
            teams: vec![platform()],
            revision,
            at: now,
            comment: None,
            solo: false,
            voided: None,
        },
        ballot: Ballot {
            policy: policy(),
            involved: facts().involved,
        },
    };
    deployment.apply(transition, now).map(|applied| applied.0)
}

fn member(id: i64, at: Timestamp) -> Option<Vec<Membership>> {
    Some(vec![Membership {
        person: id,
        teams: vec![platform()],
        checked_at: at,
    }])
}

fn queued() -> Deployment {
    let awaiting = step(&requested(), &facts(), moment(1));
    approve(&awaiting, 2, moment(2)).unwrap()
}

fn started() -> Deployment {
    step(
        &queued(),
        &Facts {
            memberships: member(2, moment(3)),
            ..facts()
        },
        moment(3),
    )
}

fn done(deployment: &Deployment, id: &str, now: Timestamp) -> Deployment {
    deployment
        .apply(
            Transition::Conclude {
                outcome: Outcome::Done {
                    id: id.to_owned(),
                    at: now,
                },
            },
            now,
        )
        .unwrap()
        .0
}

pub(crate) fn deploying() -> Deployment {
    let facts = Facts {
        memberships: member(2, moment(3)),
        ..facts()
    };
    let registered = done(&step(&started(), &facts, moment(4)), "arn:td:2", moment(5));
    done(&step(&registered, &facts, moment(6)), "d-1", moment(7))
}

pub(crate) fn progress(status: CloudStatus) -> Progress {
    Progress {
        status,
        traffic: None,
        lifecycle: Vec::new(),
        error: None,
        rollback: None,
        rollback_message: None,
        seen_at: moment(8),
    }
}

fn observed(deployment: Progress, rollback: Option<Progress>) -> Facts {
    Facts {
        observation: Some(Observation { deployment, rollback }),
        ..facts()
    }
}
