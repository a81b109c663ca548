//! A configuration says what is wrong with it: where, what, and what to write instead.

use super::parse;
use tidegate_domain::catalog::Engine;

const DEMO: &str = include_str!("../../../infra/demo/tidegate.toml");

/// The example with one edit, and what is said about it.
fn said(from: &str, to: &str) -> String {
    assert!(DEMO.contains(from), "the example has no {from:?}");
    parse("tidegate.toml", &DEMO.replacen(from, to, 1))
        .expect_err("the edit breaks it")
        .to_string()
}

fn line_of(text: &str) -> usize {
    DEMO.lines()
        .position(|line| line.contains(text))
        .expect("the example has that line")
        + 1
}

#[test]
fn the_example_is_valid() {
    let loaded = parse("tidegate.toml", DEMO).unwrap_or_else(|problems| panic!("{problems}"));
    let names: Vec<&str> = loaded
        .catalog
        .services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert_eq!(names, ["orchestrator", "intent-classifier", "rag", "guardrails"]);
    assert_eq!(loaded.catalog.services[3].targets[1].policy.places(), 2);
    assert_eq!(loaded.hash.len(), 64);
}

#[test]
fn a_misspelt_member_is_named_with_line_column_and_the_right_spelling() {
    let said = said("deployer = [", "deploier = [");
    assert!(
        said.starts_with(&format!(
            "tidegate.toml:{}:1: unknown field `deploier`",
            line_of("deployer = [")
        )),
        "{said}"
    );
    assert!(said.contains("did you mean `deployer`?"), "{said}");
}

#[test]
fn a_policy_that_does_not_exist_is_named_with_the_closest_one() {
    let said = said("policy = \"production\"", "policy = \"prodution\"");
    let line = line_of("policy = \"production\"");
    assert!(
        said.starts_with(&format!("tidegate.toml:{line}:10: there is no policy \"prodution\"")),
        "{said}"
    );
    assert!(said.contains("did you mean \"production\"?"), "{said}");
}

#[test]
fn a_traffic_plan_that_codedeploy_cannot_run_is_refused_with_those_it_can() {
    let said = said("canary 10% 5m", "canary 20% 5m");
    assert!(
        said.contains("20 % for 5 min, then 100 %") && said.contains("linear 10% 3m"),
        "{said}"
    );
}

#[test]
fn a_quorum_team_without_the_approver_role_is_found_before_it_is_needed() {
    let said = said(
        "approver = [\"release-approvers\", \"security\", \"platform\"]",
        "approver = [\"release-approvers\"]",
    );
    assert!(said.contains("add \"security\" to roles.approver"), "{said}");
}

#[test]
fn every_problem_is_told_at_once() {
    let text = DEMO
        .replacen("24h", "a day", 1)
        .replacen("127.0.0.1:8080", "nowhere", 1);
    let problems = parse("tidegate.toml", &text).unwrap_err();
    assert_eq!(problems.list().len(), 2, "{problems}");
}

#[test]
fn plain_http_is_for_this_machine_only() {
    let said = said(
        "public_url = \"http://127.0.0.1:8080\"",
        "public_url = \"http://tidegate.example.org\"",
    );
    assert!(said.contains("write https://"), "{said}");
}

#[test]
fn r33_a_password_in_the_database_address_is_refused_and_not_shown() {
    let line = DEMO
        .lines()
        .find(|line| line.starts_with("url = "))
        .expect("an address");
    for address in [
        "postgres://tidegate:canary-password@db/tidegate",
        "postgres://db/tidegate?user=tidegate&password=canary-password",
    ] {
        let said = said(line, &format!("url = \"{address}\""));
        assert!(
            said.starts_with(&format!("tidegate.toml:{}:7: database.url", line_of(line))),
            "{said}"
        );
        assert!(said.contains("TIDEGATE_DATABASE_URL"), "{said}");
        assert!(!said.contains("canary-password"), "{said}");
    }
    let without = DEMO.replacen(line, "url = \"postgres://tidegate@db/tidegate\"", 1);
    assert!(parse("tidegate.toml", &without).is_ok());
}

