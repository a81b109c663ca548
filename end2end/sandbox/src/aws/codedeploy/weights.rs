//! What a Lambda deployment does to its alias: the target version gets a share of the traffic as the second
//! version, and takes the place of the current one once it has all of it.

use super::{
    config::Routing,
    model::{AppSpec, Deployment, ErrorInformation},
};
use crate::aws::model::Account;

const INVALID: &str = "The deployment failed because the AppSpec file that specifies the AWS Lambda deployment configuration is missing or has an invalid configuration.";

/// Whether a Lambda deployment can begin. Equal versions are only refused where the traffic would be shared.
pub(super) fn check(account: &Account, deployment: &Deployment) -> Result<(), ErrorInformation> {
    let AppSpec::Lambda(spec) = &deployment.app_spec else {
        return Ok(());
    };
    if deployment.is_rollback() {
        // It sets the alias back, wherever that was left.
        return Ok(());
    }
    let invalid = |reason: &str| ErrorInformation {
        code: "INVALID_LAMBDA_CONFIGURATION",
        message: format!("{INVALID} {reason}").trim_end().to_owned(),
    };
    let function = account.functions.get(&spec.function).ok_or_else(|| ErrorInformation {
        code: "INVALID_LAMBDA_FUNCTION",
        message: format!(
            "The deployment failed because the Lambda function {} could not be found.",
            spec.function
        ),
    })?;
    let alias = function
        .aliases
        .get(&spec.alias)
        .ok_or_else(|| invalid("The Lambda function alias does not exist."))?;
    for version in [&spec.current_version, &spec.target_version] {
        if function.published(version).is_none() {
            return Err(invalid(&format!(
                "The Lambda function version {version} does not exist."
            )));
        }
    }
    if alias.version != spec.current_version {
        return Err(invalid(
            "The Lambda function alias version does not match the current version in AppSpec file.",
        ));
    }
    if spec.current_version == spec.target_version && deployment.routing != Routing::AllAtOnce {
        return Err(invalid(""));
    }
    Ok(())
}

/// Gives the target version `percent` of the traffic.
pub(super) fn set(account: &mut Account, index: usize, percent: f64) {
    let AppSpec::Lambda(spec) = account.deployments[index].app_spec.clone() else {
        return;
    };
    let revision_id = account.uuid();
    account.deployments[index].target_weight = percent / 100.0;
    let alias = account
        .functions
        .get_mut(&spec.function)
        .and_then(|function| function.aliases.get_mut(&spec.alias));
    if let Some(alias) = alias {
        alias.revision_id = revision_id;
        if percent >= 100.0 {
            alias.version = spec.target_version;
            alias.additional = None;
        } else {
            alias.version = spec.current_version;
            alias.additional = Some((spec.target_version, percent / 100.0));
        }
    }
}
