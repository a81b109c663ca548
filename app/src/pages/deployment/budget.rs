//! The time from commit to traffic against its 15 minutes, phase by phase; and what nobody timed.

use crate::{
    components::icon::{Icon, icon},
    model::DeploymentPage,
    words::listed,
};
use leptos::prelude::*;
use tidegate_domain::{
    budget::{Budget, LIMIT_MILLIS, Spent},
    time::span_words,
};

/// The width of the drawing stands for the budget, or for what was spent where that is more.
const WIDTH: i64 = 900;

pub(super) fn section(page: &DeploymentPage) -> impl IntoView + use<> {
    let budget = &page.shape.budget;
    let timed = budget.phases.iter().any(|spent| spent.millis.is_some());
    (!page.deployment.is_rollback() && timed).then(|| {
        let missing: Vec<String> = budget
            .missing()
            .into_iter()
            .map(|phase| phase.words().to_owned())
            .collect();
        let honest = (!missing.is_empty()).then(|| {
            let words = format!(
                "Not all of it is known: {} not, or not wholly, reported.",
                are(&missing)
            );
            view! { <p class="hint">{words}</p> }
        });
        let rows = budget.phases.iter().map(row).collect_view();
        let total = budget.words();
        let class = if budget.over() { "budget over" } else { "budget" };
        view! {
            <section class=class aria-labelledby="budget">
                <h2 id="budget">{icon(Icon::Clock)} "Commit to traffic" <span class="budget-total">{total}</span></h2>
                {bar(budget)}
                <dl class="phases">{rows}</dl>
                {honest}
            </section>
        }
    })
}

fn are(missing: &[String]) -> String {
    let verb = if missing.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", listed(missing, "and"))
}

fn row(spent: &Spent) -> impl IntoView + use<> {
    let limit = span_words(spent.phase.limit());
    let (class, words) = match spent.millis {
        None => ("phase unknown", "not reported".to_owned()),
        Some(millis) if millis > spent.phase.limit() => ("phase over", span_words(millis)),
        Some(millis) => ("phase", span_words(millis)),
    };
    let partly = spent.partly.then_some(" so far");
    view! {
        <div class=class>
            <dt>{spent.phase.words()}</dt>
            <dd>{words} {partly} <span class="muted">{format!(" of {limit}")}</span></dd>
        </div>
    }
}

fn bar(budget: &Budget) -> impl IntoView + use<> {
    let whole = budget.total().max(LIMIT_MILLIS);
    let scaled = |millis: i64| millis.saturating_mul(WIDTH) / whole;
    let mut at = 0;
    let parts = budget
        .phases
        .iter()
        .filter_map(|spent| Some((spent, spent.millis?)))
        .map(|(spent, millis)| {
            let (x, width) = (scaled(at), scaled(millis));
            at += millis;
            let class = if millis > spent.phase.limit() {
                "part over"
            } else {
                "part"
            };
            view! { <rect class=class x=x y="0" width=(width - 3).max(2) height="8"></rect> }
        })
        .collect_view();
    let limit = (whole > LIMIT_MILLIS).then(|| {
        let x = scaled(LIMIT_MILLIS);
        view! { <line class="tick" x1=x x2=x y1="0" y2="8"></line> }
    });
    view! {
        <svg class="traffic" viewBox=format!("0 0 {WIDTH} 8") preserveAspectRatio="none" role="img" aria-label=budget.words()>
            <rect class="old" x="0" y="0" width=WIDTH height="8"></rect>
            {parts}
            {limit}
        </svg>
    }
}
