use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{Options, Sandbox};

fn file() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/acme.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn the_acme_seed_grows_a_whole_organisation() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let http = reqwest::Client::builder().user_agent("test").build().unwrap();
    let seed = http
        .request(Method::POST, format!("{}/github/seed", sandbox.control_url()))
        .json(&file()["github"])
        .send()
        .await
        .unwrap();
    let (status, grown) = (seed.status(), seed.text().await.unwrap());
    assert_eq!(status, 200, "{grown}");
    let get = async |path: &str| -> Value {
        let url = format!("{}/api/v3{path}", sandbox.github_url());
        let request = http.get(url).bearer_auth("ghp_sandbox_service");
        request.send().await.unwrap().json().await.unwrap()
    };
    let members = get("/orgs/acme/teams/release-approvers/members").await;
    let logins: Vec<&Value> = members.as_array().unwrap().iter().map(|m| &m["login"]).collect();
    assert_eq!(logins, ["ada-acme", "ben-acme", "cleo-acme", "fay-acme"]);
    let commits = get("/repos/acme/rag/commits?per_page=100").await;
    assert_eq!(commits.as_array().unwrap().len(), 12);
    let run = get("/repos/acme/rag/actions/runs/7401030012").await;
    assert_eq!(run["head_sha"], commits[0]["sha"]);
    assert_eq!(run["head_branch"], json!("main"));
}
