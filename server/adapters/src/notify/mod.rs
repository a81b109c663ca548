//! The channels by which people are told: Slack, PagerDuty, signed webhooks, and tickets on GitHub.
//!
//! A channel makes one attempt and says how it went; whoever calls keeps count and decides about the next. The one
//! invariant: an attempt is one HTTP request that changes something, sent before `by` or not at all, and it bears the
//! notice's id, which is the same in every attempt. What a person typed is escaped for the channel's markup.

mod issue;
mod pagerduty;
mod slack;
#[cfg(test)]
mod tests_given;
mod webhook;

pub use issue::{IncidentIssues, Targets};
pub use pagerduty::{PagerDuty, PagerDutyChanges};
pub use slack::Slack;
pub use webhook::{InvalidSigningKey, SigningKey, Webhook};

use crate::error::chain;
use async_trait::async_trait;
use reqwest::{RequestBuilder, Response, StatusCode, header, redirect};
use std::time::{Duration, Instant};
use tidegate_domain::{Timestamp, notice::Notice};

/// The longest one attempt takes.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A notice, and what was looked up for it.
#[derive(Debug, Clone)]
pub struct Message {
    pub notice: Notice,
    /// Where to look, the most useful first.
    pub links: Vec<Link>,
    /// Health data of the deployment in Markdown, such as a table, where there is any.
    pub health: Option<String>,
    /// From 1. From 2 on, an earlier one may have arrived.
    pub attempt: i64,
    /// The database's time of the attempt.
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub words: String,
    pub url: String,
}

/// It arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// What was made, where that has an address.
    pub link: Option<String>,
}

/// Why it did not arrive, as far as is known. The words never hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDelivered {
    /// This message is never going to be taken.
    #[error("{0}")]
    Never(String),
    /// It was refused, and may be taken later. `after`: not before, as the receiver said.
    #[error("{why}")]
    Later { why: String, after: Option<Duration> },
    /// No clear answer: it may have arrived.
    #[error("no clear answer: {0}")]
    Unknown(String),
}

impl NotDelivered {
    fn later(why: impl Into<String>) -> Self {
        Self::Later {
            why: why.into(),
            after: None,
        }
    }
}

/// One way to tell people.
#[async_trait]
pub trait Channel: Send + Sync {
    /// # Errors
    /// It was refused, or nothing is known.
    async fn deliver(&self, message: &Message, by: Instant) -> Result<Receipt, NotDelivered>;
}

fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .user_agent(crate::github::USER_AGENT)
        .timeout(PATIENCE)
        .redirect(redirect::Policy::none())
        .build()
}

/// Sends it, unless it is too late.
async fn send(request: RequestBuilder, by: Instant) -> Result<Response, NotDelivered> {
    if Instant::now() >= by {
        return Err(NotDelivered::later("the time to send it ran out"));
    }
    let answer = request.send().await.map_err(|error| unanswered(&error.without_url()))?;
    if answer.status() == StatusCode::TOO_MANY_REQUESTS {
        return Err(NotDelivered::Later {
            why: "it asks for fewer messages".to_owned(),
            after: retry_after(&answer),
        });
    }
    if answer.status().is_server_error() {
        return Err(NotDelivered::Unknown(format!(
            "it answered {}",
            answer.status().as_u16()
        )));
    }
    Ok(answer)
}

/// What never had a connection never arrived.
fn unanswered(error: &reqwest::Error) -> NotDelivered {
    let words = chain(error);
    if error.is_connect() {
        NotDelivered::later(words)
    } else {
        NotDelivered::Unknown(words)
    }
}

/// In seconds (RFC 9110, 10.2.3); as a date it is left out.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// At most so many characters, the last being an ellipsis where something was left out.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// One line, whatever was typed.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_by_characters_and_says_so() {
        assert_eq!(cut("größer", 6), "größer");
        assert_eq!(cut("größer", 4), "grö…");
        assert_eq!(line("a\r\n b\tc "), "a b c");
    }
}
