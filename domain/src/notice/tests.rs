//! What is told of which change.

use super::*;
use crate::{
    access::Actor,
    deployment::CloudStatus,
    deployment::{
        Failure, Outcome, Transition,
        tests::{deploying, facts, moment, person, progress, queued, requested, started, step},
    },
    name::PersonRef,
    time::MINUTE,
};
use rstest::rstest;

fn change(before: &Deployment, transition: Transition, now: Timestamp) -> (Deployment, Vec<Notice>) {
    let (after, events) = before.apply(transition, now).unwrap();
    let told = notices(Some(before), &after, &events, 7, now);
    (after, told)
}

fn by_person() -> RollbackCause {
    RollbackCause::Person {
        by: PersonRef::new(3, "cleo"),
        reason: "the answers are wrong".to_owned(),
    }
}

fn stop(cause: RollbackCause) -> Transition {
    Transition::RequestStop {
        actor: person(3),
        cause,
    }
}

fn see(cause: RollbackCause) -> Transition {
    Transition::SeeRollback {
        rollback: Some("d-2".to_owned()),
        cause,
    }
}

fn hold_it(unanswered: Unanswered) -> Transition {
    Transition::Hold {
        hold: Hold {
            rule: "error-log rate".to_owned(),
            why: "7 times the baseline".to_owned(),
            since: moment(10),
            until: moment(10 + 30 * MINUTE),
            unanswered,
        },
    }
}

fn words<'a>(notice: &'a Notice, name: &str) -> &'a str {
    let found = notice.facts.iter().find(|fact| fact.name == name);
    &found.unwrap_or_else(|| panic!("{name} in {notice:#?}")).words
}

fn rolling_back() -> Deployment {
    let (stopped, _) = change(&deploying(), stop(by_person()), moment(1_000));
    change(&stopped, see(by_person()), moment(4_000)).0
}

#[rstest]
#[case::succeeded(deploying(), Transition::Succeed, NoticeKind::Succeeded, Severity::Good, None, false)]
#[case::held(
    deploying(),
    hold_it(Unanswered::RollBack),
    NoticeKind::Held,
    Severity::Warning,
    Some(Page::Trigger),
    false
)]
#[case::rollback_asked_for(
    deploying(),
    stop(by_person()),
    NoticeKind::RollbackStarted,
    Severity::Error,
    Some(Page::Trigger),
    false
)]
#[case::rollback_by_aws(
    deploying(),
    see(RollbackCause::Cloud { message: "an alarm".to_owned() }),
    NoticeKind::RollbackStarted,
    Severity::Error,
    Some(Page::Trigger),
    false
)]
#[case::rolled_back(
    rolling_back(),
    Transition::FinishRollback,
    NoticeKind::RolledBack,
    Severity::Warning,
    Some(Page::Resolve),
    true
)]
#[case::failed_while_users_met_it(
    deploying(),
    Transition::Fail { failure: Failure { code: None, message: "lost".to_owned() } },
    NoticeKind::Failed,
    Severity::Critical,
    Some(Page::Trigger),
    true
)]
#[case::failed_before_users_could_meet_it(
    started(),
    Transition::Fail { failure: Failure { code: None, message: "too late".to_owned() } },
    NoticeKind::Failed,
    Severity::Error,
    None,
    false
)]
fn each_change_that_matters_is_told_once(
    #[case] before: Deployment,
    #[case] transition: Transition,
    #[case] kind: NoticeKind,
    #[case] severity: Severity,
    #[case] page: Option<Page>,
    #[case] incident: bool,
) {
    let (_, told) = change(&before, transition, moment(20_000));
    let told: Vec<_> = told
        .iter()
        .map(|notice| (notice.kind, notice.severity, notice.page, notice.incident))
        .collect();
    assert_eq!(told, [(kind, severity, page, incident)]);
}

#[test]
fn a_notice_has_the_same_id_whenever_the_same_change_is_saved() {
    let (_, first) = change(&deploying(), Transition::Succeed, moment(20_000));
    let (_, again) = change(&deploying(), Transition::Succeed, moment(20_000));
    assert_eq!(first, again);
    assert_eq!(first[0].id, "00000000-0000-0000-0000-000000000001.succeeded.7");
    assert_eq!(first[0].title, "rag sha-1234567 is live in production");
}

