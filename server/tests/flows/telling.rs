//! People are told: who hears of what, once at least and with the same id, whatever becomes of the channel meanwhile.

use crate::{
    acme::{BEN, CLEO, production},
    world::{Base, World, person},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::Sha256;
use std::{sync::Arc, time::Duration};
use tidegate_adapters::{
    notify::{Channel, IncidentIssues, PagerDuty, PagerDutyChanges, SigningKey, Slack, Targets, Webhook},
    probe::{SystemResolver, url_safety::Allow},
};
use tidegate_app::{model::Telling, portal::Portal};
use tidegate_domain::{
    DeploymentId, EventKind, StateName,
    deployment::CALL_WITHIN_MILLIS,
    notice::NoticeKind,
    time::{DAY, HOUR},
};
use tidegate_server::worker::{Channels, HealthTable, Hears, Outbox, OutboxOptions, Routed};
use tidegate_store::{Db, Delivery, DeliveryState, StoreError};
use tokio_util::sync::CancellationToken;
use url::Url;

const SLACK_TOKEN: &str = "xoxb-sandbox-token";
const PAGERDUTY_KEY: &str = "5a4d3b0c5a4d3b0c5a4d3b0c5a4d3b0c";
/// The 24 bytes `tidegate-signs-with-this`.
const WEBHOOK_KEY: &str = "whsec_dGlkZWdhdGUtc2lnbnMtd2l0aC10aGlz";
const ISSUES: &str = "/api/v3/repos/acme/rag/issues";

/// What the receivers know each other by.
struct Keys {
    slack: &'static str,
    pagerduty: &'static str,
    webhook: &'static str,
}

const GOOD: Keys = Keys {
    slack: SLACK_TOKEN,
    pagerduty: PAGERDUTY_KEY,
    webhook: WEBHOOK_KEY,
};

struct Table;

#[async_trait::async_trait]
impl HealthTable for Table {
    async fn of(&self, _: DeploymentId) -> Result<Option<String>, StoreError> {
        Ok(Some("| rule | seen |\n|---|---|\n| HTTP 5xx rate | 3 % |".to_owned()))
    }
}

fn channels(world: &World, keys: &Keys) -> Channels {
    let at = |path: &str| {
        format!("{}{path}", world.stage.sandbox.messages_url())
            .parse::<Url>()
            .unwrap()
    };
    let routed = |name: &str, channel: Arc<dyn Channel>, hears: Hears| Routed {
        name: name.to_owned(),
        channel,
        environments: vec![production()],
        hears,
    };
    let public: Url = "https://tidegate.example.org/".parse().unwrap();
    let slack = Slack::new(&at("/slack/api"), keys.slack.to_owned().into(), "#deploys").unwrap();
    let pagerduty = PagerDuty::new(&at("/pagerduty"), keys.pagerduty.to_owned().into()).unwrap();
    let changes = PagerDutyChanges::new(&at("/pagerduty"), keys.pagerduty.to_owned().into()).unwrap();
    let targets = Targets {
        all: Some("acme/rag".to_owned()),
        ..Targets::default()
    };
    let issues = IncidentIssues::new((*world.github).clone(), targets, vec!["incident".to_owned()]);
    let key = SigningKey::parse(&keys.webhook.to_owned().into()).unwrap();
    let allow = Allow::parse(&["127.0.0.1"]).unwrap();
    let webhook = Webhook::new(at("/hooks/audit"), key, public.clone(), allow, Arc::new(SystemResolver));
    let loud: Vec<NoticeKind> = NoticeKind::ALL
        .iter()
        .copied()
        .filter(|kind| !matches!(kind, NoticeKind::Requested | NoticeKind::Started))
        .collect();
    Channels {
        list: vec![
            routed("Slack #deploys", Arc::new(slack), Hears::Kinds(loud)),
            routed("PagerDuty", Arc::new(pagerduty), Hears::Pages),
            routed(
                "PagerDuty changes",
                Arc::new(changes),
                Hears::Kinds(vec![NoticeKind::Succeeded]),
            ),
            routed("GitHub issue", Arc::new(issues), Hears::Incidents),
            routed(
                "webhook audit",
                Arc::new(webhook),
                Hears::Kinds(NoticeKind::ALL.to_vec()),
            ),
        ],
        public_url: public,
        github_web: world.stage.sandbox.github_url(),
    }
}

/// Tells until it is dropped.
struct Teller {
    shutdown: CancellationToken,
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn tell(world: &World, db: Db, owner: &str, keys: &Keys) -> Teller {
    let options = OutboxOptions {
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_millis(300),
        ..OutboxOptions::new(owner)
    };
    let outbox = Outbox::new(db, channels(world, keys), options).with_health(Arc::new(Table));
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move { outbox.run(stop).await });
    Teller { shutdown }
}

/// A deployment that a person rolled back in mid-flight.
async fn rolled_back(world: &World) -> DeploymentId {
    world.stage.freeze(true).await;
    let id = world.ready("sha-aaaaaaa").await;
    world.approve(CLEO, id).await.unwrap();
    world
        .until(id, "progress", |d| d.run().is_some_and(|run| run.progress.is_some()))
        .await;
    let reason = "the answers are <wrong>".to_owned();
    world.services.roll_back(&person(BEN), id, reason).await.unwrap();
    world
        .until(id, "the stop", |d| d.run().is_some_and(|run| run.calls.len() > 2))
        .await;
    world.stage.freeze(false).await;
    assert_eq!(world.rests(id).await.state.name(), StateName::RolledBack);
    id
}

/// Waits until so many deliveries there are, each as asked.
async fn deliveries(world: &World, id: DeploymentId, count: usize, wanted: fn(&Delivery) -> bool) -> Vec<Delivery> {
    let mut seen = Vec::new();
    for _ in 0..600 {
        seen = world.db.deliveries_of(id).await.unwrap();
        if seen.len() == count && seen.iter().all(wanted) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("waited for {count} deliveries: {seen:#?}");
}

fn is_told(delivery: &Delivery) -> bool {
    matches!(delivery.state, DeliveryState::Told(_))
}

/// Bodies of what a service took, in the order in which they came.
async fn arrived(world: &World, service: &str) -> Vec<Value> {
    let messages = world
        .stage
        .get(&format!("/messages?service={service}&arrived=true"))
        .await;
    let bodies = messages
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["body"].clone());
    bodies.collect()
}

async fn faults(world: &World, faults: Value) {
    world
        .stage
        .send(reqwest::Method::PUT, "/messages/faults", Some(faults))
        .await;
}

fn slack_ids(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .filter_map(|message| message["metadata"]["event_payload"]["id"].as_str())
        .collect()
}

fn kind_of(id: &str) -> &str {
    id.split('.').nth(1).unwrap()
}

/// Of a rollback by a person: approval needed, rollback started, rolled back on Slack; trigger and resolve; one ticket; and
/// to the webhook a request and a start besides.
const TOLD: usize = 3 + 2 + 1 + 5;

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_told_on_slack_pages_and_resolves_and_opens_one_ticket_although_the_answer_was_lost(
    #[case] base: Base,
) {
    let world = World::new(base).await;
    let _teller = tell(&world, world.db.clone(), "teller-1", &GOOD);
    let lost = json!({ "api_loses_answers": true, "path_prefix": ISSUES, "times": 1 });
    world
        .stage
        .send(reqwest::Method::PUT, "/github/faults", Some(lost))
        .await;
    let id = rolled_back(&world).await;
    let told = deliveries(&world, id, TOLD, is_told).await;

    let slack = arrived(&world, "slack").await;
    let ids = slack_ids(&slack);
    let kinds: Vec<&str> = ids.iter().map(|id| kind_of(id)).collect();
    assert_eq!(kinds, ["approval_needed", "rollback_started", "rolled_back"]);
    assert!(ids.iter().all(|told| told.starts_with(&id.to_string())));
    let cause = slack[1]["text"].as_str().unwrap();
    assert_eq!(
        cause,
        "rag sha-aaaaaaa is being rolled back in production: ben-acme asked for it: “the answers are &lt;wrong&gt;”"
    );
    let button = &slack[1]["blocks"][2]["elements"][0];
    assert_eq!(button["url"], format!("https://tidegate.example.org/deployments/{id}"));

    let pages = arrived(&world, "pagerduty").await;
    let actions: Vec<&str> = pages
        .iter()
        .map(|page| page["event_action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["trigger", "resolve"]);
    assert!(pages.iter().all(|page| page["dedup_key"] == id.to_string()));

    let opened = world
        .stage
        .get(&format!("/github/calls?method=POST&path_prefix={ISSUES}"))
        .await;
    let opened = opened.as_array().unwrap();
    assert_eq!(opened.len(), 1, "it was looked for before it was opened again");
    assert_eq!(opened[0]["status"], 502);
    let body = opened[0]["request_body"]["body"].as_str().unwrap();
    for part in [
        "| Cause | ben-acme asked for it: “the answers are &lt;wrong&gt;” |",
        "| Failure | Other |",
        "of 1 min 30 s, never over 2 min |",
        "| HTTP 5xx rate | 3 % |",
        "https://tidegate.example.org/deployments/",
        "[Workflow run](https://github.com/acme/rag/actions/runs/1)",
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
    assert_eq!(opened[0]["request_body"]["labels"], json!(["incident"]));
    let ticket = told.iter().find(|delivery| delivery.channel == "GitHub issue").unwrap();
    assert_eq!(ticket.attempts, 2);
    let link = format!("{}/acme/rag/issues/1", world.stage.sandbox.github_url());
    assert_eq!(ticket.link.as_deref(), Some(link.as_str()));

    let page = world.services.deployment(&person(BEN), id).await.unwrap();
    assert_eq!(page.told.len(), TOLD);
    assert!(page.told.iter().all(|told| matches!(told.state, Telling::Told(_))));
    world.log_has_no_gap().await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r19_a_channel_that_is_away_delays_nothing_and_hears_of_it_later_with_the_same_id(#[case] base: Base) {
    let world = World::new(base).await;
    let _teller = tell(&world, world.db.clone(), "teller-1", &GOOD);
    let trouble = json!([
        { "service": "slack", "kind": "lost", "times": 1 },
        { "service": "slack", "kind": "reset", "times": 1 },
        { "service": "slack", "kind": "down" },
        { "service": "pagerduty", "kind": "slow", "milliseconds": 1_500, "times": 1 },
    ]);
    faults(&world, trouble).await;
    let id = rolled_back(&world).await;
    let timing = world.get(id).await.rollback_timing().unwrap();
    assert!(timing.to_call().unwrap() <= CALL_WITHIN_MILLIS, "{timing:?}");
    let during = arrived(&world, "slack").await;
    assert_eq!(during.len(), 1, "only the one whose answer was lost");

    world
        .stage
        .send(reqwest::Method::DELETE, "/messages/faults", None)
        .await;
    deliveries(&world, id, TOLD, is_told).await;
    let slack = arrived(&world, "slack").await;
    let kinds: Vec<&str> = slack_ids(&slack).into_iter().map(kind_of).collect();
    assert_eq!(
        kinds,
        ["approval_needed", "approval_needed", "rollback_started", "rolled_back"]
    );
    assert_eq!(
        slack_ids(&slack)[0],
        slack_ids(&slack)[1],
        "the receiver can tell that it has it already"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_one_tells() {
    let world = World::new(Base::Postgres).await;
    let (one, other) = (world.scratch.replica().await, world.scratch.replica().await);
    let _tellers = [
        tell(&world, one, "teller-1", &GOOD),
        tell(&world, other, "teller-2", &GOOD),
    ];
    let id = rolled_back(&world).await;
    let told = deliveries(&world, id, TOLD, is_told).await;
    assert!(told.iter().all(|delivery| delivery.attempts == 1), "{told:#?}");
    assert_eq!(arrived(&world, "slack").await.len(), 3);
    assert_eq!(arrived(&world, "pagerduty").await.len(), 2);
    assert_eq!(arrived(&world, "hooks").await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn success_is_a_change_event_and_calls_nobody() {
    let world = World::new(Base::Sqlite).await;
    let _teller = tell(&world, world.db.clone(), "teller-1", &GOOD);
    let id = world.ready("sha-aaaaaaa").await;
    world.approve(CLEO, id).await.unwrap();
    assert_eq!(world.rests(id).await.state.name(), StateName::Succeeded);
    // Slack: approval needed and success; a change event; the webhook: both, the request and the start.
    deliveries(&world, id, 2 + 1 + 4, is_told).await;
    let pages = arrived(&world, "pagerduty").await;
    assert_eq!(pages.len(), 1);
    assert_eq!(pages[0]["payload"]["summary"], "rag sha-aaaaaaa is live in production");
    assert!(pages[0].get("event_action").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_signed_so_that_the_receiver_can_check_it() {
    let world = World::new(Base::Sqlite).await;
    let _teller = tell(&world, world.db.clone(), "teller-1", &GOOD);
    let id = world.ready("sha-aaaaaaa").await;
    deliveries(&world, id, 1 + 2, is_told).await;
    let hooks = world.stage.get("/messages?service=hooks").await;
    for hook in hooks.as_array().unwrap() {
        let header = |name: &str| hook["headers"][name].as_str().unwrap();
        let text = hook["text"].as_str().unwrap();
        let signed = format!("{}.{}.{text}", header("webhook-id"), header("webhook-timestamp"));
        let mut mac = Hmac::<Sha256>::new_from_slice(b"tidegate-signs-with-this").unwrap();
        mac.update(signed.as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(header("webhook-signature"), expected);
        assert_eq!(header("content-type"), "application/cloudevents+json");
        assert_eq!(hook["body"]["id"], header("webhook-id"));
        let now = world.db.now().await.unwrap().millis() / 1_000;
        let sent: i64 = header("webhook-timestamp").parse().unwrap();
        assert!((now - sent).abs() < 60);
    }
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_told_within_a_day_is_given_up_and_the_log_says_so(#[case] base: Base) {
    let world = World::new(base).await;
    faults(&world, json!([{ "service": "slack", "kind": "down" }])).await;
    let _teller = tell(&world, world.db.clone(), "teller-1", &GOOD);
    let id = world.ready("sha-aaaaaaa").await;
    world
        .services
        .reject(&person(CLEO), id, "not today".to_owned())
        .await
        .unwrap();
    for _ in 0..600 {
        let tried = world.db.deliveries_of(id).await.unwrap();
        if tried
            .iter()
            .any(|delivery| delivery.channel == "Slack #deploys" && delivery.attempts > 1)
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.later(DAY + HOUR);
    let told = deliveries(&world, id, 3, |delivery| {
        !matches!(delivery.state, DeliveryState::Waiting(_))
    })
    .await;
    let given_up = told
        .iter()
        .find(|delivery| delivery.channel == "Slack #deploys")
        .unwrap();
    assert!(matches!(given_up.state, DeliveryState::GivenUp(_)), "{given_up:?}");
    let events = world.events(id).await;
    let warning = events
        .iter()
        .rev()
        .find(|event| event.event.kind == EventKind::WorkerWarning)
        .unwrap();
    assert_eq!(
        warning.event.data["what"],
        "Slack #deploys could not be told: approval needed"
    );
    world.log_has_no_gap().await;
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r33_the_secrets_of_the_channels_are_kept_nowhere_and_shown_to_nobody(#[case] base: Base) {
    let world = World::new(base).await;
    let canaries = Keys {
        slack: "xoxb-canary-slack",
        pagerduty: "canary-pagerduty",
        webhook: "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5",
    };
    let trouble = json!([{ "service": "hooks", "kind": "reset" }]);
    faults(&world, trouble).await;
    let _teller = tell(&world, world.db.clone(), "teller-1", &canaries);
    let id = rolled_back(&world).await;
    let tried =
        |delivery: &Delivery| delivery.channel == "GitHub issue" || delivery.why.is_some() || delivery.attempts == 0;
    deliveries(&world, id, TOLD, tried).await;
    let failed = world.db.deliveries_of(id).await.unwrap();
    let why = |channel: &str| {
        failed
            .iter()
            .find(|d| d.channel == channel)
            .unwrap()
            .why
            .clone()
            .unwrap_or_default()
    };
    assert!(why("Slack #deploys").contains("TIDEGATE_SLACK_TOKEN"), "{failed:#?}");
    assert!(why("PagerDuty").contains("TIDEGATE_PAGERDUTY_KEY"), "{failed:#?}");
    let page = world.services.deployment(&person(BEN), id).await.unwrap();
    let shown = serde_json::to_vec(&page).unwrap();
    let stored = world.scratch.everything_stored().await;
    for canary in [
        canaries.slack,
        canaries.pagerduty,
        &canaries.webhook[6..],
        "canary-canary",
    ] {
        for text in [&shown, &stored] {
            assert!(
                !text.windows(canary.len()).any(|window| window == canary.as_bytes()),
                "{canary}"
            );
        }
    }
}
