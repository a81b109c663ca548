//! Which calls of GetMetricData answer which reads.
//!
//! Reads of the same range share a call, up to its 500 queries. An expression that reaches beyond the metrics it names has a
//! call of its own.

use super::{Read, expression, whole_spans};
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_domain::health::{Query, Stat, Unread};

/// Source: CloudWatch API reference, GetMetricData and MetricDataQuery.
const MOST_QUERIES: usize = 500;
const LONGEST_EXPRESSION: usize = 2_048;
const SHORT_PERIODS: [u32; 5] = [1, 5, 10, 20, 30];

/// One call, before it is made. Times in seconds since 1970.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) asked: Vec<Asked>,
}

/// One read within a call.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Its place among all reads.
    pub(super) index: usize,
    /// Of the query that has the result.
    pub(super) id: String,
    pub(super) queries: Vec<MetricDataQuery>,
}

/// What is to be called, and what can be said without a call: that a read makes no sense (`Err`) or that its range holds no
/// whole period (`Ok`).
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) calls: Vec<Call>,
    pub(super) settled: Vec<(usize, Result<(), Unread>)>,
}

pub(super) fn plan(reads: &[&Read]) -> Plan {
    let mut plan = Plan::default();
    let mut shared: BTreeMap<(i64, i64), Vec<Asked>> = BTreeMap::new();
    for (index, read) in reads.iter().enumerate() {
        let Query::Cloudwatch {
            expression,
            metrics,
            period_seconds,
        } = &read.query
        else {
            plan.settled
                .push((index, Err(Unread("it is no query of CloudWatch".to_owned()))));
            continue;
        };
        let asked = match asked(index, expression.as_deref(), metrics, *period_seconds) {
            Ok(asked) => asked,
            Err(reason) => {
                plan.settled.push((index, Err(Unread(reason))));
                continue;
            }
        };
        let Some((start, end)) = whole_spans(read.from, read.until, *period_seconds) else {
            plan.settled.push((index, Ok(())));
            continue;
        };
        if expression.as_deref().is_some_and(expression::reaches_further) {
            plan.calls.push(Call {
                start,
                end,
                asked: vec![asked],
            });
        } else {
            shared.entry((start, end)).or_default().push(asked);
        }
    }
    for ((start, end), all) in shared {
        let mut call = Call {
            start,
            end,
            asked: Vec::new(),
        };
        let mut queries = 0;
        for asked in all {
            if queries + asked.queries.len() > MOST_QUERIES {
                plan.calls.push(std::mem::replace(
                    &mut call,
                    Call {
                        start,
                        end,
                        asked: Vec::new(),
                    },
                ));
                queries = 0;
            }
            queries += asked.queries.len();
            call.asked.push(asked);
        }
        plan.calls.push(call);
    }
    plan
}

fn asked(index: usize, expression: Option<&str>, metrics: &[Stat], period: u32) -> Result<Asked, String> {
    if !SHORT_PERIODS.contains(&period) && (period == 0 || !period.is_multiple_of(60)) {
        return Err(format!(
            "CloudWatch has no period of {period} s: write 60 or a multiple of it, or 1, 5, 10, 20 or 30"
        ));
    }
    let mut known = BTreeSet::new();
    for stat in metrics {
        let well_formed = stat.id.starts_with(|c: char| c.is_ascii_lowercase())
            && stat.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && stat.id.len() <= 200;
        if !well_formed {
            return Err(format!(
                "{:?} is no id for metric math: write a small letter, then letters, digits and _",
                stat.id
            ));
        }
        if !known.insert(stat.id.as_str()) {
            return Err(format!("two metrics have the id {:?}: give each its own", stat.id));
        }
    }
    let Some(expression) = expression else {
        return match metrics {
            [stat] => {
                let id = format!("q{index}");
                let query = metric(&id, stat, period).build();
                Ok(Asked {
                    index,
                    id,
                    queries: vec![query],
                })
            }
            _ => Err(format!(
                "without an expression there must be one metric, not {}: write the expression that makes one series of them",
                metrics.len()
            )),
        };
    };
    let alone = expression::reaches_further(expression);
    let prefix = if alone { String::new() } else { format!("q{index}_") };
    let rewritten = expression::prefixed(expression, &known, &prefix).map_err(|unknown| {
        let there: Vec<&str> = known.iter().copied().collect();
        format!(
            "its expression names {unknown:?}, but its metrics are: {}",
            there.join(", ")
        )
    })?;
    if rewritten.len() > LONGEST_EXPRESSION || metrics.len() >= MOST_QUERIES {
        return Err("its expression is too long for CloudWatch: 2048 characters, 499 metrics".to_owned());
    }
    // No metric's id begins so: those have a prefix with `_`, or, alone, are not called that.
    let id = free_id(index, &known);
    let mut queries: Vec<MetricDataQuery> = metrics
        .iter()
        .map(|stat| {
            metric(&format!("{prefix}{}", stat.id), stat, period)
                .return_data(false)
                .build()
        })
        .collect();
    queries.push(
        MetricDataQuery::builder()
            .id(&id)
            .expression(rewritten)
            .period(i32::try_from(period).unwrap_or(i32::MAX))
            .return_data(true)
            .build(),
    );
    Ok(Asked { index, id, queries })
}

