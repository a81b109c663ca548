//! Monitors: one replica runs one at a time, and what it found is kept, thinner with age.

use crate::given::{environment, service};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use tidegate_domain::{
    EnvironmentName, ServiceName, Timestamp,
    smoke::{Health, MonitorRun},
    time::{DAY, HOUR, MINUTE},
};
use tidegate_store::{
    Clock, Conflict, Db, MonitorClaim, PoolOptions, Retention, SessionLife, StoreError, testing::Scratch,
};

const LEASE: i64 = 30_000;
const EVERY: i64 = 5 * MINUTE;

fn rag() -> (ServiceName, EnvironmentName) {
    (service("rag"), environment("production"))
}

/// The same database, some time later or earlier.
async fn shifted(scratch: &Scratch) -> (Db, Arc<AtomicI64>) {
    let by = Arc::new(AtomicI64::new(0));
    let options = PoolOptions {
        clock: Clock::Shifted(by.clone()),
        ..PoolOptions::default()
    };
    (Db::connect(&scratch.url, options).await.unwrap(), by)
}

async fn ensured(db: &Db) {
    let (service, environment) = rag();
    db.ensure_monitors(&[(service, environment, EVERY)]).await.unwrap();
}

async fn claim(db: &Db, owner: &str) -> Option<MonitorClaim> {
    let (service, environment) = rag();
    db.claim_monitor(&service, &environment, owner, LEASE).await.unwrap()
}

fn run(health: Health, began_at: Timestamp) -> MonitorRun {
    MonitorRun {
        suite: "reference".to_owned(),
        version: "v".to_owned(),
        began_at,
        ended_at: began_at.plus_millis(100),
        health,
        failed: (health == Health::Failing).then(|| ("chat".to_owned(), "status is 500".to_owned())),
        attempts: Vec::new(),
    }
}

/// Claims, runs and saves; due again at once.
async fn ran(db: &Db, health: Health) -> Option<Option<Health>> {
    let claim = claim(db, "one").await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let now = tx.now();
    let turned = tx.record_monitor_run(&claim, &run(health, now), now).await.unwrap();
    tx.commit().await.unwrap();
    turned.map(|before| before.map(|(health, _)| health))
}

