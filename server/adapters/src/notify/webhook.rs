//! A receiver of the team's own: a CloudEvent in a POST, signed as Standard Webhooks.
//!
//! The one invariant (R31): a connection is only ever opened to an address that was checked, as [`crate::probe`] does it:
//! the host is resolved once for each attempt, every address found is checked, and the connection goes to one of those. No
//! redirect is followed. Source: standardwebhooks.com 1.0.0 (headers, signature); CloudEvents 1.0.2, JSON event format.

use super::{Channel, Message, NotDelivered, PATIENCE, Receipt, send};
use crate::{
    error::chain,
    probe::{
        Resolver,
        url_safety::{Allow, Unsafe, checked},
    },
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use reqwest::{StatusCode, header, redirect};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{net::SocketAddr, sync::Arc, time::Instant};
use tidegate_domain::time::SECOND;
use url::{Host, Url};

/// Bytes of a key, at least and at most (Standard Webhooks, "Symmetric").
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The key that signs: `whsec_` and base64.
#[derive(Clone)]
pub struct SigningKey(SecretSlice<u8>);

/// A text that is no such key. Never shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a webhook's secret is whsec_ and 24 to 64 bytes in base64; make one with `printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\"`"
)]
pub struct InvalidSigningKey;

impl SigningKey {
    /// # Errors
    /// A text that is no key.
    pub fn parse(text: &SecretString) -> Result<Self, InvalidSigningKey> {
        let text = text.expose_secret().trim();
        let key = STANDARD
            .decode(text.strip_prefix("whsec_").ok_or(InvalidSigningKey)?)
            .map_err(|_| InvalidSigningKey)?;
        if !KEY_BYTES.contains(&key.len()) {
            return Err(InvalidSigningKey);
        }
        Ok(Self(key.into()))
    }

    /// `v1,…` over id, moment and body.
    fn sign(&self, id: &str, seconds: i64, body: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).ok()?;
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

/// An address, and who may be behind it.
#[derive(Clone)]
pub struct Webhook {
    url: Url,
    key: SigningKey,
    /// Where events come from: Tidegate's own address.
    source: Url,
    allow: Allow,
    resolver: Arc<dyn Resolver>,
}

impl Webhook {
    pub fn new(url: Url, key: SigningKey, source: Url, allow: Allow, resolver: Arc<dyn Resolver>) -> Self {
        Self {
            url,
            key,
            source,
            allow,
            resolver,
        }
    }

    /// A client that connects to addresses that were checked, and to no others.
    async fn client(&self) -> Result<reqwest::Client, NotDelivered> {
        let refused = |Unsafe(why)| NotDelivered::later(why);
        let url = checked(self.url.clone(), &self.allow).map_err(refused)?;
        let mut client = reqwest::Client::builder()
            .no_proxy()
            .user_agent(crate::github::USER_AGENT)
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none());
        if let Some(Host::Domain(host)) = url.host() {
            let found = self.resolver.resolve(host).await;
            let found = found.map_err(|error| NotDelivered::later(format!("{host} cannot be resolved: {error}")))?;
            if found.is_empty() {
                return Err(NotDelivered::later(format!("{host} resolves to nothing")));
            }
            for address in &found {
                self.allow.check(host, *address).map_err(refused)?;
            }
            let port = url.port_or_known_default().unwrap_or_default();
            let found: Vec<SocketAddr> = found.into_iter().map(|address| (address, port).into()).collect();
            client = client.resolve_to_addrs(host, &found);
        }
        client.build().map_err(|error| NotDelivered::later(chain(&error)))
    }
}

