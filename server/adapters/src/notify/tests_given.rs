//! A message to send.

use super::{Link, Message};
use std::str::FromStr as _;
use tidegate_domain::{
    DeploymentId, EnvironmentName, ReleaseId, ServiceName,
    notice::{Fact, Notice, NoticeKind, Page, Severity},
};

pub(super) fn message() -> Message {
    let fact = |name: &str, words: &str| Fact {
        name: name.to_owned(),
        words: words.to_owned(),
    };
    Message {
        notice: Notice {
            id: "1.rolled_back.9".to_owned(),
            kind: NoticeKind::RolledBack,
            severity: Severity::Warning,
            deployment: DeploymentId::from_str("00000000-0000-0000-0000-000000000001").unwrap(),
            sequence: 9,
            service: ServiceName::new("rag").unwrap(),
            environment: EnvironmentName::new("production").unwrap(),
            release: ReleaseId::from_str("00000000-0000-0000-0000-000000000002").unwrap(),
            at: "2026-03-01T09:30:00Z".parse().unwrap(),
            title: "rag sha-1234567 was rolled back in production".to_owned(),
            facts: vec![
                fact("Cause", "cleo asked for it: “slow”"),
                fact("Failure", "Bad code passed the tests"),
                fact("Decision to all traffic back", "45 s of 1 min 30 s, never over 2 min"),
            ],
            page: Some(Page::Resolve),
            incident: true,
        },
        links: vec![Link {
            words: "Deployment".to_owned(),
            url: "https://tidegate.example.org/deployments/1".to_owned(),
        }],
        health: None,
        attempt: 1,
        now: "2026-03-01T09:30:05Z".parse().unwrap(),
    }
}
