//! Who is told of what: `[notify.slack]`, `[notify.pagerduty]`, `[[notify.webhooks]]` and `[incidents]`, as they are
//! written and as they are meant. No secret is in here: each has its variable in the environment.

use super::{
    check::{is_loopback, known},
    file::{At, File},
    problem::{Problems, closest},
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_adapters::probe::url_safety::{Allow, checked};
use tidegate_domain::{EnvironmentName, ServiceName, notice::NoticeKind};
use url::Url;

/// Whom to tell what. A channel that is left out is not told; changes need a restart.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    pub slack: Option<Slack>,
    pub pagerduty: Option<PagerDuty>,
    pub webhooks: Vec<Webhook>,
}

/// Slack, by a bot's token in `TIDEGATE_SLACK_TOKEN` (scope `chat:write`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// `#name` or a channel's id. The bot must be in it.
    pub channel: At<String>,
    /// Other channels, by environment.
    #[serde(default)]
    pub channels: BTreeMap<String, At<String>>,
    /// What is told; all but `requested` and `started` when left out.
    #[serde(default)]
    pub tell: Option<Vec<At<String>>>,
    #[serde(default = "slack_api")]
    pub api_url: At<String>,
}

fn slack_api() -> At<String> {
    At::absent("https://slack.com/api".to_owned())
}

/// PagerDuty, by the key of an Events API v2 integration in `TIDEGATE_PAGERDUTY_KEY`. Holds and rollbacks call people, and
/// their end tells that it is over.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PagerDuty {
    /// The production ones when left out.
    pub environments: Option<Vec<At<String>>>,
    /// Send a change event for each deployment that went live.
    pub changes: bool,
    pub events_url: At<String>,
}

impl Default for PagerDuty {
    fn default() -> Self {
        Self {
            environments: None,
            changes: true,
            events_url: At::absent("https://events.pagerduty.com".to_owned()),
        }
    }
}

/// A receiver of your own: CloudEvents, signed as Standard Webhooks with `TIDEGATE_WEBHOOK_SECRET`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub name: At<String>,
    pub url: At<String>,
    /// All when left out.
    #[serde(default)]
    pub environments: Option<Vec<At<String>>>,
    /// What is told; everything when left out.
    #[serde(default)]
    pub tell: Option<Vec<At<String>>>,
    /// Hosts and networks that it may reach although they are not public, such as `10.0.0.0/8`.
    #[serde(default)]
    pub allow: Option<At<Vec<String>>>,
}

/// Opens an issue on GitHub for each deployment that went wrong where users may have met it. `TIDEGATE_GITHUB_TOKEN` must
/// be allowed to write issues.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Incidents {
    pub enabled: bool,
    /// `owner/name` for all of them; each service's own repository when left out.
    pub repository: Option<At<String>>,
    pub labels: Vec<String>,
    /// The production ones when left out.
    pub environments: Option<Vec<At<String>>>,
}

impl Default for Incidents {
    fn default() -> Self {
        Self {
            enabled: true,
            repository: None,
            labels: vec!["incident".to_owned()],
            environments: None,
        }
    }
}

/// What all of it means.
#[derive(Debug, Clone, Default)]
pub struct Telling {
    pub slack: Option<SlackRoutes>,
    pub pagerduty: Option<PagerDutyRoute>,
    pub webhooks: Vec<WebhookRoute>,
    pub incidents: Option<IncidentRoute>,
}

#[derive(Debug, Clone)]
pub struct SlackRoutes {
    pub api: Url,
    pub kinds: Vec<NoticeKind>,
    /// Each channel with the environments that it hears of.
    pub channels: BTreeMap<String, Vec<EnvironmentName>>,
}

#[derive(Debug, Clone)]
pub struct PagerDutyRoute {
    pub events: Url,
    pub environments: Vec<EnvironmentName>,
    pub changes: bool,
}

