//! Moments and spans. A moment is always given by the caller: the database's time, in milliseconds since 1970 UTC.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// A moment: milliseconds since 1970-01-01T00:00:00Z. Text form is RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Text that is no RFC 3339 moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a moment in RFC 3339 form, such as 2026-03-01T09:30:00Z")]
pub struct InvalidTimestamp(String);

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Later (or earlier) by `millis`, saturating at the ends of time.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_millis(seconds.saturating_mul(SECOND))
    }

    /// Milliseconds from `earlier` to this moment; negative when this one is the earlier.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        text.parse::<jiff::Timestamp>()
            .map(|moment| Self(moment.as_millisecond()))
            .map_err(|_| InvalidTimestamp(text.chars().take(80).collect()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A span in the words of a person: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`. Never more than two units.
pub fn span_words(millis: i64) -> String {
    let millis = millis.abs();
    let (days, hours, minutes, seconds) = (
        millis / DAY,
        millis % DAY / HOUR,
        millis % HOUR / MINUTE,
        millis % MINUTE / SECOND,
    );
    match (days, hours, minutes, seconds) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, 0) => format!("{minutes} min"),
        (0, 0, minutes, seconds) if minutes < 10 => format!("{minutes} min {seconds} s"),
        (0, 0, minutes, _) => format!("{minutes} min"),
        (0, hours, 0, _) => format!("{hours} h"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, 0, ..) => format!("{days} d"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_moment_reads_as_rfc_3339_and_back() {
        let moment = Timestamp::from_millis(1_767_225_600_123);
        assert_eq!(moment.to_string(), "2026-01-01T00:00:00.123Z");
        assert_eq!("2026-01-01T00:00:00.123Z".parse(), Ok(moment));
        assert_eq!("2026-01-01T02:00:00.123+02:00".parse(), Ok(moment));
    }

    #[test]
    fn text_that_is_no_moment_is_refused_with_an_example() {
        let error = "yesterday".parse::<Timestamp>().unwrap_err().to_string();
        assert!(
            error.contains("\"yesterday\"") && error.contains("2026-03-01T09:30:00Z"),
            "{error}"
        );
    }

    #[rstest]
    #[case(0, "0 s")]
    #[case(45 * SECOND, "45 s")]
    #[case(5 * MINUTE, "5 min")]
    #[case(5 * MINUTE + 3 * SECOND, "5 min 3 s")]
    #[case(12 * MINUTE + 3 * SECOND, "12 min")]
    #[case(3 * HOUR, "3 h")]
    #[case(3 * HOUR + 5 * MINUTE, "3 h 5 min")]
    #[case(2 * DAY + 4 * HOUR, "2 d 4 h")]
    fn a_span_has_two_units_at_most(#[case] millis: i64, #[case] words: &str) {
        assert_eq!(span_words(millis), words);
    }
}
