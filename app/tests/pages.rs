//! The pages as a browser without JavaScript gets them: over the sample world of the preview, through the real router.
#![cfg(feature = "ssr")]
#![expect(clippy::unwrap_used, reason = "a test that cannot get its page has failed")]

#[path = "../examples/preview/health.rs"]
mod health;
#[path = "../examples/preview/monitors.rs"]
mod monitors;
#[path = "../examples/preview/portal.rs"]
mod portal;
#[path = "../examples/preview/rolling.rs"]
mod rolling;
#[path = "../examples/preview/verified.rs"]
mod verified;
#[path = "../examples/preview/world.rs"]
mod world;

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use leptos::prelude::provide_context;
use portal::Sample;
use std::sync::Arc;
use tidegate_app::{
    Flash, SiteAssets, Tone, Visitor,
    portal::Portal,
    shell::{routes, shell},
};
use tidegate_domain::StateName;

struct Answer {
    status: StatusCode,
    html: String,
}

impl Answer {
    /// The text of the page as a person reads it: without tags, with entities read.
    fn text(&self) -> String {
        let (mut text, mut inside) = (String::new(), false);
        for letter in self.html.replace("<!>", "").chars() {
            match letter {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    text.push(' ');
                }
                letter if !inside => text.push(letter),
                _ => {}
            }
        }
        let text = text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&amp;", "&");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn says(&self, sentence: &str) {
        assert!(
            self.text().contains(sentence),
            "{sentence:?} is not in:\n{}",
            self.text()
        );
    }
}

fn dana() -> Visitor {
    Visitor {
        viewer: Some(world::viewer()),
        actor: Some(portal::actor()),
        ..Visitor::default()
    }
}

async fn get(sample: Arc<Sample>, visitor: Visitor, path: &str) -> Answer {
    assert!(!routes().is_empty());
    let context = move || {
        provide_context::<Arc<dyn Portal>>(sample.clone());
        provide_context(SiteAssets::default());
        provide_context(visitor.clone());
    };
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = leptos_axum::render_app_async_with_context(context, shell)(request).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
    Answer {
        status,
        html: String::from_utf8(body.to_vec()).unwrap(),
    }
}

fn sample() -> Arc<Sample> {
    Arc::new(Sample::new(|_, _| ()))
}

/// The page of the first deployment in this state.
async fn page_of(sample: &Arc<Sample>, state: StateName) -> Answer {
    let (id, _) = sample.ids().into_iter().find(|(_, other)| *other == state).unwrap();
    get(sample.clone(), dana(), &format!("/deployments/{id}")).await
}

#[tokio::test]
async fn u01_a_waiting_deployment_answers_what_is_it_safe_who_and_what_next() {
    let page = page_of(&sample(), StateName::AwaitingApproval).await;
    assert_eq!(page.status, StatusCode::OK);
    page.says("Needs approval: 1 of security.");
    page.says("Then it starts at once: 10 % for 5 min, then 100 %: about 5 min of traffic shift. If nobody acts it expires in 23 h");
    page.says("6 commits on top of");
    page.says("all 7 gates passed");
    page.says("image pinned by digest, registry tags immutable");
    page.says("carol approved 21 min ago");
    page.says("someone of security");
    page.says("ada and ben cannot approve");
    assert!(
        page.html.contains("<title>Needs approval · rag"),
        "the title says the state"
    );
}

#[tokio::test]
async fn u02_every_action_is_a_plain_form() {
    let sample = sample();
    let page = page_of(&sample, StateName::AwaitingApproval).await;
    for (act, field) in [
        ("approve", "name=\"revision\""),
        ("reject", "name=\"reason\""),
        ("cancel", "name=\"reason\""),
    ] {
        let start = page.html.find(&format!("/{act}\"")).unwrap();
        let form = &page.html[start..start + page.html[start..].find("</form>").unwrap()];
        assert!(page.html[start - 200..start].contains("method=\"post\""), "{act}");
        assert!(form.contains(field), "{act}: {form}");
    }
    let page = page_of(&sample, StateName::Deploying).await;
    assert!(page.html.contains("/roll-back\""));
    assert!(!page.html.contains("/approve\""));
    let page = get(sample, dana(), "/services/rag").await;
    assert!(page.html.contains("action=\"/deployments\""));
}

