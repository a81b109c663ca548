//! CloudWatch: GetMetricData and DescribeAlarms.
//!
//! Each page is one HTTP attempt. A query that CloudWatch refuses costs its own answer and not those of the others that
//! share its call: what was refused is halved until the one is found.

use super::{
    Alarm, AlarmState, Read, out_of_time,
    plan::{Asked, Call, plan},
};
use crate::{Aws, CallError, aws::call::unread};
use aws_sdk_cloudwatch::{
    operation::get_metric_data::GetMetricDataOutput,
    primitives::DateTime,
    types::{AlarmType, MessageData, MetricDataResult, ScanBy, StateValue, StatusCode},
};
use futures::{StreamExt as _, stream};
use std::{collections::BTreeMap, time::Instant};
use tidegate_domain::{
    health::{Point, Samples, Series, Unread},
    time::Timestamp,
};

/// Calls at once. GetMetricData allows 50 a second (CloudWatch service quotas).
const AT_ONCE: usize = 4;
/// A list longer than so many pages is not read to its end.
const MAX_PAGES: usize = 50;
/// Source: DescribeAlarms, `AlarmNames` and `MaxRecords`.
const ALARMS_AT_ONCE: usize = 100;

#[derive(Debug, Clone)]
pub struct CloudWatch {
    aws: Aws,
}

/// What has come for one read.
#[derive(Debug, Default)]
struct Gathered {
    points: Vec<Point>,
    label: Option<String>,
    complete: bool,
    trouble: Option<String>,
}

impl CloudWatch {
    pub fn new(aws: Aws) -> Self {
        Self { aws }
    }

    pub(super) async fn read(&self, reads: &[&Read], before: Instant) -> Vec<Samples> {
        let mut samples: Vec<Samples> = vec![Err(out_of_time("CloudWatch")); reads.len()];
        let mut settle = |index: usize, answer: Samples| {
            if let Some(place) = samples.get_mut(index) {
                *place = answer;
            }
        };
        let plan = plan(reads);
        for (index, settled) in plan.settled {
            settle(index, settled.map(|()| Series::default()));
        }
        let asked = plan.calls.into_iter().map(|call| async move {
            let indices: Vec<usize> = call.asked.iter().map(|asked| asked.index).collect();
            match tokio::time::timeout_at(before.into(), self.ask(call)).await {
                Ok(answers) => answers,
                Err(_) => indices
                    .into_iter()
                    .map(|index| (index, Err(out_of_time("CloudWatch"))))
                    .collect(),
            }
        });
        let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
        while let Some(answered) = answers.next().await {
            for (index, answer) in answered {
                settle(index, answer);
            }
        }
        samples
    }

    /// Makes a call, and smaller ones in its place where it is refused as a whole.
    async fn ask(&self, call: Call) -> Vec<(usize, Samples)> {
        let mut answers = Vec::new();
        let mut waiting = vec![call];
        while let Some(mut call) = waiting.pop() {
            let mut gathered: BTreeMap<String, Gathered> = BTreeMap::new();
            match self.pages(&call, &mut gathered).await {
                Err(error) if call.asked.len() > 1 && is_about_a_query(&error) => {
                    let rest = call.asked.split_off(call.asked.len() / 2);
                    waiting.push(Call {
                        asked: rest,
                        ..call.clone()
                    });
                    waiting.push(call);
                }
                failed => {
                    let failed = failed
                        .err()
                        .map(|error| Unread(words("cloudwatch:GetMetricData", &error)));
                    answers.extend(call.asked.into_iter().map(|asked| {
                        let found = gathered.remove(&asked.id);
                        (asked.index, found.unwrap_or_default().samples(failed.as_ref()))
                    }));
                }
            }
        }
        answers
    }

