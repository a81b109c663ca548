//! Freezes and time zones as they are written: `[freezes.NAME]`, `[break_glass]`, and a service's `time_zone`.

use super::{
    check::known,
    file::At,
    problem::{Problems, closest},
};
use jiff::{
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::{collections::BTreeMap, ops::Range};
use tidegate_domain::{
    Freeze, Role, Timestamp,
    freeze::{Edge, Span, WEEK_MINUTES, Window, moment_of, zone},
    name::{EnvironmentName, ServiceName},
};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: u16 = 24 * 60;
const FORMS: &str = "write from = \"fri 16:00\" and to = \"mon 08:00\" for every week, days = [\"mon\", \"tue\"] with \
    from = \"22:00\" and to = \"06:00\" for single days, or from = \"2026-12-20 00:00\" and until = \"2027-01-04 08:00\" for \
    once";

/// When nothing goes forward: every week again, or once. Rollbacks always go.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// IANA name of the time zone that its times are meant in, such as `Europe/Vienna`.
    pub time_zone: At<String>,
    /// With times of day: `mon` to `sun`; every day when left out.
    #[serde(default)]
    pub days: Option<Vec<At<String>>>,
    /// `22:00`, `fri 16:00`, or `2026-12-20 00:00`.
    pub from: At<String>,
    /// Every week: the end, as a time of day (of the next day, when it is not later than `from`) or with its weekday.
    #[serde(default)]
    pub to: Option<At<String>>,
    /// Once: the end, as a date and a time.
    #[serde(default)]
    pub until: Option<At<String>>,
    /// All when left out.
    #[serde(default)]
    pub services: Vec<At<String>>,
    /// All when left out.
    #[serde(default)]
    pub environments: Vec<At<String>>,
    /// Roles that may let one deployment through; `admin` when left out.
    #[serde(default)]
    pub override_by: Option<Vec<At<String>>>,
}

/// Who may skip named checks in an incident.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakGlass {
    /// `deployer` and `admin` when left out; none: nobody.
    pub roles: Option<Vec<At<String>>>,
}

pub(super) fn freezes(
    written: &BTreeMap<String, At<Written>>,
    services: &[&str],
    environments: &[&str],
    problems: &mut Problems,
) -> Vec<Freeze> {
    written
        .iter()
        .filter_map(|(name, at)| freeze(name, at, services, environments, problems))
        .collect()
}

pub(super) fn break_glass(written: &BreakGlass, problems: &mut Problems) -> Vec<Role> {
    match &written.roles {
        Some(named) => roles(named, problems),
        None => vec![Role::Deployer, Role::Admin],
    }
}

/// The name of a time zone; UTC when left out.
pub(super) fn time_zone(written: Option<&At<String>>, problems: &mut Problems) -> String {
    match written {
        Some(name) if known_zone(name, problems).is_some() => name.get().clone(),
        _ => "UTC".to_owned(),
    }
}

fn known_zone(name: &At<String>, problems: &mut Problems) -> Option<TimeZone> {
    let found = zone(name.get());
    if found.is_none() {
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let suggestion = match closest(name.get(), names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "write an IANA name, such as \"Europe/Vienna\" or \"UTC\"".to_owned(),
        };
        problems.add(
            name.span(),
            format!("there is no time zone {:?}", name.get()),
            Some(suggestion),
        );
    }
    found
}

