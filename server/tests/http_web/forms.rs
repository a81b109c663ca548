//! Forms without JavaScript (U2), and what they say afterwards (U7).

use crate::world::{World, location};
use reqwest::StatusCode;

#[tokio::test]
async fn u02_a_deployment_is_requested_and_cancelled_by_plain_forms() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    let page = world.deployment(&session).await;
    let see = async || {
        let answer = world.get(&page).header("cookie", &session).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.unwrap()
    };
    assert!(see().await.contains("Deployment requested"));
    assert!(!see().await.contains("Deployment requested"), "it is said once");

    let cancelled = world
        .post(&format!("{page}/cancel"))
        .header("cookie", &session)
        .header("referer", "https://evil.test/")
        .form(&[("reason", "wrong release")])
        .send()
        .await
        .unwrap();
    assert_eq!(cancelled.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(&cancelled), page, "never the Referer");
    let shown = see().await;
    assert!(
        shown.contains("Cancelled") && shown.contains("wrong release"),
        "{shown}"
    );
    let events = world.events().await;
    assert!(events.contains(&"deployment.cancelled".to_owned()), "{events:?}");
}

#[tokio::test]
async fn u07_a_form_that_fails_says_why_and_loses_no_typed_text() {
    let world = World::new().await;
    let ada = world.sign_in("ada-acme").await;
    let page = world.deployment(&ada).await;
    let see = async |session: &str| {
        let answer = world.get(&page).header("cookie", session).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let send = async |session: &str, action: &str, form: &[(&str, &str)]| {
        let post = world
            .post(&format!("{page}/{action}"))
            .header("cookie", session)
            .form(form);
        let answer = post.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(location(&answer), page, "nothing of the error is in the address");
    };
    let shown = see(&ada).await;
    assert!(shown.contains("Deployment requested"), "{shown}");

    send(&ada, "cancel", &[("reason", " ")]).await;
    let shown = see(&ada).await;
    assert!(
        shown.contains("Not cancelled") && shown.contains("Say why it is cancelled."),
        "{shown}"
    );

    // Not prepared yet, so there is nothing to approve; Ben's words must not be lost for that.
    let ben = world.sign_in("ben-acme").await;
    let form = [("revision", "0000"), ("comment", "looks <good> to me")];
    send(&ben, "approve", &form).await;
    let shown = see(&ben).await;
    assert!(shown.contains("Not approved"), "{shown}");
    assert!(!shown.contains("looks <good> to me"), "escaped");
}

#[tokio::test]
async fn a_request_that_fails_leads_back_to_its_page_and_nowhere_else() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    for (return_to, back) in [
        ("/services/rag", "/services/rag"),
        ("https://evil.test/", "/"),
        ("//evil.test", "/"),
    ] {
        let form = [
            ("release", "no-id"),
            ("environment", "production"),
            ("return_to", return_to),
        ];
        let answer = world
            .post("/deployments")
            .header("cookie", &session)
            .form(&form)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(location(&answer), back);
    }
    let home = world.get("/").header("cookie", &session).send().await.unwrap();
    assert!(home.text().await.unwrap().contains("Not requested"));
}

#[tokio::test]
async fn a_theme_is_kept_by_the_browser() {
    let world = World::new().await;
    let answer = world
        .post("/theme")
        .form(&[("theme", "dark"), ("return_to", "/inbox")])
        .send()
        .await
        .unwrap();
    assert_eq!(location(&answer), "/inbox");
    let page = world
        .get("/sign-in")
        .header("cookie", "theme=dark")
        .send()
        .await
        .unwrap();
    assert!(page.text().await.unwrap().contains("data-theme=\"dark\""));
}
