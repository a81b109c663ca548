//! How a deployment that went wrong was recovered from: which kind of failure it was (requirements §4), how fast it was
//! back, and what AWS's code means. Everything here is read off the deployment's own record.

use super::{BlockerKind, Deployment, LifecycleStatus, Outcome, RollbackCause, Run, State};
use crate::{
    catalog::EngineKind,
    time::{MINUTE, SECOND, Timestamp},
};

/// From the decision to the call at the cloud (requirements §4: ≤ 10 s, p99).
pub const CALL_WITHIN_MILLIS: i64 = 10 * SECOND;
/// From the decision to all traffic back (requirements §1 and §4).
pub const CONFIRMED_WITHIN_MILLIS: i64 = 90 * SECOND;
/// Never over this (requirements §1).
pub const CONFIRMED_AT_MOST_MILLIS: i64 = 2 * MINUTE;

/// A rollback's moments. What AWS brought about by itself has no call of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollbackTiming {
    /// When somebody or something decided; for AWS's own, when its end was first seen.
    pub decided_at: Timestamp,
    pub called_at: Option<Timestamp>,
    pub confirmed_at: Option<Timestamp>,
}

impl RollbackTiming {
    /// Milliseconds from the decision to the call.
    pub fn to_call(&self) -> Option<i64> {
        Some(self.called_at?.since(self.decided_at))
    }

    /// Milliseconds from the decision to all traffic back.
    pub fn to_confirmed(&self) -> Option<i64> {
        Some(self.confirmed_at?.since(self.decided_at))
    }
}

/// The kinds of failure that people plan for (requirements §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    BadCode,
    VulnerableImage,
    Registry,
    TasksDoNotStart,
    LatencySpike,
    StageFailed,
    Other,
}

impl FailureClass {
    pub const fn words(self) -> &'static str {
        match self {
            Self::BadCode => "Bad code passed the tests",
            Self::VulnerableImage => "The image has a known vulnerability",
            Self::Registry => "The registry does not have the image",
            Self::TasksDoNotStart => "The tasks do not start",
            Self::LatencySpike => "Latency spike",
            Self::StageFailed => "The API stage failed",
            Self::Other => "Other",
        }
    }

    /// Time in which it must be recovered from, in milliseconds; `None` where nobody said.
    pub const fn objective_millis(self) -> Option<i64> {
        Some(match self {
            Self::BadCode => 3 * MINUTE,
            Self::VulnerableImage => 15 * MINUTE,
            Self::Registry | Self::TasksDoNotStart | Self::StageFailed => 5 * MINUTE,
            Self::LatencySpike => 2 * MINUTE,
            Self::Other => return None,
        })
    }
}

impl Deployment {
    /// `None`: it was not rolled back.
    pub fn rollback_timing(&self) -> Option<RollbackTiming> {
        let (run, cause, confirmed_at) = match &self.state {
            State::RollingBack { run, cause, .. } => (run, cause, None),
            State::RolledBack { run, cause, at, .. } => (run, cause, Some(*at)),
            _ => return None,
        };
        let decided_at = decided_at(run, cause)?;
        let back = run.engine.script().back;
        let called_at = run
            .calls
            .iter()
            .filter(|call| back.contains(&call.kind) || call.kind == super::CallKind::Revert)
            .map(|call| call.intended_at)
            .find(|at| *at >= decided_at)
            .filter(|_| !matches!(cause, RollbackCause::Cloud { .. }));
        Some(RollbackTiming {
            decided_at,
            called_at,
            confirmed_at,
        })
    }

    /// What kind of failure it was; `None` while nothing failed.
    pub fn failure_class(&self) -> Option<FailureClass> {
        Some(match &self.state {
            State::Requested { blocked } => {
                let scan = blocked
                    .iter()
                    .any(|blocker| blocker.kind == BlockerKind::GateFailed && blocker.subject.contains("scan"));
                let registry = blocked.iter().any(|blocker| blocker.kind == BlockerKind::Registry);
                match (scan, registry) {
                    (true, _) => FailureClass::VulnerableImage,
                    (_, true) => FailureClass::Registry,
                    _ => return None,
                }
            }
            State::RollingBack { run, cause, .. } | State::RolledBack { run, cause, .. } => went_back(run, cause),
            State::Failed { run, .. } => failed(run),
            _ => return None,
        })
    }

