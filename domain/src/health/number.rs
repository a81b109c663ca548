//! A number that can be compared, stored and hashed: finite, always.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// A finite number. There is one zero: -0 becomes 0.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize)]
#[serde(transparent)]
pub struct Number(f64);

#[expect(
    clippy::derive_ord_xor_partial_ord,
    reason = "finite numbers are in order, which f64 cannot promise"
)]
impl Ord for Number {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Eq for Number {}

impl Number {
    /// `None`: infinite, or no number.
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// For numbers written down in the code.
    ///
    /// # Panics
    /// When `value` is infinite or no number.
    pub const fn literal(value: f64) -> Self {
        assert!(value.is_finite(), "a literal is finite");
        Self(value + 0.0)
    }

    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("a finite number is needed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_no_number() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Number::new(value), None);
        }
        assert_eq!(Number::new(-0.0).unwrap().get().to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn a_number_comes_back_from_json_as_it_was() {
        let text = serde_json::to_string(&Number::literal(1.25)).unwrap();
        assert_eq!(text, "1.25");
        assert_eq!(serde_json::from_str::<Number>(&text).unwrap(), Number::literal(1.25));
        assert_eq!(serde_json::from_str::<Number>("3").unwrap(), Number::literal(3.0));
    }
}
