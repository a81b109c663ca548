//! What is wrong with a suite or a monitor is told with its line and what to write; the commented example is right.

use crate::config::{Loaded, parse};
use rstest::rstest;
use tidegate_domain::{
    Target,
    smoke::{HeaderValue, Method},
};

const DEMO: &str = include_str!("../../../../infra/demo/tidegate.toml");

/// The example with its lines about suites taken out of their comments.
fn example() -> String {
    let mut text = String::new();
    let mut inside = false;
    for line in DEMO.lines() {
        inside |= line.starts_with("# [smoke]");
        let of_target = ["smoke", "base_url", "test_base_url", "stability_wait", "monitor"]
            .iter()
            .any(|member| line.starts_with(&format!("# {member} = ")));
        let code = line.strip_prefix("# ").filter(|_| inside || of_target);
        text.push_str(code.unwrap_or(line));
        text.push('\n');
        inside &= !line.trim().is_empty();
    }
    text
}

fn loaded(text: &str) -> Loaded {
    parse("tidegate.toml", text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn production(loaded: &Loaded) -> &Target {
    &loaded.catalog.services[0].targets[1]
}

/// The example with one edit, what is said about it, and where.
fn said(from: &str, to: &str) -> (usize, String) {
    let example = example();
    assert!(example.contains(from), "the example has no {from:?}");
    let edited = example.replacen(from, to, 1);
    let problems = parse("tidegate.toml", &edited).expect_err("the edit breaks it");
    let line = edited
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(to))
        .last()
        .map(|(number, _)| number);
    assert_eq!(
        problems.list()[0].line,
        line.expect("the edited line") + 1,
        "{problems}"
    );
    (problems.list().len(), problems.to_string())
}

#[test]
fn the_commented_example_is_the_reference_suite() {
    let loaded = loaded(&example());
    let target = production(&loaded);
    let verify = target.verify.as_ref().unwrap();
    assert_eq!(verify.base_url, "https://chat.acme.example");
    assert_eq!(verify.test_base_url.as_deref(), Some("https://chat.acme.example:8443"));
    assert_eq!(verify.stability_wait_seconds, 120);
    let [health, chat, intent] = &verify.suite.tests[..] else {
        panic!("{:?}", verify.suite);
    };
    assert_eq!(
        (
            health.name.as_str(),
            health.method,
            health.path.as_str(),
            health.attempts,
            health.pause_seconds
        ),
        ("health_check", Method::Get, "/health", 5, 10)
    );
    assert_eq!((health.expected_status, health.timeout_ms), (200, 10_000));
    assert_eq!(
        (chat.name.as_str(), chat.method, chat.path.as_str(), chat.max_latency_ms),
        ("chat_basic", Method::Post, "/api/v1/chat", Some(3_000))
    );
    assert_eq!(chat.body.as_deref(), Some(r#"{"message":"Where is my parcel?"}"#));
    assert_eq!(
        chat.headers["authorization"],
        HeaderValue::Secret {
            prefix: "Bearer ".to_owned(),
            name: "TIDEGATE_SMOKE_CHAT_TOKEN".to_owned()
        }
    );
    assert_eq!(
        chat.headers["content-type"],
        HeaderValue::Plain("application/json".to_owned())
    );
    assert_eq!(intent.path, "/api/v1/classify");
    assert_eq!(intent.expected_json["/intent"], "order_return");
    assert_eq!(intent.expected_headers["content-type"], "application/json*");
    let monitor = target.monitor.as_ref().unwrap();
    assert_eq!((monitor.every_seconds, &monitor.suite), (300, &verify.suite));
    assert_eq!(loaded.catalog.smoke_allow, ["10.0.0.0/8", "internal.acme.example"]);
    assert_eq!(loaded.catalog.services[0].targets[0].verify, None);
}

#[test]
fn without_suites_a_target_is_neither_verified_nor_watched() {
    let loaded = loaded(DEMO);
    assert_eq!(
        (&production(&loaded).verify, &production(&loaded).monitor),
        (&None, &None)
    );
}

#[rstest]
#[case("smoke = \"reference\"", "smoke = \"refrence\"", "did you mean \"reference\"?")]
#[case("suite = \"reference\"", "suite = \"refrence\"", "did you mean \"reference\"?")]
#[case("method = \"POST\"", "method = \"PSOT\"", "did you mean \"POST\"?")]
#[case("path = \"/health\"", "path = \"health\"", "begin it with one slash")]
#[case("path = \"/health\"", "path = \"//elsewhere.example\"", "begin it with one slash")]
#[case("status = 200", "status = 600", "write 100 to 599")]
#[case("status = 200", "status = 99", "write 100 to 599")]
#[case("attempts = 5", "attempts = 0", "write 1 to 20")]
#[case("attempts = 5", "attempts = 21", "write 1 to 20")]
#[case("pause = \"10s\"", "pause = \"301s\"", "write 300s or less")]
#[case("pause = \"10s\"", "pause = \"soon\"", "such as 90s, 15m, 24h")]
#[case("timeout = \"10s\"", "timeout = \"61s\"", "write 60s or less")]
#[case("max_latency_ms = 3000", "max_latency_ms = 0", "write 1 to 60000")]
#[case("name = \"chat_basic\"", "name = \"health_check\"", "a name that no other test")]
#[case("\"/intent\" = ", "\"intent\" = ", "begin it with a slash")]
#[case("\"/intent\" = ", "\"/in~tent\" = ", "write ~ as ~0 and / as ~1")]
#[case("\"order_return\"", "2026-01-01", "write it as text, in quotes")]
#[case("\"order_return\"", "9007199254740993", "write it as text, in quotes")]
#[case("\"order_return\"", "nan", "write it as text, in quotes")]
#[case("\"10.0.0.0/8\"", "\"10.0.0.0/33\"", "neither a host name nor a network")]
#[case("stability_wait = \"2m\"", "stability_wait = \"11m\"", "write 10m or less")]
#[case("every = \"5m\"", "every = \"29s\"", "write 30s to 24h")]
#[case("every = \"5m\"", "every = \"1m\"", "a run of suite \"reference\" may take 110 s")]
#[case("base_url = \"https://chat", "base_url = \"ftp://chat", "only http and https")]
#[case(
    "base_url = \"https://chat.acme.example\"",
    "base_url = \"http://169.254.169.254\"",
    "metadata service"
)]
#[case(
    "base_url = \"https://chat.acme.example\"",
    "base_url = \"http://2130706433\"",
    "add the host or its network to smoke.allow"
)]
#[case(
    "base_url = \"https://chat.acme.example\"",
    "base_url = \"https://chat.acme.example/?a\"",
    "leave out what begins with ?"
)]
fn what_is_wrong_is_told_with_its_line_and_what_to_write(#[case] from: &str, #[case] to: &str, #[case] words: &str) {
    let (count, said) = said(from, to);
    assert!(said.contains(words), "{said}");
    assert_eq!(count, 1, "{said}");
}