#[tokio::test]
async fn every_state_has_its_page_and_says_what_happens_next() {
    let sample = sample();
    for (state, sentence) in [
        (
            StateName::Requested,
            "Held up by 2 things. vulnerability-scan — failed: 2 HIGH findings in libssl; staging",
        ),
        (StateName::Queued, "Approved. Waits behind sha-"),
        (StateName::Deploying, "10 % of traffic is on the new version."),
        (
            StateName::RollingBack,
            "emil asked for it: “p95 doubled since 30 %, see the dashboard”",
        ),
        (
            StateName::RolledBack,
            "AWS did it by itself: The overall deployment failed",
        ),
        (
            StateName::Failed,
            "ClientException: Task definition does not support launch type FARGATE.",
        ),
        (StateName::Succeeded, "All traffic is on sha-"),
        (
            StateName::Rejected,
            "Rejected by dana. “The new index has no retention limit yet; add one and ask again.”",
        ),
        (StateName::Cancelled, "Cancelled by faye."),
        (StateName::Expired, "Expired: not enough people approved in time."),
        (StateName::Superseded, "Superseded by a newer request."),
    ] {
        let page = page_of(&sample, state).await;
        assert_eq!(page.status, StatusCode::OK, "{state:?}");
        page.says(sentence);
    }
}

/// The page of the first deployment of a service in a state.
async fn first_of(service: &str, state: StateName) -> Answer {
    let sample = sample();
    for (id, _) in sample.ids().into_iter().filter(|(_, found)| *found == state) {
        let page = get(sample.clone(), dana(), &format!("/deployments/{id}")).await;
        if page.html.contains(&format!("· {service} ")) {
            return page;
        }
    }
    panic!("no deployment of {service} that is {state:?}");
}

#[tokio::test]
async fn what_has_to_pass_is_said_before_anybody_approves() {
    let page = first_of("rag", StateName::AwaitingApproval).await;
    page.says("Verification suite reference, 3 tests");
    page.says("against the test listener https://test.rag.acme.example:8443");
    page.says("With all traffic on the new version, after 2 min of stability wait: against https://rag.acme.example");
    page.says("health_check GET /health answers 200 within 10.0 s, in one of 5 attempts");
    page.says("intent_classification POST /api/v1/classify answers 200 within 10.0 s, with /intent as expected");
}

#[tokio::test]
async fn a_deployment_that_is_verified_says_how_far_it_is() {
    let page = first_of("guardrails", StateName::Deploying).await;
    page.says("All traffic is on the new version, which is being verified. Suite reference asks chat_basic.");
    page.says("Test listener, before traffic passed");
    page.says("Production, with all traffic is running");
    page.says("health_check passed attempt 2 of 5 12 ms of 10.0 s");
    page.says("attempt 1: status is 503, expected 200");
    page.says("chat_basic to come");
    page.says("sees health_check pass in production, at attempt 2");
}

#[tokio::test]
async fn a_smoke_test_that_failed_says_what_was_wrong_and_what_was_answered() {
    let page = first_of("intent-classifier", StateName::RolledBack).await;
    page.says("smoke test intent_classification failed: `/intent` is \"refund\", expected \"order_return\"");
    page.says("Production, with all traffic intent_classification failed");
    page.says("chat_basic passed 1.2 s of 3.0 s");
    page.says("/intent is \"refund\", expected \"order_return\"");
    page.says("What it answered {\"intent\":\"refund\",\"token\":\"[hidden]\"}");
}

#[tokio::test]
async fn r02_a_void_approval_says_what_changed() {
    let sample = sample();
    let (id, _) = sample
        .ids()
        .into_iter()
        .filter(|(_, state)| *state == StateName::AwaitingApproval)
        .nth(1)
        .unwrap();
    let page = get(sample, dana(), &format!("/deployments/{id}")).await;
    page.says("emil void since 30 min ago : task definition changed from");
}

#[tokio::test]
async fn solo_mode_is_labelled() {
    let sample = sample();
    let (id, _) = sample
        .ids()
        .into_iter()
        .filter(|(_, state)| *state == StateName::AwaitingApproval)
        .nth(2)
        .unwrap();
    get(sample, dana(), &format!("/deployments/{id}"))
        .await
        .says("Solo mode.");
}

