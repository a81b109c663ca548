//! What happens next, and how long it takes, in one sentence and a half.

use crate::{
    components::{
        icon::{Icon, icon},
        label::when,
        sentence::shorten_hashes,
        state::{Meaning, meaning},
    },
    model::DeploymentPage,
    words::{counted, listed},
};
use leptos::prelude::*;
use tidegate_domain::{
    State, Timestamp,
    deployment::{Authority, Concern, Expiry, Hold, RollbackCause, Run, Unanswered},
    name::TeamSlug,
    time::span_words,
};

struct Next {
    headline: String,
    detail: Vec<Bit>,
}

/// A piece of a sentence. A moment is one of its own, so that it stays true while the page is open.
enum Bit {
    Text(String),
    When(Timestamp),
}

impl From<String> for Bit {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Bit {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Timestamp> for Bit {
    fn from(at: Timestamp) -> Self {
        Self::When(at)
    }
}

macro_rules! bits {
    ($($bit:expr),+ $(,)?) => { vec![$(Bit::from($bit)),+] };
}

/// The sentence above everything else on the page.
pub(super) fn banner(page: &DeploymentPage) -> impl IntoView + use<> {
    let Next { headline, detail } = next(page);
    let now = page.now;
    let detail = detail
        .into_iter()
        .map(|bit| match bit {
            Bit::Text(text) => text.into_any(),
            Bit::When(at) => when(at, now).into_any(),
        })
        .collect_view();
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
        {concerns(page)}
    }
}

/// What worries the worker about what runs, while it does.
fn concerns(page: &DeploymentPage) -> impl IntoView + use<> {
    let concerns = page
        .deployment
        .run()
        .filter(|_| page.deployment.state.name().is_in_flight())
        .map(|run| run.concerns.clone())
        .unwrap_or_default();
    concerns
        .into_iter()
        .map(|concern| {
            let words = match concern {
                Concern::Unseen => {
                    "AWS cannot be read, and this should have ended. Look at the deployment in the AWS console; Tidegate asks it to stop all the same."
                }
                Concern::RollbackOverdue => {
                    "The rollback takes longer than any should. Look at the deployment in the AWS console: which version has the traffic?"
                }
                Concern::Stuck => {
                    "AWS refuses a call that is needed to finish. All traffic is on the new version; the old one has not been taken away. The last call's answer is in the log below."
                }
            };
            view! {
                <section class="next bad" role="alert">
                    {icon(Icon::Alert)}
                    <p>{words}</p>
                </section>
            }
        })
        .collect_view()
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

fn next(page: &DeploymentPage) -> Next {
    let deployment = &page.deployment;
    let previous = page
        .previous
        .as_ref()
        .map_or_else(|| "the version before".to_owned(), |previous| previous.label.clone());
    let (headline, detail) = match &deployment.state {
        State::Requested { blocked } if blocked.is_empty() => (
            "Tidegate reads what would change.".to_owned(),
            bits!["It takes a few seconds; then people are asked."],
        ),
        State::Requested { blocked } => {
            let what: Vec<String> = blocked
                .iter()
                .map(|one| format!("{} — {}", one.subject, one.why))
                .collect();
            (
                format!("Held up by {}.", counted(blocked.len(), "thing", "things")),
                bits![format!(
                    "{}. It goes on by itself once that is mended.",
                    shorten_hashes(&what.join("; "))
                )],
            )
        }
        State::AwaitingApproval { expires_at, .. } => {
            let turn = if let [first, ..] = page.shape.closed.as_slice() {
                format!("when it may ({})", lower(first))
            } else if page.behind.is_empty() {
                "at once".to_owned()
            } else {
                behind(page)
            };
            (
                format!("Needs approval: {}.", missing(page)),
                bits![
                    format!(
                        "Then it starts {turn}: {}. If nobody acts it expires ",
                        plan_words(page)
                    ),
                    *expires_at,
                    ", and nothing is deployed.",
                ],
            )
        }
        State::Queued {
            authority,
            start_before,
            ..
        } => queued(page, authority, *start_before),
        State::Starting { run } => (
            "AWS CodeDeploy is being asked.".to_owned(),
            if run.stop.is_some() {
                bits!["Asked to stop: nothing runs yet, so it ends here."]
            } else {
                bits![format!(
                    "First the task definition, then the deployment. {}.",
                    capital(&plan_words(page))
                )]
            },
        ),
        State::Deploying { run } if run.stop.is_some() => (
            "Stopping, then back.".to_owned(),
            bits![format!("All traffic returns to {previous}.")],
        ),
        State::Deploying { run } if let Some(hold) = &run.hold => held(page, run, hold),
        State::Deploying { run } => (
            match deployment.traffic() {
                Some(0) | None => "The new version is being started beside the old one.".to_owned(),
                Some(100) => "All traffic is on the new version.".to_owned(),
                Some(share) => format!("{share} % of traffic is on the new version."),
            },
            bits![
                format!(
                    "{}. If AWS sees a failure, all traffic returns to {previous} by itself. Rolled back if not done ",
                    capital(&plan_words(page))
                ),
                run.deadline,
                ".",
            ],
        ),
        State::RollingBack { cause, since, .. } => (
            format!("Traffic returns to {previous}."),
            bits![format!("{} Began ", cause_words(cause)), *since, "."],
        ),
        State::Succeeded { run, at } => (
            format!("All traffic is on {}.", deployment.label),
            bits![
                "Done ",
                *at,
                format!(" after {}.", span_words(at.since(run.started_at)))
            ],
        ),
        State::RolledBack { cause, at, .. } => (
            format!("Rolled back: all traffic is on {previous}."),
            bits![format!("{} Done ", cause_words(cause)), *at, "."],
        ),
        State::Failed { failure, at, .. } => {
            let code = failure
                .code
                .as_ref()
                .map(|code| format!("{code}: "))
                .unwrap_or_default();
            (
                "Failed.".to_owned(),
                bits![format!("{code}{} It ended ", sentence(&failure.message)), *at, "."],
            )
        }
        State::Rejected { by, reason, at } => (
            format!("Rejected by {by}."),
            bits![format!("“{reason}” Decided "), *at, ". Nothing was deployed."],
        ),
        State::Cancelled { by, reason, at } => (
            format!("Cancelled by {}.", by.label()),
            bits![format!("“{reason}” Decided "), *at, ". Nothing was deployed."],
        ),
        State::Expired { what, at } => (
            match what {
                Expiry::Approval => "Expired: not enough people approved in time.",
                Expiry::Execution if deployment.waivers.glass.is_some() => {
                    "Expired: its break-glass ran out before it could start."
                }
                Expiry::Execution => "Expired: approved, but it did not start in time.",
            }
            .to_owned(),
            bits![
                "Its time ran out ",
                *at,
                ". Nothing was deployed; request it again to try again.",
            ],
        ),
        State::Superseded { at, .. } => (
            "Superseded by a newer request.".to_owned(),
            bits!["It came ", *at, ". Nothing was deployed."],
        ),
    };
    Next { headline, detail }
}

fn queued(page: &DeploymentPage, authority: &Authority, start_before: Option<Timestamp>) -> (String, Vec<Bit>) {
    let why = match authority {
        Authority::Quorum { .. } => "Approved.",
        Authority::Automatic => "No approval asked for.",
        Authority::Rollback { .. } => "A rollback needs no new approval.",
        Authority::BreakGlass { .. } => "The glass is broken.",
    };
    let headline = if let [first, ..] = page.shape.closed.as_slice() {
        format!("{why} {first}.")
    } else if page.behind.is_empty() {
        format!("{why} Starts in a few seconds.")
    } else {
        format!("{why} Waits {}.", behind(page))
    };
    let mut detail = bits![format!("Then {}.", plan_words(page))];
    if let Some(opens) = page.shape.opens {
        detail = bits!["It may go ", opens, format!(". Then {}.", plan_words(page))];
        if start_before.is_some() && !page.deployment.by_glass() {
            detail.extend(bits![
                " It keeps its approvals, and its time to start does not run meanwhile."
            ]);
        }
    }
    // Where that is before it may go, it is about to be put off.
    let limit = start_before.filter(|limit| page.shape.opens.is_none_or(|opens| opens < *limit));
    if let Some(limit) = limit {
        detail.extend(bits![" Must start ", limit, ", or the approvals lapse."]);
    }
    (headline, detail)
}

/// Held: what was seen, who must answer, and what happens if nobody does.
fn held(page: &DeploymentPage, run: &Run, hold: &Hold) -> (String, Vec<Bit>) {
    let share = page.deployment.traffic().unwrap_or(0);
    let stays = match run.engine.kind().holds() {
        Ok(()) => format!("Traffic stays at {share} %. "),
        Err(why) => format!("Traffic is at {share} %. {} ", sentence(&capital(why))),
    };
    let answer = match hold.unanswered {
        Unanswered::RollBack => "Continue or roll back; if nobody answers, it is rolled back ",
        Unanswered::Continue => "Continue or roll back; if nobody answers, it goes on ",
    };
    (
        format!("Held by {}: {}", hold.rule, sentence(&hold.why)),
        bits![stays, answer, hold.until, "."],
    )
}

fn cause_words(cause: &RollbackCause) -> String {
    match cause {
        RollbackCause::Person { by, reason } => format!("{by} asked for it: “{reason}”"),
        RollbackCause::Cloud { message } if message.trim().is_empty() => {
            "AWS did it by itself and gave no reason.".to_owned()
        }
        RollbackCause::Cloud { message } => format!("AWS did it by itself: {}", sentence(message)),
        other => sentence(&capital(&other.words())),
    }
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
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
