//! What the engines on Lambda have in common: versions of a function that is made of an image, and the alias in front of
//! them.
//!
//! The code of a version never changes, only `$LATEST` does; so a deployment puts the new image into `$LATEST`, publishes
//! that, and moves the alias. The one invariant: what is published is what runs with only the image changed, field by field.
//!
//! Source: Lambda API reference; Lambda Developer Guide, "Manage Lambda function versions" and "Implement Lambda canary
//! deployments using a weighted alias".

mod alias;
mod observe;
mod prepare;
mod release;
mod version;

pub(super) use alias::{found_back, found_shift, shift, shift_back};
pub(super) use observe::{changed_elsewhere, look, progress};
pub(super) use prepare::{Planned, assemble, planned};
pub(super) use release::{approved, find_code, find_version, publish, update_code};

use crate::{CallError, Order};
use tidegate_domain::{
    catalog::{Engine, LambdaAlias, LambdaCodedeploy},
    deployment::{Blocker, BlockerKind, Run},
};

/// The function and alias of an order. The worker hands each engine its own orders only.
pub(super) fn compute(order: &Order) -> Result<LambdaAlias, CallError> {
    match &order.engine {
        Engine::LambdaAlias(target) => Ok(target.clone()),
        Engine::LambdaCodedeploy(LambdaCodedeploy { function, alias, .. }) => Ok(LambdaAlias {
            function: function.clone(),
            alias: alias.clone(),
        }),
        Engine::ApigatewayStage(target) => Ok(target.compute.clone()),
        other => {
            let message = format!("an order for {} came to an engine on Lambda", other.name());
            Err(CallError::refused("WrongEngine", message, false))
        }
    }
}

pub(super) fn blocked(order: &Order, why: String) -> Blocker {
    Blocker {
        kind: BlockerKind::Target,
        subject: order.engine.place(),
        why,
        since: None,
        url: None,
    }
}

/// The version that ran when it was approved, and the one that was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) old: String,
    pub(super) new: String,
}

impl Versions {
    pub(super) fn of(run: &Run) -> Result<Self, CallError> {
        let new = run.task_definition.clone().ok_or_else(|| {
            CallError::refused(
                "NothingToCallFor",
                "no version of the function was published yet",
                false,
            )
        })?;
        Ok(Self { old: old(run)?, new })
    }
}

/// The version that the rollback target names: `arn:aws:lambda:REGION:ACCOUNT:function:NAME:VERSION`, and perhaps more words.
pub(super) fn old(run: &Run) -> Result<String, CallError> {
    version_of(&run.revision.rollback_target).ok_or_else(|| {
        let message = format!(
            "{} names no version of a function to go back to",
            run.revision.rollback_target
        );
        CallError::refused("NoRollbackTarget", message, false)
    })
}

fn version_of(rollback_target: &str) -> Option<String> {
    let (_, number) = rollback_target.split_whitespace().next()?.rsplit_once(':')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rollback_target_names_the_version_that_ran() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:burst:7";
        assert_eq!(version_of(arn), Some("7".to_owned()));
        assert_eq!(
            version_of(&format!("{arn} with deployment ab:12")),
            Some("7".to_owned())
        );
        for none in [
            "none",
            "",
            "arn:aws:lambda:eu-west-1:123456789012:function:burst:$LATEST",
        ] {
            assert_eq!(version_of(none), None, "{none}");
        }
    }
}
