//! The engines: what carries a deployment out, by AWS's names, and in which calls.
//!
//! An engine is either led by the cloud (CodeDeploy, ECS itself), which shifts traffic by its own timetable and goes back
//! by itself, or driven from here, call by call, where every weight is set by Tidegate. [`Script`] says which calls there
//! are and in which order; the planner follows it, and each engine's adapter makes them.

use crate::deployment::CallKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Engine {
    EcsCodedeploy(EcsCodedeploy),
    LambdaCodedeploy(LambdaCodedeploy),
    LambdaAlias(LambdaAlias),
    EcsTaskSets(EcsTaskSets),
    EcsNative(EcsNative),
    ApigatewayStage(ApigatewayStage),
}

/// An engine without its target, as a configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    EcsCodedeploy,
    LambdaCodedeploy,
    LambdaAlias,
    EcsTaskSets,
    EcsNative,
    ApigatewayStage,
}

impl EngineKind {
    pub const ALL: [Self; 6] = [
        Self::EcsCodedeploy,
        Self::LambdaCodedeploy,
        Self::LambdaAlias,
        Self::EcsTaskSets,
        Self::EcsNative,
        Self::ApigatewayStage,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::EcsCodedeploy => "ecs_codedeploy",
            Self::LambdaCodedeploy => "lambda_codedeploy",
            Self::LambdaAlias => "lambda_alias",
            Self::EcsTaskSets => "ecs_task_sets",
            Self::EcsNative => "ecs_native",
            Self::ApigatewayStage => "apigateway_stage",
        }
    }

    /// As people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::EcsCodedeploy | Self::LambdaCodedeploy => "CodeDeploy",
            Self::LambdaAlias => "Lambda",
            Self::EcsTaskSets | Self::EcsNative => "ECS",
            Self::ApigatewayStage => "API Gateway",
        }
    }

    /// The calls it takes, in order (requirements §3).
    pub const fn script(self) -> Script {
        use CallKind as C;
        match self {
            Self::EcsCodedeploy => Script {
                make: &[C::RegisterTaskDefinition, C::CreateDeployment],
                ..Script::LED_BY_CLOUD
            },
            Self::LambdaCodedeploy => Script {
                make: &[C::UpdateFunctionCode, C::PublishVersion, C::CreateDeployment],
                ..Script::LED_BY_CLOUD
            },
            Self::EcsNative => Script {
                make: &[C::RegisterTaskDefinition, C::UpdateService],
                ..Script::LED_BY_CLOUD
            },
            Self::LambdaAlias => Script {
                make: &[C::UpdateFunctionCode, C::PublishVersion],
                ..Script::DRIVEN
            },
            Self::EcsTaskSets => Script {
                make: &[C::RegisterTaskDefinition, C::CreateTaskSet],
                finish: &[C::PromoteTaskSet, C::DeleteOldTaskSet],
                clear: &[C::DeleteNewTaskSet],
                ..Script::DRIVEN
            },
            Self::ApigatewayStage => Script {
                make: &[C::UpdateFunctionCode, C::PublishVersion, C::CreateApiDeployment],
                with_all: &[C::SwapStage],
                back: &[C::SwapStageBack, C::ShiftBack],
                ..Script::DRIVEN
            },
        }
    }

    /// Whether traffic stays where it is while people think.
    ///
    /// # Errors
    /// Why it cannot, for the page, before anything is deployed.
    pub const fn holds(self) -> Result<(), &'static str> {
        match self {
            Self::LambdaAlias | Self::EcsTaskSets => Ok(()),
            Self::EcsCodedeploy | Self::LambdaCodedeploy => Err(
                "CodeDeploy shifts by its own timetable and cannot be paused in mid-shift: a hold keeps it from being \
                 finished, and it can be rolled back until then",
            ),
            Self::EcsNative => Err(
                "ECS pauses at its lifecycle hooks and nowhere else: a hold takes effect at the next one, and until then \
                 traffic goes on moving",
            ),
            Self::ApigatewayStage => Err("a stage is swapped as a whole: there is no step at which traffic could stay"),
        }
    }
}

