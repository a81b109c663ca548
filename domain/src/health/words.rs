//! What a judgement says to people. One sentence for each verdict; numbers with as many digits as tell them apart.

use super::{
    Against, Direction, During, Judged, Limit, MannWhitney, Margin, Missing, Number, Rule, Verdict, limits::amount,
    mann_whitney::Found,
};
use crate::time::{Timestamp, span_words};

pub(super) fn limits(
    rule: &Rule,
    limits: &[Limit],
    during: During,
    verdict: Verdict,
    samples: &[Judged],
    baseline: Option<Number>,
    incomparable: bool,
) -> String {
    let (_, n) = during.of(rule.span_seconds());
    let breaches = amount(samples.iter().filter(|sample| sample.breach).count());
    let gone = amount(samples.iter().filter(|sample| sample.value.is_none()).count());
    let last = samples.iter().rev().find(|sample| sample.value.is_some());
    let name = &rule.words;
    match verdict {
        Verdict::Breach if breaches == 0 => {
            format!("{name}: no data in {}, which counts as a breach", of(gone, n, rule))
        }
        Verdict::Breach => {
            let worst = samples.iter().rev().find(|sample| sample.breach);
            let compared = worst.map_or_else(String::new, |sample| {
                compared(rule, sample, sign(rule.direction)) + &why(rule, limits, sample, baseline)
            });
            let lasting = match during {
                During::For { seconds } => format!("for {}", span(seconds)),
                During::Datapoints { .. } => format!("in {}", of(breaches, n, rule)),
            };
            let also = if gone > 0 && rule.missing == Missing::Breach {
                format!(", and no data in {gone}")
            } else {
                String::new()
            };
            format!("{name} {compared} {lasting}{also}")
        }
        Verdict::Missing if incomparable => format!("{name}: {}", nothing_to_compare_with(rule, limits, baseline)),
        Verdict::Missing => format!("{name}: no data in {}", of(gone, n, rule)),
        Verdict::DoesNotApply => no_stable(rule),
        Verdict::Pending if amount(samples.len()) < n => {
            format!("{name}: {} so far", of(amount(samples.len()), n, rule))
        }
        Verdict::Pending => format!("{name}: the newest data is not there yet"),
        Verdict::Ok => match last {
            None => format!("{name}: no data in {}, which this rule allows", of(gone, n, rule)),
            Some(sample) => {
                let sign = match rule.direction {
                    Direction::Above => "≤",
                    Direction::Below => "≥",
                };
                let now = if sample.breach {
                    compared(rule, sample, self::sign(rule.direction))
                } else {
                    compared(rule, sample, sign)
                };
                if breaches == 0 {
                    format!("{name} {now}{}", why(rule, limits, sample, baseline))
                } else {
                    format!("{name} {now}, beyond it in {} only", of(breaches, n, rule))
                }
            }
        },
    }
}

pub(super) fn mann_whitney(
    rule: &Rule,
    test: &MannWhitney,
    verdict: Verdict,
    values: &[f64],
    others: usize,
    found: Option<&Found>,
) -> String {
    let name = &rule.words;
    let other = match test.against {
        Against::Stable => "of the stable version",
        Against::Baseline => "before the deployment",
    };
    if verdict == Verdict::DoesNotApply {
        return no_stable(rule);
    }
    let Some(found) = found else {
        let counted = format!(
            "{} values of the new version and {others} {other}; {} of each are needed",
            values.len(),
            test.at_least
        );
        return match verdict {
            Verdict::Breach => format!("{name}: {counted}, and missing data counts as a breach"),
            Verdict::Ok => format!("{name}: {counted}; this rule allows missing data"),
            _ => format!("{name}: {counted}"),
        };
    };
    let side = match rule.direction {
        Direction::Above => "higher",
        Direction::Below => "lower",
    };
    let share = percent(found.effect.get());
    let pairs = format!(
        "{side} in {share} of all pairs with those {other} ({} and {others} values)",
        values.len()
    );
    let p = found.p.get();
    let sure = if p < 0.000_1 {
        "with more than 99.99 % confidence".to_owned()
    } else {
        format!("with {} confidence", percent(1.0 - p))
    };
    match verdict {
        Verdict::Breach => format!("{name}: {pairs}, {sure}"),
        _ => format!(
            "{name}: {pairs}, {sure}; a breach is {} of pairs with {} confidence",
            percent(test.effect.get()),
            percent(test.confidence.get())
        ),
    }
}

pub(super) fn unread(rule: &Rule, why: &str, since: Timestamp, now: Timestamp) -> String {
    let name = &rule.words;
    match now.since(since) {
        ..=0 => format!("{name} could not be read: {why}"),
        since => format!("{name} could not be read for {}: {why}", span_words(since)),
    }
}

fn no_stable(rule: &Rule) -> String {
    format!(
        "{}: the stable version took no traffic for long enough to compare with",
        rule.words
    )
}

