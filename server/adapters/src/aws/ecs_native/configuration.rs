//! What ECS is asked to do: the traffic plan as a deployment configuration, with pauses that wait for Tidegate.
//!
//! What the service has besides is kept: its limits, its alarms, its thresholds, its functions at lifecycle stages. Only
//! the strategy, the pauses and the rollback of the circuit breaker are set (R18).
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html>

use aws_sdk_ecs::types::{
    CanaryConfiguration, DeploymentCircuitBreaker, DeploymentConfiguration, DeploymentLifecycleHook,
    DeploymentLifecycleHookAction, DeploymentLifecycleHookStage, DeploymentLifecycleHookTargetType,
    DeploymentLifecycleHookTimeoutConfiguration, DeploymentStrategy, LinearConfiguration,
};
use serde_json::{Value, json};
use tidegate_domain::traffic::TrafficPlan;

/// Where a deployment waits for Tidegate: before each share, where a check and a hold keep traffic off the new version,
/// and at all traffic, where both versions are still there.
const PAUSES: [DeploymentLifecycleHookStage; 2] = [
    DeploymentLifecycleHookStage::PreProductionTrafficShift,
    DeploymentLifecycleHookStage::PostProductionTrafficShift,
];
/// A pause that nobody ends for so long is a Tidegate that is gone, and nobody watches: ECS rolls back by itself.
const PAUSE_MINUTES: i32 = 120;

/// The plan's configuration on top of the service's own. `None`: ECS has no strategy for such a plan.
pub(super) fn forward(
    present: Option<&DeploymentConfiguration>,
    plan: &TrafficPlan,
    bake_minutes: u16,
) -> Option<DeploymentConfiguration> {
    let mut configuration = on_top_of(present);
    configuration.bake_time_in_minutes = Some(i32::from(bake_minutes));
    match plan {
        TrafficPlan::AllAtOnce => configuration.strategy = Some(DeploymentStrategy::BlueGreen),
        TrafficPlan::Canary { percent, minutes } => {
            configuration.strategy = Some(DeploymentStrategy::Canary);
            configuration.canary_configuration = Some(
                CanaryConfiguration::builder()
                    .canary_percent(f64::from(*percent))
                    .canary_bake_time_in_minutes(i32::from(*minutes))
                    .build(),
            );
        }
        TrafficPlan::Linear { percent, minutes } => {
            configuration.strategy = Some(DeploymentStrategy::Linear);
            configuration.linear_configuration = Some(
                LinearConfiguration::builder()
                    .step_percent(f64::from(*percent))
                    .step_bake_time_in_minutes(i32::from(*minutes))
                    .build(),
            );
        }
        TrafficPlan::Steps { .. } => return None,
    }
    let timeout = DeploymentLifecycleHookTimeoutConfiguration::builder()
        .timeout_in_minutes(PAUSE_MINUTES)
        .action(DeploymentLifecycleHookAction::Rollback)
        .build();
    let pause = DeploymentLifecycleHook::builder()
        .target_type(DeploymentLifecycleHookTargetType::Pause)
        .set_lifecycle_stages(Some(PAUSES.to_vec()))
        .timeout_configuration(timeout)
        .build();
    configuration.lifecycle_hooks.get_or_insert_default().push(pause);
    Some(configuration)
}

/// Back as fast as it can be: all at once, without a pause and without keeping both versions.
pub(super) fn back(present: Option<&DeploymentConfiguration>) -> DeploymentConfiguration {
    let mut configuration = on_top_of(present);
    configuration.strategy = Some(DeploymentStrategy::BlueGreen);
    configuration.bake_time_in_minutes = Some(0);
    configuration.lifecycle_hooks = Some(Vec::new());
    configuration
}

/// The service's own, without what belongs to a strategy and without pauses of an earlier deployment.
fn on_top_of(present: Option<&DeploymentConfiguration>) -> DeploymentConfiguration {
    let mut configuration = present
        .cloned()
        .unwrap_or_else(|| DeploymentConfiguration::builder().build());
    configuration.canary_configuration = None;
    configuration.linear_configuration = None;
    let functions = configuration
        .lifecycle_hooks
        .unwrap_or_default()
        .into_iter()
        .filter(|hook| hook.target_type() != Some(&DeploymentLifecycleHookTargetType::Pause));
    configuration.lifecycle_hooks = Some(functions.collect());
    let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(true);
    let own = configuration.deployment_circuit_breaker;
    configuration.deployment_circuit_breaker = Some(match own {
        Some(own) => breaker
            .set_reset_on_healthy_task(own.reset_on_healthy_task)
            .set_threshold_configuration(own.threshold_configuration)
            .build(),
        None => breaker.build(),
    });
    if let Some(alarms) = &mut configuration.alarms {
        // Alarms that are heeded roll back; a service without any stays without.
        alarms.rollback = alarms.enable;
    }
    configuration
}