    /// All pages of one call, as far as they come.
    async fn pages(&self, call: &Call, gathered: &mut BTreeMap<String, Gathered>) -> Result<(), CallError> {
        let queries = call.asked.iter().flat_map(|asked: &Asked| asked.queries.clone());
        let request = self
            .aws
            .cloudwatch
            .get_metric_data()
            .set_metric_data_queries(Some(queries.collect()))
            .start_time(DateTime::from_secs(call.start))
            .end_time(DateTime::from_secs(call.end))
            .scan_by(ScanBy::TimestampAscending);
        let mut token = None;
        for _ in 0..MAX_PAGES {
            let page = request.clone().set_next_token(token.take()).send().await;
            let page = page.map_err(|error| unread(&error))?;
            gather(&page, call, gathered);
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(());
            }
        }
        Err(CallError::Unknown(format!(
            "its answer has more than {MAX_PAGES} pages: ask for a shorter time or a longer period"
        )))
    }

    pub(super) async fn alarms(&self, names: &[String], before: Instant) -> Result<Vec<Alarm>, Unread> {
        let mut found: BTreeMap<String, Alarm> = BTreeMap::new();
        for some in names.chunks(ALARMS_AT_ONCE) {
            let pages = self.alarm_pages(some, &mut found);
            match tokio::time::timeout_at(before.into(), pages).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(Unread(words("cloudwatch:DescribeAlarms", &error))),
                Err(_) => return Err(out_of_time("CloudWatch")),
            }
        }
        let absent = |name: &String| Alarm {
            name: name.clone(),
            state: AlarmState::Absent,
            reason: String::new(),
            since: None,
        };
        Ok(names
            .iter()
            .map(|name| found.get(name).cloned().unwrap_or_else(|| absent(name)))
            .collect())
    }

    async fn alarm_pages(&self, names: &[String], found: &mut BTreeMap<String, Alarm>) -> Result<(), CallError> {
        let request = self
            .aws
            .cloudwatch
            .describe_alarms()
            .set_alarm_names(Some(names.to_vec()))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .max_records(i32::try_from(ALARMS_AT_ONCE).unwrap_or(i32::MAX));
        let mut token = None;
        for _ in 0..MAX_PAGES {
            let page = request.clone().set_next_token(token.take()).send().await;
            let page = page.map_err(|error| unread(&error))?;
            let metric = page.metric_alarms().iter().map(|alarm| {
                let since = alarm.state_transitioned_timestamp.or(alarm.state_updated_timestamp);
                read_alarm(
                    &alarm.alarm_name,
                    alarm.state_value.as_ref(),
                    &alarm.state_reason,
                    since,
                )
            });
            let composite = page.composite_alarms().iter().map(|alarm| {
                let since = alarm.state_transitioned_timestamp.or(alarm.state_updated_timestamp);
                read_alarm(
                    &alarm.alarm_name,
                    alarm.state_value.as_ref(),
                    &alarm.state_reason,
                    since,
                )
            });
            found.extend(metric.chain(composite).map(|alarm| (alarm.name.clone(), alarm)));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(());
            }
        }
        Err(CallError::Unknown(format!(
            "its answer has more than {MAX_PAGES} pages"
        )))
    }
}

fn read_alarm(
    name: &Option<String>,
    state: Option<&StateValue>,
    reason: &Option<String>,
    since: Option<DateTime>,
) -> Alarm {
    Alarm {
        name: name.clone().unwrap_or_default(),
        state: match state {
            Some(StateValue::Ok) => AlarmState::Ok,
            Some(StateValue::Alarm) => AlarmState::Alarm,
            Some(StateValue::InsufficientData) => AlarmState::InsufficientData,
            Some(other) => AlarmState::Other(other.as_str().to_owned()),
            None => AlarmState::Other("no state".to_owned()),
        },
        reason: reason.clone().unwrap_or_default(),
        since: since.and_then(moment),
    }
}

fn moment(time: DateTime) -> Option<Timestamp> {
    time.to_millis().ok().map(Timestamp::from_millis)
}

/// Adds one page to what has come so far.
fn gather(page: &GetMetricDataOutput, call: &Call, gathered: &mut BTreeMap<String, Gathered>) {
    for result in page.metric_data_results() {
        gathered
            .entry(result.id().unwrap_or_default().to_owned())
            .or_default()
            .add(result);
    }
    // A message about the call as a whole says that something was left out of it.
    if let Some(said) = said(page.messages()) {
        for asked in &call.asked {
            let about = gathered.entry(asked.id.clone()).or_default();
            about
                .trouble
                .get_or_insert_with(|| format!("CloudWatch left something out: {said}"));
        }
    }
}

