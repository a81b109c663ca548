//! Ids in metric math. Queries of several rules go into one call, where ids must be unique: each gets its own prefix.

use std::collections::BTreeSet;

/// Puts `prefix` before every id of `known`. What stands in quotes, functions and keywords (which begin with a capital) stay.
///
/// # Errors
/// The first id that is not known.
pub(super) fn prefixed(expression: &str, known: &BTreeSet<&str>, prefix: &str) -> Result<String, String> {
    let mut rewritten = String::with_capacity(expression.len() + prefix.len() * 4);
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest, first);
        let (token, after) = rest.split_at(length);
        if first.is_ascii_lowercase() {
            if !known.contains(token) {
                return Err(token.to_owned());
            }
            rewritten.push_str(prefix);
        }
        rewritten.push_str(token);
        rest = after;
    }
    Ok(rewritten)
}

/// Of a quoted text, a word, a number with what sticks to it, or one character.
fn token_length(rest: &str, first: char) -> usize {
    match first {
        '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
        c if c.is_ascii_alphanumeric() => rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len()),
        other => other.len_utf8(),
    }
}

/// Whether it asks for more than the metrics it names: then it cannot share a call.
pub(super) fn reaches_further(expression: &str) -> bool {
    let dense: String = expression.split_whitespace().collect();
    dense.contains("METRICS(") || dense.contains("SEARCH(")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("100 * errors / requests", "100 * q7_errors / q7_requests")]
    #[case("errors/(errors+ok2)", "q7_errors/(q7_errors+q7_ok2)")]
    #[case("IF(m > 1e5, FILL(m, REPEAT), 0.5)", "IF(q7_m > 1e5, FILL(q7_m, REPEAT), 0.5)")]
    #[case(
        "SUM(SEARCH('{a,b} m=\"errors\"', 'Sum', 60)) + m",
        "SUM(SEARCH('{a,b} m=\"errors\"', 'Sum', 60)) + q7_m"
    )]
    #[case("'it never ends m", "'it never ends m")]
    #[case("", "")]
    fn ids_get_a_prefix_and_nothing_else_does(#[case] expression: &str, #[case] expected: &str) {
        let known = BTreeSet::from(["errors", "requests", "ok2", "m"]);
        assert_eq!(prefixed(expression, &known, "q7_").as_deref(), Ok(expected));
    }

    #[test]
    fn an_id_that_no_metric_has_is_named() {
        let known = BTreeSet::from(["errors"]);
        assert_eq!(prefixed("errors + error", &known, "q7_"), Err("error".to_owned()));
    }

    #[test]
    fn what_reaches_beyond_its_metrics_is_known() {
        assert!(reaches_further("SUM( METRICS (\"errors\"))"));
        assert!(reaches_further("SEARCH('x','Sum',60)"));
        assert!(!reaches_further("metrics + search"));
    }
}
