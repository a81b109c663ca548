//! What people are told of a deployment: which change is worth a message, how bad it is, and in which words.
//!
//! [`notices`] is a pure function of the change that is being saved, so that a message is kept in the transaction of its
//! cause and never without it. It knows nothing of channels: who hears of what is configuration. Words are plain text; a
//! channel escapes them for its own markup.

use crate::{
    audit::{AuditEvent, EventKind},
    deployment::{
        CONFIRMED_AT_MOST_MILLIS, CONFIRMED_WITHIN_MILLIS, Deployment, Hold, Kind, RollbackCause, State, Unanswered,
        plain_words,
    },
    id::{DeploymentId, ReleaseId},
    name::{EnvironmentName, ServiceName},
    time::{Timestamp, span_words},
};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! kinds {
    ($($variant:ident = $name:literal: $words:literal,)+) => {
        /// What a message is about. The name is stored, configured and sent: it never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum NoticeKind { $($variant,)+ }

        impl NoticeKind {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// In a few words, for a list.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)+ }
            }
        }
    };
}

kinds! {
    Requested = "requested": "requested",
    ApprovalNeeded = "approval_needed": "approval needed",
    Started = "started": "started",
    Held = "held": "held",
    Continued = "continued": "continued",
    RollbackStarted = "rollback_started": "rollback started",
    RolledBack = "rolled_back": "rolled back",
    Succeeded = "succeeded": "succeeded",
    Failed = "failed": "failed",
    Cancelled = "cancelled": "cancelled",
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Good,
    Warning,
    Error,
    Critical,
}

/// What it means to whoever is on call. All of one deployment is one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// Somebody must look.
    Trigger,
    /// Somebody looks.
    Acknowledge,
    /// It is over.
    Resolve,
}

/// One line of a message: what, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub name: String,
    pub words: String,
}

/// A message to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The same however often it is sent: receivers tell by it that they know it already.
    pub id: String,
    pub kind: NoticeKind,
    pub severity: Severity,
    pub deployment: DeploymentId,
    /// Version of the deployment that it is about: messages of one deployment are in this order.
    pub sequence: i64,
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub release: ReleaseId,
    pub at: Timestamp,
    /// One sentence without its end.
    pub title: String,
    pub facts: Vec<Fact>,
    pub page: Option<Page>,
    /// Worth a ticket: users may have met it, and it went wrong.
    pub incident: bool,
}

/// What there is to tell about a change. `before`: `None` for a new deployment; `sequence`: the version it is saved as.
pub fn notices(
    before: Option<&Deployment>,
    after: &Deployment,
    events: &[AuditEvent],
    sequence: i64,
    now: Timestamp,
) -> Vec<Notice> {
    let Some(before) = before else {
        return vec![Draft::of(after, NoticeKind::Requested, Severity::Info, "was requested for").done(sequence, now)];
    };
    let told = [
        approval_needed(before, after),
        started(before, after),
        held(before, after),
        continued(before, after, events),
        rollback_started(before, after),
        ended(before, after),
    ];
    told.into_iter()
        .flatten()
        .map(|draft| draft.done(sequence, now))
        .collect()
}

/// A notice before it has its number.
struct Draft<'a> {
    deployment: &'a Deployment,
    kind: NoticeKind,
    severity: Severity,
    title: String,
    facts: Vec<Fact>,
    page: Option<Page>,
    incident: bool,
}

impl<'a> Draft<'a> {
    /// `verb`: what stands between the release and the environment.
    fn of(deployment: &'a Deployment, kind: NoticeKind, severity: Severity, verb: &str) -> Self {
        let title = format!(
            "{} {} {verb} {}",
            deployment.service, deployment.label, deployment.environment
        );
        let by = deployment.requested_by.label();
        Self {
            deployment,
            kind,
            severity,
            title,
            facts: Vec::new(),
            page: None,
            incident: false,
        }
        .maybe("Brings", deployment.title.clone())
        .fact("Requested by", by)
        .maybe("Reason", deployment.reason.clone())
    }

    fn fact(mut self, name: &str, words: impl Into<String>) -> Self {
        self.facts.push(Fact {
            name: name.to_owned(),
            words: words.into(),
        });
        self
    }

    fn maybe(self, name: &str, words: Option<String>) -> Self {
        match words {
            Some(words) => self.fact(name, words),
            None => self,
        }
    }

