//! A ticket for what went wrong: an issue on GitHub, left open for people.
//!
//! GitHub opens a second issue as readily as the first. So the body bears the notice's id in an HTML comment, and before
//! any attempt but the first, the repository's issues are searched for it: an answer that was lost opens none twice.

use super::{Channel, Message, NotDelivered, Receipt, cut, line};
use crate::{CallError, GithubClient, NewIssue};
use async_trait::async_trait;
use std::{collections::BTreeMap, fmt::Write as _, time::Instant};
use tidegate_domain::{ServiceName, time::MINUTE};

/// GitHub's limit, in characters.
const TITLE_MAX: usize = 256;
/// GitHub's limit is 65,536 characters; what is longer is health data, and is cut.
const BODY_MAX: usize = 60_000;

/// Into which repository the tickets of a service go.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// One for all of them.
    pub all: Option<String>,
    /// The service's own, where there is no one for all.
    pub own: BTreeMap<ServiceName, String>,
}

/// Opens the tickets.
#[derive(Debug, Clone)]
pub struct IncidentIssues {
    github: GithubClient,
    targets: Targets,
    labels: Vec<String>,
}

impl Targets {
    fn of(&self, service: &ServiceName) -> Option<&str> {
        self.all.as_ref().or_else(|| self.own.get(service)).map(String::as_str)
    }
}

impl IncidentIssues {
    pub const fn new(github: GithubClient, targets: Targets, labels: Vec<String>) -> Self {
        Self {
            github,
            targets,
            labels,
        }
    }
}

#[async_trait]
impl Channel for IncidentIssues {
    async fn deliver(&self, message: &Message, by: Instant) -> Result<Receipt, NotDelivered> {
        let service = &message.notice.service;
        let repository = self.targets.of(service).ok_or_else(|| {
            NotDelivered::Never(format!(
                "{service} is in the configuration no more, so nobody knows its repository"
            ))
        })?;
        let marker = marker(&message.notice.id);
        if message.attempt > 1 {
            // GitHub's clock is not the database's.
            let since = message.notice.at.plus_millis(-10 * MINUTE);
            let found = self.github.find_issue(repository, &marker, since).await;
            if let Some(link) = found.map_err(|error| before_it(&error))? {
                return Ok(Receipt { link: Some(link) });
            }
        }
        if Instant::now() >= by {
            return Err(NotDelivered::later("the time to send it ran out"));
        }
        let issue = NewIssue {
            title: cut(&line(&message.notice.title), TITLE_MAX),
            body: body(message, &marker),
            labels: self.labels.clone(),
        };
        match self.github.open_issue(repository, &issue).await {
            Ok(link) => Ok(Receipt { link: Some(link) }),
            Err(error) => Err(not_opened(&error, repository)),
        }
    }
}

/// Nothing was opened: only looked for.
fn before_it(error: &CallError) -> NotDelivered {
    NotDelivered::later(format!("whether it was opened before could not be read: {error}"))
}

fn not_opened(error: &CallError, repository: &str) -> NotDelivered {
    match error {
        CallError::Unknown(why) => NotDelivered::Unknown(why.clone()),
        CallError::Refused { code, .. } if code == "HTTP 422" => {
            NotDelivered::Never(format!("GitHub does not take this issue: {error}"))
        }
        CallError::Refused { code, .. } if matches!(code.as_str(), "HTTP 403" | "HTTP 404" | "HTTP 410") => {
            NotDelivered::later(format!(
                "{error}: {repository} must have issues, and TIDEGATE_GITHUB_TOKEN must be allowed to write them"
            ))
        }
        CallError::Refused { .. } => NotDelivered::later(error.to_string()),
    }
}

fn marker(id: &str) -> String {
    format!("<!-- tidegate-notice: {id} -->")
}

fn body(message: &Message, marker: &str) -> String {
    let notice = &message.notice;
    let mut text = format!("{marker}\n**{}**\n\n| | |\n|---|---|\n", escaped(&notice.title));
    for fact in &notice.facts {
        let _ = writeln!(text, "| {} | {} |", escaped(&fact.name), escaped(&fact.words));
    }
    let _ = writeln!(text, "| When | {} |", notice.at);
    if !message.links.is_empty() {
        let links: Vec<String> = message
            .links
            .iter()
            .map(|link| format!("[{}]({})", escaped(&link.words), link.url))
            .collect();
        let _ = write!(text, "\n{}\n", links.join(" · "));
    }
    if let Some(health) = &message.health {
        let _ = write!(text, "\n### Health\n\n{health}\n");
    }
    cut(&text, BODY_MAX)
}

/// Plain text as Markdown shows it: no markup, no HTML, no mention that calls anybody, and within a table's cell.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in line(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // GitHub makes a mention of what it renders, so a character that is not seen stands in between.
            '@' => safe.push_str("@\u{200b}"),
            '#' => safe.push_str("#\u{200b}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' => {
                safe.push('\\');
                safe.push(c);
            }
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::tests_given::message;

    #[test]
    fn a_ticket_says_why_how_fast_and_where_to_look() {
        let body = body(&message(), &marker("1.rolled_back.9"));
        assert_eq!(
            body,
            "<!-- tidegate-notice: 1.rolled_back.9 -->\n\
             **rag sha-1234567 was rolled back in production**\n\n\
             | | |\n|---|---|\n\
             | Cause | cleo asked for it: “slow” |\n\
             | Failure | Bad code passed the tests |\n\
             | Decision to all traffic back | 45 s of 1 min 30 s, never over 2 min |\n\
             | When | 2026-03-01T09:30:00.000Z |\n\n\
             [Deployment](https://tidegate.example.org/deployments/1)\n"
        );
    }

    #[test]
    fn health_data_is_shown_as_the_table_that_it_is() {
        let mut message = message();
        message.health = Some("| rule | seen |\n|---|---|\n| 5xx | 3 % |".to_owned());
        assert!(body(&message, "m").ends_with("### Health\n\n| rule | seen |\n|---|---|\n| 5xx | 3 % |\n"));
    }

    #[test]
    fn what_a_person_typed_is_neither_markup_nor_a_mention_nor_another_tickets_marker() {
        let typed = "@acme/all <!-- tidegate-notice: 2 --> | **x**\n# y";
        assert_eq!(
            escaped(typed),
            "@\u{200b}acme/all &lt;\\!-- tidegate-notice: 2 --&gt; \\| \\*\\*x\\*\\* #\u{200b} y"
        );
    }

    #[test]
    fn one_repository_for_all_goes_before_the_services_own() {
        let rag = ServiceName::new("rag").unwrap();
        let mut targets = Targets {
            all: None,
            own: BTreeMap::from([(rag.clone(), "acme/rag".to_owned())]),
        };
        assert_eq!(targets.of(&rag), Some("acme/rag"));
        targets.all = Some("acme/incidents".to_owned());
        assert_eq!(targets.of(&rag), Some("acme/incidents"));
    }

    #[test]
    fn a_token_that_may_not_write_issues_is_something_people_can_mend() {
        let error = CallError::refused("HTTP 403", "Resource not accessible by personal access token", false);
        let NotDelivered::Later { why, .. } = not_opened(&error, "acme/rag") else {
            panic!("it is")
        };
        assert!(why.contains("TIDEGATE_GITHUB_TOKEN"), "{why}");
        let error = CallError::refused("HTTP 422", "Validation Failed", false);
        assert!(matches!(not_opened(&error, "acme/rag"), NotDelivered::Never(_)));
    }
}