    /// Milliseconds from when it was known to be wrong to its end.
    pub fn recovery_millis(&self) -> Option<i64> {
        if let Some(timing) = self.rollback_timing() {
            return timing.to_confirmed();
        }
        match &self.state {
            State::Failed { run, at, .. } => {
                let known = run.stop.as_ref().map(|stop| stop.at);
                Some(at.since(known.or_else(|| Some(run.progress.as_ref()?.seen_at))?))
            }
            _ => None,
        }
    }
}

fn decided_at(run: &Run, cause: &RollbackCause) -> Option<Timestamp> {
    match (cause, &run.stop) {
        (RollbackCause::Cloud { .. }, None) => Some(run.progress.as_ref()?.seen_at),
        (RollbackCause::Deadline, _) => Some(run.deadline),
        (_, Some(stop)) => Some(stop.at),
        (_, None) => None,
    }
}

fn went_back(run: &Run, cause: &RollbackCause) -> FailureClass {
    match cause {
        RollbackCause::Rule { rule, .. } | RollbackCause::Hold { rule, .. } => {
            let rule = rule.to_lowercase();
            let has = |words: &[&str]| words.iter().any(|word| rule.contains(word));
            if has(&["latency", "p95", "p99"]) {
                FailureClass::LatencySpike
            } else if has(&["task", "health-check", "restart"]) {
                FailureClass::TasksDoNotStart
            } else {
                FailureClass::BadCode
            }
        }
        RollbackCause::Smoke { .. } => FailureClass::BadCode,
        RollbackCause::Cloud { .. } | RollbackCause::Deadline => failed(run),
        RollbackCause::Person { .. } => FailureClass::Other,
    }
}

fn failed(run: &Run) -> FailureClass {
    if run.engine.kind() == EngineKind::ApigatewayStage {
        return FailureClass::StageFailed;
    }
    let code = run
        .progress
        .as_ref()
        .and_then(|progress| progress.error.as_ref()?.code.as_deref());
    let installing = run.progress.as_ref().is_some_and(|progress| {
        progress.traffic.unwrap_or(0) == 0
            && progress.lifecycle.iter().any(|event| {
                event.name == "Install"
                    && !matches!(event.status, LifecycleStatus::Succeeded | LifecycleStatus::Pending)
            })
    });
    let image = run.calls.iter().any(
        |call| matches!(&call.outcome, Outcome::Refused { message, .. } if message.to_lowercase().contains("image")),
    );
    match code {
        Some("ALARM_ACTIVE" | "HOOK_EXECUTION_FAILURE" | "CUSTOMER_APPLICATION_UNHEALTHY") => FailureClass::BadCode,
        Some("HEALTH_CONSTRAINTS" | "ECS_UPDATE_ERROR") => FailureClass::TasksDoNotStart,
        _ if installing => FailureClass::TasksDoNotStart,
        _ if image => FailureClass::Registry,
        _ => FailureClass::Other,
    }
}

