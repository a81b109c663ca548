//! Gates of time and shape: freezes, the phases of a migration, the way back past a contract; and what a broken glass skips
//! of all checks.
//!
//! A *blocker* is something that somebody has to mend; it holds a deployment up before anybody is asked. A *closure* goes by
//! itself: what is approved keeps its approvals, waits in the lane, and its time to start does not run meanwhile.

use super::{Facts, Step, act};
use crate::{
    breakglass::Check,
    deployment::{Blocker, BlockerKind, Deployment, Exemption, State, Transition, Waivers},
    freeze::{Freeze, moment_words},
    migration::{Migration, Record},
    time::Timestamp,
};

/// Closures looked at one after the other, at most: enough for a year of weekends.
const CLOSURES_MAX: usize = 128;

/// What the time and the shape of a deployment are judged by.
#[derive(Debug, Clone, Default)]
pub struct Clearance {
    /// Those that cover its service and environment.
    pub freezes: Vec<Freeze>,
    /// `None`: the release declares no migration.
    pub migration: Option<Standing>,
    /// Why what it brings cannot simply come back: the schema that it knows is gone.
    pub schema_gone: Option<String>,
}

/// A release's migration, and what happened here of it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub migration: Migration,
    pub record: Record,
    /// The service's own.
    pub time_zone: String,
}

/// Something that keeps it from starting now and goes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    pub check: Check,
    pub until: Timestamp,
    /// `Frozen until Mon 30 Nov, 08:00 Europe/Vienna (weekend freeze)`.
    pub words: String,
}

impl Clearance {
    /// Everything that keeps a promotion from starting at that moment, whatever a broken glass says.
    pub fn closures(&self, waivers: &Waivers, now: Timestamp) -> Vec<Closure> {
        let frozen = self.freezes.iter().filter_map(|freeze| {
            let one = freeze.at(now)?;
            (!overridden(waivers, freeze, one.from)).then(|| Closure {
                check: Check::Freeze,
                until: one.until,
                words: format!("Frozen {}", freeze.until_words(one, now)),
            })
        });
        let calendar = self.migration.as_ref().and_then(|it| {
            let closed = it.record.closed(&it.migration, &it.time_zone, now)?;
            let until = moment_words(closed.until, &it.time_zone, now);
            Some(Closure {
                check: Check::Migration,
                until: closed.until,
                words: format!("Migration {} waits until {until}: {}", it.migration, closed.why),
            })
        });
        frozen.chain(calendar).collect()
    }

    /// The first moment from `from` on at which nothing keeps it from starting.
    pub fn opens(&self, waivers: &Waivers, from: Timestamp) -> Timestamp {
        let mut at = from;
        for _ in 0..CLOSURES_MAX {
            match self.closures(waivers, at).iter().map(|closure| closure.until).max() {
                Some(until) => at = until,
                None => break,
            }
        }
        at
    }

    fn closes_after(&self, waivers: &Waivers, from: Timestamp) -> Option<Timestamp> {
        let frozen = self.freezes.iter().filter_map(|freeze| {
            let mut next = freeze.after(from)?;
            while overridden(waivers, freeze, next.from) {
                next = freeze.after(next.from)?;
            }
            Some(next.from)
        });
        let calendar = self
            .migration
            .as_ref()
            .and_then(|it| it.record.closes_after(&it.migration, &it.time_zone, from));
        frozen.chain(calendar).min()
    }

    /// When it must have started that was free to go from `since` on and had `within` milliseconds: time in which it may not
    /// start does not count.
    pub fn start_limit(&self, waivers: &Waivers, since: Timestamp, within: i64) -> Timestamp {
        let (mut at, mut left) = (since, within);
        for _ in 0..CLOSURES_MAX {
            at = self.opens(waivers, at);
            match self.closes_after(waivers, at) {
                Some(closes) if closes.since(at) < left => {
                    left -= closes.since(at);
                    at = closes;
                }
                _ => break,
            }
        }
        at.plus_millis(left)
    }

