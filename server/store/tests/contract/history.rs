//! The history: filters and pages.

use crate::given::{deployment, environment, moment, person, save, save_new, save_release, service, turned};
use tidegate_domain::{
    Approval, ApprovalId, Deployment, DeploymentId, PersonRef, RevisionHash, State, StateName, Timestamp,
    deployment::{RollbackCause, StopRequest},
};
use tidegate_store::{Db, HistoryQuery};
use uuid::Uuid;

fn query() -> HistoryQuery {
    HistoryQuery {
        limit: 100,
        ..HistoryQuery::default()
    }
}

async fn found(db: &Db, query: &HistoryQuery) -> Vec<DeploymentId> {
    db.history(query)
        .await
        .unwrap()
        .into_iter()
        .map(|found| found.value.id)
        .collect()
}

/// Follows the pages from the first to the last.
async fn all_pages(db: &Db, query: &HistoryQuery) -> Vec<DeploymentId> {
    let mut query = query.clone();
    let mut ids = Vec::new();
    loop {
        let page = db.history(&query).await.unwrap();
        let Some(last) = page.last() else { return ids };
        query.after = Some(HistoryQuery::key(&last.value));
        ids.extend(page.into_iter().map(|found| found.value.id));
    }
}

/// Two services in two environments, states and people in turn; several requests share a moment.
async fn many(db: &Db) -> Vec<Deployment> {
    let states = [
        StateName::Succeeded,
        StateName::Rejected,
        StateName::AwaitingApproval,
        StateName::Cancelled,
    ];
    let mut saved = Vec::new();
    for (of, name) in [(1, "rag"), (2, "guardrails")] {
        let release = save_release(db, name, of).await;
        for i in 0..24_usize {
            let environment = if i % 2 == 0 { "staging" } else { "production" };
            let at = i64::try_from(i / 3).unwrap();
            let mut deployment = turned(&deployment(&release, environment, at), states[i / 2 % 4], at + 1);
            deployment.requested_by = if i % 3 == 0 { person(1, "Ada") } else { person(4, "dan") };
            deployment.reason = (i % 5 == 0).then(|| "Fixes 100% of_it!".to_owned());
            save_new(db, &deployment).await;
            saved.push(deployment);
        }
    }
    saved.sort_unstable_by_key(|deployment| std::cmp::Reverse((deployment.requested_at, deployment.id)));
    saved
}

fn is_of(deployment: &Deployment, login: &str) -> bool {
    deployment
        .requested_by
        .human()
        .is_some_and(|person| person.login.eq_ignore_ascii_case(login))
        || (login == "grace" && deployment.state.name() == StateName::Rejected)
        || (login == "ada" && deployment.state.name() == StateName::Cancelled)
}

