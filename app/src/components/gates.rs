//! Gates of a release: passed, failed or missing, in the policy's order.

use super::{
    icon::{Icon, icon},
    label::when,
    state::{Meaning, mark},
};
use crate::words::tied;
use leptos::prelude::*;
use tidegate_domain::{GateStatus, Timestamp, Verdict};

/// One line per gate, with what was reported, since when and where to look.
pub(crate) fn gate_list(gates: &[GateStatus], now: Timestamp) -> impl IntoView + use<> {
    let rows = gates.iter().map(|status| gate(status, now)).collect_view();
    view! { <ul class="gates">{rows}</ul> }
}

fn gate(status: &GateStatus, now: Timestamp) -> impl IntoView + use<> {
    let name = status.gate.to_string();
    let (verdict, link, since) = match &status.result {
        None => (
            mark(Meaning::Waiting, Icon::Dot, "not reported").into_any(),
            name.into_any(),
            None,
        ),
        Some(result) => {
            let passed = result.verdict == Verdict::Pass;
            let (meaning, drawing, word) = if passed {
                (Meaning::Good, Icon::Check, "passed")
            } else {
                (Meaning::Bad, Icon::Cross, "failed")
            };
            // Where there is more to say, the icon stands for the word; those who hear the page hear the word.
            let verdict = match &result.detail {
                Some(detail) => view! {
                    <span class=format!("mark {}", meaning.class())>
                        {icon(drawing)} <span><span class=if passed { "sr" } else { "" }>{format!("{word}: ")}</span>{tied(detail)}</span>
                    </span>
                }
                .into_any(),
                None => mark(meaning, drawing, word).into_any(),
            };
            let link = result
                .url
                .as_ref()
                .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
                .map_or_else(
                    || name.clone().into_any(),
                    |url| view! { <a href=url.clone() rel="noreferrer">{name.clone()}</a> }.into_any(),
                );
            (verdict, link, Some(result.reported_at))
        }
    };
    view! {
        <li>
            <span class="gate-name">{link}</span>
            <span class="gate-verdict">{verdict}</span>
            <span class="gate-since">{since.map(|at| when(at, now))}</span>
        </li>
    }
}

/// The gates in one line, for lists: `7 of 7 passed`, or the one that did not.
pub(crate) fn gate_summary(gates: &[GateStatus]) -> impl IntoView + use<> {
    let passed = gates.iter().filter(|status| status.passed()).count();
    let failed = gates.iter().find(|status| {
        status
            .result
            .as_ref()
            .is_some_and(|result| result.verdict == Verdict::Fail)
    });
    match failed {
        Some(failed) => mark(Meaning::Bad, Icon::Cross, format!("{} failed", failed.gate)).into_any(),
        None if gates.is_empty() => mark(Meaning::Quiet, Icon::Check, "no gates asked for").into_any(),
        None if passed == gates.len() => {
            mark(Meaning::Good, Icon::Check, format!("all {passed} gates passed")).into_any()
        }
        None => {
            let missing = gates.len() - passed;
            mark(
                Meaning::Waiting,
                Icon::Dot,
                format!("{missing} of {} gates missing", gates.len()),
            )
            .into_any()
        }
    }
}
