//! The Mann–Whitney U test: do values of one sample tend to be larger than those of another?
//!
//! Small samples without ties are counted out exactly; others go by the normal approximation with corrections for ties
//! and for continuity. Source: H. B. Mann, D. R. Whitney, "On a Test of Whether one of Two Random Variables is
//! Stochastically Larger than the Other", Annals of Mathematical Statistics 18 (1947), 50–60; ties: S. Siegel,
//! "Nonparametric Statistics for the Behavioral Sciences" (1956), p. 123–126.

use super::Number;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// Up to this many values on both sides together are counted out exactly.
const EXACT_UP_TO: usize = 40;

/// What the test found for "values of the first sample are larger".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Pairs in which the first sample's value is the larger one; a tie is half a pair.
    pub u: Number,
    /// How probable so large a U is when there is no difference (one-sided).
    pub p: Number,
    /// U as a share of all pairs: 0.5 is no difference, 1 is every pair.
    pub effect: Number,
    pub exact: bool,
}

/// `None` when a side is empty.
pub fn larger(first: &[f64], second: &[f64]) -> Option<Found> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let (u, ties) = u_of(first, second);
    let (n1, n2) = (count(first.len()), count(second.len()));
    let pairs = n1 * n2;
    let exact = ties == 0.0 && first.len() + second.len() <= EXACT_UP_TO;
    let p = if exact {
        exact_p(first.len(), second.len(), u)
    } else {
        normal_p(n1, n2, u, ties)
    };
    Some(Found {
        u: Number::new(u)?,
        p: Number::new(p.clamp(0.0, 1.0))?,
        effect: Number::new(u / pairs)?,
        exact,
    })
}

/// The smallest p that samples of these sizes can reach: every value of one above every value of the other.
pub fn smallest_p(first: usize, second: usize) -> f64 {
    // 1 / C(first + second, first)
    (1..=first).fold(1.0, |p, i| p * count(i) / count(second + i))
}

#[expect(clippy::cast_precision_loss, reason = "samples are far smaller than 2^52")]
const fn count(n: usize) -> f64 {
    n as f64
}

/// U of the first sample, and Σ(t³ − t) over groups of ties.
fn u_of(first: &[f64], second: &[f64]) -> (f64, f64) {
    let mut all: Vec<(f64, bool)> = first
        .iter()
        .map(|value| (*value, true))
        .chain(second.iter().map(|value| (*value, false)))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut u, mut ties, mut below) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|a, b| a.0 == b.0) {
        let ours = count(group.iter().filter(|(_, ours)| *ours).count());
        let theirs = count(group.len()) - ours;
        u += ours * (below + theirs / 2.0);
        below += theirs;
        let t = count(group.len());
        ties += t * t * t - t;
    }
    (u, ties)
}

/// P(U ≥ u): the orders in which U is that large, of all orders.
fn exact_p(n1: usize, n2: usize, u: f64) -> f64 {
    // ways[j][v]: orders of i of ours and j of theirs with U = v. Ours last adds the j below it to U.
    let top = n1 * n2;
    let mut ways = vec![vec![0.0; top + 1]; n2 + 1];
    for row in &mut ways {
        row[0] = 1.0;
    }
    for _ in 0..n1 {
        let mut next = vec![vec![0.0; top + 1]; n2 + 1];
        for j in 0..=n2 {
            for v in 0..=top {
                let theirs_last = if j == 0 { 0.0 } else { next[j - 1][v] };
                let ours_last = if v < j { 0.0 } else { ways[j][v - j] };
                next[j][v] = theirs_last + ours_last;
            }
        }
        ways = next;
    }
    let row = &ways[n2];
    let all: f64 = row.iter().sum();
    let large: f64 = row
        .iter()
        .enumerate()
        .filter(|(v, _)| count(*v) >= u)
        .map(|(_, ways)| ways)
        .sum();
    large / all
}

