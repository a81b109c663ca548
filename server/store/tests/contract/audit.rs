//! The audit log.

use crate::given::{deployment, environment, event, person, save_new, save_release, service};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use tidegate_domain::{AuditEvent, EventKind};
use tidegate_store::{AuditQuery, Db};

async fn append(db: &Db, events: &[AuditEvent]) -> Vec<i64> {
    let mut tx = db.begin().await.unwrap();
    let numbers = tx.append_audit(events).await.unwrap();
    tx.commit().await.unwrap();
    numbers
}

fn query() -> AuditQuery {
    AuditQuery {
        limit: 100,
        ..AuditQuery::default()
    }
}

async fn numbers(db: &Db, query: AuditQuery) -> Vec<i64> {
    db.audit(&query)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.seq)
        .collect()
}

stories! {
    async fn r11_sixteen_writers_leave_no_gap(scratch) {
        let writers: Vec<_> = (0..16)
            .map(|_| {
                let db = scratch.db.clone();
                tokio::spawn(async move {
                    let mut given = Vec::new();
                    for _ in 0..10 {
                        given.extend(append(&db, &[event(EventKind::WorkerWarning, None), event(EventKind::AccessDenied, None)]).await);
                    }
                    given
                })
            })
            .collect();
        let mut given = BTreeSet::new();
        for writer in writers {
            given.extend(writer.await.unwrap());
        }
        assert!(given.into_iter().eq(1..=320));
        assert_eq!(scratch.db.audit_head().await.unwrap(), 320);
        let mut log = scratch.db.audit(&AuditQuery { limit: 1000, ..query() }).await.unwrap();
        log.reverse();
        assert!(log.iter().map(|event| event.seq).eq(1..=320));
        assert!(log.is_sorted_by_key(|event| event.at), "time never runs backwards along the log");
    }

    async fn r11_a_rollback_leaves_no_gap(scratch) {
        append(&scratch.db, &[event(EventKind::WorkerWarning, None)]).await;
        let mut tx = scratch.db.begin().await.unwrap();
        assert_eq!(tx.append_audit(&[event(EventKind::WorkerWarning, None)]).await.unwrap(), [2]);
        drop(tx);
        assert_eq!(append(&scratch.db, &[event(EventKind::AccessDenied, None)]).await, [2]);
        assert_eq!(numbers(&scratch.db, query()).await, [2, 1]);
    }

    async fn r11_state_and_events_are_saved_together_or_not_at_all(scratch) {
        let release = save_release(&scratch.db, "rag", 1).await;
        let deployment = deployment(&release, "production", 1);
        let mut tx = scratch.db.begin().await.unwrap();
        tx.insert_deployment(&deployment).await.unwrap();
        tx.append_audit(&[event(EventKind::DeploymentRequested, Some(&deployment))]).await.unwrap();
        drop(tx);
        assert_eq!(scratch.db.deployment(deployment.id).await.unwrap(), None);
        assert_eq!(scratch.db.audit_head().await.unwrap(), 0);
    }

    async fn r20_nobody_changes_or_removes_what_was_logged(scratch) {
        let with_text = AuditEvent { text: Some("because".to_owned()), ..event(EventKind::DeploymentRejected, None) };
        append(&scratch.db, &[with_text, event(EventKind::WorkerWarning, None)]).await;
        let before = scratch.db.audit(&query()).await.unwrap();
        let mut attempts = vec![
            "UPDATE audit SET person = 'eve' WHERE seq = 1",
            "UPDATE audit SET event = event",
            "DELETE FROM audit WHERE seq = 2",
            "DELETE FROM audit",
            "UPDATE audit_texts SET text = 'nothing'",
            "DELETE FROM audit_texts",
            "DELETE FROM audit_head",
            "UPDATE audit_head SET seq = 0",
        ];
        if scratch.db.is_postgres() {
            attempts.extend(["TRUNCATE audit CASCADE", "TRUNCATE audit_texts", "TRUNCATE audit_head"]);
        } else {
            attempts.extend([
                "INSERT OR REPLACE INTO audit (seq, at, kind, area, event) VALUES (2, 1, 'a.b', 'a', x'7b7d')",
                "INSERT OR REPLACE INTO audit_texts (seq, salt, text) VALUES (1, x'00', 'nothing')",
            ]);
        }
        for attempt in attempts {
            let refused = scratch.tamper(attempt).await.unwrap_err();
            assert!(refused.contains("append-only"), "{attempt}: {refused}");
        }
        assert_eq!(scratch.db.audit(&query()).await.unwrap(), before);
    }

    async fn r20_the_log_takes_the_next_number_and_no_other(scratch) {
        append(&scratch.db, &[event(EventKind::WorkerWarning, None)]).await;
        let brackets = if scratch.db.is_postgres() { "'{}'" } else { "x'7b7d'" };
        for seq in [0, 1, 3, 7] {
            let gap = format!("INSERT INTO audit (seq, at, kind, area, event) VALUES ({seq}, 1, 'a.b', 'a', {brackets})");
            let refused = scratch.tamper(&gap).await.unwrap_err();
            assert!(refused.contains("append-only"), "{seq}: {refused}");
        }
        assert_eq!(append(&scratch.db, &[event(EventKind::WorkerWarning, None)]).await, [2]);
    }

    async fn an_event_is_stored_as_canonical_json_with_its_text_apart(scratch) {
        let release = save_release(&scratch.db, "rag", 1).await;
        let deployment = deployment(&release, "production", 1);
        let mut logged = event(EventKind::DeploymentRejected, Some(&deployment));
        logged.text = Some("not before the holiday".to_owned());
        append(&scratch.db, std::slice::from_ref(&logged)).await;

        let read = scratch.db.audit(&query()).await.unwrap().remove(0);
        assert_eq!((read.seq, &read.event), (1, &logged));
        let stored = scratch.stored_event(1).await;
        let text = String::from_utf8(stored.event).unwrap();
        let hash = hex::encode(Sha256::new().chain_update(stored.salt.unwrap()).chain_update("not before the holiday").finalize());
        // Members in order, no white space, no text: RFC 8785 by hand.
        let expected = format!(
            r#"{{"actor":{{"kind":"person","person":{{"id":1,"login":"Ada"}},"roles":[],"teams":[]}},"at":"{}","data":{{"a":"ä","b":1}},"kind":"deployment.rejected","seq":1,"subject":{{"deployment":"{}","environment":"production","release":"{}","service":"rag"}},"text":"{hash}"}}"#,
            read.at, deployment.id, release.id,
        );
        assert_eq!(text, expected);
    }

    async fn the_same_text_twice_has_two_hashes(scratch) {
        let logged = AuditEvent { text: Some("no".to_owned()), ..event(EventKind::DeploymentRejected, None) };
        append(&scratch.db, &[logged.clone(), logged]).await;
        let (one, two) = (scratch.stored_event(1).await, scratch.stored_event(2).await);
        assert_ne!(one.salt, two.salt);
    }

    async fn the_log_is_filtered_by_kind_service_environment_person_deployment_and_time(scratch) {
        let release = save_release(&scratch.db, "rag", 1).await;
        let deployment = deployment(&release, "production", 1);
        save_new(&scratch.db, &deployment).await;
        let mut by_grace = event(EventKind::DeploymentRejected, Some(&deployment));
        by_grace.actor = person(2, "Grace");
        append(&scratch.db, &[event(EventKind::DeploymentRequested, Some(&deployment))]).await;
        append(&scratch.db, &[event(EventKind::ApprovalGiven, None)]).await;
        append(&scratch.db, &[by_grace]).await;

        let db = &scratch.db;
        let kind = |kind: &str| AuditQuery { kind: Some(kind.to_owned()), ..query() };
        assert_eq!(numbers(db, kind("deployment")).await, [3, 1]);
        assert_eq!(numbers(db, kind("deployment.requested")).await, [1]);
        assert_eq!(numbers(db, kind("deploy")).await, [0; 0]);
        assert_eq!(numbers(db, AuditQuery { service: Some(service("rag")), ..query() }).await, [3, 1]);
        assert_eq!(numbers(db, AuditQuery { environment: Some(environment("staging")), ..query() }).await, [0; 0]);
        assert_eq!(numbers(db, AuditQuery { person: Some("GRACE".to_owned()), ..query() }).await, [3]);
        assert_eq!(numbers(db, AuditQuery { deployment: Some(deployment.id), limit: 1, ..query() }).await, [3]);
        assert_eq!(numbers(db, AuditQuery { before_seq: Some(3), ..query() }).await, [2, 1]);
        let log = db.audit(&query()).await.unwrap();
        let (last, first) = (log[0].at, log[2].at);
        assert_eq!(numbers(db, AuditQuery { from: Some(first), to: Some(last.plus_millis(1)), ..query() }).await, [3, 2, 1]);
        assert_eq!(numbers(db, AuditQuery { from: Some(last.plus_millis(1)), ..query() }).await, [0; 0]);
        assert_eq!(numbers(db, AuditQuery { to: Some(first), ..query() }).await, [0; 0]);
        let story: Vec<_> = db.audit_of(deployment.id).await.unwrap().into_iter().map(|event| event.seq).collect();
        assert_eq!(story, [1, 3]);
    }

    async fn bytes_that_were_damaged_are_reported_and_not_shown(scratch) {
        append(&scratch.db, &[event(EventKind::WorkerWarning, None)]).await;
        let empty = if scratch.db.is_postgres() { "''" } else { "x''" };
        scratch.tamper(&format!("INSERT INTO audit (seq, at, kind, area, event) VALUES (2, 1, 'a.b', 'a', {empty})")).await.unwrap();
        let error = scratch.db.audit(&query()).await.unwrap_err().to_string();
        assert!(error.contains("audit event 2"), "{error}");
    }
}
