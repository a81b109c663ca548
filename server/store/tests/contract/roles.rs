//! What the application's role may do on PostgreSQL. Every other story on PostgreSQL runs as it.

use crate::given::{event, save_release};
use tidegate_domain::{AuditEvent, EventKind};
use tidegate_store::{Power, StoreError, testing::Scratch};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_the_application_can_append_to_the_log_and_do_nothing_else_to_it() {
    let scratch = Scratch::postgres().await;
    let with_text = AuditEvent {
        text: Some("because".to_owned()),
        ..event(EventKind::DeploymentRejected, None)
    };
    let mut tx = scratch.db.begin().await.unwrap();
    tx.append_audit(&[with_text]).await.unwrap();
    tx.commit().await.unwrap();
    for attempt in [
        "UPDATE audit SET person = 'eve'",
        "DELETE FROM audit",
        "TRUNCATE audit CASCADE",
        "SELECT 1 FROM audit FOR UPDATE",
        "UPDATE audit_texts SET text = 'nothing'",
        "DELETE FROM audit_texts",
        "TRUNCATE audit_texts",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "ALTER TABLE audit_texts DISABLE TRIGGER audit_texts_append_only",
        "ALTER TABLE audit_head DISABLE TRIGGER audit_head_only_forward",
        "DROP TRIGGER audit_append_only ON audit",
        "DROP TABLE audit CASCADE",
        "CREATE OR REPLACE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (a int)",
        "DELETE FROM configurations",
        "DELETE FROM _sqlx_migrations",
    ] {
        let refused = scratch.as_application(attempt).await.unwrap_err();
        assert!(
            refused.contains("permission denied") || refused.contains("must be owner"),
            "{attempt}: {refused}"
        );
    }
    // One more shows that the log still takes events, and the rest what the role is for.
    let mut tx = scratch.db.begin().await.unwrap();
    assert_eq!(
        tx.append_audit(&[event(EventKind::WorkerWarning, None)]).await.unwrap(),
        [2]
    );
    tx.commit().await.unwrap();
    save_release(&scratch.db, "rag", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_a_role_that_could_rewrite_the_log_is_known_and_warned_of() {
    let scratch = Scratch::postgres().await;
    assert_eq!(scratch.db.power().await.unwrap(), Power::Application);
    assert_eq!(Power::Application.warning(), None);
    let operator = scratch.operator().power().await.unwrap();
    assert!(operator.warning().unwrap().contains("--app-role"), "{operator:?}");
    assert_eq!(Scratch::sqlite().await.db.power().await.unwrap(), Power::File);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_an_application_role_must_exist_and_own_nothing() {
    let scratch = Scratch::postgres().await;
    for (role, said) in [
        ("tidegate_nobody", "CREATE ROLE tidegate_nobody LOGIN"),
        ("postgres", "name another role"),
        ("a; DROP TABLE audit", "is no name of a role"),
    ] {
        let error = scratch.operator().grant_to_application(role).await.unwrap_err();
        assert!(error.to_string().contains(said), "{role}: {error}");
    }
    let sqlite = Scratch::sqlite().await.db.grant_to_application("app").await;
    assert!(matches!(sqlite, Err(StoreError::Setup(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_does_not_migrate_and_says_who_must() {
    let scratch = Scratch::postgres().await;
    scratch.db.migrate().await.unwrap();
    scratch.tamper("DELETE FROM _sqlx_migrations").await.unwrap();
    let error = scratch.db.migrate().await.unwrap_err().to_string();
    assert!(error.contains("as the role that owns them"), "{error}");
}
