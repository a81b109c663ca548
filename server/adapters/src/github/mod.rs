//! GitHub's REST API: who is in which team, and which commits a release brings.
//!
//! Answers are read leniently: a field that is missing or new never fails a call, unless nothing can be said without it.

mod issues;
mod oauth;

pub use issues::NewIssue;
pub use oauth::{GithubOauth, OauthError, OauthOptions, Pkce, SignedIn};

use crate::{CallError, error::chain};
use async_trait::async_trait;
use reqwest::{Response, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use std::time::Duration;
use tidegate_domain::{
    name::{CommitSha, PersonRef},
    release::Commit,
};
use url::Url;

/// GitHub's largest page.
const PER_PAGE: &str = "100";
/// A list longer than so many pages is not read to its end, but refused.
const MAX_PAGES: usize = 50;
pub(crate) const USER_AGENT: &str = "tidegate";

/// A person as GitHub shows them to the one who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubUser {
    pub id: i64,
    pub login: String,
    pub name: Option<String>,
}

/// A commit, and who else had a part in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCommit {
    /// Its author has id 0 where GitHub itself knows no account for them.
    pub commit: Commit,
    /// Out of its `Co-authored-by` trailers: those whose address is GitHub's own, which holds the numeric id.
    pub co_authors: Vec<PersonRef>,
}

/// What the server asks of GitHub. `token`: a person's own; the others use the service's token.
#[async_trait]
pub trait Github: Send + Sync {
    async fn user(&self, token: &str) -> Result<GithubUser, CallError>;
    /// Slugs of the organisation's teams that this numeric person is an active member of, out of `teams`.
    async fn teams_of(&self, organisation: &str, person: i64, teams: &[String]) -> Result<Vec<String>, CallError>;
    /// Commits that `head` has and `base` has not; newest first. Refused as [`CallError::is_absent`] when either is not
    /// there.
    async fn compare(
        &self,
        repository: &str,
        base: &CommitSha,
        head: &CommitSha,
    ) -> Result<Vec<FoundCommit>, CallError>;
    /// Refused as [`CallError::is_absent`] when there is no such commit, or the token may not see the repository.
    async fn commit(&self, repository: &str, sha: &CommitSha) -> Result<FoundCommit, CallError>;
    /// Fails when the token may not see the repository: only where it may does a missing commit say anything.
    async fn readable(&self, repository: &str) -> Result<(), CallError>;
}

#[derive(Debug, Clone)]
pub struct GithubOptions {
    /// Such as `https://api.github.com` or `https://github.acme.example/api/v3`.
    pub api: Url,
    /// The service's own token: reads teams (`read:org`) and commits.
    pub token: SecretString,
    pub timeout: Duration,
}

/// The API over HTTPS.
#[derive(Debug, Clone)]
pub struct GithubClient {
    api: String,
    token: SecretString,
    http: reqwest::Client,
}

