//! Elastic Load Balancing: what its listeners and rules forward to, and how the targets are.

pub(crate) mod actions;
mod change;
mod health;
pub(crate) mod model;

use serde_json::{Value, json};

use self::model::{Balancer, Listener, Rule, TargetGroup};
use super::{
    model::Account,
    protocol::{AwsError, epoch, page},
};

/// Performs one operation.
pub(crate) fn call(account: &mut Account, operation: &str, body: Value) -> Result<Value, AwsError> {
    match operation {
        "DescribeLoadBalancers" => balancers(account, &body),
        "DescribeListeners" => listeners(account, &body),
        "DescribeRules" => rules(account, &body),
        "DescribeTargetGroups" => target_groups(account, &body),
        "DescribeTargetHealth" => health::describe(account, &body),
        "ModifyListener" => change::listener(account, &body),
        "ModifyRule" => change::rule(account, &body),
        _ => Err(AwsError::unknown_operation()),
    }
}

fn validation(reason: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", reason)
}

fn not_found(what: &str, code: &str, name: &str) -> AwsError {
    AwsError::new(code, format!("{what} '{name}' not found"))
}

/// The strings of a list; `None` if it was not given.
fn strings<'a>(body: &'a Value, member: &str) -> Option<Vec<&'a str>> {
    let list = body[member].as_array()?;
    Some(list.iter().filter_map(Value::as_str).collect())
}

/// A required string.
fn required<'a>(body: &'a Value, member: &str) -> Result<&'a str, AwsError> {
    body[member]
        .as_str()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| validation(format!("The parameter {member} is required")))
}

/// Each of the named in its order, or the error of the first that there is not.
fn named<'a, T>(
    names: &[&str],
    find: impl Fn(&str) -> Option<&'a T>,
    missing: impl Fn(&str) -> AwsError,
) -> Result<Vec<&'a T>, AwsError> {
    names
        .iter()
        .map(|name| find(name).ok_or_else(|| missing(name)))
        .collect()
}

fn paged(name: &str, found: &[Value], body: &Value) -> Result<Value, AwsError> {
    let size = match &body["PageSize"] {
        Value::Null => 400,
        given => actions::number(given)
            .filter(|size| (1..=400).contains(size))
            .ok_or_else(|| validation("PageSize must be between 1 and 400"))?,
    };
    let size = usize::try_from(size).unwrap_or(400);
    let (found, next) =
        page(found, body["Marker"].as_str(), size).ok_or_else(|| validation("The marker is not valid"))?;
    Ok(json!({ name: found, "NextMarker": next }))
}

fn balancers(account: &Account, body: &Value) -> Result<Value, AwsError> {
    let all = &account.load_balancing.balancers;
    let missing = |name: &str| not_found("Load balancers", "LoadBalancerNotFound", name);
    let found = match (strings(body, "LoadBalancerArns"), strings(body, "Names")) {
        (Some(_), Some(_)) => {
            return Err(validation("Load balancer names and ARNs cannot be specified together"));
        }
        (Some(arns), None) => named(&arns, |arn| all.iter().find(|each| each.arn == arn), missing)?,
        (None, Some(names)) => named(&names, |name| all.iter().find(|each| each.name == name), missing)?,
        (None, None) => all.iter().collect(),
    };
    let found: Vec<Value> = found.into_iter().map(|each| show_balancer(account, each)).collect();
    paged("LoadBalancers", &found, body)
}

fn show_balancer(account: &Account, balancer: &Balancer) -> Value {
    json!({
        "LoadBalancerArn": balancer.arn,
        "DNSName": format!("{}-1234567890.{}.elb.amazonaws.com", balancer.name, account.region),
        "CanonicalHostedZoneId": "Z32O12XQLNTSW2",
        "CreatedTime": epoch(balancer.created.0),
        "LoadBalancerName": balancer.name,
        "Scheme": "internet-facing",
        "VpcId": "vpc-0a1b2c3d4e5f60718",
        "State": { "Code": "active" },
        "Type": "application",
        "AvailabilityZones": [{
            "ZoneName": format!("{}a", account.region),
            "SubnetId": "subnet-0a1b2c3d4e5f60718",
        }],
        "SecurityGroups": ["sg-0a1b2c3d4e5f60718"],
        "IpAddressType": "ipv4",
    })
}

