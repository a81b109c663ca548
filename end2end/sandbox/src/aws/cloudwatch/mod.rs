//! Amazon CloudWatch: metrics to read by GetMetricData, metric math included, and alarms with a state.
//!
//! Datapoints come from the control API alone. They are computed when asked for, at the virtual time of the question, so
//! that the same question later finds what has arrived meanwhile.

mod alarms;
pub(crate) mod control;
mod data;
mod math;
mod metrics;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::{alarms::Alarm, metrics::Metric};
pub(crate) use self::{alarms::PutAlarm, metrics::PutMetric};
use super::{
    model::Account,
    protocol::{AwsError, input, page, without_nulls},
};

/// What CloudWatch holds.
#[derive(Debug, Serialize)]
pub(crate) struct CloudWatch {
    pub metrics: Vec<Metric>,
    /// Those that were put here; those that only deployment groups name are shown as well.
    pub alarms: Vec<Alarm>,
    /// Datapoints on one page of GetMetricData.
    pub page_datapoints: usize,
}

impl Default for CloudWatch {
    fn default() -> Self {
        Self {
            metrics: Vec::new(),
            alarms: Vec::new(),
            page_datapoints: data::PAGE,
        }
    }
}

/// Performs one operation.
pub(crate) fn call(account: &Account, now: jiff::Timestamp, operation: &str, body: Value) -> Result<Value, AwsError> {
    match operation {
        "GetMetricData" => data::get_metric_data(&account.cloudwatch, now, body),
        "DescribeAlarms" => alarms::describe(account, body),
        "ListMetrics" => list_metrics(&account.cloudwatch, body),
        _ => Err(AwsError::unknown_operation()),
    }
}

fn invalid(reason: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", reason)
}

fn bad_token() -> AwsError {
    AwsError::new("InvalidNextToken", "The service cannot handle the NextToken.")
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DimensionFilter {
    name: String,
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<DimensionFilter>,
    next_token: Option<String>,
}

fn list_metrics(cloudwatch: &CloudWatch, body: Value) -> Result<Value, AwsError> {
    let wanted: ListInput = input(body)?;
    let found: Vec<&Metric> = cloudwatch
        .metrics
        .iter()
        .filter(|metric| {
            let name = &metric.name;
            wanted.namespace.as_ref().is_none_or(|it| *it == name.namespace)
                && wanted.metric_name.as_ref().is_none_or(|it| *it == name.name)
                && wanted.dimensions.iter().all(|filter| {
                    let value = name.dimensions.get(&filter.name);
                    value.is_some_and(|value| filter.value.as_ref().is_none_or(|it| it == value))
                })
        })
        .collect();
    let (found, next) = page(&found, wanted.next_token.as_deref(), 500).ok_or_else(bad_token)?;
    let metrics: Vec<Value> = found
        .into_iter()
        .map(|metric| {
            let dimensions = metric.name.dimensions.iter();
            let dimensions: Vec<Value> = dimensions
                .map(|(name, value)| json!({ "Name": name, "Value": value }))
                .collect();
            json!({
                "Namespace": metric.name.namespace,
                "MetricName": metric.name.name,
                "Dimensions": dimensions,
            })
        })
        .collect();
    Ok(without_nulls(json!({ "Metrics": metrics, "NextToken": next })))
}
