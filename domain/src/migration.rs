//! Database migrations in three phases (requirements §2): expand, migrate, contract, each a deployment of its own.
//!
//! A `contract` takes the old schema away for good. It never goes on a Friday, and never in the calendar week in which the
//! old schema stopped being written; and what ran before it cannot simply be brought back.

use crate::{
    freeze::{Edge, moment_of, moment_words, wall_clock, zone},
    id::{DeploymentId, ReleaseId},
    time::Timestamp,
};
use jiff::{
    ToSpan as _,
    civil::{DateTime, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest id of a migration, in bytes.
pub const ID_MAX: usize = 100;

/// In their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The new schema is there beside the old one.
    Expand,
    /// Only the new schema is written from here on.
    Migrate,
    /// The old schema is gone.
    Contract,
}

impl Phase {
    pub const ALL: [Self; 3] = [Self::Expand, Self::Migrate, Self::Contract];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Migrate => "migrate",
            Self::Contract => "contract",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == text)
    }

    const fn before(self) -> Option<Self> {
        match self {
            Self::Expand => None,
            Self::Migrate => Some(Self::Expand),
            Self::Contract => Some(Self::Migrate),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a release says of the migration that it carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// The same for all three phases: letters, digits, `.`, `_` and `-`.
    pub id: String,
    pub phase: Phase,
}

impl Migration {
    /// `None`: no id of a migration.
    pub fn new(id: &str, phase: Phase) -> Option<Self> {
        let good =
            (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        good.then(|| Self {
            id: id.to_owned(),
            phase,
        })
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.phase)
    }
}

/// A phase that a deployment brought to an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseDone {
    pub deployment: DeploymentId,
    pub release: ReleaseId,
    pub migration: Migration,
    pub at: Timestamp,
}

/// A rollback that succeeded: at that moment what had succeeded at the other one ran again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WentBack {
    pub at: Timestamp,
    pub to: Timestamp,
}

/// What happened to the database of one service in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    pub done: Vec<PhaseDone>,
    pub back: Vec<WentBack>,
}

/// Until when a phase may not go, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    pub until: Timestamp,
    pub why: String,
}

impl Record {
    /// The newest time that this phase was brought here and that no rollback has undone since.
    pub fn standing(&self, id: &str, phase: Phase) -> Option<&PhaseDone> {
        self.done
            .iter()
            .filter(|one| one.migration.id == id && one.migration.phase == phase)
            .filter(|one| !self.back.iter().any(|back| back.to < one.at && one.at < back.at))
            .max_by_key(|one| one.at)
    }

    /// What keeps this phase from going, whenever it is: a phase before it, or the end of the migration behind it.
    pub fn out_of_order(&self, migration: &Migration) -> Option<String> {
        let id = &migration.id;
        if let Some(before) = migration.phase.before()
            && self.standing(id, before).is_none()
        {
            return Some(format!(
                "its {} phase has not succeeded here yet: deploy a release with that phase first",
                before
            ));
        }
        let contracted = self
            .done
            .iter()
            .any(|one| one.migration.id == *id && one.migration.phase == Phase::Contract);
        (contracted && migration.phase != Phase::Contract).then(|| {
            format!(
                "its contract phase has succeeded here: the old schema is gone, and {} is over",
                migration.phase
            )
        })
    }

    /// Why a release that last succeeded here at that moment cannot simply come back: the schema that it knows is gone.
    pub fn unsafe_past(&self, release: ReleaseId, succeeded_at: Timestamp) -> Option<String> {
        let contract = self
            .done
            .iter()
            .filter(|one| one.migration.phase == Phase::Contract && one.release != release && one.at > succeeded_at)
            .max_by_key(|one| one.at)?;
        Some(format!(
            "it is from before the contract phase of migration {}, which took the schema that it knows away on {}",
            contract.migration.id,
            moment_words(contract.at, "UTC", contract.at)
        ))
    }

    /// Whether the calendar keeps this phase from going at that moment. `time_zone`: the service's own.
    pub fn closed(&self, migration: &Migration, time_zone: &str, now: Timestamp) -> Option<Closed> {
        if migration.phase != Phase::Contract {
            return None;
        }
        let zone = zone(time_zone)?;
        let today = wall_clock(now, &zone)?;
        let stopped = self.standing(&migration.id, Phase::Migrate);
        let migrated = stopped.and_then(|one| wall_clock(one.at, &zone));
        if migrated.is_some_and(|migrated| same_week(migrated, today)) {
            let days = 7 - i64::from(today.weekday().to_monday_zero_offset());
            return Some(Closed {
                until: midnight(today, days, &zone)?,
                why: "a contract never goes in the calendar week in which migrate succeeded".to_owned(),
            });
        }
        (today.weekday() == Weekday::Friday).then_some(())?;
        Some(Closed {
            until: midnight(today, 1, &zone)?,
            why: "a contract never goes on a Friday".to_owned(),
        })
    }

    /// When the calendar closes next after that moment.
    pub fn closes_after(&self, migration: &Migration, time_zone: &str, now: Timestamp) -> Option<Timestamp> {
        if migration.phase != Phase::Contract {
            return None;
        }
        let zone = zone(time_zone)?;
        let today = wall_clock(now, &zone)?;
        let to_friday = i64::from(today.weekday().until(Weekday::Friday));
        midnight(today, if to_friday == 0 { 7 } else { to_friday }, &zone)
    }
}

fn same_week(one: DateTime, other: DateTime) -> bool {
    let week = |day: DateTime| {
        let iso = day.date().iso_week_date();
        (iso.year(), iso.week())
    };
    week(one) == week(other)
}

