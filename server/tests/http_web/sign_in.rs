//! Signing in and out (R25, R28).

use crate::world::{CLIENT_SECRET, Wishes, World, cookie, location, set_cookie};
use reqwest::StatusCode;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tidegate_domain::time::{HOUR, MINUTE};
use tidegate_store::Session;

#[tokio::test]
async fn someone_signs_in_sees_the_page_they_wanted_and_signs_out() {
    let world = World::new().await;
    let first = world.get("/history?state=failed").send().await.unwrap();
    assert_eq!(first.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(&first), "/sign-in?return_to=%2Fhistory%3Fstate%3Dfailed");
    let page = world.get(&location(&first)).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("Sign in with GitHub"));

    let (authorize, browser) = world.begin("?return_to=%2Fhistory%3Fstate%3Dfailed").await;
    let back = world.press(&authorize, "ada-acme").await;
    let done = world.call_back(&back, &browser).await;
    assert_eq!(location(&done), "/history?state=failed");
    let session = cookie(&done, "tidegate").unwrap();
    let home = world.get("/").header("cookie", &session).send().await.unwrap();
    assert_eq!(home.status(), StatusCode::OK);
    assert!(home.text().await.unwrap().contains("ada-acme"));

    let out = world
        .post("/auth/sign-out")
        .header("cookie", &session)
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), StatusCode::SEE_OTHER);
    let after = world.get("/").header("cookie", &session).send().await.unwrap();
    assert_eq!(after.status(), StatusCode::SEE_OTHER);
    assert_eq!(world.events().await, ["session.started", "session.ended"]);
    world.finish().await;
}

#[tokio::test]
async fn r28_a_deep_link_with_encoded_text_is_returned_to_as_it_was() {
    let world = World::new().await;
    let wanted = "/history?text=a%20b%26c";
    let first = world.get(wanted).send().await.unwrap();
    let page = world.get(&location(&first)).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("value=\"/history?text=a%20b%26c\""), "{page}");
    // As a browser sends the form's field.
    let (authorize, browser) = world.begin("?return_to=%2Fhistory%3Ftext%3Da%2520b%2526c").await;
    let back = world.press(&authorize, "ada-acme").await;
    let done = world.call_back(&back, &browser).await;
    assert_eq!(location(&done), wanted);
}

#[tokio::test]
async fn a_form_posted_after_the_session_ended_says_that_nothing_was_sent_and_leads_back() {
    let world = World::new().await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (path, back) in [
        (
            format!("/deployments/{id}/approve"),
            format!("/sign-in?return_to=%2Fdeployments%2F{id}"),
        ),
        (
            "/deployments".to_owned(),
            "/sign-in?return_to=%2Fservices%2Frag".to_owned(),
        ),
    ] {
        let form = [("comment", "x"), ("return_to", "/services/rag")];
        let answer = world.post(&path).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(location(&answer), back);
        let told = cookie(&answer, "tidegate-unsent").unwrap();
        let page = world.get(&back).header("cookie", &told).send().await.unwrap();
        assert!(set_cookie_cleared(&page, "tidegate-unsent"), "it is said once");
        let page = page.text().await.unwrap();
        assert!(page.contains("Nothing was sent"), "{page}");
    }
    let page = world.get("/sign-in").send().await.unwrap().text().await.unwrap();
    assert!(!page.contains("Nothing was sent"), "{page}");
}

fn set_cookie_cleared(answer: &reqwest::Response, name: &str) -> bool {
    let cookies = answer.headers().get_all("set-cookie");
    cookies
        .iter()
        .any(|line| line.to_str().unwrap().starts_with(&format!("{name}=;")))
}

#[tokio::test]
async fn r28_a_sign_in_that_was_refused_is_noted() {
    let world = World::new().await;
    let answer = world.call_back("/auth/callback?code=x&state=y", "").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(world.events().await, ["access.denied"]);
}

