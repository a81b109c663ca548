//! What a listener or a rule does with a request: the actions of a request, checked and completed.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ForwardActionConfig.html>

use serde_json::{Value, json};

use super::{model::LoadBalancing, validation};
use crate::aws::protocol::AwsError;

/// Weights of a target group go up to this.
const HEAVIEST: u32 = 999;
/// Target groups in one forward action.
const MOST_GROUPS: usize = 5;
/// A week, in seconds.
const LONGEST_STICKINESS: u32 = 604_800;

const TYPES: [&str; 6] = [
    "forward",
    "redirect",
    "fixed-response",
    "authenticate-oidc",
    "authenticate-cognito",
    "jwt-validation",
];

/// The actions as the service keeps them, or why it refuses them.
pub(crate) fn completed(all: &LoadBalancing, actions: &Value) -> Result<Vec<Value>, AwsError> {
    let actions = actions
        .as_array()
        .filter(|actions| !actions.is_empty())
        .ok_or_else(|| validation("You must specify at least one action"))?;
    actions.iter().map(|action| complete(all, action)).collect()
}

fn complete(all: &LoadBalancing, action: &Value) -> Result<Value, AwsError> {
    let kind = action["Type"].as_str().unwrap_or_default();
    if !TYPES.contains(&kind) {
        return Err(validation(format!("The action type '{kind}' is not valid")));
    }
    if kind != "forward" {
        return Ok(action.clone());
    }
    let groups = groups(all, action)?;
    let mut done = json!({
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": groups,
            "TargetGroupStickinessConfig": stickiness(&action["ForwardConfig"]["TargetGroupStickinessConfig"])?,
        },
    });
    if let Some(order) = number(&action["Order"]) {
        done["Order"] = json!(order);
    }
    if groups.len() == 1 {
        done["TargetGroupArn"] = groups[0]["TargetGroupArn"].clone();
    }
    Ok(done)
}

fn groups(all: &LoadBalancing, action: &Value) -> Result<Vec<Value>, AwsError> {
    let single = action["TargetGroupArn"].as_str();
    let listed = action["ForwardConfig"]["TargetGroups"].as_array();
    let groups = match (single, listed) {
        (Some(single), None) => vec![json!({ "TargetGroupArn": single })],
        (None, Some(listed)) => listed.clone(),
        (Some(single), Some(listed)) if listed.len() == 1 && listed[0]["TargetGroupArn"] == single => listed.clone(),
        (Some(_), Some(_)) => {
            return Err(validation(
                "You cannot specify both a target group ARN and different target groups in a forward action",
            ));
        }
        (None, None) => return Err(validation("A forward action must specify a target group")),
    };
    if groups.is_empty() || groups.len() > MOST_GROUPS {
        return Err(validation(
            "A forward action must specify between 1 and 5 target groups",
        ));
    }
    let mut completed: Vec<Value> = Vec::new();
    for group in &groups {
        let arn = group["TargetGroupArn"].as_str().unwrap_or_default();
        if all.group(arn).is_none() {
            return Err(AwsError::new(
                "TargetGroupNotFound",
                format!("Target groups '{arn}' not found"),
            ));
        }
        if completed.iter().any(|each| each["TargetGroupArn"] == arn) {
            return Err(validation("A target group can be specified only once in an action"));
        }
        let weight = match &group["Weight"] {
            Value::Null => 1,
            given => number(given)
                .filter(|weight| *weight <= HEAVIEST)
                .ok_or_else(|| validation("The weight of a target group must be between 0 and 999"))?,
        };
        completed.push(json!({ "TargetGroupArn": arn, "Weight": weight }));
    }
    Ok(completed)
}

fn stickiness(asked: &Value) -> Result<Value, AwsError> {
    let enabled = match &asked["Enabled"] {
        Value::Null => false,
        Value::Bool(enabled) => *enabled,
        other => match other.as_str() {
            Some("true") => true,
            Some("false") => false,
            _ => return Err(validation("Enabled must be true or false")),
        },
    };
    let seconds = match &asked["DurationSeconds"] {
        Value::Null if enabled => {
            return Err(validation(
                "DurationSeconds must be specified when target group stickiness is enabled",
            ));
        }
        Value::Null => None,
        given => Some(
            number(given)
                .filter(|seconds| (1..=LONGEST_STICKINESS).contains(seconds))
                .ok_or_else(|| validation("DurationSeconds must be between 1 and 604800"))?,
        ),
    };
    let mut done = json!({ "Enabled": enabled });
    if let Some(seconds) = seconds {
        done["DurationSeconds"] = json!(seconds);
    }
    Ok(done)
}

/// A number, or the string that the query protocol has for one.
pub(super) fn number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => u32::try_from(other.as_u64()?).ok(),
    }
}