#[test]
fn a_new_deployment_is_told_as_a_request() {
    let deployment = requested();
    let told = notices(None, &deployment, &[deployment.requested_event()], 1, moment(0));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].title, "rag sha-1234567 was requested for production");
    assert_eq!(words(&told[0], "Requested by"), "person-1");
}

#[test]
fn approval_is_asked_for_once_for_each_revision() {
    let before = requested();
    let awaiting = step(&before, &facts(), moment(1));
    let told = notices(Some(&before), &awaiting, &[], 2, moment(1));
    assert_eq!(told[0].kind, NoticeKind::ApprovalNeeded);
    assert_eq!(words(&told[0], "Approve until"), "2023-11-15T22:13:20.000Z");
    assert_eq!(notices(Some(&awaiting), &awaiting, &[], 3, moment(2)), []);
    let mut other = awaiting.clone();
    if let State::AwaitingApproval { revision, .. } = &mut other.state {
        revision.task_definition = "another".to_owned();
    }
    let told = notices(Some(&awaiting), &other, &[], 4, moment(3));
    assert_eq!(told[0].kind, NoticeKind::ApprovalNeeded);
}

#[test]
fn a_start_is_told_and_what_the_cloud_is_asked_for_after_it_is_not() {
    let told = notices(Some(&queued()), &started(), &[], 5, moment(3));
    assert_eq!(told[0].kind, NoticeKind::Started);
    assert_eq!(notices(Some(&started()), &deploying(), &[], 6, moment(7)), []);
    let (_, told) = change(
        &deploying(),
        Transition::Observe {
            progress: progress(CloudStatus::InProgress),
        },
        moment(9),
    );
    assert_eq!(told, []);
}

#[test]
fn a_hold_says_who_may_answer_until_when_and_what_happens_if_nobody_does() {
    let (held, told) = change(&deploying(), hold_it(Unanswered::RollBack), moment(10));
    let notice = &told[0];
    assert_eq!(notice.title, "rag sha-1234567 is held in production");
    assert_eq!(words(notice, "Cause"), "error-log rate: 7 times the baseline");
    assert_eq!(words(notice, "Answer until"), "2023-11-14T22:43:20.010Z");
    assert_eq!(words(notice, "If nobody does",), "it is rolled back");
    assert!(words(notice, "Who may answer").contains("deployers, approvers and admins"));
    assert!(
        words(notice, "Traffic").contains("cannot stop it from moving on"),
        "CodeDeploy does not pause"
    );

    let resume = Transition::Resume {
        actor: person(2),
        reason: Some("a known batch job".to_owned()),
    };
    let (goes_on, told) = change(&held, resume, moment(20));
    assert_eq!(
        (told[0].kind, told[0].page),
        (NoticeKind::Continued, Some(Page::Acknowledge))
    );
    assert_eq!(words(&told[0], "Answered by"), "person-2");
    assert_eq!(words(&told[0], "Why"), "a known batch job");
    let (_, told) = change(&goes_on, Transition::Succeed, moment(30));
    assert_eq!(
        told[0].page,
        Some(Page::Resolve),
        "whoever was called is told that it is over"
    );
}

#[test]
fn a_hold_that_nobody_answered_and_that_was_to_go_on_says_so() {
    let (held, told) = change(&deploying(), hold_it(Unanswered::Continue), moment(10));
    assert_eq!(words(&told[0], "If nobody does"), "it goes on");
    let resume = Transition::Resume {
        actor: Actor::system("worker"),
        reason: None,
    };
    let (_, told) = change(&held, resume, moment(20));
    assert!(words(&told[0], "Answered by").starts_with("nobody"));
}

