//! Moments and counts in the words of a person. Pure, and the same on the server and in the browser.

use tidegate_domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};

/// A span in one unit: `45 s`, `12 min`, `3 h`, `4 d`. For lists, where two units are noise.
pub fn coarse(millis: i64) -> String {
    match millis.abs() {
        span if span < MINUTE => format!("{} s", span / SECOND),
        span if span < HOUR => format!("{} min", span / MINUTE),
        span if span < 2 * DAY => format!("{} h", span / HOUR),
        span => format!("{} d", span / DAY),
    }
}

/// A moment as seen from `now`: `just now`, `12 min ago`, `in 3 h`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let since = now.since(at);
    if since.abs() < 5 * SECOND {
        "just now".to_owned()
    } else if since > 0 {
        format!("{} ago", coarse(since))
    } else {
        format!("in {}", coarse(since))
    }
}

/// A moment in UTC, to the second: `2026-03-01 09:30:00 UTC`.
pub fn utc(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

/// Keeps a figure and its percent sign on one line.
pub fn tied(text: &str) -> String {
    text.replace(" %", "\u{a0}%")
}

/// `1 commit`, `2 commits`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `a`, `a and b`, `a, b and c`; `or` instead where the last word says so.
pub fn listed(items: &[String], last: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [front @ .., end] => format!("{} {last} {end}", front.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    #[test]
    fn u04_a_moment_reads_as_seen_from_now() {
        assert_eq!(relative(NOW.plus_seconds(-3), NOW), "just now");
        assert_eq!(relative(NOW.plus_seconds(-90), NOW), "1 min ago");
        assert_eq!(relative(NOW.plus_seconds(47 * 3600), NOW), "in 47 h");
        assert_eq!(relative(NOW.plus_seconds(-72 * 3600), NOW), "3 d ago");
        assert_eq!(utc(NOW), "2026-01-01 00:00:00 UTC");
    }

    #[test]
    fn a_list_ends_with_its_last_word() {
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(listed(&names, "and"), "a, b and c");
        assert_eq!(listed(&names[..2], "or"), "a or b");
        assert_eq!(listed(&names[..1], "or"), "a");
    }
}