#[derive(Debug, Clone)]
pub struct WebhookRoute {
    pub name: String,
    pub url: Url,
    pub environments: Vec<EnvironmentName>,
    pub kinds: Vec<NoticeKind>,
    pub allow: Allow,
}

#[derive(Debug, Clone)]
pub struct IncidentRoute {
    pub repository: Option<String>,
    /// Each service's own repository.
    pub repositories: BTreeMap<ServiceName, String>,
    pub labels: Vec<String>,
    pub environments: Vec<EnvironmentName>,
}

/// What Slack is not told, unless it is asked for: what follows at once is told anyway.
const QUIET: [NoticeKind; 2] = [NoticeKind::Requested, NoticeKind::Started];

pub(super) fn settings(file: &File, problems: &mut Problems) -> Telling {
    let all = environments(file, |_| true);
    let production = environments(file, |production| production);
    let notify = &file.notify;
    let incidents = file.incidents.as_ref().filter(|incidents| incidents.enabled);
    Telling {
        slack: notify
            .slack
            .as_ref()
            .and_then(|slack| slack_routes(slack, &all, problems)),
        pagerduty: notify.pagerduty.as_ref().and_then(|pagerduty| {
            Some(PagerDutyRoute {
                environments: chosen(pagerduty.environments.as_deref(), &production, &all, problems),
                changes: pagerduty.changes,
                events: address("notify.pagerduty.events_url", &pagerduty.events_url, problems)?,
            })
        }),
        webhooks: webhooks(&notify.webhooks, &all, problems),
        incidents: incidents.map(|incidents| incident_route(incidents, file, &production, &all, problems)),
    }
}

fn environments(file: &File, wanted: impl Fn(bool) -> bool) -> Vec<EnvironmentName> {
    file.environments
        .iter()
        .filter(|environment| wanted(environment.production))
        .filter_map(|environment| EnvironmentName::new(environment.name.get().clone()).ok())
        .collect()
}

/// Those that are named, else the usual ones.
fn chosen(
    named: Option<&[At<String>]>,
    usual: &[EnvironmentName],
    all: &[EnvironmentName],
    problems: &mut Problems,
) -> Vec<EnvironmentName> {
    let Some(named) = named else {
        return usual.to_vec();
    };
    let names: Vec<&str> = all.iter().map(EnvironmentName::as_str).collect();
    named
        .iter()
        .filter(|name| known(name, "environment", &names, problems))
        .filter_map(|name| EnvironmentName::new(name.get().clone()).ok())
        .collect()
}

fn kinds(tell: Option<&[At<String>]>, usual: Vec<NoticeKind>, problems: &mut Problems) -> Vec<NoticeKind> {
    let Some(tell) = tell else { return usual };
    let mut kinds = Vec::new();
    for name in tell {
        match NoticeKind::ALL.iter().find(|kind| kind.name() == name.get()) {
            Some(kind) => kinds.push(*kind),
            None => {
                let names: Vec<&str> = NoticeKind::ALL.iter().map(|kind| kind.name()).collect();
                let suggestion = match closest(name.get(), names.iter().copied()) {
                    Some(candidate) => format!("did you mean {candidate:?}?"),
                    None => format!("there are: {}", names.join(", ")),
                };
                let message = format!("{:?} is nothing that is told", name.get());
                problems.add(name.span(), message, Some(suggestion));
            }
        }
    }
    kinds
}

/// Tokens go there: over HTTPS, or to this machine itself.
fn address(what: &str, text: &At<String>, problems: &mut Problems) -> Option<Url> {
    let url = Url::parse(text.get())
        .ok()
        .filter(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)));
    if url.is_none() {
        problems.add(
            text.span(),
            format!("{what} is no address that a secret may be sent to"),
            Some("write https://…".to_owned()),
        );
    }
    url
}

