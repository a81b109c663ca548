//! Side effects exactly once, for every call of every script on Lambda: one attempt, and what it did is found again.

use super::{Story, all, operation, refused};
use crate::world::soon;
use rstest::rstest;
use serde_json::json;
use std::time::Instant;
use tidegate_adapters::CallError;
use tidegate_domain::{deployment::CallKind, plan::Found};
use tidegate_sandbox::Options;

#[rstest]
#[case(json!({ "kind": "throttle" }))]
#[case(json!({ "kind": "error", "when": "before", "status": 503, "code": "ServiceUnavailable", "message": "later" }))]
#[case(json!({ "kind": "reset", "when": "before" }))]
#[tokio::test]
async fn r10_every_call_is_one_http_attempt_whatever_goes_wrong(#[case] fault: serde_json::Value) {
    for target in all() {
        let mut story = Story::with(target, Options::default()).await;
        for kind in story.all_calls() {
            let name = operation(kind);
            let mut fault = fault.clone();
            fault["operation"] = json!(name);
            story.world.fault(fault.clone()).await;
            let before = story.world.calls(name).await.len();
            let answer = story.make(kind).await;
            assert!(answer.is_err(), "{kind:?} {fault}");
            let calls = story.world.calls(name).await;
            assert_eq!(calls.len() - before, 1, "{kind:?} {fault}");
            assert_eq!(calls[before]["attempt"], 1, "{kind:?} {fault}");
            story.go(kind).await;
        }
    }
}

#[tokio::test]
async fn r09_a_lost_answer_is_found_and_what_never_happened_is_not() {
    for target in all() {
        let mut story = Story::of(target).await;
        for kind in story.all_calls() {
            let name = operation(kind);
            if !kind.settled_by_sight() {
                let lost = json!({ "kind": "reset", "when": "before", "operation": name });
                story.world.fault(lost).await;
                let answer = story.make(kind).await;
                assert!(matches!(answer, Err(CallError::Unknown(_))), "{kind:?}: {answer:?}");
                assert_eq!(story.find(kind).await, Found::Nothing, "{kind:?}");
            }
            let lost = json!({ "kind": "reset", "when": "after", "operation": name });
            story.world.fault(lost).await;
            let answer = story.make(kind).await;
            assert!(matches!(answer, Err(CallError::Unknown(_))), "{kind:?}: {answer:?}");
            story.world.step(6).await;
            if kind.settled_by_sight() {
                continue;
            }
            let Found::Effect(id) = story.find(kind).await else {
                panic!("{kind:?} took effect");
            };
            story.made(kind, &id);
            if kind.doubles() {
                continue;
            }
            // Made once more it changes nothing.
            let again = story.make(kind).await.unwrap();
            story.world.step(6).await;
            assert_eq!(again, id, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn r12_nothing_is_sent_once_the_time_for_the_call_is_over() {
    for target in all() {
        let mut story = Story::of(target).await;
        for kind in story.all_calls() {
            let name = operation(kind);
            let before = story.world.calls(name).await.len();
            let answer = story.engine.make(&story.order, &story.run, kind, Instant::now()).await;
            assert_eq!(refused(answer), ("NotSent".to_owned(), true), "{kind:?}");
            assert_eq!(story.world.calls(name).await.len(), before, "{kind:?}");
            story.go(kind).await;
        }
    }
}

#[tokio::test]
async fn a_read_that_fails_before_a_call_leaves_nothing_unknown() {
    for target in all() {
        let story = Story::of(target).await;
        let lost = json!({ "kind": "reset", "when": "before", "operation": "GetAlias" });
        story.world.fault(lost).await;
        let kind = CallKind::UpdateFunctionCode;
        let answer = story.engine.make(&story.order, &story.run, kind, soon()).await;
        assert_eq!(refused(answer), ("NotSent".to_owned(), true));
        assert_eq!(story.world.calls("UpdateFunctionCode").await.len(), 0);
    }
}

#[tokio::test]
async fn a_call_of_another_engine_is_refused() {
    for target in all() {
        let mut story = Story::of(target).await;
        for kind in [
            CallKind::RegisterTaskDefinition,
            CallKind::CreateTaskSet,
            CallKind::ContinueDeployment,
        ] {
            assert_eq!(refused(story.make(kind).await), ("NoSuchCall".to_owned(), false));
        }
    }
}

#[tokio::test]
async fn r02_what_is_not_what_was_approved_is_not_put_there() {
    for target in all() {
        let mut story = Story::of(target).await;
        story.run.revision.task_definition = "0".repeat(64);
        for kind in [CallKind::UpdateFunctionCode, CallKind::PublishVersion] {
            assert_eq!(refused(story.make(kind).await), ("TargetChanged".to_owned(), false));
        }
        assert_eq!(story.world.calls("UpdateFunctionCode").await.len(), 0);
        assert_eq!(story.world.calls("PublishVersion").await.len(), 0);
    }
}