/// The calls of an engine. Each is one HTTP attempt (R10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// Makes what runs, in this order. What the last of them makes is the cloud deployment.
    pub make: &'static [CallKind],
    /// Traffic moves by calls from here ([`CallKind::ShiftTraffic`]), and not by the cloud's timetable.
    pub driven: bool,
    /// What else belongs to all traffic: both or neither.
    pub with_all: &'static [CallKind],
    /// Once all traffic is there and nothing spoke against it.
    pub finish: &'static [CallKind],
    /// Brings all traffic back, in this order.
    pub back: &'static [CallKind],
    /// Takes away what was made, once all traffic is back.
    pub clear: &'static [CallKind],
}

impl Script {
    const LED_BY_CLOUD: Self = Self {
        make: &[],
        driven: false,
        with_all: &[],
        finish: &[],
        back: &[CallKind::StopDeployment],
        clear: &[],
    };
    const DRIVEN: Self = Self {
        driven: true,
        back: &[CallKind::ShiftBack],
        ..Self::LED_BY_CLOUD
    };
}

impl Engine {
    pub const fn kind(&self) -> EngineKind {
        match self {
            Self::EcsCodedeploy(_) => EngineKind::EcsCodedeploy,
            Self::LambdaCodedeploy(_) => EngineKind::LambdaCodedeploy,
            Self::LambdaAlias(_) => EngineKind::LambdaAlias,
            Self::EcsTaskSets(_) => EngineKind::EcsTaskSets,
            Self::EcsNative(_) => EngineKind::EcsNative,
            Self::ApigatewayStage(_) => EngineKind::ApigatewayStage,
        }
    }

    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }

    pub const fn script(&self) -> Script {
        self.kind().script()
    }

    /// Where it deploys to, in words: `ECS service rag in acme-production`.
    pub fn place(&self) -> String {
        match self {
            Self::EcsCodedeploy(EcsCodedeploy { service, cluster, .. })
            | Self::EcsTaskSets(EcsTaskSets { service, cluster, .. })
            | Self::EcsNative(EcsNative { service, cluster, .. }) => format!("ECS service {service} in {cluster}"),
            Self::LambdaCodedeploy(LambdaCodedeploy { function, alias, .. })
            | Self::LambdaAlias(LambdaAlias { function, alias }) => {
                format!("Lambda function {function}, alias {alias}")
            }
            Self::ApigatewayStage(stage) => format!(
                "API Gateway stage {} of {}, with Lambda function {}",
                stage.stage, stage.api, stage.compute.function
            ),
        }
    }

    /// What metrics of it are labelled with, as far as its names tell: see [`crate::health::PLACEHOLDERS`].
    pub fn labels(&self) -> BTreeMap<String, String> {
        let pairs = match self {
            Self::EcsCodedeploy(EcsCodedeploy { service, cluster, .. })
            | Self::EcsTaskSets(EcsTaskSets { service, cluster, .. })
            | Self::EcsNative(EcsNative { service, cluster, .. }) => vec![("compute", service), ("cluster", cluster)],
            Self::LambdaCodedeploy(LambdaCodedeploy { function, .. })
            | Self::LambdaAlias(LambdaAlias { function, .. }) => {
                vec![("compute", function)]
            }
            Self::ApigatewayStage(stage) => vec![("compute", &stage.compute.function)],
        };
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect()
    }

    /// What AWS's limits are counted by: the one thing that two deployments would get into each other's way at.
    pub fn group(&self) -> String {
        match self {
            Self::EcsCodedeploy(ecs) => format!("{}/{}", ecs.application, ecs.deployment_group),
            Self::LambdaCodedeploy(lambda) => format!("{}/{}", lambda.application, lambda.deployment_group),
            Self::LambdaAlias(lambda) => format!("{}:{}", lambda.function, lambda.alias),
            Self::EcsTaskSets(ecs) => format!("{}/{}", ecs.cluster, ecs.service),
            Self::EcsNative(ecs) => format!("{}/{}", ecs.cluster, ecs.service),
            Self::ApigatewayStage(stage) => format!("{}/{}", stage.api, stage.stage),
        }
    }
}

