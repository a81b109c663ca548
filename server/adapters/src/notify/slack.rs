//! Slack, by `chat.postMessage` with Block Kit.
//!
//! Slack takes the same message twice: the notice's id goes along as the message's metadata, where a receiver can tell by
//! it. Source: Slack, "chat.postMessage", "Block Kit reference" (limits), "Message metadata".

use super::{Channel, Message, NotDelivered, Receipt, client, cut, line, send};
use crate::error::chain;
use async_trait::async_trait;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Instant;
use tidegate_domain::notice::Severity;
use url::Url;

/// Slack's own limits, in characters.
const HEADER_MAX: usize = 150;
const FIELD_MAX: usize = 2_000;
const TEXT_MAX: usize = 3_000;
const FIELDS: usize = 10;
const BUTTONS: usize = 25;

/// A channel of a workspace.
#[derive(Debug, Clone)]
pub struct Slack {
    address: String,
    token: SecretString,
    channel: String,
    http: reqwest::Client,
}

#[derive(Debug, Deserialize)]
struct Said {
    ok: bool,
    error: Option<String>,
}

impl Slack {
    /// `api`: such as `https://slack.com/api`; `channel`: `#name` or an id, which the token's bot is in.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(api: &Url, token: SecretString, channel: impl Into<String>) -> Result<Self, reqwest::Error> {
        Ok(Self {
            address: format!("{}/chat.postMessage", api.as_str().trim_end_matches('/')),
            token,
            channel: channel.into(),
            http: client()?,
        })
    }
}

#[async_trait]
impl Channel for Slack {
    async fn deliver(&self, message: &Message, by: Instant) -> Result<Receipt, NotDelivered> {
        let request = self
            .http
            .post(&self.address)
            .bearer_auth(self.token.expose_secret())
            .json(&body(&self.channel, message));
        let answer = send(request, by).await?;
        let status = answer.status();
        if status != StatusCode::OK {
            return Err(NotDelivered::later(format!("Slack answered {}", status.as_u16())));
        }
        let said: Said = answer
            .json()
            .await
            .map_err(|error| NotDelivered::Unknown(chain(&error.without_url())))?;
        if said.ok {
            return Ok(Receipt::default());
        }
        Err(refusal(said.error.as_deref().unwrap_or("no reason"), &self.channel))
    }
}

/// What is wrong with the message stays wrong; the rest people can mend.
fn refusal(error: &str, channel: &str) -> NotDelivered {
    match error {
        "invalid_blocks"
        | "invalid_blocks_format"
        | "msg_too_long"
        | "no_text"
        | "metadata_too_large"
        | "invalid_metadata_format"
        | "invalid_metadata_schema" => NotDelivered::Never(format!("Slack does not take this message: {error}")),
        "channel_not_found" | "not_in_channel" | "is_archived" => NotDelivered::later(format!(
            "{error}: invite the bot into {channel}, or name another channel"
        )),
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" | "missing_scope" => {
            NotDelivered::later(format!(
                "{error}: TIDEGATE_SLACK_TOKEN must be a bot token with chat:write"
            ))
        }
        "internal_error" | "fatal_error" | "request_timeout" => NotDelivered::Unknown(format!("Slack said {error}")),
        other => NotDelivered::later(format!("Slack refused: {other}")),
    }
}

fn body(channel: &str, message: &Message) -> Value {
    let notice = &message.notice;
    let cause = notice.facts.iter().find(|fact| fact.name == "Cause");
    let fallback = match cause {
        Some(cause) => format!("{}: {}", notice.title, line(&cause.words)),
        None => notice.title.clone(),
    };
    json!({
        "channel": channel,
        "text": cut(&escaped(&fallback), TEXT_MAX),
        "blocks": blocks(message),
        "unfurl_links": false,
        "unfurl_media": false,
        "metadata": { "event_type": "tidegate_notice", "event_payload": {
            "id": notice.id, "kind": notice.kind, "deployment": notice.deployment, "environment": notice.environment,
        } },
    })
}