impl Gathered {
    fn add(&mut self, result: &MetricDataResult) {
        let label = result.label().unwrap_or_default();
        let again = self.complete || self.label.as_deref().is_some_and(|known| known != label);
        if again {
            self.trouble = Some(
                "its expression yields several series: write one that yields one, such as SUM(…) around it".to_owned(),
            );
            return;
        }
        self.label = Some(label.to_owned());
        if result.timestamps().len() != result.values().len() {
            self.trouble = Some("CloudWatch gave datapoints without a time".to_owned());
            return;
        }
        let points = result.timestamps().iter().zip(result.values());
        self.points.extend(points.filter_map(|(at, value)| {
            Some(Point {
                at: moment(*at)?,
                value: *value,
            })
        }));
        let said = said(result.messages())
            .map(|said| format!(": {said}"))
            .unwrap_or_default();
        match result.status_code() {
            Some(StatusCode::Complete) => self.complete = true,
            // More may come on the next page; if none does, it stays incomplete.
            Some(StatusCode::PartialData) => {}
            Some(StatusCode::InternalError) => self.trouble = Some(format!("CloudWatch failed to read it{said}")),
            Some(StatusCode::Forbidden) => {
                self.trouble = Some(format!("CloudWatch forbids reading it{said}"));
            }
            other => {
                let status = other.map_or("no status", StatusCode::as_str);
                self.trouble = Some(format!("CloudWatch answered {status:?}{said}"));
            }
        }
    }

    /// `failed`: why no more pages came.
    fn samples(self, failed: Option<&Unread>) -> Samples {
        match (self.trouble, self.complete, failed) {
            (Some(trouble), ..) => Err(Unread(trouble)),
            (None, true, _) => Ok(Series::new(self.points)),
            (None, false, Some(failed)) => Err(failed.clone()),
            (None, false, None) if self.label.is_some() => {
                Err(Unread("CloudWatch gave only part of the datapoints".to_owned()))
            }
            (None, false, None) => Err(Unread("CloudWatch said nothing about it".to_owned())),
        }
    }
}

fn said(messages: &[MessageData]) -> Option<String> {
    let words: Vec<String> = messages
        .iter()
        .map(|message| {
            let (code, value) = (message.code().unwrap_or_default(), message.value().unwrap_or_default());
            format!("{code} {value}").trim().to_owned()
        })
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// Whether one of the queries is at fault, so that the others may be asked without it.
fn is_about_a_query(error: &CallError) -> bool {
    matches!(error, CallError::Refused { code, .. } if code.starts_with("Validation") || code.starts_with("InvalidParameter"))
}

/// `action`: what the policy must allow.
fn words(action: &str, error: &CallError) -> String {
    match error {
        CallError::Refused { code, message, .. } if code.starts_with("AccessDenied") => {
            format!("CloudWatch does not let us ask: allow {action} ({code}: {message})")
        }
        CallError::Refused {
            code,
            message,
            retry: true,
        } => format!("CloudWatch did not answer now ({code}: {message})"),
        CallError::Refused { code, message, .. } => format!("CloudWatch refused the question ({code}: {message})"),
        CallError::Unknown(what) => format!("CloudWatch gave no clear answer: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn result(label: &str, status: StatusCode, values: &[f64]) -> MetricDataResult {
        let times = (0..values.len()).map(|index| DateTime::from_secs(i64::try_from(index).unwrap() * 60));
        MetricDataResult::builder()
            .id("q0")
            .label(label)
            .set_timestamps(Some(times.collect()))
            .set_values(Some(values.to_vec()))
            .status_code(status)
            .build()
    }

    fn gathered(results: &[MetricDataResult]) -> Samples {
        let mut gathered = Gathered::default();
        results.iter().for_each(|result| gathered.add(result));
        gathered.samples(None)
    }

    #[test]
    fn an_empty_result_is_an_empty_series() {
        assert_eq!(
            gathered(&[result("a", StatusCode::Complete, &[])]),
            Ok(Series::default())
        );
    }

    #[rstest]
    #[case(&[result("a", StatusCode::PartialData, &[1.0])], "part of the datapoints")]
    #[case(&[result("a", StatusCode::InternalError, &[])], "failed to read")]
    #[case(&[result("a", StatusCode::Forbidden, &[])], "forbids")]
    #[case(&[result("a", StatusCode::from("Tepid"), &[])], "Tepid")]
    #[case(&[result("a", StatusCode::Complete, &[1.0]), result("b", StatusCode::Complete, &[1.0])], "SUM(…)")]
    #[case(&[], "said nothing")]
    fn what_is_not_read_in_full_is_not_read(#[case] results: &[MetricDataResult], #[case] words: &str) {
        let Err(Unread(said)) = gathered(results) else {
            panic!("{results:?}");
        };
        assert!(said.contains(words), "{said}");
    }
}