#[test]
fn r33_a_secret_in_the_file_is_refused_and_not_shown() {
    let said = said("client_id = ", "client_secret = \"canary-secret\"\nclient_id = ");
    assert!(said.contains("unknown field `client_secret`"), "{said}");
    assert!(!said.contains("canary-secret"), "{said}");
}

#[test]
fn platform_version_and_hooks_are_read() {
    let text = DEMO.replacen(
        "deployment_group = \"orchestrator\"",
        "deployment_group = \"orchestrator\"\nplatform_version = \"1.4.0\"\nhooks.after_allow_test_traffic = \"smoke\"",
        1,
    );
    let loaded = parse("tidegate.toml", &text).unwrap_or_else(|problems| panic!("{problems}"));
    let Engine::EcsCodedeploy(ecs) = &loaded.catalog.services[0].targets[0].engine else {
        panic!("the demo's first target runs on CodeDeploy");
    };
    assert_eq!(ecs.platform_version.as_deref(), Some("1.4.0"));
    assert_eq!(ecs.hooks.set(), [("AfterAllowTestTraffic", "smoke")]);
}

#[test]
fn a_hook_that_is_misspelt_or_no_function_is_named_with_what_to_write() {
    let group = "deployment_group = \"orchestrator\"";
    let with = |line: &str| said(group, &format!("{group}\n{line}"));
    let line = line_of(group) + 1;
    let wrong = with("hooks.after_allow_traffc = \"smoke\"");
    assert!(wrong.contains("did you mean `after_allow_traffic`?"), "{wrong}");
    let wrong = with("hooks.before_install = \"no function\"");
    assert!(
        wrong.starts_with(&format!(
            "tidegate.toml:{line}:24: \"no function\" is no Lambda function"
        )),
        "{wrong}"
    );
    let wrong = with("platform_version = \"1.4\"");
    assert!(
        wrong.starts_with(&format!(
            "tidegate.toml:{line}:20: \"1.4\" is no Fargate platform version"
        )),
        "{wrong}"
    );
    for good in [
        "arn:aws:lambda:eu-west-1:123456789012:function:smoke:live",
        "smoke_test-1",
    ] {
        let text = DEMO.replacen(group, &format!("{group}\nhooks.after_install = \"{good}\""), 1);
        assert!(parse("tidegate.toml", &text).is_ok(), "{good}");
    }
}

#[test]
fn a_deadline_that_the_plan_itself_passes_is_refused() {
    let said = said("deadline = \"45m\"", "deadline = \"5m\"");
    assert!(
        said.starts_with(&format!("tidegate.toml:{}:12: ", line_of("deadline = \"45m\""))),
        "{said}"
    );
    assert!(said.contains("alone takes 5 min"), "{said}");
}

#[test]
fn an_environment_that_waits_for_itself_is_refused() {
    let said = said("promote_from = \"staging\"", "promote_from = \"production\"");
    assert!(
        said.contains("set promote_from to the environment before this one"),
        "{said}"
    );
}

#[test]
fn what_is_wrong_about_github_and_the_worker_is_shown_where_it_stands() {
    let api = "api_url = \"http://127.0.0.1:8081/api/v3\"";
    let wrong = said(api, "api_url = \"nowhere\"");
    assert!(
        wrong.starts_with(&format!("tidegate.toml:{}:11: ", line_of(api))),
        "{wrong}"
    );
    let wrong = said("lease_seconds = 30", "lease_seconds = 1");
    assert!(
        wrong.starts_with(&format!("tidegate.toml:{}:1: ", line_of("[worker]"))),
        "{wrong}"
    );
}

#[test]
fn text_that_is_not_toml_says_where() {
    let said = parse("tidegate.toml", "[server\nlisten = 1").unwrap_err().to_string();
    assert!(said.starts_with("tidegate.toml:1:"), "{said}");
}

