//! Two definitions over the same recordings: what each would have done, against what people said afterwards.

use super::{Ending, HealthDefinition, Mark, Recording, Replay, replay};
use crate::time::SECOND;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    pub old: Tally,
    pub new: Tally,
    /// In the order of the recordings.
    pub deployments: Vec<Side>,
}

/// What a definition makes of all recordings. Those without a mark count only in the first four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    pub rolled_back: u32,
    pub held: u32,
    pub passed: u32,
    pub undecided: u32,
    /// Rolled back, and people said it was fine.
    pub false_rollbacks: u32,
    /// Held, and people said it was fine.
    pub false_holds: u32,
    /// Neither rolled back nor held, and people said it was an incident.
    pub misses: u32,
    /// Rolled back or held, and it was an incident.
    pub caught: u32,
}

/// One deployment under both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    pub deployment: String,
    pub mark: Option<Mark>,
    pub old: Replay,
    pub new: Replay,
    /// Seconds that the new definition acts (rolls back, else holds) before the old one; negative: after it. `None`
    /// unless both act.
    pub earlier_seconds: Option<i64>,
}

pub fn compare(old: &HealthDefinition, new: &HealthDefinition, recordings: &[Recording]) -> Compared {
    let deployments: Vec<Side> = recordings
        .iter()
        .map(|recording| {
            let (old, new) = (replay(old, recording), replay(new, recording));
            let earlier_seconds = old
                .decided()
                .zip(new.decided())
                .map(|(old, new)| old.at.since(new.at) / SECOND);
            Side {
                deployment: recording.deployment.clone(),
                mark: recording.mark,
                old,
                new,
                earlier_seconds,
            }
        })
        .collect();
    Compared {
        old: tally(deployments.iter().map(|side| (side.old.ending, side.mark))),
        new: tally(deployments.iter().map(|side| (side.new.ending, side.mark))),
        deployments,
    }
}

fn tally(endings: impl Iterator<Item = (Ending, Option<Mark>)>) -> Tally {
    let mut tally = Tally::default();
    for (ending, mark) in endings {
        *match ending {
            Ending::RolledBack => &mut tally.rolled_back,
            Ending::Held => &mut tally.held,
            Ending::Passed => &mut tally.passed,
            Ending::Undecided => &mut tally.undecided,
        } += 1;
        let Some(mark) = mark else { continue };
        *match (mark, ending) {
            (Mark::Fine, Ending::RolledBack) => &mut tally.false_rollbacks,
            (Mark::Fine, Ending::Held) => &mut tally.false_holds,
            (Mark::Incident, Ending::RolledBack | Ending::Held) => &mut tally.caught,
            (Mark::Incident, Ending::Passed | Ending::Undecided) => &mut tally.misses,
            (Mark::Fine, Ending::Passed | Ending::Undecided) => continue,
        } += 1;
    }
    tally
}
