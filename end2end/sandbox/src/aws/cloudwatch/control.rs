//! The control API of CloudWatch: `/aws/metrics…` and `/aws/alarms`.

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PutAlarm, PutMetric};
use crate::{aws::Aws, control::Refused};

pub(crate) fn router() -> Router<Aws> {
    Router::new()
        .route("/aws/metrics", post(put_metric).delete(clear_metrics))
        .route("/aws/metrics/page", post(set_page))
        .route("/aws/alarms", post(put_alarm))
}

async fn put_metric(State(aws): State<Aws>, Json(metric): Json<PutMetric>) -> Result<Json<Value>, Refused> {
    let now = aws.clock.now();
    metric
        .apply(&mut aws.account().cloudwatch.metrics, now)
        .map_err(Refused::bad)?;
    Ok(Json(json!({})))
}

async fn clear_metrics(State(aws): State<Aws>) -> StatusCode {
    aws.account().cloudwatch.metrics.clear();
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    datapoints: usize,
}

async fn set_page(State(aws): State<Aws>, Json(page): Json<Page>) -> Result<Json<Value>, Refused> {
    if page.datapoints == 0 {
        return Err(Refused::bad("a page has at least 1 datapoint"));
    }
    aws.account().cloudwatch.page_datapoints = page.datapoints;
    Ok(Json(json!({})))
}

async fn put_alarm(State(aws): State<Aws>, Json(alarm): Json<PutAlarm>) -> Json<Value> {
    let now = aws.clock.now();
    alarm.apply(&mut aws.account(), now);
    Json(json!({}))
}
