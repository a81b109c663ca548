//! What was measured: kept once, whole for a replay, thinner with age; and what people said afterwards.

use crate::given::{deployment, environment, moment, save, save_new, save_release, service, turned};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use tidegate_domain::{
    Deployment, DeploymentId, EnvironmentName, PersonRef, ServiceName, StateName, Timestamp,
    health::{
        Action, Condition, During, Ending, Evaluation, HealthDefinition, Hold, Limit, Mark, Number, Outcome, Point,
        Query, Recorded, Rule, Series, Which,
    },
    time::{DAY, HOUR, MINUTE, SECOND},
};
use tidegate_store::{
    Clock, Conflict, Db, EvaluationsQuery, HealthRetention, HealthRow, Marked, NewEvaluation, PoolOptions,
    RecordedQuery, Retention, SessionLife, StoreError, testing::Scratch,
};

const LEASE: i64 = 30_000;

fn lane() -> (ServiceName, EnvironmentName) {
    (service("rag"), environment("production"))
}

fn query(text: &str) -> Query {
    Query::Prometheus {
        query: text.to_owned(),
        step_seconds: 60,
    }
}

fn definition(limit: f64) -> HealthDefinition {
    let condition = Condition::Limits {
        limits: vec![Limit::Absolute {
            value: Number::new(limit).unwrap(),
        }],
        during: During::Datapoints { m: 2, n: 3 },
    };
    HealthDefinition {
        name: "careful".to_owned(),
        interval_seconds: 30,
        rules: vec![Rule::new(
            "errors",
            "errors",
            query("errors"),
            condition,
            Action::RollBack,
        )],
        hold: Hold::default(),
    }
}

fn evaluation(at: Timestamp, outcome: Outcome) -> Evaluation {
    Evaluation {
        at,
        definition: "careful".to_owned(),
        version: definition(1.0).version(),
        outcome,
        cause: (outcome != Outcome::Healthy).then(|| "errors".to_owned()),
        rules: Vec::new(),
    }
}

fn series(which: Which, text: &str, points: &[(Timestamp, f64)]) -> Recorded {
    Recorded {
        which,
        query: query(text),
        series: Series::new(points.iter().map(|(at, value)| Point { at: *at, value: *value })),
    }
}

