//! Rolling deployments in the sample world: one that goes on, one that the circuit breaker rolled back, one that is done.

use tidegate_domain::{
    Timestamp,
    rolling::{Breaker, BreakerState, RollingDeployment, RollingService, RollingStatus, RollingView},
    time::MINUTE,
};

pub(crate) fn watched(service: &str) -> Vec<RollingService> {
    match service {
        "rag" => vec![RollingService {
            cluster: "acme-production".to_owned(),
            ecs_service: "rag-indexer".to_owned(),
        }],
        _ => Vec::new(),
    }
}

pub(crate) fn views(watched: &[RollingService]) -> Vec<RollingView> {
    watched
        .iter()
        .map(|watched| RollingView {
            watched: watched.clone(),
            deployments: vec![
                deployment(3, RollingStatus::Running, (1, 2), (BreakerState::Watching, 1)),
                deployment(190, RollingStatus::RolledBack, (0, 0), (BreakerState::Opened, 3)),
                deployment(2_900, RollingStatus::Succeeded, (0, 0), (BreakerState::Done, 0)),
            ],
            read_at: Some(ago(0)),
            trouble: None,
        })
        .collect()
}

fn ago(minutes: i64) -> Timestamp {
    crate::world::NOW.plus_millis(-minutes * MINUTE)
}

fn deployment(
    minutes_ago: i64,
    status: RollingStatus,
    (running, wanted): (i32, i32),
    (state, failures): (BreakerState, i32),
) -> RollingDeployment {
    let over = status != RollingStatus::Running;
    let broken = status == RollingStatus::RolledBack;
    RollingDeployment {
        arn: format!("arn:aws:ecs:eu-west-1:123456789012:service-deployment/acme-production/rag-indexer/{minutes_ago}"),
        status,
        reason: broken.then(|| "ECS deployment circuit breaker: tasks failed to start.".to_owned()),
        created_at: ago(minutes_ago),
        finished_at: over.then(|| ago(minutes_ago - 4)),
        task_definition: None,
        images: vec![(
            "app".to_owned(),
            format!(
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag-indexer@sha256:{}",
                "5e".repeat(32)
            ),
        )],
        maximum_percent: Some(200),
        minimum_healthy_percent: Some(100),
        running,
        wanted,
        breaker: Some(Breaker {
            state,
            failures,
            threshold: 3,
        }),
    }
}
