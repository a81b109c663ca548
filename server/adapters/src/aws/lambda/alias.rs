//! The alias: which version has which share, and the calls that move them.
//!
//! Every UpdateAlias is guarded by the alias's RevisionId, so that it moves what was looked at and nothing else. The way
//! back updates the alias even where it is back already: that makes a shift that is still on its way too late.

use super::{Versions, compute};
use crate::{
    CallError, Order,
    aws::{
        Aws,
        call::{self, Sent},
    },
};
use aws_sdk_lambda::types::AliasRoutingConfiguration;
use std::{collections::HashMap, time::Instant};
use tidegate_domain::{catalog::LambdaAlias, deployment::Run, plan::Found};

/// Who serves: a version, and perhaps another one with a share in percent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) primary: String,
    pub(super) also: Option<(String, u8)>,
}

impl Route {
    fn only(version: &str) -> Self {
        Self {
            primary: version.to_owned(),
            also: None,
        }
    }

    /// Share of a version, in percent.
    pub(super) fn share(&self, version: &str) -> u8 {
        match &self.also {
            Some((also, percent)) if also == version => *percent,
            _ if self.primary != version => 0,
            Some((_, percent)) => 100u8.saturating_sub(*percent),
            None => 100,
        }
    }

    /// In words: `version 7`, `version 7, and 10 % on version 8`.
    pub(super) fn words(&self) -> String {
        match &self.also {
            Some((also, percent)) => format!("version {}, and {percent} % on version {also}", self.primary),
            None => format!("version {}", self.primary),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alias {
    pub(super) route: Route,
    revision: String,
}

/// `None`: there is no such function, or no such alias.
pub(super) async fn read(aws: &Aws, target: &LambdaAlias) -> Result<Option<Alias>, CallError> {
    let answer = aws
        .lambda
        .get_alias()
        .function_name(&target.function)
        .name(&target.alias)
        .send()
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if call::code(&error) == Some("ResourceNotFoundException") => return Ok(None),
        Err(error) => return Err(call::unread(&error)),
    };
    let (Some(primary), Some(revision)) = (answer.function_version, answer.revision_id) else {
        return Err(CallError::Unknown(format!(
            "GetAlias answered without {}",
            target.alias
        )));
    };
    let weights = answer
        .routing_config
        .and_then(|routing| routing.additional_version_weights)
        .unwrap_or_default();
    let also = weights
        .into_iter()
        .next()
        .map(|(version, weight)| (version, crate::aws::codedeploy::percent(weight * 100.0)));
    Ok(Some(Alias {
        route: Route { primary, also },
        revision,
    }))
}

/// What is there, or the refusal of a call that would move it.
async fn present(aws: &Aws, target: &LambdaAlias) -> Result<Alias, CallError> {
    read(aws, target).await?.ok_or_else(|| absent(target))
}

pub(super) fn absent(target: &LambdaAlias) -> CallError {
    let message = format!("function {} has no alias {} any more", target.function, target.alias);
    CallError::refused("ResourceNotFoundException", message, false)
}

/// Gives the new version this share. Returns the version.
pub(in crate::aws) async fn shift(
    aws: &Aws,
    order: &Order,
    run: &Run,
    percent: u8,
    by: Instant,
) -> Result<String, CallError> {
    let (target, versions) = (compute(order)?, Versions::of(run)?);
    let alias = present(aws, &target)
        .await
        .map_err(CallError::before_anything_happened)?;
    let wanted = forward(&alias.route, &versions, percent).map_err(|why| {
        let message = format!("alias {} {why}", target.alias);
        CallError::refused("AliasChanged", message, false)
    })?;
    if wanted != alias.route {
        set(aws, &target, &alias, &wanted, by).await?;
    }
    Ok(versions.new)
}

/// Takes all traffic from the new version. Returns the version that has it then.
pub(in crate::aws) async fn shift_back(aws: &Aws, order: &Order, run: &Run, by: Instant) -> Result<String, CallError> {
    let (target, versions) = (compute(order)?, Versions::of(run)?);
    let alias = present(aws, &target)
        .await
        .map_err(CallError::before_anything_happened)?;
    let wanted = back(&alias.route, &versions);
    set(aws, &target, &alias, &wanted, by).await?;
    Ok(wanted.primary)
}

/// Whether the share is as a shift would have set it.
pub(in crate::aws) async fn found_shift(aws: &Aws, order: &Order, run: &Run, percent: u8) -> Result<Found, CallError> {
    let (target, versions) = (compute(order)?, Versions::of(run)?);
    let alias = present(aws, &target).await?;
    let there = forward(&alias.route, &versions, percent).as_ref() == Ok(&alias.route);
    Ok(if there {
        Found::Effect(versions.new)
    } else {
        Found::Nothing
    })
}

/// Whether nothing is on the new version.
pub(in crate::aws) async fn found_back(aws: &Aws, order: &Order, run: &Run) -> Result<Found, CallError> {
    let (target, versions) = (compute(order)?, Versions::of(run)?);
    let alias = present(aws, &target).await?;
    Ok(match alias.route.share(&versions.new) {
        0 => Found::Effect(alias.route.primary),
        _ => Found::Nothing,
    })
}

/// The way on: only from what this deployment left there. The weighted version differs from the primary one always.
fn forward(now: &Route, versions: &Versions, percent: u8) -> Result<Route, String> {
    let wanted = match percent {
        100 => Route::only(&versions.new),
        share => Route {
            primary: versions.old.clone(),
            also: Some((versions.new.clone(), share)),
        },
    };
    let ours = now.primary == versions.old && now.also.as_ref().is_none_or(|(also, _)| *also == versions.new);
    if versions.old == versions.new {
        return Err(format!(
            "has version {} already: there is nothing to shift",
            versions.old
        ));
    }
    if *now == wanted || ours {
        return Ok(wanted);
    }
    Err(format!(
        "is on {}, and not on version {}, which ran when this was approved: somebody else has changed it",
        now.words(),
        versions.old
    ))
}

/// The way back. What somebody else has put there meanwhile stays; only the new version is taken away.
fn back(now: &Route, versions: &Versions) -> Route {
    match &now.also {
        _ if now.primary == versions.new => Route::only(&versions.old),
        Some((also, _)) if *also == versions.new => Route::only(&now.primary),
        _ => now.clone(),
    }
}

async fn set(aws: &Aws, target: &LambdaAlias, seen: &Alias, wanted: &Route, by: Instant) -> Result<(), CallError> {
    let sent = Sent::before(by);
    let weights: HashMap<String, f64> = wanted
        .also
        .iter()
        .map(|(version, percent)| (version.clone(), f64::from(*percent) / 100.0))
        .collect();
    // Without members it takes the second version away.
    let routing = AliasRoutingConfiguration::builder()
        .set_additional_version_weights(Some(weights))
        .build();
    aws.lambda
        .update_alias()
        .function_name(&target.function)
        .name(&target.alias)
        .function_version(&wanted.primary)
        .routing_config(routing)
        .revision_id(&seen.revision)
        .customize()
        .interceptor(sent.clone())
        .send()
        .await
        .map(drop)
        .map_err(|error| call::failed(&error, &sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions() -> Versions {
        Versions {
            old: "7".to_owned(),
            new: "8".to_owned(),
        }
    }

    fn route(primary: &str, also: Option<(&str, u8)>) -> Route {
        Route {
            primary: primary.to_owned(),
            also: also.map(|(version, percent)| (version.to_owned(), percent)),
        }
    }

    #[test]
    fn each_share_leaves_the_old_version_primary_until_all_is_on_the_new_one_alone() {
        let mut now = route("7", None);
        for (percent, expected) in [
            (10, route("7", Some(("8", 10)))),
            (50, route("7", Some(("8", 50)))),
            (100, route("8", None)),
        ] {
            now = forward(&now, &versions(), percent).unwrap();
            assert_eq!(now, expected);
            assert_eq!(now.share("8"), percent);
            assert_eq!(now.share("7"), 100 - percent);
        }
        assert_eq!(forward(&now, &versions(), 100), Ok(now), "once more is the same");
    }

    #[test]
    fn the_weighted_version_is_never_the_primary_one() {
        let same = Versions {
            old: "7".to_owned(),
            new: "7".to_owned(),
        };
        let refused = forward(&route("7", None), &same, 10).unwrap_err();
        assert_eq!(refused, "has version 7 already: there is nothing to shift");
    }

    #[test]
    fn what_somebody_else_changed_is_not_shifted() {
        for theirs in [
            route("9", None),
            route("7", Some(("9", 10))),
            route("8", Some(("7", 10))),
            route("8", None),
        ] {
            let refused = forward(&theirs, &versions(), 10).unwrap_err();
            assert!(
                refused.starts_with(&format!("is on {}, and not on version 7", theirs.words())),
                "{refused}"
            );
        }
    }

    #[test]
    fn the_way_back_takes_everything_from_the_new_version_and_nothing_from_anybody_else() {
        for (now, then) in [
            (route("7", Some(("8", 10))), route("7", None)),
            (route("8", None), route("7", None)),
            (route("8", Some(("7", 10))), route("7", None)),
            (route("7", None), route("7", None)),
            (route("9", None), route("9", None)),
            (route("9", Some(("8", 5))), route("9", None)),
            (route("7", Some(("9", 5))), route("7", Some(("9", 5)))),
        ] {
            assert_eq!(back(&now, &versions()), then, "{now:?}");
        }
    }
}
