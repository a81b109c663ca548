//! The health of a running deployment: judged when an evaluation is due, and acted upon. A rule that asks for a rollback
//! gets one; one that asks for a hold gets people, unless they have answered it; doubt moves no traffic.

use super::{Facts, Step, act};
use crate::{
    access::Actor,
    deployment::{Hold, Judgement, RollbackCause, Run, Transition, Unanswered},
    health::{Answer, Evaluation, Outcome, Readings, Recorded, Values, evaluate},
    time::{SECOND, Timestamp},
};

/// What was read for an evaluation.
#[derive(Debug, Clone)]
pub struct HealthFacts {
    pub readings: Readings,
    /// The same as it is recorded, for replays.
    pub series: Vec<Recorded>,
    pub values: Values,
    /// The evaluation before, which remembers since when a source is silent.
    pub previous: Option<Evaluation>,
}

/// Whether health has to be read now.
pub fn health_is_due(run: &Run, now: Timestamp) -> bool {
    let watched = run
        .watch
        .as_ref()
        .filter(|_| run.course.is_some() && run.stop.is_none());
    watched.is_some_and(|watch| watch.is_due(now))
}

/// Judges, then acts on what was judged last. `None`: nothing speaks against going on.
pub(super) fn watch(run: &Run, facts: &Facts, now: Timestamp) -> Option<Step> {
    let watch = run.watch.as_ref()?;
    if let Some(found) = facts.health.as_ref().filter(|_| health_is_due(run, now)) {
        let evaluation = evaluate(
            &watch.definition,
            &found.readings,
            &run.course?,
            found.previous.as_ref(),
            now,
        );
        return Some(act(Transition::Judge {
            evaluation: Box::new(evaluation),
            values: found.values.clone(),
            series: found.series.clone(),
        }));
    }
    let last = watch.last.as_ref()?;
    if let Some(finding) = last.asks_for(Outcome::RollBack, &[]) {
        return Some(act(Transition::RequestStop {
            actor: Actor::system("worker"),
            cause: RollbackCause::Rule {
                rule: finding.rule.clone(),
                why: finding.words.clone(),
            },
        }));
    }
    let finding = last
        .asks_for(Outcome::Hold, &run.waived)
        .filter(|_| run.hold.is_none())?;
    let hold = &watch.definition.hold;
    Some(act(Transition::Hold {
        hold: Hold {
            rule: finding.rule.clone(),
            why: finding.words.clone(),
            since: now,
            until: now.plus_millis(i64::from(hold.deadline_seconds) * SECOND),
            unanswered: match hold.answer {
                Answer::RollBack => Unanswered::RollBack,
                Answer::Continue => Unanswered::Continue,
            },
        },
    }))
}

/// Why more traffic, or the end, has to wait: what runs since `since` has not been found healthy yet.
pub(super) fn in_doubt(run: &Run, since: Option<Timestamp>) -> Option<String> {
    let watch = run.watch.as_ref()?;
    let fresh = |last: &&Judgement| since.is_none_or(|since| last.at >= since);
    let Some(last) = watch.last.as_ref().filter(fresh) else {
        return Some("waits for its health to be judged".to_owned());
    };
    (!last.complete).then(|| "waits for its health: not every rule has enough to judge by yet".to_owned())
}
