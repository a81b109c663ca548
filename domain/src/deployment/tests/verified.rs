//! A deployment with a smoke suite: what has to pass before traffic, what before it is called a success, and what happens
//! when it does not.

use super::*;
use crate::{
    catalog::LambdaAlias,
    smoke::{Answer, Attempt, Response, Suite, Test, Verification},
    time::MINUTE,
};
use rstest::rstest;

/// Health up to three times, ten seconds apart; then one question, once.
fn verification(test_listener: bool) -> Verification {
    let health = Test {
        attempts: 3,
        ..Test::get("health", "/health")
    };
    Verification {
        suite: Suite {
            name: "reference".to_owned(),
            tests: vec![health, Test::get("chat", "/chat")],
        },
        base_url: "https://rag.acme.example".to_owned(),
        test_base_url: test_listener.then(|| "https://test.acme.example".to_owned()),
        stability_wait_seconds: 120,
    }
}

fn alias() -> Engine {
    Engine::LambdaAlias(LambdaAlias {
        function: "rag".to_owned(),
        alias: "live".to_owned(),
    })
}

struct Story {
    deployment: Deployment,
    facts: Facts,
    now: i64,
}

impl Story {
    fn begin(engine: Engine, test_listener: bool) -> Self {
        let target = TargetFacts {
            engine,
            verify: Some(verification(test_listener)),
            ..facts().target.unwrap()
        };
        let facts = Facts {
            target: Some(target),
            memberships: member(2, moment(3)),
            ..facts()
        };
        let awaiting = step(&requested(), &facts, moment(1));
        let mut story = Self {
            deployment: step(&approve(&awaiting, 2, moment(2)).unwrap(), &facts, moment(3)),
            facts,
            now: 4,
        };
        while matches!(story.deployment.state, State::Starting { .. }) {
            story.call();
        }
        story
    }

    fn at(&self) -> Timestamp {
        moment(self.now)
    }

    fn plan(&self) -> Step {
        plan(&self.deployment, &self.facts, self.at())
    }

    fn apply(&mut self, transition: Transition) -> Vec<crate::AuditEvent> {
        let (next, events) = self.deployment.apply(transition, self.at()).unwrap();
        self.deployment = next;
        events
    }

    /// The call that is due takes effect at once.
    fn call(&mut self) -> CallKind {
        let Step::Call(kind) = self.plan() else {
            panic!("no call: {:?}", self.plan())
        };
        self.apply(Transition::Intend { kind, epoch: 1 });
        self.deployment = done(&self.deployment, "x", self.at());
        kind
    }

    /// The cloud looks like this from now on.
    fn see(&mut self, status: CloudStatus, traffic: Option<u8>) {
        let seen = Progress {
            traffic,
            ..progress(status)
        };
        self.facts.observation = observed(seen, None).observation;
        let Step::Do(transition) = self.plan() else {
            panic!("nothing new: {:?}", self.plan())
        };
        self.apply(*transition);
    }

    /// The attempt that is due is answered with this status, after 200 ms.
    fn answer(&mut self, status: u16) -> (When, usize, u32) {
        let Step::Probe { when, test, number } = self.plan() else {
            panic!("no attempt: {:?}", self.plan())
        };
        let attempt = attempt(test, number, self.at(), status);
        self.apply(Transition::RecordAttempt { when, attempt });
        (when, test, number)
    }

    fn waits(&self) -> String {
        waits(&self.deployment, &self.facts, self.at())
    }

    fn cause(&mut self) -> RollbackCause {
        let Step::Do(transition) = self.plan() else {
            panic!("{:?}", self.plan())
        };
        self.apply(*transition);
        self.deployment.run().unwrap().stop.clone().expect("to end").cause
    }
}

fn smoke(test: &str) -> RollbackCause {
    RollbackCause::Smoke {
        test: test.to_owned(),
        why: "status is 503, expected 200".to_owned(),
    }
}

