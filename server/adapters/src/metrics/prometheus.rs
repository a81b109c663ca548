//! Prometheus, over its HTTP API. <https://prometheus.io/docs/prometheus/latest/querying/api/>
//!
//! A query yields one series or none; several are refused, with what to write. Warnings mean that something was left out, so
//! they count as errors. An answer is read up to a bound, redirects are not followed, and the token goes nowhere else.

use super::{Read, out_of_time, whole_spans};
use crate::{CallError, error::chain};
use futures::{StreamExt as _, stream};
use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tidegate_domain::{
    health::{Point, Query, Samples, Series, Unread},
    time::Timestamp,
};
use url::{Host, Url};

/// Questions at once: half of what Prometheus takes at most unless told otherwise (`--query.max-concurrency` 20), with room
/// for people's dashboards.
const AT_ONCE: usize = 4;
/// What Prometheus gives for one series at most (`web/api/v1`, query_range).
const MOST_POINTS: i64 = 11_000;
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;
const LONGEST_WORDS: usize = 300;

#[derive(Debug, Clone)]
pub struct PrometheusOptions {
    /// Such as `https://prometheus.acme.example` or `http://127.0.0.1:9090/prometheus`.
    pub url: Url,
    /// Sent as a bearer token; then the address must be https, or this machine.
    pub token: Option<SecretString>,
    /// How long one question may take, connection and answer included.
    pub timeout: Duration,
}

#[derive(Debug, Clone)]
pub struct Prometheus {
    instant: Url,
    range: Url,
    token: Option<SecretString>,
    timeout: Duration,
    http: reqwest::Client,
}

#[derive(Debug, Deserialize)]
struct Answer {
    status: String,
    #[serde(rename = "errorType")]
    kind: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
    data: Option<Data>,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: serde_json::Value,
}

/// Seconds since 1970, and the value as text: JSON has no NaN.
type Sampled = (f64, String);

#[derive(Debug, Deserialize)]
struct Labelled {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<Sampled>,
    value: Option<Sampled>,
}

impl Prometheus {
    /// # Errors
    /// An address that cannot be used, or over which the token would be read by others.
    pub fn new(options: PrometheusOptions) -> Result<Self, CallError> {
        let refused = |why: String| CallError::refused("Configuration", why, false);
        if options.token.is_some() && options.url.scheme() != "https" && !is_this_machine(&options.url) {
            return Err(refused(format!(
                "the token for {} would go over plain http: write https://… into [prometheus] url",
                options.url.host_str().unwrap_or_default()
            )));
        }
        let http = reqwest::Client::builder()
            .user_agent(crate::github::USER_AGENT)
            .connect_timeout(Duration::from_secs(3).min(options.timeout))
            .timeout(options.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| refused(chain(&error)))?;
        let below = |operation: &str| {
            let mut url = options.url.clone();
            url.path_segments_mut()
                .map_err(|()| refused("[prometheus] url is no address".to_owned()))?
                .pop_if_empty()
                .extend(["api", "v1", operation]);
            Ok::<Url, CallError>(url)
        };
        Ok(Self {
            instant: below("query")?,
            range: below("query_range")?,
            token: options.token,
            timeout: options.timeout,
            http,
        })
    }

    pub(super) async fn read(&self, reads: &[&Read], before: Instant) -> Vec<Samples> {
        let mut asked = Vec::with_capacity(reads.len());
        for read in reads {
            asked.push(self.timely(read, before));
        }
        stream::iter(asked).buffered(AT_ONCE).collect().await
    }

    async fn timely(&self, read: &Read, before: Instant) -> Samples {
        let answered = tokio::time::timeout_at(before.into(), self.one(read)).await;
        answered.unwrap_or_else(|_| Err(out_of_time("Prometheus")))
    }