fn listeners(account: &Account, body: &Value) -> Result<Value, AwsError> {
    let all = &account.load_balancing.listeners;
    let missing = |arn: &str| not_found("One or more listeners", "ListenerNotFound", arn);
    let found: Vec<&Listener> = match (strings(body, "ListenerArns"), body["LoadBalancerArn"].as_str()) {
        (Some(arns), None) => named(&arns, |arn| all.iter().find(|each| each.arn == arn), missing)?,
        (None, Some(balancer)) => {
            if !account.load_balancing.balancers.iter().any(|each| each.arn == balancer) {
                return Err(not_found("Load balancer", "LoadBalancerNotFound", balancer));
            }
            all.iter().filter(|each| each.balancer_arn == balancer).collect()
        }
        _ => {
            return Err(validation(
                "You must specify either listener ARNs or a load balancer ARN",
            ));
        }
    };
    let found: Vec<Value> = found.into_iter().map(show_listener).collect();
    paged("Listeners", &found, body)
}

fn show_listener(listener: &Listener) -> Value {
    let default = listener.rules.last().map(|rule| &rule.actions);
    json!({
        "ListenerArn": listener.arn,
        "LoadBalancerArn": listener.balancer_arn,
        "Port": listener.port,
        "Protocol": listener.protocol,
        "SslPolicy": listener.ssl_policy,
        "Certificates": listener.certificates,
        "DefaultActions": default,
    })
}

fn rules(account: &Account, body: &Value) -> Result<Value, AwsError> {
    let all = &account.load_balancing;
    let missing = |arn: &str| not_found("One or more rules", "RuleNotFound", arn);
    let found: Vec<&Rule> = match (strings(body, "RuleArns"), body["ListenerArn"].as_str()) {
        (Some(arns), None) => named(
            &arns,
            |arn| all.rules().map(|(_, rule)| rule).find(|rule| rule.arn == arn),
            missing,
        )?,
        (None, Some(listener)) => all
            .listeners
            .iter()
            .find(|each| each.arn == listener)
            .ok_or_else(|| not_found("One or more listeners", "ListenerNotFound", listener))?
            .rules
            .iter()
            .collect(),
        _ => return Err(validation("You must specify either rule ARNs or a listener ARN")),
    };
    let found: Vec<Value> = found.into_iter().map(show_rule).collect();
    paged("Rules", &found, body)
}

fn show_rule(rule: &Rule) -> Value {
    json!({
        "RuleArn": rule.arn,
        "Priority": rule.priority.map_or("default".to_owned(), |priority| priority.to_string()),
        "Conditions": rule.conditions,
        "Actions": rule.actions,
        "IsDefault": rule.priority.is_none(),
    })
}

fn target_groups(account: &Account, body: &Value) -> Result<Value, AwsError> {
    let all = &account.load_balancing;
    let missing = |name: &str| not_found("One or more target groups", "TargetGroupNotFound", name);
    let by = (
        strings(body, "TargetGroupArns"),
        strings(body, "Names"),
        body["LoadBalancerArn"].as_str(),
    );
    let found: Vec<&TargetGroup> = match by {
        (Some(arns), None, None) => named(&arns, |arn| all.group(arn), missing)?,
        (None, Some(names), None) => named(
            &names,
            |name| all.target_groups.iter().find(|each| each.name == name),
            missing,
        )?,
        (None, None, Some(balancer)) => {
            if !all.balancers.iter().any(|each| each.arn == balancer) {
                return Err(not_found("Load balancer", "LoadBalancerNotFound", balancer));
            }
            let of_it = |group: &&TargetGroup| all.balancers_of(&group.arn).iter().any(|each| each == balancer);
            all.target_groups.iter().filter(of_it).collect()
        }
        (None, None, None) => all.target_groups.iter().collect(),
        _ => {
            return Err(validation(
                "Target group names, target group ARNs and a load balancer ARN cannot be specified together",
            ));
        }
    };
    let found: Vec<Value> = found.into_iter().map(|each| show_group(account, each)).collect();
    paged("TargetGroups", &found, body)
}

fn show_group(account: &Account, group: &TargetGroup) -> Value {
    json!({
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "Port": group.port,
        "VpcId": "vpc-0a1b2c3d4e5f60718",
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "HealthCheckEnabled": true,
        "HealthCheckIntervalSeconds": 15,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 2,
        "HealthCheckPath": group.health_check_path,
        "Matcher": { "HttpCode": "200" },
        "LoadBalancerArns": account.load_balancing.balancers_of(&group.arn),
        "TargetType": "ip",
        "ProtocolVersion": "HTTP1",
        "IpAddressType": "ipv4",
    })
}
