//! Opening, migrating and losing a database.

use tidegate_store::{Conflict, Db, PoolOptions, StoreError, testing::Scratch};

stories! {
    async fn migrating_again_changes_nothing(scratch) {
        scratch.db.migrate().await.unwrap();
        scratch.db.ping().await.unwrap();
    }

    async fn two_replicas_may_migrate_at_once(scratch) {
        let replica = scratch.replica().await;
        let (here, there) = tokio::join!(scratch.db.migrate(), replica.migrate());
        here.unwrap();
        there.unwrap();
    }

    async fn a_database_of_an_older_version_is_not_ready(scratch) {
        scratch.tamper("DELETE FROM _sqlx_migrations").await.unwrap();
        let error = scratch.db.ping().await.unwrap_err().to_string();
        assert!(error.contains("tidegate migrate"), "{error}");
    }

    async fn the_clock_is_the_databases_and_goes_forward(scratch) {
        let first = scratch.db.now().await.unwrap();
        let tx = scratch.db.begin().await.unwrap();
        assert!(tx.now() >= first && tx.now().since(first) < 60_000);
        assert!(first.to_string().starts_with("20"), "{first}");
    }

    async fn readers_are_not_held_up_by_a_writer(scratch) {
        let _writer = scratch.db.begin().await.unwrap();
        scratch.db.ping().await.unwrap();
        assert_eq!(scratch.db.audit_head().await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r15_a_full_disk_refuses_writes_says_so_and_loses_nothing() {
    let scratch = Scratch::sqlite().await;
    let release = crate::given::save_release(&scratch.db, "rag", 1).await;
    // The file may not grow beyond what it has: what SQLite then says is what it says of a full disk.
    scratch.tamper("PRAGMA max_page_count = 1").await.unwrap();
    let mut tx = scratch.db.begin().await.unwrap();
    let mut large = crate::given::release("rag", 2);
    large.git_ref = "x".repeat(1_000_000);
    let error = tx.insert_release(&large).await.unwrap_err();
    assert!(
        error.is_unavailable() && error.to_string().contains("full"),
        "{error:?}"
    );
    drop(tx);
    assert_eq!(scratch.db.release(release.id).await.unwrap(), Some(release));
    assert_eq!(scratch.db.release(large.id).await.unwrap(), None);
    // There is room again: a new connection has no such limit, and the next write needs no help.
    crate::given::save_release(&scratch.db, "rag", 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r15_when_the_server_has_cut_every_connection_the_next_request_is_served_on_postgres() {
    let scratch = Scratch::postgres().await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let operator = scratch.replica().await;
    let unfinished = scratch.db.begin().await.unwrap();
    scratch.tamper(cut).await.unwrap();
    assert!(unfinished.commit().await.unwrap_err().is_unavailable());
    for db in [&scratch.db, &operator] {
        db.ping().await.unwrap();
        db.begin().await.unwrap().commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_transactions_that_wait_for_each_other_end_in_a_conflict_and_a_success_on_postgres() {
    let scratch = Scratch::postgres().await;
    let one = crate::given::save_release(&scratch.db, "rag", 1).await.id;
    let two = crate::given::save_release(&scratch.db, "rag", 2).await.id;
    let (mut first, mut second) = (scratch.db.begin().await.unwrap(), scratch.db.begin().await.unwrap());
    first.release(one).await.unwrap();
    second.release(two).await.unwrap();
    let other = tokio::spawn(async move { first.release(two).await.map(drop) });
    let own = second.release(one).await.map(drop);
    drop(second);
    let results = [own, other.await.unwrap()];
    let refused: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(
        matches!(refused[..], [StoreError::Conflict(Conflict::Busy)]),
        "{results:?}"
    );
}

#[tokio::test]
async fn an_address_of_another_kind_is_refused_with_what_would_do() {
    let error = Db::connect("mysql://x", PoolOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("sqlite:// or postgres://"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let options = PoolOptions {
        acquire_timeout: std::time::Duration::from_millis(300),
        ..PoolOptions::default()
    };
    let error = Db::connect(&format!("postgres://tidegate@127.0.0.1:{port}/tidegate"), options)
        .await
        .unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r11_what_was_acknowledged_is_in_the_file_when_it_is_opened_again() {
    let scratch = Scratch::sqlite().await;
    let release = crate::given::save_release(&scratch.db, "rag", 1).await;
    let again = scratch.replica().await;
    assert_eq!(again.release(release.id).await.unwrap(), Some(release));
    assert!(matches!(
        again
            .begin()
            .await
            .unwrap()
            .update_release(&crate::given::release("rag", 2))
            .await,
        Err(StoreError::NotFound { .. })
    ));
}
