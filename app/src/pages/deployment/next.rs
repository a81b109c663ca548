//! What happens next, and how long it takes, in one sentence and a half.

use crate::{
    components::{
        icon::{Icon, icon},
        sentence::shorten_hashes,
        state::{Meaning, meaning},
    },
    model::DeploymentPage,
    words::{counted, listed, relative, utc},
};
use leptos::prelude::*;
use tidegate_domain::{
    State, Timestamp,
    deployment::{Authority, Expiry, RollbackCause},
    name::TeamSlug,
    time::span_words,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) headline: String,
    pub(super) detail: String,
}

/// The sentence above everything else on the page.
pub(super) fn banner(page: &DeploymentPage) -> impl IntoView + use<> {
    let Next { headline, detail } = next(page);
    let name = page.deployment.state.name();
    let drawing = match meaning(name) {
        Meaning::Good => Icon::Check,
        Meaning::Waiting => Icon::Hand,
        Meaning::Moving => Icon::Go,
        Meaning::Bad => Icon::Alert,
        Meaning::Quiet => Icon::Clock,
    };
    view! {
        <section class=format!("next {}", meaning(name).class()) aria-label="What happens next">
            {icon(drawing)}
            <p>
                <strong>{headline}</strong>
                " "
                <span>{detail}</span>
            </p>
        </section>
    }
}

/// Whose yes is still missing: `1 more of platform`.
fn missing(page: &DeploymentPage) -> String {
    let parts: Vec<String> = page
        .quorum
        .iter()
        .flat_map(|quorum| &quorum.rules)
        .filter_map(|rule| {
            let missing = usize::from(rule.count).saturating_sub(rule.filled_by.len());
            let teams: Vec<String> = rule.teams.iter().map(TeamSlug::to_string).collect();
            (missing > 0).then(|| format!("{missing} of {}", listed(&teams, "or")))
        })
        .collect();
    listed(&parts, "and")
}

fn behind(page: &DeploymentPage) -> String {
    match page.behind.as_slice() {
        [] => String::new(),
        [first, ..] => format!("behind {} ({})", first.label, first.state.words().to_lowercase()),
    }
}

fn plan_words(page: &DeploymentPage) -> String {
    match &page.target {
        Some(target) => match target.traffic.minutes() {
            0 => "all traffic at once".to_owned(),
            minutes => format!("{}: about {minutes} min of traffic shift", target.traffic),
        },
        None => "the configuration has no such target any more".to_owned(),
    }
}

fn until(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", relative(at, now), utc(at))
}

pub(super) fn next(page: &DeploymentPage) -> Next {
    let now = page.now;
    let deployment = &page.deployment;
    let previous = page
        .previous
        .as_ref()
        .map_or_else(|| "the version before".to_owned(), |previous| previous.label.clone());
    let (headline, detail) = match &deployment.state {
        State::Requested { blocked } if blocked.is_empty() => (
            "Tidegate reads what would change.".to_owned(),
            "It takes a few seconds; then people are asked.".to_owned(),
        ),
        State::Requested { blocked } => (
            format!("Held up by {}.", counted(blocked.len(), "thing", "things")),
            format!(
                "{}. It goes on by itself once that is mended.",
                shorten_hashes(
                    &blocked
                        .iter()
                        .map(|one| format!("{} — {}", one.subject, one.why))
                        .collect::<Vec<_>>()
                        .join("; ")
                )
            ),
        ),
        State::AwaitingApproval { expires_at, .. } => (
            format!("Needs approval: {}.", missing(page)),
            format!(
                "Then it starts {}: {}. Expires {}.",
                if page.behind.is_empty() {
                    "at once".to_owned()
                } else {
                    behind(page)
                },
                plan_words(page),
                relative(*expires_at, now)
            ),
        ),
        State::Queued {
            authority,
            start_before,
            ..
        } => {
            let why = match authority {
                Authority::Quorum { .. } => "Approved.",
                Authority::Automatic => "No approval asked for.",
                Authority::Rollback { .. } => "A rollback needs no new approval.",
            };
            (
                if page.behind.is_empty() {
                    format!("{why} Starts in a few seconds.")
                } else {
                    format!("{why} Waits {}.", behind(page))
                },
                format!(
                    "Then {}.{}",
                    plan_words(page),
                    start_before
                        .map(|at| format!(" Must start {}, or the approvals lapse.", relative(at, now)))
                        .unwrap_or_default()
                ),
            )
        }
        State::Starting { run } => (
            "AWS CodeDeploy is being asked.".to_owned(),
            if run.stop.is_some() {
                "Asked to stop: nothing runs yet, so it ends here.".to_owned()
            } else {
                format!(
                    "First the task definition, then the deployment. {}.",
                    capital(&plan_words(page))
                )
            },
        ),
        State::Deploying { run } if run.stop.is_some() => (
            "Stopping, then back.".to_owned(),
            format!("All traffic returns to {previous}."),
        ),
        State::Deploying { run } => (
            match deployment.traffic() {
                Some(0) | None => "The new version is being started beside the old one.".to_owned(),
                Some(100) => "All traffic is on the new version.".to_owned(),
                Some(share) => format!("{share} % of traffic is on the new version."),
            },
            format!(
                "{}. If AWS sees a failure, all traffic returns to {previous} by itself. Rolled back if not done {}.",
                capital(&plan_words(page)),
                relative(run.deadline, now)
            ),
        ),
        State::RollingBack { cause, since, .. } => (
            format!("Traffic returns to {previous}."),
            format!("{} Began {}.", cause_words(cause), relative(*since, now)),
        ),
        State::Succeeded { run, at } => (
            format!("All traffic is on {}.", deployment.label),
            format!(
                "Done {} after {}.",
                relative(*at, now),
                span_words(at.since(run.started_at))
            ),
        ),
        State::RolledBack { cause, at, .. } => (
            format!("Rolled back: all traffic is on {previous}."),
            format!("{} {}.", cause_words(cause), capital(&relative(*at, now))),
        ),
        State::Failed { failure, at, .. } => (
            "Failed.".to_owned(),
            format!(
                "{}{} {}.",
                failure
                    .code
                    .as_ref()
                    .map(|code| format!("{code}: "))
                    .unwrap_or_default(),
                sentence(&failure.message),
                capital(&relative(*at, now))
            ),
        ),
        State::Rejected { by, reason, at } => (
            format!("Rejected by {by}."),
            format!("“{reason}” {}. Nothing was deployed.", capital(&relative(*at, now))),
        ),
        State::Cancelled { by, reason, at } => (
            format!("Cancelled by {}.", by.label()),
            format!("“{reason}” {}. Nothing was deployed.", capital(&relative(*at, now))),
        ),
        State::Expired { what, at } => (
            match what {
                Expiry::Approval => "Expired: not enough people approved in time.",
                Expiry::Execution => "Expired: approved, but it did not start in time.",
            }
            .to_owned(),
            format!(
                "{}. Nothing was deployed; request it again to try again.",
                until(*at, now)
            ),
        ),
        State::Superseded { at, .. } => (
            "Superseded by a newer request.".to_owned(),
            format!("{}. Nothing was deployed.", capital(&relative(*at, now))),
        ),
    };
    Next { headline, detail }
}

fn cause_words(cause: &RollbackCause) -> String {
    match cause {
        RollbackCause::Person { by, reason } => format!("{by} asked for it: “{reason}”"),
        RollbackCause::Cloud { message } => format!("AWS did it by itself: {}", sentence(message)),
        RollbackCause::Deadline => "It took longer than the target allows.".to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Ends with a full stop, once.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}