fn blocks(message: &Message) -> Vec<Value> {
    let notice = &message.notice;
    let title = format!("{} {}", mark(notice.severity), notice.title);
    let mut blocks = vec![json!({
        "type": "header", "text": { "type": "plain_text", "text": cut(&line(&title), HEADER_MAX), "emoji": true },
    })];
    let fields: Vec<Value> = notice
        .facts
        .iter()
        .map(|fact| {
            let words = format!("*{}*\n{}", escaped(&fact.name), escaped(&line(&fact.words)));
            json!({ "type": "mrkdwn", "text": cut(&words, FIELD_MAX), "verbatim": true })
        })
        .collect();
    blocks.extend(
        fields
            .chunks(FIELDS)
            .map(|fields| json!({ "type": "section", "fields": fields })),
    );
    let buttons: Vec<Value> = message
        .links
        .iter()
        .take(BUTTONS)
        .map(|link| {
            json!({ "type": "button", "text": { "type": "plain_text", "text": cut(&link.words, 75) }, "url": link.url })
        })
        .collect();
    if !buttons.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": buttons }));
    }
    let foot = format!("{} · {}", notice.kind.words(), notice.at);
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": escaped(&foot) }] }));
    blocks
}

/// Never by colour alone.
const fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "ℹ️",
        Severity::Good => "✅",
        Severity::Warning => "⚠️",
        Severity::Error => "🔴",
        Severity::Critical => "🚨",
    }
}

/// Source: Slack, "Formatting text": the three characters that mean something, so that `<!channel>` calls nobody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::tests_given::message;

    #[test]
    fn a_message_has_a_title_its_facts_and_where_to_look() {
        let body = body("#deploys", &message());
        assert_eq!(body["channel"], "#deploys");
        assert_eq!(
            body["text"],
            "rag sha-1234567 was rolled back in production: cleo asked for it: “slow”"
        );
        let blocks = body["blocks"].as_array().unwrap();
        let kinds: Vec<&str> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["header", "section", "actions", "context"]);
        assert_eq!(
            blocks[0]["text"]["text"],
            "⚠️ rag sha-1234567 was rolled back in production"
        );
        assert_eq!(blocks[1]["fields"][0]["text"], "*Cause*\ncleo asked for it: “slow”");
        assert_eq!(
            blocks[2]["elements"][0]["url"],
            "https://tidegate.example.org/deployments/1"
        );
        assert_eq!(body["metadata"]["event_payload"]["id"], "1.rolled_back.9");
    }

    #[test]
    fn what_a_person_typed_calls_nobody_and_breaks_no_limit() {
        let mut message = message();
        message.notice.facts[0].words = format!("<!channel> <https://evil.example|look> & {}", "x".repeat(5_000));
        let body = body("#deploys", &message);
        let field = body["blocks"][1]["fields"][0]["text"].as_str().unwrap();
        assert!(
            field.contains("&lt;!channel&gt;") && field.contains("&amp;") && !field.contains('<'),
            "{field}"
        );
        assert_eq!(field.chars().count(), 2_000);
        assert!(body["text"].as_str().unwrap().chars().count() <= 3_000);
    }

    #[test]
    fn more_facts_than_a_section_takes_go_into_another() {
        let mut message = message();
        message.notice.facts = vec![message.notice.facts[0].clone(); 11];
        let blocks = blocks(&message);
        assert_eq!(blocks[1]["fields"].as_array().unwrap().len(), 10);
        assert_eq!(blocks[2]["fields"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_refusal_says_what_to_do_and_whether_it_can_help() {
        assert!(matches!(refusal("invalid_blocks", "#x"), NotDelivered::Never(_)));
        let NotDelivered::Later { why, .. } = refusal("not_in_channel", "#deploys") else {
            panic!("people can mend that");
        };
        assert_eq!(
            why,
            "not_in_channel: invite the bot into #deploys, or name another channel"
        );
        assert!(matches!(refusal("fatal_error", "#x"), NotDelivered::Unknown(_)));
    }
}
