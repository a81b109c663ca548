//! An engine that is driven from here: every share is a call, a hold keeps the share, and the way back is a call, too.

use super::*;
use crate::{
    catalog::{EcsTaskSets, LambdaAlias},
    time::MINUTE,
    traffic::TrafficStep,
};

/// 10 % (5 min) → 50 % (3 min) → 100 %.
fn reference() -> TrafficPlan {
    TrafficPlan::of_steps(&[
        TrafficStep {
            percent: 10,
            minutes: 5,
        },
        TrafficStep {
            percent: 50,
            minutes: 3,
        },
    ])
}

fn task_sets() -> Engine {
    Engine::EcsTaskSets(EcsTaskSets {
        cluster: "production".to_owned(),
        service: "rag".to_owned(),
        container: "app".to_owned(),
        port: 8080,
        listener: "arn:listener".to_owned(),
        target_groups: ["arn:blue".to_owned(), "arn:green".to_owned()],
        platform_version: None,
    })
}

fn alias() -> Engine {
    Engine::LambdaAlias(LambdaAlias {
        function: "burst".to_owned(),
        alias: "live".to_owned(),
    })
}

struct Story {
    deployment: Deployment,
    facts: Facts,
    now: i64,
    calls: Vec<(CallKind, i64)>,
}

impl Story {
    fn begin(engine: Engine) -> Self {
        let target = TargetFacts {
            traffic: reference(),
            engine,
            ..facts().target.unwrap()
        };
        let facts = Facts {
            target: Some(target),
            memberships: member(2, moment(3)),
            ..facts()
        };
        let awaiting = step(&requested(), &facts, moment(1));
        let queued = approve(&awaiting, 2, moment(2)).unwrap();
        Self {
            deployment: step(&queued, &facts, moment(3)),
            facts,
            now: 4,
            calls: Vec::new(),
        }
    }

    /// The cloud as it looks after the calls so far: what was shifted is there at once.
    fn see(&mut self) {
        let run = self.deployment.run().unwrap();
        let share = run
            .calls
            .iter()
            .rev()
            .find_map(|call| match (call.kind, &call.outcome) {
                (CallKind::ShiftTraffic { percent }, Outcome::Done { .. }) => Some(percent),
                (CallKind::ShiftBack, Outcome::Done { .. }) => Some(0),
                _ => None,
            });
        let script = run.engine.script();
        let finished = share == Some(100) && run.next_of(script.finish).is_none();
        let cleared = run.next_of(script.clear).is_none();
        let status = if finished {
            CloudStatus::Succeeded
        } else {
            CloudStatus::Ready
        };
        let back = match (share.unwrap_or(0), cleared) {
            (0, true) => CloudStatus::Succeeded,
            (0, false) => CloudStatus::Ready,
            _ => CloudStatus::InProgress,
        };
        self.facts.observation = Some(Observation {
            deployment: Progress {
                traffic: share,
                ..progress(status)
            },
            rollback: Some(Progress {
                traffic: share.map(|share| 100 - share),
                ..progress(back)
            }),
        });
    }

    /// Until it waits for longer than a look, or rests. Every call takes effect at once.
    fn go_on(&mut self) -> String {
        loop {
            self.see();
            let now = moment(self.now);
            match plan(&self.deployment, &self.facts, now) {
                Step::Do(transition) => self.deployment = self.deployment.apply(*transition, now).unwrap().0,
                Step::Call(kind) => {
                    self.calls.push((kind, self.now));
                    let intended = self
                        .deployment
                        .apply(Transition::Intend { kind, epoch: 1 }, now)
                        .unwrap()
                        .0;
                    self.deployment = done(&intended, "made", now);
                }
                Step::Wait { why, .. } => return why,
                Step::Probe { .. } => panic!("it has no suite"),
                Step::Rest => return self.deployment.state.name().as_str().to_owned(),
            }
        }
    }

    fn later(&mut self, minutes: i64) -> String {
        self.now += minutes * MINUTE;
        self.go_on()
    }

    fn shifts(&self) -> Vec<(u8, i64)> {
        let begin = self
            .calls
            .iter()
            .find_map(|(kind, at)| matches!(kind, CallKind::ShiftTraffic { .. }).then_some(*at));
        self.calls
            .iter()
            .filter_map(|(kind, at)| match kind {
                CallKind::ShiftTraffic { percent } => Some((*percent, (at - begin.unwrap_or_default()) / MINUTE)),
                _ => None,
            })
            .collect()
    }

