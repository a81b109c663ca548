//! PagerDuty, by its Events API v2: one alert for each deployment that needs somebody, and a change event for each one
//! that went live.
//!
//! The deployment's id is the `dedup_key`, so that a hold, its rollback and their end are one alert, however often each
//! is sent. Source: PagerDuty, "Send an alert event", "Send a change event".

use super::{Channel, Message, NotDelivered, Receipt, client, cut, line, send};
use async_trait::async_trait;
use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use std::time::Instant;
use tidegate_domain::notice::{Notice, Page, Severity};
use url::Url;

/// PagerDuty's limit, in characters.
const SUMMARY_MAX: usize = 1_024;

#[derive(Debug, Clone)]
struct Integration {
    address: String,
    key: SecretString,
    http: reqwest::Client,
}

/// Calls people, and tells them that it is over.
#[derive(Debug, Clone)]
pub struct PagerDuty(Integration);

/// Shows beside an incident what went live before it.
#[derive(Debug, Clone)]
pub struct PagerDutyChanges(Integration);

impl PagerDuty {
    /// `events`: such as `https://events.pagerduty.com`; `key`: of an Events API v2 integration.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(events: &Url, key: SecretString) -> Result<Self, reqwest::Error> {
        Integration::new(events, "v2/enqueue", key).map(Self)
    }
}

impl PagerDutyChanges {
    /// As [`PagerDuty::new`].
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(events: &Url, key: SecretString) -> Result<Self, reqwest::Error> {
        Integration::new(events, "v2/change/enqueue", key).map(Self)
    }
}

impl Integration {
    fn new(events: &Url, path: &str, key: SecretString) -> Result<Self, reqwest::Error> {
        Ok(Self {
            address: format!("{}/{path}", events.as_str().trim_end_matches('/')),
            key,
            http: client()?,
        })
    }

    async fn post(&self, mut event: Value, by: Instant) -> Result<Receipt, NotDelivered> {
        event["routing_key"] = Value::from(self.key.expose_secret());
        let answer = send(self.http.post(&self.address).json(&event), by).await?;
        match answer.status() {
            StatusCode::ACCEPTED => Ok(Receipt::default()),
            StatusCode::BAD_REQUEST => Err(invalid(answer).await),
            status => Err(NotDelivered::later(format!("PagerDuty answered {}", status.as_u16()))),
        }
    }
}

/// A wrong key is refused in the same way as a wrong event, and people can mend it.
async fn invalid(answer: Response) -> NotDelivered {
    let said: Value = answer.json().await.unwrap_or_default();
    let errors: Vec<&str> = said["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let errors = errors.join("; ");
    if errors.to_lowercase().contains("routing") {
        NotDelivered::later("PagerDuty does not know the key: TIDEGATE_PAGERDUTY_KEY must be an Events API v2 one")
    } else {
        NotDelivered::Never(format!("PagerDuty does not take this event: {errors}"))
    }
}

#[async_trait]
impl Channel for PagerDuty {
    async fn deliver(&self, message: &Message, by: Instant) -> Result<Receipt, NotDelivered> {
        let page = message.notice.page.unwrap_or(Page::Trigger);
        self.0.post(alert(message, page), by).await
    }
}

#[async_trait]
impl Channel for PagerDutyChanges {
    async fn deliver(&self, message: &Message, by: Instant) -> Result<Receipt, NotDelivered> {
        self.0.post(change(message), by).await
    }
}

fn alert(message: &Message, page: Page) -> Value {
    let notice = &message.notice;
    let action = match page {
        Page::Trigger => "trigger",
        Page::Acknowledge => "acknowledge",
        Page::Resolve => "resolve",
    };
    let mut event = json!({ "event_action": action, "dedup_key": notice.deployment });
    if page == Page::Trigger {
        event["payload"] = json!({
            "summary": cut(&notice.title, SUMMARY_MAX),
            "source": source(notice),
            "severity": severity(notice.severity),
            "timestamp": notice.at,
            "component": notice.service,
            "group": notice.environment,
            "class": notice.kind,
            "custom_details": details(notice),
        });
        event["links"] = links(message);
        event["client"] = "Tidegate".into();
        if let Some(first) = message.links.first() {
            event["client_url"] = first.url.clone().into();
        }
    }
    event
}

fn change(message: &Message) -> Value {
    let notice = &message.notice;
    json!({
        "payload": {
            "summary": cut(&notice.title, SUMMARY_MAX),
            "source": source(notice),
            "timestamp": notice.at,
            "custom_details": details(notice),
        },
        "links": links(message),
    })
}

fn source(notice: &Notice) -> String {
    format!("{}/{}", notice.service, notice.environment)
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info | Severity::Good => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Critical => "critical",
    }
}

fn details(notice: &Notice) -> Value {
    let mut details: Map<String, Value> = notice
        .facts
        .iter()
        .map(|fact| (fact.name.clone(), line(&fact.words).into()))
        .collect();
    details.insert("notice".to_owned(), notice.id.clone().into());
    Value::Object(details)
}

fn links(message: &Message) -> Value {
    message
        .links
        .iter()
        .map(|link| json!({ "href": link.url, "text": link.words }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::tests_given::message;

    #[test]
    fn a_hold_its_rollback_and_the_end_are_one_alert() {
        let message = message();
        for (page, action) in [
            (Page::Trigger, "trigger"),
            (Page::Acknowledge, "acknowledge"),
            (Page::Resolve, "resolve"),
        ] {
            let event = alert(&message, page);
            assert_eq!(event["event_action"], action);
            assert_eq!(event["dedup_key"], "00000000-0000-0000-0000-000000000001");
            assert_eq!(event.get("payload").is_some(), page == Page::Trigger);
        }
    }

    #[test]
    fn an_alert_says_what_where_how_bad_and_where_to_look() {
        let event = alert(&message(), Page::Trigger);
        assert_eq!(
            event["payload"]["summary"],
            "rag sha-1234567 was rolled back in production"
        );
        assert_eq!(event["payload"]["source"], "rag/production");
        assert_eq!(event["payload"]["severity"], "warning");
        assert_eq!(event["payload"]["timestamp"], "2026-03-01T09:30:00.000Z");
        assert_eq!(event["payload"]["custom_details"]["Cause"], "cleo asked for it: “slow”");
        assert_eq!(event["client_url"], "https://tidegate.example.org/deployments/1");
    }

    #[test]
    fn a_change_event_has_no_severity_and_no_key_to_join_by() {
        let event = change(&message());
        assert_eq!(
            event["payload"]["summary"],
            "rag sha-1234567 was rolled back in production"
        );
        assert!(event["payload"].get("severity").is_none() && event.get("dedup_key").is_none());
        assert_eq!(event["links"][0]["text"], "Deployment");
    }
}
