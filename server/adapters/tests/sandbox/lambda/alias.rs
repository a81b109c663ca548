//! `lambda_alias`: every weight is a call from here, guarded by what was looked at.

use super::{Story, another, function, refused};
use crate::world::{REPOSITORY, soon};
use serde_json::json;
use tidegate_adapters::{CallError, Order};
use tidegate_domain::{
    catalog::{Engine, LambdaAlias},
    deployment::{CallKind, CloudStatus},
    name::Digest,
    plan::Found,
    revision::Change,
};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:burst";

async fn story() -> Story {
    Story::of(Engine::LambdaAlias(function())).await
}

fn share(percent: u8) -> CallKind {
    CallKind::ShiftTraffic { percent }
}

#[tokio::test]
async fn only_the_image_would_change_and_what_runs_is_said_by_version_and_digest() {
    let story = story().await;
    let preparation = story.prepared().await.unwrap();
    assert_eq!(preparation.running_task_definition, Some(format!("{ARN}:1")));
    let running = preparation.running_digest.clone().unwrap();
    assert_eq!(preparation.running_image, Some(format!("{REPOSITORY}@{running}")));
    assert_eq!(
        preparation.changes,
        [Change {
            what: "Code.ImageUri".to_owned(),
            from: format!("{REPOSITORY}@{running}"),
            to: format!("{REPOSITORY}@{}", story.world.digest),
        }]
    );
    assert!(preparation.immutable_tags);
    assert_eq!(
        story.prepared().await.unwrap().hash,
        preparation.hash,
        "reading twice says the same"
    );
}

#[tokio::test]
async fn ten_fifty_hundred_leaves_the_new_version_alone_behind_the_alias() {
    let mut story = story().await;
    assert_eq!(story.go(CallKind::UpdateFunctionCode).await.len(), 64);
    assert_eq!(story.go(CallKind::PublishVersion).await, "2");
    let seen = story.seen().await;
    assert_eq!(
        (seen.deployment.status, seen.deployment.traffic),
        (CloudStatus::Ready, Some(0))
    );
    let back = seen.rollback.unwrap();
    assert_eq!(
        (back.status, back.traffic),
        (CloudStatus::Succeeded, Some(100)),
        "nothing is to be taken back"
    );
    for (percent, expected) in [(10, json!({ "1": 0.9, "2": 0.1 })), (50, json!({ "1": 0.5, "2": 0.5 }))] {
        assert_eq!(story.go(share(percent)).await, "2");
        assert_eq!(story.alias().await, expected);
        let seen = story.seen().await;
        let back = seen.rollback.unwrap();
        assert_eq!(
            (seen.deployment.status, seen.deployment.traffic),
            (CloudStatus::Ready, Some(percent))
        );
        assert_eq!(
            (back.status, back.traffic),
            (CloudStatus::InProgress, Some(100 - percent))
        );
    }
    story.go(share(100)).await;
    assert_eq!(story.alias().await, json!({ "2": 1.0 }));
    let seen = story.seen().await.deployment;
    assert_eq!((seen.status, seen.traffic), (CloudStatus::Succeeded, Some(100)));
    let published = &story.world.calls("PublishVersion").await[0]["request"];
    assert_eq!(
        published["Description"],
        format!("burst sha-2222222 to production [tidegate:{}]", story.order.operation)
    );
    for call in story.world.calls("UpdateAlias").await {
        assert!(call["request"]["RevisionId"].is_string(), "{call}");
    }
    for call in [published, &story.world.calls("UpdateFunctionCode").await[0]["request"]] {
        assert!(call["RevisionId"].is_string(), "{call}");
    }
    assert_eq!(
        story.blocked().await,
        "version 2, which runs, has this image already: there is nothing to deploy"
    );
}

#[tokio::test]
async fn the_way_back_is_one_call_from_any_share() {
    for percent in [10, 100] {
        let mut story = story().await;
        story.ready().await;
        story.go(share(percent)).await;
        story.go(CallKind::ShiftBack).await;
        assert_eq!(story.alias().await, json!({ "1": 1.0 }));
        let seen = story.seen().await;
        let back = seen.rollback.unwrap();
        assert_eq!((back.status, back.traffic), (CloudStatus::Succeeded, Some(100)));
        assert_eq!(seen.deployment.traffic, Some(0));
    }
}