    fn page(mut self, page: Page) -> Self {
        self.page = Some(page);
        self
    }

    fn incident(mut self) -> Self {
        self.incident = true;
        self
    }

    fn done(self, sequence: i64, at: Timestamp) -> Notice {
        let deployment = self.deployment;
        Notice {
            id: format!("{}.{}.{sequence}", deployment.id, self.kind.name()),
            kind: self.kind,
            severity: self.severity,
            deployment: deployment.id,
            sequence,
            service: deployment.service.clone(),
            environment: deployment.environment.clone(),
            release: deployment.release,
            at,
            title: self.title,
            facts: self.facts,
            page: self.page,
            incident: self.incident,
        }
    }
}

/// Anew for each revision: who approved the one before is asked again.
fn approval_needed<'a>(before: &Deployment, after: &'a Deployment) -> Option<Draft<'a>> {
    let State::AwaitingApproval {
        revision, expires_at, ..
    } = &after.state
    else {
        return None;
    };
    if matches!(&before.state, State::AwaitingApproval { revision: old, .. } if old.hash() == revision.hash()) {
        return None;
    }
    let draft = Draft::of(after, NoticeKind::ApprovalNeeded, Severity::Info, "needs approval for");
    Some(
        draft
            .fact("Traffic", revision.traffic.to_string())
            .fact("Approve until", expires_at.to_string()),
    )
}

fn started<'a>(before: &Deployment, after: &'a Deployment) -> Option<Draft<'a>> {
    if before.state.name().is_in_flight() || !matches!(after.state, State::Starting { .. }) {
        return None;
    }
    Some(match &after.kind {
        Kind::Promotion => Draft::of(after, NoticeKind::Started, Severity::Info, "is being deployed to"),
        Kind::Rollback { by, reason, .. } => Draft::of(
            after,
            NoticeKind::RollbackStarted,
            Severity::Error,
            "is being brought back to",
        )
        .fact("Cause", format!("{by} asked for it: “{reason}”"))
        .page(Page::Trigger),
    })
}

fn hold(deployment: &Deployment) -> Option<&Hold> {
    match &deployment.state {
        State::Deploying { run } => run.hold.as_ref(),
        _ => None,
    }
}

fn held<'a>(before: &Deployment, after: &'a Deployment) -> Option<Draft<'a>> {
    let hold = hold(after).filter(|_| hold(before).is_none())?;
    let stays = after.run().is_some_and(|run| run.engine.kind().holds().is_ok());
    let otherwise = match hold.unanswered {
        Unanswered::RollBack => "it is rolled back",
        Unanswered::Continue => "it goes on",
    };
    let traffic = after.traffic().unwrap_or_default();
    let draft = Draft::of(after, NoticeKind::Held, Severity::Warning, "is held in");
    Some(
        draft
            .fact("Cause", format!("{}: {}", hold.rule, hold.why))
            .fact(
                "Traffic",
                if stays {
                    format!("stays at {traffic} %")
                } else {
                    format!("{traffic} %, and its engine cannot stop it from moving on")
                },
            )
            .fact(
                "Who may answer",
                "deployers, approvers and admins: continue or roll back, on the deployment's page",
            )
            .fact("Answer until", hold.until.to_string())
            .fact("If nobody does", otherwise)
            .page(Page::Trigger),
    )
}

fn continued<'a>(before: &Deployment, after: &'a Deployment, events: &[AuditEvent]) -> Option<Draft<'a>> {
    let hold = hold(before)?;
    let resumed = events.iter().find(|event| event.kind == EventKind::DeploymentResumed)?;
    let draft = Draft::of(after, NoticeKind::Continued, Severity::Info, "goes on in");
    let by = match resumed.actor.person() {
        Some(person) => person.to_string(),
        None => "nobody: the time to answer ran out, and that was to mean yes".to_owned(),
    };
    Some(
        draft
            .fact("Was held by", hold.rule.clone())
            .fact("Answered by", by)
            .maybe("Why", resumed.text.clone())
            .page(Page::Acknowledge),
    )
}

/// Why it goes back, once anything has decided so.
fn going_back(deployment: &Deployment) -> Option<&RollbackCause> {
    match &deployment.state {
        State::Starting { run } | State::Deploying { run } => run.stop.as_ref().map(|stop| &stop.cause),
        State::RollingBack { cause, .. } | State::RolledBack { cause, .. } => Some(cause),
        _ => None,
    }
}

