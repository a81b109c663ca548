//! Deployment configurations: how much traffic a deployment moves, and when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aws::{
    model::Account,
    protocol::{AwsError, epoch, input, page},
};

/// How production traffic moves to the replacement task set or the target version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Routing {
    AllAtOnce,
    Canary { percent: u32, minutes: u32 },
    Linear { percent: u32, minutes: u32 },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Platform {
    Server,
    Lambda,
    #[default]
    #[serde(rename = "ECS")]
    Ecs,
}

impl Platform {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Lambda => "Lambda",
            Self::Ecs => "ECS",
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct DeploymentConfig {
    pub platform: Platform,
    pub routing: Routing,
}

/// CodeDeploy's own, with the capitals it gives them.
const PREDEFINED: [(&str, Platform, Routing); 17] = {
    use Platform::{Ecs, Lambda, Server};
    use Routing::{AllAtOnce, Canary, Linear};
    const fn canary(minutes: u32) -> Routing {
        Canary { percent: 10, minutes }
    }
    const fn linear(minutes: u32) -> Routing {
        Linear { percent: 10, minutes }
    }
    [
        ("AllAtOnce", Server, AllAtOnce),
        ("HalfAtATime", Server, AllAtOnce),
        ("OneAtATime", Server, AllAtOnce),
        ("ECSAllAtOnce", Ecs, AllAtOnce),
        ("ECSCanary10Percent15Minutes", Ecs, canary(15)),
        ("ECSCanary10Percent5Minutes", Ecs, canary(5)),
        ("ECSLinear10PercentEvery1Minutes", Ecs, linear(1)),
        ("ECSLinear10PercentEvery3Minutes", Ecs, linear(3)),
        ("LambdaAllAtOnce", Lambda, AllAtOnce),
        ("LambdaCanary10Percent5Minutes", Lambda, canary(5)),
        ("LambdaCanary10Percent10Minutes", Lambda, canary(10)),
        ("LambdaCanary10Percent15Minutes", Lambda, canary(15)),
        ("LambdaCanary10Percent30Minutes", Lambda, canary(30)),
        ("LambdaLinear10PercentEvery1Minute", Lambda, linear(1)),
        ("LambdaLinear10PercentEvery2Minutes", Lambda, linear(2)),
        ("LambdaLinear10PercentEvery3Minutes", Lambda, linear(3)),
        ("LambdaLinear10PercentEvery10Minutes", Lambda, linear(10)),
    ]
};

impl DeploymentConfig {
    pub(crate) fn predefined() -> BTreeMap<String, Self> {
        PREDEFINED
            .into_iter()
            .map(|(name, platform, routing)| (format!("CodeDeployDefault.{name}"), Self { platform, routing }))
            .collect()
    }
}

impl Routing {
    /// Seconds from the start of AllowTraffic to each new percentage, the last being 100.
    pub(crate) fn steps(self) -> Vec<(f64, f64)> {
        match self {
            Self::AllAtOnce => vec![(0.0, 100.0)],
            Self::Canary { percent, minutes } => vec![(0.0, f64::from(percent)), (f64::from(minutes) * 60.0, 100.0)],
            Self::Linear { percent, minutes } => {
                let mut steps = Vec::new();
                let mut shifted = percent.max(1);
                let mut at = 0.0;
                loop {
                    steps.push((at, f64::from(shifted.min(100))));
                    if shifted >= 100 {
                        return steps;
                    }
                    shifted += percent.max(1);
                    at += f64::from(minutes) * 60.0;
                }
            }
        }
    }

    fn describe(self) -> Value {
        match self {
            Self::AllAtOnce => json!({ "type": "AllAtOnce" }),
            Self::Canary { percent, minutes } => json!({
                "type": "TimeBasedCanary",
                "timeBasedCanary": { "canaryPercentage": percent, "canaryInterval": minutes },
            }),
            Self::Linear { percent, minutes } => json!({
                "type": "TimeBasedLinear",
                "timeBasedLinear": { "linearPercentage": percent, "linearInterval": minutes },
            }),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetInput {
    deployment_config_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListInput {
    next_token: Option<String>,
}

pub(crate) fn get(account: &Account, body: Value) -> Result<Value, AwsError> {
    let name = input::<GetInput>(body)?.deployment_config_name.ok_or_else(|| {
        AwsError::new(
            "DeploymentConfigNameRequiredException",
            "The deployment configuration name was not specified.",
        )
    })?;
    let config = find(account, &name)?;
    Ok(json!({ "deploymentConfigInfo": {
        "deploymentConfigId": crate::aws::model::digest(&name)[7..43],
        "deploymentConfigName": name,
        "createTime": epoch(jiff::Timestamp::UNIX_EPOCH),
        "computePlatform": config.platform,
        "trafficRoutingConfig":
            (config.platform != Platform::Server).then(|| config.routing.describe()),
    }}))
}

pub(crate) fn list(account: &Account, body: Value) -> Result<Value, AwsError> {
    let token = input::<ListInput>(body)?.next_token;
    let names: Vec<&String> = account.configs.keys().collect();
    let (names, next) = page(&names, token.as_deref(), 100).ok_or_else(invalid_token)?;
    Ok(json!({ "deploymentConfigsList": names, "nextToken": next }))
}

pub(crate) fn find(account: &Account, name: &str) -> Result<DeploymentConfig, AwsError> {
    account.configs.get(name).copied().ok_or_else(|| {
        AwsError::new(
            "DeploymentConfigDoesNotExistException",
            format!("No Deployment Configuration found for name: {name}"),
        )
    })
}

pub(crate) fn invalid_token() -> AwsError {
    AwsError::new(
        "InvalidNextTokenException",
        "The next token was specified in an invalid format.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_configuration_moves_equal_shares_until_all_is_moved() {
        let steps = Routing::Linear {
            percent: 40,
            minutes: 1,
        }
        .steps();
        assert_eq!(steps, [(0.0, 40.0), (60.0, 80.0), (120.0, 100.0)]);
    }

    #[test]
    fn a_canary_has_exactly_two_increments() {
        let steps = Routing::Canary {
            percent: 10,
            minutes: 5,
        }
        .steps();
        assert_eq!(steps, [(0.0, 10.0), (300.0, 100.0)]);
    }
}