#[derive(Debug, Deserialize)]
struct Account {
    id: i64,
    #[serde(default)]
    login: String,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ApiCommit {
    sha: CommitSha,
    html_url: Option<String>,
    commit: Option<GitCommit>,
    /// The account behind the author's address, if GitHub knows one.
    author: Option<LenientAccount>,
}

/// GitHub writes `{}` for an account that is gone.
#[derive(Debug, Deserialize)]
struct LenientAccount {
    id: Option<i64>,
    login: Option<String>,
}

#[derive(Debug, Deserialize)]
struct GitCommit {
    #[serde(default)]
    message: String,
    author: Option<GitPerson>,
}

#[derive(Debug, Deserialize)]
struct GitPerson {
    name: Option<String>,
    date: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Comparison {
    #[serde(default)]
    commits: Vec<ApiCommit>,
}

impl From<ApiCommit> for FoundCommit {
    fn from(found: ApiCommit) -> Self {
        let co_authors = found.commit.as_ref().map(|git| co_authors(&git.message));
        Self {
            co_authors: co_authors.unwrap_or_default(),
            commit: found.into_commit(),
        }
    }
}

/// Trailers of a message, such as `Co-authored-by: Ada <4711+ada@users.noreply.github.com>`. Other addresses name no
/// account.
fn co_authors(message: &str) -> Vec<PersonRef> {
    const TRAILER: &str = "co-authored-by:";
    let named = |line: &str| {
        let rest = line.trim();
        let rest = rest
            .get(..TRAILER.len())
            .filter(|start| start.eq_ignore_ascii_case(TRAILER))
            .map(|_| &rest[TRAILER.len()..])?;
        let (_, address) = rest.trim().strip_suffix('>')?.rsplit_once('<')?;
        let (id, login) = address.strip_suffix("@users.noreply.github.com")?.split_once('+')?;
        Some(PersonRef::new(id.parse().ok()?, login))
    };
    message.lines().filter_map(named).collect()
}

impl ApiCommit {
    fn into_commit(self) -> Commit {
        let found = self;
        let git = found.commit;
        let written_by = git.as_ref().and_then(|git| git.author.as_ref());
        let name = written_by.and_then(|person| person.name.clone()).unwrap_or_default();
        let author = match found.author {
            Some(LenientAccount { id: Some(id), login }) => PersonRef::new(id, login.unwrap_or(name)),
            _ => PersonRef::new(0, name),
        };
        Commit {
            sha: found.sha,
            at: written_by.and_then(|person| person.date.as_deref()?.parse().ok()),
            title: git
                .as_ref()
                .and_then(|git| git.message.lines().next())
                .unwrap_or_default()
                .to_owned(),
            author,
            url: found.html_url,
        }
    }
}

impl GithubClient {
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(options: GithubOptions) -> Result<Self, CallError> {
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .timeout(options.timeout)
            .redirect(reqwest::redirect::Policy::limited(3))
            .build()
            .map_err(|error| CallError::refused("Configuration", chain(&error), false))?;
        Ok(Self {
            api: options.api.as_str().trim_end_matches('/').to_owned(),
            token: options.token,
            http,
        })
    }

    /// `Ok(None)`: 404, which is also how GitHub hides what the token may not see.
    async fn get(&self, url: &str, token: &str) -> Result<Option<Response>, CallError> {
        let answer = self
            .http
            .get(url)
            .bearer_auth(token)
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .send()
            .await
            .map_err(|error| CallError::Unknown(chain(&error.without_url())))?;
        match answer.status() {
            StatusCode::OK => Ok(Some(answer)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refusal(answer).await),
        }
    }

    async fn read<T: DeserializeOwned>(&self, url: &str, token: &str) -> Result<Option<T>, CallError> {
        match self.get(url, token).await? {
            Some(answer) => body(answer).await.map(Some),
            None => Ok(None),
        }
    }

    fn service_token(&self) -> &str {
        self.token.expose_secret()
    }

    /// By the list of members and not by login: between two questions a login can become another person's.
    async fn is_member(&self, organisation: &str, team: &str, person: i64) -> Result<bool, CallError> {
        let path = ["orgs", organisation, "teams", team, "members"];
        let mut next = Some(address(&self.api, &path, &[("per_page", PER_PAGE)])?);
        for _ in 0..MAX_PAGES {
            let Some(url) = next else { return Ok(false) };
            let Some(answer) = self.get(&url, self.service_token()).await? else {
                tracing::warn!(organisation, team, "GitHub shows no such team to the service's token");
                return Ok(false);
            };
            next = next_page(&answer, &self.api);
            let members: Vec<Account> = body(answer).await?;
            if members.iter().any(|member| member.id == person) {
                return Ok(true);
            }
        }
        Err(too_long(&format!("the list of members of {team}")))
    }
}

#[async_trait]
impl Github for GithubClient {
    async fn user(&self, token: &str) -> Result<GithubUser, CallError> {
        let url = address(&self.api, &["user"], &[])?;
        let user: Account = self.read(&url, token).await?.ok_or_else(|| not_found("the user"))?;
        Ok(GithubUser {
            id: user.id,
            login: user.login,
            name: user.name,
        })
    }

    async fn teams_of(&self, organisation: &str, person: i64, teams: &[String]) -> Result<Vec<String>, CallError> {
        let asked = teams.iter().map(|team| self.is_member(organisation, team, person));
        let member = futures::future::try_join_all(asked).await?;
        let mine = teams.iter().zip(member).filter(|(_, member)| *member);
        Ok(mine.map(|(team, _)| team.clone()).collect())
    }

