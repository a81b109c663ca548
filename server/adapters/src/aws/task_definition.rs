//! Task definitions as JSON: read what runs, change one image, register the rest untouched.
//!
//! JSON and not the SDK's types, because those drop every field that is newer than the SDK: a task definition that went
//! through them could lose something without anybody having asked for it.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tidegate_domain::{id::OperationId, revision::Change, time::Timestamp};

/// Names the operation that registered a task definition.
pub(super) const OPERATION_TAG: &str = "tidegate:operation";

/// What ECS says about a task definition and does not take at registration. Everything else is carried over.
const SAID_ONLY: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// An answer of DescribeTaskDefinition that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("DescribeTaskDefinition answered without a task definition")]
pub(super) struct Malformed;

/// What can be registered of a task definition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TaskDefinition {
    fields: Map<String, Value>,
    /// Of people: neither AWS's own nor ours.
    tags: BTreeMap<String, String>,
    operation: Option<String>,
    registered_at: Option<Timestamp>,
}

impl TaskDefinition {
    /// Reads the body of an answer to DescribeTaskDefinition that includes tags.
    pub(super) fn described(body: &[u8]) -> Result<Self, Malformed> {
        let mut answer: Value = serde_json::from_slice(body).map_err(|_| Malformed)?;
        let Some(Value::Object(mut fields)) = answer.get_mut("taskDefinition").map(Value::take) else {
            return Err(Malformed);
        };
        // ECS writes moments as seconds since 1970, with a fraction.
        #[expect(clippy::cast_possible_truncation, reason = "saturates at the ends of time")]
        let registered_at = fields
            .get("registeredAt")
            .and_then(Value::as_f64)
            .map(|seconds| Timestamp::from_millis((seconds * 1_000.0) as i64));
        fields.retain(|name, _| !SAID_ONLY.contains(&name.as_str()));
        let mut tags: BTreeMap<String, String> = answer["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tag| Some((tag["key"].as_str()?.to_owned(), tag["value"].as_str()?.to_owned())))
            .collect();
        let operation = tags.remove(OPERATION_TAG);
        tags.retain(|key, _| !key.starts_with("aws:"));
        Ok(Self {
            fields,
            tags,
            operation,
            registered_at,
        })
    }

    pub(super) fn family(&self) -> Option<&str> {
        self.fields.get("family")?.as_str()
    }

    /// Whether this operation registered it.
    pub(super) fn is_of(&self, operation: OperationId) -> bool {
        self.operation.as_deref() == Some(operation.to_string().as_str())
    }

    pub(super) fn registered_before(&self, moment: Timestamp) -> bool {
        self.registered_at.is_some_and(|at| at < moment)
    }

    pub(super) fn containers(&self) -> Vec<&str> {
        self.container_definitions()
            .filter_map(|container| container["name"].as_str())
            .collect()
    }

    pub(super) fn image_of(&self, container: &str) -> Option<&str> {
        self.container(container)?["image"].as_str()
    }

    /// Ports that a container is reached at.
    pub(super) fn ports_of(&self, container: &str) -> Vec<u64> {
        self.container(container)
            .and_then(|container| container["portMappings"].as_array())
            .into_iter()
            .flatten()
            .filter_map(|mapping| mapping["containerPort"].as_u64())
            .collect()
    }

    /// The same with another image in one container, or nothing if there is no such container.
    pub(super) fn with_image(&self, container: &str, image: &str) -> Option<Self> {
        let mut changed = self.clone();
        let definition = changed
            .fields
            .get_mut("containerDefinitions")?
            .as_array_mut()?
            .iter_mut()
            .find(|each| each["name"] == container)?;
        definition["image"] = json!(image);
        Some(changed)
    }

    /// What RegisterTaskDefinition is asked for.
    pub(super) fn registration(&self, operation: OperationId) -> Value {
        let mut request = self.fields.clone();
        let ours = (OPERATION_TAG.to_owned(), operation.to_string());
        let tags = self.tags.clone().into_iter().chain([ours]);
        let tags = tags.map(|(key, value)| json!({ "key": key, "value": value })).collect();
        request.insert("tags".to_owned(), tags);
        Value::Object(request)
    }

    /// What an approval is bound to: all that is carried over, without what differs with every operation.
    pub(super) fn bound(&self) -> Value {
        json!({ "fields": self.fields, "tags": self.tags })
    }

    /// Field by field, what differs from this one to a newer one.
    pub(super) fn changes(&self, newer: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        compare("", &self.bound()["fields"], &newer.bound()["fields"], &mut changes);
        compare("tags", &json!(self.tags), &json!(newer.tags), &mut changes);
        changes
    }

    fn container_definitions(&self) -> impl Iterator<Item = &Value> {
        self.fields
            .get("containerDefinitions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    }

    fn container(&self, name: &str) -> Option<&Value> {
        self.container_definitions().find(|each| each["name"] == name)
    }
}

/// Field by field, what differs; lists of named things by their names.
pub(super) fn compare(path: &str, from: &Value, to: &Value, changes: &mut Vec<Change>) {
    match (from, to) {
        (from, to) if from == to => {}
        (Value::Object(old), Value::Object(new)) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(added) {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                let at = |fields: &Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
                compare(&path, &at(old), &at(new), changes);
            }
        }
        (Value::Array(old), Value::Array(new)) if named(old) && named(new) => {
            let name_of = |item: &Value| item["name"].as_str().map(str::to_owned);
            let mut names: Vec<String> = old.iter().filter_map(name_of).collect();
            names.extend(new.iter().filter_map(name_of).filter(|name| {
                let known = |item: &Value| item["name"] == *name.as_str();
                !old.iter().any(known)
            }));
            for name in names {
                let at = |items: &[Value]| {
                    let found = items.iter().find(|item| item["name"] == *name.as_str());
                    found.cloned().unwrap_or_default()
                };
                compare(&format!("{path}[{name}]"), &at(old), &at(new), changes);
            }
        }
        _ => changes.push(Change {
            what: path.to_owned(),
            from: words(from),
            to: words(to),
        }),
    }
}

/// Whether each item has a name of its own, as containers, volumes and environment variables have.
fn named(items: &[Value]) -> bool {
    let mut names: Vec<&str> = items.iter().filter_map(|item| item["name"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    !items.is_empty() && names.len() == items.len()
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const OPERATION: OperationId = OperationId::from_uuid(Uuid::from_u128(7));

    fn running() -> TaskDefinition {
        let body = json!({
            "taskDefinition": {
                "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/rag:7",
                "family": "rag",
                "revision": 7,
                "status": "ACTIVE",
                "compatibilities": ["EC2", "FARGATE"],
                "requiresAttributes": [],
                "registeredAt": 1_700_000_000.5,
                "registeredBy": "arn:aws:iam::123456789012:user/somebody",
                "cpu": "512",
                "memory": "1024",
                "somethingTheSdkDoesNotKnow": { "depth": 0.25 },
                "containerDefinitions": [
                    { "name": "app", "image": "r/acme/rag:old", "portMappings": [{ "containerPort": 8080 }] },
                    { "name": "sidecar", "image": "r/acme/sidecar:1" },
                ],
            },
            "tags": [
                { "key": "team", "value": "search" },
                { "key": OPERATION_TAG, "value": "the operation before" },
                { "key": "aws:cloudformation:stack-name", "value": "acme" },
            ],
        });
        TaskDefinition::described(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn only_the_image_of_the_named_container_changes() {
        let new = running().with_image("app", "r/acme/rag@sha256:new").unwrap();
        assert_eq!(
            running().changes(&new),
            [Change {
                what: "containerDefinitions[app].image".to_owned(),
                from: "r/acme/rag:old".to_owned(),
                to: "r/acme/rag@sha256:new".to_owned(),
            }]
        );
    }

    #[test]
    fn the_same_image_again_changes_nothing() {
        let new = running().with_image("app", "r/acme/rag:old").unwrap();
        assert_eq!(running().changes(&new), []);
    }

    #[test]
    fn a_container_that_is_not_there_gets_no_image() {
        assert_eq!(running().with_image("web", "r/acme/rag@sha256:new"), None);
        assert_eq!(running().containers(), ["app", "sidecar"]);
    }

    #[test]
    fn every_field_is_carried_over_but_those_ecs_only_says() {
        let request = running().registration(OPERATION);
        assert_eq!(
            request,
            json!({
                "family": "rag",
                "cpu": "512",
                "memory": "1024",
                "somethingTheSdkDoesNotKnow": { "depth": 0.25 },
                "containerDefinitions": [
                    { "name": "app", "image": "r/acme/rag:old", "portMappings": [{ "containerPort": 8080 }] },
                    { "name": "sidecar", "image": "r/acme/sidecar:1" },
                ],
                "tags": [
                    { "key": "team", "value": "search" },
                    { "key": "tidegate:operation", "value": "00000000-0000-0000-0000-000000000007" },
                ],
            })
        );
    }

    #[test]
    fn the_operation_that_registered_it_is_known_by_its_tag() {
        let mut of_operation = running();
        of_operation.operation = Some(OPERATION.to_string());
        assert!(of_operation.is_of(OPERATION));
        assert!(!running().is_of(OPERATION));
    }

    #[test]
    fn any_other_drift_is_named() {
        let mut drifted = running();
        drifted.fields["cpu"] = json!("1024");
        drifted.fields.remove("memory");
        drifted.fields["containerDefinitions"][0]["environment"] = json!([{ "name": "A", "value": "1" }]);
        drifted.tags.insert("owner".to_owned(), "ada".to_owned());
        let named: Vec<_> = running()
            .changes(&drifted)
            .into_iter()
            .map(|change| (change.what, change.from, change.to))
            .collect();
        let expected = [
            (
                "containerDefinitions[app].environment",
                "not set",
                r#"[{"name":"A","value":"1"}]"#,
            ),
            ("cpu", "512", "1024"),
            ("memory", "1024", "not set"),
            ("tags.owner", "not set", "ada"),
        ];
        assert_eq!(
            named,
            expected.map(|(what, from, to)| (what.to_owned(), from.to_owned(), to.to_owned()))
        );
    }

    #[test]
    fn what_is_no_task_definition_is_not_taken_for_one() {
        assert_eq!(TaskDefinition::described(b"{}"), Err(Malformed));
        assert_eq!(TaskDefinition::described(b"<html>"), Err(Malformed));
    }
}
