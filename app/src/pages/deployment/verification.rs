//! What the deployment has to pass: before it runs, which suite will be asked where; then each test with its attempts, how
//! long it took beside how long it may, what was not as expected, and what was answered.

use crate::{
    components::{
        attempt::{took, with_code},
        icon::{Icon, icon},
        label::when,
        state::{Meaning, mark},
    },
    model::DeploymentPage,
    words::counted,
};
use leptos::prelude::*;
use tidegate_domain::{
    State, StateName, Timestamp,
    deployment::{Run, When},
    smoke::{Attempt, Next, Test, Verification, next},
    time::{SECOND, span_words},
};

/// Of what runs or ran: right below the rollout. Nothing where there is nothing to pass.
pub(super) fn of_run(page: &DeploymentPage) -> Option<AnyView> {
    let run = page.deployment.run()?;
    let verify = run.verify.as_ref()?;
    let places = [When::Before, When::After]
        .into_iter()
        .filter_map(|moment| Some(place(page, run, verify, moment, moment.url(verify)?)))
        .collect_view();
    Some(
        view! {
            <section class="verification" aria-labelledby="verification">
                {heading(verify)}
                <div class="places">{places}</div>
            </section>
        }
        .into_any(),
    )
}

/// Of what still waits: what it will have to pass.
pub(super) fn planned(page: &DeploymentPage) -> Option<AnyView> {
    let waits = matches!(
        page.deployment.state.name(),
        StateName::Requested | StateName::AwaitingApproval | StateName::Queued
    );
    let verify = page.target.as_ref()?.verify.as_ref();
    let verify = verify.filter(|_| waits && !page.deployment.is_rollback())?;
    let wait = match verify.stability_wait_seconds {
        0 => "at once".to_owned(),
        seconds => format!("after {} of stability wait", span_words(seconds * SECOND)),
    };
    let before = verify.test_base_url.clone().map(|url| {
        view! {
            <li>"Before traffic, where the new version waits for it: against the test listener " <code>{url}</code> ". A test that fails there keeps it from getting any."</li>
        }
    });
    let tests = verify.suite.tests.iter().map(expected).collect_view();
    Some(
        view! {
            <section class="verification" aria-labelledby="verification">
                {heading(verify)}
                <ul class="moments">
                    {before}
                    <li>{format!("With all traffic on the new version, {wait}: against ")} <code>{verify.base_url.clone()}</code> ". A test that fails takes all traffic back."</li>
                </ul>
                <ul class="tests">{tests}</ul>
            </section>
        }
        .into_any(),
    )
}

/// What is going on with all traffic on the new version, for the sentence above the page. The moment is that at which the
/// suite starts, where that is still to come.
pub(super) fn going_on(run: &Run, now: Timestamp) -> Option<(String, Option<Timestamp>)> {
    let verify = run.verify.as_ref()?;
    let begins = begins(run, verify)?;
    let suite = &verify.suite;
    if now < begins {
        return Some((format!("Stability wait: suite {} starts ", suite.name), Some(begins)));
    }
    Some(match next(suite, &run.checks.after, now) {
        Next::Attempt { test, number } => {
            let test = suite.tests.get(test)?;
            let attempt = match test.attempts {
                1 => String::new(),
                attempts => format!(", attempt {number} of {attempts}"),
            };
            (format!("Suite {} asks {}{attempt}", suite.name, test.name), None)
        }
        Next::Wait { until } => (format!("Suite {} asks again ", suite.name), Some(until)),
        Next::Passed => (format!("Suite {} has passed", suite.name), None),
        Next::Failed { test, .. } => (format!("{test} failed"), None),
    })
}

fn heading(verify: &Verification) -> impl IntoView + use<> {
    let suite = format!(
        "suite {}, {}",
        verify.suite.name,
        counted(verify.suite.tests.len(), "test", "tests")
    );
    view! { <h2 id="verification">{icon(Icon::Search)} "Verification" <span class="muted">{suite}</span></h2> }
}

fn begins(run: &Run, verify: &Verification) -> Option<Timestamp> {
    Some(run.checks.all_traffic_at?.plus_seconds(verify.stability_wait_seconds))
}

fn place(page: &DeploymentPage, run: &Run, verify: &Verification, moment: When, url: &str) -> impl IntoView + use<> {
    let attempts = run.checks.of(moment);
    let goes_on =
        matches!(page.deployment.state, State::Starting { .. } | State::Deploying { .. }) && run.stop.is_none();
    let title = match moment {
        When::Before => "Test listener, before traffic",
        When::After => "Production, with all traffic",
    };
    let tests = verify
        .suite
        .tests
        .iter()
        .map(|test| tried(test, attempts, moment, goes_on))
        .collect_view();
    view! {
        <div class="place">
            <p class="place-head">
                <b>{title}</b>
                " "
                {stands(page, run, verify, moment, goes_on)}
                <code class="muted">{url.to_owned()}</code>
            </p>
            {(!attempts.is_empty()).then(|| view! { <ul class="tests">{tests}</ul> })}
        </div>
    }
}

