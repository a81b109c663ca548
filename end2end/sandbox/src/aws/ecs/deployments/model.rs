//! A deployment of a service by ECS itself, and the moves that it consists of.

use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::model::At;

/// `ServiceDeploymentStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    Pending,
    InProgress,
    Successful,
    StopRequested,
    Stopped,
    RollbackRequested,
    RollbackInProgress,
    RollbackSuccessful,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::Successful => "SUCCESSFUL",
            Self::StopRequested => "STOP_REQUESTED",
            Self::Stopped => "STOPPED",
            Self::RollbackRequested => "ROLLBACK_REQUESTED",
            Self::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Self::RollbackSuccessful => "ROLLBACK_SUCCESSFUL",
        }
    }

    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Successful | Self::Stopped | Self::RollbackSuccessful)
    }

    /// Whether it goes on towards its target.
    pub(crate) fn goes_forward(self) -> bool {
        matches!(self, Self::Pending | Self::InProgress)
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ServiceDeployment {
    pub arn: String,
    pub created: At,
    pub started: Option<At>,
    pub finished: Option<At>,
    pub stopped: Option<At>,
    pub updated: At,
    /// ARNs of the revisions that ran before; the last of them is what a rollback goes back to.
    pub sources: Vec<String>,
    pub target: String,
    pub status: Status,
    pub reason: Option<String>,
    /// `ServiceDeploymentLifecycleStage`; none in a rolling deployment.
    pub stage: Option<&'static str>,
    pub hooks: Vec<Hook>,
    /// As it was when the deployment was made, in the members of `DeploymentConfiguration`.
    pub configuration: Value,
    pub rollback: Option<Rollback>,
    pub failures: i64,
    pub breaker_triggered: bool,
    pub triggered_alarms: Vec<String>,
    /// Percent of the production and of the test traffic that the target has.
    pub production: f64,
    pub test: f64,
    pub plan: Vec<Move>,
    /// The move that is being made.
    pub position: usize,
    /// Since when.
    pub since: At,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Rollback {
    pub reason: String,
    pub started: At,
    pub revision: String,
}

/// A lifecycle hook that is or was at work.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Hook {
    pub id: String,
    pub pause: bool,
    pub target: Option<String>,
    /// `DeploymentLifecycleHookStatus`.
    pub status: &'static str,
    pub since: At,
    /// When it is given up.
    pub expires: At,
    /// CONTINUE or ROLLBACK.
    pub timeout_action: String,
    pub stage: &'static str,
}

impl Hook {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.status, "AWAITING_ACTION" | "IN_PROGRESS")
    }
}