/// What AWS's code of an error means. Source: CodeDeploy API reference, `ErrorInformation`, and the error lists of the
/// operations that are called.
pub fn plain_words(code: &str) -> Option<&'static str> {
    Some(match code {
        "ALARM_ACTIVE" => "a CloudWatch alarm of the deployment group went off",
        "APPLICATION_MISSING" | "ApplicationDoesNotExistException" => {
            "CodeDeploy does not have the application any more"
        }
        "DEPLOYMENT_GROUP_MISSING" | "DeploymentGroupDoesNotExistException" => {
            "CodeDeploy does not have the deployment group any more"
        }
        "ECS_UPDATE_ERROR" => "ECS refused or failed the change: look at the service's events",
        "ELASTIC_LOAD_BALANCING_INVALID" => {
            "the load balancer's listeners and target groups do not fit the deployment group"
        }
        "HEALTH_CONSTRAINTS" => "too few of the new tasks became healthy",
        "HOOK_EXECUTION_FAILURE" => "a hook's Lambda function failed, or did not answer within an hour",
        "CUSTOMER_APPLICATION_UNHEALTHY" => "the new version did not become healthy",
        "IAM_ROLE_MISSING" | "IAM_ROLE_PERMISSIONS" => {
            "CodeDeploy's service role is missing, or may not do what it must"
        }
        "INTERNAL_ERROR" => "AWS had a fault of its own",
        "INVALID_ECS_SERVICE" => "the ECS service is not one that CodeDeploy can deploy",
        "INVALID_LAMBDA_CONFIGURATION" | "INVALID_LAMBDA_FUNCTION" => {
            "the Lambda function, alias or version is not as CodeDeploy needs it"
        }
        "INVALID_REVISION" => "CodeDeploy does not accept the AppSpec",
        "MANUAL_STOP" => "somebody stopped it",
        "RESOURCE_LIMIT_EXCEEDED" | "LimitExceededException" => "a limit of the AWS account is reached",
        "THROTTLED" | "ThrottlingException" | "TooManyRequestsException" => "AWS asks for fewer calls",
        "TIMEOUT" => "a step took longer than AWS allows",
        "AccessDeniedException" | "AccessDenied" => {
            "Tidegate's role may not do this: compare it with the shipped IAM policy"
        }
        "DeploymentLimitExceededException" => "another deployment of the group is still running at AWS",
        "DeploymentConfigDoesNotExistException" => "CodeDeploy does not have the deployment configuration",
        "PreconditionFailedException" => "somebody else changed it in the same moment",
        "ResourceConflictException" => "AWS is still busy with the change before",
        "ResourceNotFoundException" | "NotFoundException" => "it does not exist at AWS (any more)",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::{CloudStatus, Failure, Progress, StopRequest, tests as given};
    use rstest::rstest;

    fn rolled_back(cause: RollbackCause, code: Option<&str>) -> Deployment {
        let mut deployment = given::deploying();
        let State::Deploying { run } = &mut deployment.state else {
            unreachable!("it was made so")
        };
        run.stop = (!matches!(cause, RollbackCause::Cloud { .. })).then(|| StopRequest {
            cause: cause.clone(),
            at: given::moment(60_000),
        });
        run.calls.push(crate::deployment::Call {
            kind: crate::deployment::CallKind::StopDeployment,
            intended_at: given::moment(60_400),
            epoch: 1,
            outcome: Outcome::Open,
        });
        run.progress = Some(Progress {
            error: code.map(|code| Failure {
                code: Some(code.to_owned()),
                message: String::new(),
            }),
            ..given::progress(CloudStatus::Failed)
        });
        deployment.state = State::RolledBack {
            run: run.clone(),
            cause,
            rollback: None,
            progress: None,
            at: given::moment(98_000),
        };
        deployment
    }

    fn rule(rule: &str) -> RollbackCause {
        RollbackCause::Rule {
            rule: rule.to_owned(),
            why: "too much".to_owned(),
        }
    }

    #[test]
    fn r19_a_rollback_tells_how_long_the_call_and_the_way_back_took() {
        let timing = rolled_back(rule("5xx rate"), None).rollback_timing().unwrap();
        assert_eq!(timing.to_call(), Some(400));
        assert_eq!(timing.to_confirmed(), Some(38_000));
    }

    #[test]
    fn what_aws_did_by_itself_has_no_call_of_ours() {
        let cause = RollbackCause::Cloud { message: String::new() };
        let timing = rolled_back(cause, Some("ALARM_ACTIVE")).rollback_timing().unwrap();
        assert_eq!((timing.decided_at, timing.to_call()), (given::moment(8), None));
    }

    #[rstest]
    #[case(rule("HTTP 5xx rate"), None, FailureClass::BadCode, Some(3 * MINUTE))]
    #[case(rule("p95 latency"), None, FailureClass::LatencySpike, Some(2 * MINUTE))]
    #[case(rule("task health-check failures"), None, FailureClass::TasksDoNotStart, Some(5 * MINUTE))]
    #[case(RollbackCause::Cloud { message: String::new() }, Some("HEALTH_CONSTRAINTS"), FailureClass::TasksDoNotStart, Some(5 * MINUTE))]
    #[case(RollbackCause::Cloud { message: String::new() }, Some("ALARM_ACTIVE"), FailureClass::BadCode, Some(3 * MINUTE))]
    #[case(RollbackCause::Cloud { message: String::new() }, Some("ODD"), FailureClass::Other, None)]
    fn a_failure_belongs_to_one_class_with_its_objective(
        #[case] cause: RollbackCause,
        #[case] code: Option<&str>,
        #[case] class: FailureClass,
        #[case] objective: Option<i64>,
    ) {
        let found = rolled_back(cause, code).failure_class().unwrap();
        assert_eq!((found, found.objective_millis()), (class, objective));
    }

    #[test]
    fn a_code_is_said_in_plain_words_or_not_at_all() {
        assert_eq!(
            plain_words("HEALTH_CONSTRAINTS"),
            Some("too few of the new tasks became healthy")
        );
        assert_eq!(plain_words("ODD"), None);
    }
}