fn stands(page: &DeploymentPage, run: &Run, verify: &Verification, moment: When, goes_on: bool) -> AnyView {
    let attempts = run.checks.of(moment);
    let quiet = |words: String| mark(Meaning::Quiet, Icon::Clock, words).into_any();
    match next(&verify.suite, attempts, page.now) {
        Next::Passed => return mark(Meaning::Good, Icon::Check, "passed").into_any(),
        Next::Failed { test, .. } => return mark(Meaning::Bad, Icon::Cross, format!("{test} failed")).into_any(),
        _ => {}
    }
    if !goes_on {
        return mark(
            Meaning::Quiet,
            Icon::Ban,
            if attempts.is_empty() { "did not run" } else { "given up" },
        )
        .into_any();
    }
    if !attempts.is_empty() {
        return mark(Meaning::Moving, Icon::Go, "is running").into_any();
    }
    match (moment, begins(run, verify)) {
        (When::Before, _) if run.made_way() => {
            mark(Meaning::Quiet, Icon::Ban, "did not run: the new version never waited for traffic").into_any()
        }
        (When::Before, _) => quiet("runs when the new version waits for traffic".to_owned()),
        (When::After, Some(begins)) if page.now < begins => view! {
            <span class="mark moving">{icon(Icon::Clock)} <span>"stability wait, suite starts " {when(begins, page.now)}</span></span>
        }
        .into_any(),
        (When::After, Some(_)) => mark(Meaning::Moving, Icon::Go, "is running").into_any(),
        (When::After, None) => quiet(match verify.stability_wait_seconds {
            0 => "runs once all traffic is there".to_owned(),
            seconds => format!("runs {} after all traffic is there", span_words(seconds * SECOND)),
        }),
    }
}

/// One test as it will be asked.
fn expected(test: &Test) -> impl IntoView + use<> {
    let mut words = vec![format!("answers {} within {}", test.expected_status, took(limit(test)))];
    let members: Vec<String> = test
        .expected_json
        .keys()
        .map(|pointer| format!("`{pointer}`"))
        .collect();
    if !members.is_empty() {
        words.push(format!("with {} as expected", members.join(", ")));
    }
    let headers: Vec<String> = test.expected_headers.keys().map(|name| format!("`{name}`")).collect();
    if !headers.is_empty() {
        words.push(format!(
            "with {} {}",
            if headers.len() == 1 { "header" } else { "headers" },
            headers.join(", ")
        ));
    }
    if test.attempts > 1 {
        words.push(format!("in one of {} attempts", test.attempts));
    }
    view! {
        <li class="test">
            <span class="test-name">{test.name.clone()}</span>
            " "
            <code>{format!("{} {}", test.method, test.path)}</code>
            " "
            <span class="test-says">{with_code(&words.join(", "))}</span>
        </li>
    }
}

/// One test as it went.
fn tried(test: &Test, attempts: &[Attempt], moment: When, goes_on: bool) -> impl IntoView + use<> {
    let own: Vec<&Attempt> = attempts.iter().filter(|attempt| attempt.test == test.name).collect();
    let last = own.last().copied();
    let number = last.map_or(0, |last| last.number);
    let said = match last {
        Some(last) if last.passed() => mark(Meaning::Good, Icon::Check, "passed"),
        Some(_) if number >= test.attempts => mark(Meaning::Bad, Icon::Cross, "failed"),
        Some(_) if goes_on => mark(Meaning::Moving, Icon::Go, "asked again"),
        Some(_) => mark(Meaning::Quiet, Icon::Ban, "given up"),
        None => mark(Meaning::Quiet, Icon::Dot, if goes_on { "to come" } else { "not run" }),
    };
    let again = number > 1 || last.is_some_and(|last| !last.passed());
    let tries = (test.attempts > 1 && again).then(|| format!("attempt {number} of {}", test.attempts));
    let latency = last.map(|last| {
        let over = last.latency_ms > limit(test);
        view! {
            <span class=if over { "over" } else { "" }>{took(last.latency_ms)}</span>
            <span class="muted">{format!(" of {}", took(limit(test)))}</span>
        }
    });
    let told = own
        .iter()
        .filter(|attempt| !attempt.passed())
        .map(|attempt| missed(attempt, test.attempts > 1))
        .collect_view();
    let answer = last.and_then(|last| answered(last, moment));
    view! {
        <li class="test">
            <span class="test-name">{test.name.clone()}</span>
            " "
            {said}
            " "
            <span class="test-tries muted">{tries}</span>
            " "
            <span class="test-took">{latency}</span>
            <ul class="missed">{told}</ul>
            {answer}
        </li>
    }
}

fn missed(attempt: &Attempt, numbered: bool) -> impl IntoView + use<> {
    let number = numbered.then(|| format!("attempt {}: ", attempt.number));
    view! { <li>{number.map(|number| view! { <span class="muted">{number}</span> })} {with_code(&attempt.why())}</li> }
}

fn answered(attempt: &Attempt, moment: When) -> Option<impl IntoView + use<>> {
    if attempt.body_beginning.is_empty() {
        return None;
    }
    let id = format!("answer-{}-{}", moment.as_str(), attempt.test);
    Some(view! {
        <details class="answer-body" id=id>
            <summary>"What it answered"</summary>
            <pre tabindex="0">{attempt.body_beginning.clone()}</pre>
        </details>
    })
}

/// Milliseconds that the answer may take.
fn limit(test: &Test) -> i64 {
    test.max_latency_ms.unwrap_or(test.timeout_ms).min(test.timeout_ms)
}
