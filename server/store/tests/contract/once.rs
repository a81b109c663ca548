//! What may happen once only.

use std::time::Duration;
use tidegate_domain::Timestamp;
use tidegate_store::{Db, Idempotency, OauthState, Retention, SessionLife};

async fn state(db: &Db, millis: i64) -> OauthState {
    let state = OauthState {
        state_hash: [1; 32],
        browser_hash: [2; 32],
        verifier: vec![3, 4],
        return_to: "/inbox".to_owned(),
        expires_at: db.now().await.unwrap().plus_millis(millis),
    };
    let mut tx = db.begin().await.unwrap();
    tx.put_oauth_state(&state).await.unwrap();
    tx.commit().await.unwrap();
    state
}

async fn take(db: &Db) -> Option<OauthState> {
    let mut tx = db.begin().await.unwrap();
    let taken = tx.take_oauth_state(&[1; 32]).await.unwrap();
    tx.commit().await.unwrap();
    taken
}

async fn once(db: &Db, jti: &str, expires_at: Timestamp) -> bool {
    let mut tx = db.begin().await.unwrap();
    let first = tx.use_token_once(jti, expires_at).await.unwrap();
    tx.commit().await.unwrap();
    first
}

async fn delivery(db: &Db, id: &str, body: u8) -> bool {
    let mut tx = db.begin().await.unwrap();
    let first = tx.webhook_seen(id, &[body; 32]).await.unwrap();
    tx.commit().await.unwrap();
    first
}

async fn begin(db: &Db, scope: &str, request: u8) -> Idempotency {
    let mut tx = db.begin().await.unwrap();
    let begun = tx.idempotency_begin("key", scope, &[request; 32]).await.unwrap();
    tx.commit().await.unwrap();
    begun
}

