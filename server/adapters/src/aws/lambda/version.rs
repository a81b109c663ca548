//! One version of a function, as GetFunction describes it.
//!
//! JSON and not the SDK's types, because those drop every field that is newer than the SDK: drift in one of them would not
//! be seen.

use crate::{
    CallError,
    aws::{
        Aws,
        call::{self, Answer},
        task_definition::compare,
    },
};
use serde_json::{Map, Value};
use tidegate_domain::{deployment::Failure, name::Digest, revision::Change};

/// What differs between `$LATEST` and a version that was made of it, or says how it goes. Everything else is configuration.
const SAID_ONLY: [&str; 16] = [
    "CodeSha256",
    "CodeSize",
    "ConfigSha256",
    "Description",
    "FunctionArn",
    "LastModified",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "MasterArn",
    "RevisionId",
    "RuntimeVersionConfig",
    "State",
    "StateReason",
    "StateReasonCode",
    "Version",
];

/// How a version, or an update of `$LATEST`, goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    /// Lambda works on it.
    Pending,
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::aws) struct Version {
    configuration: Map<String, Value>,
    image: Option<String>,
}

impl Version {
    /// Reads the body of an answer to GetFunction.
    fn described(body: &[u8]) -> Option<Self> {
        let mut answer: Value = serde_json::from_slice(body).ok()?;
        let Value::Object(configuration) = answer["Configuration"].take() else {
            return None;
        };
        let code = &answer["Code"];
        let image = ["ResolvedImageUri", "ImageUri"]
            .iter()
            .find_map(|name| code[*name].as_str());
        Some(Self {
            image: image.map(str::to_owned),
            configuration,
        })
    }

