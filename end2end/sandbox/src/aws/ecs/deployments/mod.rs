//! Deployments that ECS makes itself (controller ECS): rolling, blue/green, linear and canary, with
//! lifecycle hooks, circuit breaker, alarms and rollback.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html>

pub(crate) mod configuration;
pub(crate) mod model;
pub(crate) mod rolling;
pub(crate) mod run;
mod show;
mod traffic;

use jiff::Timestamp;
use serde_json::{Value, json};

use self::model::{Move, ServiceDeployment, Status};
use super::{cluster_named, invalid, missing, short};
use crate::aws::{
    model::{Account, At, EcsService},
    protocol::{AwsError, page},
};

pub(super) use self::show::shown_by_service;

/// Service deployments described in one request, at most.
const MOST_DESCRIBED: usize = 20;

fn unknown(what: &str) -> AwsError {
    AwsError::new(format!("{what}NotFoundException"), format!("{what} not found."))
}

/// The service that a name or an ARN stands for, in the cluster of the request or of the ARN.
pub(super) fn service_index(account: &Account, body: &Value) -> Result<usize, AwsError> {
    let name = body["service"].as_str().unwrap_or_default();
    let of_arn = name.strip_prefix("arn:").and_then(|arn| arn.rsplit('/').nth(1));
    let cluster = cluster_named(account, body["cluster"].as_str().or(of_arn))?;
    account
        .services
        .iter()
        .position(|each| each.cluster == cluster && each.name == short(name))
        .ok_or_else(|| AwsError::new("ServiceNotFoundException", "Service not found."))
}

pub(super) fn list(account: &Account, body: &Value) -> Result<Value, AwsError> {
    let service = &account.services[service_index(account, body)?];
    let statuses = body["status"].as_array();
    let (made_after, made_before) = (&body["createdAt"]["after"], &body["createdAt"]["before"]);
    let wanted = |each: &&ServiceDeployment| {
        let made = crate::aws::protocol::seconds(each.created.0);
        statuses.is_none_or(|list| list.is_empty() || list.iter().any(|status| status == each.status.as_str()))
            && made_after.as_f64().is_none_or(|time| made >= time)
            && made_before.as_f64().is_none_or(|time| made <= time)
    };
    let found: Vec<Value> = service
        .managed
        .deployments
        .iter()
        .rev()
        .filter(wanted)
        .map(|each| show::brief(account, service, each))
        .collect();
    let size = match &body["maxResults"] {
        Value::Null => 20,
        given => given
            .as_u64()
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| (1..=100).contains(size))
            .ok_or_else(|| invalid("Invalid maxResults. It must be between 1 and 100."))?,
    };
    let (found, next) = page(&found, body["nextToken"].as_str(), size).ok_or_else(|| invalid("Invalid token"))?;
    Ok(json!({ "serviceDeployments": found, "nextToken": next }))
}

fn listed<'a>(body: &'a Value, member: &str) -> Result<Vec<&'a str>, AwsError> {
    let arns: Vec<&str> = body[member]
        .as_array()
        .map(|arns| arns.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if arns.is_empty() || arns.len() > MOST_DESCRIBED {
        return Err(invalid(format!("{member} must have between 1 and 20 elements.")));
    }
    Ok(arns)
}

pub(super) fn describe(account: &Account, body: &Value) -> Result<Value, AwsError> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in listed(body, "serviceDeploymentArns")? {
        match find(account, arn) {
            Ok((service, index)) => {
                let service = &account.services[service];
                found.push(show::whole(account, service, &service.managed.deployments[index]));
            }
            Err(_) => failures.push(missing(arn.to_owned())),
        }
    }
    Ok(json!({ "serviceDeployments": found, "failures": failures }))
}

pub(super) fn describe_revisions(account: &Account, body: &Value) -> Result<Value, AwsError> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in listed(body, "serviceRevisionArns")? {
        let held = account.services.iter().find_map(|service| {
            let revision = service.managed.revision(arn)?;
            Some(show::revision(account, service, revision))
        });
        match held {
            Some(revision) => found.push(revision),
            None => failures.push(missing(arn.to_owned())),
        }
    }
    Ok(json!({ "serviceRevisions": found, "failures": failures }))
}

