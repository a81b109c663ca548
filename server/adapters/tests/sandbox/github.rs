//! GitHub's API and sign-in.

use reqwest::redirect::Policy;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::time::Duration;
use tidegate_adapters::{
    CallError, Github as _, GithubClient, GithubOauth, GithubOptions, OauthError, OauthOptions, Pkce,
};
use tidegate_domain::name::CommitSha;
use tidegate_sandbox::{Options, Sandbox};
use url::Url;

const TOKEN: &str = "ghp_sandbox_service";
const CALLBACK: &str = "http://127.0.0.1/auth/callback";

pub(crate) struct GithubWorld {
    pub(crate) sandbox: Sandbox,
    http: reqwest::Client,
    client: GithubClient,
}

impl GithubWorld {
    pub(crate) async fn new() -> Self {
        let sandbox = Sandbox::start(Options::recorded()).await.unwrap();
        let client = client(&sandbox, TOKEN);
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .build()
            .unwrap();
        let world = Self { sandbox, http, client };
        world.control("seed", seed()).await;
        world
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        self.send(self.http.post(self.control_url(path)).json(&body)).await
    }

    fn control_url(&self, path: &str) -> String {
        format!("{}/github/{path}", self.sandbox.control_url())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(crate) async fn faults(&self, faults: Value) {
        self.send(self.http.put(self.control_url("faults")).json(&faults)).await;
    }

    fn oauth(&self) -> GithubOauth {
        let options = OauthOptions {
            web: self.sandbox.github_url().parse().unwrap(),
            client_id: "portal".to_owned(),
            client_secret: "s3cret".into(),
            scopes: vec!["read:org".to_owned()],
            timeout: Duration::from_secs(5),
        };
        GithubOauth::new(options, self.client.clone()).unwrap()
    }

    /// Chooses an account on GitHub's page. Answers with the code that comes back.
    async fn code(&self, authorize: &Url, login: &str) -> String {
        let mut form: Vec<(String, String)> = authorize.query_pairs().into_owned().collect();
        form.retain(|(name, _)| name != "response_type");
        form.push(("user".to_owned(), login.to_owned()));
        let url = format!("{}{}", self.sandbox.github_url(), authorize.path());
        let answer = self.http.post(url).form(&form).send().await.unwrap();
        let back: Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
        let find = |name: &str| back.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!(find("state"), "the state");
        find("code")
    }
}

fn client(sandbox: &Sandbox, token: &str) -> GithubClient {
    GithubClient::new(GithubOptions {
        api: format!("{}/api/v3", sandbox.github_url()).parse().unwrap(),
        token: token.into(),
        timeout: Duration::from_secs(5),
    })
    .unwrap()
}

fn seed() -> Value {
    let crowd: Vec<Value> = (0..130)
        .map(|n| json!({ "id": 1000 + n, "login": format!("person-{n:03}") }))
        .collect();
    let mut users = vec![
        json!({ "id": 11, "login": "ada-acme", "name": "Ada" }),
        json!({ "id": 12, "login": "ben-acme", "name": "Ben" }),
        json!({ "id": 13, "login": "cleo-acme" }),
    ];
    users.extend(crowd.iter().cloned());
    let logins: Vec<Value> = crowd.iter().map(|user| user["login"].clone()).collect();
    let mut members = json!({ "ada-acme": "admin", "ben-acme": "member" });
    for login in &logins {
        members[login.as_str().unwrap()] = json!("member");
    }
    let commits: Vec<Value> = (0..120)
        .map(|n| json!({ "message": format!("Change {n}\n\nbody"), "author": "ben-acme", "minutes_ago": 200 - n }))
        .chain([json!({ "message": "Guess", "author": "Nobody <nobody@acme.test>" })])
        .collect();
    json!({
        "users": users,
        "orgs": [{
            "id": 90,
            "login": "acme",
            "members": members,
            "teams": [
                { "id": 70, "slug": "approvers", "members": ["ada-acme", "ben-acme"], "pending": ["cleo-acme"] },
                { "id": 71, "slug": "security", "members": ["ada-acme"] },
                { "id": 72, "slug": "everybody", "members": logins },
            ],
        }],
        "oauth_apps": [{
            "client_id": "portal",
            "client_secret": "s3cret",
            "name": "Portal",
            "callback_urls": [CALLBACK],
        }],
        "tokens": [{ "token": TOKEN, "user": "ada-acme", "scopes": ["repo", "read:org"] }],
        "repos": [{
            "id": 501,
            "owner": "acme",
            "name": "rag",
            "private": true,
            "commits": commits,
            "runs": [{ "id": 8801, "actor": "ben-acme", "run_number": 5 }],
        }],
    })
}

fn teams(slugs: &[&str]) -> Vec<String> {
    slugs.iter().map(|slug| (*slug).to_owned()).collect()
}

#[tokio::test]
async fn r05_only_active_members_are_in_a_team_and_only_asked_teams_are_told() {
    let world = GithubWorld::new().await;
    let of = async |person, slugs: &[&str]| world.client.teams_of("acme", person, &teams(slugs)).await.unwrap();
    assert_eq!(
        of(11, &["approvers", "security", "everybody"]).await,
        ["approvers", "security"]
    );
    assert_eq!(of(12, &["security", "approvers"]).await, ["approvers"]);
    assert_eq!(of(13, &["approvers"]).await, [""; 0], "invited is not in");
    assert_eq!(of(11, &["no-such-team"]).await, [""; 0]);
    assert_eq!(of(11, &[]).await, [""; 0]);
}

#[tokio::test]
async fn r03_a_renamed_person_is_in_the_same_teams_and_who_takes_the_old_login_is_not() {
    let world = GithubWorld::new().await;
    let rename = world
        .http
        .patch(world.control_url("users/ben-acme"))
        .json(&json!({ "login": "benjamin-acme" }));
    world.send(rename).await;
    world.control("users", json!({ "id": 99, "login": "ben-acme" })).await;
    let approvers = teams(&["approvers"]);
    assert_eq!(
        world.client.teams_of("acme", 12, &approvers).await.unwrap(),
        ["approvers"]
    );
    assert_eq!(world.client.teams_of("acme", 99, &approvers).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn r05_a_removed_member_is_no_member_at_the_next_question() {
    let world = GithubWorld::new().await;
    let gone = world
        .http
        .delete(world.control_url("orgs/acme/teams/approvers/members/ben-acme"));
    world.send(gone).await;
    assert_eq!(
        world.client.teams_of("acme", 12, &teams(&["approvers"])).await.unwrap(),
        [""; 0]
    );
}

#[tokio::test]
async fn a_team_of_more_than_one_page_is_read_to_its_end() {
    let world = GithubWorld::new().await;
    assert_eq!(
        world
            .client
            .teams_of("acme", 1129, &teams(&["everybody"]))
            .await
            .unwrap(),
        ["everybody"]
    );
    assert_eq!(
        world.client.teams_of("acme", 12, &teams(&["everybody"])).await.unwrap(),
        [""; 0]
    );
}

#[tokio::test]
async fn r05_a_github_that_is_down_or_tired_is_an_error_and_never_a_no() {
    let world = GithubWorld::new().await;
    let ask = async || world.client.teams_of("acme", 11, &teams(&["approvers"])).await;
    world.faults(json!({ "api_down": true })).await;
    assert!(matches!(ask().await, Err(CallError::Unknown(_))));
    for limit in ["primary_rate_limit", "secondary_rate_limit"] {
        world.faults(json!({ limit: true })).await;
        let Err(CallError::Refused { code, retry, .. }) = ask().await else {
            panic!("{limit} is a refusal");
        };
        assert_eq!((code.as_str(), retry), ("RateLimited", true));
    }
    world.faults(json!({})).await;
    let stranger = client(&world.sandbox, "ghp_unknown");
    let answer = stranger.teams_of("acme", 11, &teams(&["approvers"])).await;
    assert!(matches!(answer, Err(CallError::Refused { retry: false, .. })));
}

#[tokio::test]
async fn commits_between_two_releases_come_newest_first_over_all_pages() {
    let world = GithubWorld::new().await;
    let url = format!(
        "{}/api/v3/repos/acme/rag/commits?per_page=100",
        world.sandbox.github_url()
    );
    let list = async |page: u8| {
        let request = world.http.get(format!("{url}&page={page}")).bearer_auth(TOKEN);
        let answer = world.send(request.header("user-agent", "test")).await;
        answer.as_array().unwrap().clone()
    };
    let mut newest_first = list(1).await;
    newest_first.extend(list(2).await);
    assert_eq!(newest_first.len(), 121);
    let sha = |at: usize| CommitSha::new(newest_first[at]["sha"].as_str().unwrap()).unwrap();
    let found = world.client.compare("acme/rag", &sha(120), &sha(0)).await.unwrap();
    let expected: Vec<CommitSha> = (0..120).map(sha).collect();
    assert_eq!(
        found.iter().map(|found| found.commit.sha.clone()).collect::<Vec<_>>(),
        expected
    );
    let (first, second) = (&found[0].commit, &found[1].commit);
    assert_eq!((first.author.id, first.author.login.as_str()), (0, "Nobody"));
    assert_eq!((second.author.id, second.title.as_str()), (12, "Change 119"));
    assert!(second.at.is_some() && second.url.is_some());

    let one = world.client.commit("acme/rag", &sha(1)).await.unwrap();
    assert_eq!(one, found[1]);
    let nothing = world
        .client
        .commit("acme/rag", &CommitSha::new("0".repeat(40)).unwrap())
        .await;
    assert!(nothing.unwrap_err().is_absent());
    world.client.readable("acme/rag").await.unwrap();
    let hidden = client(&world.sandbox, "ghp_unknown");
    assert!(hidden.readable("acme/rag").await.is_err());
    assert!(!hidden.commit("acme/rag", &sha(1)).await.unwrap_err().is_absent());
    assert!(world.client.readable("acme/other").await.unwrap_err().is_absent());
}

#[tokio::test]
async fn r28_a_code_is_worth_one_sign_in_with_its_own_verifier() {
    let world = GithubWorld::new().await;
    let (oauth, pkce) = (world.oauth(), Pkce::random());
    let redirect: Url = CALLBACK.parse().unwrap();
    let url = oauth.authorize_url("the state", &pkce.challenge, &redirect);
    let code = world.code(&url, "ben-acme").await;
    let verifier = pkce.verifier.expose_secret();
    let signed_in = oauth.exchange(&code, verifier, &redirect).await.unwrap();
    assert_eq!((signed_in.user.id, signed_in.user.login.as_str()), (12, "ben-acme"));
    assert_eq!(signed_in.user.name.as_deref(), Some("Ben"));
    let again = world.client.user(signed_in.token.expose_secret()).await.unwrap();
    assert_eq!(again, signed_in.user);

    let replayed = oauth.exchange(&code, verifier, &redirect).await.unwrap_err();
    assert!(
        matches!(&replayed, OauthError::Refused { code, .. } if code == "bad_verification_code"),
        "{replayed}"
    );
    let code = world.code(&url, "ben-acme").await;
    let stolen = oauth
        .exchange(&code, Pkce::random().verifier.expose_secret(), &redirect)
        .await;
    assert!(matches!(stolen, Err(OauthError::Refused { .. })));
}

#[tokio::test]
async fn a_sign_in_while_github_is_down_is_not_the_persons_fault() {
    let world = GithubWorld::new().await;
    world.faults(json!({ "web_down": true })).await;
    let answer = world
        .oauth()
        .exchange(
            "code",
            Pkce::random().verifier.expose_secret(),
            &CALLBACK.parse().unwrap(),
        )
        .await;
    assert!(matches!(answer, Err(OauthError::Unavailable(_))));
}