stories! {
    async fn a_new_monitor_is_due_at_once_and_then_on_its_schedule(scratch) {
        let (db, by) = shifted(&scratch).await;
        assert_eq!(db.next_monitor_due().await.unwrap(), None);
        ensured(&db).await;
        assert_eq!(db.due_monitors(10).await.unwrap(), [rag()]);
        let claim = claim(&db, "one").await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let began = tx.now();
        let next_at = began.plus_millis(EVERY);
        tx.record_monitor_run(&claim, &run(Health::Passing, began), next_at).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(db.due_monitors(10).await.unwrap(), []);
        assert_eq!(db.next_monitor_due().await.unwrap(), Some(next_at));
        by.store(EVERY, Ordering::Relaxed);
        assert_eq!(db.due_monitors(10).await.unwrap(), [rag()]);
        // Again in the configuration: not run before its time, and not long after a shorter one either.
        ensured(&db).await;
        assert_eq!(db.next_monitor_due().await.unwrap(), Some(next_at));
        by.store(0, Ordering::Relaxed);
        let (service, environment) = rag();
        db.ensure_monitors(&[(service, environment, MINUTE)]).await.unwrap();
        let due = db.next_monitor_due().await.unwrap().unwrap();
        assert!(due < next_at && due >= began.plus_millis(MINUTE), "{due}");
    }

    async fn r12_of_many_replicas_one_runs_a_monitor(scratch) {
        ensured(&scratch.db).await;
        let replica = scratch.replica().await;
        let asked: Vec<_> = (0..20)
            .map(|number| {
                let db = if number % 2 == 0 { scratch.db.clone() } else { replica.clone() };
                tokio::spawn(async move { claim(&db, &format!("owner-{number}")).await })
            })
            .collect();
        let mut got = 0;
        for asked in asked {
            got += usize::from(asked.await.unwrap().is_some());
        }
        assert_eq!(got, 1);
    }

    async fn r12_who_lost_the_lease_saves_nothing(scratch) {
        let (db, by) = shifted(&scratch).await;
        ensured(&db).await;
        let lost = claim(&db, "paused").await.unwrap();
        assert!(db.renew_monitor(&lost, LEASE).await.unwrap());
        assert_eq!(claim(&db, "other").await, None);
        by.store(LEASE + 1_000, Ordering::Relaxed);
        assert!(!db.renew_monitor(&lost, LEASE).await.unwrap(), "it ran out");
        let taken = claim(&db, "other").await.unwrap();
        assert_eq!(taken.epoch, lost.epoch + 1);
        let mut tx = db.begin().await.unwrap();
        let now = tx.now();
        let refused = tx.record_monitor_run(&lost, &run(Health::Failing, now), now).await;
        assert!(matches!(refused, Err(StoreError::Conflict(Conflict::Lease))), "{refused:?}");
        drop(tx);
        // Nor does it give back what is another's by now.
        db.release_monitor(&lost).await.unwrap();
        assert!(db.renew_monitor(&taken, LEASE).await.unwrap());
        let rows = db.monitors_of(&rag().0, 10).await.unwrap();
        assert_eq!((rows[0].health, rows[0].runs.len()), (None, 0));
        db.release_monitor(&taken).await.unwrap();
        assert!(claim(&db, "third").await.is_some(), "what was given back is due at once");
    }

    async fn a_change_is_told_once_and_nothing_in_between(scratch) {
        let db = &scratch.db;
        ensured(db).await;
        let mut told = Vec::new();
        use Health::{Failing, Passing};
        for health in [Passing, Passing, Failing, Failing, Failing, Passing, Passing] {
            told.push(ran(db, health).await);
            // Two runs of one millisecond there cannot be.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        assert_eq!(told, [None, None, Some(Some(Passing)), None, None, Some(Some(Failing)), None]);
        let rows = db.monitors_of(&rag().0, 10).await.unwrap();
        let row = &rows[0];
        assert_eq!(row.runs.len(), 7);
        // Newest first; it passes since the sixth.
        assert_eq!(row.health, Some((Passing, row.runs[1].began_at)));
        assert_eq!(row.runs[2].failed.as_ref().unwrap().1, "status is 500");
        assert_eq!(db.monitors_of(&rag().0, 3).await.unwrap()[0].runs.len(), 3);
        assert_eq!(db.monitors_of(&service("other"), 3).await.unwrap(), []);
    }

    async fn a_first_run_that_fails_is_told(scratch) {
        ensured(&scratch.db).await;
        assert_eq!(ran(&scratch.db, Health::Failing).await, Some(None));
    }

    async fn a_monitor_that_is_set_aside_comes_back_when_it_is_wanted(scratch) {
        let db = &scratch.db;
        ensured(db).await;
        let (service, environment) = rag();
        db.postpone_monitor(&service, &environment, HOUR).await.unwrap();
        assert_eq!(db.due_monitors(10).await.unwrap(), []);
        ensured(db).await;
        let due = db.next_monitor_due().await.unwrap().unwrap();
        assert!(due.since(db.now().await.unwrap()) <= EVERY, "{due}");
    }

    async fn runs_are_thinned_with_age_and_changes_stay(scratch) {
        let (db, by) = shifted(&scratch).await;
        // At the beginning of an hour, so that the test does not depend on the time of day.
        let now = db.now().await.unwrap().millis();
        let hour = -now.rem_euclid(HOUR);
        let at = |millis: i64| by.store(hour + millis, Ordering::Relaxed);
        let old = -10 * DAY;
        at(old);
        ensured(&db).await;
        // Hour one: passing 6 times, failing 3 times in the middle. Hour two: passing twice.
        use Health::{Failing, Passing};
        let first = [Passing, Passing, Passing, Failing, Failing, Failing, Passing, Passing, Passing];
        for (number, health) in first.into_iter().enumerate() {
            at(old + MINUTE + i64::try_from(number).unwrap() * EVERY);
            ran(&db, health).await;
        }
        for minutes in [1, 6] {
            at(old + HOUR + minutes * MINUTE);
            ran(&db, Passing).await;
        }
        // And yesterday, where nothing is thinned.
        for minutes in [1, 6, 11] {
            at(-DAY + minutes * MINUTE);
            ran(&db, Passing).await;
        }
        at(HOUR);
        // Kept of hour one: the first that passed, the change to failing, the change back. Of hour two: the first.
        assert_eq!(db.prune(SessionLife::default(), Retention::default()).await.unwrap(), 7);
        let kept = db.monitors_of(&rag().0, 100).await.unwrap().remove(0).runs;
        let minutes: Vec<i64> = kept.iter().rev().map(|run| (run.began_at.millis() - now - hour - old) / MINUTE).collect();
        assert_eq!(minutes, [1, 16, 31, 61, 9 * 1440 + 1, 9 * 1440 + 6, 9 * 1440 + 11]);
        assert_eq!(db.prune(SessionLife::default(), Retention::default()).await.unwrap(), 0);
        at(85 * DAY);
        assert!(db.prune(SessionLife::default(), Retention::default()).await.unwrap() > 0);
        at(91 * DAY);
        db.prune(SessionLife::default(), Retention::default()).await.unwrap();
        assert_eq!(db.monitors_of(&rag().0, 100).await.unwrap()[0].runs, []);
    }
}
