//! What a definition must be, beyond its shape. Each fault says what is wrong, of which rule and member, and what to write.

use super::{
    Condition, During, HealthDefinition, Limit, MannWhitney, PLACEHOLDERS, Query, Rule, Unfilled,
    mann_whitney::smallest_p,
};

/// Something that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Place of the rule it is about. `None`: the definition itself.
    pub rule: Option<usize>,
    pub member: Member,
    pub problem: String,
    /// What to write instead.
    pub instead: String,
}

/// What a fault is about; the configuration knows where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    Interval,
    Hold,
    Rules,
    Name,
    Words,
    Query,
    Stable,
    Baseline,
    Condition,
    MannWhitney,
    During,
    Late,
}

/// Longest window that is looked at together, in datapoints.
const WINDOW_MAX: u32 = 1_440;
/// Longest baseline: GetMetricData keeps datapoints of one minute for 15 days (CloudWatch User Guide, "Metrics retention").
const BASELINE_MAX_SECONDS: u32 = 14 * 86_400;
const DAY_SECONDS: u32 = 86_400;

impl HealthDefinition {
    /// Everything that is wrong with it. Empty: it can be evaluated.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut add = |member, problem: String, instead: &str| {
            faults.push(Fault {
                rule: None,
                member,
                problem,
                instead: instead.to_owned(),
            });
        };
        if !(5..=60).contains(&self.interval_seconds) {
            add(
                Member::Interval,
                format!("health is evaluated every {} s", self.interval_seconds),
                "write an interval of 5s to 60s; 30s when left out",
            );
        }
        if !(60..=DAY_SECONDS).contains(&self.hold.deadline_seconds) {
            add(
                Member::Hold,
                format!("a hold waits {} s for people", self.hold.deadline_seconds),
                "write 1m to 24h; 30m when left out",
            );
        }
        if self.rules.is_empty() {
            add(
                Member::Rules,
                format!(
                    "health definition {:?} has no rules, and would find everything healthy",
                    self.name
                ),
                "write extend = \"standard\", or [[health.NAME.rules]] with at least one rule",
            );
        }
        for (place, rule) in self.rules.iter().enumerate() {
            let twice = self.rules.iter().take(place).any(|earlier| earlier.name == rule.name);
            let mut found = rule_faults(rule);
            if twice {
                found.push(fault(
                    Member::Name,
                    format!("the rule {:?} is there twice", rule.name),
                    "give each rule a name of its own",
                ));
            }
            faults.extend(found.into_iter().map(|fault| Fault {
                rule: Some(place),
                ..fault
            }));
        }
        faults
    }
}

fn fault(member: Member, problem: impl Into<String>, instead: impl Into<String>) -> Fault {
    Fault {
        rule: None,
        member,
        problem: problem.into(),
        instead: instead.into(),
    }
}

fn rule_faults(rule: &Rule) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !is_name(&rule.name) {
        faults.push(fault(
            Member::Name,
            format!("{:?} is no name of a rule", rule.name),
            "use 1 to 63 of a–z, 0–9, '-' and '_', beginning with a letter",
        ));
    }
    if rule.words.trim().is_empty() || rule.words.chars().count() > 120 {
        faults.push(fault(
            Member::Words,
            "the rule does not say what is measured",
            "write it as a sentence begins, in at most 120 characters, such as words = \"5xx rate\"",
        ));
    }
    faults.extend(query_faults(&rule.query, Member::Query));
    if let Some(stable) = &rule.stable {
        faults.extend(query_faults(stable, Member::Stable));
        if stable.span_seconds() != rule.span_seconds() {
            faults.push(fault(
                Member::Stable,
                format!(
                    "datapoints of {} s cannot be compared with the stable version's of {} s",
                    rule.span_seconds(),
                    stable.span_seconds()
                ),
                "give both queries the same period (or step)",
            ));
        }
    }
    if rule.compares_with_stable() && rule.stable.is_none() {
        faults.push(fault(
            Member::Stable,
            "the rule compares with the stable version and has no query for it",
            "write the stable version's query beside the factor, such as stable = { factor = 1.25, prometheus = { query = \"…\" } }",
        ));
    }
    match &rule.baseline {
        Some(baseline) => {
            if let Some(query) = &baseline.query {
                faults.extend(query_faults(query, Member::Baseline));
            }
            let span = rule.baseline_query().span_seconds();
            if baseline.seconds < span || baseline.seconds > BASELINE_MAX_SECONDS {
                faults.push(fault(
                    Member::Baseline,
                    format!("a baseline of {} s before the deployment", baseline.seconds),
                    "write a window of at least one datapoint and at most 14d, such as window = \"60m\"",
                ));
            }
        }
        None if rule.compares_with_baseline() => faults.push(fault(
            Member::Baseline,
            "the rule compares with a baseline and says of no window",
            "write one, such as baseline = { window = \"60m\", factor = 5 }",
        )),
        None => {}
    }
    match &rule.condition {
        Condition::Limits { limits, during } => {
            limit_faults(limits, &mut faults);
            during_faults(*during, rule, &mut faults);
        }
        Condition::MannWhitney(test) => mann_whitney_faults(test, rule, &mut faults),
    }
    if rule.late_seconds < rule.settle_seconds || rule.late_seconds > DAY_SECONDS {
        faults.push(fault(
            Member::Late,
            format!(
                "data counts as missing after {} s, but is only looked at after {} s",
                rule.late_seconds, rule.settle_seconds
            ),
            "write late of at least settle and at most 24h; 90s and 10s when left out",
        ));
    }
    faults
}

fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