#[tokio::test]
async fn r25_the_cookie_is_bound_to_the_host_over_https_and_plain_on_this_machine_only() {
    let plain = World::new().await;
    let (authorize, browser) = plain.begin("").await;
    let back = plain.press(&authorize, "ada-acme").await;
    let done = plain.call_back(&back, &browser).await;
    let line = set_cookie(&done, "tidegate").unwrap();
    assert!(line.starts_with("tidegate="), "{line}");
    assert!(line.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{line}");

    let https = World::with(Wishes {
        public_url: Some("https://tidegate.acme.test"),
        ..Wishes::default()
    })
    .await;
    let (authorize, browser) = https.begin("").await;
    let back = https.press(&authorize, "ada-acme").await;
    let done = https.call_back(&back, &browser).await;
    let line = set_cookie(&done, "tidegate").unwrap();
    assert!(line.starts_with("__Host-tidegate="), "{line}");
    assert!(line.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{line}");
    let session = cookie(&done, "tidegate").unwrap();
    // 256 bits in base64url.
    assert_eq!(session.len(), "__Host-tidegate=".len() + 43);
    let renamed = session.trim_start_matches("__Host-").to_owned();
    for (cookie, status) in [(session, StatusCode::OK), (renamed, StatusCode::SEE_OTHER)] {
        let home = https.get("/").header("cookie", cookie).send().await.unwrap();
        assert_eq!(home.status(), status);
    }
}

#[tokio::test]
async fn r25_signing_in_again_ends_the_session_the_browser_had() {
    let world = World::new().await;
    let old = world.sign_in("ada-acme").await;
    let (authorize, browser) = world.begin("").await;
    let back = world.press(&authorize, "ada-acme").await;
    let done = world.call_back(&back, &format!("{browser}; {old}")).await;
    let new = cookie(&done, "tidegate").unwrap();
    assert_ne!(old, new);
    let with_old = world.get("/").header("cookie", &old).send().await.unwrap();
    assert_eq!(with_old.status(), StatusCode::SEE_OTHER);
    let with_new = world.get("/").header("cookie", &new).send().await.unwrap();
    assert_eq!(with_new.status(), StatusCode::OK);
}

#[tokio::test]
async fn r25_a_session_ends_after_30_idle_minutes_and_after_12_hours() {
    let world = World::new().await;
    world.sign_in("ada-acme").await;
    let now = world.db.now().await.unwrap();
    for (token, created, seen, on) in [
        ("fresh", 11 * HOUR, 29 * MINUTE, true),
        ("idle", 31 * MINUTE, 31 * MINUTE, false),
        ("old", 12 * HOUR + MINUTE, 0, false),
    ] {
        let mut tx = world.db.begin().await.unwrap();
        tx.insert_session(&Session {
            key_hash: Sha256::digest(token).into(),
            person: 11,
            created_at: now.plus_millis(-created),
            seen_at: now.plus_millis(-seen),
            data: json!({}),
        })
        .await
        .unwrap();
        tx.commit().await.unwrap();
        let page = world
            .get("/")
            .header("cookie", format!("tidegate={token}"))
            .send()
            .await
            .unwrap();
        assert_eq!(page.status() == StatusCode::OK, on, "{token}");
    }
}

#[tokio::test]
async fn r28_a_sign_in_is_begun_with_pkce_a_state_and_the_one_redirect_address() {
    let world = World::new().await;
    let (authorize, _) = world.begin("").await;
    let parameter = |name: &str| {
        let mut pairs = authorize.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    assert_eq!(parameter("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(parameter("code_challenge").unwrap().len(), 43);
    assert_eq!(parameter("state").unwrap().len(), 43);
    let callback = world.public_url.join("/auth/callback").unwrap();
    assert_eq!(parameter("redirect_uri").as_deref(), Some(callback.as_str()));
}

#[tokio::test]
async fn r28_a_callback_works_once_and_in_the_browser_that_began_only() {
    let world = World::new().await;
    let (authorize, browser) = world.begin("").await;
    let back = world.press(&authorize, "ada-acme").await;
    let done = world.call_back(&back, &browser).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    let again = world.call_back(&back, &browser).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    assert!(
        again.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert!(cookie(&again, "tidegate").is_none());
    let page = again.text().await.unwrap();
    assert!(
        page.contains("Not signed in") && page.contains("href=\"/sign-in\""),
        "{page}"
    );

    let (authorize, _) = world.begin("").await;
    let (_, other_browser) = world.begin("").await;
    let stolen = world.press(&authorize, "ada-acme").await;
    for cookies in [other_browser.as_str(), "", "tidegate-signin=guess"] {
        let answer = world.call_back(&stolen, cookies).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{cookies}");
        assert!(cookie(&answer, "tidegate").is_none());
    }
    for path in [
        "/auth/callback",
        "/auth/callback?code=x",
        "/auth/callback?code=x&state=y",
    ] {
        assert_eq!(world.call_back(path, &browser).await.status(), StatusCode::BAD_REQUEST);
    }
    let denied = world
        .call_back("/auth/callback?error=access_denied&state=y", &browser)
        .await;
    assert_eq!(denied.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn r28_no_sign_in_leads_to_another_site() {
    let world = World::new().await;
    for elsewhere in [
        "https%3A%2F%2Fevil.test",
        "%2F%2Fevil.test",
        "%2F%5Cevil.test",
        "%2F%09%2Fevil.test",
    ] {
        let (authorize, browser) = world.begin(&format!("?return_to={elsewhere}")).await;
        let back = world.press(&authorize, "ada-acme").await;
        let done = world.call_back(&back, &browser).await;
        assert_eq!(location(&done), "/", "{elsewhere}");
    }
}

#[tokio::test]
async fn r28_the_database_holds_no_token_in_plain_text() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    let (authorize, browser) = world.begin("").await;
    let state = authorize
        .query_pairs()
        .find(|(key, _)| key == "state")
        .unwrap()
        .1
        .into_owned();
    let secrets = [
        "gho_".to_owned(),
        CLIENT_SECRET.to_owned(),
        session.trim_start_matches("tidegate=").to_owned(),
        browser.trim_start_matches("tidegate-signin=").to_owned(),
        state,
    ];
    let stored = world.scratch.everything_stored().await;
    let holds = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("ada-acme"), "the search itself works");
    for secret in secrets {
        assert!(!holds(&secret), "{secret} is in the database");
    }
}

#[tokio::test]
async fn someone_without_a_role_is_told_which_teams_give_access() {
    let world = World::new().await;
    let (authorize, browser) = world.begin("").await;
    let back = world.press(&authorize, "cleo-acme").await;
    let done = world.call_back(&back, &browser).await;
    assert_eq!(done.status(), StatusCode::FORBIDDEN);
    assert!(cookie(&done, "tidegate").is_none());
    let page = done.text().await.unwrap();
    assert!(page.contains("acme/admins, acme/approvers, acme/developers"), "{page}");
    assert_eq!(world.events().await, ["access.denied"]);
}
