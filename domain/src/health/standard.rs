//! The seven rules that ship (requirements §4), for an ECS service behind an Application Load Balancer.
//!
//! Where a metric is only sent when something happens, the query is led by one that is always there, so that silence
//! is not taken for health. Metric names: CloudWatch metrics for your Application Load Balancer (Elastic Load Balancing
//! User Guide); Amazon ECS Container Insights metrics (CloudWatch User Guide). What a service counts itself has the
//! names that Prometheus' client libraries suggest, labelled with `service` and the commit as `version`.

use super::{
    Action, Baseline, Condition, During, HealthDefinition, Hold, INTERVAL_SECONDS, Limit, Margin, Number, Query, Rule,
    Stat,
};
use std::collections::BTreeMap;

/// The name under which it can be extended.
pub const STANDARD: &str = "standard";

/// How long before a deployment is taken as its baseline.
const BASELINE_SECONDS: u32 = 3_600;
/// Between two datapoints of Prometheus.
const STEP_SECONDS: u32 = 15;

pub fn standard() -> HealthDefinition {
    HealthDefinition {
        name: STANDARD.to_owned(),
        interval_seconds: INTERVAL_SECONDS,
        rules: vec![
            http_5xx(),
            latency_p95(),
            task_health(),
            error_logs(),
            canary_5xx(),
            canary_p99(),
            restarts(),
        ],
        hold: Hold::default(),
    }
}

/// > 1 %, 2 of 3, roll back.
fn http_5xx() -> Rule {
    let target = [
        ("LoadBalancer", "${load_balancer}"),
        ("TargetGroup", "${new_target_group}"),
    ];
    Rule {
        unit: "%".to_owned(),
        ..Rule::new(
            "http-5xx",
            "5xx rate",
            cloudwatch(
                Some("100 * FILL(errors, 0) / requests"),
                vec![
                    stat(
                        "errors",
                        "AWS/ApplicationELB",
                        "HTTPCode_Target_5XX_Count",
                        &target,
                        "Sum",
                    ),
                    stat("requests", "AWS/ApplicationELB", "RequestCount", &target, "Sum"),
                ],
            ),
            absolute(1.0, During::Datapoints { m: 2, n: 3 }),
            Action::RollBack,
        )
    }
}

/// > 3 s, 3 of 5, roll back.
fn latency_p95() -> Rule {
    let target = [
        ("LoadBalancer", "${load_balancer}"),
        ("TargetGroup", "${new_target_group}"),
    ];
    Rule {
        unit: "s".to_owned(),
        ..Rule::new(
            "latency-p95",
            "p95 latency",
            cloudwatch(
                None,
                vec![stat("p95", "AWS/ApplicationELB", "TargetResponseTime", &target, "p95")],
            ),
            absolute(3.0, During::Datapoints { m: 3, n: 5 }),
            Action::RollBack,
        )
    }
}

/// > 0, 1 of 1, roll back.
fn task_health() -> Rule {
    let target = [
        ("LoadBalancer", "${load_balancer}"),
        ("TargetGroup", "${new_target_group}"),
    ];
    Rule::new(
        "task-health",
        "tasks that fail their health check",
        cloudwatch(
            None,
            vec![stat(
                "unhealthy",
                "AWS/ApplicationELB",
                "UnHealthyHostCount",
                &target,
                "Maximum",
            )],
        ),
        absolute(0.0, During::Datapoints { m: 1, n: 1 }),
        Action::RollBack,
    )
}

/// > 5 × baseline, 2 of 3, hold. A metric filter of CloudWatch Logs with default value 0 counts the lines.
fn error_logs() -> Rule {
    Rule {
        unit: "lines/min".to_owned(),
        baseline: Some(Baseline {
            seconds: BASELINE_SECONDS,
            query: None,
        }),
        ..Rule::new(
            "error-logs",
            "error-log rate",
            cloudwatch(
                None,
                vec![stat(
                    "errors",
                    "Logs/${service}-${environment}",
                    "ErrorCount",
                    &[],
                    "Sum",
                )],
            ),
            Condition::Limits {
                limits: vec![Limit::Baseline(Margin::factor(Number::literal(5.0)))],
                during: During::Datapoints { m: 2, n: 3 },
            },
            Action::Hold,
        )
    }
}

/// > 1 % over a window of 2 min, or > baseline + 1 %, for 1 min, roll back.
fn canary_5xx() -> Rule {
    let rate = |version: &str| {
        let labels = format!(r#"service="${{service}}",environment="${{environment}}",version="${{{version}}}""#);
        prometheus(&format!(
            r#"100 * (sum(rate(http_requests_total{{{labels},status=~"5.."}}[2m])) or vector(0)) / sum(rate(http_requests_total{{{labels}}}[2m]))"#
        ))
    };
    Rule {
        unit: "%".to_owned(),
        baseline: Some(Baseline {
            seconds: BASELINE_SECONDS,
            query: Some(rate("stable")),
        }),
        ..Rule::new(
            "canary-5xx",
            "canary 5xx rate",
            rate("new"),
            Condition::Limits {
                limits: vec![
                    Limit::Absolute {
                        value: Number::literal(1.0),
                    },
                    Limit::Baseline(Margin::difference(Number::literal(1.0))),
                ],
                during: During::For { seconds: 60 },
            },
            Action::RollBack,
        )
    }
}

/// > 1.25 × the stable version's, for 2 min, roll back.
fn canary_p99() -> Rule {
    let p99 = |version: &str| {
        prometheus(&format!(
            r#"histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{{service="${{service}}",environment="${{environment}}",version="${{{version}}}"}}[2m])))"#
        ))
    };
    Rule {
        unit: "s".to_owned(),
        stable: Some(p99("stable")),
        ..Rule::new(
            "canary-p99",
            "canary p99 latency",
            p99("new"),
            Condition::Limits {
                limits: vec![Limit::Stable(Margin::factor(Number::literal(1.25)))],
                during: During::For { seconds: 120 },
            },
            Action::RollBack,
        )
    }
}

/// > 0 in 5 min, at once, roll back. The count of running tasks shows that there is somebody to count restarts.
fn restarts() -> Rule {
    let service = [("ClusterName", "${cluster}"), ("ServiceName", "${compute}")];
    Rule::new(
        "restarts",
        "container restarts",
        cloudwatch(
            Some("FILL(restarts, 0) + 0 * tasks"),
            vec![
                stat("restarts", "ECS/ContainerInsights", "RestartCount", &service, "Sum"),
                stat(
                    "tasks",
                    "ECS/ContainerInsights",
                    "RunningTaskCount",
                    &service,
                    "Average",
                ),
            ],
        ),
        absolute(0.0, During::Datapoints { m: 1, n: 5 }),
        Action::RollBack,
    )
}

fn absolute(value: f64, during: During) -> Condition {
    Condition::Limits {
        limits: vec![Limit::Absolute {
            value: Number::literal(value),
        }],
        during,
    }
}

fn prometheus(query: &str) -> Query {
    Query::Prometheus {
        query: query.to_owned(),
        step_seconds: STEP_SECONDS,
    }
}

fn cloudwatch(expression: Option<&str>, metrics: Vec<Stat>) -> Query {
    Query::Cloudwatch {
        expression: expression.map(str::to_owned),
        metrics,
        period_seconds: 60,
    }
}

fn stat(id: &str, namespace: &str, name: &str, dimensions: &[(&str, &str)], stat: &str) -> Stat {
    Stat {
        id: id.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: dimensions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        stat: stat.to_owned(),
    }
}
