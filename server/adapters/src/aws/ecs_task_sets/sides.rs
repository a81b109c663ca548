//! The two task sets of a deployment, and the target groups that they are in.

use super::place;
use crate::{
    CallError,
    aws::{Aws, ecs},
};
use aws_sdk_ecs::types::{StabilityStatus, TaskSet};
use tidegate_domain::{catalog::EcsTaskSets, id::OperationId};

pub(super) const PRIMARY: &str = "PRIMARY";
const DRAINING: &str = "DRAINING";

/// What a deployment has on either side. A set that drains counts as gone: ECS is stopping its tasks.
#[derive(Debug)]
pub(super) struct Sides {
    /// The one that the operation made, the one that drains too.
    pub(super) new: Option<TaskSet>,
    /// What ran before.
    pub(super) old: Option<TaskSet>,
    pub(super) new_group: String,
    pub(super) old_group: String,
}

impl Sides {
    pub(super) async fn read(aws: &Aws, target: &EcsTaskSets, operation: OperationId) -> Result<Self, CallError> {
        let service = match ecs::active(aws, place(target)).await? {
            Ok(service) => service,
            Err(blocker) => return Err(CallError::Unknown(blocker.why)),
        };
        Self::of(target, service.task_sets.unwrap_or_default(), operation).ok_or_else(|| {
            let message = "none of its task sets is in one of the two target groups".to_owned();
            CallError::Unknown(message)
        })
    }

    fn of(target: &EcsTaskSets, mut sets: Vec<TaskSet>, operation: OperationId) -> Option<Self> {
        // Of several in one place the one that does not drain.
        sets.sort_by_key(is_draining);
        let new = sets
            .iter()
            .position(|set| is_of(set, operation))
            .map(|index| sets.remove(index));
        let own = new.as_ref().and_then(|set| group_of(set, target));
        let primary = || sets.iter().find(|set| set.status() == Some(PRIMARY));
        let new_group = match own {
            Some(group) => group,
            None => other(target, group_of(primary()?, target)?),
        };
        let old_group = other(target, new_group);
        let old = sets
            .iter()
            .position(|set| group_of(set, target) == Some(old_group))
            .map(|index| sets.remove(index));
        Some(Self {
            new,
            old,
            new_group: new_group.to_owned(),
            old_group: old_group.to_owned(),
        })
    }

    /// The new one, as long as it is not being taken away.
    pub(super) fn lives(&self) -> Option<&TaskSet> {
        self.new.as_ref().filter(|set| !is_draining(set))
    }

    /// The old one, as long as it is not being taken away.
    pub(super) fn stands(&self) -> Option<&TaskSet> {
        self.old.as_ref().filter(|set| !is_draining(set))
    }
}

pub(super) fn is_of(set: &TaskSet, operation: OperationId) -> bool {
    set.external_id() == Some(operation.to_string().as_str())
}

pub(super) fn is_draining(set: &TaskSet) -> bool {
    set.status() == Some(DRAINING)
}

pub(super) fn is_steady(set: &TaskSet) -> bool {
    set.stability_status() == Some(&StabilityStatus::SteadyState)
}

pub(super) fn arn(set: &TaskSet) -> Result<String, CallError> {
    set.task_set_arn()
        .map(str::to_owned)
        .ok_or_else(|| CallError::Unknown("ECS describes a task set without an ARN".to_owned()))
}

/// Which of the two target groups it is in.
pub(super) fn group_of<'a>(set: &TaskSet, target: &'a EcsTaskSets) -> Option<&'a str> {
    let in_group = |group: &&String| {
        let mut balancers = set.load_balancers().iter();
        balancers.any(|each| each.target_group_arn() == Some(group.as_str()))
    };
    target.target_groups.iter().find(in_group).map(String::as_str)
}

pub(super) fn other<'a>(target: &'a EcsTaskSets, group: &str) -> &'a str {
    let [one, two] = &target.target_groups;
    if one == group { two } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::LoadBalancer;
    use uuid::Uuid;

    const OPERATION: OperationId = OperationId::from_uuid(Uuid::from_u128(7));

    fn target() -> EcsTaskSets {
        EcsTaskSets {
            cluster: "acme".to_owned(),
            service: "rag".to_owned(),
            container: "app".to_owned(),
            port: 8080,
            listener: "listener".to_owned(),
            target_groups: ["blue".to_owned(), "green".to_owned()],
            platform_version: None,
        }
    }

    fn set(arn: &str, status: &str, group: &str, operation: Option<OperationId>) -> TaskSet {
        TaskSet::builder()
            .task_set_arn(arn)
            .status(status)
            .set_external_id(operation.map(|operation| operation.to_string()))
            .load_balancers(LoadBalancer::builder().target_group_arn(group).build())
            .build()
    }

    fn told(sides: &Sides) -> (Option<&str>, Option<&str>, &str) {
        let arn = |set: &Option<TaskSet>| set.as_ref().and_then(|set| set.task_set_arn().map(str::to_owned));
        let known = |arn: Option<String>| match arn.as_deref() {
            Some("old") => Some("old"),
            Some("new") => Some("new"),
            Some("older") => Some("older"),
            _ => None,
        };
        (known(arn(&sides.new)), known(arn(&sides.old)), sides.new_group.as_str())
    }

    #[test]
    fn the_sides_are_the_same_after_the_new_one_was_promoted() {
        let before = vec![
            set("old", PRIMARY, "green", None),
            set("new", "ACTIVE", "blue", Some(OPERATION)),
        ];
        let after = vec![
            set("old", "ACTIVE", "green", None),
            set("new", PRIMARY, "blue", Some(OPERATION)),
        ];
        for sets in [before, after] {
            let sides = Sides::of(&target(), sets, OPERATION).unwrap();
            assert_eq!(told(&sides), (Some("new"), Some("old"), "blue"));
        }
    }

    #[test]
    fn one_that_drains_where_the_new_one_is_is_not_the_old_one() {
        let sets = vec![
            set("older", DRAINING, "blue", None),
            set("new", "ACTIVE", "blue", Some(OPERATION)),
            set("old", PRIMARY, "green", None),
        ];
        let sides = Sides::of(&target(), sets, OPERATION).unwrap();
        assert_eq!(told(&sides), (Some("new"), Some("old"), "blue"));
    }

    #[test]
    fn without_a_new_one_its_group_is_the_one_that_the_primary_is_not_in() {
        let sides = Sides::of(&target(), vec![set("old", PRIMARY, "green", None)], OPERATION).unwrap();
        assert_eq!(told(&sides), (None, Some("old"), "blue"));
        assert!(Sides::of(&target(), vec![set("old", PRIMARY, "elsewhere", None)], OPERATION).is_none());
    }
}
