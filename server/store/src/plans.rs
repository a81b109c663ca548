//! How SQLite finds the rows of each list: by an index that is already in order, never by sorting.

use crate::{AuditQuery, HistoryQuery, RecordedQuery, sql::Sql, testing::Scratch};
use sqlx::AssertSqlSafe;
use tidegate_domain::{DeploymentId, EnvironmentName, ServiceName, StateName, Timestamp};
use uuid::Uuid;

async fn plan(scratch: &Scratch, sql: Sql) -> String {
    let (text, _) = sql.into_parts();
    explain(scratch, &text).await
}

async fn explain(scratch: &Scratch, text: &str) -> String {
    let crate::sql::Either::Sqlite(pool) = scratch.db.read() else {
        panic!("plans are those of SQLite");
    };
    let explained = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
    let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained).fetch_all(pool).await.unwrap();
    rows.into_iter().map(|row| row.3).collect::<Vec<_>>().join("; ")
}

fn in_order(plan: &str) -> bool {
    (plan.contains("INDEX") || plan.contains("PRIMARY KEY"))
        && !plan.contains("SCAN a ")
        && !plan.contains("TEMP B-TREE")
}

#[tokio::test]
async fn p02_every_combination_of_history_filters_walks_an_index_in_order() {
    let scratch = Scratch::sqlite().await;
    for bits in 0..128_u32 {
        let has = |bit: u32| bits & (1 << bit) != 0;
        let at = Timestamp::from_millis(1);
        let query = HistoryQuery {
            service: has(0).then(|| ServiceName::new("rag").unwrap()),
            environment: has(1).then(|| EnvironmentName::new("production").unwrap()),
            state: has(2).then_some(StateName::Succeeded),
            person: has(3).then(|| "ada".to_owned()),
            from: has(4).then_some(at),
            to: has(4).then_some(at),
            text: has(5).then(|| "x".to_owned()),
            after: has(6).then(|| (at, DeploymentId::from_uuid(Uuid::nil()))),
            limit: 50,
        };
        let plan = plan(&scratch, query.to_sql(false)).await;
        assert!(in_order(&plan), "{query:?}: {plan}");
        let expected = match (has(3), has(0), has(1), has(2)) {
            (true, ..) => "SEARCH p USING PRIMARY KEY ",
            (_, true, true, true) => "INDEX history_lane_state ",
            (_, true, true, false) => "INDEX history_lane ",
            (_, true, false, true) => "INDEX history_service_state ",
            (_, true, false, false) => "INDEX history_service ",
            (_, false, true, true) => "INDEX history_environment_state ",
            (_, false, true, false) => "INDEX history_environment ",
            (_, false, false, true) => "INDEX history_state ",
            (_, false, false, false) => "INDEX history_all ",
        };
        assert!(format!("{plan} ").contains(expected), "{query:?}: {plan}");
    }
}

#[tokio::test]
async fn every_single_filter_of_the_audit_log_walks_an_index_in_order() {
    let scratch = Scratch::sqlite().await;
    let none = AuditQuery {
        limit: 50,
        before_seq: Some(9),
        from: Some(Timestamp::from_millis(1)),
        to: Some(Timestamp::from_millis(2)),
        ..AuditQuery::default()
    };
    let service = Some(ServiceName::new("rag").unwrap());
    let environment = Some(EnvironmentName::new("production").unwrap());
    let one = |edit: &dyn Fn(&mut AuditQuery)| {
        let mut query = none.clone();
        edit(&mut query);
        query
    };
    for (query, index) in [
        (one(&|_| {}), "SEARCH a USING INTEGER PRIMARY KEY "),
        (one(&|q| q.kind = Some("deployment.requested".to_owned())), "audit_kind"),
        (one(&|q| q.kind = Some("deployment".to_owned())), "audit_area"),
        (one(&|q| q.service = service.clone()), "audit_service"),
        (one(&|q| q.environment = environment.clone()), "audit_environment"),
        (
            one(&|q| (q.service, q.environment) = (service.clone(), environment.clone())),
            "audit_lane",
        ),
        (one(&|q| q.person = Some("ada".to_owned())), "audit_person"),
        (
            one(&|q| q.deployment = Some(DeploymentId::from_uuid(Uuid::nil()))),
            "audit_deployment",
        ),
    ] {
        let plan = plan(&scratch, query.to_sql(false)).await;
        assert!(in_order(&plan) && plan.contains(index), "{query:?}: {plan}");
    }
}

#[tokio::test]
async fn lanes_claims_and_the_matrix_use_their_indexes() {
    let scratch = Scratch::sqlite().await;
    for (statement, index) in [
        (crate::lanes::IN_FLIGHT, "deployments_lane"),
        (crate::lanes::LATEST_SUCCEEDED, "deployments_succeeded"),
        (crate::lanes::SUCCEEDED_BEFORE, "deployments_succeeded"),
        (crate::lanes::DIGEST_SUCCEEDED, "deployments_digest"),
        (crate::lanes::NEWER, "history_lane"),
        (crate::lanes::OPEN, "deployments_open"),
        (crate::claims::DUE, "work_due"),
        (crate::health::DUE, "health_watches_due"),
        (crate::outbox::UNROUTED, "outbox_unrouted"),
    ] {
        let plan = explain(&scratch, statement).await;
        assert!(in_order(&plan) && plan.contains(index), "{statement}: {plan}");
    }
}

#[tokio::test]
async fn recorded_deployments_are_listed_by_an_index_in_order() {
    let scratch = Scratch::sqlite().await;
    for lane in [false, true] {
        let query = RecordedQuery {
            service: lane.then(|| ServiceName::new("rag").unwrap()),
            environment: lane.then(|| EnvironmentName::new("production").unwrap()),
            from: Some(Timestamp::from_millis(1)),
            to: Some(Timestamp::from_millis(2)),
            after: Some((Timestamp::from_millis(1), DeploymentId::from_uuid(Uuid::nil()))),
            limit: 50,
        };
        let plan = plan(&scratch, query.to_sql(false)).await;
        let index = if lane {
            "health_recordings_lane"
        } else {
            "health_recordings_all"
        };
        assert!(in_order(&plan) && plan.contains(index), "{plan}");
    }
}
