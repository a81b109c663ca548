//! Things to save: a release, a deployment in any state, an event.

use tidegate_domain::{
    Actor, AuditEvent, Deployment, DeploymentId, Digest, EnvironmentName, EventKind, OperationId, PersonRef, Release,
    ReleaseId, Revision, ServiceName, State, StateName, Subject, Timestamp, TrafficPlan,
    catalog::{EcsCodedeploy, Engine, Hooks},
    deployment::{Authority, Kind, Run},
    name::CommitSha,
    release::Image,
};
use tidegate_store::Db;
use uuid::Uuid;

pub(crate) fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

pub(crate) fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name).unwrap()
}

/// A moment of the past that tests count from.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

pub(crate) fn digest(of: u8) -> Digest {
    Digest::new(format!("sha256:{}", hex::encode([of; 32]))).unwrap()
}

pub(crate) fn release(name: &str, of: u8) -> Release {
    Release {
        id: ReleaseId::from_uuid(Uuid::now_v7()),
        service: service(name),
        repository: format!("acme/{name}"),
        commit: CommitSha::new(hex::encode([of; 20])).unwrap(),
        git_ref: "refs/heads/main".to_owned(),
        image: Image {
            repository: format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/{name}"),
            digest: digest(of),
            tag: None,
        },
        run_url: None,
        run_id: Some(7),
        authors: vec![PersonRef::new(3, "carol")],
        pusher: None,
        actor: None,
        reruns: Vec::new(),
        commits: Vec::new(),
        migration: None,
        reported_at: moment(i64::from(of)),
    }
}

pub(crate) fn person(id: i64, login: &str) -> Actor {
    Actor::Person {
        person: PersonRef::new(id, login),
        roles: Vec::new(),
        teams: Vec::new(),
    }
}

pub(crate) fn deployment(of: &Release, name: &str, at: i64) -> Deployment {
    Deployment {
        id: DeploymentId::from_uuid(Uuid::now_v7()),
        service: of.service.clone(),
        environment: environment(name),
        release: of.id,
        digest: of.image.digest.clone(),
        label: of.label(),
        title: of.title(),
        kind: Kind::Promotion,
        requested_by: person(1, "ada"),
        requested_at: moment(at),
        reason: None,
        approvals: Vec::new(),
        preparation: None,
        waivers: tidegate_domain::deployment::Waivers::default(),
        state: State::Requested { blocked: Vec::new() },
    }
}

/// The same deployment in another state, reached at `at`.
pub(crate) fn turned(deployment: &Deployment, name: StateName, at: i64) -> Deployment {
    let at = moment(at);
    let revision = Revision {
        service: deployment.service.clone(),
        environment: deployment.environment.clone(),
        digest: deployment.digest.clone(),
        task_definition: "t".to_owned(),
        traffic: TrafficPlan::AllAtOnce,
        health_definition: "none".to_owned(),
        policy: "p".to_owned(),
        gates: Vec::new(),
        rollback_target: "none".to_owned(),
        verification: "none".to_owned(),
    };
    let run = Run {
        revision: revision.clone(),
        authority: Authority::Automatic,
        engine: Engine::EcsCodedeploy(EcsCodedeploy {
            cluster: "c".to_owned(),
            service: "s".to_owned(),
            container: "app".to_owned(),
            port: 8080,
            application: "a".to_owned(),
            deployment_group: "g".to_owned(),
            deployment_config: None,
            platform_version: None,
            hooks: Hooks::default(),
        }),
        operation: OperationId::from_uuid(Uuid::now_v7()),
        started_at: at,
        start_before: None,
        deadline: at.plus_seconds(3600),
        calls: Vec::new(),
        task_definition: None,
        cloud_deployment: None,
        progress: None,
        stop: None,
        hold: None,
        waived: Vec::new(),
        course: None,
        watch: None,
        concerns: Vec::new(),
    };
    let state = match name {
        StateName::Requested => State::Requested { blocked: Vec::new() },
        StateName::AwaitingApproval => State::AwaitingApproval {
            revision,
            since: at,
            expires_at: at.plus_seconds(60),
        },
        StateName::Queued => State::Queued {
            revision,
            authority: Authority::Automatic,
            since: at,
            start_before: None,
        },
        StateName::Starting => State::Starting { run },
        StateName::Deploying => State::Deploying { run },
        StateName::Succeeded => State::Succeeded { run, at },
        StateName::Rejected => State::Rejected {
            by: PersonRef::new(2, "Grace"),
            reason: "not before the Holiday".to_owned(),
            at,
        },
        StateName::Cancelled => State::Cancelled {
            by: person(1, "ada"),
            reason: "second thoughts".to_owned(),
            at,
        },
        other => panic!("no test needs {other:?} yet"),
    };
    Deployment {
        state,
        ..deployment.clone()
    }
}

pub(crate) fn event(kind: EventKind, deployment: Option<&Deployment>) -> AuditEvent {
    AuditEvent {
        kind,
        actor: person(1, "Ada"),
        subject: deployment.map_or_else(Subject::default, |deployment| Subject {
            service: Some(deployment.service.clone()),
            environment: Some(deployment.environment.clone()),
            release: Some(deployment.release),
            deployment: Some(deployment.id),
        }),
        data: serde_json::json!({ "b": 1, "a": "ä" }),
        text: None,
    }
}

pub(crate) async fn save_release(db: &Db, name: &str, of: u8) -> Release {
    let release = release(name, of);
    let mut tx = db.begin().await.unwrap();
    assert_eq!(tx.insert_release(&release).await.unwrap(), None);
    tx.commit().await.unwrap();
    release
}

pub(crate) async fn save_new(db: &Db, deployment: &Deployment) {
    let mut tx = db.begin().await.unwrap();
    tx.insert_deployment(deployment).await.unwrap();
    tx.commit().await.unwrap();
}

/// Saves `deployment` over whatever version there is.
pub(crate) async fn save(db: &Db, deployment: &Deployment) -> i64 {
    let mut tx = db.begin().await.unwrap();
    let version = tx.deployment(deployment.id).await.unwrap().unwrap().version;
    let version = tx.save_deployment(deployment, version).await.unwrap();
    tx.commit().await.unwrap();
    version
}
