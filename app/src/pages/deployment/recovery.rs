//! How a deployment that went wrong was recovered from: what kind of failure it was, and how long the way back took, beside
//! what was promised.

use crate::{
    components::{
        icon::Icon,
        label::when,
        state::{Meaning, mark},
    },
    model::DeploymentPage,
};
use leptos::prelude::*;
use tidegate_domain::{
    State,
    deployment::{CALL_WITHIN_MILLIS, CONFIRMED_WITHIN_MILLIS, FailureClass, RollbackTiming, plain_words},
    time::span_words,
};

pub(super) fn section(page: &DeploymentPage) -> Option<impl IntoView + use<>> {
    let deployment = &page.deployment;
    let ran = matches!(
        deployment.state,
        State::RollingBack { .. } | State::RolledBack { .. } | State::Failed { .. }
    );
    let class = deployment.failure_class().filter(|_| ran)?;
    let timing = deployment.rollback_timing();
    let code = code(page);
    Some(view! {
        <section class="recovery" aria-labelledby="recovery">
            <h2 id="recovery">"Recovery"</h2>
            <dl class="pairs">
                <dt>"Failure"</dt>
                <dd>{class.words()} {code}</dd>
                {recovered(deployment.recovery_millis(), class)}
                {timing.map(|timing| moments(&timing, page))}
            </dl>
        </section>
    })
}

/// AWS's code, in plain words where it has any.
fn code(page: &DeploymentPage) -> Option<impl IntoView + use<>> {
    let failure = match &page.deployment.state {
        State::Failed { failure, .. } => Some(failure),
        _ => page.deployment.run()?.progress.as_ref()?.error.as_ref(),
    };
    let code = failure?.code.clone()?;
    let words = plain_words(&code).map(|words| format!(": {words}"));
    Some(view! { <span class="muted">" (" <code>{code}</code> {words} ")"</span> })
}

fn recovered(millis: Option<i64>, class: FailureClass) -> impl IntoView {
    let objective = class.objective_millis();
    millis.map(|millis| {
        let took = judged(millis, objective);
        let beside = objective.map(|objective| format!(" of {}", span_words(objective)));
        view! {
            <dt>"Back to normal"</dt>
            <dd>{took} {beside.map(|words| view! { <span class="muted">{words}</span> })}</dd>
        }
    })
}

fn moments(timing: &RollbackTiming, page: &DeploymentPage) -> impl IntoView + use<> {
    let call = timing.to_call().map(|millis| {
        view! {
            <dt>"Decision to call"</dt>
            <dd>{judged(millis, Some(CALL_WITHIN_MILLIS))} <span class="muted">{format!(" of {}", span_words(CALL_WITHIN_MILLIS))}</span></dd>
        }
    });
    let confirmed = timing.to_confirmed().map(|millis| {
        view! {
            <dt>"Decision to all traffic back"</dt>
            <dd>{judged(millis, Some(CONFIRMED_WITHIN_MILLIS))} <span class="muted">{format!(" of {}, never over 2 min", span_words(CONFIRMED_WITHIN_MILLIS))}</span></dd>
        }
    });
    view! {
        <dt>"Decided"</dt>
        <dd>{when(timing.decided_at, page.now)}</dd>
        {call}
        {confirmed}
    }
}

/// Never by colour alone: the mark has a word.
fn judged(millis: i64, limit: Option<i64>) -> AnyView {
    let took = if millis < 1_000 {
        format!("{} ms", millis.max(0))
    } else {
        span_words(millis)
    };
    match limit {
        Some(limit) if millis <= limit => mark(Meaning::Good, Icon::Check, took).into_any(),
        Some(_) => mark(Meaning::Bad, Icon::Alert, format!("{took}, too long")).into_any(),
        None => took.into_any(),
    }
}