async fn record(db: &Db, deployment: Option<DeploymentId>, evaluation: &Evaluation, series: &[Recorded]) {
    let (service, environment) = lane();
    let mut tx = db.begin().await.unwrap();
    tx.record_evaluation(&NewEvaluation {
        deployment,
        service: &service,
        environment: &environment,
        evaluation,
        series,
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

async fn deployed(db: &Db, state: StateName, at: i64) -> Deployment {
    let release = save_release(db, "rag", u8::try_from(at % 200).unwrap()).await;
    let new = deployment(&release, "production", at);
    save_new(db, &new).await;
    let new = turned(&new, state, at);
    save(db, &new).await;
    new
}

/// The same database, some time later or earlier.
async fn shifted(scratch: &Scratch) -> (Db, Arc<AtomicI64>) {
    let by = Arc::new(AtomicI64::new(0));
    let options = PoolOptions {
        clock: Clock::Shifted(by.clone()),
        ..PoolOptions::default()
    };
    (Db::connect(&scratch.url, options).await.unwrap(), by)
}

async fn prune(db: &Db) -> u64 {
    db.prune(SessionLife::default(), Retention::default()).await.unwrap()
}

/// Values of the series `errors`, by minutes after `from`.
async fn points(db: &Db, id: DeploymentId, from: Timestamp) -> Vec<(i64, f64)> {
    let recording = db.recording(id).await.unwrap().unwrap();
    let found = recording
        .series
        .iter()
        .find(|series| series.query == query("errors"))
        .unwrap();
    let points = found.series.points().iter();
    points
        .map(|point| (point.at.since(from) / MINUTE, point.value))
        .collect()
}

stories! {
    async fn evaluations_of_a_deployment_come_back_in_order_and_no_others(scratch) {
        let db = &scratch.db;
        let (one, other) = (deployed(db, StateName::Deploying, 1).await, deployed(db, StateName::Succeeded, 2).await);
        let first = evaluation(moment(10), Outcome::Pending);
        let second = evaluation(moment(20), Outcome::RollBack);
        record(db, Some(one.id), &second, &[]).await;
        record(db, Some(one.id), &first, &[]).await;
        record(db, None, &evaluation(moment(30), Outcome::Alert), &[]).await;
        assert_eq!(db.evaluations_of(one.id).await.unwrap(), [first.clone(), second.clone()]);
        assert_eq!(db.last_evaluation(one.id).await.unwrap(), Some(second));
        assert_eq!(
            db.outcomes_of(one.id).await.unwrap(),
            [(moment(10), Outcome::Pending), (moment(20), Outcome::RollBack)]
        );
        assert_eq!(db.last_evaluation(other.id).await.unwrap(), None);
        assert_eq!(db.recording(other.id).await.unwrap(), None);
        // Made once more at the same moment, it is the later that counts.
        let again = evaluation(moment(10), Outcome::Healthy);
        record(db, Some(one.id), &again, &[]).await;
        assert_eq!(db.evaluations_of(one.id).await.unwrap()[0], again);
    }

    async fn windows_that_overlap_are_kept_once_and_the_later_value_counts(scratch) {
        let db = &scratch.db;
        let new = deployed(db, StateName::Succeeded, 60_000).await;
        let at = |minute: i64| moment(minute * MINUTE);
        let first = [
            series(Which::New, "errors", &[(at(0), 1.0), (at(1), 2.0)]),
            // The same for another rule, and a baseline that is another series.
            series(Which::New, "errors", &[(at(0), 1.0)]),
            series(Which::Baseline, "errors", &[(at(-1), 0.5)]),
            series(Which::Stable, "silent", &[]),
        ];
        record(db, Some(new.id), &evaluation(at(2), Outcome::Pending), &first).await;
        let second = [series(Which::New, "errors", &[(at(1), 4.25), (at(2), 3.0)])];
        record(db, Some(new.id), &evaluation(at(3), Outcome::Healthy), &second).await;
        let recording = db.recording(new.id).await.unwrap().unwrap();
        let mut found = recording.series.clone();
        found.sort_by_key(|recorded| recorded.which);
        assert_eq!(
            found,
            [
                series(Which::New, "errors", &[(at(0), 1.0), (at(1), 4.25), (at(2), 3.0)]),
                // Asked, and nothing was there: that is not the same as not asked.
                series(Which::Stable, "silent", &[]),
                series(Which::Baseline, "errors", &[(at(-1), 0.5)]),
            ]
        );
        assert_eq!(recording.deployment, new.id.to_string());
        assert_eq!(recording.ended_at, at(3));
        assert_eq!(recording.course.started_at, at(2), "nothing is known of its traffic but when it was looked at first");
        let happened = recording.happened.unwrap();
        assert_eq!((happened.ending, happened.at), (Ending::Passed, moment(60_000)));
    }

    async fn a_long_window_is_kept_in_one_go(scratch) {
        let db = &scratch.db;
        let new = deployed(db, StateName::Deploying, 1).await;
        let long: Vec<_> = (0..2_500_i32).map(|minute| (moment(i64::from(minute) * MINUTE), f64::from(minute))).collect();
        let long = [series(Which::New, "errors", &long)];
        for at in [0, 1] {
            record(db, Some(new.id), &evaluation(moment(at), Outcome::Healthy), &long).await;
        }
        let kept = points(db, new.id, moment(0)).await;
        assert_eq!((kept.len(), kept[2_499]), (2_500, (2_499, 2_499.0)));
    }

    async fn a_definition_is_kept_under_its_version_once(scratch) {
        let db = &scratch.db;
        let (old, new) = (definition(1.0), definition(2.0));
        for definition in [&old, &old, &new] {
            let mut tx = db.begin().await.unwrap();
            tx.keep_definition(definition).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(db.definition(&old.version()).await.unwrap(), Some(old.clone()));
        assert_eq!(db.definition("none").await.unwrap(), None);
        let all = db.definitions(Some("careful"), None, 10).await.unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(db.definitions(Some("other"), None, 10).await.unwrap(), []);
        // Page by page.
        let first = db.definitions(None, None, 1).await.unwrap().remove(0);
        let rest = db.definitions(None, Some((first.kept_at, &first.version)), 10).await.unwrap();
        assert_eq!((first, rest), (all[0].clone(), all[1..].to_vec()));
    }

    async fn recorded_deployments_are_listed_by_lane_and_time_page_by_page(scratch) {
        let db = &scratch.db;
        let mut ids = Vec::new();
        for at in [1, 2, 3] {
            let new = deployed(db, StateName::Succeeded, at).await;
            record(db, Some(new.id), &evaluation(moment(at), Outcome::Healthy), &[]).await;
            record(db, Some(new.id), &evaluation(moment(at + 100), Outcome::Healthy), &[]).await;
            ids.insert(0, new.id);
        }
        record(db, None, &evaluation(moment(4), Outcome::Healthy), &[]).await;
        let all = RecordedQuery { limit: 10, ..RecordedQuery::default() };
        let rows = db.recorded(&all).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.deployment).collect::<Vec<_>>(), ids);
        assert_eq!((rows[0].began_at, rows[0].last_at, rows[0].whole), (moment(3), moment(103), true));
        let (service, environment) = lane();
        let here = RecordedQuery { service: Some(service), environment: Some(environment), ..all.clone() };
        assert_eq!(db.recorded(&here).await.unwrap(), rows);
        let elsewhere = RecordedQuery { environment: Some(crate::given::environment("staging")), ..here.clone() };
        assert_eq!(db.recorded(&elsewhere).await.unwrap(), []);
        let middle = RecordedQuery { from: Some(moment(2)), to: Some(moment(3)), ..here.clone() };
        assert_eq!(db.recorded(&middle).await.unwrap(), rows[1..2]);
        let next = RecordedQuery { after: Some(rows[0].key()), limit: 1, ..here };
        assert_eq!(db.recorded(&next).await.unwrap(), rows[1..2]);
    }

    async fn what_people_said_counts_last_and_is_part_of_the_recording(scratch) {
        let db = &scratch.db;
        let new = deployed(db, StateName::Succeeded, 1).await;
        record(db, Some(new.id), &evaluation(moment(1), Outcome::Healthy), &[]).await;
        assert_eq!(db.mark_of(new.id).await.unwrap(), None);
        for (mark, comment) in [(Mark::Fine, None), (Mark::Incident, Some("carts were lost".to_owned()))] {
            let marked = Marked { mark, comment, by: PersonRef::new(1, "ada"), at: moment(5) };
            let mut tx = db.begin().await.unwrap();
            tx.mark_deployment(new.id, &marked).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(db.mark_of(new.id).await.unwrap(), Some(marked));
        }
        assert_eq!(db.recording(new.id).await.unwrap().unwrap().mark, Some(Mark::Incident));
        let rows = db.recorded(&RecordedQuery { limit: 10, ..RecordedQuery::default() }).await.unwrap();
        assert_eq!(rows[0].mark, Some(Mark::Incident));
    }

    async fn a_hold_that_was_continued_is_what_happened(scratch) {
        let db = &scratch.db;
        let new = deployed(db, StateName::Succeeded, 90_000).await;
        for (at, outcome) in [(1, Outcome::Healthy), (2, Outcome::Hold), (3, Outcome::Hold), (4, Outcome::Healthy)] {
            record(db, Some(new.id), &evaluation(moment(at), outcome), &[]).await;
        }
        let happened = db.recording(new.id).await.unwrap().unwrap().happened.unwrap();
        assert_eq!((happened.ending, happened.at), (Ending::Held, moment(2)));
    }

    async fn a_deployment_that_went_well_is_thinned_with_age_and_says_so(scratch) {
        let (db, by) = shifted(&scratch).await;
        let five = 5 * MINUTE;
        let now = db.now().await.unwrap().millis();
        let base = Timestamp::from_millis(now - now.rem_euclid(five));
        let new = deployed(&db, StateName::Succeeded, 1).await;
        // Two values are the lowest and the highest of the first five minutes; the next five are all the same.
        let values = [3.0, 9.0, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0, 5.0];
        for (minute, value) in values.into_iter().enumerate() {
            let at = base.plus_millis(i64::try_from(minute).unwrap() * MINUTE);
            let outcome = if minute == 3 { Outcome::Alert } else { Outcome::Healthy };
            record(&db, Some(new.id), &evaluation(at, outcome), &[series(Which::New, "errors", &[(at, value)])]).await;
        }
        prune(&db).await;
        assert_eq!((db.evaluations_of(new.id).await.unwrap().len(), points(&db, new.id, base).await.len()), (10, 10));
        // After two days: the first of each five minutes, the two that changed something, and the last.
        by.store(2 * DAY + HOUR, Ordering::Relaxed);
        prune(&db).await;
        let minutes = |kept: Vec<(Timestamp, Outcome)>| -> Vec<i64> {
            kept.iter().map(|(at, _)| at.since(base) / MINUTE).collect()
        };
        assert_eq!(minutes(db.outcomes_of(new.id).await.unwrap()), [0, 3, 4, 5, 9]);
        assert_eq!(points(&db, new.id, base).await.len(), 10);
        let all = RecordedQuery { limit: 10, ..RecordedQuery::default() };
        assert!(db.recorded(&all).await.unwrap()[0].whole);
        assert_eq!(prune(&db).await, 0);
        // After thirty: the lowest and the highest of each five minutes, at their moments; the last is never touched.
        by.store(30 * DAY + HOUR, Ordering::Relaxed);
        prune(&db).await;
        assert_eq!(points(&db, new.id, base).await, [(1, 9.0), (2, 1.0), (5, 5.0), (9, 5.0)]);
        assert!(!db.recorded(&all).await.unwrap()[0].whole);
        by.store(181 * DAY, Ordering::Relaxed);
        prune(&db).await;
        assert_eq!(db.recorded(&all).await.unwrap(), []);
        assert_eq!(db.recording(new.id).await.unwrap(), None);
    }

    async fn what_held_rolled_back_or_was_marked_stays_whole(scratch) {
        let (db, by) = shifted(&scratch).await;
        let base = db.now().await.unwrap();
        let mut ids = Vec::new();
        for (at, outcome) in [(1, Outcome::Hold), (2, Outcome::RollBack), (3, Outcome::Healthy)] {
            let new = deployed(&db, StateName::Succeeded, at).await;
            for second in 0..9 {
                let at = base.plus_millis(second * SECOND);
                let outcome = if second == 4 { outcome } else { Outcome::Healthy };
                record(&db, Some(new.id), &evaluation(at, outcome), &[series(Which::New, "errors", &[(at, 1.0)])]).await;
            }
            ids.push(new.id);
        }
        let marked = Marked { mark: Mark::Incident, comment: None, by: PersonRef::new(1, "ada"), at: base };
        let mut tx = db.begin().await.unwrap();
        tx.mark_deployment(ids[2], &marked).await.unwrap();
        tx.commit().await.unwrap();
        by.store(1_000 * DAY, Ordering::Relaxed);
        prune(&db).await;
        for id in ids {
            assert_eq!(db.evaluations_of(id).await.unwrap().len(), 9, "{id}");
            assert_eq!(points(&db, id, base).await.len(), 9, "{id}");
        }
    }

    async fn between_deployments_an_hour_keeps_one_evaluation_and_every_spike(scratch) {
        let (db, by) = shifted(&scratch).await;
        let now = db.now().await.unwrap().millis();
        let base = Timestamp::from_millis(now - now.rem_euclid(HOUR) - 3 * DAY);
        let values = [3.0, 9.0, 1.0, 2.0, 4.0, 5.0];
        for (number, value) in (0_i64..).zip(values) {
            let at = base.plus_millis(number * 10 * MINUTE);
            let outcome = if number == 3 { Outcome::Hold } else { Outcome::Healthy };
            let read = [series(Which::New, "errors", &[(at, value), (at.plus_millis(MINUTE), value * 10.0)])];
            record(&db, None, &evaluation(at, outcome), &read).await;
        }
        prune(&db).await;
        let (service, environment) = lane();
        let query = EvaluationsQuery { service, environment, before: None, limit: 10 };
        let kept = db.evaluations_between(&query).await.unwrap();
        let minutes: Vec<i64> = kept.iter().map(|kept| kept.at.since(base) / MINUTE).collect();
        assert_eq!(minutes, [40, 30, 0], "newest first: the two changes, and the first of the hour");
        let page = EvaluationsQuery { before: Some(kept[0].at), limit: 1, ..query.clone() };
        assert_eq!(db.evaluations_between(&page).await.unwrap(), kept[1..2]);
        assert_eq!(prune(&db).await, 0);
        by.store(90 * DAY, Ordering::Relaxed);
        assert_eq!(prune(&db).await, 3 + 12, "nothing of it is left");
        assert_eq!(db.evaluations_between(&query).await.unwrap(), []);
    }

    async fn r12_of_two_replicas_one_watches_and_who_lost_the_lease_saves_nothing(scratch) {
        let (db, by) = shifted(&scratch).await;
        let (service, environment) = lane();
        assert_eq!(db.next_watch_due().await.unwrap(), None);
        db.ensure_watches(&[(service.clone(), environment.clone(), HOUR)]).await.unwrap();
        assert_eq!(db.due_watches(10).await.unwrap(), [lane()]);
        let lost = db.claim_watch(&service, &environment, "one", LEASE).await.unwrap().unwrap();
        assert_eq!(db.claim_watch(&service, &environment, "two", LEASE).await.unwrap(), None);
        by.store(LEASE + SECOND, Ordering::Relaxed);
        let taken = db.claim_watch(&service, &environment, "two", LEASE).await.unwrap().unwrap();
        let mut tx = db.begin().await.unwrap();
        let refused = tx.hold_watch(&lost).await;
        assert!(matches!(refused, Err(StoreError::Conflict(Conflict::Lease))), "{refused:?}");
        let (now, before) = tx.hold_watch(&taken).await.unwrap();
        assert_eq!(before, None);
        let row = HealthRow { outcome: Outcome::Hold, since: moment(1), breached_at: Some(moment(1)) };
        let next = now.plus_millis(HOUR);
        tx.save_watch(&taken, Some(&row), next).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(db.watches_of(&service).await.unwrap(), [(environment.clone(), row)]);
        assert_eq!(db.next_watch_due().await.unwrap(), Some(next));
        assert_eq!(db.due_watches(10).await.unwrap(), []);
        by.store(2 * HOUR, Ordering::Relaxed);
        let third = db.claim_watch(&service, &environment, "one", LEASE).await.unwrap().unwrap();
        let healthy = HealthRow { outcome: Outcome::Healthy, since: moment(2), breached_at: None };
        let mut tx = db.begin().await.unwrap();
        assert_eq!(tx.hold_watch(&third).await.unwrap().1, Some(row));
        tx.save_watch(&third, Some(&healthy), next).await.unwrap();
        tx.commit().await.unwrap();
        let kept = HealthRow { breached_at: Some(moment(1)), ..healthy };
        assert_eq!(db.watches_of(&service).await.unwrap(), [(environment, kept)], "the last breach stays known");
    }
}

#[test]
fn figures_of_keeping_are_those_that_are_written_down() {
    let keep = HealthRetention::default();
    assert_eq!(
        (
            keep.evaluations_dense_millis,
            keep.points_dense_millis,
            keep.deployments_dense_millis
        ),
        (2 * DAY, 2 * DAY, 30 * DAY)
    );
    assert_eq!((keep.history_millis, keep.deployments_millis), (90 * DAY, 180 * DAY));
}
