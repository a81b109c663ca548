//! What is measured: metrics made of single samples and of shapes over virtual time.
//!
//! A sample is there once virtual time has passed the moment of its arrival, so that a clock that is stepped sees data come
//! in as it would have, late ones included.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::model::At;

/// One metric of the account.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Metric {
    #[serde(flatten)]
    pub name: MetricName,
    pub feed: Option<Feed>,
    pub samples: Vec<Sample>,
    /// Shown instead of `Complete` in every result that this metric goes into.
    pub status: Option<Trouble>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MetricName {
    pub namespace: String,
    pub name: String,
    pub dimensions: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Sample {
    pub at: At,
    pub value: f64,
    pub arrives: At,
}

/// What may be wrong with a result. In order of weight: the worst of several is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Trouble {
    PartialData,
    InternalError,
    Forbidden,
}

impl Trouble {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PartialData => "PartialData",
            Self::InternalError => "InternalError",
            Self::Forbidden => "Forbidden",
        }
    }
}

/// A sample every so many seconds, each there when its span is over and the delay has passed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Feed {
    pub shape: Shape,
    pub noise: Option<Noise>,
    pub every_seconds: u32,
    pub delay_seconds: u32,
    pub since: Option<At>,
    pub until: Option<At>,
    /// From the first on and before the second nothing is measured.
    pub gaps: Vec<(At, At)>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) enum Shape {
    Constant(f64),
    Step { at: At, before: f64, after: f64 },
}

/// Evenly spread by up to `spread` to both sides; the same for the same seed and moment.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Noise {
    spread: f64,
    seed: u64,
}

impl Noise {
    /// SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
    fn at(self, second: i64) -> f64 {
        let mut z = self
            .seed
            .wrapping_add(second.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        let high = u32::try_from(z >> 32).unwrap_or_default();
        (f64::from(high) / f64::from(u32::MAX) * 2.0 - 1.0) * self.spread
    }
}

impl Feed {
    fn value(&self, at: Timestamp) -> f64 {
        let base = match &self.shape {
            Shape::Constant(value) => *value,
            Shape::Step { at: moment, before, .. } if at < moment.0 => *before,
            Shape::Step { after, .. } => *after,
        };
        base + self.noise.map_or(0.0, |noise| noise.at(at.as_second()))
    }

    fn measures(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since.0)
            && self.until.is_none_or(|until| at < until.0)
            && !self.gaps.iter().any(|(from, until)| from.0 <= at && at < until.0)
    }
}

impl Metric {
    /// Moment (seconds since 1970) and value of every sample from `from` on and before `until` that is there at `now`.
    pub(crate) fn samples(&self, from: i64, until: i64, now: Timestamp) -> Vec<(i64, f64)> {
        let single = self
            .samples
            .iter()
            .filter(|sample| sample.arrives.0 <= now)
            .map(|sample| (sample.at.0.as_second(), sample.value))
            .filter(|(at, _)| (from..until).contains(at));
        let mut found: Vec<(i64, f64)> = single.collect();
        if let Some(feed) = &self.feed {
            let every = i64::from(feed.every_seconds);
            let arrived = now.as_second() - every - i64::from(feed.delay_seconds);
            let mut at = from + (-from).rem_euclid(every);
            while at < until && at <= arrived {
                if let Ok(moment) = Timestamp::from_second(at)
                    && feed.measures(moment)
                {
                    found.push((at, feed.value(moment)));
                }
                at += every;
            }
        }
        found
    }
}

/// The value of a statistic over the samples of one period, of which there is at least one. `None`: no statistic that is
/// known here. Percentiles are by nearest rank; the real service interpolates.
pub(crate) fn statistic(stat: &str, values: &[f64]) -> Option<f64> {
    let count = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
    let sum: f64 = values.iter().sum();
    Some(match stat {
        "Sum" => sum,
        "Average" => sum / count,
        "SampleCount" => count,
        "Minimum" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "Maximum" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => {
            let percent: f64 = stat.strip_prefix('p')?.parse().ok()?;
            if !(0.0..=100.0).contains(&percent) {
                return None;
            }
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            let (value, _) = sorted
                .into_iter()
                .zip(1_u32..)
                .find(|(_, rank)| f64::from(*rank) >= percent / 100.0 * count)?;
            value
        }
    })
}

/// A moment as the control API takes it: RFC 3339, or seconds from now.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Moment {
    Time(String),
    FromNow(f64),
}

impl Moment {
    fn resolve(&self, now: Timestamp) -> Result<At, String> {
        match self {
            Self::Time(text) => text.parse().map(At).map_err(|error| format!("{text}: {error}")),
            Self::FromNow(seconds) => SignedDuration::try_from_secs_f64(*seconds)
                .map_err(|error| error.to_string())
                .and_then(|span| now.checked_add(span).map_err(|error| error.to_string()))
                .map(At),
        }
    }
}

