//! One deployment in a line: for lists, cells and links.

use tidegate_app::model::DeploymentSummary;
use tidegate_domain::{
    Catalog, Deployment, State, approval,
    deployment::{Blocker, Expiry, Kind, RollbackCause},
};

pub(crate) fn summary(deployment: &Deployment, catalog: &Catalog) -> DeploymentSummary {
    DeploymentSummary {
        id: deployment.id,
        service: deployment.service.clone(),
        environment: deployment.environment.clone(),
        production: catalog.is_production(&deployment.environment),
        label: deployment.label.clone(),
        title: deployment.title.clone(),
        state: deployment.state.name(),
        rollback: deployment.is_rollback(),
        requested_by: deployment.requested_by.label(),
        requested_at: deployment.requested_at,
        started_at: deployment.run().map(|run| run.started_at),
        finished_at: deployment.finished_at(),
        traffic: deployment.traffic(),
        approved_by: approved_by(deployment),
        note: note(deployment),
    }
}

fn approved_by(deployment: &Deployment) -> Vec<String> {
    let revision = deployment.revision().map(|revision| revision.hash());
    deployment
        .approvals
        .iter()
        .filter(|given| match &revision {
            Some(revision) => approval::counts(given, revision),
            None => given.voided.is_none(),
        })
        .map(|given| given.person.login.clone())
        .collect()
}

/// Why it stands where it stands.
pub(crate) fn note(deployment: &Deployment) -> Option<String> {
    match &deployment.state {
        State::Requested { blocked } => blocked_words(blocked),
        State::RollingBack { cause, .. } | State::RolledBack { cause, .. } => Some(cause_words(cause)),
        State::Failed { failure, .. } => Some(failure.message.clone()),
        State::Rejected { by, reason, .. } => Some(format!("{by}: {reason}")),
        State::Cancelled { by, reason, .. } => Some(format!("{}: {reason}", by.label())),
        State::Expired { what, .. } => Some(
            match what {
                Expiry::Approval => "not approved in time",
                Expiry::Execution if deployment.waivers.glass.is_some() => {
                    "its break-glass ran out before it could start"
                }
                Expiry::Execution => "approved, but did not start in time",
            }
            .to_owned(),
        ),
        State::Superseded { by, .. } => Some(format!("a newer request replaced it ({})", by.short())),
        State::Starting { run } | State::Deploying { run } if run.stop.is_some() => {
            run.stop.as_ref().map(|stop| match &stop.cause {
                RollbackCause::Person { by, reason } => format!("{by} asked to roll back: {reason}"),
                other => other.words(),
            })
        }
        _ => match &deployment.kind {
            Kind::Rollback { of, reason, .. } => Some(format!("rolls back {}: {reason}", of.short())),
            Kind::Promotion => deployment.reason.clone(),
        },
    }
}

fn blocked_words(blocked: &[Blocker]) -> Option<String> {
    let first = blocked.first()?;
    let more = match blocked.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    Some(format!("{}: {}{more}", first.subject, first.why))
}

fn cause_words(cause: &RollbackCause) -> String {
    match cause {
        RollbackCause::Person { by, reason } => format!("{by}: {reason}"),
        other => other.words(),
    }
}
