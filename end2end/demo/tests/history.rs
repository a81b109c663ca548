//! The past that the demonstration begins with could have happened.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, atomic::AtomicI64},
};
use tidegate_demo::{play::Player, seed::Seed, story};
use tidegate_domain::{EventKind, StateName, Timestamp, audit::RecordedEvent, time::DAY};
use tidegate_store::{AuditQuery, Clock, Db, HistoryQuery, PoolOptions};

struct Past {
    db: Db,
    seed: Seed,
    now: Timestamp,
    _folder: tempfile::TempDir,
}

async fn past() -> Past {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let loaded = tidegate_server::config::load(&root.join("infra/demo/tidegate.toml")).unwrap();
    let seed = Seed::load(&root.join("end2end/sandbox/seeds/acme.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("past.db").display());
    let shift = Arc::new(AtomicI64::new(0));
    let options = PoolOptions {
        clock: Clock::Shifted(shift.clone()),
        ..PoolOptions::default()
    };
    let shifted = Db::connect(&url, options).await.unwrap();
    shifted.migrate().await.unwrap();
    let now = shifted.now().await.unwrap();
    let acts = story::tell(&seed, &loaded.catalog, "https://github.test", now).unwrap();
    Player::new(shifted, shift, &seed, &loaded.catalog)
        .play(acts)
        .await
        .unwrap();
    let db = Db::connect(&url, PoolOptions::default()).await.unwrap();
    Past {
        db,
        seed,
        now,
        _folder: folder,
    }
}

impl Past {
    /// Oldest first.
    async fn events(&self) -> Vec<RecordedEvent> {
        let mut events = Vec::new();
        let mut query = AuditQuery {
            limit: 500,
            ..AuditQuery::default()
        };
        loop {
            let page = self.db.audit(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            query.before_seq = Some(last.seq);
            events.extend(page);
        }
        events.reverse();
        events
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_one_that_could_have_happened() {
    let past = past().await;
    let events = past.events().await;
    let numbers = (1..).take(events.len());
    assert!(events.iter().map(|event| event.seq).eq(numbers), "gapless from 1");
    assert!(events.is_sorted_by_key(|event| event.at), "in order of time");
    let (first, last) = (events.first().unwrap(), events.last().unwrap());
    assert!(past.now.since(first.at) > 13 * DAY && past.now.since(first.at) < 16 * DAY);
    assert!(
        past.now.since(last.at) > 0 && past.now.since(last.at) < DAY / 8,
        "{}",
        last.at
    );

    let query = HistoryQuery {
        limit: 500,
        ..HistoryQuery::default()
    };
    let deployments = past.db.history(&query).await.unwrap();
    let states: BTreeSet<&str> = deployments
        .iter()
        .map(|each| each.value.state.name().as_str())
        .collect();
    let of_interest = [
        "cancelled",
        "expired",
        "rejected",
        "rolled_back",
        "succeeded",
        "superseded",
    ];
    assert!(
        states.iter().eq(of_interest.iter()),
        "{states:?}: and none is left unfinished"
    );
    assert!(deployments.iter().any(|each| each.value.is_rollback()));
    let kinds: Vec<EventKind> = events.iter().map(|event| event.event.kind).collect();
    for kind in [
        EventKind::ApprovalInvalidated,
        EventKind::DeploymentBlocked,
        EventKind::RollbackRequested,
    ] {
        assert!(kinds.contains(&kind), "{kind}");
    }

    let mut runs = BTreeMap::new();
    for lane in past.db.matrix().await.unwrap() {
        let succeeded = lane.succeeded.unwrap().value;
        assert_eq!(succeeded.state.name(), StateName::Succeeded);
        let place = (succeeded.service.to_string(), succeeded.environment.to_string());
        runs.insert(place, succeeded.digest.to_string());
    }
    assert_eq!(
        runs,
        past.seed.running(),
        "what runs at the sandbox is what succeeded last"
    );
}