#[tokio::test]
async fn r32_what_people_typed_is_never_read_as_html() {
    let hostile = "</textarea></title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let sample = Arc::new(Sample::with_text(hostile));
    let mut paths: Vec<String> = sample
        .ids()
        .into_iter()
        .map(|(id, _)| format!("/deployments/{id}"))
        .collect();
    paths.extend(["/", "/inbox", "/history", "/audit", "/services/rag"].map(str::to_owned));
    for path in paths {
        let kept = [("comment", hostile), ("reason", hostile)].map(|(name, text)| (name.to_owned(), text.to_owned()));
        let flash = Flash {
            tone: Tone::Failed,
            title: hostile.to_owned(),
            detail: Some(hostile.to_owned()),
            kept: kept.into_iter().collect(),
            form: Some("reject".to_owned()),
        };
        let page = get(
            sample.clone(),
            Visitor {
                flash: Some(flash),
                ..dana()
            },
            &path,
        )
        .await;
        assert!(!page.html.contains("<script>alert"), "{path}");
        assert!(!page.html.contains("<img"), "{path}");
        assert!(page.html.contains("&lt;script&gt;alert(1)"), "{path} shows it as text");
    }
}

#[tokio::test]
async fn u07_a_failed_form_keeps_what_was_typed() {
    let sample = sample();
    let flash = Flash {
        tone: Tone::Failed,
        title: "Not rejected".to_owned(),
        detail: Some("Someone was faster.".to_owned()),
        kept: [("reason".to_owned(), "Too slow\non staging".to_owned())].into(),
        form: Some("reject".to_owned()),
    };
    let (id, _) = sample
        .ids()
        .into_iter()
        .find(|(_, state)| *state == StateName::AwaitingApproval)
        .unwrap();
    let page = get(
        sample,
        Visitor {
            flash: Some(flash),
            ..dana()
        },
        &format!("/deployments/{id}"),
    )
    .await;
    page.says("Not rejected. Someone was faster.");
    assert!(page.html.contains(">Too slow\non staging</textarea>"), "{}", page.html);
    assert!(page.html.contains("<details id=\"reject\" name=\"act\" open"));
}

#[tokio::test]
async fn u07_empty_pages_teach_the_first_command() {
    let empty = Arc::new(Sample::empty());
    let page = get(empty.clone(), dana(), "/").await;
    page.says("Nothing has been released yet.");
    page.says("/api/v1/releases");
    get(empty.clone(), dana(), "/inbox").await.says("Nothing waits on you");
    get(empty.clone(), dana(), "/history").await.says("No deployments yet");
    get(empty.clone(), dana(), "/audit")
        .await
        .says("Nothing has happened yet");
    get(empty, dana(), "/services/rag").await.says("No release yet");
}

