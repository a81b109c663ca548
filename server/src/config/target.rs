//! A service in an environment: its engine must be able to run what is written.

use super::{
    check::{known, seconds},
    file::{self, At},
    problem::Problems,
};
use std::collections::BTreeMap;
use tidegate_domain::{
    Policy, Target, TrafficPlan,
    catalog::{EcsCodedeploy, Engine, Hooks},
    name::EnvironmentName,
    time::MINUTE,
};

/// Longest name of a Lambda function (AWS Lambda API reference, CreateFunction).
const FUNCTION_NAME_MAX: usize = 64;

pub(super) fn target(
    service: &file::Service,
    environment: &EnvironmentName,
    at: &At<file::Target>,
    policies: &BTreeMap<&str, Policy>,
    written: &BTreeMap<String, file::Policy>,
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
    if traffic.ecs_predefined().is_none() && target.deployment_config.is_none() {
        let span = target.traffic.as_ref().map_or_else(|| at.span(), At::span);
        problems.add(
            span,
            format!("CodeDeploy has no ready configuration for \"{traffic}\" on ECS"),
            Some(
                "name one of your own in deployment_config, or use all-at-once, canary 10% 5m, canary 10% 15m, linear 10% 1m or linear 10% 3m"
                    .to_owned(),
            ),
        );
    }
    let engine = match target.engine {
        file::Engine::EcsCodedeploy => Engine::EcsCodedeploy(EcsCodedeploy {
            cluster: target.cluster.clone(),
            service: target.ecs_service.clone().unwrap_or_else(|| service.name.get().clone()),
            container: target.container.clone(),
            port: target.port,
            application: target.application.clone(),
            deployment_group: target.deployment_group.clone(),
            deployment_config: target.deployment_config.clone(),
            platform_version: platform_version(target.platform_version.as_ref(), problems),
            hooks: hooks(&target.hooks, problems),
        }),
    };
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
        engine,
        traffic,
        policy,
        deadline_seconds: deadline(at, traffic, problems),
        verify: None,
        monitor: None,
    })
}

/// `all-at-once`, `canary 10% 5m`, `linear 10% 1m`.
fn traffic(text: &At<String>, problems: &mut Problems) -> Option<TrafficPlan> {
    let mut refuse = |why: &str| {
        problems.add(
            text.span(),
            format!("{:?} is no traffic plan: {why}", text.get()),
            Some("write all-at-once, \"canary 10% 5m\" or \"linear 10% 1m\"".to_owned()),
        );
        None
    };
    let words: Vec<&str> = text.get().split_whitespace().collect();
    let (kind, percent, wait) = match words[..] {
        ["all-at-once"] => return Some(TrafficPlan::AllAtOnce),
        [kind @ ("canary" | "linear"), percent, wait] => (kind, percent, wait),
        _ => return refuse("it has another form"),
    };
    let Some(percent) = percent
        .strip_suffix('%')
        .and_then(|p| p.parse::<u8>().ok())
        .filter(|p| (1..100).contains(p))
    else {
        return refuse("the share is 1% to 99%");
    };
    let Some(minutes) = wait
        .strip_suffix('m')
        .and_then(|m| m.parse::<u16>().ok())
        .filter(|m| *m > 0)
    else {
        return refuse("the wait is in whole minutes, such as 5m");
    };
    Some(if kind == "canary" {
        TrafficPlan::Canary { percent, minutes }
    } else {
        TrafficPlan::Linear { percent, minutes }
    })
}

/// A deadline within the plan's own minutes would roll every deployment back.
fn deadline(at: &At<file::Target>, traffic: TrafficPlan, problems: &mut Problems) -> i64 {
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

/// `LATEST`, or three numbers (AWS Fargate platform versions).
fn platform_version(text: Option<&At<String>>, problems: &mut Problems) -> Option<String> {
    let version = text?.get();
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let numbers: Vec<&str> = version.split('.').collect();
    if version != "LATEST" && !(numbers.len() == 3 && numbers.into_iter().all(number)) {
        problems.add(
            text?.span(),
            format!("{version:?} is no Fargate platform version"),
            Some("write one such as \"1.4.0\", or \"LATEST\"".to_owned()),
        );
    }
    Some(version.clone())
}

fn hooks(hooks: &file::Hooks, problems: &mut Problems) -> Hooks {
    let mut function = |name: &Option<At<String>>| {
        let name = name.as_ref()?;
        if !is_function(name.get()) {
            problems.add(
                name.span(),
                format!("{:?} is no Lambda function", name.get()),
                Some("write its name, such as \"smoke-test\", or its ARN".to_owned()),
            );
        }
        Some(name.get().clone())
    };
    Hooks {
        before_install: function(&hooks.before_install),
        after_install: function(&hooks.after_install),
        after_allow_test_traffic: function(&hooks.after_allow_test_traffic),
        before_allow_traffic: function(&hooks.before_allow_traffic),
        after_allow_traffic: function(&hooks.after_allow_traffic),
    }
}

/// `NAME`, or `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME[:VERSION]`.
fn is_function(text: &str) -> bool {
    let word = |part: &str, more: &[u8]| {
        !part.is_empty()
            && part.len() <= FUNCTION_NAME_MAX
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || more.contains(&b))
    };
    match text.split(':').collect::<Vec<_>>()[..] {
        [name] => word(name, b""),
        [
            "arn",
            partition,
            "lambda",
            region,
            account,
            "function",
            name,
            ref rest @ ..,
        ] => {
            word(partition, b"")
                && word(region, b"")
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && word(name, b"")
                && rest.len() <= 1
                && rest.iter().all(|version| word(version, b"$"))
        }
        _ => false,
    }
}