/// One move of a deployment. Those without a duration are over at once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) enum Move {
    /// PENDING comes to its end.
    Start,
    Enter(&'static str),
    /// Runs the hooks of a stage, until the last of them has succeeded.
    Hooks(&'static str),
    /// Until the tasks of the target are healthy.
    ScaleUp,
    /// Until the tasks of the target have taken the place of the others.
    Roll,
    Test(f64),
    Production(f64),
    /// Virtual seconds.
    Wait(f64),
    DrainSources,
    Succeed,
    BeginRollback(String),
    /// The source has its traffic again and the target's tasks are stopped.
    Return,
    /// Until the source has its tasks again.
    Restore,
    RolledBack,
    Stop(String),
}

/// What a deployment by this configuration does, in its order.
pub(crate) fn plan(configuration: &Value, several_sources: bool) -> Vec<Move> {
    let minutes = |value: &Value| value.as_f64().unwrap_or_default() * 60.0;
    let strategy = configuration["strategy"].as_str().unwrap_or("ROLLING");
    if strategy == "ROLLING" {
        return vec![Move::Start, Move::Roll, Move::Succeed];
    }
    let mut plan = vec![Move::Start];
    if several_sources {
        plan.extend([Move::Enter("RECONCILE_SERVICE"), Move::Hooks("RECONCILE_SERVICE")]);
    }
    plan.extend([
        Move::Enter("PRE_SCALE_UP"),
        Move::Hooks("PRE_SCALE_UP"),
        Move::Enter("SCALE_UP"),
        Move::ScaleUp,
        Move::Enter("POST_SCALE_UP"),
        Move::Hooks("POST_SCALE_UP"),
        Move::Enter("TEST_TRAFFIC_SHIFT"),
        Move::Test(100.0),
        Move::Hooks("TEST_TRAFFIC_SHIFT"),
        Move::Enter("POST_TEST_TRAFFIC_SHIFT"),
        Move::Hooks("POST_TEST_TRAFFIC_SHIFT"),
        Move::Enter("PRODUCTION_TRAFFIC_SHIFT"),
    ]);
    let (steps, pause) = match strategy {
        "LINEAR" => {
            let linear = &configuration["linearConfiguration"];
            let step = linear["stepPercent"].as_f64().unwrap_or(10.0);
            (increments(step), minutes(&linear["stepBakeTimeInMinutes"]))
        }
        "CANARY" => {
            let canary = &configuration["canaryConfiguration"];
            let first = canary["canaryPercent"].as_f64().unwrap_or(5.0);
            let mut steps = vec![first];
            if first < 100.0 {
                steps.push(100.0);
            }
            (steps, minutes(&canary["canaryBakeTimeInMinutes"]))
        }
        _ => (vec![100.0], 0.0),
    };
    for percent in steps {
        plan.extend([
            Move::Hooks("PRE_PRODUCTION_TRAFFIC_SHIFT"),
            Move::Production(percent),
            Move::Hooks("PRODUCTION_TRAFFIC_SHIFT"),
        ]);
        if percent < 100.0 {
            plan.push(Move::Wait(pause));
        }
    }
    plan.extend([
        Move::Enter("POST_PRODUCTION_TRAFFIC_SHIFT"),
        Move::Hooks("POST_PRODUCTION_TRAFFIC_SHIFT"),
        Move::Enter("BAKE_TIME"),
        Move::Wait(minutes(&configuration["bakeTimeInMinutes"])),
        Move::Enter("CLEAN_UP"),
        Move::DrainSources,
        Move::Succeed,
    ]);
    plan
}

/// 30 → 30, 60, 90, 100.
fn increments(step: f64) -> Vec<f64> {
    let mut percents = Vec::new();
    let mut count = 1.0;
    // Steps are multiples of 0.1: what floating point adds is rounded away.
    while (step * count * 10.0).round() < 1000.0 && step > 0.0 {
        percents.push((step * count * 10.0).round() / 10.0);
        count += 1.0;
    }
    percents.push(100.0);
    percents
}

/// Failed tasks at which the circuit breaker opens, by default half of the desired count, but
/// between 3 and 200.
pub(crate) fn threshold(configuration: &Value, desired: i64) -> i64 {
    let set = &configuration["deploymentCircuitBreaker"]["thresholdConfiguration"];
    let value = set["value"].as_i64().unwrap_or(50);
    let percent = || (desired * value + 99) / 100;
    match set["type"].as_str().unwrap_or("BOUNDED_PERCENT") {
        "COUNT" => value.max(1),
        "UNBOUNDED_PERCENT" => percent().max(1),
        _ => percent().clamp(3, 200),
    }
}

/// The configuration of a service that says nothing about it.
pub(crate) fn defaults() -> Value {
    json!({
        "deploymentCircuitBreaker": { "enable": false, "rollback": false },
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "strategy": "ROLLING",
        "bakeTimeInMinutes": 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_steps_end_at_all_of_the_traffic() {
        assert_eq!(increments(30.0), [30.0, 60.0, 90.0, 100.0]);
        assert_eq!(increments(50.0), [50.0, 100.0]);
        assert_eq!(increments(33.3), [33.3, 66.6, 99.9, 100.0]);
        assert_eq!(increments(100.0), [100.0]);
    }

    #[test]
    fn the_circuit_breaker_opens_at_half_of_the_tasks_but_between_3_and_200() {
        let none = json!({});
        assert_eq!(
            (threshold(&none, 2), threshold(&none, 25), threshold(&none, 800)),
            (3, 13, 200)
        );
        let set = |kind: &str| json!({ "deploymentCircuitBreaker": { "thresholdConfiguration": { "type": kind, "value": 20 } } });
        assert_eq!(threshold(&set("COUNT"), 2), 20);
        assert_eq!(threshold(&set("UNBOUNDED_PERCENT"), 5), 1);
        assert_eq!(threshold(&set("BOUNDED_PERCENT"), 5), 3);
    }
}
