//! The AppSpec of an ECS deployment: which task definition, which container and port take the traffic, and which functions
//! are called in between.
//!
//! Source: CodeDeploy User Guide, "AppSpec file example for an Amazon ECS deployment".

use serde_json::{Value, json};
use tidegate_domain::catalog::EcsCodedeploy;

/// Stands for the task definition while that is not registered yet, in what is hashed.
pub(super) const NOT_REGISTERED: &str = "<TASK_DEFINITION>";

pub(super) fn appspec(target: &EcsCodedeploy, task_definition: &str) -> Value {
    let mut properties = json!({
        "TaskDefinition": task_definition,
        "LoadBalancerInfo": {
            "ContainerName": target.container,
            "ContainerPort": target.port,
        },
    });
    if let Some(version) = &target.platform_version {
        properties["PlatformVersion"] = json!(version);
    }
    let mut appspec = json!({
        "version": 1,
        "Resources": [{ "TargetService": { "Type": "AWS::ECS::Service", "Properties": properties } }],
    });
    let hooks: Vec<Value> = target
        .hooks
        .set()
        .into_iter()
        .map(|(event, function)| json!({ event: function }))
        .collect();
    if !hooks.is_empty() {
        appspec["Hooks"] = json!(hooks);
    }
    appspec
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_domain::catalog::Hooks;

    const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/rag:8";

    fn target() -> EcsCodedeploy {
        EcsCodedeploy {
            cluster: "production".to_owned(),
            service: "rag".to_owned(),
            container: "app".to_owned(),
            port: 8080,
            application: "rag".to_owned(),
            deployment_group: "production".to_owned(),
            deployment_config: None,
            platform_version: None,
            hooks: Hooks::default(),
        }
    }

    #[test]
    fn platform_version_and_hooks_are_in_the_appspec_in_the_order_of_their_events() {
        let target = EcsCodedeploy {
            platform_version: Some("1.4.0".to_owned()),
            hooks: Hooks {
                after_allow_traffic: Some("arn:aws:lambda:eu-west-1:123456789012:function:after".to_owned()),
                after_allow_test_traffic: Some("smoke".to_owned()),
                ..Hooks::default()
            },
            ..target()
        };
        let appspec = appspec(&target, ARN);
        let properties = &appspec["Resources"][0]["TargetService"]["Properties"];
        assert_eq!(properties["PlatformVersion"], "1.4.0");
        assert_eq!(
            appspec["Hooks"].to_string(),
            r#"[{"AfterAllowTestTraffic":"smoke"},{"AfterAllowTraffic":"arn:aws:lambda:eu-west-1:123456789012:function:after"}]"#
        );
    }

    #[test]
    fn the_appspec_names_task_definition_container_and_port() {
        assert_eq!(
            appspec(&target(), ARN).to_string(),
            concat!(
                r#"{"Resources":[{"TargetService":{"Properties":{"LoadBalancerInfo":{"ContainerName":"app","ContainerPort":8080},"#,
                r#""TaskDefinition":"arn:aws:ecs:eu-west-1:123456789012:task-definition/rag:8"},"Type":"AWS::ECS::Service"}}],"version":1}"#
            )
        );
    }
}
