//! Freeze windows: when nothing goes forward. Weekly or dated, by the wall clock of a time zone.
//!
//! Never reads a clock or a file: the moment is given, and the rules of every time zone are part of the program. A freeze
//! covers exactly those moments at which a clock on the wall in its zone reads something from its beginning up to its end:
//! an hour that is there twice in autumn belongs to it both times, and a beginning or an end that spring leaves out is the
//! moment at which the clock jumps.

use crate::{
    access::Role,
    name::{EnvironmentName, PersonRef, ServiceName},
    time::Timestamp,
};
use jiff::{
    ToSpan as _,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone},
};
use serde::{Deserialize, Serialize};

const DAY_MINUTES: i64 = 24 * 60;
/// Minutes of a week.
pub const WEEK_MINUTES: u16 = 7 * 24 * 60;

/// Nothing goes forward in its windows; rollbacks do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    pub name: String,
    /// IANA name, such as `Europe/Vienna`; known to [`zone`].
    pub time_zone: String,
    pub window: Window,
    /// Empty: every service.
    pub services: Vec<ServiceName>,
    /// Empty: every environment.
    pub environments: Vec<EnvironmentName>,
    /// Who may let one deployment through.
    pub override_by: Vec<Role>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Window {
    /// Every week again.
    Weekly { spans: Vec<Span> },
    /// Once.
    Dated { from: Timestamp, until: Timestamp },
}

/// From minute to minute of the week by the wall clock; Monday 00:00 is 0. `to` is later than `from`, and beyond
/// [`WEEK_MINUTES`] when it lies in the next week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub from: u16,
    pub to: u16,
}

/// One time that a freeze comes round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

/// Someone let one deployment through one occurrence of one freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeOverride {
    pub freeze: String,
    pub occurrence: Occurrence,
    pub by: PersonRef,
    pub reason: String,
    pub at: Timestamp,
}

/// The time zone of that IANA name, from the rules that are part of the program.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// `Mon 30 Nov, 08:00 Europe/Vienna`; with the year where it is not that of `now`.
pub fn moment_words(at: Timestamp, time_zone: &str, now: Timestamp) -> String {
    let (Some(zone), Ok(moment), Ok(now)) = (
        zone(time_zone),
        jiff::Timestamp::from_millisecond(at.millis()),
        jiff::Timestamp::from_millisecond(now.millis()),
    ) else {
        return at.to_string();
    };
    let same_year = moment.to_zoned(zone.clone()).year() == now.to_zoned(zone.clone()).year();
    let form = if same_year {
        "%a %-d %b, %H:%M"
    } else {
        "%a %-d %b %Y, %H:%M"
    };
    format!("{} {time_zone}", moment.to_zoned(zone).strftime(form))
}

/// The wall clock of a zone at that moment. `None` at the ends of time.
pub(crate) fn wall_clock(at: Timestamp, zone: &TimeZone) -> Option<DateTime> {
    let moment = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
    Some(moment.to_zoned(zone.clone()).datetime())
}

/// Which end of an hour that is there twice is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    First,
    Last,
}

/// The moment at which the wall clock reads `at`: of two the first or the last, and where it never does, the jump.
pub fn moment_of(at: DateTime, zone: &TimeZone, edge: Edge) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(at);
    let moment = match (ambiguous.offset(), edge) {
        (AmbiguousOffset::Unambiguous { .. }, _) => ambiguous.compatible().ok()?,
        (AmbiguousOffset::Fold { .. }, Edge::First) => ambiguous.earlier().ok()?,
        (AmbiguousOffset::Fold { .. }, Edge::Last) => ambiguous.later().ok()?,
        (AmbiguousOffset::Gap { .. }, _) => {
            let before = ambiguous.earlier().ok()?;
            zone.following(before).next().map(|jump| jump.timestamp())?
        }
    };
    Some(Timestamp::from_millis(moment.as_millisecond()))
}

/// The moment that a date and a minute of its day mean in a zone; minutes beyond the day are of the days after.
fn on(date: Date, minutes: i64, zone: &TimeZone, edge: Edge) -> Option<Timestamp> {
    let date = date.checked_add((minutes / DAY_MINUTES).days()).ok()?;
    let within = minutes % DAY_MINUTES;
    let (hour, minute) = (i8::try_from(within / 60).ok()?, i8::try_from(within % 60).ok()?);
    moment_of(date.at(hour, minute, 0, 0), zone, edge)
}