    /// What somebody has to mend before a promotion may go.
    pub fn blockers(&self) -> Vec<(Check, Blocker)> {
        let order = self.migration.as_ref().and_then(|it| {
            let why = it.record.out_of_order(&it.migration)?;
            Some((Check::Migration, blocker(format!("migration {}", it.migration), why)))
        });
        order.into_iter().chain(self.way_back()).collect()
    }

    /// What holds up whatever brings back an earlier release.
    pub fn way_back(&self) -> Option<(Check, Blocker)> {
        let why = self.schema_gone.clone()?;
        Some((
            Check::SchemaGone,
            blocker("this release".to_owned(), format!("{why}; it needs break-glass")),
        ))
    }
}

fn blocker(subject: String, why: String) -> Blocker {
    Blocker {
        kind: BlockerKind::Migration,
        subject,
        why,
        since: None,
        url: None,
    }
}

fn overridden(waivers: &Waivers, freeze: &Freeze, from: Timestamp) -> bool {
    waivers
        .freezes
        .iter()
        .any(|given| given.freeze == freeze.name && given.occurrence.from == from)
}

/// The closures that hold it up at that moment: none of a rollback, and none that a broken glass skips.
pub fn closed(deployment: &Deployment, clearance: &Clearance, now: Timestamp) -> Vec<Closure> {
    if deployment.is_rollback() {
        return Vec::new();
    }
    let mut closures = clearance.closures(&deployment.waivers, now);
    closures.retain(|closure| !deployment.waivers.skips(&closure.check, now));
    closures
}

/// Closures in one line, the one that ends last first.
pub fn closed_words(mut closures: Vec<Closure>) -> String {
    closures.sort_by_key(|closure| std::cmp::Reverse(closure.until));
    closures
        .into_iter()
        .map(|closure| closure.words)
        .collect::<Vec<_>>()
        .join("; ")
}

/// When an approved deployment must have started, where freezes put that off.
pub(super) fn start_limit(deployment: &Deployment, facts: &Facts) -> Option<Timestamp> {
    let State::Queued {
        since, start_before, ..
    } = &deployment.state
    else {
        return None;
    };
    let within = start_before
        .as_ref()
        .filter(|_| deployment.by_quorum())
        .and(facts.target.as_ref())?;
    let within = within.policy.start_within_seconds.saturating_mul(crate::time::SECOND);
    Some(facts.clearance.start_limit(&deployment.waivers, *since, within))
}

/// Puts off the time to start where a freeze takes from it.
pub(super) fn postponed(deployment: &Deployment, facts: &Facts) -> Option<Step> {
    let State::Queued {
        since, start_before, ..
    } = &deployment.state
    else {
        return None;
    };
    let limit = start_limit(deployment, facts)?;
    let known = (*start_before)?;
    (limit > known).then(|| {
        let clearance = &facts.clearance;
        let waivers = &deployment.waivers;
        let mut closures = clearance.closures(waivers, *since);
        if closures.is_empty()
            && let Some(first) = clearance.closes_after(waivers, *since)
        {
            closures = clearance.closures(waivers, first);
        }
        let why = closed_words(closures);
        act(Transition::Exempt(Exemption::Postpone {
            start_before: limit,
            why,
        }))
    })
}

/// Before it starts by a broken glass, the glass is used, once, with the checks that did stand in the way.
pub(super) fn use_glass(deployment: &Deployment, facts: &Facts, stood: Vec<Check>, now: Timestamp) -> Option<Step> {
    let glass = deployment.waivers.glass.as_ref()?;
    if glass.used.is_some() || now >= glass.expires_at {
        return None;
    }
    let closures = facts.clearance.closures(&deployment.waivers, now);
    let mut skipped = stood;
    if !deployment.is_rollback() {
        skipped.extend(closures.into_iter().map(|closure| closure.check));
    }
    if deployment.by_glass() {
        skipped.push(Check::Quorum);
    }
    skipped.retain(|check| glass.skips.contains(check));
    skipped.sort_unstable();
    skipped.dedup();
    (!skipped.is_empty()).then(|| act(Transition::Exempt(Exemption::UseGlass { skipped })))
}
