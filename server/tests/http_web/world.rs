//! A server, a sandbox and browsers.

use crate::{
    bridge::Bridge,
    seed::{catalog, seed},
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect::Policy as Redirects};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tidegate_adapters::{ActionsOidc, GithubClient, GithubOauth, GithubOptions, OauthOptions};
use tidegate_app::portal::Portal;
use tidegate_sandbox::{Options, Sandbox};
use tidegate_server::{
    http::{HttpState, Parts, Rates, Site, Timeouts, serve},
    service::{
        CatalogHandle, Services, ci::CiSessions, health::Health, live::Live, once::Once, people::People, seal::SealKey,
        sessions::Sessions,
    },
};
use tidegate_store::{Db, testing::Scratch};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) const WEBHOOK_SECRET: &str = "canary-webhook-secret";
pub(crate) const CLIENT_SECRET: &str = "canary-client-secret";
pub(crate) const DIGEST: &str = "sha256:a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
pub(crate) const SERVICE_TOKEN: &str = "ghp_canary_service";

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) db: Db,
    pub(crate) base: String,
    pub(crate) stop: CancellationToken,
    pub(crate) sessions: Sessions,
    pub(crate) services: Services,
    pub(crate) catalog: CatalogHandle,
    pub(crate) public_url: Url,
    pub(crate) scratch: Scratch,
    http: Client,
    serving: Option<JoinHandle<std::io::Result<()>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Base {
    #[default]
    Sqlite,
    Postgres,
}

/// What a test wants otherwise.
pub(crate) struct Wishes {
    /// As people reach it; the listener's own address when absent.
    pub(crate) public_url: Option<&'static str>,
    pub(crate) rates: Rates,
    pub(crate) timeouts: Timeouts,
    pub(crate) base: Base,
    /// The test starts a server itself, at [`World::base`].
    pub(crate) elsewhere: bool,
}

impl Default for Wishes {
    fn default() -> Self {
        let many = Rates::default().ci_exchange;
        Self {
            public_url: None,
            // Tests sign in more often than people; the limits have tests of their own.
            rates: Rates {
                sign_in: many,
                approve: Rates::default().approve,
                ci_exchange: many,
            },
            timeouts: Timeouts::default(),
            base: Base::default(),
            elsewhere: false,
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Wishes::default()).await
    }

    pub(crate) async fn on(base: Base) -> Self {
        Self::with(Wishes {
            base,
            ..Wishes::default()
        })
        .await
    }

    pub(crate) async fn with(wishes: Wishes) -> Self {
        let sandbox = Sandbox::start(Options::recorded()).await.unwrap();
        let http = Client::builder()
            .no_proxy()
            .redirect(Redirects::none())
            .user_agent("test")
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let public_url = Url::parse(wishes.public_url.unwrap_or(&base)).unwrap();

        let scratch = match wishes.base {
            Base::Sqlite => Scratch::sqlite().await,
            Base::Postgres => Scratch::postgres().await,
        };
        let db = scratch.db.clone();

        let github_url = Url::parse(&sandbox.github_url()).unwrap();
        let github = GithubClient::new(GithubOptions {
            api: github_url.join("/api/v3").unwrap(),
            token: SERVICE_TOKEN.to_owned().into(),
            timeout: Duration::from_secs(5),
        })
        .unwrap();
        let oauth = GithubOauth::new(
            OauthOptions {
                web: github_url.clone(),
                client_id: "portal".to_owned(),
                client_secret: CLIENT_SECRET.to_owned().into(),
                scopes: vec!["read:org".to_owned()],
                timeout: Duration::from_secs(5),
            },
            github.clone(),
        )
        .unwrap();
        let catalog = CatalogHandle::new(catalog());
        let bridge = Arc::new(Bridge {
            github,
            oauth,
            oidc: ActionsOidc::new(format!("{github_url}oidc"), "tidegate").unwrap(),
            redirect: public_url.join("/auth/callback").unwrap(),
            catalog: catalog.clone(),
            db: db.clone(),
        });
        let key = SealKey::new(&[7; 32]).unwrap();
        let services = Services::new(db.clone(), catalog.clone(), bridge.clone());
        let people = People::new(db.clone(), catalog.clone(), bridge.clone(), key.clone());
        let sessions = Sessions::new(db.clone(), people, bridge.clone(), key.clone());
        let stop = CancellationToken::new();
        let portal: Arc<dyn Portal> = Arc::new(services.clone());
        let state = HttpState::new(Parts {
            ci: CiSessions::new(db.clone(), catalog.clone(), services.clone(), bridge, key),
            services: services.clone(),
            portal,
            catalog: catalog.clone(),
            sessions: sessions.clone(),
            once: Once::new(db.clone()),
            live: Live::new(db.clone()),
            health: Health::new(db.clone()),
            site: Site::default(),
            public_url: public_url.clone(),
            github_web: github_url,
            webhook_secret: WEBHOOK_SECRET.to_owned().into(),
            behind_proxy: false,
            rates: wishes.rates,
            stop: stop.clone(),
        })
        .unwrap();
        let serving = (!wishes.elsewhere).then(|| tokio::spawn(serve(listener, state, wishes.timeouts)));
        let world = Self {
            sandbox,
            db,
            base,
            stop,
            sessions,
            services,
            catalog,
            public_url,
            scratch,
            http,
            serving,
        };
        world.control("/seed", seed(&world.public_url)).await;
        world
    }