#[test]
fn a_suite_without_an_address_or_without_tests_or_without_time_is_refused() {
    let example = example();
    let without = example.replacen("base_url = \"https://chat.acme.example\"\n", "", 1);
    let said = parse("tidegate.toml", &without).unwrap_err().to_string();
    assert!(said.contains("add base_url = \"https://…\""), "{said}");
    let (start, end) = (
        example.find("[[smoke.reference.tests]]").unwrap(),
        example.rfind("[[environments]]").unwrap(),
    );
    let empty = example.replacen(
        &example[start..end],
        "[smoke.reference]\ntests = []\n\n[[environments]]\nname = \"staging\"\n\n",
        1,
    );
    let said = parse("tidegate.toml", &empty).unwrap_err().to_string();
    assert!(said.contains("it would always pass"), "{said}");
    // 5 min of shift, 2 min of waiting, 110 s of tests; those twice where there is a test listener.
    let short = example.replacen("deadline = \"45m\"", "deadline = \"8m\"", 1);
    let said = parse("tidegate.toml", &short).unwrap_err().to_string();
    assert!(
        said.contains("on the test listener and in production, may take 11 min"),
        "{said}"
    );
    let once = short.replacen("test_base_url = \"https://chat.acme.example:8443\"\n", "", 1);
    let said = parse("tidegate.toml", &once).unwrap_err().to_string();
    assert!(said.contains("suite \"reference\" may take 9 min"), "{said}");
}

#[test]
fn what_does_nothing_is_not_left_standing() {
    let text = example().replacen("\nsmoke = \"reference\"\n", "\n", 1);
    let said = parse("tidegate.toml", &text).unwrap_err().to_string();
    assert!(
        said.contains("test_base_url does nothing while the target names no suite"),
        "{said}"
    );
}

#[rstest]
#[case(
    "authorization = \"Bearer canary-secret\"",
    "the value of header authorization is secret"
)]
#[case("cookie = \"a=canary-secret\"", "the value of header cookie is secret")]
#[case("x-api-key = \"canary-secret\"", "the value of header x-api-key is secret")]
#[case("authorization = { secret = \"TIDEGATE_SECRET_KEY\" }", "name it TIDEGATE_SMOKE_")]
#[case("authorization = { secret = \"AWS_SECRET_ACCESS_KEY\" }", "name it TIDEGATE_SMOKE_")]
#[case("authorization = { secret = \"TIDEGATE_SMOKE_\" }", "name it TIDEGATE_SMOKE_")]
#[case("authorization = { value = \"canary-secret\" }", "names no secret")]
#[case("host = \"elsewhere\"", "is set by Tidegate itself")]
fn r33_a_secret_is_named_and_never_written(#[case] header: &str, #[case] words: &str) {
    let line = "authorization = { secret = \"TIDEGATE_SMOKE_CHAT_TOKEN\", prefix = \"Bearer \" }";
    let (_, said) = said(line, header);
    assert!(said.contains(words), "{said}");
    assert!(!said.contains("canary-secret"), "{said}");
}

#[test]
fn a_misspelt_member_of_a_test_is_named_with_the_right_one() {
    let (_, said) = said("attempts = 5", "atempts = 5");
    assert!(said.contains("did you mean `attempts`?"), "{said}");
}
