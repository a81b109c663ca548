//! What runs now and what would replace it. Reads only.

use super::{
    alias::{self, Alias},
    blocked, compute,
    version::{self, Version},
};
use crate::{CallError, Order, RegistryFinding, aws::Aws};
use serde_json::{Value, json};
use tidegate_domain::{
    catalog::LambdaAlias,
    deployment::{Blocker, Preparation},
    revision::{Change, canonical_hash},
    time::Timestamp,
};

/// What would be published, and the hash that an approval is bound to.
#[derive(Debug)]
pub(in crate::aws) struct Planned {
    /// The version that the alias serves.
    pub(super) running: Version,
    pub(super) latest: Version,
    pub(super) hash: String,
}

/// The running version with only the image changed. `beside`: what is deployed in one unit with it, and bound to the same
/// approval; null where there is nothing.
pub(in crate::aws) async fn planned(
    aws: &Aws,
    order: &Order,
    beside: &Value,
) -> Result<Result<Planned, Blocker>, CallError> {
    let target = compute(order)?;
    let (alias, latest) = tokio::try_join!(alias::read(aws, &target), version::read(aws, &target.function, None))?;
    let serving = match (latest, alias) {
        (Some(latest), Some(alias)) => serving(&target, &alias).map(|number| (latest, number)),
        (None, _) => Err(format!("there is no Lambda function {}", target.function)),
        (Some(_), None) => Err(format!(
            "the function has no alias {}: make one that points to a version",
            target.alias
        )),
    };
    let (latest, number) = match serving {
        Ok(serving) => serving,
        Err(why) => return Ok(Err(blocked(order, why))),
    };
    let Some(running) = version::read(aws, &target.function, Some(&number)).await? else {
        let why = format!(
            "alias {} points to version {number}, which does not exist",
            target.alias
        );
        return Ok(Err(blocked(order, why)));
    };
    Ok(change_image(order, running, latest, beside).map_err(|why| blocked(order, why)))
}

/// The one version that the alias serves.
fn serving(target: &LambdaAlias, alias: &Alias) -> Result<String, String> {
    if alias.route.primary == "$LATEST" {
        return Err(format!(
            "alias {} points to $LATEST, which changes: publish a version and point the alias to that",
            target.alias
        ));
    }
    if alias.route.also.is_some() {
        return Err(format!(
            "alias {} is being shifted: it is on {}. Let that end, or take the second version away",
            target.alias,
            alias.route.words()
        ));
    }
    Ok(alias.route.primary.clone())
}

fn change_image(order: &Order, running: Version, latest: Version, beside: &Value) -> Result<Planned, String> {
    if let Some(zip) = [&running, &latest].into_iter().find(|version| !version.is_image()) {
        return Err(format!(
            "version {} is no container image: only images, by digest, are deployed",
            zip.number()
        ));
    }
    let drift = running.drift(&latest);
    if !drift.is_empty() {
        let fields: Vec<String> = drift
            .iter()
            .map(|change| format!("{} ({} → {})", change.what, change.from, change.to))
            .collect();
        return Err(format!(
            "$LATEST differs from version {}, which runs, in more than its image: {}. Set it back, or bring that change to \
             the alias first",
            running.number(),
            fields.join(", ")
        ));
    }
    if running.digest().as_ref() == Some(&order.image.digest) {
        return Err(format!(
            "version {}, which runs, has this image already: there is nothing to deploy",
            running.number()
        ));
    }
    // Where it goes belongs to what was approved, too.
    let hash = canonical_hash(&json!({
        "configuration": running.bound(),
        "image": order.image.pinned(),
        "target": order.engine,
        "beside": beside,
    }));
    Ok(Planned { running, latest, hash })
}

impl Planned {
    /// ARN of the running version.
    pub(in crate::aws) fn running_arn(&self) -> &str {
        self.running.arn()
    }
}

pub(in crate::aws) fn assemble(
    order: &Order,
    now: Timestamp,
    planned: &Planned,
    registry: RegistryFinding,
) -> Preparation {
    let Planned { running, hash, .. } = planned;
    let image = running.image().map(str::to_owned);
    Preparation {
        at: now,
        running_task_definition: Some(running.arn().to_owned()),
        running_digest: running.digest(),
        changes: vec![Change {
            what: "Code.ImageUri".to_owned(),
            from: image.clone().unwrap_or_else(|| "not set".to_owned()),
            to: order.image.pinned(),
        }],
        running_image: image,
        hash: hash.clone(),
        immutable_tags: registry.immutable_tags,
        tag_moved_to: registry.tag_points_to.filter(|now| *now != order.image.digest),
    }
}
