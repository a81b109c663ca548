//! The AppSpec of an ECS deployment, in JSON, and what CodeDeploy refuses about a revision
//! before a deployment exists. (That a task definition or container is missing only shows
//! when the service is updated: such a deployment starts, and fails in Install.)

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::model::AppSpec;
use crate::aws::protocol::AwsError;

/// Reads the AppSpec out of a RevisionLocation.
pub(crate) fn parse(revision: Option<&Value>) -> Result<AppSpec, AwsError> {
    let revision =
        revision.ok_or_else(|| AwsError::new("RevisionRequiredException", "RevisionLocation must be specified"))?;
    let content = match revision["revisionType"].as_str() {
        Some("AppSpecContent") => &revision["appSpecContent"],
        Some("String") => &revision["string"],
        _ => {
            return Err(invalid(
                "For ECS deployments, the revision type must be AppSpecContent or S3",
            ));
        }
    };
    let text = content["content"]
        .as_str()
        .ok_or_else(|| invalid("The AppSpec file content is missing"))?;
    if let Some(expected) = content["sha256"].as_str()
        && expected != sha256(text)
    {
        return Err(invalid(
            "The SHA256 hash value of the revision does not match its content",
        ));
    }
    let document: Value =
        serde_json::from_str(text).map_err(|_| invalid("The AppSpec file is not well-formed JSON"))?;
    read(&document)
}

fn read(document: &Value) -> Result<AppSpec, AwsError> {
    if document["version"].is_null() {
        return Err(invalid("The AppSpec file must contain a version"));
    }
    let resources = document["Resources"]
        .as_array()
        .filter(|resources| !resources.is_empty())
        .ok_or_else(|| invalid("The AppSpec file must contain Resources"))?;
    let [resource] = resources.as_slice() else {
        return Err(invalid("The AppSpec file can only have one resource"));
    };
    let service = resource
        .as_object()
        .and_then(|resource| resource.values().next())
        .filter(|service| service["Type"] == "AWS::ECS::Service")
        .ok_or_else(|| invalid("The resource type must be AWS::ECS::Service"))?;
    let properties = &service["Properties"];
    let text = |value: &Value, name: &str| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| invalid(&format!("The AppSpec file is missing the property {name}")))
    };
    let balancer = &properties["LoadBalancerInfo"];
    Ok(AppSpec {
        task_definition: text(&properties["TaskDefinition"], "TaskDefinition")?,
        container: text(&balancer["ContainerName"], "ContainerName")?,
        port: balancer["ContainerPort"]
            .as_i64()
            .or_else(|| balancer["ContainerPort"].as_str()?.parse().ok())
            .ok_or_else(|| invalid("The AppSpec file is missing the property ContainerPort"))?,
    })
}

/// The RevisionLocation that says this.
pub(crate) fn revision(spec: &AppSpec) -> Value {
    let content = json!({
        "version": 1,
        "Resources": [{ "TargetService": {
            "Type": "AWS::ECS::Service",
            "Properties": {
                "TaskDefinition": spec.task_definition,
                "LoadBalancerInfo": {
                    "ContainerName": spec.container,
                    "ContainerPort": spec.port,
                },
            },
        }}],
    })
    .to_string();
    json!({
        "revisionType": "AppSpecContent",
        "appSpecContent": { "sha256": sha256(&content), "content": content },
    })
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

fn invalid(reason: &str) -> AwsError {
    AwsError::new("InvalidRevisionException", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> AppSpec {
        AppSpec {
            task_definition: "web:3".into(),
            container: "app".into(),
            port: 8080,
        }
    }

    #[test]
    fn a_revision_says_what_its_app_spec_says() {
        assert_eq!(parse(Some(&revision(&spec()))), Ok(spec()));
    }

    #[test]
    fn a_wrong_checksum_is_refused() {
        let mut revision = revision(&spec());
        revision["appSpecContent"]["sha256"] = "0".repeat(64).into();
        assert_eq!(parse(Some(&revision)).unwrap_err().code, "InvalidRevisionException");
    }

    #[test]
    fn an_app_spec_without_a_container_is_refused() {
        let content = r#"{"version":1,"Resources":[{"S":{"Type":"AWS::ECS::Service",
            "Properties":{"TaskDefinition":"web:3","LoadBalancerInfo":{"ContainerPort":80}}}}]}"#;
        let revision = json!({
            "revisionType": "AppSpecContent",
            "appSpecContent": { "content": content },
        });
        let error = parse(Some(&revision)).unwrap_err();
        assert!(error.message.unwrap().contains("ContainerName"));
    }

    #[test]
    fn no_revision_is_refused_by_its_own_name() {
        assert_eq!(parse(None).unwrap_err().code, "RevisionRequiredException");
    }
}