fn rollback_started<'a>(before: &Deployment, after: &'a Deployment) -> Option<Draft<'a>> {
    let cause = going_back(after).filter(|_| going_back(before).is_none())?;
    let draft = Draft::of(
        after,
        NoticeKind::RollbackStarted,
        Severity::Error,
        "is being rolled back in",
    );
    Some(draft.fact("Cause", cause.words()).page(Page::Trigger))
}

fn ended<'a>(before: &Deployment, after: &'a Deployment) -> Option<Draft<'a>> {
    if before.state.name().is_terminal() {
        return None;
    }
    match &after.state {
        State::Succeeded { run, at } => {
            let took = span_words(at.since(run.started_at));
            Some(match &after.kind {
                Kind::Promotion => {
                    let draft =
                        Draft::of(after, NoticeKind::Succeeded, Severity::Good, "is live in").fact("Took", took);
                    // Somebody may have been called for it.
                    if run.waived.is_empty() && run.stop.is_none() {
                        draft
                    } else {
                        draft.page(Page::Resolve)
                    }
                }
                Kind::Rollback { by, reason, .. } => {
                    Draft::of(after, NoticeKind::RolledBack, Severity::Warning, "is live again in")
                        .fact("Cause", format!("{by} asked for it: “{reason}”"))
                        .fact("Took", took)
                        .page(Page::Resolve)
                        .incident()
                }
            })
        }
        State::RolledBack { cause, .. } => {
            let draft = Draft::of(after, NoticeKind::RolledBack, Severity::Warning, "was rolled back in");
            Some(
                recovery(draft.fact("Cause", cause.words()))
                    .page(Page::Resolve)
                    .incident(),
            )
        }
        State::Failed { run, failure, .. } => {
            let exposed = run.may_have_exposed();
            let severity = if exposed { Severity::Critical } else { Severity::Error };
            let code = failure.code.as_deref().map(|code| match plain_words(code) {
                Some(words) => format!("{code}: {words}"),
                None => code.to_owned(),
            });
            let draft = Draft::of(after, NoticeKind::Failed, severity, "failed in")
                .fact("Cause", failure.message.clone())
                .maybe("AWS's code", code);
            Some(if exposed {
                recovery(draft).page(Page::Trigger).incident()
            } else {
                draft.fact("Users", "met nothing of it: traffic never moved")
            })
        }
        // Before it ran, only those who waited for it have to know, and they see it.
        State::Cancelled { .. } if before.state.name().is_in_flight() => Some(
            Draft::of(
                after,
                NoticeKind::Cancelled,
                Severity::Info,
                "was stopped before it reached",
            )
            .page(Page::Resolve),
        ),
        _ => None,
    }
}

/// What kind of failure it was, and how long it took to be back, beside what was promised.
fn recovery(draft: Draft<'_>) -> Draft<'_> {
    let deployment = draft.deployment;
    let class = deployment.failure_class();
    let objective = class.and_then(|class| Some(format!(" of {}", span_words(class.objective_millis()?))));
    let recovered = deployment
        .recovery_millis()
        .map(|millis| format!("{}{}", span_words(millis), objective.unwrap_or_default()));
    let timing = deployment.rollback_timing();
    let to_call = timing.and_then(|timing| timing.to_call());
    let to_back = timing.and_then(|timing| timing.to_confirmed());
    draft
        .maybe("Failure", class.map(|class| class.words().to_owned()))
        .maybe("Back to normal after", recovered)
        .maybe(
            "Decision to call",
            to_call.map(|millis| {
                format!(
                    "{} of {}",
                    precise(millis),
                    span_words(crate::deployment::CALL_WITHIN_MILLIS)
                )
            }),
        )
        .maybe(
            "Decision to all traffic back",
            to_back.map(|millis| {
                format!(
                    "{} of {}, never over {}",
                    precise(millis),
                    span_words(CONFIRMED_WITHIN_MILLIS),
                    span_words(CONFIRMED_AT_MOST_MILLIS)
                )
            }),
        )
}

/// Below a second in milliseconds.
fn precise(millis: i64) -> String {
    if millis < 1_000 {
        format!("{} ms", millis.max(0))
    } else {
        span_words(millis)
    }
}

#[cfg(test)]
mod tests;