    async fn one(&self, read: &Read) -> Samples {
        let Query::Prometheus { query, step_seconds } = &read.query else {
            return Err(Unread("it is no query of Prometheus".to_owned()));
        };
        if *step_seconds == 0 {
            return Err(Unread("a step of Prometheus is at least 1 s".to_owned()));
        }
        let Some((start, end)) = whole_spans(read.from, read.until, *step_seconds) else {
            return Ok(Series::default());
        };
        let step = i64::from(*step_seconds);
        // A value is of the step that ends at its instant.
        let first = start + step;
        if (end - first) / step >= MOST_POINTS {
            return Err(Unread(format!(
                "Prometheus gives at most {MOST_POINTS} datapoints: ask for a shorter time or a longer step"
            )));
        }
        let timeout = format!("{}ms", self.timeout.as_millis());
        let (url, form) = if first == end {
            (&self.instant, vec![("time", end.to_string())])
        } else {
            let range = [("start", first), ("end", end), ("step", step)];
            let form = range.map(|(name, value)| (name, value.to_string()));
            (&self.range, form.to_vec())
        };
        let mut request = self.http.post(url.clone()).form(
            &form
                .into_iter()
                .chain([("query", query.clone()), ("timeout", timeout)])
                .collect::<Vec<_>>(),
        );
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let answer = request.send().await.map_err(|error| self.unanswered(error))?;
        let status = answer.status();
        let body = self.bounded(answer).await?;
        series(status, &body, step, first < end)
    }

    fn unanswered(&self, error: reqwest::Error) -> Unread {
        Unread(if error.is_timeout() {
            format!("Prometheus did not answer within {:?}", self.timeout)
        } else {
            format!("Prometheus could not be asked: {}", chain(&error.without_url()))
        })
    }