#[test]
fn the_schema_describes_every_section() {
    let schema = serde_json::to_value(super::schema()).unwrap();
    let members: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    for member in [
        "server",
        "database",
        "github",
        "aws",
        "worker",
        "roles",
        "environments",
        "policies",
        "services",
        "notify",
        "incidents",
    ] {
        assert!(members.iter().any(|known| *known == member), "{member}");
    }
}

const TRAFFIC: &str = "traffic = \"canary 10% 5m\"";

#[test]
fn a_plan_that_its_engine_cannot_run_exactly_is_refused_with_what_would_do() {
    let said = said(TRAFFIC, "traffic = \"steps 10% 5m, 50% 3m\"");
    let line = line_of(TRAFFIC);
    assert!(
        said.starts_with(&format!(
            "tidegate.toml:{line}:11: ecs_codedeploy cannot run 10 % for 5 min, 50 % for 3 min, then 100 %: its canary is \
             exactly two increments, and its linear steps are equal ones"
        )),
        "{said}"
    );
    assert!(
        said.contains(
            "write \"canary 10% 8m\", the nearest that it can run, or take an engine that runs this plan: lambda_alias, \
             ecs_task_sets"
        ),
        "{said}"
    );
}

#[test]
fn an_engine_says_what_it_needs_and_what_means_nothing_to_it() {
    let said = said("engine = \"ecs_codedeploy\"", "engine = \"lambda_alias\"");
    assert!(said.contains("the engine lambda_alias needs function"), "{said}");
    assert!(
        said.contains("cluster means nothing to the engine lambda_alias"),
        "{said}"
    );
    assert!(
        said.contains("deployment_group means nothing to the engine lambda_alias"),
        "{said}"
    );
}

#[test]
fn shares_that_do_not_grow_are_no_plan() {
    let said = said(TRAFFIC, "traffic = \"steps 50% 5m, 10% 3m\"");
    assert!(said.contains("each share is greater than the one before it"), "{said}");
}

#[test]
fn each_engine_is_read_from_the_file() {
    use tidegate_domain::catalog::EngineKind;
    let ecs = "cluster = \"acme\"\ncontainer = \"app\"";
    let cases = [
        (
            EngineKind::LambdaAlias,
            "function = \"burst\"".to_owned(),
            "steps 5% 5m, 50% 1m",
        ),
        (
            EngineKind::LambdaCodedeploy,
            "function = \"burst\"\nalias = \"live\"\napplication = \"burst\"\ndeployment_group = \"live\"".to_owned(),
            "canary 10% 5m",
        ),
        (
            EngineKind::EcsTaskSets,
            format!("{ecs}\nlistener = \"arn:l\"\ntarget_groups = [\"arn:a\", \"arn:b\"]"),
            "steps 10% 5m, 50% 3m",
        ),
        (
            EngineKind::EcsNative,
            format!("{ecs}\nbake_minutes = 5"),
            "linear 25% 2m",
        ),
        (
            EngineKind::ApigatewayStage,
            "api = \"a1b2\"\nstage = \"live\"\nfunction = \"burst\"".to_owned(),
            "all-at-once",
        ),
    ];
    for (kind, members, traffic) in cases {
        let target = format!(
            "[services.targets.staging]\nengine = \"{}\"\npolicy = \"staging\"\ntraffic = \"{traffic}\"\n{members}\n\n",
            kind.name()
        );
        let begin = DEMO.find("[services.targets.staging]").unwrap();
        let end = DEMO.find("[services.targets.production]").unwrap();
        let text = format!("{}{target}{}", &DEMO[..begin], &DEMO[end..]);
        let loaded = parse("tidegate.toml", &text).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(
            loaded.catalog.services[0]
                .targets
                .iter()
                .find(|target| target.environment.as_str() == "staging")
                .unwrap()
                .engine
                .kind(),
            kind
        );
    }
}