fn limit_faults(limits: &[Limit], faults: &mut Vec<Fault>) {
    if limits.is_empty() {
        faults.push(fault(
            Member::Condition,
            "the rule has no threshold",
            "write above = NUMBER or below = NUMBER, or compare with baseline, stable or mann_whitney",
        ));
    }
    for limit in limits {
        let (member, margin) = match limit {
            Limit::Absolute { .. } => continue,
            Limit::Baseline(margin) => (Member::Baseline, margin),
            Limit::Stable(margin) => (Member::Stable, margin),
        };
        if margin.factor.get() <= 0.0 {
            faults.push(fault(
                member,
                format!("a factor of {} makes no threshold", margin.factor.get()),
                "write a factor above 0, such as factor = 1.25",
            ));
        }
    }
}

fn during_faults(during: During, rule: &Rule, faults: &mut Vec<Fault>) {
    let (m, n) = during.of(rule.span_seconds());
    if m == 0 || m > n || n > WINDOW_MAX {
        faults.push(fault(
            Member::During,
            format!("{m} of {n} datapoints cannot be"),
            format!("write m of n with 1 ≤ m ≤ n ≤ {WINDOW_MAX}, such as datapoints = \"2 of 3\""),
        ));
    }
    if let During::For { seconds } = during
        && (seconds == 0 || seconds % rule.span_seconds() != 0)
    {
        faults.push(fault(
            Member::During,
            format!(
                "{seconds} s is no whole number of datapoints of {} s",
                rule.span_seconds()
            ),
            "write a multiple of the query's period (or step)",
        ));
    }
}

fn mann_whitney_faults(test: &MannWhitney, rule: &Rule, faults: &mut Vec<Fault>) {
    let confidence = test.confidence.get();
    if !(0.5..1.0).contains(&confidence) {
        faults.push(fault(
            Member::MannWhitney,
            format!("a confidence of {confidence} cannot be asked for"),
            "write a share of 0.5 to less than 1, such as confidence = 0.95",
        ));
    } else {
        let at_least = usize::try_from(test.at_least).unwrap_or(usize::MAX);
        let enough = (1..=WINDOW_MAX as usize).find(|n| smallest_p(*n, *n) <= 1.0 - confidence + 1e-12);
        if let Some(enough) = enough.filter(|enough| *enough > at_least) {
            faults.push(fault(
                Member::MannWhitney,
                format!(
                    "{at_least} values of each can never be sure to {} %",
                    confidence * 100.0
                ),
                format!("write at_least = {enough} or more"),
            ));
        }
    }
    if !(0.5..=1.0).contains(&test.effect.get()) {
        faults.push(fault(
            Member::MannWhitney,
            format!(
                "an effect of {} is no share of pairs on the bad side",
                test.effect.get()
            ),
            "write 0.5 (any difference) to 1 (every pair), such as effect = 0.7",
        ));
    }
    let window = rule.window();
    if window < test.at_least || window > WINDOW_MAX {
        faults.push(fault(
            Member::MannWhitney,
            format!(
                "a window of {} s holds {window} datapoints of {} s; {} are needed",
                test.window_seconds,
                rule.span_seconds(),
                test.at_least
            ),
            format!("write a window that holds at_least datapoints, and at most {WINDOW_MAX}"),
        ));
    }
}

fn query_faults(query: &Query, member: Member) -> Vec<Fault> {
    let mut faults = Vec::new();
    match query.placeholders() {
        Ok(names) => {
            for name in names {
                if !PLACEHOLDERS.iter().any(|(known, _)| *known == name) {
                    let known: Vec<String> = PLACEHOLDERS.iter().map(|(name, _)| format!("${{{name}}}")).collect();
                    faults.push(fault(
                        member,
                        Unfilled::Unknown(name).to_string(),
                        format!("there are {}", known.join(", ")),
                    ));
                }
            }
        }
        Err(error) => faults.push(fault(member, error.to_string(), "write ${NAME}")),
    }
    match query {
        Query::Cloudwatch {
            expression,
            metrics,
            period_seconds,
        } => {
            let possible = matches!(period_seconds, 1 | 5 | 10 | 20 | 30)
                || (*period_seconds > 0 && period_seconds % 60 == 0 && *period_seconds <= DAY_SECONDS);
            if !possible {
                faults.push(fault(
                    member,
                    format!("CloudWatch has no datapoints of {period_seconds} s"),
                    "write 60s or a multiple of it; 1s, 5s, 10s, 20s or 30s for high-resolution metrics",
                ));
            }
            if metrics.is_empty() || (expression.is_none() && metrics.len() != 1) {
                faults.push(fault(
                    member,
                    format!("{} metrics without an expression yield no single series", metrics.len()),
                    "name one metric, or join several by an expression over their ids",
                ));
            }
            for (place, metric) in metrics.iter().enumerate() {
                let id = metric.id.as_str();
                let well_formed = id.starts_with(|c: char| c.is_ascii_lowercase())
                    && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                if !well_formed || metrics.iter().take(place).any(|earlier| earlier.id == id) {
                    faults.push(fault(
                        member,
                        format!("{id:?} cannot be the id of a metric here"),
                        "write a small letter, then letters, digits and _, each id once",
                    ));
                }
            }
        }
        Query::Prometheus { query, step_seconds } => {
            if query.trim().is_empty() || *step_seconds == 0 || *step_seconds > DAY_SECONDS {
                faults.push(fault(
                    member,
                    "a query to Prometheus needs PromQL and a step of 1s to 24h",
                    "write prometheus = { query = \"…\", step = \"15s\" }",
                ));
            }
        }
    }
    faults
}
