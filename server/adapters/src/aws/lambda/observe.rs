//! How it goes where the alias is moved from here: who serves, and whether the new version can.

use super::{
    Versions,
    alias::{self, Route},
    compute,
    version::{self, Health, Version},
};
use crate::{CallError, Order, aws::Aws};
use tidegate_domain::{
    deployment::{CloudStatus, Failure, Progress, Run},
    release::Image,
    time::Timestamp,
};

/// The alias and the new version, as read in one go.
#[derive(Debug)]
pub(in crate::aws) struct Seen {
    name: String,
    route: Route,
    versions: Versions,
    new: Option<Version>,
}

pub(in crate::aws) async fn look(aws: &Aws, order: &Order, run: &Run) -> Result<Seen, CallError> {
    let (target, versions) = (compute(order)?, Versions::of(run)?);
    let (alias, new) = tokio::try_join!(
        alias::read(aws, &target),
        version::read(aws, &target.function, Some(&versions.new))
    )?;
    let alias = alias.ok_or_else(|| alias::absent(&target))?;
    Ok(Seen {
        name: target.alias,
        route: alias.route,
        versions,
        new,
    })
}

impl Seen {
    /// Share of the new version, in percent.
    pub(in crate::aws) fn new_share(&self) -> u8 {
        self.route.share(&self.versions.new)
    }

    /// Share of the version that ran before.
    pub(in crate::aws) fn old_share(&self) -> u8 {
        self.route.share(&self.versions.old)
    }

    /// Whether the new version can take traffic. What fails while it has some ends nothing: it is to be taken back.
    pub(in crate::aws) fn new_version(&self, image: &Image) -> (CloudStatus, Option<Failure>) {
        let health = match &self.new {
            None => Health::Failed(Failure {
                code: Some("ResourceNotFoundException".to_owned()),
                message: format!("version {} does not exist any more", self.versions.new),
            }),
            Some(version) if version.digest().as_ref() != Some(&image.digest) => Health::Failed(Failure {
                code: Some("CodeChanged".to_owned()),
                message: format!(
                    "version {} has the image {} and not the one that was approved",
                    self.versions.new,
                    version.image().unwrap_or("none")
                ),
            }),
            Some(version) => version.state(),
        };
        match health {
            Health::Good => (CloudStatus::Ready, None),
            Health::Pending => (CloudStatus::InProgress, None),
            Health::Failed(failure) if self.new_share() == 0 => (CloudStatus::Failed, Some(failure)),
            Health::Failed(failure) => (CloudStatus::InProgress, Some(failure)),
        }
    }

    /// How far the way back is.
    pub(in crate::aws) fn way_back(&self) -> (CloudStatus, Option<Failure>) {
        match (self.new_share(), self.old_share()) {
            (0, 100) => (CloudStatus::Succeeded, None),
            (0, _) => {
                let what = format!("alias {} is on {}", self.name, self.route.words());
                (CloudStatus::Failed, Some(changed_elsewhere(&what)))
            }
            _ => (CloudStatus::InProgress, None),
        }
    }
}

/// What is there was put there by neither this deployment nor the one before it, and is left alone.
pub(in crate::aws) fn changed_elsewhere(what: &str) -> Failure {
    Failure {
        code: Some("ChangedElsewhere".to_owned()),
        message: format!("{what}, which somebody else has set meanwhile, and is left as it is"),
    }
}

/// Progress of what is driven from here: no lifecycle, and no rollback of the cloud's own.
pub(in crate::aws) fn progress(
    (status, error): (CloudStatus, Option<Failure>),
    traffic: u8,
    now: Timestamp,
) -> Progress {
    Progress {
        status,
        traffic: Some(traffic),
        lifecycle: Vec::new(),
        error,
        rollback: None,
        rollback_message: None,
        seen_at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::lambda::version::version;
    use serde_json::json;
    use tidegate_domain::name::Digest;

    fn image() -> Image {
        Image {
            repository: "r/burst".to_owned(),
            digest: Digest::new(format!("sha256:{}", "ab".repeat(32))).unwrap(),
            tag: None,
        }
    }

    fn seen(primary: &str, also: Option<(&str, u8)>, state: &str) -> Seen {
        let configuration = json!({ "State": state, "StateReasonCode": "ImageDeleted", "StateReason": "gone" });
        Seen {
            name: "live".to_owned(),
            route: Route {
                primary: primary.to_owned(),
                also: also.map(|(version, percent)| (version.to_owned(), percent)),
            },
            versions: Versions {
                old: "7".to_owned(),
                new: "8".to_owned(),
            },
            new: Some(version(configuration, &image().pinned())),
        }
    }

    #[test]
    fn it_is_ready_while_the_new_version_can_take_traffic() {
        let status = |state| seen("7", None, state).new_version(&image()).0;
        assert_eq!(status("Active"), CloudStatus::Ready);
        assert_eq!(status("Pending"), CloudStatus::InProgress);
        assert_eq!(status("Failed"), CloudStatus::Failed);
    }

    #[test]
    fn a_version_that_breaks_under_traffic_is_not_over_before_that_is_taken_back() {
        let (status, failure) = seen("7", Some(("8", 10)), "Failed").new_version(&image());
        assert_eq!(status, CloudStatus::InProgress);
        assert_eq!(failure.unwrap().code.as_deref(), Some("ImageDeleted"));
    }

    #[test]
    fn a_version_of_another_image_takes_no_traffic() {
        let mut other = image();
        other.digest = Digest::new(format!("sha256:{}", "cd".repeat(32))).unwrap();
        let (status, failure) = seen("7", None, "Active").new_version(&other);
        assert_eq!(status, CloudStatus::Failed);
        assert_eq!(failure.unwrap().code.as_deref(), Some("CodeChanged"));
    }

    #[test]
    fn the_way_back_is_over_when_the_old_version_has_everything() {
        let back = |primary, also| seen(primary, also, "Active").way_back().0;
        assert_eq!(back("7", Some(("8", 10))), CloudStatus::InProgress);
        assert_eq!(back("8", None), CloudStatus::InProgress);
        assert_eq!(back("7", None), CloudStatus::Succeeded);
    }

    #[test]
    fn a_version_that_somebody_else_put_there_is_told_and_left() {
        let (status, failure) = seen("9", None, "Active").way_back();
        assert_eq!(status, CloudStatus::Failed);
        assert_eq!(
            failure.unwrap().message,
            "alias live is on version 9, which somebody else has set meanwhile, and is left as it is"
        );
    }
}
