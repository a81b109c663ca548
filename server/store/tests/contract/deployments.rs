//! Deployments: versions, lanes, what runs where.

use crate::given::{deployment, digest, environment, save, save_new, save_release, service, turned};
use tidegate_domain::{Deployment, StateName, deployment::Kind, name::PersonRef, plan::Lane};
use tidegate_store::{Conflict, Db, StoreError, testing::Scratch};

async fn new(db: &Db, at: i64, state: StateName) -> Deployment {
    let release = save_release(db, "rag", u8::try_from(at % 250).unwrap()).await;
    let deployment = turned(&deployment(&release, "production", at), state, at);
    save_new(db, &deployment).await;
    deployment
}

async fn start(db: Db, deployment: Deployment) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    let version = tx.deployment(deployment.id).await?.unwrap().version;
    tx.save_deployment(&turned(&deployment, StateName::Starting, 9), version)
        .await?;
    tx.commit().await
}

fn is(error: &StoreError, conflict: Conflict) -> bool {
    matches!(error, StoreError::Conflict(found) if *found == conflict)
}

async fn lane(scratch: &Scratch, own: &Deployment) -> Lane {
    scratch
        .db
        .lane(&service("rag"), &environment("production"), own.id)
        .await
        .unwrap()
}

stories! {
    async fn a_deployment_reads_back_as_it_was_saved(scratch) {
        let saved = new(&scratch.db, 1, StateName::AwaitingApproval).await;
        let read = scratch.db.deployment(saved.id).await.unwrap().unwrap();
        assert_eq!((read.value, read.version), (saved, 1));
    }

    async fn a_deployment_without_its_release_is_refused(scratch) {
        let release = crate::given::release("rag", 1);
        let mut tx = scratch.db.begin().await.unwrap();
        let refused = tx.insert_deployment(&deployment(&release, "production", 1)).await;
        assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
    }

    async fn who_decided_on_an_older_version_saves_nothing(scratch) {
        let first = new(&scratch.db, 1, StateName::Requested).await;
        assert_eq!(save(&scratch.db, &turned(&first, StateName::AwaitingApproval, 2)).await, 2);
        let mut tx = scratch.db.begin().await.unwrap();
        let late = tx.save_deployment(&turned(&first, StateName::Cancelled, 3), 1).await.unwrap_err();
        assert!(is(&late, Conflict::Version), "{late}");
        drop(tx);
        let found = scratch.db.deployment(first.id).await.unwrap().unwrap();
        assert_eq!((found.value.state.name(), found.version), (StateName::AwaitingApproval, 2));
    }

    async fn r12_of_fifty_parallel_starts_in_one_lane_exactly_one_succeeds(scratch) {
        let mut waiting = Vec::new();
        for at in 1..=50 {
            waiting.push(new(&scratch.db, at, StateName::Queued).await);
        }
        let starts: Vec<_> = waiting
            .into_iter()
            .map(|deployment| tokio::spawn(start(scratch.db.clone(), deployment)))
            .collect();
        let mut refused = 0;
        for start in starts {
            if let Err(error) = start.await.unwrap() {
                assert!(is(&error, Conflict::Lane), "{error:?}");
                refused += 1;
            }
        }
        assert_eq!(refused, 49);
        assert_eq!(scratch.db.in_state(&[StateName::Starting]).await.unwrap().len(), 1);
    }

    async fn the_same_service_may_be_in_flight_in_two_environments(scratch) {
        let release = save_release(&scratch.db, "rag", 1).await;
        for name in ["staging", "production"] {
            save_new(&scratch.db, &turned(&deployment(&release, name, 1), StateName::Deploying, 1)).await;
        }
        assert_eq!(scratch.db.in_state(&[StateName::Deploying]).await.unwrap().len(), 2);
    }

    async fn a_lane_names_who_is_in_flight_who_is_next_and_what_is_newer(scratch) {
        let flying = new(&scratch.db, 1, StateName::Deploying).await;
        let first = new(&scratch.db, 2, StateName::Queued).await;
        let second = new(&scratch.db, 3, StateName::Queued).await;
        let newest = new(&scratch.db, 4, StateName::Requested).await;
        new(&scratch.db, 5, StateName::Rejected).await;
        assert_eq!(lane(&scratch, &second).await, Lane {
            in_flight: Some(flying.id),
            first_queued: Some(first.id),
            newer: Some(newest.id),
            running: None,
        });
        assert_eq!(lane(&scratch, &flying).await.in_flight, None);
        assert_eq!(lane(&scratch, &newest).await.newer, None);
        let ahead = scratch.db.ahead(&service("rag"), &environment("production"), second.id).await.unwrap();
        assert_eq!(ahead, [flying.clone(), first.clone()]);
        let ahead = scratch.db.ahead(&service("rag"), &environment("production"), newest.id).await.unwrap();
        assert_eq!(ahead, [flying, first, second]);
    }

    async fn a_rollback_goes_before_promotions_and_replaces_no_request(scratch) {
        let promotion = new(&scratch.db, 1, StateName::Queued).await;
        let mut rollback = turned(&deployment(&save_release(&scratch.db, "rag", 2).await, "production", 2), StateName::Queued, 2);
        rollback.kind = Kind::Rollback { of: promotion.id, by: PersonRef::new(2, "grace"), reason: "errors".to_owned() };
        save_new(&scratch.db, &rollback).await;
        let lane = lane(&scratch, &promotion).await;
        assert_eq!((lane.first_queued, lane.newer), (Some(rollback.id), None));
        let ahead = scratch.db.ahead(&service("rag"), &environment("production"), promotion.id).await.unwrap();
        assert_eq!(ahead, [rollback]);
    }

    async fn what_runs_is_the_last_to_have_succeeded(scratch) {
        let (rag, production) = (service("rag"), environment("production"));
        assert_eq!(scratch.db.latest_succeeded(&rag, &production).await.unwrap(), None);
        let first = new(&scratch.db, 1, StateName::Succeeded).await;
        let second = new(&scratch.db, 2, StateName::Succeeded).await;
        let failed = new(&scratch.db, 3, StateName::Rejected).await;
        let waiting = new(&scratch.db, 4, StateName::AwaitingApproval).await;
        assert_eq!(scratch.db.latest_succeeded(&rag, &production).await.unwrap().as_ref(), Some(&second));
        for (of, before) in [(&second, &first), (&failed, &second), (&waiting, &second)] {
            let found = scratch.db.succeeded_before(&rag, &production, of.id).await.unwrap();
            assert_eq!(found.as_ref(), Some(before));
        }
        assert_eq!(scratch.db.succeeded_before(&rag, &production, first.id).await.unwrap(), None);
        assert!(scratch.db.succeeded(&rag, &production, &digest(2)).await.unwrap());
        assert!(!scratch.db.succeeded(&rag, &production, &digest(3)).await.unwrap());
        assert!(!scratch.db.succeeded(&rag, &environment("staging"), &digest(2)).await.unwrap());
    }

    async fn the_matrix_shows_each_lane_as_it_stands(scratch) {
        let old = new(&scratch.db, 1, StateName::Succeeded).await;
        let running = new(&scratch.db, 2, StateName::Succeeded).await;
        let trouble = new(&scratch.db, 3, StateName::Rejected).await;
        let flying = new(&scratch.db, 4, StateName::Deploying).await;
        let waiting = [
            new(&scratch.db, 5, StateName::AwaitingApproval).await,
            new(&scratch.db, 6, StateName::Requested).await,
        ];
        save_new(&scratch.db, &turned(&deployment(&save_release(&scratch.db, "rag", 9).await, "staging", 9), StateName::Requested, 9)).await;
        let matrix = scratch.db.matrix().await.unwrap();
        let names: Vec<&str> = matrix.iter().map(|lane| lane.environment.as_str()).collect();
        assert_eq!(names, ["production", "staging"]);
        let production = &matrix[0];
        assert_ne!(production.succeeded.as_ref().unwrap().value, old);
        assert_eq!(production.succeeded.as_ref().unwrap().value, running);
        assert_eq!(production.in_flight.as_ref().unwrap().value, flying);
        assert_eq!(production.ended.as_ref().unwrap().value, trouble);
        assert!(production.waiting.iter().map(|found| &found.value).eq(&waiting));
        save(&scratch.db, &turned(&flying, StateName::Succeeded, 10)).await;
        let matrix = scratch.db.matrix().await.unwrap();
        assert_eq!(matrix[0].succeeded.as_ref().unwrap().value.id, flying.id);
        assert_eq!((&matrix[0].in_flight, &matrix[0].ended), (&None, &None));
    }

    async fn waiting_deployments_come_oldest_first(scratch) {
        let second = new(&scratch.db, 2, StateName::AwaitingApproval).await;
        let first = new(&scratch.db, 1, StateName::Queued).await;
        new(&scratch.db, 3, StateName::Deploying).await;
        let waiting = scratch.db.waiting().await.unwrap();
        assert!(waiting.iter().map(|found| found.value.id).eq([first.id, second.id]));
    }

    async fn the_deployments_of_a_release_are_found_newest_first(scratch) {
        let release = save_release(&scratch.db, "rag", 1).await;
        let (first, second) = (deployment(&release, "staging", 1), deployment(&release, "production", 2));
        save_new(&scratch.db, &first).await;
        save_new(&scratch.db, &second).await;
        new(&scratch.db, 3, StateName::Requested).await;
        let found = scratch.db.deployments_of_release(&[release.id]).await.unwrap();
        assert!(found.iter().map(|found| found.value.id).eq([second.id, first.id]));
    }

    async fn a_transaction_sees_what_of_a_lane_has_not_come_to_rest(scratch) {
        let first = new(&scratch.db, 1, StateName::Deploying).await;
        new(&scratch.db, 2, StateName::Rejected).await;
        let second = new(&scratch.db, 3, StateName::Requested).await;
        let mut tx = scratch.db.begin().await.unwrap();
        let version = tx.deployment(first.id).await.unwrap().unwrap().version;
        tx.save_deployment(&turned(&first, StateName::Succeeded, 4), version).await.unwrap();
        let unfinished = tx.unfinished_in(&service("rag"), &environment("production")).await.unwrap();
        assert_eq!(unfinished, [second]);
    }
}