fn roles(named: &[At<String>], problems: &mut Problems) -> Vec<Role> {
    let names: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    let mut roles: Vec<Role> = named
        .iter()
        .filter(|name| known(name, "role", &names, problems))
        .filter_map(|name| Role::ALL.into_iter().find(|role| role.name() == name.get()))
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn freeze(
    name: &str,
    at: &At<Written>,
    services: &[&str],
    environments: &[&str],
    problems: &mut Problems,
) -> Option<Freeze> {
    let written = at.get();
    let zone = known_zone(&written.time_zone, problems);
    for service in &written.services {
        known(service, "service", services, problems);
    }
    for environment in &written.environments {
        known(environment, "environment", environments, problems);
    }
    let override_by = match &written.override_by {
        Some(named) => roles(named, problems),
        None => vec![Role::Admin],
    };
    let window = match (&written.to, &written.until) {
        (Some(to), None) => weekly(written, to, problems),
        (None, Some(until)) => dated(written, until, zone.as_ref(), problems),
        _ => {
            problems.add(
                at.span(),
                format!("freeze {name:?} needs either `to` or `until`"),
                Some(FORMS.to_owned()),
            );
            None
        }
    };
    Some(Freeze {
        name: name.to_owned(),
        time_zone: written.time_zone.get().clone(),
        window: window?,
        services: written
            .services
            .iter()
            .filter_map(|name| ServiceName::new(name.get().clone()).ok())
            .collect(),
        environments: written
            .environments
            .iter()
            .filter_map(|name| EnvironmentName::new(name.get().clone()).ok())
            .collect(),
        override_by,
    })
}

/// A time of the week as it is written: the weekday, where there is one, and the minute of the day.
fn clock(text: &At<String>, problems: &mut Problems) -> Option<(Option<u16>, u16)> {
    let words: Vec<&str> = text.get().split_whitespace().collect();
    let (day, time) = match words[..] {
        [time] => (None, time),
        [day, time] => (Some(weekday(day, text.span(), problems)?), time),
        _ => (None, ""),
    };
    let minutes = match time {
        "24:00" => Some(DAY_MINUTES),
        time => time
            .split_once(':')
            .filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2)
            .and_then(|(hour, minute)| Some((hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?)))
            .filter(|(hour, minute)| *hour < 24 && *minute < 60)
            .map(|(hour, minute)| hour * 60 + minute),
    };
    if minutes.is_none() {
        problems.add(
            text.span(),
            format!("{:?} is no time of the week", text.get()),
            Some("write hours and minutes, such as \"22:00\" or \"fri 16:00\"".to_owned()),
        );
    }
    Some((day, minutes?))
}

fn weekday(text: &str, span: Range<usize>, problems: &mut Problems) -> Option<u16> {
    let wanted = text.to_lowercase();
    let found = DAYS.iter().position(|day| *day == wanted);
    if found.is_none() {
        let suggestion = DAYS.iter().find(|day| wanted.starts_with(**day)).map_or_else(
            || format!("there are: {}", DAYS.join(", ")),
            |day| format!("write {day:?}"),
        );
        problems.add(span, format!("there is no day {text:?}"), Some(suggestion));
    }
    u16::try_from(found?).ok()
}

fn weekly(written: &Written, to: &At<String>, problems: &mut Problems) -> Option<Window> {
    let (from, to_clock) = (clock(&written.from, problems), clock(to, problems));
    let ((from_day, from), (to_day, until)) = (from?, to_clock?);
    let spans: Vec<Span> = match (from_day, to_day) {
        (Some(from_day), Some(to_day)) => {
            if let Some(first) = written.days.iter().flatten().next() {
                problems.add(
                    first.span(),
                    "`from` and `to` name their weekdays already",
                    Some("leave `days` out".to_owned()),
                );
                return None;
            }
            let (start, mut end) = (from_day * DAY_MINUTES + from, to_day * DAY_MINUTES + until);
            if end <= start {
                end += WEEK_MINUTES;
            }
            vec![Span { from: start, to: end }]
        }
        (None, None) => {
            let days: Vec<u16> = match &written.days {
                None => (0..7).collect(),
                Some(days) => days
                    .iter()
                    .filter_map(|day| weekday(day.get(), day.span(), problems))
                    .collect(),
            };
            let length = if until > from {
                until - from
            } else {
                DAY_MINUTES - from + until
            };
            days.into_iter()
                .map(|day| {
                    let start = day * DAY_MINUTES + from;
                    Span {
                        from: start,
                        to: start + length,
                    }
                })
                .collect()
        }
        _ => {
            problems.add(
                to.span(),
                "`from` and `to` are either both with a weekday or both without",
                Some(FORMS.to_owned()),
            );
            return None;
        }
    };
    if covers_the_week(&spans) {
        problems.add(
            to.span(),
            "this freeze would never end",
            Some("leave some of the week open, or give it dates with `until`".to_owned()),
        );
        return None;
    }
    Some(Window::Weekly { spans })
}

fn covers_the_week(spans: &[Span]) -> bool {
    let mut minutes = vec![false; usize::from(WEEK_MINUTES)];
    for span in spans {
        for minute in span.from..span.to {
            if let Some(covered) = minutes.get_mut(usize::from(minute % WEEK_MINUTES)) {
                *covered = true;
            }
        }
    }
    minutes.into_iter().all(|covered| covered)
}