    /// A request to the server.
    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.ask(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.ask(Method::POST, path)
    }

    /// Asks the sandbox's control API, which must agree.
    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        self.control_by(Method::POST, path, body).await
    }

    pub(crate) async fn control_by(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}/github{path}", self.sandbox.control_url());
        let answer = self.http.request(method, url).json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Begins a sign-in: GitHub's address, and the cookie that the browser keeps.
    pub(crate) async fn begin(&self, query: &str) -> (Url, String) {
        let begun = self.get(&format!("/auth/sign-in{query}")).send().await.unwrap();
        assert_eq!(begun.status(), StatusCode::SEE_OTHER);
        (
            Url::parse(&location(&begun)).unwrap(),
            cookie(&begun, "tidegate-signin").unwrap(),
        )
    }

    /// Presses a person's button on GitHub's page: path and query of the callback.
    pub(crate) async fn press(&self, authorize: &Url, login: &str) -> String {
        let mut form: Vec<(String, String)> = authorize.query_pairs().into_owned().collect();
        form.push(("user".to_owned(), login.to_owned()));
        let mut page = authorize.clone();
        page.set_query(None);
        let answer = self.http.post(page).form(&form).send().await.unwrap();
        let back = Url::parse(&location(&answer)).unwrap();
        assert_eq!(back.path(), "/auth/callback");
        format!("{}?{}", back.path(), back.query().unwrap_or_default())
    }

    pub(crate) async fn call_back(&self, path: &str, cookies: &str) -> Response {
        self.get(path).header("cookie", cookies).send().await.unwrap()
    }

    /// Signs someone in; the cookie of their session.
    pub(crate) async fn sign_in(&self, login: &str) -> String {
        let (authorize, browser) = self.begin("").await;
        let back = self.press(&authorize, login).await;
        let done = self.call_back(&back, &browser).await;
        assert_eq!(done.status(), StatusCode::SEE_OTHER, "{}", done.text().await.unwrap());
        cookie(&done, "tidegate").unwrap()
    }

    /// An Actions token of a run of acme/rag on main.
    pub(crate) async fn actions_token(&self, changes: Value) -> String {
        let mut spec = json!({ "repository": "acme/rag", "run_id": 8801, "audience": "tidegate" });
        for (name, value) in changes.as_object().into_iter().flatten() {
            spec[name] = value.clone();
        }
        let made = self.control("/oidc/tokens", spec).await;
        made["value"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn exchange(&self, actions_token: &str) -> Response {
        self.post("/api/v1/ci/session")
            .bearer_auth(actions_token)
            .json(&json!({ "service": "rag" }))
            .send()
            .await
            .unwrap()
    }

    /// A bearer token for the API.
    pub(crate) async fn ci(&self) -> String {
        self.ci_for(json!({})).await
    }

    /// As [`World::ci`], of a run with other facts.
    pub(crate) async fn ci_for(&self, changes: Value) -> String {
        let answer = self.exchange(&self.actions_token(changes).await).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        let body: Value = answer.json().await.unwrap();
        body["token"].as_str().unwrap().to_owned()
    }

    /// Reports a release; its id.
    pub(crate) async fn release(&self) -> String {
        let token = self.ci().await;
        let answer = self
            .post("/api/v1/releases")
            .bearer_auth(token)
            .json(&report())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let body: Value = answer.json().await.unwrap();
        body["id"].as_str().unwrap().to_owned()
    }

    /// Requests it for production through the form; the deployment's page.
    pub(crate) async fn deployment(&self, session: &str) -> String {
        let release = self.release().await;
        let answer = self
            .post("/deployments")
            .header("cookie", session)
            .form(&[("release", release.as_str()), ("environment", "production")])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let page = location(&answer);
        assert!(page.starts_with("/deployments/"), "{page}");
        page
    }

    /// Kinds of the events in the audit log, oldest first.
    pub(crate) async fn events(&self) -> Vec<String> {
        let mut events = self.recorded().await;
        events.reverse();
        events
            .into_iter()
            .map(|event| event.event.kind.name().to_owned())
            .collect()
    }

    /// The audit log, newest first.
    pub(crate) async fn recorded(&self) -> Vec<tidegate_domain::audit::RecordedEvent> {
        let query = tidegate_store::AuditQuery {
            limit: 100,
            ..tidegate_store::AuditQuery::default()
        };
        self.db.audit(&query).await.unwrap()
    }

    /// Stops the server and waits for its end.
    pub(crate) async fn finish(self) {
        self.stop.cancel();
        if let Some(serving) = self.serving {
            serving.await.unwrap().unwrap();
        }
    }

    /// What a session carries to the next page.
    pub(crate) async fn session_data(&self, session: &str) -> Value {
        let token = session.trim_start_matches("tidegate=");
        let roles = tidegate_server::service::people::Roles::LastKnown;
        self.sessions.current(token, roles).await.unwrap().unwrap().data
    }

    /// GitHub's API, its pages, or nothing is down.
    pub(crate) async fn github(&self, faults: Value) {
        self.control_by(Method::PUT, "/faults", faults).await;
    }

    /// What GitHub said of someone's teams, it said so long ago.
    pub(crate) async fn roles_of(&self, person: i64, millis_ago: i64) {
        let mut known = self.db.person(person).await.unwrap().unwrap();
        known.teams_checked_at = self.db.now().await.unwrap().plus_millis(-millis_ago);
        let mut tx = self.db.begin().await.unwrap();
        tx.put_person(&known).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// A release as CI reports it.
pub(crate) fn report() -> Value {
    json!({
        "service": "rag",
        "commit": "c".repeat(40),
        "ref": "refs/heads/main",
        "image": format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag:sha-ccccccc@{DIGEST}"),
        "gates": [{ "gate": "lint", "verdict": "pass" }],
    })
}

pub(crate) fn location(answer: &Response) -> String {
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// `name=value` of a cookie that an answer sets.
pub(crate) fn cookie(answer: &Response, name: &str) -> Option<String> {
    set_cookie(answer, name).map(|whole| whole.split(';').next().unwrap().to_owned())
}

/// The whole `Set-Cookie` line, with or without the prefix of HTTPS.
pub(crate) fn set_cookie(answer: &Response, name: &str) -> Option<String> {
    answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap())
        .find(|value| {
            let value = value.strip_prefix("__Host-").unwrap_or(value);
            value
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('=') && !rest.starts_with("=;"))
        })
        .map(str::to_owned)
}
