use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{Options, Sandbox};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/acme.json")
}

#[tokio::test]
async fn the_acme_seed_grows_a_whole_organisation() {
    let options = Options {
        data: Some(path()),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .user_agent("test")
        .build()
        .unwrap();
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

#[test]
fn every_image_of_the_acme_seed_is_tagged_with_one_of_its_last_six_commits() {
    let seed: Value = serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
    let repos = seed["github"]["repos"].as_array().unwrap();
    let images = seed["aws"]["images"].as_array().unwrap();
    assert_eq!(images.len(), 4 * 6);
    for image in images {
        let name = image["repository"].as_str().unwrap();
        let name = name.strip_prefix("acme/").unwrap();
        let repo = repos.iter().find(|repo| repo["name"] == name).unwrap();
        let commits = repo["commits"].as_array().unwrap();
        let tag = image["tags"][0].as_str().unwrap();
        let tagged = commits[commits.len() - 6..]
            .iter()
            .any(|c| c["sha"].as_str().unwrap()[..7] == tag["sha-".len()..]);
        assert!(tagged, "{name} {tag}");
    }
}