    async fn compare(
        &self,
        repository: &str,
        base: &CommitSha,
        head: &CommitSha,
    ) -> Result<Vec<FoundCommit>, CallError> {
        let range = format!("{base}...{head}");
        let path = repository_path(repository, &["compare", &range])?;
        let mut next = Some(address(&self.api, &path, &[("per_page", PER_PAGE)])?);
        let mut commits: Vec<FoundCommit> = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(url) = next else {
                // GitHub lists the oldest first.
                commits.reverse();
                return Ok(commits);
            };
            let answer = self.get(&url, self.service_token()).await?;
            let answer = answer.ok_or_else(|| not_found(&format!("{range} in {repository}")))?;
            next = next_page(&answer, &self.api);
            let page: Comparison = body(answer).await?;
            commits.extend(page.commits.into_iter().map(FoundCommit::from));
        }
        Err(too_long(&format!("the comparison {range}")))
    }

    async fn commit(&self, repository: &str, sha: &CommitSha) -> Result<FoundCommit, CallError> {
        let path = repository_path(repository, &["commits", sha.as_str()])?;
        let url = address(&self.api, &path, &[])?;
        let found: Option<ApiCommit> = self.read(&url, self.service_token()).await?;
        found
            .map(FoundCommit::from)
            .ok_or_else(|| not_found(&format!("commit {sha} in {repository}")))
    }

