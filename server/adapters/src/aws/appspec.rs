//! The AppSpec of an ECS deployment: which task definition, and which container and port take the traffic.
//!
//! Source: CodeDeploy User Guide, "AppSpec file example for an Amazon ECS deployment".

use serde_json::{Value, json};
use tidegate_domain::catalog::EcsCodedeploy;

/// Stands for the task definition while that is not registered yet, in what is hashed.
pub(super) const NOT_REGISTERED: &str = "<TASK_DEFINITION>";

pub(super) fn appspec(target: &EcsCodedeploy, task_definition: &str) -> Value {
    json!({
        "version": 1,
        "Resources": [{
            "TargetService": {
                "Type": "AWS::ECS::Service",
                "Properties": {
                    "TaskDefinition": task_definition,
                    "LoadBalancerInfo": {
                        "ContainerName": target.container,
                        "ContainerPort": target.port,
                    },
                },
            },
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_appspec_names_task_definition_container_and_port() {
        let target = EcsCodedeploy {
            cluster: "production".to_owned(),
            service: "rag".to_owned(),
            container: "app".to_owned(),
            port: 8080,
            application: "rag".to_owned(),
            deployment_group: "production".to_owned(),
            deployment_config: None,
        };
        let arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/rag:8";
        assert_eq!(
            appspec(&target, arn).to_string(),
            concat!(
                r#"{"Resources":[{"TargetService":{"Properties":{"LoadBalancerInfo":{"ContainerName":"app","ContainerPort":8080},"#,
                r#""TaskDefinition":"arn:aws:ecs:eu-west-1:123456789012:task-definition/rag:8"},"Type":"AWS::ECS::Service"}}],"version":1}"#
            )
        );
    }
}
