//! The shipped IAM policy allows what the server calls, and nothing else (R35).

use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn policy() -> Value {
    let text = fs::read_to_string(root().join("infra/iam/tidegate-policy.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn actions(policy: &Value) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements
        .iter()
        .flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

fn source(folder: &Path, text: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source(&path, text);
        } else {
            text.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// `.describe_services()` of a client of ECS: `ecs:DescribeServices`.
fn called() -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["server/adapters/src/aws", "server/adapters/src/metrics"] {
        source(&root().join(folder), &mut files);
    }
    let mut called = BTreeSet::new();
    for (_, text) in &files {
        let joined: String = text.split_whitespace().collect();
        for (client, service) in [
            ("cloudwatch", "cloudwatch"),
            ("codedeploy", "codedeploy"),
            ("ecs", "ecs"),
            ("ecr", "ecr"),
        ] {
            for part in joined.split(&format!(".{client}.")).skip(1) {
                let name: String = part
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                    .collect();
                if part[name.len()..].starts_with("()") {
                    let words = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
                    called.insert(format!("{service}:{}", words.collect::<String>()));
                }
            }
        }
    }
    called
}

/// What those calls need besides: AWS's pages on CreateDeployment for ECS and on RegisterTaskDefinition with tags.
const IMPLIED: [&str; 4] = [
    "codedeploy:GetApplicationRevision",
    "codedeploy:RegisterApplicationRevision",
    "ecs:TagResource",
    "iam:PassRole",
];

#[test]
fn r35_the_shipped_policy_allows_what_is_called_and_nothing_else() {
    let called = called();
    assert!(
        called.contains("codedeploy:CreateDeployment") && called.len() > 10,
        "{called:?}"
    );
    let implied = IMPLIED.map(str::to_owned);
    let needed: BTreeSet<String> = called.into_iter().chain(implied).collect();
    assert_eq!(actions(&policy()), needed);
}

#[test]
fn r35_no_action_is_a_wildcard_and_a_resource_is_only_where_aws_has_none() {
    let policy = policy();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        for action in statement["Action"].as_array().unwrap() {
            assert!(!action.as_str().unwrap().contains('*'), "{action}");
        }
        let resources = statement["Resource"].as_array().unwrap();
        let everything = resources.iter().any(|resource| resource == "*");
        assert_eq!(everything, statement["Sid"] == "NoResourceLevel", "{statement}");
    }
}

#[test]
fn the_readme_points_to_the_policy() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("infra/iam/tidegate-policy.json"));
}
