//! Secrets appear nowhere (R33): the real binary is started with a canary in every secret that it takes, used and misused,
//! and then everything that it said and stored is searched.

use crate::world::{Base, CLIENT_SECRET, SERVICE_TOKEN, WEBHOOK_SECRET, Wishes, World, report};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use std::{path::Path, process::Stdio, time::Duration};
use tokio::process::{Child, Command};

const AWS_SECRET: &str = "canary-aws-secret-key";
const PROMETHEUS_TOKEN: &str = "canary-prometheus-token";
const DATABASE_PASSWORD: &str = "canary-database-password";

fn secret_key() -> String {
    // Text as a base64 key of 32 bytes, so that it is found in either form.
    hex::encode("canary-secret-key-of-32-bytes!!!")
}

fn configuration(world: &World) -> String {
    let (base, github) = (&world.base, world.sandbox.github_url());
    let github = github.trim_end_matches('/');
    format!(
        r#"
[server]
listen = "{listen}"
public_url = "{base}"
[github]
organisation = "acme"
client_id = "portal"
web_url = "{github}"
api_url = "{github}/api/v3"
oidc_issuer = "{github}/oidc"
[roles]
deployer = ["developers"]
approver = ["approvers"]
auditor = ["developers"]
[[environments]]
name = "production"
production = true
[policies.production]
gates = ["lint"]
approvals = [{{ teams = ["approvers"], count = 1 }}]
[[services]]
name = "rag"
repository = "acme/rag"
repository_id = 501
[services.targets.production]
engine = "ecs_codedeploy"
policy = "production"
cluster = "acme"
container = "app"
application = "rag"
deployment_group = "rag"
"#,
        listen = base.trim_start_matches("http://"),
    )
}

