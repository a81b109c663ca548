//! The AppSpec of a Lambda deployment: which alias goes from which version to which, and which functions are called in
//! between.
//!
//! Source: CodeDeploy User Guide, "AppSpec file example for an AWS Lambda deployment".

use serde_json::{Value, json};
use tidegate_domain::catalog::LambdaCodedeploy;

pub(super) fn appspec(target: &LambdaCodedeploy, current: &str, wanted: &str) -> Value {
    // Where the configuration names the function by its ARN.
    let function = target
        .function
        .rsplit_once("function:")
        .map_or(target.function.as_str(), |(_, name)| name);
    let mut appspec = json!({
        "version": 0.0,
        "Resources": [{ function: {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Name": function,
                "Alias": target.alias,
                "CurrentVersion": current,
                "TargetVersion": wanted,
            },
        } }],
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
    use tidegate_domain::catalog::LambdaHooks;

    fn target() -> LambdaCodedeploy {
        LambdaCodedeploy {
            function: "burst".to_owned(),
            alias: "live".to_owned(),
            application: "burst".to_owned(),
            deployment_group: "production".to_owned(),
            deployment_config: None,
            hooks: LambdaHooks::default(),
        }
    }

    #[test]
    fn the_appspec_names_alias_and_both_versions() {
        let expected = concat!(
            r#"{"Resources":[{"burst":{"Properties":{"Alias":"live","CurrentVersion":"7","Name":"burst","#,
            r#""TargetVersion":"8"},"Type":"AWS::Lambda::Function"}}],"version":0.0}"#
        );
        assert_eq!(appspec(&target(), "7", "8").to_string(), expected);
        let by_arn = LambdaCodedeploy {
            function: "arn:aws:lambda:eu-west-1:123456789012:function:burst".to_owned(),
            ..target()
        };
        assert_eq!(appspec(&by_arn, "7", "8").to_string(), expected);
    }

    #[test]
    fn hooks_are_in_the_order_of_their_events() {
        let target = LambdaCodedeploy {
            hooks: LambdaHooks {
                before_allow_traffic: Some("smoke".to_owned()),
                after_allow_traffic: Some("after".to_owned()),
            },
            ..target()
        };
        assert_eq!(
            appspec(&target, "7", "8")["Hooks"].to_string(),
            r#"[{"BeforeAllowTraffic":"smoke"},{"AfterAllowTraffic":"after"}]"#
        );
    }
}
