//! Services that are only watched.

use tidegate_domain::{
    ServiceName,
    rolling::{Breaker, BreakerState, RollingDeployment, RollingService, RollingStatus},
    time::{DAY, HOUR},
};
use tidegate_store::{Conflict, Db, RollingClaim, StoreError};

const LEASE: i64 = HOUR;

fn service() -> ServiceName {
    ServiceName::new("rag").unwrap()
}

fn watched(ecs_service: &str) -> RollingService {
    RollingService {
        cluster: "acme-production".to_owned(),
        ecs_service: ecs_service.to_owned(),
    }
}

async fn deployment(db: &Db, arn: &str, days_ago: i64, status: RollingStatus) -> RollingDeployment {
    RollingDeployment {
        arn: arn.to_owned(),
        status,
        reason: None,
        created_at: db.now().await.unwrap().plus_millis(-days_ago * DAY),
        finished_at: None,
        task_definition: Some("batch:4".to_owned()),
        images: vec![("app".to_owned(), "acme/batch:4".to_owned())],
        maximum_percent: Some(200),
        minimum_healthy_percent: Some(100),
        running: 1,
        wanted: 2,
        breaker: Some(Breaker {
            state: BreakerState::Watching,
            failures: 1,
            threshold: 3,
        }),
    }
}

async fn claim(db: &Db, owner: &str, lease: i64) -> Option<RollingClaim> {
    db.claim_rolling(&service(), &watched("batch"), owner, lease)
        .await
        .unwrap()
}

async fn record(
    db: &Db,
    claim: &RollingClaim,
    read: Result<&[RollingDeployment], &str>,
    next: i64,
) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    tx.record_rolling(claim, read, next).await?;
    tx.commit().await
}

stories! {
    async fn of_several_replicas_one_reads_a_service_at_a_time(scratch) {
        let db = &scratch.db;
        db.ensure_rolling(&[(service(), watched("batch"))]).await.unwrap();
        db.ensure_rolling(&[(service(), watched("batch"))]).await.unwrap();
        assert_eq!(db.due_rolling(9).await.unwrap(), [(service(), watched("batch"))]);
        let first = claim(db, "one", LEASE).await.unwrap();
        assert_eq!(claim(db, "two", LEASE).await, None);
        assert_eq!(db.due_rolling(9).await.unwrap(), []);
        record(db, &first, Ok(&[]), HOUR).await.unwrap();
        assert_eq!(claim(db, "two", LEASE).await, None, "it is not due yet");
        assert_eq!(db.due_rolling(9).await.unwrap(), []);
    }

    async fn what_was_read_under_a_lease_that_was_lost_is_not_saved(scratch) {
        let db = &scratch.db;
        db.ensure_rolling(&[(service(), watched("batch"))]).await.unwrap();
        let paused = claim(db, "one", 0).await.unwrap();
        let next = claim(db, "two", LEASE).await.unwrap();
        let old = deployment(db, "a", 0, RollingStatus::Running).await;
        let lost = record(db, &paused, Ok(&[old]), 0).await;
        assert!(matches!(lost, Err(StoreError::Conflict(Conflict::Lease))), "{lost:?}");
        let new = deployment(db, "a", 0, RollingStatus::Succeeded).await;
        record(db, &next, Ok(std::slice::from_ref(&new)), 0).await.unwrap();
        let views = db.rolling_of(&service(), &[watched("batch")], 9).await.unwrap();
        assert_eq!(views[0].deployments, [new]);
    }

    async fn what_ecs_said_last_is_shown_newest_first_and_old_ones_go(scratch) {
        let db = &scratch.db;
        db.ensure_rolling(&[(service(), watched("batch"))]).await.unwrap();
        let held = claim(db, "one", LEASE).await.unwrap();
        let ancient = deployment(db, "ancient", 91, RollingStatus::Succeeded).await;
        let before = deployment(db, "before", 2, RollingStatus::Succeeded).await;
        let running = deployment(db, "now", 0, RollingStatus::Running).await;
        record(db, &held, Ok(&[ancient, before.clone(), running]), 0).await.unwrap();
        let held = claim(db, "one", LEASE).await.unwrap();
        let opened = deployment(db, "now", 0, RollingStatus::RolledBack).await;
        record(db, &held, Ok(std::slice::from_ref(&opened)), 0).await.unwrap();
        let views = db.rolling_of(&service(), &[watched("batch"), watched("other")], 9).await.unwrap();
        let kept: Vec<_> = views[0].deployments.iter().map(|one| (one.arn.as_str(), &one.status)).collect();
        assert_eq!(kept, [("now", &RollingStatus::RolledBack), ("before", &RollingStatus::Succeeded)]);
        assert_eq!(views[0].deployments[1], before);
        assert!(views[0].read_at.is_some());
        assert_eq!((views[1].read_at, views[1].deployments.len()), (None, 0));
        let newest = db.rolling_of(&service(), &[watched("batch")], 1).await.unwrap();
        assert_eq!(newest[0].deployments.len(), 1);
    }

    async fn a_look_that_came_to_nothing_keeps_what_was_known_and_says_why(scratch) {
        let db = &scratch.db;
        db.ensure_rolling(&[(service(), watched("batch"))]).await.unwrap();
        let held = claim(db, "one", LEASE).await.unwrap();
        let known = deployment(db, "a", 0, RollingStatus::Running).await;
        record(db, &held, Ok(std::slice::from_ref(&known)), 0).await.unwrap();
        let read_at = db.rolling_of(&service(), &[watched("batch")], 9).await.unwrap()[0].read_at;
        let held = claim(db, "one", LEASE).await.unwrap();
        record(db, &held, Err("ECS cannot be asked"), 0).await.unwrap();
        let view = db.rolling_of(&service(), &[watched("batch")], 9).await.unwrap().remove(0);
        assert_eq!(view.trouble.as_deref(), Some("ECS cannot be asked"));
        assert_eq!((view.read_at, view.deployments), (read_at, vec![known]));
        let held = claim(db, "one", LEASE).await.unwrap();
        record(db, &held, Ok(&[]), 0).await.unwrap();
        assert_eq!(db.rolling_of(&service(), &[watched("batch")], 9).await.unwrap()[0].trouble, None);
    }
}