#[test]
fn a_rollback_is_told_when_it_is_decided_and_not_again_when_it_is_seen() {
    let (stopped, told) = change(&deploying(), stop(by_person()), moment(1_000));
    assert_eq!(words(&told[0], "Cause"), "cleo asked for it: “the answers are wrong”");
    let (_, told) = change(&stopped, see(by_person()), moment(4_000));
    assert_eq!(told, []);
}

#[test]
fn the_end_of_a_rollback_says_how_long_it_took_beside_what_was_promised() {
    let (_, told) = change(&rolling_back(), Transition::FinishRollback, moment(46_000));
    let notice = &told[0];
    assert_eq!(notice.title, "rag sha-1234567 was rolled back in production");
    assert_eq!(words(notice, "Failure"), "Other");
    // Decided at 1 s, over at 46 s; nobody promised anything for what is none of the known failures.
    assert_eq!(words(notice, "Back to normal after"), "45 s");
    assert_eq!(
        words(notice, "Decision to all traffic back"),
        "45 s of 1 min 30 s, never over 2 min"
    );
}

#[test]
fn a_smoke_failure_is_bad_code_with_its_time_to_recover() {
    let cause = RollbackCause::Smoke {
        test: "chat_basic".to_owned(),
        why: "500".to_owned(),
    };
    let (stopped, _) = change(&deploying(), stop(cause.clone()), moment(1_000));
    let (back, _) = change(&stopped, see(cause), moment(2_000));
    let (_, told) = change(&back, Transition::FinishRollback, moment(31_000));
    assert_eq!(words(&told[0], "Failure"), "Bad code passed the tests");
    assert_eq!(words(&told[0], "Back to normal after"), "30 s of 3 min");
}

#[test]
fn one_that_is_stopped_before_it_reached_anybody_ends_the_page() {
    let (stopped, told) = change(&started(), stop(by_person()), moment(4));
    assert_eq!(told[0].page, Some(Page::Trigger));
    let (_, told) = change(&stopped, Transition::Abort, moment(5));
    assert_eq!(
        (told[0].kind, told[0].page),
        (NoticeKind::Cancelled, Some(Page::Resolve))
    );
}

#[test]
fn a_refusal_by_aws_is_told_in_plain_words() {
    let failure = Failure {
        code: Some("HEALTH_CONSTRAINTS".to_owned()),
        message: "The deployment failed".to_owned(),
    };
    let (_, told) = change(&deploying(), Transition::Fail { failure }, moment(9));
    assert_eq!(
        words(&told[0], "AWS's code"),
        "HEALTH_CONSTRAINTS: too few of the new tasks became healthy"
    );
}

#[test]
fn going_back_to_an_earlier_release_is_a_rollback_to_those_who_are_told() {
    let going_back = |mut deployment: Deployment| {
        deployment.kind = Kind::Rollback {
            of: DeploymentId::from_uuid(uuid::Uuid::from_u128(3)),
            by: PersonRef::new(3, "cleo"),
            reason: "slow".to_owned(),
        };
        deployment
    };
    let told = notices(Some(&going_back(queued())), &going_back(started()), &[], 5, moment(3));
    assert_eq!(
        (told[0].kind, told[0].page),
        (NoticeKind::RollbackStarted, Some(Page::Trigger))
    );
    let (_, told) = change(&going_back(deploying()), Transition::Succeed, moment(9));
    assert_eq!(told[0].title, "rag sha-1234567 is live again in production");
    assert!(told[0].incident && told[0].page == Some(Page::Resolve));
}

#[test]
fn every_kind_is_named_as_it_is_stored() {
    for kind in NoticeKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
}

#[test]
fn a_call_of_the_cloud_alone_tells_nothing() {
    let before = started();
    let intended = step(
        &before,
        &crate::plan::Facts {
            memberships: Some(vec![crate::approval::Membership {
                person: 2,
                teams: facts().target.unwrap().policy.approvals[0].teams.clone(),
                checked_at: moment(4),
            }]),
            ..facts()
        },
        moment(4),
    );
    let outcome = Outcome::Done {
        id: "arn:td:2".to_owned(),
        at: moment(5),
    };
    let (_, told) = change(&intended, Transition::Conclude { outcome }, moment(5));
    assert_eq!(told, []);
}