stories! {
    async fn every_combination_of_filters_finds_exactly_what_it_says(scratch) {
        let saved = many(&scratch.db).await;
        let services = [None, Some(service("rag"))];
        let environments = [None, Some(environment("production"))];
        let states = [None, Some(StateName::Rejected)];
        let people = [None, Some("ADA".to_owned()), Some("grace".to_owned())];
        let spans = [(None, None), (Some(moment(2)), None), (None, Some(moment(6))), (Some(moment(2)), Some(moment(6)))];
        let texts = [None, Some("fixes 100% OF_".to_owned())];
        for (service, environment) in services.iter().flat_map(|s| environments.iter().map(move |e| (s, e))) {
            for (state, person) in states.iter().flat_map(|s| people.iter().map(move |p| (s, p))) {
                for (span, text) in spans.iter().flat_map(|s| texts.iter().map(move |t| (s, t))) {
                    let query = HistoryQuery {
                        service: service.clone(),
                        environment: environment.clone(),
                        state: *state,
                        person: person.clone(),
                        from: span.0,
                        to: span.1,
                        text: text.clone(),
                        after: None,
                        limit: 5,
                    };
                    let expected: Vec<DeploymentId> = saved
                        .iter()
                        .filter(|d| service.as_ref().is_none_or(|service| d.service == *service))
                        .filter(|d| environment.as_ref().is_none_or(|environment| d.environment == *environment))
                        .filter(|d| state.is_none_or(|state| d.state.name() == state))
                        .filter(|d| person.as_ref().is_none_or(|person| is_of(d, &person.to_lowercase())))
                        .filter(|d| span.0.is_none_or(|from| d.requested_at >= from))
                        .filter(|d| span.1.is_none_or(|to| d.requested_at < to))
                        .filter(|d| text.is_none() || d.reason.is_some())
                        .map(|d| d.id)
                        .collect();
                    assert_eq!(all_pages(&scratch.db, &query).await, expected, "{query:?}");
                }
            }
        }
    }

    async fn text_is_found_in_label_digest_commit_service_and_reasons_and_means_itself(scratch) {
        let release = save_release(&scratch.db, "rag", 0xab).await;
        let mut deployment = deployment(&release, "production", 1);
        deployment.reason = Some("Grün 50%".to_owned());
        save_new(&scratch.db, &deployment).await;
        let finds = async |text: &str| !found(&scratch.db, &HistoryQuery { text: Some(text.to_owned()), ..query() }).await.is_empty();
        for text in ["sha-ABABABA", "sha256:abab", &"ab".repeat(20), "RAG", "GRÜN", "50%", " rag "] {
            assert!(finds(text).await, "{text}");
        }
        for text in ["5_%", "0%%", "!", "guardrails", "'; --"] {
            assert!(!finds(text).await, "{text}");
        }
        assert!(!finds("holiday").await);
        save(&scratch.db, &turned(&deployment, StateName::Rejected, 2)).await;
        assert!(finds("holiday").await && finds("50%").await && finds(release.commit.as_str()).await);
    }

    async fn a_person_is_found_by_what_they_requested_approved_rejected_cancelled_or_stopped(scratch) {
        let release = save_release(&scratch.db, "rag", 1).await;
        let new = |at| deployment(&release, "production", at);
        let mut deployment = turned(&new(1), StateName::AwaitingApproval, 1);
        save_new(&scratch.db, &deployment).await;
        let finds = async |login: &str| found(&scratch.db, &HistoryQuery { person: Some(login.to_owned()), ..query() }).await.len();
        assert_eq!((finds("ada").await, finds("bob").await, finds("grace").await), (1, 0, 0));
        deployment.approvals.push(Approval {
            id: ApprovalId::from_uuid(Uuid::now_v7()),
            person: PersonRef::new(5, "Bob"),
            teams: Vec::new(),
            revision: RevisionHash("r".to_owned()),
            at: moment(2),
            comment: None,
            solo: false,
            voided: None,
        });
        save(&scratch.db, &deployment).await;
        save(&scratch.db, &turned(&deployment, StateName::Rejected, 3)).await;
        assert_eq!((finds("ADA").await, finds("bob").await, finds("Grace").await, finds("bo").await), (1, 1, 1, 0));
        let mut cancelled = new(2);
        cancelled.requested_by = person(4, "dan");
        save_new(&scratch.db, &cancelled).await;
        save(&scratch.db, &turned(&cancelled, StateName::Cancelled, 3)).await;
        let mut stopped = turned(&new(4), StateName::Deploying, 4);
        save_new(&scratch.db, &stopped).await;
        if let State::Deploying { run } = &mut stopped.state {
            run.stop = Some(StopRequest {
                cause: RollbackCause::Person {
                    by: PersonRef::new(6, "Hedy"),
                    reason: "errors".to_owned(),
                },
                at: moment(5),
            });
        }
        save(&scratch.db, &stopped).await;
        assert_eq!((finds("ada").await, finds("dan").await, finds("hedy").await), (3, 1, 1));
    }

    async fn pages_have_no_hole_and_no_repeat_while_rows_are_inserted(scratch) {
        let saved = many(&scratch.db).await;
        let writer = tokio::spawn({
            let db = scratch.db.clone();
            async move {
                let release = save_release(&db, "extra", 3).await;
                // Some are newer than everything, some share their moment with what is being paged through.
                for i in 0..40 {
                    save_new(&db, &deployment(&release, "production", if i % 2 == 0 { 1_000 + i } else { i % 8 })).await;
                }
            }
        });
        for round in 0..6 {
            let mut query = HistoryQuery { limit: 3 + round, ..query() };
            let mut seen: Vec<(Timestamp, DeploymentId)> = Vec::new();
            loop {
                let page = scratch.db.history(&query).await.unwrap();
                let Some(last) = page.last() else { break };
                query.after = Some(HistoryQuery::key(&last.value));
                seen.extend(page.iter().map(|found| HistoryQuery::key(&found.value)));
            }
            assert!(seen.is_sorted_by(|newer, older| newer > older), "in order, none twice");
            assert!(saved.iter().all(|d| seen.contains(&HistoryQuery::key(d))), "none left out");
        }
        writer.await.unwrap();
    }
}
