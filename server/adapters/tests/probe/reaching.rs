//! Where a request goes, and where it never goes.

use crate::{
    Listener, Names, allow, here,
    listener::{ok, redirect},
    nothing, prober, response,
};
use rstest::rstest;
use std::sync::Arc;
use tidegate_adapters::probe::{Prober, url_safety::Allow};
use tidegate_domain::smoke::{HeaderValue, Method, Test};

fn nobody() -> Arc<Names> {
    Names::of(&[])
}

fn following(redirects: u8) -> Test {
    Test {
        redirects,
        ..Test::get("t", "/")
    }
}

#[tokio::test]
async fn r31_this_machine_is_not_asked_unless_it_is_allowed() {
    let listener = Listener::start(|_| ok("{}")).await;
    let probe = prober(&nobody());
    let test = Test::get("t", "/");
    let port = listener.port();
    for base in [
        listener.url(),
        format!("http://2130706433:{port}"),
        format!("http://0x7f000001:{port}"),
        format!("http://0177.0.0.1:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
        format!("http://0.0.0.0:{port}"),
        format!("http://[::]:{port}"),
    ] {
        let why = nothing(probe.probe(&base, &test, &Allow::default()).await);
        assert!(
            why.contains("this machine itself") || why.contains("unspecified"),
            "{base}: {why}"
        );
    }
    assert_eq!(listener.requests(), [""; 0]);
    assert_eq!(response(probe.probe(&listener.url(), &test, &here()).await).status, 200);
}

#[rstest]
#[case("127.0.0.1")]
#[case("::ffff:127.0.0.1")]
#[case("169.254.169.254")]
#[case("fd00:ec2::254")]
#[case("10.0.0.7")]
#[case("64:ff9b::7f00:1")]
#[tokio::test]
async fn r31_a_name_that_leads_inside_is_not_followed(#[case] address: &str) {
    let names = Names::of(&[("chat.acme.example", &[&[address]])]);
    let why = nothing(
        prober(&names)
            .probe("http://chat.acme.example", &Test::get("t", "/"), &Allow::default())
            .await,
    );
    assert!(why.starts_with("chat.acme.example ("), "{why}");
}

#[tokio::test]
async fn r31_one_inner_address_among_public_ones_is_one_too_many() {
    let names = Names::of(&[("chat.acme.example", &[&["8.8.8.8", "127.0.0.1"]])]);
    let why = nothing(
        prober(&names)
            .probe("http://chat.acme.example", &Test::get("t", "/"), &Allow::default())
            .await,
    );
    assert_eq!(why, "chat.acme.example (127.0.0.1) is this machine itself (loopback)");
}

#[tokio::test]
async fn r31_a_name_that_changes_after_it_was_checked_changes_nothing() {
    let listener = Listener::start(|_| ok("{}")).await;
    let base = format!("http://chat.acme.example:{}", listener.port());
    // Allowed the first time; whoever asked again would be led elsewhere, where nobody listens.
    let names = Names::of(&[("chat.acme.example", &[&["127.0.0.1"], &["127.0.0.2"]])]);
    let answer = prober(&names).probe(&base, &Test::get("t", "/"), &here()).await;
    assert_eq!(response(answer).status, 200);
    assert_eq!(*names.asked.lock().unwrap(), ["chat.acme.example"], "asked once");
    let request = listener.requests().remove(0).to_lowercase();
    assert!(
        request.contains(&format!("host: chat.acme.example:{}", listener.port())),
        "{request}"
    );
    // And the second request, which finds the other address, is judged by that.
    let why = nothing(prober(&names).probe(&base, &Test::get("t", "/"), &here()).await);
    assert_eq!(why, "chat.acme.example (127.0.0.2) is this machine itself (loopback)");
}

#[tokio::test]
async fn r31_a_name_is_never_looked_up_twice_however_it_is_written() {
    // The operating system knows these names too, and would lead elsewhere.
    for host in ["localhost", "localhost.", "LOCALHOST", "127.0.0.1.acme.example"] {
        let listener = Listener::start(|_| ok("{}")).await;
        let known = host.to_lowercase();
        let names = Names::of(&[(known.as_str(), &[&["127.0.0.1"]])]);
        let base = format!("http://{host}:{}", listener.port());
        let answer = prober(&names).probe(&base, &Test::get("t", "/"), &here()).await;
        assert_eq!(response(answer).status, 200, "{host}");
        assert_eq!(names.asked.lock().unwrap().len(), 1, "{host}");
    }
}

#[tokio::test]
async fn r31_a_redirect_inside_is_not_followed() {
    let inner = Listener::start(|_| ok("inner")).await;
    for to in [
        format!("http://127.0.0.2:{}/", inner.port()),
        format!("http://localhost:{}/", inner.port()),
        format!("//0x7f.2:{}/", inner.port()),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let outer = Listener::start({
            let to = to.clone();
            move |_| redirect(302, &to)
        })
        .await;
        let names = Names::of(&[("localhost", &[&["127.0.0.9"]])]);
        let why = nothing(prober(&names).probe(&outer.url(), &following(3), &here()).await);
        assert!(
            ["loopback", "metadata", "only http"]
                .iter()
                .any(|word| why.contains(word)),
            "{to}: {why}"
        );
    }
    assert_eq!(inner.requests(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_is_the_answer_unless_the_test_follows_it_and_only_so_often() {
    let target = Listener::start(|_| ok("there")).await;
    let to = target.url();
    let outer = Listener::start(move |request| match request {
        first if first.starts_with("GET /twice ") => redirect(307, "/"),
        _ => redirect(302, &to),
    })
    .await;
    let probe = prober(&nobody());
    let answer = response(probe.probe(&outer.url(), &following(0), &here()).await);
    assert_eq!(answer.status, 302);
    let answer = response(probe.probe(&outer.url(), &following(1), &here()).await);
    assert_eq!((answer.status, answer.body.as_str()), (200, "there"));
    let twice = Test {
        path: "/twice".to_owned(),
        ..following(1)
    };
    assert_eq!(response(probe.probe(&outer.url(), &twice, &here()).await).status, 302);
}

#[tokio::test]
async fn r33_a_secret_is_not_sent_on_to_where_a_redirect_leads() {
    let target = Listener::start(|_| ok("there")).await;
    let to = target.url();
    let outer = Listener::start(move |request| match request {
        first if first.starts_with("POST /inside ") => redirect(307, "/again"),
        _ => redirect(307, &to),
    })
    .await;
    let test = Test {
        method: Method::Post,
        path: "/inside".to_owned(),
        body: Some("{}".to_owned()),
        headers: [(
            "authorization".to_owned(),
            HeaderValue::Secret {
                prefix: "Bearer ".to_owned(),
                name: "TIDEGATE_SMOKE_TOKEN".to_owned(),
            },
        )]
        .into(),
        ..following(2)
    };
    assert_eq!(
        response(prober(&nobody()).probe(&outer.url(), &test, &here()).await).status,
        200
    );
    for request in outer.requests() {
        assert!(request.contains("Bearer canary-secret-value"), "{request}");
    }
    let there = target.requests().remove(0);
    assert!(there.starts_with("POST / ") && !there.contains("canary"), "{there}");
}

#[tokio::test]
async fn r31_a_path_does_not_change_the_host() {
    let listener = Listener::start(|_| ok("{}")).await;
    let probe = prober(&nobody());
    let host = format!("http://127.0.0.1:{}", listener.port());
    for path in ["@127.0.0.1/", ".acme.example/", "0/"] {
        let test = Test::get("t", path);
        let why = nothing(probe.probe(&host, &test, &here()).await);
        assert!(
            why.contains("another host") || why.contains("no address") || why.contains("user name"),
            "{path}: {why}"
        );
    }
    assert_eq!(listener.requests(), [""; 0]);
}

#[tokio::test]
async fn r31_an_allowed_network_is_allowed_and_no_more() {
    let listener = Listener::start(|_| ok("{}")).await;
    let names = Names::of(&[("chat.acme.internal", &[&["127.0.0.1"]])]);
    let base = format!("http://chat.acme.internal:{}", listener.port());
    let test = Test::get("t", "/");
    for (entries, reached) in [
        (&["127.0.0.0/8"][..], true),
        (&["chat.acme.internal"], true),
        (&["10.0.0.0/8", "acme.internal"], false),
    ] {
        let answer = prober(&names).probe(&base, &test, &allow(entries)).await;
        if reached {
            assert_eq!(response(answer).status, 200, "{entries:?}");
        } else {
            assert!(nothing(answer).contains("loopback"), "{entries:?}");
        }
    }
}
