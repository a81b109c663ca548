//! Issues of a repository: opening one, and finding one by a text in its body.
//!
//! Source: GitHub REST API, "Create an issue", "List repository issues" (which lists pull requests too).

use super::{
    GithubClient, MAX_PAGES, PER_PAGE, address, body, next_page, not_found, refusal, repository_path, too_long,
};
use crate::{CallError, error::chain};
use reqwest::{StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tidegate_domain::Timestamp;

/// An issue to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIssue {
    pub title: String,
    /// Markdown.
    pub body: String,
    /// GitHub drops them when the token may not push.
    pub labels: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Issue {
    html_url: String,
    body: Option<String>,
}

impl GithubClient {
    /// Opens an issue, in one HTTP attempt, and returns its page's address. Two calls open two.
    ///
    /// # Errors
    /// As GitHub answers; [`CallError::Unknown`] when it may have been opened.
    pub async fn open_issue(&self, repository: &str, issue: &NewIssue) -> Result<String, CallError> {
        let url = address(&self.api, &repository_path(repository, &["issues"])?, &[])?;
        let answer = self
            .http
            .post(url)
            .bearer_auth(self.service_token())
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .json(&json!({ "title": issue.title, "body": issue.body, "labels": issue.labels }))
            .send()
            .await
            .map_err(|error| {
                let connected = !error.is_connect();
                let words = chain(&error.without_url());
                if connected {
                    CallError::Unknown(words)
                } else {
                    CallError::refused("NotSent", words, true)
                }
            })?;
        match answer.status() {
            StatusCode::CREATED => Ok(body::<Issue>(answer).await?.html_url),
            _ => Err(refusal(answer).await),
        }
    }

    /// The page's address of an issue that was changed at or after `since`, open or closed, whose body holds `marker`.
    ///
    /// # Errors
    /// As GitHub answers; too many issues since then.
    pub async fn find_issue(
        &self,
        repository: &str,
        marker: &str,
        since: Timestamp,
    ) -> Result<Option<String>, CallError> {
        let since = since.to_string();
        let query = [
            ("state", "all"),
            ("sort", "created"),
            ("direction", "desc"),
            ("since", since.as_str()),
            ("per_page", PER_PAGE),
        ];
        let mut next = Some(address(&self.api, &repository_path(repository, &["issues"])?, &query)?);
        for _ in 0..MAX_PAGES {
            let Some(url) = next else { return Ok(None) };
            let answer = self.get(&url, self.service_token()).await?;
            let answer = answer.ok_or_else(|| not_found(&format!("repository {repository}")))?;
            next = next_page(&answer, &self.api);
            let page: Vec<Issue> = body(answer).await?;
            let found = page
                .into_iter()
                .find(|issue| issue.body.as_deref().is_some_and(|body| body.contains(marker)));
            if let Some(issue) = found {
                return Ok(Some(issue.html_url));
            }
        }
        Err(too_long(&format!("the list of issues of {repository}")))
    }
}
