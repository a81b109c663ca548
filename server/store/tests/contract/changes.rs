//! What others hear of a save.

use crate::given::{deployment, event, save, save_new, save_release, turned};
use std::time::Duration;
use tidegate_domain::{EventKind, StateName};
use tidegate_store::{Change, Db, News};
use tokio::{sync::broadcast::Receiver, time::timeout};

const SOON: Duration = Duration::from_secs(10);

async fn next(changes: &mut Receiver<Change>) -> Change {
    timeout(SOON, changes.recv())
        .await
        .expect("a change within 10 s")
        .unwrap()
}

/// A connection that was cut and is made again.
async fn cut_listener(scratch: &tidegate_store::testing::Scratch) {
    scratch
        .tamper(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        )
        .await
        .unwrap();
}

stories! {
    async fn a_change_is_told_once_after_the_commit_and_not_after_a_rollback(scratch) {
        let mut changes = scratch.db.changes();
        let release = save_release(&scratch.db, "rag", 1).await;
        let (never, first) = (deployment(&release, "production", 1), deployment(&release, "production", 2));
        let mut tx = scratch.db.begin().await.unwrap();
        tx.insert_deployment(&never).await.unwrap();
        drop(tx);
        save_new(&scratch.db, &first).await;
        save(&scratch.db, &turned(&first, StateName::AwaitingApproval, 3)).await;
        let heard = [next(&mut changes).await, next(&mut changes).await];
        let expected = [1, 2].map(|version| Change {
            deployment: first.id,
            version,
            service: first.service.clone(),
            environment: first.environment.clone(),
        });
        assert_eq!(heard, expected);
        // A third, to know that nothing else came in between.
        save(&scratch.db, &turned(&first, StateName::Rejected, 4)).await;
        assert_eq!(next(&mut changes).await.version, 3);
    }

    async fn a_release_and_the_log_are_news_too(scratch) {
        let mut news = scratch.db.news();
        let release = save_release(&scratch.db, "rag", 1).await;
        assert_eq!(timeout(SOON, news.recv()).await.unwrap().unwrap(), News::Release(release.id));
        let mut tx = scratch.db.begin().await.unwrap();
        let two = [event(EventKind::WorkerWarning, None), event(EventKind::WorkerWarning, None)];
        tx.append_audit(&two).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(timeout(SOON, news.recv()).await.unwrap().unwrap(), News::Audit(2));
    }

    async fn nobody_hears_of_a_change_before_it_can_be_read(scratch) {
        let release = save_release(&scratch.db, "rag", 1).await;
        let mut changes = scratch.db.changes();
        for at in 1..=20 {
            let deployment = deployment(&release, "production", at);
            let db = scratch.db.clone();
            let saving = tokio::spawn(async move { save_new(&db, &deployment).await });
            let heard = next(&mut changes).await;
            assert!(scratch.db.deployment(heard.deployment).await.unwrap().is_some());
            saving.await.unwrap();
        }
    }
}

async fn postgres() -> (tidegate_store::testing::Scratch, Db) {
    let scratch = tidegate_store::testing::Scratch::postgres().await;
    let replica = scratch.replica().await;
    (scratch, replica)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_hears_of_a_change_on_postgres() {
    let (scratch, replica) = postgres().await;
    let (mut here, mut there) = (scratch.db.changes(), replica.changes());
    let release = save_release(&scratch.db, "rag", 1).await;
    let deployment = deployment(&release, "production", 1);
    save_new(&replica, &deployment).await;
    assert_eq!(next(&mut here).await.deployment, deployment.id);
    assert_eq!(next(&mut there).await.deployment, deployment.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r15_what_was_missed_while_the_connection_was_lost_is_told_when_it_is_back() {
    let (scratch, _replica) = postgres().await;
    let release = save_release(&scratch.db, "rag", 1).await;
    let mut changes = scratch.db.changes();
    for at in 1..=5 {
        let deployment = deployment(&release, "production", at);
        cut_listener(&scratch).await;
        save_new(&scratch.db, &deployment).await;
        while next(&mut changes).await.deployment != deployment.id {}
    }
}
