use reqwest::Method;
use serde_json::{Value, json};

use super::{TOKEN, World};

const TEAM: &str = "/orgs/acme/teams/release-approvers";

#[tokio::test]
async fn tokens_nobody_issued_are_refused() {
    let world = World::new().await;
    let answer = world.api("gho_made_up", "/user").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["message"], "Bad credentials");
    let anonymous = world.web(Method::GET, "/api/v3/user").send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
}

#[tokio::test]
async fn a_member_who_is_removed_is_gone_at_the_next_look() {
    let world = World::new().await;
    let membership = world.get(&format!("{TEAM}/memberships/ben-acme")).await;
    assert_eq!(membership["state"], "active");
    let pending = world.get(&format!("{TEAM}/memberships/cleo-acme")).await;
    assert_eq!(pending["state"], "pending");
    let members = world.get(&format!("{TEAM}/members")).await;
    let ids = |members: &Value| -> Vec<u64> {
        let members = members.as_array().unwrap();
        members.iter().map(|m| m["id"].as_u64().unwrap()).collect()
    };
    assert_eq!(ids(&members), [11, 12]);

    let path = format!("{TEAM}/members/ben-acme");
    world.control(Method::DELETE, &path, json!(null)).await;
    assert_eq!(world.status(&format!("{TEAM}/memberships/ben-acme")).await, 404);
    assert_eq!(ids(&world.get(&format!("{TEAM}/members")).await), [11]);
    world.control(Method::PUT, &path, json!({})).await;
    assert_eq!(ids(&world.get(&format!("{TEAM}/members")).await), [11, 12]);
}

#[tokio::test]
async fn renaming_a_person_keeps_the_id() {
    let world = World::new().await;
    let change = json!({ "login": "benedict" });
    world.control(Method::PATCH, "/users/ben-acme", change).await;
    assert_eq!(world.get("/user/12").await["login"], "benedict");
    assert_eq!(world.get("/users/benedict").await["id"], 12);
    assert_eq!(world.status("/users/ben-acme").await, 404);
    let membership = world.get(&format!("{TEAM}/memberships/benedict")).await;
    assert_eq!(membership["state"], "active");
}

#[tokio::test]
async fn a_comparison_lists_commits_with_their_authors_ids() {
    let world = World::new().await;
    let commits = world.get("/repos/acme/rag/commits").await;
    let first = commits[2]["sha"].as_str().unwrap();
    let path = format!("/repos/acme/rag/compare/{}...main", &first[..7]);
    let comparison = world.get(&path).await;
    assert_eq!(comparison["status"], "ahead");
    assert_eq!(comparison["total_commits"], 2);
    assert_eq!(comparison["base_commit"]["sha"], first);
    let commits = &comparison["commits"];
    assert_eq!(commits[0]["author"]["id"], 12);
    assert_eq!(commits[0]["commit"]["message"], "Ask twice");
    assert_eq!(commits[1]["author"], Value::Null);
    assert_eq!(commits[1]["commit"]["author"]["email"], "nobody@acme.test");
    assert_eq!(comparison["files"][0]["filename"], "src/ask.rs");
    assert_eq!(world.status("/repos/acme/rag/compare/main...nowhere").await, 404);
    assert_eq!(world.status("/repos/acme/rag/commits/fffffff").await, 422);

    let sha = commits[0]["sha"].as_str().unwrap();
    let commit = world.get(&format!("/repos/acme/rag/commits/{sha}")).await;
    assert_eq!(commit["stats"]["total"], 3);
}

#[tokio::test]
async fn private_repositories_are_hidden_from_outsiders_and_from_tokens_without_the_scope() {
    let world = World::new().await;
    for (token, user, scopes) in [
        ("ghp_outsider", "cleo-acme", json!(["repo", "read:org"])),
        ("ghp_narrow", "ben-acme", json!(["read:org"])),
    ] {
        let spec = json!({ "token": token, "user": user, "scopes": scopes });
        world.control(Method::POST, "/tokens", spec).await;
        let answer = world.api(token, "/repos/acme/rag").send().await.unwrap();
        assert_eq!(answer.status(), 404, "{token}");
    }
    assert_eq!(world.get("/repos/acme/rag").await["id"], 501);
    let hidden = world.api("ghp_outsider", TEAM).send().await.unwrap();
    assert_eq!(hidden.status(), 404);
}

