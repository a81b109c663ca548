//! Where numbers and alarms are read: CloudWatch and Prometheus behind one trait, in domain types.
//!
//! Both give a datapoint the same meaning: it stands for the span of `period_seconds` (`step_seconds`) that begins at its
//! `at`, and only spans that lie wholly within what was asked are given. CloudWatch has it so itself; of Prometheus, the
//! value at an instant is taken for the step that ends there, as `rate(…[1m])` at a step of a minute is. Spans begin at
//! multiples of their length since 1970, so that the same span read twice is the same datapoint.
//!
//! Nothing here judges. What cannot be read in full is [`Unread`], never a shorter series.

mod cloudwatch;
mod expression;
mod plan;
mod prometheus;

pub use cloudwatch::CloudWatch;
pub use prometheus::{Prometheus, PrometheusOptions};

use async_trait::async_trait;
use std::time::Instant;
use tidegate_domain::{
    health::{Query, Samples, Unread},
    time::Timestamp,
};

/// One question: what did this query yield from one moment until another?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Its placeholders are replaced already.
    pub query: Query,
    /// Rounded up to a whole period.
    pub from: Timestamp,
    /// Rounded down to a whole period. Not later than now: what is not over yet would be given as far as it is.
    pub until: Timestamp,
}

/// An alarm of CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    pub name: String,
    pub state: AlarmState,
    /// CloudWatch's words for it. Empty where there is no such alarm.
    pub reason: String,
    /// Since when it has been in this state, where CloudWatch says so.
    pub since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmState {
    Ok,
    Alarm,
    InsufficientData,
    /// There is none of this name in the account and region, or it was deleted.
    Absent,
    /// A state that this version does not know.
    Other(String),
}

#[async_trait]
pub trait Metrics: Send + Sync {
    /// One answer for each read, in their order. What has not answered at `before` is not waited for.
    async fn read(&self, reads: &[Read], before: Instant) -> Vec<Samples>;

    /// The state of each alarm that is named, in the order of the names; metric alarms and composite ones.
    async fn alarms(&self, names: &[String], before: Instant) -> Result<Vec<Alarm>, Unread>;
}

/// All that is configured.
#[derive(Debug, Clone)]
pub struct Sources {
    pub cloudwatch: CloudWatch,
    pub prometheus: Option<Prometheus>,
}

#[async_trait]
impl Metrics for Sources {
    async fn read(&self, reads: &[Read], before: Instant) -> Vec<Samples> {
        let of_cloudwatch = |read: &&Read| matches!(read.query, Query::Cloudwatch { .. });
        let (cloudwatch, prometheus): (Vec<&Read>, Vec<&Read>) = reads.iter().partition(of_cloudwatch);
        let asked_prometheus = async {
            match &self.prometheus {
                Some(source) => source.read(&prometheus, before).await,
                None => vec![Err(no_prometheus()); prometheus.len()],
            }
        };
        let (cloudwatch, prometheus) = tokio::join!(self.cloudwatch.read(&cloudwatch, before), asked_prometheus);
        let (mut cloudwatch, mut prometheus) = (cloudwatch.into_iter(), prometheus.into_iter());
        reads
            .iter()
            .map(|read| {
                let next = if of_cloudwatch(&read) {
                    cloudwatch.next()
                } else {
                    prometheus.next()
                };
                next.unwrap_or_else(|| Err(Unread("it was not answered".to_owned())))
            })
            .collect()
    }

    async fn alarms(&self, names: &[String], before: Instant) -> Result<Vec<Alarm>, Unread> {
        self.cloudwatch.alarms(names, before).await
    }
}

fn no_prometheus() -> Unread {
    Unread("no Prometheus is configured: write `url = \"https://…\"` into [prometheus]".to_owned())
}

/// The whole spans of `seconds` that lie in a range: the beginning of the first and the end of the last, in seconds since
/// 1970. `None`: there is none.
fn whole_spans(from: Timestamp, until: Timestamp, seconds: u32) -> Option<(i64, i64)> {
    let length = i64::from(seconds.max(1));
    let span = length * 1_000;
    let first = from.millis().div_euclid(span) + i64::from(from.millis().rem_euclid(span) != 0);
    let end = until.millis().div_euclid(span);
    (first < end).then_some((first * length, end * length))
}

fn out_of_time(source: &str) -> Unread {
    Unread(format!("{source} did not answer in time"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(60_000, 180_000, Some((60, 180)))]
    #[case(60_001, 239_999, Some((120, 180)))]
    #[case(59_999, 60_000, None)]
    #[case(60_001, 120_000, None)]
    #[case(180_000, 60_000, None)]
    fn only_whole_spans_are_asked_for(#[case] from: i64, #[case] until: i64, #[case] expected: Option<(i64, i64)>) {
        let at = Timestamp::from_millis;
        assert_eq!(whole_spans(at(from), at(until), 60), expected);
    }
}