#[tokio::test]
async fn what_is_not_there_answers_404_and_nobody_answers_401() {
    for path in [
        "/nowhere",
        "/deployments/x",
        "/deployments/01928c5e-0000-7000-8000-000000000000",
        "/services/none",
    ] {
        assert_eq!(
            get(sample(), dana(), path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let page = get(sample(), Visitor::default(), "/history?state=failed").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(
        page.html.contains("value=\"/history?state=failed\""),
        "sign-in leads back"
    );
}

#[tokio::test]
async fn u02_the_filter_of_the_matrix_works_by_its_address() {
    let page = get(sample(), dana(), "/?q=guard").await;
    assert_eq!(page.html.matches("data-name=").count(), 8);
    assert_eq!(
        page.html.matches(" hidden>").count() - page.html.matches("data-none").count(),
        7,
        "seven rows are hidden"
    );
    let page = get(sample(), dana(), "/?q=zzz").await;
    page.says("No service has that in its name");
}

#[tokio::test]
async fn u06_no_page_needs_an_inline_style() {
    let sample = sample();
    for (id, _) in sample.ids() {
        let page = get(sample.clone(), dana(), &format!("/deployments/{id}")).await;
        assert!(!page.html.contains(" style=\""));
    }
}

#[tokio::test]
async fn a_plan_says_what_kind_it_is_and_what_the_others_would_mean() {
    let page = get(sample(), dana(), "/services/rag").await;
    page.says("Canary back in seconds, risk very low");
    page.says("Blue/green this plan a second set of tasks, then all traffic at once Rollback seconds Risk low Capacity 2× during the deployment");
    page.says("Rolling tasks are replaced a few at a time Rollback minutes Risk medium Capacity 1×");
    page.says("Recreate the old version stops before the new one starts Rollback minutes, with downtime Risk high Capacity 1×");
}

#[tokio::test]
async fn rolling_deployments_of_ecs_are_shown_and_offer_nothing() {
    let page = get(sample(), dana(), "/services/rag").await;
    page.says("Rolling deployments (read only)");
    page.says("ECS service rag-indexer in acme-production");
    page.says("1 of 2 tasks run at most 200 %, healthy at least 100 % Circuit breaker watching: 1 of 3 failed tasks");
    page.says("Circuit breaker opened at 3 of 3 failed tasks");
    let other = get(sample(), dana(), "/services/guardrails").await;
    assert!(!other.text().contains("Rolling deployments"));
}

#[tokio::test]
async fn a_monitor_that_fails_says_since_when_and_what_was_expected() {
    let sample = Arc::new(Sample::new(|_, _| ()));
    let get = |path| get(sample.clone(), dana(), path);
    let page = get("/services/rag").await;
    page.says("production failing");
    page.says("since 40 min ago");
    page.says("suite reference, every 5 min");
    page.says("intent_classification : /intent is \"refund\", expected \"order_return\"");
    page.says("staging passing");
    let never = get("/services/guardrails").await;
    never.says("production has not run yet");
    let none = get("/services/load-test").await;
    assert!(!none.text().contains("Monitoring"));
}

#[tokio::test]
async fn why_it_was_rolled_back_is_a_page_with_every_sample() {
    let sample = sample();
    let (id, _) = sample
        .ids()
        .into_iter()
        .find(|(_, state)| *state == StateName::RolledBack)
        .unwrap();
    let page = get(sample.clone(), dana(), &format!("/deployments/{id}/health")).await;
    assert_eq!(page.status, StatusCode::OK);
    page.says("Rolled back by http-5xx.");
    page.says("5xx rate");
    page.says("Limit 1 %");
    page.says("2 of 3");
    page.says("beyond the limit");
    page.says("missing");
    page.says("This was an incident , says D dana");
    assert!(page.html.contains("class=\"curve-limit\"") && page.html.contains("class=\"curve-gap\""));
    assert!(page.html.contains(&format!("action=\"/deployments/{id}/mark\"")));
    let brief = get(sample, dana(), &format!("/deployments/{id}")).await;
    assert!(brief.html.contains(&format!("/deployments/{id}/health")));
}

#[tokio::test]
async fn where_nothing_is_evaluated_the_page_says_what_to_write() {
    let sample = sample();
    let ids: Vec<_> = sample.ids().into_iter().map(|(id, _)| id).collect();
    let mut told = 0;
    for id in ids {
        let page = get(sample.clone(), dana(), &format!("/deployments/{id}/health")).await;
        assert_eq!(page.status, StatusCode::OK);
        if page.text().contains("Nothing is evaluated here") {
            page.says("health = \"standard\"");
            told += 1;
        }
    }
    assert!(told > 0);
}

#[tokio::test]
async fn u02_the_lab_is_a_form_and_its_state_is_in_the_address() {
    let sample = sample();
    let page = get(sample.clone(), dana(), "/lab").await;
    page.says("Choose a second definition, or write a draft");
    assert!(
        page.html.contains("<a href=\"/lab\" aria-current=\"page\""),
        "it is in the navigation"
    );
    assert!(page.html.contains("method=\"post\" action=\"/lab\""));
    assert!(
        page.html.contains("[health.draft]"),
        "a draft begins with what is in force"
    );
    let page = get(
        sample,
        dana(),
        "/lab?service=rag&old=careful&new=standard&from=2026-03-01",
    )
    .await;
    assert!(page.html.contains("value=\"2026-03-01\""));
    page.says("False rollbacks");
    page.says("Misses");
    page.says("where they differ");
}

#[tokio::test]
async fn health_between_deployments_is_a_line_for_each_environment() {
    let page = get(sample(), dana(), "/services/rag").await;
    page.says("Health between deployments");
    page.says("production healthy since 3 h ago");
    page.says("new-against-stable needs a new or a stable version");
}