fn slack_routes(slack: &Slack, all: &[EnvironmentName], problems: &mut Problems) -> Option<SlackRoutes> {
    let names: Vec<&str> = all.iter().map(EnvironmentName::as_str).collect();
    for (environment, channel) in &slack.channels {
        if !names.contains(&environment.as_str()) {
            let suggestion = closest(environment, names.iter().copied()).map(|name| format!("did you mean {name:?}?"));
            problems.add(
                channel.span(),
                format!("there is no environment {environment:?}"),
                suggestion,
            );
        }
    }
    for channel in std::iter::once(&slack.channel).chain(slack.channels.values()) {
        let name = channel.get();
        let id = name.len() > 8 && name.starts_with(['C', 'G']) && name.bytes().all(|b| b.is_ascii_alphanumeric());
        if !(id || name.len() > 1 && name.starts_with('#')) {
            problems.add(
                channel.span(),
                format!("{name:?} is no Slack channel"),
                Some("write its name such as \"#deploys\", or its id such as \"C0123456789\"".to_owned()),
            );
        }
    }
    let mut channels: BTreeMap<String, Vec<EnvironmentName>> = BTreeMap::new();
    for environment in all {
        let channel = slack.channels.get(environment.as_str()).unwrap_or(&slack.channel);
        channels
            .entry(channel.get().clone())
            .or_default()
            .push(environment.clone());
    }
    let usual = NoticeKind::ALL
        .iter()
        .copied()
        .filter(|kind| !QUIET.contains(kind))
        .collect();
    Some(SlackRoutes {
        api: address("notify.slack.api_url", &slack.api_url, problems)?,
        kinds: kinds(slack.tell.as_deref(), usual, problems),
        channels,
    })
}

fn webhooks(webhooks: &[Webhook], all: &[EnvironmentName], problems: &mut Problems) -> Vec<WebhookRoute> {
    let mut routes: Vec<WebhookRoute> = Vec::new();
    for webhook in webhooks {
        if routes.iter().any(|route| route.name == *webhook.name.get()) {
            let message = format!("the webhook {:?} is there twice", webhook.name.get());
            problems.add(
                webhook.name.span(),
                message,
                Some("give each a name of its own".to_owned()),
            );
        }
        let (Some(url), Some(allow)) = (address("url", &webhook.url, problems), allowed(webhook, problems)) else {
            continue;
        };
        if let Err(why) = checked(url.clone(), &allow) {
            let suggestion = "write a public address, or name the host or network in allow".to_owned();
            problems.add(webhook.url.span(), why.to_string(), Some(suggestion));
        }
        routes.push(WebhookRoute {
            name: webhook.name.get().clone(),
            url,
            environments: chosen(webhook.environments.as_deref(), all, all, problems),
            kinds: kinds(webhook.tell.as_deref(), NoticeKind::ALL.to_vec(), problems),
            allow,
        });
    }
    routes
}

fn allowed(webhook: &Webhook, problems: &mut Problems) -> Option<Allow> {
    let Some(entries) = &webhook.allow else {
        return Some(Allow::default());
    };
    Allow::parse(entries.get())
        .map_err(|error| problems.add(entries.span(), error.to_string(), None))
        .ok()
}

fn incident_route(
    incidents: &Incidents,
    file: &File,
    production: &[EnvironmentName],
    all: &[EnvironmentName],
    problems: &mut Problems,
) -> IncidentRoute {
    if let Some(repository) = &incidents.repository
        && repository.get().split('/').filter(|part| !part.is_empty()).count() != 2
    {
        problems.add(
            repository.span(),
            format!("{:?} is no repository", repository.get()),
            Some("write OWNER/NAME, or leave it out for each service's own".to_owned()),
        );
    }
    IncidentRoute {
        repository: incidents.repository.as_ref().map(|repository| repository.get().clone()),
        repositories: file
            .services
            .iter()
            .filter_map(|service| {
                let name = ServiceName::new(service.name.get().clone()).ok()?;
                Some((name, service.repository.get().clone()))
            })
            .collect(),
        labels: incidents.labels.clone(),
        environments: chosen(incidents.environments.as_deref(), production, all, problems),
    }
}

#[cfg(test)]
#[path = "notify_tests.rs"]
mod tests;
