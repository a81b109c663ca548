//! Opening, migrating and losing a database.

use tidegate_store::{Db, PoolOptions, StoreError, testing::Scratch};

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