#[test]
fn a_driven_deployment_is_tried_on_the_test_listener_then_shifted_then_tried_in_production() {
    let mut story = Story::begin(alias(), true);
    story.see(CloudStatus::Ready, Some(0));
    assert_eq!(story.answer(200), (When::Before, 0, 1));
    assert_eq!(story.answer(200), (When::Before, 1, 1));
    assert_eq!(story.call(), CallKind::ShiftTraffic { percent: 100 });
    let shifted = story.now;
    assert_eq!(story.waits(), "stability wait, suite reference starts in 2 min");
    story.see(CloudStatus::Ready, Some(100));
    story.now = shifted + 2 * MINUTE - 1;
    story.waits();
    story.now += 1;
    assert_eq!(story.answer(503), (When::After, 0, 1));
    // 200 ms for the answer, then 10 s.
    story.now += 9_200;
    assert_eq!(story.waits(), "the next attempt of suite reference in 1 s");
    story.now += 999;
    story.waits();
    story.now += 1;
    assert_eq!(story.answer(200), (When::After, 0, 2));
    assert_eq!(story.answer(200), (When::After, 1, 1));
    story.see(CloudStatus::Succeeded, Some(100));
    assert!(matches!(story.plan(), Step::Do(transition) if matches!(*transition, Transition::Succeed)));
}

#[rstest]
#[case::driven(alias())]
#[case::led_by_codedeploy(engine())]
fn what_fails_on_the_test_listener_never_gets_traffic(#[case] engine: Engine) {
    let mut story = Story::begin(engine, true);
    story.see(CloudStatus::Ready, Some(0));
    story.answer(200);
    assert_eq!(story.answer(503), (When::Before, 1, 1));
    assert_eq!(story.cause(), smoke("chat"));
    let exposed = [CallKind::ShiftTraffic { percent: 100 }, CallKind::ContinueDeployment];
    for kind in exposed {
        let shift = story
            .deployment
            .apply(Transition::Intend { kind, epoch: 1 }, story.at());
        assert!(matches!(shift, Err(Refusal::CallNotDue(_))), "{kind:?}");
    }
}

#[test]
fn what_waits_for_a_yes_at_the_cloud_gets_it_when_the_test_listener_has_passed() {
    let mut story = Story::begin(engine(), true);
    story.see(CloudStatus::InProgress, None);
    assert_eq!(story.waits(), "in progress at the cloud");
    story.see(CloudStatus::Ready, Some(0));
    story.answer(200);
    story.answer(200);
    assert_eq!(story.call(), CallKind::ContinueDeployment);
    // A late look still says ready: the suite is not asked for again.
    assert!(!matches!(story.plan(), Step::Probe { .. }));
}

#[test]
fn without_a_test_listener_nothing_is_tried_before_traffic() {
    let mut story = Story::begin(engine(), false);
    story.see(CloudStatus::Ready, Some(0));
    assert_eq!(story.call(), CallKind::ContinueDeployment);
}

#[test]
fn a_failure_in_the_termination_wait_stops_the_cloud_deployment() {
    let mut story = Story::begin(engine(), false);
    story.see(CloudStatus::InProgress, Some(100));
    story.now += 2 * MINUTE;
    for number in 1..=3 {
        assert_eq!(story.answer(503), (When::After, 0, number));
        story.now += 10_200;
    }
    assert_eq!(story.cause(), smoke("health"));
    assert_eq!(story.call(), CallKind::StopDeployment);
}

#[test]
fn what_the_cloud_calls_done_is_not_before_its_suite_has_passed() {
    let mut story = Story::begin(engine(), false);
    story.see(CloudStatus::Succeeded, Some(100));
    assert!(story.waits().starts_with("stability wait"));
    story.now += 2 * MINUTE;
    story.answer(200);
    assert_eq!(story.answer(503), (When::After, 1, 1));
    assert_eq!(story.cause(), smoke("chat"));
    assert_eq!(story.call(), CallKind::Revert);
}

