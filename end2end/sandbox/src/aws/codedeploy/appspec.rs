//! The AppSpec of an ECS or Lambda deployment, in JSON, and what CodeDeploy refuses about a revision
//! before a deployment exists. (That a task definition or container is missing only shows
//! when the service is updated: such a deployment starts, and fails in Install. That a function or version
//! is missing shows when the deployment starts.)

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    config::Platform,
    model::{AppSpec, EcsSpec, LambdaSpec},
};
use crate::aws::protocol::AwsError;

/// Reads the AppSpec out of a RevisionLocation.
pub(crate) fn parse(platform: Platform, revision: Option<&Value>) -> Result<AppSpec, AwsError> {
    let revision =
        revision.ok_or_else(|| AwsError::new("RevisionRequiredException", "RevisionLocation must be specified"))?;
    let content = match revision["revisionType"].as_str() {
        Some("AppSpecContent") => &revision["appSpecContent"],
        Some("String") => &revision["string"],
        _ => {
            return Err(invalid(&format!(
                "For {} deployments, the revision type must be AppSpecContent or S3",
                platform.name()
            )));
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
    read(platform, &document)
}

fn read(platform: Platform, document: &Value) -> Result<AppSpec, AwsError> {
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
    let wanted = match platform {
        Platform::Lambda => "AWS::Lambda::Function",
        Platform::Ecs | Platform::Server => "AWS::ECS::Service",
    };
    let service = resource
        .as_object()
        .and_then(|resource| resource.values().next())
        .filter(|service| service["Type"] == wanted)
        .ok_or_else(|| invalid(&format!("The resource type must be {wanted}")))?;
    let properties = &service["Properties"];
    let text = |value: &Value, name: &str| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| invalid(&format!("The AppSpec file is missing the property {name}")))
    };
    if platform == Platform::Lambda {
        check_hooks(document)?;
        // Versions are written as strings or as numbers.
        let version = |name: &str| match &properties[name] {
            Value::Number(number) => Ok(number.to_string()),
            other => text(other, name),
        };
        return Ok(AppSpec::Lambda(LambdaSpec {
            function: text(&properties["Name"], "Name")?,
            alias: text(&properties["Alias"], "Alias")?,
            current_version: version("CurrentVersion")?,
            target_version: version("TargetVersion")?,
        }));
    }
    let balancer = &properties["LoadBalancerInfo"];
    Ok(AppSpec::Ecs(EcsSpec {
        task_definition: text(&properties["TaskDefinition"], "TaskDefinition")?,
        container: text(&balancer["ContainerName"], "ContainerName")?,
        port: balancer["ContainerPort"]
            .as_i64()
            .or_else(|| balancer["ContainerPort"].as_str()?.parse().ok())
            .ok_or_else(|| invalid("The AppSpec file is missing the property ContainerPort"))?,
    }))
}

/// Each hook of a Lambda deployment is one of its two events for hooks.
fn check_hooks(document: &Value) -> Result<(), AwsError> {
    let known = ["BeforeAllowTraffic", "AfterAllowTraffic"];
    let hooks = document["Hooks"].as_array().into_iter().flatten();
    for name in hooks.filter_map(Value::as_object).flat_map(|hook| hook.keys()) {
        if !known.contains(&name.as_str()) {
            return Err(invalid(&format!("The AppSpec file has the unknown hook {name}")));
        }
    }
    Ok(())
}

/// The RevisionLocation that says this.
pub(crate) fn revision(spec: &AppSpec) -> Value {
    let content = match spec {
        AppSpec::Ecs(spec) => json!({
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
        }),
        AppSpec::Lambda(spec) => json!({
            "version": 0.0,
            "Resources": [{ spec.function.as_str(): {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Name": spec.function,
                    "Alias": spec.alias,
                    "CurrentVersion": spec.current_version,
                    "TargetVersion": spec.target_version,
                },
            }}],
        }),
    }
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
        AppSpec::Ecs(EcsSpec {
            task_definition: "web:3".into(),
            container: "app".into(),
            port: 8080,
        })
    }

    #[test]
    fn a_revision_says_what_its_app_spec_says() {
        assert_eq!(parse(Platform::Ecs, Some(&revision(&spec()))), Ok(spec()));
        let function = AppSpec::Lambda(LambdaSpec {
            function: "pricing".into(),
            alias: "live".into(),
            current_version: "1".into(),
            target_version: "2".into(),
        });
        assert_eq!(parse(Platform::Lambda, Some(&revision(&function))), Ok(function));
    }

    #[test]
    fn a_wrong_checksum_is_refused() {
        let mut revision = revision(&spec());
        revision["appSpecContent"]["sha256"] = "0".repeat(64).into();
        assert_eq!(
            parse(Platform::Ecs, Some(&revision)).unwrap_err().code,
            "InvalidRevisionException"
        );
    }

    #[test]
    fn an_app_spec_without_a_container_is_refused() {
        let content = r#"{"version":1,"Resources":[{"S":{"Type":"AWS::ECS::Service",
            "Properties":{"TaskDefinition":"web:3","LoadBalancerInfo":{"ContainerPort":80}}}}]}"#;
        let revision = json!({
            "revisionType": "AppSpecContent",
            "appSpecContent": { "content": content },
        });
        let error = parse(Platform::Ecs, Some(&revision)).unwrap_err();
        assert!(error.message.unwrap().contains("ContainerName"));
    }

    #[test]
    fn no_revision_is_refused_by_its_own_name() {
        assert_eq!(
            parse(Platform::Ecs, None).unwrap_err().code,
            "RevisionRequiredException"
        );
    }
}
