//! The channels by which people are told, out of the configuration and the secrets.

use super::Failure;
use crate::{
    config::{Secrets, SecretsError, Settings},
    worker::{Channels, Hears, Measured, Outbox, OutboxOptions, Routed},
};
use secrecy::SecretString;
use std::sync::Arc;
use tidegate_adapters::{
    GithubClient,
    notify::{Channel, IncidentIssues, PagerDuty, PagerDutyChanges, SigningKey, Slack, Targets, Webhook},
    probe::SystemResolver,
};
use tidegate_domain::{EnvironmentName, notice::NoticeKind};
use tidegate_store::Db;

pub(super) fn outbox(db: &Db, github: GithubClient, settings: &Settings, secrets: &Secrets) -> Result<Outbox, Failure> {
    let channels = Channels {
        list: channels(github, settings, secrets)?,
        public_url: settings.public_url.clone(),
        github_web: settings.github.web_url.get().trim_end_matches('/').to_owned(),
    };
    let options = OutboxOptions::new(uuid::Uuid::now_v7().to_string());
    Ok(Outbox::new(db.clone(), channels, options).with_health(Arc::new(Measured(db.clone()))))
}

fn channels(github: GithubClient, settings: &Settings, secrets: &Secrets) -> Result<Vec<Routed>, Failure> {
    let mut list = Vec::new();
    let telling = &settings.notify;
    if let Some(slack) = &telling.slack {
        let token = needed("TIDEGATE_SLACK_TOKEN", secrets.slack_token.as_ref())?;
        for (channel, environments) in &slack.channels {
            let name = format!("Slack {channel}");
            let channel = Slack::new(&slack.api, token.clone(), channel)?;
            list.push(routed(name, channel, environments, Hears::Kinds(slack.kinds.clone())));
        }
    }
    if let Some(pagerduty) = &telling.pagerduty {
        let key = needed("TIDEGATE_PAGERDUTY_KEY", secrets.pagerduty_key.as_ref())?;
        let alerts = PagerDuty::new(&pagerduty.events, key.clone())?;
        list.push(routed("PagerDuty", alerts, &pagerduty.environments, Hears::Pages));
        if pagerduty.changes {
            let changes = PagerDutyChanges::new(&pagerduty.events, key)?;
            let hears = Hears::Kinds(vec![NoticeKind::Succeeded]);
            list.push(routed("PagerDuty changes", changes, &pagerduty.environments, hears));
        }
    }
    if !telling.webhooks.is_empty() {
        let key = SigningKey::parse(&needed("TIDEGATE_WEBHOOK_SECRET", secrets.webhook_secret.as_ref())?)?;
        for webhook in &telling.webhooks {
            let channel = Webhook::new(
                webhook.url.clone(),
                key.clone(),
                settings.public_url.clone(),
                webhook.allow.clone(),
                Arc::new(SystemResolver),
            );
            let hears = Hears::Kinds(webhook.kinds.clone());
            list.push(routed(
                format!("webhook {}", webhook.name),
                channel,
                &webhook.environments,
                hears,
            ));
        }
    }
    if let Some(incidents) = &telling.incidents {
        let targets = Targets {
            all: incidents.repository.clone(),
            own: incidents.repositories.clone(),
        };
        let issues = IncidentIssues::new(github, targets, incidents.labels.clone());
        list.push(routed(
            "GitHub issue",
            issues,
            &incidents.environments,
            Hears::Incidents,
        ));
    }
    Ok(list)
}

fn routed(
    name: impl Into<String>,
    channel: impl Channel + 'static,
    environments: &[EnvironmentName],
    hears: Hears,
) -> Routed {
    Routed {
        name: name.into(),
        channel: Arc::new(channel),
        environments: environments.to_vec(),
        hears,
    }
}

/// A channel that is configured needs its secret.
fn needed(name: &'static str, secret: Option<&SecretString>) -> Result<SecretString, SecretsError> {
    secret.cloned().ok_or(SecretsError::Missing(name))
}