stories! {
    async fn r28_a_sign_in_state_serves_once(scratch) {
        let state = state(&scratch.db, 60_000).await;
        assert_eq!(take(&scratch.db).await, Some(state));
        assert_eq!(take(&scratch.db).await, None);
    }

    async fn r28_of_many_who_take_a_state_at_once_one_gets_it(scratch) {
        state(&scratch.db, 60_000).await;
        let takers: Vec<_> = (0..8).map(|_| { let db = scratch.db.clone(); tokio::spawn(async move { take(&db).await }) }).collect();
        let mut taken = 0;
        for taker in takers {
            taken += usize::from(taker.await.unwrap().is_some());
        }
        assert_eq!(taken, 1);
    }

    async fn r28_an_expired_state_serves_nobody(scratch) {
        state(&scratch.db, 0).await;
        assert_eq!(take(&scratch.db).await, None);
    }

    async fn r30_a_token_is_used_once_by_whoever_is_first(scratch) {
        let expires = scratch.db.now().await.unwrap().plus_seconds(60);
        let uses: Vec<_> = (0..8)
            .map(|_| { let db = scratch.db.clone(); tokio::spawn(async move { once(&db, "jti-1", expires).await }) })
            .collect();
        let mut first = 0;
        for attempt in uses {
            first += usize::from(attempt.await.unwrap());
        }
        assert_eq!(first, 1);
        assert!(once(&scratch.db, "jti-2", expires).await);
    }

    async fn r29_the_same_delivery_or_the_same_body_is_seen_once(scratch) {
        assert!(delivery(&scratch.db, "a", 1).await);
        assert!(!delivery(&scratch.db, "a", 1).await);
        assert!(!delivery(&scratch.db, "a", 2).await);
        assert!(!delivery(&scratch.db, "b", 1).await);
        assert!(delivery(&scratch.db, "b", 2).await);
    }

    async fn r29_a_delivery_whose_work_was_rolled_back_is_new_again(scratch) {
        let mut tx = scratch.db.begin().await.unwrap();
        assert!(tx.webhook_seen("a", &[1; 32]).await.unwrap());
        drop(tx);
        assert!(delivery(&scratch.db, "a", 1).await);
    }

    async fn a_request_with_a_known_key_gets_the_first_answer(scratch) {
        let mut tx = scratch.db.begin().await.unwrap();
        assert_eq!(tx.idempotency_begin("key", "ada", &[1; 32]).await.unwrap(), Idempotency::Fresh);
        tx.idempotency_finish("key", "ada", 201, "{}").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(begin(&scratch.db, "ada", 1).await, Idempotency::Replay { status: 201, body: "{}".to_owned() });
        assert_eq!(begin(&scratch.db, "ada", 2).await, Idempotency::Mismatch);
        assert_eq!(begin(&scratch.db, "grace", 2).await, Idempotency::Fresh);
    }

    async fn a_request_whose_answer_was_not_kept_is_known_by_its_result(scratch) {
        assert_eq!(begin(&scratch.db, "ada", 1).await, Idempotency::Fresh);
        let mut undone = scratch.db.begin().await.unwrap();
        undone.idempotency_done("key", "ada", "d-1").await.unwrap();
        drop(undone);
        assert_eq!(begin(&scratch.db, "ada", 1).await, Idempotency::InProgress);
        let mut done = scratch.db.begin().await.unwrap();
        done.idempotency_done("key", "ada", "d-1").await.unwrap();
        done.commit().await.unwrap();
        assert_eq!(begin(&scratch.db, "ada", 1).await, Idempotency::Done { result: "d-1".to_owned() });
        // What was done is not forgotten for a failure afterwards.
        let mut tx = scratch.db.begin().await.unwrap();
        tx.idempotency_forget("key", "ada").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(begin(&scratch.db, "ada", 1).await, Idempotency::Done { result: "d-1".to_owned() });
    }

    async fn a_request_that_is_being_worked_on_says_so_until_it_is_abandoned(scratch) {
        assert_eq!(begin(&scratch.db, "ada", 1).await, Idempotency::Fresh);
        assert_eq!(begin(&scratch.db, "ada", 1).await, Idempotency::InProgress);
        scratch.tamper("UPDATE idempotency SET begun_at = begun_at - 60000").await.unwrap();
        assert_eq!(begin(&scratch.db, "ada", 1).await, Idempotency::Fresh);
        assert_eq!(begin(&scratch.db, "ada", 1).await, Idempotency::InProgress);
    }

    async fn a_second_request_waits_for_the_first_and_gets_its_answer(scratch) {
        let mut first = scratch.db.begin().await.unwrap();
        assert_eq!(first.idempotency_begin("key", "ada", &[1; 32]).await.unwrap(), Idempotency::Fresh);
        let db = scratch.db.clone();
        let second = tokio::spawn(async move { begin(&db, "ada", 1).await });
        // Whether the second has begun to wait yet does not matter: it must not be answered before the first is.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!second.is_finished());
        first.idempotency_finish("key", "ada", 200, "done").await.unwrap();
        first.commit().await.unwrap();
        assert_eq!(second.await.unwrap(), Idempotency::Replay { status: 200, body: "done".to_owned() });
    }

    async fn a_configuration_is_kept_under_its_hash(scratch) {
        let mut tx = scratch.db.begin().await.unwrap();
        assert!(tx.put_configuration("abc", "[server]").await.unwrap());
        assert!(!tx.put_configuration("abc", "[server]").await.unwrap());
        assert!(tx.put_configuration("def", "[other]").await.unwrap());
        tx.commit().await.unwrap();
    }

    async fn what_has_expired_is_forgotten_and_the_rest_is_not(scratch) {
        let now = scratch.db.now().await.unwrap();
        state(&scratch.db, 0).await;
        once(&scratch.db, "old", now.plus_seconds(-3_601)).await;
        once(&scratch.db, "just expired", now).await;
        delivery(&scratch.db, "new", 1).await;
        begin(&scratch.db, "ada", 1).await;
        assert_eq!(scratch.db.prune(SessionLife::default(), Retention::default()).await.unwrap(), 2);
        assert!(once(&scratch.db, "old", now).await);
        assert!(!once(&scratch.db, "just expired", now).await);
        assert!(!delivery(&scratch.db, "new", 1).await);
    }
}