    fn kinds(&self) -> Vec<CallKind> {
        self.calls.iter().map(|(kind, _)| *kind).collect()
    }

    fn do_now(&mut self, transition: Transition) {
        self.deployment = self.deployment.apply(transition, moment(self.now)).unwrap().0;
    }
}

fn hold(now: i64, unanswered: Unanswered) -> Transition {
    Transition::Hold {
        hold: Hold {
            rule: "error-log rate".to_owned(),
            why: "6 × baseline".to_owned(),
            since: moment(now),
            until: moment(now + 30 * MINUTE),
            unanswered,
        },
    }
}

#[test]
fn ten_fifty_hundred_is_five_and_three_minutes_exactly() {
    let mut story = Story::begin(task_sets());
    assert_eq!(story.go_on(), "50 % in 5 min");
    assert_eq!(story.later(4), "50 % in 1 min");
    assert_eq!(story.later(1), "100 % in 3 min");
    assert_eq!(story.later(3), "succeeded");
    assert_eq!(story.shifts(), [(10, 0), (50, 5), (100, 8)]);
    let made = [CallKind::RegisterTaskDefinition, CallKind::CreateTaskSet];
    assert_eq!(story.kinds()[..2], made);
    assert_eq!(
        story.kinds()[5..],
        [CallKind::PromoteTaskSet, CallKind::DeleteOldTaskSet]
    );
}

