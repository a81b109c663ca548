//! The present: the newest commits are released, tried in staging and asked for in production; one of them is on its
//! way when the page is first opened.
//!
//! Through public interfaces only: the API as CI and as signed-in people use it, and the sandbox's control API for what
//! happens at GitHub and in AWS.

mod ci;
mod http;
mod person;

use crate::{
    seed::{Repository, Seed, SeedError},
    story,
};
use ci::Ci;
use http::Http;
use person::Person;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Where the parts of the demonstration listen, without trailing slashes.
#[derive(Debug, Clone)]
pub struct Addresses {
    pub portal: String,
    /// What CI links to.
    pub github: String,
    pub control: String,
}

#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error("{what}: {why}")]
    Http { what: String, why: String },
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error("{0} did not come to be {1} in time")]
    Late(String, String),
}

type Result<T, E = LiveError> = std::result::Result<T, E>;

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(250);

/// Virtual seconds of a deployment's parts, while nobody watches and when someone does.
const HURRIED: f64 = 1.5;
const WATCHED: f64 = 40.0;

/// Plays the present. Afterwards four deployments wait for people, and one runs its canary.
///
/// # Errors
/// When the server or the sandbox refuse something, or do not come to an end.
pub async fn play(seed: &Seed, addresses: &Addresses) -> Result<()> {
    let http = Http::new(addresses)?;
    set_timings(&http, HURRIED).await?;
    let dara = Person::sign_in(&http, "dara-acme").await?;
    let (orchestrator, rag, intent, guardrails, _) = tokio::try_join!(
        newest(&http, seed, "orchestrator", None),
        newest(&http, seed, "rag", Some(&dara)),
        newest(&http, seed, "intent-classifier", None),
        newest(&http, seed, "guardrails", None),
        older(&http, &dara, "guardrails", "sha-248daff"),
    )?;
    tokio::try_join!(
        waits(&dara, &rag),
        waits(&dara, &intent),
        approve(
            &http,
            "hana-acme",
            &guardrails,
            "The counters hold no message text. Fine with us."
        ),
        approve(
            &http,
            "ada-acme",
            &orchestrator,
            "Guardrails has known the id since last week. Go."
        ),
    )?;
    until(&dara, &orchestrator, "taking its first traffic", |page| {
        page["traffic"].as_i64().is_some_and(|share| share > 0)
    })
    .await?;
    set_timings(&http, WATCHED).await
}

/// Releases the newest commit of a service, brings it to staging and asks for production. Returns that deployment.
async fn newest(http: &Http, seed: &Seed, service: &str, by: Option<&Person>) -> Result<String> {
    let repository = seed.repository(service)?;
    let index = repository.commits.len() - 1;
    let ci = Ci::sign_in(http, service, repository.run_of(index)).await?;
    let release = ci.report(&report(http, seed, repository, index)?).await?;
    let staging = ci.request(&release, "staging", None).await?;
    until(&ci, &staging, "succeeded", |page| page["state"] == "succeeded").await?;
    ci.gate(&release, "staging-smoke", "3 of 3 checks passed").await?;
    match by {
        Some(person) => {
            let reason = "Support asks for it: answers in the wrong language are their top ticket.";
            person.request(&release, "production", Some(reason)).await
        }
        None => ci.request(&release, "production", None).await,
    }
}

/// Asks for a release in production that has been in staging for a while.
async fn older(http: &Http, by: &Person, service: &str, label: &str) -> Result<()> {
    let page = http
        .get(by.as_caller(), &format!("/api/v1/releases?service={service}"))
        .await?;
    let mut releases = page["items"].as_array().into_iter().flatten();
    let release = releases.find(|release| release["label"] == label);
    let release = release.and_then(|release| release["id"].as_str());
    let release = release.ok_or_else(|| LiveError::Late(label.to_owned(), "known".to_owned()))?;
    let reason = "New word lists for the holidays.";
    by.request(release, "production", Some(reason)).await.map(drop)
}

async fn waits(by: &Person, deployment: &str) -> Result<Value> {
    until(by, deployment, "ready to be approved", |page| {
        page["state"] == "awaiting_approval"
    })
    .await
}

async fn approve(http: &Http, login: &str, deployment: &str, comment: &str) -> Result<Value> {
    let person = Person::sign_in(http, login).await?;
    let page = waits(&person, deployment).await?;
    person.approve(deployment, &page["revision"], comment).await
}

/// Someone who may look.
trait Looks {
    async fn look(&self, deployment: &str) -> Result<Value>;
}

async fn until(by: &impl Looks, id: &str, what: &str, is: impl Fn(&Value) -> bool + Send) -> Result<Value> {
    let began = Instant::now();
    loop {
        let page = by.look(id).await?;
        if is(&page) {
            return Ok(page);
        }
        if began.elapsed() > PATIENCE {
            let state = page["state"].as_str().unwrap_or("away");
            let name = format!("deployment {id} of {} ({state})", page["label"]);
            return Err(LiveError::Late(name, what.to_owned()));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn set_timings(http: &Http, install: f64) -> Result<()> {
    let timings = json!({ "created": 0.3, "queued": 0.3, "install": install });
    http.control("/aws/timings", &timings).await.map(drop)
}

fn report(http: &Http, seed: &Seed, repository: &Repository, index: usize) -> Result<Value> {
    let commit = &repository.commits[index];
    let service = &repository.name;
    let author = seed.person(&commit.author)?;
    let run = repository.run_of(index);
    let run_url = http.run_url(service, run);
    let image = seed
        .image(service, &commit.sha)
        .ok_or_else(|| SeedError::Unknown(format!("image of {}", commit.sha)))?;
    let scan = (
        "vulnerability-scan",
        tidegate_domain::Verdict::Pass,
        "no findings".to_owned(),
    );
    let gates = story::built(commit, index, false).into_iter().chain([scan]);
    let gates: Vec<Value> = gates
        .map(|(gate, verdict, detail)| {
            let seconds = story::seconds(gate, &commit.sha);
            json!({ "gate": gate, "verdict": verdict, "detail": detail, "url": run_url, "seconds": seconds })
        })
        .collect();
    Ok(json!({
        "service": service,
        "commit": commit.sha,
        "ref": "refs/heads/main",
        "image": format!(
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/{service}:sha-{}@{image}", &commit.sha[..7]
        ),
        "run_url": run_url,
        "run_id": run,
        "authors": [author],
        "commits": [{ "sha": commit.sha, "title": commit.message, "author": author }],
        "gates": gates,
    }))
}