fn normal_p(n1: f64, n2: f64, u: f64, ties: f64) -> f64 {
    let n = n1 + n2;
    let variance = n1 * n2 / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
    if variance <= 0.0 {
        // All values are the same.
        return 1.0;
    }
    let z = (u - n1 * n2 / 2.0 - 0.5) / variance.sqrt();
    Normal::standard().sf(z)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const MALES: [f64; 5] = [19.0, 22.0, 16.0, 29.0, 24.0];
    const FEMALES: [f64; 4] = [20.0, 11.0, 17.0, 12.0];

    fn near(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() < within, "{found} is not {expected}");
    }

    /// SciPy's reference page of `scipy.stats.mannwhitneyu`, example of ages at the diagnosis of type II diabetes:
    /// U = 17 and 3, exact two-sided p = 0.1111…, so half of it one-sided.
    #[test]
    fn the_published_example_of_ages_is_found_exactly() {
        let found = larger(&MALES, &FEMALES).unwrap();
        assert_eq!((found.u, found.exact), (Number::literal(17.0), true));
        near(found.p.get(), 1.0 / 18.0, 1e-12);
        near(found.effect.get(), 0.85, 1e-12);
        assert_eq!(larger(&FEMALES, &MALES).unwrap().u, Number::literal(3.0));
    }

    /// The same page, asymptotic method with continuity correction: p = 0.11134688653314041 two-sided.
    #[test]
    fn the_normal_approximation_is_that_of_the_published_example() {
        near(normal_p(5.0, 4.0, 17.0, 0.0), 0.111_346_886_533_140_41 / 2.0, 1e-9);
    }

    /// Siegel (1956), table J, "Probabilities associated with values as small as observed values of U", here for the
    /// mirrored U: n1 n2 − U.
    #[rstest]
    #[case(3, 3, 0, 0.05)]
    #[case(4, 4, 1, 0.029)]
    #[case(5, 5, 2, 0.016)]
    #[case(5, 5, 4, 0.048)]
    #[case(3, 6, 2, 0.048)]
    #[case(6, 8, 8, 0.021)]
    fn exact_probabilities_are_those_of_the_published_table(
        #[case] n1: usize,
        #[case] n2: usize,
        #[case] u: usize,
        #[case] p: f64,
    ) {
        near(exact_p(n1, n2, count(n1 * n2 - u)), p, 0.000_6);
        near(exact_p(n2, n1, count(n1 * n2 - u)), p, 0.000_6);
    }

    /// By hand: pairs of [2, 3, 3] over [1, 2, 3]: 1 + ½, 2 + ½, 2 + ½ = 6½ of 9. Ties 2, 2 and 3, 3, 3: 6 + 24 = 30.
    /// Variance 9/12 × (7 − 30/30) = 4.5; z = (6.5 − 4.5 − 0.5)/√4.5 = 0.7071; 1 − Φ(0.7071) = 0.2398.
    #[test]
    fn ties_count_half_and_shrink_the_variance() {
        let found = larger(&[2.0, 3.0, 3.0], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((found.u, found.exact), (Number::literal(6.5), false));
        near(found.p.get(), 0.239_75, 1e-4);
    }

    #[test]
    fn values_that_are_all_the_same_do_not_differ() {
        let found = larger(&[1.0; 30], &[1.0; 30]).unwrap();
        assert_eq!((found.p, found.effect), (Number::literal(1.0), Number::literal(0.5)));
        assert_eq!(larger(&[], &[1.0]), None);
    }

    /// Binomial coefficients: C(6, 3) = 20, C(8, 4) = 70, C(10, 5) = 252.
    #[rstest]
    #[case(3, 20.0)]
    #[case(4, 70.0)]
    #[case(5, 252.0)]
    fn too_few_values_can_never_be_sure(#[case] n: usize, #[case] orders: f64) {
        near(smallest_p(n, n), 1.0 / orders, 1e-12);
    }

    /// Wikipedia, "Mann–Whitney U test", race of six tortoises and six hares in the order T H H H H H T T T T T H:
    /// tortoises beat hares in 11 pairs, hares tortoises in 25.
    #[test]
    fn the_race_of_tortoises_and_hares_is_counted_as_published() {
        let tortoises = [12.0, 6.0, 5.0, 4.0, 3.0, 2.0];
        let hares = [11.0, 10.0, 9.0, 8.0, 7.0, 1.0];
        assert_eq!(larger(&tortoises, &hares).unwrap().u, Number::literal(11.0));
        assert_eq!(larger(&hares, &tortoises).unwrap().u, Number::literal(25.0));
    }
}