/// What an approval is bound to of it, besides the traffic plan.
pub(super) fn bound(configuration: &DeploymentConfiguration) -> Value {
    let alarms = configuration
        .alarms()
        .filter(|alarms| alarms.enable())
        .map(|alarms| alarms.alarm_names().to_vec());
    let hooks: Vec<Value> = configuration
        .lifecycle_hooks()
        .iter()
        .map(|hook| {
            let stages: Vec<&str> = hook.lifecycle_stages().iter().map(|stage| stage.as_str()).collect();
            json!([
                hook.target_type().map(|kind| kind.as_str()),
                hook.hook_target_arn(),
                stages
            ])
        })
        .collect();
    json!({
        "strategy": configuration.strategy().map(|strategy| strategy.as_str()),
        "bake_minutes": configuration.bake_time_in_minutes(),
        "alarms": alarms,
        "hooks": hooks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::DeploymentAlarms;

    fn own() -> DeploymentConfiguration {
        let function = DeploymentLifecycleHook::builder()
            .hook_target_arn("arn:aws:lambda:eu-west-1:123456789012:function:smoke")
            .role_arn("arn:aws:iam::123456789012:role/hooks")
            .lifecycle_stages(DeploymentLifecycleHookStage::PostTestTrafficShift)
            .build();
        let alarms = DeploymentAlarms::builder()
            .alarm_names("rag-5xx")
            .enable(true)
            .rollback(false)
            .build()
            .unwrap();
        DeploymentConfiguration::builder()
            .maximum_percent(150)
            .minimum_healthy_percent(75)
            .strategy(DeploymentStrategy::Canary)
            .canary_configuration(CanaryConfiguration::builder().canary_percent(3.0).build())
            .lifecycle_hooks(function)
            .alarms(alarms)
            .build()
    }

    const CANARY: TrafficPlan = TrafficPlan::Canary {
        percent: 10,
        minutes: 5,
    };
    const LINEAR: TrafficPlan = TrafficPlan::Linear {
        percent: 20,
        minutes: 2,
    };

    #[test]
    fn each_plan_is_a_strategy_of_ecs_or_none() {
        let canary = forward(None, &CANARY, 7).unwrap();
        assert_eq!(
            (canary.strategy(), canary.bake_time_in_minutes()),
            (Some(&DeploymentStrategy::Canary), Some(7))
        );
        let share = canary.canary_configuration().unwrap();
        assert_eq!(
            (share.canary_percent(), share.canary_bake_time_in_minutes()),
            (Some(10.0), Some(5))
        );
        let linear = forward(Some(&own()), &LINEAR, 0).unwrap();
        assert_eq!(
            linear.canary_configuration(),
            None,
            "that of the strategy before is gone"
        );
        let step = linear.linear_configuration().unwrap();
        assert_eq!(
            (step.step_percent(), step.step_bake_time_in_minutes()),
            (Some(20.0), Some(2))
        );
        let at_once = forward(None, &TrafficPlan::AllAtOnce, 0).unwrap();
        assert_eq!(at_once.strategy(), Some(&DeploymentStrategy::BlueGreen));
        assert_eq!(forward(None, &TrafficPlan::Steps { steps: Vec::new() }, 0), None);
    }

    #[test]
    fn r18_the_circuit_breaker_and_the_alarms_roll_back() {
        let canary = forward(Some(&own()), &CANARY, 0).unwrap();
        let breaker = canary.deployment_circuit_breaker().unwrap();
        assert!(breaker.enable() && breaker.rollback());
        let alarms = canary.alarms().unwrap();
        assert_eq!(alarms.alarm_names(), ["rag-5xx"]);
        assert!(alarms.enable() && alarms.rollback());
    }

    #[test]
    fn what_the_service_has_besides_is_kept_and_a_pause_is_not_added_twice() {
        let once = forward(Some(&own()), &CANARY, 0).unwrap();
        let twice = forward(Some(&once), &CANARY, 0).unwrap();
        assert_eq!(once, twice);
        assert_eq!(
            (twice.maximum_percent(), twice.minimum_healthy_percent()),
            (Some(150), Some(75))
        );
        let hooks = twice.lifecycle_hooks();
        assert_eq!(hooks.len(), 2);
        assert!(hooks[0].hook_target_arn().is_some_and(|arn| arn.ends_with(":smoke")));
        assert_eq!(hooks[1].lifecycle_stages(), PAUSES);
    }

    #[test]
    fn the_way_back_waits_for_nobody() {
        let there = forward(Some(&own()), &CANARY, 30).unwrap();
        let configuration = back(Some(&there));
        assert_eq!(configuration.lifecycle_hooks(), []);
        assert_eq!(configuration.bake_time_in_minutes(), Some(0));
        assert_eq!(configuration.strategy(), Some(&DeploymentStrategy::BlueGreen));
    }
}