impl Freeze {
    pub fn covers(&self, service: &ServiceName, environment: &EnvironmentName) -> bool {
        (self.services.is_empty() || self.services.contains(service))
            && (self.environments.is_empty() || self.environments.contains(environment))
    }

    /// What people call it: `weekend freeze`.
    pub fn label(&self) -> String {
        if self.name.ends_with("freeze") {
            self.name.clone()
        } else {
            format!("{} freeze", self.name)
        }
    }

    /// The occurrence that holds at that moment.
    pub fn at(&self, now: Timestamp) -> Option<Occurrence> {
        self.occurrences(now)
            .into_iter()
            .find(|one| one.from <= now && now < one.until)
    }

    /// The first occurrence that begins after that moment.
    pub fn after(&self, now: Timestamp) -> Option<Occurrence> {
        self.occurrences(now).into_iter().find(|one| one.from > now)
    }

    /// `until Mon 30 Nov, 08:00 Europe/Vienna (weekend freeze)`.
    pub fn until_words(&self, one: Occurrence, now: Timestamp) -> String {
        let until = moment_words(one.until, &self.time_zone, now);
        format!("until {until} ({})", self.label())
    }

    /// Those around that moment, in their order; spans that touch or overlap are one.
    fn occurrences(&self, now: Timestamp) -> Vec<Occurrence> {
        let spans = match &self.window {
            Window::Dated { from, until } => {
                return vec![Occurrence {
                    from: *from,
                    until: *until,
                }];
            }
            Window::Weekly { spans } => spans,
        };
        let Some(zone) = zone(&self.time_zone) else {
            return Vec::new();
        };
        let Some(today) = wall_clock(now, &zone).map(DateTime::date) else {
            return Vec::new();
        };
        let back = i64::from(today.weekday().to_monday_zero_offset());
        let mut found: Vec<Occurrence> = (-2_i64..=2)
            .filter_map(|week| today.checked_add((week * 7 - back).days()).ok())
            .flat_map(|monday| spans.iter().map(move |span| (monday, span)))
            .filter_map(|(monday, span)| {
                Some(Occurrence {
                    from: on(monday, i64::from(span.from), &zone, Edge::First)?,
                    until: on(monday, i64::from(span.to), &zone, Edge::Last)?,
                })
            })
            // What spring leaves out altogether is no window.
            .filter(|one| one.from < one.until)
            .collect();
        found.sort_unstable_by_key(|one| (one.from, one.until));
        let mut merged: Vec<Occurrence> = Vec::new();
        for one in found {
            match merged.last_mut() {
                Some(last) if one.from <= last.until => last.until = last.until.max(one.until),
                _ => merged.push(one),
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const FRI: u16 = 4 * 24 * 60;
    const SUN: u16 = 6 * 24 * 60;

    fn weekly(zone: &str, spans: &[(u16, u16)]) -> Freeze {
        Freeze {
            name: "weekend".to_owned(),
            time_zone: zone.to_owned(),
            window: Window::Weekly {
                spans: spans.iter().map(|(from, to)| Span { from: *from, to: *to }).collect(),
            },
            services: Vec::new(),
            environments: Vec::new(),
            override_by: vec![Role::Admin],
        }
    }

    /// Friday 16:00 to Monday 08:00.
    fn weekend() -> Freeze {
        weekly("Europe/Vienna", &[(FRI + 16 * 60, WEEK_MINUTES + 8 * 60)])
    }

    #[rstest]
    #[case("2026-11-27T14:59:59.999Z", None)]
    #[case("2026-11-27T15:00:00Z", Some("2026-11-30T07:00:00Z"))]
    #[case("2026-11-29T23:30:00Z", Some("2026-11-30T07:00:00Z"))]
    #[case("2026-11-30T06:59:59.999Z", Some("2026-11-30T07:00:00Z"))]
    #[case("2026-11-30T07:00:00Z", None)]
    fn a_weekend_is_frozen_from_its_first_moment_to_its_last(#[case] now: &str, #[case] until: Option<&str>) {
        assert_eq!(weekend().at(at(now)).map(|one| one.until), until.map(at));
    }

    #[test]
    fn it_says_until_when_by_the_clock_on_the_wall() {
        let now = at("2026-11-28T12:00:00Z");
        let one = weekend().at(now).unwrap();
        assert_eq!(
            weekend().until_words(one, now),
            "until Mon 30 Nov, 08:00 Europe/Vienna (weekend freeze)"
        );
        assert_eq!(
            moment_words(at("2027-01-04T07:00:00Z"), "Europe/Vienna", now),
            "Mon 4 Jan 2027, 08:00 Europe/Vienna"
        );
    }

    #[test]
    fn the_next_one_begins_after_the_moment_given() {
        let next = weekend().after(at("2026-11-30T07:00:00Z")).unwrap();
        assert_eq!(next.from, at("2026-12-04T15:00:00Z"));
        assert_eq!(weekend().after(at("2026-12-04T14:59:59Z")).unwrap().from, next.from);
    }

    // Vienna, 29 March 2026: 02:00 becomes 03:00 (01:00 UTC). 25 October 2026: 03:00 becomes 02:00 (01:00 UTC).

    #[test]
    fn a_beginning_that_spring_leaves_out_is_the_jump() {
        let freeze = weekly("Europe/Vienna", &[(SUN + 150, SUN + 300)]);
        let one = freeze.at(at("2026-03-29T02:00:00Z")).unwrap();
        assert_eq!(
            (one.from, one.until),
            (at("2026-03-29T01:00:00Z"), at("2026-03-29T03:00:00Z"))
        );
        assert_eq!(freeze.at(at("2026-03-29T00:59:59Z")), None);
    }

    #[test]
    fn a_window_that_spring_leaves_out_is_none() {
        let freeze = weekly("Europe/Vienna", &[(SUN + 125, SUN + 175)]);
        assert_eq!(freeze.at(at("2026-03-29T01:00:00Z")), None);
        assert_eq!(
            freeze.after(at("2026-03-28T12:00:00Z")).unwrap().from,
            at("2026-04-05T00:05:00Z")
        );
    }

    #[test]
    fn an_hour_that_autumn_has_twice_is_frozen_both_times() {
        let freeze = weekly("Europe/Vienna", &[(SUN + 120, SUN + 150)]);
        let one = freeze.at(at("2026-10-25T00:10:00Z")).unwrap();
        // From the first 02:00 to the second 02:30.
        assert_eq!(
            (one.from, one.until),
            (at("2026-10-25T00:00:00Z"), at("2026-10-25T01:30:00Z"))
        );
    }

    #[test]
    fn a_window_across_a_change_ends_when_the_clock_says_so() {
        // The weekend is an hour longer in autumn, and an hour shorter in spring.
        let hours = |now: &str| {
            let one = weekend().at(at(now)).unwrap();
            one.until.since(one.from) / crate::time::HOUR
        };
        assert_eq!(hours("2026-11-28T12:00:00Z"), 64);
        assert_eq!(hours("2026-10-24T12:00:00Z"), 65);
        assert_eq!(hours("2026-03-28T12:00:00Z"), 63);
    }

    #[test]
    fn nights_that_touch_are_one() {
        // Saturday and Sunday, from midnight to midnight.
        let freeze = weekly("UTC", &[(SUN - 24 * 60, SUN), (SUN, WEEK_MINUTES)]);
        let one = freeze.at(at("2026-11-28T12:00:00Z")).unwrap();
        assert_eq!(
            (one.from, one.until),
            (at("2026-11-28T00:00:00Z"), at("2026-11-30T00:00:00Z"))
        );
    }

    #[test]
    fn a_dated_freeze_comes_once() {
        let freeze = Freeze {
            window: Window::Dated {
                from: at("2026-12-20T00:00:00Z"),
                until: at("2027-01-04T07:00:00Z"),
            },
            ..weekend()
        };
        assert_eq!(
            freeze.at(at("2026-12-24T18:00:00Z")).unwrap().until,
            at("2027-01-04T07:00:00Z")
        );
        assert_eq!(freeze.at(at("2027-01-04T07:00:00Z")), None);
        assert_eq!(freeze.after(at("2027-01-04T07:00:00Z")), None);
    }
}
