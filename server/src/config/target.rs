//! A service in an environment: its engine must be able to run what is written.

use super::{
    check::{known, seconds},
    engine::engine,
    file::{self, At},
    health::Definitions,
    problem::Problems,
};
use std::collections::BTreeMap;
use tidegate_domain::{
    Policy, Target, TrafficPlan,
    health::{PLACEHOLDERS, Values},
    name::EnvironmentName,
    time::MINUTE,
    traffic::TrafficStep,
};

pub(super) fn target(
    service: &file::Service,
    environment: &EnvironmentName,
    at: &At<file::Target>,
    policies: &BTreeMap<&str, Policy>,
    written: &BTreeMap<String, file::Policy>,
    health: &Definitions,
    problems: &mut Problems,
) -> Option<Target> {
    let target = at.get();
    let names: Vec<&str> = written.keys().map(String::as_str).collect();
    let policy =
        known(&target.policy, "policy", &names, problems).then(|| policies.get(target.policy.get().as_str()).cloned());
    let traffic = match &target.traffic {
        Some(text) => traffic(text, problems)?,
        None => TrafficPlan::AllAtOnce,
    };
    let engine = engine(service.name.get(), at, &traffic, problems);
    let deadline_seconds = deadline(at, &traffic, problems);
    let health = target.health.as_ref().and_then(|name| health.named(name, problems));
    let policy: Policy = policy.flatten()?;
    if policy.promote_from.as_ref() == Some(environment) {
        problems.add(
            target.policy.span(),
            format!(
                "under policy {:?} a release must have succeeded in {environment} before it comes to {environment}",
                target.policy.get()
            ),
            Some("set promote_from to the environment before this one, or leave it out".to_owned()),
        );
    }
    Some(Target {
        environment: environment.clone(),
        engine: engine?,
        traffic,
        policy,
        deadline_seconds,
        health,
        placeholders: placeholders(&target.placeholders, problems),
        verify: None,
        monitor: None,
    })
}

/// `all-at-once`, `canary 10% 5m`, `linear 10% 1m`, `steps 10% 5m, 50% 3m`.
fn traffic(text: &At<String>, problems: &mut Problems) -> Option<TrafficPlan> {
    match parse(text.get()) {
        Ok(plan) => Some(plan),
        Err(why) => {
            problems.add(
                text.span(),
                format!("{:?} is no traffic plan: {why}", text.get()),
                Some("write all-at-once, \"canary 10% 5m\", \"linear 10% 1m\" or \"steps 10% 5m, 50% 3m\"".to_owned()),
            );
            None
        }
    }
}

fn parse(text: &str) -> Result<TrafficPlan, &'static str> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    match kind {
        "all-at-once" if rest.trim().is_empty() => Ok(TrafficPlan::AllAtOnce),
        "canary" => step(rest).map(|TrafficStep { percent, minutes }| TrafficPlan::Canary { percent, minutes }),
        "linear" => step(rest).map(|TrafficStep { percent, minutes }| TrafficPlan::Linear { percent, minutes }),
        "steps" => {
            let steps = rest.split(',').map(step).collect::<Result<Vec<_>, _>>()?;
            if steps.is_sorted_by(|one, next| one.percent < next.percent) {
                Ok(TrafficPlan::of_steps(&steps))
            } else {
                Err("each share is greater than the one before it")
            }
        }
        _ => Err("it has another form"),
    }
}

/// `10% 5m`.
fn step(text: &str) -> Result<TrafficStep, &'static str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [percent, wait] = words[..] else {
        return Err("it has another form");
    };
    let percent = percent.strip_suffix('%').and_then(|percent| percent.parse().ok());
    let minutes = wait.strip_suffix('m').and_then(|minutes| minutes.parse().ok());
    Ok(TrafficStep {
        percent: percent
            .filter(|percent| (1..100).contains(percent))
            .ok_or("the share is 1% to 99%")?,
        minutes: minutes
            .filter(|minutes| *minutes > 0)
            .ok_or("the wait is in whole minutes, such as 5m")?,
    })
}

/// As it is written in the file.
pub(super) fn written(plan: &TrafficPlan) -> String {
    let step = |percent: &u8, minutes: &u16| format!("{percent}% {minutes}m");
    match plan {
        TrafficPlan::AllAtOnce => "\"all-at-once\"".to_owned(),
        TrafficPlan::Canary { percent, minutes } => format!("\"canary {}\"", step(percent, minutes)),
        TrafficPlan::Linear { percent, minutes } => format!("\"linear {}\"", step(percent, minutes)),
        TrafficPlan::Steps { steps } => {
            let steps: Vec<String> = steps.iter().map(|each| step(&each.percent, &each.minutes)).collect();
            format!("\"steps {}\"", steps.join(", "))
        }
    }
}

/// A name that no query could have is misspelt.
fn placeholders(written: &BTreeMap<String, At<String>>, problems: &mut Problems) -> Values {
    let names: Vec<&str> = PLACEHOLDERS.iter().map(|(name, _)| *name).collect();
    for (name, value) in written {
        if !names.contains(&name.as_str()) {
            problems.add(
                value.span(),
                format!("no query has a placeholder ${{{name}}}"),
                Some(format!("the placeholders are {}", names.join(", "))),
            );
        }
    }
    written
        .iter()
        .map(|(name, value)| (name.clone(), value.get().clone()))
        .collect()
}

/// A deadline within the plan's own minutes would roll every deployment back.
fn deadline(at: &At<file::Target>, traffic: &TrafficPlan, problems: &mut Problems) -> i64 {
    let written = at.get().deadline.as_ref();
    let deadline = seconds(written, 3600, problems);
    let minutes = traffic.minutes();
    if deadline * 1_000 <= i64::from(minutes) * MINUTE {
        let span = written
            .or(at.get().traffic.as_ref())
            .map_or_else(|| at.span(), At::span);
        problems.add(
            span,
            format!(
                "\"{traffic}\" alone takes {minutes} min, but the deployment is stopped and rolled back after {} min",
                deadline / 60
            ),
            Some(format!(
                "set deadline well above {minutes}m: installing and waiting come on top"
            )),
        );
    }
    deadline
}