fn dated(written: &Written, until: &At<String>, zone: Option<&TimeZone>, problems: &mut Problems) -> Option<Window> {
    if let Some(first) = written.days.iter().flatten().next() {
        problems.add(
            first.span(),
            "a freeze with `until` comes once, on no weekdays",
            Some("leave `days` out, or write `to` for every week".to_owned()),
        );
    }
    let (from, end) = (date(&written.from, problems), date(until, problems));
    let (from, end, zone) = (from?, end?, zone?);
    let (from, end): (Timestamp, Timestamp) = (moment_of(from, zone, Edge::First)?, moment_of(end, zone, Edge::Last)?);
    if end <= from {
        problems.add(
            until.span(),
            "this freeze ends before it begins",
            Some("write an `until` that is later than `from`".to_owned()),
        );
        return None;
    }
    Some(Window::Dated { from, until: end })
}

fn date(text: &At<String>, problems: &mut Problems) -> Option<DateTime> {
    let parsed = match text.get().split_once([' ', 'T']) {
        Some((date, time)) => date.parse::<Date>().ok().zip(time.parse::<Time>().ok()),
        None => text.get().parse::<Date>().ok().map(|date| (date, Time::midnight())),
    };
    if parsed.is_none() {
        problems.add(
            text.span(),
            format!("{:?} is no date and time", text.get()),
            Some("write them without an offset, such as \"2026-12-20 16:00\": they are meant in time_zone".to_owned()),
        );
    }
    parsed.map(|(date, time)| date.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use crate::config::parse;
    use rstest::rstest;
    use tidegate_domain::{Role, Timestamp};

    const DEMO: &str = include_str!("../../../infra/demo/tidegate.toml");

    fn with(freeze: &str) -> String {
        format!("{DEMO}\n[freezes.quiet]\n{freeze}\n")
    }

    fn said(freeze: &str) -> String {
        parse("tidegate.toml", &with(freeze))
            .expect_err("it is wrong")
            .to_string()
    }

    fn frozen(freeze: &str, at: &str) -> Option<String> {
        let loaded = parse("tidegate.toml", &with(freeze)).unwrap_or_else(|problems| panic!("{problems}"));
        let freeze = loaded
            .catalog
            .freezes
            .iter()
            .find(|freeze| freeze.name == "quiet")
            .unwrap();
        let now: Timestamp = at.parse().unwrap();
        freeze.at(now).map(|one| one.until.to_string())
    }

    #[rstest]
    #[case(
        "from = \"fri 16:00\"\nto = \"mon 08:00\"",
        "2026-11-28T12:00:00Z",
        Some("2026-11-30T07:00:00.000Z")
    )]
    #[case("from = \"fri 16:00\"\nto = \"mon 08:00\"", "2026-11-27T14:00:00Z", None)]
    #[case(
        "days = [\"mon\"]\nfrom = \"22:00\"\nto = \"06:00\"",
        "2026-12-01T04:00:00Z",
        Some("2026-12-01T05:00:00.000Z")
    )]
    #[case("days = [\"mon\"]\nfrom = \"22:00\"\nto = \"06:00\"", "2026-12-02T04:00:00Z", None)]
    #[case(
        "from = \"22:00\"\nto = \"06:00\"",
        "2026-12-02T04:00:00Z",
        Some("2026-12-02T05:00:00.000Z")
    )]
    #[case(
        "days = [\"sat\", \"sun\"]\nfrom = \"00:00\"\nto = \"24:00\"",
        "2026-11-28T12:00:00Z",
        Some("2026-11-29T23:00:00.000Z")
    )]
    #[case(
        "from = \"2026-12-20\"\nuntil = \"2027-01-04 08:00\"",
        "2026-12-24T12:00:00Z",
        Some("2027-01-04T07:00:00.000Z")
    )]
    fn freezes_are_read_as_they_are_meant(#[case] freeze: &str, #[case] at: &str, #[case] until: Option<&str>) {
        let freeze = format!("time_zone = \"Europe/Vienna\"\n{freeze}");
        assert_eq!(frozen(&freeze, at).as_deref(), until);
    }

    #[rstest]
    #[case(
        "time_zone = \"Europe/Viena\"\nfrom = \"22:00\"\nto = \"06:00\"",
        ":13: there is no time zone",
        "did you mean \"Europe/Vienna\"?"
    )]
    #[case(
        "time_zone = \"UTC\"\nfrom = \"22:00\"",
        "needs either `to` or `until`",
        "from = \"fri 16:00\""
    )]
    #[case(
        "time_zone = \"UTC\"\nfrom = \"22\"\nto = \"06:00\"",
        "\"22\" is no time of the week",
        "\"22:00\""
    )]
    #[case(
        "time_zone = \"UTC\"\nfrom = \"fri 16:00\"\nto = \"08:00\"",
        "either both with a weekday",
        "from ="
    )]
    #[case(
        "time_zone = \"UTC\"\nfrom = \"friday 16:00\"\nto = \"mon 08:00\"",
        "there is no day \"friday\"",
        "write \"fri\""
    )]
    #[case(
        "time_zone = \"UTC\"\nfrom = \"00:00\"\nto = \"24:00\"",
        "would never end",
        "leave some of the week open"
    )]
    #[case(
        "time_zone = \"UTC\"\nfrom = \"2026-12-20 16h\"\nuntil = \"2027-01-04\"",
        "is no date and time",
        "2026-12-20 16:00"
    )]
    #[case(
        "time_zone = \"UTC\"\nfrom = \"2027-12-20\"\nuntil = \"2027-01-04\"",
        "ends before it begins",
        "later than `from`"
    )]
    #[case(
        "time_zone = \"UTC\"\nfrom = \"22:00\"\nto = \"06:00\"\nservices = [\"guardrail\"]",
        "there is no service \"guardrail\"",
        "did you mean \"guardrails\"?"
    )]
    #[case(
        "time_zone = \"UTC\"\nfrom = \"22:00\"\nto = \"06:00\"\noverride_by = [\"boss\"]",
        "there is no role \"boss\"",
        "admin"
    )]
    fn what_is_wrong_is_told_with_what_to_write(#[case] freeze: &str, #[case] wrong: &str, #[case] write: &str) {
        let said = said(freeze);
        assert!(said.contains(wrong) && said.contains(write), "{said}");
        let line = DEMO.lines().count() + 1;
        let told: usize = said.split(':').nth(1).unwrap().parse().unwrap();
        assert!(told > line && told < line + 8, "{said}");
    }

    #[test]
    fn who_may_override_and_who_may_break_the_glass_is_said_or_taken_as_usual() {
        let quiet = "time_zone = \"UTC\"\nfrom = \"22:00\"\nto = \"06:00\"";
        let loaded = parse("tidegate.toml", &with(quiet)).unwrap();
        let freeze = |catalog: &tidegate_domain::Catalog| catalog.freezes.iter().find(|it| it.name == "quiet").cloned();
        assert_eq!(freeze(&loaded.catalog).unwrap().override_by, [Role::Admin]);
        assert_eq!(loaded.catalog.break_glass, [Role::Deployer, Role::Admin]);
        let named = with(&format!(
            "{quiet}\noverride_by = [\"approver\"]\n[break_glass]\nroles = [\"admin\"]"
        ));
        let loaded = parse("tidegate.toml", &named).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(freeze(&loaded.catalog).unwrap().override_by, [Role::Approver]);
        assert_eq!(loaded.catalog.break_glass, [Role::Admin]);
    }

    #[test]
    fn a_service_has_a_time_zone_of_its_own() {
        let text = DEMO.replacen("name = \"rag\"", "name = \"rag\"\ntime_zone = \"Europe/Vienna\"", 1);
        let loaded = parse("tidegate.toml", &text).unwrap_or_else(|problems| panic!("{problems}"));
        let zones: Vec<&str> = loaded.catalog.services.iter().map(|it| it.time_zone.as_str()).collect();
        assert!(zones.contains(&"Europe/Vienna") && zones.contains(&"UTC"), "{zones:?}");
        let wrong = DEMO.replacen("name = \"rag\"", "name = \"rag\"\ntime_zone = \"Vienna\"", 1);
        assert!(
            parse("tidegate.toml", &wrong)
                .unwrap_err()
                .to_string()
                .contains("there is no time zone")
        );
    }
}
