//! What the control API puts into the account's load balancing: target groups, load balancers,
//! listeners and rules, all by name. Their ARNs depend on nothing but these names and the account.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    elbv2::{
        actions,
        model::{Balancer, Listener, Rule, TargetGroup},
    },
    model::{Account, At},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedTargetGroup {
    name: String,
    #[serde(default = "container_port")]
    port: u16,
    #[serde(default = "root")]
    health_check_path: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedBalancer {
    name: String,
    #[serde(default)]
    listeners: Vec<SeedListener>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedListener {
    port: u16,
    #[serde(default = "http")]
    protocol: String,
    /// What the default rule forwards to.
    forward: Vec<Weighted>,
    /// Seconds that a client stays with its target group; left out: it does not.
    stickiness_seconds: Option<u32>,
    #[serde(default)]
    rules: Vec<SeedRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedRule {
    priority: u32,
    /// `/api/*`
    path: Option<String>,
    host: Option<String>,
    forward: Vec<Weighted>,
    stickiness_seconds: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weighted {
    target_group: String,
    #[serde(default = "one")]
    weight: u32,
}

/// A rule by its place: that of a listener which has no priority is the default.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleName {
    load_balancer: String,
    port: u16,
    priority: Option<u32>,
}

impl RuleName {
    /// The ARN of the rule, or why there is no such rule.
    pub(crate) fn arn(&self, account: &Account) -> Result<String, String> {
        let arn = account.rule_arn(&self.load_balancer, self.port, self.priority);
        let known = account.load_balancing.rules().any(|(_, rule)| rule.arn == arn);
        let place = format!("{}:{}", self.load_balancer, self.port);
        match (known, self.priority) {
            (true, _) => Ok(arn),
            (false, None) => Err(format!("no listener `{place}`")),
            (false, Some(priority)) => Err(format!("no rule of priority {priority} at listener `{place}`")),
        }
    }
}

fn container_port() -> u16 {
    8080
}

fn root() -> String {
    "/".into()
}

fn http() -> String {
    "HTTP".into()
}

fn one() -> u32 {
    1
}

pub(super) fn apply(
    account: &mut Account,
    now: Timestamp,
    groups: Vec<SeedTargetGroup>,
    balancers: Vec<SeedBalancer>,
) -> Result<(), String> {
    for group in groups {
        let arn = account.target_group_arn(&group.name);
        if account.load_balancing.group(&arn).is_none() {
            account.load_balancing.target_groups.push(TargetGroup {
                arn,
                name: group.name,
                port: group.port,
                protocol: "HTTP".into(),
                health_check_path: group.health_check_path,
            });
        }
    }
    for balancer in balancers {
        let arn = account.balancer_arn(&balancer.name);
        let all = &mut account.load_balancing;
        if !all.balancers.iter().any(|each| each.arn == arn) {
            all.balancers.push(Balancer {
                arn: arn.clone(),
                name: balancer.name.clone(),
                created: At(now),
            });
        }
        for listener in balancer.listeners {
            add_listener(account, &balancer.name, &arn, listener)?;
        }
    }
    Ok(())
}

fn add_listener(account: &mut Account, balancer: &str, balancer_arn: &str, seed: SeedListener) -> Result<(), String> {
    let arn = account.listener_arn(balancer, seed.port);
    if account.load_balancing.listeners.iter().any(|each| each.arn == arn) {
        return Ok(());
    }
    let mut rules = Vec::new();
    for rule in seed.rules {
        let mut conditions = Vec::new();
        for (field, member, value) in [
            ("path-pattern", "PathPatternConfig", rule.path),
            ("host-header", "HostHeaderConfig", rule.host),
        ] {
            if let Some(value) = value {
                conditions.push(json!({ "Field": field, "Values": [value], member: { "Values": [value] } }));
            }
        }
        rules.push(Rule {
            arn: account.rule_arn(balancer, seed.port, Some(rule.priority)),
            priority: Some(rule.priority),
            conditions: json!(conditions),
            actions: forward(account, &rule.forward, rule.stickiness_seconds)?,
        });
    }
    rules.sort_by_key(|rule| rule.priority);
    rules.push(Rule {
        arn: account.rule_arn(balancer, seed.port, None),
        priority: None,
        conditions: json!([]),
        actions: forward(account, &seed.forward, seed.stickiness_seconds)?,
    });
    let secure = seed.protocol == "HTTPS";
    let certificate = account.arn("acm", "certificate/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9");
    account.load_balancing.listeners.push(Listener {
        arn,
        balancer_arn: balancer_arn.to_owned(),
        port: seed.port,
        protocol: seed.protocol,
        ssl_policy: secure.then(|| "ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()),
        certificates: if secure {
            json!([{ "CertificateArn": certificate }])
        } else {
            Value::Null
        },
        rules,
    });
    Ok(())
}

fn forward(account: &Account, groups: &[Weighted], stickiness: Option<u32>) -> Result<Vec<Value>, String> {
    let groups: Vec<Value> = groups
        .iter()
        .map(|group| {
            json!({
                "TargetGroupArn": account.target_group_arn(&group.target_group),
                "Weight": group.weight,
            })
        })
        .collect();
    let action = json!([{ "Type": "forward", "ForwardConfig": {
        "TargetGroups": groups,
        "TargetGroupStickinessConfig": { "Enabled": stickiness.is_some(), "DurationSeconds": stickiness },
    }}]);
    actions::completed(&account.load_balancing, &action).map_err(|error| error.message.unwrap_or(error.code))
}
