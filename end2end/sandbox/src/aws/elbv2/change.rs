//! ModifyListener and ModifyRule: what is named is replaced, the rest stays.

use serde_json::{Value, json};

use super::{actions, not_found, required, show_listener, show_rule, validation};
use crate::aws::{model::Account, protocol::AwsError};

const PROTOCOLS: [&str; 2] = ["HTTP", "HTTPS"];

pub(super) fn listener(account: &mut Account, body: &Value) -> Result<Value, AwsError> {
    let arn = required(body, "ListenerArn")?;
    let all = &account.load_balancing;
    let index = all
        .listeners
        .iter()
        .position(|each| each.arn == arn)
        .ok_or_else(|| not_found("One or more listeners", "ListenerNotFound", arn))?;
    let default = match &body["DefaultActions"] {
        Value::Null => None,
        given => Some(actions::completed(all, given)?),
    };
    let port = match &body["Port"] {
        Value::Null => None,
        given => Some(
            actions::number(given)
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port > 0)
                .ok_or_else(|| validation("The port must be between 1 and 65535"))?,
        ),
    };
    let balancer = &all.listeners[index].balancer_arn;
    let taken = |port: u16| {
        let mut others = all.listeners.iter().filter(|each| each.arn != arn);
        others.any(|each| each.balancer_arn == *balancer && each.port == port)
    };
    if let Some(port) = port.filter(|port| taken(*port)) {
        return Err(AwsError::new(
            "DuplicateListener",
            format!("A listener already exists on port {port} for this load balancer"),
        ));
    }
    let protocol = body["Protocol"].as_str();
    if protocol.is_some_and(|protocol| !PROTOCOLS.contains(&protocol)) {
        return Err(AwsError::new(
            "UnsupportedProtocol",
            "An application load balancer listens with HTTP or HTTPS",
        ));
    }
    let listener = &mut account.load_balancing.listeners[index];
    if let (Some(default), Some(rule)) = (default, listener.rules.last_mut()) {
        rule.actions = default;
    }
    if let Some(port) = port {
        listener.port = port;
    }
    if let Some(protocol) = protocol {
        listener.protocol = protocol.to_owned();
    }
    if let Some(policy) = body["SslPolicy"].as_str() {
        listener.ssl_policy = Some(policy.to_owned());
    }
    if body["Certificates"].is_array() {
        listener.certificates = body["Certificates"].clone();
    }
    Ok(json!({ "Listeners": [show_listener(listener)] }))
}

pub(super) fn rule(account: &mut Account, body: &Value) -> Result<Value, AwsError> {
    let arn = required(body, "RuleArn")?;
    let all = &account.load_balancing;
    let (_, rule) = all
        .rules()
        .find(|(_, rule)| rule.arn == arn)
        .ok_or_else(|| not_found("One or more rules", "RuleNotFound", arn))?;
    if rule.priority.is_none() {
        return Err(AwsError::new(
            "OperationNotPermitted",
            format!("Default rule '{arn}' cannot be modified"),
        ));
    }
    let (actions, conditions) = (&body["Actions"], &body["Conditions"]);
    if actions.is_null() && conditions.is_null() {
        return Err(validation("You must specify conditions or actions to modify"));
    }
    let actions = match actions {
        Value::Null => None,
        given => Some(actions::completed(all, given)?),
    };
    let rule = account
        .load_balancing
        .rule_mut(arn)
        .ok_or_else(|| not_found("One or more rules", "RuleNotFound", arn))?;
    if let Some(actions) = actions {
        rule.actions = actions;
    }
    if !conditions.is_null() {
        rule.conditions = conditions.clone();
    }
    Ok(json!({ "Rules": [show_rule(rule)] }))
}
