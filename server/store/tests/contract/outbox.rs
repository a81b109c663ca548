//! The outbox: what is kept with its cause, who sends it, and when it is tried again.

use crate::given::{deployment, save_new, save_release};
use tidegate_domain::{
    Deployment, Timestamp,
    notice::{Notice, NoticeKind, Severity},
};
use tidegate_store::{Conflict, Db, DeliveryState, StoreError};

const LEASE: i64 = 60_000;

async fn new(db: &Db) -> Deployment {
    let release = save_release(db, "rag", 1).await;
    let deployment = deployment(&release, "production", 1);
    save_new(db, &deployment).await;
    deployment
}

fn notice(of: &Deployment, kind: NoticeKind, sequence: i64) -> Notice {
    Notice {
        id: format!("{}.{kind}.{sequence}", of.id),
        kind,
        severity: Severity::Info,
        deployment: of.id,
        sequence,
        service: of.service.clone(),
        environment: of.environment.clone(),
        release: of.release,
        at: Timestamp::from_millis(sequence),
        title: "rag is held".to_owned(),
        facts: Vec::new(),
        page: None,
        incident: false,
    }
}

async fn post(db: &Db, notice: &Notice) {
    let mut tx = db.begin().await.unwrap();
    tx.post(std::slice::from_ref(notice)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn route(db: &Db, notice: &Notice, channels: &[&str]) -> bool {
    let channels: Vec<String> = channels.iter().map(|name| (*name).to_owned()).collect();
    let mut tx = db.begin().await.unwrap();
    let routed = tx.route(notice, &channels).await.unwrap();
    tx.commit().await.unwrap();
    routed
}

async fn channels(db: &Db, owner: &str) -> Vec<(String, NoticeKind)> {
    let claims = db.claim_deliveries(owner, LEASE, 10).await.unwrap();
    let mut claimed: Vec<_> = claims
        .into_iter()
        .map(|claim| (claim.channel, claim.notice.kind))
        .collect();
    claimed.sort_by(|one, other| one.0.cmp(&other.0));
    claimed
}

stories! {
    async fn what_is_rolled_back_is_not_told(scratch) {
        let deployment = new(&scratch.db).await;
        let mut tx = scratch.db.begin().await.unwrap();
        tx.post(&[notice(&deployment, NoticeKind::Held, 2)]).await.unwrap();
        drop(tx);
        assert_eq!(scratch.db.unrouted_notices(10).await.unwrap(), []);
    }

    async fn the_same_notice_is_kept_once(scratch) {
        let deployment = new(&scratch.db).await;
        let held = notice(&deployment, NoticeKind::Held, 2);
        post(&scratch.db, &held).await;
        let mut tx = scratch.db.begin().await.unwrap();
        let again = tx.post(&[held]).await.unwrap_err();
        assert!(matches!(again, StoreError::Conflict(Conflict::Exists)), "{again:?}");
    }

    async fn a_notice_is_routed_once_and_its_channels_hear_of_it(scratch) {
        let deployment = new(&scratch.db).await;
        let held = notice(&deployment, NoticeKind::Held, 2);
        post(&scratch.db, &held).await;
        assert_eq!(scratch.db.unrouted_notices(10).await.unwrap(), std::slice::from_ref(&held));
        assert!(route(&scratch.db, &held, &["slack", "pagerduty"]).await);
        assert!(!route(&scratch.replica().await, &held, &["slack"]).await);
        assert_eq!(scratch.db.unrouted_notices(10).await.unwrap(), []);
        let claimed = channels(&scratch.db, "a").await;
        assert_eq!(claimed, [("pagerduty".to_owned(), NoticeKind::Held), ("slack".to_owned(), NoticeKind::Held)]);
    }

    async fn of_two_replicas_exactly_one_sends(scratch) {
        let deployment = new(&scratch.db).await;
        let held = notice(&deployment, NoticeKind::Held, 2);
        post(&scratch.db, &held).await;
        route(&scratch.db, &held, &["slack"]).await;
        let replica = scratch.replica().await;
        let (here, there) = tokio::join!(
            scratch.db.claim_deliveries("a", LEASE, 10),
            replica.claim_deliveries("b", LEASE, 10)
        );
        assert_eq!(here.unwrap().len() + there.unwrap().len(), 1);
        assert_eq!(channels(&scratch.db, "c").await, []);
    }

    async fn a_sender_that_died_is_followed_by_another_who_knows_of_the_attempt(scratch) {
        let deployment = new(&scratch.db).await;
        let held = notice(&deployment, NoticeKind::Held, 2);
        post(&scratch.db, &held).await;
        route(&scratch.db, &held, &["issue"]).await;
        let dead = scratch.db.claim_deliveries("a", 1, 10).await.unwrap().remove(0);
        while scratch.db.now().await.unwrap() <= dead.lease_until {}
        let next = scratch.db.claim_deliveries("b", LEASE, 10).await.unwrap().remove(0);
        assert_eq!((dead.attempt, next.attempt), (1, 2));
        assert!(!scratch.db.delivery_told(&dead, None).await.unwrap(), "it is not its own any more");
        assert!(!scratch.db.put_off_delivery(&dead, 0, "late").await.unwrap());
        assert!(scratch.db.delivery_told(&next, Some("https://github.com/acme/rag/issues/1")).await.unwrap());
        let delivered = scratch.db.deliveries_of(deployment.id).await.unwrap().remove(0);
        assert!(matches!(delivered.state, DeliveryState::Told(_)), "{delivered:?}");
        assert_eq!(delivered.link.as_deref(), Some("https://github.com/acme/rag/issues/1"));
        assert_eq!((delivered.kind, delivered.attempts, delivered.why), (NoticeKind::Held, 2, None));
    }

    async fn what_failed_is_tried_again_when_it_is_due_and_says_why_until_then(scratch) {
        let deployment = new(&scratch.db).await;
        let held = notice(&deployment, NoticeKind::Held, 2);
        post(&scratch.db, &held).await;
        route(&scratch.db, &held, &["slack"]).await;
        let claim = scratch.db.claim_deliveries("a", LEASE, 10).await.unwrap().remove(0);
        assert!(scratch.db.put_off_delivery(&claim, 3_600_000, "Slack does not answer").await.unwrap());
        assert_eq!(channels(&scratch.db, "a").await, []);
        let due = scratch.db.next_delivery().await.unwrap().unwrap();
        assert!(due.since(scratch.db.now().await.unwrap()) > 3_500_000);
        let waiting = scratch.db.deliveries_of(deployment.id).await.unwrap().remove(0);
        assert_eq!((waiting.state, waiting.why.as_deref()), (DeliveryState::Waiting(due), Some("Slack does not answer")));
        scratch.tamper("UPDATE outbox_deliveries SET next_at = 0").await.unwrap();
        assert_eq!(scratch.db.claim_deliveries("a", LEASE, 10).await.unwrap().remove(0).attempt, 2);
    }

    async fn a_channel_hears_of_a_deployment_in_order_and_is_not_held_up_by_another(scratch) {
        let deployment = new(&scratch.db).await;
        let held = notice(&deployment, NoticeKind::Held, 2);
        let over = notice(&deployment, NoticeKind::Succeeded, 5);
        for told in [&held, &over] {
            post(&scratch.db, told).await;
        }
        route(&scratch.db, &over, &["pagerduty"]).await;
        route(&scratch.db, &held, &["pagerduty", "slack"]).await;
        let mut claims = scratch.db.claim_deliveries("a", LEASE, 10).await.unwrap();
        assert_eq!(claims.len(), 2, "the end waits for the trigger");
        claims.sort_by(|one, other| one.channel.cmp(&other.channel));
        let trigger = claims.remove(0);
        scratch.db.put_off_delivery(&trigger, 3_600_000, "no answer").await.unwrap();
        assert_eq!(channels(&scratch.db, "a").await, []);
        scratch.tamper("UPDATE outbox_deliveries SET next_at = 0").await.unwrap();
        let trigger = scratch.db.claim_deliveries("a", LEASE, 10).await.unwrap().remove(0);
        assert_eq!(trigger.notice.kind, NoticeKind::Held);
        let mut tx = scratch.db.begin().await.unwrap();
        assert!(tx.give_up_delivery(&trigger, "refused for good").await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(channels(&scratch.db, "a").await, [("pagerduty".to_owned(), NoticeKind::Succeeded)]);
        let states = scratch.db.deliveries_of(deployment.id).await.unwrap();
        assert!(matches!(states[0].state, DeliveryState::GivenUp(_)), "{states:?}");
    }

    async fn without_anything_to_tell_nothing_is_due(scratch) {
        new(&scratch.db).await;
        assert_eq!(scratch.db.next_delivery().await.unwrap(), None);
    }
}
