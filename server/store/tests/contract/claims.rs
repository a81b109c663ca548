//! Claims, leases, epochs.

use crate::given::{deployment, environment, save, save_new, save_release, service, turned};
use std::time::Duration;
use tidegate_domain::{Deployment, StateName};
use tidegate_store::{Claim, Conflict, Db, StoreError};
use tokio::time::timeout;

const LEASE: i64 = 60_000;

async fn new(db: &Db, at: i64) -> Deployment {
    let release = save_release(db, "rag", u8::try_from(at).unwrap()).await;
    let deployment = deployment(&release, "production", at);
    save_new(db, &deployment).await;
    deployment
}

/// The one deployment that is due. A transaction that was dropped holds its row until its rollback has reached
/// PostgreSQL, and a held row is passed over: so until then, again.
async fn claim_one(db: &Db, owner: &str, lease: i64) -> Claim {
    let claims = timeout(Duration::from_secs(10), async {
        loop {
            let claims = db.claim(owner, lease, 10).await.unwrap();
            if !claims.is_empty() {
                return claims;
            }
        }
    });
    let mut claims = claims.await.expect("a deployment that is due");
    assert_eq!(claims.len(), 1);
    claims.remove(0)
}

async fn save_claimed(db: &Db, deployment: &Deployment, version: i64, claim: &Claim) -> Result<i64, StoreError> {
    let mut tx = db.begin().await?;
    let version = tx.save_claimed(deployment, version, claim).await?;
    tx.commit().await?;
    Ok(version)
}

async fn lease_is_over(db: &Db, claim: &Claim) {
    while db.now().await.unwrap() < claim.lease_until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn is_lease(result: &Result<i64, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict(Conflict::Lease)))
}