#[test]
fn nothing_is_shifted_before_the_new_version_can_take_traffic() {
    let mut story = Story::begin(alias());
    while story.deployment.state.name() == StateName::Starting {
        let now = moment(story.now);
        match plan(&story.deployment, &story.facts, now) {
            Step::Call(kind) => {
                let intended = story
                    .deployment
                    .apply(Transition::Intend { kind, epoch: 1 }, now)
                    .unwrap()
                    .0;
                story.deployment = done(&intended, "8", now);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(story.deployment.run().unwrap().task_definition.as_deref(), Some("8"));
    let installing = observed(progress(CloudStatus::InProgress), None);
    let seen = step(&story.deployment, &installing, moment(5));
    assert_eq!(
        waits(&seen, &installing, moment(6)),
        "the new version is not ready for traffic yet"
    );
}

#[test]
fn a_hold_keeps_the_share_and_takes_nothing_from_the_time_that_it_has() {
    let mut story = Story::begin(alias());
    story.go_on();
    let deadline = story.deployment.run().unwrap().deadline;
    story.do_now(hold(story.now, Unanswered::RollBack));
    assert_eq!(story.later(20), "held by error-log rate: 6 × baseline");
    assert_eq!(story.deployment.traffic(), Some(10));
    story.do_now(Transition::Resume {
        actor: person(3),
        reason: Some("a noisy neighbour".to_owned()),
    });
    assert_eq!(story.go_on(), "100 % in 3 min", "its 5 min at 10 % were over long ago");
    let run = story.deployment.run().unwrap();
    assert_eq!(run.deadline, deadline.plus_millis(20 * MINUTE));
    let again = story
        .deployment
        .apply(hold(story.now, Unanswered::RollBack), moment(story.now));
    assert!(again.is_err(), "a person has answered this rule");
}

#[test]
fn a_hold_that_nobody_answers_goes_back_or_on_as_was_written() {
    let mut story = Story::begin(alias());
    story.go_on();
    story.do_now(hold(story.now, Unanswered::RollBack));
    assert_eq!(story.later(30), "rolled_back");
    assert!(matches!(
        story.deployment.state,
        State::RolledBack {
            cause: RollbackCause::Hold { .. },
            ..
        }
    ));
    let mut story = Story::begin(alias());
    story.go_on();
    story.do_now(hold(story.now, Unanswered::Continue));
    assert_eq!(story.later(30), "100 % in 3 min");
}

#[test]
fn a_rule_takes_all_traffic_back_and_then_what_was_made_is_taken_away() {
    let mut story = Story::begin(task_sets());
    story.go_on();
    story.later(5);
    story.do_now(Transition::RequestStop {
        actor: Actor::system("worker"),
        cause: RollbackCause::Rule {
            rule: "5xx rate".to_owned(),
            why: "2.4 % > 1 % in 2 of 3 minutes".to_owned(),
        },
    });
    assert_eq!(story.go_on(), "rolled_back");
    assert_eq!(story.kinds()[4..], [CallKind::ShiftBack, CallKind::DeleteNewTaskSet]);
    assert_eq!(story.deployment.traffic(), Some(0));
}

#[test]
fn one_that_never_had_traffic_has_nothing_to_take_back() {
    let mut story = Story::begin(task_sets());
    while story.deployment.state.name() == StateName::Starting {
        let now = moment(story.now);
        let Step::Call(kind) = plan(&story.deployment, &story.facts, now) else {
            panic!("no call is due")
        };
        let intended = story
            .deployment
            .apply(Transition::Intend { kind, epoch: 1 }, now)
            .unwrap()
            .0;
        story.deployment = done(&intended, "made", now);
    }
    story.do_now(Transition::RequestStop {
        actor: person(3),
        cause: RollbackCause::Person {
            by: PersonRef::new(3, "person-3"),
            reason: "wrong release".to_owned(),
        },
    });
    assert_eq!(story.go_on(), "rolled_back");
    assert_eq!(story.kinds(), [CallKind::DeleteNewTaskSet]);
}

#[test]
fn r09_a_shift_whose_answer_was_lost_is_looked_for_and_a_wish_to_go_back_does_not_wait_for_it() {
    let mut story = Story::begin(alias());
    story.go_on();
    story.now += 5 * MINUTE;
    let now = moment(story.now);
    let Step::Call(kind) = plan(&story.deployment, &story.facts, now) else {
        panic!("50 % is due")
    };
    let open = story
        .deployment
        .apply(Transition::Intend { kind, epoch: 1 }, now)
        .unwrap()
        .0;
    assert_eq!(
        waits(&open, &story.facts, now),
        "whether ShiftTraffic took effect is not known yet"
    );
    let stop = Transition::RequestStop {
        actor: person(3),
        cause: RollbackCause::Deadline,
    };
    story.deployment = open.apply(stop, now).unwrap().0;
    assert_eq!(story.go_on(), "rolled_back");
    assert_eq!(story.kinds().last(), Some(&CallKind::ShiftBack));
}

#[test]
fn a_share_that_the_cloud_refuses_for_good_is_reason_to_go_back() {
    let mut story = Story::begin(alias());
    story.go_on();
    story.now += 5 * MINUTE;
    let now = moment(story.now);
    let intend = Transition::Intend {
        kind: CallKind::ShiftTraffic { percent: 50 },
        epoch: 1,
    };
    let open = story.deployment.apply(intend, now).unwrap().0;
    let refused = Transition::Conclude {
        outcome: Outcome::Refused {
            code: "InvalidParameterValueException".to_owned(),
            message: "no".to_owned(),
            retry: false,
            at: now,
        },
    };
    story.deployment = open.apply(refused, now).unwrap().0;
    assert_eq!(story.go_on(), "rolled_back");
}

#[test]
fn what_has_succeeded_at_the_cloud_is_reverted_by_a_deployment_of_what_ran_before() {
    let stop = Transition::RequestStop {
        actor: Actor::system("worker"),
        cause: RollbackCause::Smoke {
            test: "health_check".to_owned(),
            why: "status 500, expected 200".to_owned(),
        },
    };
    let over = observed(progress(CloudStatus::Succeeded), None);
    let stopping = deploying().apply(stop, moment(8)).unwrap().0;
    let seen = step(&stopping, &over, moment(9));
    let Step::Call(kind) = plan(&seen, &over, moment(10)) else {
        panic!("nothing is called")
    };
    assert_eq!(kind, CallKind::Revert);
    let intended = seen.apply(Transition::Intend { kind, epoch: 1 }, moment(10)).unwrap().0;
    let rolling = step(&done(&intended, "d-9", moment(11)), &over, moment(12));
    assert!(
        matches!(&rolling.state, State::RollingBack { rollback: Some(id), cause: RollbackCause::Smoke { .. }, .. } if id == "d-9")
    );
}