/// Where the deployment of this ARN is.
fn find(account: &Account, arn: &str) -> Result<(usize, usize), AwsError> {
    let place = account.services.iter().enumerate().find_map(|(service, each)| {
        let index = each.managed.deployments.iter().position(|each| each.arn == arn)?;
        Some((service, index))
    });
    place.ok_or_else(|| unknown("ServiceDeployment"))
}

/// Answers to a PAUSE hook.
pub(super) fn continue_one(account: &mut Account, now: Timestamp, body: &Value) -> Result<Value, AwsError> {
    let arn = body["serviceDeploymentArn"].as_str().unwrap_or_default();
    let (service, index) = find(account, arn)?;
    let action = body["action"].as_str().unwrap_or("CONTINUE");
    if !matches!(action, "CONTINUE" | "ROLLBACK") {
        return Err(invalid(format!("Invalid action {action}.")));
    }
    let hook_id = body["hookId"].as_str().unwrap_or_default();
    let deployment = &mut account.services[service].managed.deployments[index];
    let hook = deployment
        .hooks
        .iter_mut()
        .find(|hook| hook.id == hook_id)
        .ok_or_else(|| invalid("The lifecycle hook could not be found in the service deployment."))?;
    if hook.status != "AWAITING_ACTION" {
        return Err(invalid("The lifecycle hook is not awaiting an action."));
    }
    hook.status = "SUCCEEDED";
    deployment.since = At(now);
    deployment.updated = At(now);
    if action == "ROLLBACK" {
        let reason = "Service deployment rolled back because of an action on a lifecycle hook.";
        request_rollback(account, service, At(now), reason);
    }
    Ok(json!({ "serviceDeploymentArn": arn }))
}

fn request_rollback(account: &mut Account, service: usize, at: At, reason: &str) {
    let (wait, stage) = (account.timings.stop, account.timings.stage);
    if let Some(deployment) = account.services[service].managed.current_mut() {
        deployment.status = Status::RollbackRequested;
        deployment.reason = Some(reason.to_owned());
    }
    let mut moves = vec![Move::Wait(wait)];
    moves.extend(run::rollback_moves(reason, stage));
    run::turn(account, service, at, moves);
}

pub(super) fn stop(account: &mut Account, now: Timestamp, body: &Value) -> Result<Value, AwsError> {
    let arn = body["serviceDeploymentArn"].as_str().unwrap_or_default();
    let (service, index) = find(account, arn)?;
    let kind = body["stopType"].as_str().unwrap_or("ROLLBACK");
    if !matches!(kind, "ROLLBACK" | "ABORT") {
        return Err(invalid(format!("Invalid stopType {kind}.")));
    }
    let deployment = &account.services[service].managed.deployments[index];
    if !deployment.status.goes_forward() {
        return Err(AwsError::new(
            "ConflictException",
            format!(
                "The service deployment is {} and cannot be stopped.",
                deployment.status.as_str()
            ),
        ));
    }
    if kind == "ROLLBACK" {
        let reason = "Service deployment rolled back due to a stop request.";
        request_rollback(account, service, At(now), reason);
    } else {
        let wait = account.timings.stop;
        if let Some(deployment) = account.services[service].managed.current_mut() {
            deployment.status = Status::StopRequested;
        }
        let reason = "Service deployment stopped due to a stop request.".to_owned();
        run::turn(account, service, At(now), vec![Move::Wait(wait), Move::Stop(reason)]);
    }
    Ok(json!({ "serviceDeploymentArn": arn }))
}

/// The revision that the service now is, although its tasks may not run yet.
pub(super) fn present(service: &EcsService) -> Option<&String> {
    let last = service.managed.deployments.last()?;
    match last.status {
        Status::RollbackInProgress | Status::RollbackSuccessful => last.sources.last(),
        _ => Some(&last.target),
    }
}

/// The revision that the service goes back to: what the last deployment that ended well left.
pub(super) fn completed(service: &EcsService) -> Option<String> {
    service
        .managed
        .deployments
        .iter()
        .rev()
        .find_map(|each| match each.status {
            Status::Successful => Some(each.target.clone()),
            Status::RollbackSuccessful => each.sources.last().cloned(),
            _ => None,
        })
}