/// The binary as an operator starts it, at the world's address; everything that it can log goes to `log`.
async fn serve(world: &World, folder: &Path, log: &Path) -> Child {
    let config = folder.join("tidegate.toml");
    std::fs::write(&config, configuration(world)).unwrap();
    std::fs::write(folder.join("manifest.json"), "{}").unwrap();
    let url = world
        .scratch
        .url
        .replace(":tidegate_app@", &format!(":{DATABASE_PASSWORD}@"));
    let log = std::fs::File::create(log).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .arg("serve")
        .arg("--config")
        .arg(&config)
        .arg("--site")
        .arg(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TIDEGATE_LOG", "trace")
        .env("TIDEGATE_DATABASE_URL", url)
        .env("TIDEGATE_SECRET_KEY", secret_key())
        .env("TIDEGATE_GITHUB_CLIENT_SECRET", CLIENT_SECRET)
        .env("TIDEGATE_GITHUB_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .env("TIDEGATE_GITHUB_TOKEN", SERVICE_TOKEN)
        .env("TIDEGATE_PROMETHEUS_TOKEN", PROMETHEUS_TOKEN)
        .env("AWS_ENDPOINT_URL", world.sandbox.aws_url())
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", AWS_SECRET)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for _ in 0..200 {
        if world
            .get("/readyz")
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            return child;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not become ready");
}

/// What someone and CI do in a day, mistakes included; everything that was answered, head and body.
async fn a_day(world: &World) -> (Vec<String>, String) {
    let session = world.sign_in("ada-acme").await;
    let actions = world.actions_token(json!({})).await;
    let exchanged: Value = world.exchange(&actions).await.json().await.unwrap();
    let ci = exchanged["token"].as_str().unwrap().to_owned();
    let registered = world
        .post("/api/v1/releases")
        .bearer_auth(&ci)
        .json(&report())
        .send()
        .await
        .unwrap();
    let release: Value = registered.json().await.unwrap();
    let wanted = json!({ "release": release["id"], "environment": "production" });
    let asked = world
        .post("/api/v1/deployments")
        .header("cookie", &session)
        .json(&wanted);
    let deployment: Value = asked.send().await.unwrap().json().await.unwrap();
    let page = format!("/deployments/{}", deployment["id"].as_str().unwrap());

    let hook = json!({
        "url": format!("{}/webhooks/github", world.base), "secret": WEBHOOK_SECRET, "event": "push", "repository": "acme/rag",
    });
    world.control("/webhooks", hook.clone()).await;
    let mut forged = hook;
    forged["signature"] = json!("wrong");
    world.control("/webhooks", forged).await;

    let mut said = Vec::new();
    let mut hear = async |method: Method, path: &str, cookie: &str, bearer: &str, body: Option<Value>| {
        let mut request = world.ask(method, path).header("cookie", cookie);
        if !bearer.is_empty() {
            request = request.bearer_auth(bearer);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let head = format!("{path} {:?}", answer.headers());
        said.push(head + &answer.text().await.unwrap());
    };
    for path in [
        "/",
        "/inbox",
        "/history",
        "/audit",
        &page,
        "/services/rag",
        "/sign-in",
        "/nothing",
        "/readyz",
        "/auth/callback?code=x&state=y",
        "/api/v1/services",
        "/api/v1/deployments",
        "/api/v1/audit/events",
        "/api/v1/inbox",
        &format!("/api/v1{page}"),
        &format!("/api/v1{page}/events"),
        "/api/v1/releases?service=rag",
        "/api/v1/openapi.json",
    ] {
        hear(Method::GET, path, &session, "", None).await;
    }
    hear(
        Method::POST,
        "/api/v1/ci/session",
        "",
        &actions,
        Some(json!({ "service": "rag" })),
    )
    .await;
    hear(
        Method::POST,
        "/api/v1/ci/session",
        "",
        &ci,
        Some(json!({ "service": "rag" })),
    )
    .await;
    hear(Method::POST, "/api/v1/releases", "", &format!("{ci}x"), Some(report())).await;
    hear(Method::POST, "/api/v1/releases", "", &ci, Some(json!({ "service": 1 }))).await;
    world.github(json!({ "api_down": true })).await;
    hear(
        Method::POST,
        &format!("/api/v1{page}/cancel"),
        &session,
        "",
        Some(json!({ "reason": "x" })),
    )
    .await;
    world.github(json!({})).await;
    let jwt_signature = actions.rsplit('.').next().unwrap().to_owned();
    let session = session.trim_start_matches("tidegate=").to_owned();
    (vec![session, ci, jwt_signature], said.join("\n"))
}

#[rstest]
#[case::on_sqlite(Base::Sqlite)]
#[case::on_postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn r33_no_secret_is_in_a_log_a_page_an_answer_or_the_database(#[case] base: Base) {
    let world = World::with(Wishes {
        base,
        elsewhere: true,
        ..Wishes::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut server = serve(&world, folder.path(), &log).await;
    let (tokens, said) = a_day(&world).await;
    // The worker has had its turn with GitHub and the cloud by then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.kill().await.unwrap();

    let logged = std::fs::read(&log).unwrap();
    let stored = world.scratch.everything_stored().await;
    let places = [("log", logged), ("answers", said.into_bytes()), ("database", stored)];
    let mut secrets: Vec<String> = [
        CLIENT_SECRET,
        WEBHOOK_SECRET,
        SERVICE_TOKEN,
        PROMETHEUS_TOKEN,
        AWS_SECRET,
        DATABASE_PASSWORD,
        "gho_",
    ]
    .map(str::to_owned)
    .into();
    secrets.extend(tokens);
    secrets.extend([secret_key(), "canary-secret-key-of-32-bytes!!!".to_owned()]);
    for (place, text) in &places {
        let holds = |secret: &str| text.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(
            holds("ada-acme") || *place == "log",
            "the search itself works in the {place}"
        );
        for secret in &secrets {
            // PostgreSQL shows bytes in hexadecimal.
            assert!(
                !holds(secret) && !holds(&hex::encode(secret)),
                "{secret} is in the {place}"
            );
        }
    }
    let logged = String::from_utf8_lossy(&places[0].1).into_owned();
    assert!(
        logged.contains("TRACE") && logged.contains("webhook without a valid signature"),
        "the log is whole"
    );
}