/// The body of `POST /aws/metrics`. A shape replaces the one before; points are added; `status` is set or, left out, unset.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutMetric {
    namespace: String,
    name: String,
    #[serde(default)]
    dimensions: BTreeMap<String, String>,
    shape: Option<PutShape>,
    noise: Option<Noise>,
    #[serde(default = "minute")]
    every_seconds: u32,
    #[serde(default)]
    delay_seconds: u32,
    since: Option<Moment>,
    until: Option<Moment>,
    #[serde(default)]
    gaps: Vec<PutGap>,
    #[serde(default)]
    points: Vec<PutPoint>,
    status: Option<Trouble>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum PutShape {
    Constant(f64),
    Step { at: Moment, before: f64, after: f64 },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutGap {
    from: Moment,
    until: Moment,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutPoint {
    at: Moment,
    value: f64,
    #[serde(default)]
    delay_seconds: u32,
}

fn minute() -> u32 {
    60
}

impl PutMetric {
    /// Puts it in place among the metrics of the account.
    pub(crate) fn apply(self, metrics: &mut Vec<Metric>, now: Timestamp) -> Result<(), String> {
        if self.every_seconds == 0 {
            return Err("every_seconds must be at least 1".to_owned());
        }
        let shaped = self.noise.is_some() || self.since.is_some() || self.until.is_some() || !self.gaps.is_empty();
        if self.shape.is_none() && shaped {
            return Err("noise, since, until and gaps belong to a shape, and there is none".to_owned());
        }
        let resolve = |moment: &Option<Moment>| moment.as_ref().map(|moment| moment.resolve(now)).transpose();
        let feed = match &self.shape {
            None => None,
            Some(shape) => Some(Feed {
                shape: match shape {
                    PutShape::Constant(value) => Shape::Constant(*value),
                    PutShape::Step { at, before, after } => Shape::Step {
                        at: at.resolve(now)?,
                        before: *before,
                        after: *after,
                    },
                },
                noise: self.noise,
                every_seconds: self.every_seconds,
                delay_seconds: self.delay_seconds,
                since: resolve(&self.since)?,
                until: resolve(&self.until)?,
                gaps: self
                    .gaps
                    .iter()
                    .map(|gap| Ok((gap.from.resolve(now)?, gap.until.resolve(now)?)))
                    .collect::<Result<_, String>>()?,
            }),
        };
        let samples: Vec<Sample> = self
            .points
            .iter()
            .map(|point| {
                let at = point.at.resolve(now)?;
                let late = SignedDuration::from_secs(i64::from(point.delay_seconds));
                Ok(Sample {
                    at,
                    value: point.value,
                    arrives: At(at.0.checked_add(late).map_err(|error| error.to_string())?),
                })
            })
            .collect::<Result<_, String>>()?;
        let name = MetricName {
            namespace: self.namespace,
            name: self.name,
            dimensions: self.dimensions,
        };
        let index = metrics
            .iter()
            .position(|metric| metric.name == name)
            .unwrap_or_else(|| {
                metrics.push(Metric {
                    name,
                    feed: None,
                    samples: Vec::new(),
                    status: None,
                });
                metrics.len() - 1
            });
        let metric = &mut metrics[index];
        metric.feed = feed.or_else(|| metric.feed.take());
        metric.samples.extend(samples);
        metric.status = self.status;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn made(body: serde_json::Value) -> Metric {
        let mut metrics = Vec::new();
        let put: PutMetric = serde_json::from_value(body).unwrap();
        put.apply(&mut metrics, at("2026-03-02T09:00:00Z")).unwrap();
        metrics.remove(0)
    }

    #[test]
    fn a_step_happens_at_its_moment_and_a_gap_is_left_out() {
        let metric = made(serde_json::json!({
            "namespace": "Acme", "name": "errors",
            "shape": { "step": { "at": 120, "before": 1, "after": 5 } },
            "gaps": [{ "from": 60, "until": 120 }],
        }));
        let begin = at("2026-03-02T09:00:00Z").as_second();
        let seen = metric.samples(begin, begin + 240, at("2026-03-02T09:10:00Z"));
        assert_eq!(seen, [(begin, 1.0), (begin + 120, 5.0), (begin + 180, 5.0)]);
    }

    #[test]
    fn a_sample_is_there_when_its_span_is_over_and_its_delay_has_passed() {
        let metric = made(serde_json::json!({
            "namespace": "Acme", "name": "errors", "shape": { "constant": 1 }, "delay_seconds": 120,
            "points": [{ "at": 0, "value": 9, "delay_seconds": 30 }],
        }));
        let begin = at("2026-03-02T09:00:00Z").as_second();
        let seen = |now| metric.samples(begin, begin + 60, at(now)).len();
        assert_eq!(seen("2026-03-02T09:00:29Z"), 0);
        assert_eq!(seen("2026-03-02T09:00:30Z"), 1);
        assert_eq!(seen("2026-03-02T09:02:59Z"), 1);
        assert_eq!(seen("2026-03-02T09:03:00Z"), 2);
    }

    #[test]
    fn noise_is_within_its_spread_and_the_same_each_time() {
        let metric = made(serde_json::json!({
            "namespace": "Acme", "name": "latency", "shape": { "constant": 100 }, "noise": { "spread": 5, "seed": 7 },
        }));
        let begin = at("2026-03-02T09:00:00Z").as_second();
        let seen = metric.samples(begin, begin + 3600, at("2026-03-02T11:00:00Z"));
        assert_eq!(seen.len(), 60);
        assert!(seen.iter().all(|(_, value)| (95.0..=105.0).contains(value)));
        let distinct: std::collections::BTreeSet<u64> = seen.iter().map(|(_, value)| value.to_bits()).collect();
        assert!(distinct.len() > 50);
        assert_eq!(seen, metric.samples(begin, begin + 3600, at("2026-03-02T12:00:00Z")));
    }

    #[test]
    fn statistics_are_those_of_the_samples() {
        let values = [4.0, 1.0, 3.0, 2.0];
        for (stat, expected) in [
            ("Sum", 10.0),
            ("Average", 2.5),
            ("SampleCount", 4.0),
            ("Minimum", 1.0),
            ("Maximum", 4.0),
            ("p50", 2.0),
            ("p75", 3.0),
            ("p99.9", 4.0),
            ("p0", 1.0),
            ("p100", 4.0),
        ] {
            assert_eq!(statistic(stat, &values), Some(expected), "{stat}");
        }
        assert_eq!(statistic("p101", &values), None);
        assert_eq!(statistic("Mode", &values), None);
    }
}