    async fn readable(&self, repository: &str) -> Result<(), CallError> {
        let url = address(&self.api, &repository_path(repository, &[])?, &[])?;
        match self.get(&url, self.service_token()).await? {
            Some(_) => Ok(()),
            None => Err(not_found(&format!("repository {repository}"))),
        }
    }
}

fn repository_path<'a>(repository: &'a str, rest: &[&'a str]) -> Result<Vec<&'a str>, CallError> {
    let (owner, name) = repository
        .split_once('/')
        .ok_or_else(|| CallError::refused("Repository", format!("{repository:?} is not owner/name"), false))?;
    Ok(["repos", owner, name].into_iter().chain(rest.iter().copied()).collect())
}

/// Each part is escaped: a name from outside cannot lead elsewhere.
fn address(api: &str, parts: &[&str], query: &[(&str, &str)]) -> Result<String, CallError> {
    let unusable = || CallError::refused("Address", format!("cannot call {} at {api}", parts.join("/")), false);
    if parts
        .iter()
        .any(|part| part.is_empty() || *part == "." || *part == "..")
    {
        return Err(unusable());
    }
    let mut url = Url::parse(api).map_err(|_| unusable())?;
    url.path_segments_mut()
        .map_err(|()| unusable())?
        .pop_if_empty()
        .extend(parts);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url.into())
}

/// The address of the next page, from the Link header; only ever on the same API.
fn next_page(answer: &Response, api: &str) -> Option<String> {
    let links = answer.headers().get(header::LINK)?.to_str().ok()?;
    let url = next_link(links)?;
    let (next, api) = (Url::parse(url).ok()?, Url::parse(api).ok()?);
    (next.origin() == api.origin()).then(|| url.to_owned())
}

/// RFC 8288: `<https://…>; rel="next", <https://…>; rel="last"`.
fn next_link(links: &str) -> Option<&str> {
    links.split(", <").find_map(|link| {
        let (url, parameters) = link.trim_start_matches('<').split_once('>')?;
        parameters
            .split(';')
            .any(|parameter| matches!(parameter.trim().trim_end_matches(','), r#"rel="next""# | "rel=next"))
            .then_some(url)
    })
}

async fn body<T: DeserializeOwned>(answer: Response) -> Result<T, CallError> {
    answer
        .json()
        .await
        .map_err(|error| CallError::Unknown(chain(&error.without_url())))
}

async fn refusal(answer: Response) -> CallError {
    #[derive(Deserialize)]
    struct Said {
        message: Option<String>,
    }
    let status = answer.status();
    let spent = answer
        .headers()
        .get("x-ratelimit-remaining")
        .is_some_and(|left| left == "0");
    let told_to_wait = answer.headers().contains_key(header::RETRY_AFTER);
    let said = answer.json::<Said>().await.ok().and_then(|said| said.message);
    refused(
        status.as_u16(),
        spent || told_to_wait,
        said.as_deref().unwrap_or("no message"),
    )
}

/// Source: GitHub, "Rate limits for the REST API": 403 or 429, for both limits.
fn refused(status: u16, limited: bool, message: &str) -> CallError {
    match status {
        429 => CallError::refused("RateLimited", message, true),
        403 if limited || message.to_ascii_lowercase().contains("rate limit") => {
            CallError::refused("RateLimited", message, true)
        }
        400..=499 => CallError::refused(format!("HTTP {status}"), message, false),
        _ => CallError::Unknown(format!("GitHub answered {status}: {message}")),
    }
}

fn not_found(what: &str) -> CallError {
    CallError::refused("HTTP 404", format!("GitHub shows no such thing: {what}"), false)
}

fn too_long(what: &str) -> CallError {
    CallError::refused("TooLong", format!("{what} has more than {MAX_PAGES} pages"), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_next_page_is_in_the_link_header() {
        let links = r#"<https://api.github.com/x?a=1,2&page=1>; rel="prev", <https://api.github.com/x?a=1,2&page=3>; rel="next", <https://api.github.com/x?page=9>; rel="last""#;
        assert_eq!(next_link(links), Some("https://api.github.com/x?a=1,2&page=3"));
        assert_eq!(next_link(r#"<https://api.github.com/x?page=1>; rel="first""#), None);
        assert_eq!(next_link(""), None);
    }

    #[test]
    fn a_name_from_outside_cannot_lead_elsewhere() {
        let url = address("https://api.github.com", &["orgs", "a/../../user", "teams"], &[]);
        assert_eq!(url.unwrap(), "https://api.github.com/orgs/a%2F..%2F..%2Fuser/teams");
        assert!(address("https://api.github.com", &["orgs", ".."], &[]).is_err());
    }

    #[test]
    fn the_api_of_an_enterprise_server_has_a_path() {
        let url = address("https://github.acme.example/api/v3", &["user"], &[("per_page", "100")]);
        assert_eq!(url.unwrap(), "https://github.acme.example/api/v3/user?per_page=100");
    }

    #[rstest]
    #[case(429, false, "slow down", true)]
    #[case(403, true, "wait", true)]
    #[case(403, false, "You have exceeded a secondary rate limit.", true)]
    #[case(403, false, "Resource not accessible", false)]
    #[case(401, false, "Bad credentials", false)]
    #[case(422, false, "Validation failed", false)]
    fn a_rate_limit_is_a_reason_to_ask_later(
        #[case] status: u16,
        #[case] limited: bool,
        #[case] message: &str,
        #[case] later: bool,
    ) {
        let CallError::Refused { retry, .. } = refused(status, limited, message) else {
            panic!("{status} is an answer");
        };
        assert_eq!(retry, later);
    }

    #[test]
    fn a_github_that_is_down_does_not_say() {
        assert!(matches!(refused(503, false, "Unicorn!"), CallError::Unknown(_)));
    }

    #[test]
    fn r03_co_authors_are_known_by_the_id_in_githubs_own_address() {
        let message = "Fix it\n\nCo-authored-by: Ada <4711+ada@users.noreply.github.com>\n\
            co-authored-BY: Ben <ben@acme.test>\nCo-authored-by: Cleo <cleo@users.noreply.github.com>\nCö";
        assert_eq!(co_authors(message), [PersonRef::new(4711, "ada")]);
    }

    #[test]
    fn a_commit_by_nobody_github_knows_has_author_zero() {
        let sha = "a".repeat(40);
        for author in ["null", "{}"] {
            let text = format!(
                r#"{{"sha":"{sha}","html_url":"u","author":{author},"new":1,"commit":{{"message":"Fix it\n\nlong","author":{{"name":"Ada","date":"2026-01-01T00:00:00Z"}}}}}}"#
            );
            let commit = serde_json::from_str::<ApiCommit>(&text).unwrap().into_commit();
            assert_eq!((commit.author.id, commit.author.login.as_str()), (0, "Ada"));
            assert_eq!(commit.title, "Fix it");
            assert_eq!(commit.at, "2026-01-01T00:00:00Z".parse().ok());
        }
    }
}