fn free_id(index: usize, known: &BTreeSet<&str>) -> String {
    let mut id = format!("q{index}");
    while known.contains(id.as_str()) {
        id.push('q');
    }
    id
}

fn metric(id: &str, stat: &Stat, period: u32) -> aws_sdk_cloudwatch::types::builders::MetricDataQueryBuilder {
    let dimensions = stat
        .dimensions
        .iter()
        .map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let metric = Metric::builder()
        .namespace(&stat.namespace)
        .metric_name(&stat.name)
        .set_dimensions(Some(dimensions.collect()));
    let stat = MetricStat::builder()
        .metric(metric.build())
        .period(i32::try_from(period).unwrap_or(i32::MAX))
        .stat(&stat.stat);
    MetricDataQuery::builder().id(id).metric_stat(stat.build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_domain::time::Timestamp;

    fn stat(id: &str) -> Stat {
        Stat {
            id: id.to_owned(),
            namespace: "Acme".to_owned(),
            name: "Errors".to_owned(),
            dimensions: BTreeMap::new(),
            stat: "Sum".to_owned(),
        }
    }

    fn read(expression: Option<&str>, ids: &[&str], until: i64) -> Read {
        Read {
            query: Query::Cloudwatch {
                expression: expression.map(str::to_owned),
                metrics: ids.iter().map(|id| stat(id)).collect(),
                period_seconds: 60,
            },
            from: Timestamp::from_millis(0),
            until: Timestamp::from_millis(until * 1_000),
        }
    }

    fn planned(reads: &[Read]) -> Plan {
        plan(&reads.iter().collect::<Vec<_>>())
    }

    #[test]
    fn reads_of_the_same_range_share_a_call_under_ids_of_their_own() {
        let plan = planned(&[
            read(None, &["m"], 120),
            read(Some("m + m"), &["m"], 120),
            read(None, &["m"], 180),
        ]);
        assert_eq!(plan.calls.len(), 2);
        let ids: Vec<&str> = plan.calls[0]
            .asked
            .iter()
            .flat_map(|asked| &asked.queries)
            .filter_map(MetricDataQuery::id)
            .collect();
        assert_eq!(ids, ["q0", "q1_m", "q1"]);
        assert_eq!(plan.calls[0].asked[1].queries[1].expression(), Some("q1_m + q1_m"));
        assert_eq!((plan.calls[1].start, plan.calls[1].end), (0, 180));
    }

    #[test]
    fn no_call_has_more_than_500_queries_and_no_read_is_torn_apart() {
        let reads: Vec<Read> = (0..300).map(|_| read(Some("m + 1"), &["m"], 60)).collect();
        let plan = planned(&reads);
        let sizes: Vec<usize> = plan.calls.iter().map(|call| call.asked.len()).collect();
        assert_eq!(sizes, [250, 50]);
    }

    #[test]
    fn an_expression_over_all_metrics_is_asked_alone() {
        let plan = planned(&[read(Some("SUM(METRICS(\"q\"))"), &["q0"], 60), read(None, &["m"], 60)]);
        assert_eq!(plan.calls.len(), 2);
        let alone = &plan.calls[0].asked[0];
        assert_eq!(alone.queries[0].id(), Some("q0"));
        assert_eq!(alone.id, "q0q");
    }

    #[test]
    fn what_makes_no_sense_is_said_without_a_call() {
        let mut uneven = read(None, &["m"], 60);
        if let Query::Cloudwatch { period_seconds, .. } = &mut uneven.query {
            *period_seconds = 45;
        }
        let plan = planned(&[
            read(None, &["a", "b"], 60),
            read(Some("a + c"), &["a", "b"], 60),
            read(Some("a"), &["a", "a"], 60),
            read(Some("a"), &["A"], 60),
            uneven,
            read(None, &["a"], 59),
        ]);
        assert!(plan.calls.is_empty());
        let said: Vec<String> = plan
            .settled
            .into_iter()
            .map(|(_, said)| said.err().map(|unread| unread.0).unwrap_or_default())
            .collect();
        for (said, words) in said.iter().zip([
            "one metric, not 2",
            "names \"c\", but its metrics are: a, b",
            "two metrics have the id \"a\"",
            "small letter",
            "no period of 45 s",
        ]) {
            assert!(said.contains(words), "{said}");
        }
        assert_eq!(said[5], "", "no whole period is no mistake");
    }
}
