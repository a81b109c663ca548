//! A `DeploymentConfiguration`: what a request says of it, checked and joined to what there is.

use serde_json::{Value, json};

use crate::aws::{ecs::invalid, protocol::AwsError};

pub(crate) const STAGES: [&str; 8] = [
    "RECONCILE_SERVICE",
    "PRE_SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
];

/// A day, in minutes.
const LONGEST_BAKE: f64 = 1440.0;

/// Members that belong to one strategy.
const OF_STRATEGIES: [(&str, &str); 2] = [("linearConfiguration", "LINEAR"), ("canaryConfiguration", "CANARY")];

/// The configuration after a request; members that it does not name stay as they are, but those of another strategy.
pub(crate) fn joined(present: &Value, asked: &Value) -> Result<Value, AwsError> {
    let mut all = present.clone();
    for (member, of) in OF_STRATEGIES {
        let left = asked["strategy"].as_str().is_some_and(|strategy| strategy != of);
        if let Some(members) = all.as_object_mut().filter(|_| left) {
            members.remove(member);
        }
    }
    for (name, value) in asked.as_object().into_iter().flatten() {
        if !value.is_null() {
            all[name.as_str()] = value.clone();
        }
    }
    check(&mut all)?;
    Ok(all)
}

fn check(all: &mut Value) -> Result<(), AwsError> {
    let strategy = all["strategy"].as_str().unwrap_or("ROLLING").to_owned();
    match strategy.as_str() {
        "ROLLING" | "BLUE_GREEN" => {}
        "LINEAR" => {
            number(all, "linearConfiguration", "stepPercent", 10.0, (3.0, 100.0))?;
            number(
                all,
                "linearConfiguration",
                "stepBakeTimeInMinutes",
                6.0,
                (0.0, LONGEST_BAKE),
            )?;
        }
        "CANARY" => {
            number(all, "canaryConfiguration", "canaryPercent", 5.0, (0.1, 100.0))?;
            number(
                all,
                "canaryConfiguration",
                "canaryBakeTimeInMinutes",
                10.0,
                (0.0, LONGEST_BAKE),
            )?;
        }
        other => return Err(invalid(format!("Invalid deployment strategy {other}."))),
    }
    for (member, of) in OF_STRATEGIES {
        if !all[member].is_null() && strategy != of {
            return Err(invalid(format!("{member} is only valid with the strategy {of}.")));
        }
    }
    let bake = all["bakeTimeInMinutes"].as_f64().unwrap_or_default();
    if !(0.0..=LONGEST_BAKE).contains(&bake) {
        return Err(invalid("bakeTimeInMinutes must be between 0 and 1440."));
    }
    let hooks = all["lifecycleHooks"].as_array().cloned().unwrap_or_default();
    if strategy == "ROLLING" && !hooks.is_empty() {
        return Err(invalid(
            "Lifecycle hooks are not supported with the deployment strategy ROLLING.",
        ));
    }
    hooks.iter().try_for_each(check_hook)
}

/// Puts the usual number where there is none, and refuses one outside of its range.
fn number(all: &mut Value, group: &str, member: &str, usual: f64, (least, most): (f64, f64)) -> Result<(), AwsError> {
    match &all[group][member] {
        Value::Null if member.ends_with("Minutes") => {
            #[expect(clippy::cast_possible_truncation, reason = "a small whole number")]
            let minutes = usual as i64;
            all[group][member] = json!(minutes);
            Ok(())
        }
        Value::Null => {
            all[group][member] = json!(usual);
            Ok(())
        }
        given if given.as_f64().is_some_and(|given| (least..=most).contains(&given)) => Ok(()),
        _ => Err(invalid(format!("{member} must be between {least} and {most}."))),
    }
}

fn check_hook(hook: &Value) -> Result<(), AwsError> {
    let stages = hook["lifecycleStages"].as_array().cloned().unwrap_or_default();
    if stages.is_empty() {
        return Err(invalid("lifecycleStages must be provided for a lifecycle hook."));
    }
    let pause = match hook["targetType"].as_str().unwrap_or("AWS_LAMBDA") {
        "AWS_LAMBDA" => false,
        "PAUSE" => true,
        other => return Err(invalid(format!("Invalid lifecycle hook targetType {other}."))),
    };
    for stage in &stages {
        let stage = stage.as_str().unwrap_or_default();
        if !STAGES.contains(&stage) {
            return Err(invalid(format!("Invalid lifecycle stage {stage}.")));
        }
        if pause && matches!(stage, "TEST_TRAFFIC_SHIFT" | "PRODUCTION_TRAFFIC_SHIFT") {
            return Err(invalid(format!("PAUSE hooks cannot be configured at {stage}.")));
        }
    }
    if !pause && hook["hookTargetArn"].as_str().unwrap_or_default().is_empty() {
        return Err(invalid(
            "hookTargetArn must be provided for an AWS_LAMBDA lifecycle hook.",
        ));
    }
    Ok(())
}