#[async_trait]
impl Channel for Webhook {
    async fn deliver(&self, message: &Message, by: Instant) -> Result<Receipt, NotDelivered> {
        let client = self.client().await?;
        let id = &message.notice.id;
        let body = event(message, &self.source).to_string();
        let seconds = message.now.millis() / SECOND;
        let signature = self
            .key
            .sign(id, seconds, &body)
            .ok_or_else(|| NotDelivered::later("it could not be signed"))?;
        let request = client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/cloudevents+json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(body);
        let status = send(request, by).await?.status();
        if status.is_success() {
            return Ok(Receipt::default());
        }
        Err(match status {
            // Standard Webhooks: it wants no more of them.
            StatusCode::GONE => NotDelivered::Never("it answered 410: it wants no more messages".to_owned()),
            _ => NotDelivered::later(format!("it answered {}", status.as_u16())),
        })
    }
}

/// In structured mode; the id is the notice's, so that a receiver knows a message that it had.
fn event(message: &Message, source: &Url) -> Value {
    let notice = &message.notice;
    let links: Vec<Value> = message
        .links
        .iter()
        .map(|link| json!({ "words": link.words, "url": link.url }))
        .collect();
    json!({
        "specversion": "1.0",
        "id": notice.id,
        "source": source.as_str(),
        "type": format!("dev.tidegate.deployment.{}.v1", notice.kind),
        "subject": format!("deployments/{}", notice.deployment),
        "time": notice.at,
        "datacontenttype": "application/json",
        "data": {
            "deployment": notice.deployment, "service": notice.service, "environment": notice.environment,
            "release": notice.release, "kind": notice.kind, "severity": notice.severity, "title": notice.title,
            "facts": notice.facts, "links": links,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::tests_given::message;
    use std::{io, net::IpAddr};

    struct Fixed(&'static str);

    #[async_trait]
    impl Resolver for Fixed {
        async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
            Ok(vec![self.0.parse().unwrap()])
        }
    }

    fn webhook(url: &str, resolves_to: &'static str, allow: &[&str]) -> Webhook {
        Webhook::new(
            url.parse().unwrap(),
            SigningKey::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap(),
            "https://tidegate.example.org".parse().unwrap(),
            Allow::parse(allow).unwrap(),
            Arc::new(Fixed(resolves_to)),
        )
    }

    #[test]
    fn a_signature_is_that_of_the_published_example() {
        // Standard Webhooks' and Svix' documentation: this key, id, moment and body.
        let key = SigningKey::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn r33_a_key_that_is_none_is_refused_and_not_shown() {
        for bad in [
            "",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_canary!",
            "whsec_Y2FuYXJ5",
        ] {
            let error = SigningKey::parse(&bad.into()).err().unwrap().to_string();
            assert!(error.contains("openssl rand") && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn an_event_is_a_cloud_event_with_the_notices_id() {
        let event = event(&message(), &"https://tidegate.example.org".parse().unwrap());
        for (name, value) in [
            ("specversion", "1.0"),
            ("id", "1.rolled_back.9"),
            ("source", "https://tidegate.example.org/"),
            ("type", "dev.tidegate.deployment.rolled_back.v1"),
            ("subject", "deployments/00000000-0000-0000-0000-000000000001"),
            ("time", "2026-03-01T09:30:00.000Z"),
        ] {
            assert_eq!(event[name], value, "{name}");
        }
        assert_eq!(event["data"]["facts"][0]["name"], "Cause");
    }

    #[tokio::test]
    async fn r31_a_name_that_resolves_to_the_inside_is_never_connected_to() {
        for (url, address) in [
            ("https://hooks.acme.example/x", "10.0.0.7"),
            ("https://hooks.acme.example/x", "169.254.169.254"),
            ("https://hooks.acme.example/x", "::ffff:127.0.0.1"),
            ("http://127.0.0.1:9443/x", "8.8.8.8"),
        ] {
            let by = Instant::now() + PATIENCE;
            let refused = webhook(url, address, &[]).deliver(&message(), by).await.unwrap_err();
            assert!(matches!(refused, NotDelivered::Later { .. }), "{refused:?}");
            assert!(refused.to_string().contains(" is "), "{refused}");
        }
    }
}
