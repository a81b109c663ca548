//! GetMetricData: queries checked, computed and paged.
//!
//! As in the real service the beginning of the range is rounded down to a whole period, an expression may name other
//! expressions, the newest datapoint comes first unless asked otherwise, and a result that does not fit on a page is
//! `PartialData` on all of its pages but the last.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    CloudWatch, bad_token, invalid,
    math::{self, Expr, Grid, Value},
    metrics::{MetricName, Trouble, statistic},
};
use crate::aws::protocol::{AwsError, epoch, input, without_nulls};

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>
pub(super) const PAGE: usize = 100_800;
const MOST_QUERIES: usize = 500;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    metric_data_queries: Vec<Query>,
    start_time: f64,
    end_time: f64,
    next_token: Option<String>,
    scan_by: Option<ScanBy>,
    max_datapoints: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
enum ScanBy {
    TimestampDescending,
    TimestampAscending,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Query {
    id: String,
    metric_stat: Option<MetricStat>,
    expression: Option<String>,
    label: Option<String>,
    return_data: Option<bool>,
    period: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricStat {
    metric: MetricRef,
    period: i64,
    stat: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricRef {
    namespace: String,
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    name: String,
    value: String,
}

/// A query that was understood.
enum Source {
    Metric(MetricName, String),
    Math(Expr),
}

/// What one query yields.
struct Found {
    id: String,
    label: String,
    points: Vec<(i64, f64)>,
    trouble: Option<Trouble>,
}

pub(super) fn get_metric_data(cloudwatch: &CloudWatch, now: Timestamp, body: Json) -> Result<Json, AwsError> {
    let wanted: Input = input(body)?;
    if wanted.start_time >= wanted.end_time {
        return Err(invalid(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    if wanted.metric_data_queries.is_empty() || wanted.metric_data_queries.len() > MOST_QUERIES {
        return Err(invalid(format!(
            "The collection MetricDataQueries must have a size between 1 and {MOST_QUERIES}."
        )));
    }
    let sources = understood(&wanted.metric_data_queries)?;
    let request = Request {
        cloudwatch,
        now,
        start: whole_seconds(wanted.start_time),
        end: whole_seconds(wanted.end_time),
        queries: &wanted.metric_data_queries,
        sources,
    };
    let mut results = Vec::new();
    for query in &wanted.metric_data_queries {
        if query.return_data == Some(false) {
            continue;
        }
        let (value, trouble) = request.value(&query.id, &mut Vec::new())?;
        let mut named = match value {
            Value::Series(series) => vec![series],
            Value::List(list) => list,
            Value::Scalar(_) => {
                return Err(invalid(format!(
                    "Error in expression '{}': it yields a number and no time series",
                    query.id
                )));
            }
        };
        for (index, series) in named.drain(..).enumerate() {
            let mut points: Vec<(i64, f64)> = series.into_iter().collect();
            if wanted.scan_by != Some(ScanBy::TimestampAscending) {
                points.reverse();
            }
            if matches!(trouble, Some(Trouble::InternalError | Trouble::Forbidden)) {
                points.clear();
            }
            let label = query.label.clone().unwrap_or_else(|| request.label(query));
            results.push(Found {
                id: query.id.clone(),
                label: if index == 0 {
                    label
                } else {
                    format!("{label} {}", index + 1)
                },
                points,
                trouble,
            });
        }
    }
    let most = wanted.max_datapoints.unwrap_or(PAGE);
    if most == 0 {
        return Err(invalid(
            "The value 0 for parameter MaxDatapoints must be greater than 0.",
        ));
    }
    one_page(
        &results,
        most.min(cloudwatch.page_datapoints),
        wanted.next_token.as_deref(),
    )
}

/// Fractions of a second do not occur in datapoints.
#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds since 1970; what is out of range is clamped"
)]
fn whole_seconds(seconds: f64) -> i64 {
    seconds.ceil() as i64
}

fn understood(queries: &[Query]) -> Result<BTreeMap<String, Source>, AwsError> {
    let mut sources = BTreeMap::new();
    for (index, query) in queries.iter().enumerate() {
        let place = format!("MetricDataQueries.member.{}", index + 1);
        let id = &query.id;
        let well_formed = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && id.len() <= 255;
        if !well_formed {
            return Err(invalid(format!(
                "The value {id} for parameter {place}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
            )));
        }
        let source = match (&query.metric_stat, &query.expression) {
            (Some(stat), None) => {
                check_period(stat.period, &place)?;
                if statistic(&stat.stat, &[0.0]).is_none() {
                    return Err(invalid(format!(
                        "The value {} for parameter {place}.MetricStat.Stat is not supported.",
                        stat.stat
                    )));
                }
                let dimensions = stat.metric.dimensions.iter();
                let name = MetricName {
                    namespace: stat.metric.namespace.clone(),
                    name: stat.metric.metric_name.clone(),
                    dimensions: dimensions.map(|it| (it.name.clone(), it.value.clone())).collect(),
                };
                Source::Metric(name, stat.stat.clone())
            }
            (None, Some(text)) => {
                if let Some(period) = query.period {
                    check_period(period, &place)?;
                }
                let parsed = math::parse(text);
                Source::Math(parsed.map_err(|reason| invalid(format!("Error in expression '{id}': {reason}")))?)
            }
            _ => {
                return Err(invalid(format!(
                    "Exactly one of {place}.MetricStat and {place}.Expression must be given."
                )));
            }
        };
        if sources.insert(id.clone(), source).is_some() {
            return Err(invalid(format!(
                "The values for parameter id in MetricDataQueries are not unique: {id}"
            )));
        }
    }
    Ok(sources)
}

fn check_period(period: i64, place: &str) -> Result<(), AwsError> {
    if [1, 5, 10, 20, 30].contains(&period) || (period >= 60 && period % 60 == 0) {
        return Ok(());
    }
    Err(invalid(format!(
        "The value {period} for parameter {place}.Period must be 1, 5, 10, 20, 30 or a multiple of 60."
    )))
}

struct Request<'a> {
    cloudwatch: &'a CloudWatch,
    now: Timestamp,
    start: i64,
    end: i64,
    queries: &'a [Query],
    sources: BTreeMap<String, Source>,
}

impl Request<'_> {
    fn query(&self, id: &str) -> Result<&Query, AwsError> {
        self.queries
            .iter()
            .find(|query| query.id == id)
            .ok_or_else(|| invalid(format!("Undefined variable '{id}'")))
    }

    fn label(&self, query: &Query) -> String {
        match self.sources.get(&query.id) {
            Some(Source::Metric(name, _)) => name.name.clone(),
            _ => query.id.clone(),
        }
    }

    /// `asking`: the expressions that wait for this one, so that a circle is found.
    fn value(&self, id: &str, asking: &mut Vec<String>) -> Result<(Value, Option<Trouble>), AwsError> {
        if asking.iter().any(|it| it == id) {
            return Err(invalid(format!("Circular reference in '{id}'")));
        }
        match self.sources.get(id) {
            None => Err(invalid(format!("Undefined variable '{id}'"))),
            Some(Source::Metric(name, stat)) => {
                let query = self.query(id)?;
                let period = query.metric_stat.as_ref().map_or(60, |stat| stat.period);
                Ok(self.metric(name, stat, period))
            }
            Some(Source::Math(expr)) => {
                asking.push(id.to_owned());
                let mut ids = Vec::new();
                expr.ids(&mut ids);
                let mut values = BTreeMap::new();
                let mut worst = None;
                for each in ids {
                    let (value, trouble) = self.value(&each, asking)?;
                    worst = worst.max(trouble);
                    values.insert(each, value);
                }
                asking.pop();
                let grid = self.grid(self.period(id)?);
                let value = expr
                    .evaluate(&values, &grid)
                    .map_err(|reason| invalid(format!("Error in expression '{id}': {reason}")))?;
                Ok((value, worst))
            }
        }
    }

    /// Of an expression: that of everything in it.
    fn period(&self, id: &str) -> Result<i64, AwsError> {
        let mut periods = BTreeSet::new();
        self.periods(id, &mut periods)?;
        periods.extend(self.query(id)?.period);
        match periods.len() {
            0 => Ok(60),
            1 => Ok(periods.first().copied().unwrap_or(60)),
            _ => Err(invalid(format!(
                "Error in expression '{id}': its metrics have different periods"
            ))),
        }
    }

    fn periods(&self, id: &str, into: &mut BTreeSet<i64>) -> Result<(), AwsError> {
        match self.sources.get(id) {
            Some(Source::Metric(..)) => into.extend(self.query(id)?.metric_stat.as_ref().map(|stat| stat.period)),
            Some(Source::Math(expr)) => {
                let mut ids = Vec::new();
                expr.ids(&mut ids);
                for each in ids {
                    self.periods(&each, into)?;
                }
            }
            None => {}
        }
        Ok(())
    }

    /// The beginnings of the periods that have begun.
    fn grid(&self, period: i64) -> Grid {
        let mut moments = Vec::new();
        let mut at = self.start - self.start.rem_euclid(period);
        while at < self.end && at <= self.now.as_second() {
            moments.push(at);
            at += period;
        }
        Grid { moments, period }
    }

    fn metric(&self, name: &MetricName, stat: &str, period: i64) -> (Value, Option<Trouble>) {
        let Some(metric) = self.cloudwatch.metrics.iter().find(|metric| metric.name == *name) else {
            return (Value::Series(math::Series::new()), None);
        };
        let start = self.start - self.start.rem_euclid(period);
        let mut periods: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for (at, value) in metric.samples(start, self.end, self.now) {
            periods.entry(at - at.rem_euclid(period)).or_default().push(value);
        }
        let series = periods
            .into_iter()
            .filter_map(|(at, values)| Some((at, statistic(stat, &values)?)))
            .collect();
        (Value::Series(series), metric.status)
    }
}

/// A token names the result that a page begins in, and the datapoint in it.
fn one_page(results: &[Found], mut room: usize, token: Option<&str>) -> Result<Json, AwsError> {
    let (first, skip) = match token {
        None => (0, 0),
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|rest| rest.split_once('-'))
            .and_then(|(result, point)| {
                Some((
                    usize::from_str_radix(result, 16).ok()?,
                    usize::from_str_radix(point, 16).ok()?,
                ))
            })
            .filter(|(result, point)| results.get(*result).is_some_and(|found| *point <= found.points.len()))
            .ok_or_else(bad_token)?,
    };
    let mut shown = Vec::new();
    let mut next = None;
    for (index, found) in results.iter().enumerate().skip(first) {
        let skip = if index == first { skip } else { 0 };
        let rest = &found.points[skip..];
        if room == 0 && !rest.is_empty() {
            next = Some(format!("page-{index:x}-{skip:x}"));
            break;
        }
        let taken = rest.len().min(room);
        room -= taken;
        let cut = taken < rest.len();
        let status = match found.trouble {
            _ if cut => "PartialData",
            Some(trouble) => trouble.as_str(),
            None => "Complete",
        };
        shown.push(shown_result(found, &rest[..taken], status));
        if cut {
            next = Some(format!("page-{index:x}-{:x}", skip + taken));
            break;
        }
    }
    Ok(without_nulls(
        json!({ "MetricDataResults": shown, "NextToken": next, "Messages": [] }),
    ))
}

fn shown_result(found: &Found, points: &[(i64, f64)], status: &str) -> Json {
    let moments: Vec<Json> = points
        .iter()
        .filter_map(|(at, _)| Timestamp::from_second(*at).ok())
        .map(epoch)
        .collect();
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let messages = found.trouble.map(|trouble| {
        let words = match trouble {
            Trouble::Forbidden => "You are not authorised to read this metric.",
            Trouble::InternalError => "An error occurred while the metric was read.",
            Trouble::PartialData => "Some of the datapoints could not be read.",
        };
        json!([{ "Code": trouble.as_str(), "Value": words }])
    });
    json!({
        "Id": found.id,
        "Label": found.label,
        "Timestamps": moments,
        "Values": values,
        "StatusCode": status,
        "Messages": messages,
    })
}
