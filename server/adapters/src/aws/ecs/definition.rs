//! The running task definition with only the image changed: read, shown, registered.

use super::Place;
use crate::{
    CallError, Order, RegistryFinding,
    aws::{
        Aws,
        call::{self, Answer, Sent},
        task_definition::TaskDefinition,
    },
};
use aws_sdk_ecs::types::TaskDefinitionField;
use aws_smithy_types::body::SdkBody;
use tidegate_domain::{
    deployment::{Blocker, Preparation},
    name::Digest,
    time::Timestamp,
};

/// The task definition that serves the traffic.
#[derive(Debug)]
pub(in crate::aws) struct Running {
    pub(in crate::aws) arn: String,
    pub(in crate::aws) definition: TaskDefinition,
}

/// What would be registered, and the hash that an approval is bound to.
#[derive(Debug)]
pub(in crate::aws) struct Planned {
    pub(in crate::aws) running: Running,
    pub(in crate::aws) new: TaskDefinition,
    pub(in crate::aws) hash: String,
}

/// The running task definition with the order's image in the one container, which must be reached at the port.
pub(in crate::aws) fn change_image(
    order: &Order,
    place: Place<'_>,
    running: &TaskDefinition,
) -> Result<TaskDefinition, Blocker> {
    let Some(new) = running.with_image(place.container, &order.image.pinned()) else {
        return Err(place.blocked(format!(
            "its task definition has no container {}; it has {}",
            place.container,
            running.containers().join(", ")
        )));
    };
    let ports = new.ports_of(place.container);
    if !ports.contains(&u64::from(place.port)) {
        let ports: Vec<String> = ports.iter().map(u64::to_string).collect();
        return Err(place.blocked(format!(
            "its container {} is not reached at port {}, but at {}",
            place.container,
            place.port,
            if ports.is_empty() {
                "none".to_owned()
            } else {
                ports.join(", ")
            }
        )));
    }
    Ok(new)
}

/// What people are shown of it.
pub(in crate::aws) fn preparation(
    order: &Order,
    container: &str,
    planned: Planned,
    registry: RegistryFinding,
    now: Timestamp,
) -> Preparation {
    let Planned { running, new, hash } = planned;
    let image = running.definition.image_of(container).map(str::to_owned);
    let digest = image.as_deref().and_then(|image| image.split_once('@'));
    Preparation {
        at: now,
        running_digest: digest.and_then(|(_, digest)| Digest::new(digest).ok()),
        running_image: image,
        changes: running.definition.changes(&new),
        running_task_definition: Some(running.arn),
        hash,
        immutable_tags: registry.immutable_tags,
        tag_moved_to: registry.tag_points_to.filter(|now| *now != order.image.digest),
    }
}

/// Registers what was planned, if it still is what was approved. `expected`: [`Preparation::hash`]. Returns its ARN.
pub(in crate::aws) async fn register(
    aws: &Aws,
    order: &Order,
    planned: &Planned,
    expected: &str,
    sent: Sent,
) -> Result<String, CallError> {
    if planned.hash != expected {
        let message = format!(
            "what would be registered (hash {}) is not what was approved ({expected}): {} runs now; approve again",
            planned.hash, planned.running.arn
        );
        return Err(CallError::refused("TaskDefinitionChanged", message, false));
    }
    let body = planned.new.registration(order.operation).to_string();
    let answer = aws
        .ecs
        .register_task_definition()
        .customize()
        .interceptor(sent.clone())
        .mutate_request(move |request| {
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body.as_str());
        })
        .send()
        .await
        .map_err(|error| call::failed(&error, &sent))?;
    answer
        .task_definition()
        .and_then(|definition| definition.task_definition_arn())
        .map(str::to_owned)
        .ok_or_else(|| CallError::Unknown("RegisterTaskDefinition answered without an ARN".to_owned()))
}

pub(in crate::aws) async fn describe(aws: &Aws, arn: &str) -> Result<TaskDefinition, CallError> {
    let body = Answer::default();
    aws.ecs
        .describe_task_definition()
        .task_definition(arn)
        .include(TaskDefinitionField::Tags)
        .customize()
        .interceptor(body.clone())
        .send()
        .await
        .map_err(|error| call::unread(&error))?;
    TaskDefinition::described(&body.take().unwrap_or_default())
        .map_err(|error| CallError::Unknown(format!("{arn}: {error}")))
}
