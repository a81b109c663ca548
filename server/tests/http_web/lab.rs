//! The lab's form without JavaScript: what fits into an address leads there, a draft is answered with the page.

use crate::world::{World, location};
use reqwest::StatusCode;

#[tokio::test]
async fn u02_what_is_compared_is_in_the_address() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    let form = [
        ("service", "rag"),
        ("environment", ""),
        ("old", ""),
        ("new", "standard"),
        ("draft", "[x"),
    ];
    let answer = world
        .post("/lab")
        .header("cookie", &session)
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(&answer), "/lab?service=rag&new=standard");
    let page = world
        .get(&location(&answer))
        .header("cookie", &session)
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let html = page.text().await.unwrap();
    assert!(html.contains("No recorded deployment to compare on"), "{html}");
}

#[tokio::test]
async fn u07_a_wrong_draft_is_told_by_line_and_nothing_of_it_is_lost() {
    let world = World::new().await;
    let session = world.sign_in("ada-acme").await;
    let before = world.events().await;
    let draft = "[health.mine]\nextend = \"standart\" # <b>\n";
    let form = [("service", "rag"), ("new", "draft"), ("draft", draft)];
    let answer = world
        .post("/lab")
        .header("cookie", &session)
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let html = answer.text().await.unwrap();
    assert!(html.contains("Line 2, column 10: "), "{html}");
    assert!(html.contains("extend = \"standart\" # &lt;b&gt;"), "{html}");
    assert!(
        html.contains("<option value=\"rag\" selected"),
        "the other fields stay, too"
    );
    assert_eq!(world.events().await, before, "it changes nothing");
}