stories! {
    async fn a_new_deployment_is_due_and_claimed_by_one_worker(scratch) {
        let deployment = new(&scratch.db, 1).await;
        assert!(scratch.db.next_due().await.unwrap().unwrap() <= scratch.db.now().await.unwrap());
        let claim = claim_one(&scratch.db, "a", LEASE).await;
        assert_eq!((claim.deployment, claim.epoch), (deployment.id, 1));
        assert_eq!(scratch.db.claim("b", LEASE, 10).await.unwrap(), []);
        assert_eq!(scratch.db.next_due().await.unwrap(), Some(claim.lease_until));
    }

    async fn r12_of_many_workers_at_once_each_deployment_is_claimed_by_one(scratch) {
        for at in 1..=20 {
            new(&scratch.db, at).await;
        }
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let db = scratch.db.clone();
                tokio::spawn(async move { db.claim(&format!("worker {worker}"), LEASE, 5).await.unwrap() })
            })
            .collect();
        let mut claimed = Vec::new();
        for worker in workers {
            claimed.extend(worker.await.unwrap().into_iter().map(|claim| claim.deployment));
        }
        claimed.extend(scratch.db.claim("last", LEASE, 20).await.unwrap().into_iter().map(|claim| claim.deployment));
        claimed.sort_unstable();
        let count = claimed.len();
        claimed.dedup();
        assert_eq!((count, claimed.len()), (20, 20));
    }

    async fn r12_a_worker_paused_beyond_its_lease_saves_nothing_when_it_wakes(scratch) {
        let deployment = new(&scratch.db, 1).await;
        let paused = claim_one(&scratch.db, "a", 30).await;
        lease_is_over(&scratch.db, &paused).await;
        let next = turned(&deployment, StateName::AwaitingApproval, 2);
        let late = save_claimed(&scratch.db, &next, 1, &paused).await;
        assert!(is_lease(&late), "its lease is over, though nobody took it: {late:?}");

        let holder = claim_one(&scratch.db, "b", LEASE).await;
        assert_eq!(holder.epoch, 2);
        assert!(is_lease(&save_claimed(&scratch.db, &next, 1, &paused).await));
        assert!(!scratch.db.renew(&paused, LEASE).await.unwrap());
        scratch.db.release_claim(&paused, paused.lease_until).await.unwrap();
        assert_eq!(scratch.db.claim("c", LEASE, 10).await.unwrap(), [], "what the paused one gives back is not its own");
        assert_eq!(scratch.db.deployment(deployment.id).await.unwrap().unwrap().value, deployment);
        assert_eq!(save_claimed(&scratch.db, &next, 1, &holder).await.unwrap(), 2);
    }

    async fn the_same_worker_does_not_save_under_its_earlier_claim(scratch) {
        let deployment = new(&scratch.db, 1).await;
        let earlier = claim_one(&scratch.db, "a", 30).await;
        lease_is_over(&scratch.db, &earlier).await;
        claim_one(&scratch.db, "a", LEASE).await;
        assert!(is_lease(&save_claimed(&scratch.db, &turned(&deployment, StateName::AwaitingApproval, 2), 1, &earlier).await));
    }

    async fn a_claim_of_one_deployment_saves_no_other(scratch) {
        let first = new(&scratch.db, 1).await;
        let claim = claim_one(&scratch.db, "a", LEASE).await;
        assert_eq!(claim.deployment, first.id);
        let second = new(&scratch.db, 2).await;
        assert!(is_lease(&save_claimed(&scratch.db, &second, 1, &claim).await));
    }

    async fn a_renewed_lease_is_held_on(scratch) {
        let deployment = new(&scratch.db, 1).await;
        let claim = claim_one(&scratch.db, "a", 1_000).await;
        assert!(scratch.db.renew(&claim, LEASE).await.unwrap());
        lease_is_over(&scratch.db, &claim).await;
        assert_eq!(scratch.db.claim("b", LEASE, 10).await.unwrap(), []);
        assert_eq!(save_claimed(&scratch.db, &turned(&deployment, StateName::AwaitingApproval, 2), 1, &claim).await.unwrap(), 2);
    }

    async fn a_claim_that_was_given_back_is_due_when_it_said(scratch) {
        new(&scratch.db, 1).await;
        let claim = claim_one(&scratch.db, "a", LEASE).await;
        let later = scratch.db.now().await.unwrap().plus_millis(LEASE);
        scratch.db.release_claim(&claim, later).await.unwrap();
        assert_eq!(scratch.db.claim("b", LEASE, 10).await.unwrap(), []);
        assert_eq!(scratch.db.next_due().await.unwrap(), Some(later));
    }

    async fn a_wake_makes_it_due_at_once_and_is_never_lost(scratch) {
        let deployment = new(&scratch.db, 1).await;
        for wake in 0..5 {
            let claim = claim_one(&scratch.db, "a", LEASE).await;
            let later = scratch.db.now().await.unwrap().plus_millis(LEASE);
            // Woken before it was given back, or after.
            let before = wake % 2 == 0;
            if !before {
                scratch.db.release_claim(&claim, later).await.unwrap();
                assert_eq!(scratch.db.claim("b", LEASE, 10).await.unwrap(), []);
            }
            let mut tx = scratch.db.begin().await.unwrap();
            match wake {
                0 | 1 => tx.wake(deployment.id).await.unwrap(),
                2 => tx.wake_lane(&service("rag"), &environment("production")).await.unwrap(),
                _ => tx.wake_release(deployment.release).await.unwrap(),
            }
            tx.commit().await.unwrap();
            if before {
                scratch.db.release_claim(&claim, later).await.unwrap();
            }
        }
        let claim = claim_one(&scratch.db, "a", LEASE).await;
        scratch.db.release_claim(&claim, scratch.db.now().await.unwrap().plus_millis(LEASE)).await.unwrap();
        scratch.db.wake_waiting().await.unwrap();
        assert_eq!(claim_one(&scratch.db, "a", LEASE).await.epoch, 7);
    }

    async fn a_wake_of_other_lanes_and_releases_wakes_nobody_here(scratch) {
        let deployment = new(&scratch.db, 1).await;
        let other = new(&scratch.db, 2).await;
        for claim in scratch.db.claim("a", LEASE, 10).await.unwrap() {
            scratch.db.release_claim(&claim, scratch.db.now().await.unwrap().plus_millis(LEASE)).await.unwrap();
        }
        let mut tx = scratch.db.begin().await.unwrap();
        tx.wake_lane(&service("rag"), &environment("staging")).await.unwrap();
        tx.wake_release(other.release).await.unwrap();
        tx.commit().await.unwrap();
        let claim = claim_one(&scratch.db, "a", LEASE).await;
        assert_ne!(claim.deployment, deployment.id);
    }

    async fn what_came_to_rest_is_never_claimed_again(scratch) {
        let deployment = new(&scratch.db, 1).await;
        let claim = claim_one(&scratch.db, "a", LEASE).await;
        save_claimed(&scratch.db, &turned(&deployment, StateName::Rejected, 2), 1, &claim).await.unwrap();
        scratch.db.release_claim(&claim, scratch.db.now().await.unwrap()).await.unwrap();
        let mut tx = scratch.db.begin().await.unwrap();
        tx.wake(deployment.id).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(scratch.db.claim("a", LEASE, 10).await.unwrap(), []);
        assert_eq!(scratch.db.next_due().await.unwrap(), None);
    }

    async fn a_person_may_save_while_a_worker_holds_the_claim_and_the_worker_learns_of_it(scratch) {
        let deployment = new(&scratch.db, 1).await;
        let claim = claim_one(&scratch.db, "a", LEASE).await;
        save(&scratch.db, &turned(&deployment, StateName::Cancelled, 2)).await;
        let late = save_claimed(&scratch.db, &turned(&deployment, StateName::AwaitingApproval, 2), 1, &claim).await;
        assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    }
}