/// AWS names of an ECS service that CodeDeploy shifts (blue/green).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EcsCodedeploy {
    pub cluster: String,
    pub service: String,
    /// The one container whose image is replaced.
    pub container: String,
    pub port: u16,
    pub application: String,
    pub deployment_group: String,
    /// A custom deployment configuration that runs the traffic plan, where AWS predefines none.
    pub deployment_config: Option<String>,
    /// Fargate platform version, such as `1.4.0`. `None`: the one that runs.
    pub platform_version: Option<String>,
    pub hooks: Hooks,
}

/// A Lambda function's alias that CodeDeploy shifts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LambdaCodedeploy {
    pub function: String,
    pub alias: String,
    pub application: String,
    pub deployment_group: String,
    /// A custom deployment configuration that runs the traffic plan, where AWS predefines none.
    pub deployment_config: Option<String>,
    pub hooks: LambdaHooks,
}

/// A Lambda function's alias whose weights are set from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LambdaAlias {
    pub function: String,
    pub alias: String,
}

/// An ECS service with the EXTERNAL deployment controller: a task set for each version, weighted target groups in front.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EcsTaskSets {
    pub cluster: String,
    pub service: String,
    pub container: String,
    pub port: u16,
    /// ARN of the load balancer's listener whose default action has the weights.
    pub listener: String,
    /// ARNs of the two target groups that take turns.
    pub target_groups: [String; 2],
    /// Fargate platform version, such as `1.4.0`. `None`: the one that runs.
    pub platform_version: Option<String>,
}

/// An ECS service that shifts by itself (deployment controller ECS; blue/green, canary, linear).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EcsNative {
    pub cluster: String,
    pub service: String,
    pub container: String,
    pub port: u16,
    /// Minutes for which both versions are kept once all traffic has moved.
    pub bake_minutes: u16,
}

/// A stage of an API Gateway API, in one unit with the Lambda function behind it: both are swapped, or neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApigatewayStage {
    pub api: String,
    pub api_kind: ApiKind,
    pub stage: String,
    /// The compute release that the stage is coupled with.
    pub compute: LambdaAlias,
}

/// Which API Gateway it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKind {
    Rest,
    Websocket,
}

/// Lambda functions that CodeDeploy calls between the steps of a deployment on ECS, by name or ARN.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hooks {
    pub before_install: Option<String>,
    pub after_install: Option<String>,
    pub after_allow_test_traffic: Option<String>,
    pub before_allow_traffic: Option<String>,
    pub after_allow_traffic: Option<String>,
}

impl Hooks {
    /// Those that are set, by AWS's name of the event, in the order in which they are called.
    pub fn set(&self) -> Vec<(&'static str, &str)> {
        named([
            ("BeforeInstall", &self.before_install),
            ("AfterInstall", &self.after_install),
            ("AfterAllowTestTraffic", &self.after_allow_test_traffic),
            ("BeforeAllowTraffic", &self.before_allow_traffic),
            ("AfterAllowTraffic", &self.after_allow_traffic),
        ])
    }
}

/// The same for a deployment of a Lambda function.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LambdaHooks {
    pub before_allow_traffic: Option<String>,
    pub after_allow_traffic: Option<String>,
}

impl LambdaHooks {
    /// As [`Hooks::set`].
    pub fn set(&self) -> Vec<(&'static str, &str)> {
        named([
            ("BeforeAllowTraffic", &self.before_allow_traffic),
            ("AfterAllowTraffic", &self.after_allow_traffic),
        ])
    }
}

fn named<'a, const N: usize>(hooks: [(&'static str, &'a Option<String>); N]) -> Vec<(&'static str, &'a str)> {
    hooks
        .into_iter()
        .filter_map(|(event, function)| Some((event, function.as_deref()?)))
        .collect()
}