#[tokio::test]
async fn long_lists_come_in_pages_that_link_to_each_other() {
    let world = World::new().await;
    for slug in ["auditors", "platform"] {
        let team = json!({ "slug": slug, "members": ["ada-acme"] });
        world.control(Method::POST, "/orgs/acme/teams", team).await;
    }
    let request = world.api(TOKEN, "/user/teams?per_page=1&page=2");
    let answer = request.send().await.unwrap();
    let link = answer.headers()["link"].to_str().unwrap().to_owned();
    let base = world.sandbox.github_url();
    assert_eq!(
        link,
        format!(
            "<{base}/api/v3/user/teams?per_page=1&page=1>; rel=\"prev\", \
             <{base}/api/v3/user/teams?per_page=1&page=3>; rel=\"next\", \
             <{base}/api/v3/user/teams?per_page=1&page=3>; rel=\"last\", \
             <{base}/api/v3/user/teams?per_page=1&page=1>; rel=\"first\""
        )
    );
    let teams: Value = answer.json().await.unwrap();
    assert_eq!(teams.as_array().unwrap().len(), 1);
    assert_eq!(teams[0]["organization"]["id"], 90);
}

#[tokio::test]
async fn calls_count_against_the_hour_and_unchanged_answers_are_empty() {
    let world = World::new().await;
    let first = world.api(TOKEN, "/user").send().await.unwrap();
    let header = |answer: &reqwest::Response, name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header(&first, "x-ratelimit-remaining"), "4999");
    let tag = header(&first, "etag");
    let again = world.api(TOKEN, "/user").header("if-none-match", &tag);
    let again = again.send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(
        header(&again, "x-ratelimit-remaining"),
        "4999",
        "an unchanged answer costs nothing"
    );
}

#[tokio::test]
async fn outages_and_limits_come_and_go_as_told() {
    let world = World::new().await;
    let down = json!({ "api_down": true });
    world.control(Method::PUT, "/faults", down).await;
    assert_eq!(world.status("/user").await, 503);
    let limited = json!({ "secondary_rate_limit": true, "times": 1 });
    world.control(Method::PUT, "/faults", limited).await;
    let answer = world.api(TOKEN, "/user").send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.headers()["retry-after"], "60");
    assert_eq!(world.status("/user").await, 200);

    let calls = world.control(Method::GET, "/calls", json!(null)).await;
    let statuses: Vec<&Value> = calls.as_array().unwrap().iter().map(|c| &c["status"]).collect();
    assert_eq!(statuses, [503, 403, 200]);
}

#[tokio::test]
async fn a_run_knows_its_commit_and_who_started_it() {
    let world = World::new().await;
    let run = world.get("/repos/acme/rag/actions/runs/8801").await;
    let tip = world.get("/repos/acme/rag/commits/main").await;
    assert_eq!(run["head_sha"], tip["sha"]);
    assert_eq!(run["triggering_actor"]["id"], 12);
    assert_eq!(run["conclusion"], "success");
}

#[tokio::test]
async fn a_member_sees_the_organisation_its_teams_and_their_own_part_in_them() {
    let world = World::new().await;
    assert_eq!(world.get("/user/orgs").await[0]["login"], "acme");
    assert_eq!(world.get("/orgs/acme").await["id"], 90);
    let teams = world.get("/orgs/acme/teams").await;
    assert_eq!(teams[0]["slug"], "release-approvers");
    assert_eq!(world.get(TEAM).await["members_count"], 2);
    let membership = world.get("/orgs/acme/memberships/ada-acme").await;
    assert_eq!(membership["role"], "admin");
    assert_eq!(world.get("/rate_limit").await["rate"]["limit"], 5000);
    assert_eq!(world.status("/user/emails").await, 404, "lacks the scope");
}

#[tokio::test]
async fn secret_teams_are_for_their_members_and_owners_and_children_count_in_their_parents() {
    let world = World::new().await;
    for team in [
        json!({ "slug": "incident", "secret": true, "members": ["ada-acme"] }),
        json!({ "slug": "on-call", "parent": "release-approvers", "members": ["cleo-acme"] }),
    ] {
        world.control(Method::POST, "/orgs/acme/teams", team).await;
    }
    let spec = json!({ "token": "ghp_ben", "user": "ben-acme", "scopes": ["read:org"] });
    world.control(Method::POST, "/tokens", spec).await;
    let hidden = world.api("ghp_ben", "/orgs/acme/teams/incident");
    assert_eq!(hidden.send().await.unwrap().status(), 404);
    assert_eq!(world.status("/orgs/acme/teams/incident").await, 200);
    let child = world.get("/orgs/acme/teams/on-call").await;
    assert_eq!(child["parent"]["slug"], "release-approvers");
    assert_eq!(world.get(TEAM).await["members_count"], 3);
}

#[tokio::test]
async fn only_the_requests_that_a_fault_befell_are_counted() {
    let world = World::new().await;
    let issuer = format!("{}/oidc/.well-known/jwks", world.sandbox.github_url());
    let keys = || async { world.http.get(&issuer).send().await.unwrap().status() };
    let faults = json!({ "oidc_down": true, "times": 2 });
    world.control(Method::PUT, "/faults", faults).await;
    assert_eq!(world.status("/user").await, 200);
    assert_eq!(keys().await, 503);
    assert_eq!(world.status("/user").await, 200);
    assert_eq!(keys().await, 503);
    assert_eq!(keys().await, 200);
}