#[test]
fn the_stability_wait_begins_when_all_traffic_is_first_seen_and_not_anew_at_each_look() {
    let mut story = Story::begin(engine(), false);
    story.see(CloudStatus::InProgress, Some(50));
    assert_eq!(story.waits(), "in progress at the cloud");
    story.see(CloudStatus::InProgress, Some(100));
    let since = story.at();
    story.now += MINUTE;
    story.see(CloudStatus::Succeeded, Some(100));
    assert_eq!(story.deployment.run().unwrap().checks.all_traffic_at, Some(since));
    assert_eq!(story.waits(), "stability wait, suite reference starts in 1 min");
}

#[test]
fn the_log_tells_of_a_test_when_it_has_ended_and_not_of_each_attempt() {
    let mut story = Story::begin(engine(), false);
    story.see(CloudStatus::Succeeded, Some(100));
    story.now += 2 * MINUTE;
    let mut told = Vec::new();
    for (number, status) in [(1, 503), (2, 200)] {
        let attempt = attempt(0, number, story.at(), status);
        let when = When::After;
        told.push(story.apply(Transition::RecordAttempt { when, attempt }));
        story.now += 11 * SECOND;
    }
    assert!(told[0].is_empty());
    assert_eq!(told[1][0].kind.name(), "smoke.passed");
    let attempt = attempt(1, 1, story.at(), 503);
    let when = When::After;
    let failed = &story.apply(Transition::RecordAttempt { when, attempt })[0];
    assert_eq!(failed.kind.name(), "smoke.failed");
    assert_eq!(
        failed.data,
        serde_json::json!({
            "test": "chat", "when": "after", "attempts": 1, "latency_ms": 200, "suite": "reference",
            "why": "status is 503, expected 200",
        })
    );
}

#[rstest]
#[case::the_same_again(0, 1)]
#[case::one_left_out(0, 3)]
#[case::more_than_it_may(1, 2)]
fn an_attempt_counts_once_and_in_its_order(#[case] test: usize, #[case] number: u32) {
    let mut story = Story::begin(engine(), false);
    story.see(CloudStatus::Succeeded, Some(100));
    story.now += 2 * MINUTE;
    story.answer(503);
    let attempt = attempt(test, number, story.at(), 200);
    let refused = story.deployment.apply(
        Transition::RecordAttempt {
            when: When::After,
            attempt,
        },
        story.at(),
    );
    assert!(matches!(refused, Err(Refusal::Invalid(_))));
}

#[test]
fn a_person_who_wants_it_back_does_not_wait_for_the_suite() {
    let mut story = Story::begin(engine(), false);
    story.see(CloudStatus::InProgress, Some(100));
    story.now += 2 * MINUTE;
    let by = PersonRef::new(3, "person-3");
    let reason = "wrong answers".to_owned();
    story.apply(Transition::RequestStop {
        actor: person(3),
        cause: RollbackCause::Person { by, reason },
    });
    assert_eq!(story.call(), CallKind::StopDeployment);
}

#[test]
fn a_rollback_to_an_earlier_release_is_not_brought_forward_again_by_the_suite() {
    let back = Deployment {
        kind: Kind::Rollback {
            of: DeploymentId::from_uuid(Uuid::from_u128(70)),
            by: PersonRef::new(1, "person-1"),
            reason: "slow".to_owned(),
        },
        ..requested()
    };
    let mut facts = facts();
    facts.lane.running = Some(DeploymentId::from_uuid(Uuid::from_u128(70)));
    facts.target.as_mut().unwrap().verify = Some(verification(true));
    let queued = step(&back, &facts, moment(1));
    let started = step(&queued, &facts, moment(2));
    assert_eq!(started.run().unwrap().verify, None);
    assert_eq!(started.run().unwrap().revision.verification, "none");
}

fn attempt(test: usize, number: u32, at: Timestamp, status: u16) -> Attempt {
    let answer = Answer::Response(Response {
        status,
        headers: Vec::new(),
        body: String::new(),
        cut: false,
        latency_ms: 200,
    });
    Attempt::new(&verification(true).suite.tests[test], number, at, &answer)
}
