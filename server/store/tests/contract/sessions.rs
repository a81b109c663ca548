//! People and their sessions.

use serde_json::json;
use tidegate_domain::{
    TeamSlug,
    time::{HOUR, MINUTE},
};
use tidegate_store::{Db, Person, Retention, Session, SessionLife};

const LIFE: SessionLife = SessionLife {
    idle_millis: 30 * MINUTE,
    absolute_millis: 12 * HOUR,
};

fn ada() -> Person {
    Person {
        id: 1,
        login: "ada".to_owned(),
        name: Some("Ada".to_owned()),
        token: Some(vec![0, 255, 7]),
        teams: vec![TeamSlug::new("platform").unwrap()],
        teams_checked_at: crate::given::moment(0),
    }
}

async fn put(db: &Db, person: &Person) {
    let mut tx = db.begin().await.unwrap();
    tx.put_person(person).await.unwrap();
    tx.commit().await.unwrap();
}

/// A session made and seen that long ago.
async fn session(db: &Db, key: u8, made: i64, seen: i64) -> Session {
    put(db, &ada()).await;
    let mut tx = db.begin().await.unwrap();
    let session = Session {
        key_hash: [key; 32],
        person: 1,
        created_at: tx.now().plus_millis(-made),
        seen_at: tx.now().plus_millis(-seen),
        data: json!({ "a": 1 }),
    };
    tx.insert_session(&session).await.unwrap();
    tx.commit().await.unwrap();
    session
}

async fn alive(db: &Db, key: u8) -> bool {
    db.session(&[key; 32], LIFE).await.unwrap().is_some()
}

stories! {
    async fn a_person_is_kept_and_kept_up_to_date(scratch) {
        put(&scratch.db, &ada()).await;
        assert_eq!(scratch.db.person(1).await.unwrap(), Some(ada()));
        let renamed = Person { login: "ada-l".to_owned(), token: None, teams: Vec::new(), ..ada() };
        put(&scratch.db, &renamed).await;
        assert_eq!(scratch.db.person(1).await.unwrap(), Some(renamed));
        assert_eq!(scratch.db.person(2).await.unwrap(), None);
    }

    async fn a_session_reads_back_as_it_was_saved(scratch) {
        let saved = session(&scratch.db, 1, 0, 0).await;
        assert_eq!(scratch.db.session(&[1; 32], LIFE).await.unwrap(), Some(saved));
        assert!(!alive(&scratch.db, 2).await);
        let mut tx = scratch.db.begin().await.unwrap();
        assert!(tx.update_session_data(&[1; 32], &json!({ "a": 2 })).await.unwrap());
        assert!(!tx.update_session_data(&[2; 32], &json!({})).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(scratch.db.session(&[1; 32], LIFE).await.unwrap().unwrap().data, json!({ "a": 2 }));
    }

    async fn r25_a_session_ends_after_half_an_hour_idle_and_after_twelve_hours_at_all(scratch) {
        session(&scratch.db, 1, HOUR, 29 * MINUTE).await;
        session(&scratch.db, 2, HOUR, 30 * MINUTE).await;
        session(&scratch.db, 3, 12 * HOUR - MINUTE, 0).await;
        session(&scratch.db, 4, 12 * HOUR, 0).await;
        for (key, lives) in [(1, true), (2, false), (3, true), (4, false)] {
            assert_eq!(alive(&scratch.db, key).await, lives, "session {key}");
        }
        assert_eq!(scratch.db.prune(LIFE, Retention::default()).await.unwrap(), 2);
        assert!(alive(&scratch.db, 1).await && alive(&scratch.db, 3).await);
    }

    async fn r25_a_session_that_is_used_stays_alive(scratch) {
        let before = session(&scratch.db, 1, HOUR, 29 * MINUTE).await;
        scratch.db.touch_session(&[1; 32]).await.unwrap();
        let after = scratch.db.session(&[1; 32], LIFE).await.unwrap().unwrap();
        assert!(after.seen_at.since(before.seen_at) >= 29 * MINUTE);
        assert_eq!(after.created_at, before.created_at);
    }

    async fn r25_signing_out_and_revoking_take_effect_at_once_on_every_replica(scratch) {
        for key in 1..=3 {
            session(&scratch.db, key, 0, 0).await;
        }
        let replica = scratch.replica().await;
        let mut tx = scratch.db.begin().await.unwrap();
        assert!(tx.delete_session(&[1; 32]).await.unwrap());
        assert!(!tx.delete_session(&[1; 32]).await.unwrap());
        tx.commit().await.unwrap();
        assert!(!alive(&replica, 1).await);
        assert!(alive(&replica, 2).await);
        let mut tx = scratch.db.begin().await.unwrap();
        assert_eq!(tx.delete_sessions_of(1).await.unwrap(), 2);
        tx.commit().await.unwrap();
        assert!(!alive(&replica, 2).await && !alive(&replica, 3).await);
    }
}
