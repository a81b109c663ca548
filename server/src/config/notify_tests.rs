//! Who is told of what, as the file says it.

use super::*;
use crate::config::parse;

const DEMO: &str = include_str!("../../../infra/demo/tidegate.toml");

/// The example without its own channels, and with these.
fn with(text: &str) -> Result<Telling, String> {
    let begin = DEMO.find("# Who is told").unwrap_or(DEMO.len());
    let end = DEMO.find("# Roles come from").expect("the roles");
    let rest = if begin < end {
        format!("{}{}", &DEMO[..begin], &DEMO[end..])
    } else {
        DEMO.to_owned()
    };
    let text = format!("{rest}\n{text}");
    match parse("tidegate.toml", &text) {
        Ok(loaded) => Ok(loaded.settings.notify),
        Err(problems) => Err(problems.to_string()),
    }
}

fn names(environments: &[EnvironmentName]) -> Vec<&str> {
    environments.iter().map(EnvironmentName::as_str).collect()
}

#[test]
fn nobody_is_told_unless_it_is_configured() {
    let telling = with("").unwrap();
    assert!(telling.slack.is_none() && telling.pagerduty.is_none() && telling.incidents.is_none());
    assert!(telling.webhooks.is_empty());
}

#[test]
fn slack_has_a_channel_for_all_environments_and_others_for_some() {
    let text = "[notify.slack]\nchannel = \"#deploys\"\nchannels = { staging = \"#staging\" }";
    let slack = with(text).unwrap().slack.unwrap();
    assert_eq!(names(&slack.channels["#deploys"]), ["production"]);
    assert_eq!(names(&slack.channels["#staging"]), ["staging"]);
    assert!(!slack.kinds.contains(&NoticeKind::Requested) && slack.kinds.contains(&NoticeKind::Held));
    assert_eq!(slack.api.as_str(), "https://slack.com/api");
}

#[test]
fn people_are_called_and_tickets_opened_for_production_unless_said_otherwise() {
    let telling = with("[notify.pagerduty]\n[incidents]\n").unwrap();
    assert_eq!(names(&telling.pagerduty.unwrap().environments), ["production"]);
    let incidents = telling.incidents.unwrap();
    assert_eq!(names(&incidents.environments), ["production"]);
    assert_eq!(incidents.labels, ["incident"]);
    assert_eq!(incidents.repositories[&ServiceName::new("rag").unwrap()], "acme/rag");
    assert!(with("[incidents]\nenabled = false").unwrap().incidents.is_none());
}

#[test]
fn what_is_wrong_is_named_with_line_and_what_to_write() {
    for (text, where_it_is, said) in [
        ("[notify.slack]\nchannel = \"deploys\"", ":11: ", "\"#deploys\""),
        (
            "[notify.slack]\nchannel = \"#deploys\"\nchannels = { stagin = \"#s\" }",
            ":23: ",
            "did you mean \"staging\"?",
        ),
        (
            "[notify.slack]\nchannel = \"#deploys\"\ntell = [\"hold\"]",
            ":9: ",
            "did you mean \"held\"?",
        ),
        (
            "[notify.slack]\nchannel = \"#deploys\"\napi_url = \"http://slack.example.org\"",
            ":11: ",
            "write https://",
        ),
        (
            "[notify.pagerduty]\nenvironments = [\"prodution\"]",
            ":17: ",
            "did you mean \"production\"?",
        ),
        (
            "[[notify.webhooks]]\nname = \"audit\"\nurl = \"https://10.0.0.7/x\"",
            ":7: ",
            "name the host or network in allow",
        ),
        (
            "[[notify.webhooks]]\nname = \"audit\"\nurl = \"https://10.0.0.7/x\"\nallow = [\"10.0.0.0/99\"]",
            ":9: ",
            "10.0.0.0/8",
        ),
        ("[incidents]\nrepository = \"acme\"", ":14: ", "write OWNER/NAME"),
        ("[notify.slak]\nchannel = \"#deploys\"", ":", "did you mean `slack`?"),
    ] {
        let error = with(text).unwrap_err();
        let first = error.lines().next().unwrap_or_default();
        assert!(first.contains(where_it_is) && error.contains(said), "{text}\n{error}");
    }
}

#[test]
fn r33_a_secret_in_the_file_is_refused_and_not_shown() {
    let error = with("[notify.slack]\nchannel = \"#deploys\"\ntoken = \"xoxb-canary\"").unwrap_err();
    assert!(
        error.contains("unknown field `token`") && !error.contains("xoxb-canary"),
        "{error}"
    );
}
