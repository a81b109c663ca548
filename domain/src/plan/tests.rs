//! What an approval would be bound to.

use super::*;
use crate::{
    access::Actor,
    catalog::{EcsCodedeploy, Hooks},
    deployment::Kind,
    health::{Answer, HealthDefinition, standard},
    id::ReleaseId,
    name::{Digest, EnvironmentName, PersonRef, ServiceName},
};
use uuid::Uuid;

fn deployment() -> Deployment {
    Deployment {
        id: DeploymentId::from_uuid(Uuid::from_u128(1)),
        service: ServiceName::new("rag").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        release: ReleaseId::from_uuid(Uuid::from_u128(2)),
        digest: Digest::new(format!("sha256:{}", "a1".repeat(32))).unwrap(),
        label: "sha-1234567".to_owned(),
        title: None,
        kind: Kind::Promotion,
        requested_by: Actor::Person {
            person: PersonRef::new(1, "ada"),
            roles: Vec::new(),
            teams: Vec::new(),
        },
        requested_at: Timestamp::from_millis(0),
        reason: None,
        approvals: Vec::new(),
        waivers: crate::deployment::Waivers::default(),
        preparation: None,
        state: State::Requested { blocked: Vec::new() },
    }
}

fn revision(health: Option<HealthDefinition>) -> Revision {
    let target = TargetFacts {
        policy: Policy::default(),
        traffic: TrafficPlan::AllAtOnce,
        engine: Engine::EcsCodedeploy(EcsCodedeploy {
            cluster: "production".to_owned(),
            service: "rag".to_owned(),
            container: "app".to_owned(),
            port: 8080,
            application: "rag".to_owned(),
            deployment_group: "production".to_owned(),
            deployment_config: None,
            platform_version: None,
            hooks: Hooks::default(),
        }),
        deadline_seconds: 3_600,
        health,
        verify: None,
    };
    let preparation = Preparation {
        at: Timestamp::from_millis(0),
        running_task_definition: None,
        running_image: None,
        running_digest: None,
        changes: Vec::new(),
        hash: "hash-1".to_owned(),
        immutable_tags: true,
        tag_moved_to: None,
    };
    revision_of(&deployment(), &target, &[], &preparation)
}

#[test]
fn r02_another_health_definition_is_another_revision() {
    let none = revision(None);
    assert_eq!(none.health_definition, "none");
    let first = revision(Some(standard()));
    assert_eq!(first.health_definition, standard().version());
    let mut edited = standard();
    edited.hold.answer = Answer::Continue;
    let second = revision(Some(edited));
    assert_ne!(first.hash(), second.hash());
    let changes: Vec<String> = first.changes(&second).into_iter().map(|change| change.what).collect();
    assert_eq!(changes, ["health definition"]);
}