fn nothing_to_compare_with(rule: &Rule, limits: &[Limit], baseline: Option<Number>) -> String {
    let no_baseline = baseline.is_none() && limits.iter().any(|limit| matches!(limit, Limit::Baseline(_)));
    if no_baseline {
        let before = rule.baseline.as_ref().map_or(0, |baseline| baseline.seconds);
        format!(
            "too little was measured in the {} before the deployment to compare with",
            span(before)
        )
    } else {
        "nothing was measured of the stable version to compare with".to_owned()
    }
}

const fn sign(direction: Direction) -> &'static str {
    match direction {
        Direction::Above => ">",
        Direction::Below => "<",
    }
}

/// `2.4 % > 1 %`.
fn compared(rule: &Rule, sample: &Judged, sign: &str) -> String {
    let Some(value) = sample.value else {
        return String::new();
    };
    match sample.threshold {
        Some(threshold) => {
            let (value, threshold) = apart(value.get(), threshold.get());
            format!("{} {sign} {}", with_unit(&value, rule), with_unit(&threshold, rule))
        }
        None => with_unit(&digits(value.get(), 3), rule),
    }
}

/// Where a relative threshold comes from: ` (1.25 × 1.2 s of the stable version)`.
fn why(rule: &Rule, limits: &[Limit], sample: &Judged, baseline: Option<Number>) -> String {
    limits
        .iter()
        .find_map(|limit| {
            let (margin, other, whose) = match limit {
                Limit::Absolute { .. } => return None,
                Limit::Baseline(margin) => (margin, baseline?, "before the deployment"),
                Limit::Stable(margin) => (margin, sample.stable?, "of the stable version"),
            };
            (margin.of(other.get()) == sample.threshold)
                .then(|| format!(" ({} {whose})", margin_words(margin, other, rule)))
        })
        .unwrap_or_default()
}

fn margin_words(margin: &Margin, other: Number, rule: &Rule) -> String {
    let mut words = with_unit(&digits(other.get(), 3), rule);
    if margin.factor != Number::literal(1.0) {
        words = format!("{} × {words}", digits(margin.factor.get(), 3));
    }
    match margin.difference.get() {
        0.0 => words,
        less @ ..0.0 => format!("{words} − {}", with_unit(&digits(-less, 3), rule)),
        more => format!("{words} + {}", with_unit(&digits(more, 3), rule)),
    }
}

fn with_unit(number: &str, rule: &Rule) -> String {
    if rule.unit.is_empty() {
        number.to_owned()
    } else {
        format!("{number} {}", rule.unit)
    }
}

/// `2 of 3 minutes`, `2 of 3 datapoints of 15 s`; `the last minute` is for one of one.
fn of(m: u32, n: u32, rule: &Rule) -> String {
    let seconds = rule.span_seconds();
    let (one, many) = if seconds == 60 {
        ("minute".to_owned(), "minutes".to_owned())
    } else {
        let length = span(seconds);
        (format!("datapoint of {length}"), format!("datapoints of {length}"))
    };
    format!("{m} of {n} {}", if n == 1 { one } else { many })
}

fn span(seconds: u32) -> String {
    span_words(super::read::millis(seconds))
}

impl Number {
    /// For people: four digits, no zeros at the end.
    pub fn words(self) -> String {
        digits(self.get(), 4)
    }
}

/// A share as a percentage with up to four digits; what is not quite all is not shown as all.
fn percent(share: f64) -> String {
    let (text, _) = apart(share * 100.0, if share < 1.0 { 100.0 } else { 0.0 });
    format!("{text} %")
}

/// Two numbers with as many digits as they need to look different.
fn apart(a: f64, b: f64) -> (String, String) {
    for significant in 3..=17 {
        let (first, second) = (digits(a, significant), digits(b, significant));
        if first != second {
            return (first, second);
        }
    }
    (digits(a, 3), digits(b, 3))
}

/// So many significant digits, all of those before the point, and no zeros at the end.
fn digits(value: f64, significant: i32) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.abs() < 1e-6 || value.abs() >= 1e12 {
        return format!("{value:.2e}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the magnitude of a number is between -6 and 12"
    )]
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = usize::try_from(significant - 1 - magnitude).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.0, "0")]
    #[case(2.4, "2.4")]
    #[case(100.0, "100")]
    #[case(1234.5, "1234")]
    #[case(0.012_345, "0.0123")]
    #[case(1.25, "1.25")]
    #[case(-3.0, "-3")]
    fn a_number_has_three_digits(#[case] value: f64, #[case] text: &str) {
        assert_eq!(digits(value, 3), text);
    }

    #[test]
    fn a_value_just_over_its_threshold_looks_different_from_it() {
        assert_eq!(apart(1.000_01, 1.0), ("1.00001".to_owned(), "1".to_owned()));
        assert_eq!(percent(0.999_999), "99.9999 %");
    }
}
