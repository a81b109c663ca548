//! How one request of a smoke suite is told: how long it took, and what was not as expected.

use leptos::prelude::*;
use tidegate_domain::time::{MINUTE, SECOND, span_words};

/// `240 ms`, `1.2 s`, `2 min`.
pub(crate) fn took(millis: i64) -> String {
    match millis {
        ..SECOND => format!("{millis} ms"),
        SECOND..MINUTE => format!("{}.{} s", millis / SECOND, millis % SECOND / 100),
        _ => span_words(millis),
    }
}

/// What stands between backticks, as code.
pub(crate) fn with_code(words: &str) -> impl IntoView + use<> {
    words
        .split('`')
        .enumerate()
        .map(|(place, part)| {
            if place % 2 == 1 {
                view! { <code>{part.to_owned()}</code> }.into_any()
            } else {
                part.to_owned().into_any()
            }
        })
        .collect_view()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_its_own_unit() {
        let spans = [(999, "999 ms"), (1_000, "1.0 s"), (59_999, "59.9 s"), (60_000, "1 min")];
        for (millis, words) in spans {
            assert_eq!(took(millis), words);
        }
    }
}