    async fn bounded(&self, mut answer: Response) -> Result<Vec<u8>, Unread> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unanswered(error))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(Unread(format!(
                    "the answer of Prometheus has more than {LARGEST_ANSWER} bytes: {ONE_SERIES}"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

const ONE_SERIES: &str =
    "a rule judges one series, so write sum(…), avg(…) or max(…) around the query, or choose one by its labels";

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What an answer says. `step`: seconds. `range`: whether it was asked for more than one instant.
fn series(status: StatusCode, body: &[u8], step: i64, range: bool) -> Samples {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return Err(Unread(not_prometheus(status)));
    };
    if answer.status != "success" {
        let (kind, error) = (answer.kind.unwrap_or_default(), answer.error.unwrap_or_default());
        return Err(Unread(format!(
            "Prometheus refused the query ({kind}): {}",
            short(&error)
        )));
    }
    if !answer.warnings.is_empty() {
        let warnings = short(&answer.warnings.join("; "));
        return Err(Unread(format!(
            "Prometheus warns that its answer is not whole: {warnings}"
        )));
    }
    let data = answer.data.ok_or_else(nonsense)?;
    let points: Vec<Sampled> = match data.kind.as_str() {
        "scalar" => vec![parsed(data.result)?],
        // At an instant: the samples themselves, which stand for no step.
        "matrix" if !range => {
            return Err(Unread(
                "the query yields samples over a time: write rate(…), avg_over_time(…) or the like around it"
                    .to_owned(),
            ));
        }
        "matrix" | "vector" => match parsed::<Vec<Labelled>>(data.result)?.as_mut_slice() {
            [] => Vec::new(),
            [one] if one.values.is_empty() && one.value.is_none() => {
                return Err(Unread(
                    "the query yields histograms: write histogram_quantile(…) or histogram_count(…) around it"
                        .to_owned(),
                ));
            }
            [one] => std::mem::take(&mut one.values)
                .into_iter()
                .chain(one.value.take())
                .collect(),
            [first, second, rest @ ..] => {
                let (first, second, count) = (labels(&first.metric), labels(&second.metric), rest.len() + 2);
                return Err(Unread(format!(
                    "the query yields {count} series, such as {first} and {second}: {ONE_SERIES}"
                )));
            }
        },
        other => return Err(Unread(format!("the query yields a {other} and no numbers"))),
    };
    let points = points.into_iter().map(|(at, value)| {
        let value = value.parse().map_err(|_| nonsense())?;
        Ok(Point {
            at: moment(at, step),
            value,
        })
    });
    Ok(Series::new(points.collect::<Result<Vec<_>, Unread>>()?))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970; what is out of range is clamped"
)]
fn moment(instant: f64, step: i64) -> Timestamp {
    Timestamp::from_millis((instant * 1_000.0).round() as i64 - step * 1_000)
}

fn parsed<T: DeserializeOwned>(result: serde_json::Value) -> Result<T, Unread> {
    serde_json::from_value(result).map_err(|_| nonsense())
}

fn nonsense() -> Unread {
    Unread("Prometheus answered in a form that its documentation does not have".to_owned())
}

fn not_prometheus(status: StatusCode) -> String {
    match status.as_u16() {
        401 | 403 => {
            format!("Prometheus lets nobody in ({status}): put a token that may read into TIDEGATE_PROMETHEUS_TOKEN")
        }
        404 => {
            "there is no Prometheus at this address (404): [prometheus] url is what stands before /api/v1".to_owned()
        }
        300..=399 => format!("Prometheus is somewhere else ({status}): write its own address into [prometheus] url"),
        _ => format!("what answered is not Prometheus, or something before it ({status})"),
    }
}

fn labels(metric: &BTreeMap<String, String>) -> String {
    let shown: Vec<String> = metric.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    short(&format!("{{{}}}", shown.join(", ")))
}

/// Words from outside, in one line of bounded length.
fn short(words: &str) -> String {
    let line: String = words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_WORDS)
        .collect();
    if words.chars().count() > LONGEST_WORDS {
        line + "…"
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(status: u16, body: &str) -> Samples {
        series(StatusCode::from_u16(status).unwrap(), body.as_bytes(), 60, true)
    }

    fn points(samples: Samples) -> Vec<(i64, f64)> {
        let series = samples.unwrap();
        series
            .points()
            .iter()
            .map(|point| (point.at.millis(), point.value))
            .collect()
    }

    #[test]
    fn a_value_stands_for_the_step_that_ends_at_its_instant() {
        let body = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{},"values":[[120,"1.5"],[180,"NaN"],[240.5,"+Inf"],[300,"-2e3"]]}]}}"#;
        assert_eq!(points(read(200, body)), [(60_000, 1.5), (240_000, -2_000.0)]);
        let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[120,"7"]}]}}"#;
        assert_eq!(points(read(200, body)), [(60_000, 7.0)]);
        let body = r#"{"status":"success","data":{"resultType":"scalar","result":[120,"7"]}}"#;
        assert_eq!(points(read(200, body)), [(60_000, 7.0)]);
    }

    #[test]
    fn nothing_found_is_an_empty_series() {
        let body = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
        assert_eq!(read(200, body), Ok(Series::default()));
    }

    #[rstest]
    #[case(200, r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a"},"value":[1,"1"]},{"metric":{"pod":"b"},"value":[1,"1"]}]}}"#,
        r#"yields 2 series, such as {pod="a"} and {pod="b"}: a rule judges one series, so write sum(…)"#)]
    #[case(
        200,
        r#"{"status":"success","warnings":["store is down"],"data":{"resultType":"vector","result":[]}}"#,
        "store is down"
    )]
    #[case(
        200,
        r#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#,
        "yields a string"
    )]
    #[case(
        200,
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"histograms":[]}]}}"#,
        "histogram_quantile"
    )]
    #[case(
        200,
        r#"{"status":"success","data":{"resultType":"scalar","result":[1,"seven"]}}"#,
        "in a form"
    )]
    #[case(
        400,
        r#"{"status":"error","errorType":"bad_data","error":"parse error: unclosed\nbracket"}"#,
        "(bad_data): parse error: unclosed bracket"
    )]
    #[case(
        503,
        r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
        "query timed out"
    )]
    #[case(401, "Unauthorized", "TIDEGATE_PROMETHEUS_TOKEN")]
    #[case(404, "<html>", "before /api/v1")]
    #[case(302, "", "its own address")]
    #[case(502, "<html>", "502")]
    fn what_makes_no_series_is_said_in_words(#[case] status: u16, #[case] body: &str, #[case] words: &str) {
        let Err(Unread(said)) = read(status, body) else {
            panic!("{body}");
        };
        assert!(said.contains(words), "{said}");
    }

    #[rstest]
    #[case("https://prometheus.acme.example", true)]
    #[case("http://127.0.0.1:9090", true)]
    #[case("http://prometheus.acme.example", false)]
    fn a_token_never_goes_over_plain_http(#[case] url: &str, #[case] allowed: bool) {
        let made = Prometheus::new(PrometheusOptions {
            url: Url::parse(url).unwrap(),
            token: Some("canary".to_owned().into()),
            timeout: Duration::from_secs(1),
        });
        assert_eq!(made.is_ok(), allowed);
        assert!(!format!("{made:?}").contains("canary"));
    }
}
