//! Deployment configurations: whether the one that would be named runs the traffic plan exactly.

use crate::{
    CallError,
    aws::{Aws, call},
};
use aws_sdk_codedeploy::types::{ComputePlatform, DeploymentConfigInfo, TrafficRoutingType};
use tidegate_domain::traffic::TrafficPlan;

/// AWS's own configurations are known by their names; the target's own is read, so that nothing is approximated. The inner
/// error says why it does not run the plan.
pub(in crate::aws) async fn runs_plan(
    aws: &Aws,
    platform: &ComputePlatform,
    plan: &TrafficPlan,
    predefined: Option<&str>,
    own: Option<&str>,
) -> Result<Result<(), String>, CallError> {
    if predefined.is_some() {
        return Ok(Ok(()));
    }
    let Some(name) = own else {
        return Ok(Err(format!(
            "CodeDeploy predefines nothing for {plan}: make a deployment configuration and name it as deployment_config"
        )));
    };
    let answer = aws
        .codedeploy
        .get_deployment_config()
        .deployment_config_name(name)
        .send()
        .await;
    let found = match answer {
        Ok(answer) => answer
            .deployment_config_info
            .as_ref()
            .and_then(|info| plan_of(info, platform)),
        Err(error) if call::code(&error) == Some("DeploymentConfigDoesNotExistException") => {
            return Ok(Err(format!("CodeDeploy has no deployment configuration {name}")));
        }
        Err(error) => return Err(call::unread(&error)),
    };
    if found.as_ref() == Some(plan) {
        return Ok(Ok(()));
    }
    let runs = found.map_or_else(|| "something else".to_owned(), |plan| plan.to_string());
    Ok(Err(format!(
        "the traffic plan is {plan}, but deployment configuration {name} runs {runs}"
    )))
}

/// The plan that a configuration for this platform runs.
fn plan_of(config: &DeploymentConfigInfo, platform: &ComputePlatform) -> Option<TrafficPlan> {
    if config.compute_platform() != Some(platform) {
        return None;
    }
    let routing = config.traffic_routing_config()?;
    let plan = |percent: i32, minutes: i32| Some((u8::try_from(percent).ok()?, u16::try_from(minutes).ok()?));
    match routing.r#type()? {
        TrafficRoutingType::AllAtOnce => Some(TrafficPlan::AllAtOnce),
        TrafficRoutingType::TimeBasedCanary => {
            let canary = routing.time_based_canary()?;
            let (percent, minutes) = plan(canary.canary_percentage(), canary.canary_interval())?;
            Some(TrafficPlan::Canary { percent, minutes })
        }
        TrafficRoutingType::TimeBasedLinear => {
            let linear = routing.time_based_linear()?;
            let (percent, minutes) = plan(linear.linear_percentage(), linear.linear_interval())?;
            Some(TrafficPlan::Linear { percent, minutes })
        }
        _ => None,
    }
}