fn midnight(day: DateTime, days: i64, zone: &TimeZone) -> Option<Timestamp> {
    let date = day.date().checked_add(days.days()).ok()?;
    moment_of(date.at(0, 0, 0, 0), zone, Edge::First)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use uuid::Uuid;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn release(number: u128) -> ReleaseId {
        ReleaseId::from_uuid(Uuid::from_u128(number))
    }

    fn migration(phase: Phase) -> Migration {
        Migration::new("2026-11-orders", phase).unwrap()
    }

    fn done(phase: Phase, when: &str) -> PhaseDone {
        let number = phase as u128 + 1;
        PhaseDone {
            deployment: DeploymentId::from_uuid(Uuid::from_u128(number)),
            release: release(number),
            migration: migration(phase),
            at: at(when),
        }
    }

    fn record(done: &[PhaseDone]) -> Record {
        Record {
            done: done.to_vec(),
            back: Vec::new(),
        }
    }

    #[test]
    fn phases_go_in_their_order() {
        let nothing = Record::default();
        assert_eq!(nothing.out_of_order(&migration(Phase::Expand)), None);
        assert_eq!(
            nothing.out_of_order(&migration(Phase::Migrate)).unwrap(),
            "its expand phase has not succeeded here yet: deploy a release with that phase first"
        );
        let expanded = record(&[done(Phase::Expand, "2026-11-02T10:00:00Z")]);
        assert_eq!(expanded.out_of_order(&migration(Phase::Migrate)), None);
        assert!(
            expanded
                .out_of_order(&migration(Phase::Contract))
                .unwrap()
                .contains("its migrate phase")
        );
        let other = Migration::new("another", Phase::Migrate).unwrap();
        assert!(
            expanded.out_of_order(&other).is_some(),
            "another migration's expand does not do"
        );
    }

    #[test]
    fn a_rollback_undoes_what_came_between() {
        let mut record = record(&[
            done(Phase::Expand, "2026-11-02T10:00:00Z"),
            done(Phase::Migrate, "2026-11-03T10:00:00Z"),
        ]);
        record.back.push(WentBack {
            at: at("2026-11-03T11:00:00Z"),
            to: at("2026-11-02T10:00:00Z"),
        });
        assert!(record.standing("2026-11-orders", Phase::Migrate).is_none());
        assert!(record.standing("2026-11-orders", Phase::Expand).is_some());
        assert!(record.out_of_order(&migration(Phase::Contract)).is_some());
    }

    #[rstest]
    // Migrated on Tuesday 3 November 2026, in week 45.
    #[case("2026-11-03T12:00:00Z", Some(("2026-11-08T23:00:00Z", "week")))]
    #[case("2026-11-08T22:59:59Z", Some(("2026-11-08T23:00:00Z", "week")))]
    #[case("2026-11-08T23:00:00Z", None)]
    // Friday 13 November, from midnight to midnight in Vienna.
    #[case("2026-11-12T22:59:59Z", None)]
    #[case("2026-11-12T23:00:00Z", Some(("2026-11-13T23:00:00Z", "Friday")))]
    #[case("2026-11-13T22:59:59Z", Some(("2026-11-13T23:00:00Z", "Friday")))]
    #[case("2026-11-13T23:00:00Z", None)]
    fn a_contract_goes_neither_in_the_week_of_migrate_nor_on_a_friday(
        #[case] now: &str,
        #[case] closed: Option<(&str, &str)>,
    ) {
        let record = record(&[
            done(Phase::Expand, "2026-11-02T10:00:00Z"),
            done(Phase::Migrate, "2026-11-03T10:00:00Z"),
        ]);
        let found = record.closed(&migration(Phase::Contract), "Europe/Vienna", at(now));
        assert_eq!(
            found.as_ref().map(|found| found.until),
            closed.map(|(until, _)| at(until))
        );
        if let (Some(found), Some((_, word))) = (found, closed) {
            assert!(found.why.contains(word), "{found:?}");
        }
        assert_eq!(
            record.closed(&migration(Phase::Migrate), "Europe/Vienna", at(now)),
            None
        );
    }

    #[test]
    fn the_calendar_week_is_that_of_iso_8601() {
        // Monday 28 December 2026 and Friday 1 January 2027 are both in week 53 of 2026.
        let record = record(&[
            done(Phase::Expand, "2026-12-01T10:00:00Z"),
            done(Phase::Migrate, "2026-12-28T10:00:00Z"),
        ]);
        let found = record
            .closed(&migration(Phase::Contract), "UTC", at("2027-01-02T10:00:00Z"))
            .unwrap();
        assert_eq!(found.until, at("2027-01-04T00:00:00Z"));
        assert_eq!(
            record.closed(&migration(Phase::Contract), "UTC", at("2027-01-04T00:00:00Z")),
            None
        );
    }

    #[test]
    fn what_ran_before_a_contract_cannot_simply_come_back() {
        let record = record(&[done(Phase::Contract, "2026-11-10T10:00:00Z")]);
        let why = record.unsafe_past(release(9), at("2026-11-09T10:00:00Z")).unwrap();
        assert!(
            why.contains("migration 2026-11-orders") && why.contains("Tue 10 Nov, 10:00 UTC"),
            "{why}"
        );
        assert_eq!(record.unsafe_past(release(9), at("2026-11-11T10:00:00Z")), None);
        assert_eq!(
            record.unsafe_past(release(3), at("2026-11-09T10:00:00Z")),
            None,
            "its own release"
        );
    }

    #[rstest]
    #[case("2026-11-orders", true)]
    #[case("", false)]
    #[case("a b", false)]
    fn an_id_is_one_word(#[case] id: &str, #[case] good: bool) {
        assert_eq!(Migration::new(id, Phase::Expand).is_some(), good);
    }
}