#[tokio::test]
async fn an_image_that_went_back_can_be_deployed_again_as_the_version_that_it_made() {
    let mut story = story().await;
    story.ready().await;
    story.go(share(10)).await;
    story.go(CallKind::ShiftBack).await;
    story.order = another(&story.order);
    story.approve().await;
    story.go(CallKind::UpdateFunctionCode).await;
    let lost = json!({ "kind": "reset", "when": "after", "operation": "PublishVersion" });
    story.world.fault(lost).await;
    assert!(story.make(CallKind::PublishVersion).await.is_err());
    assert_eq!(
        story.find(CallKind::PublishVersion).await,
        Found::Effect("2".to_owned()),
        "Lambda publishes nothing that is the same"
    );
    assert_eq!(story.go(CallKind::PublishVersion).await, "2");
    story.go(share(100)).await;
    assert_eq!(story.alias().await, json!({ "2": 1.0 }));
}

#[tokio::test]
async fn r09_a_shift_that_arrives_after_the_way_back_moves_nothing() {
    let mut story = story().await;
    story.ready().await;
    let held = json!({ "kind": "hold", "when": "before", "operation": "UpdateAlias" });
    let fault = story.world.fault(held).await;
    assert!(
        matches!(story.make(share(10)).await, Err(CallError::Unknown(_))),
        "no answer"
    );
    story.go(CallKind::ShiftBack).await;
    story.world.control(&format!("faults/{fault}/release"), json!({})).await;
    for _ in 0..100 {
        let calls = story.world.calls("UpdateAlias").await;
        if calls[0]["error"].is_string() || calls[0]["effect"] == true {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let calls = story.world.calls("UpdateAlias").await;
    assert_eq!(calls[0]["effect"], false, "{}", calls[0]);
    assert_eq!(calls[0]["error"], "PreconditionFailedException");
    assert_eq!(story.alias().await, json!({ "1": 1.0 }));
}

#[tokio::test]
async fn what_changed_between_the_look_and_the_call_is_not_overwritten_and_the_call_may_be_made_again() {
    let story = story().await;
    // Somebody else's update comes between the look and the call, which waits for it.
    let held = json!({ "kind": "hold", "when": "before", "operation": "UpdateFunctionCode" });
    let fault = story.world.fault(held).await;
    let (ours, theirs) = (
        story
            .engine
            .make(&story.order, &story.run, CallKind::UpdateFunctionCode, soon()),
        async {
            let wait = format!("faults/{fault}/wait?hits=1&held=1&timeout=10");
            story.world.look(&wait).await;
            let other = another(&story.order);
            story
                .engine
                .make(&other, &story.run, CallKind::UpdateFunctionCode, soon())
                .await
                .unwrap();
            story.world.step(6).await;
            story.world.control(&format!("faults/{fault}/release"), json!({})).await;
        },
    );
    let (ours, ()) = tokio::join!(ours, theirs);
    assert_eq!(refused(ours), ("PreconditionFailedException".to_owned(), true));
}

#[tokio::test]
async fn nothing_is_published_while_the_update_is_in_progress() {
    let mut story = story().await;
    story.make(CallKind::UpdateFunctionCode).await.unwrap();
    for kind in [CallKind::PublishVersion, CallKind::UpdateFunctionCode] {
        assert_eq!(
            refused(story.make(kind).await),
            ("ResourceConflictException".to_owned(), true)
        );
    }
    story.world.step(6).await;
    assert_eq!(story.make(CallKind::PublishVersion).await, Ok("2".to_owned()));
    assert_eq!(story.make(CallKind::PublishVersion).await, Ok("2".to_owned()));
    let seen = story.seen().await.deployment;
    assert_eq!(seen.status, CloudStatus::InProgress, "a version is pending at first");
    story.world.step(2).await;
    assert_eq!(story.seen().await.deployment.status, CloudStatus::Ready);
}

#[tokio::test]
async fn an_update_that_fails_ends_with_lambdas_own_words() {
    let mut story = story().await;
    let failure = json!({ "code": "ImageAccessDenied", "message": "Lambda may not pull the image" });
    story.world.control("aws/functions/burst/fail-next", failure).await;
    story.go(CallKind::UpdateFunctionCode).await;
    assert_eq!(
        story.make(CallKind::PublishVersion).await,
        Err(CallError::Refused {
            code: "ImageAccessDenied".to_owned(),
            message: "Lambda may not pull the image".to_owned(),
            retry: false,
        })
    );
}

#[tokio::test]
async fn an_image_that_somebody_else_put_there_is_not_published() {
    let mut story = story().await;
    story.go(CallKind::UpdateFunctionCode).await;
    let pushed = json!({ "repository": "acme/rag", "tags": ["sha-3333333"] });
    let digest = story.world.control("aws/images", pushed).await["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut other = another(&story.order);
    other.image.digest = Digest::new(digest).unwrap();
    let mut theirs = story.run.clone();
    let prepared = story.engine.prepare(&other, story.world.now()).await.unwrap().unwrap();
    theirs.revision.task_definition = prepared.hash;
    story
        .engine
        .make(&other, &theirs, CallKind::UpdateFunctionCode, soon())
        .await
        .unwrap();
    story.world.step(6).await;
    assert_eq!(
        refused(story.make(CallKind::PublishVersion).await),
        ("CodeChanged".to_owned(), false)
    );
    assert_eq!(story.find(CallKind::PublishVersion).await, Found::Nothing);
}

#[tokio::test]
async fn an_alias_that_somebody_else_moved_is_neither_shifted_nor_taken_back() {
    let mut first = story().await;
    first.ready().await;
    // Another operation deploys another image meanwhile: version 3.
    let pushed = json!({ "repository": "acme/rag", "tags": ["sha-3333333"] });
    let digest = first.world.control("aws/images", pushed).await["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let (order, run) = (first.order.clone(), first.run.clone());
    first.order = another(&order);
    first.order.image.digest = Digest::new(digest).unwrap();
    first.approve().await;
    first.ready().await;
    first.go(share(100)).await;
    assert_eq!(first.alias().await, json!({ "3": 1.0 }));

    (first.order, first.run) = (order, run);
    assert_eq!(refused(first.make(share(10)).await), ("AliasChanged".to_owned(), false));
    first.go(CallKind::ShiftBack).await;
    assert_eq!(first.alias().await, json!({ "3": 1.0 }), "it is left as it is");
    let back = first.seen().await.rollback.unwrap();
    assert_eq!(back.status, CloudStatus::Failed);
    assert_eq!(back.error.unwrap().code.as_deref(), Some("ChangedElsewhere"));
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_in_words() {
    let mut story = story().await;
    let cases = [
        ("nothing", "live", "there is no Lambda function nothing"),
        (
            "burst",
            "beta",
            "the function has no alias beta: make one that points to a version",
        ),
        (
            "shifting",
            "live",
            "alias live is being shifted: it is on version 1, and 10 % on version 2. Let that end, or take the second version away",
        ),
        (
            "unpublished",
            "live",
            "alias live points to $LATEST, which changes: publish a version and point the alias to that",
        ),
    ];
    for (function, alias, why) in cases {
        story.order.engine = Engine::LambdaAlias(LambdaAlias {
            function: function.to_owned(),
            alias: alias.to_owned(),
        });
        let blocker = story.prepared().await.unwrap_err();
        assert_eq!(blocker.why, why);
        assert_eq!(blocker.subject, format!("Lambda function {function}, alias {alias}"));
    }
}

#[tokio::test]
async fn r36_an_image_that_is_not_in_the_registry_blocks() {
    let mut story = story().await;
    story.order.image.digest = Digest::new(format!("sha256:{}", "ee".repeat(32))).unwrap();
    assert!(story.blocked().await.contains("is not in the registry"));
}

#[tokio::test]
async fn r02_drift_of_the_configuration_is_refused_and_a_secret_is_not_told() {
    let story = story().await;
    let drift = json!({ "memory": 1024, "environment": { "TOKEN": "other" } });
    story.world.control("aws/functions/burst/configure", drift).await;
    assert_eq!(
        story.blocked().await,
        "$LATEST differs from version 1, which runs, in more than its image: Environment.Variables.TOKEN (a value → \
         another), MemorySize (512 → 1024). Set it back, or bring that change to the alias first"
    );
    let kind = CallKind::UpdateFunctionCode;
    let answer = story.engine.make(&story.order, &story.run, kind, soon()).await;
    assert_eq!(refused(answer), ("TargetChanged".to_owned(), false));
    assert_eq!(story.world.calls("UpdateFunctionCode").await.len(), 0);
}

#[tokio::test]
async fn r02_the_hash_binds_image_and_destination() {
    let story = story().await;
    let hash = story.prepared().await.unwrap().hash;
    let pushed = json!({ "repository": "acme/rag", "tags": ["sha-3333333"] });
    let digest = story.world.control("aws/images", pushed).await["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let newer = Order {
        image: tidegate_domain::release::Image {
            digest: Digest::new(digest).unwrap(),
            ..story.order.image.clone()
        },
        ..story.order.clone()
    };
    let other = story.engine.prepare(&newer, story.world.now()).await.unwrap().unwrap();
    assert_ne!(other.hash, hash);
}