    fn text(&self, field: &str) -> &str {
        self.configuration
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Its number, or `$LATEST`.
    pub(super) fn number(&self) -> &str {
        self.text("Version")
    }

    /// With the number, where it was read by one.
    pub(super) fn arn(&self) -> &str {
        self.text("FunctionArn")
    }

    pub(super) fn revision(&self) -> &str {
        self.text("RevisionId")
    }

    pub(super) fn code_sha256(&self) -> &str {
        self.text("CodeSha256")
    }

    pub(super) fn is_image(&self) -> bool {
        self.text("PackageType") == "Image"
    }

    /// The image by digest, as Lambda resolved it.
    pub(super) fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    pub(super) fn digest(&self) -> Option<Digest> {
        let (_, digest) = self.image()?.split_once('@')?;
        Digest::new(digest).ok()
    }

    fn health(&self, status: &str, good: &[&str], failed: &str) -> Health {
        let word = self.text(status);
        if good.contains(&word) {
            return Health::Good;
        }
        if word != failed {
            // Also a word that Lambda never used before: nothing is made of it (R13).
            return Health::Pending;
        }
        let said = |suffix: &str| Some(self.text(&format!("{status}{suffix}"))).filter(|text| !text.is_empty());
        Health::Failed(Failure {
            code: said("ReasonCode").map(str::to_owned),
            message: said("Reason").unwrap_or("Lambda gives no reason").to_owned(),
        })
    }

    /// Of the last update of `$LATEST`.
    pub(super) fn update(&self) -> Health {
        self.health("LastUpdateStatus", &["Successful", ""], "Failed")
    }

    /// Whether it can take traffic. One that was idle for long wakes when it is called.
    pub(super) fn state(&self) -> Health {
        self.health("State", &["Active", "Inactive", ""], "Failed")
    }

    /// The configuration that comes with the code: what an approval is bound to.
    pub(super) fn bound(&self) -> Value {
        let mut fields = self.configuration.clone();
        fields.retain(|name, value| !SAID_ONLY.contains(&name.as_str()) && !value.is_null());
        if let Some(Value::Object(snap_start)) = fields.get_mut("SnapStart") {
            snap_start.remove("OptimizationStatus");
        }
        Value::Object(fields)
    }

    /// Field by field, how the configuration of another one differs. What environment variables hold is not told.
    pub(super) fn drift(&self, other: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        compare("", &self.bound(), &other.bound(), &mut changes);
        for change in &mut changes {
            if change.what.starts_with("Environment") {
                for (value, words) in [(&mut change.from, "a value"), (&mut change.to, "another")] {
                    if value != "not set" {
                        words.clone_into(value);
                    }
                }
            }
        }
        changes
    }
}

/// A version by its number, or `$LATEST`. `None`: there is no such function, or no such version.
pub(super) async fn read(aws: &Aws, function: &str, qualifier: Option<&str>) -> Result<Option<Version>, CallError> {
    let body = Answer::default();
    let answer = aws
        .lambda
        .get_function()
        .function_name(function)
        .set_qualifier(qualifier.map(str::to_owned))
        .customize()
        .interceptor(body.clone())
        .send()
        .await;
    match answer {
        Ok(_) => Version::described(&body.take().unwrap_or_default())
            .map(Some)
            .ok_or_else(|| CallError::Unknown(format!("GetFunction answered without {function}"))),
        Err(error) if call::code(&error) == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(call::unread(&error)),
    }
}

/// As [`Version::described`] reads it, for tests.
#[cfg(test)]
pub(super) fn version(configuration: Value, image: &str) -> Version {
    let body = serde_json::json!({ "Configuration": configuration, "Code": { "ResolvedImageUri": image } });
    Version::described(body.to_string().as_bytes()).expect("a version")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn latest() -> Value {
        json!({
            "FunctionName": "burst",
            "FunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:burst",
            "Version": "$LATEST",
            "RevisionId": "r-1",
            "CodeSha256": "aa",
            "LastModified": "2026-03-02T09:00:00.000+0000",
            "LastUpdateStatus": "Successful",
            "MemorySize": 512,
            "PackageType": "Image",
            "SnapStart": { "ApplyOn": "PublishedVersions", "OptimizationStatus": "Off" },
            "Environment": { "Variables": { "TOKEN": "one", "LEVEL": "info" } },
            "SomethingTheSdkDoesNotKnow": { "Depth": 1 },
        })
    }

    fn published() -> Value {
        let mut published = latest();
        published["Version"] = json!("7");
        published["FunctionArn"] = json!("arn:aws:lambda:eu-west-1:123456789012:function:burst:7");
        published["RevisionId"] = json!("r-2");
        published["Description"] = json!("burst to production");
        published["State"] = json!("Active");
        published["SnapStart"]["OptimizationStatus"] = json!("On");
        published
    }

    #[test]
    fn what_was_just_published_has_not_drifted() {
        let drift = version(published(), "r/burst@sha256:a").drift(&version(latest(), "r/burst@sha256:b"));
        assert_eq!(drift, []);
    }

    #[test]
    fn drift_is_told_by_field_and_an_environment_variable_keeps_its_value_to_itself() {
        let mut edited = latest();
        edited["MemorySize"] = json!(1024);
        edited["SomethingTheSdkDoesNotKnow"]["Depth"] = json!(2);
        edited["Environment"]["Variables"] = json!({ "TOKEN": "two", "NEW": "secret" });
        let drift: Vec<String> = version(published(), "i")
            .drift(&version(edited, "i"))
            .into_iter()
            .map(|change| format!("{}: {} → {}", change.what, change.from, change.to))
            .collect();
        assert_eq!(
            drift,
            [
                "Environment.Variables.LEVEL: a value → not set",
                "Environment.Variables.TOKEN: a value → another",
                "Environment.Variables.NEW: not set → another",
                "MemorySize: 512 → 1024",
                "SomethingTheSdkDoesNotKnow.Depth: 1 → 2",
            ]
        );
    }

    #[test]
    fn r13_a_state_that_lambda_never_used_before_takes_no_traffic_and_ends_nothing() {
        let state = |word: &str| {
            let mut fields = published();
            fields["State"] = json!(word);
            fields["StateReason"] = json!("no such image");
            fields["StateReasonCode"] = json!("InvalidImage");
            version(fields, "i").state()
        };
        assert_eq!(state("Active"), Health::Good);
        assert_eq!(state("Inactive"), Health::Good);
        assert_eq!(state("Pending"), Health::Pending);
        assert_eq!(state("Dreaming"), Health::Pending);
        let failure = Failure {
            code: Some("InvalidImage".to_owned()),
            message: "no such image".to_owned(),
        };
        assert_eq!(state("Failed"), Health::Failed(failure));
    }

    #[test]
    fn what_runs_is_known_by_the_digest_that_lambda_resolved() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let version = version(latest(), &format!("r/acme/burst@{digest}"));
        assert_eq!(version.digest(), Digest::new(digest).ok());
        assert!(version.is_image());
    }
}
